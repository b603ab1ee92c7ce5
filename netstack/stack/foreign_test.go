package stack

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What is for a port of another stack, and comes from the one port that it asks,
// gets no answer here; everything else does.
func TestForeignPorts(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	b.SetForeign(Foreign{From: 53, Low: 64512, High: 65534})
	for _, c := range []struct {
		own, to string
		refused bool
	}{
		{"10.0.0.1:53", "10.0.0.2:64512", false}, {"10.0.0.1:53", "10.0.0.2:65534", false},
		{"10.0.0.1:53", "10.0.0.2:64511", true}, {"10.0.0.1:54", "10.0.0.2:64512", true},
	} {
		u := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err := u.Bind(to(c.own), true); err != nil {
			t.Fatal(err)
		}
		if err := u.Connect(to(c.to)); err != nil {
			t.Fatal(err)
		}
		sendTo(t, u, "answer", "")
		_, _, err := recv(u)
		if got := err == unix.ECONNREFUSED; got != c.refused {
			t.Errorf("UDP from %s to %s: %v", c.own, c.to, err)
		}
		u.Close()

		x := tcpSock(t, a, unix.AF_INET)
		if err := x.Bind(to(c.own), true); err != nil {
			t.Fatal(err)
		}
		x.Connect(at(c.to))
		v.advance(100 * time.Millisecond)
		if got := x.Ready()&unix.EPOLLERR != 0; got != c.refused {
			t.Errorf("TCP from %s to %s: refused %v", c.own, c.to, got)
		}
		x.Close()
	}
	// A socket that is there has them.
	u, l := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := u.Bind(to("10.0.0.1:53"), true); err != nil {
		t.Fatal(err)
	}
	if err := l.Bind(to("10.0.0.2:65000"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, u, "answer", "10.0.0.2:65000")
	wantRecv(t, l, "answer")
}
