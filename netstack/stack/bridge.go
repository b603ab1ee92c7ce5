package stack

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/link"
)

// bridge is what an interface of kind bridge is besides: its ports, and where it
// heard which hardware address. It speaks no spanning tree; a port forwards from
// the moment that it is one.
type bridge struct {
	nic   *NIC
	ports atomic.Pointer[[]*NIC] // changed with the stack's lock

	mu    sync.Mutex
	fdb   map[link.Address]heard
	swept int64 // when it was last full and looked through
}

// heard is where an address was heard, and when last.
type heard struct {
	port *NIC
	at   int64
	// fixed: somebody said so, and it is neither forgotten nor learnt anew; own:
	// frames to it are for the bridge.
	fixed, own bool
}

const (
	// fdbAge is how long an address is known after it was heard: IEEE 802.1D's and
	// Linux's 300 seconds.
	fdbAge = 300 * second
	// maxFDB bounds the addresses that are known; nothing is learnt beyond it.
	maxFDB = 1 << 14
	// sweepFDB is how often one that is full is looked through for what is too old:
	// a flood is to cost no more than other frames.
	sweepFDB = second
	// maxPorts is Linux's BR_MAX_PORTS.
	maxPorts = 1024
)

// newBridge makes n a bridge. Without a port it has no carrier.
func newBridge(n *NIC) *bridge {
	n.carrier.Store(false)
	return &bridge{nic: n, fdb: map[link.Address]heard{}}
}

func (b *bridge) list() []*NIC {
	if l := b.ports.Load(); l != nil {
		return *l
	}
	return nil
}

// setPorts changes the ports. The caller holds the stack's lock.
func (b *bridge) setPorts(l []*NIC, ev *events) {
	b.ports.Store(&l)
	b.nic.setCarrier(b.nic.hasCarrier(), ev)
	ev.link(b.nic, false)
}

// enslave makes the interface a port of b, or of none. The caller holds the
// stack's lock.
func (n *NIC) enslave(b *bridge, ev *events) {
	old := n.master.Load()
	if old == b {
		return
	}
	if old != nil {
		n.master.Store(nil)
		n.promisc.Add(-1)
		old.setPorts(slices.DeleteFunc(slices.Clone(old.list()), func(p *NIC) bool { return p == n }), ev)
		old.forget(n)
	}
	if b != nil {
		n.promisc.Add(1)
		b.setPorts(append(slices.Clone(b.list()), n), ev)
		n.master.Store(b)
	}
}

// dissolve frees all ports: the bridge is removed.
func (b *bridge) dissolve(ev *events) {
	for _, p := range b.list() {
		p.enslave(nil, ev)
		ev.link(p, false)
	}
}

// forget forgets what was heard at a port.
func (b *bridge) forget(port *NIC) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for a, h := range b.fdb {
		if h.port == port {
			delete(b.fdb, a)
		}
	}
}

// learn takes note of where an address was heard.
func (b *bridge) learn(a link.Address, port *NIC, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.fdb[a]
	if old.fixed {
		return
	}
	if !known && len(b.fdb) >= maxFDB {
		if now-b.swept >= sweepFDB {
			b.swept = now
			for x, h := range b.fdb {
				if !h.fixed && now-h.at > fdbAge {
					delete(b.fdb, x)
				}
			}
		}
		if len(b.fdb) >= maxFDB {
			return
		}
	}
	b.fdb[a] = heard{port: port, at: now}
}

// find returns the port at which an address was heard, or nil.
func (b *bridge) find(a link.Address, now int64) *NIC {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.fdb[a]
	if !ok || h.own || !h.fixed && now-h.at > fdbAge || h.port.master.Load() != b {
		return nil
	}
	return h.port
}

// keeps reports whether somebody said that an address is the bridge's own.
func (b *bridge) keeps(a link.Address) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fdb[a].own
}

// AddFDB adds an address to what the bridge knows that the interface is a port of, as
// heard here: EOPNOTSUPP if it is a port of none, EINVAL, EEXIST with exclusive, ENOSPC.
// e.Port is not looked at.
func (n *NIC) AddFDB(e FDBEntry, exclusive bool) error {
	b := n.master.Load()
	switch {
	case b == nil:
		return unix.EOPNOTSUPP
	case e.Addr == (link.Address{}):
		return unix.EINVAL
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.fdb[e.Addr]
	switch {
	case known && exclusive:
		return unix.EEXIST
	case !known && len(b.fdb) >= maxFDB:
		return unix.ENOSPC
	}
	b.fdb[e.Addr] = heard{n, n.stack.now(), e.Static || e.Local, e.Local}
	return nil
}

// DeleteFDB removes an address that was heard, or said to be, at the interface:
// EOPNOTSUPP, ENOENT.
func (n *NIC) DeleteFDB(a link.Address) error {
	b := n.master.Load()
	if b == nil {
		return unix.EOPNOTSUPP
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fdb[a].port != n {
		return unix.ENOENT
	}
	delete(b.fdb, a)
	return nil
}

// FDBEntry is one address that a bridge knows.
type FDBEntry struct {
	Addr  link.Address
	Port  int
	Age   int64 // nanoseconds since it was heard; 0 of our own
	Local bool  // it is the bridge's or a port's own
	// Static: somebody said so.
	Static bool
}

// FDB returns the addresses that a bridge knows, none of another interface.
func (n *NIC) FDB() []FDBEntry {
	b := n.bridge
	if b == nil {
		return nil
	}
	var out []FDBEntry
	own := n.Address()
	for _, p := range b.list() {
		out = append(out, FDBEntry{Addr: p.Address(), Port: p.index, Local: true})
		if p.Address() == own {
			own = link.Address{}
		}
	}
	if own != (link.Address{}) {
		out = append(out, FDBEntry{Addr: own, Port: n.index, Local: true})
	}
	now := n.stack.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for a, h := range b.fdb {
		if h.fixed || now-h.at <= fdbAge {
			out = append(out, FDBEntry{Addr: a, Port: h.port.index, Age: now - h.at, Local: h.own, Static: h.fixed && !h.own})
		}
	}
	return out
}

// own reports whether an address is the bridge's or of one of its ports.
func (b *bridge) own(a link.Address) bool {
	return a == b.nic.Address() || slices.ContainsFunc(b.list(), func(p *NIC) bool { return p.Address() == a })
}

// input takes a frame in that arrived at port n, whole, and owns it.
func (b *bridge) input(n *NIC, p *buffer.Packet, x *batch) {
	if !b.nic.isUp() || n.headerSize() != header.EthernetSize {
		n.stats.rxDropped.Add(1)
		p.Release()
		return
	}
	eth := header.Ethernet(p.Head())
	src, dst := link.Address(eth.Src()), link.Address(eth.Dst())
	if src[0]&1 != 0 || src == (link.Address{}) || reservedGroup(dst) {
		p.Release()
		return
	}
	if b.nic.stack.seesFrames(filter.Bridge) && !b.ask(filter.Prerouting, p, n, nil) {
		return
	}
	if !p.Pull(header.EthernetSize) {
		p.Release()
		return
	}
	eth = header.Ethernet(p.Head())
	if dst = link.Address(eth.Dst()); !b.own(src) {
		b.learn(src, n, x.now)
	}
	switch {
	case dst[0]&1 != 0:
		b.flood(p, n)
		b.local(p, n, x)
	case b.own(dst) || b.keeps(dst):
		if dst != b.nic.Address() && p.Own(header.EthernetSize) {
			// To a port's own address, which is ours: the bridge takes it.
			a := b.nic.Address()
			copy(p.Head(), a[:])
		}
		b.local(p, n, x)
	default:
		if b.nic.flags.Load()&unix.IFF_PROMISC != 0 || b.nic.promisc.Load() > 0 {
			b.local(p.Clone(), n, x)
		}
		if to := b.find(dst, x.now); to != nil {
			if to != n {
				b.forward(p, n, to)
			} else {
				p.Release()
			}
			return
		}
		b.flood(p, n)
		p.Release()
	}
}

// reservedGroup reports whether frames to a never pass a bridge: IEEE 802.1D
// table 7-10.
func reservedGroup(a link.Address) bool {
	return a[0] == 1 && a[1] == 0x80 && a[2] == 0xc2 && a[3] == 0 && a[4] == 0 && a[5] < 16
}

// local gives a frame that came in at a port to the bridge's own interface.
func (b *bridge) local(p *buffer.Packet, port *NIC, x *batch) {
	if b.nic.stack.seesFrames(filter.Bridge) && !b.ask(filter.Input, p, port, nil) {
		return
	}
	b.nic.stats.rxPackets.Add(1)
	b.nic.stats.rxBytes.Add(uint64(p.Len()))
	b.nic.frameIn(p, x)
}

// flood sends copies of a frame, which stays the caller's, out of all ports but the
// one that it came in at.
func (b *bridge) flood(p *buffer.Packet, from *NIC) {
	for _, o := range b.list() {
		if o != from && o.isUp() {
			b.forward(p.Clone(), from, o)
		}
	}
}

// forward sends a frame on that came in at a port, and owns it.
func (b *bridge) forward(p *buffer.Packet, from, to *NIC) {
	if b.nic.stack.seesFrames(filter.Bridge) && (!b.ask(filter.Forward, p, from, to) || !b.ask(filter.Postrouting, p, nil, to)) {
		return
	}
	to.forwardFrame(p)
}

// ask runs the chains of family bridge over a frame: false if it is gone.
func (b *bridge) ask(h filter.Hook, p *buffer.Packet, in, out *NIC) bool {
	return b.nic.stack.askFrame(filter.Bridge, h, p, in, out, nil)
}

// give sends a frame of the bridge's own out of a port, and owns it.
func (b *bridge) give(p *buffer.Packet, to *NIC) {
	if b.nic.stack.seesFrames(filter.Bridge) && (!b.ask(filter.Output, p, nil, to) || !b.ask(filter.Postrouting, p, nil, to)) {
		return
	}
	_ = to.transmit([]*buffer.Packet{p})
}

// forwardFrame sends a frame on through a port, and owns it.
func (n *NIC) forwardFrame(p *buffer.Packet) {
	if p.GSO.Size == 0 && p.Len() > n.MTU()+header.EthernetSize+header.VLANSize {
		n.stats.txDropped.Add(1)
		p.Release()
		return
	}
	if p.Checksum == buffer.ChecksumValid && p.GSO.Size == 0 {
		p.Checksum = buffer.ChecksumUnknown // it stands in the frame
	}
	_ = n.transmit([]*buffer.Packet{p})
}

// send takes what the bridge's own interface sends.
func (b *bridge) send(ps []*buffer.Packet) {
	now := b.nic.stack.now()
	for _, p := range ps {
		if !p.Pull(header.EthernetSize) {
			p.Release()
			continue
		}
		dst := link.Address(header.Ethernet(p.Head()).Dst())
		if dst[0]&1 == 0 {
			if to := b.find(dst, now); to != nil {
				b.give(p, to)
				continue
			}
		}
		for _, o := range b.list() {
			if o.isUp() {
				b.give(p.Clone(), o)
			}
		}
		p.Release()
	}
}
