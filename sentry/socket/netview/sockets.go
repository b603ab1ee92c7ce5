package netview

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// States of a socket as /proc/net shows them, netinet/tcp.h.
const (
	tcpEstablished = 1
	tcpTimeWait    = 6
	tcpClose       = 7
	tcpListen      = 10
)

// ticks is USER_HZ: in what /proc/net counts time, a second.
const ticks = 100

const (
	head4 = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
	head6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
	more  = " ref pointer drops"
)

// sockets writes one of the tables of sockets.
func (v *View) sockets(name string, w *bytes.Buffer) {
	kind, v6 := strings.CutSuffix(name, "6")
	family, head := unix.AF_INET, head4
	if v6 {
		family, head = unix.AF_INET6, head6
	}
	protocol := map[string]int{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "udplite": unix.IPPROTO_UDPLITE,
		"raw": unix.IPPROTO_RAW, "icmp": unix.IPPROTO_ICMP}[kind]
	if v6 && kind == "icmp" {
		protocol = unix.IPPROTO_ICMPV6
	}
	width := map[string]int{"tcp": 150, "udp": 128, "udplite": 128, "icmp": 128}[kind]
	if v6 {
		width = 0
	}
	if kind != "tcp" {
		head += more
	}
	if !v6 && (kind == "udp" || kind == "udplite") {
		head = " " + head // as udp4_seq_show has it
	}
	line(w, width, head)
	typ := map[string]int{"tcp": unix.SOCK_STREAM, "raw": unix.SOCK_RAW}[kind]
	if typ == 0 {
		typ = unix.SOCK_DGRAM
	}
	slot := 0
	for _, i := range v.all(family, protocol) {
		if i.Type != typ {
			continue
		}
		if kind == "tcp" {
			line(w, width, tcpLine(slot, &i, v6))
		} else {
			if kind == "raw" {
				// In place of a port it has the protocol.
				i.Local.AddrPort = netip.AddrPortFrom(i.Local.Addr(), uint16(i.Protocol))
			}
			line(w, width, datagramLine(slot, &i, v6, kind == "udp" || kind == "udplite"))
		}
		slot++
	}
}

// line writes a line, filled up to n bytes with blanks.
func line(w *bytes.Buffer, n int, s string) {
	fmt.Fprintf(w, "%-*s\n", max(n-1, 0), s)
}

// endpoint is an address and port as the tables have it: the address as words
// of the machine's byte order.
func endpoint(a netip.AddrPort, v6 bool) string {
	return fmt.Sprintf("%s:%04X", hexAddr(a.Addr(), v6), a.Port())
}

func hexAddr(a netip.Addr, v6 bool) string {
	if !v6 {
		if a = a.Unmap(); !a.Is4() {
			return "00000000"
		}
		b := a.As4()
		return fmt.Sprintf("%08X", binary.LittleEndian.Uint32(b[:]))
	}
	var b [16]byte
	if a.IsValid() {
		b = a.As16()
	}
	var s strings.Builder
	for i := 0; i < 16; i += 4 {
		fmt.Fprintf(&s, "%08X", binary.LittleEndian.Uint32(b[i:]))
	}
	return s.String()
}

func tcpLine(slot int, i *stack.SocketInfo, v6 bool) string {
	tx := i.TxQueue
	if i.State == tcpListen {
		tx = 0 // what it holds is the backlog
	}
	s := fmt.Sprintf("%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d", slot,
		endpoint(i.Local.AddrPort, v6), endpoint(i.Remote.AddrPort, v6), i.State, tx, i.RxQueue,
		i.Timer, int64(max(i.Expires, 0).Seconds()*ticks), i.Retransmits, i.Owner.UID, i.Probes, i.Owner.Inode)
	if i.State == tcpTimeWait {
		return s + fmt.Sprintf(" 3 %016x", 0)
	}
	rto, ato, window, threshold := uint32(ticks), uint32(0), uint32(10), int32(-1)
	if t := i.TCPInfo; len(t) >= 84 {
		// tcpi_rto and tcpi_ato in µs, tcpi_snd_ssthresh and tcpi_snd_cwnd.
		rto, ato = binary.LittleEndian.Uint32(t[8:])/(1e6/ticks), binary.LittleEndian.Uint32(t[12:])/(1e6/ticks)
		if n := int32(binary.LittleEndian.Uint32(t[76:])); n < 0x7fffffff && n >= 0 {
			threshold = n
		}
		window = binary.LittleEndian.Uint32(t[80:])
	}
	if i.State == tcpListen {
		threshold = 0
	}
	return s + fmt.Sprintf(" %d %016x %d %d %d %d %d", max(i.Refs, 1), 0, rto, ato, 0, window, threshold)
}

func datagramLine(slot int, i *stack.SocketInfo, v6, udp bool) string {
	width := 4
	if udp {
		width = 5
	}
	state := i.State
	if state != tcpEstablished {
		state = tcpClose
	}
	return fmt.Sprintf("%*d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d", width, slot,
		endpoint(i.Local.AddrPort, v6), endpoint(i.Remote.AddrPort, v6), state, i.TxQueue, i.RxQueue,
		0, 0, 0, i.Owner.UID, 0, i.Owner.Inode, max(i.Refs, 2), 0, i.Drops)
}

// packet is /proc/net/packet.
func (v *View) packet(w *bytes.Buffer) {
	w.WriteString("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n")
	for _, i := range v.all(unix.AF_PACKET, 0) {
		proto := uint16(i.Protocol)
		if l := i.Local.Link; l != nil {
			proto = l.Protocol
		}
		running := 0
		if proto != 0 {
			running = 1
		}
		fmt.Fprintf(w, "%016x %-6d %-4d %04x   %-5d %d %-6d %-6d %-6d\n", 0, max(i.Refs, 3), i.Type, proto,
			i.Local.Scope, running, i.RxQueue, i.Owner.UID, i.Owner.Inode)
	}
}

// count returns how many sockets of a protocol there are, and of TCP how many of
// them are in TIME_WAIT.
func (v *View) count(family, protocol, typ int) (n, waiting int) {
	for _, i := range v.all(family, protocol) {
		switch {
		case i.Type != typ:
		case protocol == unix.IPPROTO_TCP && i.State == tcpTimeWait:
			waiting++
		default:
			n++
		}
	}
	return n, waiting
}

func (v *View) sockstat(w *bytes.Buffer) {
	tcp, tw := v.count(unix.AF_INET, unix.IPPROTO_TCP, unix.SOCK_STREAM)
	udp, _ := v.count(unix.AF_INET, unix.IPPROTO_UDP, unix.SOCK_DGRAM)
	lite, _ := v.count(unix.AF_INET, unix.IPPROTO_UDPLITE, unix.SOCK_DGRAM)
	raw, _ := v.count(unix.AF_INET, unix.IPPROTO_RAW, unix.SOCK_RAW)
	tcp6, tw6 := v.count(unix.AF_INET6, unix.IPPROTO_TCP, unix.SOCK_STREAM)
	udp6, _ := v.count(unix.AF_INET6, unix.IPPROTO_UDP, unix.SOCK_DGRAM)
	lite6, _ := v.count(unix.AF_INET6, unix.IPPROTO_UDPLITE, unix.SOCK_DGRAM)
	raw6, _ := v.count(unix.AF_INET6, unix.IPPROTO_RAW, unix.SOCK_RAW)
	fmt.Fprintf(w, "sockets: used %d\n", tcp+udp+lite+raw+tcp6+udp6+lite6+raw6)
	fmt.Fprintf(w, "TCP: inuse %d orphan 0 tw %d alloc %d mem 0\n", tcp, tw+tw6, tcp+tcp6)
	fmt.Fprintf(w, "UDP: inuse %d mem 0\nUDPLITE: inuse %d\nRAW: inuse %d\nFRAG: inuse 0 memory 0\n", udp, lite, raw)
}

func (v *View) sockstat6(w *bytes.Buffer) {
	tcp, _ := v.count(unix.AF_INET6, unix.IPPROTO_TCP, unix.SOCK_STREAM)
	udp, _ := v.count(unix.AF_INET6, unix.IPPROTO_UDP, unix.SOCK_DGRAM)
	lite, _ := v.count(unix.AF_INET6, unix.IPPROTO_UDPLITE, unix.SOCK_DGRAM)
	raw, _ := v.count(unix.AF_INET6, unix.IPPROTO_RAW, unix.SOCK_RAW)
	fmt.Fprintf(w, "TCP6: inuse %d\nUDP6: inuse %d\nUDPLITE6: inuse %d\nRAW6: inuse %d\nFRAG6: inuse 0 memory 0\n", tcp, udp, lite, raw)
}

// protocols is /proc/net/protocols.
func (v *View) protocols(w *bytes.Buffer) {
	w.WriteString("protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n")
	for _, p := range []struct {
		name                  string
		family, protocol, typ int
		memory                int
		press                 string
		does                  string
	}{
		{"PACKET", unix.AF_PACKET, 0, 0, -1, "NI", "n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n"},
		{"RAWv6", unix.AF_INET6, unix.IPPROTO_RAW, unix.SOCK_RAW, -1, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n"},
		{"UDPLITEv6", unix.AF_INET6, unix.IPPROTO_UDPLITE, unix.SOCK_DGRAM, 0, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n"},
		{"UDPv6", unix.AF_INET6, unix.IPPROTO_UDP, unix.SOCK_DGRAM, 0, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n"},
		{"TCPv6", unix.AF_INET6, unix.IPPROTO_TCP, unix.SOCK_STREAM, 0, "no", "y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y"},
		{"UDP-Lite", unix.AF_INET, unix.IPPROTO_UDPLITE, unix.SOCK_DGRAM, 0, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n"},
		{"PING", unix.AF_INET, unix.IPPROTO_ICMP, unix.SOCK_DGRAM, -1, "NI", "y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n"},
		{"RAW", unix.AF_INET, unix.IPPROTO_RAW, unix.SOCK_RAW, -1, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n"},
		{"UDP", unix.AF_INET, unix.IPPROTO_UDP, unix.SOCK_DGRAM, 0, "NI", "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n"},
		{"TCP", unix.AF_INET, unix.IPPROTO_TCP, unix.SOCK_STREAM, 0, "no", "y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y"},
	} {
		n := 0
		for _, i := range v.all(p.family, p.protocol) {
			if p.typ == 0 || i.Type == p.typ {
				n++
			}
		}
		fmt.Fprintf(w, "%-9s %4d %6d  %6d   %-3s %6d   yes  kernel      %s\n", p.name, 0, n, p.memory, p.press, 0, p.does)
	}
}
