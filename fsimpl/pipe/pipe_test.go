package pipe

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// open returns a pipe with both ends open.
func open() (p *Pipe, r, w *end) {
	p = newPipe()
	p.readers, p.writers = 1, 1
	return p, &end{p: p, reads: true}, &end{p: p, writes: true}
}

func put(t *testing.T, p *Pipe, s string, packet bool) {
	t.Helper()
	n, err := p.write(currenttest.New(0), usermem.BytesBuffer([]byte(s)), packet)
	if int(n) != len(s) || err != nil {
		t.Fatalf("write of %d bytes = %d, %v", len(s), n, err)
	}
}

func get(t *testing.T, p *Pipe, n int) string {
	t.Helper()
	b := make([]byte, n)
	got, err := p.read(usermem.BytesBuffer(b))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b[:got])
}

func TestBytesInOrder(t *testing.T) {
	p, _, _ := open()
	var want, have bytes.Buffer
	for i := range 2000 {
		s := bytes.Repeat([]byte{byte(i)}, i%977+1)
		put(t, p, string(s), false)
		want.Write(s)
		for p.size() > 20000 {
			have.WriteString(get(t, p, i%3000+1))
		}
	}
	for p.size() > 0 {
		have.WriteString(get(t, p, 5000))
	}
	if !bytes.Equal(want.Bytes(), have.Bytes()) {
		t.Fatal("bytes differ")
	}
}

func TestFullAndEmpty(t *testing.T) {
	task := currenttest.New(0)
	p, r, w := open()
	if _, err := p.read(usermem.BytesBuffer(make([]byte, 1))); err != unix.EAGAIN {
		t.Errorf("read of an empty pipe: %v", err)
	}
	big := make([]byte, 100000)
	n, err := p.write(task, usermem.BytesBuffer(big), false)
	if n != 65536 || err != nil {
		t.Fatalf("write of more than fits = %d, %v", n, err)
	}
	if w.Readiness(wait.Out) != 0 || r.Readiness(wait.In) == 0 {
		t.Error("readiness of a full pipe")
	}
	// A write of PIPE_BUF is all or nothing.
	if n, err := p.write(task, usermem.BytesBuffer(big[:4096]), false); n != 0 || err != unix.EAGAIN {
		t.Errorf("write to a full pipe = %d, %v", n, err)
	}
	get(t, p, 4095)
	if w.Readiness(wait.Out) != 0 {
		t.Error("writable with a slot not yet empty")
	}
	get(t, p, 1)
	if w.Readiness(wait.Out) == 0 {
		t.Error("not writable with a free slot")
	}
}

func TestPackets(t *testing.T) {
	p, _, _ := open()
	put(t, p, "first", true)
	put(t, p, "second", true)
	put(t, p, "xx", false)
	if s := get(t, p, 3); s != "fir" {
		t.Errorf("short read of a packet = %q", s)
	}
	if s := get(t, p, 100); s != "second" {
		t.Errorf("second packet = %q", s)
	}
	if s := get(t, p, 100); s != "xx" {
		t.Errorf("after the packets = %q", s)
	}
}

func TestHangUp(t *testing.T) {
	task := currenttest.New(0)
	p, r, w := open()
	put(t, p, "last", false)
	w.close()
	if m := r.Readiness(wait.In); m != wait.In|wait.Hup {
		t.Errorf("readiness after the writer went: %#x", m)
	}
	if s := get(t, p, 10); s != "last" {
		t.Errorf("rest = %q", s)
	}
	if s := get(t, p, 10); s != "" {
		t.Errorf("end = %q", s)
	}

	p, r, w = open()
	r.close()
	if n, err := p.write(task, usermem.BytesBuffer([]byte("x")), false); n != 0 || err != unix.EPIPE {
		t.Errorf("write without reader = %d, %v", n, err)
	}
	if len(task.Signals) != 1 || task.Signals[0] != int(unix.SIGPIPE) {
		t.Errorf("signals = %v", task.Signals)
	}
	if w.Readiness(wait.Out)&wait.Err == 0 {
		t.Error("no error without reader")
	}
}

func TestSetSize(t *testing.T) {
	task := currenttest.New(0)
	p, _, _ := open()
	for range 3 {
		put(t, p, string(make([]byte, 4096)), false)
	}
	for _, c := range []struct {
		size uint32
		want int
		err  error
	}{
		{0, 0, unix.EBUSY},
		{8192, 0, unix.EBUSY},
		{12289, 16384, nil},
		{1 << 20, 1 << 20, nil},
		{1<<20 + 1, 0, unix.EPERM},
		{1<<31 + 1, 0, unix.EINVAL},
	} {
		if n, err := p.SetSize(task, c.size); n != c.want || err != c.err {
			t.Errorf("SetSize(%d) = %d, %v; want %d, %v", c.size, n, err, c.want, c.err)
		}
	}
	if p.size() != 3*4096 || p.Size() != 1<<20 {
		t.Error("bytes lost")
	}
}

func TestBadAddress(t *testing.T) {
	task := currenttest.New(0)
	p, _, _ := open()
	if n, err := p.write(task, usermem.One(usermem.Bytes(nil), 100, 10), false); n != 0 || err != unix.EFAULT {
		t.Errorf("write from nowhere = %d, %v", n, err)
	}
	put(t, p, "kept", false)
	if n, err := p.read(usermem.One(usermem.Bytes(nil), 100, 10)); n != 0 || err != unix.EFAULT {
		t.Errorf("read to nowhere = %d, %v", n, err)
	}
	if s := get(t, p, 10); s != "kept" {
		t.Errorf("after a failed read: %q", s)
	}
}

func TestTransfer(t *testing.T) {
	from, _, fw := open()
	to, _, _ := open()
	if _, err := Transfer(to, from, 10, false); err != unix.EAGAIN {
		t.Errorf("splice of nothing: %v", err)
	}
	put(t, from, "hello, world", false)
	if n, err := Transfer(to, from, 5, true); n != 5 || err != nil {
		t.Fatalf("tee = %d, %v", n, err)
	}
	if n, err := Transfer(to, from, 7, false); n != 7 || err != nil {
		t.Fatalf("splice = %d, %v", n, err)
	}
	if n, err := Transfer(to, from, 100, false); n != 5 || err != nil {
		t.Fatalf("splice of the rest = %d, %v", n, err)
	}
	if s := get(t, to, 100); s != "hellohello, world" {
		t.Errorf("got %q", s)
	}
	fw.close()
	if n, err := Transfer(to, from, 100, false); n != 0 || err != nil {
		t.Errorf("splice at the end = %d, %v", n, err)
	}
	if _, err := Transfer(from, from, 1, false); err != unix.EINVAL {
		t.Errorf("splice onto itself: %v", err)
	}
}

func TestFillAndDrain(t *testing.T) {
	p, _, _ := open()
	src := bytes.Repeat([]byte("0123456789"), 1000)
	rest := src
	n, err := p.Fill(1<<20, func(dst usermem.Buffer) (int64, error) {
		k, err := dst.CopyOut(rest)
		rest = rest[k:]
		return int64(k), err
	})
	if int(n) != len(src) || err != nil {
		t.Fatalf("Fill = %d, %v", n, err)
	}
	var out []byte
	take := func(src usermem.Buffer) (int64, error) {
		b := make([]byte, min(src.Len(), 3000)) // a file that takes less than offered
		k, err := src.CopyIn(b)
		out = append(out, b[:k]...)
		return int64(k), err
	}
	for p.size() > 0 {
		if _, err := p.Drain(1<<20, take); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out, src) {
		t.Error("bytes differ")
	}
	// What the file refuses stays in the pipe.
	put(t, p, "again", false)
	if _, err := p.Drain(10, func(usermem.Buffer) (int64, error) { return 0, unix.ENOSPC }); err != unix.ENOSPC {
		t.Errorf("Drain to a full file: %v", err)
	}
	if s := get(t, p, 10); s != "again" {
		t.Errorf("after a refused Drain: %q", s)
	}
}

func TestReaderDuringDrainIsToldOfTheEnd(t *testing.T) {
	p, r, w := open()
	put(t, p, "x", false)
	var told counter
	e := wait.Entry{Listener: &told}
	r.Register(&e, wait.In)
	defer r.Unregister(&e)
	_, err := p.Drain(1, func(src usermem.Buffer) (int64, error) {
		w.close()
		if _, err := p.read(usermem.BytesBuffer(make([]byte, 1))); err != unix.EAGAIN {
			t.Errorf("read during a splice: %v", err)
		}
		told = 0
		return 1, nil
	})
	if err != nil || told == 0 {
		t.Errorf("Drain: %v, told %d times", err, told)
	}
	if s := get(t, p, 1); s != "" {
		t.Errorf("after the end: %q", s)
	}
}

// counter counts notifications.
type counter int

func (c *counter) Notify(wait.Mask) { *c++ }

func TestToldOnEdgesOnly(t *testing.T) {
	p, r, _ := open()
	var told counter
	e := wait.Entry{Listener: &told}
	r.Register(&e, wait.In)
	put(t, p, "a", false)
	put(t, p, "b", false)
	if told != 1 {
		t.Errorf("told %d times of two writes", told)
	}
	r.Readiness(wait.In) // somebody polls: every write counts from now on
	put(t, p, "c", false)
	if told != 2 {
		t.Errorf("told %d times after a poll", told)
	}
	r.Unregister(&e)
}

func TestNoAllocation(t *testing.T) {
	if lock.Checking {
		t.Skip("checking the lock order allocates")
	}
	task := currenttest.New(8192)
	p, _, _ := open()
	b := usermem.One(task.Mem(), 0, 64)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := p.write(task, b, false); err != nil {
			t.Fatal(err)
		}
		if _, err := p.read(b); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a write and a read", n)
	}
}

func BenchmarkWriteRead(b *testing.B) {
	task := currenttest.New(8192)
	p, _, _ := open()
	buf := usermem.One(task.Mem(), 0, 1)
	for b.Loop() {
		_, _ = p.write(task, buf, false)
		_, _ = p.read(buf)
	}
}
