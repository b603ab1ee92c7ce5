package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/link/tun"
	"hull/netstack/neigh"
)

// NIC is an interface. What the paths of packets read of it are atomics; all
// changes are made with the stack's lock.
type NIC struct {
	stack *Stack // immutable, as the next six
	index int
	kind  NICKind
	hw    link.Kind
	ep    link.Endpoint // of a KindDevice or KindTun, or nil
	vlan  uint16
	lower *NIC // that a VLAN is on

	name    atomic.Pointer[string]
	flags   atomic.Uint32 // IFF_*
	mtu     atomic.Int64
	address atomic.Uint64 // packed
	carrier atomic.Bool
	peer    atomic.Pointer[NIC]    // the other end of a veth
	master  atomic.Pointer[bridge] // the bridge that it is a port of
	bridge  *bridge                // if it is one; immutable
	vlans   atomic.Pointer[map[uint16]*NIC]
	gone    atomic.Bool
	used    atomic.Bool // it has been up

	conf4 conf4
	conf6 conf6
	// secret is stable_secret, once there is one.
	secret atomic.Pointer[netip.Addr]
	arp    *neigh.Cache // nil where the link has no addresses
	ndp    *neigh.Cache

	addrs4 atomic.Pointer[[]*ifaddr]
	addrs6 atomic.Pointer[[]*ifaddr]

	// mcast is the groups of the interface. It has a lock of its own.
	mcast groups
	// nd6 is autoconfiguration: guarded by the stack's lock.
	nd6 ndState
	// anycasts are the anycast addresses of IPv6.
	anycasts    addrCounts
	neighTimers neighTimers

	txqlen atomic.Int64
	group  atomic.Uint32
	// featuresOff are the Features that somebody turned off.
	featuresOff atomic.Uint64
	alias       atomic.Pointer[string]
	// promisc and allmulti count who asked for them besides the flags.
	promisc, allmulti atomic.Int32

	stats nicStats
}

// nicStats are the counters of NICStats.
type nicStats struct {
	rxPackets, txPackets, rxBytes, txBytes   atomic.Uint64
	rxErrors, txErrors, rxDropped, txDropped atomic.Uint64
	multicast                                atomic.Uint64
}

// ifaddr is an address of an interface. It is replaced, not changed, but for its
// flags.
type ifaddr struct {
	Addr
	flags     atomic.Uint32 // IFA_F_*
	preferred int64         // deadlines; 0 is never
	valid     int64
	dad       dadState // guarded by the stack's lock
}

func pack(a link.Address) uint64 {
	return uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
}

func unpack(v uint64) link.Address {
	return link.Address{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// Index returns its number.
func (n *NIC) Index() int { return n.index }

// Name returns its name.
func (n *NIC) Name() string { return *n.name.Load() }

// Tun returns the device of an interface that is a program's, or nil.
func (n *NIC) Tun() *tun.Device {
	d, _ := n.ep.(*tun.Device)
	return d
}

// Remove removes the interface from its stack, whichever that is by now.
func (n *NIC) Remove() { n.stack.removeNIC(n) }

// MTU returns the largest packet of IP in bytes.
func (n *NIC) MTU() int { return int(n.mtu.Load()) }

// Address returns the hardware address.
func (n *NIC) Address() link.Address { return unpack(n.address.Load()) }

// isUp reports whether the interface is up.
func (n *NIC) isUp() bool { return n.flags.Load()&unix.IFF_UP != 0 && !n.gone.Load() }

// Carrier reports whether there is somebody at the link's other end.
func (n *NIC) Carrier() bool { return n.carrier.Load() }

// loopback reports whether it is the loopback interface.
func (n *NIC) loopback() bool { return n.kind == KindLoopback }

// headerSize is the length of the link's header.
func (n *NIC) headerSize() int {
	if n.hw == link.RawIP {
		return 0
	}
	return header.EthernetSize
}

// noARP reports whether the link has no addresses to ask for.
func (n *NIC) noARP() bool {
	return n.hw != link.Ethernet || n.flags.Load()&unix.IFF_NOARP != 0
}

// Info returns what is told of the interface.
func (n *NIC) Info() NICInfo {
	i := NICInfo{
		Index: n.index, Name: n.Name(), Kind: n.kind, HWType: n.hw, Address: n.Address(), MTU: n.MTU(),
		Flags: n.shownFlags(), VLAN: n.vlan, TxQLen: int(n.txqlen.Load()), Group: n.group.Load(), Used: n.used.Load(),
		AddrGen: n.AddrGen(),
	}
	if a := n.alias.Load(); a != nil {
		i.Alias = *a
	}
	if d, ok := n.ep.(*tun.Device); ok && n.kind == KindTun {
		t := d.Info()
		i.Tun = &t
	}
	if m := n.master.Load(); m != nil {
		i.Master = m.nic.index
	}
	if n.lower != nil {
		i.Parent = n.lower.index
	} else if p := n.peer.Load(); p != nil {
		i.Parent = p.index
		if p.stack != n.stack {
			i.ParentStack = p.stack
		}
	}
	st := &n.stats
	i.Stats = NICStats{
		RxPackets: st.rxPackets.Load(), TxPackets: st.txPackets.Load(), RxBytes: st.rxBytes.Load(), TxBytes: st.txBytes.Load(),
		RxErrors: st.rxErrors.Load(), TxErrors: st.txErrors.Load(), RxDropped: st.rxDropped.Load(), TxDropped: st.txDropped.Load(),
		Multicast: st.multicast.Load(),
	}
	return i
}

// shownFlags adds what is not set but seen: IFF_RUNNING and IFF_LOWER_UP.
func (n *NIC) shownFlags() uint32 {
	f := n.flags.Load()
	if n.promisc.Load() > 0 {
		f |= unix.IFF_PROMISC
	}
	if n.allmulti.Load() > 0 {
		f |= unix.IFF_ALLMULTI
	}
	if f&unix.IFF_UP != 0 && n.carrier.Load() {
		f |= unix.IFF_RUNNING | unix.IFF_LOWER_UP
	}
	return f
}

// Neighbors returns the neighbour cache of a family; nil where the link has none.
func (n *NIC) Neighbors(v6 bool) *neigh.Cache {
	if v6 {
		return n.ndp
	}
	return n.arp
}

// linkOffload is what the link could do.
func (n *NIC) linkOffload() link.Offload {
	switch n.kind {
	case KindDevice, KindTun:
		return n.ep.Offload()
	case KindVLAN:
		return n.lower.linkOffload() &^ (link.TSO4 | link.TSO6 | link.USO | link.TxChecksum)
	}
	// What never leaves the machine needs no checksum, and what does from here is
	// put right where it does.
	return link.TxChecksum | link.TSO4 | link.TSO6 | link.USO
}

// list4 and list6 are the addresses. Read-only.
func (n *NIC) list4() []*ifaddr {
	if l := n.addrs4.Load(); l != nil {
		return *l
	}
	return nil
}

func (n *NIC) list6() []*ifaddr {
	if l := n.addrs6.Load(); l != nil {
		return *l
	}
	return nil
}

// find returns the address of the interface that is a, or nil.
func (n *NIC) find(a netip.Addr) *ifaddr {
	l := n.list4()
	if a.Is6() {
		l = n.list6()
	}
	for _, x := range l {
		if x.Prefix.Addr() == a {
			return x
		}
	}
	return nil
}

// Deliver takes a batch of frames that arrived: NIC is what its link.Endpoint
// delivers to.
func (n *NIC) Deliver(ps []*buffer.Packet) {
	s := n.stack
	b, ok := s.batches.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.begin(s.now())
	n.deliver(ps, b)
	b.done()
	s.batches.Put(b)
}

// LinkChanged says that the link went up or down or has a new MTU.
func (n *NIC) LinkChanged(up bool, mtu int) {
	n.stack.change(func(ev *events) error {
		if mtu > 0 && mtu < n.MTU() {
			n.mtu.Store(int64(mtu))
		}
		n.setCarrier(up, ev)
		ev.link(n, false)
		return nil
	})
}

// transmit sends frames, link header included. It owns them. No lock is held.
func (n *NIC) transmit(ps []*buffer.Packet) error { return n.transmitOf(ps, nil) }

// transmitOf is transmit for a packet socket, which does not hear itself, and may ask
// that nobody hears it.
func (n *NIC) transmitOf(ps []*buffer.Packet, sender *packetSocket) error {
	if len(ps) == 0 {
		return nil
	}
	if !n.isUp() {
		n.stats.txDropped.Add(uint64(len(ps)))
		release(ps)
		return unix.ENETDOWN
	}
	direct := sender != nil && sender.bypass.Load()
	if direct && !n.Carrier() {
		n.stats.txDropped.Add(uint64(len(ps)))
		release(ps)
		return unix.ENOBUFS
	}
	if !direct && n.stack.seesFrames(filter.NetDev) {
		if ps = n.stack.askFrames(filter.NetDev, filter.Egress, ps, nil, n, n); len(ps) == 0 {
			return nil
		}
	}
	if n.featuresOff.Load() != 0 {
		ps = n.finish(ps)
	}
	if !direct {
		n.stack.tap(n, ps, unix.PACKET_OUTGOING, sender)
	}
	left(ps)
	packets, bytes := len(ps), 0
	for _, p := range ps {
		bytes += p.Len()
	}
	n.stats.txPackets.Add(uint64(packets))
	n.stats.txBytes.Add(uint64(bytes))
	switch n.kind {
	case KindLoopback:
		n.stack.backlog.put(n, ps)
	case KindVeth:
		peer := n.peer.Load()
		if peer == nil || !peer.isUp() {
			n.stats.txDropped.Add(uint64(packets))
			release(ps)
			return nil
		}
		for _, p := range ps {
			p.Track, p.Routed = nil, false // the other end knows nothing of this one's connections
			if peer.stack != n.stack {
				p.Mark, p.Priority = 0, 0
			}
		}
		peer.stack.backlog.put(peer, ps)
	case KindDummy:
		release(ps)
	case KindBridge:
		n.bridge.send(ps)
	case KindVLAN:
		return n.lower.transmit(n.tag(n.finish(ps)))
	default:
		return n.hand(n.finish(ps))
	}
	return nil
}

// hand gives packets to the link.
func (n *NIC) hand(ps []*buffer.Packet) error {
	sent, err := n.ep.Send(ps)
	if lost := len(ps) - sent; lost > 0 {
		n.stats.txDropped.Add(uint64(lost))
		n.stats.txPackets.Add(^uint64(lost - 1))
		if err == nil {
			err = unix.ENOBUFS
		}
	}
	return err
}

// tag puts the VLAN's tag into frames.
func (n *NIC) tag(ps []*buffer.Packet) []*buffer.Packet {
	for _, p := range ps {
		if !p.Pull(header.EthernetSize) {
			continue
		}
		var eth [header.EthernetSize]byte
		copy(eth[:], p.Head())
		p.TrimFront(header.EthernetSize)
		b := p.Prepend(header.EthernetSize + header.VLANSize)
		copy(b, eth[:])
		was := header.Ethernet(eth[:]).Type()
		header.Ethernet(b).Encode(header.EthernetFields{Dst: header.Ethernet(eth[:]).Dst(), Src: header.Ethernet(eth[:]).Src(), Type: header.EtherTypeVLAN})
		header.VLAN(b[header.EthernetSize:]).Encode(header.VLANFields{ID: n.vlan, Type: was})
		p.NetOffset += header.VLANSize
		p.TransportOffset += header.VLANSize
	}
	return ps
}

func release(ps []*buffer.Packet) {
	for _, p := range ps {
		p.Release()
	}
}

// backlog is what a stack's own links carry to it: loopback and veth. Whoever
// puts packets there delivers them, unless somebody does already: so a reply does
// not recurse, and no thread is woken for what its sender may do at once.
type backlog struct {
	s *Stack

	mu     sync.Mutex
	queue  backlogQueue
	spare  backlogQueue // an empty one, for the next round
	rx     batch        // of who delivers
	active bool
}

// backlogQueue is packets in the order in which they came, and runs of them for
// one interface.
type backlogQueue struct {
	ps    []*buffer.Packet
	runs  []backlogRun
	bytes int // of ps
}

type backlogRun struct {
	nic *NIC
	n   int
}

const (
	// maxDrain is how many rounds one sender delivers before another goroutine
	// goes on.
	maxDrain = 64
	// backlogFactor is how many packets of net.core.netdev_max_backlog count as
	// one: a round takes them all.
	backlogFactor = 8
	// backlogBytes bounds them, too: a packet may have 64 KiB.
	backlogBytes = 64 << 20
)

// put delivers ps as what arrived at n.
func (b *backlog) put(n *NIC, ps []*buffer.Packet) {
	bytes := 0
	for _, p := range ps {
		bytes += p.Len()
	}
	b.mu.Lock()
	if len(b.queue.ps) >= int(b.s.tune(tCoreNetdevMaxBacklog))*backlogFactor || b.queue.bytes >= backlogBytes {
		b.mu.Unlock()
		n.stats.rxDropped.Add(uint64(len(ps)))
		release(ps)
		return
	}
	q := &b.queue
	q.ps = append(q.ps, ps...) // the slice stays its owner's
	q.bytes += bytes
	if k := len(q.runs); k > 0 && q.runs[k-1].nic == n {
		q.runs[k-1].n += len(ps)
	} else {
		q.runs = append(q.runs, backlogRun{n, len(ps)})
	}
	if b.active {
		b.mu.Unlock()
		return
	}
	b.active = true
	b.mu.Unlock()
	b.drain()
}

func (b *backlog) drain() {
	for range maxDrain {
		b.mu.Lock()
		q := b.queue
		if len(q.ps) == 0 {
			b.active = false
			b.mu.Unlock()
			return
		}
		b.queue, b.spare = b.spare, backlogQueue{}
		b.mu.Unlock()
		b.rx.begin(b.s.now())
		ps := q.ps
		for _, r := range q.runs {
			r.nic.deliver(ps[:r.n], &b.rx)
			ps = ps[r.n:]
		}
		b.rx.done()
		clear(q.ps)
		clear(q.runs)
		b.mu.Lock()
		b.spare = backlogQueue{ps: q.ps[:0], runs: q.runs[:0]}
		b.mu.Unlock()
	}
	go b.drain()
}
