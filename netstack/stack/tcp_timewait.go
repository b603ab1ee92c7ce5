package stack

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/tcp"
)

// timeWait stands in the table for a connection that ended, for 2 MSL.
type timeWait struct {
	stack     *Stack // immutable, as the next six
	own, peer netip.AddrPort
	device    int
	family    int
	loopback  bool
	timer     timer
	bind      *binding // guarded by mu

	mu   sync.Mutex
	tw   tcp.TimeWait // guarded by mu
	over bool         // guarded by mu
}

// wait puts a timeWait into the connection's place. The caller holds the lock.
func (t *tcpSocket) wait(now int64) {
	s := t.stack
	if !t.inDemux {
		return
	}
	if s.tcpState.waits.Load() >= int64(s.tcpTunables().MaxTimeWaits) {
		s.tcpState.counters.TimeWaitOverflow.Add(1)
		return
	}
	w := &timeWait{stack: s, own: t.local, peer: t.peer, device: t.device, family: t.Family(), tw: t.conn.TimeWait(now)}
	w.loopback = t.peer.Addr().IsLoopback()
	w.timer.init(&s.timers, w.expire)
	if !s.demux.replace(unix.IPPROTO_TCP, t.local, t.peer, t.device, t, w) {
		return
	}
	t.inDemux = false
	s.tcpState.waits.Add(1)
	// The port stays taken as long.
	w.bind = &binding{proto: unix.IPPROTO_TCP, addr: t.local.Addr(), port: t.local.Port(), device: t.device,
		v6: t.v6(), reuseAddr: true, uid: t.owner.UID, auto: t.bind != nil && t.bind.auto, target: w}
	if t.bind != nil {
		w.bind.reuseAddr, w.bind.reusePort = t.bind.reuseAddr, t.bind.reusePort
	}
	s.tcp.share(w.bind)
	w.timer.set(w.tw.Deadline)
}

// end takes it off the ports and the timers. The caller has it off the table, and
// does not hold the ports. nil is none.
func (w *timeWait) end() {
	if w == nil {
		return
	}
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.over = true
	w.mu.Unlock()
	w.stack.tcpState.waits.Add(-1)
	w.stack.tcp.release(w.bind)
	w.timer.drop()
}

// remove ends it and takes it off the table.
func (w *timeWait) remove() {
	w.stack.demux.disconnect(unix.IPPROTO_TCP, w.own, w.peer, w)
	w.end()
}

func (w *timeWait) expire() {
	w.mu.Lock()
	at, over := w.tw.Deadline, w.over
	w.mu.Unlock()
	if over {
		return
	}
	if now := w.stack.now(); now < at {
		w.timer.set(at)
		return
	}
	w.remove()
}

// reusable reports whether an active open may take its place (tcp_tw_reuse).
func (w *timeWait) reusable(now int64) bool {
	tun := w.stack.tcpTunables()
	if tun.TWReuse == 0 || tun.TWReuse == 2 && !w.loopback {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.over && w.tw.Reusable(now, int64(tun.TWReuseDelay))
}

func (w *timeWait) nextISS() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.tw.NextISS(), 1)
}

// deliver takes a segment that is late, or begins a new connection (RFC 6191).
func (w *timeWait) deliver(now int64, r *received) {
	s := w.stack
	var seg tcp.Segment
	if !tcp.Parse(r.pkt, &seg, nil) {
		r.pkt.Release()
		return
	}
	w.mu.Lock()
	v, p := w.tw.Input(now, &seg, s.cfg.Pool, s.tcpTunables())
	w.mu.Unlock()
	switch v {
	case tcp.TWAnswer:
		s.tcpReply(r, p, 0)
	case tcp.TWEnd:
		s.tcpState.counters.TWKilled.Add(1)
		w.remove()
	case tcp.TWReopen:
		b := s.demux.listener(unix.IPPROTO_TCP, r.dst, r.src, r.nic.index, r)
		if b != nil {
			s.tcpState.counters.TWRecycled.Add(1)
			w.remove()
			s.tcpUnmatched(now, b, r)
			return
		}
	}
	r.pkt.Release()
}

// failed: an ICMP error is nothing to it.
func (w *timeWait) failed(e icmpError) {}
