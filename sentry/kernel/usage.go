package kernel

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The states of a task, as /proc/PID/stat names them.
const (
	stateRunning  = 'R'
	stateSleeping = 'S'
	stateDisk     = 'D'
	stateStopped  = 'T'
	stateZombie   = 'Z'
)

// cpuTime is what a task used. It is written by the task's goroutine and read
// by anybody, who may see the last trap's time missing.
type cpuTime struct {
	user, sys atomic.Int64 // nanoseconds
	idle      int64        // slept since the trap; the task's goroutine only
	trap      int64        // when guest code stopped; the task's goroutine only
	since     atomic.Int64 // when the current stretch of guest code began, or 0
	minflt    atomic.Int64
	vcsw      atomic.Int64
}

func (c *cpuTime) slept(d time.Duration) {
	c.idle += int64(d)
	c.vcsw.Add(1)
}

// times returns user and system time, the running stretch of guest code
// included.
func (t *Task) times() (user, sys time.Duration) {
	u := t.cpu.user.Load()
	if s := t.cpu.since.Load(); s != 0 {
		if d := int64(t.k.now()) - s; d > 0 {
			u += d
		}
	}
	return time.Duration(u), time.Duration(t.cpu.sys.Load())
}

// CPUTime returns the processor time of the thread.
func (t *Task) CPUTime() time.Duration {
	u, s := t.times()
	return u + s
}

// usage adds up times and counts (struct rusage).
type usage struct {
	utime, stime   time.Duration // of exited threads
	cutime, cstime time.Duration // of reaped children, and theirs
	minflt, nvcsw  int64
	cminflt, cvcsw int64
	maxrss, cmaxrs int64 // KB
}

// Times returns user and system time of the process and of its reaped children.
func (tg *ThreadGroup) Times() (user, sys, cuser, csys time.Duration) {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	user, sys = tg.times()
	return user, sys, tg.usage.cutime, tg.usage.cstime
}

func (tg *ThreadGroup) times() (user, sys time.Duration) {
	user, sys = tg.usage.utime, tg.usage.stime
	for _, t := range tg.tasks {
		u, s := t.times()
		user += u
		sys += s
	}
	return user, sys
}

// CPUTime returns the processor time of the process.
func (tg *ThreadGroup) CPUTime() time.Duration {
	u, s, _, _ := tg.Times()
	return u + s
}

// absorb adds an exiting thread's use to its group's.
func (tg *ThreadGroup) absorb(t *Task) {
	u, s := t.times()
	tg.usage.utime += u
	tg.usage.stime += s
	tg.container.gone.user += u
	tg.container.gone.sys += s
	tg.cgroup.gone.user += u
	tg.cgroup.gone.sys += s
	tg.usage.minflt += t.cpu.minflt.Load()
	tg.usage.nvcsw += t.cpu.vcsw.Load()
}

// reapedUsage adds a reaped child's use to the parent's.
func (tg *ThreadGroup) reapedUsage(c *ThreadGroup) {
	u, s := c.times()
	tg.usage.cutime += u + c.usage.cutime
	tg.usage.cstime += s + c.usage.cstime
	tg.usage.cminflt += c.usage.minflt + c.usage.cminflt
	tg.usage.cvcsw += c.usage.nvcsw + c.usage.cvcsw
	tg.usage.cmaxrs = max(tg.usage.cmaxrs, c.usage.maxrss, c.usage.cmaxrs)
}

func rusage(user, sys time.Duration, minflt, nvcsw, maxrss int64) unix.Rusage {
	return unix.Rusage{
		Utime: unix.NsecToTimeval(int64(user)), Stime: unix.NsecToTimeval(int64(sys)),
		Minflt: minflt, Nvcsw: nvcsw, Maxrss: maxrss,
	}
}

// rusageAll is the use of c and its reaped children, as wait4 reports it.
func (tg *ThreadGroup) rusageAll() unix.Rusage {
	u, s := tg.times()
	g := &tg.usage
	return rusage(u+g.cutime, s+g.cstime, g.minflt+g.cminflt, g.nvcsw+g.cvcsw, max(g.maxrss, g.cmaxrs))
}

// Rusage is getrusage(2); who is RUSAGE_*.
func (t *Task) Rusage(who int32) (unix.Rusage, error) {
	peak := int64(t.has.mm.Usage().PeakRSS / 1024)
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	g := &t.group.usage
	switch who {
	case unix.RUSAGE_SELF:
		u, s := t.group.times()
		flt, sw := g.minflt, g.nvcsw
		for _, o := range t.group.tasks {
			flt += o.cpu.minflt.Load()
			sw += o.cpu.vcsw.Load()
		}
		return rusage(u, s, flt, sw, max(peak, g.maxrss)), nil
	case unix.RUSAGE_CHILDREN:
		return rusage(g.cutime, g.cstime, g.cminflt, g.cvcsw, g.cmaxrs), nil
	case unix.RUSAGE_THREAD:
		u, s := t.times()
		return rusage(u, s, t.cpu.minflt.Load(), t.cpu.vcsw.Load(), peak), nil
	}
	return unix.Rusage{}, unix.EINVAL
}
