package stack

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// fragments delivers a packet in pieces: how large, in which order and which of
// them twice or not at all its first two bytes say.
func (g *ingress) fragments(b []byte) {
	if len(b) < 2+header.EthernetSize+header.IPv4MinSize {
		return
	}
	how, b := int(b[0])<<8|int(b[1]), append([]byte(nil), b[2:]...)
	mendFrame(b)
	typ := header.Ethernet(b).Type()
	size := 8 * (1 + how&15)
	var pieces [][]byte
	switch {
	case typ == header.EtherTypeIPv4:
		ip := b[header.EthernetSize:]
		head := b[:header.EthernetSize+header.IPv4(ip).IHL()]
		for off, rest := 0, b[len(head):]; len(rest) > 0; off += size {
			n := min(size, len(rest))
			p := append(append([]byte(nil), head...), rest[:n]...)
			more := 0
			if rest = rest[n:]; len(rest) > 0 {
				more = 0x2000
			}
			putUint16(p[header.EthernetSize+6:], uint16(more|off/8))
			pieces = append(pieces, p)
		}
	case typ == header.EtherTypeIPv6 && len(b) >= header.EthernetSize+header.IPv6Size:
		head := b[:header.EthernetSize+header.IPv6Size]
		next := header.IPv6(head[header.EthernetSize:]).Next()
		for off, rest := 0, b[len(head):]; len(rest) > 0; off += size {
			n := min(size, len(rest))
			p := append([]byte(nil), head...)
			p[header.EthernetSize+6] = byte(header.ProtocolFragment)
			f := make([]byte, header.IPv6FragmentSize)
			header.IPv6Fragment(f).Encode(header.IPv6FragmentFields{Next: next, Offset: off, More: n < len(rest), ID: uint32(how)})
			p = append(append(p, f...), rest[:n]...)
			header.IPv6(p[header.EthernetSize:]).SetPayloadLen(uint16(len(f) + n))
			rest = rest[n:]
			pieces = append(pieces, p)
		}
	}
	for i := range pieces {
		k := i
		switch how >> 4 & 3 {
		case 1:
			k = len(pieces) - 1 - i
		case 2:
			k = i ^ 1
		case 3:
			k = (i*7 + 3) % len(pieces)
		}
		if k >= len(pieces) || how>>6&15 == i+1 {
			continue
		}
		if header.Ethernet(pieces[k]).Type() == header.EtherTypeIPv4 {
			header.IPv4(pieces[k][header.EthernetSize:]).UpdateChecksum()
		}
		g.w.deliver(g.s, pieces[k], false)
		if how>>10&15 == i+1 { // again, and again a little changed
			g.w.deliver(g.s, pieces[k], false)
			g.w.deliver(g.s, pieces[k][:len(pieces[k])-1], typ == header.EtherTypeIPv6)
		}
	}
}

// call is a system call on the socket of a connection.
func (g *ingress) call(arg int) {
	f := g.flow(arg)
	x, how := f.sock, arg>>8&15
	if f.closed {
		return
	}
	if x == nil {
		if l := g.listeners[0]; !l.dead.Load() {
			if a, _, err := l.Accept(); err == nil {
				peer, _ := a.Peer()
				for _, o := range g.flows {
					if o.peer.Port() == peer.Port() && o.sock == nil {
						o.sock, a = a, nil
						break
					}
				}
				if a != nil {
					a.Close()
				}
			}
		}
		return
	}
	data := make([]byte, 1+(arg>>4&15)*2500)
	switch how {
	case 0, 1:
		_, _ = x.Send(bytes.NewReader(data), len(data), &SendMeta{})
	case 2:
		_, _ = x.Send(bytes.NewReader(data), len(data), &SendMeta{Flags: unix.MSG_OOB})
	case 3:
		_, _ = x.Send(bytes.NewReader(data), len(data), &SendMeta{Flags: unix.MSG_MORE | unix.MSG_ZEROCOPY})
	case 4, 5:
		_, _ = x.Recv(io.Discard, len(data), &RecvMeta{})
	case 6:
		_, _ = x.Recv(io.Discard, len(data), &RecvMeta{Flags: unix.MSG_PEEK})
		_, _ = x.Recv(io.Discard, 1, &RecvMeta{Flags: unix.MSG_OOB})
	case 7:
		m := RecvMeta{Flags: unix.MSG_ERRQUEUE}
		_, _ = x.Recv(io.Discard, len(data), &m)
	case 8:
		_ = x.Shutdown(arg >> 4 & 3)
	case 9:
		if arg>>4&1 != 0 {
			_ = x.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, make([]byte, 8), true, true)
		}
		f.closed = true
		x.Close()
	case 10:
		_ = g.s.Abort(x)
	case 11:
		_ = x.Connect(Address{Unspec: true})
	case 12:
		_ = x.SetOption(unix.SOL_SOCKET, []int{unix.SO_RCVBUF, unix.SO_SNDBUF}[arg>>4&1], binary.NativeEndian.AppendUint32(nil, uint32(arg>>5&7)*2000), true, true)
	case 13:
		names := []int{unix.TCP_NODELAY, unix.TCP_CORK, unix.TCP_QUICKACK, unix.TCP_WINDOW_CLAMP, unix.TCP_USER_TIMEOUT, unix.TCP_KEEPIDLE, unix.TCP_LINGER2, unix.TCP_NOTSENT_LOWAT}
		_ = x.SetOption(unix.SOL_TCP, names[arg>>4&7], binary.NativeEndian.AppendUint32(nil, uint32(arg>>7&1)*700), true, true)
	case 14:
		_ = x.SetOption(unix.SOL_TCP, unix.TCP_CONGESTION, []byte([]string{"reno", "cubic", "bbr"}[(arg>>4&15)%3]), true, true)
	default:
		x.Info()
		_ = x.Ready()
		_, _ = x.Ioctl(unix.SIOCINQ)
		_, _ = x.Option(unix.SOL_TCP, unix.TCP_INFO, 256, nil)
	}
}

// callOther is a system call on one of the other sockets.
func (g *ingress) callOther(arg int) {
	x := g.dgrams[arg%len(g.dgrams)]
	dst := to("10.0.0.9:99")
	if x.Family() == unix.AF_INET6 {
		dst = to("[fd00::9]:99")
	}
	if arg>>10&1 != 0 {
		dst = Address{AddrPort: netip.AddrPortFrom(netip.MustParseAddr([]string{"239.1.2.3", "ff02::1", "10.0.0.255", "10.0.0.77"}[arg>>8&3]), 53)}
	}
	n := 1 + (arg>>4&15)*300
	switch arg >> 8 & 7 {
	case 0, 1:
		_, _ = x.Send(bytes.NewReader(make([]byte, n)), n, &SendMeta{To: &dst})
	case 2, 3:
		_, _ = x.Recv(io.Discard, n, &RecvMeta{})
	case 4:
		_, _ = x.Recv(io.Discard, n, &RecvMeta{Flags: unix.MSG_PEEK})
	case 5:
		_, _ = x.Recv(io.Discard, n, &RecvMeta{Flags: unix.MSG_ERRQUEUE})
	case 6:
		_ = x.Connect(dst)
	default:
		level, name := unix.SOL_IP, unix.IP_RECVERR
		if x.Family() == unix.AF_INET6 {
			level, name = unix.SOL_IPV6, unix.IPV6_RECVERR
		}
		_ = x.SetOption(level, name, []byte{1, 0, 0, 0}, true, true)
		_ = x.Connect(Address{Unspec: true})
	}
}

// icmp delivers an error about a packet that was sent.
func (g *ingress) icmp(arg int) {
	if len(g.last) == 0 {
		return
	}
	b := g.last[len(g.last)-1-arg%len(g.last)]
	p := b[header.EthernetSize:]
	rest := []byte{0, 0, 0, 0}
	putUint16(rest[2:], []uint16{0, 68, 552, 1000, 1280, 1400, 1499, 9000}[arg>>9&7])
	switch header.Ethernet(b).Type() {
	case header.EtherTypeIPv4:
		kinds := [][2]byte{{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}, {3, 13}, {4, 0}, {11, 0}, {11, 1}, {12, 0}, {5, 1}, {3, 4}, {3, 4}, {3, 9}, {0, 0}, {8, 0}}
		k := kinds[arg>>5&15]
		m := append([]byte{k[0], k[1], 0, 0}, rest...)
		g.w.deliver(g.s, frame4(header.ProtocolICMP, "10.0.0.1", append(m, p[:min(len(p), 200)]...)), true)
	case header.EtherTypeIPv6:
		kinds := [][2]byte{{1, 0}, {1, 1}, {1, 3}, {1, 4}, {2, 0}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {4, 2}, {2, 0}, {2, 0}, {1, 5}, {128, 0}, {129, 0}, {100, 0}}
		k := kinds[arg>>5&15]
		m := append([]byte{k[0], k[1], 0, 0, 0, 0}, rest[2:]...)
		if k[0] == 4 {
			m[7] = byte(arg >> 9)
		}
		dst := "fd00::1"
		if h := header.IPv6(p); h.Valid(len(p)) && h.SrcAddr().IsLinkLocalUnicast() {
			dst = h.SrcAddr().String()
		}
		g.w.deliver(g.s, frame6(header.ProtocolICMPv6, 64, "fd00::9", dst, append(m, p[:min(len(p), 1200)]...)), true)
	}
}

// mirror delivers what was sent, its ends exchanged.
func (g *ingress) mirror(arg int) {
	if len(g.last) == 0 {
		return
	}
	b := append([]byte(nil), g.last[len(g.last)-1-arg%len(g.last)]...)
	swap := func(x, y []byte) {
		for i := range x {
			x[i], y[i] = y[i], x[i]
		}
	}
	swap(b[:6], b[6:12])
	p, ihl := b[header.EthernetSize:], 0
	switch header.Ethernet(b).Type() {
	case header.EtherTypeIPv4:
		swap(p[12:16], p[16:20])
		ihl = header.IPv4(p).IHL()
	case header.EtherTypeIPv6:
		swap(p[8:24], p[24:40])
		ihl = header.IPv6Size
	default:
		g.w.deliver(g.s, b, false)
		return
	}
	if q := p[ihl:]; len(q) >= 12 {
		swap(q[0:2], q[2:4])
		if arg>>8&1 != 0 {
			swap(q[4:8], q[8:12])
		}
		if arg>>9&1 != 0 && len(q) >= header.TCPMinSize {
			q[13] = byte(arg >> 4)
		}
	}
	g.w.deliver(g.s, b, true)
}

// configure changes the target.
func (g *ingress) configure(arg int) {
	on := []string{"0", "1"}[arg>>4&1]
	switch arg & 15 {
	case 0:
		g.mute = on == "1"
	case 1:
		flags := uint32(0)
		if arg>>4&1 != 0 {
			flags = unix.IFF_UP
		}
		_ = g.n.Change(Change{Flags: flags, FlagsMask: unix.IFF_UP})
		if arg>>5&1 != 0 {
			_ = g.n.Change(Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP})
		}
	case 2:
		mtu := []int{1500, 1280, 576, 100, 1400, 68, 1300, 1500}[arg>>4&7]
		_ = g.n.Change(Change{MTU: &mtu})
	case 3:
		_ = g.n.AddAddr(Addr{Prefix: netip.MustParsePrefix([]string{"10.0.0.3/24", "fd00::3/64"}[arg>>4&1])}, false)
	case 4:
		_ = g.n.DelAddr(netip.MustParsePrefix([]string{"10.0.0.3/24", "fd00::3/64", "10.0.0.1/24", "fd00::1/64"}[arg>>4&3]))
	case 5:
		g.w.d.LinkChanged(on == "1", 1500)
	default:
		tune := [][2]string{
			{"ipv4/tcp_syncookies", []string{"0", "1", "2"}[(arg>>4&3)%3]}, {"ipv4/tcp_fastopen", "1027"}, {"ipv4/conf/all/rp_filter", on},
			{"ipv6/conf/all/forwarding", on}, {"ipv4/ip_forward", on}, {"ipv4/tcp_max_syn_backlog", on}, {"ipv4/tcp_mtu_probing", []string{"0", "1", "2"}[(arg>>4&3)%3]},
			{"ipv4/tcp_ecn", on}, {"ipv4/tcp_mem", []string{"1 2 3", "9000 12000 18000"}[arg>>4&1]}, {"ipv4/conf/all/accept_redirects", on},
		}[(arg&15-6)%10]
		if err := g.s.SetTunable(tune[0], tune[1]); err != nil {
			g.t.Fatal(tune, err)
		}
	}
}

// check is what holds after each step.
func (g *ingress) check() {
	if n := g.held.Load(); n < 0 || n > ingressMax {
		g.t.Fatalf("%d bytes are held", n)
	}
	for _, r := range []interface{ Bytes() int }{g.s.frags4, g.s.frags6} {
		if n := r.Bytes(); n < 0 || n > 4<<20 {
			g.t.Fatalf("%d bytes of fragments", n)
		}
	}
	if n := g.s.tcpState.memory.Load(); n < 0 {
		g.t.Fatalf("the queues of TCP hold %d bytes", n)
	}
	for i, v6 := range []bool{false, true} {
		if c := g.n.Neighbors(v6); c != nil && len(c.List()) > 1024+16 {
			g.t.Fatalf("%d neighbours of family %d", len(c.List()), i)
		}
	}
}

// end closes everything: nothing is left of it.
func (g *ingress) end() {
	for _, f := range g.flows {
		if f.sock != nil {
			f.sock.Close()
		}
	}
	for _, x := range g.s.sockets.all() {
		x.Close()
	}
	g.mute = true
	for range 60 {
		g.observe()
		g.v.advance(time.Minute)
	}
	g.observe()
	if x := g.s.sockets.all(); len(x) > 0 {
		g.t.Fatalf("%d sockets are left an hour after they were closed, such as %+v", len(x), x[0].Info())
	}
	if n := g.s.tcpState.memory.Load() | g.s.tcpState.orphans.Load() | g.s.tcpState.waits.Load() | g.s.tcpState.established.Load(); n != 0 {
		g.t.Fatalf("of TCP is left: %d bytes, %d orphans, %d in TIME_WAIT, %d established", g.s.tcpState.memory.Load(),
			g.s.tcpState.orphans.Load(), g.s.tcpState.waits.Load(), g.s.tcpState.established.Load())
	}
	if n := len(g.s.tcp.buckets) + len(g.s.udp.buckets) + len(g.s.udpLite.buckets) + len(g.s.ping.buckets); n != 0 {
		g.t.Fatalf("%d ports are taken by nobody", n)
	}
	g.s.Close()
	if n := g.held.Load(); n != 0 {
		g.t.Fatalf("%d bytes are not given back", n)
	}
	if !g.v.idle() {
		g.t.Fatal("a timer is set after the end")
	}
}

// goroutines waits for as many goroutines as there were before.
func goroutines(t testing.TB, before int) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}
