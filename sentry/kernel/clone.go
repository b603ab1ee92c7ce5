package kernel

import (
	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/usermem"
)

// CloneArgs is clone(2) and clone3(2) without the layout of their arguments.
type CloneArgs struct {
	Flags      uint64 // CLONE_*
	ExitSignal int32
	Stack      uint64 // the new stack pointer; 0 keeps the parent's
	TLS        uint64
	ParentTID  usermem.Addr
	ChildTID   usermem.Addr
	SetTID     []int32 // innermost namespace first
	Cgroup     *Cgroup // CLONE_INTO_CGROUP
	// Prepare, if not nil, is told of the child before anybody else is. Its error
	// is that of the call; if the child cannot be, cancel is called.
	Prepare func(child PIDRef) (cancel func(), err error)
}

// checkClone refuses combinations of flags as copy_process does.
func (t *Task) checkClone(f uint64) error {
	has := func(x uint64) bool { return f&x != 0 }
	switch {
	case has(unix.CLONE_NEWNS) && has(unix.CLONE_FS),
		has(unix.CLONE_NEWUSER) && has(unix.CLONE_FS),
		has(unix.CLONE_THREAD) && !has(unix.CLONE_SIGHAND),
		has(unix.CLONE_SIGHAND) && !has(unix.CLONE_VM),
		has(unix.CLONE_SIGHAND) && has(unix.CLONE_CLEAR_SIGHAND),
		has(unix.CLONE_THREAD) && (has(unix.CLONE_NEWUSER|unix.CLONE_NEWPID) || t.has.pidsOfCh != nil),
		has(unix.CLONE_NEWIPC) && has(unix.CLONE_SYSVSEM),
		has(unix.CLONE_PARENT) && t.ns.init == t.group:
		return unix.EINVAL
	}
	return t.checkNamespaces(f)
}

// Clone makes a task. It returns its number as the caller sees it; with
// CLONE_VFORK only after the child gave the memory back.
func (t *Task) Clone(a CloneArgs) (int32, error) {
	if err := t.checkClone(a.Flags); err != nil {
		return 0, err
	}
	if err := t.own.ctx.SaveFPU(&t.own.arch); err != nil {
		return 0, err
	}
	n, err := t.k.newTask(t, &a)
	if err != nil {
		return 0, err
	}
	cancel := func() {}
	if a.Prepare != nil {
		if cancel, err = a.Prepare(n.refAtBirth(t)); err != nil {
			n.discard()
			return 0, err
		}
	}
	if err := t.k.publish(n, t, &a); err != nil {
		cancel()
		n.discard()
		return 0, err
	}
	tid := n.tidIn(t.ns) // nobody else changes it before the child runs
	if a.Flags&unix.CLONE_PARENT_SETTID != 0 {
		_ = usermem.Out(t.Mem(), a.ParentTID, &tid) // a bad address is the caller's affair
	}
	if a.Flags&unix.CLONE_CHILD_SETTID != 0 {
		own := n.TID()
		_ = usermem.Out(n.Mem(), a.ChildTID, &own)
	}
	done := n.vfork
	n.start()
	if done != nil {
		_ = t.blockKillable(done) // killed: the signal is seen on the way out
	}
	return tid, nil
}

// newTask makes a task that nobody sees yet, a child or sibling of t.
func (k *Kernel) newTask(t *Task, a *CloneArgs) (*Task, error) {
	n := &Task{k: k, ns: t.ns, started: k.now()}
	n.state.Store(stateRunning)
	shared := func(f uint64) bool { return a.Flags&f != 0 }
	if shared(unix.CLONE_THREAD) {
		n.group = t.group
	} else {
		if ns := t.has.pidsOfCh; ns != nil {
			n.ns = ns
		}
		if shared(unix.CLONE_NEWPID) {
			n.ns = k.newPIDNamespace(n.ns)
		}
		n.group = k.newGroup(t.group, n.ns, a)
	}
	n.sig.init(&t.sig, shared(unix.CLONE_VM) && !shared(unix.CLONE_VFORK))

	n.own.slack = t.own.slack
	n.own.arch = t.own.arch.Fork()
	n.own.arch.SetReturn(0)
	if a.Stack != 0 {
		n.own.arch.SetSP(a.Stack)
	}
	if shared(unix.CLONE_SETTLS) {
		if a.TLS >= k.cfg.Platform.MaxAddress() {
			return nil, unix.EPERM
		}
		n.own.arch.SetTLS(a.TLS)
	}
	if shared(unix.CLONE_CHILD_CLEARTID) {
		n.own.clearTID = a.ChildTID
	}
	if shared(unix.CLONE_VFORK) {
		n.vfork = &completion{waiter: t}
	}
	if err := n.inherit(t, shared); err != nil {
		return nil, err
	}
	n.own.ctx = k.cfg.Platform.NewContext()
	return n, nil
}

// inherit gives n what t has, shared or copied.
func (n *Task) inherit(t *Task, shared func(uint64) bool) (err error) {
	h, p := &n.has, &t.has
	h.cred, h.comm, h.uts, h.sched, h.personality = p.cred, p.comm, p.uts, p.sched, p.personality
	h.cgroups = p.cgroups
	if h.sched.Reset {
		h.sched = Sched{Affinity: h.sched.Affinity}
	}
	if shared(unix.CLONE_NEWUTS) {
		h.uts = h.uts.clone(n.k)
	}
	if shared(unix.CLONE_NEWCGROUP) {
		h.cgroups = t.newCgroupNS()
	}
	if shared(unix.CLONE_THREAD) {
		h.pidsOfCh = p.pidsOfCh
	}
	if shared(unix.CLONE_VM) {
		if !p.mm.IncUsers() {
			return unix.ENOMEM
		}
		h.mm = p.mm
	} else {
		m, err := p.mm.Fork()
		if err != nil {
			return err
		}
		h.mm = m
	}
	if h.fs = p.fs; shared(unix.CLONE_FS) {
		h.fs.IncRef()
	} else {
		h.fs = h.fs.Fork()
	}
	if h.files = p.files; shared(unix.CLONE_FILES) {
		h.files.IncRef()
	} else {
		h.files = h.files.Fork()
	}
	if h.ipc = p.ipc; shared(unix.CLONE_NEWIPC) {
		h.ipc = n.k.NewIPC()
	} else {
		h.ipc.IncRef()
	}
	if shared(unix.CLONE_SYSVSEM) {
		n.own.undo = t.SemUndo()
		n.own.undo.IncRef()
	}
	if !shared(unix.CLONE_NEWNET) {
		h.net = p.net
		h.net.IncRef()
	} else if h.net, err = n.k.newNetNS(h.cred); err != nil {
		n.discard()
		return err
	}
	h.mnt = p.mnt
	if !shared(unix.CLONE_NEWNS) {
		h.mnt.IncRef()
		return nil
	}
	ns, err := p.mnt.Clone(n, h.fs)
	if err != nil {
		h.mnt = nil
		n.discard()
		return err
	}
	h.mnt = ns
	return nil
}

// discard takes back what a task that never ran was given.
func (n *Task) discard() {
	if n.has.mm != nil {
		n.has.mm.DecUsers()
		n.has.mm = nil
	}
	n.setFiles(nil)
	n.setFS(nil)
	n.setNet(nil)
	n.setIPC(nil)
	if n.has.mnt != nil {
		n.has.mnt.DecRef()
		n.has.mnt = nil
	}
	if n.own.ctx != nil {
		n.own.ctx.Release()
	}
}

// newGroup makes the thread group of a process that parent forks.
func (k *Kernel) newGroup(parent *ThreadGroup, ns *PIDNamespace, a *CloneArgs) *ThreadGroup {
	tg := &ThreadGroup{k: k, ns: ns, exitSignal: a.ExitSignal, done: make(chan struct{})}
	if parent == nil {
		tg.sig.init(nil, false)
		return tg
	}
	tg.limits, tg.container = parent.limits.Clone(), parent.container
	tg.sig.init(&parent.sig, a.Flags&unix.CLONE_SIGHAND != 0)
	if a.Flags&unix.CLONE_CLEAR_SIGHAND != 0 {
		tg.clearHandlers()
	}
	tg.oom = parent.oom
	tg.barrier.Store(parent.barrier.Load())
	return tg
}

// publish puts n into the tree. t is who clones, nil for boot.
func (k *Kernel) publish(n, t *Task, a *CloneArgs) error {
	k.tasks.Lock()
	defer k.tasks.Unlock()
	c := n.group.container
	if t != nil && n.group != t.group {
		// It may have moved since newGroup.
		n.group.cgroup = t.group.cgroup
		n.group.held.Store(t.group.held.Load())
		if g := a.Cgroup; g != nil {
			if g.c != c {
				return unix.EPERM
			}
			if g.removed {
				return unix.ENODEV
			}
			n.group.cgroup = g
			n.group.held.Store(g.frozen)
		}
	}
	if k.ended.Load() || c.full() || n.group.cgroup.full() || int64(k.tasks.count) >= k.maxTasks.Load() || !k.mayFork(n) {
		return unix.EAGAIN
	}
	thread := t != nil && n.group == t.group
	if t != nil && t.group.exiting || thread && t.group.execing != nil {
		return abi.ERESTARTNOINTR // the signal under way ends the caller
	}
	ids, err := n.ns.allocate(a.SetTID)
	if err != nil {
		return err
	}
	n.tids = ids
	n.serial = k.tasks.total + 1
	if t != nil {
		n.seccomp.Store(t.seccomp.Load())
		n.seccompJoin()
	}
	n.enter()
	c.add()
	k.tasks.count++
	k.tasks.total++
	n.group.tasks = append(n.group.tasks, n)
	if thread {
		return nil
	}
	tg := n.group
	tg.leader, tg.ids, tg.serial = n, ids, n.serial
	c.groups[tg] = struct{}{}
	if n.ns.init == nil {
		n.ns.init = tg
	}
	if t == nil {
		tg.newSession()
		return nil
	}
	tg.parent, tg.parentTask = t.group, t
	if a.Flags&unix.CLONE_PARENT != 0 {
		tg.parent, tg.parentTask, tg.exitSignal = t.group.parent, t.group.parentTask, t.group.exitSignal
	}
	if tg.parent != nil {
		tg.parent.children.push(tg)
	}
	if t.group.pgrp != nil {
		tg.join(t.group.pgrp)
	}
	if tg.cpuLimit() != 0 {
		tg.sig.Lock()
		tg.startTick()
		tg.sig.Unlock()
	}
	return nil
}

// mayFork checks RLIMIT_NPROC: how many tasks the real user may have.
func (k *Kernel) mayFork(n *Task) bool {
	c := n.has.cred
	lim := n.group.limits.Get(unix.RLIMIT_NPROC).Cur
	if c.RUID == 0 || c.HasCap(unix.CAP_SYS_RESOURCE) || c.HasCap(unix.CAP_SYS_ADMIN) || uint64(k.tasks.count) < lim {
		return true
	}
	var have uint64
	for _, o := range k.tasks.root.tasks {
		if !o.exited && o.CredOf().RUID == c.RUID {
			have++
		}
	}
	return have < lim
}
