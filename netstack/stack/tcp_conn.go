package stack

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/tcp"
)

// Bind is bind(2): EINVAL if it is bound, EADDRINUSE, EADDRNOTAVAIL, EACCES.
func (t *tcpSocket) Bind(a Address, privileged bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ap, err := t.checkAddress(&a)
	if err != nil {
		return err
	}
	device, err := t.checkBind(ap.Addr(), a.Scope)
	if err != nil {
		return err
	}
	if p := ap.Port(); p != 0 && int64(p) < t.stack.tune(tIPUnprivilegedPortStart) && !privileged {
		return unix.EACCES
	}
	if t.bind != nil || t.phase != tcpUnconnected {
		return unix.EINVAL
	}
	b := t.binding(t, a.Addr().Unmap(), ap.Port(), device)
	if b.addr.IsValid() && b.addr.IsUnspecified() {
		b.addr = netip.Addr{}
	}
	if ap.Port() != 0 || !t.ip4.noPort {
		if err := t.stack.tcp.reserve(b, t.ports()); err != nil {
			return err
		}
		t.bind = b
	}
	t.boundAddr, t.boundPort = b.addr.IsValid(), ap.Port() != 0
	t.local = netip.AddrPortFrom(ap.Addr(), b.port)
	if ap.Addr().IsUnspecified() {
		t.local = netip.AddrPortFrom(netip.Addr{}, b.port)
	}
	t.scope = device
	return nil
}

// ports is where the socket's ephemeral ports come from (IP_LOCAL_PORT_RANGE).
func (t *tcpSocket) ports() portRange {
	r := t.stack.portRange()
	r.reuse = t.stack.tune(tIPAutobindReuse) != 0
	if lo := int(t.ip4.portLow); lo != 0 && lo >= r.low && lo <= r.high {
		r.low = lo
	}
	if hi := int(t.ip4.portHigh); hi != 0 && hi <= r.high && hi >= r.low {
		r.high = hi
	}
	return r
}

// Connect is connect(2). EINPROGRESS when the SYN left, then EALREADY, and nil
// once when it is connected, or the error that it ended with.
func (t *tcpSocket) Connect(a Address) error {
	return t.connect(a, nil)
}

// connect is Connect, with data of Fast Open that write brings into the engine
// before the SYN leaves.
func (t *tcpSocket) connect(a Address, write func(c *tcp.Conn, now int64)) error {
	now := t.stack.now()
	t.mu.Lock()
	if a.Unspec {
		return t.disconnect(now)
	}
	switch t.phase {
	case tcpListening, tcpConnected:
		defer t.mu.Unlock()
		return unix.EISCONN
	case tcpConnecting:
		defer t.mu.Unlock()
		return t.connecting()
	}
	ap, err := t.checkAddress(&a)
	if err == nil && t.opts.fastOpenConnect && write == nil && t.stack.tcpTunables().FastOpen&1 != 0 {
		if t.stack.tcpState.cookies.get(ap.Addr()) != nil || t.stack.tcpTunables().FastOpen&4 != 0 {
			// TCP_FASTOPEN_CONNECT: the SYN leaves with the first data.
			t.opts.deferred = &a
			t.mu.Unlock()
			return nil
		}
	}
	if err == nil && !t.mayConnectBy(a.Flow) {
		err = unix.EINVAL
	}
	if err == nil {
		t.ip6.flow = a.Flow & flowLabelMask
		err = t.open(now, ap, a.Scope)
	}
	if err != nil {
		t.mu.Unlock()
		return err
	}
	if write != nil {
		write(t.conn, now)
	}
	t.conn.Start(now)
	t.absorb(now)
	t.unlock(now)
	return unix.EINPROGRESS
}

// connecting is connect(2) on a socket whose SYN left.
func (t *tcpSocket) connecting() error {
	switch s := t.conn.State(); {
	case s == tcp.SynSent, s == tcp.SynReceived:
		return unix.EALREADY
	case s == tcp.Closed && t.conn.Err() != 0:
		err := t.takeError()
		t.reset()
		if err == nil {
			err = unix.ECONNABORTED
		}
		return err
	}
	t.phase = tcpConnected
	return nil
}

// open takes a port and makes the connection. The caller holds the lock.
func (t *tcpSocket) open(now int64, peer netip.AddrPort, scope int) error {
	s := t.stack
	dst := peer.Addr()
	if dst.IsUnspecified() { // ourselves
		if dst = netip.IPv6Loopback(); peer.Addr().Is4() {
			dst = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		peer = netip.AddrPortFrom(dst, peer.Port())
	}
	if t.v6() && dst.Is4() && t.v6only {
		return unix.ENETUNREACH
	}
	if t.local.Addr().IsValid() && t.local.Addr().Is4() != dst.Is4() {
		return unix.EINVAL
	}
	if dst.IsMulticast() || dst.Is4() && s.isBroadcast(dst) {
		return unix.ENETUNREACH
	}
	device := t.device
	if dst.IsLinkLocalUnicast() && dst.Is6() {
		if scope != 0 {
			device = scope
		}
		if device == 0 && t.scope == 0 {
			return unix.EINVAL
		}
		t.scope = max(device, t.scope)
	}
	q := t.query(dst, t.local.Addr(), t.scope, t.portLocked(), peer.Port())
	p, err := s.findPath(&q)
	if err != nil {
		return err
	}
	if p.kind == toBroadcast || p.kind == toMulticast {
		return unix.ENETUNREACH
	}
	if err := t.takePort(now, p.src, peer); err != nil {
		return err
	}
	t.peer, t.way = peer, p
	t.conn = tcp.Connect(t.engineConfig(now, p, p.src, peer), now)
	t.phase, t.inDemux = tcpConnecting, true
	t.rdShut, t.wrShut, t.err = false, false, 0
	return nil
}

// takePort enters the connection from src into the table, with a port if the
// socket has none: EADDRNOTAVAIL, EADDRINUSE.
func (t *tcpSocket) takePort(now int64, src netip.Addr, peer netip.AddrPort) error {
	s := t.stack
	if t.bind != nil {
		own := netip.AddrPortFrom(src, t.bind.port)
		old, err := t.enter(now, own, peer)
		if err != nil {
			return err
		}
		old.end()
		t.local = own
		return nil
	}
	b := t.binding(t, src, 0, t.scope)
	var old *timeWait
	err := s.tcp.connect(b, peer, t.ports(), func(port uint16) (err error) {
		old, err = t.enter(now, netip.AddrPortFrom(src, port), peer)
		return err
	})
	old.end() // not before: it gives its port up, and the ports were locked
	if err != nil {
		return err
	}
	t.bind = b
	t.local = netip.AddrPortFrom(src, b.port)
	return nil
}

// enter puts the connection into the table. It may take the place of one in
// TIME_WAIT (tcp_tw_reuse), which it returns to be ended.
func (t *tcpSocket) enter(now int64, own, peer netip.AddrPort) (*timeWait, error) {
	s := t.stack
	err := s.demux.connect(unix.IPPROTO_TCP, own, peer, t.device, t)
	if err == nil {
		return nil, nil
	}
	w, ok := s.demux.connection(unix.IPPROTO_TCP, own, peer, t.device).(*timeWait)
	if !ok || !w.reusable(now) {
		return nil, err
	}
	if !s.demux.replace(unix.IPPROTO_TCP, own, peer, t.device, w, t) {
		return nil, err
	}
	t.opts.reuse = w.nextISS()
	return w, nil
}

// engineConfig is what the engine is given for a connection.
func (t *tcpSocket) engineConfig(now int64, p *path, own netip.Addr, peer netip.AddrPort) tcp.Config {
	s := t.stack
	tun := s.tcpTunables()
	local := netip.AddrPortFrom(own, t.local.Port())
	cfg := tcp.Config{
		Pool: s.cfg.Pool, Tun: tun, Counters: &s.tcpState.counters, Limit: &s.tcpState.limit,
		SrcPort: local.Port(), DstPort: peer.Port(), ISS: s.tcpState.secrets.ISS(now, local, peer),
		V6: own.Is6(), MTU: p.mtu(), Overhead: t.overhead(own.Is6()), MaxGSO: p.gso(), AdvMSS: p.advMSS(),
		UserMSS: t.opts.maxSeg, RTOMax: t.opts.rtoMax, RcvBuf: t.rcvBuf, SndBuf: t.sndBuf, SndLocked: t.bufLocked&1 != 0, RcvLocked: t.bufLocked&2 != 0,
		Clamp: t.opts.clamp, Congestion: tcp.NewCongestion(t.opts.congestionName(tun)), Opt: t.engineOptions(),
	}
	if tun.Timestamps == 1 {
		cfg.TSOffset = s.tcpState.secrets.TSOffset(own, peer.Addr())
	}
	if t.opts.reuse != 0 {
		cfg.ISS, t.opts.reuse = t.opts.reuse, 0
	}
	if t.opts.fastOpenConnect || t.opts.fastOpenData {
		cfg.FastOpen = tun.FastOpen&1 != 0
		cfg.Cookie = s.tcpState.cookies.get(peer.Addr())
	}
	return cfg
}

// overhead is the length of the IP header of the socket's packets.
func (t *tcpSocket) overhead(v6 bool) int {
	if v6 {
		return header.IPv6Size + t.ip6.ext.len()
	}
	return header.IPv4EncodedSize(len(t.ip4.options))
}

// disconnect is connect(2) with AF_UNSPEC. It gives the lock up.
func (t *tcpSocket) disconnect(now int64) error {
	switch t.phase {
	case tcpListening:
		t.mu.Unlock()
		t.stopListening()
		return nil
	case tcpConnecting, tcpConnected:
		t.conn.Abort(now, unix.ECONNRESET)
		t.absorb(now)
		t.err = unix.ECONNRESET // Linux has it pending
		if t.phase == tcpConnecting {
			t.err = 0
		}
		t.reset()
	}
	t.unlock(now)
	return nil
}

// reset makes the socket unconnected again. It keeps what bind was asked for; what
// the port was that it has no more getsockname(2) tells all the same, as on Linux.
func (t *tcpSocket) reset() {
	if t.inDemux {
		t.inDemux = false
		t.stack.demux.disconnect(unix.IPPROTO_TCP, t.local, t.peer, t)
	}
	if t.conn != nil {
		t.outq = append(t.outq, t.conn.Take()...)
		t.conn.Release()
		t.unaccount()
		t.conn = nil
	}
	t.dropStamps()
	t.consumed = 0
	t.timer.stop()
	t.tail.drop()
	t.phase, t.peer, t.rdShut, t.wrShut = tcpUnconnected, netip.AddrPort{}, false, false
	t.unbind()
	if !t.boundAddr {
		t.local = netip.AddrPortFrom(netip.Addr{}, t.local.Port())
	}
}

// unbind gives a port up that nobody asked for. The caller holds the lock.
func (t *tcpSocket) unbind() {
	if t.bind != nil && !t.boundPort {
		t.stack.tcp.release(t.bind)
		t.bind = nil
	}
}

// Shutdown is shutdown(2): ENOTCONN.
func (t *tcpSocket) Shutdown(how int) error {
	now := t.stack.now()
	if how < 0 || how > 2 {
		return unix.EINVAL
	}
	t.mu.Lock()
	if t.phase == tcpListening {
		t.mu.Unlock()
		if how != unix.SHUT_WR {
			t.stopListening()
		}
		return nil
	}
	if t.conn == nil || t.conn.State() == tcp.TimeWaiting || t.conn.State() == tcp.Closed {
		t.mu.Unlock()
		return unix.ENOTCONN
	}
	if t.conn.State() == tcp.SynSent {
		// Linux gives the connection up.
		t.conn.Abort(now, 0)
		t.absorb(now)
		t.unlock(now)
		return nil
	}
	if how != unix.SHUT_WR {
		t.rdShut = true
		t.conn.CloseRead()
		t.events |= unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLRDHUP
	}
	if how != unix.SHUT_RD {
		t.wrShut = true
		t.events |= unix.EPOLLOUT | unix.EPOLLWRNORM
		t.conn.CloseWrite(now)
	}
	if t.rdShut && t.wrShut {
		t.events |= unix.EPOLLHUP
	}
	t.absorb(now)
	t.unlock(now)
	return nil
}

// boundLocked reports whether the socket has a port.
func (t *tcpSocket) boundLocked() bool { return t.bind != nil || t.phase != tcpUnconnected }

// Name returns the own address.
func (t *tcpSocket) Name() (Address, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.showScoped(t.local, t.scope), nil
}

// Peer returns the other one: ENOTCONN.
func (t *tcpSocket) Peer() (Address, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil || !t.peer.IsValid() {
		return Address{}, unix.ENOTCONN
	}
	switch t.conn.State() {
	case tcp.Closed, tcp.SynSent, tcp.TimeWaiting: // to Linux's socket the last is the first
		return Address{}, unix.ENOTCONN
	}
	return t.showScoped(t.peer, t.scope), nil
}

// Close is close(2). lingers is how long SO_LINGER asks to wait for EPOLLHUP.
func (t *tcpSocket) Close() (lingers time.Duration) {
	now := t.stack.now()
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return 0
	}
	if t.phase == tcpListening {
		t.mu.Unlock()
		t.stopListening()
		t.mu.Lock()
	}
	t.gone = true
	t.mu.Unlock()
	t.leaveGroups()
	t.mu.Lock()
	t.tail.drop()
	if t.conn == nil {
		t.bury()
		t.unlock(now)
		return 0
	}
	if s := t.conn.State(); s != tcp.Closed && s != tcp.TimeWaiting {
		n := t.stack.tcpState.orphans.Add(1)
		t.orphaned = true
		switch {
		case t.lingers && t.linger == 0:
			t.conn.Abort(now, unix.ECONNRESET)
		case n > int64(t.stack.tcpTunables().MaxOrphans):
			t.stack.tcpState.counters.AbortOnMemory.Add(1)
			t.conn.Abort(now, unix.ETIMEDOUT)
		default:
			t.conn.Close(now)
		}
	}
	t.absorb(now)
	if s := t.conn.State(); s == tcp.Closed || s == tcp.TimeWaiting {
		t.bury()
	} else if t.lingers {
		lingers = t.linger
	}
	t.unlock(now)
	return lingers
}
