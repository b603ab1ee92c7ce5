package hostinet

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Sock is a socket. What it is doing the host knows; here is what the host must
// not be told, because it would wait.
type Sock struct {
	n           *Network // immutable
	fd          int      `snapshot:"-"` // immutable
	id          uint64   `snapshot:"-"` // immutable: its number with the poller
	family, typ int32    // immutable
	protocol    int32    // immutable
	uid         uint32   // immutable: who made it
	from        []byte   // immutable: whose connection it is, of one that was accepted
	inode       atomic.Uint64

	opts  socket.Options // SO_RCVTIMEO and SO_SNDTIMEO
	queue wait.Queue
	low   atomic.Int32 // SO_RCVLOWAT; 0 is 1
	// lingers says that SO_LINGER may be set: else the host need not be asked.
	lingers atomic.Bool

	// open is held by who lists the socket, who may have another socket's lock.
	open struct {
		lock.Mutex[lock.Leaf]
		ended bool // the descriptor is closed, or is about to be
	} `snapshot:"-"`

	watch struct {
		lock.Mutex[lock.Socket]
		by     [2]watch // by direction
		closed bool     // the descriptor is, or is about to be
	} `snapshot:"-"`
}

var (
	_ socket.Socket   = (*Sock)(nil)
	_ socket.InNet    = (*Sock)(nil)
	_ socket.Accepted = (*Sock)(nil)
	_ socket.Numbered = (*Sock)(nil)
	_ vfs.Timed       = (*Sock)(nil)
	_ vfs.LowWater    = (*Sock)(nil)
	_ wait.Exclusive  = (*Sock)(nil)
)

// Type implements socket.Socket.
func (s *Sock) Type() int32 { return s.typ }

// NetNS implements socket.InNet.
func (s *Sock) NetNS() *socket.NetNS { return s.n.net }

// Family implements socket.InNet.
func (s *Sock) Family() int32 { return s.family }

// Readiness implements wait.Waitable.
func (s *Sock) Readiness(mask wait.Mask) wait.Mask {
	return wait.Mask(hostPoll(s.fd)) & (mask | wait.Err | wait.Hup)
}

// Register implements wait.Waitable.
func (s *Sock) Register(e *wait.Entry, mask wait.Mask) {
	s.queue.Register(e, mask)
	s.asked(mask)
}

// RegisterExclusive implements wait.Exclusive.
func (s *Sock) RegisterExclusive(e *wait.Entry, mask wait.Mask) {
	s.queue.RegisterExclusive(e, mask)
	s.asked(mask)
}

// asked sees to it that the host tells of what somebody waits for.
func (s *Sock) asked(mask wait.Mask) {
	if mask&outEvents != 0 {
		s.arm(out)
	}
	s.arm(in) // for errors and ends too
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
	err := hostName(unix.SYS_BIND, s.fd, addr)
	if err == unix.EACCES {
		t.Note("the sentry has no CAP_NET_BIND_SERVICE in the host's network namespace")
	}
	return err
}

// Connect implements socket.Socket.
func (s *Sock) Connect(_ current.Task, addr []byte) error {
	return hostName(unix.SYS_CONNECT, s.fd, addr)
}

// Listen implements socket.Socket.
func (s *Sock) Listen(_ current.Task, backlog int) error {
	_, err := call6(unix.SYS_LISTEN, s.fd, uintptr(uint32(int32(backlog))), 0, 0, 0)
	return err
}

// Accept implements socket.Socket.
func (s *Sock) Accept(t current.Task) (socket.Socket, error) {
	if !s.n.reserve() {
		return nil, unix.ENFILE
	}
	fd, from, err := hostAccept(s.fd)
	if err != nil {
		s.n.count.Add(-1)
		return nil, err
	}
	c, err := s.n.adopt(&Sock{fd: fd, family: s.family, typ: s.typ, protocol: s.protocol, uid: t.Cred().FSUID, from: from})
	if err != nil {
		return nil, err
	}
	c.opts.InheritTimes(&s.opts)
	c.low.Store(s.low.Load())
	c.lingers.Store(s.lingers.Load())
	return c, nil
}

// AcceptedFrom implements socket.Accepted.
func (s *Sock) AcceptedFrom() []byte { return s.from }

// Shutdown implements socket.Socket.
func (s *Sock) Shutdown(_ current.Task, how int) error {
	_, err := call6(unix.SYS_SHUTDOWN, s.fd, uintptr(how), 0, 0, 0)
	return err
}

// Name implements socket.Socket.
func (s *Sock) Name(peer bool) ([]byte, error) {
	if peer {
		return hostNames(unix.SYS_GETPEERNAME, s.fd)
	}
	return hostNames(unix.SYS_GETSOCKNAME, s.fd)
}

// Read implements vfs.FileImpl.
func (s *Sock) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	if dst.Len() == 0 {
		return 0, nil // as sock_read_iter: it waits for nothing
	}
	return s.recv(dst, nil, 0)
}

// Write implements vfs.FileImpl.
func (s *Sock) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	n, err := s.send(src, nil, 0)
	if err == unix.EPIPE && s.typ == unix.SOCK_STREAM {
		t.Signal(int(unix.SIGPIPE))
	}
	return n, off, err
}

// Release implements vfs.FileImpl: the last descriptor is gone.
func (s *Sock) Release(t current.Task, _ *vfs.File) {
	if s.typ == unix.SOCK_STREAM && s.lingers.Load() {
		s.linger(t)
	}
	s.watch.Lock()
	s.watch.closed = true
	s.watch.Unlock()
	s.open.Lock()
	s.open.ended = true
	s.open.Unlock()
	s.n.poller.forget(s)
	_ = unix.Close(s.fd)
	s.n.count.Add(-1)
	s.n.net.DecRef()
}

// exiter is a task that may be ending. One that is does not wait for a connection
// to close.
type exiter interface{ Exiting() bool }

// linger waits here for what close(2) of the host would wait for with SO_LINGER,
// where no signal of the guest's would end it, and sees to it that the host does
// not.
func (s *Sock) linger(t current.Task) {
	var room [8]byte
	v, err := hostGet(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, room[:])
	if err != nil || len(v) < 8 {
		return
	}
	on, seconds := binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:])
	if on == 0 || seconds == 0 {
		return // at once, or with a reset: the host does not wait
	}
	_ = hostSet(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, make([]byte, 8))
	if x, ok := t.(exiter); t == nil || ok && x.Exiting() || s.pending() {
		return // what was not read is answered with a reset
	}
	if _, err := call6(unix.SYS_SHUTDOWN, s.fd, unix.SHUT_WR, 0, 0, 0); err != nil {
		return // there is no connection
	}
	const most = 100 * 365 * 24 * time.Hour
	end := time.Now().Add(min(time.Duration(seconds)*time.Second, most))
	// However it ends, the descriptor is closed.
	_ = current.Retry(t, s, wait.Out|wait.Hup, end, func() error {
		if s.closing() {
			return unix.EAGAIN
		}
		return nil
	})
}

// pending reports whether there is something to read.
func (s *Sock) pending() bool {
	var n [4]byte
	return hostIoctl(s.fd, unix.TIOCINQ, n[:]) == nil && binary.LittleEndian.Uint32(n[:]) != 0
}

// closing reports whether the peer has not acknowledged the end of what it was sent.
func (s *Sock) closing() bool {
	const finWait1, lastAck, closing = 4, 9, 11 // netinet/tcp.h
	var room [1]byte
	v, err := hostGet(s.fd, unix.SOL_TCP, unix.TCP_INFO, room[:])
	return err == nil && len(v) == 1 && (v[0] == finWait1 || v[0] == lastAck || v[0] == closing)
}

// The ioctls that the host answers, with the size of the answer: socket(7), tcp(7).
const (
	siocGStamp   = 0x8906
	siocGStampNS = 0x8907
	siocAtMark   = 0x8905
	siocOutQNSD  = 0x894b
)

// Ioctl implements vfs.FileImpl.
func (s *Sock) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	var room [16]byte
	n := 4
	switch cmd {
	case unix.TIOCINQ, unix.TIOCOUTQ:
	case siocAtMark, siocOutQNSD:
		if s.typ != unix.SOCK_STREAM {
			return 0, unix.ENOTTY
		}
	case siocGStamp, siocGStampNS:
		n = 16
	default:
		return 0, unix.ENOTTY
	}
	if err := hostIoctl(s.fd, cmd, room[:n]); err != nil {
		return 0, err
	}
	_, err := t.Mem().CopyOut(usermem.Addr(arg), room[:n])
	return 0, err
}
