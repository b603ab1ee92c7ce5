package arch

// Registers is the general register file of one task, laid out as Linux's
// struct user_regs_struct (sys/user.h), so that ptrace can fill it in place.
type Registers struct {
	R15, R14, R13, R12   uint64
	Rbp, Rbx, R11, R10   uint64
	R9, R8, Rax, Rcx     uint64
	Rdx, Rsi, Rdi        uint64
	OrigRax              uint64 // the system call number, or -1 outside one
	Rip, Cs, Eflags, Rsp uint64
	Ss, FsBase, GsBase   uint64
	Ds, Es, Fs, Gs       uint64
}

// Context is all the processor state of one task.
//
// The general registers are always current. The FPU state is not: fetching it
// at each system call would cost as much as the call, so it stays with the
// platform until somebody asks for it with platform.Context.SaveFPU.
type Context struct {
	Regs Registers
	FPU  FPU
}

// FPU is the extended state of a task in the standard (non-compacted) XSAVE
// format, as PTRACE_GETREGSET(NT_X86_XSTATE) and a signal frame use it.
type FPU struct {
	// Area is the XSAVE image; nil means the processor's initial state.
	// It is current only after platform.Context.SaveFPU, or while Dirty.
	Area []byte
	// Dirty says that Area was changed (execve, sigreturn, clone) and must be
	// loaded by the platform before the task runs again.
	Dirty bool
}

// Fork returns the state that a clone of the task starts with. The caller must
// have called platform.Context.SaveFPU on c.
func (c *Context) Fork() Context {
	n := Context{Regs: c.Regs}
	n.FPU.Area = append([]byte(nil), c.FPU.Area...)
	n.FPU.Dirty = true
	return n
}

// SyscallNo returns the number of the system call that the task issued.
func (c *Context) SyscallNo() uintptr { return uintptr(c.Regs.OrigRax) }

// SyscallArgs returns the six arguments of the system call.
func (c *Context) SyscallArgs() Args {
	r := &c.Regs
	return Args{Arg(r.Rdi), Arg(r.Rsi), Arg(r.Rdx), Arg(r.R10), Arg(r.R8), Arg(r.R9)}
}

// SetReturn stores a system call's result; a failure is a negated errno.
func (c *Context) SetReturn(v uintptr) { c.Regs.Rax = uint64(v) }

// Return gives back what SetReturn stored.
func (c *Context) Return() uintptr { return uintptr(c.Regs.Rax) }

// RewindSyscall puts the task back before its system call instruction, with
// the number nr in place, so that it is issued again.
func (c *Context) RewindSyscall(nr uintptr) {
	c.Regs.Rip -= 2 // the length of SYSCALL
	c.Regs.Rax = uint64(nr)
}

// IP returns the instruction pointer.
func (c *Context) IP() uint64 { return c.Regs.Rip }

// SetIP sets the instruction pointer.
func (c *Context) SetIP(v uint64) { c.Regs.Rip = v }

// SP returns the stack pointer.
func (c *Context) SP() uint64 { return c.Regs.Rsp }

// SetSP sets the stack pointer.
func (c *Context) SetSP(v uint64) { c.Regs.Rsp = v }

// SetTLS sets the thread pointer (fs base), as CLONE_SETTLS asks for.
func (c *Context) SetTLS(v uint64) { c.Regs.FsBase = v }

// The segment selectors and flags of 64-bit user code on Linux.
const (
	userCS    = 0x33
	userSS    = 0x2b
	flagsInit = 0x202 // interrupts on
)

// NewContext returns the state in which a new program starts, with its entry
// point and stack pointer: everything else is zero.
func NewContext(entry, sp uint64) Context {
	c := Context{Regs: Registers{Rip: entry, Rsp: sp, Cs: userCS, Ss: userSS, Eflags: flagsInit, OrigRax: ^uint64(0)}}
	c.FPU.Dirty = true
	return c
}
