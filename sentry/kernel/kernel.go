package kernel

import (
	"sync/atomic"

	"hull/platform"
	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/vfs"
)

// Config is what boot gives to a kernel.
type Config struct {
	Platform platform.Platform
	Memory   *mem.File
	Table    *Table
	Types    vfs.FilesystemTypes
	Hooks    []Hook
	Anon     *vfs.AnonFS
	VDSO     VDSO
	Hostname string
	Domain   string
	CPUs     int // what sched_getaffinity and /proc/cpuinfo show
	// Log takes one line about hull itself (a missing system call, once a
	// number); never what the guest can make long.
	Log func(line string)
}

// VDSO is the vDSO image that exec maps, made by package loader.
type VDSO interface{ skeleton() }

// Kernel is one sandbox's kernel.
type Kernel struct {
	cfg Config

	tasks struct {
		lock.Mutex[lock.TaskSet]
		root *PIDNamespace
	}
	initUser *auth.UserNamespace // immutable
	uts      *UTSNamespace       // immutable: the initial one
	logged   [1024]atomic.Bool   // missing system calls that were logged
}

// UTSNamespace is hostname and domain name.
type UTSNamespace struct {
	mu           lock.Mutex[lock.Leaf]
	host, domain string // guarded by mu
	User         *auth.UserNamespace
}

// New returns a kernel without tasks.
func New(c Config) (*Kernel, error) { panic("skeleton") }

// InitArgs is the first process of a container.
type InitArgs struct {
	Args, Env []string
	Cred      *auth.Cred
	Limits    *limits.Set
	FS        *vfs.Context // taken over
	Files     *vfs.FDTable // taken over
	Namespace *vfs.Namespace
	// Terminal, if not nil, becomes the controlling terminal.
	Terminal Terminal
}

// Start makes a process (the first becomes pid 1 and reaps orphans), execs
// Args[0] by PATH in it, and runs it. An error is of the exec: a unix.Errno with
// context that says what failed.
func (k *Kernel) Start(a InitArgs) (*ThreadGroup, error) { panic("skeleton") }

// Kill sends SIGKILL to everything and waits until all tasks are gone.
func (k *Kernel) Kill() { panic("skeleton") }

// Terminal is a terminal as sessions and process groups see it; devpts and
// hosttty implement it.
type Terminal interface {
	// SessionGone tells that the leader of the terminal's session exited.
	SessionGone()
}
