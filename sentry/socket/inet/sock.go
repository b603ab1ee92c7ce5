package inet

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Sock is a socket. Its state is the endpoint's; it has no lock of its own.
type Sock struct {
	n      *Network     // immutable
	st     stack.Socket // immutable
	typ    int32        // immutable
	opts   socket.Options
	queue  wait.Queue
	zero   zeroCopy
	low    atomic.Int32  // SO_RCVLOWAT; 0 is 1
	stamp  atomic.Int64  // when the last datagram read arrived, ns of 1970; 0: none
	cookie atomic.Uint64 // 0: not asked for yet
	timed  atomic.Bool   // SO_TXTIME was set
	from   stack.Address // immutable: whose connection it is, of one that was accepted
}

var (
	_ socket.Socket = (*Sock)(nil)
	_ socket.InNet  = (*Sock)(nil)
	_ vfs.Timed     = (*Sock)(nil)
	_ vfs.Mapper    = (*Sock)(nil)
)

// Endpoint returns the endpoint of the stack.
func (s *Sock) Endpoint() stack.Socket { return s.st }

// Type implements socket.Socket.
func (s *Sock) Type() int32 { return s.typ }

// NetNS implements socket.InNet.
func (s *Sock) NetNS() *socket.NetNS { return s.n.net }

// Family implements socket.InNet. IPV6_ADDRFORM changes it.
func (s *Sock) Family() int32 { return int32(s.st.Family()) }

// SetInode tells the endpoint the number that /proc/net shows.
func (s *Sock) SetInode(ino uint64) { s.st.SetInode(ino) }

// wake tells those who wait that events have happened: the bits as Linux's
// callbacks have them.
func (s *Sock) wake(events uint32) {
	m := wait.Mask(events)
	if m&wait.In != 0 {
		m |= wait.RdNrm
	}
	if m&wait.Out != 0 {
		m |= wait.WrNrm | wait.WrBnd
	}
	if m&wait.Hup != 0 {
		s.queue.NotifyAll(m) // nobody who waits to accept will get anything more
		return
	}
	s.queue.Notify(m)
}

// Readiness implements wait.Waitable.
func (s *Sock) Readiness(mask wait.Mask) wait.Mask {
	m := wait.Mask(s.st.Ready())
	if s.zero.pending() {
		m |= wait.Err
	}
	return m & (mask | wait.Err | wait.Hup)
}

// Register implements wait.Waitable.
func (s *Sock) Register(e *wait.Entry, mask wait.Mask) { s.queue.Register(e, mask) }

// RegisterExclusive implements wait.Exclusive.
func (s *Sock) RegisterExclusive(e *wait.Entry, mask wait.Mask) {
	s.queue.RegisterExclusive(e, mask)
}

// Unregister implements wait.Waitable.
func (s *Sock) Unregister(e *wait.Entry) { s.queue.Unregister(e) }

// LowWater implements vfs.LowWater. To messages SO_RCVLOWAT means nothing.
func (s *Sock) LowWater() int {
	if s.typ != unix.SOCK_STREAM {
		return 1
	}
	return max(int(s.low.Load()), 1)
}

// Deadline implements vfs.Timed.
func (s *Sock) Deadline(send bool) time.Time { return s.opts.Deadline(send) }

// Bind implements socket.Socket.
func (s *Sock) Bind(t current.Task, addr []byte) error {
	a, err := s.parseBind(addr)
	if err != nil {
		return err
	}
	return s.st.Bind(a, s.n.net.May(t, unix.CAP_NET_BIND_SERVICE))
}

// Connect implements socket.Socket.
func (s *Sock) Connect(_ current.Task, addr []byte) error {
	a, err := s.parseConnect(addr)
	if err != nil {
		return err
	}
	return s.st.Connect(a)
}

// Listen implements socket.Socket.
func (s *Sock) Listen(_ current.Task, backlog int) error { return s.st.Listen(backlog) }

// Accept implements socket.Socket.
func (s *Sock) Accept(current.Task) (socket.Socket, error) {
	c, from, err := s.st.Accept()
	if err != nil {
		return nil, err
	}
	n := s.n.wrap(c)
	n.opts.InheritTimes(&s.opts)
	n.from = from
	n.low.Store(s.low.Load())
	return n, nil
}

// AcceptedFrom implements socket.Accepted.
func (s *Sock) AcceptedFrom() []byte { return s.appendSockaddr(nil, &s.from, false) }

// Shutdown implements socket.Socket.
func (s *Sock) Shutdown(_ current.Task, how int) error { return s.st.Shutdown(how) }

// Name implements socket.Socket.
func (s *Sock) Name(peer bool) ([]byte, error) {
	get := s.st.Name
	if peer {
		get = s.st.Peer
	}
	a, err := get()
	if err != nil {
		return nil, err
	}
	return s.appendSockaddr(nil, &a, !peer), nil
}

// Read implements vfs.FileImpl.
func (s *Sock) Read(t current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	return s.recv(dst, nil, 0)
}

// Write implements vfs.FileImpl.
func (s *Sock) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	n, err := s.send(t, src, nil, 0)
	if err == unix.EPIPE && s.typ == unix.SOCK_STREAM {
		t.Signal(int(unix.SIGPIPE))
	}
	return n, off, err
}

// exiter is a task that may be ending. One that is does not wait for a
// connection to close.
type exiter interface{ Exiting() bool }

// Release implements vfs.FileImpl: the last descriptor is gone.
func (s *Sock) Release(t current.Task, _ *vfs.File) {
	lingers := s.st.Close()
	if x, ok := t.(exiter); lingers > 0 && t != nil && !(ok && x.Exiting()) {
		// However it ends, the descriptor is closed.
		_ = current.Retry(t, s, wait.Hup, time.Now().Add(lingers), func() error {
			if wait.Mask(s.st.Ready())&wait.Hup != 0 {
				return nil
			}
			return unix.EAGAIN
		})
	}
	s.n.net.DecRef()
}

// Ioctl implements vfs.FileImpl.
func (s *Sock) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	addr := usermem.Addr(arg)
	switch cmd {
	case siocgstamp, siocgstampns:
		return 0, s.outStamp(t, addr, cmd == siocgstampns)
	}
	v, err := s.st.Ioctl(cmd)
	if err == errNoIoctlCmd {
		err = unix.ENOTTY
	}
	if err != nil {
		return 0, err
	}
	n := int32(v)
	return 0, usermem.Out(t.Mem(), addr, &n)
}

const (
	siocgstamp   = 0x8906
	siocgstampns = 0x8907
	// errNoIoctlCmd is ENOIOCTLCMD, which the stack says of ioctls that are not
	// the protocol's.
	errNoIoctlCmd = unix.Errno(515)
)

// outStamp tells when the last datagram arrived: ENOENT before there was one.
func (s *Sock) outStamp(t current.Task, addr usermem.Addr, nano bool) error {
	at := s.stamp.Load()
	if at == 0 {
		return unix.ENOENT
	}
	if nano {
		ts := unix.NsecToTimespec(at)
		return usermem.Out(t.Mem(), addr, &ts)
	}
	tv := unix.NsecToTimeval(at)
	return usermem.Out(t.Mem(), addr, &tv)
}
