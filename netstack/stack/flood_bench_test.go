package stack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/route"
)

// floodFrames are what a flood of each kind sends, frame i.
func floodFrames() map[string]func(i int) []byte {
	from4 := func(i int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 198<<24|18<<16+uint32(i)&0x1ffff)
		return netip.AddrFrom4(b)
	}
	ip4 := func(i int, proto header.Protocol, payload []byte) []byte {
		f := frame4(proto, "10.0.0.1", payload)
		h := header.IPv4(f[header.EthernetSize:])
		h.SetSrcAddr(from4(i))
		h.UpdateChecksum()
		return f
	}
	segment := func(i int, f header.TCPFields) []byte {
		b := make([]byte, header.TCPMinSize)
		f.Window = 65535
		header.TCP(b).Encode(f)
		header.TCP(b).SetChecksum(^header.Checksum(b, header.PseudoHeader(header.ProtocolTCP, from4(i), netip.MustParseAddr("10.0.0.1"), len(b))))
		return ip4(i, header.ProtocolTCP, b)
	}
	return map[string]func(i int) []byte{
		"SYN": func(i int) []byte {
			return segment(i, header.TCPFields{SrcPort: uint16(i) | 1, DstPort: 80, Seq: uint32(i), Flags: header.SYN})
		},
		"ACK": func(i int) []byte {
			return segment(i, header.TCPFields{SrcPort: uint16(i) | 1, DstPort: 80, Seq: uint32(i), Ack: rand.Uint32(), Flags: header.ACK})
		},
		"fragments": func(i int) []byte {
			f := ip4(i, header.ProtocolUDP, make([]byte, 64))
			h := header.IPv4(f[header.EthernetSize:])
			h.SetID(uint16(i))
			f[header.EthernetSize+6] = 0x20
			h.UpdateChecksum()
			return f
		},
		"echoes": func(i int) []byte {
			b := make([]byte, 64)
			b[0] = 8
			binary.BigEndian.PutUint16(b[2:], ^header.Checksum(b, 0))
			return ip4(i, header.ProtocolICMP, b)
		},
		"UDP": func(i int) []byte {
			b := make([]byte, 64)
			header.UDP(b).Encode(header.UDPFields{SrcPort: uint16(i) | 1, DstPort: 4, Length: uint16(len(b))})
			return ip4(i, header.ProtocolUDP, b)
		},
		"ARP": func(i int) []byte {
			b := make([]byte, header.EthernetSize+header.ARPSize)
			header.Ethernet(b).Encode(header.EthernetFields{Src: routerHW(), Dst: link.Broadcast(), Type: header.EtherTypeARP})
			header.ARP(b[header.EthernetSize:]).Encode(header.ARPFields{Op: header.ARPRequest, SenderHW: routerHW(),
				SenderAddr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i>>8) | 1, byte(i)}), TargetAddr: netip.MustParseAddr("10.0.0.1")})
			return b
		},
		"solicitations": func(i int) []byte {
			ns := make([]byte, header.NDNeighborSize)
			header.NDNeighbor(ns).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: netip.MustParseAddr("fd00::1")})
			ns = header.AppendNDPLink(ns, header.NDPOptSourceLink, routerHW())
			f := frame6(header.ProtocolICMPv6, 255, "fd00::1:0:0", "ff02::1:ff00:1", ns)
			ip := f[header.EthernetSize:]
			binary.BigEndian.PutUint32(ip[20:], uint32(i))
			header.ICMPv6(ip[header.IPv6Size:]).UpdateChecksum(header.IPv6(ip).SrcAddr(), header.IPv6(ip).DstAddr())
			return f
		},
	}
}

// BenchmarkFloods takes in what a flood sends, each frame of which is from somebody else.
func BenchmarkFloods(b *testing.B) {
	for name, frame := range floodFrames() {
		b.Run(name, func(b *testing.B) {
			v := newClock()
			s, n, w := wired(b, v)
			addr(b, n, "10.0.0.1/8")
			addr(b, n, "fd00::1/64")
			v.advance(5 * time.Second)
			_ = n.arp.Set(v.Now(), netip.MustParseAddr("10.0.0.9"), routerHW(), true, 0x80, true, true, false)
			_ = s.AddRoute(&route.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Table: route.TableMain, Type: unix.RTN_UNICAST,
				Hops: []route.Hop{{Gateway: netip.MustParseAddr("10.0.0.9"), OIF: n.index}}}, route.Exclusive)
			l := tcpListen(b, s, unix.AF_INET, "0.0.0.0:80", 128)
			defer l.Close()
			frames := make([][]byte, 1<<16)
			for i := range frames {
				frames[i] = frame(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c := s.cfg.Pool.Get(2048)
				k := copy(c.Bytes(), frames[i%len(frames)])
				w.d.Deliver([]*buffer.Packet{s.cfg.Pool.Received(buffer.NewView(c, 0, k))})
				w.sent = w.sent[:0]
				if i%1000 == 0 {
					v.advance(20 * time.Millisecond)
				}
			}
		})
	}
}
