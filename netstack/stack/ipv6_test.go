package stack

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/route"
)

// wire is a link that keeps what is sent: the test is its other end.
type wire struct {
	d    link.Dispatcher
	sent [][]byte
}

func (w *wire) Attach(d link.Dispatcher) {
	if d != nil {
		w.d = d
	}
}
func (w *wire) Close() error          { return nil }
func (w *wire) MTU() int              { return 1500 }
func (w *wire) Kind() link.Kind       { return link.Ethernet }
func (w *wire) Address() link.Address { return link.Address{2, 0, 0, 0, 0, 1} }
func (w *wire) Offload() link.Offload { return 0 }
func (w *wire) Send(ps []*buffer.Packet) (int, error) {
	for _, p := range ps {
		b := make([]byte, p.Len())
		p.CopyTo(b, 0)
		w.sent = append(w.sent, b)
		p.Release()
	}
	return len(ps), nil
}

// take returns what was sent, printed, and forgets it.
func (w *wire) take() []string {
	var out []string
	for _, b := range w.sent {
		switch p := b[header.EthernetSize:]; header.Ethernet(b).Type() {
		case header.EtherTypeIPv6:
			out = append(out, header.IPv6(p).String())
		case header.EtherTypeIPv4:
			out = append(out, header.IPv4(p).String())
		case header.EtherTypeARP:
			out = append(out, header.ARP(p).String())
		}
	}
	w.sent = nil
	return out
}

// router is the hardware address of the test's end.
func routerHW() link.Address { return link.Address{2, 0, 0, 0, 0, 9} }

// icmp6 delivers a message of ICMPv6 with its checksum.
func (w *wire) icmp6(s *Stack, src, dst string, hops uint8, msg []byte) {
	a, b := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	header.ICMPv6(msg).UpdateChecksum(a, b)
	p := s.cfg.Pool.NewPacket()
	copy(p.Prepend(len(msg)), msg)
	header.IPv6(p.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{
		PayloadLen: uint16(len(msg)), Next: header.ProtocolICMPv6, HopLimit: hops, Src: a, Dst: b,
	})
	hw := w.Address()
	if b.IsMulticast() {
		hw = header.EthernetMulticast(b)
	}
	header.Ethernet(p.Prepend(header.EthernetSize)).Encode(header.EthernetFields{Src: routerHW(), Dst: hw, Type: header.EtherTypeIPv6})
	w.d.Deliver([]*buffer.Packet{p})
}

// wired is a stack with one interface on a wire.
func wired(t testing.TB, v *virtual) (*Stack, *NIC, *wire) {
	t.Helper()
	s, w := testStack(t, v), &wire{}
	n, err := s.AddNIC(NICConfig{Name: "eth0", Link: w})
	if err != nil {
		t.Fatal(err)
	}
	up(t, n)
	return s, n, w
}

func has(list []string, want string) bool {
	for _, l := range list {
		if l == want {
			return true
		}
	}
	return false
}

func TestSLAAC(t *testing.T) {
	v := newClock()
	s, n, w := wired(t, v)
	if a := n.linkLocal(); a.IsValid() {
		t.Error("the link-local address is used before it is known to be ours")
	}
	v.advance(4 * time.Second)
	if a := n.linkLocal().String(); a != "fe80::ff:fe00:1" {
		t.Errorf("link-local address %s", a)
	}
	sent := w.take()
	if !has(sent, "IP6 :: > ff02::1:ff00:1: ICMP6, neighbor solicitation, who has fe80::ff:fe00:1, length 32") {
		t.Errorf("no duplicate address detection: %q", sent)
	}
	if !has(sent, "IP6 fe80::ff:fe00:1 > ff02::2: ICMP6, router solicitation, length 16") {
		t.Errorf("no router solicitation: %q", sent)
	}
	ra := make([]byte, header.NDRouterAdvertSize)
	header.NDRouterAdvert(ra).Encode(header.NDRouterAdvertFields{HopLimit: 61, Lifetime: 1800 * time.Second})
	ra = header.AppendNDPLink(ra, header.NDPOptSourceLink, routerHW())
	ra = header.NDPPrefix{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: 3 * time.Hour, Preferred: time.Hour}.Append(ra)
	w.icmp6(s, "fe80::9", "ff02::1", 64, ra) // it came from further than the link
	if n.find(netip.MustParseAddr("2001:db8:1::ff:fe00:1")) != nil {
		t.Error("an advertisement with a wrong hop limit is believed")
	}
	w.icmp6(s, "fe80::9", "ff02::1", 255, ra)
	v.advance(4 * time.Second)
	r, src, err := s.Lookup(&route.Flow{Dst: netip.MustParseAddr("2600::1")})
	if err != nil || r.Hop.Gateway.String() != "fe80::9" || src.String() != "2001:db8:1::ff:fe00:1" {
		t.Errorf("the way out: via %v from %v, %v", r.Hop.Gateway, src, err)
	}
	r, _, err = s.Lookup(&route.Flow{Dst: netip.MustParseAddr("2001:db8:1::77")})
	if err != nil || r.Hop.Gateway.IsValid() {
		t.Errorf("the prefix is not on the link: via %v, %v", r.Hop.Gateway, err)
	}
	v.advance(time.Hour + time.Minute)
	if f := n.find(src).flags.Load(); f&unix.IFA_F_DEPRECATED == 0 {
		t.Errorf("flags after the preferred lifetime: %#x", f)
	}
	if _, _, err = s.Lookup(&route.Flow{Dst: netip.MustParseAddr("2600::1")}); err != unix.ENETUNREACH {
		t.Errorf("the router's lifetime is over: %v", err)
	}
	v.advance(2 * time.Hour)
	if n.find(src) != nil {
		t.Error("the address outlived its lifetime")
	}
}

func TestDADConflict(t *testing.T) {
	v := newClock()
	s, n, w := wired(t, v)
	v.advance(3 * time.Second)
	addr(t, n, "2001:db8::1/64")
	ip := netip.MustParseAddr("2001:db8::1")
	na := make([]byte, header.NDNeighborSize)
	header.NDNeighbor(na).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborAdvert, Override: true, Target: ip})
	w.icmp6(s, "2001:db8::1", "ff02::1", 255, header.AppendNDPLink(na, header.NDPOptTargetLink, routerHW()))
	v.advance(3 * time.Second)
	if f := n.find(ip).flags.Load(); f&(unix.IFA_F_DADFAILED|unix.IFA_F_TENTATIVE) != unix.IFA_F_DADFAILED|unix.IFA_F_TENTATIVE {
		t.Errorf("flags %#x", f)
	}
	x := socket(t, s, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err := x.Bind(to("[2001:db8::1]:5"), true); err != unix.EADDRNOTAVAIL {
		t.Errorf("bind to an address of somebody else: %v", err)
	}
}

func TestNeighbourSolicited(t *testing.T) {
	v := newClock()
	s, n, w := wired(t, v)
	addr(t, n, "2001:db8::1/64")
	v.advance(3 * time.Second)
	w.take()
	ns := make([]byte, header.NDNeighborSize)
	header.NDNeighbor(ns).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: netip.MustParseAddr("2001:db8::1")})
	ns = header.AppendNDPLink(ns, header.NDPOptSourceLink, routerHW())
	w.icmp6(s, "2001:db8::9", "ff02::1:ff00:1", 255, ns)
	if sent := w.take(); !has(sent, "IP6 2001:db8::1 > 2001:db8::9: ICMP6, neighbor advertisement, tgt is 2001:db8::1, length 32") {
		t.Errorf("sent %q", sent)
	}
	echo := make([]byte, header.ICMPv6Size+4)
	header.ICMPv6(echo).Encode(header.ICMPv6Fields{Type: header.ICMPv6EchoRequest, ID: 7, Seq: 1})
	w.icmp6(s, "2001:db8::9", "2001:db8::1", 64, echo)
	if sent := w.take(); !has(sent, "IP6 2001:db8::1 > 2001:db8::9: ICMP6, echo reply, id 7, seq 1, length 12") {
		t.Errorf("sent %q", sent)
	}
	v.advance(20 * time.Second) // the neighbour does not answer when it is asked again
	if sent := w.take(); !has(sent, "IP6 2001:db8::1 > 2001:db8::9: ICMP6, neighbor solicitation, who has 2001:db8::9, length 32") {
		t.Errorf("no probe: %q", sent)
	}
}

// TestForward6 sends packets through a router between two stacks.
func TestForward6(t *testing.T) {
	v := newClock()
	a, r, b := testStack(t, v), testStack(t, v), testStack(t, v)
	join := func(s *Stack, name, own, others string) {
		n, err := s.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: name}, PeerStack: r})
		if err != nil {
			t.Fatal(err)
		}
		up(t, n)
		up(t, r.NICByName(name))
		addr(t, n, own)
		addr(t, r.NICByName(name), others)
		gw := netip.MustParsePrefix(others).Addr()
		if err := s.AddRoute(&route.Route{
			Dst: netip.MustParsePrefix("::/0"), Table: route.TableMain, Type: unix.RTN_UNICAST,
			Hops: []route.Hop{{Gateway: gw, OIF: n.index}},
		}, route.Exclusive); err != nil {
			t.Fatal(err)
		}
	}
	join(a, "left", "fd01::2/64", "fd01::1/64")
	join(b, "right", "fd02::2/64", "fd02::1/64")
	if err := r.SetTunable("ipv6/conf/all/forwarding", "1"); err != nil {
		t.Fatal(err)
	}
	mtu := 1300
	if err := r.NICByName("right").Change(Change{MTU: &mtu}); err != nil {
		t.Fatal(err)
	}
	v.advance(4 * time.Second)
	x, y := socket(t, a, unix.AF_INET6, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("[::]:9"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "hello", "[fd02::2]:9")
	wantRecv(t, y, "hello")
	big := string(make([]byte, 1400))
	sendTo(t, x, big, "[fd02::2]:9") // too big for the far side: the router says so
	if _, _, err := recv(y); err != unix.EAGAIN {
		t.Error("it arrived all the same", err)
	}
	sendTo(t, x, big, "[fd02::2]:9") // in fragments of what was learnt
	wantRecv(t, y, big)
	if n := r.counted(cIp6InTooBigErrors); n != 1 {
		t.Errorf("%d packets were too big", n)
	}
}

func TestRouteExpires(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	for i, p := range []string{"2001:db8:1::/48", "2001:db8:2::/48"} {
		r := &route.Route{
			Dst: netip.MustParsePrefix(p), Table: route.TableMain, Type: unix.RTN_UNICAST, Priority: 1024,
			Hops: []route.Hop{{OIF: a.NICByName("eth0").Index()}}, Expires: v.Now() + int64(i+1)*60e9,
		}
		if err := a.AddRoute(r, route.Exclusive); err != nil {
			t.Fatal(err)
		}
	}
	there := func(dst string) bool {
		_, _, err := a.Lookup(&route.Flow{Dst: netip.MustParseAddr(dst)})
		return err == nil
	}
	v.advance(59 * time.Second)
	if !there("2001:db8:1::1") || !there("2001:db8:2::1") {
		t.Error("a route is gone too early")
	}
	v.advance(2 * time.Second)
	if there("2001:db8:1::1") || !there("2001:db8:2::1") {
		t.Error("not the first route is gone after its time")
	}
	v.advance(time.Minute)
	if there("2001:db8:2::1") {
		t.Error("the second route stays")
	}
}
