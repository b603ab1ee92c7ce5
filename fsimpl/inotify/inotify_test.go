package inotify

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// testInstance returns an instance with one watch.
func testInstance(mask uint32) (*Instance, *watch) {
	in := &Instance{watches: map[int32]*watch{}, byInode: map[*vfs.Inode]*watch{}, lastWD: 1}
	w := &watch{in: in, wd: 1, mask: mask}
	in.watches[1] = w
	return in, w
}

// read returns the events of one read, as mask:name.
func read(t *testing.T, in *Instance, size int) []string {
	t.Helper()
	b, err := in.take(size)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for len(b) > 0 {
		n := binary.NativeEndian.Uint32(b[12:])
		name := strings.TrimRight(string(b[headerSize:headerSize+n]), "\x00")
		if n%headerSize != 0 || n > 0 && int(n) == len(name) {
			t.Errorf("name %q in %d bytes", name, n)
		}
		mask := binary.NativeEndian.Uint32(b[4:])
		out = append(out, strings.TrimSpace(names(mask)+" "+name))
		b = b[headerSize+n:]
	}
	return out
}

func names(mask uint32) string {
	s := ""
	for _, m := range []struct {
		bit  uint32
		name string
	}{{unix.IN_CREATE, "create"}, {unix.IN_DELETE, "delete"}, {unix.IN_MODIFY, "modify"},
		{unix.IN_DELETE_SELF, "self"}, {unix.IN_IGNORED, "ignored"}, {unix.IN_Q_OVERFLOW, "overflow"}} {
		if mask&m.bit != 0 {
			s += m.name
		}
	}
	return s
}

func equal(t *testing.T, have []string, want ...string) {
	t.Helper()
	if strings.Join(have, ",") != strings.Join(want, ",") {
		t.Errorf("events %q, want %q", have, want)
	}
}

func TestEvents(t *testing.T) {
	in, w := testInstance(unix.IN_CREATE | unix.IN_MODIFY)
	w.Event(unix.IN_CREATE, 0, "a")
	w.Event(unix.IN_DELETE, 0, "a")
	w.Event(unix.IN_MODIFY, 0, "0123456789abcdef")
	w.Event(unix.IN_MODIFY, 0, "0123456789abcdef")
	w.Event(unix.IN_CREATE, 0, "")
	if in.Readiness(wait.In) == 0 || in.bytes != 32+48+16 {
		t.Errorf("%d bytes", in.bytes)
	}
	equal(t, read(t, in, 32+47), "create a")
	if _, err := in.take(40); err != unix.EINVAL {
		t.Errorf("read into too little: %v", err)
	}
	equal(t, read(t, in, 1000), "modify 0123456789abcdef", "create")
	if _, err := in.Read(nil, nil, usermem.BytesBuffer(make([]byte, 100)), 0); err != unix.EAGAIN {
		t.Errorf("read of nothing: %v", err)
	}
}

func TestOneShotAndDeletion(t *testing.T) {
	in, w := testInstance(unix.IN_CREATE | unix.IN_ONESHOT)
	w.Event(unix.IN_CREATE, 0, "a")
	w.Event(unix.IN_CREATE, 0, "b")
	equal(t, read(t, in, 1000), "create a", "ignored")

	in, w = testInstance(unix.IN_CREATE)
	w.Event(unix.IN_DELETE_SELF, 0, "")
	w.Event(unix.IN_CREATE, 0, "late")
	equal(t, read(t, in, 1000), "ignored")
	if len(in.watches) != 0 || len(in.ended) != 1 {
		t.Error("the watch is still there")
	}
}

func TestOverflow(t *testing.T) {
	in, w := testInstance(unix.IN_CREATE | unix.IN_MODIFY)
	for range maxEvents {
		w.Event(unix.IN_CREATE, 0, "")
		w.Event(unix.IN_MODIFY, 0, "")
	}
	if len(in.events) != maxEvents+1 || in.events[maxEvents].mask != unix.IN_Q_OVERFLOW {
		t.Errorf("%d events queued", len(in.events))
	}
}

func TestCheckMask(t *testing.T) {
	for _, c := range []struct {
		mask uint32
		want error
	}{
		{0, unix.EINVAL},
		{unix.IN_CREATE | unix.IN_ONLYDIR, nil},
		{unix.IN_CREATE | 1<<20, unix.EINVAL},
		{unix.IN_CREATE | unix.IN_MASK_ADD | unix.IN_MASK_CREATE, unix.EINVAL},
	} {
		if err := CheckMask(c.mask); err != c.want {
			t.Errorf("CheckMask(%#x) = %v, want %v", c.mask, err, c.want)
		}
	}
}
