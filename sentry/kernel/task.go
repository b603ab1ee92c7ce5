package kernel

import (
	"sync/atomic"
	"time"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/ipc/sem"
	"hull/sentry/limits"
	"hull/sentry/lock"
	"hull/sentry/mm"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Task is a thread: task_struct. It is a current.Task for the packages below.
//
// Life: newTask → run (its goroutine) → exit → reaped. A leader that exited
// stays as a zombie until its group is reaped; other threads are gone at once.
type Task struct {
	k     *Kernel       // immutable
	group *ThreadGroup  // immutable
	ns    *PIDNamespace // immutable: the innermost it is numbered in

	// tids are its numbers in ns and ns's ancestors, by level. They change in
	// execve by a thread that is not the leader, under Kernel.tasks.
	tids   []int32
	serial uint64 // never another's. Immutable once published

	// own is touched by the task's goroutine only.
	own struct {
		arch     arch.Context
		why      string  // Note's words for the call under way
		restart  Restart // what restart_syscall(2) goes on with
		clearTID usermem.Addr
		slack    int64 // timer slack, ns; 0 is the default
		exiting  bool  // the run loop ends at its next turn
		lost     error // why the host has ended it, nil if it has not
		status   int32
		ctx      platform.Context `snapshot:"-"`
		msg      socket.Message   `snapshot:"-"` // see Message
		undo     *sem.Undo        // with a reference; nil for none
		words    []uint64         `snapshot:"-"` // see Words
	}

	// What the task has. Each is changed by the task's goroutine alone, under
	// has, and read by others under it.
	has struct {
		lock.Mutex[lock.Leaf]
		cred        *auth.Cred
		mm          *mm.AddressSpace // nil once exited
		fs          *vfs.Context
		files       *vfs.FDTable
		uts         *UTSNamespace
		cgroups     *CgroupNamespace // nil: the initial one
		ipc         *IPCNamespace
		mnt         *vfs.Namespace
		net         *socket.NetNS
		comm        string // at most 15 bytes
		personality uint32
		sched       Sched
		pidsOfCh    *PIDNamespace // of children, after unshare(CLONE_NEWPID)
		robust      usermem.Addr  // robust_list_head of set_robust_list(2)
		blocked     string        // the call it sleeps in, for /proc/PID/wchan
	}

	sig taskSignals // guarded by group.sig

	// The tree, guarded by Kernel.tasks.
	exited bool
	pdeath int32 // PR_SET_PDEATHSIG

	cpu     cpuTime
	state   atomic.Int32  // a letter of /proc/PID/stat
	guest   atomic.Bool   // in Switch, or about to be
	killed  atomic.Bool   // must end: its group exits, or another thread execs
	started time.Duration // immutable: since the kernel's start

	vfork *completion // immutable: told when the task execs or exits; nil unless CLONE_VFORK

	sleeper sleeper     // where Block sleeps
	doubted atomic.Bool // the host may have killed what it runs in

	// seccomp is nil for most. It is written under Kernel.tasks.
	seccomp atomic.Pointer[seccompState]
}

// Sched is what the scheduling calls set and get. The host schedules.
type Sched struct {
	Policy   int32
	Priority int32
	Nice     int32
	Reset    bool     // SCHED_RESET_ON_FORK
	Affinity []uint64 // a bit a CPU; nil is all
	IOPrio   int32
}

// ThreadGroup is a process: signal_struct and the pids of a tgid.
type ThreadGroup struct {
	k      *Kernel
	ns     *PIDNamespace // immutable
	ids    []int32       // immutable: by level, as Task.tids
	limits *limits.Set   // immutable pointer
	// container is what the process lives and ends with. Immutable.
	container *Container
	cgroup    *Cgroup      // guarded by Kernel.tasks
	held      atomic.Bool  // its cgroup is frozen; written with Kernel.tasks
	sig       groupSignals // has its own lock

	// childQueue is notified when a child can be waited for.
	childQueue wait.Queue

	// ends is notified when a thread ends, the process, and when it is reaped.
	ends   wait.Queue
	serial uint64 // its first task's. Immutable once published

	// The tree, guarded by Kernel.tasks.
	leader     *Task
	tasks      []*Task // those that have not exited; leader first unless it exited
	parent     *ThreadGroup
	parentTask *Task // whose exit raises pdeath
	children   groupList
	sibling    groupLink
	pgrp       *ProcessGroup
	exitSignal int32
	exiting    bool // exit_group, or a fatal signal
	status     int32
	execing    *Task // the thread that waits for the others to be gone
	zombie     bool
	reaped     bool
	subreaper  bool
	didExec    bool // execve since fork: setpgid of a child is EACCES
	oom        int32
	barrier    atomic.Bool // membarrier(2): PRIVATE_EXPEDITED was registered

	usage usage // guarded by Kernel.tasks: of exited threads and reaped children

	done   chan struct{}     `snapshot:"-"` // closed when the group is a zombie
	direct bool              // immutable: see InitArgs.Direct
	onStop func(signo int32) `snapshot:"-"` // immutable: see InitArgs.Stopped
}

// Restart is a restart block: data for a call that continues an earlier one.
type Restart interface {
	// Restart goes on with the call.
	Restart(t *Task) (uintptr, error)
}

// completion is told once, and wakes the task that waits for it.
type completion struct {
	fired  atomic.Bool
	waiter *Task // immutable
}

func (c *completion) fire() {
	if c != nil && c.fired.CompareAndSwap(false, true) {
		c.waiter.token()
	}
}

// The accessors that system calls use on the calling task.

// Kernel returns the kernel.
func (t *Task) Kernel() *Kernel { return t.k }

// ThreadGroup returns the process.
func (t *Task) ThreadGroup() *ThreadGroup { return t.group }

// Arch returns the registers; for the task's own goroutine.
func (t *Task) Arch() *arch.Context { return &t.own.arch }

// MM returns the address space; for the task's own goroutine.
func (t *Task) MM() *mm.AddressSpace { return t.has.mm }

// FS returns root, working directory, umask; for the task's own goroutine.
func (t *Task) FS() *vfs.Context { return t.has.fs }

// Files returns the descriptor table; for the task's own goroutine.
func (t *Task) Files() *vfs.FDTable { return t.has.files }

// MountNS returns the mount namespace; for the task's own goroutine.
func (t *Task) MountNS() *vfs.Namespace { return t.has.mnt }

// UTS returns the uts namespace; for the task's own goroutine.
func (t *Task) UTS() *UTSNamespace { return t.has.uts }

// IPC returns the IPC namespace; for the task's own goroutine.
func (t *Task) IPC() *IPCNamespace { return t.has.ipc }

// NetNS returns the network namespace; for the task's own goroutine.
func (t *Task) NetNS() *socket.NetNS { return t.has.net }

// PeekNetNS returns another task's network namespace with a reference, or nil.
func (t *Task) PeekNetNS() *socket.NetNS {
	t.has.Lock()
	defer t.has.Unlock()
	if n := t.has.net; n != nil {
		n.IncRef()
		return n
	}
	return nil
}

// PIDNS returns the pid namespace that the task is in.
func (t *Task) PIDNS() *PIDNamespace { return t.ns }

// Message returns room for the message that the call under way sends or
// receives, empty. Each message would be allocated anew else: it is handed to an
// interface. For the task's own goroutine, one at a time.
func (t *Task) Message() *socket.Message {
	t.own.msg = socket.Message{}
	return &t.own.msg
}

// maxWords bounds what Words keeps, so that a task that once asked for much does
// not hold it.
const maxWords = 96

// Words returns room for n words of the call under way, of unspecified content:
// what is copied in or out would be allocated each time else. For the task's own
// goroutine, once a call.
func (t *Task) Words(n int) []uint64 {
	if n > maxWords {
		return make([]uint64, n)
	}
	if len(t.own.words) < n {
		t.own.words = make([]uint64, n)
	}
	return t.own.words[:n]
}

// SetCred replaces the credentials; for the task's own goroutine.
func (t *Task) SetCred(c *auth.Cred) {
	t.has.Lock()
	t.has.cred = c
	t.has.Unlock()
}

// SetRestart leaves a restart block and returns ERESTART_RESTARTBLOCK.
func (t *Task) SetRestart(r Restart) error {
	t.own.restart = r
	return errRestartBlock
}

// RestartCall is restart_syscall(2).
func (t *Task) RestartCall() (uintptr, error) {
	r := t.own.restart
	t.own.restart = nil
	if r == nil {
		return 0, errInterrupted
	}
	return r.Restart(t)
}

// SetClearTID is set_tid_address(2).
func (t *Task) SetClearTID(a usermem.Addr) { t.own.clearTID = a }

// SetRobustList is set_robust_list(2); RobustList returns what it set.
func (t *Task) SetRobustList(a usermem.Addr) {
	t.has.Lock()
	t.has.robust = a
	t.has.Unlock()
}

// RobustList returns the head of the robust futex list, 0 for none.
func (t *Task) RobustList() usermem.Addr {
	t.has.Lock()
	defer t.has.Unlock()
	return t.has.robust
}

// Sched returns a copy of the scheduling attributes.
func (t *Task) Sched() Sched {
	t.has.Lock()
	defer t.has.Unlock()
	return t.has.sched
}

// SetSched replaces the scheduling attributes.
func (t *Task) SetSched(s Sched) {
	t.has.Lock()
	t.has.sched = s
	t.has.Unlock()
}

// Comm returns the name, at most 15 bytes.
func (t *Task) Comm() string {
	t.has.Lock()
	defer t.has.Unlock()
	return t.has.comm
}

// SetComm sets the name, cut to 15 bytes.
func (t *Task) SetComm(name string) {
	if len(name) > 15 {
		name = name[:15]
	}
	t.has.Lock()
	t.has.comm = name
	t.has.Unlock()
}

// CredOf returns another task's credentials.
func (t *Task) CredOf() *auth.Cred {
	t.has.Lock()
	defer t.has.Unlock()
	return t.has.cred
}

// PeekMM returns another task's address space with a user that the caller
// drops, or nil if the task has none any more.
func (t *Task) PeekMM() *mm.AddressSpace {
	t.has.Lock()
	defer t.has.Unlock()
	if m := t.has.mm; m != nil && m.IncUsers() {
		return m
	}
	return nil
}

// PeekFiles returns another task's descriptor table with a reference, or nil.
func (t *Task) PeekFiles() *vfs.FDTable {
	t.has.Lock()
	defer t.has.Unlock()
	if f := t.has.files; f != nil {
		f.IncRef()
		return f
	}
	return nil
}

// PeekFS returns another task's root and working directory with a reference,
// or nil; and its mount namespace.
func (t *Task) PeekFS() (*vfs.Context, *vfs.Namespace) {
	t.has.Lock()
	defer t.has.Unlock()
	if f := t.has.fs; f != nil {
		f.IncRef()
		return f, t.has.mnt
	}
	return nil, nil
}

var _ current.Task = (*Task)(nil)
