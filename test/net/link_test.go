package net

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// exchange sends a few bytes each way and reads them.
func exchange(ours, linux net.Conn, word string) error {
	for _, c := range []net.Conn{ours, linux} {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
		if _, err := io.WriteString(c, word); err != nil {
			return err
		}
	}
	return expect(ours, linux, word)
}

// expect reads what each end was sent.
func expect(ours, linux net.Conn, word string) error {
	for _, c := range []net.Conn{ours, linux} {
		b := make([]byte, len(word))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != word {
			return fmt.Errorf("%q, not %q: %w", b, word, err)
		}
	}
	return nil
}

// A connection survives that its link is down for a while, wherever that is: what
// was sent meanwhile arrives.
func TestLinkDownAndUp(t *testing.T) {
	w := join(t, config{mtu: 1500})
	up := func(on bool) {
		flags := uint32(0)
		if on {
			flags = unix.IFF_UP
		}
		if err := w.stack.NICByName("eth0").Change(stack.Change{Flags: flags, FlagsMask: unix.IFF_UP}); err != nil {
			t.Error(err)
		}
	}
	set := func(name string) func(bool) {
		return func(on bool) {
			word := "down"
			if on {
				word = "up"
			}
			w.linux(func() { ip(t, "link set "+name+" "+word) })
		}
	}
	for _, k := range []struct {
		name string
		set  func(on bool)
	}{{"Linux's end", set("linux")}, {"the end that we read and write", set("ours")}, {"our interface", up}} {
		t.Run(k.name, func(t *testing.T) {
			l := w.listenLinux(t, linux4)
			ours, err := w.dial(l)
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			linux, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer linux.Close()
			if err := exchange(ours, linux, "before"); err != nil {
				t.Fatal(err)
			}
			k.set(false)
			for _, c := range []net.Conn{ours, linux} {
				if _, err := io.WriteString(c, "meanwhile"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(300 * time.Millisecond) // some of it is sent again, in vain
			k.set(true)
			if err := expect(ours, linux, "meanwhile"); err != nil {
				t.Fatal(err)
			}
			if err := exchange(ours, linux, "after"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A smaller MTU of our interface holds for a connection that there is, and so does
// a larger one.
func TestLinkMTUChanges(t *testing.T) {
	w := join(t, config{mtu: 1500})
	l := w.listenLinux(t, linux4)
	ours, err := w.dial(l)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	linux, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer linux.Close()
	for _, k := range []struct {
		mtu     int
		segment int // with time stamps
	}{{1500, 1448}, {1000, 948}, {600, 548}, {1500, 1448}} {
		if err := w.stack.NICByName("eth0").Change(stack.Change{MTU: &k.mtu}); err != nil {
			t.Fatal(err)
		}
		if err := pass(ours, linux, 1<<20); err != nil {
			t.Fatalf("MTU %d: %v", k.mtu, err)
		}
		raw, err := linux.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var seen int
		if err := raw.Control(func(fd uintptr) {
			if i, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO); err == nil {
				seen = int(i.Rcv_mss)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if seen != k.segment {
			t.Errorf("MTU %d: Linux gets segments of %d bytes, want %d", k.mtu, seen, k.segment)
		}
	}
}

// pass sends n bytes from one end to the other.
func pass(from, to net.Conn, n int64) error {
	for _, c := range []net.Conn{from, to} {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
	}
	errs := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, n))
		errs <- err
	}()
	if _, err := io.CopyN(io.Discard, to, n); err != nil {
		return err
	}
	return <-errs
}
