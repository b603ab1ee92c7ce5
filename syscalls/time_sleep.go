package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/clock"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// inTimespec copies in a timespec and returns it in nanoseconds; what is too
// long to count is as long as can be counted.
func inTimespec(t *kernel.Task, addr usermem.Addr) (int64, error) {
	ts, err := usermem.In[unix.Timespec](t.Mem(), addr)
	if err != nil {
		return 0, err
	}
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
		return 0, unix.EINVAL
	}
	const most = int64(1<<63 - 1)
	if ts.Sec > most/1000000000-1 {
		return most, nil
	}
	return ts.Sec*1e9 + ts.Nsec, nil
}

func nanosleep(t *kernel.Task, a arch.Args) (uintptr, error) {
	ns, err := inTimespec(t, usermem.Addr(a[0]))
	if err != nil {
		return 0, err
	}
	return relativeSleep(t, clock.Monotonic, ns, usermem.Addr(a[1]))
}

// clockNanosleep is clock_nanosleep(2).
func clockNanosleep(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, flags := a[0].Int(), a[1].Int()
	base, ok := clock.Base(id)
	if !ok {
		switch id {
		case unix.CLOCK_PROCESS_CPUTIME_ID:
			return cpuSleep(t, a)
		case unix.CLOCK_THREAD_CPUTIME_ID:
			return 0, unix.EINVAL
		}
		if _, err := readClock(t, id); err != nil {
			return 0, unix.EINVAL
		}
		return 0, unix.EOPNOTSUPP
	}
	if id == unix.CLOCK_MONOTONIC_RAW || id == unix.CLOCK_REALTIME_COARSE || id == unix.CLOCK_MONOTONIC_COARSE {
		return 0, unix.EOPNOTSUPP
	}
	ns, err := inTimespec(t, usermem.Addr(a[2]))
	if err != nil {
		return 0, err
	}
	if flags&unix.TIMER_ABSTIME != 0 {
		// It is simply issued again after a signal: the time does not move.
		err := sleepUntil(t, base, ns)
		if err == abi.ERESTARTSYS {
			err = abi.ERESTARTNOHAND
		}
		return 0, err
	}
	return relativeSleep(t, base, ns, usermem.Addr(a[3]))
}

// cpuSleep sleeps by the process's own processor time, which passes only while
// other threads of it run.
func cpuSleep(t *kernel.Task, a arch.Args) (uintptr, error) {
	ns, err := inTimespec(t, usermem.Addr(a[2]))
	if err != nil {
		return 0, err
	}
	end := time.Duration(ns)
	if a[1].Int()&unix.TIMER_ABSTIME == 0 {
		end += t.ThreadGroup().CPUTime()
	}
	for {
		left := end - t.ThreadGroup().CPUTime()
		if left <= 0 {
			return 0, nil
		}
		if err := t.Block(nil, time.Now().Add(max(left, time.Millisecond))); err != nil && err != unix.ETIMEDOUT {
			return 0, unix.EINTR
		}
	}
}

// sleepUntil sleeps until the clock of base is at ns.
func sleepUntil(t *kernel.Task, base int, ns int64) error {
	c := t.Kernel().Clocks()
	for {
		left := ns - c.Nanos(base)
		if left <= 0 {
			return nil
		}
		err := t.Block(nil, time.Now().Add(time.Duration(left)))
		if err != nil && err != unix.ETIMEDOUT {
			return err
		}
	}
}

func relativeSleep(t *kernel.Task, base int, ns int64, rem usermem.Addr) (uintptr, error) {
	now := t.Kernel().Clocks().Nanos(base)
	end := now + ns
	if end < now {
		end = 1<<63 - 1
	}
	return (&sleepRestart{base, end, rem}).Restart(t)
}

// sleepRestart goes on with a sleep that a signal interrupted.
type sleepRestart struct {
	base int
	end  int64 // of the clock, ns
	rem  usermem.Addr
}

// Restart implements kernel.Restart.
func (s *sleepRestart) Restart(t *kernel.Task) (uintptr, error) {
	err := sleepUntil(t, s.base, s.end)
	if err != abi.ERESTARTSYS {
		return 0, err
	}
	if s.rem != 0 {
		left := unix.NsecToTimespec(max(s.end-t.Kernel().Clocks().Nanos(s.base), 0))
		if err := usermem.Out(t.Mem(), s.rem, &left); err != nil {
			return 0, err
		}
	}
	return 0, t.SetRestart(s)
}
