package netproxy

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/ipv4"
	"hull/netstack/ipv6"
)

func hostUDP(t *testing.T, network, at string) (*net.UDPConn, uint16) {
	t.Helper()
	c, err := net.ListenPacket(network, net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn), uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// An address of the guest is one address to all, and whom the guest may reach may
// write to it without being asked.
func TestFullCone(t *testing.T) {
	for _, c := range []struct {
		network, loopback string
		host              netip.Addr
	}{{"udp4", "127.0.0.1", hostAddr4()}, {"udp6", "::1", hostAddr6()}} {
		a, portA := hostUDP(t, c.network, c.loopback)
		b, portB := hostUDP(t, c.network, c.loopback)
		x, portX := hostUDP(t, c.network, c.loopback)
		w := newWire()
		p := bare(Config{Policy: Policy{Host: true}}, w)
		buf := make([]byte, 100)
		var seen []string
		for _, to := range []struct {
			c    *net.UDPConn
			port uint16
		}{{a, portA}, {b, portB}} {
			p.t.Deliver([]*buffer.Packet{udp(p.pool, netip.AddrPortFrom(c.host, to.port), []byte("hello"))})
			n, from, err := to.c.ReadFromUDP(buf)
			if err != nil || string(buf[:n]) != "hello" {
				t.Fatal(n, err)
			}
			seen = append(seen, from.String())
		}
		if seen[0] != seen[1] {
			t.Errorf("one address of the guest is %v", seen)
		}
		at, err := net.ResolveUDPAddr(c.network, seen[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []struct {
			c    *net.UDPConn
			port uint16
		}{{b, portB}, {x, portX}, {a, portA}} {
			if _, err := from.c.WriteToUDP([]byte("unasked"), at); err != nil {
				t.Fatal(err)
			}
			ip := w.next(t)
			src, u := netip.Addr{}, header.UDP(nil)
			if c.host.Is4() {
				src, u = header.IPv4(ip).SrcAddr(), header.UDP(header.IPv4(ip).Payload())
			} else {
				src, u = header.IPv6(ip).SrcAddr(), header.UDP(header.IPv6(ip).Payload())
			}
			if src != c.host || u.SrcPort() != from.port || u.DstPort() != 4000 || string(u.Payload()) != "unasked" {
				t.Errorf("the guest gets %s", header.Packet(ip))
			}
		}
		p.t.mu.Lock()
		if len(p.t.datagram) != 1 {
			t.Errorf("%d sockets for one address of the guest", len(p.t.datagram))
		}
		p.t.mu.Unlock()
		p.t.flush()
	}
}

func TestStrangers(t *testing.T) {
	deny, err := ParseRule("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		policy Policy
		from   string
		want   string
	}{
		{Policy{}, "198.51.100.1:5", "198.51.100.1:5"},
		{Policy{Deny: []Rule{deny}}, "192.0.2.7:5", ""},
		{Policy{Allow: []Rule{deny}}, "192.0.2.7:5", "192.0.2.7:5"},
		{Policy{Allow: []Rule{deny}}, "198.51.100.1:5", ""},
		{Policy{}, "127.0.0.1:5", ""},
		{Policy{Host: true}, "127.0.0.1:5", "10.0.2.2:5"},
		{Policy{Host: true}, "[::1]:5", "[fd00::2]:5"},
		{Policy{}, "10.0.2.3:53", ""},
		{Policy{}, "[fd00::3]:53", ""},
		{Policy{}, "[::ffff:1.2.3.4]:5", ""},
		{Policy{}, "169.254.1.1:5", ""},
	} {
		p := bare(Config{Policy: k.policy}, newWire())
		got, ok := p.stranger(netip.MustParseAddrPort(k.from))
		if ok != (k.want != "") || ok && got.String() != k.want {
			t.Errorf("%s with %+v: %v %v, want %q", k.from, k.policy, got, ok, k.want)
		}
	}
}

// A datagram that the guest sends in pieces arrives whole, in whatever order they come.
func TestFragments(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 700)
	for _, c := range []struct {
		network, loopback string
		host              netip.Addr
	}{{"udp4", "127.0.0.1", hostAddr4()}, {"udp6", "::1", hostAddr6()}} {
		a, port := hostUDP(t, c.network, c.loopback)
		p := bare(Config{Policy: Policy{Host: true}}, newWire())
		x := udp(p.pool, netip.AddrPortFrom(c.host, port), data)
		x.Pull(x.Len())
		x.TrimFront(header.EthernetSize)
		var pieces []*buffer.Packet
		if c.host.Is4() {
			pieces = ipv4.Fragment(nil, x, 1500)
		} else {
			pieces = ipv6.Fragment(nil, x, 1500, 77)
		}
		if len(pieces) < 4 {
			t.Fatalf("%d pieces", len(pieces))
		}
		for i := range pieces { // the first one last
			f := pieces[len(pieces)-1-i]
			kind := header.EtherTypeIPv4
			if c.host.Is6() {
				kind = header.EtherTypeIPv6
			}
			p.t.Deliver([]*buffer.Packet{framed(f, kind)})
		}
		b := make([]byte, 70000)
		n, _, err := a.ReadFromUDP(b)
		if err != nil || !bytes.Equal(b[:n], data) {
			t.Errorf("%s: %d bytes, %v", c.network, n, err)
		}
		if n := p.t.fragments.Bytes(); n != 0 {
			t.Errorf("%d bytes are kept", n)
		}
		p.t.flush()
	}
}

// fragmentSeeds are first and last fragments of either family.
func fragmentSeeds() (all [][]byte) {
	pool := &buffer.Pool{}
	for _, to := range []string{"192.0.2.1:5", "[2001:db8::1]:5"} {
		x := udp(pool, netip.MustParseAddrPort(to), make([]byte, 2000))
		x.Pull(x.Len())
		x.TrimFront(header.EthernetSize)
		kind, pieces := header.EtherTypeIPv4, []*buffer.Packet(nil)
		if to[0] == '[' {
			kind, pieces = header.EtherTypeIPv6, ipv6.Fragment(nil, x, 1300, 77)
		} else {
			pieces = ipv4.Fragment(nil, x, 1300)
		}
		for _, p := range pieces {
			p = framed(p, kind)
			b := make([]byte, p.Len())
			p.CopyTo(b, 0)
			p.Release()
			all = append(all, b)
		}
	}
	return all
}
