package stack

import (
	"math"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// pathQuery is what a path is looked up by. An address that is not valid is any.
type pathQuery struct {
	dst, src     netip.Addr
	via          netip.Addr // the first stop of a routing header, or not valid
	oif          int        // that the socket, or a control message, names
	tos          uint8
	mark, uid    uint32
	proto        uint8
	sport, dport uint16
	direct       bool // SO_DONTROUTE: only what is on a link
	anySource    bool // src need not be an address of ours
	mcastIf      int
	mcastSrc     netip.Addr
	unicastIf    int
}

// pathKind is what a path leads to.
type pathKind uint8

const (
	toUnicast pathKind = iota
	toLocal
	toBroadcast
	toMulticast
)

// path is a way to one destination: immutable but for the neighbour's entry. It
// stays true as long as valid says so.
type path struct {
	stack  *Stack
	nic    *NIC
	src    netip.Addr
	dst    netip.Addr
	final  netip.Addr // where a routing header leads to from dst; not valid without one
	hop    netip.Addr // the neighbour that packets are given to
	kind   pathKind
	route  *route.Route // may be nil
	gen    uint64
	epoch  uint64
	entry  atomic.Pointer[neigh.Entry]
	gw     bool // hop is a gateway
	mtuHit bool // the MTU is one that was learnt
	size   int
}

// sendOptions say how packets are sent. Each of them begins with its transport's
// header, its checksum field zero.
type sendOptions struct {
	proto    uint8
	ttl      uint8 // 0 is the default
	tos      uint8
	dontFrag bool // of IPv4: DF is set
	// tellMTU: if that is so, the socket is told what the MTU is, if it asks.
	tellMTU bool
	// noFrag: what is larger than the path's MTU is EMSGSIZE.
	noFrag bool
	// mayFrag: what is larger than the MTU that is known is cut though DF is set,
	// and then without it, as IP_PMTUDISC_WANT asks.
	mayFrag bool
	// nicMTU: the interface's MTU counts, not what was learnt of the path.
	nicMTU   bool
	hostOnly bool   // a TTL of 0: to our own sockets only
	mtu      int    // fragments are no larger, if not 0
	options  []byte // of IPv4, padded
	flow     uint32 // label of IPv6
	mark     uint32
	priority uint32
	// checksum is the offset of the transport's checksum, -1 for none.
	checksum int
	owner    *common  // whose packets they are, for filters; may be nil
	loop     bool     // multicast and broadcast packets come back to our own sockets
	stamp    *txStamp // of the first packet, or nil
	confirm  bool     // MSG_CONFIRM: the neighbour was heard from
	hopByHop []byte   // an extension header of IPv6 that goes first
	dstOpts  []byte   // and one that goes last: destination options
	routing  []byte   // a routing header, of a path that has an end beyond its dst
	rtDst    []byte   // destination options before that
	autoFlow bool     // a flow that has no label gets one
	headers  bool     // the packets begin with their IP header already
}

// findPath looks a path up: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, ENODEV,
// EADDRNOTAVAIL.
func (s *Stack) findPath(q *pathQuery) (*path, error) {
	if q.dst.Is4() {
		return s.findPath4(q)
	}
	if !q.via.IsValid() {
		return s.findPath6(q)
	}
	stop := *q
	stop.dst = q.via
	p, err := s.findPath6(&stop)
	if err != nil {
		return nil, err
	}
	if p.final = q.dst; p.final.IsUnspecified() {
		p.final = netip.IPv6Loopback()
	}
	return p, nil
}

// end is the address that packets are for in the end.
func (p *path) end() netip.Addr {
	if p.final.IsValid() {
		return p.final
	}
	return p.dst
}

// valid reports whether nothing changed that the path was made of.
func (p *path) valid() bool {
	return p.epoch == p.stack.epoch.Load() && p.gen == p.stack.RIB(p.dst.Is6()).Generation()
}

// mtu is the largest packet of IP in bytes that goes that way whole.
func (p *path) mtu() int { return p.size }

// advMSS is the largest segment's payload that we want to be sent: what the
// route's metrics say, or the interface's MTU less the headers.
func (p *path) advMSS() int {
	head := header.IPv4MinSize + header.TCPMinSize
	if p.dst.Is6() {
		head = header.IPv6Size + header.TCPMinSize
	}
	if p.route != nil && p.route.Metrics.AdvMSS != 0 {
		return min(int(p.route.Metrics.AdvMSS), 65535-head)
	}
	return max(min(p.nic.MTU(), 65535)-head, int(p.stack.tune(tV4RouteMinAdvMss)))
}

// gso is how many bytes of payload one packet to be segmented may have: 0 if the
// path takes none. Software does it if the link cannot.
func (p *path) gso() int { return 65535 - 120 }

// defaultTTL is the hop limit of packets whose socket has no other wish.
func (p *path) defaultTTL() uint8 {
	if p.route != nil && p.route.Metrics.HopLimit != 0 {
		return uint8(p.route.Metrics.HopLimit)
	}
	if p.dst.Is4() {
		return uint8(p.stack.tune(tIPDefaultTTL))
	}
	return uint8(p.nic.conf6[conf6HopLimit].Load())
}

// send sends packets to the path's destination. It owns them, also if it fails.
func (p *path) send(ps []*buffer.Packet, o *sendOptions) error {
	s := p.stack
	v6 := p.dst.Is6()
	for _, x := range ps {
		if x.Len()+p.headerLen(o) > p.maxLen() {
			release(ps)
			return unix.EMSGSIZE
		}
	}
	if o.noFrag {
		for _, x := range ps {
			if x.GSO.Size == 0 && x.Len()+p.headerLen(o) > p.limit(o) {
				release(ps)
				return unix.EMSGSIZE
			}
		}
	}
	for _, x := range ps {
		x.Mark, x.Priority = o.mark, o.priority
		if o.stamp != nil {
			x.Stamp, o.stamp = o.stamp, nil
		}
		if !o.headers {
			p.prepare(x, o)
			if v6 {
				p.prepend6(x, o)
			} else {
				p.prepend4(x, o)
			}
		}
		s.count(pick(v6, cIpOutRequests, cIp6OutRequests))
	}
	return p.out(ps, o)
}

// limit is the largest packet that is not cut.
func (p *path) limit(o *sendOptions) int {
	n := p.size
	if o.nicMTU {
		if n = p.nic.ipMTU(); p.dst.Is6() {
			n = p.nic.ip6MTU()
		}
	}
	if o.mtu != 0 {
		n = min(n, o.mtu)
	}
	return n
}

// maxLen is the length of the largest packet that there is.
func (p *path) maxLen() int {
	if p.dst.Is6() {
		return header.IPv6Size + math.MaxUint16
	}
	return math.MaxUint16
}

// headerLen is the length of the IP header that o asks for.
func (p *path) headerLen(o *sendOptions) int {
	switch {
	case o.headers:
		return 0
	case p.dst.Is6():
		return header.IPv6Size + o.extensionLen()
	}
	return header.IPv4EncodedSize(len(o.options))
}

// prepare puts the transport's checksum in, or as much of it as a link needs that
// computes the rest.
func (p *path) prepare(x *buffer.Packet, o *sendOptions) {
	n := x.Len()
	if o.checksum < 0 || !x.Pull(o.checksum+2) {
		return
	}
	sum := header.PseudoHeader(header.Protocol(o.proto), p.src, p.end(), n)
	if o.proto == unix.IPPROTO_ICMP {
		sum = 0
	}
	size := n + p.headerLen(o)
	if (x.GSO.Size != 0 || size <= p.limit(o)) && o.proto != unix.IPPROTO_ICMP && o.proto != unix.IPPROTO_ICMPV6 && o.proto != unix.IPPROTO_RAW {
		putUint16(x.Head()[o.checksum:], sum)
		x.Checksum = buffer.ChecksumPartial
		x.ChecksumStart, x.ChecksumOffset = uint16(p.headerLen(o)), uint16(o.checksum)
		return
	}
	putUint16(x.Head()[o.checksum:], finalSum(sumPacket(x, 0, sum), o.proto))
	x.Checksum = buffer.ChecksumUnknown
}

// finalSum is the checksum field for a sum.
func finalSum(sum uint16, proto uint8) uint16 {
	if proto == unix.IPPROTO_UDP {
		return header.UDPChecksum(sum)
	}
	return ^sum
}

func putUint16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }

// sumPacket adds the bytes of a packet from off on to a sum.
func sumPacket(x *buffer.Packet, off int, sum uint16) uint16 {
	head := x.Head()
	if off > len(head) {
		return sumSlow(x, off, sum)
	}
	head = head[off:]
	sum = header.Checksum(head, sum)
	rest := header.ChecksumViews(x.Payload(), 0)
	if len(head)&1 == 1 {
		rest = rest<<8 | rest>>8
	}
	return header.ChecksumAdd(sum, rest)
}

// sumSlow is sumPacket for an offset beyond the head.
func sumSlow(x *buffer.Packet, off int, sum uint16) uint16 {
	vs := x.Range(off, x.Len())
	sum = header.ChecksumAdd(sum, header.ChecksumViews(vs, 0))
	for _, v := range vs {
		v.Release()
	}
	return sum
}

func (p *path) prepend4(x *buffer.Packet, o *sendOptions) {
	size := header.IPv4EncodedSize(len(o.options))
	segments := 1
	if x.GSO.Size != 0 {
		segments = max(1, (x.Len()+int(x.GSO.Size)-1)/int(x.GSO.Size))
	}
	ttl := o.ttl
	if ttl == 0 {
		ttl = p.defaultTTL()
	}
	total := x.Len() + size
	header.IPv4(x.Prepend(size)).Encode(header.IPv4Fields{
		TOS: o.tos, TotalLen: uint16(total), ID: uint16(p.stack.ids.Next(p.src, p.dst, o.proto, segments)),
		DontFragment: o.dontFrag && (!o.mayFrag || total <= p.limit(o)), TTL: ttl, Protocol: header.Protocol(o.proto), Src: p.src, Dst: p.dst, Options: o.options,
	})
}

func (p *path) prepend6(x *buffer.Packet, o *sendOptions) {
	ttl := o.ttl
	if ttl == 0 {
		ttl = p.defaultTTL()
	}
	if o.flow == 0 && o.autoFlow {
		o.flow = p.flowLabel(o, x) // all of one call are of one flow
	}
	n := x.Len() + o.extensionLen()
	next := o.prependExtensions(x, p.end())
	header.IPv6(x.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{
		TrafficClass: o.tos, FlowLabel: o.flow, PayloadLen: uint16(n), Next: next, HopLimit: ttl, Src: p.src, Dst: p.dst,
	})
}

// frame puts the link's header before packets of IP.
func (n *NIC) frame(ps []*buffer.Packet, to link.Address, t header.EtherType) {
	size := n.headerSize()
	src := n.Address()
	for _, x := range ps {
		x.NetOffset = size
		if x.Checksum == buffer.ChecksumPartial {
			x.ChecksumStart += uint16(size)
		}
		if size != 0 {
			header.Ethernet(x.Prepend(size)).Encode(header.EthernetFields{Src: src, Dst: to, Type: t})
		}
	}
}
