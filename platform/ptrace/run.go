package ptrace

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// runGuest runs guest code from the state in ac until something happened that
// the sentry has to know.
func (c *context) runGuest(ac *arch.Context) (platform.Event, error) {
	w := c.worker
	if errno := w.load(&ac.Regs); errno != 0 {
		return platform.Event{}, failed("setting guest registers of", w.tid, errno)
	}
	c.inGuest.Store(uint64(w.tgid)<<32 | uint64(w.tid))
	defer c.inGuest.Store(0)
	c.p.balance.active()
	for {
		if c.interrupted.Swap(false) {
			if errno := getRegs(w.tid, &ac.Regs); errno != 0 {
				return platform.Event{}, failed("reading guest registers of", w.tid, errno)
			}
			ac.Regs.OrigRax = noSyscall
			return platform.Event{Kind: platform.Interrupted}, nil
		}
		if errno := request(unix.PTRACE_SYSEMU, w.tid, 0, 0); errno != 0 {
			return platform.Event{}, failed("resuming guest code of", w.tid, errno)
		}
		status, errno := wait(w.tid)
		if errno != 0 {
			return platform.Event{}, failed("waiting for guest code of", w.tid, errno)
		}
		if w.ends(status) {
			return platform.Event{}, fmt.Errorf("ptrace: stub %d died: status %#x: %w", w.tid, uint32(status), platform.ErrGone)
		}
		event, err := c.classify(status, ac)
		if err != nil || event.Kind != 0 {
			return event, err
		}
	}
}

// classify says what a stop means and fetches the registers if it means
// anything. An event of kind 0 is a stop that is nobody's business.
func (c *context) classify(status syscall.WaitStatus, ac *arch.Context) (platform.Event, error) {
	const syscallStop = unix.SIGTRAP | 0x80 // PTRACE_O_TRACESYSGOOD
	w := c.worker
	sig := status.StopSignal()
	if stopEvent(status) != 0 {
		return platform.Event{}, nil
	}
	var info siginfo
	if sig != syscallStop {
		if errno := getSiginfo(w.tid, &info); errno != 0 {
			return platform.Event{}, failed("reading siginfo of", w.tid, errno)
		}
		if !raised(&info) {
			return platform.Event{}, nil
		}
	}
	if errno := getRegs(w.tid, &w.regs); errno != 0 {
		return platform.Event{}, failed("reading guest registers of", w.tid, errno)
	}
	w.known = true
	ac.Regs = w.regs
	if sig == syscallStop {
		return w.syscallEvent(&ac.Regs)
	}
	ac.Regs.OrigRax = noSyscall
	if sig == unix.SIGSYS {
		return vsyscallEvent(&info, &ac.Regs), nil
	}
	if ev, ok := c.faultEvent(&info, &ac.Regs); ok {
		if info.code == segvMaperr && info.signo == int32(unix.SIGSEGV) {
			return c.maybeRefill(ev)
		}
		return ev, nil
	}
	return platform.Event{Kind: platform.Signal, Signo: info.signo, Code: info.code, Addr: info.addr}, nil
}

// noSyscall is what OrigRax holds when the registers are not those of a call.
const noSyscall = ^uint64(0)

// load gives the worker the registers that guest code goes on with.
//
// After a system call mostly its result alone is new, which is one word for the
// kernel to store in place of 27. The number of the call stays in orig_rax then:
// harmless, but for results by which the kernel would restart it.
func (t *thread) load(regs *arch.Registers) unix.Errno {
	known := t.known
	t.known = false
	if known {
		if t.regs == *regs {
			return 0
		}
		t.regs.Rax = regs.Rax
		if t.regs == *regs && !restarts(regs.Rax) {
			return pokeUser(t.tid, unsafe.Offsetof(regs.Rax), regs.Rax)
		}
	}
	t.regs = *regs
	t.regs.OrigRax = noSyscall
	sanitize(&t.regs)
	return setRegs(t.tid, &t.regs)
}

// restarts reports whether a result is one of Linux's codes between
// ERESTARTSYS (512) and ERESTART_RESTARTBLOCK (516).
func restarts(rax uint64) bool { return -rax >= 512 && -rax <= 516 }

// raised reports whether guest code itself raised the signal, by an exception
// or in the vsyscall page. All else was sent from outside and is not its
// business.
func raised(info *siginfo) bool {
	if info.code <= 0 {
		return false // SI_USER, SI_TKILL and their like
	}
	switch unix.Signal(info.signo) {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGTRAP, unix.SIGSYS:
		return true
	}
	return false // SI_KERNEL for one of a terminal's signals, say
}

// syscallEvent says which kind of system call the worker has stopped at.
func (t *thread) syscallEvent(regs *arch.Registers) (platform.Event, error) {
	// SYSCALL leaves rip in rcx and eflags in r11. Code that forges that before
	// an int 0x80 has issued a native call: it could have done so anyway.
	if regs.Cs == userCS && regs.Rcx == regs.Rip && regs.R11 == regs.Eflags {
		return platform.Event{Kind: platform.Syscall}, nil
	}
	entry, errno := syscallArch(t.tid)
	if errno != 0 {
		return platform.Event{}, failed("asking for the kind of system call of", t.tid, errno)
	}
	if entry == unix.AUDIT_ARCH_X86_64 {
		return platform.Event{Kind: platform.Syscall}, nil
	}
	return platform.Event{Kind: platform.Syscall32}, nil
}

// vsyscallEvent is a call into the vsyscall page. The host emulates that page
// and asks the filter, which answers SIGSYS; by then the emulation has returned
// to the caller.
func vsyscallEvent(info *siginfo, regs *arch.Registers) platform.Event {
	regs.OrigRax = uint64(uint32(info.syscall))
	if info.arch != unix.AUDIT_ARCH_X86_64 {
		return platform.Event{Kind: platform.Syscall32}
	}
	return platform.Event{Kind: platform.Syscall}
}

// si_code values (asm-generic/siginfo.h).
const (
	segvMaperr = 1 // nothing is mapped
	segvAccerr = 2 // the protection forbids it
	busAdrerr  = 2 // behind the end of the file
)

// faultEvent reports a fault of the address space's making. Linux does not
// show a tracer what kind of access it was. The protection of what is mapped
// says so, or the instruction; where neither does it counts as a read, and a
// write faults once more.
func (c *context) faultEvent(info *siginfo, regs *arch.Registers) (platform.Event, bool) {
	ev := platform.Event{Kind: platform.Fault, Signo: info.signo, Code: info.code, Addr: info.addr}
	switch {
	case info.signo == int32(unix.SIGSEGV) && (info.code == segvMaperr || info.code == segvAccerr):
	case info.signo == int32(unix.SIGBUS) && info.code == busAdrerr:
	default:
		return ev, false
	}
	prot, mapped := c.as.protAt(info.addr)
	switch {
	case executes(regs.Rip, info.addr) && (!mapped || prot&protExec == 0):
		ev.Access.Exec = true
	case mapped && prot&protRead != 0 && prot&protWrite == 0 && info.code == segvAccerr:
		ev.Access.Write = true
	default:
		var code [maxInstruction + 1]byte
		ev.Access.Write = writes(c.worker.codeAt(regs.Rip, &code), regs, info.addr)
		ev.Access.Read = !ev.Access.Write
	}
	return ev, true
}

// maybeRefill passes a fault where nothing is mapped on, unless the host alone
// has nothing there.
func (c *context) maybeRefill(ev platform.Event) (platform.Event, error) {
	saved := c.worker.regs
	found, err := c.as.refill(c.worker, ev.Addr)
	if err != nil {
		return platform.Event{}, err
	}
	if !found {
		return ev, nil
	}
	if errno := setRegs(c.worker.tid, &saved); errno != 0 {
		return platform.Event{}, failed("setting guest registers of", c.worker.tid, errno)
	}
	c.worker.known = false
	return platform.Event{}, nil
}

// codeAt reads the bytes of the instruction at rip as far as they are mapped.
func (t *thread) codeAt(rip uint64, buf *[maxInstruction + 1]byte) []byte {
	for n := 0; n < len(buf); n += 8 {
		if request(unix.PTRACE_PEEKDATA, t.tid, uintptr(rip)+uintptr(n), uintptr(unsafe.Pointer(&buf[n]))) != 0 {
			return buf[:n]
		}
	}
	return buf[:]
}

// maxInstruction is the length of the longest x86 instruction.
const maxInstruction = 15

// executes reports whether a fault at addr can come from fetching the
// instruction at rip, which may reach into the next page.
func executes(rip, addr uint64) bool {
	return addr == rip || addr > rip && addr-rip < maxInstruction && addr%pageSize == 0
}

// sanitize makes registers such that the kernel takes them, whatever the guest
// put into a signal frame.
func sanitize(r *arch.Registers) {
	if r.Cs != userCS && r.Cs != userCS32 {
		r.Cs = userCS
	}
	if r.Ss != userSS {
		r.Ss = userSS
	}
	for _, sel := range []*uint64{&r.Ds, &r.Es, &r.Fs, &r.Gs} {
		if *sel > 0xffff || *sel != 0 && *sel&3 != 3 {
			*sel = 0
		}
	}
	for _, base := range []*uint64{&r.FsBase, &r.GsBase} {
		if *base >= taskSize {
			*base = 0
		}
	}
}

var (
	_ platform.Platform     = (*Platform)(nil)
	_ platform.Context      = (*context)(nil)
	_ platform.AddressSpace = (*addressSpace)(nil)
	_ platform.Forker       = (*addressSpace)(nil)
	_ platform.Charger      = (*addressSpace)(nil)
	_ platform.Divider      = (*Platform)(nil)
	_ platform.Titler       = (*addressSpace)(nil)
	_ platform.Mortal       = (*context)(nil)
)
