package dnsrelay

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server is a name server at an address of the loopback interface that only this
// test uses; it answers each query with its reverse.
func server(t *testing.T) netip.Addr {
	t.Helper()
	a := netip.MustParseAddr("127.99.53.11")
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, dnsPort)))
	if err != nil {
		t.Skipf("port 53 of %s: %v", a, err)
	}
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, dnsPort)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close(); l.Close() })
	go func() {
		b := make([]byte, maxMessage)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(reverse(b[:n]), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := ReadTCP(c); err == nil {
				_ = WriteTCP(c, reverse(q))
			}
			_ = c.Close()
		}
	}()
	return a
}

func reverse(b []byte) []byte {
	r := make([]byte, len(b))
	for i, v := range b {
		r[len(b)-1-i] = v
	}
	return r
}

func TestRelay(t *testing.T) {
	a := server(t)
	fds, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- Serve(fds[0], []netip.Addr{a}) }()
	g, err := NewGuest(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	// What the guest has: here, the host's loopback interface.
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go g.Datagrams(u, a)
	go g.Streams(l, a)

	c, err := net.Dial("udp4", u.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 100)
	for _, q := range []string{"query", "another"} {
		if _, err := c.Write([]byte(q)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); err != nil || !bytes.Equal(b[:n], reverse([]byte(q))) {
			t.Errorf("%q: %q, %v", q, b[:n], err)
		}
	}
	s, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = s.SetDeadline(time.Now().Add(10 * time.Second))
	for _, q := range [][]byte{[]byte("by a stream"), bytes.Repeat([]byte("long "), 13000)} {
		if err := WriteTCP(s, q); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadTCP(s); err != nil || !bytes.Equal(got, reverse(q)) {
			t.Errorf("a query of %d bytes by a stream: %d bytes, %v", len(q), len(got), err)
		}
	}
	_ = g.e.f.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the relay does not end with the sentry")
	}
}

// TestQueriesAreBounded: what waits for an answer is; the rest is lost.
func TestQueriesAreBounded(t *testing.T) {
	fds, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	relay := os.NewFile(uintptr(fds[0]), "a relay that never answers")
	defer relay.Close()
	g, err := NewGuest(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	defer g.e.f.Close()
	go func() { _, _ = io.Copy(io.Discard, relay) }()
	for range maxQueries + 100 {
		g.ask('u', netip.MustParseAddr("192.0.2.1"), []byte("query"), func([]byte) {})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.waiting); n != maxQueries {
		t.Errorf("%d wait", n)
	}
}

func TestOnlyKnownServers(t *testing.T) {
	fds, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	spy, err := net.ListenPacket("udp4", "127.99.53.12:53")
	if err != nil {
		t.Skip(err)
	}
	defer spy.Close()
	go func() { _ = Serve(fds[0], []netip.Addr{netip.MustParseAddr("127.0.0.11")}) }()
	e, err := newEnd(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	defer e.f.Close()
	if err := e.write(message{'u', 1, netip.MustParseAddr("127.99.53.12"), []byte("x")}); err != nil {
		t.Fatal(err)
	}
	_ = spy.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, _, err := spy.ReadFrom(make([]byte, 10)); err == nil {
		t.Error("a server was asked that the relay was not told of")
	}
}

// What the sentry writes is no harm to the relay.
func FuzzRead(f *testing.F) {
	f.Add([]byte("u1234567890abcmessage"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > 60000 {
			return
		}
		fds, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		e, err := newEnd(fds[0])
		if err != nil {
			t.Fatal(err)
		}
		defer e.f.Close()
		if _, err := unix.Write(fds[1], b); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fds[1])
		m, err := e.read(make([]byte, headerSize+maxMessage))
		if err == nil && (len(m.body) != len(b)-headerSize || m.id != binary.BigEndian.Uint64(b[1:])) {
			t.Errorf("% x is read as %+v", b, m)
		}
		if _, err := e.read(make([]byte, headerSize+maxMessage)); err != io.EOF && !os.IsTimeout(err) && err == nil {
			t.Error("no end after the end")
		}
	})
}
