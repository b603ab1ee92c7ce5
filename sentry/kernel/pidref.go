package kernel

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// PIDRef is a process, or one thread, however long it has ended: what a pidfd
// stands for. Its number may be another's by then, it never is.
type PIDRef struct {
	group *ThreadGroup
	// aThread says that it is one thread's: of other, or if that is nil of the main
	// one, whichever task that is (execve by another makes it that one).
	aThread bool
	other   *Task
}

// ended is what the end of a process or thread makes true of its pidfds.
const ended = wait.In | wait.RdNrm | wait.Hup

// refAtBirth returns t, which parent makes and nobody knows yet.
func (t *Task) refAtBirth(parent *Task) PIDRef {
	if t.group == parent.group {
		return PIDRef{t.group, true, t}
	}
	return PIDRef{group: t.group}
}

// PIDRef returns the process whose main thread has the number pid in the
// caller's namespace, or, if thread, any thread: ESRCH, and ENOENT of another
// thread.
func (t *Task) PIDRef(pid int32, thread bool) (PIDRef, error) {
	o := t.ns.Task(pid)
	if o == nil {
		return PIDRef{}, unix.ESRCH
	}
	return o.pidRef(thread, t.ns, pid)
}

// pidRef is PIDRef of a task that had the number pid in ns a moment ago.
func (t *Task) pidRef(thread bool, ns *PIDNamespace, pid int32) (PIDRef, error) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	switch {
	case t.tidIn(ns) != pid:
		return PIDRef{}, unix.ESRCH
	case t.group.leader == t:
		return PIDRef{group: t.group, aThread: thread}, nil
	case !thread:
		return PIDRef{}, unix.ENOENT
	}
	return PIDRef{t.group, true, t}, nil
}

// Process implements current.Belonging: a PIDRef.
func (t *Task) Process() current.Process { return PIDRef{group: t.group} }

// RefOf returns the process of t, or t itself if it is another thread than the
// main one.
func RefOf(t *Task) PIDRef {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	if l := t.group.leader; l != nil && l != t {
		return PIDRef{t.group, true, t}
	}
	return PIDRef{group: t.group}
}

// state tells whether it ended, and whether nothing of it is left to be waited
// for. Kernel.tasks is held.
func (r PIDRef) state() (ended, gone bool) {
	tg := r.group
	switch {
	case tg.leader == nil:
		return true, true // it could not be made in the end
	case r.other != nil:
		gone = r.other.exited || tg.leader == r.other // after execve it has another number
		return gone, gone
	case r.aThread && tg.leader.exited:
		return true, tg.reaped
	}
	return tg.zombie && tg.ns.ending != tg, tg.reaped
}

// Readiness implements wait.Waitable: it is readable when it has ended, and hung
// up once its parent knows.
func (r PIDRef) Readiness(m wait.Mask) wait.Mask {
	r.group.k.tasks.Lock()
	ended, gone := r.state()
	r.group.k.tasks.Unlock()
	var is wait.Mask
	if ended {
		is = wait.In | wait.RdNrm
	}
	if gone {
		is |= wait.Hup
	}
	return is & (m | wait.Hup)
}

// Register implements wait.Waitable.
func (r PIDRef) Register(e *wait.Entry, m wait.Mask) { r.group.ends.Register(e, m) }

// Unregister implements wait.Waitable.
func (r PIDRef) Unregister(e *wait.Entry) { r.group.ends.Unregister(e) }

// task returns the thread, or the main one. Kernel.tasks is held.
func (r PIDRef) task() *Task {
	if r.other != nil {
		return r.other
	}
	return r.group.leader
}

// Task returns the thread, or the main one of the process; ESRCH once it is gone.
func (r PIDRef) Task() (*Task, error) {
	r.group.k.tasks.Lock()
	defer r.group.k.tasks.Unlock()
	if _, gone := r.state(); gone {
		return nil, unix.ESRCH
	}
	return r.task(), nil
}

// Serial is a number that no other process or thread of the kernel ever has.
func (r PIDRef) Serial() uint64 {
	if r.other != nil {
		return r.other.serial
	}
	return r.group.serial
}

// IDs returns its numbers, from the namespace ns inwards: none if it is not to
// be seen from there, one of -1 if it is gone.
func (r PIDRef) IDs(ns *PIDNamespace) []int32 {
	r.group.k.tasks.Lock()
	defer r.group.k.tasks.Unlock()
	if _, gone := r.state(); gone {
		return []int32{-1}
	}
	if !r.group.ns.isBelow(ns) {
		return nil
	}
	return append([]int32(nil), r.task().tids[ns.level:]...)
}

// The flags of pidfd_send_signal(2).
const (
	SignalThread = 1 << iota
	SignalProcess
	SignalGroup
)

// SignalRef is pidfd_send_signal(2): flags are SignalThread, SignalProcess and
// SignalGroup, of which none says what r itself is. info has a Given part, and
// with it a code, if the caller gave one. EINVAL, ESRCH, EPERM.
func (t *Task) SignalRef(r PIDRef, info SignalInfo, flags uint32) error {
	thread := r.aThread && flags == 0 || flags == SignalThread
	if !r.group.ns.isBelow(t.ns) {
		return unix.EINVAL
	}
	target, err := r.Task()
	if err != nil {
		return err
	}
	if info.Given == nil {
		info.Code = siUser
		if thread {
			info.Code = siTKill
		}
	} else if (info.Code >= 0 || info.Code == siTKill) && (target != t || flags == SignalGroup) {
		return unix.EPERM
	}
	if flags != SignalGroup {
		return t.sendTo(target, thread, info)
	}
	return t.signalGroup(r, info)
}

// signalGroup sends info to the process group that r leads: ESRCH if there is
// none, an error only if no member could be told.
func (t *Task) signalGroup(r PIDRef, info SignalInfo) error {
	ns := r.group.ns
	t.k.tasks.Lock()
	var members []*ThreadGroup
	if pg := ns.pgrps[r.task().tidIn(ns)]; pg != nil {
		for m := range pg.members {
			members = append(members, m)
		}
	}
	t.k.tasks.Unlock()
	err, sent := error(unix.ESRCH), false
	for _, m := range members {
		e := t.sendTo(m.Leader(), false, info)
		if sent = sent || e == nil; e != nil {
			err = e
		}
	}
	if sent {
		return nil
	}
	return err
}

// FileOf returns the file at a descriptor of r's, with a reference, as
// pidfd_getfd(2) has it: EPERM without the right to trace it, ESRCH, EBADF.
func (t *Task) FileOf(r PIDRef, fd int32) (*vfs.File, error) {
	o, err := r.Task()
	if err != nil {
		return nil, err
	}
	if err := t.MayAccess(o, true); err != nil {
		return nil, err
	}
	files := o.PeekFiles()
	if files == nil {
		return nil, unix.ESRCH // it ends
	}
	defer files.DecRef(t)
	return files.GetPath(fd)
}

// alive returns the thread, or the main one, that has namespaces still: ESRCH.
func (r PIDRef) alive() (*Task, error) {
	r.group.k.tasks.Lock()
	defer r.group.k.tasks.Unlock()
	if _, gone := r.state(); gone || r.task().exited {
		return nil, unix.ESRCH
	}
	return r.task(), nil
}

// NamespaceOfRef returns where the file of a namespace of r's is, by the namespace's name
// in /proc/PID/ns: ESRCH, EACCES without the right to look at r.
func (t *Task) NamespaceOfRef(r PIDRef, name string) (vfs.Path, error) {
	o, err := r.alive()
	if err != nil {
		return vfs.Path{}, err
	}
	if t.MayAccess(o, false) != nil {
		return vfs.Path{}, unix.EACCES
	}
	n := o.NamespaceOf(name)
	if n == nil || t.k.cfg.Spaces == nil {
		return vfs.Path{}, unix.ESRCH
	}
	return t.k.cfg.Spaces.Path(n), nil
}

// PIDInfo is what PIDFD_GET_INFO tells of a process or thread.
type PIDInfo struct {
	PID, TGID, PPID int32 // as the caller sees them
	Cred            *auth.Cred
	Dumpable        int  // of prctl(2); -1 without memory
	Gone            bool // nothing of it is left but Status
	Status          int32
}

// Info looks at r as it is seen from ns: EREMOTE if it is not to be seen, ESRCH if there
// never was one.
func (r PIDRef) Info(ns *PIDNamespace) (PIDInfo, error) {
	i := PIDInfo{Dumpable: -1}
	k := r.group.k
	k.tasks.Lock()
	if !r.group.ns.isBelow(ns) {
		k.tasks.Unlock()
		return i, unix.EREMOTE
	}
	if _, i.Gone = r.state(); i.Gone {
		defer k.tasks.Unlock()
		if r.group.leader == nil {
			return i, unix.ESRCH
		}
		if i.Status = r.group.status; r.other != nil && r.other != r.group.leader {
			i.Status = r.other.own.status
		}
		return i, nil
	}
	t := r.task()
	i.PID, i.TGID = t.tidIn(ns), r.group.idIn(ns)
	if p := r.group.parent; p != nil {
		i.PPID = p.idIn(ns)
	}
	k.tasks.Unlock()
	if i.PID == 0 || i.TGID == 0 {
		return i, unix.ESRCH
	}
	i.Cred = t.CredOf()
	if m := t.PeekMM(); m != nil {
		i.Dumpable = m.Info().Dumpable
		m.DecUsers()
	}
	return i, nil
}
