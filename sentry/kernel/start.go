package kernel

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/seccomp"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// InitArgs is the first process of a container.
type InitArgs struct {
	Args, Env []string
	Program   string // what is executed; "" is Args[0]
	Cred      *auth.Cred
	Limits    *limits.Set
	FS        *vfs.Context // taken over
	Files     *vfs.FDTable // taken over
	Namespace *vfs.Namespace
	Container *Container    // nil is the first one
	PIDs      *PIDNamespace // nil is the initial one
	UTS       *UTSNamespace // nil is the initial one
	IPC       *IPCNamespace // nil is the initial one
	Net       *socket.NetNS // nil is the initial one
	Ignored   SignalSet     // what it ignores from the start
	// Seccomp, if not nil, is asked about each of its calls.
	Seccomp *seccomp.Filter
	// What it has from the start of what calls set: personality(2), the
	// scheduling calls, /proc/PID/oom_score_adj.
	Personality uint32
	Sched       Sched
	OOMScoreAdj int32
	// Terminal, if not nil, becomes the controlling terminal.
	Terminal Terminal
	// Direct says that the process stands for one outside: its terminal's job
	// control and default signals work as if its parent were there. Else it is
	// an init, which signals without a handler do not end.
	Direct bool
	// Stopped, if not nil, is called when the process is stopped by a signal
	// (all of it), without locks. It must not block.
	Stopped func(signo int32)
}

func (a *InitArgs) program() string { return cmp.Or(a.Program, a.Args[0]) }

// StartError says why the first process could not be made.
type StartError struct {
	Name  string // the program
	Path  string // where it was found, if it only could not be executed then; else ""
	Stat  bool   // what Name is could not be found out
	Errno unix.Errno
	Why   string // in words, or ""
}

func (e *StartError) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("exec %q: %v", e.Name, e.Errno)
	}
	return fmt.Sprintf("exec %q: %v: %s", e.Name, e.Errno, e.Why)
}

// Unwrap returns the errno.
func (e *StartError) Unwrap() error { return e.Errno }

// Prepared is a process that has a number and everything of InitArgs, but no
// program and no life yet. It has one owner, who calls Run, and Discard instead or
// after an error.
type Prepared struct {
	t *Task
	a InitArgs
}

// Start makes a process (the first of its pid namespace becomes pid 1 and reaps
// orphans), execs Program by PATH in it, and runs it. An error of the exec is a
// *StartError.
func (k *Kernel) Start(a InitArgs) (*ThreadGroup, error) {
	p, err := k.Prepare(a)
	if err != nil {
		return nil, err
	}
	tg, err := p.Run()
	if err != nil {
		p.Discard()
	}
	return tg, err
}

// Prepare makes a process that Run will start. That its program cannot be
// executed by its user, as far as can be told by its name, is a *StartError now.
func (k *Kernel) Prepare(a InitArgs) (*Prepared, error) {
	if a.PIDs == nil {
		a.PIDs = k.tasks.root
	}
	if a.UTS == nil {
		a.UTS = k.uts
	}
	if a.IPC == nil {
		a.IPC = k.ipc
	}
	if a.Container == nil {
		a.Container = k.first
	}
	if a.Net == nil {
		a.Net = k.net
	}
	t := &Task{k: k, ns: a.PIDs, started: k.now()}
	t.state.Store(stateRunning)
	t.group = k.newGroup(nil, t.ns, &CloneArgs{})
	t.group.cgroup = a.Container.root
	t.group.container, t.group.limits, t.group.onStop, t.group.direct = a.Container, a.Limits, a.Stopped, a.Direct
	t.sig.init(nil, false)
	for signo := int32(1); signo <= MaxSignal; signo++ {
		if a.Ignored.Has(signo) {
			t.group.sig.handlers.set(signo, SigAction{Handler: sigIgnore})
		}
	}
	t.has.cred, t.has.fs, t.has.files, t.has.uts, t.has.ipc, t.has.mnt = a.Cred, a.FS, a.Files, a.UTS, a.IPC, a.Namespace
	t.has.personality, t.has.sched, t.group.oom = a.Personality, a.Sched, a.OOMScoreAdj
	t.has.net = a.Net
	a.Namespace.IncRef()
	a.IPC.IncRef()
	a.Net.IncRef()
	if a.Seccomp != nil {
		t.seccomp.Store(&seccompState{filter: a.Seccomp})
	}
	t.own.ctx = k.cfg.Platform.NewContext()
	if err := k.publish(t, nil, &CloneArgs{}); err != nil {
		t.discard()
		return nil, err
	}
	t.seccompJoin() // nobody else has the task yet
	p := &Prepared{t, a}
	name, err := t.lookPath(a.program(), a.Env)
	stat := false
	if err == nil {
		stat, err = t.mayExec(name)
	}
	if err != nil {
		p.Discard()
		return nil, t.startError(StartError{Name: a.program(), Stat: stat}, err)
	}
	return p, nil
}

// Run executes the program.
func (p *Prepared) Run() (*ThreadGroup, error) {
	t, a := p.t, p.a
	err := t.startExec(a)
	if err == nil && a.Terminal != nil {
		if err = t.SetControllingTerminal(a.Terminal, false); err != nil {
			err = fmt.Errorf("controlling terminal: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	t.start()
	return t.group, nil
}

// Discard forgets the process.
func (p *Prepared) Discard() { p.t.k.forget(p.t) }

// ID returns the process's number in its own pid namespace.
func (p *Prepared) ID() int32 { return p.t.group.ID() }

// Files returns its descriptors.
func (p *Prepared) Files() *vfs.FDTable { return p.t.has.files }

// startError adds an errno to what is known.
func (t *Task) startError(se StartError, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		se.Errno, se.Why = errno, t.own.why
		return &se
	}
	return err
}

// MaxArgString is MAX_ARG_STRLEN, the bytes of one argument of an exec, its NUL
// included.
const MaxArgString = 32 * usermem.PageSize

func (t *Task) startExec(a InitArgs) error {
	name, err := t.lookPath(a.program(), a.Env)
	if err != nil {
		return t.startError(StartError{Name: a.program()}, err)
	}
	long := func(s string) bool { return len(s) >= MaxArgString }
	if slices.ContainsFunc(a.Args, long) || slices.ContainsFunc(a.Env, long) {
		err = unix.E2BIG
	} else {
		err = t.Exec(ExecArgs{At: vfs.At{FS: t.has.fs, Name: name, Follow: true}, Argv: a.Args, Envp: a.Env, Name: name})
	}
	if err != nil {
		return t.startError(StartError{Name: a.program(), Path: name}, err)
	}
	return nil
}

// mayExec checks that name is a regular file that the task may execute; stat is that
// it could not be found out.
func (t *Task) mayExec(name string) (stat bool, err error) {
	p, err := vfs.Walk(t, vfs.At{FS: t.has.fs, Name: name, Follow: true})
	if err != nil {
		return true, err
	}
	defer p.DecRef()
	if p.Inode().Type != unix.S_IFREG {
		return false, unix.EACCES
	}
	return false, vfs.Access(t, p, vfs.MayExec, false)
}

// forget takes back a task that never ran.
func (k *Kernel) forget(t *Task) {
	k.tasks.Lock()
	t.seccompLeave()
	t.leave()
	t.group.join(nil)
	k.tasks.count--
	delete(t.group.container.groups, t.group)
	t.group.container.remove()
	if t.ns.init == t.group {
		t.ns.init = nil
	}
	k.tasks.Unlock()
	t.discard()
}
