package stack

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
)

// TestBridgeConnections: a bridge's rules know connections, and what they reject is
// answered by the way that it came, though the bridge has no address.
func TestBridgeConnections(t *testing.T) {
	v := newClock()
	hub := testStack(t, v)
	br, err := hub.AddNIC(NICConfig{Name: "br0", Kind: KindBridge})
	if err != nil {
		t.Fatal(err)
	}
	up(t, br)
	var ss [2]*Stack
	for i, name := range []string{"p0", "p1"} {
		ss[i] = testStack(t, v)
		n, err := ss[i].AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: name}, PeerStack: hub})
		if err != nil {
			t.Fatal(err)
		}
		master := br.Index()
		up(t, n)
		up(t, hub.NICByName(name))
		if err := hub.NICByName(name).Change(Change{Master: &master}); err != nil {
			t.Fatal(err)
		}
		addr(t, n, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 24).String())
	}
	tx, err := hub.Rules().Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	tb, err := tx.AddTable(filter.Bridge, "b", 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	in := &ruleset{t, tx, tb}
	state := func(bits byte) []filter.Expr {
		return []filter.Expr{&filter.CT{Key: filter.CTState}, &filter.Cmp{Op: filter.CmpEQ, Data: []byte{bits, 0, 0, 0}}}
	}
	established, fresh := filter.NewCounter(0, 0), filter.NewCounter(0, 0)
	in.chain("pre", "filter", filter.Prerouting, 0,
		append(port(80), &filter.Reject{Type: filter.RejectReset}),
		append(port(81), &filter.Reject{Type: filter.RejectICMPX, Code: 1}))
	in.chain("forward", "filter", filter.Forward, 0,
		append(state(2), established, verdict(filter.CodeAccept)),
		append(append(port(9), state(8)...), fresh, verdict(filter.CodeAccept)),
		append(state(8), verdict(filter.CodeDrop)))
	for e, want := range map[filter.Expr]error{&filter.Masquerade{}: unix.EOPNOTSUPP, &filter.Dup{HasDev: true}: unix.ENOENT} {
		if err := tx.AddRule(tb, tb.Chain("pre"), &filter.Rule{Exprs: []filter.Expr{e}}, filter.AtEnd, 0); err != want {
			t.Errorf("%T in a bridge's table: %v, want %v", e, err, want)
		}
	}
	if err := tx.AddRule(tb, tb.Chain("forward"), &filter.Rule{Exprs: []filter.Expr{&filter.Reject{Type: filter.RejectReset}}}, filter.AtEnd, 0); err != unix.EOPNOTSUPP {
		t.Errorf("a reject at forward: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	x, y := socket(t, ss[0], unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, ss[1], unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("10.1.0.2:9"), true)
	sendTo(t, x, "asks", "10.1.0.2:9")
	from := wantRecv(t, y, "asks").From
	sendTo(t, y, "answers", from.AddrPort.String()) // which the rules let through because it is asked for
	wantRecv(t, x, "answers")
	if n, _ := fresh.Values(false); n != 1 {
		t.Errorf("%d packets were new", n)
	}
	if n, _ := established.Values(false); n != 1 {
		t.Errorf("%d packets belonged to a connection", n)
	}
	z := socket(t, ss[1], unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = z.Bind(to("10.1.0.2:77"), true)
	sendTo(t, z, "unasked", "10.1.0.1:1234")
	if n := len(hub.Rules().Conns().All(v.Now())); n != 1 {
		t.Errorf("%d connections", n)
	}
	refused := socket(t, ss[0], unix.AF_INET, unix.SOCK_STREAM, 0)
	if err := refused.Connect(to("10.1.0.2:80")); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	v.advance(time.Second)
	if err := refused.Connect(to("10.1.0.2:80")); err != unix.ECONNREFUSED {
		t.Errorf("connect: %v, want ECONNREFUSED", err)
	}
	told := socket(t, ss[0], unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := told.Connect(to("10.1.0.2:81")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, told, "x", "")
	if _, _, err := recv(told); err != unix.ECONNREFUSED {
		t.Errorf("what is rejected: %v, want ECONNREFUSED", err)
	}
}

// TestCopiesEnd: frames that rules send round and round go away.
func TestCopiesEnd(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	tx, err := b.Rules().Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	tb, err := tx.AddTable(filter.NetDev, "n", 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	n := b.NICByName("eth0")
	count := filter.NewCounter(0, 0)
	c := &filter.Chain{Name: "e", Base: &filter.Base{Type: "filter", Hook: filter.Egress, Devices: []string{"eth0"}}}
	if err := tx.AddChain(tb, c, 0); err != nil {
		t.Fatal(err)
	}
	rule := &filter.Rule{Exprs: []filter.Expr{
		&filter.Immediate{DReg: 0, Data: []byte{byte(n.Index()), 0, 0, 0}}, count, &filter.Dup{Dev: 0, HasDev: true}, &filter.Dup{Dev: 0, HasDev: true},
	}}
	if err := tx.AddRule(tb, tb.Chain("e"), rule, filter.AtEnd, 0); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	x, y := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("10.0.0.1:9"), true)
	sendTo(t, x, "many", "10.0.0.1:9")
	wantRecv(t, y, "many")
	if p, _ := count.Values(false); p > 1<<(maxCopies+2) {
		t.Errorf("%d frames of one", p)
	}
}
