package stack

import (
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
)

// datagram is what sockets of messages share: UDP, ping and raw sockets. The
// lock is common's.
type datagram struct {
	common
	queue dgram.Queue

	local netip.AddrPort // the address is not valid if there is none
	peer  netip.AddrPort // likewise
	scope int            // the interface of a link-local peer, or of a connected one
	flow  uint32         // sin6_flowinfo of the peer
	// boundAddr and boundPort say that bind chose them.
	boundAddr, boundPort bool
	shut                 uint8 // 1 is SHUT_RD, 2 is SHUT_WR
	closed               bool
	waking               bool // flush will be called
	way                  *path
	// tooLong is what the last send that was too long learnt, until somebody reads it.
	tooLong *PathMTU
}

const (
	shutRead  = 1
	shutWrite = 2
)

const readable = unix.EPOLLIN | unix.EPOLLRDNORM
const writable = unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLWRBAND

// Name returns the own address.
func (d *datagram) Name() (Address, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.showScoped(d.local, d.nicIndex()), nil
}

// nicIndex is the interface that a link-local address means.
func (d *datagram) nicIndex() int {
	if d.scope != 0 {
		return d.scope
	}
	return d.device
}

// Peer returns the other address, or ENOTCONN.
func (d *datagram) Peer() (Address, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.peer.Addr().IsValid() || d.peer.Port() == 0 {
		return Address{}, unix.ENOTCONN
	}
	a := d.showScoped(d.peer, d.nicIndex())
	if d.ip6.flowSend {
		a.Flow = d.flow
	}
	return a, nil
}

// Shutdown is shutdown(2): ENOTCONN unless the socket is connected, and then it
// happens all the same.
func (d *datagram) Shutdown(how int) error {
	d.mu.Lock()
	switch how {
	case unix.SHUT_RD:
		d.shut |= shutRead
	case unix.SHUT_WR:
		d.shut |= shutWrite
	case unix.SHUT_RDWR:
		d.shut |= shutRead | shutWrite
	default:
		d.mu.Unlock()
		return unix.EINVAL
	}
	connected := d.peer.Addr().IsValid()
	d.mu.Unlock()
	d.wake(d.Ready())
	if !connected {
		return unix.ENOTCONN
	}
	return nil
}

// Ready returns the events that hold: Linux's datagram_poll.
func (d *datagram) Ready() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var e uint32 = writable
	if d.err != 0 || d.errs.Len() > 0 {
		e |= unix.EPOLLERR
		if d.errs.Len() > 0 && d.flags&fSelectErr != 0 {
			e |= unix.EPOLLPRI
		}
	}
	if d.shut&shutRead != 0 {
		e |= unix.EPOLLRDHUP | readable
	}
	if d.shut == shutRead|shutWrite {
		e |= unix.EPOLLHUP
	}
	if d.queue.Len() > 0 {
		e |= readable
	}
	return e
}

// Ioctl answers SIOCINQ, the length of the next datagram, and SIOCOUTQ.
func (d *datagram) Ioctl(cmd uint32) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch cmd {
	case unix.SIOCINQ:
		if m := d.queue.Peek(0); m != nil {
			return m.Len, nil
		}
		return 0, nil
	case unix.SIOCOUTQ:
		return 0, nil
	}
	return 0, enoioctlcmd
}

// arrived queues a message; the caller holds no lock. It reports whether there
// was room.
func (d *datagram) arrived(m dgram.Message, rx *batch, self flusher) bool {
	m.Packet.Compact()
	d.mu.Lock()
	if d.closed || d.shut&shutRead != 0 {
		d.mu.Unlock()
		m.Packet.Release()
		return true
	}
	d.queue.Limit = d.rcvBuf
	ok := d.queue.Push(m)
	later := ok && !d.waking
	if later {
		d.waking = true
	}
	d.mu.Unlock()
	if later {
		rx.later(self)
	}
	return ok
}

// flush wakes the reader.
func (d *datagram) flush(now int64) {
	d.mu.Lock()
	d.waking = false
	d.mu.Unlock()
	d.wake(readable)
}

// filterLen runs the socket's filter: how many bytes are accepted, -1 for none.
func (d *datagram) filtered(r *received) int {
	d.mu.Lock()
	f := d.filter
	d.mu.Unlock()
	if f == nil {
		return r.pkt.Len()
	}
	return d.stack.runFilter(f, r.pkt, r)
}

// Recv writes the next message to dst.
func (d *datagram) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	if m.Flags&unix.MSG_ERRQUEUE != 0 {
		return d.recvError(dst, n, m)
	}
	d.mu.Lock()
	if err := d.takeError(); err != nil {
		d.mu.Unlock()
		return 0, err
	}
	if d.tooLong != nil && d.ip6.pathMTU {
		m.PathMTU, d.tooLong = d.tooLong, nil
		m.From, m.HasFrom, m.Flags = m.PathMTU.To, true, 0
		d.mu.Unlock()
		return 0, nil
	}
	msg, err := d.next(m)
	if err != nil {
		d.mu.Unlock()
		return 0, err
	}
	m.Control = d.wants(msg.From.Addr().Is6())
	d.fill(m, &msg)
	d.mu.Unlock()
	return copyMessage(dst, n, m, msg)
}

// next takes the first message, or a copy of it with MSG_PEEK.
func (d *datagram) next(m *RecvMeta) (dgram.Message, error) {
	if m.Flags&unix.MSG_PEEK != 0 {
		p := d.queue.Peek(0)
		if p == nil {
			return dgram.Message{}, d.nothing()
		}
		msg := *p
		msg.Packet = p.Packet.Clone()
		return msg, nil
	}
	msg, ok := d.queue.Pop()
	if !ok {
		return msg, d.nothing()
	}
	return msg, nil
}

// nothing is what a receive from an empty queue is: the end after SHUT_RD.
func (d *datagram) nothing() error {
	if d.shut&shutRead != 0 {
		return io.EOF
	}
	return unix.EAGAIN
}

// fill says in m what belongs to a message. The caller holds the lock.
func (d *datagram) fill(m *RecvMeta, msg *dgram.Message) {
	m.message = *msg
	m.message.Packet = nil
	m.Msg, m.Full, m.HasFrom = &m.message, msg.Len, true
	m.From = d.showScoped(msg.From, msg.IIF)
	if m.Control&WantTimes != 0 || d.stampAsked {
		if m.Received = msg.Packet.Received; m.Received.IsZero() {
			m.Received = d.stack.wall()
		}
	}
}

// copyMessage copies a message out and releases it.
func copyMessage(dst io.Writer, n int, m *RecvMeta, msg dgram.Message) (int, error) {
	defer msg.Packet.Release()
	asked := m.Flags
	m.Flags = 0
	take := min(n, msg.Len)
	if take < msg.Len {
		m.Flags |= unix.MSG_TRUNC
	}
	if err := writePacket(dst, msg.Packet, take); err != nil {
		return 0, err
	}
	if asked&unix.MSG_TRUNC != 0 {
		return msg.Len, nil
	}
	return take, nil
}

// writePacket writes the first n bytes of a packet.
func writePacket(dst io.Writer, p *buffer.Packet, n int) error {
	put := func(b []byte) error {
		b = b[:min(len(b), n)]
		n -= len(b)
		if len(b) == 0 {
			return nil
		}
		_, err := dst.Write(b)
		return err
	}
	if err := put(p.Head()); err != nil {
		return err
	}
	for _, v := range p.Payload() {
		if err := put(v.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// recvError takes the next error of the error queue.
func (d *datagram) recvError(dst io.Writer, n int, m *RecvMeta) (int, error) {
	d.mu.Lock()
	e, ok := d.errs.Pop()
	if !ok {
		d.mu.Unlock()
		return 0, unix.EAGAIN
	}
	// SO_ERROR is the next one's, as Linux has it.
	d.err = 0
	if next := d.errs.First(); next != nil && (next.Origin == dgram.OriginICMP || next.Origin == dgram.OriginICMP6) {
		d.err = next.Errno
	}
	m.From, m.HasFrom = d.showScoped(e.To, e.IIF), e.To.IsValid()
	m.Control = d.wants(e.To.Addr().Is6())
	if m.Received = e.Stamp; !e.Stamp.IsZero() {
		m.Control = m.Control&^WantTimes | d.stampControl()
	}
	d.mu.Unlock()
	m.Flags = unix.MSG_ERRQUEUE
	size := 0
	if e.Packet != nil {
		m.Full = e.Packet.Len()
		if size = min(n, m.Full); size < m.Full {
			m.Flags |= unix.MSG_TRUNC
		}
		if err := writePacket(dst, e.Packet, size); err != nil {
			e.Release()
			return 0, err
		}
	}
	e.Release()
	m.Err = &e
	return size, nil
}

// recvErr reports whether the socket asks for errors of packets to dst. The
// caller holds the lock.
func (c *common) recvErr(dst netip.Addr) bool {
	if dst.Is6() {
		return c.ip6.recvErr
	}
	return c.ip4.recvErr || c.v6() && c.ip6.recvErr
}

// icmpFailed takes an error in for a datagram socket: head is how many bytes of
// the quoted packet are its transport's header.
func (d *datagram) icmpFailed(e *icmpError, head int) {
	d.mu.Lock()
	hard := e.meaning.Hard
	if e.meaning.MTU {
		hard = d.ip4.mtuDisc != unix.IP_PMTUDISC_DONT && !e.v6 || e.v6 && d.ip6.mtuDisc != unix.IPV6_PMTUDISC_DONT
		if !hard {
			d.mu.Unlock()
			return
		}
		d.way = nil
	}
	asked := d.recvErr(e.dst.Addr())
	if !asked && (!hard || !d.peer.Addr().IsValid()) {
		d.mu.Unlock()
		return
	}
	if asked {
		x := dgram.Error{
			Errno: e.meaning.Errno, Origin: dgram.OriginICMP, Type: e.typ, Code: e.code, Info: e.info,
			Offender: e.offender, To: e.dst, IIF: e.iif,
		}
		if e.v6 {
			x.Origin = dgram.OriginICMP6
		}
		if e.quoted.Len() >= head && e.quoted.Pull(head) {
			x.Packet = e.quoted.Clone()
			x.Packet.TrimFront(head)
			x.Packet.Compact()
		}
		d.errs.Push(x)
	}
	d.err = e.meaning.Errno
	d.mu.Unlock()
	d.wake(unix.EPOLLERR)
}

// localError queues an error that the socket's own send met: EMSGSIZE.
func (d *datagram) localError(errno unix.Errno, to netip.AddrPort, info int, o *sendOptions) {
	d.mu.Lock()
	if to.Addr().Is6() && d.ip6.pathMTU && o.tellMTU {
		// Nobody is woken for it, as on Linux; of several the last one counts.
		d.tooLong = &PathMTU{Address{AddrPort: netip.AddrPortFrom(to.Addr(), 0), Scope: d.nicIndex()}, info - o.extensionLen()}
	}
	asked := d.recvErr(to.Addr())
	if asked {
		d.errs.Push(dgram.Error{Errno: errno, Origin: dgram.OriginLocal, Info: uint32(info), To: to})
	}
	d.mu.Unlock()
	if asked {
		d.wake(unix.EPOLLERR)
	}
}

// boundLocked reports whether the socket has a port, portLocked which.
func (d *datagram) boundLocked() bool  { return d.local.Port() != 0 }
func (d *datagram) portLocked() uint16 { return d.local.Port() }

// flowLocked is the flow that the socket was connected with.
func (d *datagram) flowLocked() uint32 { return d.flow }

// mappedLocked reports whether the peer is one of IPv4: ENOTCONN.
func (d *datagram) mappedLocked() (bool, error) {
	if !d.peer.Addr().IsValid() {
		return false, unix.ENOTCONN
	}
	return d.peer.Addr().Is4(), nil
}

// holdsLocked reports whether something of IPv6 waits to be sent.
func (d *datagram) holdsLocked() bool { return false }

// currentPath is the way to the peer: ENOTCONN.
func (d *datagram) currentPath() (*path, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.peer.Addr().IsValid() {
		return nil, unix.ENOTCONN
	}
	return d.pathTo(d.peer, d.local.Addr(), 0)
}

// forgetWay has the path looked up again.
func (d *datagram) forgetWay() {
	d.mu.Lock()
	d.way = nil
	d.mu.Unlock()
}

// pathTo is the way to a destination, from the cache if it is the peer. The caller
// holds the lock.
func (d *datagram) pathTo(to netip.AddrPort, src netip.Addr, oif int) (*path, error) {
	cached := to == d.peer && oif == 0
	if cached && d.way != nil && d.way.valid() {
		return d.way, nil
	}
	q := d.query(to.Addr(), src, oif, d.local.Port(), to.Port())
	if q.oif == 0 && to == d.peer && linkScope6(to.Addr()) {
		q.oif = d.scope
	}
	p, err := d.stack.findPath(&q)
	if err != nil {
		return nil, err
	}
	if p.kind == toBroadcast && d.flags&fBroadcast == 0 {
		return nil, unix.EACCES
	}
	if cached {
		d.way = p
	}
	return p, nil
}

// checkScope checks the scope of a link-local destination and returns the
// interface that it names.
func (d *datagram) checkScope(to *Address) (int, error) {
	a := to.Addr()
	if !a.Is6() || !linkScope6(a) {
		return 0, nil
	}
	if to.Scope != 0 {
		if d.device != 0 && d.device != to.Scope {
			return 0, unix.EINVAL
		}
		return to.Scope, nil
	}
	return 0, nil
}

// stampWanted reports whether arrivals are to be given a time.
func (o *options) stampWanted() bool {
	return o.flags&(fTimestamp|fTimestampNS) != 0 || o.tsFlags&tsRxSoftware != 0 || o.stampAsked
}

// StampArrivals implements Stamper.
func (c *common) StampArrivals() {
	c.mu.Lock()
	c.stampAsked = true
	c.mu.Unlock()
}

// received is when a packet arrived, or now.
func (s *Stack) stamp(p *buffer.Packet) {
	if p.Received.IsZero() {
		p.Received = s.wall()
	}
}

// copyIn reads n bytes of src into packets' memory: into the packet's own chunk if
// they fit there.
func copyIn(p *buffer.Packet, src io.Reader, n int) error {
	if b := p.Extend(n); b != nil {
		return readFull(src, b)
	}
	c := p.Pool().Get(n)
	if err := readFull(src, c.Bytes()[:n]); err != nil {
		c.Release()
		return err
	}
	p.Append(buffer.NewView(c, 0, n))
	return nil
}

// readFull fills b. A source that ends before is EFAULT: who says that there are n
// bytes has them.
func readFull(src io.Reader, b []byte) error {
	for len(b) > 0 {
		n, err := src.Read(b)
		b = b[n:]
		if err != nil && len(b) > 0 {
			if err == io.EOF {
				return unix.EFAULT
			}
			return err
		}
	}
	return nil
}

// info is what is told of a datagram socket. The caller holds the lock.
func (d *datagram) info() SocketInfo {
	state := uint8(7) // TCP_CLOSE
	if d.peer.Addr().IsValid() {
		state = 1
	}
	return SocketInfo{
		Family: d.Family(), Type: d.typ, Protocol: d.proto, Local: d.show(d.local), Remote: d.show(d.peer), State: state,
		RxQueue: d.queue.Bytes(), Owner: d.owner, Device: d.device, Mark: d.mark, Drops: d.queue.Drops,
		V6Only: d.v6only, ReuseAddr: d.flags&fReuseAddr != 0, Shutdown: d.shut, Refs: 2,
	}
}

// Info is what /proc/net and sock_diag say.
func (d *datagram) Info() SocketInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info()
}

// SetOption is setsockopt of what the socket has no option of its own for.
func (d *datagram) SetOption(level, name int, value []byte, admin, raw bool) error {
	return d.setOption(level, name, value, admin, raw)
}

// Option is getsockopt of it.
func (d *datagram) Option(level, name, room int, in []byte) ([]byte, error) {
	return d.option(level, name, room, in)
}

// closeQueues releases what waits to be read; what arrives later is dropped.
func (d *datagram) closeQueues() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.closed = true
	d.queue.Clear()
	d.errs.Clear()
	return true
}

// lingerNone is what Close of a socket without a connection returns.
const lingerNone = time.Duration(0)
