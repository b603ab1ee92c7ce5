package stack

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func at(s string) Address { return Address{AddrPort: netip.MustParseAddrPort(s)} }

func tcpSock(t testing.TB, s *Stack, family int) *tcpSocket {
	t.Helper()
	x, err := s.NewSocket(family, unix.SOCK_STREAM, 0, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	return x.(*tcpSocket)
}

// tcpListen returns a listener at an address.
func tcpListen(t testing.TB, s *Stack, family int, addr string, backlog int) *tcpSocket {
	t.Helper()
	x := tcpSock(t, s, family)
	if err := x.Bind(at(addr), true); err != nil {
		t.Fatal(err)
	}
	if err := x.Listen(backlog); err != nil {
		t.Fatal(err)
	}
	return x
}

// tcpConnected returns both ends of a connection from a to b.
func tcpConnectedPair(t testing.TB, v *virtual, a, b *Stack, family int, addr string) (c, s *tcpSocket) {
	t.Helper()
	l := tcpListen(t, b, family, addr, 16)
	c = tcpSock(t, a, family)
	if err := c.Connect(at(addr)); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	v.advance(time.Second)
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(at(addr)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	return c, x.(*tcpSocket)
}

func send(t testing.TB, x Socket, s string) {
	t.Helper()
	if n, err := x.Send(strings.NewReader(s), len(s), nil); n != len(s) || err != nil {
		t.Fatal(n, err)
	}
}

func recvAll(t testing.TB, x Socket, n int) string {
	t.Helper()
	var b bytes.Buffer
	if k, err := x.Recv(&b, n, nil); err != nil || k != b.Len() {
		t.Fatal(k, err)
	}
	return b.String()
}

func TestTCPOverVeth(t *testing.T) {
	for _, f := range []struct {
		family int
		addr   string
	}{{unix.AF_INET, "10.0.0.2:80"}, {unix.AF_INET6, "[fd00::2]:80"}, {unix.AF_INET6, "[::ffff:10.0.0.2]:80"}} {
		t.Run(f.addr, func(t *testing.T) {
			v := newClock()
			a, b := pair(t, v)
			c, s := tcpConnectedPair(t, v, a, b, f.family, f.addr)
			if ev := c.Ready(); ev != unix.EPOLLOUT|unix.EPOLLWRNORM {
				t.Errorf("ready %x", ev)
			}
			if _, err := s.Recv(&bytes.Buffer{}, 10, nil); err != unix.EAGAIN {
				t.Error(err)
			}
			send(t, c, "hello")
			v.advance(time.Second)
			if ev := s.Ready(); ev&unix.EPOLLIN == 0 {
				t.Errorf("ready %x", ev)
			}
			if got := recvAll(t, s, 100); got != "hello" {
				t.Errorf("%q", got)
			}
			c.Shutdown(unix.SHUT_WR)
			v.advance(time.Second)
			if n, err := s.Recv(&bytes.Buffer{}, 10, nil); n != 0 || err != nil {
				t.Error(n, err)
			}
			if ev := s.Ready(); ev&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP) != unix.EPOLLIN|unix.EPOLLRDHUP {
				t.Errorf("ready %x", ev)
			}
			send(t, s, "bye")
			s.Close()
			v.advance(time.Second)
			if got := recvAll(t, c, 100); got != "bye" {
				t.Errorf("%q", got)
			}
			if n, err := c.Recv(&bytes.Buffer{}, 10, nil); n != 0 || err != nil {
				t.Error(n, err)
			}
			c.Close()
			v.advance(2 * time.Minute)
			for _, k := range []*Stack{a, b} {
				if n := len(k.sockets.all()); n != 0 {
					t.Errorf("%d sockets are left", n)
				}
				if n := k.tcpState.waits.Load(); n != 0 {
					t.Errorf("%d in TIME_WAIT", n)
				}
				if n := len(k.tcp.buckets); n != 0 {
					t.Errorf("%d ports are taken", n)
				}
			}
		})
	}
}

func TestTCPRefused(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	c := tcpSock(t, a, unix.AF_INET)
	var woken uint32
	c.SetWake(func(ev uint32) { woken |= ev })
	if err := c.Connect(at("10.0.0.2:81")); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	v.advance(time.Second)
	if woken&unix.EPOLLERR == 0 {
		t.Errorf("woken by %x", woken)
	}
	if err := c.Connect(at("10.0.0.2:81")); err != unix.ECONNREFUSED {
		t.Error(err)
	}
}
