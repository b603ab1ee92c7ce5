package ptrace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
)

// traceOptions are in force for every tracee; its clones inherit them.
const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL

// holdOptions are those of the threads of a part: see thread.held.
const holdOptions = traceOptions | unix.PTRACE_O_TRACEEXIT

// request is ptrace(2). The raw form is right for it: no request used here
// blocks, and some are made twice per guest system call.
func request(req int, tid int32, addr, data uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	return errno
}

func getRegs(tid int32, regs *arch.Registers) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGS, uintptr(tid), 0, uintptr(unsafe.Pointer(regs)), 0, 0)
	return errno
}

func setRegs(tid int32, regs *arch.Registers) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGS, uintptr(tid), 0, uintptr(unsafe.Pointer(regs)), 0, 0)
	return errno
}

// pokeUser sets the register that is off bytes into the user area, which begins
// with them.
func pokeUser(tid int32, off uintptr, value uint64) unix.Errno {
	return request(unix.PTRACE_POKEUSR, tid, off, uintptr(value))
}

// ntX86Xstate is the note type of an XSAVE image (elf.h).
const ntX86Xstate = 0x202

// xstate moves an XSAVE image by PTRACE_GETREGSET or PTRACE_SETREGSET and
// returns how many bytes the kernel moved.
func xstate(req int, tid int32, area []byte) (int, unix.Errno) {
	iov := unix.Iovec{Base: unsafe.SliceData(area), Len: uint64(len(area))}
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), ntX86Xstate, uintptr(unsafe.Pointer(&iov)), 0, 0)
	return int(iov.Len), errno
}

// siginfo is the head of Linux's siginfo_t with the fields of two of its
// variants: a fault's address, or a seccomp filter's finding.
type siginfo struct {
	signo, errno, code, _ int32
	addr                  uint64 // _sigfault._addr, _sigsys._call_addr
	syscall               int32  // _sigsys._syscall
	arch                  uint32 // _sigsys._arch
	_                     [96]byte
}

func getSiginfo(tid int32, info *siginfo) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(tid), 0, uintptr(unsafe.Pointer(info)), 0, 0)
	return errno
}

// syscallArch returns the AUDIT_ARCH of the system call that tid has stopped at.
func syscallArch(tid int32) (uint32, unix.Errno) {
	var info struct { // struct ptrace_syscall_info
		op   uint8
		_    [3]uint8
		arch uint32
		_    [80]uint8
	}
	const getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info.arch, errno
}

// wait waits until tid stops or dies. The blocking form lets the Go scheduler
// use the processor for other goroutines meanwhile.
func wait(tid int32) (syscall.WaitStatus, unix.Errno) {
	var status int32
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&status)), unix.WALL, 0, 0, 0)
		if errno != unix.EINTR {
			return syscall.WaitStatus(uint32(status)), errno
		}
	}
}

// reap waits until tid is gone.
func reap(tid int32) {
	for {
		status, errno := wait(tid)
		if errno != 0 || status.Exited() || status.Signaled() {
			return
		}
	}
}

// look is wait for who has nothing to wait for: it is false if tid goes on as it was.
func look(tid int32) (status syscall.WaitStatus, news bool) {
	var s int32
	n, _, errno := unix.Syscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&s)), unix.WALL|unix.WNOHANG, 0, 0, 0)
	return syscall.WaitStatus(uint32(s)), errno == 0 && int32(n) == tid
}

// stopEvent returns the PTRACE_EVENT of a stop, 0 if it has none.
func stopEvent(status syscall.WaitStatus) int { return int(status>>16) & 0xff }

func gettid() int32 {
	tid, _, _ := unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
	return int32(tid)
}

func tgkill(tgid, tid int32, sig unix.Signal) {
	// ESRCH is the one possible failure: the thread is gone, as was wanted.
	_, _, _ = unix.RawSyscall(unix.SYS_TGKILL, uintptr(tgid), uintptr(tid), uintptr(sig))
}

func kill(pid int32, sig unix.Signal) {
	_, _, _ = unix.RawSyscall(unix.SYS_KILL, uintptr(pid), uintptr(sig), 0)
}

// currentCPU returns the processor that the caller runs on.
func currentCPU() int {
	var cpu uint32
	_, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(cpu)
}

// setAffinity restricts thread tid (0: the caller) to the processors in set.
// A failure, say because a cpuset shrank, costs speed only and is ignored.
func setAffinity(tid int32, set *unix.CPUSet) {
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set)))
}
