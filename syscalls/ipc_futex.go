package syscalls

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/futex"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// The operations of futex(2).
const (
	futexWait       = 0
	futexWake       = 1
	futexRequeueOp  = 3
	futexCmpRequeue = 4
	futexWakeOp     = 5
	futexLockPI     = 6
	futexUnlockPI   = 7
	futexTrylockPI  = 8
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexLockPI2    = 13

	futexPrivate  = 128
	futexRealtime = 256
)

// futexCall is futex(2). The PI operations keep owners but inherit no priority;
// FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI are not there.
func futexCall(t *kernel.Task, a arch.Args) (uintptr, error) {
	op := a[1].Int()
	private, realtime, cmd := op&futexPrivate != 0, op&futexRealtime != 0, op&^(futexPrivate|futexRealtime)
	timed := a[3] != 0
	switch cmd {
	case futexWait, futexWaitBitset, futexLockPI, futexLockPI2:
	default:
		timed = false
	}
	var ts unix.Timespec
	if timed {
		var err error
		if ts, err = usermem.In[unix.Timespec](t.Mem(), usermem.Addr(a[3])); err != nil {
			return 0, err
		}
		if _, ok := nanosOf(ts); !ok {
			return 0, unix.EINVAL
		}
	}
	if realtime && cmd != futexWaitBitset && cmd != futexLockPI2 && cmd != futexWait {
		return 0, unix.ENOSYS
	}
	w1 := futex.Word{Space: t.MM(), Addr: usermem.Addr(a[0]), Private: private}
	w2 := futex.Word{Space: t.MM(), Addr: usermem.Addr(a[4]), Private: private}
	tb := t.Kernel().Futexes()
	n1, n2 := a[2].Int(), a[3].Int()
	switch cmd {
	case futexWait, futexWaitBitset:
		bits := futex.AnyBit
		if cmd == futexWaitBitset {
			bits = a[5].Uint()
		}
		var until time.Time
		if timed {
			until = futexDeadline(ts, realtime, cmd == futexWaitBitset)
		}
		return futexSleep(t, w1, a[2].Uint(), bits, until)
	case futexWake:
		return result(tb.Wake(w1, n1, futex.AnyBit))
	case futexWakeBitset:
		return result(tb.Wake(w1, n1, a[5].Uint()))
	case futexRequeueOp:
		return result(tb.Requeue(w1, w2, n1, n2, nil))
	case futexCmpRequeue:
		want := a[5].Uint()
		return result(tb.Requeue(w1, w2, n1, n2, &want))
	case futexWakeOp:
		o, err := futex.DecodeOp(a[5].Uint())
		if err != nil {
			return 0, err
		}
		return result(tb.WakeOp(w1, w2, n1, n2, o))
	case futexLockPI, futexLockPI2:
		var until time.Time
		if timed {
			until = futexDeadline(ts, realtime || cmd == futexLockPI, true)
		}
		err := tb.LockPI(t, w1, t.FutexOwner(), t.FindFutexOwner, false, until)
		if err == abi.ERESTARTSYS {
			err = abi.ERESTARTNOINTR // a lock is never given up for a signal
		}
		return 0, err
	case futexTrylockPI:
		return 0, tb.LockPI(t, w1, t.FutexOwner(), t.FindFutexOwner, true, time.Time{})
	case futexUnlockPI:
		return 0, tb.UnlockPI(w1, t.FutexOwner())
	}
	return 0, unix.ENOSYS
}

func result(n int, err error) (uintptr, error) { return uintptr(n), err }

// futexDeadline turns a checked timeout into a deadline: of a clock, or from
// now on.
func futexDeadline(ts unix.Timespec, realtime, absolute bool) time.Time {
	ns, _ := nanosOf(ts)
	if absolute {
		id := int32(unix.CLOCK_MONOTONIC)
		if realtime {
			id = unix.CLOCK_REALTIME
		}
		ns -= hostClocks{}.Nanos(id)
	}
	return time.Now().Add(time.Duration(min(ns, int64(maxWait))))
}

// futexSleep waits at w. With a deadline a signal without a handler leaves the
// rest of the wait to restart_syscall(2).
func futexSleep(t *kernel.Task, w futex.Word, value, bits uint32, until time.Time) (uintptr, error) {
	err := t.Kernel().Futexes().Wait(t, w, value, bits, until)
	if err == abi.ERESTARTSYS && !until.IsZero() {
		return 0, t.SetRestart(&futexRestart{w.Addr, w.Private, value, bits, until})
	}
	return 0, err
}

// futexRestart is a wait that a signal interrupted.
type futexRestart struct {
	addr        usermem.Addr
	private     bool
	value, bits uint32
	until       time.Time
}

// Restart implements kernel.Restart.
func (r *futexRestart) Restart(t *kernel.Task) (uintptr, error) {
	return futexSleep(t, futex.Word{Space: t.MM(), Addr: r.addr, Private: r.private}, r.value, r.bits, r.until)
}

// The flags of futex_waitv(2) and of the calls that came after it (FUTEX2_*).
const (
	futex2SizeMask = 3
	futex2Size32   = 2
	futex2Private  = 128
	futexWaitvMax  = 128
)

// futex2Flags checks the flags of a word: only words of 32 bits are there, as on
// Linux.
func futex2Flags(flags uint32) error {
	if flags&^uint32(futex2SizeMask|futex2Private) != 0 || flags&futex2SizeMask != futex2Size32 {
		return unix.EINVAL
	}
	return nil
}

// futex2Deadline decodes the absolute timeout of these calls.
func futex2Deadline(t *kernel.Task, addr arch.Arg, clock int32) (time.Time, error) {
	if addr == 0 {
		return time.Time{}, nil
	}
	if clock != unix.CLOCK_REALTIME && clock != unix.CLOCK_MONOTONIC {
		return time.Time{}, unix.EINVAL
	}
	ts, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return time.Time{}, err
	}
	if _, ok := nanosOf(ts); !ok {
		return time.Time{}, unix.EINVAL
	}
	return futexDeadline(ts, clock == unix.CLOCK_REALTIME, true), nil
}

// futexWord2 is struct futex_waitv.
type futexWord2 struct {
	Value, Addr     uint64
	Flags, Reserved uint32
}

// futexWords copies in and checks n words to wait for.
func futexWords(t *kernel.Task, addr usermem.Addr, n int) ([]futex.Expect, error) {
	vs, err := usermem.InSlice[futexWord2](t.Mem(), addr, n)
	if err != nil {
		return nil, err
	}
	ws := make([]futex.Expect, n)
	for i, v := range vs {
		if err := futex2Flags(v.Flags); err != nil {
			return nil, err
		}
		if v.Reserved != 0 || v.Value > math.MaxUint32 {
			return nil, unix.EINVAL
		}
		ws[i] = futex.Expect{Value: uint32(v.Value),
			Word: futex.Word{Space: t.MM(), Addr: usermem.Addr(v.Addr), Private: v.Flags&futex2Private != 0}}
	}
	return ws, nil
}

// futexWaitv is futex_waitv(2).
func futexWaitv(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[2].Uint() != 0 {
		return 0, unix.EINVAL
	}
	n := a[1].Uint()
	if n == 0 || n > futexWaitvMax || a[0] == 0 {
		return 0, unix.EINVAL
	}
	until, err := futex2Deadline(t, a[3], a[4].Int())
	if err != nil {
		return 0, err
	}
	ws, err := futexWords(t, usermem.Addr(a[0]), int(n))
	if err != nil {
		return 0, err
	}
	return result(t.Kernel().Futexes().WaitMany(t, ws, until))
}

// futex2Wake is futex_wake(2).
func futex2Wake(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[3].Uint()
	if err := futex2Flags(flags); err != nil {
		return 0, err
	}
	if a[1].Uint64() == 0 || a[1].Uint64() > math.MaxUint32 {
		return 0, unix.EINVAL
	}
	w := futex.Word{Space: t.MM(), Addr: usermem.Addr(a[0]), Private: flags&futex2Private != 0}
	if a[2].Int() <= 0 {
		return 0, nil
	}
	return result(t.Kernel().Futexes().Wake(w, a[2].Int(), uint32(a[1])))
}

// futex2Wait is futex_wait(2).
func futex2Wait(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[3].Uint()
	if err := futex2Flags(flags); err != nil {
		return 0, err
	}
	if a[1] > math.MaxUint32 || a[2] > math.MaxUint32 || a[2] == 0 {
		return 0, unix.EINVAL
	}
	until, err := futex2Deadline(t, a[4], a[5].Int())
	if err != nil {
		return 0, err
	}
	w := futex.Word{Space: t.MM(), Addr: usermem.Addr(a[0]), Private: flags&futex2Private != 0}
	return 0, t.Kernel().Futexes().Wait(t, w, uint32(a[1]), uint32(a[2]), until)
}

// futex2Requeue is futex_requeue(2).
func futex2Requeue(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[1].Uint() != 0 || a[0] == 0 {
		return 0, unix.EINVAL
	}
	ws, err := futexWords(t, usermem.Addr(a[0]), 2)
	if err != nil {
		return 0, err
	}
	return result(t.Kernel().Futexes().Requeue(ws[0].Word, ws[1].Word, a[2].Int(), a[3].Int(), &ws[0].Value))
}

// robustHeadSize is sizeof(struct robust_list_head).
const robustHeadSize = 24

// setRobustList is set_robust_list(2).
func setRobustList(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[1].Size() != robustHeadSize {
		return 0, unix.EINVAL
	}
	t.SetRobustList(usermem.Addr(a[0]))
	return 0, nil
}

// getRobustList is get_robust_list(2).
func getRobustList(t *kernel.Task, a arch.Args) (uintptr, error) {
	o := t
	if tid := a[0].Int(); tid != 0 {
		if o = t.PIDNS().Task(tid); o == nil {
			return 0, unix.ESRCH
		}
	}
	if o != t {
		c, oc := t.Cred(), o.CredOf()
		same := c.RUID == oc.RUID && c.RUID == oc.EUID && c.RUID == oc.SUID && c.RGID == oc.RGID && c.RGID == oc.EGID && c.RGID == oc.SGID
		if !same && !c.HasCapIn(oc.UserNS, unix.CAP_SYS_PTRACE) {
			return 0, unix.EPERM
		}
	}
	head, size := uint64(o.RobustList()), uint64(robustHeadSize)
	if err := usermem.Out(t.Mem(), usermem.Addr(a[2]), &size); err != nil {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &head)
}
