package netproxy

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// wire is the link with a guest that the test plays.
type wire struct {
	mu   sync.Mutex
	sent []*buffer.Packet
	came chan struct{}
}

func newWire() *wire { return &wire{came: make(chan struct{}, 1)} }

func (w *wire) Send(ps []*buffer.Packet) (int, error) {
	w.mu.Lock()
	w.sent = append(w.sent, ps...)
	w.mu.Unlock()
	select {
	case w.came <- struct{}{}:
	default:
	}
	return len(ps), nil
}
func (w *wire) Attach(link.Dispatcher) {}
func (w *wire) Close() error           { return nil }
func (w *wire) MTU() int               { return MTU }
func (w *wire) Kind() link.Kind        { return link.Ethernet }
func (w *wire) Address() link.Address  { return HostMAC() }
func (w *wire) Offload() link.Offload  { return 0 }

// next is what was sent next, from its network header on.
func (w *wire) next(t *testing.T) []byte {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		w.mu.Lock()
		if len(w.sent) > 0 {
			p := w.sent[0]
			w.sent = w.sent[1:]
			w.mu.Unlock()
			b := make([]byte, p.Len())
			p.CopyTo(b, 0)
			p.Release()
			if e := header.Ethernet(b); e.Dst() != GuestMAC() || e.Src() != HostMAC() {
				t.Errorf("a frame %v", e)
			}
			return b[header.EthernetSize:]
		}
		w.mu.Unlock()
		select {
		case <-w.came:
		case <-late:
			t.Fatal("nothing was sent")
		}
	}
}

// bare is a proxy without a stack.
func bare(c Config, e link.Endpoint) *Proxy {
	p := &Proxy{
		policy: c.Policy, servers: c.Servers, names: newNames(), pool: &buffer.Pool{}, told: c.Denied, queries: make(chan struct{}, maxQueries),
		buffers: sync.Pool{New: newBuffer},
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.t = newTranslator(p, e)
	return p
}

// stackEnd collects what is for the stack.
type stackEnd struct {
	mu  sync.Mutex
	got []*buffer.Packet
}

func (s *stackEnd) Deliver(ps []*buffer.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, ps...)
}
func (s *stackEnd) LinkChanged(bool, int) {}

// packet makes a packet of the guest's: h and data follow IP.
func packet(pool *buffer.Pool, proto header.Protocol, dst netip.Addr, h, data []byte) *buffer.Packet {
	p := pool.NewPacket(pool.CopyIn(data)...)
	copy(p.Prepend(len(h)), h)
	n := len(h) + len(data)
	kind := header.EtherTypeIPv4
	if dst.Is4() {
		header.IPv4(p.Prepend(header.IPv4MinSize)).Encode(header.IPv4Fields{
			TotalLen: uint16(n + header.IPv4MinSize), TTL: 64, Protocol: proto, Src: guestAddr4(), Dst: dst,
		})
	} else {
		kind = header.EtherTypeIPv6
		header.IPv6(p.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{PayloadLen: uint16(n), Next: proto, HopLimit: 64, Src: guestAddr6(), Dst: dst})
	}
	header.Ethernet(p.Prepend(header.EthernetSize)).Encode(header.EthernetFields{Src: GuestMAC(), Dst: HostMAC(), Type: kind})
	return p
}

func udp(pool *buffer.Pool, dst netip.AddrPort, data []byte) *buffer.Packet {
	h := make(header.UDP, header.UDPSize)
	n := len(data) + len(h)
	h.Encode(header.UDPFields{SrcPort: 4000, DstPort: dst.Port(), Length: uint16(n)})
	src := guestAddr4()
	if dst.Addr().Is6() {
		src = guestAddr6()
	}
	sum := header.Checksum(h, header.PseudoHeader(header.ProtocolUDP, src, dst.Addr(), n))
	h.SetChecksum(header.UDPChecksum(header.Checksum(data, sum)))
	return packet(pool, header.ProtocolUDP, dst.Addr(), h, data)
}

// A datagram to the host, with and without leave, and what the host answers.
func TestDatagrams(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := uint16(server.LocalAddr().(*net.UDPAddr).Port)
	w := newWire()
	p := bare(Config{Policy: Policy{Host: true}}, w)
	defer p.t.flush()
	to := netip.AddrPortFrom(hostAddr4(), port)
	data := bytes.Repeat([]byte("datagram"), 1000)
	p.t.Deliver([]*buffer.Packet{udp(p.pool, to, data)})
	b := make([]byte, 70000)
	n, from, err := server.ReadFromUDP(b)
	if err != nil || !bytes.Equal(b[:n], data) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, err := server.WriteTo([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	ip := header.IPv4(w.next(t))
	u := header.UDP(ip.Payload())
	if ip.SrcAddr() != hostAddr4() || ip.DstAddr() != guestAddr4() || u.SrcPort() != port || u.DstPort() != 4000 || string(u.Payload()) != "answer" ||
		!ip.ChecksumValid() || !u.ChecksumValid(ip.SrcAddr(), ip.DstAddr()) {
		t.Errorf("the answer is %v", ip)
	}
	server.Close()
	p.t.Deliver([]*buffer.Packet{udp(p.pool, to, []byte("to nobody"))})
	ip = header.IPv4(w.next(t))
	m := header.ICMPv4(ip.Payload())
	if m.Type() != header.ICMPv4DstUnreachable || m.Code() != header.ICMPv4PortUnreachable || !m.ChecksumValid() {
		t.Errorf("to nobody: %v", ip)
	}
	if q := header.IPv4(m.Payload()); q.DstAddr() != hostAddr4() || header.UDP(q.Payload()).SrcPort() != 4000 {
		t.Errorf("it quotes %v", q)
	}
}

func TestHostNeedsLeave(t *testing.T) {
	var told []string
	w := newWire()
	p := bare(Config{Denied: func(s string) { told = append(told, s) }}, w)
	defer p.t.flush()
	p.t.Deliver([]*buffer.Packet{udp(p.pool, netip.AddrPortFrom(hostAddr4(), 9), []byte("x"))})
	if ip := header.IPv4(w.next(t)); header.ICMPv4(ip.Payload()).Code() != header.ICMPv4PortUnreachable {
		t.Errorf("the host without leave: %v", ip)
	}
	p.t.Deliver([]*buffer.Packet{udp(p.pool, netip.MustParseAddrPort("127.0.0.1:9"), []byte("x"))})
	if ip := header.IPv4(w.next(t)); header.ICMPv4(ip.Payload()).Code() != header.ICMPv4AdminProhibited {
		t.Errorf("the host's loopback: %v", ip)
	}
	p.t.Deliver([]*buffer.Packet{udp(p.pool, netip.MustParseAddrPort("[::1]:9"), []byte("x"))})
	if ip := header.IPv6(w.next(t)); header.ICMPv6(ip.Payload()).Code() != header.ICMPv6AdminProhibited || !header.ICMPv6(ip.Payload()).ChecksumValid(ip.SrcAddr(), ip.DstAddr()) {
		t.Errorf("the host's loopback: %v", ip)
	}
	if len(told) != 1 {
		t.Errorf("told %q", told)
	}
}

func TestNameService(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := newWire()
	p := bare(Config{Servers: []netip.AddrPort{server.LocalAddr().(*net.UDPAddr).AddrPort()}}, w)
	defer p.t.flush()
	to := netip.AddrPortFrom(dnsAddr4(), dnsPort)
	query := message(t, dnsmessage.Header{ID: 99}, "www.example.", dnsmessage.TypeA)
	p.t.Deliver([]*buffer.Packet{udp(p.pool, to, query)})
	b := make([]byte, 1000)
	n, from, err := server.ReadFromUDP(b)
	if err != nil || !bytes.Equal(b[:n], query) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	answer := message(t, dnsmessage.Header{ID: 99, Response: true}, "www.example.", dnsmessage.TypeA, dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("www.example."), Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
	})
	if _, err := server.WriteTo(answer, from); err != nil {
		t.Fatal(err)
	}
	ip := header.IPv4(w.next(t))
	if u := header.UDP(ip.Payload()); ip.SrcAddr() != dnsAddr4() || !bytes.Equal(u.Payload(), answer) {
		t.Errorf("the answer is %v", ip)
	}
	if got := p.names.of(netip.MustParseAddr("192.0.2.80"), time.Now()); len(got.asked) != 1 {
		t.Errorf("learned %v", got)
	}
}

// segment makes a segment of the guest's.
func segment(pool *buffer.Pool, dst netip.AddrPort, flags header.TCPFlags) *buffer.Packet {
	h := make(header.TCP, header.TCPMinSize)
	h.Encode(header.TCPFields{SrcPort: 5000, DstPort: dst.Port(), Seq: 1000, Ack: 77, Flags: flags, Window: 1000})
	src := guestAddr4()
	if dst.Addr().Is6() {
		src = guestAddr6()
	}
	h.SetChecksum(^header.Checksum(h, header.PseudoHeader(header.ProtocolTCP, src, dst.Addr(), len(h))))
	return packet(pool, header.ProtocolTCP, dst.Addr(), h, nil)
}

// The guest's SYN waits for the host, comes to the stack's listener, and what the
// stack answers comes from whom the guest wrote to.
func TestConnectionIsTranslated(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, host := range []netip.Addr{hostAddr4(), hostAddr6()} {
		w, s := newWire(), &stackEnd{}
		p := bare(Config{Policy: Policy{Host: true}}, w)
		p.t.up = s
		to := netip.AddrPortFrom(host, uint16(l.Addr().(*net.TCPAddr).Port))
		syn := segment(p.pool, to, header.SYN)
		f, ok := parse(syn)
		if !ok {
			t.Fatal("the SYN is broken")
		}
		if p.t.tcpIn(syn, f) {
			t.Fatal("the SYN does not wait")
		}
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			s.mu.Lock()
			n := len(s.got)
			s.mu.Unlock()
			if n > 0 {
				break
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.got) != 1 {
			t.Fatalf("%d packets for the stack", len(s.got))
		}
		got, ok := parse(s.got[0])
		tcp := header.TCP(got.transport(s.got[0]))
		if !ok || got.dst != host || tcp.DstPort() != listenPort || tcp.SrcPort() != 5000 || !tcp.ChecksumValid(got.src, got.dst) {
			t.Errorf("the stack gets %s", header.Frame(s.got[0].Head()))
		}
		// What the stack answers, with and without a checksum to be filled in.
		for _, partial := range []bool{false, true} {
			h := make(header.TCP, header.TCPMinSize)
			h.Encode(header.TCPFields{SrcPort: listenPort, DstPort: 5000, Flags: header.SYN | header.ACK})
			out := packet(p.pool, header.ProtocolTCP, got.src, h, nil)
			f, _ := parseOut(out.Head())
			b := out.Head()
			header.Ethernet(b).Encode(header.EthernetFields{Src: HostMAC(), Dst: GuestMAC(), Type: header.Ethernet(b).Type()})
			if got.src.Is4() {
				header.IPv4(b[f.net:]).SetSrcAddr(host)
			} else {
				header.IPv6(b[f.net:]).SetSrcAddr(host)
			}
			tcp := header.TCP(b[f.tran:])
			sum := header.PseudoHeader(header.ProtocolTCP, host, got.src, len(h))
			if partial {
				out.Checksum = buffer.ChecksumPartial
				tcp.SetChecksum(sum)
			} else {
				tcp.SetChecksum(^header.Checksum(tcp, sum))
			}
			if _, err := p.t.Send([]*buffer.Packet{out}); err != nil {
				t.Fatal(err)
			}
			ip := w.next(t)
			var payload []byte
			var src, dst netip.Addr
			if host.Is4() {
				payload, src, dst = header.IPv4(ip).Payload(), header.IPv4(ip).SrcAddr(), header.IPv4(ip).DstAddr()
			} else {
				payload, src, dst = header.IPv6(ip).Payload(), header.IPv6(ip).SrcAddr(), header.IPv6(ip).DstAddr()
			}
			back := header.TCP(payload)
			if src != host || back.SrcPort() != to.Port() || back.DstPort() != 5000 {
				t.Errorf("the guest gets %s", header.Packet(ip))
			}
			if partial { // what the link does
				c := header.Checksum(back, 0)
				back.SetChecksum(^c)
			}
			if !back.ChecksumValid(src, dst) {
				t.Errorf("with a checksum to be filled in %v: it is wrong: %s", partial, header.Packet(ip))
			}
		}
		p.t.flush()
	}
}

func TestRefusedConnections(t *testing.T) {
	w := newWire()
	p := bare(Config{}, w)
	p.t.up = &stackEnd{}
	defer p.t.flush()
	// The host without leave: refused as a port without a listener.
	p.t.Deliver([]*buffer.Packet{segment(p.pool, netip.AddrPortFrom(hostAddr4(), 22), header.SYN)})
	ip := header.IPv4(w.next(t))
	tcp := header.TCP(ip.Payload())
	if tcp.Flags() != header.RST|header.ACK || tcp.Ack() != 1001 || tcp.SrcPort() != 22 || !tcp.ChecksumValid(ip.SrcAddr(), ip.DstAddr()) {
		t.Errorf("refused by %v", ip)
	}
	// By policy: an error of ICMP that quotes the SYN.
	p.t.Deliver([]*buffer.Packet{segment(p.pool, netip.MustParseAddrPort("169.254.169.254:80"), header.SYN)})
	ip = header.IPv4(w.next(t))
	if m := header.ICMPv4(ip.Payload()); m.Code() != header.ICMPv4AdminProhibited || header.IPv4(m.Payload()).DstAddr().String() != "169.254.169.254" {
		t.Errorf("denied by %v", ip)
	}
	// A segment of nothing.
	p.t.Deliver([]*buffer.Packet{segment(p.pool, netip.MustParseAddrPort("192.0.2.1:80"), header.ACK)})
	ip = header.IPv4(w.next(t))
	if tcp := header.TCP(ip.Payload()); tcp.Flags() != header.RST || tcp.Seq() != 77 {
		t.Errorf("a segment of nothing is answered %v", ip)
	}
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	if len(p.t.byKey)+len(p.t.byAlias) != 0 {
		t.Errorf("%d connections are remembered", len(p.t.byKey))
	}
}

func TestFlowsAreBounded(t *testing.T) {
	p := bare(Config{}, newWire())
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	dst := netip.MustParseAddr("192.0.2.1")
	made := 0
	for i := range maxFlows + 100 {
		// Ten ports of the guest's, to many others: aliases are needed.
		k := key{netip.AddrPortFrom(guestAddr4(), uint16(i%10+1)), netip.AddrPortFrom(dst, uint16(i/10+1))}
		if f := p.t.newFlow(k, nil); f != nil {
			made++
			f.state, f.since = over, time.Now()
		}
	}
	if made != maxFlows || len(p.t.byKey) != maxFlows || len(p.t.byAlias) != maxFlows {
		t.Fatalf("%d flows, %d aliases", len(p.t.byKey), len(p.t.byAlias))
	}
	p.t.expire(time.Now().Add(lingering + time.Second))
	if len(p.t.byKey)+len(p.t.byAlias) != 0 {
		t.Error("what is over is not forgotten")
	}
}

// What the guest has of datagrams is bounded: the peers of each of its addresses, its
// addresses, of which the silent ones make room, and pings.
func TestDatagramsAreBounded(t *testing.T) {
	p := bare(Config{}, newWire())
	p.t.up = &stackEnd{}
	d := &datagrams{out: map[netip.AddrPort]netip.AddrPort{}, back: map[netip.AddrPort]netip.AddrPort{}}
	for i := range maxPeers + 100 {
		a := netip.AddrPortFrom(guestAddr4(), uint16(i+1))
		if d.knows(a, a); len(d.out) > maxPeers || len(d.back) > maxPeers {
			t.Fatalf("%d peers", len(d.out))
		}
	}
	for i := range maxDatagrams {
		a := netip.AddrPortFrom(guestAddr4(), uint16(i+1))
		p.t.datagram[a] = &datagrams{guest: a, last: time.Now()}
	}
	for i := range 10 {
		d, err := p.t.newDatagrams(netip.AddrPortFrom(guestAddr6(), uint16(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		defer d.file.Close()
		p.t.mu.Lock()
		if n := len(p.t.datagram); n > maxDatagrams || p.t.datagram[d.guest] != d {
			t.Errorf("%d addresses of the guest", n)
		}
		p.t.mu.Unlock()
	}
	for i := range maxEchoes {
		p.t.echoes[echoKey{guestAddr4(), uint16(i)}] = &echo{}
	}
	p.t.Deliver([]*buffer.Packet{packet(p.pool, header.ProtocolICMP, netip.MustParseAddr("127.0.0.1"), []byte{8, 0, 0, 0, 0xff, 0xff, 1, 1}, nil)})
	if n := len(p.t.echoes); n != maxEchoes {
		t.Errorf("%d pings are under way", n)
	}
}

// Whatever the guest sends, the proxy lives.
func FuzzGuest(f *testing.F) {
	pool := &buffer.Pool{}
	for _, p := range []*buffer.Packet{
		udp(pool, netip.AddrPortFrom(hostAddr4(), 9), []byte("x")), segment(pool, netip.AddrPortFrom(hostAddr6(), 9), header.SYN),
		segment(pool, netip.MustParseAddrPort("192.0.2.1:1"), header.ACK),
		packet(pool, header.ProtocolICMP, netip.MustParseAddr("127.0.0.1"), []byte{8, 0, 0, 0, 1, 1, 1, 1}, nil),
	} {
		b := make([]byte, p.Len())
		p.CopyTo(b, 0)
		f.Add(b, uint16(0), uint16(0), uint16(0))
	}
	for _, b := range fragmentSeeds() {
		f.Add(b, uint16(0), uint16(0), uint16(0))
	}
	// What is denied makes no socket.
	deny, err := ParseRule("0.0.0.0/0")
	if err != nil {
		f.Fatal(err)
	}
	deny6, err := ParseRule("::/0")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, b []byte, gso, start, off uint16) {
		if len(b) == 0 || len(b) > buffer.LargeChunk {
			return
		}
		p := bare(Config{Policy: Policy{Deny: []Rule{deny, deny6}}}, newWire())
		p.t.up = &stackEnd{}
		c := pool.Get(len(b))
		copy(c.Bytes(), b)
		q := pool.Received(buffer.NewView(c, 0, len(b)))
		q.GSO.Size = gso
		if int(start)+int(off)+2 <= len(b) && start > 0 {
			q.Checksum, q.ChecksumStart, q.ChecksumOffset = buffer.ChecksumPartial, start, off
		}
		p.t.Deliver([]*buffer.Packet{q})
		p.t.flush()
	})
}

func TestParseForward(t *testing.T) {
	for in, want := range map[string]Forward{
		"8080:80":             {Network: "tcp", Host: netip.MustParseAddrPort("[::]:8080"), Guest: 80},
		"0:53/udp":            {Network: "udp", Host: netip.MustParseAddrPort("[::]:0"), Guest: 53},
		"127.0.0.1:8080:80":   {Network: "tcp", Host: netip.MustParseAddrPort("127.0.0.1:8080"), Guest: 80},
		"[2001:db8::1]:1:2":   {Network: "tcp", Host: netip.MustParseAddrPort("[2001:db8::1]:1"), Guest: 2},
		"127.0.0.1:1:2/udp":   {Network: "udp", Host: netip.MustParseAddrPort("127.0.0.1:1"), Guest: 2},
		"127.0.0.1:0:443/tcp": {Network: "tcp", Host: netip.MustParseAddrPort("127.0.0.1:0"), Guest: 443},
	} {
		if got, err := ParseForward(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "80", "80:", ":80", "80:0", "80:80/sctp", "example.org:80:80", "70000:1", "80:80/"} {
		if f, err := ParseForward(in); err == nil {
			t.Errorf("%q is taken for %+v", in, f)
		}
	}
}
