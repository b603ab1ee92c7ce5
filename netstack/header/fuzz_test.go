package header

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// getters calls each method of v that takes nothing: none may panic on a view
// that is valid.
func getters(v any) {
	r := reflect.ValueOf(v)
	for i := range r.NumMethod() {
		if m := r.Method(i); m.Type().NumIn() == 0 {
			m.Call(nil)
		}
	}
}

// seeds adds packets that were seen on wires, and each of their ends.
func seeds(f *testing.F) {
	for _, s := range samples() {
		b := unhex(s)
		for _, off := range []int{0, 14, 34, 54} {
			if off < len(b) {
				f.Add(b[off:])
			}
		}
	}
	f.Add([]byte{})
}

// samples are frames: a SYN, a ping, a query of the name service, and of IPv6 a
// solicitation, a router's advertisement, a report of multicast listeners.
func samples() []string {
	return []string{
		"020000000002 020000000001 0800 4500003c1c4640004006 9e99 0a000001 0a000002" +
			"d431 0050 6b8b4567 00000000 a002 faf0 b1e6 0000 020405b40402080a00989680000000000103030a",
		"020000000002 020000000001 0800 45000024 0001 0000 4001 66d6 0a000001 0a000002 0800 f7fd 0001 0001 6869212121212121",
		"020000000002 020000000001 8100 2007 0800 4500002c 0001 2000 4011 46c0 0a000001 0a000002 0035 d431 0018 0000 0001010000010000000000000161",
		"3333ff000002 020000000001 86dd 6000000000203aff fe800000000000000000000000000001 ff0200000000000000000001ff000002" +
			"8700 7b8a 00000000 fe800000000000000000000000000002 0101 020000000001",
		"333300000001 020000000001 86dd 6000000000403aff fe800000000000000000000000000001 ff020000000000000000000000000001" +
			"8600 0000 4000 0708 00000000 00000000 0101020000000001 0501000000 0005dc 030440c0 00015180 00003840 00000000 fd090000000000000000000000000000",
		"333300000016 020000000001 86dd 6000000000240001 fe800000000000000000000000000001 ff020000000000000000000000000016" +
			"3a00050200000100 8f00 0000 0000 0001 04000000 ff0200000000000000000001ff000001",
		"01005e000016 020000000001 0800 46c00028 0000 4000 0102 0000 0a000001 e0000016 94040000 2200 f9fd 0000 0001 04000000 e00000fb",
		"ffffffffffff 020000000001 0806 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002",
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func FuzzEthernet(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Ethernet(b).String()
		if Ethernet(b).Valid() {
			getters(Ethernet(b))
		}
	})
}

func FuzzVLAN(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = VLAN(b).String()
		h := VLAN(b)
		if !h.Valid() {
			return
		}
		getters(h)
		again := make(VLAN, VLANSize)
		again.Encode(VLANFields{Priority: h.Priority(), DropEligible: h.DropEligible(), ID: h.ID(), Type: h.Type()})
		if string(again) != string(h[:VLANSize]) {
			t.Errorf("% x is written % x", h[:VLANSize], again)
		}
	})
}

func FuzzARP(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := ARP(b)
		_ = h.String()
		if !h.Valid() {
			return
		}
		getters(h)
		again := make(ARP, ARPSize)
		again.Encode(ARPFields{Op: h.Op(), SenderHW: h.SenderHW(), SenderAddr: h.SenderAddr(), TargetHW: h.TargetHW(), TargetAddr: h.TargetAddr()})
		if string(again) != string(h[:ARPSize]) {
			t.Errorf("% x is written % x", h[:ARPSize], again)
		}
	})
}

func FuzzIPv4(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := IPv4(slices.Clone(b)) // it is written to
		_ = h.String()
		if !h.Valid(len(b)) {
			return
		}
		getters(h)
		if len(h.Payload()) != int(h.TotalLen())-h.IHL() {
			t.Errorf("a payload of %d bytes, of %d with a header of %d", len(h.Payload()), h.TotalLen(), h.IHL())
		}
		h.UpdateChecksum()
		if !h.ChecksumValid() {
			t.Error("the checksum that was just made is wrong")
		}
		h.SetTTL(h.TTL() - 1)
		h.SetTOS(h.TOS() + 4)
		h.SetSrcAddr(netip.MustParseAddr("192.0.2.1"))
		h.SetDstAddr(netip.MustParseAddr("192.0.2.2"))
		if !h.ChecksumValid() {
			t.Error("the checksum that was kept up is wrong")
		}
	})
}

func FuzzIPv4Options(f *testing.F) {
	f.Add([]byte{7, 7, 4, 0, 0, 0, 0, 0}, uint32(1))
	f.Add([]byte{68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0}, uint32(2))
	f.Add([]byte{0x94, 4, 0, 0, 131, 3, 4, 1}, uint32(3))
	f.Fuzz(func(t *testing.T, b []byte, ms uint32) {
		o := IPv4Options(b)
		bad, ok := o.Check()
		if !ok && (bad < 0 || bad > len(b)) {
			t.Fatalf("the wrong byte is %d of %d", bad, len(b))
		}
		copied := o.AppendCopied(nil)
		if len(copied)%4 != 0 || len(copied) > len(b)+3 {
			t.Fatalf("%d bytes are copied of %d", len(copied), len(b))
		}
		if !ok {
			return
		}
		a := netip.MustParseAddr("192.0.2.9")
		for rest := o; ; {
			opt, next, _, ok := rest.Next()
			if !ok {
				t.Fatal("Next fails where Check did not")
			}
			if opt == nil {
				break
			}
			_ = opt.Data()
			switch opt.Type() {
			case IPv4OptionRecordRoute:
				opt.RecordRoute(a)
			case IPv4OptionTimestamp:
				opt.RecordTimestamp(a, ms)
			}
			rest = next
		}
	})
}

func FuzzIPv6(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := IPv6(b)
		_ = h.String()
		if !h.Valid(len(b)) {
			return
		}
		getters(h)
		again := make(IPv6, IPv6Size)
		again.Encode(IPv6Fields{
			TrafficClass: h.TrafficClass(), FlowLabel: h.FlowLabel(), PayloadLen: h.PayloadLen(), Next: h.Next(), HopLimit: h.HopLimit(),
			Src: h.SrcAddr(), Dst: h.DstAddr(),
		})
		if string(again) != string(h[:IPv6Size]) {
			t.Errorf("% x is written % x", h[:IPv6Size], again)
		}
	})
}

func FuzzIPv6Extensions(f *testing.F) {
	f.Add(uint8(0), unhex("3a000502000001008f0000000000"))
	f.Add(uint8(44), unhex("3a0000010000000180000000"))
	f.Add(uint8(43), unhex("3c02000100000000 00000000000000000000000000000000 3a000104000000008000"))
	f.Fuzz(func(t *testing.T, first uint8, b []byte) {
		it := WalkIPv6Extensions(Protocol(first), b)
		seen := 0
		for e, ok := it.Next(); ok; e, ok = it.Next() {
			seen += len(e.Bytes())
			if it.Offset() != seen || len(it.Rest()) != len(b)-seen {
				t.Fatalf("after %d bytes: offset %d, %d left of %d", seen, it.Offset(), len(it.Rest()), len(b))
			}
			switch e.Kind() {
			case ProtocolFragment:
				getters(e.Fragment())
			case ProtocolRouting:
				getters(e.Routing())
			case ProtocolHopByHop, ProtocolDestOpts:
				for o := e.Options(); ; {
					typ, data, rest, at, ok := o.Next()
					if at < 0 || at > len(o) || !ok || data == nil && rest == nil {
						break
					}
					_ = typ.Action()
					o = rest
				}
			}
		}
		if !it.Err() && it.NextField() > len(b) {
			t.Fatalf("the byte that says what follows is %d of %d", it.NextField(), len(b))
		}
	})
}

func FuzzICMPv4(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := ICMPv4(slices.Clone(b)) // it is written to
		_ = h.String()
		if !h.Valid() {
			return
		}
		getters(h)
		h.UpdateChecksum()
		h.SetID(h.ID() + 1)
		// Of a message of zeros alone no sum tells its checksum, 0xffff, from 0 (RFC
		// 1624 section 3): there is no pseudo header, as others have.
		sum := h.Checksum()
		h.SetChecksum(0)
		zero := !slices.ContainsFunc(h, func(x byte) bool { return x != 0 })
		h.SetChecksum(sum)
		if !zero && !h.ChecksumValid() {
			t.Error("the checksum that was kept up is wrong")
		}
	})
}

func FuzzICMPv6(f *testing.F) {
	seeds(f)
	src, dst := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1")
	f.Fuzz(func(t *testing.T, b []byte) {
		h := ICMPv6(slices.Clone(b)) // it is written to
		_ = h.String()
		if !h.Valid() {
			return
		}
		getters(h)
		h.UpdateChecksum(src, dst)
		h.SetID(h.ID() + 1)
		if !h.ChecksumValid(src, dst) {
			t.Error("the checksum that was kept up is wrong")
		}
	})
}

func FuzzNDP(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		options := func(o NDPOptions) {
			_, _ = o.Link(NDPOptSourceLink)
			_, _ = o.Link(NDPOptTargetLink)
			_ = o.Find(NDPOptNonce)
			for opt, rest := o.Next(); opt != nil; opt, rest = rest.Next() {
				getters(opt)
				if s, _, ok := opt.Servers(); ok {
					for i := range s.Len() {
						_ = s.At(i)
					}
				}
			}
		}
		if h := NDNeighbor(b); h.Valid() {
			getters(h)
			options(h.Options())
		}
		if h := NDRouterSolicit(b); h.Valid() {
			getters(h)
			options(h.Options())
		}
		if h := NDRouterAdvert(b); h.Valid() {
			getters(h)
			options(h.Options())
		}
		if h := NDRedirect(b); h.Valid() {
			getters(h)
			options(h.Options())
		}
	})
}

func FuzzIGMP(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		h := IGMP(b)
		_ = h.String()
		if h.Valid() {
			_, _, _, _ = h.Type(), h.Version(), h.MaxDelay(), h.Group()
			if h.Type() == IGMPQuery && h.Version() == 3 {
				for i := range h.Sources() {
					_ = h.Source(i)
				}
			}
		}
		if r := IGMPv3(b); r.Valid() {
			getters(r)
		}
	})
}

func FuzzMLD(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if h := MLD(b); h.Valid() {
			_, _, _ = h.Group(), h.MaxDelay(), h.V2()
			if h.V2() {
				for i := range h.Sources() {
					_ = h.Source(i)
				}
			}
		}
		if r := MLDv2Report(b); r.Valid() {
			getters(r)
		}
	})
}

func FuzzUDP(f *testing.F) {
	seeds(f)
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	f.Fuzz(func(t *testing.T, b []byte) {
		h := UDP(slices.Clone(b)) // it is written to
		_ = h.String()
		if !h.Valid(len(b)) {
			return
		}
		getters(h)
		d := h[:h.Length()]
		d.SetChecksum(0)
		d.SetChecksum(UDPChecksum(Checksum(d, PseudoHeader(ProtocolUDP, src, dst, len(d)))))
		d.SetSrcPort(d.SrcPort() + 77)
		d.SetDstPort(d.DstPort() - 77)
		if d.Checksum() == 0 || !d.ChecksumValid(src, dst) {
			t.Error("the checksum that was kept up is wrong")
		}
	})
}

func FuzzTCP(f *testing.F) {
	seeds(f)
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	f.Fuzz(func(t *testing.T, b []byte) {
		h := TCP(slices.Clone(b)) // it is written to
		_ = h.String()
		if !h.Valid(len(b)) {
			return
		}
		getters(h)
		h.SetChecksum(0)
		h.SetChecksum(^Checksum(h, PseudoHeader(ProtocolTCP, src, dst, len(h))))
		h.SetSrcPort(h.SrcPort() + 77)
		h.SetDstPort(h.DstPort() - 77)
		if !h.ChecksumValid(src, dst) {
			t.Error("the checksum that was kept up is wrong")
		}
	})
}

// What is understood of options is written so that it is understood again.
func FuzzTCPOptions(f *testing.F) {
	f.Add(unhex("020405b40402080a00989680000000000103030a"))
	f.Add(unhex("0101080a0098968000000001"))
	f.Add(unhex("0101050a0000000100000002 2206aabbccdd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, _ := ParseTCPOptions(b)
		_ = tcpOptionsString(b)
		out := o.Append(nil)
		if len(out)%4 != 0 || len(out) > TCPMaxOptions {
			t.Fatalf("%d bytes of options", len(out))
		}
		again, ok := ParseTCPOptions(out)
		if !ok {
			t.Fatalf("% x cannot be read", out)
		}
		again.HasMD5 = o.HasMD5 // never written
		if again.NSACK < o.NSACK {
			again.NSACK, again.SACK = o.NSACK, o.SACK // there was no room
		}
		if !again.HasFastOpen {
			again.HasFastOpen, again.FastOpen = o.HasFastOpen, o.FastOpen
		}
		if len(again.FastOpen) == 0 {
			again.FastOpen, o.FastOpen = nil, nil
		}
		for i := o.NSACK; i < len(o.SACK); i++ { // what an option before the last one said
			again.SACK[i], o.SACK[i] = SACKBlock{}, SACKBlock{}
		}
		if !reflect.DeepEqual(o, again) {
			t.Errorf("% x: %+v is written as %+v", b, o, again)
		}
	})
}

func FuzzFrame(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Frame(b)
		_ = Packet(b)
	})
}

// slowChecksum is RFC 1071 as it is told.
func slowChecksum(b []byte, sum uint32) uint16 {
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

type bytesView []byte

func (v bytesView) Bytes() []byte { return v }

func FuzzChecksum(f *testing.F) {
	f.Add([]byte{0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7}, uint16(0), uint8(3))
	f.Add(make([]byte, 200), uint16(0xffff), uint8(64))
	f.Fuzz(func(t *testing.T, b []byte, initial uint16, cut uint8) {
		want := slowChecksum(b, uint32(initial))
		got := Checksum(b, initial)
		// The two zeros of ones' complement are one.
		same := func(a, b uint16) bool { return a == b || a%0xffff == 0 && b%0xffff == 0 }
		if !same(got, want) {
			t.Fatalf("Checksum = %#x, want %#x", got, want)
		}
		at := min(int(cut), len(b))
		if got := ChecksumViews([]bytesView{b[:at], nil, b[at:]}, initial); !same(got, want) {
			t.Fatalf("in two parts of %d and %d bytes: %#x, want %#x", at, len(b)-at, got, want)
		}
	})
}
