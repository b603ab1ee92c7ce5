package stack

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// wireLink is a link without headers, whose packets a test sees and makes.
type wireLink struct {
	mu   sync.Mutex
	d    link.Dispatcher
	sent [][]byte
}

func (w *wireLink) Attach(d link.Dispatcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.d = d
}

func (w *wireLink) Send(ps []*buffer.Packet) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range ps {
		b := make([]byte, p.Len())
		p.CopyTo(b, 0)
		w.sent = append(w.sent, b)
		p.Release()
	}
	return len(ps), nil
}

func (w *wireLink) Close() error          { return nil }
func (w *wireLink) MTU() int              { return 1500 }
func (w *wireLink) Kind() link.Kind       { return link.RawIP }
func (w *wireLink) Address() link.Address { return link.Address{} }
func (w *wireLink) Offload() link.Offload { return 0 }

// take returns what was sent since it was called last.
func (w *wireLink) take() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sent
	w.sent = nil
	return s
}

// wireStack is a stack with one interface, 10.0.0.2/24, over a wireLink.
func wireStack(t testing.TB, v *virtual) (*Stack, *wireLink) {
	s := testStack(t, v)
	w := &wireLink{}
	_ = s.SetTunable("ipv6/conf/default/router_solicitations", "0")
	n, err := s.AddNIC(NICConfig{Name: "tun0", Link: w})
	if err != nil {
		t.Fatal(err)
	}
	up(t, n)
	addr(t, n, "10.0.0.2/24")
	v.advance(3 * time.Second)
	w.take()
	return s, w
}

// segment delivers a TCP segment. spoil is called with the packet before.
func (w *wireLink) segment(s *Stack, src, dst string, f header.TCPFields, data string, spoil func(b []byte)) {
	a, b := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	p := make([]byte, 40+len(data))
	copy(p[40:], data)
	f.SrcPort, f.DstPort, f.Window = a.Port(), b.Port(), 60000
	h := header.TCP(p[20:])
	h.Encode(f)
	h.SetChecksum(^header.Checksum(p[20:], header.PseudoHeader(header.ProtocolTCP, a.Addr(), b.Addr(), 20+len(data))))
	header.IPv4(p).Encode(header.IPv4Fields{TotalLen: uint16(len(p)), TTL: 64, Protocol: header.ProtocolTCP, Src: a.Addr(), Dst: b.Addr()})
	if spoil != nil {
		spoil(p)
	}
	w.d.Deliver([]*buffer.Packet{s.cfg.Pool.Received(s.cfg.Pool.CopyIn(p)[0])})
}

// counterOf is a counter by its name.
func counterOf(s *Stack, group, name string) uint64 {
	all := s.Counters()
	i := slices.IndexFunc(all, func(c Counter) bool { return c.Group == group && c.Name == name })
	return all[i].Value
}

func TestTCPChecksums(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	tcpListen(t, s, unix.AF_INET, "10.0.0.2:80", 8)
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "", func(b []byte) { b[36] ^= 1 })
	if got := w.take(); len(got) != 0 || counterOf(s, "Tcp", "InCsumErrors") != 1 {
		t.Errorf("a bad checksum was answered: %d packets", len(got))
	}
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "", nil)
	got := w.take()
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	h := header.TCP(got[0][20:])
	if !h.ChecksumValid(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")) || h.Flags() != header.SYN|header.ACK {
		t.Errorf("%s", header.Packet(got[0]))
	}
}

// Segments to nobody are answered by RST, but RSTs are not, nor what is broadcast or
// comes from where no connection can be.
func TestTCPAnswersToNobody(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:81", header.TCPFields{Seq: 100, Flags: header.SYN}, "", nil)
	got := w.take()
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if h := header.TCP(got[0][20:]); h.Flags() != header.RST|header.ACK || h.Ack() != 101 || h.Seq() != 0 {
		t.Errorf("%s", header.Packet(got[0]))
	}
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:81", header.TCPFields{Seq: 100, Ack: 700, Flags: header.ACK}, "data", nil)
	if got = w.take(); len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if h := header.TCP(got[0][20:]); h.Flags() != header.RST || h.Seq() != 700 {
		t.Errorf("%s", header.Packet(got[0]))
	}
	l := tcpListen(t, s, unix.AF_INET, "0.0.0.0:80", 8)
	for _, k := range []struct {
		name, src, dst string
		f              header.TCPFlags
	}{
		{"RST to a closed port", "10.0.0.1:1000", "10.0.0.2:81", header.RST},
		{"RST to a listener", "10.0.0.1:1000", "10.0.0.2:80", header.RST},
		{"SYN to the broadcast address", "10.0.0.1:1000", "10.0.0.255:80", header.SYN},
		{"SYN to all", "10.0.0.1:1000", "255.255.255.255:80", header.SYN},
		{"SYN to a group", "10.0.0.1:1000", "224.0.0.1:80", header.SYN},
		{"SYN from a group", "224.0.0.5:1000", "10.0.0.2:80", header.SYN},
		{"SYN from a broadcast address", "255.255.255.255:1000", "10.0.0.2:80", header.SYN},
		{"SYN from nowhere", "0.0.0.0:1000", "10.0.0.2:80", header.SYN},
		{"SYN and FIN", "10.0.0.1:1000", "10.0.0.2:80", header.SYN | header.FIN},
		{"no flags", "10.0.0.1:1000", "10.0.0.2:80", 0},
	} {
		w.segment(s, k.src, k.dst, header.TCPFields{Seq: 1, Flags: k.f}, "", nil)
		if got := w.take(); len(got) != 0 {
			t.Errorf("%s: answered by %s", k.name, header.Packet(got[0]))
		}
	}
	if n := len(l.listener.half); n != 0 {
		t.Errorf("%d connections were begun", n)
	}
}

// What a segment says of its lengths is not believed.
func TestTCPMalformed(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	tcpListen(t, s, unix.AF_INET, "10.0.0.2:80", 8)
	for _, off := range []byte{0, 4, 15} {
		w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "", func(b []byte) {
			b[32] = b[32]&15 | off<<4
			h := header.TCP(b[20:])
			h.SetChecksum(0)
			h.SetChecksum(^header.Checksum(b[20:], header.PseudoHeader(header.ProtocolTCP, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 20)))
		})
		if got := w.take(); len(got) != 0 {
			t.Errorf("offset %d: answered by %s", off, header.Packet(got[0]))
		}
	}
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "", func(b []byte) {
		header.IPv4(b).Encode(header.IPv4Fields{TotalLen: 30, TTL: 64, Protocol: header.ProtocolTCP,
			Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")})
	})
	if got := w.take(); len(got) != 0 {
		t.Errorf("half a header: answered by %s", header.Packet(got[0]))
	}
}

// The user's TTL and class of service are those of the packets, also when they change.
func TestTCPServiceAndTTL(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	c := tcpSock(t, s, unix.AF_INET)
	setInt(c, unix.SOL_IP, unix.IP_TOS, 0x28)
	setInt(c, unix.SOL_IP, unix.IP_TTL, 33)
	c.Connect(at("10.0.0.1:80"))
	got := w.take()
	if len(got) != 1 || got[0][1] != 0x28 || got[0][8] != 33 {
		t.Fatalf("% x", got)
	}
	setInt(c, unix.SOL_IP, unix.IP_TOS, 0x10)
	v.advance(1100 * time.Millisecond)
	if got = w.take(); len(got) != 1 || got[0][1] != 0x10 {
		t.Errorf("% x", got)
	}
	// No connection to where none can be.
	for _, to := range []string{"224.0.0.1:80", "255.255.255.255:80", "10.0.0.255:80"} {
		x := tcpSock(t, s, unix.AF_INET)
		if err := x.Connect(at(to)); err != unix.ENETUNREACH {
			t.Errorf("%s: %v", to, err)
		}
	}
	if got = w.take(); len(got) != 0 {
		t.Errorf("%d packets", len(got))
	}
}

// Large segments are cut on a link that does not do it, with right checksums.
func TestTCPSegmentation(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	l := tcpListen(t, s, unix.AF_INET, "10.0.0.2:80", 8)
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "", nil)
	syn := header.TCP(w.take()[0][20:])
	w.segment(s, "10.0.0.1:1000", "10.0.0.2:80", header.TCPFields{Seq: 2, Ack: syn.Seq() + 1, Flags: header.ACK}, "", nil)
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	send(t, x, string(data))
	next := syn.Seq() + 1
	var all []byte
	for _, b := range w.take() {
		h := header.TCP(b[20:])
		if len(b) > 1500 || !h.ChecksumValid(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")) || h.Seq() != next {
			t.Errorf("%d bytes: %s", len(b), header.Packet(b))
		}
		next += uint32(len(h.Payload()))
		all = append(all, h.Payload()...)
	}
	if string(all) != string(data) {
		t.Errorf("%d of %d bytes, or others", len(all), len(data))
	}
}
