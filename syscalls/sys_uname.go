package syscalls

import (
	"crypto/rand"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

func uintptrOf(p *uint32) uintptr { return uintptr(unsafe.Pointer(p)) }

// uname is uname(2).
func uname(t *kernel.Task, a arch.Args) (uintptr, error) {
	host, domain := t.UTS().Names()
	var u unix.Utsname
	copy(u.Sysname[:64], kernel.SysName)
	copy(u.Nodename[:64], host)
	copy(u.Release[:64], kernel.Release)
	copy(u.Version[:64], kernel.Version)
	copy(u.Machine[:64], machine(t))
	copy(u.Domainname[:64], domain)
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[0]), &u)
}

// machine is uname(2)'s, for the caller's personality(2): one of PER_LINUX32
// sees the machine that its 32-bit programs are for.
func machine(t *kernel.Task) string {
	const perMask, perLinux32 = 0xff, 0x08
	if t.Personality()&perMask == perLinux32 && kernel.Machine == "x86_64" {
		return "i686"
	}
	return kernel.Machine
}

// hostName reads the argument of sethostname(2) and setdomainname(2).
func hostName(t *kernel.Task, a arch.Args) (string, error) {
	if !t.Cred().HasCapIn(t.UTS().User, unix.CAP_SYS_ADMIN) {
		return "", unix.EPERM
	}
	n := a[1].Int()
	if n < 0 || n > 64 {
		return "", unix.EINVAL
	}
	b := make([]byte, n)
	if _, err := t.Mem().CopyIn(usermem.Addr(a[0]), b); err != nil {
		return "", err
	}
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	return string(b), nil
}

func sethostname(t *kernel.Task, a arch.Args) (uintptr, error) {
	s, err := hostName(t, a)
	if err == nil {
		t.UTS().SetHost(s)
	}
	return 0, err
}

func setdomainname(t *kernel.Task, a arch.Args) (uintptr, error) {
	s, err := hostName(t, a)
	if err == nil {
		t.UTS().SetDomain(s)
	}
	return 0, err
}

// sysinfo is sysinfo(2).
func sysinfo(t *kernel.Task, a arch.Args) (uintptr, error) {
	k := t.Kernel()
	total, free := k.MemoryTotals()
	tasks, _ := k.Counts()
	s := unix.Sysinfo_t{Uptime: int64(k.Uptime().Seconds()), Totalram: total, Freeram: free, Procs: uint16(min(tasks, 1<<16-1)), Unit: 1}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[0]), &s)
}

// getrandom is getrandom(2). The pool is the host's, and ready.
func getrandom(t *kernel.Task, a arch.Args) (uintptr, error) {
	const insecure = 4
	flags := a[2].Uint()
	if flags&^(unix.GRND_NONBLOCK|unix.GRND_RANDOM|insecure) != 0 || flags&(unix.GRND_RANDOM|insecure) == unix.GRND_RANDOM|insecure {
		return 0, unix.EINVAL
	}
	dst := usermem.One(t.Mem(), usermem.Addr(a[0]), a[1].Size())
	var buf [1024]byte
	var done uintptr
	for dst.Len() > 0 {
		p := buf[:min(uint64(len(buf)), dst.Len())]
		if _, err := rand.Read(p); err != nil {
			return 0, unix.EIO
		}
		n, err := dst.CopyOut(p)
		done += uintptr(n)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
	}
	return done, nil
}
