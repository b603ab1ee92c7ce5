package stack

import (
	"testing"

	"golang.org/x/sys/unix"
)

func change(t testing.TB, n *NIC, on bool) {
	t.Helper()
	c := Change{FlagsMask: unix.IFF_UP}
	if on {
		c.Flags = unix.IFF_UP
	}
	if err := n.Change(c); err != nil {
		t.Fatal(err)
	}
}

// TestCarrier: a VLAN goes up and down with what it is on, and has its carrier;
// a veth has one while both of its ends are up, in whichever order.
func TestCarrier(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	left, right := a.NICByName("eth0"), b.NICByName("eth0")
	vlan, err := a.AddNIC(NICConfig{Name: "eth0.7", Kind: KindVLAN, Parent: left.Index(), VLAN: 7})
	if err != nil {
		t.Fatal(err)
	}
	want := func(step string, n *NIC, flags uint32, state OperState) {
		t.Helper()
		i := n.Info()
		if got := i.Flags & (unix.IFF_UP | unix.IFF_LOWER_UP); got != flags || i.OperState() != state {
			t.Errorf("%s: %s has flags %#x and is %v, want %#x, %v", step, i.Name, got, i.OperState(), flags, state)
		}
	}
	const both = unix.IFF_UP | unix.IFF_LOWER_UP
	up(t, vlan)
	want("all up", left, both, OperUp)
	want("all up", vlan, both, OperUp)
	change(t, right, false)
	want("peer down", left, unix.IFF_UP, OperDown)
	want("peer down", vlan, unix.IFF_UP, OperLowerLayerDown)
	change(t, left, false)
	want("down", left, 0, OperDown)
	want("down", vlan, 0, OperDown)
	if err := vlan.Change(Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != unix.ENETDOWN {
		t.Errorf("a VLAN up on what is down: %v", err)
	}
	change(t, right, true)
	want("down", right, unix.IFF_UP, OperDown)
	change(t, left, true)
	want("up again", right, both, OperUp)
	want("up again", vlan, both, OperUp)
	if err := a.RemoveNIC(left.Index()); err != nil {
		t.Fatal(err)
	}
	if b.NICByName("eth0") != nil || a.NICByName("eth0.7") != nil {
		t.Error("a veth's other end and its VLAN outlived it")
	}
}

// TestIgnoreLinkdown: with ignore_routes_with_linkdown a route through an interface
// without carrier is none.
func TestIgnoreLinkdown(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	change(t, b.NICByName("eth0"), false)
	sendTo(t, x, "into the void", "10.0.0.2:9")
	for _, on := range []string{"1", "0"} {
		if err := a.SetTunable("ipv4/conf/eth0/ignore_routes_with_linkdown", on); err != nil {
			t.Fatal(err)
		}
		err := x.Connect(to("10.0.0.2:9"))
		if (err == unix.ENETUNREACH) != (on == "1") {
			t.Errorf("ignoring %s: %v", on, err)
		}
	}
	if err := a.SetTunable("ipv4/conf/all/ignore_routes_with_linkdown", "1"); err != nil {
		t.Fatal(err)
	}
	change(t, b.NICByName("eth0"), true)
	if err := x.Connect(to("10.0.0.2:9")); err != nil {
		t.Errorf("with a carrier again: %v", err)
	}
}
