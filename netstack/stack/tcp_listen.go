package stack

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/tcp"
)

// tcpListener is the queues of a listening socket. Its socket's lock guards it.
type tcpListener struct {
	backlog  int
	ready    []*tcpSocket // connections that wait for Accept
	half     map[*tcpSocket]struct{}
	overflow int64     // when a SYN last found the queue full: cookies are valid for a while
	scratch  tcpSocket // stands for the connection to whose SYN a cookie answers
	fast     fastOpens // has a lock of its own
}

// Listen is listen(2).
func (t *tcpSocket) Listen(backlog int) error {
	s := t.stack
	t.mu.Lock()
	defer t.mu.Unlock()
	if most := int(s.tune(tCoreSomaxconn)); backlog < 0 || backlog > most {
		backlog = most // Linux takes it for unsigned
	}
	switch {
	case t.phase == tcpListening:
		t.listener.backlog = backlog
		return nil
	case t.phase != tcpUnconnected || t.conn != nil:
		return unix.EINVAL
	}
	if t.bind == nil {
		any := netip.IPv4Unspecified()
		if t.v6() {
			any = netip.IPv6Unspecified()
		}
		if t.boundAddr {
			any = t.local.Addr()
		}
		b := t.binding(t, any, 0, t.scope)
		if err := s.tcp.reserve(b, t.ports()); err != nil {
			return err
		}
		t.bind = b
		t.local = netip.AddrPortFrom(b.addr, b.port)
	}
	if err := s.tcp.startListening(t.bind); err != nil {
		return err
	}
	t.phase = tcpListening
	t.listener = &tcpListener{backlog: backlog, half: map[*tcpSocket]struct{}{}}
	s.demux.listen(t.bind)
	return nil
}

// Accept returns the next connection: EAGAIN, EINVAL.
func (t *tcpSocket) Accept() (Socket, Address, error) {
	t.mu.Lock()
	if t.phase != tcpListening {
		t.mu.Unlock()
		return nil, Address{}, unix.EINVAL
	}
	l := t.listener
	if len(l.ready) == 0 {
		t.mu.Unlock()
		return nil, Address{}, unix.EAGAIN
	}
	c := l.ready[0]
	l.ready[0] = nil
	if l.ready = l.ready[1:]; len(l.ready) == 0 {
		l.ready = nil
	}
	t.full.Store(len(l.ready) > l.backlog)
	t.mu.Unlock()
	c.mu.Lock()
	c.parent, c.phase = nil, tcpConnected
	peer := c.showScoped(c.peer, c.scope)
	c.mu.Unlock()
	return c, peer, nil
}

// stopListening ends a listener: those who wait to be accepted are reset.
func (t *tcpSocket) stopListening() {
	now := t.stack.now()
	t.mu.Lock()
	l := t.listener
	if t.phase != tcpListening {
		t.mu.Unlock()
		return
	}
	t.stack.demux.unlisten(t.bind)
	t.bind.listening.Store(false)
	t.phase, t.listener = tcpUnconnected, nil
	t.unbind()
	t.events |= unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLHUP | unix.EPOLLRDHUP
	children := l.ready
	for c := range l.half {
		children = append(children, c)
	}
	t.unlock(now)
	for _, c := range children {
		c.discard(now)
	}
}

// discard ends a connection that nobody accepted.
func (t *tcpSocket) discard(now int64) {
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return
	}
	t.gone, t.fresh = true, false
	t.conn.Abort(now, unix.ECONNRESET)
	t.absorb(now)
	t.bury()
	t.unlock(now)
}

// tcpUnmatched takes a segment for which there is no connection: r is for the
// listener of b, or for nobody if b is nil. It owns r.pkt.
func (s *Stack) tcpUnmatched(now int64, b *binding, r *received) {
	defer r.pkt.Release()
	if t := listenerOf(b); t != nil && !t.admits(r) {
		return
	}
	var seg tcp.Segment
	if !tcp.Parse(r.pkt, &seg, nil) {
		s.count(cTcpInErrs)
		return
	}
	defer func() { releaseViews(seg.Data) }()
	seg.CE = r.tos&3 == 3
	if t := listenerOf(b); t != nil {
		t.arrived(now, &seg, r)
		return
	}
	if !s.isForeign(r) {
		s.tcpReset(&seg, r)
	}
}

// listenerOf returns the socket of a binding, nil if it is none of TCP.
func listenerOf(b *binding) *tcpSocket {
	if b == nil {
		return nil
	}
	t, _ := b.target.(*tcpSocket)
	return t
}

// admits is passes for a listener.
func (t *tcpSocket) admits(r *received) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.passes(r)
}

// tcpReset answers a segment that belongs to no connection.
func (s *Stack) tcpReset(seg *tcp.Segment, r *received) {
	if p, ok := tcp.Reset(s.cfg.Pool, seg, r.src.Port(), r.dst.Port()); ok {
		s.tcpState.counters.OutSegs.Add(1)
		s.tcpState.counters.OutRsts.Add(1)
		s.tcpReply(r, p, 0)
	}
}

// tcpReply sends a segment back to where r came from.
func (s *Stack) tcpReply(r *received, p *buffer.Packet, tos uint8) {
	q := pathQuery{dst: r.src.Addr(), src: r.dst.Addr(), proto: unix.IPPROTO_TCP, sport: r.dst.Port(), dport: r.src.Port()}
	if a := q.dst; a.Is6() && a.IsLinkLocalUnicast() {
		q.oif = r.nic.index
	}
	way, err := s.findPath(&q)
	if err != nil {
		p.Release()
		return
	}
	o := sendOptions{proto: unix.IPPROTO_TCP, checksum: tcpChecksumOffset, tos: tos, dontFrag: true}
	way.send([]*buffer.Packet{p}, &o)
}

// arrived takes a segment that is for a listener (RFC 9293 section 3.10.7.2).
func (t *tcpSocket) arrived(now int64, seg *tcp.Segment, r *received) {
	switch {
	case !t.ttlEnough(r), seg.Flags&header.RST != 0:
	case seg.Flags&header.ACK != 0:
		if seg.Flags&header.SYN != 0 || !t.cookieCame(now, seg, r) {
			t.stack.tcpReset(seg, r)
		}
	case seg.Flags&header.SYN == 0 || seg.Flags&header.FIN != 0 || r.multi:
	default:
		t.synCame(now, seg, r)
	}
}

// synCame begins a connection, or answers with a cookie.
func (t *tcpSocket) synCame(now int64, seg *tcp.Segment, r *received) {
	s := t.stack
	tun := s.tcpTunables()
	k := &s.tcpState.counters
	t.mu.Lock()
	l := t.listener
	if t.phase != tcpListening {
		t.mu.Unlock()
		s.tcpReset(seg, r)
		return
	}
	if len(l.ready) > l.backlog {
		t.mu.Unlock()
		k.ListenOverflows.Add(1)
		k.ListenDrops.Add(1)
		return
	}
	most := min(max(l.backlog, 1), max(tun.MaxSynBacklog, 1))
	full := len(l.half) >= most
	if full || tun.SynCookies == 2 {
		l.overflow = now
		if c := &l.scratch; tun.SynCookies == 0 || !t.beget(c, r) {
			t.mu.Unlock()
			k.ReqQFullDrop.Add(1)
			k.ListenDrops.Add(1)
			return
		}
		cfg := l.scratch.engineConfig(now, l.scratch.way, r.dst.Addr(), r.src)
		t.mu.Unlock()
		k.ReqQFullDoCookies.Add(1)
		k.SyncookiesSent.Add(1)
		s.tcpReply(r, s.tcpState.secrets.CookieSynAck(&cfg, now, seg, r.dst, r.src), 0)
		return
	}
	c := t.child(r)
	if c == nil {
		t.mu.Unlock()
		k.ListenDrops.Add(1)
		return
	}
	c.mu.Lock()
	if s.demux.connect(unix.IPPROTO_TCP, r.dst, r.src, c.device, c) != nil {
		c.mu.Unlock()
		t.mu.Unlock()
		return // the same SYN is being taken by another goroutine
	}
	c.inDemux = true
	l.half[c] = struct{}{}
	fast := t.fastServer(tun.FastOpen)
	t.mu.Unlock()
	s.tcp.share(c.bind)
	cfg := c.engineConfig(now, c.way, r.dst.Addr(), r.src)
	c.early = fast.decide(s, now, &cfg, seg, r)
	data := seg.Data
	seg.Data = nil
	in := *seg
	in.Data = data
	c.conn = tcp.Accept(cfg, now, &in)
	c.absorb(now)
	if _, _, taken := c.conn.FastOpened(); taken {
		// It may be accepted before the handshake is complete.
		c.fresh = false
		c.unlock(now)
		t.enqueue(now, c)
		return
	}
	c.unlock(now)
}

// child makes the socket of a new connection with what its listener's options are.
// The caller holds the listener's lock. nil if there is no way back.
func (t *tcpSocket) child(r *received) *tcpSocket {
	c := &tcpSocket{}
	if !t.beget(c, r) {
		return nil
	}
	c.common.init(t.stack, c, t.Family(), unix.SOCK_STREAM, unix.IPPROTO_TCP, t.owner)
	c.options = t.options
	c.owner.Inode, c.ip6.anycast, c.ip6.labels = 0, nil, nil
	c.timer.init(&t.stack.timers, c.timerFired)
	c.parent, c.fresh, c.phase = t, true, tcpConnected
	c.ofSYN(r)
	c.bind = c.binding(c, r.dst.Addr(), r.dst.Port(), 0)
	if t.opts.saveSyn > 0 {
		c.saved = savedSyn(r, t.opts.saveSyn)
	}
	return c
}

// beget gives c what the engine is told of a new connection. The caller holds the
// listener's lock. It is false if there is no way back.
func (t *tcpSocket) beget(c *tcpSocket, r *received) bool {
	c.stack, c.typ, c.proto, c.owner = t.stack, t.typ, t.proto, t.owner
	c.family.Store(t.family.Load())
	c.options = t.options
	c.ip6.labels = nil
	c.ofSYN(r)
	c.opts = t.opts.inherited()
	c.local, c.peer, c.scope, c.boundAddr = r.dst, r.src, t.scope, t.boundAddr
	if a := r.src.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		c.scope = r.nic.index
	}
	q := c.query(r.src.Addr(), r.dst.Addr(), c.scope, r.dst.Port(), r.src.Port())
	p, err := t.stack.findPath(&q)
	c.way = p
	return err == nil
}

// mayComplete reports whether a segment may complete the handshake of a connection
// that its listener waits for. The caller holds the lock.
func (t *tcpSocket) mayComplete(now int64, seg *tcp.Segment) bool {
	if !t.fresh || seg.Flags&(header.ACK|header.RST|header.SYN) != header.ACK {
		return true
	}
	// TCP_DEFER_ACCEPT: a bare acknowledgment is not looked at for a while.
	if d := t.opts.deferAccept; d > 0 && seg.Len == 0 && seg.Flags&header.FIN == 0 && now-t.conn.Started() < int64(d) {
		t.stack.tcpState.counters.DeferAcceptDrop.Add(1)
		return false
	}
	if t.parent.full.Load() {
		t.stack.tcpState.counters.ListenOverflows.Add(1)
		if t.stack.tcpTunables().AbortOnOverflow {
			t.conn.Abort(now, unix.ECONNRESET)
			return true
		}
		return false
	}
	return true
}

// enqueue puts a connection whose handshake is complete, or over, where Accept
// finds it. No lock is held.
func (t *tcpSocket) enqueue(now int64, c *tcpSocket) {
	c.mu.Lock()
	over := c.conn.State() == tcp.Closed && !c.completedOnce
	c.mu.Unlock()
	// Before anybody can accept it, for it may be closed as soon.
	t.stack.register(&c.common)
	t.mu.Lock()
	l := t.listener
	if l == nil || t.phase != tcpListening {
		t.mu.Unlock()
		c.discard(now)
		return
	}
	delete(l.half, c)
	if over {
		t.mu.Unlock()
		c.discard(now)
		return
	}
	l.ready = append(l.ready, c)
	t.full.Store(len(l.ready) > l.backlog)
	t.events |= unix.EPOLLIN | unix.EPOLLRDNORM
	t.unlock(now)
}

// completed is called when the handshake is. The caller holds the lock.
func (t *tcpSocket) completed(now int64) {
	t.completedOnce = true
	t.settled(false)
	if t.parent == nil {
		t.events |= unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLWRBAND
		if cookie, _, _ := t.conn.FastOpened(); cookie != nil {
			t.stack.tcpState.cookies.put(t.peer.Addr(), cookie)
		}
	}
}

// cookieValid is how long after an overflow acknowledgments may bear cookies.
const cookieValid = 2 * 60 * time.Second

// cookieCame makes a connection of an acknowledgment that bears a cookie. It
// reports whether it did.
func (t *tcpSocket) cookieCame(now int64, seg *tcp.Segment, r *received) bool {
	s := t.stack
	tun := s.tcpTunables()
	k := &s.tcpState.counters
	t.mu.Lock()
	l := t.listener
	if t.phase != tcpListening || tun.SynCookies == 0 || l.overflow == 0 || now-l.overflow > int64(cookieValid) {
		t.mu.Unlock()
		return false
	}
	if len(l.ready) > l.backlog {
		t.mu.Unlock()
		k.ListenOverflows.Add(1)
		return true
	}
	c := t.child(r)
	t.mu.Unlock()
	if c == nil {
		return true
	}
	cfg := c.engineConfig(now, c.way, r.dst.Addr(), r.src)
	conn, ok := s.tcpState.secrets.AcceptCookie(cfg, now, seg, r.dst, r.src)
	if !ok {
		k.SyncookiesFailed.Add(1)
		return false
	}
	k.SyncookiesRecv.Add(1)
	c.mu.Lock()
	if s.demux.connect(unix.IPPROTO_TCP, r.dst, r.src, c.device, c) != nil {
		c.mu.Unlock()
		return true
	}
	c.inDemux = true
	s.tcp.share(c.bind)
	c.conn = conn
	in := *seg
	seg.Data = nil
	conn.Input(now, &in)
	c.absorb(now)
	c.unlock(now)
	return true
}

// ofSYN gives a connection what it has of its SYN rather than of the listener, if the
// tunables say so: its mark (tcp_fwmark_accept) and type of service (tcp_reflect_tos).
func (t *tcpSocket) ofSYN(r *received) {
	s := t.stack
	if s.tune(tTCPFwmarkAccept) != 0 && t.mark == 0 {
		t.mark = r.pkt.Mark
	}
	if s.tune(tTCPReflectTos) != 0 {
		if r.v6 {
			t.ip6.tclass = int(r.tos &^ 3)
		} else {
			t.ip4.tos = int(r.tos &^ 3)
		}
	}
}

// savedSyn is the headers of a SYN for TCP_SAVED_SYN: from the network's on, or
// the link's if that is asked for.
func savedSyn(r *received, mode int) []byte {
	n := r.pkt.TransportOffset - r.pkt.NetOffset
	if mode == 2 {
		n = r.pkt.TransportOffset
	}
	h := int(r.pkt.Head()[12]>>4) * 4
	b := make([]byte, n+h)
	r.pkt.Restore(n)
	r.pkt.CopyTo(b, 0)
	r.pkt.TrimFront(n)
	return b
}
