package stack

import (
	"testing"

	"golang.org/x/sys/unix"
)

// besideSocket is a socket that keeps nobody from its port.
func besideSocket(t *testing.T, s *Stack, typ int) Socket {
	t.Helper()
	x, err := s.NewSocket(unix.AF_INET, typ, 0, Owner{Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// A name server that a container's network has at an address of the loopback
// interface is beside one that a program runs at all addresses.
func TestBesideUDP(t *testing.T) {
	s := testStack(t, newClock())
	first := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := first.Bind(to("0.0.0.0:53"), true); err != nil {
		t.Fatal(err)
	}
	own := besideSocket(t, s, unix.SOCK_DGRAM)
	if err := own.Bind(to("127.0.0.11:53"), true); err != nil {
		t.Fatalf("beside one that is bound: %v", err)
	}
	dual := socket(t, s, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err := dual.Bind(to("[::]:53"), true); err != unix.EADDRINUSE {
		t.Errorf("a second one of all addresses: %v", err)
	}
	first.Close()
	if err := dual.Bind(to("[::]:53"), true); err != nil {
		t.Errorf("all addresses, beside it: %v", err)
	}
	c := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	sendTo(t, c, "names", "127.0.0.11:53")
	wantRecv(t, own, "names")
	sendTo(t, c, "other", "127.0.0.1:53")
	wantRecv(t, dual, "other")
}

func TestBesideTCP(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	own := besideSocket(t, s, unix.SOCK_STREAM)
	if err := own.Bind(to("127.0.0.11:53"), true); err != nil {
		t.Fatal(err)
	}
	if err := own.Listen(8); err != nil {
		t.Fatal(err)
	}
	c := tcpSock(t, s, unix.AF_INET)
	c.Connect(at("127.0.0.11:53"))
	x, _, err := own.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	l := tcpListen(t, s, unix.AF_INET, "0.0.0.0:53", 8) // while a connection is there
	d := tcpSock(t, s, unix.AF_INET)
	d.Connect(at("127.0.0.1:53"))
	if _, _, err := l.Accept(); err != nil {
		t.Errorf("the listener at all addresses: %v", err)
	}
	if _, _, err := own.Accept(); err != unix.EAGAIN {
		t.Errorf("the one beside it: %v", err)
	}
}
