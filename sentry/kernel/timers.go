package kernel

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/clock"
)

// Timers that send signals: setitimer(2) and timer_create(2).
//
// A timer is data: when it expires next and how often then, in nanoseconds of
// its clock. For a clock that runs by itself a host timer calls fired at that
// time. A periodic timer then rests until its signal is taken: only then what
// it missed is counted and the host's timer set again, so that one which nobody
// listens to costs nothing. Clocks of processor time are in cputimers.go.

// timers are a process's, guarded by Kernel.tasks and the group's signal lock;
// whoever takes a signal holds the second alone.
type timers struct {
	posix map[int32]*posixTimer
	last  int32
	real  realTimer
	virt  cpuTimer    // user time
	prof  cpuTimer    // user and system time
	tick  *time.Timer `snapshot:"-"` // while a clock of processor time is waited for
}

// TimerSpec is a timer's setting: the next expiration (0: none) and the
// interval, in nanoseconds.
type TimerSpec struct{ Value, Interval int64 }

// realTimer is ITIMER_REAL.
type realTimer struct {
	next, interval int64       // CLOCK_MONOTONIC; next 0 is disarmed
	sent           bool        // SIGALRM is on its way, and re-arms it
	host           *time.Timer `snapshot:"-"`
}

// TimerEvent is struct sigevent, checked.
type TimerEvent struct {
	None   bool // SIGEV_NONE
	Signo  int32
	Value  uint64
	Thread *Task // of SIGEV_THREAD_ID, or nil
}

// posixTimer is a timer of timer_create(2).
type posixTimer struct {
	id    int32
	group *ThreadGroup
	event TimerEvent
	base  int       // of package clock, unless cpu says something
	cpu   *cpuClock // nil: base

	next, interval int64
	overrun        int64 // since the signal was queued
	taken          int32 // what timer_getoverrun(2) says
	queued         bool  // its signal is pending
	deleted        bool
	uid            uint32      // whom it counts for in RLIMIT_SIGPENDING
	host           *time.Timer `snapshot:"-"`
}

// maxTimers is how many timers a process may have, whatever its limit.
const maxTimers = 1 << 16

// saturate adds b >= 0 to a.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// forward moves next behind now and returns how many intervals that took.
func forward(next *int64, interval, now int64) int64 {
	if now < *next {
		return 0
	}
	n := (now-*next)/interval + 1
	*next = saturate(*next, n*interval)
	return n
}

// lockTimers takes both locks.
func (tg *ThreadGroup) lockTimers() {
	tg.k.tasks.Lock()
	tg.sig.Lock()
}

func (tg *ThreadGroup) unlockTimers() {
	tg.sig.Unlock()
	tg.k.tasks.Unlock()
}

func (tg *ThreadGroup) monotonic() int64 { return tg.k.cfg.Clocks.Nanos(clock.Monotonic) }

// schedule makes f run at a time of a clock, by the host timer in *h.
func schedule(h **time.Timer, now, next int64, f func()) {
	d := time.Duration(max(next-now, 0))
	if *h == nil {
		*h = time.AfterFunc(d, f)
	} else {
		(*h).Reset(d)
	}
}

func stopTimer(h *time.Timer) {
	if h != nil {
		h.Stop()
	}
}

// SetITimer is setitimer(2); which is ITIMER_*. It returns the old setting.
func (tg *ThreadGroup) SetITimer(which int32, s TimerSpec) TimerSpec {
	tg.lockTimers()
	defer tg.unlockTimers()
	old := tg.itimer(which)
	switch which {
	case unix.ITIMER_REAL:
		r := &tg.sig.timers.real
		r.next, r.interval, r.sent = 0, s.Interval, false
		stopTimer(r.host)
		if s.Value != 0 {
			now := tg.monotonic()
			r.next = saturate(now, s.Value)
			schedule(&r.host, now, r.next, tg.realFired)
		}
	case unix.ITIMER_VIRTUAL:
		tg.setCPUTimer(&tg.sig.timers.virt, s, tg.userTime())
	default:
		tg.setCPUTimer(&tg.sig.timers.prof, s, tg.allTime())
	}
	return old
}

// GetITimer is getitimer(2).
func (tg *ThreadGroup) GetITimer(which int32) TimerSpec {
	tg.lockTimers()
	defer tg.unlockTimers()
	return tg.itimer(which)
}

func (tg *ThreadGroup) itimer(which int32) TimerSpec {
	ts := &tg.sig.timers
	switch which {
	case unix.ITIMER_REAL:
		return remaining(ts.real.next, ts.real.interval, tg.monotonic())
	case unix.ITIMER_VIRTUAL:
		return remaining(ts.virt.next, ts.virt.interval, tg.userTime())
	}
	return remaining(ts.prof.next, ts.prof.interval, tg.allTime())
}

func remaining(next, interval, now int64) TimerSpec {
	s := TimerSpec{Interval: interval}
	if next != 0 {
		s.Value = max(next-now, 1000) // 0 would say disarmed, in microseconds too
	}
	return s
}

// realFired runs when the host's timer of ITIMER_REAL does.
func (tg *ThreadGroup) realFired() {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	tg.sig.Lock()
	r := &tg.sig.timers.real
	now := tg.monotonic()
	due := r.next != 0 && !r.sent && now >= r.next
	switch {
	case due && r.interval == 0:
		r.next = 0
	case due:
		r.sent = true
	case r.next != 0 && !r.sent:
		schedule(&r.host, now, r.next, tg.realFired)
	}
	tg.sig.Unlock()
	if due {
		_ = tg.sendSignal(&SignalInfo{Signo: int32(unix.SIGALRM), Code: siKernel})
	}
}

// rearm sets the timer again whose signal was taken, and fills in what it
// missed. The group's signal lock is held.
func (tg *ThreadGroup) rearm(info *SignalInfo) {
	if r := &tg.sig.timers.real; info.Signo == int32(unix.SIGALRM) && r.sent {
		r.sent = false
		if r.interval != 0 {
			now := tg.monotonic()
			forward(&r.next, r.interval, now)
			schedule(&r.host, now, r.next, tg.realFired)
		}
	}
	tm := info.timer
	if tm == nil {
		return
	}
	tm.queued = false
	if tm.cpu == nil && tm.interval != 0 && tm.next != 0 && !tm.deleted {
		now := tm.now()
		tm.overrun = saturate(tm.overrun, max(forward(&tm.next, tm.interval, now)-1, 0))
		schedule(&tm.host, now, tm.next, tm.fired)
	}
	tm.taken = int32(min(tm.overrun, math.MaxInt32))
	tm.overrun = 0
	info.Overrun = tm.taken
}

// now is the time of a clock that runs by itself.
func (tm *posixTimer) now() int64 { return tm.group.k.cfg.Clocks.Nanos(tm.base) }

// fired runs when the host's timer does.
func (tm *posixTimer) fired() {
	tg := tm.group
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	tg.sig.Lock()
	now := tm.now()
	due := !tm.deleted && tm.next != 0 && !tm.queued && now >= tm.next
	if !due && !tm.deleted && !tm.queued && tm.next != 0 {
		schedule(&tm.host, now, tm.next, tm.fired) // too early: clocks differ in pace
	}
	if due && tm.interval == 0 {
		tm.next = 0
	}
	tg.sig.Unlock()
	if due {
		tm.send()
	}
}

// send sends the timer's signal. Kernel.tasks is held.
func (tm *posixTimer) send() {
	if tm.event.None {
		return
	}
	_ = tm.group.send(tm.event.Thread, &SignalInfo{Signo: tm.event.Signo, Code: siTimer,
		TimerID: tm.id, Value: tm.event.Value, timer: tm})
}

// ignoredPeriod is how often a periodic timer looks whether its signal is still
// ignored.
const ignoredPeriod = int64(10 * time.Millisecond)

// discarded goes on with a timer whose signal nobody wanted. The locks are held.
func (tm *posixTimer) discarded() {
	if tm.cpu != nil || tm.interval == 0 || tm.next == 0 {
		return
	}
	now := tm.now()
	forward(&tm.next, tm.interval, now)
	schedule(&tm.host, now, max(tm.next, now+ignoredPeriod), tm.fired)
}

// NewTimer is timer_create(2) for a clock that runs by itself (a base of package
// clock) or, with cpu not nil, one of processor time. id is told before the
// timer can expire.
func (t *Task) NewTimer(base int, cpu *CPUClock, ev TimerEvent, defaultValue bool) (int32, error) {
	tg := t.group
	uid := t.Cred().RUID
	if !tg.k.signals.charge(uid, tg.limits.Get(unix.RLIMIT_SIGPENDING).Cur) {
		t.Note("RLIMIT_SIGPENDING")
		return 0, unix.EAGAIN
	}
	tg.lockTimers()
	defer tg.unlockTimers()
	ts := &tg.sig.timers
	if len(ts.posix) >= maxTimers {
		tg.k.signals.drop(uid)
		return 0, unix.EAGAIN
	}
	if ts.posix == nil {
		ts.posix = map[int32]*posixTimer{}
	}
	for ts.posix[ts.last] != nil {
		ts.last = (ts.last + 1) & math.MaxInt32
	}
	tm := &posixTimer{id: ts.last, group: tg, event: ev, base: base, uid: uid}
	if cpu != nil {
		tm.cpu = &cpu.cpuClock
	}
	if defaultValue {
		tm.event.Value = uint64(tm.id)
	}
	ts.posix[tm.id] = tm
	ts.last = (ts.last + 1) & math.MaxInt32
	return tm.id, nil
}

// timer finds a timer and takes the locks. The caller unlocks if it is not nil.
func (tg *ThreadGroup) timer(id int32) *posixTimer {
	tg.lockTimers()
	tm := tg.sig.timers.posix[id]
	if tm == nil {
		tg.unlockTimers()
	}
	return tm
}

// time is now on the timer's clock. The locks are held.
func (tm *posixTimer) time() int64 {
	if tm.cpu != nil {
		return tm.cpu.now()
	}
	return tm.now()
}

// left is the remaining setting of a timer. One whose signal is pending shows
// when it would be next.
func (tm *posixTimer) left() TimerSpec {
	now := tm.time()
	s := TimerSpec{Interval: tm.interval}
	if tm.next == 0 {
		return s
	}
	next := tm.next
	if tm.interval != 0 {
		forward(&next, tm.interval, now)
	}
	s.Value = max(next-now, 1)
	if tm.event.None && next <= now {
		s.Value = 0
	}
	return s
}

// SetTimer is timer_settime(2).
func (tg *ThreadGroup) SetTimer(id int32, s TimerSpec, absolute bool) (TimerSpec, error) {
	tm := tg.timer(id)
	if tm == nil {
		return TimerSpec{}, unix.EINVAL
	}
	defer tg.unlockTimers()
	old := tm.left()
	tg.takeBack(tm)
	stopTimer(tm.host)
	tm.next, tm.interval, tm.overrun, tm.taken = 0, 0, 0, 0
	if s.Value == 0 {
		return old, nil
	}
	now := tm.time()
	tm.next, tm.interval = s.Value, s.Interval
	if !absolute {
		tm.next = saturate(now, s.Value)
	}
	switch {
	case tm.cpu != nil:
		tg.startTick()
	case !tm.event.None:
		schedule(&tm.host, now, tm.next, tm.fired)
	}
	return old, nil
}

// takeBack makes a pending signal of tm not pending.
func (tg *ThreadGroup) takeBack(tm *posixTimer) {
	if !tm.queued {
		return
	}
	tm.queued = false
	tg.sig.pending.dropTimer(tm, &tg.k.signals)
	for _, t := range tg.tasks {
		t.sig.pending.dropTimer(tm, &tg.k.signals)
	}
}

// GetTimer is timer_gettime(2).
func (tg *ThreadGroup) GetTimer(id int32) (TimerSpec, error) {
	tm := tg.timer(id)
	if tm == nil {
		return TimerSpec{}, unix.EINVAL
	}
	defer tg.unlockTimers()
	return tm.left(), nil
}

// TimerOverrun is timer_getoverrun(2).
func (tg *ThreadGroup) TimerOverrun(id int32) (int32, error) {
	tm := tg.timer(id)
	if tm == nil {
		return 0, unix.EINVAL
	}
	defer tg.unlockTimers()
	return tm.taken, nil
}

// DeleteTimer is timer_delete(2).
func (tg *ThreadGroup) DeleteTimer(id int32) error {
	tm := tg.timer(id)
	if tm == nil {
		return unix.EINVAL
	}
	defer tg.unlockTimers()
	tg.deleteTimer(tm)
	return nil
}

// deleteTimer takes a timer away. The locks are held.
func (tg *ThreadGroup) deleteTimer(tm *posixTimer) {
	tg.takeBack(tm)
	stopTimer(tm.host)
	tm.deleted, tm.next = true, 0
	tg.k.signals.drop(tm.uid)
	delete(tg.sig.timers.posix, tm.id)
}

// deleteTimers takes all timers of timer_create away.
func (tg *ThreadGroup) deleteTimers() {
	for _, tm := range tg.sig.timers.posix {
		tg.deleteTimer(tm)
	}
}

// stopITimers disarms the others, when the process ends.
func (tg *ThreadGroup) stopITimers() {
	ts := &tg.sig.timers
	ts.real.next, ts.virt.next, ts.prof.next = 0, 0, 0
	stopTimer(ts.real.host)
	stopTimer(ts.tick)
}

// dropThreadTimers disarms the timers by the clock of a thread that exits.
func (tg *ThreadGroup) dropThreadTimers(t *Task) {
	for _, tm := range tg.sig.timers.posix {
		if tm.cpu != nil && tm.cpu.task == t {
			tm.next = 0
		}
	}
}
