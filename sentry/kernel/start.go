package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/vfs"
)

// InitArgs is the first process of a container.
type InitArgs struct {
	Args, Env []string
	Cred      *auth.Cred
	Limits    *limits.Set
	FS        *vfs.Context // taken over
	Files     *vfs.FDTable // taken over
	Namespace *vfs.Namespace
	Ignored   SignalSet // what it ignores from the start
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

// StartError says why the first process could not be made.
type StartError struct {
	Name  string // the program
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

// Start makes a process (the first becomes pid 1 and reaps orphans), execs
// Args[0] by PATH in it, and runs it. An error of the exec is a *StartError.
func (k *Kernel) Start(a InitArgs) (*ThreadGroup, error) {
	t := &Task{k: k, ns: k.tasks.root, started: k.now()}
	t.state.Store(stateRunning)
	t.group = k.newGroup(nil, t.ns, &CloneArgs{})
	t.group.limits, t.group.onStop, t.group.direct = a.Limits, a.Stopped, a.Direct
	t.sig.init(nil, false)
	for signo := int32(1); signo <= MaxSignal; signo++ {
		if a.Ignored.Has(signo) {
			t.group.sig.handlers.set(signo, SigAction{Handler: sigIgnore})
		}
	}
	t.has.cred, t.has.fs, t.has.files, t.has.uts, t.has.mnt = a.Cred, a.FS, a.Files, k.uts, a.Namespace
	a.Namespace.IncRef()
	t.own.ctx = k.cfg.Platform.NewContext()
	if err := k.publish(t, nil, &CloneArgs{}); err != nil {
		t.discard()
		return nil, err
	}
	if err := t.startExec(a); err != nil {
		k.forget(t)
		return nil, err
	}
	if a.Terminal != nil {
		if err := t.SetControllingTerminal(a.Terminal, false); err != nil {
			return nil, fmt.Errorf("controlling terminal: %w", err)
		}
	}
	t.start()
	return t.group, nil
}

func (t *Task) startExec(a InitArgs) error {
	fail := func(err error) error {
		errno, ok := err.(unix.Errno)
		if !ok {
			return err
		}
		return &StartError{Name: a.Args[0], Errno: errno, Why: t.own.why}
	}
	name, err := t.lookPath(a.Args[0], a.Env)
	if err != nil {
		return fail(err)
	}
	err = t.Exec(ExecArgs{At: vfs.At{FS: t.has.fs, Name: name, Follow: true}, Argv: a.Args, Envp: a.Env, Name: name})
	if err != nil {
		return fail(err)
	}
	return nil
}

// forget takes back a task that never ran.
func (k *Kernel) forget(t *Task) {
	k.tasks.Lock()
	t.leave()
	t.group.join(nil)
	k.tasks.count--
	if t.ns.init == t.group {
		t.ns.init = nil
	}
	k.tasks.Unlock()
	t.discard()
}
