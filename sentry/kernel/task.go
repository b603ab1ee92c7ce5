package kernel

import (
	"sync/atomic"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/limits"
	"hull/sentry/lock"
	"hull/sentry/mm"
	"hull/sentry/vfs"
)

// Task is a thread: task_struct. It is a current.Task for the packages below.
type Task struct {
	k     *Kernel      // immutable
	group *ThreadGroup // immutable but for execve by a non-leader, under Kernel.tasks

	// own is touched by the task's goroutine only.
	own struct {
		arch    arch.Context
		why     string           // Note's words for the call under way
		restart Restart          // what restart_syscall(2) goes on with
		ctx     platform.Context `snapshot:"-"`
	}

	// What the task has. Each is changed by the task's goroutine alone, under
	// has, and read by others under it.
	has struct {
		lock.Mutex[lock.Leaf]
		cred  *auth.Cred
		mm    *mm.AddressSpace
		fs    *vfs.Context
		files *vfs.FDTable
		uts   *UTSNamespace
		mnt   *vfs.Namespace
		comm  string // at most 15 bytes
	}

	tids   []int32 // immutable: number in each pid namespace, innermost last
	exited atomic.Bool

	wake chan struct{} `snapshot:"-"` // one token: see Block
}

// ThreadGroup is a process: signal_struct and the pids of a tgid.
type ThreadGroup struct {
	k      *Kernel
	limits *limits.Set // immutable pointer
}

// PIDNamespace, ProcessGroup and Session are in ids.go.
type (
	// PIDNamespace is a pid namespace, pid_namespaces(7).
	PIDNamespace struct{}
	// ProcessGroup is a process group, credentials(7).
	ProcessGroup struct{}
	// Session is a session, setsid(2).
	Session struct{}
)

// Restart is a restart block: data for a call that continues an earlier one.
type Restart interface {
	// Restart goes on with the call.
	Restart(t *Task) (uintptr, error)
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

// SetCred replaces the credentials; for the task's own goroutine.
func (t *Task) SetCred(c *auth.Cred) { panic("skeleton") }

// SetRestart leaves a restart block and returns ERESTART_RESTARTBLOCK.
func (t *Task) SetRestart(r Restart) error { panic("skeleton") }

var _ current.Task = (*Task)(nil)
