package kernel

import (
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/ipc"
	"hull/sentry/ipc/msg"
	"hull/sentry/ipc/sem"
	"hull/sentry/ipc/shm"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// UTSNamespace is hostname and domain name, uts_namespaces(7).
type UTSNamespace struct {
	User *auth.UserNamespace // immutable: who may change the names
	id   uint32              // immutable: in /proc/PID/ns

	mu           lock.Mutex[lock.Leaf]
	host, domain string // guarded by mu
}

// Names returns hostname and NIS domain name.
func (u *UTSNamespace) Names() (host, domain string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.host, u.domain
}

// SetHost is sethostname(2) after its checks.
func (u *UTSNamespace) SetHost(s string) {
	u.mu.Lock()
	u.host = s
	u.mu.Unlock()
}

// SetDomain is setdomainname(2) after its checks.
func (u *UTSNamespace) SetDomain(s string) {
	u.mu.Lock()
	u.domain = s
	u.mu.Unlock()
}

func (u *UTSNamespace) clone(k *Kernel) *UTSNamespace {
	h, d := u.Names()
	return &UTSNamespace{User: u.User, id: k.nextNS(), host: h, domain: d}
}

// NewUTS returns a namespace with the names.
func (k *Kernel) NewUTS(host, domain string) *UTSNamespace {
	return &UTSNamespace{User: k.initUser, id: k.nextNS(), host: host, domain: domain}
}

// IPC is what processes share by name or key.
type IPC struct {
	Queues      *vfs.Filesystem  // POSIX message queues; nil for none
	QueueLimits *ipc.QueueLimits // theirs
	Shared      *shm.Registry    // System V shared memory
	Semaphores  *sem.Registry    // and semaphores
	Messages    *msg.Registry    // and message queues
	SystemV     *ipc.SystemV     // the limits of those two
}

// IPCNamespace is an IPC of its own, ipc_namespaces(7). It is counted: each task
// in it has a reference, and with the last what is in it goes.
type IPCNamespace struct {
	IPC         // immutable
	id   uint32 // immutable: in /proc/PID/ns
	refs atomic.Int64
}

// IncRef adds a reference.
func (n *IPCNamespace) IncRef() { n.refs.Add(1) }

// DecRef drops one.
func (n *IPCNamespace) DecRef() {
	if n.refs.Add(-1) != 0 {
		return
	}
	n.Shared.Close()
	n.Semaphores.Close()
	n.Messages.Close()
	if n.Queues != nil {
		n.Queues.DecRef()
	}
}

// NewIPC returns a new namespace, with nothing in it and a reference.
func (k *Kernel) NewIPC() *IPCNamespace { return k.newIPC(k.nextNS()) }

func (k *Kernel) newIPC(id uint32) *IPCNamespace {
	n := &IPCNamespace{id: id}
	n.IncRef()
	if k.cfg.NewIPC != nil {
		n.IPC = k.cfg.NewIPC()
	}
	n.SystemV = ipc.NewSystemV()
	n.Shared = shm.New(k.initUser, n.SystemV)
	n.Semaphores, n.Messages = sem.New(k.initUser, n.SystemV, k.sysv), msg.New(k.initUser, n.SystemV, k.sysv)
	return n
}

// InitUTS returns the initial UTS namespace.
func (k *Kernel) InitUTS() *UTSNamespace { return k.uts }

// InitIPC returns the initial IPC namespace.
func (k *Kernel) InitIPC() *IPCNamespace { return k.ipc }

// nextNS returns a number for a new namespace.
func (k *Kernel) nextNS() uint32 { return k.lastNS.Add(1) + 0xf0000000 }

// The namespaces that can be made; the others are refused as by a Linux that
// was built without them.
const (
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP
	allNamespaces = newNamespaces | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME
)

// checkNamespaces refuses what cannot be made, and who may not make it.
func (t *Task) checkNamespaces(flags uint64) error {
	if flags&allNamespaces&^newNamespaces != 0 {
		t.Note("hull has no user or time namespaces for guests")
		return unix.EINVAL
	}
	if flags&newNamespaces != 0 && !t.has.cred.HasCap(unix.CAP_SYS_ADMIN) {
		return unix.EPERM
	}
	return nil
}

// Unshare is unshare(2).
func (t *Task) Unshare(flags uint64) error {
	const known = allNamespaces | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_VM
	if flags&^known != 0 {
		return unix.EINVAL
	}
	if flags&(unix.CLONE_THREAD|unix.CLONE_SIGHAND|unix.CLONE_VM) != 0 {
		t.k.tasks.Lock()
		alone := len(t.group.tasks) == 1
		t.k.tasks.Unlock()
		if !alone {
			return unix.EINVAL
		}
	}
	if err := t.checkNamespaces(flags); err != nil {
		return err
	}
	if flags&(unix.CLONE_FS|unix.CLONE_NEWNS) != 0 {
		t.setFS(t.has.fs.Fork())
	}
	if flags&unix.CLONE_NEWNS != 0 {
		if err := t.newMountNS(); err != nil {
			return err
		}
	}
	if flags&unix.CLONE_NEWNET != 0 {
		ns, err := t.k.newNetNS(t.has.cred)
		if err != nil {
			return err
		}
		t.setNet(ns)
	}
	if flags&unix.CLONE_NEWIPC != 0 {
		t.setIPC(t.k.NewIPC())
	}
	if flags&unix.CLONE_SYSVSEM != 0 {
		t.leaveUndo()
	}
	if flags&unix.CLONE_FILES != 0 {
		t.setFiles(t.has.files.Fork())
	}
	var cgroups *CgroupNamespace
	if flags&unix.CLONE_NEWCGROUP != 0 {
		cgroups = t.newCgroupNS()
	}
	t.has.Lock()
	defer t.has.Unlock()
	if cgroups != nil {
		t.has.cgroups = cgroups
	}
	if flags&unix.CLONE_NEWUTS != 0 {
		t.has.uts = t.has.uts.clone(t.k)
	}
	if flags&unix.CLONE_NEWPID != 0 {
		t.has.pidsOfCh = t.k.newPIDNamespace(t.ns)
	}
	return nil
}

func (t *Task) newMountNS() error {
	ns, err := t.has.mnt.Clone(t, t.has.fs)
	if err != nil {
		return err
	}
	t.has.Lock()
	old := t.has.mnt
	t.has.mnt = ns
	t.has.Unlock()
	old.DecRef()
	return nil
}

// setFS replaces root and working directory; the reference is taken over.
func (t *Task) setFS(fs *vfs.Context) {
	t.has.Lock()
	old := t.has.fs
	t.has.fs = fs
	t.has.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// setFiles replaces the descriptor table; the reference is taken over.
func (t *Task) setFiles(f *vfs.FDTable) {
	t.has.Lock()
	old := t.has.files
	t.has.files = f
	t.has.Unlock()
	if old != nil {
		old.DecRef(t)
	}
}

// firstNet is the number of the initial network namespace.
const firstNet = 0xf0000000 - 200

// newNetNS makes a network namespace that the namespace of c's user owns.
func (k *Kernel) newNetNS(c *auth.Cred) (*socket.NetNS, error) {
	ns := socket.NewNetNS(c.UserNS, k.nextNS())
	if k.cfg.Networks == nil {
		return ns, nil
	}
	if err := k.cfg.Networks.Fill(ns); err != nil {
		return nil, err
	}
	return ns, nil
}

// setNet replaces the network namespace; the reference is taken over.
func (t *Task) setNet(ns *socket.NetNS) {
	t.has.Lock()
	old := t.has.net
	t.has.net = ns
	t.has.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// setIPC replaces the IPC namespace; the reference is taken over. What semaphores
// of the old one are owed at the task's end they get now.
func (t *Task) setIPC(ns *IPCNamespace) {
	t.leaveUndo()
	t.has.Lock()
	old := t.has.ipc
	t.has.ipc = ns
	t.has.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// leaveUndo gives up the task's share in what is taken back of semaphores.
func (t *Task) leaveUndo() {
	if u := t.own.undo; u != nil {
		t.own.undo = nil
		u.DecRef(t)
	}
}

// SemUndo returns what the task's end takes back of semaphores.
func (t *Task) SemUndo() *sem.Undo {
	if t.own.undo == nil {
		t.own.undo = t.has.ipc.Semaphores.NewUndo()
	}
	return t.own.undo
}

// Namespace is a namespace of any kind that is held: by a file of nsfs, from
// /proc/PID/ns until the last descriptor or mount of it is gone.
type Namespace struct {
	Kind string // its name in /proc/PID/ns, immutable
	ID   uint32 // immutable

	// The one that Kind says; of a kind that has no objects, none.
	uts *UTSNamespace
	mnt *vfs.Namespace
	net *socket.NetNS
	pid *PIDNamespace
	ipc *IPCNamespace
	cg  *CgroupNamespace // nil of the initial one
}

// Flag returns the kind as CLONE_NEW*.
func (n *Namespace) Flag() uint64 {
	switch n.Kind {
	case "cgroup":
		return unix.CLONE_NEWCGROUP
	case "ipc":
		return unix.CLONE_NEWIPC
	case "mnt":
		return unix.CLONE_NEWNS
	case "net":
		return unix.CLONE_NEWNET
	case "pid":
		return unix.CLONE_NEWPID
	case "time":
		return unix.CLONE_NEWTIME
	case "user":
		return unix.CLONE_NEWUSER
	}
	return unix.CLONE_NEWUTS
}

// NamespaceOf returns a namespace of a task by its name in /proc/PID/ns, held;
// nil if the task has it no more.
func (t *Task) NamespaceOf(name string) *Namespace {
	n := &Namespace{Kind: strings.TrimSuffix(name, "_for_children"), ID: t.NamespaceIDs()[name]}
	t.has.Lock()
	defer t.has.Unlock()
	switch name {
	case "mnt":
		if n.mnt = t.has.mnt; n.mnt == nil {
			return nil
		}
		n.mnt.IncRef()
	case "net":
		if n.net = t.has.net; n.net == nil {
			return nil
		}
		n.net.IncRef()
	case "uts":
		n.uts = t.has.uts
	case "ipc":
		if n.ipc = t.has.ipc; n.ipc == nil {
			return nil
		}
		n.ipc.IncRef()
	case "cgroup":
		n.cg = t.has.cgroups
	case "pid":
		n.pid = t.ns
	case "pid_for_children":
		if n.pid = t.has.pidsOfCh; n.pid == nil {
			n.pid = t.ns
		}
	}
	return n
}

// HoldNetNS returns a network namespace, held.
func HoldNetNS(ns *socket.NetNS) *Namespace {
	ns.IncRef()
	return &Namespace{Kind: "net", ID: ns.ID, net: ns}
}

// NetNS returns the network namespace that it is, or nil.
func (n *Namespace) NetNS() *socket.NetNS { return n.net }

// Release gives it up.
func (n *Namespace) Release() {
	switch {
	case n.mnt != nil:
		n.mnt.DecRef()
	case n.net != nil:
		n.net.DecRef()
	case n.ipc != nil:
		n.ipc.DecRef()
	}
}

// user is the user namespace that owns it.
func (n *Namespace) user(k *Kernel) *auth.UserNamespace {
	switch {
	case n.net != nil:
		return n.net.User
	case n.uts != nil:
		return n.uts.User
	}
	return k.initUser
}

// OwnerUID returns the user who made the user namespace that owns it.
func (n *Namespace) OwnerUID(k *Kernel) uint32 { return n.user(k).OwnerUID }

// SetNS is setns(2): the task goes into n. EPERM; EINVAL for a pid namespace that
// is no descendant of the task's, for a mount namespace if the task shares its
// root directory, and for the user namespace it is in already.
func (t *Task) SetNS(n *Namespace) error {
	if err := t.mayEnter(n); err != nil {
		return err
	}
	switch {
	case n.Kind == "cgroup":
		t.has.Lock()
		t.has.cgroups = n.cg
		t.has.Unlock()
	case n.net != nil:
		n.net.IncRef()
		t.setNet(n.net)
	case n.ipc != nil:
		n.ipc.IncRef()
		t.setIPC(n.ipc)
	case n.uts != nil:
		t.has.Lock()
		t.has.uts = n.uts
		t.has.Unlock()
	case n.pid != nil:
		t.has.Lock()
		if t.has.pidsOfCh = n.pid; n.pid == t.ns {
			t.has.pidsOfCh = nil // its own: nothing that keeps it from having threads
		}
		t.has.Unlock()
	case n.mnt != nil:
		return t.setMountNS(n.mnt)
	}
	return nil
}

// mayEnter says whether SetNS succeeds.
func (t *Task) mayEnter(n *Namespace) error {
	c := t.has.cred
	if n.Kind == "user" {
		return unix.EINVAL
	}
	if !c.HasCapIn(n.user(t.k), unix.CAP_SYS_ADMIN) || !c.HasCap(unix.CAP_SYS_ADMIN) ||
		n.mnt != nil && !c.HasCap(unix.CAP_SYS_CHROOT) {
		return unix.EPERM
	}
	if n.pid != nil && !n.pid.isBelow(t.ns) || n.mnt != nil && t.has.fs.Shared() {
		return unix.EINVAL
	}
	return nil
}

// SetNSOf is setns(2) with a pidfd: the task goes into those of r's namespaces that
// flags (CLONE_NEW*) say, or into none. EINVAL, ESRCH, EPERM.
func (t *Task) SetNSOf(r PIDRef, flags uint64) error {
	o, err := r.alive()
	if err != nil {
		return err
	}
	if err := t.MayAccess(o, false); err != nil {
		return err
	}
	var all []*Namespace
	defer func() {
		for _, n := range all {
			n.Release()
		}
	}()
	for _, kind := range []string{"user", "mnt", "uts", "ipc", "pid", "cgroup", "net", "time"} {
		if (&Namespace{Kind: kind}).Flag()&flags == 0 {
			continue
		}
		n := o.NamespaceOf(kind)
		if n == nil {
			return unix.ESRCH
		}
		all = append(all, n)
		if err := t.mayEnter(n); err != nil {
			return err
		}
	}
	for _, n := range all {
		if err := t.SetNS(n); err != nil {
			return err
		}
	}
	return nil
}

// isBelow reports whether ns is a or a descendant of it.
func (ns *PIDNamespace) isBelow(a *PIDNamespace) bool {
	for ; ns != nil; ns = ns.parent {
		if ns == a {
			return true
		}
	}
	return false
}

// setMountNS makes the task see another mount namespace, from its root.
func (t *Task) setMountNS(ns *vfs.Namespace) error {
	if t.has.fs.Shared() {
		return unix.EINVAL
	}
	ns.IncRef()
	t.has.Lock()
	old := t.has.mnt
	t.has.mnt = ns
	t.has.Unlock()
	t.has.fs.SetRoot(ns.Root())
	t.has.fs.SetCWD(ns.Root())
	old.DecRef()
	return nil
}
