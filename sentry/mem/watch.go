package mem

import (
	"sync/atomic"
	"time"

	"hull/sentry/lock"
)

// watch has somebody look after a pool that comes near its limit.
//
// Whom the host kills for want of memory has it until the sentry gives it back, and
// the sentry hears of it from those whose code runs. One that sleeps has to be looked
// for: while nobody takes memory any more, maybe because all wait for some, and for
// a few seconds after, less and less often.
type watch struct {
	limit   atomic.Uint64 // bytes, 0 for none
	stirred atomic.Bool   // memory was taken since the last tick
	ticking atomic.Bool

	mu    lock.Mutex[lock.Leaf]
	look  func()      `snapshot:"-"` // guarded by mu
	timer *time.Timer `snapshot:"-"` // guarded by mu
}

// The first look is so long after memory was taken, and the last.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 2 * time.Second
)

// OnHunger has look called, on a goroutine of its own, when the host may have
// killed somebody for want of the pool's memory. It is called before the first Allocate.
func (p *Pool) OnHunger(look func()) {
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	p.watch.look = look
}

// SetLimit says how many bytes the host lets the pool's users have, 0 for any number.
func (p *Pool) SetLimit(n uint64) { p.watch.limit.Store(n) }

// stir notes that memory was taken; used is what is taken now.
func (w *watch) stir(used uint64) {
	const near = 4 // a quarter of it: what else is there counts too
	if l := w.limit.Load(); l == 0 || used < l/near {
		return
	}
	if !w.stirred.Load() {
		w.stirred.Store(true)
	}
	if !w.ticking.Load() && w.ticking.CompareAndSwap(false, true) {
		w.arm(firstLook)
	}
}

// arm has the next tick in a while.
func (w *watch) arm(in time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if look := w.look; look != nil {
		w.timer = time.AfterFunc(in, func() { w.tick(look, in) })
	}
}

// tick looks, if nobody takes memory, and is followed by another, until there was no
// news for long.
func (w *watch) tick(look func(), in time.Duration) {
	if w.stirred.Swap(false) {
		w.arm(firstLook)
		return
	}
	look()
	if in < lastLook {
		w.arm(2 * in)
		return
	}
	w.ticking.Store(false)
	if w.stirred.Load() && w.ticking.CompareAndSwap(false, true) {
		w.arm(firstLook)
	}
}

// stop is the end of it.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look = nil
	if w.timer != nil {
		w.timer.Stop()
	}
}
