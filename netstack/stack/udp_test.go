package stack

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUDPLoopback(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	a, b := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := b.Bind(to("127.0.0.1:53"), true); err != nil {
		t.Fatal(err)
	}
	woken := uint32(0)
	b.SetWake(func(e uint32) { woken |= e })
	sendTo(t, a, "hello", "127.0.0.1:53")
	m := wantRecv(t, b, "hello")
	if woken&unix.EPOLLIN == 0 {
		t.Error("nobody was woken")
	}
	name, _ := a.Name()
	if m.From.Port() != name.Port() || m.From.Addr().String() != "127.0.0.1" {
		t.Errorf("from %v, sent by %v", m.From, name)
	}
	if _, _, err := recv(b); err != unix.EAGAIN {
		t.Errorf("an empty queue: %v", err)
	}
	if err := b.Connect(m.From); err != nil {
		t.Fatal(err)
	}
	sendTo(t, b, "back", "")
	wantRecv(t, a, "back")
	if !v.idle() {
		t.Error("an idle stack has timers")
	}
}

func TestUDPVeth(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	for _, c := range []struct {
		family   int
		own, dst string
	}{{unix.AF_INET, "10.0.0.2:7", "10.0.0.2:7"}, {unix.AF_INET6, "[::]:8", "[fd00::2]:8"}} {
		x, y := socket(t, a, c.family, unix.SOCK_DGRAM, 0), socket(t, b, c.family, unix.SOCK_DGRAM, 0)
		if err := y.Bind(to(c.own), true); err != nil {
			t.Fatal(err)
		}
		sendTo(t, x, "one", c.dst)
		m := wantRecv(t, y, "one")
		big := strings.Repeat("0123456789", 4000) // in fragments
		reply := m.From
		n, err := y.Send(strings.NewReader(big), len(big), &SendMeta{To: &reply})
		if err != nil || n != len(big) {
			t.Fatal(n, err)
		}
		wantRecv(t, x, big)
	}
}

func TestUDPUnreachable(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := x.Connect(to("10.0.0.2:9")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "x", "")
	if x.Ready()&unix.EPOLLERR == 0 {
		t.Error("no error is ready")
	}
	if _, _, err := recv(x); err != unix.ECONNREFUSED {
		t.Errorf("recv: %v, want ECONNREFUSED", err)
	}
}
