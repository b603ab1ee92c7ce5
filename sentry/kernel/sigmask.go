package kernel

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/wait"
)

// SignalMask returns the signals that the calling task blocks.
func (t *Task) SignalMask() SignalSet { return t.sig.mask }

// SetSignalMask replaces the signals that the calling task blocks.
func (t *Task) SetSignalMask(set SignalSet) {
	g := &t.group.sig
	g.Lock()
	t.block(set)
	g.Unlock()
}

// block sets the mask. The group's lock is held. Signals of the process that the
// task does not take any more are left to other threads.
func (t *Task) block(set SignalSet) {
	g := &t.group.sig
	set &^= unblockable()
	lost := g.pending.set & set &^ t.sig.mask
	t.sig.mask = set
	t.recalc()
	if lost == 0 {
		return
	}
	g.Unlock()
	t.k.tasks.Lock()
	g.Lock()
	t.group.retarget(t, lost)
	t.k.tasks.Unlock()
}

// SetTemporaryMask replaces the signal mask until the system call is over, or a
// handler that interrupted it has run.
func (t *Task) SetTemporaryMask(set SignalSet) {
	g := &t.group.sig
	g.Lock()
	defer g.Unlock()
	if !t.sig.temporary {
		t.sig.saved, t.sig.temporary = t.sig.mask, true
	}
	t.block(set)
}

// finishMask ends a temporary mask with a call that was not interrupted. It
// reports whether there still is one.
func (t *Task) finishMask(err error) bool {
	if t.sig.temporary && err != unix.EINTR && !isRestart(err) {
		t.restoreMask()
	}
	return t.sig.temporary
}

// restoreMask ends a temporary mask: no handler ran.
func (t *Task) restoreMask() {
	if !t.sig.temporary {
		return
	}
	g := &t.group.sig
	g.Lock()
	t.sig.temporary = false
	t.block(t.sig.saved)
	g.Unlock()
}

// PendingSignals is sigpending(2).
func (t *Task) PendingSignals() SignalSet {
	g := &t.group.sig
	g.Lock()
	defer g.Unlock()
	return (t.sig.pending.set | g.pending.set) & t.sig.mask
}

// SigAction is sigaction(2): it returns the action of a signal and, with set not
// nil, replaces it.
func (t *Task) SigAction(signo int32, set *SigAction) (SigAction, error) {
	if signo < 1 || signo > MaxSignal || set != nil && unblockable().Has(signo) {
		return SigAction{}, unix.EINVAL
	}
	g := &t.group.sig
	if set == nil {
		return g.handlers.get(signo), nil
	}
	a := *set
	a.Flags &= saKnown
	a.Mask &^= unblockable()
	if !a.ignores(signo) {
		return g.handlers.set(signo, a), nil
	}
	// POSIX: what is ignored from now on is forgotten, even if it is blocked.
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	g.Lock()
	defer g.Unlock()
	old := g.handlers.set(signo, a)
	t.group.flush(bit(signo))
	t.recalc()
	return old, nil
}

// The flags of sigaltstack(2).
const (
	ssOnStack    = 1
	ssDisable    = 2
	ssAutodisarm = -1 << 31
)

// onAltStack reports whether sp is on the stack for signals.
func (t *Task) onAltStack(sp uint64) bool {
	return t.sig.alt.Flags&ssAutodisarm == 0 && t.sig.alt.Contains(sp)
}

// SetAltStack is sigaltstack(2): it returns what there was and, with set not
// nil, replaces it.
func (t *Task) SetAltStack(set *arch.AltStack) (arch.AltStack, error) {
	const minSize = 2048 // MINSIGSTKSZ
	a := &t.sig.alt
	on := t.onAltStack(t.own.arch.SP())
	old := arch.AltStack{SP: a.SP, Size: a.Size, Flags: a.Flags & ssAutodisarm}
	switch {
	case a.Size == 0:
		old.Flags |= ssDisable
	case on:
		old.Flags |= ssOnStack
	}
	if set == nil {
		return old, nil
	}
	if on {
		return old, unix.EPERM
	}
	n := arch.AltStack{SP: set.SP, Flags: set.Flags, Size: set.Size}
	switch n.Flags &^ ssAutodisarm {
	case ssDisable:
		n.SP, n.Size = 0, 0
	case 0, ssOnStack:
		if n.Size < minSize {
			return old, unix.ENOMEM
		}
	default:
		return old, unix.EINVAL
	}
	*a = n
	return old, nil
}

// Pause sleeps until a signal is to be delivered: pause(2), and sigsuspend(2)
// after SetTemporaryMask.
func (t *Task) Pause() error {
	for {
		if err := t.Block(nil, time.Time{}); err != nil {
			return abi.ERESTARTNOHAND
		}
	}
}

// WaitSignal is sigtimedwait(2): it takes a signal of set, waiting until the
// deadline if it is set. EAGAIN when that has passed, EINTR if another signal
// came.
func (t *Task) WaitSignal(set SignalSet, deadline time.Time) (SignalInfo, error) {
	set &^= unblockable()
	g, s := &t.group.sig, &t.sig
	g.Lock()
	if info, ok := t.dequeue(set); ok {
		t.recalc()
		g.Unlock()
		return info, nil
	}
	// While it waits the signals are not blocked, so that it is who is woken;
	// real says that no action is theirs.
	mask := s.mask
	s.real = set
	s.mask &^= set
	t.recalc()
	g.Unlock()
	var err error
	for err == nil {
		err = t.Block(nil, deadline)
	}
	g.Lock()
	s.real = 0
	info, ok := t.dequeue(set)
	t.block(mask)
	g.Unlock()
	switch {
	case ok:
		return info, nil
	case err == unix.ETIMEDOUT:
		return info, unix.EAGAIN
	}
	return info, unix.EINTR
}

// TakeSignal takes a pending signal of set, for signalfd(2).
func (t *Task) TakeSignal(set SignalSet) (SignalInfo, bool) {
	g := &t.group.sig
	g.Lock()
	defer g.Unlock()
	info, ok := t.dequeue(set &^ unblockable())
	t.recalc()
	return info, ok
}

// HasSignal reports whether a signal of set is pending.
func (t *Task) HasSignal(set SignalSet) bool {
	g := &t.group.sig
	g.Lock()
	defer g.Unlock()
	return (t.sig.pending.set|g.pending.set)&set&^unblockable() != 0
}

// fatalPending reports whether a signal waits that is the end of the task.
func (t *Task) fatalPending() bool {
	// A fatal signal kills when it is sent, if the task does not block it.
	return t.killed.Load()
}

// SignalQueue is notified when a signal becomes pending for the process or one
// of its threads.
func (tg *ThreadGroup) SignalQueue() *wait.Queue { return &tg.sig.queue }
