package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is one end of a conversation. Any goroutine may send; one receives.
type Conn struct {
	f     *os.File
	about string       // see About
	check func() error // see Watch; nil if nobody does
	send  sync.Mutex   // a packet at a time
}

// NewConn takes over fd.
func NewConn(fd int) (*Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Conn{f: os.NewFile(uintptr(fd), "control")}, nil
}

// Dial starts a conversation with the sandbox that listens at path.
func Dial(path string) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	err = at(path, func(short string) error { return unix.Connect(fd, &unix.SockaddrUnix{Name: short}) })
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("control socket: connect: %w", err)
	}
	return NewConn(fd)
}

// Listen makes the socket at path, and returns it.
func Listen(path string) (*os.File, error) {
	const backlog = 128
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	err = at(path, func(short string) error { return unix.Bind(fd, &unix.SockaddrUnix{Name: short}) })
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// at calls f with a name for path that is short enough for a socket's address,
// however long path is.
func at(path string, f func(short string) error) error {
	dir, name := splitPath(path)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
}

func splitPath(path string) (dir, name string) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i+1], path[i+1:]
		}
	}
	return ".", path
}

// Listener is the sandbox's end of the socket.
type Listener struct{ f *os.File }

// NewListener takes over fd, which does not block.
func NewListener(fd int) *Listener { return &Listener{os.NewFile(uintptr(fd), "listen")} }

// Accept waits for the next conversation.
func (l *Listener) Accept() (*Conn, error) {
	raw, err := l.f.SyscallConn()
	if err != nil {
		return nil, err
	}
	nfd, accept := -1, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		nfd, _, accept = unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return accept != unix.EAGAIN && accept != unix.EINTR
	})
	if err = errors.Join(err, accept); err != nil {
		return nil, err
	}
	return NewConn(nfd)
}

// About says which container messages are about that do not say it. It is called
// before there are any.
func (c *Conn) About(id string) { c.about = id }

// Send writes a message, with descriptors if there are any. They stay the
// caller's.
func (c *Conn) Send(m Message, fds ...int) error {
	if m.Container == "" {
		m.Container = c.about
	}
	b, err := encode(m)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	c.send.Lock()
	defer c.send.Unlock()
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		for {
			_, sent = unix.SendmsgN(int(fd), b, oob, nil, unix.MSG_NOSIGNAL)
			if sent != unix.EINTR {
				return sent != unix.EAGAIN
			}
		}
	})
	return errors.Join(err, sent)
}

// ReceiveWithin says how long from now on messages are waited for: what reads one
// later fails with [os.ErrDeadlineExceeded].
func (c *Conn) ReceiveWithin(d time.Duration) error { return c.f.SetReadDeadline(time.Now().Add(d)) }

// Receive reads a message; io.EOF when the other side is gone. Descriptors that
// came with it are closed.
func (c *Conn) Receive() (Message, error) {
	m, fds, err := c.ReceiveFDs()
	closeAll(fds)
	return m, err
}

// Watch has check asked again and again while Answer waits, which fails with what it
// says; nil ends that.
func (c *Conn) Watch(check func() error) { c.check = check }

// Watched reports whether somebody does.
func (c *Conn) Watched() bool { return c.check != nil }

// Check asks whoever watches.
func (c *Conn) Check() error {
	if c.check == nil {
		return nil
	}
	return c.check()
}

// Answer is Receive, which gives up as Watch says.
func (c *Conn) Answer() (Message, error) {
	const interval = 200 * time.Millisecond
	for c.check != nil {
		if err := c.ReceiveWithin(interval); err != nil {
			return Message{}, err
		}
		m, err := c.Receive()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return m, errors.Join(err, c.f.SetReadDeadline(time.Time{}))
		}
		if err := c.check(); err != nil {
			return Message{}, err
		}
	}
	return c.Receive()
}

// maxFDs is how many descriptors may come with a message.
const maxFDs = JoinFDs + MaxExtra

// ReceiveFDs is Receive with the descriptors, which are the caller's then. There
// are none with an error.
func (c *Conn) ReceiveFDs() (m Message, fds []int, err error) {
	b, oob := make([]byte, MaxMessage), make([]byte, unix.CmsgSpace(4*maxFDs))
	raw, err := c.f.SyscallConn()
	if err != nil {
		return m, nil, err
	}
	var n, oobn, flags int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, flags, _, got = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
			switch got {
			case unix.EINTR:
			case unix.ECONNRESET:
				// The other side went without having read all: said once, and
				// before what it had sent itself. Then that comes, or the end.
			default:
				return got != unix.EAGAIN
			}
		}
	})
	if err = errors.Join(err, got); err != nil {
		return m, nil, err
	}
	fds, err = rights(oob[:oobn])
	switch {
	case err != nil:
	case flags&(unix.MSG_CTRUNC|unix.MSG_TRUNC) != 0:
		err = errors.New("control message: too long, or with too many descriptors")
	case n == 0:
		err = io.EOF
	default:
		m, err = Decode(b[:n])
	}
	if err != nil {
		closeAll(fds)
		return m, nil, err
	}
	return m, fds, nil
}

// rights returns the descriptors of control data.
func rights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var all []int
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return all, err
		}
		all = append(all, fds...)
	}
	return all, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// File returns a descriptor of its own for this end, to be given to another
// process.
func (c *Conn) File() (*os.File, error) {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return nil, err
	}
	nfd, dup := -1, error(nil)
	err = raw.Control(func(fd uintptr) { nfd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dup); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(nfd), "control"), nil
}

// Close closes it.
func (c *Conn) Close() error { return c.f.Close() }
