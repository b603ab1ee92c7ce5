package kernel

import (
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/limits"
)

// Timers by the clocks of processor time. The host tells nobody when a task has
// used so much of it, so while such a timer is armed, and only then, a tick
// compares: as often as the time that is missing could pass, but not more often
// than Linux's own tick of 250 Hz would.

// tickMin is the shortest time between two looks.
const tickMin = 4 * time.Millisecond

// cpuTimer is ITIMER_VIRTUAL or ITIMER_PROF: times are of the process's clock.
type cpuTimer struct {
	next, interval int64 // next 0 is disarmed
}

// cpuClock is the processor time of a thread or of a process.
type cpuClock struct {
	task  *Task        // or
	group *ThreadGroup // if that is nil
	user  bool         // without system time
}

// CPUClock is a clock of processor time, as CPUClockOf finds it.
type CPUClock struct{ cpuClock }

// now reads the clock. Kernel.tasks is held.
func (c *cpuClock) now() int64 {
	var u, s time.Duration
	if c.task != nil {
		u, s = c.task.times()
	} else {
		u, s = c.group.times()
	}
	if c.user {
		return int64(u)
	}
	return int64(u + s)
}

// Now reads the clock.
func (c *CPUClock) Now() time.Duration {
	k := c.kernel()
	k.tasks.Lock()
	defer k.tasks.Unlock()
	return time.Duration(c.now())
}

func (c *cpuClock) kernel() *Kernel {
	if c.task != nil {
		return c.task.k
	}
	return c.group.k
}

// CPUClockOf returns the clock of processor time that id names:
// CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, or a number of
// clock_getcpuclockid(3), which has the complement of a pid above three bits.
// EINVAL if it names none.
func (t *Task) CPUClockOf(id int32) (*CPUClock, error) {
	const (
		perThread = 4
		which     = 3
		virtual   = 1 // CPUCLOCK_VIRT: user time
		max       = 3 // a file descriptor instead
	)
	switch {
	case id == unix.CLOCK_PROCESS_CPUTIME_ID:
		return &CPUClock{cpuClock{group: t.group}}, nil
	case id == unix.CLOCK_THREAD_CPUTIME_ID:
		return &CPUClock{cpuClock{task: t}}, nil
	case id >= 0 || id&which == max:
		return nil, unix.EINVAL
	}
	c := &CPUClock{cpuClock{user: id&which == virtual}}
	pid := ^(id >> 3)
	if id&perThread == 0 {
		if c.group = t.group; pid != 0 {
			c.group = t.ns.Group(pid)
		}
		if c.group == nil {
			return nil, unix.EINVAL
		}
		return c, nil
	}
	if c.task = t; pid != 0 {
		c.task = t.ns.Task(pid)
	}
	if c.task == nil || c.task.group != t.group {
		return nil, unix.EINVAL // other processes' threads are nobody's business
	}
	return c, nil
}

func (tg *ThreadGroup) userTime() int64 { u, _ := tg.times(); return int64(u) }

func (tg *ThreadGroup) allTime() int64 { u, s := tg.times(); return int64(u + s) }

func (tg *ThreadGroup) setCPUTimer(c *cpuTimer, s TimerSpec, now int64) {
	*c = cpuTimer{interval: s.Interval}
	if s.Value != 0 {
		c.next = saturate(now, s.Value)
		tg.startTick()
	}
}

// expire reports whether the timer is due, and sets it to its next time.
func (c *cpuTimer) expire(now int64) bool {
	if c.next == 0 || now < c.next {
		return false
	}
	if c.interval == 0 {
		c.next = 0
	} else {
		forward(&c.next, c.interval, now)
	}
	return true
}

// startTick lets the tick run if it is needed. The locks are held.
func (tg *ThreadGroup) startTick() {
	ts := &tg.sig.timers
	need := int64(-1)
	missing := func(next, now int64) {
		if next != 0 && (need < 0 || next-now < need) {
			need = max(next-now, 0)
		}
	}
	missing(ts.virt.next, tg.userTime())
	missing(ts.prof.next, tg.allTime())
	missing(tg.cpuLimit(), tg.allTime())
	for _, tm := range ts.posix {
		if tm.cpu != nil {
			missing(tm.next, tm.cpu.now())
		}
	}
	if need < 0 {
		return
	}
	// So many threads at most use it up at once.
	threads := max(min(len(tg.tasks), runtime.NumCPU()), 1)
	d := max(time.Duration(need/int64(threads)), tickMin)
	if ts.tick == nil {
		ts.tick = time.AfterFunc(d, tg.ticked)
	} else {
		ts.tick.Reset(d)
	}
}

// cpuLimit is the processor time in nanoseconds at which RLIMIT_CPU has
// something to say next; 0 is never.
func (tg *ThreadGroup) cpuLimit() int64 {
	soft := tg.limits.Get(unix.RLIMIT_CPU).Cur
	if soft > math.MaxInt64/uint64(time.Second) {
		return 0
	}
	return int64(max(soft, 1)) * int64(time.Second)
}

// LimitCPU makes a new RLIMIT_CPU count.
func (tg *ThreadGroup) LimitCPU() {
	tg.lockTimers()
	defer tg.unlockTimers()
	tg.startTick()
}

// overCPULimit returns the signal that RLIMIT_CPU has for the process now, or 0:
// SIGKILL at the hard limit, SIGXCPU at the soft one and each second after it.
func (tg *ThreadGroup) overCPULimit() int32 {
	at := tg.cpuLimit()
	if at == 0 || tg.allTime() < at {
		return 0
	}
	l := tg.limits.Get(unix.RLIMIT_CPU)
	if tg.allTime() >= int64(min(l.Max, math.MaxInt64/uint64(time.Second)))*int64(time.Second) {
		return sigKill
	}
	_, _ = tg.limits.Set(unix.RLIMIT_CPU, limits.Limit{Cur: min(l.Cur+1, l.Max), Max: l.Max}, false)
	return int32(unix.SIGXCPU)
}

// ticked sends the signals of the timers that are due.
func (tg *ThreadGroup) ticked() {
	tg.lockTimers()
	ts := &tg.sig.timers
	over := tg.overCPULimit()
	virt, prof := ts.virt.expire(tg.userTime()), ts.prof.expire(tg.allTime())
	var due []*posixTimer
	for _, tm := range ts.posix {
		if tm.cpu == nil || tm.next == 0 {
			continue
		}
		now := tm.cpu.now()
		if now < tm.next {
			continue
		}
		n := int64(1)
		if tm.interval == 0 {
			tm.next = 0
		} else {
			n = forward(&tm.next, tm.interval, now)
		}
		if tm.queued {
			tm.overrun = saturate(tm.overrun, n)
			continue
		}
		tm.overrun = n - 1
		due = append(due, tm)
	}
	if !tg.zombie {
		tg.startTick()
	}
	tg.sig.Unlock()
	if over != 0 {
		_ = tg.sendSignal(&SignalInfo{Signo: over, Code: siKernel})
	}
	if virt {
		_ = tg.sendSignal(&SignalInfo{Signo: int32(unix.SIGVTALRM), Code: siKernel})
	}
	if prof {
		_ = tg.sendSignal(&SignalInfo{Signo: int32(unix.SIGPROF), Code: siKernel})
	}
	for _, tm := range due {
		tm.send()
	}
	tg.k.tasks.Unlock()
}
