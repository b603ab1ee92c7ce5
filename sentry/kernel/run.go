package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// start gives the task its goroutine. Kernel.tasks.idle counts it.
func (t *Task) start() {
	t.k.tasks.idle.Add(1)
	go t.run()
}

// run is the task's goroutine: guest code until it traps, then what it asked
// for, then its signals; and so on until the task ends.
//
// It keeps its host thread while it lives: a platform may depend on it.
func (t *Task) run() {
	defer t.k.tasks.idle.Done()
	defer func() {
		if r := recover(); r != nil {
			t.k.crash(r)
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t.lookForSignals()
	for t.prepare() {
		ev, err := t.switchToGuest()
		if err != nil {
			if t.lost(err) {
				continue
			}
			t.k.crash(fmt.Errorf("platform: %w", err))
			return
		}
		switch ev.Kind {
		case platform.Syscall:
			t.doSyscall()
		case platform.Fault:
			t.doFault(&ev)
		case platform.Syscall32:
			// A kernel without IA32 emulation has no gate for int 0x80 and
			// sysenter: a general protection fault.
			t.forceSignal(&SignalInfo{Signo: int32(unix.SIGSEGV), Code: siKernel})
		case platform.Signal:
			t.forceSignal(&SignalInfo{Signo: ev.Signo, Code: ev.Code, Addr: ev.Addr})
		}
	}
	t.exit()
}

// lost ends the process if err says that the host killed what it ran in.
func (t *Task) lost(err error) bool {
	if !errors.Is(err, platform.ErrGone) {
		return false
	}
	t.group.container.relieve()
	t.own.lost = err
	t.exitGroup(int32(unix.SIGKILL))
	return true
}

// prepare does what must be done before guest code runs again. It is false
// when there is no more to run.
func (t *Task) prepare() bool {
	// The flag is up before the last look at what might be pending: a sender
	// that comes later sees it and interrupts the platform.
	t.guest.Store(true)
	for !t.own.exiting && (t.killed.Load() || t.frozen() || t.interrupted()) {
		t.guest.Store(false)
		switch {
		case t.killed.Load():
			t.own.exiting = true
			return false
		case t.frozen():
			t.freeze()
		default:
			t.handleSignals(0, false, nil)
		}
		t.guest.Store(true)
	}
	if t.own.exiting {
		t.guest.Store(false)
		return false
	}
	return true
}

// switchToGuest runs guest code and accounts the time.
func (t *Task) switchToGuest() (platform.Event, error) {
	begin := int64(t.k.now())
	t.cpu.since.Store(begin)
	ev, err := t.own.ctx.Switch(t.has.mm.Host(), &t.own.arch)
	t.guest.Store(false)
	end := int64(t.k.now())
	t.cpu.since.Store(0)
	t.cpu.user.Add(end - begin)
	t.cpu.idle = 0
	t.cpu.trap = end
	return ev, err
}

// account adds the time since the trap, less what was slept, as system time.
func (t *Task) account() {
	if d := int64(t.k.now()) - t.cpu.trap - t.cpu.idle; d > 0 {
		t.cpu.sys.Add(d)
	}
}

// doSyscall is the one place where system calls enter and leave.
func (t *Task) doSyscall() {
	ac := &t.own.arch
	nr, args := ac.SyscallNo(), ac.SyscallArgs()
	t.own.why = ""
	var ret uintptr
	var err error
	for _, h := range t.k.cfg.Hooks {
		if err = h.Enter(t, nr, args); err != nil {
			break
		}
	}
	made := err == nil
	if s := t.seccomp.Load(); s != nil && made {
		ret, err, made = t.seccompEnter(s, nr, args)
	}
	if made {
		row := t.k.cfg.Table.Lookup(nr)
		if row.Func != nil {
			ret, err = row.Func(t, args)
		} else {
			err = t.missing(nr, row.Name)
		}
	}
	for _, h := range t.k.cfg.Hooks {
		h.Exit(t, nr, args, ret, err, t.own.why)
	}
	if err != nil {
		errno, ok := err.(unix.Errno)
		if !ok && t.lost(err) {
			t.account()
			return
		}
		if !ok {
			t.k.crash(fmt.Errorf("%s: %w", t.k.cfg.Table.Lookup(nr).Name, err))
		}
		ret = -uintptr(errno)
	}
	ac.SetReturn(ret)
	t.account()
	if t.finishMask(err) || err != nil && isRestart(err) || t.interrupted() {
		if !t.killed.Load() {
			t.handleSignals(nr, ac.SyscallNo() != noSyscall, err)
		}
	}
}

// noSyscall is what OrigRax holds when the registers are not those of a call:
// after sigreturn.
const noSyscall = ^uintptr(0)

func isRestart(err error) bool {
	e, ok := err.(unix.Errno)
	return ok && e >= 512 && e <= 516
}

// missing answers a call that is not there, and says so once a number.
func (t *Task) missing(nr uintptr, name string) error {
	if nr < maxSyscall && t.k.logged[nr].CompareAndSwap(false, true) {
		if name == "" {
			name = "number " + strconv.FormatUint(uint64(nr), 10)
		}
		t.k.log(fmt.Sprintf("%q (pid %d) called %s, which hull does not have", t.Comm(), t.group.rootID(), name))
	}
	return unix.ENOSYS
}

// doFault serves a page fault, or makes a signal of it.
func (t *Task) doFault(ev *platform.Event) {
	t.cpu.minflt.Add(1)
	err := t.has.mm.HandleFault(usermem.Addr(ev.Addr), ev.Access)
	t.account()
	if err == nil {
		return
	}
	info := &SignalInfo{Signo: int32(unix.SIGSEGV), Code: ev.Code, Addr: ev.Addr}
	if fe, ok := err.(*mm.FaultError); ok {
		info.Signo, info.Code = int32(fe.Signo), fe.Code
		if ev.Code == siKernel {
			// A general protection fault: the processor does not say where.
			info.Code, info.Addr = siKernel, 0
		} else {
			info.trap = pageFaultTrap(ev.Addr, ev.Access, fe.Present)
		}
	} else {
		// Memory ran out: the task is what the OOM killer would take.
		t.k.log(fmt.Sprintf("%q (pid %d) killed: out of memory", t.Comm(), t.group.rootID()))
		t.exitGroup(int32(unix.SIGKILL))
		return
	}
	t.forceSignal(info)
}
