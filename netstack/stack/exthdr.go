package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// extensions are the extension headers that a socket's packets get, by IPV6_HOPOPTS
// and its like: whole headers, whose first byte is written when they are sent.
type extensions struct {
	hop, dst []byte
	routing  []byte // of type 4: segment routing, RFC 8754
	rtDst    []byte // destination options that stand before it; without it they are kept
}

func (e *extensions) get(name int) []byte {
	switch name {
	case unix.IPV6_HOPOPTS:
		return slices.Clone(e.hop)
	case unix.IPV6_DSTOPTS:
		return slices.Clone(e.dst)
	case unix.IPV6_RTHDR:
		return slices.Clone(e.routing)
	case unix.IPV6_RTHDRDSTOPTS:
		return slices.Clone(e.rtDst)
	}
	return nil
}

// len is how many bytes of them packets get.
func (e *extensions) len() int {
	n := len(e.hop) + len(e.dst) + len(e.routing)
	if e.routing != nil {
		n += len(e.rtDst)
	}
	return n
}

// firstStop is where the routing header has packets go first: the segment that it
// says is next, of which the first one listed is the last one's place.
func (e *extensions) firstStop() netip.Addr {
	if e.routing == nil {
		return netip.Addr{}
	}
	return header.IPv6Routing(e.routing).Segment(int(e.routing[3]))
}

// ExtensionHeader checks a header of options as it comes from a user: EINVAL.
// It returns the header without what follows it.
func ExtensionHeader(b []byte) ([]byte, error) {
	if len(b) < 2 {
		return nil, unix.EINVAL
	}
	n := (int(b[1]) + 1) * 8
	if len(b) < n {
		return nil, unix.EINVAL
	}
	return b[:n], nil
}

// maxExtension bounds one of them, in bytes.
const maxExtension = 8 * 255

// setExtension is setsockopt of one that stays: EPERM without CAP_NET_RAW but for
// routing headers.
func (c *common) setExtension(name int, value []byte, raw bool) error {
	if name != unix.IPV6_RTHDR && !raw {
		return unix.EPERM
	}
	var h []byte
	if len(value) > 0 {
		if len(value)%8 != 0 || len(value) > maxExtension {
			return unix.EINVAL
		}
		b, err := ExtensionHeader(value)
		if err != nil || name == unix.IPV6_RTHDR && !header.IPv6Routing(value).ValidSegments() {
			return unix.EINVAL
		}
		h = slices.Clone(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name {
	case unix.IPV6_HOPOPTS:
		c.ip6.ext.hop = h
	case unix.IPV6_DSTOPTS:
		c.ip6.ext.dst = h
	case unix.IPV6_RTHDR:
		c.ip6.ext.routing = h
	case unix.IPV6_RTHDRDSTOPTS:
		c.ip6.ext.rtDst = h
	}
	return nil
}

// setPktInfo is IPV6_PKTINFO: struct in6_pktinfo, of which the interface counts.
func (c *common) setPktInfo(b []byte) error {
	if len(b) < 20 {
		return unix.EINVAL
	}
	index := index32(b[16:])
	c.mu.Lock()
	defer c.mu.Unlock()
	if index != 0 && c.device != 0 && c.device != index {
		return unix.EINVAL
	}
	c.ip6.pktinfoIf = index
	return nil
}

// setPktOptions is IPV6_2292PKTOPTIONS: control messages of which those about
// extension headers stay.
func (c *common) setPktOptions(b []byte, raw bool) error {
	var e extensions
	for len(b) >= unix.SizeofCmsghdr {
		n := binary.NativeEndian.Uint64(b)
		if n < unix.SizeofCmsghdr || n > uint64(len(b)) {
			return unix.EINVAL
		}
		level, typ := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
		data := b[unix.SizeofCmsghdr:n]
		if level == unix.SOL_IPV6 {
			to := &e.dst
			switch typ {
			case unix.IPV6_HOPOPTS, unix.IPV6_2292HOPOPTS:
				to = &e.hop
			case unix.IPV6_DSTOPTS, unix.IPV6_2292DSTOPTS:
			case unix.IPV6_PKTINFO, unix.IPV6_2292PKTINFO, unix.IPV6_HOPLIMIT, unix.IPV6_2292HOPLIMIT, unix.IPV6_TCLASS, unix.IPV6_DONTFRAG:
				to = nil // of one message, not of a socket
			default:
				return unix.EINVAL
			}
			if to != nil {
				h, err := ExtensionHeader(data)
				if err != nil || *to != nil {
					return unix.EINVAL
				}
				if !raw {
					return unix.EPERM
				}
				*to = slices.Clone(h)
			}
		}
		b = b[min(uint64(len(b)), (n+7)&^7):]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ip6.ext = e
	return nil
}

// pathMTUInfo is IPV6_PATHMTU: struct ip6_mtuinfo.
func (c *common) pathMTUInfo(room int) ([]byte, error) {
	const size = 32
	if room < size {
		return nil, unix.EINVAL
	}
	b, err := c.pathMTU(4)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, size-4), b...), nil
}

// extensionLen is how many bytes of extension headers packets get.
func (o *sendOptions) extensionLen() int {
	return len(o.hopByHop) + len(o.dstOpts) + len(o.routing) + len(o.rtDst)
}

// prependExtensions puts the extension headers before a transport's packet to end,
// and returns what the first of them, or the packet, is.
func (o *sendOptions) prependExtensions(x *buffer.Packet, end netip.Addr) header.Protocol {
	next := header.Protocol(o.proto)
	put := func(h []byte, kind header.Protocol) []byte {
		if len(h) == 0 {
			return nil
		}
		b := x.Prepend(len(h))
		copy(b, h)
		b[0] = uint8(next)
		next = kind
		return b
	}
	put(o.dstOpts, header.ProtocolDestOpts)
	if b := put(o.routing, header.ProtocolRouting); b != nil {
		header.IPv6Routing(b).SetSegment(0, end)
	}
	put(o.rtDst, header.ProtocolDestOpts)
	put(o.hopByHop, header.ProtocolHopByHop)
	return next
}

// extensionsOf returns a copy of the extension headers of a packet that is trimmed
// to its transport's header: what the first one is, and all of them. Nil is none.
func extensionsOf(p *buffer.Packet) []byte {
	k := p.TransportOffset - p.NetOffset
	if k <= header.IPv6Size || k > p.Trimmed() {
		return nil
	}
	p.Restore(k)
	b := append([]byte{p.Head()[6]}, p.Head()[header.IPv6Size:k]...)
	p.TrimFront(k)
	return b
}

// Extension is an extension header of IPv6.
type Extension struct {
	Kind  uint8 // IPPROTO_HOPOPTS and its like
	Bytes []byte
}

// Extensions splits the extension headers of a message.
func Extensions(first uint8, b []byte) []Extension {
	var out []Extension
	it := header.WalkIPv6Extensions(header.Protocol(first), b)
	for e, ok := it.Next(); ok; e, ok = it.Next() {
		out = append(out, Extension{uint8(e.Kind()), e.Bytes()})
	}
	return out
}

// flowLabel is a label for packets of a flow: the same for all of them.
func (p *path) flowLabel(o *sendOptions, x *buffer.Packet) uint32 {
	var sport, dport uint16
	if o.proto == unix.IPPROTO_TCP || isUDP(int(o.proto)) {
		var b [4]byte
		x.CopyTo(b[:], 0)
		sport, dport = binary.BigEndian.Uint16(b[:]), binary.BigEndian.Uint16(b[2:])
	}
	key := tupleOf(o.proto, netip.AddrPortFrom(p.src, sport), netip.AddrPortFrom(p.end(), dport))
	label := uint32(key.hash(p.stack.demux.secret)) & flowLabelMask
	if p.stack.tune(tV6FlowlabelStateRanges) != 0 {
		label |= flowLabelStateless
	}
	return label
}

// The 20 bits of a flow label, of which the first says that nobody keeps it
// (net.ipv6.flowlabel_state_ranges).
const (
	flowLabelMask      = 0xfffff
	flowLabelStateless = 0x80000
)
