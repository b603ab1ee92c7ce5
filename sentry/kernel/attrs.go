package kernel

import (
	"hull/sentry/limits"
	"hull/sentry/usermem"
)

// Limits returns the process's resource limits.
func (tg *ThreadGroup) Limits() *limits.Set { return tg.limits }

// Leader returns the thread whose number is the process's.
func (tg *ThreadGroup) Leader() *Task {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.leader
}

// Tasks returns the threads that have not exited, the leader even if it has.
func (tg *ThreadGroup) Tasks() []*Task {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	ts := append([]*Task(nil), tg.tasks...)
	if tg.leader.exited && !tg.reaped {
		ts = append(ts, tg.leader)
	}
	return ts
}

// ClearTID returns what set_tid_address(2) set.
func (t *Task) ClearTID() usermem.Addr { return t.own.clearTID }

// SetPdeathSignal is prctl(PR_SET_PDEATHSIG).
func (t *Task) SetPdeathSignal(signo int32) {
	t.k.tasks.Lock()
	t.pdeath = signo
	t.k.tasks.Unlock()
}

// PdeathSignal is prctl(PR_GET_PDEATHSIG).
func (t *Task) PdeathSignal() int32 {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	return t.pdeath
}

// SetSubreaper is prctl(PR_SET_CHILD_SUBREAPER).
func (tg *ThreadGroup) SetSubreaper(on bool) {
	tg.k.tasks.Lock()
	tg.subreaper = on
	tg.k.tasks.Unlock()
}

// Subreaper is prctl(PR_GET_CHILD_SUBREAPER).
func (tg *ThreadGroup) Subreaper() bool {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.subreaper
}

// RegisterBarrier is MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED.
func (tg *ThreadGroup) RegisterBarrier() { tg.barrier.Store(true) }

// BarrierRegistered reports whether it was called.
func (tg *ThreadGroup) BarrierRegistered() bool { return tg.barrier.Load() }

// OOMScoreAdj is /proc/PID/oom_score_adj.
func (tg *ThreadGroup) OOMScoreAdj() int32 {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.oom
}

// SetOOMScoreAdj sets it.
func (tg *ThreadGroup) SetOOMScoreAdj(v int32) {
	tg.k.tasks.Lock()
	tg.oom = v
	tg.k.tasks.Unlock()
}

// Personality is personality(2)'s value.
func (t *Task) Personality() uint32 {
	t.has.Lock()
	defer t.has.Unlock()
	return t.has.personality
}

// SetPersonality replaces it.
func (t *Task) SetPersonality(p uint32) {
	t.has.Lock()
	t.has.personality = p
	t.has.Unlock()
}

// defaultSlack is the timer slack that Linux gives, in nanoseconds.
const defaultSlack = 50000

// TimerSlack is prctl(PR_GET_TIMERSLACK), in nanoseconds.
func (t *Task) TimerSlack() int64 {
	if t.own.slack == 0 {
		return defaultSlack
	}
	return t.own.slack
}

// SetTimerSlack is prctl(PR_SET_TIMERSLACK); 0 or less is the default.
func (t *Task) SetTimerSlack(ns int64) { t.own.slack = max(ns, 0) }

// SelectTasks returns the tasks of a process group (0: the caller's), or those
// whose real user is who (0: the caller's).
func (t *Task) SelectTasks(group bool, who int32) []*Task {
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	pg := t.group.pgrp
	if group && who != 0 {
		if pg = t.ns.pgrps[who]; pg == nil {
			return nil
		}
	}
	uid := uint32(who)
	if who == 0 {
		uid = t.has.cred.RUID
	}
	var ts []*Task
	for _, o := range t.ns.tasks {
		if o.exited {
			continue
		}
		if group && o.group.pgrp == pg || !group && o.CredOf().RUID == uid {
			ts = append(ts, o)
		}
	}
	return ts
}

// MemoryTotals returns how much memory the sandbox has, and how much of it is
// free, in bytes.
func (k *Kernel) MemoryTotals() (total, free uint64) {
	total = k.cfg.MemoryTotal
	if used := k.cfg.Memory.Usage(); used < total {
		free = total - used
	}
	return total, free
}
