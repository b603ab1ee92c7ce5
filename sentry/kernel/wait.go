package kernel

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/wait"
)

// WaitOpts is what wait4(2) and waitid(2) ask for.
type WaitOpts struct {
	// PID is a process to wait for, PGID a process group; with both 0 any child.
	PID, PGID int32
	// Of, if not nil, is the only process to wait for.
	Of *PIDRef
	// Options are WNOHANG, WUNTRACED (WSTOPPED), WCONTINUED, WEXITED, WNOWAIT,
	// __WALL, __WCLONE, __WNOTHREAD.
	Options int32
}

// WaitResult is the child that was found. PID 0 is none, with WNOHANG.
type WaitResult struct {
	PID    int32
	UID    uint32
	Status int32 // as wait4(2) has it
	Code   int32 // CLD_*
	Value  int32 // waitid's si_status
	Usage  unix.Rusage
}

// The si_code values of SIGCHLD.
const (
	cldExited    = 1
	cldKilled    = 2
	cldDumped    = 3
	cldTrapped   = 4
	cldStopped   = 5
	cldContinued = 6
)

const stoppedStatus = 0x7f

// continuedStatus is the wait status of a child that was continued.
const continuedStatus = 0xffff

// Wait waits for a child. ECHILD if there is none to wait for.
func (t *Task) Wait(o WaitOpts) (WaitResult, error) {
	var res WaitResult
	try := func() error {
		var found bool
		var err error
		res, found, err = t.tryWait(o)
		switch {
		case err != nil:
			return err
		case found || o.Options&unix.WNOHANG != 0:
			return nil
		}
		return unix.EAGAIN
	}
	err := current.Retry(t, children{t.group}, wait.In, time.Time{}, try)
	return res, err
}

// children is the Waitable of a process's children.
type children struct{ tg *ThreadGroup }

// Readiness implements wait.Waitable.
func (children) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (c children) Register(e *wait.Entry, m wait.Mask) { c.tg.childQueue.Register(e, m) }

// Unregister implements wait.Waitable.
func (c children) Unregister(e *wait.Entry) { c.tg.childQueue.Unregister(e) }

// tryWait looks once.
func (t *Task) tryWait(o WaitOpts) (WaitResult, bool, error) {
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	any := false
	for c := t.group.children.head; c != nil; c = c.sibling.next {
		if !t.eligible(c, o) {
			continue
		}
		any = true
		if res, ok := t.reap(c, o); ok {
			return res, true, nil
		}
	}
	if !any {
		return WaitResult{}, false, unix.ECHILD
	}
	return WaitResult{}, false, nil
}

// eligible reports whether o asks for child c (eligible_child in kernel/exit.c).
func (t *Task) eligible(c *ThreadGroup, o WaitOpts) bool {
	switch {
	case o.Of != nil && (o.Of.group != c || o.Of.other != nil),
		o.PID != 0 && c.idIn(t.ns) != o.PID,
		o.PGID != 0 && c.pgrp.idIn(t.ns) != o.PGID,
		o.Options&unix.WNOTHREAD != 0 && c.parentTask != t:
		return false
	}
	if o.Options&unix.WALL != 0 {
		return true
	}
	clone := c.exitSignal != int32(unix.SIGCHLD)
	return clone == (uint32(o.Options)&unix.WCLONE != 0)
}

// reap takes what c has to report, if o asks for it.
func (t *Task) reap(c *ThreadGroup, o WaitOpts) (WaitResult, bool) {
	res := WaitResult{PID: c.idIn(t.ns), UID: c.leader.CredOf().RUID}
	keep := o.Options&unix.WNOWAIT != 0
	if c.zombie {
		if o.Options&unix.WEXITED == 0 || c.ns.ending == c {
			return res, false
		}
		res.Status, res.Usage = c.status, c.rusageAll()
		res.Code, res.Value = exitCode(c.status)
		if !keep {
			c.release()
		}
		return res, true
	}
	ev, ok := c.stopEvent(o.Options&unix.WUNTRACED != 0, o.Options&unix.WCONTINUED != 0, !keep)
	if !ok {
		return res, false
	}
	res.Usage = c.rusageAll()
	if ev.continued {
		res.Status, res.Code, res.Value = continuedStatus, cldContinued, int32(unix.SIGCONT)
	} else {
		res.Status, res.Code, res.Value = ev.signo<<8|stoppedStatus, cldStopped, ev.signo
	}
	return res, true
}

// exitCode splits a wait status into si_code and si_status.
func exitCode(status int32) (code, value int32) {
	switch {
	case status&0x7f == 0:
		return cldExited, status >> 8 & 0xff
	case status&coreBit != 0:
		return cldDumped, status & 0x7f
	}
	return cldKilled, status & 0x7f
}
