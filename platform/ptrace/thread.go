package ptrace

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// thread is one host thread of a stub process. The methods are for the OS
// thread that traces it, while it is stopped.
type thread struct {
	tgid, tid int32
	// regs are the registers it has, if known is set; otherwise regs is scratch.
	regs  arch.Registers
	known bool
	// reaped says that it died and was waited for: its number may be another's.
	reaped bool

	// hold says that it does not end, if it is killed, before its tracer lets it; held
	// that it waits for that. Its memory is still there then: for the host's killer for
	// want of memory it is the one that is ending, for whom others that want some wait.
	// They would be killed too if it were gone before what it had is given back, which
	// is the sentry's to do.
	hold, held bool
}

// Selectors of Linux's user segments.
const (
	userCS   = 0x33
	userCS32 = 0x23
	userSS   = 0x2b
)

// pkru is the state component of the protection keys' register.
const pkru = 1 << 9

// hasKeys is what r13 tells the stub's text: 1 if the processor has protection
// keys that are in use.
func hasKeys() uint64 {
	if arch.HostXState().Features&pkru != 0 {
		return 1
	}
	return 0
}

// eflagsIF is the interrupt flag, which is always set in user mode.
const eflagsIF = 0x202

// failed returns the error of a request about thread tid. Who does not exist for
// its tracer any more was killed.
func failed(what string, tid int32, errno unix.Errno) error {
	if errno == unix.ESRCH {
		return fmt.Errorf("ptrace: %s stub %d: %w", what, tid, platform.ErrGone)
	}
	return fmt.Errorf("ptrace: %s stub %d: %w", what, tid, errno)
}

// attach makes the caller the tracer of a parked thread and stops it.
func (t *thread) attach() error {
	options := uintptr(traceOptions)
	if t.hold {
		options = holdOptions
	}
	errno := request(unix.PTRACE_SEIZE, t.tid, 0, options)
	if errno == unix.EPERM { // what a zombie answers
		errno = unix.ESRCH
	}
	if errno != 0 {
		return failed("attaching to", t.tid, errno)
	}
	if errno := request(unix.PTRACE_INTERRUPT, t.tid, 0, 0); errno != 0 {
		return failed("stopping", t.tid, errno)
	}
	err := t.awaitStop()
	if t.held {
		t.letGo()
	}
	return err
}

// awaitStop waits for any stop. What else is on its way stops the thread again
// later, and is then passed over.
func (t *thread) awaitStop() error {
	t.known = false
	status, errno := wait(t.tid)
	if errno == unix.ECHILD { // it was reaped already
		errno = unix.ESRCH
	}
	if errno != 0 {
		return failed("waiting for", t.tid, errno)
	}
	if t.ends(status) {
		return fmt.Errorf("ptrace: stub %d died: status %#x: %w", t.tid, uint32(status), platform.ErrGone)
	}
	return nil
}

// ends notes if the thread has ended, or was killed.
func (t *thread) ends(status syscall.WaitStatus) bool {
	t.reaped = !status.Stopped()
	t.held = !t.reaped && stopEvent(status) == unix.PTRACE_EVENT_EXIT
	return t.reaped || t.held
}

// enter sets the registers that code of the stub's text starts with.
func (t *thread) enter(off uint64, calls int) unix.Errno {
	t.known = false
	t.regs = arch.Registers{
		Rip: textAddr + off, Rbx: tableAddr, Rbp: tableAddr + uint64(calls)*callSize, R13: hasKeys(),
		OrigRax: ^uint64(0), Cs: userCS, Ss: userSS, Eflags: eflagsIF,
	}
	return setRegs(t.tid, &t.regs)
}

// park lets go of the thread; it waits in the stub's text from then on.
func (t *thread) park() error {
	errno := t.enter(parkOff, 0)
	if errno == 0 {
		errno = request(unix.PTRACE_DETACH, t.tid, 0, 0)
	}
	if errno != 0 {
		return failed("parking", t.tid, errno)
	}
	return nil
}

// bury reaps a thread that was killed, or waits until it can be let go.
func (t *thread) bury() {
	for !t.reaped && !t.held {
		status, errno := wait(t.tid)
		if t.ends(status); errno != 0 {
			t.reaped, t.held = true, false
		}
	}
}

// letGo has a thread that was killed end.
func (t *thread) letGo() {
	t.bury()
	if t.held {
		_ = request(unix.PTRACE_CONT, t.tid, 0, 0) // it may be gone
		t.held = false
	}
}

// finish is letGo, and reaps the thread.
func (t *thread) finish() {
	t.letGo()
	if !t.reaped {
		reap(t.tid)
		t.reaped = true
	}
}

// callError says which of the calls of a table failed.
type callError struct {
	Nr    uint64
	Errno unix.Errno
}

func (e *callError) Error() string {
	return fmt.Sprintf("ptrace: host call %d in a stub: %v", e.Nr, e.Errno)
}

func (e *callError) Unwrap() error { return e.Errno }

// run makes the first n calls of tab, which must be the table the thread sees,
// and returns the result of the last.
func (t *thread) run(tab *table, n int) (uint64, error) {
	if errno := t.enter(loopOff, n); errno != 0 {
		return 0, failed("setting registers of", t.tid, errno)
	}
	for {
		if errno := request(unix.PTRACE_CONT, t.tid, 0, 0); errno != 0 {
			return 0, failed("resuming", t.tid, errno)
		}
		if err := t.awaitStop(); err != nil {
			return 0, err
		}
		if errno := getRegs(t.tid, &t.regs); errno != 0 {
			return 0, failed("reading registers of", t.tid, errno)
		}
		if t.regs.Rip == textAddr+trapOff {
			break
		}
	}
	if done := t.done(); done < n {
		return 0, &callError{tab[done][0], unix.Errno(-int64(t.regs.Rax))}
	}
	return t.regs.Rax, nil
}

// done returns how many calls of the last run succeeded.
func (t *thread) done() int { return int(t.regs.Rbx-tableAddr) / callSize }

// clone has the thread execute a clone with flags and returns the new thread,
// which the caller traces too and which is stopped. It makes other calls before,
// whose failure matters to nobody.
func (t *thread) clone(tab *table, flags uint64, before ...call) (*thread, error) {
	n := copy(tab[:], before)
	tab[n] = call{unix.SYS_CLONE, flags}
	tid, err := t.run(tab, n+1)
	if bad, ok := errors.AsType[*callError](err); ok && bad.Nr != unix.SYS_CLONE {
		return t.clone(tab, flags)
	}
	if err != nil {
		return nil, err
	}
	return t.child(tid, flags)
}

// child is the new thread or process that a clone made.
func (t *thread) child(tid, flags uint64) (*thread, error) {
	n := &thread{tgid: t.tgid, tid: int32(tid), hold: t.hold}
	if flags&unix.CLONE_THREAD == 0 {
		n.tgid = n.tid
	}
	if err := n.awaitStop(); err != nil {
		n.finish()
		return nil, err
	}
	return n, nil
}

// exit ends a worker.
func (t *thread) exit(tab *table) error {
	tab[0] = call{unix.SYS_EXIT}
	errno := t.enter(loopOff, 1)
	for errno == 0 {
		if errno = request(unix.PTRACE_CONT, t.tid, 0, 0); errno != 0 {
			break
		}
		var status syscall.WaitStatus
		if status, errno = wait(t.tid); errno == 0 && !status.Stopped() {
			t.reaped, t.held = true, false
			return nil
		}
	}
	if errno == unix.ESRCH { // killed meanwhile, which is as good
		t.finish()
		return nil
	}
	return failed("ending", t.tid, errno)
}

// rseq is what PTRACE_GET_RSEQ_CONFIGURATION returns.
type rseq struct {
	addr           uint64
	size           uint32
	signature      uint32
	flags, padding uint32
}

// rseqCall returns the call that undoes the thread's rseq registration, if it
// has one: the kernel would go on writing where it points.
func (t *thread) rseqCall() (call, bool) {
	var r rseq
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_RSEQ_CONFIGURATION, uintptr(t.tid), unsafe.Sizeof(r), uintptr(unsafe.Pointer(&r)), 0, 0)
	if errno != 0 || r.addr == 0 {
		return call{}, false // also a kernel without rseq
	}
	const unregister = 1 // RSEQ_FLAG_UNREGISTER
	return call{unix.SYS_RSEQ, r.addr, uint64(r.size), unregister, uint64(r.signature)}, true
}
