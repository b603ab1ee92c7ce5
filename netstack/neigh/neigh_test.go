package neigh

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

const second = Time(1e9)

// wire writes down what a cache wants.
type wire struct{ log []string }

func (w *wire) Solicit(target, _ netip.Addr, to link.Address, unicast bool) {
	if unicast {
		w.log = append(w.log, fmt.Sprintf("ask %v of %x", target, to[5]))
	} else {
		w.log = append(w.log, fmt.Sprintf("ask %v of all", target))
	}
}

func (w *wire) Transmit(ps []*buffer.Packet, to link.Address) {
	w.log = append(w.log, fmt.Sprintf("send %d to %x", len(ps), to[5]))
	for _, p := range ps {
		p.Release()
	}
}

func (w *wire) Unreachable(target netip.Addr, ps []*buffer.Packet) {
	w.log = append(w.log, fmt.Sprintf("fail %v %d", target, len(ps)))
}

func (w *wire) Changed(Info, bool) {}

func (w *wire) expect(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(w.log) != fmt.Sprint(want) {
		t.Errorf("the cache did %q, want %q", w.log, want)
	}
	w.log = nil
}

func start() (*Cache, *wire, *buffer.Pool) {
	w := &wire{}
	return New(DefaultConfig(), w, func(n int64) int64 { return n / 2 }), w, &buffer.Pool{}
}

func (c *Cache) stateOf(a netip.Addr) State {
	i, _ := c.Lookup(a)
	return i.State
}

var peer = netip.MustParseAddr("192.0.2.7")

func hw(n byte) link.Address { return link.Address{2, 0, 0, 0, 0, n} }

func packets(p *buffer.Pool, n int) (ps []*buffer.Packet) {
	for range n {
		ps = append(ps, p.NewPacket())
	}
	return ps
}

func TestResolution(t *testing.T) {
	c, w, pool := start()
	now := second
	e := c.Get(now, peer)
	c.Send(now, e, netip.Addr{}, packets(pool, 2))
	w.expect(t, "ask 192.0.2.7 of all")
	c.Send(now, e, netip.Addr{}, packets(pool, 1))
	w.expect(t)
	now += second
	c.Tick(now)
	w.expect(t, "ask 192.0.2.7 of all")
	c.Learn(now, Update{Addr: peer, HW: hw(7), HasHW: true, Solicited: true, Override: true})
	w.expect(t, "send 3 to 7")
	if a, ok := e.Resolved(now); !ok || a != hw(7) {
		t.Error(a, ok)
	}
	// After the time of being reachable it is stale, then asked when used.
	now += 31 * second
	c.Tick(now)
	if s := c.stateOf(peer); s != Stale {
		t.Fatal(s)
	}
	if _, ok := e.Resolved(now); !ok || c.stateOf(peer) != Delay {
		t.Fatal(c.stateOf(peer))
	}
	now += 5*second + 1
	c.Tick(now)
	w.expect(t, "ask 192.0.2.7 of 7")
	for range 2 {
		now += second
		c.Tick(now)
		w.expect(t, "ask 192.0.2.7 of 7")
	}
	now += second
	c.Tick(now)
	w.expect(t, "fail 192.0.2.7 0")
	if c.Deadline() != 0 {
		t.Error("a failed entry has a deadline")
	}
	if _, ok := e.Resolved(now); ok {
		t.Error("a failed entry was used")
	}
}

func TestFailure(t *testing.T) {
	c, w, pool := start()
	now := second
	c.Send(now, c.Get(now, peer), netip.Addr{}, packets(pool, 4))
	for range 3 {
		now += second
		c.Tick(now)
	}
	w.expect(t, "ask 192.0.2.7 of all", "ask 192.0.2.7 of all", "ask 192.0.2.7 of all", "fail 192.0.2.7 4")
}

func TestConfirmation(t *testing.T) {
	c, w, _ := start()
	c.Learn(1, Update{Addr: peer, HW: hw(7), HasHW: true, Create: true})
	e := c.Get(1, peer)
	if c.stateOf(peer) != Stale {
		t.Fatal("what was not solicited is not stale")
	}
	e.Resolved(1)
	e.Confirm(2 * second)
	if c.stateOf(peer) != Reachable {
		t.Error("an upper layer's word does not count")
	}
	w.expect(t)
}

func TestOverride(t *testing.T) {
	c, _, _ := start()
	learn := func(n byte, solicited, override bool) State {
		c.Learn(1, Update{Addr: peer, HW: hw(n), HasHW: true, Create: true, Solicited: solicited, Override: override})
		return c.stateOf(peer)
	}
	if s := learn(7, true, true); s != Reachable {
		t.Error(s)
	}
	if s := learn(8, true, false); s != Stale {
		t.Error("a claim without override:", s)
	}
	if i, _ := c.Lookup(peer); i.HW != hw(7) {
		t.Error(i.HW)
	}
	if s := learn(8, false, true); s != Stale {
		t.Error(s)
	}
	if i, _ := c.Lookup(peer); i.HW != hw(8) {
		t.Error(i.HW)
	}
}

func TestBounds(t *testing.T) {
	c, _, pool := start()
	for i := range 5000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if e := c.Get(Time(i), a); e != nil {
			c.Send(Time(i), e, netip.Addr{}, packets(pool, 1))
		}
	}
	if n := len(c.List()); n > 1024 {
		t.Errorf("%d entries", n)
	}
	e := c.Get(0, netip.AddrFrom4([4]byte{10, 0, 0, 1}))
	c.Send(0, e, netip.Addr{}, packets(pool, 5000))
	if len(e.pending) > 1024 {
		t.Errorf("%d packets wait", len(e.pending))
	}
	c.Flush(true)
	for i := range maxLasting - 10 { // as if they had been set
		a := netip.AddrFrom4([4]byte{12, byte(i >> 16), byte(i >> 8), byte(i)})
		c.entries[a] = &Entry{addr: a, cache: c, state: Permanent}
	}
	for i := range 10 + 2 {
		want := error(nil)
		if i >= 10 {
			want = unix.ENOBUFS
		}
		a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		if err := c.Set(1, a, hw(1), true, Permanent, false, true, true); err != want {
			t.Fatalf("lasting entry %d: %v", i, err)
		}
	}
	if c.Get(1, peer) == nil {
		t.Error("lasting entries leave no room for others")
	}
}

// What waits has its bound at each neighbour, and at all of them together: also
// small packets hold chunks.
func TestBoundOfWaiting(t *testing.T) {
	c, _, pool := start()
	pool.Held = &atomic.Int64{}
	for i := range 1000 {
		e := c.Get(1, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		_ = c.Send(1, e, netip.Addr{}, packets(pool, 500))
		if n := len(e.pending) * buffer.SmallChunk; n == 0 || n > c.cfg.PendingBytes {
			t.Fatalf("%d packets wait at neighbour %d", len(e.pending), i)
		}
	}
	if n := pool.Held.Load(); n > maxWaiting+1000*buffer.SmallChunk {
		t.Errorf("%d bytes wait", n)
	}
	c.Flush(true)
	if n := pool.Held.Load(); n != 0 || c.waiting != 0 {
		t.Errorf("%d bytes are held, %d counted, after all is given up", n, c.waiting)
	}
}

func TestSet(t *testing.T) {
	c, w, pool := start()
	if err := c.Set(1, peer, hw(1), true, Permanent, false, false, false); err != unix.ENOENT {
		t.Error(err)
	}
	if err := c.Set(1, peer, hw(1), true, Permanent, false, true, true); err != nil {
		t.Error(err)
	}
	if err := c.Set(1, peer, hw(1), true, Permanent, false, true, true); err != unix.EEXIST {
		t.Error(err)
	}
	c.Learn(2, Update{Addr: peer, HW: hw(9), HasHW: true, Override: true})
	c.Send(2, c.Get(2, peer), netip.Addr{}, packets(pool, 1))
	w.expect(t, "send 1 to 1")
	if err := c.Delete(peer); err != nil {
		t.Error(err)
	}
	if err := c.Delete(peer); err != unix.ENOENT {
		t.Error(err)
	}
}

// A flood of neighbours who only say that they are there does not push out one that
// answered.
func TestFloodKeepsProven(t *testing.T) {
	c, _, pool := start()
	now := second
	e := c.Get(now, peer)
	_ = c.Send(now, e, netip.Addr{}, packets(pool, 1))
	c.Learn(now, Update{Addr: peer, HW: hw(7), HasHW: true, Solicited: true, Override: true})
	for i := range 50000 {
		now += second / 5000
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		c.Learn(now, Update{Addr: a, HW: hw(1), HasHW: true, Override: true, Create: true})
		if i%2 == 0 { // and is answered
			if e := c.Get(now, a); e == nil || c.Send(now, e, netip.Addr{}, packets(pool, 1)) != nil {
				t.Fatal("no room for a new neighbour")
			}
		}
		if c.dynamic > c.cfg.Thresh3 || c.dynamic != len(c.entries) {
			t.Fatalf("%d entries, %d counted", len(c.entries), c.dynamic)
		}
		if i%500 == 0 {
			c.Tick(now)
		}
	}
	if i, ok := c.Lookup(peer); !ok || i.HW != hw(7) {
		t.Errorf("the neighbour that answered is gone: %+v", i)
	}
}
