package stack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/link/afpacket"
	"hull/netstack/link/fault"
)

// linuxPeer enters a network namespace of its own, for this goroutine: Linux has
// 10.8.0.2 at one end of a veth, the stack that is returned 10.8.0.1 at the other.
func linuxPeer(t *testing.T, mtu int, f *fault.Config) *Stack {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("makes network interfaces: needs root")
	}
	runtime.LockOSThread() // the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"link add near address 02:00:00:00:00:01 type veth peer name far address 02:00:00:00:00:02",
		fmt.Sprintf("link set near arp off mtu %d up", mtu),
		fmt.Sprintf("link set far mtu %d up", mtu),
		"addr add 10.8.0.2/24 dev far",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	i, err := net.InterfaceByName("near")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := afpacket.Open(i.Index)
	if err != nil {
		t.Fatal(err)
	}
	s := realStack(t)
	e, err := afpacket.New(afpacket.Config{FD: fd, Pool: s.cfg.Pool, MTU: mtu, Address: link.Address{2, 0, 0, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if f != nil {
		e = fault.New(e, *f)
	}
	n, err := s.AddNIC(NICConfig{Name: "eth0", Link: e})
	if err != nil {
		t.Fatal(err)
	}
	up(t, n)
	addr(t, n, "10.8.0.1/24")
	return s
}

// stream is n bytes that differ by seed.
type stream struct {
	seed byte
	at   int64
	n    int64
}

func (s *stream) Read(b []byte) (int, error) {
	if s.at == s.n {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), s.n-s.at)]
	for i := range b {
		k := s.at + int64(i)
		b[i] = byte(k) ^ byte(k>>8)*5 ^ byte(k>>16) ^ s.seed
	}
	s.at += int64(len(b))
	return len(b), nil
}

func sumOf(seed byte, n int64) string {
	h := sha256.New()
	io.Copy(h, &stream{seed: seed, n: n})
	return fmt.Sprintf("%x", h.Sum(nil))
}

// tcpWrite sends all of r on a socket of ours, and closes that way.
func tcpWrite(t testing.TB, x *tcpSocket, w *waiter, r io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			k, err := x.Send(bytes.NewReader(b), len(b), nil)
			if err == unix.EAGAIN {
				w.until(t, x, unix.EPOLLOUT)
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			b = b[k:]
		}
		if err != nil {
			x.Shutdown(unix.SHUT_WR)
			return
		}
	}
}

// tcpRead reads a socket of ours to its end.
func tcpRead(t testing.TB, x *tcpSocket, w *waiter, h hash.Hash) {
	for {
		k, err := x.Recv(h, 1<<20, nil)
		switch {
		case err == unix.EAGAIN:
			w.until(t, x, unix.EPOLLIN)
		case err != nil:
			t.Error(err)
			return
		case k == 0:
			return
		}
	}
}

// Linux at the other end, over a link that misbehaves: what arrives is what was sent.
func TestTCPLinux(t *testing.T) {
	ms := time.Millisecond
	for _, k := range []struct {
		name  string
		mtu   int
		fault *fault.Config
		bytes int64
	}{
		{"clean", 1500, nil, 64 << 20},
		{"MTU 576", 576, nil, 4 << 20},
		{"MTU 9000", 9000, nil, 64 << 20},
		{"loss of 0.1 %", 1500, &fault.Config{Plain: true, Out: fault.Rates{Loss: 0.001}, In: fault.Rates{Loss: 0.001}}, 16 << 20},
		{"loss of 1 %", 1500, &fault.Config{Plain: true, Out: fault.Rates{Loss: 0.01}, In: fault.Rates{Loss: 0.01}}, 8 << 20},
		{"loss of 10 %", 1500, &fault.Config{Plain: true, Out: fault.Rates{Loss: 0.1}, In: fault.Rates{Loss: 0.1}}, 128 << 10},
		{"50 ms", 1500, &fault.Config{Plain: true, Out: fault.Rates{Delay: 25 * ms}, In: fault.Rates{Delay: 25 * ms}}, 4 << 20},
		{"reordering", 1500, &fault.Config{Plain: true, Out: fault.Rates{Delay: 5 * ms, Jitter: 2 * ms, Reorder: 0.02},
			In: fault.Rates{Delay: 5 * ms, Jitter: 2 * ms, Reorder: 0.02}}, 4 << 20},
		{"duplication and corruption", 1500, &fault.Config{Plain: true, Out: fault.Rates{Duplicate: 0.02, Corrupt: 0.005},
			In: fault.Rates{Duplicate: 0.02}}, 4 << 20}, // what comes over a veth has no checksum yet
	} {
		t.Run(k.name, func(t *testing.T) {
			s := linuxPeer(t, k.mtu, k.fault)
			far, err := net.Listen("tcp4", "10.8.0.2:80")
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			l := tcpListen(t, s, unix.AF_INET, "10.8.0.1:80", 16)
			lw := wait(l)

			// We connect, and send; Linux sends back something else at once.
			begin := time.Now()
			c := tcpSock(t, s, unix.AF_INET)
			cw := wait(c)
			c.Connect(at("10.8.0.2:80"))
			far.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)) // a link may lose several of the first segments
			x, err := far.Accept()
			if err != nil {
				tell(t, s)
				t.Fatal(err)
			}
			exchange(t, k.name+", ours", c, cw, x, k.bytes)
			took := time.Since(begin)

			// Linux connects.
			y, err := net.Dial("tcp4", "10.8.0.1:80")
			if err != nil {
				t.Fatal(err)
			}
			lw.until(t, l, unix.EPOLLIN)
			a, _, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, k.name+", Linux's", a.(*tcpSocket), wait(a), y, k.bytes)
			n := &s.tcpState.counters
			t.Logf("%d bytes each way in %v; of %d segments %d again, %d time-outs", k.bytes, took.Round(ms),
				n.OutSegs.Load(), n.RetransSegs.Load(), n.Timeouts.Load())
			if k.fault == nil {
				onlyProbes(t, s)
			}
		})
	}
}

// onlyProbes checks that a stack sent nothing again, over a link that loses
// nothing, but tail loss probes: one segment each, when an acknowledgment took two
// round trips and some. A time-out needs 200 ms of silence, which only a machine
// that stands still makes; it says what it sent again is lost.
func onlyProbes(t *testing.T, s *Stack) {
	t.Helper()
	n := &s.tcpState.counters
	if n.Timeouts.Load() > 0 {
		t.Logf("%d time-outs: this machine stood still", n.Timeouts.Load())
		return
	}
	if again, probes := n.RetransSegs.Load(), n.LossProbes.Load(); again > probes {
		t.Errorf("%d segments were sent again, %d of them as probes", again, probes)
		tell(t, s)
	}
}

// exchange sends n bytes each way at once.
func exchange(t *testing.T, name string, c *tcpSocket, cw *waiter, x net.Conn, n int64) {
	t.Helper()
	var wg sync.WaitGroup
	x.SetDeadline(time.Now().Add(100 * time.Second))
	wg.Go(func() { tcpWrite(t, c, cw, &stream{seed: 1, n: n}) })
	wg.Go(func() {
		if _, err := io.Copy(x, &stream{seed: 2, n: n}); err != nil {
			t.Error(err)
		}
		x.(*net.TCPConn).CloseWrite()
	})
	theirs := sha256.New()
	wg.Go(func() {
		if _, err := io.Copy(theirs, x); err != nil {
			t.Error(err)
		}
	})
	ours := sha256.New()
	rw := &waiter{make(chan struct{}, 1)}
	both := func(uint32) {
		for _, w := range []*waiter{cw, rw} {
			select {
			case w.c <- struct{}{}:
			default:
			}
		}
	}
	c.SetWake(both)
	tcpRead(t, c, rw, ours)
	wg.Wait()
	if got := fmt.Sprintf("%x", theirs.Sum(nil)); got != sumOf(1, n) {
		t.Errorf("%s: what Linux got differs", name)
	}
	if got := fmt.Sprintf("%x", ours.Sum(nil)); got != sumOf(2, n) {
		t.Errorf("%s: what we got differs", name)
	}
	c.Close()
	x.Close()
}

// A thousand connections at once.
func TestTCPLinuxMany(t *testing.T) {
	s := linuxPeer(t, 1500, nil)
	far, err := net.Listen("tcp4", "10.8.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := far.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			c := tcpSock(t, s, unix.AF_INET)
			w := wait(c)
			c.Connect(at("10.8.0.2:80"))
			w.until(t, c, unix.EPOLLOUT)
			go tcpWrite(t, c, w, &stream{seed: byte(i), n: 5000})
			rw := &waiter{make(chan struct{}, 1)}
			c.SetWake(func(uint32) {
				for _, w := range []*waiter{w, rw} {
					select {
					case w.c <- struct{}{}:
					default:
					}
				}
			})
			h := sha256.New()
			tcpRead(t, c, rw, h)
			if got := fmt.Sprintf("%x", h.Sum(nil)); got != sumOf(byte(i), 5000) {
				t.Errorf("connection %d: what came back differs", i)
			}
			c.Close()
		})
	}
	wg.Wait()
	far.Close()
	if t.Failed() {
		tell(t, s)
	}
}

// tell logs what a stack counted.
func tell(t *testing.T, s *Stack) {
	for _, c := range s.Counters() {
		if c.Value != 0 {
			t.Log(c.Group, c.Name, c.Value)
		}
	}
	for _, n := range s.NICs() {
		t.Logf("%+v", n.Info())
	}
}
