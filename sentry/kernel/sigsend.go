package kernel

import (
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// SendSignal sends a signal to the thread.
func (t *Task) SendSignal(info *SignalInfo) error {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	return t.group.send(t, info)
}

// SendSignal sends a signal to the process.
func (tg *ThreadGroup) SendSignal(info *SignalInfo) error {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.sendSignal(info)
}

// sendSignal is SendSignal under Kernel.tasks.
func (tg *ThreadGroup) sendSignal(info *SignalInfo) error { return tg.send(nil, info) }

// SendSignal sends a signal to each process of the group.
func (pg *ProcessGroup) SendSignal(info *SignalInfo) error {
	k := pg.ns.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	var err error
	for m := range pg.members {
		if e := m.sendSignal(info); e != nil {
			err = e
		}
	}
	return err
}

// send makes info pending for the process, or for only one thread of it, and
// wakes who is to take it. Kernel.tasks is held. EAGAIN if it cannot be queued.
func (tg *ThreadGroup) send(only *Task, info *SignalInfo) error {
	signo := info.Signo
	if signo < 1 || signo > MaxSignal {
		return unix.EINVAL
	}
	if tg.zombie || tg.exiting || only != nil && only.exited || len(tg.tasks) == 0 {
		return nil // it dies already
	}
	g := &tg.sig
	g.Lock()
	continued := tg.jobControl(signo)
	err := tg.enqueue(only, info)
	g.Unlock()
	if continued {
		tg.tellParent(cldContinued, int32(unix.SIGCONT))
	}
	return err
}

// jobControl is what sending a signal does before it is received: a stop signal
// takes back a pending SIGCONT, SIGCONT takes back pending stops and ends the
// stop that is. It reports whether a stopped process was continued.
func (tg *ThreadGroup) jobControl(signo int32) (continued bool) {
	switch {
	case stopSet().Has(signo):
		tg.flush(SetOf(unix.SIGCONT))
	case signo == int32(unix.SIGCONT):
		tg.flush(stopSet())
		return tg.resume()
	}
	return false
}

// flush takes signals back wherever they are pending.
func (tg *ThreadGroup) flush(set SignalSet) {
	tg.sig.pending.flush(set, &tg.k.signals)
	for _, t := range tg.tasks {
		t.sig.pending.flush(set, &tg.k.signals)
	}
}

// enqueue is the part of send for a signal that may be ignored. The locks are
// held.
func (tg *ThreadGroup) enqueue(only *Task, info *SignalInfo) error {
	g, signo := &tg.sig, info.Signo
	aim := only
	if aim == nil {
		aim = tg.leader
	}
	if tg.discards(aim, info) {
		if info.timer != nil {
			info.timer.discarded()
		}
		return nil
	}
	q := &g.pending
	if only != nil {
		q = &only.sig.pending
	}
	if signo < firstRT && q.set.Has(signo) && info.timer == nil {
		return nil // one of the standard signals is enough
	}
	if to := tg.receiver(only, signo); to != nil && tg.fatal(to, info) {
		tg.kill(signo, nil)
		return nil
	}
	if err := tg.push(q, aim, info); err != nil {
		return err
	}
	if to := tg.receiver(only, signo); to != nil {
		to.sig.notice.Store(true)
		to.wakeup()
	}
	g.queue.Notify(wait.In | wait.RdNrm)
	return nil
}

// push queues info, or only its number if the receiver's user has too many and
// the signal does not need more.
func (tg *ThreadGroup) push(q *sigQueue, aim *Task, info *SignalInfo) error {
	s := &queuedSignal{info: *info, uid: aim.CredOf().RUID}
	if tm := info.timer; tm != nil {
		tm.queued = true // it was counted when it was made
		q.push(s)
		return nil
	}
	limit := tg.limits.Get(unix.RLIMIT_SIGPENDING).Cur
	if info.Signo < firstRT && info.Code >= 0 {
		limit = ^uint64(0) // at most one of each
	}
	if !tg.k.signals.charge(s.uid, limit) {
		if info.Signo >= firstRT && info.Code != siUser {
			return unix.EAGAIN
		}
		q.set |= bit(info.Signo)
		return nil
	}
	s.charged = true
	q.push(s)
	return nil
}

// discards reports whether nobody is to see the signal: its action is to ignore
// it, and it is not blocked.
func (tg *ThreadGroup) discards(aim *Task, info *SignalInfo) bool {
	if (aim.sig.mask | aim.sig.real).Has(info.Signo) {
		return false
	}
	a := tg.sig.handlers.get(info.Signo)
	if tg.unkillable() && a.Handler == sigDefault && (info.Inside || !unblockable().Has(info.Signo)) {
		return true
	}
	return a.ignores(info.Signo)
}

// unkillable reports whether tg is the init of its namespace: signals without a
// handler pass it by. Kernel.tasks is held.
func (tg *ThreadGroup) unkillable() bool { return tg.ns.init == tg && !tg.direct }

// fatal reports whether the signal is the end of the process, so that all of its
// threads can be told at once.
func (tg *ThreadGroup) fatal(to *Task, info *SignalInfo) bool {
	signo := info.Signo
	if to.sig.real.Has(signo) && signo != sigKill {
		return false // somebody waits for it
	}
	a := tg.sig.handlers.get(signo)
	return a.Handler == sigDefault && !stopSet().Has(signo) && !ignoredByDefault().Has(signo)
}

// receiver returns the thread that takes the signal at once, nil if none does:
// the main thread if it can, else any.
func (tg *ThreadGroup) receiver(only *Task, signo int32) *Task {
	wants := func(t *Task) bool {
		return !t.sig.gone && (!t.sig.mask.Has(signo) || unblockable().Has(signo)) &&
			(signo == sigKill || !t.sig.parked)
	}
	if only != nil {
		if wants(only) {
			return only
		}
		return nil
	}
	var busy *Task
	for _, t := range tg.tasks {
		if !wants(t) {
			continue
		}
		if !t.sig.notice.Load() {
			return t
		}
		if busy == nil {
			busy = t
		}
	}
	return busy
}

// retarget finds other threads for the pending signals of the process that t,
// which blocks them now or exits, does not take. The locks are held.
func (tg *ThreadGroup) retarget(t *Task, set SignalSet) {
	set &= tg.sig.pending.set
	for _, o := range tg.tasks {
		if o == t || o.sig.gone || set&^o.sig.mask == 0 {
			continue
		}
		set &= o.sig.mask
		if !o.sig.notice.Swap(true) {
			o.wakeup()
		}
	}
}

// MayKill checks permission to send a signal, kill(2): EPERM.
func (t *Task) MayKill(target *Task, signo int32) error {
	if t.group == target.group {
		return nil
	}
	c, o := t.Cred(), target.CredOf()
	if c.EUID == o.SUID || c.EUID == o.RUID || c.RUID == o.SUID || c.RUID == o.RUID ||
		c.HasCapIn(o.UserNS, unix.CAP_KILL) {
		return nil
	}
	if signo == int32(unix.SIGCONT) {
		t.k.tasks.Lock()
		defer t.k.tasks.Unlock()
		if p, q := t.group.pgrp, target.group.pgrp; p != nil && q != nil && p.session == q.session {
			return nil
		}
	}
	return unix.EPERM
}

// from fills in the sender as the receiver sees it.
func (t *Task) from(info SignalInfo, to *ThreadGroup) SignalInfo {
	pid := t.group.IDIn(to.ns)
	info.Inside = pid != 0
	if info.Given == nil {
		info.PID, info.UID = pid, t.Cred().RUID
	}
	return info
}

// sendTo sends info to one process or thread; signal 0 only checks.
func (t *Task) sendTo(target *Task, thread bool, info SignalInfo) error {
	if info.Signo < 0 || info.Signo > MaxSignal {
		return unix.EINVAL
	}
	if err := t.MayKill(target, info.Signo); err != nil || info.Signo == 0 {
		return err
	}
	info = t.from(info, target.group)
	if thread {
		return target.SendSignal(&info)
	}
	return target.group.SendSignal(&info)
}

// Kill is kill(2).
func (t *Task) Kill(pid, signo int32) error {
	info := SignalInfo{Signo: signo, Code: siUser}
	if pid > 0 {
		return t.Queue(pid, info)
	}
	if pid == -1<<31 {
		return unix.ESRCH
	}
	set := t.killSet(pid)
	if len(set) == 0 {
		return unix.ESRCH
	}
	var last error
	sent := false
	for _, tg := range set {
		err := t.sendTo(tg.Leader(), false, info)
		sent = sent || err == nil
		if pid != -1 || err != unix.EPERM {
			last = err // those that a kill of all may not reach are passed over
		}
	}
	if sent && pid != -1 {
		return nil
	}
	return last
}

// killSet returns the processes that a pid below 1 means.
func (t *Task) killSet(pid int32) []*ThreadGroup {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	var gs []*ThreadGroup
	if pid == -1 {
		for _, o := range t.ns.tasks {
			if o.group.leader == o && o.group != t.group && o.tidIn(t.ns) != 1 {
				gs = append(gs, o.group)
			}
		}
		return gs
	}
	pg := t.group.pgrp
	if pid != 0 {
		pg = t.ns.pgrps[-pid]
	}
	if pg != nil {
		for m := range pg.members {
			gs = append(gs, m)
		}
	}
	return gs
}

// Queue sends info to the process that pid is a thread of: kill(2) with a
// positive pid, and rt_sigqueueinfo(2).
func (t *Task) Queue(pid int32, info SignalInfo) error {
	target := t.ns.Task(pid)
	if target == nil {
		return unix.ESRCH
	}
	return t.sendTo(target, false, info)
}

// QueueThread sends info to a thread; tgid, if positive, must be its process.
func (t *Task) QueueThread(tgid, tid int32, info SignalInfo) error {
	target := t.ns.Task(tid)
	if target == nil || tgid > 0 && target.group.IDIn(t.ns) != tgid {
		return unix.ESRCH
	}
	return t.sendTo(target, true, info)
}

// TKill is tkill(2), and tgkill(2) with a positive tgid.
func (t *Task) TKill(tgid, tid, signo int32) error {
	return t.QueueThread(tgid, tid, SignalInfo{Signo: signo, Code: siTKill})
}

// ioOwner is a receiver of SIGIO. Kind is F_OWNER_*.
type ioOwner struct {
	sender *Task // who set it: its credentials then count
	task   *Task
	group  *ThreadGroup
	pgrp   *ProcessGroup
}

const (
	ownerTID  = 0
	ownerPID  = 1
	ownerPGRP = 2
)

// IOOwner returns the task, process or process group that F_SETOWN_EX names, in
// the pid namespace of t. kind is F_OWNER_*. ESRCH if there is none.
func (t *Task) IOOwner(kind, id int32) (vfs.Owner, error) {
	o := &ioOwner{sender: t}
	switch kind {
	case ownerTID:
		o.task = t.ns.Task(id)
	case ownerPID:
		o.group = t.ns.Group(id)
	case ownerPGRP:
		o.pgrp = t.ns.ProcessGroup(id)
	default:
		return nil, unix.EINVAL
	}
	if o.task == nil && o.group == nil && o.pgrp == nil {
		return nil, unix.ESRCH
	}
	return o, nil
}

// IOReady implements vfs.Owner.
func (o *ioOwner) IOReady(signo, fd int32, ready wait.Mask) {
	info := SignalInfo{Signo: signo, Code: siSigIO, FD: fd, Band: int64(ready)}
	switch {
	case signo == 0:
		info = SignalInfo{Signo: int32(unix.SIGIO), Code: siKernel}
	case ready&wait.In != 0:
		info.Code = 1 // POLL_IN
	case ready&wait.Out != 0:
		info.Code = 2 // POLL_OUT
	case ready&wait.Pri != 0:
		info.Code = 5 // POLL_PRI
	}
	may := func(to *Task) bool { return to != nil && o.sender.MayKill(to, info.Signo) == nil }
	switch {
	case o.task != nil:
		if may(o.task) {
			_ = o.task.SendSignal(&info)
		}
	case o.group != nil:
		if may(o.group.Leader()) {
			_ = o.group.SendSignal(&info)
		}
	default:
		_ = o.pgrp.SendSignal(&info)
	}
}

// blockedOrIgnored reports whether the thread would not see a signal that
// terminals send.
func (t *Task) blockedOrIgnored(signo int32) bool {
	return t.sig.mask.Has(signo) || t.group.sig.handlers.get(signo).Handler == sigIgnore
}
