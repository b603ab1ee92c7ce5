package stack

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program is struct sock_filter's for instructions of code, k.
func program(is ...[2]uint32) []byte {
	var b []byte
	for _, i := range is {
		b = binary.NativeEndian.AppendUint16(b, uint16(i[0]))
		b = append(b, 0, 0)
		b = binary.NativeEndian.AppendUint32(b, i[1])
	}
	return b
}

// byFirstByte returns the first byte of the payload modulo 10.
func byFirstByte() []byte {
	return program([2]uint32{0x30, 0}, [2]uint32{0x94, 10}, [2]uint32{0x16, 0})
}

// A group's program says which of its sockets gets a datagram; a number that nobody
// has leaves it to the hash.
func TestReuseportProgramUDP(t *testing.T) {
	s := testStack(t, newClock())
	var group []Socket
	add := func() Socket {
		x := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err := x.SetOption(unix.SOL_SOCKET, unix.SO_REUSEPORT, []byte{1, 0, 0, 0}, true, true); err != nil {
			t.Fatal(err)
		}
		return x
	}
	first := add()
	if err := first.SetOption(unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, byFirstByte(), true, true); err != nil {
		t.Fatal(err) // the group begins with it
	}
	for i := range 4 {
		x := first
		if i > 0 {
			x = add()
		}
		if err := x.Bind(to("127.0.0.1:7"), true); err != nil {
			t.Fatal(err)
		}
		group = append(group, x)
	}
	c := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	for i := range 4 {
		sendTo(t, c, fmt.Sprintf("%c%d", 10+i, i), "127.0.0.1:7")
		wantRecv(t, group[i], fmt.Sprintf("%c%d", 10+i, i))
	}
	sendTo(t, c, "\x09x", "127.0.0.1:7") // nobody has that number
	got := 0
	for _, x := range group {
		if _, _, err := recv(x); err == nil {
			got++
		}
	}
	if got != 1 {
		t.Errorf("%d got it", got)
	}
	// The last one takes the place of one that leaves.
	group[1].Close()
	sendTo(t, c, "\x01y", "127.0.0.1:7")
	wantRecv(t, group[3], "\x01y")
	detach := func() error {
		return group[0].SetOption(unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, []byte{0, 0, 0, 0}, true, true)
	}
	if err := detach(); err != nil {
		t.Error(err)
	}
	if err := detach(); err != unix.ENOENT {
		t.Error(err)
	}
	alone := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := alone.SetOption(unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, byFirstByte(), true, true); err != unix.EINVAL {
		t.Error(err)
	}
}

// Listeners are chosen by a program for each connection.
func TestReuseportProgramTCP(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	var ls []*tcpSocket
	for range 3 {
		l := tcpSock(t, b, unix.AF_INET6)
		if err := l.SetOption(unix.SOL_SOCKET, unix.SO_REUSEPORT, []byte{1, 0, 0, 0}, true, true); err != nil {
			t.Fatal(err)
		}
		if err := l.Bind(at("[::]:80"), true); err != nil {
			t.Fatal(err)
		}
		if err := l.Listen(8); err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	one := program([2]uint32{0x06, 1})
	if err := ls[2].SetOption(unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, one, true, true); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"[::ffff:10.0.0.2]:80", "[fd00::2]:80"} {
		for range 8 {
			c := tcpSock(t, a, unix.AF_INET6)
			to := at(addr)
			if err := c.Connect(to); err != unix.EINPROGRESS {
				t.Fatal(err)
			}
			v.advance(time.Second)
			x, _, err := ls[1].Accept()
			if err != nil {
				t.Fatal(addr, err)
			}
			x.Close()
			c.Close()
		}
	}
}
