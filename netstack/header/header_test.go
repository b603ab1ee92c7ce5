package header

import (
	"net/netip"
	"testing"
	"time"
)

// What is printed of frames is what tcpdump prints, but for its details.
func TestPrint(t *testing.T) {
	want := []string{
		"IP 10.0.0.1.54321 > 10.0.0.2.80: Flags [S], seq 1804289383, win 64240, options [mss 1460,sackOK,TS val 10000000 ecr 0,nop,wscale 10], length 0",
		"IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 16",
		"vlan 7, IP (tos 0x0, id 1, offset 0, flags [+]) 10.0.0.1.53 > 10.0.0.2.54321: UDP, length 16",
		"IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 32",
		"IP6 fe80::1 > ff02::1: ICMP6, router advertisement, length 64",
		"IP6 HBH fe80::1 > ff02::16: ICMP6, multicast listener report v2, 1 group record(s), length 28",
		"IP (tos 0xc0, id 0, offset 0) 10.0.0.1 > 224.0.0.22: igmp v3 report, 1 group record(s)",
		"ARP, Request who-has 10.0.0.2 tell 10.0.0.1",
	}
	for i, s := range samples() {
		if got := Frame(unhex(s)); got != want[i] {
			t.Errorf("%s\nprints  %s\nnot     %s", s, got, want[i])
		}
	}
}

// RFC 1071 section 3 has the example.
func TestChecksumOfRFC(t *testing.T) {
	if got := Checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0); got != 0xddf2 {
		t.Errorf("%#x, want 0xddf2", got)
	}
}

func TestSamplesChecksums(t *testing.T) {
	syn := IPv4(unhex(samples()[0])[EthernetSize:])
	syn.UpdateChecksum()
	if !syn.Valid(len(syn)) || !syn.ChecksumValid() {
		t.Error("the header of the SYN is wrong")
	}
	ping := IPv4(unhex(samples()[1])[EthernetSize:])
	m := ICMPv4(ping.Payload())
	m.UpdateChecksum()
	if !m.ChecksumValid() || m.ID() != 1 || m.Seq() != 1 || m.Type() != ICMPv4Echo {
		t.Errorf("the ping is %v", m)
	}
}

func TestIPv4EncodeRoundTrip(t *testing.T) {
	f := IPv4Fields{
		TOS: 0x2e, TotalLen: 400, ID: 0xbeef, DontFragment: true, MoreFragments: true, FragmentOffset: 1480, TTL: 3,
		Protocol: ProtocolGRE, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("198.51.100.7"),
		Options: []byte{148, 4, 0, 0, 1},
	}
	h := make(IPv4, 400)
	for i := range h {
		h[i] = 0xff
	}
	if n := h.Encode(f); n != 28 || n != h.IHL() {
		t.Fatalf("a header of %d bytes", n)
	}
	got := IPv4Fields{
		h.TOS(), h.TotalLen(), h.ID(), h.DontFragment(), h.MoreFragments(), h.FragmentOffset(), h.TTL(), h.Protocol(),
		h.SrcAddr(), h.DstAddr(), f.Options,
	}
	if !h.Valid(400) || !h.ChecksumValid() || got.TOS != f.TOS || got.ID != f.ID || !got.DontFragment || !got.MoreFragments ||
		got.FragmentOffset != f.FragmentOffset || got.TTL != f.TTL || got.Protocol != f.Protocol || got.Src != f.Src || got.Dst != f.Dst {
		t.Errorf("%+v is written as %+v", f, got)
	}
	if string(h.Options()) != "\x94\x04\x00\x00\x01\x00\x00\x00" {
		t.Errorf("options % x", h.Options())
	}
	h.SetFragment(false, 0)
	if h.IsFragment() || !h.DontFragment() {
		t.Error("SetFragment does not keep the other flag, or leaves a fragment")
	}
}

func TestIPv4Lengths(t *testing.T) {
	h := make(IPv4, 60)
	h.Encode(IPv4Fields{TotalLen: 60})
	for name, c := range map[string]struct {
		change func(IPv4) IPv4
		ok     bool
	}{
		"as it is":                        {func(h IPv4) IPv4 { return h }, true},
		"version 5":                       {func(h IPv4) IPv4 { h[0] = 0x55; return h }, false},
		"a header of 16 bytes":            {func(h IPv4) IPv4 { h[0] = 0x44; return h }, false},
		"a header longer than the packet": {func(h IPv4) IPv4 { h[0] = 0x4f; h.SetTotalLen(40); return h }, false},
		"a total beyond the packet":       {func(h IPv4) IPv4 { h.SetTotalLen(61); return h }, false},
		"a total within":                  {func(h IPv4) IPv4 { h.SetTotalLen(20); return h }, true},
		"19 bytes":                        {func(h IPv4) IPv4 { return h[:19] }, false},
	} {
		if got := c.change(append(IPv4{}, h...)).Valid(60); got != c.ok {
			t.Errorf("%s: valid %v", name, got)
		}
	}
}

func TestNDPRoundTrip(t *testing.T) {
	target := netip.MustParseAddr("fe80::42")
	b := make([]byte, NDNeighborSize)
	NDNeighbor(b).Encode(NDNeighborFields{Type: ICMPv6NeighborAdvert, Router: true, Override: true, Target: target})
	b = AppendNDPLink(b, NDPOptTargetLink, [6]byte{2, 0, 0, 0, 0, 9})
	h := NDNeighbor(b)
	hw, ok := h.Options().Link(NDPOptTargetLink)
	if !h.Valid() || !h.Router() || h.Solicited() || !h.Override() || h.Target() != target || !ok || hw != [6]byte{2, 0, 0, 0, 0, 9} {
		t.Errorf("%v, options %v %v", ICMPv6(b), hw, ok)
	}
	ra := make([]byte, NDRouterAdvertSize)
	NDRouterAdvert(ra).Encode(NDRouterAdvertFields{HopLimit: 64, Other: true, Lifetime: 30 * time.Minute, Reachable: time.Second})
	p := NDPPrefix{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Autonomous: true, Valid: NDPForever, Preferred: time.Hour}
	ra = p.Append(AppendNDPMTU(ra, 1400))
	a := NDRouterAdvert(ra)
	if !a.Valid() || a.HopLimit() != 64 || a.Managed() || !a.Other() || a.Lifetime() != 30*time.Minute || a.ReachableTime() != time.Second {
		t.Errorf("%v", ICMPv6(ra))
	}
	if mtu, ok := a.Options().Find(NDPOptMTU).MTU(); !ok || mtu != 1400 {
		t.Errorf("MTU %d, %v", mtu, ok)
	}
	if got, ok := a.Options().Find(NDPOptPrefix).Prefix(); !ok || got != p {
		t.Errorf("prefix %+v, %v; want %+v", got, ok, p)
	}
	ra[NDRouterAdvertSize+1] = 0
	if a.Valid() {
		t.Error("an option of length 0 is valid: who walks it does not end")
	}
}

func TestGroupReports(t *testing.T) {
	v4 := []GroupRecord{
		{RecordToExclude, netip.MustParseAddr("224.0.0.251"), nil},
		{RecordAllow, netip.MustParseAddr("232.1.1.1"), []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}},
	}
	b := make(IGMPv3, IGMPv3Len(v4))
	b.Encode(v4)
	if !b.Valid() || b.Records() != 2 || !IGMP(b).ChecksumValid() || len(b) != 8+8+16 {
		t.Errorf("% x", []byte(b))
	}
	if b[:len(b)-1].Valid() {
		t.Error("a report without its end is valid")
	}
	v6 := []GroupRecord{{RecordIsExclude, netip.MustParseAddr("ff02::fb"), nil}}
	m := make(MLDv2Report, MLDv2ReportLen(v6))
	m.Encode(v6)
	if !m.Valid() || m.Records() != 1 {
		t.Errorf("% x", []byte(m))
	}
	// A mantissa and an exponent: 0x8f is (15+16) << 3 tenths of seconds.
	q := IGMP(unhex("118f0000e0000001 00000000"))
	if d := q.MaxDelay(); d != 24800*time.Millisecond {
		t.Errorf("the delay is %v", d)
	}
}

func TestAddresses(t *testing.T) {
	if a := SolicitedNode(netip.MustParseAddr("2001:db8::1:2345:6789")); a != netip.MustParseAddr("ff02::1:ff45:6789") {
		t.Errorf("solicited node %v", a)
	}
	if a := EUI64(netip.MustParseAddr("fe80::"), [6]byte{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}); a != netip.MustParseAddr("fe80::11:22ff:fe33:4455") {
		t.Errorf("EUI-64 %v", a)
	}
	if m := EthernetMulticast(netip.MustParseAddr("239.129.2.3")); m != [6]byte{1, 0, 0x5e, 1, 2, 3} {
		t.Errorf("group of IPv4 % x", m)
	}
	if m := EthernetMulticast(netip.MustParseAddr("ff02::1:ff00:1")); m != [6]byte{0x33, 0x33, 0xff, 0, 0, 1} {
		t.Errorf("group of IPv6 % x", m)
	}
}

func TestTCPOptionsAsLinuxWritesThem(t *testing.T) {
	o := TCPOptions{MSS: 1460, HasMSS: true, WScale: 10, HasWScale: true, SACKPermitted: true, TSVal: 10000000, HasTS: true}
	if got, want := o.Append(nil), unhex("020405b40402080a00989680000000000103030a"); string(got) != string(want) {
		t.Errorf("% x, want % x", got, want)
	}
	o = TCPOptions{TSVal: 1, TSEcr: 2, HasTS: true, NSACK: 4}
	if got := o.Append(nil); len(got) != 40 || got[12+3] != 2+3*8 {
		t.Errorf("% x: three blocks fit beside time stamps", got)
	}
	// A shift of more than 14 counts as 14 (RFC 7323 section 2.3).
	if o, ok := ParseTCPOptions([]byte{3, 3, 200, 0}); !ok || o.WScale != TCPMaxWScale {
		t.Errorf("a shift of %d", o.WScale)
	}
	if o, ok := ParseTCPOptions([]byte{2, 4, 5, 0xb4, 8, 10, 0}); ok || !o.HasMSS || o.MSS != 1460 {
		t.Error("what stands before an option that is cut off does not count")
	}
}

func TestIPv6OptionsPadding(t *testing.T) {
	o := IPv6Options(unhex("00 0101 00 05020000 01 00"))
	typ, data, rest, at, ok := o.Next()
	if !ok || typ != IPv6OptionRouterAlert || len(data) != 2 || at != 4 {
		t.Fatalf("type %d, data % x at %d, %v", typ, data, at, ok)
	}
	if _, data, rest, _, ok := rest.Next(); !ok || data != nil || rest != nil {
		t.Error("padding at the end is an option")
	}
	if _, _, _, at, ok := IPv6Options(unhex("0104 00")).Next(); ok || at != 0 {
		t.Error("padding beyond the end is valid")
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 1460, 65536} {
		b.Run("", func(b *testing.B) {
			buf := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Checksum(buf, 0)
			}
		})
	}
}
