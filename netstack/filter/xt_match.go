package filter

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

// Match is a match of iptables, as iptables-nft puts it into a rule: its name,
// revision and the struct of linux/netfilter/xt_*.h, which is kept as it came and
// read when a packet is there.
type Match struct {
	Name string
	Rev  uint32
	Info []byte

	kind  matchKind
	limit *Limit
	count *counter32
}

type matchKind uint8

const (
	matchComment matchKind = iota
	matchConntrack
	matchState
	matchICMP
	matchTCP
	matchUDP
	matchMultiport
	matchStatistic
	matchIPRange
	matchConnmark
	matchMark
	matchPktType
	matchTTL
	matchLength
	matchMAC
	matchAddrType
	matchOwner
	matchLimit
)

// matchSpec is a match that is known: the revisions, and the least size of its struct.
type matchSpec struct {
	name     string
	from, to uint32
	size     int
	kind     matchKind
	family   Family // 0 is both
}

func matchSpecs() []matchSpec {
	return []matchSpec{
		{"comment", 0, 0, 0, matchComment, 0},
		{"conntrack", 2, 3, 154, matchConntrack, 0},
		{"state", 0, 0, 4, matchState, 0},
		{"icmp", 0, 0, 4, matchICMP, IPv4},
		{"icmp6", 0, 0, 4, matchICMP, IPv6},
		{"tcp", 0, 0, 12, matchTCP, 0},
		{"udp", 0, 0, 9, matchUDP, 0},
		{"multiport", 1, 1, 48, matchMultiport, 0},
		{"statistic", 0, 0, 16, matchStatistic, 0},
		{"iprange", 1, 1, 65, matchIPRange, 0},
		{"connmark", 1, 1, 9, matchConnmark, 0},
		{"mark", 1, 1, 9, matchMark, 0},
		{"pkttype", 0, 0, 8, matchPktType, 0},
		{"ttl", 0, 0, 2, matchTTL, IPv4},
		{"hl", 0, 0, 2, matchTTL, IPv6},
		{"length", 0, 0, 5, matchLength, 0},
		{"mac", 0, 0, 12, matchMAC, 0},
		{"addrtype", 0, 1, 8, matchAddrType, 0},
		{"owner", 1, 1, 18, matchOwner, 0},
		{"limit", 0, 0, 8, matchLimit, 0},
	}
}

// HasMatch reports whether a match of a revision is known.
func HasMatch(f Family, name string, rev uint32) bool {
	_, ok := findMatch(f, name, rev)
	return ok
}

func findMatch(f Family, name string, rev uint32) (matchSpec, bool) {
	for _, s := range matchSpecs() {
		if s.name == name && rev >= s.from && rev <= s.to && (s.family == 0 || s.family == f || f == INet) {
			return s, true
		}
	}
	return matchSpec{}, false
}

// NewMatch returns a match: ENOENT if it is not known, EINVAL if its struct is
// too short.
func NewMatch(f Family, name string, rev uint32, info []byte) (*Match, error) {
	s, ok := findMatch(f, name, rev)
	if !ok {
		return nil, unix.ENOENT
	}
	if len(info) < s.size {
		return nil, unix.EINVAL
	}
	m := &Match{Name: name, Rev: rev, Info: info, kind: s.kind}
	switch s.kind {
	case matchLimit:
		// The average is in ten-thousandths of a second for a packet.
		avg := uint64(binary.NativeEndian.Uint32(info))
		if avg == 0 {
			return nil, unix.EINVAL
		}
		m.limit = &Limit{Rate: 10000, Unit: avg, Burst: binary.NativeEndian.Uint32(info[4:])}
	case matchStatistic:
		m.count = &counter32{}
	case matchMultiport:
		if info[1] > 15 {
			return nil, unix.EINVAL
		}
	}
	return m, nil
}

func (e *Match) tracks() bool {
	return e.kind == matchConntrack || e.kind == matchState || e.kind == matchConnmark
}

func (e *Match) eval(x *run) {
	if !e.matches(x) {
		x.fail()
	}
}

func (e *Match) matches(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	switch e.kind {
	case matchConntrack:
		return e.conntrack(x)
	case matchState:
		return xtState(x)&ne.Uint32(b) != 0
	case matchICMP:
		return e.icmp(x)
	case matchTCP, matchUDP:
		return e.ports(x)
	case matchMultiport:
		return e.multiport(x)
	case matchStatistic:
		return e.statistic(x)
	case matchIPRange:
		return e.ipRange(x)
	case matchConnmark:
		return x.ref != nil && x.ref.Conn != nil && (x.ref.Conn.Mark()&ne.Uint32(b[4:]) == ne.Uint32(b)) != (b[8] != 0)
	case matchMark:
		return (x.p.Mark&ne.Uint32(b[4:]) == ne.Uint32(b)) != (b[8] != 0)
	case matchPktType:
		return (uint32(x.c.PacketType) == ne.Uint32(b)) != (ne.Uint32(b[4:]) != 0)
	case matchTTL:
		return e.ttl(x)
	case matchLength:
		n := x.p.Len()
		return (n >= int(ne.Uint16(b)) && n <= int(ne.Uint16(b[2:]))) != (b[4] != 0)
	case matchMAC:
		return len(x.c.LinkHeader) >= 12 && bytes.Equal(x.c.LinkHeader[6:12], b[:6]) != (ne.Uint32(b[8:]) != 0)
	case matchAddrType:
		return e.addrType(x)
	case matchOwner:
		return e.owner(x)
	case matchLimit:
		return !e.limit.over(x.c.Now, 1)
	}
	return true // a comment
}

// The flags of xt_conntrack's struct, and where its fields are.
const (
	ctMatchState   = 1 << 0
	ctMatchProto   = 1 << 1
	ctMatchOrigSrc = 1 << 2
	ctMatchStatus  = 1 << 6
	ctMatchExpires = 1 << 7
	ctMatchPorts   = 1 << 8 // and the three after it
	ctMatchDir     = 1 << 12

	ctStateSNAT = 1 << 6
	ctStateDNAT = 1 << 7
)

// xtState is the state of a packet in the bits of iptables.
func xtState(x *run) uint32 {
	if x.ref == nil {
		return 1
	}
	if x.ref.State == conntrack.Untracked {
		return 1 << 8
	}
	return stateBit(x.ref)
}

func (e *Match) conntrack(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	flags, inv := ne.Uint16(b[146:]), ne.Uint16(b[148:])
	var c *conntrack.Conn
	if x.ref != nil {
		c = x.ref.Conn
	}
	if flags&ctMatchState != 0 {
		state := xtState(x)
		if c != nil {
			if c.Status()&conntrack.SrcNAT != 0 {
				state |= ctStateSNAT
			}
			if c.Status()&conntrack.DstNAT != 0 {
				state |= ctStateDNAT
			}
		}
		if (state&uint32(ne.Uint16(b[150:])) != 0) == (inv&ctMatchState != 0) {
			return false
		}
	}
	if c == nil {
		return flags&^ctMatchState == 0
	}
	orig, reply := c.Original(), c.Reply()
	if flags&ctMatchDir != 0 && x.ref.Reply != (inv&ctMatchDir != 0) {
		return false
	}
	if flags&ctMatchProto != 0 && (uint16(orig.Proto) == ne.Uint16(b[136:])) == (inv&ctMatchProto != 0) {
		return false
	}
	if flags&ctMatchStatus != 0 && (uint32(c.Status())&uint32(ne.Uint16(b[152:])) != 0) == (inv&ctMatchStatus != 0) {
		return false
	}
	if flags&ctMatchExpires != 0 {
		left := uint32(max(c.Deadline()-x.c.Now, 0) / 1e9)
		if (left >= ne.Uint32(b[128:]) && left <= ne.Uint32(b[132:])) == (inv&ctMatchExpires != 0) {
			return false
		}
	}
	addrs := [4]netip.Addr{orig.Src, orig.Dst, reply.Src, reply.Dst}
	ports := [4]uint16{orig.SrcPort, orig.DstPort, reply.SrcPort, reply.DstPort}
	for i := range 4 {
		f := uint16(ctMatchOrigSrc) << i
		if flags&f != 0 && masked(addrs[i], b[i*32:i*32+16], b[i*32+16:i*32+32]) == (inv&f != 0) {
			return false
		}
		f = uint16(ctMatchPorts) << i
		if flags&f == 0 {
			continue
		}
		// Revision 3 has ranges, of numbers in the machine's order.
		lo := binary.BigEndian.Uint16(b[138+2*i:])
		hi := lo
		if e.Rev >= 3 && len(b) >= 162 {
			lo, hi = ne.Uint16(b[138+2*i:]), ne.Uint16(b[154+2*i:])
		}
		if (ports[i] >= lo && ports[i] <= hi) == (inv&f != 0) {
			return false
		}
	}
	return true
}

// masked compares an address with one under a mask.
func masked(a netip.Addr, want, mask []byte) bool {
	for i, v := range a.AsSlice() {
		if v&mask[i] != want[i]&mask[i] {
			return false
		}
	}
	return true
}

func (e *Match) icmp(x *run) bool {
	b := e.Info
	if x.pk.Fragment || x.pk.Short || x.pk.Tuple.Proto != header.ProtocolICMP && x.pk.Tuple.Proto != header.ProtocolICMPv6 {
		return false
	}
	code := uint8(x.pk.Tuple.DstPort)
	in := b[0] == 0xff && !x.c.V6 || b[0] == x.pk.ICMPType && code >= b[1] && code <= b[2]
	return in != (b[3]&1 != 0)
}

// ports matches ports and flags: struct xt_tcp and xt_udp.
func (e *Match) ports(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	if x.pk.Fragment || x.pk.Short {
		return false
	}
	inv := b[8]
	if e.kind == matchTCP {
		inv = b[11]
	}
	sp, dp := x.pk.Tuple.SrcPort, x.pk.Tuple.DstPort
	if (sp >= ne.Uint16(b) && sp <= ne.Uint16(b[2:])) == (inv&1 != 0) || (dp >= ne.Uint16(b[4:]) && dp <= ne.Uint16(b[6:])) == (inv&2 != 0) {
		return false
	}
	if e.kind == matchUDP {
		return x.pk.Tuple.Proto == header.ProtocolUDP
	}
	if x.pk.Tuple.Proto != header.ProtocolTCP || (uint8(x.pk.Flags)&b[9] == b[10]) == (inv&4 != 0) {
		return false
	}
	if b[8] == 0 {
		return true
	}
	at, _ := x.tcpOption(b[8])
	return (at >= 0) != (inv&8 != 0)
}

func (e *Match) multiport(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	switch x.pk.Tuple.Proto {
	case header.ProtocolTCP, header.ProtocolUDP, header.ProtocolUDPLite, header.ProtocolSCTP:
	default:
		return false
	}
	if x.pk.Fragment || x.pk.Short {
		return false
	}
	sp, dp := x.pk.Tuple.SrcPort, x.pk.Tuple.DstPort
	found := false
	for i := 0; i < int(b[1]); i++ {
		lo := ne.Uint16(b[2+2*i:])
		hi := lo
		if b[32+i] != 0 && i+1 < int(b[1]) {
			i++
			hi = ne.Uint16(b[2+2*i:])
		}
		src, dst := sp >= lo && sp <= hi, dp >= lo && dp <= hi
		found = found || b[0] != 1 && src || b[0] != 0 && dst
	}
	return found != (b[47] != 0)
}

func (e *Match) statistic(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	hit := false
	if ne.Uint16(b) == 0 {
		hit = x.random32()&0x7fffffff < ne.Uint32(b[4:])
	} else {
		every := ne.Uint32(b[4:]) + 1
		hit = every != 0 && (e.count.Add(1)-1)%every == ne.Uint32(b[8:])
	}
	return hit != (ne.Uint16(b[2:])&1 != 0)
}

func (e *Match) ipRange(x *run) bool {
	b := e.Info
	in := func(a netip.Addr, lo, hi []byte) bool {
		v := a.AsSlice()
		return bytes.Compare(v, lo[:len(v)]) >= 0 && bytes.Compare(v, hi[:len(v)]) <= 0
	}
	f := b[64]
	if f&1 != 0 && in(x.pk.Tuple.Src, b[0:16], b[16:32]) == (f&16 != 0) {
		return false
	}
	return f&2 == 0 || in(x.pk.Tuple.Dst, b[32:48], b[48:64]) != (f&32 != 0)
}

func (e *Match) ttl(x *run) bool {
	v := uint8(0)
	if x.c.V6 {
		v = header.IPv6(x.head).HopLimit()
	} else {
		v = header.IPv4(x.head).TTL()
	}
	switch e.Info[0] {
	case 0:
		return v == e.Info[1]
	case 1:
		return v != e.Info[1]
	case 2:
		return v < e.Info[1]
	}
	return v > e.Info[1]
}

func (e *Match) addrType(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	src, dst := ne.Uint16(b), ne.Uint16(b[2:])
	flags := ne.Uint32(b[4:])
	invSrc, invDst := flags&1 != 0, flags&2 != 0
	oif := 0
	if e.Rev == 0 {
		invSrc, invDst = flags != 0, len(b) >= 12 && ne.Uint32(b[8:]) != 0
	} else {
		if flags&4 != 0 && x.c.In != nil {
			oif = x.c.In.Index
		}
		if flags&8 != 0 && x.c.Out != nil {
			oif = x.c.Out.Index
		}
	}
	is := func(a netip.Addr, mask uint16) bool {
		typ, _ := x.rules.cfg.Host.Route(netip.Addr{}, a, 0, oif, 0)
		if oif != 0 && typ == unix.RTN_LOCAL && !x.rules.cfg.Host.Local(a, oif) {
			typ = unix.RTN_UNICAST
		}
		return mask>>min(typ, 15)&1 != 0
	}
	return (src == 0 || is(x.pk.Tuple.Src, src) != invSrc) && (dst == 0 || is(x.pk.Tuple.Dst, dst) != invDst)
}

func (e *Match) owner(x *run) bool {
	ne, b := binary.NativeEndian, e.Info
	match, inv := b[16], b[17]
	if !x.c.HasOwner {
		return match == inv&match
	}
	if match&4 != 0 && inv&4 != 0 {
		return false
	}
	if match&1 != 0 && (x.c.UID >= ne.Uint32(b) && x.c.UID <= ne.Uint32(b[4:])) == (inv&1 != 0) {
		return false
	}
	return match&2 == 0 || (x.c.GID >= ne.Uint32(b[8:]) && x.c.GID <= ne.Uint32(b[12:])) != (inv&2 != 0)
}
