package syscalls

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/timerfd"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// timerfdCreate is timerfd_create(2).
func timerfdCreate(t *kernel.Task, a arch.Args) (uintptr, error) {
	clock, flags := a[0].Int(), a[1].Uint()
	if flags&^uint32(unix.TFD_CLOEXEC|unix.TFD_NONBLOCK) != 0 {
		return 0, unix.EINVAL
	}
	switch clock {
	case unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME:
	case unix.CLOCK_REALTIME_ALARM, unix.CLOCK_BOOTTIME_ALARM:
		if !t.Cred().HasCap(unix.CAP_WAKE_ALARM) {
			return 0, unix.EPERM
		}
	default:
		return 0, unix.EINVAL
	}
	f := timerfd.New(t.Kernel().Anon(), t.Cred(), hostClocks{}, clock, flags&unix.TFD_NONBLOCK)
	return install(t, f, flags&unix.TFD_CLOEXEC != 0)
}

// timerfdSettime is timerfd_settime(2).
func timerfdSettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[1].Uint()
	v, err := usermem.In[unix.ItimerSpec](t.Mem(), usermem.Addr(a[2]))
	if err != nil {
		return 0, err
	}
	value, ok1 := nanosOf(v.Value)
	interval, ok2 := nanosOf(v.Interval)
	if flags&^uint32(unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET) != 0 || !ok1 || !ok2 {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	tm := timerfd.Of(f)
	if tm == nil {
		return 0, unix.EINVAL
	}
	// The guest cannot set the clock, so there is nothing to cancel on.
	old := specOf(tm.Set(timerfd.Spec{Value: value, Interval: interval}, flags&unix.TFD_TIMER_ABSTIME != 0))
	if a[3] == 0 {
		return 0, nil
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[3]), &old)
}

// timerfdGettime is timerfd_gettime(2).
func timerfdGettime(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	tm := timerfd.Of(f)
	if tm == nil {
		return 0, unix.EINVAL
	}
	v := specOf(tm.Get())
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &v)
}

// nanosOf converts a time that is not negative; what is too long is for ever.
func nanosOf(ts unix.Timespec) (int64, bool) {
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
		return 0, false
	}
	if ts.Sec >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64, true
	}
	return ts.Sec*int64(time.Second) + ts.Nsec, true
}

func specOf(s timerfd.Spec) unix.ItimerSpec {
	return unix.ItimerSpec{Value: unix.NsecToTimespec(s.Value), Interval: unix.NsecToTimespec(s.Interval)}
}

// hostClocks are the host's clocks, which are the guest's.
type hostClocks struct{}

// Nanos implements timerfd.Clock.
func (hostClocks) Nanos(clock int32) int64 {
	switch clock {
	case unix.CLOCK_REALTIME_ALARM:
		clock = unix.CLOCK_REALTIME
	case unix.CLOCK_BOOTTIME_ALARM:
		clock = unix.CLOCK_BOOTTIME
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
