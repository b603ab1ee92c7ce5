package stack

import (
	"sync"
	"sync/atomic"
	"time"
)

// timers is all timers of a stack: a heap by deadline over the one timer that the
// configuration's After gives. With no timer set nothing runs.
//
// A timer that is moved to a later deadline, as a connection's are with each
// acknowledgment, takes no lock: it stays in the heap where it is and is put
// right when that moment comes.
type timers struct {
	now   func() int64
	after func(d time.Duration, f func()) func()

	mu     sync.Mutex
	heap   []*timer
	armed  int64 // when fire will be called, 0 if it will not
	disarm func()
	closed bool
}

// timer calls f, without locks, once after its deadline passed. It is set again
// as often as one likes; f may do so. A call may come late by what others take,
// and may still come after stop if it was under way.
type timer struct {
	ts *timers
	f  func()

	deadline atomic.Int64 // nanoseconds of the stack's clock; 0 is never
	queued   atomic.Int64 // the deadline by which it stands in the heap; 0 is not in it
	at       int          // its place in the heap; guarded by timers.mu
}

// init makes a timer that is part of another object ready.
func (t *timer) init(ts *timers, f func()) { t.ts, t.f = ts, f }

// set makes f be called at deadline and not at the one before.
func (t *timer) set(deadline int64) {
	if deadline <= 0 {
		deadline = 1
	}
	t.deadline.Store(deadline)
	if q := t.queued.Load(); q == 0 || deadline < q {
		t.ts.enqueue(t)
	}
}

// stop makes f not be called. The timer may stay in the heap for a while.
func (t *timer) stop() { t.deadline.Store(0) }

// drop is stop for a timer that is not used again: the heap forgets it.
func (t *timer) drop() {
	t.deadline.Store(0)
	if t.ts == nil || t.queued.Load() == 0 {
		return
	}
	t.ts.mu.Lock()
	defer t.ts.mu.Unlock()
	if t.queued.Load() != 0 {
		t.ts.remove(t.at)
	}
}

// isSet reports whether f will be called.
func (t *timer) isSet() bool { return t.deadline.Load() != 0 }

// enqueue puts t where its deadline belongs.
func (ts *timers) enqueue(t *timer) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	d, q := t.deadline.Load(), t.queued.Load()
	if d == 0 || ts.closed || q != 0 && q <= d {
		return
	}
	if q != 0 {
		t.queued.Store(d)
		ts.up(t.at)
	} else {
		ts.push(t, d)
	}
	ts.arm()
}

// arm has fire called for the first timer of the heap. The caller holds mu.
func (ts *timers) arm() {
	if len(ts.heap) == 0 || ts.closed {
		return
	}
	first := ts.heap[0].queued.Load()
	if ts.armed != 0 && ts.armed <= first {
		return
	}
	if ts.disarm != nil {
		ts.disarm()
	}
	ts.armed = first
	ts.disarm = ts.after(time.Duration(max(0, first-ts.now())), ts.fire)
}

// fire calls what is due.
func (ts *timers) fire() {
	ts.mu.Lock()
	ts.armed, ts.disarm = 0, nil
	for len(ts.heap) > 0 && !ts.closed {
		t := ts.heap[0]
		if t.queued.Load() > ts.now() {
			break
		}
		ts.remove(0)
		d := t.deadline.Load()
		if d == 0 {
			continue
		}
		if d > ts.now() {
			ts.push(t, d)
			continue
		}
		if !t.deadline.CompareAndSwap(d, 0) {
			// It was set or stopped meanwhile, and saw itself in the heap or not.
			if d = t.deadline.Load(); d != 0 && t.queued.Load() == 0 {
				ts.push(t, d)
			}
			continue
		}
		ts.mu.Unlock()
		t.f()
		ts.mu.Lock()
	}
	ts.arm()
	ts.mu.Unlock()
}

// close forgets all timers.
func (ts *timers) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.closed = true
	for _, t := range ts.heap {
		t.queued.Store(0)
	}
	ts.heap = nil
	if ts.disarm != nil {
		ts.disarm()
	}
}

func (ts *timers) push(t *timer, d int64) {
	t.queued.Store(d)
	t.at = len(ts.heap)
	ts.heap = append(ts.heap, t)
	ts.up(t.at)
}

// remove takes timer i out of the heap.
func (ts *timers) remove(i int) {
	t := ts.heap[i]
	last := len(ts.heap) - 1
	ts.swap(i, last)
	ts.heap[last] = nil
	ts.heap = ts.heap[:last]
	if i < last {
		ts.up(i)
		ts.down(i)
	}
	t.queued.Store(0)
}

func (ts *timers) swap(i, j int) {
	h := ts.heap
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (ts *timers) less(i, j int) bool {
	return ts.heap[i].queued.Load() < ts.heap[j].queued.Load()
}

func (ts *timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 4
		if !ts.less(i, parent) {
			return
		}
		ts.swap(i, parent)
		i = parent
	}
}

func (ts *timers) down(i int) {
	for {
		least := i
		for c := 4*i + 1; c <= 4*i+4 && c < len(ts.heap); c++ {
			if ts.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		ts.swap(i, least)
		i = least
	}
}
