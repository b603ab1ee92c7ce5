package kernel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/seccomp"
	"hull/sentry/wait"
)

// seccompState is what of seccomp(2) a task is under. It is immutable: a task
// has another one, or none, never a changed one.
type seccompState struct {
	strict bool // only read, write, exit and sigreturn
	filter *seccomp.Filter
	// noNewPrivs was set together with the filter by another thread. The task
	// puts it into its credentials itself, at its next call.
	noNewPrivs bool
}

// sysSeccomp is the si_code of a SIGSYS that a filter raises.
const sysSeccomp = 1

// SeccompMode returns the mode, SECCOMP_MODE_*, and how many filters there are.
func (t *Task) SeccompMode() (mode, filters int) {
	switch s := t.seccomp.Load(); {
	case s == nil:
		return unix.SECCOMP_MODE_DISABLED, 0
	case s.strict:
		return unix.SECCOMP_MODE_STRICT, 0
	default:
		return unix.SECCOMP_MODE_FILTER, s.filter.Depth()
	}
}

// SeccompStrict is SECCOMP_SET_MODE_STRICT. EINVAL if there are filters.
func (t *Task) SeccompStrict() error {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	if s := t.seccomp.Load(); s != nil && !s.strict {
		return unix.EINVAL
	}
	t.seccomp.Store(&seccompState{strict: true})
	return nil
}

// SeccompFilter is SECCOMP_SET_MODE_FILTER for the caller, and with all for every
// thread of its process: then tid is one whose filters are not among the
// caller's, if there is one, and nothing is changed. l is the program's listener,
// or nil.
func (t *Task) SeccompFilter(p *seccomp.Program, log, all bool, l *seccomp.Listener) (tid int32, err error) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	var old *seccomp.Filter
	if s := t.seccomp.Load(); s != nil {
		if s.strict {
			return 0, unix.EINVAL
		}
		old = s.filter
	}
	if all {
		for _, o := range t.group.tasks {
			if s := o.seccomp.Load(); o != t && s != nil && (s.strict || !old.Descends(s.filter)) {
				return o.TID(), nil
			}
		}
	}
	f, err := old.Add(p, log, l)
	if err != nil {
		return 0, err
	}
	f.Join(old)
	t.seccomp.Store(&seccompState{filter: f})
	if all {
		shared := &seccompState{filter: f, noNewPrivs: t.has.cred.NoNewPrivs}
		for _, o := range t.group.tasks {
			if o != t {
				var had *seccomp.Filter
				if s := o.seccomp.Load(); s != nil {
					had = s.filter
				}
				f.Join(had)
				o.seccomp.Store(shared)
			}
		}
	}
	return 0, nil
}

// seccompEnter asks the filters about the call under way. It is false if the call
// is not to be made; then ret or err is its result.
func (t *Task) seccompEnter(s *seccompState, nr uintptr, args arch.Args) (ret uintptr, err error, made bool) {
	if s.noNewPrivs && !t.has.cred.NoNewPrivs {
		c := t.has.cred.Clone()
		c.NoNewPrivs = true
		t.SetCred(c)
	}
	if s.strict {
		switch nr {
		case unix.SYS_READ, unix.SYS_WRITE, unix.SYS_EXIT, unix.SYS_RT_SIGRETURN:
			return 0, nil, true
		}
		t.exitGroup(int32(unix.SIGKILL))
		return 0, unix.ENOSYS, false
	}
	if s.filter.Allows(nr) {
		return 0, nil, true
	}
	d := seccomp.Data{Nr: int32(nr), Arch: seccomp.Arch, IP: t.own.arch.IP()}
	for i := range d.Args {
		d.Args[i] = args[i].Uint64()
	}
	answer, log, l := s.filter.Decide(&d)
	if answer&seccomp.ActionMask == unix.SECCOMP_RET_USER_NOTIF {
		return t.seccompAsk(l, &d)
	}
	return t.seccompAct(answer, log, &d)
}

// seccompAsk lets who listens decide about the call under way.
func (t *Task) seccompAsk(l *seccomp.Listener, d *seccomp.Data) (ret uintptr, err error, made bool) {
	var c *seccomp.Call
	if l != nil {
		c = l.Ask(t, d)
	}
	if c == nil {
		return 0, unix.ENOSYS, false
	}
	e := wait.Entry{Listener: t.Waker()}
	c.Register(&e, wait.In)
	defer c.Forget()
	defer c.Unregister(&e)
	for {
		if a, ok := c.Serve(); ok {
			return uintptr(a.Result()), nil, a.Continue
		}
		err := t.Block(nil, time.Time{})
		if err == nil {
			continue
		}
		if a, ok := c.Serve(); ok {
			return uintptr(a.Result()), nil, a.Continue
		}
		if !l.Killable || !c.Received() || t.killed.Load() || t.fatalPending() {
			return 0, err, false
		}
		t.sleeper.sleep(time.Time{}) // signals that do not kill wait
	}
}

// seccompJoin tells listeners that the task has inherited its filters,
// seccompLeave that it ends. k.tasks is held, if others know the task.
func (t *Task) seccompJoin() {
	if s := t.seccomp.Load(); s != nil {
		s.filter.Join(nil)
	}
}

func (t *Task) seccompLeave() {
	if s := t.seccomp.Load(); s != nil {
		s.filter.Leave()
	}
}

// seccompAct does what the filters' answer says.
func (t *Task) seccompAct(answer uint32, log bool, d *seccomp.Data) (ret uintptr, err error, made bool) {
	data := answer & seccomp.DataMask
	switch answer & seccomp.ActionMask {
	case unix.SECCOMP_RET_ALLOW:
		return 0, nil, true
	case unix.SECCOMP_RET_LOG:
		t.seccompLog("log", d)
		return 0, nil, true
	case unix.SECCOMP_RET_ERRNO:
		const maxErrno = 4095
		if log {
			t.seccompLog("errno", d)
		}
		if data == 0 {
			return 0, nil, false
		}
		return 0, unix.Errno(min(data, maxErrno)), false
	case unix.SECCOMP_RET_TRAP:
		if log {
			t.seccompLog("trap", d)
		}
		t.forceSignal(&SignalInfo{
			Signo: int32(unix.SIGSYS), Code: sysSeccomp, Errno: int32(data), Addr: d.IP, Syscall: d.Nr, Arch: d.Arch,
		})
		return uintptr(d.Nr), nil, false // the registers are as before the call
	case unix.SECCOMP_RET_TRACE:
		return 0, unix.ENOSYS, false // nobody traces
	}
	t.seccompLog("kill", d)
	t.k.tasks.Lock()
	alone := len(t.group.tasks) == 1
	t.k.tasks.Unlock()
	if answer&seccomp.ActionMask == unix.SECCOMP_RET_KILL_THREAD && !alone {
		t.own.status, t.own.exiting = int32(unix.SIGSYS), true
		return 0, unix.ENOSYS, false
	}
	t.exitGroup(int32(unix.SIGSYS))
	return 0, unix.ENOSYS, false
}

// seccompLog notes a call that filters act on, once a number.
func (t *Task) seccompLog(action string, d *seccomp.Data) {
	if nr := uint32(d.Nr); nr < maxSyscall && t.k.denied[nr].CompareAndSwap(false, true) {
		t.k.log(fmt.Sprintf("seccomp: %q (pid %d) called %s: %s", t.Comm(), t.group.rootID(),
			t.k.cfg.Table.Lookup(uintptr(nr)).Name, action))
	}
}
