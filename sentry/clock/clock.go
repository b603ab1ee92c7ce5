// Package clock has the clocks that guests read: CLOCK_REALTIME, MONOTONIC,
// BOOTTIME and their kin, with the host's values.
//
//   - A sandbox's clocks since the start of the machine may be Offsets away from
//     the host's (time_namespaces(7)).
//   - Where the host's time stamp counter is steady, time is computed from it,
//     by the same parameters in the sentry and in the vDSO, so that both tell
//     one story and neither traps. Else the host is asked each time.
//   - Parameters are corrected when somebody calls Refresh and they are old:
//     nothing runs while the sandbox rests.
//   - It knows no task: clocks of processor time are the kernel's.
package clock

import (
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
)

// Params are what time is computed from: nanoseconds = base + ((tsc - TSC) *
// Mult >> 32). The vDSO has a copy.
type Params struct {
	TSC  uint64 // counter at the bases
	Mult uint64 // nanoseconds per tick, 32.32 fixed point; 0: the counter is no clock
	Base [bases]uint64
}

// The bases, by what they count from, in nanoseconds.
const (
	Realtime = iota
	Monotonic
	Boottime
	TAI
	Raw
	bases
)

// Offsets are added to the host's clocks, in nanoseconds.
type Offsets struct {
	Monotonic int64 `json:"monotonic,omitempty"` // CLOCK_MONOTONIC, and _RAW
	Boottime  int64 `json:"boottime,omitempty"`
}

// of returns the offset of a base.
func (o Offsets) of(base int) uint64 {
	switch base {
	case Monotonic, Raw:
		return uint64(o.Monotonic)
	case Boottime:
		return uint64(o.Boottime)
	}
	return 0
}

// Clocks are the clocks of one sandbox.
type Clocks struct {
	offsets Offsets      // immutable
	steady  bool         // immutable: the counter can be used
	fresh   atomic.Int64 // host monotonic time of the last correction
	params  atomic.Pointer[Params]

	mu struct {
		lock.Mutex[lock.Leaf]
		first    sample // where the calibration began
		watchers []Watcher
	}
}

// Watcher is told of new parameters: the vDSO's data page.
type Watcher interface{ Update(Params) }

// sample is the counter and the host's clocks at one moment.
type sample struct {
	tsc  uint64
	host [bases]uint64
}

const (
	// calibration is how long the first measurement of the counter takes.
	calibration = 300 * time.Microsecond
	// refreshAfter is how old parameters may be when Refresh is called.
	refreshAfter = time.Second
)

// New returns clocks that run with the host's.
func New(o Offsets) *Clocks {
	c := &Clocks{offsets: o, steady: invariantTSC()}
	a := c.measure()
	c.mu.first = a
	c.params.Store(&Params{Base: a.host})
	if c.steady {
		time.Sleep(calibration)
		c.correct(c.measure())
		// The longer the measurement, the better: once more when there is time.
		time.AfterFunc(100*time.Millisecond, c.force)
		time.AfterFunc(5*time.Second, c.force)
	}
	return c
}

func hostClock(id int32) uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return uint64(ts.Nano())
}

// Offsets returns how far the clocks are from the host's.
func (c *Clocks) Offsets() Offsets { return c.offsets }

// measure reads all clocks at one moment, as near as it can.
func (c *Clocks) measure() sample {
	var best sample
	width := ^uint64(0)
	for range 5 {
		before := rdtsc()
		mono := hostClock(unix.CLOCK_MONOTONIC)
		after := rdtsc()
		if after-before < width {
			width = after - before
			best.tsc, best.host[Monotonic] = before+(after-before)/2, mono
		}
	}
	// The others are offsets of the monotonic clock, which change seldom.
	for base, id := range map[int]int32{
		Realtime: unix.CLOCK_REALTIME, Boottime: unix.CLOCK_BOOTTIME, TAI: unix.CLOCK_TAI, Raw: unix.CLOCK_MONOTONIC_RAW,
	} {
		best.host[base] = best.host[Monotonic] + apart(hostClock, id)
	}
	for i := range best.host {
		best.host[i] += c.offsets.of(i)
	}
	return best
}

// apart is how far a clock is from the monotonic one, modulo 2^64: of some readings the
// one that took least time, for the thread may lose its processor amid one. What a clock
// that only goes forward is ahead once it stays ahead.
func apart(read func(id int32) uint64, id int32) (best uint64) {
	width := ^uint64(0)
	for range 5 {
		before := read(unix.CLOCK_MONOTONIC)
		v := read(id)
		after := read(unix.CLOCK_MONOTONIC)
		if after-before < width {
			width, best = after-before, v-(before+(after-before)/2)
		}
	}
	return best
}

// correct makes new parameters of a sample. Clocks that only go forward are
// never set back: where the old parameters were ahead, they stay ahead.
func (c *Clocks) correct(s sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.mu.first
	if s.tsc <= first.tsc || s.host[Monotonic] <= first.host[Monotonic] {
		return
	}
	ns, ticks := s.host[Monotonic]-first.host[Monotonic], s.tsc-first.tsc
	p := &Params{TSC: s.tsc, Mult: mulDiv(ns, 1<<32, ticks), Base: s.host}
	if old := c.params.Load(); old.Mult != 0 {
		for i := range p.Base {
			if was := old.at(i, s.tsc); i != Realtime && i != TAI && was > p.Base[i] {
				p.Base[i] = was
			}
		}
	}
	c.params.Store(p)
	c.fresh.Store(int64(s.host[Monotonic]))
	for _, w := range c.mu.watchers {
		w.Update(*p)
	}
}

func (c *Clocks) force() { c.correct(c.measure()) }

// Refresh corrects the parameters if they are old.
func (c *Clocks) Refresh() {
	if !c.steady {
		return
	}
	last := c.fresh.Load()
	p := c.params.Load()
	if int64(p.at(Monotonic, rdtsc()))-last > int64(refreshAfter) {
		c.force()
	}
}

// Watch tells w of the parameters, now and whenever they change.
func (c *Clocks) Watch(w Watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.watchers = append(c.mu.watchers, w)
	w.Update(*c.params.Load())
}

// Unwatch makes w hear no more: once it returns, no Update runs or follows.
func (c *Clocks) Unwatch(w Watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.watchers = slices.DeleteFunc(c.mu.watchers, func(x Watcher) bool { return x == w })
}

// at computes a clock.
func (p *Params) at(base int, tsc uint64) uint64 {
	if tsc < p.TSC {
		tsc = p.TSC
	}
	return p.Base[base] + mulShift(tsc-p.TSC, p.Mult)
}

// Nanos returns a clock by its base, in nanoseconds.
func (c *Clocks) Nanos(base int) int64 {
	p := c.params.Load()
	if p.Mult == 0 {
		ids := [bases]int32{unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_TAI, unix.CLOCK_MONOTONIC_RAW}
		return int64(hostClock(ids[base]) + c.offsets.of(base))
	}
	return int64(p.at(base, rdtsc()))
}

// Base returns which base a clock id (CLOCK_*) is counted from; ok is false
// for one that is not here.
func Base(id int32) (base int, ok bool) {
	switch id {
	case unix.CLOCK_REALTIME, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_REALTIME_ALARM:
		return Realtime, true
	case unix.CLOCK_MONOTONIC, unix.CLOCK_MONOTONIC_COARSE:
		return Monotonic, true
	case unix.CLOCK_MONOTONIC_RAW:
		return Raw, true
	case unix.CLOCK_BOOTTIME, unix.CLOCK_BOOTTIME_ALARM:
		return Boottime, true
	case unix.CLOCK_TAI:
		return TAI, true
	}
	return 0, false
}

// Deadline returns when, on Go's clock, the clock of base will be at ns; the
// zero time never comes out of it.
func (c *Clocks) Deadline(base int, ns int64) time.Time {
	return time.Now().Add(time.Duration(ns - c.Nanos(base)))
}
