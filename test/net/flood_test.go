package net

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// TestFloods floods a sandbox in each way that makes a stack keep something, or answer:
// for HULL_FLOOD (half a second) each. All along another connection is asked and
// answers, the sentry's memory stays within a bound, and afterwards new connections
// are taken and the counters say what came.
func TestFloods(t *testing.T) {
	d := time.Second / 2
	if v := os.Getenv("HULL_FLOOD"); v != "" {
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	g := startGuest(t)
	for _, f := range floods() {
		t.Run(f.name, func(t *testing.T) { f.run(t, g, d) })
	}
}

// flood is one way to flood.
type flood struct {
	name string
	// begin makes what is needed and returns a function that makes frame i: of nil
	// there is no flood but what begin started.
	begin func(t *testing.T, g *guest) func(i int) []byte
	// counters must have grown.
	counters []string
	// megabytes are what the sentry may take more than before.
	megabytes int
}

func floods() []flood {
	return []flood{
		{"SYN", func(*testing.T, *guest) func(int) []byte { return synFlood }, []string{"TcpExt.SyncookiesSent", "TcpExt.TCPReqQFullDoCookies"}, 160},
		{"fragments", func(*testing.T, *guest) func(int) []byte { return fragmentFlood4 }, []string{"Ip.ReasmReqds"}, 160},
		{"fragments of IPv6", func(*testing.T, *guest) func(int) []byte { return fragmentFlood6 }, []string{"Ip6ReasmReqds"}, 160},
		{"ICMP", func(*testing.T, *guest) func(int) []byte { return icmpFlood }, []string{"Icmp.InEchos", "Icmp.OutEchoReps", "Icmp6InEchos"}, 160},
		{"UDP to nobody", func(*testing.T, *guest) func(int) []byte { return udpFlood(4) }, []string{"Udp.NoPorts", "Icmp.OutDestUnreachs"}, 160},
		{"UDP that nobody reads", func(*testing.T, *guest) func(int) []byte { return udpFlood(9) }, []string{"Udp.RcvbufErrors"}, 160},
		{"neighbours", func(*testing.T, *guest) func(int) []byte { return neighborFlood }, nil, 160},
		{"resets and acknowledgments", blindFlood, []string{"TcpExt.TCPChallengeACK"}, 160},
		{"out of order", outOfOrderFlood, []string{"TcpExt.TCPOFOQueue"}, 160},
		{"a peer that never reads", neverRead(19, false), nil, 256},
		{"a guest that never reads", neverRead(9, true), nil, 256},
	}
}

func (f *flood) run(t *testing.T, g *guest, d time.Duration) {
	before, err := g.memory()
	if err != nil {
		t.Fatal(err)
	}
	was, w, most := g.counters(t), g.watch(t), g.sample()
	next := f.begin(t, g)
	n := 0
	if next != nil {
		n = g.send(t, d, next)
	} else {
		time.Sleep(d)
	}
	trips, slowest := w()
	took, err := most()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d frames in %v; %d round trips of another connection, the slowest took %v; the sentry had %d MiB, and then at most %d",
		n, d, trips, slowest.Round(time.Millisecond), before, took)
	if took-before > f.megabytes {
		t.Errorf("the sentry took %d MiB more", took-before)
	}
	is := g.counters(t) // by a new connection
	for _, c := range f.counters {
		if is[c] <= was[c] {
			t.Errorf("%s was %d and is %d", c, was[c], is[c])
		}
	}
	for c, v := range is {
		if c != "Tcp.MaxConn" && v < 0 || v < was[c] && c != "Tcp.CurrEstab" {
			t.Errorf("%s was %d and is %d", c, was[c], v)
		}
	}
}

// rate is how many frames a second are sent: more than a sandbox answers, not so many
// that the host's queue before it lets nothing else through.
const rate = 50000

// send sends frames for d.
func (g *guest) send(t *testing.T, d time.Duration, frame func(i int) []byte) int {
	n, begin := 0, time.Now()
	for {
		passed := time.Since(begin)
		if passed > d {
			return n
		}
		for due := int(passed.Seconds() * rate); n < due; n++ {
			if _, err := unix.Write(g.wire, frame(n)); err != nil && err != unix.ENOBUFS && err != unix.EAGAIN {
				t.Fatalf("frame %d: %v", n, err)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// sample notes how much the sentry takes, until what it returns asks for the most.
func (g *guest) sample() func() (most int, err error) {
	type result struct {
		most int
		err  error
	}
	stop, done := make(chan struct{}), make(chan result, 1)
	go func() {
		most := 0
		for {
			n, err := g.memory()
			if most = max(most, n); err != nil {
				done <- result{most, err}
				return
			}
			select {
			case <-stop:
				done <- result{most, nil}
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() (int, error) {
		close(stop)
		r := <-done
		return r.most, r.err
	}
}

// watch keeps asking over one connection. What it returns ends that, and says how
// often there was an answer and how long the slowest took.
func (g *guest) watch(t *testing.T) (end func() (trips int, slowest time.Duration)) {
	t.Helper()
	c, err := g.dial("tcp", guest4, 7)
	if err != nil {
		t.Fatal(err)
	}
	g.witness = c.LocalAddr().(*net.TCPAddr).AddrPort()
	stop, done := make(chan struct{}), make(chan struct{})
	trips, slowest := 0, time.Duration(0)
	var failed error
	go func() {
		defer close(done)
		defer c.Close()
		b, got := make([]byte, 64), make([]byte, 64)
		for failed == nil {
			binary.BigEndian.PutUint64(b, rand.Uint64())
			begin := time.Now()
			_ = c.SetDeadline(begin.Add(time.Minute))
			if _, failed = c.Write(b); failed == nil {
				_, failed = io.ReadFull(c, got)
			}
			if failed == nil && !bytes.Equal(b, got) {
				failed = fmt.Errorf("sent %x, got %x", b, got)
			}
			trips, slowest = trips+1, max(slowest, time.Since(begin))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() (int, time.Duration) {
		close(stop)
		<-done
		if failed != nil {
			t.Errorf("the other connection, after %d round trips: %v", trips, failed)
		}
		return trips, slowest
	}
}

// frame puts an Ethernet header before a packet.
func frame(t header.EtherType, packet []byte) []byte {
	b := make([]byte, header.EthernetSize, header.EthernetSize+len(packet))
	header.Ethernet(b).Encode(header.EthernetFields{Src: hostHW, Dst: guestHW, Type: t})
	return append(b, packet...)
}

// frame4 and frame6 are frames with a packet from src to the guest.
func frame4(src netip.Addr, proto header.Protocol, more bool, id uint16, payload []byte) []byte {
	b := make([]byte, header.IPv4MinSize, header.IPv4MinSize+len(payload))
	header.IPv4(b).Encode(header.IPv4Fields{TotalLen: uint16(len(b) + len(payload)), TTL: 64, Protocol: proto, ID: id, MoreFragments: more,
		Src: src, Dst: netip.MustParseAddr(guest4)})
	return frame(header.EtherTypeIPv4, append(b, payload...))
}

func frame6(src netip.Addr, next header.Protocol, payload []byte) []byte {
	b := make([]byte, header.IPv6Size, header.IPv6Size+len(payload))
	header.IPv6(b).Encode(header.IPv6Fields{PayloadLen: uint16(len(payload)), Next: next, HopLimit: 255, Src: src, Dst: netip.MustParseAddr(guest6)})
	return frame(header.EtherTypeIPv6, append(b, payload...))
}

// segment is a frame with a segment of TCP.
func segment(src netip.AddrPort, port uint16, f header.TCPFields, data int) []byte {
	b := make([]byte, header.TCPMinSize+data)
	f.SrcPort, f.DstPort = src.Port(), port
	h := header.TCP(b)
	h.Encode(f)
	h.SetChecksum(^header.Checksum(b, header.PseudoHeader(header.ProtocolTCP, src.Addr(), netip.MustParseAddr(guest4), len(b))))
	return frame4(src.Addr(), header.ProtocolTCP, false, uint16(f.Seq), b)
}

// stranger is one of 2^17 hosts that are not there.
func stranger(i int) netip.Addr {
	b := netip.MustParseAddr("198.18.0.0").As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(i)&0x1ffff)
	return netip.AddrFrom4(b)
}

func stranger6(i int) netip.Addr {
	b := netip.MustParseAddr("2001:db8::").As16()
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	return netip.AddrFrom16(b)
}

func synFlood(i int) []byte {
	return segment(netip.AddrPortFrom(stranger(i), uint16(i>>17)+1), 7, header.TCPFields{Seq: rand.Uint32(), Flags: header.SYN, Window: 65535}, 0)
}

// fragmentFlood4 sends beginnings of datagrams, of which every other one overlaps
// itself.
func fragmentFlood4(i int) []byte {
	data := make([]byte, 8*(1+i%180))
	b := frame4(stranger(i/2), header.ProtocolUDP, true, uint16(i/2), data)
	if i%2 == 1 {
		ip := header.IPv4(b[header.EthernetSize:])
		binary.BigEndian.PutUint16(ip[6:], 0x2001|uint16(i>>1&1)<<1)
		ip.UpdateChecksum()
	}
	return b
}

func fragmentFlood6(i int) []byte {
	b := make([]byte, header.IPv6FragmentSize+8*(1+i%180))
	header.IPv6Fragment(b).Encode(header.IPv6FragmentFields{Next: header.ProtocolUDP, Offset: 8 * (i % 2), More: true, ID: uint32(i / 2)})
	return frame6(stranger6(i/2), header.ProtocolFragment, b)
}

func icmpFlood(i int) []byte {
	b := make([]byte, 8+56)
	binary.BigEndian.PutUint16(b[6:], uint16(i))
	if i%2 == 0 {
		b[0] = byte(header.ICMPv4Echo)
		binary.BigEndian.PutUint16(b[2:], ^header.Checksum(b, 0))
		return frame4(stranger(i), header.ProtocolICMP, false, 0, b)
	}
	b[0] = byte(header.ICMPv6EchoRequest)
	header.ICMPv6(b).UpdateChecksum(stranger6(i), netip.MustParseAddr(guest6))
	return frame6(stranger6(i), header.ProtocolICMPv6, b)
}

func udpFlood(port uint16) func(i int) []byte {
	return func(i int) []byte {
		b := make([]byte, header.UDPSize+i%1400)
		header.UDP(b).Encode(header.UDPFields{SrcPort: uint16(i)%60000 + 1, DstPort: port, Length: uint16(len(b))})
		return frame4(stranger(i), header.ProtocolUDP, false, uint16(i), b)
	}
}

// neighborFlood has as many neighbours as there are addresses say who they are, and ask.
func neighborFlood(i int) []byte {
	hw := [6]byte{2, 1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
	if i%2 == 0 {
		b := make([]byte, header.ARPSize)
		header.ARP(b).Encode(header.ARPFields{Op: header.ARPRequest, SenderHW: hw, SenderAddr: netip.AddrFrom4([4]byte{10, 66, byte(i>>9) | 1, byte(i >> 1)}),
			TargetAddr: netip.MustParseAddr(guest4)})
		return frame(header.EtherTypeARP, b)
	}
	b := make([]byte, header.NDNeighborSize)
	header.NDNeighbor(b).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: netip.MustParseAddr(guest6)})
	b = header.AppendNDPLink(b, header.NDPOptSourceLink, hw)
	src := netip.MustParseAddr("fd66::1:0:0").As16()
	binary.BigEndian.PutUint32(src[12:], uint32(i))
	header.ICMPv6(b).UpdateChecksum(netip.AddrFrom16(src), netip.MustParseAddr(guest6))
	return frame6(netip.AddrFrom16(src), header.ProtocolICMPv6, b)
}

// blindFlood sends segments as if they were of the connection that is watched, from
// somebody who knows its ends and not its numbers.
func blindFlood(_ *testing.T, g *guest) func(i int) []byte {
	return func(i int) []byte {
		flags := [...]header.TCPFlags{header.RST, header.ACK, header.SYN, header.RST | header.ACK, header.FIN | header.ACK, header.SYN | header.ACK}[i%6]
		return segment(g.witness, 7, header.TCPFields{Seq: rand.Uint32(), Ack: rand.Uint32(), Flags: flags, Window: 65535}, i%8)
	}
}

// outOfOrderFlood opens connections from hosts that are not there and sends pieces of
// what follows the first byte, which never comes.
func outOfOrderFlood(t *testing.T, g *guest) func(i int) []byte {
	const connections = 200
	type conn struct {
		src      netip.AddrPort
		seq, ack uint32
	}
	conns := make([]conn, 0, connections)
	rx := g.listenWire(t)
	defer unix.Close(rx)
	for i := range connections {
		src := netip.AddrPortFrom(stranger(1000+i), 5000)
		if _, err := unix.Write(g.wire, segment(src, 9, header.TCPFields{Seq: 99, Flags: header.SYN, Window: 65535}, 0)); err != nil {
			t.Fatal(err)
		}
		h := awaitTCP(t, rx, src)
		if h.Flags() != header.SYN|header.ACK {
			t.Fatalf("the answer to a SYN is %v", h)
		}
		conns = append(conns, conn{src, 100, h.Seq() + 1})
		if _, err := unix.Write(g.wire, segment(src, 9, header.TCPFields{Seq: 100, Ack: h.Seq() + 1, Flags: header.ACK, Window: 65535}, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return func(i int) []byte {
		c := conns[i%connections]
		off := uint32(1 + rand.IntN(60000))
		return segment(c.src, 9, header.TCPFields{Seq: c.seq + off, Ack: c.ack, Flags: header.ACK, Window: 65535}, 1+rand.IntN(20))
	}
}

// listenWire is a socket that gets what the guest sends.
func (g *guest) listenWire(t *testing.T) (fd int) {
	t.Helper()
	var err error
	g.linux(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName("host"); err == nil {
			if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
				err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: i.Index}) // ETH_P_IP in the network's order
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30})
	return fd
}

// awaitTCP reads until there is a segment to an address.
func awaitTCP(t *testing.T, fd int, to netip.AddrPort) header.TCP {
	t.Helper()
	b := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, b)
		if err != nil {
			t.Fatalf("no answer to %v: %v", to, err)
		}
		if n < header.EthernetSize+header.IPv4MinSize+header.TCPMinSize {
			continue
		}
		h := header.IPv4(b[header.EthernetSize:n])
		if !h.Valid(len(h)) || h.Protocol() != header.ProtocolTCP || h.DstAddr() != to.Addr() {
			continue
		}
		if s := header.TCP(h[h.IHL():]); s.Valid(len(s)) && s.DstPort() == to.Port() {
			return s
		}
	}
}

// neverRead opens connections to a port of the guest, and does not read them; it
// fills them if fill says so.
func neverRead(port int, fill bool) func(t *testing.T, g *guest) func(i int) []byte {
	return func(t *testing.T, g *guest) func(i int) []byte {
		const connections = 100
		data := make([]byte, 1<<20)
		for range connections {
			c, err := g.dial("tcp", guest4, port)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			})
			if fill {
				go func() {
					for {
						if _, err := c.Write(data); err != nil {
							return
						}
					}
				}()
			}
		}
		return nil
	}
}
