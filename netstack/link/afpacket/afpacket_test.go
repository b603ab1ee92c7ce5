package afpacket

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// The link is at near; Linux's stack is at far.
var (
	nearMAC  = link.Address{2, 0, 0, 0, 0, 1}
	farMAC   = link.Address{2, 0, 0, 0, 0, 2}
	nearAddr = netip.MustParseAddr("10.7.0.1")
	farAddr  = netip.MustParseAddr("10.7.0.2")
)

// ports of the two sides.
const nearPort, farPort = 7001, 7002

// veth enters a network namespace of its own, for this goroutine, in which near
// and far are a pair. Only root can.
func veth(t *testing.T) *net.UDPConn {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("makes network interfaces: needs root")
	}
	runtime.LockOSThread() // the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"link add near address 02:00:00:00:00:01 type veth peer name far address 02:00:00:00:00:02",
		"addr add 10.7.0.2/24 dev far",
		"link set near arp off up",
		"link set far up",
		"neigh add 10.7.0.1 lladdr 02:00:00:00:00:01 dev far",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: farAddr.AsSlice(), Port: farPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func open(t *testing.T, d link.Dispatcher, pool *buffer.Pool) link.Endpoint {
	t.Helper()
	i, err := net.InterfaceByName("near")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := Open(i.Index)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{FD: fd, Pool: pool, MTU: i.MTU, Address: nearMAC})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	e.Attach(d)
	return e
}

// udpSink collects the datagrams for the near port.
type udpSink struct {
	mu     sync.Mutex
	got    []*buffer.Packet
	states []bool
	came   chan struct{}
}

func (s *udpSink) Deliver(ps []*buffer.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ps {
		b := p.Head()
		const at = header.EthernetSize + 20
		if len(b) < at+header.UDPSize || header.Ethernet(b).Type() != header.EtherTypeIPv4 || b[23] != 17 ||
			header.UDP(b[at:]).DstPort() != nearPort {
			p.Release()
			continue
		}
		s.got = append(s.got, p)
	}
	s.poke()
}

func (s *udpSink) LinkChanged(up bool, _ int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, up)
	s.poke()
}

func (s *udpSink) poke() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *udpSink) wait(t *testing.T, ok func() bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		done := ok()
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.came:
		case <-late:
			t.Fatal("timed out")
		}
	}
}

// What Linux sends in one go arrives in one piece, and with what is left to do.
func TestReceive(t *testing.T) {
	c, pool := veth(t), &buffer.Pool{}
	s := &udpSink{came: make(chan struct{}, 1)}
	open(t, s, pool)
	to := &net.UDPAddr{IP: nearAddr.AsSlice(), Port: nearPort}
	if _, err := c.WriteTo([]byte("hello"), to); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("0123456789"), 4200)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1400)
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo(big, to); err != nil {
		t.Fatal(err)
	}
	s.wait(t, func() bool { return len(s.got) == 2 })
	if g := s.got[1].GSO; g != (buffer.GSO{Size: 1400, Type: buffer.GSOUDP}) {
		t.Errorf("GSO = %+v", g)
	}
	const headers = header.EthernetSize + 20 + header.UDPSize
	for i, want := range [][]byte{[]byte("hello"), big} {
		p := s.got[i]
		got := make([]byte, p.Len())
		p.CopyTo(got, 0)
		if p.Checksum != buffer.ChecksumPartial || p.ChecksumStart != headers-header.UDPSize || p.ChecksumOffset != header.UDPChecksumOffset {
			t.Errorf("packet %d: checksum %d at %d+%d", i, p.Checksum, p.ChecksumStart, p.ChecksumOffset)
		}
		if !bytes.Equal(got[headers:], want) {
			t.Errorf("packet %d: %d bytes, which differ; want %d", i, len(got)-headers, len(want))
		}
		p.Release()
	}
}

// datagram makes a datagram whose checksum the link has to fill in.
func datagram(pool *buffer.Pool, data []byte) *buffer.Packet {
	p := pool.NewPacket(pool.CopyIn(data)...)
	size := len(data) + header.UDPSize
	u := header.UDP(p.Prepend(header.UDPSize))
	u.Encode(header.UDPFields{SrcPort: nearPort, DstPort: farPort, Length: uint16(size)})
	u.SetChecksum(header.PseudoHeader(header.ProtocolUDP, nearAddr, farAddr, size))
	ip := header.IPv4(p.Prepend(header.IPv4MinSize))
	ip.Encode(header.IPv4Fields{TotalLen: uint16(size + header.IPv4MinSize), TTL: 64, Protocol: header.ProtocolUDP, Src: nearAddr, Dst: farAddr})
	header.Ethernet(p.Prepend(header.EthernetSize)).Encode(header.EthernetFields{Src: nearMAC, Dst: farMAC, Type: header.EtherTypeIPv4})
	p.Checksum, p.ChecksumStart, p.ChecksumOffset = buffer.ChecksumPartial, header.EthernetSize+header.IPv4MinSize, header.UDPChecksumOffset
	return p
}

// Linux fills in checksums and cuts segments.
func TestSend(t *testing.T) {
	c, pool := veth(t), &buffer.Pool{}
	e := open(t, &udpSink{came: make(chan struct{}, 1)}, pool)
	big := bytes.Repeat([]byte("abcdefg"), 2000)
	p := datagram(pool, big)
	p.GSO = buffer.GSO{Size: 1000, Type: buffer.GSOUDP}
	if n, err := e.Send([]*buffer.Packet{datagram(pool, []byte("one")), p, datagram(pool, []byte("two"))}); n != 3 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	want := [][]byte{[]byte("one")}
	for i := 0; i < len(big); i += 1000 {
		want = append(want, big[i:i+1000])
	}
	want = append(want, []byte("two"))
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		b := make([]byte, 65536)
		n, from, err := c.ReadFromUDP(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b[:n], w) || from.Port != nearPort {
			t.Errorf("datagram %d: %d bytes from %v; want %d", i, n, from, len(w))
		}
	}
	if _, err := e.Send([]*buffer.Packet{datagram(pool, make([]byte, 1600))}); err != unix.EMSGSIZE {
		t.Errorf("a packet of more than the MTU: %v, want EMSGSIZE", err)
	}
}

func TestLinkDownAndUp(t *testing.T) {
	c, pool := veth(t), &buffer.Pool{}
	s := &udpSink{came: make(chan struct{}, 1)}
	e := open(t, s, pool)
	set := func(how string) {
		if out, err := exec.Command("ip", "link", "set", "near", how).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	set("down")
	s.wait(t, func() bool { return len(s.states) == 1 && !s.states[0] })
	if _, err := e.Send([]*buffer.Packet{datagram(pool, []byte("x"))}); err != unix.ENETDOWN {
		t.Errorf("Send through an interface that is down: %v, want ENETDOWN", err)
	}
	set("up")
	for range 100 { // carrier takes a moment
		if _, err := c.WriteTo([]byte("hello"), &net.UDPAddr{IP: nearAddr.AsSlice(), Port: nearPort}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.wait(t, func() bool { return len(s.states) == 2 && s.states[1] && len(s.got) > 0 })
}

// The first frame through an interface that is new arrives.
func TestFirstFrame(t *testing.T) {
	for range 12 {
		t.Run("", func(t *testing.T) {
			c, pool := veth(t), &buffer.Pool{}
			e := open(t, &udpSink{came: make(chan struct{}, 1)}, pool)
			if n, err := e.Send([]*buffer.Packet{datagram(pool, []byte("first"))}); n != 1 || err != nil {
				t.Fatalf("Send = %d, %v", n, err)
			}
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 64)
			if n, _, err := c.ReadFromUDP(b); err != nil || string(b[:n]) != "first" {
				t.Errorf("%q, %v", b[:n], err)
			}
		})
	}
}
