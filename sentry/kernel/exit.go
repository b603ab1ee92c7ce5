package kernel

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/mm"
)

const (
	sigKill = int32(unix.SIGKILL)
	coreBit = 0x80
)

// Exit is exit(2): the calling thread alone ends.
func (t *Task) Exit(code int32) {
	t.own.status = (code & 0xff) << 8
	t.own.exiting = true
}

// ExitGroup is exit_group(2).
func (t *Task) ExitGroup(code int32) { t.exitGroup((code & 0xff) << 8) }

// exitGroup ends the calling thread's process with a wait status.
func (t *Task) exitGroup(status int32) {
	t.k.tasks.Lock()
	t.group.kill(status, t)
	status = t.group.status
	t.k.tasks.Unlock()
	t.own.status = status
	t.own.exiting = true
}

// kill makes every thread of tg but self end; the first status given is that
// of the process. Kernel.tasks is held.
func (tg *ThreadGroup) kill(status int32, self *Task) {
	if !tg.exiting {
		tg.exiting, tg.status = true, status
	}
	for _, t := range tg.tasks {
		if t != self {
			t.kill()
		}
	}
}

// kill makes the task end at its next chance.
func (t *Task) kill() {
	t.killed.Store(true)
	t.wakeup()
}

// exit is the end of a task, on its own goroutine, outside of guest code.
//
// Order matters: what other tasks wait for (futexes, vfork) is told after
// memory has its last words and before the tree forgets the task.
func (t *Task) exit() {
	t.exitRobustList()
	t.releaseMM()
	if err := t.own.lost; err != nil { // the log may need memory
		t.k.log(fmt.Sprintf("%q (pid %d) killed: %v", t.Comm(), t.group.rootID(), err))
	}
	t.vfork.fire()
	t.leaveUndo()
	t.setFiles(nil)
	t.setFS(nil)
	t.setNet(nil)
	t.setIPC(nil)
	t.has.Lock()
	mnt := t.has.mnt
	t.has.mnt = nil
	t.has.Unlock()
	if mnt != nil {
		mnt.DecRef()
	}
	t.exitSignals()
	t.own.ctx.Release()
	was := t.FutexOwner() // execve by another thread may give the numbers on
	t.exitTree()
	t.k.futexes.OwnerExits(was) // it is not found as an owner any more
}

// releaseMM drops the address space, clearing the thread id word that a joiner
// waits at (CLONE_CHILD_CLEARTID) if somebody can still see it.
func (t *Task) releaseMM() {
	m := t.has.mm
	if m == nil {
		return
	}
	if a := t.own.clearTID; a != 0 {
		t.own.clearTID = 0
		var zero [4]byte
		if _, err := m.CopyOut(a, zero[:]); err == nil {
			t.wakeFutex(a)
		}
	}
	t.notePeak(m)
	t.has.Lock()
	t.has.mm = nil
	t.has.Unlock()
	m.DecUsers()
}

func (t *Task) notePeak(m *mm.AddressSpace) {
	peak := int64(m.Usage().PeakRSS / 1024)
	t.k.tasks.Lock()
	t.group.usage.maxrss = max(t.group.usage.maxrss, peak)
	t.k.tasks.Unlock()
}

// exitTree takes the task out of the tree, and its group if it was the last.
func (t *Task) exitTree() {
	k, tg := t.k, t.group
	k.tasks.Lock()
	defer k.tasks.Unlock()
	t.exited = true
	t.state.Store(stateZombie)
	k.tasks.count--
	tg.absorb(t)
	defer tg.container.remove()
	for i, o := range tg.tasks {
		if o == t {
			tg.tasks = append(tg.tasks[:i], tg.tasks[i+1:]...)
			break
		}
	}
	for c := tg.children.head; c != nil; c = c.sibling.next {
		if c.parentTask == t {
			c.parentTask = nil
			for _, ct := range c.tasks {
				if ct.pdeath != 0 {
					_ = c.sendSignal(&SignalInfo{Signo: ct.pdeath, PID: tg.idIn(c.ns)})
				}
			}
		}
	}
	t.seccompLeave()
	if t != tg.leader {
		t.leave()
	}
	if tg.execing != nil {
		tg.execing.wakeup()
	}
	if len(tg.tasks) > 0 {
		tg.ends.Notify(ended)
		return
	}
	if !tg.exiting {
		tg.exiting, tg.status = true, t.own.status // the last thread's
	}
	tg.exitGroup()
}

// exitGroup makes a zombie of a group without threads: its children find a new
// parent, its session and process group lose it, its parent is told.
func (tg *ThreadGroup) exitGroup() {
	tg.exitSignals()
	tg.zombie = true
	init := tg.ns.init == tg
	if init {
		tg.ns.exitInit()
	}
	for _, pg := range tg.reparentChildren() {
		if pg.orphaned(nil) {
			pg.hangUp()
		}
	}
	if tg.linked() && tg.pgrp.orphaned(tg) {
		tg.pgrp.hangUp()
	}
	if s := tg.pgrp.session; s.leader == tg {
		s.leaderGone()
	}
	close(tg.done)
	if init && len(tg.ns.tasks) > 1 {
		tg.ns.ending = tg
		return
	}
	tg.report()
}

// report tells the parent of a zombie. One that nobody waits for is forgotten:
// of what boot started only the status is asked for.
func (tg *ThreadGroup) report() {
	tg.ends.Notify(ended)
	if tg.parent == nil || tg.notifyParent() {
		tg.release()
	}
}

// exitInit ends a pid namespace whose init is gone.
func (ns *PIDNamespace) exitInit() {
	ns.dead = true
	for _, t := range ns.tasks {
		if !t.exited && t.group != ns.init {
			t.group.kill(sigKill, nil)
		}
	}
	ns.init = nil
}

// reaper returns who takes over tg's children: the nearest subreaper among its
// ancestors, else the init of its namespace. In one that ends nobody does.
func (tg *ThreadGroup) reaper() *ThreadGroup {
	for p := tg.parent; p != nil; p = p.parent {
		if p.ns != tg.ns {
			break
		}
		if p.subreaper && !p.zombie {
			return p
		}
	}
	return tg.ns.init
}

// reparentChildren gives the children to the reaper. It returns the process
// groups that are thereby without a link into their session which they had.
func (tg *ThreadGroup) reparentChildren() (cut []*ProcessGroup) {
	var to *ThreadGroup
	if tg.children.head != nil {
		to = tg.reaper()
	}
	for c := tg.children.head; c != nil; c = tg.children.head {
		if c.linked() && !slices.Contains(cut, c.pgrp) {
			cut = append(cut, c.pgrp)
		}
		tg.children.remove(c)
		c.parent, c.parentTask = to, nil
		c.exitSignal = int32(unix.SIGCHLD)
		if to != nil {
			to.children.push(c)
		}
		if c.zombie && c.ns.ending != c {
			c.report()
		}
	}
	return cut
}

// linked reports whether tg's parent is in another process group of the same
// session: somebody who could continue tg's group when it is stopped.
func (tg *ThreadGroup) linked() bool {
	p := tg.parent
	return tg.direct || p != nil && p.pgrp != tg.pgrp && p.pgrp.session == tg.pgrp.session
}

// hangUp is what becomes of a newly orphaned process group that has a stopped
// member: SIGHUP, and SIGCONT so that it is taken (POSIX, exit).
func (pg *ProcessGroup) hangUp() {
	if !pg.hasStopped() {
		return
	}
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGCONT} {
		for m := range pg.members {
			_ = m.sendSignal(&SignalInfo{Signo: int32(sig), Code: siKernel})
		}
	}
}

// orphaned reports whether no member of pg but gone has a parent in another
// group of the session.
func (pg *ProcessGroup) orphaned(gone *ThreadGroup) bool {
	for m := range pg.members {
		if m.direct && m != gone && !m.zombie {
			return false // its parent is outside
		}
		if m == gone || m.zombie || m.parent == nil {
			continue
		}
		if p := m.parent; p != gone && p.pgrp != pg && p.pgrp.session == pg.session {
			return false
		}
	}
	return true
}

func (pg *ProcessGroup) hasStopped() bool {
	for m := range pg.members {
		if m.stopped() {
			return true
		}
	}
	return false
}

// release forgets a zombie: nothing of it can be waited for any more.
func (tg *ThreadGroup) release() {
	if tg.reaped {
		return
	}
	tg.reaped = true
	tg.ends.Notify(ended)
	if tg.parent != nil {
		tg.parent.reapedUsage(tg)
		tg.parent.children.remove(tg)
	}
	tg.k.tasks.departed.note(tg.leader.tids, tg.ns)
	tg.leader.leave()
	tg.join(nil)
	delete(tg.container.groups, tg)
	for ns := tg.ns; ns != nil; ns = ns.parent {
		if i := ns.ending; i != nil && len(ns.tasks) == 1 {
			ns.ending = nil
			i.report()
		}
	}
}

// Done is closed when the process has ended.
func (tg *ThreadGroup) Done() <-chan struct{} { return tg.done }

// Status returns the wait status of a process that has ended.
func (tg *ThreadGroup) Status() unix.WaitStatus {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return unix.WaitStatus(tg.status)
}
