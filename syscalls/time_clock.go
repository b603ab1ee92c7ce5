package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/clock"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// readClock returns the time of a clock in nanoseconds. EINVAL for one that is
// not there.
func readClock(t *kernel.Task, id int32) (int64, error) {
	if base, ok := clock.Base(id); ok {
		return t.Kernel().Clocks().Nanos(base), nil
	}
	switch id {
	case unix.CLOCK_PROCESS_CPUTIME_ID:
		return int64(t.ThreadGroup().CPUTime()), nil
	case unix.CLOCK_THREAD_CPUTIME_ID:
		return int64(t.CPUTime()), nil
	}
	if id < 0 {
		return cpuClock(t, id)
	}
	return 0, unix.EINVAL
}

// cpuClock is the clock of another process or thread: ^pid<<3 with the kind in
// the low bits (clock_getcpuclockid(3), pthread_getcpuclockid(3)).
func cpuClock(t *kernel.Task, id int32) (int64, error) {
	const perThread, kinds, fd = 4, 3, 3
	pid := ^(id >> 3)
	if id&kinds == fd {
		return 0, unix.EINVAL
	}
	if id&perThread != 0 {
		o := t
		if pid != 0 {
			o = t.PIDNS().Task(pid)
		}
		if o == nil || o.ThreadGroup() != t.ThreadGroup() {
			return 0, unix.EINVAL
		}
		return int64(o.CPUTime()), nil
	}
	g := t.ThreadGroup()
	if pid != 0 {
		if g = t.PIDNS().Group(pid); g == nil {
			return 0, unix.EINVAL
		}
	}
	return int64(g.CPUTime()), nil
}

func clockGettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	ns, err := readClock(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	ts := unix.NsecToTimespec(ns)
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &ts)
}

func clockGetres(t *kernel.Task, a arch.Args) (uintptr, error) {
	id := a[0].Int()
	if _, err := readClock(t, id); err != nil {
		return 0, err
	}
	ts := unix.Timespec{Nsec: 1}
	if id == unix.CLOCK_REALTIME_COARSE || id == unix.CLOCK_MONOTONIC_COARSE {
		ts.Nsec = 4e6
	}
	if a[1] == 0 {
		return 0, nil
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &ts)
}

// clockSettime is clock_settime(2): the clocks are the host's.
func clockSettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	if _, err := readClock(t, a[0].Int()); err != nil {
		return 0, err
	}
	if _, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(a[1])); err != nil {
		return 0, err
	}
	if a[0].Int() != unix.CLOCK_REALTIME {
		return 0, unix.EINVAL
	}
	t.Note("the clock is the host's")
	return 0, unix.EPERM
}

func gettimeofday(t *kernel.Task, a arch.Args) (uintptr, error) {
	if p := usermem.Addr(a[0]); p != 0 {
		tv := unix.NsecToTimeval(t.Kernel().Clocks().Nanos(clock.Realtime))
		if err := usermem.Out(t.Mem(), p, &tv); err != nil {
			return 0, err
		}
	}
	if p := usermem.Addr(a[1]); p != 0 {
		var tz [2]int32
		return 0, usermem.Out(t.Mem(), p, &tz)
	}
	return 0, nil
}

func settimeofday(t *kernel.Task, a arch.Args) (uintptr, error) {
	t.Note("the clock is the host's")
	return 0, unix.EPERM
}

func timeOfDay(t *kernel.Task, a arch.Args) (uintptr, error) {
	sec := t.Kernel().Clocks().Nanos(clock.Realtime) / int64(time.Second)
	if p := usermem.Addr(a[0]); p != 0 {
		if err := usermem.Out(t.Mem(), p, &sec); err != nil {
			return 0, err
		}
	}
	return uintptr(sec), nil
}

// times is times(2), in units of 1/100 s.
func times(t *kernel.Task, a arch.Args) (uintptr, error) {
	const tick = 10 * time.Millisecond
	if p := usermem.Addr(a[0]); p != 0 {
		u, s, cu, cs := t.ThreadGroup().Times()
		v := [4]int64{int64(u / tick), int64(s / tick), int64(cu / tick), int64(cs / tick)}
		if err := usermem.Out(t.Mem(), p, &v); err != nil {
			return 0, err
		}
	}
	return uintptr(t.Kernel().Clocks().Nanos(clock.Monotonic) / int64(tick)), nil
}

// adjtimex is adjtimex(2) as far as it only reads.
func adjtimex(t *kernel.Task, a arch.Args) (uintptr, error) {
	return doAdjtime(t, usermem.Addr(a[0]))
}

func clockAdjtime(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[0].Int() != unix.CLOCK_REALTIME {
		return 0, unix.EOPNOTSUPP
	}
	return doAdjtime(t, usermem.Addr(a[1]))
}

func doAdjtime(t *kernel.Task, addr usermem.Addr) (uintptr, error) {
	x, err := usermem.In[unix.Timex](t.Mem(), addr)
	if err != nil {
		return 0, err
	}
	if x.Modes != 0 {
		return 0, unix.EPERM
	}
	const unsynchronised, errorState = 0x40, 5
	x = unix.Timex{Status: unsynchronised, Tick: 10000, Precision: 1, Tolerance: 500 << 16,
		Time: unix.NsecToTimeval(t.Kernel().Clocks().Nanos(clock.Realtime))}
	return errorState, usermem.Out(t.Mem(), addr, &x)
}
