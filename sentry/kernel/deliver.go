package kernel

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/usermem"
)

// handleSignals takes one signal and does what its action says: it is over with
// the task running guest code, a handler's first instruction perhaps, or ending.
// The run loop calls it, for a system call with its number and error, until
// nothing is left.
func (t *Task) handleSignals(nr uintptr, inSyscall bool, err error) {
	info, act, ok := t.nextSignal()
	restart := inSyscall && err != nil && isRestart(err)
	if !ok {
		if restart && !t.own.exiting {
			t.restart(nr, err)
		}
		t.restoreMask()
		return
	}
	if restart {
		// Only what SA_RESTART allows goes on behind the handler's back.
		if err == abi.ERESTARTNOINTR || err == abi.ERESTARTSYS && act.Flags&saRestart != 0 {
			t.own.arch.RewindSyscall(nr)
		} else {
			t.own.arch.SetReturn(errnoReturn(unix.EINTR))
		}
	}
	t.own.restart = nil
	if t.runHandler(&info, act) {
		return
	}
	t.Note("no room for a signal frame")
	if info.Signo == int32(unix.SIGSEGV) {
		t.exitGroup(int32(unix.SIGSEGV)) // its own handler cannot run
		return
	}
	t.forceSignal(&SignalInfo{Signo: int32(unix.SIGSEGV), Code: siKernel})
}

// errnoReturn is an error as the guest finds it in the register of results.
func errnoReturn(e unix.Errno) uintptr { return -uintptr(e) }

// restart issues the interrupted call again: no handler saw the signal.
func (t *Task) restart(nr uintptr, err error) {
	if err == abi.ERESTART_RESTARTBLOCK {
		nr = unix.SYS_RESTART_SYSCALL
	}
	t.own.arch.RewindSyscall(nr)
}

// nextSignal takes pending signals, doing their default actions, until one has a
// handler. ok is false when none is left or the task ends.
func (t *Task) nextSignal() (info SignalInfo, act SigAction, ok bool) {
	g := &t.group.sig
	for {
		g.Lock()
		if g.stop.requested && !t.killed.Load() {
			g.Unlock()
			t.park()
			continue
		}
		signo, found := int32(0), false
		if !t.killed.Load() {
			info, found = t.dequeue(^t.sig.mask)
			signo = info.Signo
		}
		t.recalc()
		if !found {
			g.Unlock()
			return info, act, false
		}
		act = g.handlers.get(signo)
		if act.Handler > sigIgnore {
			if act.Flags&saResetHand != 0 {
				g.handlers.set(signo, SigAction{Flags: act.Flags, Restorer: act.Restorer, Mask: act.Mask})
			}
			g.Unlock()
			return info, act, true
		}
		g.Unlock()
		if act.ignores(signo) {
			continue
		}
		if t.defaultAction(&info) {
			return info, act, false
		}
	}
}

// defaultAction stops or ends the process; it is true if the task ends.
func (t *Task) defaultAction(info *SignalInfo) bool {
	t.k.tasks.Lock()
	spared := t.group.unkillable() && (info.Inside || !unblockable().Has(info.Signo))
	t.k.tasks.Unlock()
	switch {
	case spared:
		return false
	case stopSet().Has(info.Signo):
		t.stopGroup(info.Signo)
		return false
	}
	t.exitGroup(info.Signo)
	return true
}

// dequeue takes the next signal of set that is pending for the task: faults
// before all, the task's before the process's. The group's lock is held.
func (t *Task) dequeue(set SignalSet) (SignalInfo, bool) {
	g, s := &t.group.sig, &t.sig
	quota := &t.k.signals
	if n := s.pending.firstFault(^set); n != 0 {
		return s.pending.take(n, quota), true
	}
	var info SignalInfo
	if n := (s.pending.set & set).first(); n != 0 {
		info = s.pending.take(n, quota)
	} else if n := (g.pending.set & set).first(); n != 0 {
		info = g.pending.take(n, quota)
	} else {
		return info, false
	}
	t.group.rearm(&info)
	return info, true
}

// runHandler makes the task run a handler. It is false if the frame could not be
// stored; the registers are as they were then.
func (t *Task) runHandler(info *SignalInfo, act SigAction) bool {
	if act.Flags&saRestorer == 0 {
		return false // amd64 has no other way back
	}
	ac, s := &t.own.arch, &t.sig
	if err := t.own.ctx.SaveFPU(ac); err != nil {
		if t.lost(err) {
			return true // it runs nothing any more
		}
		t.k.crash(err)
	}
	f := arch.Frame{Signo: info.Signo, Info: info.Marshal(), Handler: act.Handler, Restorer: act.Restorer,
		Mask: uint64(s.mask), Stack: s.alt, Trap: info.trap}
	if s.temporary {
		f.Mask = uint64(s.saved)
	}
	onStack := t.onAltStack(ac.SP())
	f.Switch = act.Flags&saOnStack != 0 && s.alt.Size != 0 && !onStack
	before := *ac
	pieces, ok := ac.PushFrame(&f)
	if onStack && !s.alt.Contains(ac.SP()) {
		ok = false // it grew out of its stack
	}
	for _, p := range pieces {
		if ok {
			_, err := t.has.mm.CopyOut(usermem.Addr(p.Addr), p.Bytes)
			ok = err == nil
		}
	}
	if !ok {
		*ac = before
		return false
	}
	g := &t.group.sig
	g.Lock()
	defer g.Unlock()
	if s.alt.Flags&ssAutodisarm != 0 {
		s.alt = arch.AltStack{Flags: ssDisable}
	}
	mask := s.mask | act.Mask
	if act.Flags&saNoDefer == 0 {
		mask |= bit(info.Signo)
	}
	s.temporary = false
	t.block(mask)
	return true
}

// SigReturn is rt_sigreturn(2). It returns what the interrupted code has in the
// register of results. A frame that makes no sense is a SIGSEGV.
func (t *Task) SigReturn() uintptr {
	ac := &t.own.arch
	fail := func() uintptr {
		t.Note("the signal frame is damaged")
		t.forceSignal(&SignalInfo{Signo: int32(unix.SIGSEGV), Code: siKernel})
		return 0
	}
	addr, n := ac.FrameAddr()
	frame := make([]byte, n)
	if _, err := t.has.mm.CopyIn(usermem.Addr(addr), frame); err != nil {
		return fail()
	}
	saved, err := arch.ParseFrame(frame)
	if err != nil {
		return fail()
	}
	image, err := t.frameFPU(usermem.Addr(saved.FPU))
	if err != nil {
		return fail()
	}
	ac.PopFrame(&saved)
	ac.LoadFPU(image)
	t.own.restart = nil
	t.SetSignalMask(SignalSet(saved.Mask))
	// As in Linux what cannot be a stack is passed over.
	_, _ = t.SetAltStack(&saved.Stack)
	return ac.Return()
}

// frameFPU reads the FPU image that a frame refers to; nil for none.
func (t *Task) frameFPU(addr usermem.Addr) ([]byte, error) {
	if addr == 0 {
		return nil, nil
	}
	head := make([]byte, arch.FrameFPUHead)
	if _, err := t.has.mm.CopyIn(addr, head); err != nil {
		return nil, err
	}
	n := arch.FrameFPUSize(head)
	image := append(head, make([]byte, n-len(head))...)
	rest, ok := addr.Add(uint64(len(head)))
	if !ok {
		return nil, unix.EFAULT
	}
	if _, err := t.has.mm.CopyIn(rest, image[len(head):]); err != nil {
		return nil, err
	}
	return image, nil
}

// forceSignal delivers a signal that the task itself caused and cannot go on
// without: blocked or ignored, it kills.
func (t *Task) forceSignal(info *SignalInfo) {
	if info.trap == (arch.Trap{}) {
		info.trap = trapOf(info)
	}
	g := &t.group.sig
	g.Lock()
	act := g.handlers.get(info.Signo)
	if act.Handler <= sigIgnore || t.sig.mask.Has(info.Signo) {
		g.handlers.set(info.Signo, SigAction{})
		g.Unlock()
		t.exitGroup(info.Signo)
		return
	}
	if !t.sig.pending.set.Has(info.Signo) {
		t.sig.pending.push(&queuedSignal{info: *info})
	}
	t.recalc()
	g.Unlock()
}

// pageFaultTrap is what a sigcontext tells of a page fault: the error code that
// the processor would have pushed.
func pageFaultTrap(addr uint64, a platform.Access, present bool) arch.Trap {
	const pageFault = 14
	const presentBit, writeBit, userBit, execBit = 1, 2, 4, 16
	tr := arch.Trap{No: pageFault, Err: userBit, CR2: addr}
	if present {
		tr.Err |= presentBit
	}
	if a.Write {
		tr.Err |= writeBit
	}
	if a.Exec {
		tr.Err |= execBit
	}
	return tr
}

// trapOf is what a sigcontext tells of any other exception.
func trapOf(info *SignalInfo) arch.Trap {
	const generalProtection, debug, breakpoint = 13, 1, 3
	const trapTrace = 2
	switch unix.Signal(info.Signo) {
	case unix.SIGSEGV, unix.SIGBUS:
		return arch.Trap{No: generalProtection}
	case unix.SIGILL:
		return arch.Trap{No: 6}
	case unix.SIGFPE:
		return arch.Trap{No: 0}
	case unix.SIGTRAP:
		if info.Code == trapTrace {
			return arch.Trap{No: debug}
		}
		return arch.Trap{No: breakpoint}
	}
	return arch.Trap{}
}
