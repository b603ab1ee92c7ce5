package stack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// target is a stack with sockets of all kinds, on which everything that can be
// turned on is.
func target(t testing.TB) (*virtual, *Stack, *wire) {
	v := newClock()
	s, n, w := wired(t, v)
	addr(t, n, "10.0.0.1/24")
	addr(t, n, "fd00::1/64")
	v.advance(5 * time.Second)
	for _, tune := range [][2]string{
		{"ipv4/ip_forward", "1"}, {"ipv4/ping_group_range", "0 1000"}, {"ipv6/conf/all/accept_ra", "2"}, {"ipv6/conf/eth0/accept_ra", "2"},
		{"ipv4/conf/all/proxy_arp", "1"}, {"ipv4/icmp_echo_ignore_broadcasts", "0"},
	} {
		if err := s.SetTunable(tune[0], tune[1]); err != nil {
			t.Fatal(tune, err)
		}
	}
	vlan, err := s.AddNIC(NICConfig{Kind: KindVLAN, Parent: n.Index(), VLAN: 5})
	if err != nil {
		t.Fatal(err)
	}
	up(t, vlan)
	addr(t, vlan, "10.5.0.1/24")
	for _, c := range []struct {
		family, typ, proto int
		bind               string
	}{
		{unix.AF_INET, unix.SOCK_DGRAM, 0, "0.0.0.0:53"}, {unix.AF_INET6, unix.SOCK_DGRAM, 0, "[::]:54"},
		{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, "0.0.0.0:7"}, {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6, "[::]:7"},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, ""}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, ""},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP, ""}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_TCP, ""},
	} {
		x := socket(t, s, c.family, c.typ, c.proto)
		if c.bind != "" {
			if err := x.Bind(to(c.bind), true); err != nil {
				t.Fatal(c, err)
			}
		}
	}
	l := socket(t, s, unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err := l.Bind(to("[::]:80"), true); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(16); err != nil {
		t.Fatal(err)
	}
	group := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := group.SetOption(unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, []byte{239, 1, 2, 3, 10, 0, 0, 1}, false, false); err != nil {
		t.Fatal(err)
	}
	socket(t, s, unix.AF_PACKET, unix.SOCK_RAW, int(networkOrder(unix.ETH_P_ALL)))
	socket(t, s, unix.AF_PACKET, unix.SOCK_DGRAM, int(networkOrder(unix.ETH_P_ALL)))
	return v, s, w
}

// deliver brings one frame in. mend puts its lengths and checksums right first, so
// that it gets further than the first check.
func (w *wire) deliver(s *Stack, frame []byte, mend bool) {
	b := append([]byte(nil), frame...)
	if mend {
		mendFrame(b)
	}
	p := s.cfg.Pool.NewPacket()
	for n := len(b); n > 0; {
		k := min(n, buffer.SmallChunk)
		c := s.cfg.Pool.Get(k)
		copy(c.Bytes()[:k], b[len(b)-n:])
		p.Append(buffer.NewView(c, 0, k))
		n -= k
	}
	w.d.Deliver([]*buffer.Packet{p})
}

// mendFrame puts right what would only have a frame dropped at once.
func mendFrame(b []byte) {
	if len(b) < header.EthernetSize+header.IPv4MinSize {
		return
	}
	ip := b[header.EthernetSize:]
	switch header.Ethernet(b).Type() {
	case header.EtherTypeIPv4:
		h := header.IPv4(ip)
		ip[0] = 0x40 | ip[0]&15
		if h.IHL() < header.IPv4MinSize || h.IHL() > len(ip) {
			ip[0] = 0x45
		}
		h.SetTotalLen(uint16(min(len(ip), 65535)))
		h.UpdateChecksum()
		mendTransport(ip[h.IHL():], h.Protocol(), h.SrcAddr(), h.DstAddr())
	case header.EtherTypeIPv6:
		if len(ip) < header.IPv6Size {
			return
		}
		ip[0] = 0x60 | ip[0]&15
		h := header.IPv6(ip)
		h.SetPayloadLen(uint16(min(len(ip)-header.IPv6Size, 65535)))
		it := h.Extensions()
		for _, more := it.Next(); more; _, more = it.Next() {
		}
		if !it.Err() {
			mendTransport(ip[it.Offset():], it.Protocol(), h.SrcAddr(), h.DstAddr())
		}
	}
}

func mendTransport(b []byte, proto header.Protocol, src, dst netip.Addr) {
	at, sum := 0, header.PseudoHeader(proto, src, dst, len(b))
	switch proto {
	case header.ProtocolTCP:
		at = header.TCPChecksumOffset
	case header.ProtocolUDP:
		at = header.UDPChecksumOffset
		if len(b) >= header.UDPSize {
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		}
	case header.ProtocolICMP, header.ProtocolIGMP:
		at, sum = 2, 0
	case header.ProtocolICMPv6:
		at = header.ICMPv6ChecksumOffset
	default:
		return
	}
	if len(b) < at+2 {
		return
	}
	putUint16(b[at:], 0)
	putUint16(b[at:], ^header.Checksum(b, sum))
}

// frame4 and frame6 are frames of a packet to the target.
func frame4(proto header.Protocol, dst string, payload []byte) []byte {
	b := make([]byte, header.EthernetSize+header.IPv4MinSize, 64+len(payload))
	header.Ethernet(b).Encode(header.EthernetFields{Src: routerHW(), Dst: (*wire)(nil).Address(), Type: header.EtherTypeIPv4})
	header.IPv4(b[header.EthernetSize:]).Encode(header.IPv4Fields{TotalLen: uint16(20 + len(payload)), TTL: 64, Protocol: proto,
		Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr(dst)})
	return append(b, payload...)
}

func frame6(next header.Protocol, hops uint8, src, dst string, payload []byte) []byte {
	b := make([]byte, header.EthernetSize+header.IPv6Size, 64+len(payload))
	hw := (*wire)(nil).Address()
	if a := netip.MustParseAddr(dst); a.IsMulticast() {
		hw = header.EthernetMulticast(a)
	}
	header.Ethernet(b).Encode(header.EthernetFields{Src: routerHW(), Dst: hw, Type: header.EtherTypeIPv6})
	header.IPv6(b[header.EthernetSize:]).Encode(header.IPv6Fields{PayloadLen: uint16(len(payload)), Next: next, HopLimit: hops,
		Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)})
	return append(b, payload...)
}

// seeds is one frame of each kind that the stack knows.
func seeds() [][]byte {
	udp := []byte{0, 99, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'}
	syn := []byte{0, 99, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4}
	arp := make([]byte, header.EthernetSize+header.ARPSize)
	header.Ethernet(arp).Encode(header.EthernetFields{Src: routerHW(), Dst: [6]byte{255, 255, 255, 255, 255, 255}, Type: header.EtherTypeARP})
	header.ARP(arp[header.EthernetSize:]).Encode(header.ARPFields{Op: header.ARPRequest, SenderHW: routerHW(),
		SenderAddr: netip.MustParseAddr("10.0.0.9"), TargetAddr: netip.MustParseAddr("10.0.0.1")})
	ns := make([]byte, header.NDNeighborSize)
	header.NDNeighbor(ns).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: netip.MustParseAddr("fd00::1")})
	ra := make([]byte, header.NDRouterAdvertSize)
	header.NDRouterAdvert(ra).Encode(header.NDRouterAdvertFields{Lifetime: time.Hour})
	ra = header.NDPPrefix{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Autonomous: true, Valid: time.Hour, Preferred: time.Hour}.Append(ra)
	rd := make([]byte, header.NDRedirectSize)
	header.NDRedirect(rd).Encode(netip.MustParseAddr("fe80::7"), netip.MustParseAddr("2600::1"))
	query := []byte{0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 1, 10, 0, 0, 9}
	mld := append([]byte{58, 0, 5, 2, 0, 0, 1, 0, 130, 0, 0, 0, 3, 0xe8, 0, 0}, make([]byte, 20)...)
	fragment := func(more bool, off int) []byte {
		f := make([]byte, header.IPv6FragmentSize, 64)
		header.IPv6Fragment(f).Encode(header.IPv6FragmentFields{Next: header.ProtocolUDP, Offset: off, More: more, ID: 3})
		return append(f, make([]byte, 16)...)
	}
	quote := frame6(header.ProtocolUDP, 64, "fd00::1", "fd00::9", udp)[header.EthernetSize:]
	tooBig := append([]byte{2, 0, 0, 0, 0, 0, 5, 0}, quote...)
	quote4 := frame4(header.ProtocolUDP, "10.0.0.9", udp)[header.EthernetSize:]
	part := frame4(header.ProtocolUDP, "10.0.0.1", udp)
	part[header.EthernetSize+6] = 0x20
	vlan := append([]byte(nil), arp[:12]...)
	vlan = append(append(vlan, 0x81, 0, 0, 5), arp[12:]...)
	return [][]byte{
		arp, vlan, frame4(header.ProtocolUDP, "10.0.0.1", udp), frame4(header.ProtocolTCP, "10.0.0.1", syn), part,
		frame4(header.ProtocolICMP, "10.0.0.1", []byte{8, 0, 0, 0, 0, 7, 0, 1}), frame4(header.ProtocolICMP, "10.0.0.1", append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quote4...)),
		frame4(header.ProtocolIGMP, "224.0.0.1", query), frame4(header.ProtocolUDP, "10.0.0.255", udp), frame4(header.ProtocolUDP, "192.0.2.1", udp),
		frame6(header.ProtocolUDP, 64, "fd00::9", "fd00::1", udp), frame6(header.ProtocolTCP, 64, "fd00::9", "fd00::1", syn),
		frame6(header.ProtocolICMPv6, 64, "fd00::9", "fd00::1", []byte{128, 0, 0, 0, 0, 7, 0, 1}),
		frame6(header.ProtocolICMPv6, 255, "fd00::9", "ff02::1:ff00:1", header.AppendNDPLink(ns, header.NDPOptSourceLink, routerHW())),
		frame6(header.ProtocolICMPv6, 255, "fe80::9", "ff02::1", ra), frame6(header.ProtocolICMPv6, 255, "fe80::9", "fd00::1", rd),
		frame6(header.ProtocolICMPv6, 64, "fd00::9", "fd00::1", tooBig), frame6(header.ProtocolHopByHop, 1, "fe80::9", "ff02::1", mld),
		frame6(header.ProtocolFragment, 64, "fd00::9", "fd00::1", fragment(true, 0)), frame6(header.ProtocolFragment, 64, "fd00::9", "fd00::1", fragment(false, 16)),
	}
}

// TestSeeds delivers the frames that the fuzzer begins with, in each order of two.
func TestSeeds(t *testing.T) {
	v, s, w := target(t)
	for _, a := range seeds() {
		for _, b := range seeds() {
			w.deliver(s, a, true)
			w.deliver(s, b, true)
			v.advance(time.Second)
		}
	}
	if s.counted(cIp6ReasmOKs) == 0 || s.counted(cIcmpInEchos) == 0 || s.counted(cIcmp6InPktTooBigs) == 0 || s.counted(cUdpInDatagrams) == 0 {
		t.Error("the seeds do not reach what they are for")
	}
}

// TestMutations delivers frames that are spoilt in a few places, to a stack that
// lives on: what one frame leaves behind meets the next.
func TestMutations(t *testing.T) {
	v, s, w := target(t)
	seed := time.Now().UnixNano()
	defer func() {
		if t.Failed() {
			t.Log("the seed is", seed)
		}
	}()
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	kinds := seeds()
	for i := range 20000 {
		b := append([]byte(nil), kinds[r.IntN(len(kinds))]...)
		for range r.IntN(4) {
			switch at := r.IntN(len(b)); r.IntN(5) {
			case 0:
				b[at] = byte(r.Uint32())
			case 1:
				b[at] ^= 1 << r.IntN(8)
			case 2:
				b = b[:max(at, 1)]
			case 3: // a piece of another one
				o := kinds[r.IntN(len(kinds))]
				b = append(b[:at:at], o[r.IntN(len(o)):]...)
			default:
				b = append(b, make([]byte, r.IntN(100))...)
			}
		}
		w.deliver(s, b, r.IntN(8) != 0)
		w.sent = nil
		if i%16 == 0 {
			v.advance(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
	}
}

// TestFloods sends a great many frames of each kind that the stack keeps something
// for, and looks at how much it keeps.
func TestFloods(t *testing.T) {
	_, s, w := target(t)
	udp := []byte{0, 99, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'}
	for i := range 20000 {
		f := frame4(header.ProtocolUDP, "10.0.0.1", udp)
		f[header.EthernetSize+6] = 0x20 // more fragments, which never come
		putUint16(f[header.EthernetSize+4:], uint16(i))
		f[header.EthernetSize+15] = byte(i >> 16)
		w.deliver(s, f, true)
		ns := make([]byte, header.NDNeighborSize)
		header.NDNeighbor(ns).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: netip.MustParseAddr("fd00::1")})
		n := frame6(header.ProtocolICMPv6, 255, "fd00::9", "ff02::1:ff00:1", header.AppendNDPLink(ns, header.NDPOptSourceLink, routerHW()))
		binary.BigEndian.PutUint32(n[header.EthernetSize+20:], uint32(i)) // from another neighbour
		w.deliver(s, n, true)
		ra := make([]byte, header.NDRouterAdvertSize)
		header.NDRouterAdvert(ra).Encode(header.NDRouterAdvertFields{Lifetime: time.Hour})
		pre := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 4: byte(i >> 8), 5: byte(i)}), 64)
		ra = header.NDPPrefix{Prefix: pre, OnLink: true, Autonomous: true, Valid: time.Hour, Preferred: time.Hour}.Append(ra)
		r := frame6(header.ProtocolICMPv6, 255, "fe80::9", "ff02::1", ra)
		binary.BigEndian.PutUint32(r[header.EthernetSize+20:], uint32(i)) // another router
		w.deliver(s, r, true)
		w.sent = nil
	}
	n := s.NICByName("eth0")
	if b := s.frags4.Bytes(); b > 4<<20 {
		t.Errorf("%d bytes of fragments", b)
	}
	if k := len(n.nd6.routes); k > maxRouterRoutes {
		t.Errorf("%d routes of routers", k)
	}
	if k := len(n.list6()); k > 32 {
		t.Errorf("%d addresses", k)
	}
	if k := len(n.ndp.List()); k > 1024+8 {
		t.Errorf("%d neighbours", k)
	}
}
