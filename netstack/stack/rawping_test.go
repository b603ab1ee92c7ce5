package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

func echo(v6 bool, id, seq uint16, data string) []byte {
	b := make([]byte, header.ICMPv4Size, header.ICMPv4Size+len(data))
	if v6 {
		header.ICMPv6(b).Encode(header.ICMPv6Fields{Type: header.ICMPv6EchoRequest, ID: id, Seq: seq})
	} else {
		header.ICMPv4(b).Encode(header.ICMPv4Fields{Type: header.ICMPv4Echo, ID: id, Seq: seq})
	}
	return append(b, data...)
}

func TestPing(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	if _, err := a.NewSocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, Owner{GID: 7}); err != unix.EACCES {
		t.Errorf("a group that may not: %v", err)
	}
	if err := a.SetTunable("ipv4/ping_group_range", "0 100"); err != nil {
		t.Fatal(err)
	}
	for _, dst := range []string{"10.0.0.2:0", "127.0.0.1:0", "[fd00::2]:0", "[::1]:0"} {
		d := to(dst)
		v6, family, proto := d.Addr().Is6(), unix.AF_INET, unix.IPPROTO_ICMP
		if v6 {
			family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		}
		x := socket(t, a, family, unix.SOCK_DGRAM, proto)
		msg := echo(v6, 999, 3, "data")
		if _, err := x.Send(bytes.NewReader(msg), len(msg), &SendMeta{To: &d}); err != nil {
			t.Fatal(dst, err)
		}
		got, m, err := recv(x)
		name, _ := x.Name()
		if err != nil || len(got) != len(msg) || got[8:] != "data" || binary.BigEndian.Uint16([]byte(got[4:])) != name.Port() || got[0] != 0 && got[0] != 129 {
			t.Errorf("%s: %q from %v, %v; the identifier is %d", dst, got, m.From, err, name.Port())
		}
		bad := echo(v6, 1, 1, "")
		bad[0] = 5
		if _, err := x.Send(bytes.NewReader(bad), len(bad), &SendMeta{To: &d}); err != unix.EINVAL {
			t.Errorf("%s: another message than an echo: %v", dst, err)
		}
	}
}

func TestRaw(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x := socket(t, a, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	msg := echo(false, 5, 1, "raw")
	header.ICMPv4(msg).UpdateChecksum()
	d := to("10.0.0.2:0")
	if _, err := x.Send(bytes.NewReader(msg), len(msg), &SendMeta{To: &d}); err != nil {
		t.Fatal(err)
	}
	got, _, err := recv(x)
	if h := header.IPv4(got); err != nil || len(got) != 20+len(msg) || h.SrcAddr().String() != "10.0.0.2" || got[20] != 0 {
		t.Fatalf("% x, %v", got, err)
	}
	block := binary.NativeEndian.AppendUint32(nil, 1<<uint(header.ICMPv4EchoReply))
	if err := x.SetOption(solRaw, icmpFilter, block, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Send(bytes.NewReader(msg), len(msg), &SendMeta{To: &d}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := recv(x); err != unix.EAGAIN {
		t.Errorf("a type that is filtered: %v", err)
	}
	// A protocol that nobody has: only the raw socket's peer hears it.
	p, q := socket(t, a, unix.AF_INET6, unix.SOCK_RAW, 200), socket(t, b, unix.AF_INET6, unix.SOCK_RAW, 200)
	if err := p.SetOption(unix.SOL_IPV6, unix.IPV6_CHECKSUM, []byte{2, 0, 0, 0}, false, false); err != nil {
		t.Fatal(err)
	}
	if err := q.SetOption(unix.SOL_IPV6, unix.IPV6_CHECKSUM, []byte{2, 0, 0, 0}, false, false); err != nil {
		t.Fatal(err)
	}
	sendTo(t, p, "abcdefgh", "[fd00::2]:0")
	got, _, err = recv(q)
	if err != nil || len(got) != 8 || got[4:] != "efgh" || got[2:4] == "cd" {
		t.Errorf("%q, %v", got, err)
	}
	// A header of one's own.
	h, y := socket(t, a, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.0.0.2:77"), true); err != nil {
		t.Fatal(err)
	}
	ip := make([]byte, 31)
	header.IPv4(ip).Encode(header.IPv4Fields{TotalLen: 31, TTL: 9, Protocol: header.ProtocolUDP, Dst: netip.MustParseAddr("10.0.0.2")})
	copy(ip[20:], []byte{0, 66, 0, 77, 0, 11, 0, 0, 'o', 'w', 'n'})
	if _, err := h.Send(bytes.NewReader(ip), len(ip), &SendMeta{To: &d}); err != nil {
		t.Fatal(err)
	}
	if m := wantRecv(t, y, "own"); m.From.String() != "10.0.0.1:66" || m.Msg.TTL != 9 {
		t.Errorf("from %v, TTL %d", m.From, m.Msg.TTL)
	}
}

func TestPacketSocket(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x := socket(t, b, unix.AF_PACKET, unix.SOCK_RAW, int(networkOrder(unix.ETH_P_ALL)))
	if err := x.Bind(Address{Scope: b.NICByName("eth0").Index(), Link: &LinkAddress{}}, false); err != nil {
		t.Fatal(err)
	}
	// Only UDP: the filter that tcpdump makes of "ip proto 17", and 40 bytes of it.
	filter := []byte{}
	for _, in := range []struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}{{0x28, 0, 0, 12}, {0x15, 0, 3, 0x800}, {0x30, 0, 0, 23}, {0x15, 0, 1, 17}, {6, 0, 0, 40}, {6, 0, 0, 0}} {
		filter = binary.NativeEndian.AppendUint16(filter, in.code)
		filter = append(filter, in.jt, in.jf)
		filter = binary.NativeEndian.AppendUint32(filter, in.k)
	}
	if err := x.SetOption(unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter, true, true); err != nil {
		t.Fatal(err)
	}
	u, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.0.0.2:9"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, u, "a datagram", "10.0.0.2:9")
	got, m, err := recv(x)
	if err != nil || len(got) != 40 || m.Msg.Link.Wire != 52 || m.From.Link.Type != unix.PACKET_HOST || m.From.Link.Protocol != 0x800 {
		t.Fatalf("%d bytes, %+v, %v", len(got), m.From.Link, err)
	}
	stats, err := x.Option(solPacket, unix.PACKET_STATISTICS, 64, nil)
	if err != nil || binary.NativeEndian.Uint32(stats) != 1 {
		t.Errorf("statistics % x, %v", stats, err)
	}
	reply := m
	wantRecv(t, y, "a datagram")
	_ = reply
	// What the other side sends itself is seen as sent.
	z := socket(t, a, unix.AF_PACKET, unix.SOCK_DGRAM, int(networkOrder(unix.ETH_P_ALL)))
	sendTo(t, u, "once more", "10.0.0.2:9")
	got, m, err = recv(z)
	if err != nil || m.From.Link.Type != unix.PACKET_OUTGOING || header.IPv4(got).DstAddr().String() != "10.0.0.2" {
		t.Errorf("%q, %+v, %v", got, m.From.Link, err)
	}
}

// TestPacketRing fills rings of each version and takes the frames out as their
// owners do.
func TestPacketRing(t *testing.T) {
	const blockSize, blocks = 4096, 4
	for version := range 3 {
		v := newClock()
		a, b := pair(t, v)
		x := socket(t, b, unix.AF_PACKET, unix.SOCK_RAW, int(networkOrder(unix.ETH_P_IP)))
		set := func(name, value int) {
			if err := x.SetOption(solPacket, name, binary.NativeEndian.AppendUint32(nil, uint32(value)), true, true); err != nil {
				t.Fatal(err)
			}
		}
		set(unix.PACKET_VERSION, version)
		var req []byte
		for _, w := range []uint32{blockSize, blocks, 1024, 16, 60, 0, 0} {
			req = binary.NativeEndian.AppendUint32(req, w)
		}
		r, err := x.(Ringer).ParseRing(req, false)
		if err != nil {
			t.Fatal(err)
		}
		mem := make([][]byte, blocks)
		for i := range mem {
			mem[i] = alignedBlock(blockSize)
		}
		if err := x.(Ringer).SetRing(r, mem, false); err != nil {
			t.Fatal(err)
		}
		u, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err := y.Bind(to("10.0.0.2:9"), true); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			sendTo(t, u, "ring", "10.0.0.2:9")
		}
		v.advance(100 * time.Millisecond)
		if x.Ready()&unix.EPOLLIN == 0 {
			t.Errorf("version %d: nothing is ready", version)
		}
		ne, found := binary.NativeEndian, 0
		for _, m := range mem {
			if version == 2 {
				if ne.Uint32(m[8:])&tpUser == 0 {
					continue
				}
				at := int(ne.Uint32(m[16:]))
				for range ne.Uint32(m[12:]) {
					h := m[at:]
					if mac := int(ne.Uint16(h[24:])); string(h[mac+42:mac+46]) == "ring" {
						found++
					}
					at += int(ne.Uint32(h))
				}
				continue
			}
			for at := 0; at < blockSize; at += 1024 {
				h, field := m[at:], 4+4*bit(version == 0)
				if mac := int(ne.Uint16(h[field+8:])); ne.Uint32(h)&tpUser != 0 && string(h[mac+42:mac+46]) == "ring" {
					found++
				}
			}
		}
		want := 16
		if version == 2 {
			want = 20
		}
		stats, err := x.Option(solPacket, unix.PACKET_STATISTICS, 64, nil)
		if err != nil || found != want || ne.Uint32(stats) != 20 || int(ne.Uint32(stats[4:])) != 20-want {
			t.Errorf("version %d: %d frames in the ring, statistics % x", version, found, stats)
		}
	}
}

// alignedBlock is memory as a mapping would be, as far as words go.
func alignedBlock(n int) []byte { return make([]byte, n) }
