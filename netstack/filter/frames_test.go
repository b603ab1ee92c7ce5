package filter

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// frameRules has a chain of each place where frames are, with expressions that read
// and write all over them.
func frameRules(t testing.TB) (*Rules, *host) {
	h := &host{}
	r := New(Config{Host: h, Now: func() int64 { return 1e9 }, Wall: func() time.Time { return time.Unix(1700000000, 0) }, Random: func(b []byte) { clear(b) }})
	tx, err := r.Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	exprs := []Expr{
		NewCounter(0, 0), &Log{Prefix: "x", Level: 4},
		&Payload{Base: PayloadLink, Offset: 6, Len: 6}, &Payload{Base: PayloadNetwork, Offset: 12, Len: 8},
		&Payload{Base: PayloadNetwork, Offset: 2, Len: 3, Store: true, CsumType: CsumInet, CsumOffset: 10, CsumFlags: CsumPseudo},
		&Payload{Base: PayloadTransport, Len: 4}, &Payload{Base: PayloadInner, Len: 4},
		&Payload{Base: PayloadTransport, Offset: 2, Len: 2, Store: true, CsumType: CsumInet, CsumOffset: 16},
		&ExtHdr{Op: ExtHdrIPv6, Type: 43, Len: 1}, &ExtHdr{Op: ExtHdrTCP, Type: 2, Offset: 2, Len: 2}, &ExtHdr{Op: ExtHdrIPv4, Type: 7, Len: 1},
		&Hash{Type: 1, Modulus: 5}, &Meta{Key: MetaL4Proto}, &Meta{Key: MetaProtocol}, &Meta{Key: MetaNFProto}, &Meta{Key: MetaBridgeIn},
		&Meta{Key: MetaIIFName}, &Meta{Key: MetaPktType},
	}
	for _, c := range []struct {
		f Family
		b Base
	}{{NetDev, Base{Hook: Ingress, Devices: []string{"eth0"}}}, {Bridge, Base{Hook: Forward}}, {ARP, Base{Hook: ARPIn}}} {
		table, err := tx.AddTable(c.f, "t", 0, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		b := c.b
		b.Type = "filter"
		ch := &Chain{Name: "c", Base: &b}
		if err := tx.AddChain(table, ch, 0); err != nil {
			t.Fatal(err)
		}
		for _, e := range exprs {
			if err := tx.AddRule(table, ch, &Rule{Exprs: []Expr{e}}, AtEnd, 0); err != nil {
				t.Fatal(err)
			}
			ch = table.Chain("c")
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return r, h
}

func TestFrameChains(t *testing.T) {
	r, h := frameRules(t)
	if !r.SeesFrames(NetDev) || !r.SeesFrames(Bridge) || r.SeesFrames(IPv4) {
		t.Error("who sees frames")
	}
	pool := new(buffer.Pool)
	p := pool.NewPacket(pool.CopyIn(make([]byte, 28))...)
	defer p.Release()
	dev := &Device{Index: 1, Name: "eth0"}
	if v := r.RunFrame(ARP, ARPIn, "", p, &Context{In: dev, EtherType: unix.ETH_P_ARP}); v != Accept || len(h.logged) != 1 {
		t.Errorf("%v, logged %v", v, h.logged)
	}
	if r.RunFrame(NetDev, Ingress, "eth1", p, &Context{In: dev, EtherType: unix.ETH_P_ARP}); len(h.logged) != 1 {
		t.Error("a chain of another interface was asked")
	}
	tx, err := r.Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	table, _ := tx.Table(NetDev, "t")
	for _, b := range []*Base{{Type: "filter", Hook: Ingress}, {Type: "nat", Hook: Ingress, Devices: []string{"x"}}, {Type: "filter", Hook: 2, Devices: []string{"x"}}} {
		if tx.AddChain(table, &Chain{Name: "bad", Base: b}, 0) == nil {
			t.Errorf("taken: %+v", b)
		}
	}
	if err := tx.AddRule(table, table.Chain("c"), &Rule{Exprs: []Expr{&Masquerade{}}}, AtEnd, 0); err != unix.EOPNOTSUPP {
		t.Errorf("a translation of frames: %v", err)
	}
}

// Whatever a frame is, every expression gets over it.
func FuzzFrame(f *testing.F) {
	f.Add(uint16(unix.ETH_P_IP), []byte("\x45\x00\x00\x28abcdefgh\x06ijklmnopqrstuvwxyz0123456789"))
	f.Add(uint16(unix.ETH_P_IPV6), []byte("\x60\x00\x00\x00\x00\x10\x00abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklm"))
	f.Add(uint16(unix.ETH_P_ARP), []byte{0, 1, 8, 0, 6, 4, 0, 1})
	r, h := frameRules(f)
	pool := new(buffer.Pool)
	dev := &Device{Index: 1, Name: "eth0", MTU: 1500}
	f.Fuzz(func(t *testing.T, ether uint16, b []byte) {
		if len(b) > 2000 {
			return
		}
		h.logged = nil
		for _, x := range []Family{NetDev, Bridge, ARP} {
			hook := map[Family]Hook{NetDev: Ingress, Bridge: Forward, ARP: ARPIn}[x]
			p := pool.NewPacket(pool.CopyIn(b)...)
			r.RunFrame(x, hook, "eth0", p, &Context{In: dev, Out: dev, EtherType: ether, LinkHeader: make([]byte, 14), Now: 1})
			p.Release()
		}
	})
}
