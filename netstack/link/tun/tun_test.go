package tun

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

type sink struct {
	up  atomic.Bool
	got atomic.Int32
}

func (s *sink) Deliver(ps []*buffer.Packet) {
	for _, p := range ps {
		s.got.Add(1)
		p.Release()
	}
}

func (s *sink) LinkChanged(up bool, _ int) { s.up.Store(up) }

func frames(pool *buffer.Pool, n, size int) []*buffer.Packet {
	var ps []*buffer.Packet
	for range n {
		ps = append(ps, pool.NewPacket(pool.CopyIn(make([]byte, size))...))
	}
	return ps
}

// TestBounds fills queues, and looks at what is left when all is over.
func TestBounds(t *testing.T) {
	held := &atomic.Int64{}
	pool := &buffer.Pool{Held: held}
	d, s := New(unix.IFF_TUN), &sink{}
	d.Attach(s)
	if s.up.Load() {
		t.Error("a carrier without a reader")
	}
	if n, err := d.Send(frames(pool, 3, 100)); n != 0 || err != nil {
		t.Errorf("without a reader: %d, %v", n, err)
	}
	woken := 0
	q, err := d.Add(func(bool) { woken++ })
	if err != nil || !s.up.Load() {
		t.Fatal(err, "or no carrier")
	}
	if _, err := d.Add(nil); err != unix.EBUSY {
		t.Error(err)
	}
	if n, _ := d.Send(frames(pool, 700, 100)); n != maxPackets || woken != maxPackets || !q.Ready() {
		t.Errorf("%d of 700 packets, %d calls", n, woken)
	}
	for p := q.Take(); p != nil; p = q.Take() {
		p.Release()
	}
	if n, _ := d.Send(frames(pool, 200, 60000)); n == 0 || n*60000 > maxBytes {
		t.Errorf("%d of 200 large packets", n)
	}
	d.Inject(frames(pool, 1, 10)[0])
	if s.got.Load() != 1 {
		t.Error("nothing arrived")
	}
	if !q.Close() || s.up.Load() {
		t.Error("it is not the last one, or the carrier is still there")
	}
	d.Attach(nil)
	_ = d.Close()
	d.Inject(frames(pool, 1, 10)[0])
	if n, err := d.Send(frames(pool, 1, 10)); n != 0 || err != unix.ENETDOWN {
		t.Errorf("%d, %v", n, err)
	}
	if held.Load() != 0 {
		t.Errorf("%d bytes are still held", held.Load())
	}
}

// TestQueues has a device of several queues, of which some rest.
func TestQueues(t *testing.T) {
	held := &atomic.Int64{}
	pool := &buffer.Pool{Held: held}
	d, s := New(unix.IFF_TAP|unix.IFF_MULTI_QUEUE), &sink{}
	d.Attach(s)
	var qs []*Queue
	for range MaxQueues {
		q, err := d.Add(func(bool) {})
		if err != nil {
			t.Fatal(err)
		}
		qs = append(qs, q)
	}
	if _, err := d.Add(nil); err != unix.E2BIG {
		t.Error(err)
	}
	if err := qs[0].Rest(false); err != unix.EINVAL {
		t.Error(err)
	}
	for _, q := range qs {
		if err := q.Rest(true); err != nil || !q.Rests() {
			t.Fatal(err)
		}
	}
	if n, _ := d.Send(frames(pool, 5, 100)); n != 0 || s.up.Load() {
		t.Errorf("%d packets with all at rest", n)
	}
	if err := qs[7].Rest(false); err != nil {
		t.Fatal(err)
	}
	if n, _ := d.Send(frames(pool, 5, 100)); n != 5 || !s.up.Load() {
		t.Errorf("%d packets", n)
	}
	d.Change(func(i *Info) { i.Persist = true })
	_ = d.Close()
	for _, q := range qs {
		if q.Device() != nil || q.Close() {
			t.Fatal("of a device that is gone")
		}
	}
	if held.Load() != 0 {
		t.Errorf("%d bytes are still held", held.Load())
	}
}

var _ link.Dispatcher = (*sink)(nil)
