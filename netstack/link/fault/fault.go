// Package fault is a link around another one on which things go wrong, as often
// and in the same order each time the same seed is given: for tests, of a stack
// and of what runs over it.
package fault

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// Rates say what happens to packets of one direction. Each is a probability.
type Rates struct {
	Loss, Duplicate, Corrupt float64
	// Reorder packets overtake those that wait for Delay.
	Reorder float64
	// Delay is added to all, and up to Jitter more to each, which reorders too.
	Delay, Jitter time.Duration
}

// Config describes a link.
type Config struct {
	Out, In Rates
	Seed    uint64
	// Plain makes the link offer no offloads: each segment has its own fate.
	Plain bool
	// Queue is how many packets may wait for their delay in each direction; 0
	// is DefaultQueue. More are lost.
	Queue int
}

// DefaultQueue is Queue if nothing is said: a second of 10,000 packets.
const DefaultQueue = 10000

// Endpoint is the link.
type Endpoint struct {
	link.Endpoint
	c       Config
	out, in *direction
}

// New returns e with faults.
func New(e link.Endpoint, c Config) *Endpoint {
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	f := &Endpoint{Endpoint: e, c: c}
	f.out = newDirection(c.Out, c.Queue, rand.NewPCG(c.Seed, 1), func(ps []*buffer.Packet) { _, _ = e.Send(ps) })
	f.in = newDirection(c.In, c.Queue, rand.NewPCG(c.Seed, 2), nil)
	return f
}

// Offload implements link.Endpoint.
func (f *Endpoint) Offload() link.Offload {
	if f.c.Plain {
		return 0
	}
	return f.Endpoint.Offload()
}

// Send implements link.Endpoint.
func (f *Endpoint) Send(ps []*buffer.Packet) (int, error) {
	n := len(ps)
	f.out.pass(ps)
	return n, nil
}

// Attach implements link.Endpoint.
func (f *Endpoint) Attach(d link.Dispatcher) {
	if d == nil {
		f.Endpoint.Attach(nil)
		f.in.setTarget(nil)
		return
	}
	f.in.setTarget(d.Deliver)
	f.Endpoint.Attach(dispatcher{d, f.in})
}

// Close implements link.Endpoint. What waits is lost.
func (f *Endpoint) Close() error {
	err := f.Endpoint.Close()
	f.out.close()
	f.in.close()
	return err
}

type dispatcher struct {
	link.Dispatcher
	in *direction
}

// Deliver implements link.Dispatcher.
func (d dispatcher) Deliver(ps []*buffer.Packet) { d.in.pass(ps) }

// direction is what happens one way.
type direction struct {
	rates Rates
	max   int

	mu     sync.Mutex // guards what follows, and is not held over a call of target
	rnd    *rand.Rand
	queue  waiting
	seq    uint64
	timer  *time.Timer // nil if nothing waits
	closed bool
	target func(ps []*buffer.Packet)

	deliver sync.Mutex // held over calls of target: what is due leaves in order
}

func newDirection(r Rates, most int, s rand.Source, target func([]*buffer.Packet)) *direction {
	return &direction{rates: r, max: most, rnd: rand.New(s), target: target}
}

func (d *direction) setTarget(f func([]*buffer.Packet)) {
	d.deliver.Lock() // no call of the old one is under way after this
	defer d.deliver.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = f
}

// pass decides on each packet of a batch.
func (d *direction) pass(ps []*buffer.Packet) {
	now := time.Now()
	d.mu.Lock()
	var at []*buffer.Packet
	for _, p := range ps {
		if d.closed || d.hit(d.rates.Loss) {
			p.Release()
			continue
		}
		if d.hit(d.rates.Corrupt) {
			p = d.corrupt(p)
		}
		copies := []*buffer.Packet{p}
		if d.hit(d.rates.Duplicate) {
			copies = append(copies, duplicate(p))
		}
		for _, p := range copies {
			delay := d.rates.Delay
			if d.rates.Jitter > 0 {
				delay += time.Duration(d.rnd.Int64N(int64(d.rates.Jitter)))
			}
			if d.hit(d.rates.Reorder) {
				delay = 0
			}
			switch {
			case delay == 0:
				at = append(at, p)
			case len(d.queue) >= d.max:
				p.Release()
			default:
				d.seq++
				heap.Push(&d.queue, waiter{now.Add(delay), d.seq, p})
			}
		}
	}
	d.arm()
	d.mu.Unlock()
	d.hand(at)
}

func (d *direction) hit(rate float64) bool { return rate > 0 && d.rnd.Float64() < rate }

// arm sets the timer for the first that waits. mu is held.
func (d *direction) arm() {
	if len(d.queue) == 0 || d.closed {
		return
	}
	wait := time.Until(d.queue[0].due)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.fire)
	} else {
		d.timer.Reset(wait)
	}
}

// fire passes on what is due.
func (d *direction) fire() {
	d.deliver.Lock()
	defer d.deliver.Unlock()
	d.mu.Lock()
	var due []*buffer.Packet
	for now := time.Now(); len(d.queue) > 0 && !d.queue[0].due.After(now); {
		due = append(due, heap.Pop(&d.queue).(waiter).p)
	}
	d.arm()
	target := d.target
	d.mu.Unlock()
	if len(due) > 0 {
		call(target, due)
	}
}

func (d *direction) hand(ps []*buffer.Packet) {
	if len(ps) == 0 {
		return
	}
	d.deliver.Lock()
	defer d.deliver.Unlock()
	d.mu.Lock()
	target := d.target
	d.mu.Unlock()
	call(target, ps)
}

func call(target func([]*buffer.Packet), ps []*buffer.Packet) {
	if target == nil {
		for _, p := range ps {
			p.Release()
		}
		return
	}
	target(ps)
}

func (d *direction) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	for _, w := range d.queue {
		w.p.Release()
	}
	d.queue = nil
}

// corrupt returns p with one bit changed, anywhere after the link's header. Its
// checksum, which is wrong then, is to be looked at.
func (d *direction) corrupt(p *buffer.Packet) *buffer.Packet {
	q := duplicate(p)
	p.Release()
	b, start, at := q.Head(), int(q.ChecksumStart), int(q.ChecksumStart)+int(q.ChecksumOffset)
	if q.Checksum == buffer.ChecksumPartial && at+2 <= len(b) {
		sum := ^header.Checksum(b[start:], 0)
		b[at], b[at+1] = byte(sum>>8), byte(sum)
	}
	q.Checksum = buffer.ChecksumUnknown
	const keep = 14
	if b := q.Head(); len(b) > keep {
		i := keep + d.rnd.IntN(len(b)-keep)
		b[i] ^= 1 << d.rnd.IntN(8)
	}
	return q
}

// duplicate returns a copy of p with bytes of its own.
func duplicate(p *buffer.Packet) *buffer.Packet {
	n := p.Len()
	c := p.Pool().Get(n)
	p.CopyTo(c.Bytes(), 0)
	q := p.Pool().Received(buffer.NewView(c, 0, n))
	q.Received, q.Checksum, q.GSO = p.Received, p.Checksum, p.GSO
	q.ChecksumStart, q.ChecksumOffset = p.ChecksumStart, p.ChecksumOffset
	return q
}

// waiter is a packet that waits, waiting those of a direction: a heap.
type waiter struct {
	due time.Time
	seq uint64 // who came first goes first
	p   *buffer.Packet
}

type waiting []waiter

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	if w[i].due.Equal(w[j].due) {
		return w[i].seq < w[j].seq
	}
	return w[i].due.Before(w[j].due)
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push and Pop implement heap.Interface.
func (w *waiting) Push(x any) { *w = append(*w, x.(waiter)) }
func (w *waiting) Pop() any {
	old := *w
	x := old[len(old)-1]
	old[len(old)-1] = waiter{}
	*w = old[:len(old)-1]
	return x
}
