package notify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/seccomp"
)

// served is a file with its listener, as an agent and a guest's task see them.
type served struct {
	agent *os.File
	l     *seccomp.Listener
	end   chan error
}

func serve(t *testing.T) *served {
	t.Helper()
	agent, dev, err := Open()
	if err != nil {
		t.Fatalf("needs root and /dev/fuse: %v", err)
	}
	fd, err := unix.FcntlInt(dev.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	dev.Close()
	s := &served{agent, seccomp.NewListener(false), make(chan error, 1)}
	s.l.Join()
	go func() { s.end <- Serve(fd, s.l) }()
	t.Cleanup(func() { agent.Close() })
	return s
}

// ended waits for the end of Serve.
func (s *served) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.end:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Serve goes on")
	}
}

// ioctl is the agent's, with a structure for its argument.
func ioctl[T any](s *served, cmd uintptr, v *T) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, s.agent.Fd(), cmd, uintptr(unsafe.Pointer(v))); e != 0 {
		return e
	}
	return nil
}

// answered waits for the answer to a call.
func answered(t *testing.T, c *seccomp.Call) seccomp.Answer {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if a, ok := c.Serve(); ok {
			return a
		}
	}
	t.Fatal("no answer")
	return seccomp.Answer{}
}

func TestAgent(t *testing.T) {
	s := serve(t)
	got := make(chan error, 1)
	var n notification
	go func() { got <- ioctl(s, notifReceive, &n) }() // waits for a call
	time.Sleep(10 * time.Millisecond)
	data := seccomp.Data{Nr: unix.SYS_MKNOD, Arch: seccomp.Arch, IP: 5, Args: [6]uint64{1, 2, 3, 4, 5, 1 << 63}}
	c := s.l.Ask(nil, &data)
	if err := <-got; err != nil || n != (notification{ID: c.ID, Data: data}) {
		t.Fatalf("receive: %+v, %v", n, err)
	}
	if err := ioctl(s, notifReceive, &n); err != unix.EINVAL {
		t.Errorf("receive into what is not zero: %v", err)
	}
	id, other := c.ID, c.ID+1
	if err := errors.Join(ioctl(s, notifValid, &id)); err != nil {
		t.Errorf("valid: %v", err)
	}
	if err := ioctl(s, notifValid, &other); err != unix.ENOENT {
		t.Errorf("valid of another: %v", err)
	}
	for _, bad := range []struct {
		r    response
		want unix.Errno
	}{
		{response{ID: id, Flags: 2}, unix.EINVAL},
		{response{ID: id, Flags: 1, Value: 1}, unix.EINVAL},
		{response{ID: other}, unix.ENOENT},
	} {
		if err := ioctl(s, notifSend, &bad.r); err != bad.want {
			t.Errorf("send %+v: %v", bad.r, err)
		}
	}
	addFD := [24]byte{}
	if err := ioctl(s, 0x40182103, &addFD); err != unix.EINVAL {
		t.Errorf("addfd: %v", err)
	}
	r := response{ID: id, Errno: -int32(unix.EXDEV)}
	if err := ioctl(s, notifSend, &r); err != nil {
		t.Errorf("send: %v", err)
	}
	if a := answered(t, c); a.Result() != -int64(unix.EXDEV) || a.Continue {
		t.Errorf("answer %+v", a)
	}
	s.agent.Close()
	s.ended(t)
	if c := s.l.Ask(nil, &data); c != nil {
		t.Error("somebody listens after the agent's end")
	}
}

// TestPoll has an agent that polls, as most do: it is woken by a call and by the
// end of who makes them.
func TestPoll(t *testing.T) {
	s := serve(t)
	poll := func(want int16) {
		t.Helper()
		fds := []unix.PollFd{{Fd: int32(s.agent.Fd()), Events: unix.POLLIN | unix.POLLOUT}}
		for {
			n, err := unix.Poll(fds, 60_000)
			if err == unix.EINTR {
				continue
			}
			if n != 1 || err != nil || fds[0].Revents != want {
				t.Fatalf("poll: %d, %#x, %v; want %#x", n, fds[0].Revents, err, want)
			}
			return
		}
	}
	calls := make(chan *seccomp.Call, 1)
	time.AfterFunc(10*time.Millisecond, func() { calls <- s.l.Ask(nil, &seccomp.Data{Nr: 1}) })
	poll(unix.POLLIN)
	var n notification
	if err := ioctl(s, notifReceive, &n); err != nil {
		t.Fatal(err)
	}
	poll(unix.POLLOUT)
	c := <-calls
	r := response{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if err := ioctl(s, notifSend, &r); err != nil {
		t.Fatal(err)
	}
	if a := answered(t, c); !a.Continue {
		t.Errorf("answer %+v", a)
	}
	c.Forget()
	time.AfterFunc(10*time.Millisecond, s.l.Leave)
	poll(unix.POLLHUP)
	n = notification{}
	if err := ioctl(s, notifReceive, &n); err != unix.ENOENT {
		t.Errorf("receive after the last task: %v", err)
	}
}

// TestManyOpen has the file opened again: it is closed with the last.
func TestManyOpen(t *testing.T) {
	s := serve(t)
	again, err := open(fmt.Sprintf("/proc/self/fd/%d", s.agent.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s.agent.Close()
	c := s.l.Ask(nil, &seccomp.Data{Nr: 1})
	s.agent = again
	var n notification
	if err := ioctl(s, notifReceive, &n); err != nil || c == nil || n.ID != c.ID {
		t.Errorf("receive by the other: %+v, %v", n, err)
	}
	again.Close()
	if a := answered(t, c); a.Errno != -int32(unix.ENOSYS) {
		t.Errorf("a call that the agent left: %+v", a)
	}
	s.ended(t)
}

// FuzzRequests gives the server requests of any form, by a socket in the device's
// place.
func FuzzRequests(f *testing.F) {
	ioctl := make([]byte, 32+80)
	binary.NativeEndian.PutUint32(ioctl[12:], notifReceive)
	f.Add(uint32(opIoctl), ioctl)
	f.Add(uint32(opPoll), make([]byte, 24))
	f.Add(uint32(opInterrupt), make([]byte, 8))
	f.Add(uint32(opRelease), []byte{})
	f.Add(uint32(opInit), make([]byte, 16))
	f.Fuzz(func(t *testing.T, op uint32, body []byte) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		l := seccomp.NewListener(false)
		l.Join()
		l.Ask(nil, &seccomp.Data{})
		end := make(chan error, 1)
		go func() { end <- Serve(fds[0], l) }()
		b := make([]byte, requestHeader, requestHeader+len(body))
		binary.NativeEndian.PutUint32(b, uint32(requestHeader+len(body)))
		binary.NativeEndian.PutUint32(b[4:], op)
		_ = unix.Send(fds[1], append(b, body...), unix.MSG_NOSIGNAL) // too long a one does not go
		_ = unix.Close(fds[1])
		<-end // an error: the socket's end is no request
	})
}
