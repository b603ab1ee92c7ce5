package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/netstack/header"
)

// An ingress is a stack with sockets, rules and connections, and a script that says
// what comes in and what is done. Each step is two bytes, of which the highest four
// bits say what and the others how, and what that needs:
//
//	0 len frame          a frame as it is
//	1 len frame          a frame whose lengths and checksums are mended
//	2 len frame          the same, made a segment of one of the connections
//	3 len frame          the same, in fragments
//	4 arg                time passes
//	5 arg                a connection is brought into a state
//	6 arg                a call on the socket of a connection
//	7 arg                a call on another socket
//	8 arg                an ICMP error about something that was sent
//	9 arg                what was sent comes back, its ends exchanged
//	10 arg               something is configured
//
// What must hold after each step is in check, and what at the end in end.
type ingress struct {
	t    testing.TB
	in   []byte
	v    *virtual
	s    *Stack
	n    *NIC
	w    *wire
	held *atomic.Int64

	listeners []*tcpSocket
	dgrams    []Socket
	flows     []*flow
	mute      bool     // neighbours do not answer
	last      [][]byte // what was sent of late
	port      uint16
}

// flow is a connection as its other end sees it.
type flow struct {
	stack, peer netip.AddrPort
	sock        Socket // of the stack; nil while nobody accepted it
	snd, rcv    uint32 // the next number of the peer, and the one that it expects
	seen        bool   // the stack has said something
	closed      bool   // sock was closed
}

// The most that the target may hold, in bytes: its sockets' buffers, fragments of
// both families, and what few connections may queue.
const ingressMax = 64 << 20

func newIngress(t testing.TB, in []byte) *ingress {
	g := &ingress{t: t, in: in, port: 2000}
	g.v, g.s, g.w = target(t)
	g.n = g.s.NICByName("eth0")
	g.held = g.s.cfg.Pool.Held
	g.observe()
	for _, x := range g.s.sockets.all() {
		if l, ok := x.(*tcpSocket); ok {
			g.listeners = append(g.listeners, l)
		} else {
			g.dgrams = append(g.dgrams, x)
		}
	}
	if how := g.byte(); how&1 != 0 {
		g.rules(how)
	}
	return g
}

// rules has connections tracked and translated, some ports refused.
func (g *ingress) rules(how byte) {
	rules(g.t, g.s, func(r *ruleset) {
		number := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
		state := func(bit uint32) []filter.Expr {
			return []filter.Expr{&filter.CT{Key: filter.CTState}, &filter.Cmp{Op: filter.CmpEQ, Data: number(bit)}}
		}
		pre := [][]filter.Expr{append(port(81), &filter.Immediate{DReg: 8, Data: []byte{0, 80}}, &filter.Redirect{PortMin: 8, PortMax: 8, HasPort: true})}
		r.chain("pre", "nat", filter.Prerouting, -100, pre...)
		if how&2 != 0 {
			r.chain("post", "nat", filter.Postrouting, 100, []filter.Expr{&filter.Masquerade{}})
		}
		in := [][]filter.Expr{
			append(port(9), &filter.Reject{Type: filter.RejectICMPX, Code: 1}), append(port(10), &filter.Reject{Type: filter.RejectReset}),
			append(state(1), &filter.Limit{Rate: 100, Unit: 1, Burst: 5}, filter.NewCounter(0, 0)),
		}
		if how&4 != 0 {
			in = append(in, append(state(1), verdict(filter.CodeDrop))) // what the tracker finds invalid
		}
		r.chain("in", "filter", filter.Input, 0, in...)
		r.chain("fw", "filter", filter.Forward, 0, append(state(2), filter.NewCounter(0, 0)))
	})
	tx, err := g.s.Rules().Begin(0)
	if err != nil {
		g.t.Fatal(err)
	}
	tb, err := tx.AddTable(filter.IPv4, "four", 0, nil, false)
	if err != nil {
		g.t.Fatal(err)
	}
	(&ruleset{g.t, tx, tb}).chain("pre", "nat", filter.Prerouting, -100, append(port(8080),
		&filter.Immediate{DReg: 4, Data: []byte{10, 5, 0, 9}}, &filter.Immediate{DReg: 8, Data: []byte{0, 80}},
		&filter.NAT{Family: filter.IPv4, AddrMin: 4, AddrMax: 4, PortMin: 8, PortMax: 8, HasAddr: true, HasPort: true}))
	if err := tx.Commit(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *ingress) byte() byte {
	if len(g.in) == 0 {
		return 0
	}
	b := g.in[0]
	g.in = g.in[1:]
	return b
}

func (g *ingress) take(n int) []byte {
	n = min(n, len(g.in))
	b := g.in[:n]
	g.in = g.in[n:]
	return b
}

// run goes through the script.
func (g *ingress) run() {
	for steps := 0; len(g.in) > 1 && steps < 200; steps++ {
		what := binary.BigEndian.Uint16(g.take(2))
		arg := int(what & 0xfff)
		switch what >> 12 {
		case 0:
			g.w.deliver(g.s, g.take(arg), false)
		case 1, 11, 12, 13, 14, 15:
			g.w.deliver(g.s, g.take(arg), true)
		case 2:
			g.fitted(g.take(arg))
		case 3:
			g.fragments(g.take(arg))
		case 4:
			g.v.advance(time.Duration(arg&0xff) * [4]time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second, 30 * time.Second}[arg>>8&3])
		case 5:
			g.open(arg)
		case 6:
			g.call(arg)
		case 7:
			g.callOther(arg)
		case 8:
			g.icmp(arg)
		case 9:
			g.mirror(arg)
		case 10:
			g.configure(arg)
		}
		g.observe()
		g.check()
	}
}

// observe looks at what was sent: neighbours answer, connections count on.
func (g *ingress) observe() {
	for rounds := 0; len(g.w.sent) > 0; rounds++ {
		if len(g.w.sent) > 4000 || rounds > 20 {
			g.t.Fatalf("%d frames are sent at once, in round %d", len(g.w.sent), rounds)
		}
		sent := g.w.sent
		g.w.sent = nil
		for _, b := range sent {
			g.wellFormed(b)
			if !g.mute {
				if a := neighborAnswer(b); a != nil {
					g.w.deliver(g.s, a, false)
				}
			}
			g.note(b)
		}
		g.last = append(g.last, sent...)
		g.last = g.last[max(0, len(g.last)-32):]
	}
}

// wellFormed looks at the outside of a frame: what is in it may have come from outside.
func (g *ingress) wellFormed(b []byte) {
	if !header.Ethernet(b).Valid() {
		g.t.Fatalf("sent % x", b)
	}
	p, typ := b[header.EthernetSize:], header.Ethernet(b).Type()
	if typ == header.EtherTypeVLAN && len(p) >= header.VLANSize {
		typ, p = header.VLAN(p).Type(), p[header.VLANSize:]
	}
	if len(p) > 1500 {
		g.t.Fatalf("a frame of %d bytes", len(b))
	}
	switch typ {
	case header.EtherTypeIPv4:
		if h := header.IPv4(p); !h.Valid(len(p)) || int(h.TotalLen()) != len(p) || !h.ChecksumValid() {
			g.t.Fatalf("sent % x", p)
		}
	case header.EtherTypeIPv6:
		if h := header.IPv6(p); !h.Valid(len(p)) || header.IPv6Size+int(h.PayloadLen()) != len(p) {
			g.t.Fatalf("sent % x", p)
		}
	}
}

// neighborAnswer is the answer to a question for a neighbour's hardware address, or
// nil. Those whose address ends with 9 are there.
func neighborAnswer(b []byte) []byte {
	at := header.EthernetSize
	typ := header.Ethernet(b).Type()
	if typ == header.EtherTypeVLAN && len(b) >= at+header.VLANSize {
		typ, at = header.VLAN(b[at:]).Type(), at+header.VLANSize
	}
	p := b[at:]
	a := append([]byte(nil), b[:at]...)
	header.Ethernet(a).Encode(header.EthernetFields{Src: routerHW(), Dst: header.Ethernet(b).Src(), Type: header.Ethernet(b).Type()})
	switch typ {
	case header.EtherTypeARP:
		h := header.ARP(p)
		if !h.Valid() || h.Op() != header.ARPRequest || h.TargetAddr().As4()[3] != 9 {
			return nil
		}
		a = append(a, make([]byte, header.ARPSize)...)
		header.ARP(a[at:]).Encode(header.ARPFields{Op: header.ARPReply, SenderHW: routerHW(), SenderAddr: h.TargetAddr(), TargetHW: h.SenderHW(), TargetAddr: h.SenderAddr()})
		return a
	case header.EtherTypeIPv6:
		h := header.IPv6(p)
		if len(p) < header.IPv6Size+header.NDNeighborSize || h.Next() != header.ProtocolICMPv6 || header.ICMPv6Type(p[header.IPv6Size]) != header.ICMPv6NeighborSolicit ||
			h.SrcAddr().IsUnspecified() {
			return nil
		}
		target := header.NDNeighbor(p[header.IPv6Size:]).Target()
		if target.As16()[15] != 9 {
			return nil
		}
		m := make([]byte, header.NDNeighborSize)
		header.NDNeighbor(m).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborAdvert, Target: target, Solicited: true, Override: true})
		m = header.AppendNDPLink(m, header.NDPOptTargetLink, routerHW())
		a = append(a, make([]byte, header.IPv6Size)...)
		header.IPv6(a[at:]).Encode(header.IPv6Fields{PayloadLen: uint16(len(m)), Next: header.ProtocolICMPv6, HopLimit: 255, Src: target, Dst: h.SrcAddr()})
		header.ICMPv6(m).UpdateChecksum(target, h.SrcAddr())
		return append(a, m...)
	}
	return nil
}

// tcpOf finds the segment in a frame without a tag.
func tcpOf(b []byte) (src, dst netip.AddrPort, h header.TCP, ok bool) {
	p := b[header.EthernetSize:]
	var s, d netip.Addr
	switch header.Ethernet(b).Type() {
	case header.EtherTypeIPv4:
		if i := header.IPv4(p); i.Valid(len(p)) && i.Protocol() == header.ProtocolTCP && !i.IsFragment() {
			s, d, h = i.SrcAddr(), i.DstAddr(), header.TCP(p[i.IHL():])
		}
	case header.EtherTypeIPv6:
		if i := header.IPv6(p); i.Valid(len(p)) && i.Next() == header.ProtocolTCP {
			s, d, h = i.SrcAddr(), i.DstAddr(), header.TCP(p[header.IPv6Size:])
		}
	}
	if !s.IsValid() || !h.Valid(len(h)) {
		return src, dst, nil, false
	}
	return netip.AddrPortFrom(s, h.SrcPort()), netip.AddrPortFrom(d, h.DstPort()), h, true
}

// note moves the connection on that a frame belongs to.
func (g *ingress) note(b []byte) {
	src, dst, h, ok := tcpOf(b)
	if !ok {
		return
	}
	for _, f := range g.flows {
		if f.peer != dst || f.stack.Port() != src.Port() || h.Flags()&header.RST != 0 {
			continue
		}
		end := h.Seq() + uint32(len(h.Payload()))
		if h.Flags()&(header.SYN|header.FIN) != 0 {
			end++
		}
		if !f.seen || int32(end-f.rcv) > 0 {
			f.rcv, f.seen = end, true
		}
	}
}

// segment delivers a segment of the peer's, n bytes long.
func (g *ingress) segment(f *flow, flags header.TCPFlags, seq, ack uint32, window uint16, options []byte, n int) {
	h := make([]byte, header.TCPMinSize+len(options)+n)
	header.TCP(h).Encode(header.TCPFields{SrcPort: f.peer.Port(), DstPort: f.stack.Port(), Seq: seq, Ack: ack, Flags: flags, Window: window})
	h[12] = byte((header.TCPMinSize + len(options)) / 4 << 4)
	copy(h[header.TCPMinSize:], options)
	if f.stack.Addr().Is4() {
		g.w.deliver(g.s, frame4(header.ProtocolTCP, f.stack.Addr().String(), h), true)
	} else {
		g.w.deliver(g.s, frame6(header.ProtocolTCP, 64, f.peer.Addr().String(), f.stack.Addr().String(), h), true)
	}
	g.observe()
}

// plain is a segment in order.
func (g *ingress) plain(f *flow, flags header.TCPFlags, n int) {
	g.segment(f, flags, f.snd, f.rcv, 60000, nil, n)
	f.snd += uint32(n)
	if flags&(header.SYN|header.FIN) != 0 {
		f.snd++
	}
}

// The states that open brings a connection into.
const (
	inSynSent = iota
	inSynReceived
	inEstablished
	inEstablishedActively
	inFinWait1
	inFinWait2
	inClosing
	inTimeWait
	inCloseWait
	inLastAck
	crossed // both SYNs are on their way
	inFlight
	zeroWindow
	withHole
	nStates
)

// open brings a connection into a state: arg is state, family and options.
func (g *ingress) open(arg int) {
	if len(g.flows) >= 12 {
		return
	}
	g.port++
	f := &flow{stack: netip.MustParseAddrPort("10.0.0.1:80"), snd: 0xfffffff0}
	f.peer = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), g.port)
	if arg&16 != 0 {
		f.stack, f.peer = netip.MustParseAddrPort("[fd00::1]:80"), netip.AddrPortFrom(netip.MustParseAddr("fd00::9"), g.port)
	}
	g.flows = append(g.flows, f)
	options := [][]byte{nil, {2, 4, 5, 0xb4}, {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7}, {4, 2, 3, 3, 14, 1, 1, 1}}[arg>>5&3]
	state := arg & 15
	switch state {
	case inSynSent, inEstablishedActively, crossed:
		g.connect(f, state, options)
		return
	}
	g.segment(f, header.SYN, f.snd, 0, 60000, options, 0)
	f.snd++
	if state == inSynReceived {
		return
	}
	g.plain(f, header.ACK, 0)
	if l := g.listeners[0]; !l.dead.Load() {
		if x, _, err := l.Accept(); err == nil {
			f.sock = x
		}
	}
	if f.sock == nil {
		return
	}
	g.proceed(f, state)
}

// connect has the stack open a connection.
func (g *ingress) connect(f *flow, state int, options []byte) {
	family := unix.AF_INET
	if f.peer.Addr().Is6() {
		family = unix.AF_INET6
	}
	x, err := g.s.NewSocket(family, unix.SOCK_STREAM, 0, Owner{})
	if err != nil {
		g.t.Fatal(err)
	}
	f.sock = x
	if x.Connect(Address{AddrPort: f.peer}) != unix.EINPROGRESS {
		return
	}
	a, err := x.Name()
	if err != nil {
		return
	}
	f.stack = a.AddrPort
	for _, b := range g.w.sent {
		g.note(b)
	}
	g.observe()
	switch state {
	case inEstablishedActively:
		g.segment(f, header.SYN|header.ACK, f.snd, f.rcv, 60000, options, 0)
	case crossed:
		g.segment(f, header.SYN, f.snd, 0, 60000, options, 0)
	default:
		return
	}
	f.snd++
}

// proceed goes on from ESTABLISHED.
func (g *ingress) proceed(f *flow, state int) {
	data := make([]byte, 30000)
	switch state {
	case inFinWait1, inFinWait2, inClosing, inTimeWait:
		_ = f.sock.Shutdown(unix.SHUT_WR)
		g.observe()
	case inCloseWait, inLastAck:
		g.plain(f, header.FIN|header.ACK, 0)
	}
	switch state {
	case inFinWait2:
		g.plain(f, header.ACK, 0)
	case inClosing:
		g.segment(f, header.FIN|header.ACK, f.snd, f.rcv-1, 60000, nil, 0)
		f.snd++
	case inTimeWait:
		g.plain(f, header.FIN|header.ACK, 0)
	case inLastAck:
		f.closed = true
		f.sock.Close()
		g.observe()
	case inFlight:
		_, _ = f.sock.Send(bytes.NewReader(data), len(data), nil)
	case zeroWindow:
		g.segment(f, header.ACK, f.snd, f.rcv, 0, nil, 0)
		_, _ = f.sock.Send(bytes.NewReader(data), len(data), nil)
	case withHole:
		g.segment(f, header.ACK, f.snd+1000, f.rcv, 60000, nil, 500)
		g.segment(f, header.ACK, f.snd+3000, f.rcv, 60000, nil, 500)
	}
	g.observe()
}

func (g *ingress) flow(arg int) *flow {
	if len(g.flows) == 0 {
		g.open(inEstablished)
	}
	return g.flows[arg%len(g.flows)]
}

// fitted makes a frame a segment of a connection: its numbers count from what would
// be right, unless they are far from 0.
func (g *ingress) fitted(b []byte) {
	if len(b) < 1+header.TCPMinSize {
		return
	}
	f := g.flow(int(b[0]))
	h := append([]byte(nil), b[1:]...)
	near := func(off int, base uint32) {
		if v := binary.BigEndian.Uint32(h[off:]); v < 1<<24 {
			binary.BigEndian.PutUint32(h[off:], base+uint32(int32(v<<8)>>8))
		}
	}
	header.TCP(h).SetSrcPort(f.peer.Port())
	header.TCP(h).SetDstPort(f.stack.Port())
	near(4, f.snd)
	near(8, f.rcv)
	if n := int(h[12]>>4) * 4; n < header.TCPMinSize || n > len(h) {
		h[12] = 0x50 | h[12]&15
	}
	if end := header.TCP(h).Seq() + uint32(len(h)) - uint32(h[12]>>4)*4; header.TCP(h).Seq() == f.snd {
		f.snd = end
	}
	if f.stack.Addr().Is4() {
		g.w.deliver(g.s, frame4(header.ProtocolTCP, f.stack.Addr().String(), h), true)
	} else {
		g.w.deliver(g.s, frame6(header.ProtocolTCP, 64, f.peer.Addr().String(), f.stack.Addr().String(), h), true)
	}
}

// scripts are what the fuzzer begins with: each kind of frame alone, all of them
// together, and each state of a connection with some of what may happen in it.
func scripts() [][]byte {
	step := func(what, arg int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(what<<12|arg&0xfff)) }
	var all []byte
	var list [][]byte
	for i, b := range seeds() {
		one := append(step(1, len(b)), b...)
		all = append(append(all, one...), step(4, 100)...)
		list = append(list, append([]byte{byte(i % 8)}, one...))
		cut := append(append(step(3, len(b)+2), byte(i<<2), byte(i<<4)), b...)
		list = append(list, append([]byte{byte(i % 8)}, cut...))
	}
	for how := range 8 {
		list = append(list, append([]byte{byte(how)}, all...))
	}
	segment := func(k int, seq, ack uint32, flags header.TCPFlags, options []byte, n int) []byte {
		h := make([]byte, 1+header.TCPMinSize+len(options)+n)
		h[0] = byte(k)
		header.TCP(h[1:]).Encode(header.TCPFields{Seq: seq & 0xffffff, Ack: ack & 0xffffff, Flags: flags, Window: 30000})
		h[13] = byte((header.TCPMinSize + len(options)) / 4 << 4)
		copy(h[1+header.TCPMinSize:], options)
		return append(step(2, len(h)), h...)
	}
	const minus = 0xfffffe // two before
	for state := range nStates {
		for _, v6 := range []int{0, 16} {
			b := append([]byte{byte(state & 7)}, step(5, state|v6|(state&3)<<5)...)
			for _, s := range [][]byte{
				segment(0, 0, 0, header.ACK, nil, 10), segment(0, 100, 0, header.ACK, nil, 100), step(6, 0<<8|3<<4), segment(0, 0, minus, header.ACK, []byte{1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 99}, 0),
				step(4, 0x1ff), segment(0, 0, 0, header.ACK|header.URG, nil, 4), step(8, 4<<5|4<<9), step(9, 0x300|0x10<<4), segment(0, minus, 0, header.SYN, nil, 0), segment(0, 1, 0, header.RST, nil, 0),
				step(6, 5<<8|15<<4), step(4, 0x280), step(6, 8<<8|1<<4), segment(0, 0, 0, header.FIN|header.ACK, nil, 0), step(4, 0x110), step(6, 9<<8), step(10, 2|5<<4), segment(0, 0, 0, header.RST|header.ACK, nil, 0), step(4, 0x3ff),
			} {
				b = append(b, s...)
			}
			list = append(list, b)
		}
	}
	for i := range 32 {
		b := []byte{byte(i)}
		for j := range 24 {
			b = append(b, step(4+(i+j)%7, i*131+j*977)...)
		}
		list = append(list, b)
	}
	return list
}

// FuzzIngress runs scripts of frames, time, calls and changes (see ingress).
func FuzzIngress(f *testing.F) {
	for _, b := range scripts() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := runtime.NumGoroutine()
		g := newIngress(t, in)
		g.run()
		g.end()
		goroutines(t, before)
	})
}
