package netlink

import (
	"encoding/binary"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Sock is one socket.
type Sock struct {
	net      *Net     // immutable
	typ      int32    // immutable: SOCK_RAW or SOCK_DGRAM, which are the same
	number   int32    // immutable: NETLINK_*
	protocol Protocol // immutable
	admin    bool     // immutable: who made the socket had CAP_NET_ADMIN
	opts     socket.Options
	queue    wait.Queue

	recv lock.Mutex[lock.Socket]
	dump *Dump // guarded by recv: what is left to be said
	room int   // guarded by recv: the largest buffer that was offered, in bytes

	st struct {
		lock.Mutex[lock.Leaf]
		id        uint32 // the port; bound says whether it is one
		bound     bool
		peer      uint32 // connect: the port
		peerGroup uint32 // and the group
		connected bool
		groups    []uint64 // bit n-1 is group n
		in        []*datagram
		bytes     int
		err       error // told once: ENOBUFS
		congested bool  // until the queue is empty
		dumping   bool
		closed    bool
		drops     uint32
		inode     uint64
		flags     map[int32]bool // the options of SOL_NETLINK that are on
	}
}

// datagram is what was received.
type datagram struct {
	data  []byte
	port  uint32 // of the sender; 0 is the kernel
	group uint32 // that it was sent to, or 0
	cred  unix.Ucred
	// nsid is the namespace that it was told in, if numbered.
	nsid     int32
	numbered bool
}

// overhead is what a datagram counts besides its bytes.
const overhead = 512

var (
	_ socket.Socket   = (*Sock)(nil)
	_ socket.InNet    = (*Sock)(nil)
	_ socket.Passer   = (*Sock)(nil)
	_ socket.Numbered = (*Sock)(nil)
)

// Net returns the namespace.
func (s *Sock) Net() *Net { return s.net }

// Protocol returns the number (NETLINK_*).
func (s *Sock) Protocol() int32 { return s.number }

// Type implements socket.Socket.
func (s *Sock) Type() int32 { return s.typ }

func (s *Sock) portID() uint32 {
	s.st.Lock()
	defer s.st.Unlock()
	return s.st.id
}

// address is struct sockaddr_nl.
func address(id, groups uint32) []byte {
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_NETLINK)
	b = append(b, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, id)
	return binary.NativeEndian.AppendUint32(b, groups)
}

// parseAddress reads struct sockaddr_nl.
func parseAddress(b []byte) (id, groups uint32, err error) {
	if len(b) < unix.SizeofSockaddrNetlink || binary.NativeEndian.Uint16(b) != unix.AF_NETLINK {
		return 0, 0, unix.EINVAL
	}
	return binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[8:]), nil
}

// open says what is allowed to those without CAP_NET_ADMIN.
func (s *Sock) open() (listen, send bool) {
	if g, ok := s.protocol.(Guarded); ok {
		return g.Open()
	}
	return true, false
}

func (s *Sock) mayListen(t current.Task) bool {
	listen, _ := s.open()
	return listen || s.net.ns.May(t, unix.CAP_NET_ADMIN)
}

func (s *Sock) maySend(t current.Task) bool {
	_, send := s.open()
	return send || s.net.ns.May(t, unix.CAP_NET_ADMIN)
}

// Bind implements socket.Socket.
func (s *Sock) Bind(t current.Task, addr []byte) error {
	id, groups, err := parseAddress(addr)
	if err != nil {
		return err
	}
	if groups != 0 && !s.mayListen(t) {
		return unix.EPERM
	}
	s.st.Lock()
	bound, own := s.st.bound, s.st.id
	s.st.Unlock()
	switch {
	case bound && id != own:
		return unix.EINVAL
	case !bound && id == 0:
		s.autobind(t)
	case !bound:
		if err := s.bindTo(id); err != nil {
			return err
		}
	}
	s.st.Lock()
	defer s.st.Unlock()
	if len(s.st.groups) == 0 {
		if groups == 0 {
			return nil
		}
		s.st.groups = make([]uint64, 1)
	}
	s.st.groups[0] = s.st.groups[0]&^0xffffffff | uint64(groups)
	return nil
}

// bindTo takes a port: EADDRINUSE.
func (s *Sock) bindTo(id uint32) error {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ports[port{s.number, id}] != nil {
		return unix.EADDRINUSE
	}
	s.st.Nested() // a socket's state within its namespace's list
	defer s.st.Unlock()
	if s.st.bound {
		return unix.EINVAL
	}
	n.ports[port{s.number, id}] = s
	s.st.id, s.st.bound = id, true
	return nil
}

// autobind takes the port of the process's number, or if that is taken one from
// above, where no process is.
func (s *Sock) autobind(t current.Task) {
	_, tgid := t.IDs()
	for id := uint32(tgid); ; id-- {
		if id == uint32(tgid)-1 {
			id = ^uint32(4096)
		}
		if err := s.bindTo(id); err != unix.EADDRINUSE {
			return
		}
	}
}

// ensureBound binds the socket if it is not.
func (s *Sock) ensureBound(t current.Task) {
	s.st.Lock()
	bound := s.st.bound
	s.st.Unlock()
	if !bound {
		s.autobind(t)
	}
}

// Connect implements socket.Socket.
func (s *Sock) Connect(t current.Task, addr []byte) error {
	if len(addr) < 2 {
		return unix.EINVAL
	}
	if binary.NativeEndian.Uint16(addr) == unix.AF_UNSPEC {
		s.st.Lock()
		s.st.peer, s.st.peerGroup, s.st.connected = 0, 0, false
		s.st.Unlock()
		return nil
	}
	id, groups, err := parseAddress(addr)
	if err != nil {
		return err
	}
	if (id != 0 || groups != 0) && !s.maySend(t) {
		return unix.EPERM
	}
	s.ensureBound(t)
	s.st.Lock()
	defer s.st.Unlock()
	s.st.peer, s.st.peerGroup, s.st.connected = id, firstGroup(groups), true
	return nil
}

// firstGroup is the lowest group of a mask, or 0.
func firstGroup(mask uint32) uint32 {
	if mask == 0 {
		return 0
	}
	return uint32(bits.TrailingZeros32(mask)) + 1
}

// Listen implements socket.Socket: there are no connections.
func (s *Sock) Listen(current.Task, int) error { return unix.EOPNOTSUPP }

// Accept implements socket.Socket.
func (s *Sock) Accept(current.Task) (socket.Socket, error) { return nil, unix.EOPNOTSUPP }

// Shutdown implements socket.Socket.
func (s *Sock) Shutdown(current.Task, int) error { return unix.EOPNOTSUPP }

// Name implements socket.Socket.
func (s *Sock) Name(peer bool) ([]byte, error) {
	s.st.Lock()
	defer s.st.Unlock()
	if peer {
		return address(s.st.peer, groupMask(s.st.peerGroup)), nil
	}
	var groups uint32
	if len(s.st.groups) > 0 {
		groups = uint32(s.st.groups[0])
	}
	return address(s.st.id, groups), nil
}

// groupMask is a group as sockaddr_nl shows it: only the first 32 fit.
func groupMask(group uint32) uint32 {
	if group == 0 || group > 32 {
		return 0
	}
	return 1 << (group - 1)
}

// groupCount is how many groups there are; a few more than a protocol says do no harm.
func (s *Sock) groupCount() int { return max(32, s.protocol.Groups()) }

func (s *Sock) inGroup(group uint32) bool {
	s.st.Lock()
	defer s.st.Unlock()
	w := int(group-1) / 64
	return group > 0 && w < len(s.st.groups) && s.st.groups[w]>>((group-1)%64)&1 != 0
}

// setGroup joins or leaves a group.
func (s *Sock) setGroup(group uint32, join bool) {
	s.st.Lock()
	defer s.st.Unlock()
	w, bit := int(group-1)/64, uint64(1)<<((group-1)%64)
	if w >= len(s.st.groups) {
		if !join {
			return
		}
		s.st.groups = append(s.st.groups, make([]uint64, w+1-len(s.st.groups))...)
	}
	if join {
		s.st.groups[w] |= bit
	} else {
		s.st.groups[w] &^= bit
	}
}

// Info is what netlink_diag and /proc/net/netlink say of a socket.
type Info struct {
	Protocol, Type int32
	Port           uint32
	Bound          bool
	Peer           uint32
	PeerGroup      uint32
	Groups         []uint64
	Bytes          int // that wait to be received
	Drops          uint32
	Dumping        bool
	Inode          uint64
	RcvBuf, SndBuf int
}

// Info returns what is told of the socket.
func (s *Sock) Info() Info {
	rcv, snd := s.opts.ReceiveBuffer(), s.opts.SendBuffer()
	s.st.Lock()
	defer s.st.Unlock()
	return Info{
		Protocol: s.number, Type: s.typ, Port: s.st.id, Bound: s.st.bound, Peer: s.st.peer, PeerGroup: s.st.peerGroup,
		Groups: append([]uint64(nil), s.st.groups...), Bytes: s.st.bytes, Drops: s.st.drops,
		Dumping: s.st.dumping, Inode: s.st.inode, RcvBuf: rcv, SndBuf: snd,
	}
}

// SetInode implements socket.Numbered. From then on the socket keeps its
// namespace alive.
func (s *Sock) SetInode(ino uint64) {
	s.net.ns.IncRef()
	s.st.Lock()
	s.st.inode = ino
	s.st.Unlock()
}

// NetNS implements socket.InNet.
func (s *Sock) NetNS() *socket.NetNS { return s.net.ns }

// Family implements socket.InNet.
func (s *Sock) Family() int32 { return unix.AF_NETLINK }

// Passes implements socket.Passer.
func (s *Sock) Passes() {}

// Read implements vfs.FileImpl.
func (s *Sock) Read(t current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	var m socket.Message
	return s.Recv(t, dst, &m)
}

// Write implements vfs.FileImpl.
func (s *Sock) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	n, err := s.Send(t, src, &socket.Message{})
	return n, off, err
}

// Ioctl implements vfs.FileImpl.
func (s *Sock) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	if s.net.ns.Control == nil {
		return 0, unix.ENOTTY
	}
	return 0, s.net.ns.Control.Ioctl(t, unix.AF_NETLINK, cmd, arg)
}

// Readiness implements wait.Waitable.
func (s *Sock) Readiness(mask wait.Mask) wait.Mask {
	s.st.Lock()
	defer s.st.Unlock()
	m := wait.Out | wait.WrNrm | wait.WrBnd
	if len(s.st.in) > 0 {
		m |= wait.In | wait.RdNrm
	}
	if s.st.err != nil {
		m |= wait.Err
	}
	return m & (mask | wait.Err | wait.Hup)
}

// Register implements wait.Waitable.
func (s *Sock) Register(e *wait.Entry, mask wait.Mask) { s.queue.Register(e, mask) }

// Unregister implements wait.Waitable.
func (s *Sock) Unregister(e *wait.Entry) { s.queue.Unregister(e) }

// Deadline returns when a wait that starts now ends (SO_RCVTIMEO, SO_SNDTIMEO).
func (s *Sock) Deadline(send bool) time.Time { return s.opts.Deadline(send) }

// Closer is a Protocol that wants to know of sockets that are closed.
type Closer interface{ Closed(s *Sock) }

// Release implements vfs.FileImpl: the last descriptor is gone.
func (s *Sock) Release(current.Task, *vfs.File) {
	s.st.Lock()
	s.st.closed = true
	s.st.in, s.st.bytes = nil, 0
	held := s.st.inode != 0
	s.st.Unlock()
	s.net.leave(s)
	if c, ok := s.protocol.(Closer); ok {
		c.Closed(s)
	}
	s.recv.Lock()
	s.dump = nil
	s.recv.Unlock()
	if held {
		s.net.ns.DecRef()
	}
}
