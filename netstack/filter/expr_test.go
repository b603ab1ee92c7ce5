package filter

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// host is a Host that answers nothing and has one address.
type host struct{ logged []string }

func (h *host) RejectICMP(Hook, *buffer.Packet, *Context, uint8, uint8)  {}
func (h *host) RejectReset(Hook, *buffer.Packet, *Context)               {}
func (h *host) SendFrame(*buffer.Packet, *Context, int)                  {}
func (h *host) SendToNeighbor(*buffer.Packet, *Context, netip.Addr, int) {}
func (h *host) SendCopy(Hook, *buffer.Packet, *Context, netip.Addr, int) {}
func (h *host) Route(_, _ netip.Addr, _, _ int, _ uint32) (uint8, int)   { return 2, 1 }
func (h *host) Source(int, netip.Addr) (netip.Addr, bool) {
	return netip.MustParseAddr("192.0.2.1"), true
}
func (h *host) Local(netip.Addr, int) bool { return true }
func (h *host) Log(_ int, line string)     { h.logged = append(h.logged, line) }

// newRun is a segment of TCP from 10.0.0.1:1000 to 10.0.0.2:80, a SYN with a maximum
// segment size of 1460, that arrives at eth0.
func newRun(t *testing.T) *run {
	t.Helper()
	b := make([]byte, 44)
	header.IPv4(b).Encode(header.IPv4Fields{TotalLen: 44, TTL: 9, TOS: 0x20, Protocol: header.ProtocolTCP, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")})
	tcp := header.TCP(b[20:])
	tcp.Encode(header.TCPFields{SrcPort: 1000, DstPort: 80, Flags: header.SYN, DataOffset: 24})
	copy(b[40:], []byte{2, 4, 5, 180})
	tcp.SetChecksum(^header.Checksum(tcp, header.PseudoHeader(header.ProtocolTCP, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 24)))
	pool := new(buffer.Pool)
	p := pool.NewPacket(pool.CopyIn(b)...)
	r := New(Config{Host: &host{}, Now: func() int64 { return 1e9 }, Wall: func() time.Time { return time.Unix(1700000000, 0) }, Random: func(b []byte) { clear(b) }})
	dev := &Device{Index: 7, Name: "eth0", Kind: "veth", HWType: 1, MTU: 1400, Group: 3}
	x := &run{rules: r, set: r.Ruleset(), h: Forward, p: p, c: &Context{In: dev, Out: dev, Now: 1e9, UID: 1000, HasOwner: true, LinkHeader: []byte("dstdstsrcsrc\x08\x00")}, code: CodeContinue}
	if !x.parse() {
		t.Fatal("no packet")
	}
	return x
}

// What an expression leaves in the registers from 0 on, or that it does not match.
func TestExpressions(t *testing.T) {
	const no = "no match"
	one := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	for name, c := range map[string]struct {
		regs string // before, in hexadecimal
		e    Expr
		want string
	}{
		"link header":       {"", &Payload{Base: PayloadLink, Offset: 6, Len: 6}, hex.EncodeToString([]byte("srcsrc"))},
		"network header":    {"", &Payload{Base: PayloadNetwork, Offset: 12, Len: 4}, "0a000001"},
		"transport header":  {"", &Payload{Base: PayloadTransport, Offset: 2, Len: 2}, "0050"},
		"behind the packet": {"", &Payload{Base: PayloadTransport, Offset: 22, Len: 4}, no},
		"inner header":      {"", &Payload{Base: PayloadInner, Len: 1}, no},
		"equal":             {"0050", &Cmp{Data: []byte{0, 80}}, "0050"},
		"not equal":         {"0050", &Cmp{Op: CmpNEQ, Data: []byte{0, 80}}, no},
		"less":              {"0050", &Cmp{Op: CmpLT, Data: []byte{0, 81}}, "0050"},
		"not less":          {"0051", &Cmp{Op: CmpLT, Data: []byte{0, 81}}, no},
		"at most":           {"0051", &Cmp{Op: CmpLTE, Data: []byte{0, 81}}, "0051"},
		"greater":           {"0052", &Cmp{Op: CmpGT, Data: []byte{0, 81}}, "0052"},
		"at least":          {"0050", &Cmp{Op: CmpGTE, Data: []byte{0, 81}}, no},
		"range":             {"0050", &Range{From: []byte{0, 70}, To: []byte{0, 80}}, "0050"},
		"outside":           {"0050", &Range{Op: CmpNEQ, From: []byte{0, 70}, To: []byte{0, 80}}, no},
		"mask":              {"ff0f", &Bitwise{Len: 2, Mask: []byte{0x0f, 0xff}, Xor: []byte{1, 0}}, "0e0f"},
		"shift":             {hex.EncodeToString(one(0x81)), &Bitwise{Op: BitwiseLeft, Len: 4, Data: one(4)}, hex.EncodeToString(one(0x810))},
		"shift right":       {hex.EncodeToString(one(0x81)), &Bitwise{Op: BitwiseRight, Len: 4, Data: one(4)}, hex.EncodeToString(one(8))},
		"or":                {"0f", &Bitwise{Op: BitwiseOr, Len: 1, Data: []byte{0x80}}, "8f"},
		"byte order":        {"0102030405060708", &ByteOrder{Len: 8, Size: 2}, "0201040306050807"},
		"byte order of 4":   {"01020304", &ByteOrder{Len: 4, Size: 4}, "04030201"},
		"length":            {"", &Meta{Key: MetaLen}, hex.EncodeToString(one(44))},
		"protocol":          {"", &Meta{Key: MetaProtocol}, "0800"},
		"interface":         {"", &Meta{Key: MetaIIF}, hex.EncodeToString(one(7))},
		"name":              {"", &Meta{Key: MetaOIFName}, "65746830000000"},
		"kind":              {"", &Meta{Key: MetaIIFKind}, "76657468000000"},
		"group":             {"", &Meta{Key: MetaIIFGroup}, hex.EncodeToString(one(3))},
		"user":              {"", &Meta{Key: MetaUID}, hex.EncodeToString(one(1000))},
		"family":            {"", &Meta{Key: MetaNFProto}, "02"},
		"transport":         {"", &Meta{Key: MetaL4Proto}, "06"},
		"hour":              {"", &Meta{Key: MetaTimeHour}, hex.EncodeToString(one(22*3600 + 13*60 + 20))},
		"option":            {"", &ExtHdr{Op: ExtHdrTCP, Type: 2, Offset: 2, Len: 2}, "05b4"},
		"option is there":   {"", &ExtHdr{Op: ExtHdrTCP, Type: 8, Flags: ExtHdrPresent, Len: 1}, "00"},
		"other option":      {"", &ExtHdr{Op: ExtHdrTCP, Type: 8, Offset: 2, Len: 4}, no},
		"segment size":      {"", &Route{Key: RouteMSS}, hex.EncodeToString(binary.NativeEndian.AppendUint16(nil, 1360))},
		"kind of address":   {"", &FIB{Result: FIBResultType, Flags: FIBFlagDst}, hex.EncodeToString(one(2))},
		"number":            {"", &NumGen{Modulus: 4, Offset: 10}, hex.EncodeToString(one(10))},
		"state":             {"", &CT{Key: CTState}, hex.EncodeToString(one(1))},
		"connection":        {"", &CT{Key: CTMark}, no},
		"value":             {"", &Immediate{Data: []byte{1, 2, 3}}, "010203"},
		"quota":             {"", NewQuota(43, false, 0), no},
		"over quota":        {"", NewQuota(43, true, 0), ""},
	} {
		x := newRun(t)
		b, err := hex.DecodeString(c.regs)
		if err != nil {
			t.Fatal(err)
		}
		copy(x.regs[:], b)
		c.e.eval(x)
		got := hex.EncodeToString(x.regs[:len(c.want)/2])
		if x.code == CodeBreak {
			got = no
		}
		if got != c.want || x.code != CodeContinue && x.code != CodeBreak {
			t.Errorf("%s: %s (code %d), want %s", name, got, x.code, c.want)
		}
	}
}

// What writes into a packet leaves its checksums right.
func TestWrites(t *testing.T) {
	for name, c := range map[string]struct {
		e    Expr
		reg  []byte
		at   int
		want string
	}{
		"ttl":          {&Payload{Base: PayloadNetwork, Offset: 8, Len: 1, Store: true, CsumType: CsumInet, CsumOffset: 10}, []byte{5}, 8, "05"},
		"address":      {&Payload{Base: PayloadNetwork, Offset: 12, Len: 4, Store: true, CsumType: CsumInet, CsumOffset: 10, CsumFlags: CsumPseudo}, []byte{1, 2, 3, 4}, 12, "01020304"},
		"port":         {&Payload{Base: PayloadTransport, Offset: 2, Len: 2, Store: true, CsumType: CsumInet, CsumOffset: 16}, []byte{1, 187}, 22, "01bb"},
		"segment size": {&ExtHdr{Op: ExtHdrTCP, Type: 2, Offset: 2, Len: 2, Store: true}, []byte{5, 0}, 42, "0500"},
		"not larger":   {&ExtHdr{Op: ExtHdrTCP, Type: 2, Offset: 2, Len: 2, Store: true}, []byte{6, 0}, 42, "05b4"},
		"clamped":      {&Target{kind: targetTCPMSS, Info: []byte{0xff, 0xff}}, nil, 42, "0550"},
	} {
		x := newRun(t)
		copy(x.regs[:], c.reg)
		c.e.eval(x)
		b := x.p.Head()
		if got := hex.EncodeToString(b[c.at : c.at+len(c.want)/2]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		h := header.IPv4(b)
		if !h.ChecksumValid() || !header.TCP(b[20:]).ChecksumValid(h.SrcAddr(), h.DstAddr()) {
			t.Errorf("%s: a checksum is wrong", name)
		}
	}
}

func TestLog(t *testing.T) {
	x := newRun(t)
	(&Log{Prefix: "seen: ", Level: 4}).eval(x)
	const want = "seen: IN=eth0 OUT=eth0 SRC=10.0.0.1 DST=10.0.0.2 LEN=44 TOS=0x00 PREC=0x20 TTL=9 ID=0 PROTO=TCP SPT=1000 DPT=80 WINDOW=0 S "
	if got := x.rules.cfg.Host.(*host).logged; len(got) != 1 || got[0] != want {
		t.Errorf("%q", got)
	}
}

// The matches of iptables that read no table.
func TestMatches(t *testing.T) {
	info := func(n int, set map[int]byte) []byte {
		b := make([]byte, n)
		for i, v := range set {
			b[i] = v
		}
		return b
	}
	all := map[int]byte{2: 255, 3: 255, 6: 255, 7: 255}
	with := func(more map[int]byte) []byte {
		b := info(12, all)
		for i, v := range more {
			b[i] = v
		}
		return b
	}
	for name, c := range map[string]struct {
		match string
		rev   uint32
		info  []byte
		want  bool
	}{
		"any port":        {"tcp", 0, with(nil), true},
		"port":            {"tcp", 0, with(map[int]byte{4: 80, 6: 80, 7: 0}), true},
		"other port":      {"tcp", 0, with(map[int]byte{4: 81, 6: 90, 7: 0}), false},
		"not that port":   {"tcp", 0, with(map[int]byte{4: 81, 6: 90, 7: 0, 11: 2}), true},
		"syn":             {"tcp", 0, with(map[int]byte{9: 0x17, 10: 2}), true},
		"not syn":         {"tcp", 0, with(map[int]byte{9: 0x17, 10: 2, 11: 4}), false},
		"option":          {"tcp", 0, with(map[int]byte{8: 2}), true},
		"udp":             {"udp", 0, with(nil), false},
		"ports":           {"multiport", 1, info(48, map[int]byte{0: 1, 1: 2, 2: 22, 4: 80}), true},
		"range of ports":  {"multiport", 1, info(48, map[int]byte{0: 1, 1: 2, 2: 70, 4: 90, 32: 1}), true},
		"none of ports":   {"multiport", 1, info(48, map[int]byte{0: 1, 1: 1, 2: 22}), false},
		"ttl":             {"ttl", 0, []byte{2, 10}, true},
		"ttl above":       {"ttl", 0, []byte{3, 10}, false},
		"length":          {"length", 0, info(5, map[int]byte{0: 40, 2: 50}), true},
		"owner":           {"owner", 1, info(18, map[int]byte{0: 0xe8, 1: 3, 4: 0xe8, 5: 3, 16: 1}), true},
		"not owner":       {"owner", 1, info(18, map[int]byte{0: 0xe8, 1: 3, 4: 0xe8, 5: 3, 16: 1, 17: 1}), false},
		"kind of address": {"addrtype", 1, info(8, map[int]byte{2: 4}), true},
		"invalid":         {"conntrack", 3, info(164, map[int]byte{146: 1, 150: 1}), true},
		"established":     {"conntrack", 3, info(164, map[int]byte{146: 1, 150: 2}), false},
		"addresses":       {"iprange", 1, info(65, map[int]byte{0: 10, 16: 10, 19: 9, 64: 1}), true},
		"mark":            {"mark", 1, info(9, map[int]byte{0: 1, 4: 255}), false},
		"hardware":        {"mac", 0, append([]byte("srcsrc"), make([]byte, 6)...), true},
		"every second":    {"statistic", 0, info(16, map[int]byte{0: 1, 4: 1}), true},
		"comment":         {"comment", 0, nil, true},
	} {
		m, err := NewMatch(IPv4, c.match, c.rev, c.info)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if x := newRun(t); m.matches(x) != c.want {
			t.Errorf("%s: want %v", name, c.want)
		}
	}
	if _, err := NewMatch(IPv4, "multiport", 1, info(48, map[int]byte{1: 16})); err == nil {
		t.Error("more ports than there are were accepted")
	}
	if _, err := NewMatch(IPv4, "conntrack", 3, nil); err == nil {
		t.Error("a struct that is cut off was accepted")
	}
}
