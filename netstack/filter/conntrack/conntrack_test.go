package conntrack

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"hull/netstack/header"
)

func zeros(b []byte) { clear(b) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// packet4 is a packet of IPv4 with the ports and flags (of TCP), or of ICMP.
func packet4(src, dst string, proto header.Protocol, sport, dport uint16, flags header.TCPFlags) []byte {
	n := header.TCPMinSize
	if proto != header.ProtocolTCP {
		n = header.UDPSize
	}
	b := make([]byte, header.IPv4MinSize+n)
	header.IPv4(b).Encode(header.IPv4Fields{TotalLen: uint16(len(b)), TTL: 64, Protocol: proto, Src: addr(src), Dst: addr(dst)})
	t := b[header.IPv4MinSize:]
	switch proto {
	case header.ProtocolTCP:
		header.TCP(t).Encode(header.TCPFields{SrcPort: sport, DstPort: dport, Flags: flags})
	case header.ProtocolUDP:
		header.UDP(t).Encode(header.UDPFields{SrcPort: sport, DstPort: dport, Length: uint16(n)})
	case header.ProtocolICMP:
		t[0], t[1] = uint8(dport>>8), uint8(dport)
		binary.BigEndian.PutUint16(t[4:], sport)
	}
	return b
}

func parse(t *testing.T, b []byte) *Packet {
	t.Helper()
	p, ok := Parse(b, b[0]>>4 == 6, len(b))
	if !ok {
		t.Fatal("no packet")
	}
	return &p
}

const sec = int64(time.Second)

// A connection of TCP from its SYN to its end, as conntrack(8) would show it.
func TestTCPTrace(t *testing.T) {
	tab := NewTable(zeros)
	const S, A, F, R = header.SYN, header.ACK, header.FIN, header.RST
	now := sec
	for i, c := range []struct {
		reply bool
		flags header.TCPFlags
		state State
		tcp   TCPState
	}{
		{false, S, New, TCPSynSent},
		{false, S, New, TCPSynSent},
		{true, S | A, Established, TCPSynRecv},
		{false, A, Established, TCPEstablished},
		{true, A, Established, TCPEstablished},
		{false, F | A, Established, TCPFinWait},
		{true, A, Established, TCPCloseWait},
		{true, F | A, Established, TCPLastAck},
		{false, A, Established, TCPTimeWait},
		{false, S, New, TCPSynSent}, // the tuple is used again
		{true, R | A, Established, TCPClose},
		{false, S, New, TCPSynSent},
		{true, F, Invalid, 0},
		{true, 0, Invalid, 0},
	} {
		b := packet4("10.0.0.1", "10.0.0.2", header.ProtocolTCP, 4000, 80, c.flags)
		if c.reply {
			b = packet4("10.0.0.2", "10.0.0.1", header.ProtocolTCP, 80, 4000, c.flags)
		}
		r := tab.Track(parse(t, b), nil, now)
		if r.State != c.state || r.Conn != nil && (r.Conn.TCP() != c.tcp || r.Reply != c.reply) {
			t.Fatalf("%d: %v %v, want %v %v", i, r.State, r.Conn.TCP(), c.state, c.tcp)
		}
		if !tab.Confirm(r, now) {
			t.Fatalf("%d: not confirmed", i)
		}
		now += sec / 10
	}
	if tab.Len() != 1 {
		t.Errorf("%d connections", tab.Len())
	}
	if len(tab.All(now+200*sec)) != 0 {
		t.Error("it does not expire")
	}
}

func TestUDPAndICMP(t *testing.T) {
	tab := NewTable(zeros)
	see := func(b []byte, now int64) *Ref {
		r := tab.Track(parse(t, b), b[28:], now)
		tab.Confirm(r, now)
		return r
	}
	out := packet4("10.0.0.1", "10.0.0.2", header.ProtocolUDP, 4000, 53, 0)
	if r := see(out, sec); r.State != New || r.Conn.Deadline() != 31*sec {
		t.Errorf("%+v", r)
	}
	in := packet4("10.0.0.2", "10.0.0.1", header.ProtocolUDP, 53, 4000, 0)
	if r := see(in, 2*sec); r.State != Established || !r.Reply {
		t.Errorf("%+v", r)
	}
	see(out, 5*sec)
	if r := see(out, 6*sec); r.State != Established || r.Conn.Status()&Assured == 0 || r.Conn.Deadline() != 126*sec {
		t.Errorf("no stream: %+v", r.Conn.Status())
	}
	// An error that quotes the query is related to it, and comes as an answer.
	e := append(packet4("10.0.0.9", "10.0.0.1", header.ProtocolICMP, 0, 3<<8|3, 0), out...)
	binary.BigEndian.PutUint16(e[2:], uint16(len(e)))
	if r := see(e, 7*sec); r.State != Related || !r.Reply || r.Conn == nil {
		t.Errorf("error: %+v", r)
	}
	// One that quotes something else is related to nothing.
	other := packet4("10.0.0.1", "10.0.0.2", header.ProtocolUDP, 4001, 53, 0)
	if r := see(append(e[:28:28], other...), 7*sec); r.State != Invalid {
		t.Errorf("foreign error: %+v", r)
	}
	ping := packet4("10.0.0.1", "10.0.0.2", header.ProtocolICMP, 77, 8<<8, 0)
	if r := see(ping, 8*sec); r.State != New {
		t.Errorf("%+v", r)
	}
	pong := packet4("10.0.0.2", "10.0.0.1", header.ProtocolICMP, 77, 0, 0)
	if r := see(pong, 8*sec); r.State != Established || !r.Reply {
		t.Errorf("%+v", r)
	}
	if r := see(packet4("10.0.0.2", "10.0.0.1", header.ProtocolICMP, 78, 0, 0), 8*sec); r.State != Invalid {
		t.Errorf("an answer that nobody asked for: %+v", r)
	}
}

// Many hosts behind one address: each has a port of its own, and answers find back.
func TestMasquerade(t *testing.T) {
	tab := NewTable(zeros)
	now := sec
	r := Range{Flags: RangeMapIPs, MinAddr: addr("192.0.2.1"), MaxAddr: addr("192.0.2.1")}
	seen := map[uint16]bool{}
	for i := range 50 {
		host := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}).String()
		ref := tab.Track(parse(t, packet4(host, "198.51.100.1", header.ProtocolTCP, 4000, 80, header.SYN)), nil, now)
		tab.SetNAT(ref.Conn, true, &r, now)
		tab.SetNAT(ref.Conn, false, &Range{}, now)
		if !tab.Confirm(ref, now) {
			t.Fatalf("%d: no tuple", i)
		}
		to, ok := ref.Target(true)
		if !ok || to.Src != r.MinAddr || to.Dst != addr("198.51.100.1") || seen[to.SrcPort] || i == 0 && to.SrcPort != 4000 {
			t.Fatalf("%d: %+v %v", i, to, ok)
		}
		seen[to.SrcPort] = true
		back := tab.Track(parse(t, packet4("198.51.100.1", "192.0.2.1", header.ProtocolTCP, 80, to.SrcPort, header.SYN|header.ACK)), nil, now)
		if back.Conn != ref.Conn || !back.Reply {
			t.Fatalf("%d: the answer is of %+v", i, back)
		}
		if to, ok := back.Target(false); !ok || to.Dst.String() != host || to.DstPort != 4000 {
			t.Fatalf("%d: the answer goes to %+v %v", i, to, ok)
		}
		if _, ok := back.Target(true); ok {
			t.Fatal("the answer's source changes too")
		}
	}
}

func TestDestination(t *testing.T) {
	tab := NewTable(zeros)
	ref := tab.Track(parse(t, packet4("198.51.100.9", "192.0.2.1", header.ProtocolTCP, 999, 8080, header.SYN)), nil, sec)
	r := Range{Flags: RangeMapIPs | RangeProtoSpecified, MinAddr: addr("10.0.0.7"), MaxAddr: addr("10.0.0.7"), MinPort: 80, MaxPort: 80}
	tab.SetNAT(ref.Conn, false, &r, sec)
	tab.SetNAT(ref.Conn, true, &Range{}, sec)
	if !tab.Confirm(ref, sec) {
		t.Fatal("not translated")
	}
	if to, ok := ref.Target(false); !ok || to.Dst != addr("10.0.0.7") || to.DstPort != 80 {
		t.Errorf("%+v %v", to, ok)
	}
	back := tab.Track(parse(t, packet4("10.0.0.7", "198.51.100.9", header.ProtocolTCP, 80, 999, header.SYN|header.ACK)), nil, sec)
	if to, ok := back.Target(true); !ok || to.Src != addr("192.0.2.1") || to.SrcPort != 8080 {
		t.Errorf("%+v %v", to, ok)
	}
}

// The table does not grow without bound, and what is assured stays.
func TestBound(t *testing.T) {
	tab := NewTable(zeros)
	k := tab.Tunables()
	k.Max = 100
	tab.SetTunables(k)
	keep := tab.Track(parse(t, packet4("10.9.9.9", "10.0.0.2", header.ProtocolTCP, 1, 80, header.SYN)), nil, sec)
	tab.Confirm(keep, sec)
	keep.Conn.set(Assured)
	for i := range 5000 {
		host := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()
		r := tab.Track(parse(t, packet4(host, "10.0.0.2", header.ProtocolUDP, 1, 53, 0)), nil, sec)
		if !tab.Confirm(r, sec) {
			t.Fatal("an unanswered query keeps others out")
		}
	}
	if tab.Len() > 100 || len(tab.All(sec)) != tab.Len() {
		t.Errorf("%d connections, %d of them shown", tab.Len(), len(tab.All(sec)))
	}
	if _, ok := tab.Find(keep.Conn.Original(), sec); !ok {
		t.Error("the assured one is gone")
	}
	for _, c := range tab.All(sec) {
		_ = tab.Delete(c)
	}
	if tab.Len() != 0 {
		t.Errorf("%d are left", tab.Len())
	}
}

func FuzzTrack(f *testing.F) {
	f.Add(packet4("10.0.0.1", "10.0.0.2", header.ProtocolTCP, 1, 2, header.SYN), false)
	f.Add(append(packet4("10.0.0.9", "10.0.0.1", header.ProtocolICMP, 0, 3<<8|3, 0), packet4("10.0.0.1", "10.0.0.2", header.ProtocolUDP, 1, 2, 0)...), false)
	f.Add(make([]byte, 60), true)
	tab := NewTable(zeros)
	now := sec
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		now += sec
		p, ok := Parse(b, v6, len(b))
		if !ok {
			return
		}
		if p.Tuple.Inverse().Inverse() != p.Tuple {
			t.Fatalf("%+v is not its inverse's inverse", p.Tuple)
		}
		var quoted []byte
		if p.Error {
			quoted = b[p.Quoted:]
		}
		r := tab.Track(&p, quoted, now)
		if r.State == New && r.Conn.Status()&Confirmed == 0 {
			tab.SetNAT(r.Conn, true, &Range{Flags: RangeMapIPs, MinAddr: p.Tuple.Dst, MaxAddr: p.Tuple.Src}, now)
		}
		tab.Confirm(r, now)
	})
}

// A destination that two connections have after translation tells them apart by
// another port of the source.
func TestDestinationTaken(t *testing.T) {
	tab := NewTable(zeros)
	ref := tab.Track(parse(t, packet4("10.0.0.2", "10.0.0.1", header.ProtocolTCP, 10000, 5201, header.SYN)), nil, sec)
	if !tab.Confirm(ref, sec) {
		t.Fatal("the first one")
	}
	ref = tab.Track(parse(t, packet4("10.0.0.2", "10.96.0.1", header.ProtocolTCP, 10000, 443, header.SYN)), nil, sec)
	r := Range{Flags: RangeMapIPs | RangeProtoSpecified, MinAddr: addr("10.0.0.1"), MaxAddr: addr("10.0.0.1"), MinPort: 5201, MaxPort: 5201}
	tab.SetNAT(ref.Conn, false, &r, sec)
	tab.SetNAT(ref.Conn, true, &Range{}, sec)
	if !tab.Confirm(ref, sec) {
		t.Fatal("there was no way to tell them apart")
	}
	if to, ok := ref.Target(true); !ok || to.SrcPort == 10000 || to.Dst != addr("10.0.0.1") || to.DstPort != 5201 {
		t.Errorf("%+v %v", to, ok)
	}
}

// Datagrams that both ends send before either has heard of the other are of one
// connection, and are not translated.
func TestBothBegin(t *testing.T) {
	a, b := packet4("10.0.0.1", "10.0.0.2", header.ProtocolUDP, 7, 8, 0), packet4("10.0.0.2", "10.0.0.1", header.ProtocolUDP, 8, 7, 0)
	for name, second := range map[string][]byte{"the other end's": b, "another of the same": a} {
		tab := NewTable(zeros)
		x, y := tab.Track(parse(t, a), nil, sec), tab.Track(parse(t, second), nil, sec)
		if !tab.Confirm(x, sec) {
			t.Fatal("the first one")
		}
		tab.SetNAT(y.Conn, true, &Range{}, sec)
		if to, ok := y.Target(true); ok && name != "another of the same" {
			t.Errorf("%s: translated to %+v", name, to)
		}
		if name == "the other end's" && !tab.Confirm(y, sec) {
			t.Errorf("%s: refused", name)
		}
	}
	tab := NewTable(zeros)
	x, y := tab.Track(parse(t, a), nil, sec), tab.Track(parse(t, a), nil, sec)
	if !tab.Confirm(x, sec) || !tab.Confirm(y, sec) {
		t.Error("two datagrams at once: one was refused")
	}
	syn := packet4("10.0.0.1", "10.0.0.2", header.ProtocolTCP, 7, 8, header.SYN)
	x, y = tab.Track(parse(t, syn), nil, sec), tab.Track(parse(t, syn), nil, sec)
	if !tab.Confirm(x, sec) || tab.Confirm(y, sec) {
		t.Error("two SYNs at once are two connections")
	}
}

// What nobody answers ends in its time, however often it is tried.
func TestUnansweredSYN(t *testing.T) {
	tab := NewTable(zeros)
	syn := packet4("10.0.0.1", "10.0.0.2", header.ProtocolTCP, 7, 8, header.SYN)
	x := tab.Track(parse(t, syn), nil, 0)
	if !tab.Confirm(x, 0) {
		t.Fatal("refused")
	}
	for now := int64(0); now < 119*sec; now += 20 * sec {
		if y := tab.Track(parse(t, syn), nil, now); y.Conn != x.Conn {
			t.Fatalf("after %d s it is another one", now/sec)
		}
	}
	if y := tab.Track(parse(t, syn), nil, 121*sec); y.Conn == x.Conn {
		t.Error("SYNs that are sent again keep it")
	}
}

// A redirect of neighbour discovery is about the packet in one of its options.
func TestRedirected(t *testing.T) {
	ip := func(src, dst string, payload []byte) []byte {
		b := make([]byte, header.IPv6Size+len(payload))
		b[0], b[5], b[6], b[7] = 0x60, byte(len(payload)), byte(header.ProtocolICMPv6), 255
		copy(b[8:], netip.MustParseAddr(src).AsSlice())
		copy(b[24:], netip.MustParseAddr(dst).AsSlice())
		copy(b[header.IPv6Size:], payload)
		return b
	}
	tab := NewTable(zeros)
	asked := ip("fd00::1", "fd01::1", []byte{128, 0, 0, 0, 0, 7, 0, 1})
	x := tab.Track(parse(t, asked), nil, 0)
	if !tab.Confirm(x, 0) {
		t.Fatal("refused")
	}
	said := make([]byte, 40, 200)
	said[0] = 137
	said = append(said, 2, 1, 0, 0, 0, 0, 0, 0)
	said = append(said, 4, byte(1+len(asked)/8), 0, 0, 0, 0, 0, 0)
	said = append(said, asked...)
	b := ip("fe80::1", "fd00::1", said)
	p := parse(t, b)
	if !p.Error || p.Quoted != len(b)-len(asked) {
		t.Fatalf("%+v", p)
	}
	if r := tab.Track(p, b[p.Quoted:], 0); r.Conn != x.Conn || r.State != Related {
		t.Errorf("%+v", r)
	}
	said[40+8] = 9 // an option that is none of these
	if p := parse(t, ip("fe80::1", "fd00::1", said)); p.Error {
		t.Errorf("%+v", p)
	}
}
