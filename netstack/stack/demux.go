package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/icmp"
)

// transport is a socket as the network layer sees it.
type transport interface {
	// deliver takes a packet in and owns it.
	deliver(now int64, p *received)
	// failed tells of an ICMP error about a packet that the socket sent.
	failed(e icmpError)
}

// received is a packet on its way to a transport.
type received struct {
	pkt      *buffer.Packet // begins with the transport's header
	nic      *NIC           // that it came through
	src, dst netip.AddrPort // as the headers have them; the ports of TCP and UDP only
	v6       bool
	proto    uint8
	ttl, tos uint8
	flow     uint32 // label of IPv6
	options  []byte // of IPv4, in the packet's memory
	multi    bool   // dst is a multicast or broadcast address
	rx       *batch // what is done when the batch it came in is through

	// checked: the transport's checksum was found right, by the link or here.
	checked bool
	local   bool // it never left the machine
	// fragSize is the length of the largest fragment that it came in, or 0.
	fragSize int
}

// icmpError is an ICMP error, and what it says of the packet that it quotes.
type icmpError struct {
	meaning    icmp.Meaning
	typ, code  uint8
	v6         bool
	info       uint32 // the MTU, or the pointer of a parameter problem
	offender   netip.Addr
	src, dst   netip.AddrPort // of the quoted packet: src is ours
	iif        int
	proto      uint8
	quoted     *buffer.Packet // from the transport's header on; the caller's
	quotedData int            // bytes of the transport's header in it
}

// flusher is a socket that has something to do at the end of a batch: replies to
// be sent, a wake function to be called.
type flusher interface{ flush(now int64) }

// batch is packets that one goroutine brings up. It calls each flusher once, when
// all packets are delivered.
type batch struct {
	now     int64
	pending []flusher
	// Of the packet that is being delivered. Each would be allocated anew else: it
	// is handed to an interface.
	r    received
	hook HookContext
	// ours is the last flow of IPv4 that was found to be for us: what comes together
	// mostly is of one flow.
	ours flow4
}

// flow4 is all that the route of a packet of IPv4 depends on.
type flow4 struct {
	nic      *NIC
	src, dst netip.Addr
	mark     uint32
	kind     uint8
	proto    uint8
	tos      uint8
}

// begin makes a batch ready for packets that arrived at now.
func (b *batch) begin(now int64) { b.now, b.ours = now, flow4{} }

// later has f flushed when the batch is through. A socket says so once a batch:
// it keeps a flag of its own.
func (b *batch) later(f flusher) { b.pending = append(b.pending, f) }

// done flushes.
func (b *batch) done() {
	for i := 0; i < len(b.pending); i++ {
		b.pending[i].flush(b.now)
		b.pending[i] = nil
	}
	b.pending = b.pending[:0]
	b.r, b.hook, b.ours = received{}, HookContext{}, flow4{} // they hold on to packets
}

// tuple is the key of a connection: its addresses, ports and protocol.
type tuple struct {
	lhi, llo, rhi, rlo uint64
	ports              uint32
	proto              uint32
}

// tupleOf returns the key of a connection between own and peer. An IPv4 address
// and the IPv6 address that it is mapped to are the same.
func tupleOf(proto uint8, own, peer netip.AddrPort) tuple {
	l, r := own.Addr().As16(), peer.Addr().As16()
	return tuple{
		binary.BigEndian.Uint64(l[:8]), binary.BigEndian.Uint64(l[8:]),
		binary.BigEndian.Uint64(r[:8]), binary.BigEndian.Uint64(r[8:]),
		uint32(own.Port())<<16 | uint32(peer.Port()), uint32(proto),
	}
}

// hash mixes a tuple with a secret, so that nobody outside chooses the shard or
// the socket of a REUSEPORT group.
func (t *tuple) hash(secret uint64) uint32 {
	h := secret
	for _, w := range [5]uint64{t.lhi, t.llo, t.rhi, t.rlo, uint64(t.ports)<<32 | uint64(t.proto)} {
		h ^= w
		h *= 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	return uint32(h ^ h>>29)
}

const connShards = 256

// demux finds the socket that a packet is for: connections by their tuple, others
// by port and then by how well they fit.
type demux struct {
	secret uint64 // immutable
	conns  [connShards]connShard
	bound  [connShards]boundShard
}

type connShard struct {
	mu sync.RWMutex
	m  map[tuple]conn
}

// conn is a connection in the table. device is the interface that it is bound to.
type conn struct {
	t      transport
	device int
}

type boundShard struct {
	mu sync.RWMutex
	// m has the sockets of a protocol and port, the newest first. A list is
	// never changed: who reads it needs no lock.
	m map[portKey][]*binding
}

type portKey struct {
	proto uint8
	port  uint16
}

func (d *demux) shard(t *tuple) *connShard { return &d.conns[t.hash(d.secret)%connShards] }

// connect adds a connection: EADDRNOTAVAIL if there is one of that tuple.
func (d *demux) connect(proto uint8, own, peer netip.AddrPort, device int, t transport) error {
	key := tupleOf(proto, own, peer)
	sh := d.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ok := sh.m[key]; ok {
		return unix.EADDRNOTAVAIL
	}
	if sh.m == nil {
		sh.m = map[tuple]conn{}
	}
	sh.m[key] = conn{t, device}
	return nil
}

// replace puts t into the place of old: a connection that comes to be out of one
// that waits, or takes the place of one in TIME_WAIT. It reports whether old was there.
func (d *demux) replace(proto uint8, own, peer netip.AddrPort, device int, old, t transport) bool {
	key := tupleOf(proto, own, peer)
	sh := d.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[key].t != old {
		return false
	}
	sh.m[key] = conn{t, device}
	return true
}

// disconnect removes t, if it is the one of that tuple.
func (d *demux) disconnect(proto uint8, own, peer netip.AddrPort, t transport) {
	key := tupleOf(proto, own, peer)
	sh := d.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[key].t == t {
		delete(sh.m, key)
	}
}

// connection returns the transport of a tuple that takes packets of interface
// iif, or nil.
func (d *demux) connection(proto uint8, own, peer netip.AddrPort, iif int) transport {
	key := tupleOf(proto, own, peer)
	sh := d.shard(&key)
	sh.mu.RLock()
	c := sh.m[key]
	sh.mu.RUnlock()
	if c.device != 0 && c.device != iif {
		return nil
	}
	return c.t
}

func (d *demux) boundShard(k portKey) *boundShard {
	return &d.bound[(uint32(k.port)^uint32(k.proto)<<4)%connShards]
}

// listen adds a socket that packets to a port may be for: of TCP a listener, of
// UDP any that is bound. binding.target is whom they are delivered to.
func (d *demux) listen(b *binding) {
	k := portKey{b.proto, b.port}
	sh := d.boundShard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m == nil {
		sh.m = map[portKey][]*binding{}
	}
	if !slices.Contains(sh.m[k], b) {
		b.join(sh.m[k])
		sh.m[k] = append([]*binding{b}, sh.m[k]...)
	}
}

// unlisten removes it.
func (d *demux) unlisten(b *binding) {
	k := portKey{b.proto, b.port}
	sh := d.boundShard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	i := slices.Index(sh.m[k], b)
	if i < 0 {
		return
	}
	b.part()
	if len(sh.m[k]) == 1 {
		delete(sh.m, k)
		return
	}
	l := slices.Clone(sh.m[k])
	sh.m[k] = slices.Delete(l, i, i+1)
}

// at returns the sockets of a port. Read-only.
func (d *demux) at(proto uint8, port uint16) []*binding {
	k := portKey{proto, port}
	sh := d.boundShard(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.m[k]
}

// listener returns the socket bound to own's port that fits best, or nil: one that
// is bound to the address before one that is bound to none, then by score, and of
// a group with SO_REUSEPORT the one that its program chooses for r, or one by the
// flow's hash. r may be nil.
func (d *demux) listener(proto uint8, own, peer netip.AddrPort, iif int, r *received) *binding {
	list := d.at(proto, own.Port())
	if len(list) == 0 {
		return nil
	}
	for _, exact := range [2]bool{true, false} {
		best, n := -1, 0
		var found *binding
		for _, b := range list {
			score := b.score(own.Addr(), peer, iif, exact)
			switch {
			case score < 0 || score < best:
			case score > best:
				best, n, found = score, 1, b
			case b.reusePort && found.reusePort:
				n++
			}
		}
		if found != nil && r != nil {
			if b := found.group.Load().choose(r); b != nil {
				return b
			}
		}
		if n > 1 && found.reusePort {
			key := tupleOf(proto, own, peer)
			nth := int(uint64(key.hash(d.secret^0x5bd1e995)) * uint64(n) >> 32)
			return nthOf(list, nth, best, own.Addr(), peer, iif, exact)
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// nthOf returns the nth of a REUSEPORT group: those of a list with that score.
func nthOf(list []*binding, nth, score int, own netip.Addr, peer netip.AddrPort, iif int, exact bool) *binding {
	var last *binding
	for _, b := range list {
		if b.reusePort && b.score(own, peer, iif, exact) == score {
			if last = b; nth == 0 {
				return b
			}
			nth--
		}
	}
	return last
}

// score says how well a packet to own from peer fits, -1 if it does not. exact
// asks for a socket that is bound to the address.
func (b *binding) score(own netip.Addr, peer netip.AddrPort, iif int, exact bool) int {
	if exact != b.addr.IsValid() || exact && b.addr != own {
		return -1
	}
	if !exact && !b.takes(own) {
		return -1
	}
	n := 0
	if b.device != 0 {
		if b.device != iif {
			return -1
		}
		n += 4
	}
	if r := b.remote.Load(); r != nil {
		if r.Port() != peer.Port() || r.Addr() != peer.Addr() {
			return -1
		}
		n += 8
	}
	if !b.v6 {
		n++ // a socket of IPv4 before a dual one
	}
	return n
}

// takes reports whether a socket that is bound to no address gets packets to one
// of the family of a.
func (b *binding) takes(a netip.Addr) bool {
	if a.Is4() {
		return !b.v6 || !b.v6only
	}
	return b.v6
}
