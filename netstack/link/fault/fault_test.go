package fault

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// wire is a link that keeps what is sent and delivers what it is told.
type wire struct {
	link.Endpoint // nil: only what follows is used
	mu            sync.Mutex
	sent          []uint32
	d             link.Dispatcher
	corrupt       int
}

func (w *wire) Send(ps []*buffer.Packet) (int, error) { w.note(ps); return len(ps), nil }
func (w *wire) Attach(d link.Dispatcher)              { w.d = d }
func (w *wire) Close() error                          { return nil }
func (w *wire) Offload() link.Offload                 { return link.TSO4 }

// note keeps the packets' numbers, which stand in them five times.
func (w *wire) note(ps []*buffer.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range ps {
		b := make([]byte, p.Len())
		p.CopyTo(b, 0)
		n := binary.BigEndian.Uint32(b)
		for i := 4; i+4 <= len(b); i += 4 {
			if binary.BigEndian.Uint32(b[i:]) != n {
				w.corrupt++
			}
		}
		w.sent = append(w.sent, n)
		p.Release()
	}
}

func (w *wire) Deliver(ps []*buffer.Packet) { w.note(ps) }
func (w *wire) LinkChanged(bool, int)       {}

const packets = 10000

// run sends packets through a link with faults, waits for so many to come, and
// returns what came.
func run(t *testing.T, c Config, wait int) *wire {
	t.Helper()
	w, pool := &wire{}, &buffer.Pool{}
	e := New(w, c)
	var ps []*buffer.Packet
	for i := range uint32(packets) {
		p := pool.NewPacket()
		b := p.Prepend(20)
		for k := 0; k < 20; k += 4 {
			binary.BigEndian.PutUint32(b[k:], i)
		}
		ps = append(ps, p)
	}
	if _, err := e.Send(ps); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); w.came() < wait && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &wire{sent: w.sent, corrupt: w.corrupt}
}

func (w *wire) came() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if d := got - want; d > 150 || d < -150 {
		t.Errorf("%s: %d, want about %d", what, got, want)
	}
}

func TestRates(t *testing.T) {
	if w := run(t, Config{}, 0); len(w.sent) != packets || !slices.IsSorted(w.sent) || w.corrupt != 0 {
		t.Errorf("without faults: %d packets, %d corrupt", len(w.sent), w.corrupt)
	}
	near(t, "after loss", len(run(t, Config{Out: Rates{Loss: 0.1}}, 0).sent), packets*9/10)
	near(t, "with duplicates", len(run(t, Config{Out: Rates{Duplicate: 0.1}}, 0).sent), packets*11/10)
	w := run(t, Config{Out: Rates{Corrupt: 0.1}}, 0)
	near(t, "corrupt", w.corrupt, packets/10)
}

func TestSameSeedSameFate(t *testing.T) {
	c := Config{Out: Rates{Loss: 0.1, Duplicate: 0.1}, Seed: 7}
	a, b := run(t, c, 0), run(t, c, 0)
	c.Seed = 8
	if other := run(t, c, 0); !slices.Equal(a.sent, b.sent) || slices.Equal(a.sent, other.sent) {
		t.Error("the seed does not decide")
	}
}

func TestDelayAndReorder(t *testing.T) {
	if w := run(t, Config{Out: Rates{Delay: time.Minute}}, 0); len(w.sent) != 0 {
		t.Errorf("%d packets before their time", len(w.sent))
	}
	w := run(t, Config{Out: Rates{Delay: 20 * time.Millisecond}}, packets)
	if len(w.sent) != packets || !slices.IsSorted(w.sent) {
		t.Errorf("%d packets after a delay that is the same for all, sorted: %v", len(w.sent), slices.IsSorted(w.sent))
	}
	w = run(t, Config{Out: Rates{Delay: 20 * time.Millisecond, Reorder: 0.1}}, packets)
	if len(w.sent) != packets || slices.IsSorted(w.sent) {
		t.Errorf("%d packets, sorted: %v", len(w.sent), slices.IsSorted(w.sent))
	}
	if w := run(t, Config{Out: Rates{Delay: 20 * time.Millisecond}, Queue: 10}, 10); len(w.sent) != 10 {
		t.Errorf("%d packets from a queue of 10", len(w.sent))
	}
}

func TestIncoming(t *testing.T) {
	w, pool := &wire{}, &buffer.Pool{}
	e := New(w, Config{In: Rates{Loss: 1}, Plain: true})
	if e.Offload() != 0 {
		t.Error("a plain link has offloads")
	}
	e.Attach(w)
	w.d.Deliver([]*buffer.Packet{pool.NewPacket(pool.CopyIn([]byte("lost"))...)})
	if len(w.sent) != 0 {
		t.Error("a packet came through a link that loses all")
	}
}
