package unix

import (
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

type counter = atomic.Int64

// state is where a socket is in its life.
type state uint8

const (
	idle      state = iota // new, or a datagram socket that is not connected
	listening              // listen was called
	connected              // has a peer
	closed                 // the last descriptor is gone
)

// Sock is one socket.
//
// Life of a stream: idle → (listening | connected) → closed. A connection that
// was made but not yet accepted is a connected Sock in its listener's pending
// list. A peer that closes leaves the other connected, with both directions
// shut.
type Sock struct {
	ns    *Namespace // immutable
	typ   int32      // immutable: SOCK_*
	opts  socket.Options
	queue wait.Queue
	wmem  counter // bytes sent that nobody has received yet
	ino   atomic.Uint64
	// refuses says that descriptors are not to be sent to it: SO_PASSRIGHTS off.
	refuses atomic.Bool
	told    atomic.Uint32 // what receivers are told of senders: tellCred, tellProcess

	recv lock.Mutex[lock.Socket] // one receiver at a time

	rooms   rooms
	awaited atomic.Bool // somebody waits for room: rooms.senders is not empty

	st sockState
}

// sockState is what a socket's lock guards.
type sockState struct {
	lock.Mutex[lock.Leaf]
	state      state
	addr       *address
	peer       *Sock
	in         []*packet
	inBytes    int
	shutRd     bool
	shutWr     bool
	err        error // SO_ERROR: told once
	backlog    int
	pending    []*Sock
	own, other user // who made the connection possible, here and there
}

// user is who SO_PEERCRED, SO_PEERGROUPS and SO_PEERPIDFD of the other end tell.
type user struct {
	cred    unix.Ucred
	groups  []uint32 // the supplementary ones; not changed in place
	process current.Process
}

func userOf(t current.Task) user { return user{credOf(t), t.Cred().Groups, current.ProcessOf(t)} }

// The bits of Sock.told.
const (
	tellCred    = 1 << iota // SO_PASSCRED
	tellProcess             // SO_PASSPIDFD
)

// packet is one message, or a piece of a stream, on its way.
type packet struct {
	data []byte // what is left of it
	from *Sock
	addr *address
	ctl  socket.Control
	size int       // accounted at from.wmem
	at   time.Time // when it was sent, if the receiver wants to know: SO_TIMESTAMP
}

var _ socket.Socket = (*Sock)(nil)

// Socket implements socket.Family.
func (ns *Namespace) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	s, err := ns.newSock(t, typ, protocol)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (ns *Namespace) newSock(t current.Task, typ, protocol int32) (*Sock, error) {
	if protocol != 0 && protocol != unix.AF_UNIX {
		return nil, unix.EPROTONOSUPPORT
	}
	if typ == unix.SOCK_RAW {
		typ = unix.SOCK_DGRAM // as BSD had it, and Linux has it still
	}
	if typ != unix.SOCK_STREAM && typ != unix.SOCK_DGRAM && typ != unix.SOCK_SEQPACKET {
		return nil, unix.ESOCKTNOSUPPORT
	}
	s := &Sock{ns: ns, typ: typ}
	s.st.own = userOf(t)
	return s, nil
}

// Pair implements socket.Family.
func (ns *Namespace) Pair(t current.Task, typ, protocol int32) (socket.Socket, socket.Socket, error) {
	a, err := ns.newSock(t, typ, protocol)
	if err != nil {
		return nil, nil, err
	}
	b := &Sock{ns: ns, typ: a.typ}
	b.st.own = a.st.own
	for x, y := a, b; ; x, y = b, a {
		x.st.peer, x.st.state, x.st.other = y, connected, y.st.own
		if x == b {
			return a, b, nil
		}
	}
}

func credOf(t current.Task) unix.Ucred {
	_, tgid := t.IDs()
	c := t.Cred()
	return unix.Ucred{Pid: tgid, Uid: c.EUID, Gid: c.EGID}
}

func (s *Sock) isStream() bool { return s.typ == unix.SOCK_STREAM }

// hasConnections reports whether the type is one that listens and accepts.
func (s *Sock) hasConnections() bool { return s.typ != unix.SOCK_DGRAM }

// Type implements socket.Socket.
func (s *Sock) Type() int32 { return s.typ }

// NetNS implements socket.InNet.
func (s *Sock) NetNS() *socket.NetNS { return s.ns.net }

// Family implements socket.InNet.
func (*Sock) Family() int32 { return unix.AF_UNIX }

// Passes implements socket.Passer.
func (*Sock) Passes() {}

// Read implements vfs.FileImpl.
func (s *Sock) Read(t current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	var m socket.Message
	n, err := s.Recv(t, dst, &m)
	m.Drop(t)
	return n, err
}

// Write implements vfs.FileImpl.
func (s *Sock) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	var m socket.Message
	n, err := s.Send(t, src, &m)
	if err == unix.EPIPE && s.hasConnections() {
		t.Signal(int(unix.SIGPIPE))
	}
	return n, off, err
}

// Ioctl implements vfs.FileImpl.
func (s *Sock) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	var n int32
	switch cmd {
	case unix.SIOCINQ:
		s.st.Lock()
		if s.st.state == listening {
			s.st.Unlock()
			return 0, unix.EINVAL
		}
		n = int32(s.st.inBytes)
		if !s.isStream() {
			n = 0
			if len(s.st.in) > 0 {
				n = int32(len(s.st.in[0].data))
			}
		}
		s.st.Unlock()
	case unix.SIOCOUTQ:
		n = int32(s.wmem.Load())
	default:
		return 0, unix.ENOTTY
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &n)
}

// Readiness implements wait.Waitable.
func (s *Sock) Readiness(mask wait.Mask) wait.Mask {
	s.st.Lock()
	var m wait.Mask
	if len(s.st.in) > 0 || len(s.st.pending) > 0 {
		m |= wait.In | wait.RdNrm
	}
	if s.st.shutRd {
		m |= wait.RdHup | wait.In | wait.RdNrm
	}
	if s.st.shutRd && s.st.shutWr || s.hasConnections() && s.st.state == idle {
		m |= wait.Hup
	}
	if s.st.err != nil {
		m |= wait.Err
	}
	writable := s.st.state != listening
	peer := s.st.peer
	s.st.Unlock()
	if writable && s.wmem.Load()*4 <= int64(s.opts.SendBuffer()) && !(s.typ == unix.SOCK_DGRAM && peer != nil && peer.full(s)) {
		m |= wait.Out | wait.WrNrm | wait.WrBnd
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

// Release implements vfs.FileImpl: the last descriptor is gone.
func (s *Sock) Release(t current.Task, _ *vfs.File) { s.close(t, false) }

// close ends the socket. The peer gets ECONNRESET if something is lost with it: what
// was not received, or, if reset, the connection itself, which nobody will accept.
func (s *Sock) close(t current.Task, reset bool) {
	s.forget()
	s.st.Lock()
	peer, addr, in, pending := s.st.peer, s.st.addr, s.st.in, s.st.pending
	s.st.peer, s.st.in, s.st.inBytes, s.st.pending = nil, nil, 0, nil
	s.st.state, s.st.shutRd, s.st.shutWr = closed, true, true
	s.st.Unlock()
	s.unbind(addr)
	s.wake(true)
	s.queue.NotifyAll(wait.Hup | wait.Readable | wait.Writable | wait.RdHup)
	if peer != nil && s.hasConnections() {
		peer.st.Lock()
		peer.st.shutRd, peer.st.shutWr = true, true
		if len(in) > 0 || reset {
			peer.st.err = unix.ECONNRESET
		}
		peer.st.Unlock()
		peer.queue.Notify(wait.Hup | wait.Readable | wait.Writable | wait.RdHup)
	}
	for _, p := range in {
		s.free(t, p)
	}
	for _, c := range pending {
		c.close(t, true)
	}
}

// free drops a packet that was taken out of a queue.
func (s *Sock) free(t current.Task, p *packet) {
	s.ns.flight.Add(-int64(len(p.ctl.Files)))
	p.ctl.Drop(t)
	p.credit(p.size)
}

// credit gives n bytes of room back to the sender.
func (p *packet) credit(n int) {
	p.size -= n
	p.from.wmem.Add(-int64(n))
	p.from.queue.Notify(wait.Writable)
}
