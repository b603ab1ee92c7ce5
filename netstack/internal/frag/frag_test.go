package frag

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"hull/netstack/buffer"
)

var pool buffer.Pool

// fragment returns a packet of a 20-byte header and data.
func fragment(data []byte) *buffer.Packet {
	c := pool.Get(20 + len(data))
	copy(c.Bytes()[20:], data)
	return pool.Received(buffer.NewView(c, 0, 20+len(data)))
}

func key(id uint32) Key {
	return Key{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), ID: id}
}

func TestAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	want := make([]byte, 4000)
	for i := range want {
		want[i] = byte(rnd.Uint32())
	}
	for id := range uint32(200) {
		r := New(DefaultConfig(time.Second))
		var pieces []Piece
		for off := 0; off < len(want); {
			end := min(len(want), off+8*(1+rnd.IntN(120)))
			pieces = append(pieces, Piece{Packet: fragment(want[off:end]), HeaderLen: 20, Off: off, More: end < len(want)})
			off = end
		}
		rnd.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		for i, p := range pieces {
			d, v := r.Add(1, key(id), p)
			if last := i == len(pieces)-1; last != (v == Complete) {
				t.Fatalf("fragment %d of %d: verdict %d", i, len(pieces), v)
			} else if !last {
				continue
			}
			got := make([]byte, d.Packet.Len())
			d.Packet.CopyTo(got, 0)
			if !bytes.Equal(got[20:], want) {
				t.Fatal("the payload differs")
			}
			d.Packet.Release()
		}
		if r.Bytes() != 0 || r.Deadline() != 0 {
			t.Fatal("something is left", r.Bytes())
		}
	}
}

func TestVerdicts(t *testing.T) {
	type in struct {
		off, size int
		more      bool
		want      Verdict
	}
	for name, c := range map[string][]in{
		"duplicate":            {{0, 8, true, Held}, {0, 8, true, Duplicate}, {8, 8, false, Complete}},
		"overlap":              {{0, 16, true, Held}, {8, 16, false, Overlap}, {16, 8, false, Overlap}},
		"overlap from left":    {{8, 16, false, Held}, {0, 16, true, Overlap}},
		"same start":           {{0, 16, true, Held}, {0, 8, true, Overlap}},
		"odd size":             {{0, 9, true, Invalid}},
		"empty":                {{8, 0, false, Invalid}},
		"too large":            {{65528, 16, false, Invalid}},
		"two ends":             {{8, 8, false, Held}, {16, 8, false, Overlap}},
		"beyond the end":       {{8, 8, false, Held}, {16, 8, true, Overlap}},
		"end before the known": {{16, 8, true, Held}, {8, 4, false, Overlap}},
	} {
		r := New(DefaultConfig(time.Second))
		for i, f := range c {
			_, v := r.Add(1, key(1), Piece{Packet: fragment(make([]byte, f.size)), HeaderLen: 20, Off: f.off, More: f.more})
			if v != f.want {
				t.Errorf("%s: fragment %d: verdict %d, want %d", name, i, v, f.want)
			}
		}
	}
}

func TestTimeout(t *testing.T) {
	r := New(DefaultConfig(time.Second))
	r.Add(1, key(1), Piece{Packet: fragment(make([]byte, 8)), HeaderLen: 20, Off: 0, More: true})
	r.Add(2, key(2), Piece{Packet: fragment(make([]byte, 8)), HeaderLen: 20, Off: 8, More: true})
	if ps := r.Tick(1e9); len(ps) != 0 {
		t.Error("given up too early")
	}
	if ps := r.Tick(2e9); len(ps) != 1 {
		t.Errorf("%d first fragments, want 1", len(ps))
	}
	if r.Bytes() != 0 {
		t.Error("bytes are left")
	}
}

func TestFlood(t *testing.T) {
	r := New(DefaultConfig(time.Second))
	for i := range uint32(20000) {
		r.Add(1, key(i), Piece{Packet: fragment(make([]byte, 8)), HeaderLen: 20, Off: 8, More: true})
		if r.Bytes() > 4<<20 {
			t.Fatal(r.Bytes())
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := New(Config{High: 64 << 10, Timeout: 100, MaxSize: 65535})
		for i := 0; i+2 < len(b); i += 3 {
			d, v := r.Add(int64(i), key(uint32(b[i]>>6)), Piece{
				Packet: fragment(make([]byte, int(b[i+1]))), HeaderLen: 20, Off: int(b[i]&63) * 8, More: b[i+2]&1 != 0, ECN: b[i+2] >> 6,
			})
			if v == Complete {
				if d.Packet.Len() != d.Len+20 {
					t.Fatalf("%d bytes, want %d", d.Packet.Len(), d.Len+20)
				}
				d.Packet.Release()
			}
			for _, p := range r.Tick(int64(i) - 50) {
				p.Release()
			}
			if r.Bytes() > 64<<10 {
				t.Fatal("the bound does not hold")
			}
		}
	})
}

// Datagrams that overlapped are remembered, and a flood of them has its bound too.
func TestFloodOfOverlaps(t *testing.T) {
	const high = 64 << 10
	r := New(Config{High: high, Timeout: int64(time.Second), MaxSize: 65535})
	for i := range uint32(20000) {
		for range 2 {
			r.Add(1, key(i), Piece{Packet: fragment(make([]byte, 16)), HeaderLen: 20, Off: 8, More: true})
			r.Add(1, key(i), Piece{Packet: fragment(make([]byte, 16)), HeaderLen: 20, Off: 16, More: true})
		}
		if r.Bytes() > high || len(r.queues) > high/queueCost || r.order.Len() != len(r.queues) {
			t.Fatalf("%d bytes, %d datagrams, %d in order", r.Bytes(), len(r.queues), r.order.Len())
		}
	}
	r.Tick(2e9)
	if r.Bytes() != 0 || len(r.queues) != 0 {
		t.Errorf("%d bytes and %d datagrams are left", r.Bytes(), len(r.queues))
	}
}

// A small fragment in a large chunk does not keep it, and a datagram of many small
// fragments holds about what it is long.
func TestHeld(t *testing.T) {
	pool := &buffer.Pool{Held: &atomic.Int64{}}
	r := New(DefaultConfig(time.Second))
	add := func(off int, more bool) (Done, Verdict) {
		c := pool.Get(buffer.LargeChunk)
		return r.Add(1, key(1), Piece{Packet: pool.Received(buffer.NewView(c, 0, 20+64)), HeaderLen: 20, Off: off, More: more})
	}
	for i := range 200 {
		add(64*i, true)
	}
	if n := pool.Held.Load(); n > 200*buffer.SmallChunk || int64(r.Bytes()) < n {
		t.Errorf("200 fragments hold %d bytes and count %d", n, r.Bytes())
	}
	d, v := add(64*200, false)
	if v != Complete || d.Len != 201*64 || d.Packet.Len() != 20+d.Len {
		t.Fatalf("verdict %d, %d bytes", v, d.Len)
	}
	if n := pool.Held.Load(); n > buffer.LargeChunk {
		t.Errorf("a datagram of %d bytes holds %d", d.Len, n)
	}
	d.Packet.Release()
	if n := pool.Held.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}
