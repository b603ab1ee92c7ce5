package host

import (
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Sock is a socket of the host that the guest was given: one that listens, whose
// connections it takes, or one that is connected. It can be given no address of the
// guest's choice, and no descriptors or credentials pass it: those that come with a
// message are dropped.
type Sock struct {
	*File
	kind int32  // immutable: SOCK_STREAM and its like
	peer []byte // immutable: who was accepted; nil of one that was handed over

	mu    sync.Mutex // guards what follows
	taken []*Sock    // connections that nobody has asked for again
	busy  bool       // a goroutine takes one
	gone  bool       // the file is closed
}

var (
	_ socket.Socket   = (*Sock)(nil)
	_ socket.Accepted = (*Sock)(nil)
)

// soPeerName is SO_PEERNAME: what getpeername(2) says.
const soPeerName = 0x1c

// newSock makes a Sock of f, whose reference it takes over.
func newSock(f *File, peer []byte) *Sock {
	s := &Sock{File: f, peer: peer, kind: unix.SOCK_STREAM}
	if v, err := s.number(unix.SO_TYPE); err == nil {
		s.kind = v
	}
	return s
}

// value is getsockopt(2) at the level SOL_SOCKET.
func (s *Sock) value(name int32, b []byte) ([]byte, error) {
	n := uint32(len(b))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, uintptr(name), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return nil, e
	}
	return b[:min(int(n), len(b))], nil
}

func (s *Sock) number(name int32) (int32, error) {
	var v int32
	_, err := s.value(name, unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)))
	return v, err
}

// Type implements socket.Socket.
func (s *Sock) Type() int32 { return s.kind }

// AcceptedFrom implements socket.Accepted.
func (s *Sock) AcceptedFrom() []byte { return s.peer }

// Bind implements socket.Socket: it has its address.
func (s *Sock) Bind(current.Task, []byte) error { return unix.EINVAL }

// Connect implements socket.Socket.
func (s *Sock) Connect(t current.Task, _ []byte) error {
	if _, err := s.Name(true); err == nil {
		return unix.EISCONN
	}
	t.Note("a socket of the host's is connected by who hands it over, or not at all")
	return unix.EOPNOTSUPP
}

// Listen implements socket.Socket. The length of the queue is who made it's to say.
func (s *Sock) Listen(current.Task, int) error {
	switch on, err := s.number(unix.SO_ACCEPTCONN); {
	case err != nil:
		return err
	case on == 0:
		return unix.EINVAL
	}
	return nil
}

// Accept implements socket.Socket. Whether the host's socket blocks is not the guest's to
// say, and others may accept on it: so a goroutine waits for the connection, which is
// there at once in most cases.
func (s *Sock) Accept(current.Task) (socket.Socket, error) {
	if on, err := s.number(unix.SO_ACCEPTCONN); err != nil || on == 0 {
		if err == nil && s.kind != unix.SOCK_STREAM && s.kind != unix.SOCK_SEQPACKET {
			err = unix.EOPNOTSUPP
		} else if err == nil {
			err = unix.EINVAL
		}
		return nil, err
	}
	if c := s.next(); c != nil {
		return c, nil
	}
	if !s.ready(unix.POLLIN) {
		s.watch(reading)
		return nil, unix.EAGAIN
	}
	s.mu.Lock()
	if s.busy {
		s.mu.Unlock()
		return nil, unix.EAGAIN // its waiters are told
	}
	s.busy = true
	s.mu.Unlock()
	done := make(chan error, 1)
	own := s.Share()
	go func() { done <- s.take(own) }()
	const soon = 20 * time.Millisecond
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
	case <-timer.C:
	}
	if c := s.next(); c != nil {
		return c, nil
	}
	return nil, unix.EAGAIN
}

// take takes a connection of own, whose reference it drops.
func (s *Sock) take(own *File) (err error) {
	defer own.decRef()
	var name unix.RawSockaddrAny
	n := uint32(unsafe.Sizeof(name))
	var fd uintptr
	for {
		var e unix.Errno
		fd, _, e = unix.Syscall6(unix.SYS_ACCEPT4, uintptr(own.fd), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&n)), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			err = e
		}
		break
	}
	var c *Sock
	if err == nil {
		var f *File
		if f, err = Wrap(int(fd)); err == nil {
			from := unsafe.Slice((*byte)(unsafe.Pointer(&name)), unsafe.Sizeof(name))
			c = newSock(f, append([]byte{}, from[:min(int(n), len(from))]...))
		} else {
			_ = unix.Close(int(fd))
		}
	}
	s.mu.Lock()
	s.busy = false
	switch {
	case c == nil:
	case s.gone:
		c.decRef()
	default:
		s.taken = append(s.taken, c)
	}
	s.mu.Unlock()
	s.queue.Notify(wait.In | wait.RdNrm)
	return err
}

// next returns a connection that was taken; nil if there is none.
func (s *Sock) next() (c *Sock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) > 0 {
		c, s.taken = s.taken[0], s.taken[1:]
	}
	return c
}

// Readiness implements wait.Waitable.
func (s *Sock) Readiness(m wait.Mask) wait.Mask {
	now := s.File.Readiness(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) > 0 {
		now |= m & (wait.In | wait.RdNrm)
	}
	return now
}

// Shutdown implements socket.Socket.
func (s *Sock) Shutdown(_ current.Task, how int) error { return unix.Shutdown(s.fd, how) }

// Name implements socket.Socket.
func (s *Sock) Name(peer bool) ([]byte, error) {
	b := make([]byte, unix.SizeofSockaddrAny)
	if !peer {
		n := uint32(len(b))
		_, _, e := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)))
		if e != 0 {
			return nil, e
		}
		return b[:min(int(n), len(b))], nil
	}
	if s.peer != nil {
		return s.peer, nil
	}
	// It wants to be asked for no more than there is: those of the Internet have one
	// length each, others many.
	for n := unix.SizeofSockaddrUnix; n > 1; n-- {
		name, err := s.value(soPeerName, b[:n])
		if err == unix.EINVAL {
			continue
		}
		return name, err
	}
	return nil, unix.ENOTCONN
}

// transfer is sendmsg(2) or recvmsg(2), which do not wait.
func (s *Sock) transfer(nr uintptr, iov []unix.Iovec, flags int32, name []byte) (n uint64, h unix.Msghdr, err error) {
	if len(iov) > 0 {
		h.Iov, h.Iovlen = &iov[0], uint64(len(iov))
	}
	if len(name) > 0 {
		h.Name, h.Namelen = &name[0], uint32(len(name))
	}
	for {
		n, _, e := unix.Syscall(nr, uintptr(s.fd), uintptr(unsafe.Pointer(&h)), uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL))
		switch e {
		case 0:
			return uint64(n), h, nil
		case unix.EINTR:
			continue
		}
		return 0, h, e
	}
}

// Send implements socket.Socket.
func (s *Sock) Send(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Addr != nil || m.Flags&unix.MSG_OOB != 0 || len(m.Files) > 0 || len(m.Items) > 0 {
		t.Note("a socket of the host's sends bytes, to whom it is connected")
		return 0, unix.EOPNOTSUPP
	}
	if s.kind != unix.SOCK_STREAM && src.Len() > maxTransfer {
		return 0, unix.EMSGSIZE
	}
	flags := m.Flags & (unix.MSG_MORE | unix.MSG_EOR)
	n, err := s.direct(src, false, func(iov []unix.Iovec) (n uint64, err error) {
		n, _, err = s.transfer(unix.SYS_SENDMSG, iov, flags, nil)
		return n, err
	})
	if err == unix.EAGAIN {
		s.watch(writing)
	}
	return n, err
}

// Recv implements socket.Socket.
func (s *Sock) Recv(_ current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Flags&(unix.MSG_OOB|unix.MSG_ERRQUEUE) != 0 {
		return 0, unix.EINVAL
	}
	name := make([]byte, unix.SizeofSockaddrAny)
	var h unix.Msghdr
	flags := m.Flags & (unix.MSG_PEEK | unix.MSG_TRUNC)
	n, err := s.direct(dst, true, func(iov []unix.Iovec) (n uint64, err error) {
		n, h, err = s.transfer(unix.SYS_RECVMSG, iov, flags, name)
		return n, err
	})
	if err == unix.EAGAIN {
		s.watch(reading)
	}
	if err == nil {
		m.Flags = h.Flags & (unix.MSG_TRUNC | unix.MSG_EOR)
		if h.Namelen > 0 {
			m.Addr = name[:min(int(h.Namelen), len(name))]
		}
	}
	return n, err
}

// direct moves bytes of guest memory, or none: a message may have no bytes.
func (s *Sock) direct(b usermem.Buffer, write bool, f func([]unix.Iovec) (uint64, error)) (int64, error) {
	if b.Len() == 0 {
		n, err := f(nil)
		return int64(n), err
	}
	n, err := b.Direct(min(b.Len(), maxTransfer), write, f)
	return int64(n), err
}

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, _, _ int32, _ []byte) error {
	t.Note("options of a socket of the host's are set by who hands it over")
	return unix.ENOPROTOOPT
}

// Option implements socket.Socket.
func (s *Sock) Option(_ current.Task, level, name int32, _ int) ([]byte, error) {
	if level != unix.SOL_SOCKET {
		return nil, unix.ENOPROTOOPT
	}
	switch name {
	case unix.SO_TYPE, unix.SO_DOMAIN, unix.SO_PROTOCOL, unix.SO_ACCEPTCONN, unix.SO_ERROR:
		v := make([]byte, unsafe.Sizeof(int32(0)))
		return s.value(name, v)
	}
	return nil, unix.ENOPROTOOPT
}

// Release implements vfs.FileImpl.
func (s *Sock) Release(t current.Task, f *vfs.File) {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	for c := s.next(); c != nil; c = s.next() {
		c.decRef()
	}
	s.File.Release(t, f)
}
