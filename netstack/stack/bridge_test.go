package stack

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBridge has three stacks on a bridge of a fourth, which has an address too.
func TestBridge(t *testing.T) {
	v := newClock()
	hub := testStack(t, v)
	br, err := hub.AddNIC(NICConfig{Name: "br0", Kind: KindBridge})
	if err != nil {
		t.Fatal(err)
	}
	up(t, br)
	addr(t, br, "10.1.0.254/24")
	var ss []*Stack
	for i, name := range []string{"p0", "p1", "p2"} {
		s := testStack(t, v)
		n, err := s.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: name}, PeerStack: hub})
		if err != nil {
			t.Fatal(err)
		}
		port, master := hub.NICByName(name), br.Index()
		up(t, n)
		up(t, port)
		if err := port.Change(Change{Master: &master}); err != nil {
			t.Fatal(err)
		}
		addr(t, n, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 24).String())
		ss = append(ss, s)
	}
	x, y := socket(t, ss[0], unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, ss[1], unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.1.0.2:9"), true); err != nil {
		t.Fatal(err)
	}
	third := ss[2].NICByName("eth0")
	sendTo(t, x, "over the bridge", "10.1.0.2:9")
	m := wantRecv(t, y, "over the bridge")
	before := third.Info().Stats.RxPackets
	for range 5 { // the bridge knows by now where they are
		sendTo(t, x, "again", "10.1.0.2:9")
		wantRecv(t, y, "again")
	}
	if n := third.Info().Stats.RxPackets; n != before {
		t.Errorf("%d frames between two others reached the third", n-before)
	}
	if m.From.Addr().String() != "10.1.0.1" {
		t.Errorf("from %v", m.From)
	}
	z := socket(t, hub, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := z.Bind(to("10.1.0.254:9"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "to the bridge itself", "10.1.0.254:9")
	from := wantRecv(t, z, "to the bridge itself").From
	sendTo(t, z, "and back", from.AddrPort.String())
	wantRecv(t, x, "and back")
	known := 0
	for _, e := range br.FDB() {
		known += bit(!e.Local)
	}
	if known < 2 {
		t.Errorf("the bridge knows %d addresses", known)
	}
	v.advance(6 * time.Minute)
	for _, e := range br.FDB() {
		if !e.Local && e.Age > fdbAge {
			t.Errorf("%v is known for too long", e)
		}
	}
	if err := hub.RemoveNIC(br.Index()); err != nil {
		t.Fatal(err)
	}
	if m := hub.NICByName("p0").Info().Master; m != 0 {
		t.Errorf("a port of a bridge that is gone: %d", m)
	}
}

func TestVLAN(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	for i, s := range []*Stack{a, b} {
		n, err := s.AddNIC(NICConfig{Name: "eth0.7", Kind: KindVLAN, Parent: s.NICByName("eth0").Index(), VLAN: 7})
		if err != nil {
			t.Fatal(err)
		}
		up(t, n)
		addr(t, n, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, 0, byte(i + 1)}), 24).String())
		if _, err := s.AddNIC(NICConfig{Kind: KindVLAN, Parent: s.NICByName("eth0").Index(), VLAN: 7}); err != unix.EEXIST {
			t.Errorf("the VLAN twice: %v", err)
		}
	}
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.7.0.2:9"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "tagged", "10.7.0.2:9")
	if m := wantRecv(t, y, "tagged"); m.Msg.IIF != b.NICByName("eth0.7").Index() {
		t.Errorf("it came through interface %d", m.Msg.IIF)
	}
	big := string(make([]byte, 5000))
	sendTo(t, x, big, "10.7.0.2:9")
	wantRecv(t, y, big)
}
