package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// prctl is prctl(2). Options that hull does not have are EINVAL, as on a kernel
// without them.
func prctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	arg, addr := a[1].Uint64(), usermem.Addr(a[1])
	unused := a[2]|a[3]|a[4] == 0
	switch a[0].Int() {
	case unix.PR_SET_PDEATHSIG:
		if arg > maxSignal {
			return 0, unix.EINVAL
		}
		t.SetPdeathSignal(int32(arg))
		return 0, nil
	case unix.PR_GET_PDEATHSIG:
		sig := t.PdeathSignal()
		return 0, usermem.Out(t.Mem(), addr, &sig)
	case unix.PR_GET_DUMPABLE:
		return uintptr(t.MM().Info().Dumpable), nil
	case unix.PR_SET_DUMPABLE:
		if arg > 1 {
			return 0, unix.EINVAL
		}
		t.SetDumpable(int(arg))
		return 0, nil
	case unix.PR_SET_NAME:
		name, err := usermem.CString(t.Mem(), addr, 16)
		if err == unix.ENAMETOOLONG {
			var b [15]byte
			_, err = t.Mem().CopyIn(addr, b[:])
			name = string(b[:])
		}
		if err != nil {
			return 0, err
		}
		t.SetComm(name)
		return 0, nil
	case unix.PR_GET_NAME:
		var b [16]byte
		copy(b[:15], t.Comm())
		_, err := t.Mem().CopyOut(addr, b[:])
		return 0, err
	case unix.PR_SET_CHILD_SUBREAPER:
		t.ThreadGroup().SetSubreaper(arg != 0)
		return 0, nil
	case unix.PR_GET_CHILD_SUBREAPER:
		var v int32
		if t.ThreadGroup().Subreaper() {
			v = 1
		}
		return 0, usermem.Out(t.Mem(), addr, &v)
	case unix.PR_SET_NO_NEW_PRIVS:
		if arg != 1 || !unused {
			return 0, unix.EINVAL
		}
		c := t.Cred().Clone()
		c.NoNewPrivs = true
		t.SetCred(c)
		return 0, nil
	case unix.PR_GET_NO_NEW_PRIVS:
		if arg != 0 || !unused {
			return 0, unix.EINVAL
		}
		return truth(t.Cred().NoNewPrivs), nil
	case unix.PR_GET_TIMING:
		return unix.PR_TIMING_STATISTICAL, nil
	case unix.PR_SET_TIMING:
		if arg != unix.PR_TIMING_STATISTICAL {
			return 0, unix.EINVAL
		}
		return 0, nil
	case unix.PR_GET_TSC:
		v := int32(unix.PR_TSC_ENABLE)
		return 0, usermem.Out(t.Mem(), addr, &v)
	case unix.PR_GET_TID_ADDRESS:
		v := uint64(t.ClearTID())
		return 0, usermem.Out(t.Mem(), addr, &v)
	case unix.PR_GET_SECCOMP:
		mode, _ := t.SeccompMode()
		return uintptr(mode), nil
	case unix.PR_SET_SECCOMP:
		return prctlSeccomp(t, arg, usermem.Addr(a[2]))
	case unix.PR_SET_TIMERSLACK:
		t.SetTimerSlack(int64(arg))
		return 0, nil
	case unix.PR_GET_TIMERSLACK:
		return uintptr(t.TimerSlack()), nil
	case unix.PR_SET_VMA:
		return 0, unix.EINVAL // as without CONFIG_ANON_VMA_NAME
	}
	return prctlCaps(t, a)
}

func truth(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// prctlCaps are the options of capabilities(7).
func prctlCaps(t *kernel.Task, a arch.Args) (uintptr, error) {
	old, arg := t.Cred(), a[1].Uint64()
	c := old.Clone()
	switch a[0].Int() {
	case unix.PR_GET_KEEPCAPS:
		return truth(old.SecureBits&(1<<4) != 0), nil
	case unix.PR_SET_KEEPCAPS:
		if arg > 1 {
			return 0, unix.EINVAL
		}
		if old.SecureBits&(1<<5) != 0 {
			return 0, unix.EPERM
		}
		c.SecureBits = c.SecureBits&^(1<<4) | uint32(arg)<<4
	case unix.PR_CAPBSET_READ:
		if arg > auth.LastCap {
			return 0, unix.EINVAL
		}
		return truth(old.Bounding.Has(int(arg))), nil
	case unix.PR_CAPBSET_DROP:
		if !old.HasCap(unix.CAP_SETPCAP) {
			return 0, unix.EPERM
		}
		if arg > auth.LastCap {
			return 0, unix.EINVAL
		}
		c.Bounding &^= 1 << arg
	case unix.PR_GET_SECUREBITS:
		return uintptr(old.SecureBits), nil
	case unix.PR_SET_SECUREBITS:
		if err := checkSecureBits(old, arg); err != nil {
			return 0, err
		}
		c.SecureBits = uint32(arg)
	case unix.PR_CAP_AMBIENT:
		return ambient(t, old, a)
	default:
		return 0, unix.EINVAL
	}
	t.SetCred(c)
	return 0, nil
}

// secureBits are all bits that there are, the locks being the odd ones.
const (
	secureBits     = 0xff
	secureBitLocks = 0xaa
)

func checkSecureBits(old *auth.Cred, v uint64) error {
	locked := uint64(old.SecureBits&secureBitLocks) >> 1
	switch {
	case v&^secureBits != 0,
		locked&(v^uint64(old.SecureBits)) != 0,
		uint64(old.SecureBits)&secureBitLocks&^v != 0,
		!old.HasCap(unix.CAP_SETPCAP):
		return unix.EPERM
	}
	return nil
}

// ambient is PR_CAP_AMBIENT.
func ambient(t *kernel.Task, old *auth.Cred, a arch.Args) (uintptr, error) {
	op, cp := a[1].Int(), a[2].Uint64()
	if a[3]|a[4] != 0 {
		return 0, unix.EINVAL
	}
	c := old.Clone()
	if op == unix.PR_CAP_AMBIENT_CLEAR_ALL {
		if cp != 0 {
			return 0, unix.EINVAL
		}
		c.Ambient = 0
		t.SetCred(c)
		return 0, nil
	}
	if cp > auth.LastCap {
		return 0, unix.EINVAL
	}
	bit := auth.CapSet(1) << cp
	switch op {
	case unix.PR_CAP_AMBIENT_IS_SET:
		return truth(old.Ambient&bit != 0), nil
	case unix.PR_CAP_AMBIENT_RAISE:
		const noRaise = 1 << 6
		if old.Permitted&bit == 0 || old.Inheritable&bit == 0 || old.SecureBits&noRaise != 0 {
			return 0, unix.EPERM
		}
		c.Ambient |= bit
	case unix.PR_CAP_AMBIENT_LOWER:
		c.Ambient &^= bit
	default:
		return 0, unix.EINVAL
	}
	t.SetCred(c)
	return 0, nil
}

// archPrctl is arch_prctl(2).
func archPrctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	const (
		setGS    = 0x1001
		setFS    = 0x1002
		getFS    = 0x1003
		getGS    = 0x1004
		getCPUID = 0x1011
	)
	r, addr := &t.Arch().Regs, usermem.Addr(a[1])
	switch op := a[0].Int(); op {
	case setFS, setGS:
		if uint64(addr) >= t.Kernel().Platform().MaxAddress() {
			return 0, unix.EPERM
		}
		if op == setFS {
			r.FsBase = uint64(addr)
		} else {
			r.GsBase = uint64(addr)
		}
		return 0, nil
	case getFS:
		return 0, usermem.Out(t.Mem(), addr, &r.FsBase)
	case getGS:
		return 0, usermem.Out(t.Mem(), addr, &r.GsBase)
	case getCPUID:
		return 1, nil // CPUID does not fault
	}
	return 0, unix.EINVAL
}

// personality is personality(2).
func personality(t *kernel.Task, a arch.Args) (uintptr, error) {
	old := t.Personality()
	if p := a[0].Uint(); p != 0xffffffff {
		t.SetPersonality(p)
	}
	return uintptr(old), nil
}
