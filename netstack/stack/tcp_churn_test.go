package stack

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// TestTCPChurn makes and closes more connections over the loopback interface than
// there are ports, on real time: ports in TIME_WAIT are used again, and nothing
// waits for ever.
func TestTCPChurn(t *testing.T) {
	const connections = 30000
	begin := time.Now()
	s := New(Config{Pool: new(buffer.Pool), Now: func() int64 { return int64(time.Since(begin)) + 1 }, Wall: time.Now,
		After:  func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
		Random: func(b []byte) { _, _ = rand.Read(b) }})
	defer s.Close()
	lo := s.NIC(1)
	if err := lo.Change(Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		t.Fatal(err)
	}
	if err := lo.AddAddr(Addr{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Scope: unix.RT_SCOPE_HOST}, false); err != nil && err != unix.EEXIST {
		t.Fatal(err)
	}
	l := tcpListen(t, s, unix.AF_INET, "127.0.0.1:7777", 128)
	await := func(x Socket, events uint32) {
		c := make(chan struct{}, 1)
		x.SetWake(func(uint32) {
			select {
			case c <- struct{}{}:
			default:
			}
		})
		for x.Ready()&events == 0 {
			<-c
		}
	}
	go func() {
		for {
			await(l, unix.EPOLLIN)
			x, _, err := l.Accept()
			if err != nil {
				return
			}
			var b bytes.Buffer
			for { // until the peer closes
				await(x, unix.EPOLLIN)
				if n, err := x.Recv(&b, 16, new(RecvMeta)); n == 0 || err != nil {
					break
				}
				_, _ = x.Send(strings.NewReader("ok"), 2, new(SendMeta))
			}
			x.Close()
		}
	}()
	for i := range connections {
		c := tcpSock(t, s, unix.AF_INET)
		if err := c.Connect(at("127.0.0.1:7777")); err != unix.EINPROGRESS {
			t.Fatal(i, err)
		}
		await(c, unix.EPOLLOUT)
		if err := c.Connect(at("127.0.0.1:7777")); err != nil {
			t.Fatal(i, err)
		}
		_, _ = c.Send(strings.NewReader("hi"), 2, new(SendMeta))
		await(c, unix.EPOLLIN)
		var b bytes.Buffer
		if n, err := c.Recv(&b, 16, new(RecvMeta)); n != 2 || err != nil {
			t.Fatal(i, n, err)
		}
		c.Close()
	}
}
