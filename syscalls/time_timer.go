package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/clock"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// itimerval is struct itimerval.
type itimerval struct{ Interval, Value unix.Timeval }

// microsOf converts a struct timeval to nanoseconds.
func microsOf(tv unix.Timeval) (int64, bool) {
	if tv.Usec < 0 || tv.Usec >= 1e6 {
		return 0, false
	}
	return nanosOf(unix.Timespec{Sec: tv.Sec, Nsec: tv.Usec * 1000})
}

func itimervalOf(s kernel.TimerSpec) itimerval {
	return itimerval{Interval: unix.NsecToTimeval(s.Interval), Value: unix.NsecToTimeval(s.Value)}
}

// getitimer is getitimer(2).
func getitimer(t *kernel.Task, a arch.Args) (uintptr, error) {
	which := a[0].Int()
	if which < unix.ITIMER_REAL || which > unix.ITIMER_PROF {
		return 0, unix.EINVAL
	}
	v := itimervalOf(t.ThreadGroup().GetITimer(which))
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &v)
}

// setitimer is setitimer(2). As on Linux no new value at all disarms.
func setitimer(t *kernel.Task, a arch.Args) (uintptr, error) {
	var s kernel.TimerSpec
	if a[1] != 0 {
		v, err := usermem.In[itimerval](t.Mem(), usermem.Addr(a[1]))
		if err != nil {
			return 0, err
		}
		var ok1, ok2 bool
		s.Value, ok1 = microsOf(v.Value)
		s.Interval, ok2 = microsOf(v.Interval)
		if !ok1 || !ok2 {
			return 0, unix.EINVAL
		}
	}
	which := a[0].Int()
	if which < unix.ITIMER_REAL || which > unix.ITIMER_PROF {
		return 0, unix.EINVAL
	}
	old := itimervalOf(t.ThreadGroup().SetITimer(which, s))
	if a[2] == 0 {
		return 0, nil
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[2]), &old)
}

// alarm is alarm(2).
func alarm(t *kernel.Task, a arch.Args) (uintptr, error) {
	const second = 1e9
	old := t.ThreadGroup().SetITimer(unix.ITIMER_REAL, kernel.TimerSpec{Value: int64(a[0].Uint()) * second})
	// Rounded, but never to 0 while it runs.
	left := (old.Value + second/2) / second
	if old.Value > 0 {
		left = max(left, 1)
	}
	return uintptr(left), nil
}

// sigevent is struct sigevent.
type sigevent struct {
	Value         uint64
	Signo, Notify int32
	TID           int32
	_             [44]byte
}

// The values of sigev_notify.
const (
	sigevSignal   = 0
	sigevNone     = 1
	sigevThread   = 2
	sigevThreadID = 4
)

// timerEvent decodes who is told of a timer; addr 0 is the process, by SIGALRM.
func timerEvent(t *kernel.Task, addr arch.Arg) (kernel.TimerEvent, error) {
	if addr == 0 {
		return kernel.TimerEvent{Signo: int32(unix.SIGALRM)}, nil
	}
	ev, err := usermem.In[sigevent](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return kernel.TimerEvent{}, err
	}
	e := kernel.TimerEvent{Signo: ev.Signo, Value: ev.Value}
	switch ev.Notify {
	case sigevNone:
		e.None, e.Signo = true, 0
		return e, nil
	case sigevSignal, sigevThread:
	case sigevSignal | sigevThreadID:
		e.Thread = t.PIDNS().Task(ev.TID)
		if e.Thread == nil || e.Thread.ThreadGroup() != t.ThreadGroup() {
			return e, unix.EINVAL
		}
	default:
		return e, unix.EINVAL
	}
	if e.Signo < 1 || e.Signo > maxSignal {
		return e, unix.EINVAL
	}
	return e, nil
}

// timerCreate is timer_create(2).
func timerCreate(t *kernel.Task, a arch.Args) (uintptr, error) {
	id := a[0].Int()
	base := 0
	var cpu *kernel.CPUClock
	switch id {
	case unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_TAI:
		base, _ = clock.Base(id)
	case unix.CLOCK_REALTIME_ALARM, unix.CLOCK_BOOTTIME_ALARM:
		if !t.Cred().HasCap(unix.CAP_WAKE_ALARM) {
			return 0, unix.EPERM
		}
		base, _ = clock.Base(id)
	case unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_MONOTONIC_COARSE, unix.CLOCK_REALTIME_COARSE:
		return 0, unix.EOPNOTSUPP
	default:
		var err error
		if cpu, err = t.CPUClockOf(id); err != nil {
			return 0, err
		}
	}
	ev, err := timerEvent(t, a[1])
	if err != nil {
		return 0, err
	}
	n, err := t.NewTimer(base, cpu, ev, a[1] == 0)
	if err != nil {
		return 0, err
	}
	if err := usermem.Out(t.Mem(), usermem.Addr(a[2]), &n); err != nil {
		_ = t.ThreadGroup().DeleteTimer(n) // it was made just now
		return 0, err
	}
	return 0, nil
}

func itimerspecOf(s kernel.TimerSpec) unix.ItimerSpec {
	return unix.ItimerSpec{Interval: unix.NsecToTimespec(s.Interval), Value: unix.NsecToTimespec(s.Value)}
}

// timerSettime is timer_settime(2).
func timerSettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[2] == 0 {
		return 0, unix.EINVAL
	}
	v, err := usermem.In[unix.ItimerSpec](t.Mem(), usermem.Addr(a[2]))
	if err != nil {
		return 0, err
	}
	value, ok1 := nanosOf(v.Value)
	interval, ok2 := nanosOf(v.Interval)
	if !ok1 || !ok2 {
		return 0, unix.EINVAL
	}
	const absolute = 1 // TIMER_ABSTIME
	old, err := t.ThreadGroup().SetTimer(a[0].Int(), kernel.TimerSpec{Value: value, Interval: interval}, a[1].Int()&absolute != 0)
	if err != nil || a[3] == 0 {
		return 0, err
	}
	o := itimerspecOf(old)
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[3]), &o)
}

// timerGettime is timer_gettime(2).
func timerGettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	s, err := t.ThreadGroup().GetTimer(a[0].Int())
	if err != nil {
		return 0, err
	}
	v := itimerspecOf(s)
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &v)
}

// timerGetoverrun is timer_getoverrun(2).
func timerGetoverrun(t *kernel.Task, a arch.Args) (uintptr, error) {
	n, err := t.ThreadGroup().TimerOverrun(a[0].Int())
	return uintptr(n), err
}

// timerDelete is timer_delete(2).
func timerDelete(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.ThreadGroup().DeleteTimer(a[0].Int())
}
