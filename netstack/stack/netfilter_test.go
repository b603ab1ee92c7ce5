package stack

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/netstack/route"
)

// ruleset is a change of the rules that a test makes.
type ruleset struct {
	t  testing.TB
	tx *filter.Tx
	tb *filter.Table
}

func rules(t testing.TB, s *Stack, do func(r *ruleset)) {
	t.Helper()
	tx, err := s.Rules().Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	tb, err := tx.AddTable(filter.INet, "t", 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	do(&ruleset{t, tx, tb})
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// chain adds a base chain with rules.
func (r *ruleset) chain(name, typ string, h filter.Hook, priority int32, exprs ...[]filter.Expr) {
	r.t.Helper()
	c := &filter.Chain{Name: name, Base: &filter.Base{Type: typ, Hook: h, Priority: priority}}
	if err := r.tx.AddChain(r.tb, c, 0); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range exprs {
		if err := r.tx.AddRule(r.tb, r.tb.Chain(name), &filter.Rule{Exprs: e}, filter.AtEnd, 0); err != nil {
			r.t.Fatal(err)
		}
	}
}

// port matches the destination port of UDP or TCP.
func port(n uint16) []filter.Expr {
	return []filter.Expr{
		&filter.Payload{Base: filter.PayloadTransport, Offset: 2, Len: 2, Reg: 0},
		&filter.Cmp{Op: filter.CmpEQ, SReg: 0, Data: []byte{byte(n >> 8), byte(n)}},
	}
}

func verdict(c filter.Code) filter.Expr {
	return &filter.Immediate{Verdict: &filter.VerdictData{Code: c}}
}

// routed is three hosts: a (10.0.0.2) behind r (10.0.0.1, 192.0.2.1), which forwards,
// and b (192.0.2.2).
func routed(t *testing.T) (v *virtual, a, r, b *Stack) {
	t.Helper()
	v = newClock()
	a, r, b = testStack(t, v), testStack(t, v), testStack(t, v)
	join := func(x *Stack, xa string, y *Stack, ya, yname string) {
		n, err := x.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: yname}, PeerStack: y})
		if err != nil {
			t.Fatal(err)
		}
		m := y.NICByName(yname)
		up(t, n)
		up(t, m)
		addr(t, n, xa)
		addr(t, m, ya)
	}
	join(a, "10.0.0.2/24", r, "10.0.0.1/24", "in")
	join(b, "192.0.2.2/24", r, "192.0.2.1/24", "out")
	if err := r.SetTunable("ipv4/ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	gw(t, a, "10.0.0.1")
	v.advance(3 * time.Second)
	return v, a, r, b
}

func gw(t *testing.T, s *Stack, via string) {
	t.Helper()
	n := s.NICByName("eth0")
	if err := s.AddRoute(defaultRoute(n.Index(), netip.MustParseAddr(via)), 0); err != nil {
		t.Fatal(err)
	}
}

func TestFilterDropsAndCounts(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	count := filter.NewCounter(0, 0)
	rules(t, b, func(r *ruleset) {
		r.chain("in", "filter", filter.Input, 0, append(port(7), count, verdict(filter.CodeDrop)))
	})
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	y, z := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_, _ = y.Bind(to("0.0.0.0:7"), true), z.Bind(to("0.0.0.0:8"), true)
	sendTo(t, x, "dropped", "10.0.0.2:7")
	sendTo(t, x, "passed", "10.0.0.2:8")
	if _, _, err := recv(y); err != unix.EAGAIN {
		t.Errorf("what is dropped arrives: %v", err)
	}
	wantRecv(t, z, "passed")
	if p, n := count.Values(false); p != 1 || n != 20+8+7 {
		t.Errorf("%d packets with %d bytes were counted", p, n)
	}
	// Without the rules everything passes again.
	tx, _ := b.Rules().Begin(0)
	tx.DeleteTable(tx.Ruleset().Table(filter.INet, "t"))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "again", "10.0.0.2:7")
	wantRecv(t, y, "again")
}

// A sender of this host is told EPERM of what its own rules drop.
func TestFilterOutput(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	rules(t, a, func(r *ruleset) {
		r.chain("out", "filter", filter.Output, 0, append(port(7), verdict(filter.CodeDrop)))
	})
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	dst := to("10.0.0.2:7")
	if _, err := x.Send(strings.NewReader("x"), 1, &SendMeta{To: &dst}); err != unix.EPERM {
		t.Errorf("send: %v, want EPERM", err)
	}
}

func TestFilterRejects(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	rules(t, b, func(r *ruleset) {
		r.chain("in", "filter", filter.Input, 0, append(port(7), &filter.Reject{Type: filter.RejectICMPX, Code: 1}))
	})
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:7"), true)
	if err := x.Connect(to("10.0.0.2:7")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "x", "")
	if _, _, err := recv(x); err != unix.ECONNREFUSED {
		t.Errorf("recv: %v, want ECONNREFUSED", err)
	}
}

// Packets that a host forwards bear its address, and the answers find back.
func TestMasquerade(t *testing.T) {
	_, a, r, b := routed(t)
	state := filter.NewCounter(0, 0)
	rules(t, r, func(r *ruleset) {
		oif := append([]byte("out"), make([]byte, 13)...)
		r.chain("post", "nat", filter.Postrouting, 100, []filter.Expr{
			&filter.Meta{Key: filter.MetaOIFName}, &filter.Cmp{Op: filter.CmpEQ, Data: oif}, &filter.Masquerade{},
		})
		r.chain("fw", "filter", filter.Forward, 0, []filter.Expr{
			&filter.CT{Key: filter.CTState}, &filter.Cmp{Op: filter.CmpEQ, Data: []byte{2, 0, 0, 0}}, state,
		})
	})
	y := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:53"), true)
	var socks []Socket
	ports := map[uint16]bool{}
	for i := range 5 {
		x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
		socks = append(socks, x)
		sendTo(t, x, "query", "192.0.2.2:53")
		m := wantRecv(t, y, "query")
		if m.From.Addr().String() != "192.0.2.1" || ports[m.From.Port()] {
			t.Fatalf("%d comes from %v", i, m.From)
		}
		ports[m.From.Port()] = true
		big := strings.Repeat("0123456789", 400) // in fragments
		if _, err := y.Send(strings.NewReader(big), len(big), &SendMeta{To: &m.From}); err != nil {
			t.Fatal(err)
		}
		if back := wantRecv(t, x, big); back.From.String() != "192.0.2.2:53" {
			t.Errorf("%d: the answer comes from %v", i, back.From)
		}
	}
	if n, _ := state.Values(false); n != 5 {
		t.Errorf("%d packets were of connections that are established", n)
	}
	if n := r.Rules().Conns().Len(); n != 5 {
		t.Errorf("%d connections are known", n)
	}
	// An error about a translated packet finds its sender.
	if err := socks[0].Connect(to("192.0.2.2:99")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, socks[0], "x", "")
	if _, _, err := recv(socks[0]); err != unix.ECONNREFUSED {
		t.Errorf("nobody listens, and the sender hears %v", err)
	}
}

// A port of one host is another host's.
func TestDestinationNAT(t *testing.T) {
	_, a, r, b := routed(t)
	gw(t, b, "192.0.2.1")
	rules(t, r, func(r *ruleset) {
		r.chain("pre", "nat", filter.Prerouting, -100, append(port(8080),
			&filter.Immediate{DReg: 4, Data: []byte{10, 0, 0, 2}}, &filter.Immediate{DReg: 8, Data: []byte{0, 80}},
			&filter.NAT{Family: filter.IPv4, AddrMin: 4, AddrMax: 4, PortMin: 8, PortMax: 8, HasAddr: true, HasPort: true}))
	})
	y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:80"), true)
	x := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := x.Connect(to("192.0.2.1:8080")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "hello", "")
	m := wantRecv(t, y, "hello")
	if m.From.Addr().String() != "192.0.2.2" {
		t.Errorf("from %v", m.From)
	}
	sendTo(t, y, "back", m.From.String())
	wantRecv(t, x, "back") // x takes it only from 192.0.2.1:8080
}

// Connections of one namespace are nothing to another one: each has its own.
func TestTrackingOfBothEnds(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	track := []filter.Expr{&filter.CT{Key: filter.CTState}}
	rules(t, a, func(r *ruleset) { r.chain("out", "filter", filter.Output, 0, track) })
	rules(t, b, func(r *ruleset) { r.chain("in", "filter", filter.Input, 0, track) })
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:7"), true)
	sendTo(t, x, "x", "10.0.0.2:7")
	wantRecv(t, y, "x")
	if m, n := a.Rules().Conns().Len(), b.Rules().Conns().Len(); m != 1 || n != 1 {
		t.Errorf("%d connections are known at one end, %d at the other", m, n)
	}
}

// What this host sends to one port goes to another, on the loopback interface.
func TestRedirectOutput(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	rules(t, s, func(r *ruleset) {
		r.chain("out", "nat", filter.Output, -100, append(port(53),
			&filter.Immediate{DReg: 8, Data: []byte{20, 235}}, &filter.Redirect{PortMin: 8, PortMax: 8, HasPort: true}))
	})
	y, x := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("127.0.0.1:5355"), true)
	if err := x.Connect(to("127.0.0.1:53")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "query", "")
	m := wantRecv(t, y, "query")
	sendTo(t, y, "answer", m.From.String())
	wantRecv(t, x, "answer")
}

// Who asks an address that is another host's hears answers of whom he asked.
func TestDestinationNATOutput(t *testing.T) {
	_, a, _, b := routed(t)
	gw(t, b, "192.0.2.1")
	rules(t, a, func(r *ruleset) {
		r.chain("out", "nat", filter.Output, -100, append(port(53),
			&filter.Immediate{DReg: 4, Data: []byte{192, 0, 2, 2}}, &filter.Immediate{DReg: 8, Data: []byte{0, 54}},
			&filter.NAT{Family: filter.IPv4, AddrMin: 4, AddrMax: 4, PortMin: 8, PortMax: 8, HasAddr: true, HasPort: true}))
	})
	y := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:54"), true)
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := x.Connect(to("203.0.113.9:53")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "asked", "")
	m := wantRecv(t, y, "asked")
	sendTo(t, y, "answer", m.From.String())
	if m := wantRecv(t, x, "answer"); m.From.String() != "203.0.113.9:53" {
		t.Errorf("the answer is from %v", m.From)
	}
}

// A rule that writes into packets keeps their checksums right: the receiver takes them.
func TestPayloadStore(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	rules(t, a, func(r *ruleset) {
		r.chain("out", "filter", filter.Output, 0, append(port(7),
			&filter.Immediate{DReg: 4, Data: []byte{0, 9}},
			&filter.Payload{Base: filter.PayloadTransport, Offset: 2, Len: 2, Reg: 4, Store: true, CsumType: filter.CsumInet, CsumOffset: 6}))
	})
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:9"), true)
	sendTo(t, x, "moved", "10.0.0.2:7")
	wantRecv(t, y, "moved")
}

// A connection of TCP through a host that masquerades, with data both ways.
func TestMasqueradeTCP(t *testing.T) {
	v, a, r, b := routed(t)
	rules(t, r, func(r *ruleset) {
		r.chain("post", "nat", filter.Postrouting, 100, []filter.Expr{&filter.Masquerade{}})
		// Nothing begins from outside.
		r.chain("fw", "filter", filter.Forward, 0, []filter.Expr{
			&filter.CT{Key: filter.CTState}, &filter.Cmp{Op: filter.CmpEQ, Data: []byte{1, 0, 0, 0}}, verdict(filter.CodeDrop),
		})
	})
	l, x := socket(t, b, unix.AF_INET, unix.SOCK_STREAM, 0), socket(t, a, unix.AF_INET, unix.SOCK_STREAM, 0)
	if err := l.Bind(to("0.0.0.0:80"), true); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(5); err != nil {
		t.Fatal(err)
	}
	if err := x.Connect(to("192.0.2.2:80")); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	v.advance(time.Second)
	y, from, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	if from.Addr().String() != "192.0.2.1" {
		t.Errorf("the client is %v", from)
	}
	sendTo(t, x, "request", "")
	v.advance(time.Second)
	wantRecv(t, y, "request")
	want := bytes.Repeat([]byte("0123456789"), 3000)
	var got []byte
	for sent, i := 0, 0; len(got) < len(want) && i < 200; i++ {
		if sent < len(want) {
			if n, err := y.Send(bytes.NewReader(want[sent:]), len(want)-sent, &SendMeta{}); err == nil {
				sent += n
			}
		}
		v.advance(50 * time.Millisecond)
		s, _, err := recv(x)
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		got = append(got, s...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d arrived as they were sent", len(got), len(want))
	}
	conns := r.Rules().Conns().All(v.Now())
	if len(conns) != 1 || conns[0].TCP().String() != "ESTABLISHED" {
		t.Errorf("%d connections, the first %v", len(conns), conns[0].TCP())
	}
}

// A segment to a port that is rejected is reset.
func TestRejectReset(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	rules(t, b, func(r *ruleset) {
		r.chain("in", "filter", filter.Input, 0, append(port(80), &filter.Reject{Type: filter.RejectReset}))
	})
	l, x := socket(t, b, unix.AF_INET, unix.SOCK_STREAM, 0), socket(t, a, unix.AF_INET, unix.SOCK_STREAM, 0)
	_, _ = l.Bind(to("0.0.0.0:80"), true), l.Listen(5)
	if err := x.Connect(to("10.0.0.2:80")); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	v.advance(time.Second)
	if err := x.Connect(to("10.0.0.2:80")); err != unix.ECONNREFUSED {
		t.Errorf("connect: %v, want ECONNREFUSED", err)
	}
}

func defaultRoute(oif int, via netip.Addr) *route.Route {
	return &route.Route{
		Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Table: route.TableMain, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST,
		Hops: []route.Hop{{Gateway: via, OIF: oif}},
	}
}
