package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// kill is kill(2).
func kill(t *kernel.Task, a arch.Args) (uintptr, error) { return 0, t.Kill(a[0].Int(), a[1].Int()) }

// tkill is tkill(2).
func tkill(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[0].Int() <= 0 {
		return 0, unix.EINVAL
	}
	return 0, t.TKill(0, a[0].Int(), a[1].Int())
}

// tgkill is tgkill(2).
func tgkill(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[0].Int() <= 0 || a[1].Int() <= 0 {
		return 0, unix.EINVAL
	}
	return 0, t.TKill(a[0].Int(), a[1].Int(), a[2].Int())
}

// givenSize is how many bytes of a siginfo_t the kernel keeps.
const givenSize = 48

// siginfoArg decodes the siginfo_t that a process gives to another. What claims
// to be the kernel's, or kill's, is for the own process only.
func siginfoArg(t *kernel.Task, addr arch.Arg, signo int32, self bool) (kernel.SignalInfo, error) {
	const siTKill = -6
	info, err := givenSiginfo(t, addr)
	if err != nil {
		return kernel.SignalInfo{}, err
	}
	if (info.Code >= 0 || info.Code == siTKill) && !self {
		return kernel.SignalInfo{}, unix.EPERM
	}
	info.Signo = signo
	binary.NativeEndian.PutUint32(info.Given, uint32(signo))
	return info, nil
}

// givenSiginfo decodes a siginfo_t as it is.
func givenSiginfo(t *kernel.Task, addr arch.Arg) (kernel.SignalInfo, error) {
	b := make([]byte, givenSize)
	if _, err := t.Mem().CopyIn(usermem.Addr(addr), b); err != nil {
		return kernel.SignalInfo{}, err
	}
	u32 := func(off int) uint32 { return binary.NativeEndian.Uint32(b[off:]) }
	return kernel.SignalInfo{Signo: int32(u32(0)), Errno: int32(u32(4)), Code: int32(u32(8)), PID: int32(u32(16)), UID: u32(20),
		Value: binary.NativeEndian.Uint64(b[24:]), Given: b}, nil
}

// rtSigqueueinfo is rt_sigqueueinfo(2).
func rtSigqueueinfo(t *kernel.Task, a arch.Args) (uintptr, error) {
	pid := a[0].Int()
	info, err := siginfoArg(t, a[2], a[1].Int(), pid == t.ThreadGroup().ID())
	if err != nil {
		return 0, err
	}
	return 0, t.Queue(pid, info)
}

// rtTgsigqueueinfo is rt_tgsigqueueinfo(2).
func rtTgsigqueueinfo(t *kernel.Task, a arch.Args) (uintptr, error) {
	tgid, tid := a[0].Int(), a[1].Int()
	info, err := siginfoArg(t, a[3], a[2].Int(), tid == t.TID())
	if err != nil {
		return 0, err
	}
	if tgid <= 0 || tid <= 0 {
		return 0, unix.EINVAL
	}
	return 0, t.QueueThread(tgid, tid, info)
}
