package host

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current/currenttest"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a guest's file of a host descriptor.
func open(t *testing.T, fd int, flags uint32) *vfs.File {
	t.Helper()
	f, err := New(vfs.NewAnonFS(&vfs.Environment{}), fd, flags, currenttest.New(0).Cred())
	ok(t, err)
	return f
}

// pipe returns a guest's reading end and the host's writing one.
func pipe(t *testing.T) (*vfs.File, int) {
	t.Helper()
	var p [2]int
	ok(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	return open(t, p[0], unix.O_RDONLY), p[1]
}

func read(task *currenttest.Task, f *vfs.File) (string, error) {
	b := make([]byte, 100)
	n, err := f.Read(task, usermem.BytesBuffer(b))
	return string(b[:n]), err
}

func TestPipe(t *testing.T) {
	task := currenttest.New(0)
	f, w := pipe(t)
	defer f.DecRef(task)
	ok(t, f.SetFlags(task, unix.O_NONBLOCK))
	if _, err := read(task, f); err != unix.EAGAIN {
		t.Fatalf("read of an empty pipe: %v", err)
	}
	if have, err := unix.FcntlInt(uintptr(w), unix.F_GETFL, 0); err != nil || have&unix.O_NONBLOCK != 0 {
		t.Fatalf("flags of the host's end: %#x, %v", have, err)
	}
	ok(t, f.SetFlags(task, 0))
	time.AfterFunc(20*time.Millisecond, func() { _, _ = unix.Write(w, []byte("late")) })
	if s, err := read(task, f); s != "late" || err != nil {
		t.Fatalf("%q, %v", s, err)
	}
	if m := f.Readiness(wait.In | wait.Out); m != 0 {
		t.Errorf("readiness of an empty pipe %#x", m)
	}
	ok(t, unix.Close(w))
	if m := f.Readiness(wait.In); m&wait.Hup == 0 {
		t.Errorf("readiness of a pipe without writers %#x", m)
	}
	if s, err := read(task, f); s != "" || err != nil {
		t.Fatalf("at the end: %q, %v", s, err)
	}
	if _, err := f.Seek(task, 0, unix.SEEK_CUR); err != unix.ESPIPE {
		t.Errorf("seek: %v", err)
	}
}

func TestInterrupt(t *testing.T) {
	task := currenttest.New(0)
	f, w := pipe(t)
	defer unix.Close(w)
	defer f.DecRef(task)
	time.AfterFunc(20*time.Millisecond, task.Interrupt)
	if _, err := read(task, f); err != abi.ERESTARTSYS {
		t.Errorf("interrupted read: %v", err)
	}
}

// A regular file's offset is that of all who have the description.
func TestSharedOffset(t *testing.T) {
	task := currenttest.New(0)
	name := filepath.Join(t.TempDir(), "f")
	ok(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	ok(t, err)
	mine, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	ok(t, err)
	defer unix.Close(mine)
	f := open(t, fd, unix.O_RDWR)
	defer f.DecRef(task)
	b := make([]byte, 3)
	_, err = unix.Read(mine, b)
	ok(t, err)
	n, err := f.Read(task, usermem.BytesBuffer(b))
	if n != 3 || err != nil || string(b) != "345" {
		t.Fatalf("read %d %q, %v", n, b, err)
	}
	if to, err := unix.Seek(mine, 0, unix.SEEK_CUR); to != 6 || err != nil {
		t.Errorf("the host's offset is %d, %v", to, err)
	}
	_, err = f.WriteAt(task, usermem.BytesBuffer([]byte("x")), 9)
	ok(t, err)
	to, err := f.Seek(task, -1, unix.SEEK_END)
	if to != 9 || err != nil {
		t.Fatalf("seek: %d, %v", to, err)
	}
	if s, err := read(task, f); s != "x" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	ok(t, f.Truncate(task, 4))
	if s, err := f.Stat(task); s.Size != 4 || err != nil {
		t.Errorf("size %d, %v", s.Size, err)
	}
}

// Opening a stream again and waiting for it, again and again, starts no more
// threads than once.
func TestReopenIsBounded(t *testing.T) {
	task := currenttest.New(0)
	f, w := pipe(t)
	before := runtime.NumGoroutine()
	for range 500 {
		h, err := f.Impl().(*File).Reopen(task, f)
		ok(t, err)
		e := wait.Entry{Listener: task.Waker()}
		h.Register(&e, wait.In)
		h.Unregister(&e)
		h.Release(task, nil)
	}
	if n := runtime.NumGoroutine() - before; n > 2 {
		t.Errorf("%d goroutines more", n)
	}
	fd := f.Impl().(*File).FD()
	f.DecRef(task)
	ok(t, unix.Close(w)) // wakes the goroutine, which then closes the descriptor
	for range 100 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the descriptor was not closed")
}

func TestReopenModes(t *testing.T) {
	task := currenttest.New(0)
	f, w := pipe(t)
	defer unix.Close(w)
	defer f.DecRef(task)
	if _, err := vfs.OpenPath(task, f.Path, vfs.OpenHow{Flags: unix.O_WRONLY}); err != unix.EACCES {
		t.Errorf("opened for writing: %v", err)
	}
	g, err := vfs.OpenPath(task, f.Path, vfs.OpenHow{Flags: unix.O_RDONLY})
	ok(t, err)
	g.DecRef(task)
}
