package stack

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// virtual is a clock that only moves when a test says so.
type virtual struct {
	mu     sync.Mutex
	now    int64
	timers []*virtualTimer
}

type virtualTimer struct {
	at int64
	f  func()
}

func (v *virtual) Now() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

func (v *virtual) After(d time.Duration, f func()) func() {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := &virtualTimer{v.now + int64(d), f}
	v.timers = append(v.timers, t)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if i := slices.Index(v.timers, t); i >= 0 {
			v.timers = slices.Delete(v.timers, i, i+1)
		}
	}
}

// advance moves the clock on and calls what is due, in order.
func (v *virtual) advance(d time.Duration) {
	v.mu.Lock()
	end := v.now + int64(d)
	for {
		var first *virtualTimer
		for _, t := range v.timers {
			if t.at <= end && (first == nil || t.at < first.at) {
				first = t
			}
		}
		if first == nil {
			break
		}
		v.timers = slices.Delete(v.timers, slices.Index(v.timers, first), slices.Index(v.timers, first)+1)
		v.now = max(v.now, first.at)
		v.mu.Unlock()
		first.f()
		v.mu.Lock()
	}
	v.now = end
	v.mu.Unlock()
}

// idle reports whether no timer is set.
func (v *virtual) idle() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.timers) == 0
}

// testStack is a stack on a virtual clock, its loopback interface up.
func testStack(t testing.TB, v *virtual) *Stack {
	t.Helper()
	s := New(Config{
		Pool: &buffer.Pool{Held: &atomic.Int64{}}, Now: v.Now, After: v.After,
		Wall:   func() time.Time { return time.Unix(1700000000, v.Now()) },
		Random: func(b []byte) { rand.Read(b) },
	})
	up(t, s.NIC(1))
	t.Cleanup(s.Close)
	return s
}

func newClock() *virtual { return &virtual{now: 1e9} }

func up(t testing.TB, n *NIC) {
	t.Helper()
	if err := n.Change(Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		t.Fatal(err)
	}
}

// pair is two stacks joined by a veth: 10.0.0.1 and 10.0.0.2, fd00::1 and fd00::2.
func pair(t testing.TB, v *virtual) (a, b *Stack) {
	t.Helper()
	a, b = testStack(t, v), testStack(t, v)
	n, err := a.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: "eth0"}, PeerStack: b})
	if err != nil {
		t.Fatal(err)
	}
	m := b.NICByName("eth0")
	up(t, n)
	up(t, m)
	addr(t, n, "10.0.0.1/24")
	addr(t, m, "10.0.0.2/24")
	addr(t, n, "fd00::1/64")
	addr(t, m, "fd00::2/64")
	v.advance(3 * time.Second) // duplicate address detection
	return a, b
}

func addr(t testing.TB, n *NIC, p string) {
	t.Helper()
	a := Addr{Prefix: netip.MustParsePrefix(p)}
	if err := n.AddAddr(a, false); err != nil {
		t.Fatal(p, err)
	}
}

func to(s string) Address { return Address{AddrPort: netip.MustParseAddrPort(s)} }

func socket(t testing.TB, s *Stack, family, typ, proto int) Socket {
	t.Helper()
	x, err := s.NewSocket(family, typ, proto, Owner{Raw: true, Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func sendTo(t testing.TB, x Socket, data string, dst string) {
	t.Helper()
	m := SendMeta{}
	if dst != "" {
		a := to(dst)
		m.To = &a
	}
	if n, err := x.Send(bytes.NewReader([]byte(data)), len(data), &m); err != nil || n != len(data) {
		t.Fatalf("send to %s: %d, %v", dst, n, err)
	}
}

func recv(x Socket) (string, RecvMeta, error) {
	var b bytes.Buffer
	m := RecvMeta{}
	_, err := x.Recv(&b, 1<<17, &m)
	return b.String(), m, err
}

func wantRecv(t testing.TB, x Socket, data string) RecvMeta {
	t.Helper()
	got, m, err := recv(x)
	if err != nil || got != data {
		t.Fatalf("received %.40q (%d bytes), %v; want %.40q", got, len(got), err, data)
	}
	return m
}

var _ io.Reader = (*bytes.Reader)(nil)
