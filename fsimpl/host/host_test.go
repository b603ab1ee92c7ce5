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
	"hull/sentry/socket"
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
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return
		}
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

// listening returns a listening socket of the host, and its address.
func listening(t *testing.T, family int) (int, unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	ok(t, err)
	at := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if family == unix.AF_UNIX {
		at = &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")}
	}
	ok(t, unix.Bind(fd, at))
	ok(t, unix.Listen(fd, 5))
	at, err = unix.Getsockname(fd)
	ok(t, err)
	return fd, at
}

// A guest takes connections of a socket that listens on the host, whose flags stay as
// they are.
func TestAccept(t *testing.T) {
	task := currenttest.New(0)
	for _, family := range []int{unix.AF_UNIX, unix.AF_INET} {
		fd, at := listening(t, family)
		f := open(t, fd, unix.O_RDWR)
		s := f.Impl().(*Sock)
		if _, err := s.Accept(task); err != unix.EAGAIN {
			t.Fatalf("accept of nobody: %v", err)
		}
		if have, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || have&unix.O_NONBLOCK != 0 {
			t.Fatalf("flags of the host's socket: %#x, %v", have, err)
		}
		if v, err := s.Option(task, unix.SOL_SOCKET, unix.SO_ACCEPTCONN, 4); err != nil || v[0] != 1 {
			t.Errorf("SO_ACCEPTCONN: %v, %v", v, err)
		}
		ok(t, s.Listen(task, 1))
		e := wait.Entry{Listener: make(told, 1)}
		s.Register(&e, wait.In)
		peer, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		ok(t, err)
		ok(t, unix.Connect(peer, at))
		<-e.Listener.(told)
		if s.Readiness(wait.In) == 0 {
			t.Error("not ready for a connection")
		}
		c, err := s.Accept(task)
		for ; err == unix.EAGAIN; c, err = s.Accept(task) {
			time.Sleep(time.Millisecond)
		}
		ok(t, err)
		s.Unregister(&e)
		name, err := c.Name(false)
		ok(t, err)
		if int(name[0]) != family || c.Type() != unix.SOCK_STREAM {
			t.Errorf("accepted: name %v, type %d", name, c.Type())
		}
		if from, err := c.Name(true); err != nil || int(from[0]) != family {
			t.Errorf("peer: %v, %v", from, err)
		}
		ok(t, c.Shutdown(task, unix.SHUT_WR))
		if n, err := unix.Read(peer, make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("read after shutdown: %d, %v", n, err)
		}
		_, err = unix.Write(peer, []byte("hello"))
		ok(t, err)
		b := make([]byte, 10)
		n, err := c.Recv(task, usermem.BytesBuffer(b), &socket.Message{})
		if string(b[:n]) != "hello" || err != nil {
			t.Errorf("received %q, %v", b[:n], err)
		}
		// A descriptor that comes along is not the guest's.
		if family == unix.AF_UNIX {
			ok(t, unix.Sendmsg(peer, []byte("x"), unix.UnixRights(peer), nil, 0))
			m := socket.Message{}
			if n, err := c.Recv(task, usermem.BytesBuffer(b), &m); n != 1 || err != nil || len(m.Files) != 0 {
				t.Errorf("received %d, %v, %d files", n, err, len(m.Files))
			}
		}
		if _, err := c.Send(task, usermem.BytesBuffer(b), &socket.Message{Addr: name}); err != unix.EOPNOTSUPP {
			t.Errorf("sent to an address of the guest's choice: %v", err)
		}
		if _, err := c.Accept(task); err != unix.EINVAL {
			t.Errorf("accept on one that is connected: %v", err)
		}
		c.Release(task, f)
		unix.Close(peer)
		f.DecRef(task)
	}
}

// told is told of events, of which it keeps one.
type told chan struct{}

// Notify implements wait.Listener.
func (c told) Notify(wait.Mask) {
	select {
	case c <- struct{}{}:
	default:
	}
}
