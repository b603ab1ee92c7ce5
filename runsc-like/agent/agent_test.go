package agent

import (
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limit is longer than anything here takes.
const limit = 20 * time.Second

// world is a helper with a listener; the test is agent and sentry.
type world struct {
	*testing.T
	listener *os.File
	line     *Line
	owner    int
	ended    chan error
	proc     int
	gift     *os.File // what came with the last Give
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can mount a FUSE file system")
	}
	dev, listener, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, listener: listener, ended: make(chan error, 1)}
	far, err := NewLine(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	if w.line, err = NewLine(fds[1]); err != nil {
		t.Fatal(err)
	}
	if w.owner, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	proc, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proc.Close() })
	w.proc = int(proc.Fd())
	go func() {
		err := Serve(int(dev.Fd()), far, w.owner, int(proc.Fd()))
		dev.Close()
		far.Close()
		w.ended <- err
	}()
	t.Cleanup(func() {
		listener.Close()
		w.line.Close()
		select {
		case err := <-w.ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(limit):
			t.Error("Serve does not end")
		}
	})
	return w
}

func (w *world) ioctl(cmd uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, w.listener.Fd(), cmd, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}

// begin makes an ioctl, whose end is told.
func (w *world) begin(cmd uintptr, arg unsafe.Pointer) chan error {
	done := make(chan error, 1)
	go func() { done <- w.ioctl(cmd, arg) }()
	return done
}

func (w *world) asked(kind Kind) Request {
	w.Helper()
	r, fd, err := w.line.Asked()
	if err == nil && (kind == Give) != (fd >= 0) {
		w.Fatalf("asked %+v, with descriptor %d", r, fd)
	}
	if fd >= 0 {
		w.gift = os.NewFile(uintptr(fd), "gift")
	}
	if err != nil || r.Kind != kind {
		w.Fatalf("asked %+v, %v; want kind %d", r, err, kind)
	}
	return r
}

func (w *world) wait(what string, done chan error, want error) {
	w.Helper()
	select {
	case err := <-done:
		if err != want {
			w.Fatalf("%s: %v, want %v", what, err, want)
		}
	case <-time.After(limit):
		w.Fatalf("%s: does not end", what)
	}
}

func (w *world) poll() int16 {
	w.Helper()
	p := []unix.PollFd{{Fd: int32(w.listener.Fd()), Events: unix.POLLIN | unix.POLLOUT}}
	if _, err := unix.Poll(p, 0); err != nil {
		w.Fatal(err)
	}
	return p[0].Revents
}

func TestCalls(t *testing.T) {
	w := newWorld(t)
	var got Call
	done := w.begin(notifReceive, unsafe.Pointer(&got))
	w.asked(Receive)
	if _, err := unix.FcntlInt(uintptr(w.owner), unix.F_SETOWN, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	want := Call{ID: 1 << 63, Nr: 83, Arch: 5, IP: 6, Args: [6]uint64{7, 8, 9, 10, 11, 1 << 60}}
	if err := w.line.Tell(&Reply{Kind: Received, Call: want}); err != nil {
		t.Fatal(err)
	}
	w.wait("receive", done, nil)
	if want.PID = uint32(os.Getpid()); got != want {
		t.Errorf("got %+v", got)
	}
	answer := struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}{want.ID, -5, -6, 7}
	done = w.begin(notifSend, unsafe.Pointer(&answer))
	if r := w.asked(Answer); r.ID != want.ID || r.Value != -5 || r.Errno != -6 || r.Flags != 7 {
		t.Errorf("answered %+v", r)
	} else if err := w.line.Tell(&Reply{Kind: Done, Tag: r.Tag, Errno: int32(unix.EINPROGRESS)}); err != nil {
		t.Fatal(err)
	}
	w.wait("send", done, unix.EINPROGRESS)
	done = w.begin(notifValid, unsafe.Pointer(&answer))
	r := w.asked(Valid)
	if err := w.line.Tell(&Reply{Kind: Done, Tag: r.Tag}); r.ID != want.ID || err != nil {
		t.Errorf("asked %+v, %v", r, err)
	}
	w.wait("valid", done, nil)
	done = w.begin(notifValid, unsafe.Pointer(&answer))
	r = w.asked(Valid)
	for _, tag := range []uint64{r.Tag + 1, r.Tag} { // nobody waits for the first
		if err := w.line.Tell(&Reply{Kind: Done, Tag: tag, Errno: -1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	w.wait("an errno that is none", done, unix.EIO)
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	var b [128]byte
	b[0] = 1
	for cmd, want := range map[uintptr]error{notifReceive: unix.EINVAL, 0x40102103: unix.EINVAL, 0x4030ff00: unix.EINVAL} {
		if err := w.ioctl(cmd, unsafe.Pointer(&b)); err != want {
			t.Errorf("ioctl %#x: %v, want %v", cmd, err, want)
		}
	}
	if _, err := w.listener.Read(b[:]); !errors.Is(err, unix.EINVAL) {
		t.Errorf("read: %v", err)
	}
}

// A descriptor of the agent's goes to the sentry, if it is of a file to read and write.
func TestGive(t *testing.T) {
	w := newWorld(t)
	own, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if _, err := own.WriteString("of the agent"); err != nil {
		t.Fatal(err)
	}
	a := addition{ID: 77, Flags: addSet, Source: uint32(own.Fd()), FD: 50, FDFlags: unix.O_CLOEXEC}
	result := make(chan int, 1)
	// On a thread that is not the process's first.
	go func() {
		runtime.LockOSThread()
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, w.listener.Fd(), 0x40182103, uintptr(unsafe.Pointer(&a)))
		if errno != 0 {
			n = -uintptr(errno)
		}
		result <- int(n)
	}()
	r := w.asked(Give)
	if r.ID != a.ID || r.Flags != a.Flags || r.FD != a.FD || r.FDFlags != a.FDFlags {
		t.Errorf("asked %+v", r)
	}
	b := make([]byte, 32)
	if n, err := w.gift.ReadAt(b, 0); string(b[:n]) != "of the agent" || err != io.EOF {
		t.Errorf("the file is %q, %v", b[:n], err)
	}
	w.gift.Close()
	if err := w.line.Tell(&Reply{Kind: Done, Tag: r.Tag, FD: 50}); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-result:
		if n != 50 {
			t.Errorf("the ioctl returned %d", n)
		}
	case <-time.After(limit):
		t.Fatal("the ioctl does not end")
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	long := struct {
		addition
		more uint64
	}{addition{Source: a.Source}, 1}
	for _, c := range []struct {
		a    addition
		want error
	}{
		{addition{Source: uint32(dir.Fd())}, unix.EOPNOTSUPP}, {addition{Source: 1 << 20}, unix.EBADF}, {addition{Source: a.Source, Flags: 4}, unix.EINVAL},
		{addition{Source: a.Source, FD: 3}, unix.EINVAL}, {addition{Source: a.Source, FDFlags: unix.O_APPEND}, unix.EINVAL},
	} {
		if err := w.ioctl(0x40182103, unsafe.Pointer(&c.a)); err != c.want {
			t.Errorf("%+v: %v, want %v", c.a, err, c.want)
		}
	}
	if err := w.ioctl(0x40202103, unsafe.Pointer(&long)); err != unix.E2BIG {
		t.Errorf("a longer addition: %v", err)
	}
	h := helper{proc: w.proc}
	if pid, err := h.leader(unix.Gettid()); pid != os.Getpid() || err != nil {
		t.Errorf("this thread is said to be of process %d, %v", pid, err)
	}
}

// What comes when nobody waits any more is for the next who does.
func TestKeptAndPoll(t *testing.T) {
	w := newWorld(t)
	if p := w.poll(); p != 0 {
		t.Errorf("poll: %#x", p)
	}
	woken := make(chan error, 1)
	go func() {
		p := []unix.PollFd{{Fd: int32(w.listener.Fd()), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(p, int(limit.Milliseconds()))
			if err == nil && n == 0 {
				err = unix.ETIMEDOUT
			}
			if err != unix.EINTR {
				woken <- err
				return
			}
		}
	}()
	var got Call
	tid := make(chan int, 1)
	interrupted := make(chan error, 1)
	go func() {
		tid <- unix.Gettid()
		interrupted <- w.ioctl(notifReceive, unsafe.Pointer(&got))
	}()
	id := <-tid
	w.asked(Receive)
	for deadline := time.Now().Add(limit); len(interrupted) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG) // which Go handles
	}
	w.wait("receive", interrupted, unix.EINTR)
	if err := w.line.Tell(&Reply{Kind: Received, Call: Call{ID: 4}}); err != nil {
		t.Fatal(err)
	}
	w.wait("poll", woken, nil)
	w.wait("receive again", w.begin(notifReceive, unsafe.Pointer(&got)), nil)
	if got.ID != 4 {
		t.Errorf("got %+v", got)
	}
	if err := w.line.Tell(&Reply{Kind: Ready, Poll: unix.POLLOUT}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(limit); w.poll() != unix.POLLOUT; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("poll: %#x", w.poll())
		}
	}
}

// The end of the sentry is the end of all who wait.
func TestEndOfSentry(t *testing.T) {
	w := newWorld(t)
	var a, b Call
	first := w.begin(notifReceive, unsafe.Pointer(&a))
	w.asked(Receive)
	second := w.begin(notifReceive, unsafe.Pointer(&b))
	id := uint64(7)
	third := w.begin(notifValid, unsafe.Pointer(&id))
	w.asked(Valid)
	w.line.Close()
	for _, c := range []chan error{first, second, third} {
		select {
		case err := <-c:
			if err != unix.ENOENT {
				t.Errorf("receive: %v", err)
			}
		case <-time.After(limit):
			t.Fatal("receive does not end")
		}
	}
	if p := w.poll(); p&unix.POLLHUP == 0 {
		t.Errorf("poll: %#x", p)
	}
}

// The end of the agent is the end of the helper.
func TestEndOfAgent(t *testing.T) {
	w := newWorld(t)
	w.listener.Close()
	if _, _, err := w.line.Asked(); err != io.EOF {
		t.Errorf("asked: %v", err)
	}
}

func TestPackets(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLine(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range []int{1, 55, 57, 4096} {
		if _, err := unix.Write(fds[1], make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Asked(); err != errPacket {
			t.Errorf("a request of %d bytes: %v", n, err)
		}
	}
	unix.Close(fds[1])
	if _, err := l.Told(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
