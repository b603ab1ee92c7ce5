package netproxy

import (
	"net/netip"
	"sync"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/header"
	"hull/netstack/link"
)

// listenPort is where the proxy's stack takes connections. The guest cannot reach
// it as such: what it sends there is a connection to the host's port of that number.
const listenPort = 1

// translator stands between the link and the stack.
//
//	guest → stack   src 10.0.2.15:p dst D:q   becomes   src 10.0.2.15:alias dst 10.0.2.2:listenPort
//	stack → guest   the opposite
//
// The alias is p, if no other connection of the guest has it.
type translator struct {
	link.Endpoint // the pipe
	p             *Proxy

	mu       sync.Mutex // guards what follows; a leaf
	up       link.Dispatcher
	byKey    map[key]*flow
	byAlias  map[alias]*flow
	next     uint16                        // the port of the last alias that was not the guest's own port
	expired  time.Time                     // when what is over was last looked for
	datagram map[netip.AddrPort]*datagrams // by the guest's address
	echoes   map[echoKey]*echo
	bound    map[netip.AddrPort]int // addresses of the stack's own sockets of UDP

	fragments *frag.Reassembler // immutable; it has a lock of its own
}

// key is a connection as the guest sees it.
type key struct{ src, dst netip.AddrPort }

// alias is the guest's side of a connection as the stack sees it.
type alias = netip.AddrPort

// The bounds of the tables.
const (
	maxFlows     = 16384
	maxDatagrams = 4096
	maxEchoes    = 256
)

func newTranslator(p *Proxy, e link.Endpoint) *translator {
	return &translator{
		Endpoint: e, p: p, byKey: map[key]*flow{}, byAlias: map[alias]*flow{}, datagram: map[netip.AddrPort]*datagrams{}, echoes: map[echoKey]*echo{},
		bound: map[netip.AddrPort]int{}, fragments: frag.New(frag.DefaultConfig(fragmentPatience)),
	}
}

// Attach implements link.Endpoint.
func (t *translator) Attach(d link.Dispatcher) {
	if d == nil {
		t.Endpoint.Attach(nil)
		return
	}
	t.mu.Lock()
	t.up = d
	t.mu.Unlock()
	t.Endpoint.Attach(t)
}

// LinkChanged implements link.Dispatcher. A link that is down has no other end any
// more.
func (t *translator) LinkChanged(up bool, mtu int) {
	t.up.LinkChanged(up, mtu)
	if !up {
		t.p.stop()
	}
}

// Deliver implements link.Dispatcher: what the guest sends.
func (t *translator) Deliver(ps []*buffer.Packet) {
	kept := ps[:0]
	for _, p := range ps {
		if p = t.whole(p); p != nil && t.in(p) {
			kept = append(kept, p)
		}
	}
	if len(kept) > 0 {
		t.up.Deliver(kept)
	}
}

// in handles one packet, and reports whether it is for the stack. Others are taken.
func (t *translator) in(p *buffer.Packet) bool {
	f, ok := parse(p)
	if !ok {
		p.Release()
		return false
	}
	switch {
	case f.proto == 0: // not of IP: ARP
		return true
	case f.src != guestAddr4() && f.src != guestAddr6():
		if f.proto == header.ProtocolICMPv6 {
			return true // of the link: an address that is being made sure of
		}
		p.Release()
		return false
	case f.proto == header.ProtocolTCP:
		return t.tcpIn(p, f)
	case f.proto == header.ProtocolUDP:
		return t.udpIn(p, f)
	case f.isEcho(p) && !t.own(f.dst):
		t.echoIn(p, f)
		return false
	case f.proto == header.ProtocolICMP, f.proto == header.ProtocolICMPv6:
		return true
	}
	p.Release()
	return false
}

// own reports whether an address is the stack's.
func (t *translator) own(a netip.Addr) bool {
	return a == hostAddr4() || a == hostAddr6() || a == dnsAddr4() || a == dnsAddr6()
}

// Send implements link.Endpoint: what the stack sends.
func (t *translator) Send(ps []*buffer.Packet) (int, error) {
	n := len(ps)
	kept := ps[:0]
	for _, p := range ps {
		if t.out(p) {
			kept = append(kept, p)
		} else {
			p.Release()
		}
	}
	if len(kept) > 0 {
		if sent, err := t.Endpoint.Send(kept); err != nil || sent < len(kept) {
			return sent, err
		}
	}
	return n, nil
}

// frame is what is known of a packet: zero protocol if it is not of IP.
type frame struct {
	proto     header.Protocol
	src, dst  netip.Addr
	net, tran int // where headers start in the head
	size      int // of the transport's header and payload
}

// parse reads the headers of a packet. It is false for one that is broken, or a piece
// of another.
func parse(p *buffer.Packet) (f frame, ok bool) {
	b := p.Head()
	e := header.Ethernet(b)
	if !e.Valid() {
		return f, false
	}
	f.net = header.EthernetSize
	rest, whole := b[f.net:], p.Len()-f.net
	switch e.Type() {
	case header.EtherTypeARP:
		return f, true
	case header.EtherTypeIPv4:
		h := header.IPv4(rest)
		if !h.Valid(whole) || h.IsFragment() || !h.ChecksumValid() {
			return f, false
		}
		f.proto, f.src, f.dst = h.Protocol(), h.SrcAddr(), h.DstAddr()
		f.tran, f.size = f.net+h.IHL(), int(h.TotalLen())-h.IHL()
	case header.EtherTypeIPv6:
		h := header.IPv6(rest)
		if !h.Valid(whole) {
			return f, false
		}
		it := header.WalkIPv6Extensions(h.Next(), rest[header.IPv6Size:])
		for _, more := it.Next(); more; _, more = it.Next() {
			if it.Protocol() == header.ProtocolFragment {
				return f, false
			}
		}
		f.size = int(h.PayloadLen()) - it.Offset()
		if it.Err() || f.size < 0 {
			return f, false
		}
		f.proto, f.src, f.dst, f.tran = it.Protocol(), h.SrcAddr(), h.DstAddr(), f.net+header.IPv6Size+it.Offset()
	default:
		return f, false
	}
	return f, f.proto != 0
}

// transport is the transport's header, as far as it is in the head.
func (f *frame) transport(p *buffer.Packet) []byte { return p.Head()[f.tran:] }

// rewrite changes the addresses and ports of a packet of TCP.
func (f *frame) rewrite(p *buffer.Packet, src, dst netip.AddrPort) {
	b := p.Head()
	tcp := header.TCP(b[f.tran:])
	// Of a checksum that the link fills in, the sum stands there, not its complement.
	partial := p.Checksum == buffer.ChecksumPartial
	sum := tcp.Checksum()
	if partial {
		sum = ^sum
	}
	sum = header.ChecksumUpdateAddr(sum, f.src, src.Addr())
	sum = header.ChecksumUpdateAddr(sum, f.dst, dst.Addr())
	if !partial {
		sum = header.ChecksumUpdate(sum, tcp.SrcPort(), src.Port())
		sum = header.ChecksumUpdate(sum, tcp.DstPort(), dst.Port())
	}
	put16(b[f.tran:], src.Port())
	put16(b[f.tran+2:], dst.Port())
	if partial {
		sum = ^sum
	}
	tcp.SetChecksum(sum)
	if f.src.Is4() {
		ip := header.IPv4(b[f.net:])
		ip.SetSrcAddr(src.Addr())
		ip.SetDstAddr(dst.Addr())
		return
	}
	ip := header.IPv6(b[f.net:])
	ip.SetSrcAddr(src.Addr())
	ip.SetDstAddr(dst.Addr())
}

func put16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }
