package conntrack

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"hull/netstack/header"
)

// Flags of a Range: NF_NAT_RANGE_* of linux/netfilter/nf_nat.h.
const (
	RangeMapIPs          = 1 << 0
	RangeProtoSpecified  = 1 << 1
	RangeProtoRandom     = 1 << 2
	RangePersistent      = 1 << 3
	RangeProtoRandomFull = 1 << 4
)

// Range is what a connection may be translated to. The zero Range leaves it as it
// is, unless that clashes with another one.
type Range struct {
	Flags            uint32
	MinAddr, MaxAddr netip.Addr
	MinPort, MaxPort uint16
}

// tries bounds the ports that are tried for one connection.
const tries = 128

// SetNAT decides how a connection that is not yet confirmed is translated: its
// source, or its destination. It is decided once. Where no tuple is free it keeps
// one that is not, and Confirm refuses it.
func (t *Table) SetNAT(c *Conn, src bool, r *Range, now int64) {
	done, did := DstDone, DstNAT
	if src {
		done, did = SrcDone, SrcNAT
	}
	if c.Status()&(done|Confirmed) != 0 {
		return
	}
	// What the packets look like now: the inverse of what their replies do.
	cur := c.tuples[1].Inverse()
	next := t.choose(c, cur, src, r, now)
	if next != cur {
		c.tuples[1] = next.Inverse()
		c.set(did)
	}
	c.set(done)
}

// choose returns the tuple that the packets are to have.
func (t *Table) choose(c *Conn, cur Tuple, src bool, r *Range, now int64) Tuple {
	next := cur
	if r.Flags&RangeMapIPs != 0 && r.MinAddr.IsValid() {
		addr := t.pickAddr(c, cur, src, r)
		if src {
			next.Src = addr
		} else {
			next.Dst = addr
		}
	}
	port := next.port(src)
	if port == nil {
		return next
	}
	lo, hi := r.MinPort, r.MaxPort
	random := r.Flags&(RangeProtoRandom|RangeProtoRandomFull) != 0
	if r.Flags&RangeProtoSpecified == 0 {
		// As long as nothing is in the way, the port stays.
		if !src || !random && !t.taken(c, next.Inverse(), now) {
			// A destination's port is never another one unless a rule says so: what
			// clashes is told apart by another port of the source.
			return next
		}
		lo, hi = portClass(*port, c.tuples[0].Proto)
	} else {
		if hi < lo {
			lo, hi = hi, lo
		}
		if !random && *port >= lo && *port <= hi && (lo == hi || !t.taken(c, next.Inverse(), now)) {
			return next
		}
	}
	size := uint32(hi) - uint32(lo) + 1
	off := uint32(0)
	if random {
		off = t.random32()
	} else if src {
		off = uint32(*port)
	}
	for i := range min(size, tries) {
		*port = lo + uint16((off+i)%size)
		if !t.taken(c, next.Inverse(), now) {
			return next
		}
		if i == tries/2 {
			off = t.random32()
		}
	}
	return next
}

// portClass is the ports that one may be replaced by: those below 512, below 1024,
// and the others, stay among themselves.
func portClass(port uint16, p header.Protocol) (lo, hi uint16) {
	switch {
	case p == header.ProtocolICMP || p == header.ProtocolICMPv6:
		return 0, 65535
	case port < 512:
		return 1, 511
	case port < 1024:
		return 600, 1023
	}
	return 1024, 65535
}

// port is the number of a tuple that translation may change, or nil.
func (t *Tuple) port(src bool) *uint16 {
	switch t.Proto {
	case header.ProtocolTCP, header.ProtocolUDP, header.ProtocolUDPLite, header.ProtocolSCTP:
		if src {
			return &t.SrcPort
		}
		return &t.DstPort
	case header.ProtocolICMP, header.ProtocolICMPv6:
		if src {
			return &t.SrcPort // the identifier
		}
	}
	return nil
}

// pickAddr chooses among the addresses of a range, the same for the same hosts.
func (t *Table) pickAddr(c *Conn, cur Tuple, src bool, r *Range) netip.Addr {
	if r.MinAddr == r.MaxAddr || !r.MaxAddr.IsValid() {
		return r.MinAddr
	}
	a, b := r.MinAddr.As16(), r.MaxAddr.As16()
	lo, hi := binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:])
	if hi < lo || string(a[:8]) != string(b[:8]) {
		return r.MinAddr
	}
	own := c.tuples[0].Src
	if inRange(cur.addr(src), r) && src {
		return cur.addr(src)
	}
	h := maphash.Comparable(t.seed, own)
	if r.Flags&RangePersistent == 0 {
		h ^= maphash.Comparable(t.seed, cur.addr(!src))
	}
	if size := hi - lo + 1; size != 0 {
		h %= size
	}
	binary.BigEndian.PutUint64(a[8:], lo+h)
	if r.MinAddr.Is4() {
		return netip.AddrFrom16(a).Unmap()
	}
	return netip.AddrFrom16(a)
}

func (t *Tuple) addr(src bool) netip.Addr {
	if src {
		return t.Src
	}
	return t.Dst
}

func inRange(a netip.Addr, r *Range) bool {
	return a.Compare(r.MinAddr) >= 0 && a.Compare(r.MaxAddr) <= 0
}

// Target is the tuple that a packet of a connection is to have after the
// translation of its source or destination; ok is false if there is none.
func (r *Ref) Target(src bool) (t Tuple, ok bool) {
	bit := DstNAT
	if src {
		bit = SrcNAT
	}
	if r.Reply {
		bit ^= SrcNAT | DstNAT
	}
	if r.Conn == nil || r.Conn.Status()&bit == 0 {
		return t, false
	}
	return r.Conn.tuples[direction(!r.Reply)].Inverse(), true
}
