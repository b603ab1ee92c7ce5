package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/tcp"
)

// tcpSocket is a socket of TCP: unconnected, listening, or around a connection.
//
//	Connect, or a SYN at a listener → conn → EventClosed, EventTimeWait → conn is over
//
// What the engine wants sent is put on outq while the lock is held, and sent
// without it by whoever finds that nobody else is sending (unlock): so segments
// leave in order, and no lock is held while a link sends.
type tcpSocket struct {
	common

	rd, wr  sync.Mutex       // a reader's and a writer's: one at a time copies
	scratch []buffer.View    // guarded by rd
	wrViews [4]buffer.View   // guarded by wr
	tail    writeChunk       // guarded by wr
	burst   []*buffer.Packet // of who has set sending

	// Guarded by common.mu.
	phase tcpPhase
	bind  *binding // what it holds of the ports; nil: nothing
	local netip.AddrPort
	peer  netip.AddrPort
	// boundAddr and boundPort say that bind was asked for them (of a connection that
	// was accepted: its listener's was).
	boundAddr, boundPort bool
	scope                int // interface of link-local addresses
	conn                 *tcp.Conn
	inDemux              bool
	way                  *path
	outq                 []tcp.Out
	sending              bool
	batched              bool   // flush will be called
	events               uint32 // for wake, when the lock is given up
	gone                 bool   // Close was called
	orphaned             bool   // it counts as an orphan
	rdShut               bool
	wrShut               bool
	noSpace              bool // somebody waits for room
	fresh                bool // of a listener: it was not accepted yet
	opts                 tcpOptions
	listener             *tcpListener // of a listening socket
	parent               *tcpSocket   // of a connection that was not accepted: its listener
	early                *fastOpens   // of one whose data were taken with its SYN, until it is open: what counts it
	saved                []byte       // TCP_SAVED_SYN
	zero                 zeroCopy
	stamps               []streamStamp
	arrivals             []arrival // guarded by common.mu, as consumed: see noteArrival
	consumed             int64     // bytes that were read
	rxViews              [4]buffer.View
	timer                timer
	// completedOnce: the handshake was completed. counted: it is in CurrEstab.
	completedOnce, counted bool
	held                   int64 // bytes that count in tcpState.memory

	full atomic.Bool // of a listener: no more connections fit
	dead atomic.Bool // the timer may not touch it any more
}

// tcpPhase is Linux's socket state, SS_*.
type tcpPhase uint8

const (
	tcpUnconnected tcpPhase = iota
	tcpConnecting
	tcpConnected
	tcpListening
)

func (s *Stack) newTCPSocket(family int, o Owner) (Socket, error) {
	t := s.makeTCP(family, o)
	s.register(&t.common)
	return t, nil
}

// makeTCP returns a socket that is not registered.
func (s *Stack) makeTCP(family int, o Owner) *tcpSocket {
	t := &tcpSocket{}
	t.common.init(s, t, family, unix.SOCK_STREAM, unix.IPPROTO_TCP, o)
	tun := s.tcpTunables()
	t.sndBuf, t.rcvBuf = tun.WMem[1], tun.RMem[1]
	t.opts.init()
	t.timer.init(&s.timers, t.timerFired)
	return t
}

// deliver takes a segment of the connection.
func (t *tcpSocket) deliver(now int64, r *received) {
	t.mu.Lock()
	var seg tcp.Segment
	if t.conn == nil || !t.ttlEnough(r) || !t.passes(r) || !tcp.Parse(r.pkt, &seg, t.rxViews[:0]) {
		t.mu.Unlock()
		r.pkt.Release()
		return
	}
	seg.CE, seg.ECT = r.tos&3 == 3, r.tos&3 != 0
	if t.conn.State() == tcp.SynReceived && t.parent != nil && !t.mayComplete(now, &seg) {
		t.mu.Unlock()
		releaseViews(seg.Data)
		r.pkt.Release()
		return
	}
	t.conn.Press(t.stack.tcpPressed())
	t.conn.Input(now, &seg)
	t.rxViews = [4]buffer.View{}
	if seg.Flags&header.RST != 0 && t.conn.State() == tcp.Closed {
		t.settled(true)
	}
	if t.stampWanted() {
		t.noteArrival(r.pkt)
	}
	t.absorb(now)
	if !t.batched && r.rx != nil {
		t.batched = true
		r.rx.later(t)
		t.mu.Unlock()
	} else if r.rx == nil {
		t.unlock(now)
	} else {
		t.mu.Unlock()
	}
	r.pkt.Release()
}

func releaseViews(vs []buffer.View) {
	for _, v := range vs {
		v.Release()
	}
}

// ttlEnough is IP_MINTTL and IPV6_MINHOPCOUNT.
func (t *tcpSocket) ttlEnough(r *received) bool {
	least := t.ip4.minTTL
	if r.v6 {
		least = t.ip6.minHops
	}
	if int(r.ttl) < least {
		t.stack.count(cTcpExtMinTTLDrop)
		return false
	}
	return true
}

// passes runs the socket's filter over a segment, and cuts off what is not
// accepted but for the header: who sent it will send it again. It reports whether
// anything is. The caller holds the lock.
func (t *tcpSocket) passes(r *received) bool {
	if t.filter == nil {
		return true
	}
	n := t.stack.runFilter(t.filter, r.pkt, r)
	if n == 0 {
		return false
	}
	if h := r.pkt.Head(); len(h) >= header.TCPMinSize {
		n = max(n, header.TCP(h).DataOffset())
	}
	if n < r.pkt.Len() {
		r.pkt.Truncate(n)
	}
	return true
}

// flush is called when the batch that brought segments is through.
func (t *tcpSocket) flush(now int64) {
	t.mu.Lock()
	t.batched = false
	t.unlock(now)
}

// timerFired runs the engine's timers.
func (t *tcpSocket) timerFired() {
	if t.dead.Load() {
		return
	}
	now := t.stack.now()
	t.mu.Lock()
	if t.conn == nil {
		t.mu.Unlock()
		return
	}
	if d := t.conn.Deadline(); d != 0 && d <= now {
		t.conn.Timer(now)
	}
	t.absorb(now)
	t.unlock(now)
}

// absorb takes in what the engine did: segments, events, the next deadline. The
// caller holds the lock.
func (t *tcpSocket) absorb(now int64) {
	c := t.conn
	t.account()
	t.outq = append(t.outq, c.Take()...)
	if len(t.stamps) > 0 {
		t.stamped()
	}
	if s := c.State(); (s == tcp.Established || s == tcp.CloseWait) != t.counted {
		t.counted = !t.counted
		t.stack.tcpState.established.Add(int64(2*bit(t.counted) - 1))
	}
	ev := c.Events()
	if ev != 0 {
		t.happened(now, ev)
	}
	if d := c.Deadline(); d != 0 {
		t.timer.set(d)
	} else {
		t.timer.stop()
	}
}

// happened turns the engine's events into what must be done and who must know.
func (t *tcpSocket) happened(now int64, ev tcp.Events) {
	if ev&tcp.EventConnected != 0 {
		t.completed(now)
	}
	if ev&tcp.EventReadable != 0 && t.conn.Readable() >= min(t.rcvLowat, max(t.rcvBuf/2, 1)) {
		t.events |= unix.EPOLLIN | unix.EPOLLRDNORM
	}
	if ev&tcp.EventPeerClosed != 0 {
		t.rdShut = true
		t.events |= unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLRDHUP
	}
	if ev&tcp.EventUrgent != 0 {
		t.events |= unix.EPOLLPRI
	}
	if ev&(tcp.EventAcked|tcp.EventConnected) != 0 {
		t.zeroAcked()
		if t.noSpace && t.writable() {
			t.noSpace = false
			t.events |= unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLWRBAND
		}
	}
	if ev&tcp.EventSuspectPath != 0 && t.way != nil {
		t.way.entry.Store(nil)
	}
	if ev&tcp.EventWriteClosed != 0 && t.rdShut && t.wrShut {
		t.events |= unix.EPOLLHUP
	}
	if ev&tcp.EventTimeWait != 0 {
		t.wait(now)
		t.over()
	}
	if ev&tcp.EventClosed != 0 {
		if err := t.conn.Err(); err != 0 && !t.gone {
			t.err = err
			t.events |= unix.EPOLLERR
		}
		t.zeroAcked()
		t.over()
	}
}

// over is the end of the connection: it leaves the table, and the socket the
// ports unless it was bound to one.
func (t *tcpSocket) over() {
	t.rdShut, t.wrShut = true, true
	t.settled(false)
	t.events |= unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLRDHUP | unix.EPOLLHUP
	if t.inDemux {
		t.inDemux = false
		t.stack.demux.disconnect(unix.IPPROTO_TCP, t.local, t.peer, t)
	}
	t.unbind()
	t.timer.drop()
	if t.gone {
		t.bury()
	}
}

// bury gives up what a closed socket still had. The caller holds the lock.
func (t *tcpSocket) bury() {
	if t.dead.Swap(true) {
		return
	}
	if t.orphaned {
		t.orphaned = false
		t.stack.tcpState.orphans.Add(-1)
	}
	t.settled(false)
	if t.bind != nil {
		t.stack.tcp.release(t.bind)
		t.bind = nil
	}
	if t.conn != nil {
		// What it wants sent leaves still: it is on outq.
		t.outq = append(t.outq, t.conn.Take()...)
		t.conn.Release()
		t.unaccount()
	}
	t.dropStamps()
	t.errs.Clear()
	t.stack.unregister(&t.common)
}

// unlock gives the lock up, sends what is to be sent, and wakes who waits.
func (t *tcpSocket) unlock(now int64) {
	ready := t.fresh && t.conn != nil && t.conn.State() != tcp.SynReceived
	var parent *tcpSocket
	if ready {
		t.fresh = false
		parent = t.parent
	}
	if !t.sending {
		t.sending = true
		for len(t.outq) > 0 {
			t.sendBatch()
		}
		t.sending = false
	}
	ev := t.events
	t.events = 0
	t.mu.Unlock()
	if parent != nil {
		parent.enqueue(now, t)
	}
	t.wake(ev)
}

// sendBatch sends what is on outq, without the lock.
func (t *tcpSocket) sendBatch() {
	all := t.outq
	t.outq = nil
	p, err := t.currentWay()
	if err != nil {
		t.mu.Unlock()
		for _, o := range all {
			o.Packet.Release()
		}
		t.mu.Lock()
		return
	}
	o := t.common.sendOptions(p)
	o.checksum = tcpChecksumOffset
	o.noFrag = false
	o.tos &^= 3
	t.mu.Unlock()
	for q := all; len(q) > 0; {
		ps := t.burst[:0]
		ect := q[0].ECT
		for len(q) > 0 && q[0].ECT == ect && len(ps) < maxBurst {
			ps = append(ps, q[0].Packet)
			q = q[1:]
		}
		so := o
		if ect {
			so.tos |= 2
		}
		t.burst = ps
		p.send(ps, &so)
		clear(ps)
	}
	t.mu.Lock()
	if t.outq == nil && cap(all) <= maxBurst { // room for the next ones
		clear(all)
		t.outq = all[:0]
	}
}

// maxBurst is how many packets are sent at once, and how many a socket keeps room for.
const maxBurst = 16

const tcpChecksumOffset = 16

// currentWay returns the path to the peer, looked up again if something changed.
// The caller holds the lock.
func (t *tcpSocket) currentWay() (*path, error) {
	if t.way != nil && (t.way.valid() || t.conn == nil) {
		return t.way, nil // also for the last words of a connection that was dissolved
	}
	if !t.peer.IsValid() {
		return nil, unix.ENOTCONN
	}
	q := t.common.query(t.peer.Addr(), t.local.Addr(), t.scope, t.local.Port(), t.peer.Port())
	p, err := t.stack.findPath(&q)
	if err != nil {
		return nil, err
	}
	t.way = p
	if t.conn != nil {
		t.conn.Path(t.stack.now(), p.mtu(), p.gso(), false, 0)
		t.outq = append(t.outq, t.conn.Take()...)
	}
	return p, nil
}

// currentPath is the path for IP_MTU: ENOTCONN.
func (t *tcpSocket) currentPath() (*path, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return nil, unix.ENOTCONN
	}
	return t.currentWay()
}

// failed takes an ICMP error about a segment of the connection (RFC 5927).
func (t *tcpSocket) failed(e icmpError) {
	now := t.stack.now()
	if e.quoted == nil || !e.quoted.Pull(8) {
		return
	}
	h := e.quoted.Head()
	seq := uint32(h[4])<<24 | uint32(h[5])<<16 | uint32(h[6])<<8 | uint32(h[7])
	t.mu.Lock()
	if t.conn == nil || t.phase == tcpListening {
		t.mu.Unlock()
		return
	}
	if e.meaning.Errno == unix.EMSGSIZE {
		if p, err := t.currentWay(); err == nil {
			t.conn.Path(now, p.mtu(), p.gso(), true, seq)
		}
	} else {
		recvErr := t.ip4.recvErr
		if e.v6 {
			recvErr = t.ip6.recvErr
		}
		if recvErr {
			t.queueError(&e)
		}
		t.conn.ICMP(now, e.meaning.Errno, seq)
	}
	t.absorb(now)
	t.unlock(now)
}

// abort ends the connection with err, as `ss -K` does.
func (t *tcpSocket) abort(err unix.Errno) error {
	now := t.stack.now()
	t.mu.Lock()
	if t.phase == tcpListening {
		t.mu.Unlock()
		t.stopListening()
		return nil
	}
	if t.conn == nil {
		t.mu.Unlock()
		return unix.EOPNOTSUPP
	}
	t.conn.Abort(now, err)
	t.absorb(now)
	t.unlock(now)
	return nil
}
