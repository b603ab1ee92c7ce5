package stack

import (
	"bytes"
	"crypto/rand"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// realStack is a stack on the machine's clock.
func realStack(t testing.TB) *Stack {
	start := time.Now()
	s := New(Config{
		Pool: &buffer.Pool{}, Now: func() int64 { return int64(time.Since(start)) + 1 }, Wall: time.Now,
		After:  func(d time.Duration, f func()) func() { k := time.AfterFunc(d, f); return func() { k.Stop() } },
		Random: func(b []byte) { rand.Read(b) },
	})
	up(t, s.NIC(1))
	t.Cleanup(s.Close)
	return s
}

// realPair is pair on the machine's clock.
func realPair(t testing.TB) (a, b *Stack) {
	a, b = realStack(t), realStack(t)
	n, err := a.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: "eth0"}, PeerStack: b})
	if err != nil {
		t.Fatal(err)
	}
	up(t, n)
	up(t, b.NICByName("eth0"))
	addr(t, n, "10.0.0.1/24")
	addr(t, b.NICByName("eth0"), "10.0.0.2/24")
	return a, b
}

// waiter lets a goroutine wait for a socket as a task does.
type waiter struct{ c chan struct{} }

func wait(x Socket) *waiter {
	w := &waiter{make(chan struct{}, 1)}
	x.SetWake(func(uint32) {
		select {
		case w.c <- struct{}{}:
		default:
		}
	})
	return w
}

// until waits for one of the events.
func (w *waiter) until(t testing.TB, x Socket, ev uint32) {
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for x.Ready()&(ev|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		select {
		case <-w.c:
		case <-limit.C:
			t.Errorf("events %x did not come: %x, %+v", ev, x.Ready(), x.Info())
			runtime.Goexit()
		}
	}
}

// dial returns both ends of a connection on the machine's clock.
func dial(t testing.TB, a, b *Stack, addr string) (c, s *tcpSocket) {
	t.Helper()
	l := tcpListen(t, b, unix.AF_INET, addr, 16)
	defer l.Close()
	lw := wait(l)
	c = tcpSock(t, a, unix.AF_INET)
	cw := wait(c)
	if err := c.Connect(at(addr)); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	cw.until(t, c, unix.EPOLLOUT)
	lw.until(t, l, unix.EPOLLIN)
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c, x.(*tcpSocket)
}

// pour sends total bytes of a pattern from c to s and compares them.
func pour(t testing.TB, c, s *tcpSocket, total int64, check bool) {
	pattern := make([]byte, 1<<20)
	rand.Read(pattern)
	var wg sync.WaitGroup
	wg.Go(func() {
		w := wait(c)
		for sent := int64(0); sent < total; {
			off := int(sent % (1 << 20))
			n := int(min(total-sent, int64(len(pattern)-off)))
			k, err := c.Send(bytes.NewReader(pattern[off:off+n]), n, nil)
			if err == unix.EAGAIN {
				w.until(t, c, unix.EPOLLOUT)
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			sent += int64(k)
		}
		c.Shutdown(unix.SHUT_WR)
	})
	w := wait(s)
	got := int64(0)
	buf := make([]byte, 256<<10)
	for {
		dst := &sliceWriter{b: buf}
		k, err := s.Recv(dst, len(buf), nil)
		if err == unix.EAGAIN {
			w.until(t, s, unix.EPOLLIN)
			continue
		}
		if err != nil {
			t.Error(err)
			break
		}
		if k == 0 {
			break
		}
		if check {
			for i := 0; i < k; {
				off := int((got + int64(i)) % (1 << 20))
				n := min(k-i, len(pattern)-off)
				if !bytes.Equal(buf[i:i+n], pattern[off:off+n]) {
					t.Fatalf("wrong bytes after %d", got+int64(i))
				}
				i += n
			}
		}
		got += int64(k)
	}
	wg.Wait()
	if got != total {
		t.Errorf("%d of %d bytes came", got, total)
	}
}

// sliceWriter writes into a slice.
type sliceWriter struct {
	b []byte
	n int
}

func (w *sliceWriter) Write(p []byte) (int, error) {
	k := copy(w.b[w.n:], p)
	w.n += k
	if k < len(p) {
		return k, io.ErrShortWrite
	}
	return k, nil
}

func TestTCPBulk(t *testing.T) {
	total := int64(1 << 30)
	if testing.Short() {
		total = 64 << 20
	}
	a, b := realPair(t)
	c, s := dial(t, a, b, "10.0.0.2:80")
	pour(t, c, s, total, true)
	// A probe may leave when the machine was busy elsewhere; nothing else.
	if n, probes := a.tcpState.counters.RetransSegs.Load(), a.tcpState.counters.LossProbes.Load(); n > probes*46 {
		t.Errorf("%d segments were sent again, of %d probes, over a link that loses none", n, probes)
		for _, s := range []*Stack{a, b} {
			for _, c := range s.Counters() {
				if c.Value != 0 {
					t.Log(c.Group, c.Name, c.Value)
				}
			}
			for _, n := range s.NICs() {
				t.Logf("%+v", n.Info().Stats)
			}
		}
	}
	c.Close()
	s.Close()
}

func BenchmarkTCPVeth(b *testing.B) {
	for _, name := range []string{"veth", "loopback"} {
		b.Run(name, func(b *testing.B) {
			x, y := realPair(b)
			addr := "10.0.0.2:80"
			if name == "loopback" {
				x, addr = y, "127.0.0.1:80"
			}
			c, s := dial(b, x, y, addr)
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			b.ResetTimer()
			pour(b, c, s, int64(b.N)<<20, false)
			c.Close()
			s.Close()
		})
	}
}

// BenchmarkTCPRoundTrip is a request of one byte and its answer.
func BenchmarkTCPRoundTrip(b *testing.B) {
	x, y := realPair(b)
	c, s := dial(b, x, y, "10.0.0.2:80")
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := wait(s)
		for {
			k, err := s.Recv(io.Discard, 1, nil)
			switch {
			case err == unix.EAGAIN:
				w.until(b, s, unix.EPOLLIN)
			case k == 0:
				return
			default:
				s.Send(bytes.NewReader([]byte{1}), 1, nil)
			}
		}
	}()
	w := wait(c)
	b.ReportAllocs()
	for b.Loop() {
		c.Send(bytes.NewReader([]byte{1}), 1, nil)
		for {
			if _, err := c.Recv(io.Discard, 1, nil); err != unix.EAGAIN {
				break
			}
			w.until(b, c, unix.EPOLLIN)
		}
	}
	c.Close()
	<-done
}

// BenchmarkTCPConnect is a connection that is opened, accepted and reset.
func BenchmarkTCPConnect(b *testing.B) {
	x, y := realPair(b)
	l := tcpListen(b, y, unix.AF_INET, "10.0.0.2:80", 16)
	var linger [8]byte
	linger[0] = 1
	b.ReportAllocs()
	for b.Loop() {
		c := tcpSock(b, x, unix.AF_INET)
		if err := c.Connect(at("10.0.0.2:80")); err != unix.EINPROGRESS {
			b.Fatal(err)
		}
		s, _, err := l.Accept() // packets pass at once
		if err != nil {
			b.Fatal(err)
		}
		if err := c.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, linger[:], false, false); err != nil {
			b.Fatal(err)
		}
		c.Close()
		s.Close()
	}
}
