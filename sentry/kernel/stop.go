package kernel

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/wait"
)

// stopState is job control of a process, guarded by groupSignals.
//
// Life of a stop: a thread takes a stop signal → requested, every thread is
// noticed → each parks → the last makes it complete and tells the parent →
// SIGCONT clears it, wakes all, and the parent hears of that too.
type stopState struct {
	requested bool
	complete  bool
	signo     int32
	reported  bool // a waiter saw the stop
	continued bool // a waiter may see that it went on
}

// stopEvent is what a waiter sees of job control.
type stopEvent struct {
	continued bool
	signo     int32
}

// stopEvent returns what a waiter for stops or continues sees, once if consume
// is set. Kernel.tasks is held.
func (tg *ThreadGroup) stopEvent(stops, continues, consume bool) (ev stopEvent, ok bool) {
	s := &tg.sig.stop
	tg.sig.Lock()
	defer tg.sig.Unlock()
	switch {
	case stops && s.complete && !s.reported:
		s.reported = consume
		return stopEvent{signo: s.signo}, true
	case continues && s.continued:
		s.continued = !consume
		return stopEvent{continued: true}, true
	}
	return ev, false
}

// stopped reports whether all threads have stopped.
func (tg *ThreadGroup) stopped() bool {
	tg.sig.Lock()
	defer tg.sig.Unlock()
	return tg.sig.stop.complete
}

// stopGroup is the default action of a stop signal.
func (t *Task) stopGroup(signo int32) {
	tg := t.group
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	if signo != int32(unix.SIGSTOP) && tg.pgrp != nil && tg.pgrp.orphaned(nil) {
		return // nobody could continue it
	}
	if tg.exiting || tg.execing != nil {
		return
	}
	g := &tg.sig
	g.Lock()
	defer g.Unlock()
	if g.stop.requested || g.pending.set.Has(int32(unix.SIGCONT)) || t.sig.pending.set.Has(int32(unix.SIGCONT)) {
		return
	}
	g.stop = stopState{requested: true, signo: signo}
	for _, o := range tg.tasks {
		if !o.sig.gone {
			o.sig.notice.Store(true)
			o.wakeup()
		}
	}
}

// park stops the task until SIGCONT or a kill.
func (t *Task) park() {
	start := t.k.now()
	t.state.Store(stateStopped)
	defer func() {
		t.state.Store(stateRunning)
		t.cpu.slept(t.k.now() - start)
	}()
	tg, g := t.group, &t.group.sig
	t.k.tasks.Lock()
	g.Lock()
	t.sig.parked = g.stop.requested
	tg.checkStop()
	t.k.tasks.Unlock()
	for g.stop.requested && !t.killed.Load() {
		g.Unlock()
		t.rest(time.Time{})
		g.Lock()
	}
	t.sig.parked = false
	t.recalc()
	g.Unlock()
}

// checkStop completes a stop once every thread is parked, and tells the parent.
// The locks are held; the group's is given up and taken again.
func (tg *ThreadGroup) checkStop() {
	s := &tg.sig.stop
	if !s.requested || s.complete {
		return
	}
	for _, t := range tg.tasks {
		if !t.sig.parked && !t.sig.gone {
			return
		}
	}
	s.complete = true
	signo := s.signo
	tg.sig.Unlock()
	tg.tellParent(cldStopped, signo)
	if tg.onStop != nil {
		go tg.onStop(signo) // it talks to the outside: no lock may be held
	}
	tg.sig.Lock()
}

// resume ends a stop. It reports whether the process had stopped altogether.
// The locks are held.
func (tg *ThreadGroup) resume() bool {
	s := &tg.sig.stop
	if !s.requested {
		return false
	}
	was := s.complete
	*s = stopState{continued: was}
	for _, t := range tg.tasks {
		t.wakeup()
	}
	return was
}

// tellParent tells the parent that the process stopped or went on. Kernel.tasks
// is held.
func (tg *ThreadGroup) tellParent(code, signo int32) {
	p := tg.parent
	if p == nil {
		return
	}
	a := p.sig.handlers.get(int32(unix.SIGCHLD))
	if a.Handler != sigIgnore && a.Flags&saNoCldStop == 0 {
		_ = p.sendSignal(tg.childInfo(int32(unix.SIGCHLD), code, signo))
	}
	p.childQueue.Notify(wait.In)
}

// notifyParent tells the parent that the process is a zombie. It reports whether
// the parent does not want to wait for it. Kernel.tasks is held.
func (tg *ThreadGroup) notifyParent() (autoreap bool) {
	p, signo := tg.parent, tg.exitSignal
	if signo == int32(unix.SIGCHLD) {
		a := p.sig.handlers.get(signo)
		autoreap = a.Handler == sigIgnore || a.Flags&saNoCldWait != 0
		if a.Handler == sigIgnore {
			signo = 0
		}
	}
	if signo != 0 {
		code, value := exitCode(tg.status)
		_ = p.sendSignal(tg.childInfo(signo, code, value))
	}
	p.childQueue.Notify(wait.In)
	return autoreap
}

// childInfo is the signal that tells of a child.
func (tg *ThreadGroup) childInfo(signo, code, value int32) *SignalInfo {
	const tick = 10 * time.Millisecond // USER_HZ is 100
	u, s := tg.times()
	return &SignalInfo{Signo: signo, Code: code, PID: tg.idIn(tg.parent.ns), UID: tg.leader.CredOf().RUID,
		Status: value, Utime: int64(u / tick), Stime: int64(s / tick)}
}

// exitSignals takes an exiting thread out of what signals are sent to: those of
// the process that it was to take go to others.
func (t *Task) exitSignals() {
	tg, g := t.group, &t.group.sig
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	g.Lock()
	defer g.Unlock()
	t.sig.gone = true
	t.sig.pending.flush(^SignalSet(0), &t.k.signals)
	tg.retarget(t, ^t.sig.mask)
	tg.dropThreadTimers(t)
	tg.checkStop()
}

// exitSignals forgets the signals of a process without threads. Kernel.tasks is
// held.
func (tg *ThreadGroup) exitSignals() {
	g := &tg.sig
	g.Lock()
	defer g.Unlock()
	tg.deleteTimers()
	tg.stopITimers()
	g.pending.flush(^SignalSet(0), &tg.k.signals)
	g.stop = stopState{}
	g.handlers.share(-1)
}
