package netconf

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"hull/runsc-like/control"
)

// What is read again tells new interfaces from those that are known, and only opens
// the new ones that are up.
func TestReadAgain(t *testing.T) {
	path, ip := namespace(t, lines()...)
	old, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	known := func(index int) bool {
		return slices.ContainsFunc(old.Links, func(l control.Link) bool { return l.Index == index })
	}
	ip("link add late type veth peer name other mtu 1300")
	ip("addr add 10.11.0.2/24 dev late")
	ip("link set other up")
	ip("link set late up")
	ip("route add 10.12.0.0/16 via 10.11.0.1")
	ip("link add down type veth peer name downp")
	ip("link set eth0 mtu 1350")
	ip("addr del 10.9.1.2/32 peer 10.9.1.1 dev eth0")
	ip("addr add 10.9.2.2/24 dev eth0")
	ip("route del default")
	now, fresh, err := ReadAgain(path, known)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	names := []string{}
	for _, l := range fresh {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"late", "other"}) || len(now.Sockets) != 2 {
		t.Errorf("new are %v, with %d sockets", names, len(now.Sockets))
	}
	part := now.Part(fresh)
	if len(part.Routes) != 1 || part.Routes[0].Dst != netip.MustParsePrefix("10.12.0.0/16") || part.Sysctls["ipv6/conf/late/disable_ipv6"] != "0" {
		t.Errorf("of the new ones: %+v", part)
	}
	c := Compare(&old.Network, &now.Network)
	if len(c.Links) != 1 || c.Links[0].MTU != 1350 || len(c.Links[0].Addrs) != 1 || len(c.Links[0].Lost) != 1 ||
		c.Links[0].Addrs[0].Prefix != netip.MustParsePrefix("10.9.2.2/24") || c.Links[0].Lost[0].Prefix != netip.MustParsePrefix("10.9.1.2/32") {
		t.Errorf("changes of links: %+v", c.Links)
	}
	if len(c.Lost) != 1 || c.Lost[0].Dst.Bits() != 0 || len(c.Routes) != 1 || !SameRoute(c.Routes[0], part.Routes[0]) {
		t.Errorf("routes: new %+v, lost %+v", c.Routes, c.Lost)
	}
	f, err := control.WriteChanges(c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if back, err := control.ReadChanges(f); err != nil || len(back.Links) != 1 || len(back.Lost) != 1 {
		t.Errorf("what is sent is not what is read: %+v, %v", back, err)
	}
	gone := Compare(&control.Network{Links: fresh, Routes: part.Routes}, &control.Network{})
	if len(gone.Gone) != 2 || len(gone.Lost) != 0 {
		t.Errorf("of what is not there any more: %+v", gone)
	}
	if !Compare(&now.Network, &now.Network).Empty() {
		t.Error("nothing changed, and yet something did")
	}
}

func TestWatch(t *testing.T) {
	path, ip := namespace(t)
	over := make(chan struct{})
	var w *Watcher
	if err := Within(path, func() (err error) {
		w, err = Watch()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	heard := make(chan bool)
	go func() {
		for {
			more, err := w.Wait(over)
			if err != nil {
				t.Error(err)
			}
			heard <- more
			if !more {
				return
			}
		}
	}()
	for _, line := range []string{"link add d0 type veth peer name d1", "link set d0 up", "addr add 10.8.0.1/24 dev d0", "route add 10.7.0.0/16 dev d0", "link del d0"} {
		ip(line)
		select {
		case more := <-heard:
			if !more {
				t.Fatalf("%s: over", line)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: not heard", line)
		}
	}
	close(over)
	for more := range heard {
		if !more {
			break
		}
	}
}
