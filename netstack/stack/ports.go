package stack

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// binding is a socket's hold on a local port. It is made with what the socket's
// options are at that time and not changed but for its atomics.
type binding struct {
	proto     uint8
	addr      netip.Addr // invalid is any; an IPv4 address of a dual socket is unmapped
	port      uint16
	device    int // index of the interface that the socket is bound to, or 0
	v6        bool
	v6only    bool
	reuseAddr bool
	reusePort bool
	uid       uint32
	// auto: connect chose the port. Other connections may share it as long as
	// their tuples differ, but nobody may bind to it.
	auto bool
	// beside: it is in nobody's way (Owner.Beside).
	beside bool

	target    transport                      // immutable; whom packets go to
	listening atomic.Bool                    // of TCP: SO_REUSEADDR lets nobody else in
	remote    atomic.Pointer[netip.AddrPort] // the peer of a connected UDP socket
	program   *bpf.Program                   // what its group begins with; immutable
	alone     bool                           // it has that before it joins one; immutable
	group     atomic.Pointer[reuseGroup]     // see reuseGroup
	at        int                            // its place in the bucket; guarded by ports.mu
	held      bool                           // it is in its bucket; guarded by ports.mu
}

// ports is the local ports of one protocol that are in use, and which to give to
// those who do not mind.
type ports struct {
	proto uint8
	seed  maphash.Seed

	mu      sync.Mutex
	buckets map[uint16]*bucket
	table   []uint32 // RFC 6056 section 3.3.4: counters by a hash of the peer
}

// bucket is the sockets of a port.
type bucket struct {
	list []*binding
	auto int // of them, those whose port connect chose
}

func newPorts(proto uint8) *ports {
	return &ports{proto: proto, seed: maphash.MakeSeed(), buckets: map[uint16]*bucket{}, table: make([]uint32, 256)}
}

// portRange is where ephemeral ports are taken from.
type portRange struct {
	low, high int
	reserved  *portSet // only taken by who asks for them; may be nil
	// reuse: if none is free, one is shared with sockets that have SO_REUSEADDR too
	// and do not listen (ip_autobind_reuse).
	reuse bool
}

func (r *portRange) has(p int) bool { return r.reserved == nil || !r.reserved.has(p) }

// portSet is a set of ports.
type portSet [1024]uint64

func (s *portSet) has(p int) bool { return s[p>>6]>>(p&63)&1 != 0 }
func (s *portSet) add(p int)      { s[p>>6] |= 1 << (p & 63) }

// reserve takes b.port, or if it is 0 one of r: EADDRINUSE.
func (ps *ports) reserve(b *binding, r portRange) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if b.port != 0 {
		if bk := ps.buckets[b.port]; bk != nil && bk.conflict(b, true) {
			return unix.EADDRINUSE
		}
		ps.insert(b)
		return nil
	}
	n := r.high - r.low + 1
	if n <= 0 {
		return unix.EADDRINUSE
	}
	// Linux gives even ports to connect and odd ones to bind, so that each finds
	// a free one soon.
	start := int(maphash.Comparable(ps.seed, ps.next(0)) % uint64(n))
	for _, parity := range [2]int{1, 0} {
		for i := range n {
			p := r.low + (start+i)%n
			if (p-r.low)&1 != parity || !r.has(p) {
				continue
			}
			if ps.buckets[uint16(p)] == nil {
				b.port = uint16(p)
				ps.insert(b)
				return nil
			}
		}
	}
	// None is free: one whose sockets have other addresses.
	for i := range n {
		if p := r.low + (start+i)%n; r.has(p) && !ps.buckets[uint16(p)].conflict(b, false) {
			b.port = uint16(p)
			ps.insert(b)
			return nil
		}
	}
	if !r.reuse || !b.reuseAddr {
		return unix.EADDRINUSE
	}
	for i := range n {
		if p := r.low + (start+i)%n; r.has(p) && ps.buckets[uint16(p)].shares(b) {
			b.port = uint16(p)
			ps.insert(b)
			return nil
		}
	}
	return unix.EADDRINUSE
}

// shares reports whether b may share the port by SO_REUSEADDR alone: with others of a
// group it would not, for all of those may come to listen.
func (bk *bucket) shares(b *binding) bool {
	for _, o := range bk.list {
		if o.overlaps(b) && (!o.reuseAddr || o.listening.Load() || o.grouped(b)) {
			return false
		}
	}
	return true
}

// connect takes a port of r for a connection from b.addr to peer. try is called
// with each port that is free for it and says whether the tuple is: what it
// returns but EADDRNOTAVAIL ends the search. EADDRNOTAVAIL if there is none.
func (ps *ports) connect(b *binding, peer netip.AddrPort, r portRange, try func(port uint16) error) error {
	n := r.high - r.low + 1
	if n <= 0 {
		return unix.EADDRNOTAVAIL
	}
	type endpoints struct{ own, peer netip.Addr }
	h := maphash.Comparable(ps.seed, endpoints{b.addr, peer.Addr()}) ^ uint64(peer.Port())*0x9e3779b97f4a7c15
	slot := int(h>>32) % len(ps.table)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	offset := int((h + uint64(ps.next(slot))) % uint64(n))
	for _, parity := range [2]int{0, 1} {
		for i := range n {
			p := r.low + (offset+i)%n
			if (p-r.low)&1 != parity || !r.has(p) {
				continue
			}
			bk := ps.buckets[uint16(p)]
			if bk != nil && (bk.auto != len(bk.list) || ps.proto != unix.IPPROTO_TCP) {
				continue
			}
			err := try(uint16(p))
			if err == unix.EADDRNOTAVAIL {
				continue
			}
			if err == nil {
				b.port, b.auto = uint16(p), true
				ps.insert(b)
				ps.table[slot] += uint32(i) + 2
			}
			return err
		}
	}
	return unix.EADDRNOTAVAIL
}

// next returns a number that differs from call to call.
func (ps *ports) next(slot int) uint32 {
	ps.table[slot] += 2
	return ps.table[slot]
}

// share adds a connection that a listener made: it holds the port as long as it lives.
func (ps *ports) share(b *binding) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.insert(b)
}

func (ps *ports) insert(b *binding) {
	bk := ps.buckets[b.port]
	if bk == nil {
		bk = &bucket{}
		ps.buckets[b.port] = bk
	}
	b.at, b.held = len(bk.list), true
	bk.list = append(bk.list, b)
	if b.auto {
		bk.auto++
	}
}

// release gives the port up. A binding that is not held is left alone.
func (ps *ports) release(b *binding) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if !b.held {
		return
	}
	b.held = false
	bk := ps.buckets[b.port]
	last := len(bk.list) - 1
	bk.list[b.at] = bk.list[last]
	bk.list[b.at].at = b.at
	bk.list[last] = nil
	bk.list = bk.list[:last]
	if b.auto {
		bk.auto--
	}
	if last == 0 {
		delete(ps.buckets, b.port)
	}
}

// startListening turns a bound socket into a listener: EADDRINUSE if another one
// shares its address and port by SO_REUSEADDR and listens already.
func (ps *ports) startListening(b *binding) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	b.listening.Store(true)
	if bk := ps.buckets[b.port]; bk != nil {
		for _, o := range bk.list {
			if o != b && o.listening.Load() && o.overlaps(b) && !o.grouped(b) {
				b.listening.Store(false)
				return unix.EADDRINUSE
			}
		}
	}
	return nil
}

// conflict reports whether b may not join the sockets of a port. share lets it
// share an address as the options of both have it.
func (bk *bucket) conflict(b *binding, share bool) bool {
	for _, o := range bk.list {
		if !o.overlaps(b) {
			continue
		}
		if !share {
			return true
		}
		grouped := o.grouped(b) && !b.alone
		if o.auto && !b.auto && !(o.reuseAddr && b.reuseAddr) && !grouped {
			return true
		}
		if b.reuseAddr && o.reuseAddr && !o.listening.Load() || grouped {
			continue
		}
		return true
	}
	return false
}

// overlaps reports whether some packet would be for both sockets.
func (b *binding) overlaps(o *binding) bool {
	if b.beside || o.beside {
		return false
	}
	if b.device != 0 && o.device != 0 && b.device != o.device {
		return false
	}
	switch {
	case b.addr.IsValid() && o.addr.IsValid():
		return b.addr == o.addr
	case b.addr.IsValid():
		return o.takes(b.addr)
	case o.addr.IsValid():
		return b.takes(o.addr)
	}
	return b.v6 == o.v6 || b.v6 && !b.v6only || o.v6 && !o.v6only
}

// grouped reports whether SO_REUSEPORT lets both share the port.
func (b *binding) grouped(o *binding) bool {
	return b.reusePort && o.reusePort && b.uid == o.uid
}

// parseReserved reads ip_local_reserved_ports: numbers and ranges with commas.
func parseReserved(s string) (*portSet, bool) {
	set := &portSet{}
	for item := range strings.SplitSeq(s, ",") {
		if item == "" {
			continue
		}
		lo, hi, ok := parsePortRange(item)
		if !ok {
			return nil, false
		}
		for p := lo; p <= hi; p++ {
			set.add(p)
		}
	}
	return set, true
}

func parsePortRange(s string) (lo, hi int, ok bool) {
	first, second, isRange := strings.Cut(s, "-")
	a, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return 0, 0, false
	}
	b := a
	if isRange {
		if b, err = strconv.ParseUint(second, 10, 16); err != nil {
			return 0, 0, false
		}
	}
	return int(a), int(b), a <= b
}

// randomUint64 returns a number that nobody can guess.
func (s *Stack) randomUint64() uint64 {
	var b [8]byte
	s.cfg.Random(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// randomBelow returns a number below n, which is positive.
func (s *Stack) randomBelow(n int64) int64 { return int64(s.randomUint64()>>1) % n }
