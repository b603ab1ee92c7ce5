package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// protBits are the PROT_* that hull knows; PROT_SEM is accepted and means
// nothing.
const protBits = unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC

// mmap is mmap(2).
func mmap(t *kernel.Task, a arch.Args) (uintptr, error) {
	prot, flags := a[2].Int(), a[3].Int()
	if a[5].Uint64()%usermem.PageSize != 0 {
		return 0, unix.EINVAL
	}
	o := mm.MapOpts{
		Addr: usermem.Addr(a[0]), Length: a[1].Size(), Prot: platform.Prot(prot & protBits), Offset: a[5].Uint64(),
		Fixed: flags&unix.MAP_FIXED != 0, NoReplace: flags&unix.MAP_FIXED_NOREPLACE != 0, Below4G: flags&unix.MAP_32BIT != 0,
		GrowsDown: flags&unix.MAP_GROWSDOWN != 0, Locked: flags&unix.MAP_LOCKED != 0,
		Populate:  flags&(unix.MAP_POPULATE|unix.MAP_NONBLOCK) == unix.MAP_POPULATE,
		NoReserve: flags&unix.MAP_NORESERVE != 0,
	}
	var f *vfs.File
	if flags&unix.MAP_ANONYMOUS == 0 {
		var err error
		if f, err = t.Files().Get(a[4].Int()); err != nil {
			return 0, err
		}
		defer f.DecRef(t)
	}
	lim := t.MMLimits()
	switch {
	case o.Length == 0:
		return 0, unix.EINVAL
	case (o.Fixed || o.NoReplace) && o.Addr < minMapAddr && !t.Cred().HasCap(unix.CAP_SYS_RAWIO):
		return 0, unix.EPERM
	case o.Locked && lim.MemLock == 0 && !lim.Unlimited:
		return 0, unix.EPERM
	}
	if t.Personality()&readImpliesExec != 0 && prot&unix.PROT_READ != 0 {
		o.Prot |= unix.PROT_EXEC
	}
	var err error
	if f == nil {
		err = mapAnonymous(&o, flags)
	} else {
		err = mapFile(t, f, &o, flags)
	}
	if err != nil {
		return 0, err
	}
	addr, err := t.MM().Map(o, lim)
	return uintptr(addr), err
}

// minMapAddr is /proc/sys/vm/mmap_min_addr.
const minMapAddr = 64 << 10

// readImpliesExec is a bit of personality(2).
const readImpliesExec = 0x0400000

func mapAnonymous(o *mm.MapOpts, flags int32) error {
	if flags&unix.MAP_HUGETLB != 0 {
		return unix.ENOMEM // no huge pages are reserved
	}
	switch flags & unix.MAP_TYPE {
	case unix.MAP_SHARED:
		if o.GrowsDown {
			return unix.EINVAL
		}
		o.Shared = true
	case unix.MAP_PRIVATE:
	default:
		return unix.EINVAL
	}
	o.Offset = 0
	return nil
}

// mapFile fills o in for f.
func mapFile(t *kernel.Task, f *vfs.File, o *mm.MapOpts, flags int32) error {
	acc := f.Flags() & unix.O_ACCMODE
	const syncFlag = 0x80000 // MAP_SYNC
	switch flags & unix.MAP_TYPE {
	case unix.MAP_SHARED_VALIDATE:
		if flags&syncFlag != 0 {
			return unix.EOPNOTSUPP
		}
		fallthrough
	case unix.MAP_SHARED:
		o.Shared = true
		if acc != unix.O_RDWR {
			o.MaxProt = unix.PROT_READ | unix.PROT_EXEC
			if o.Prot&unix.PROT_WRITE != 0 {
				return unix.EACCES
			}
		}
	case unix.MAP_PRIVATE:
	default:
		return unix.EINVAL
	}
	if acc == unix.O_WRONLY {
		return unix.EACCES
	}
	if m := f.Path.Mount; m != nil && m.NoExec() {
		if o.Prot&unix.PROT_EXEC != 0 {
			return unix.EPERM
		}
		if o.MaxProt == 0 {
			o.MaxProt = protBits
		}
		o.MaxProt &^= unix.PROT_EXEC
	}
	if o.GrowsDown {
		return unix.EINVAL
	}
	var err error
	if o.File, err = f.Map(t, o); err == nil && o.File == nil {
		o.Name = nil // what is mapped is anonymous memory (/dev/zero)
	}
	return err
}

// munmap is munmap(2).
func munmap(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Unmap(usermem.Addr(a[0]), a[1].Size())
}

// mprotect is mprotect(2).
func mprotect(t *kernel.Task, a arch.Args) (uintptr, error) {
	addr, n, prot := usermem.Addr(a[0]), a[1].Size(), a[2].Int()
	const sem = 0x8
	if n != 0 && addr.Aligned() && prot&^(protBits|sem|unix.PROT_GROWSDOWN) != 0 {
		return 0, unix.EINVAL // PROT_GROWSUP too: no stack of x86 or arm64 grows up
	}
	p := platform.Prot(prot & protBits)
	if t.Personality()&readImpliesExec != 0 && prot&unix.PROT_READ != 0 {
		p |= unix.PROT_EXEC
	}
	return 0, t.MM().Protect(addr, n, p, prot&unix.PROT_GROWSDOWN != 0, t.MMLimits())
}

// pkeyMprotect is pkey_mprotect(2) of a processor without protection keys:
// only key -1, which is none, is there.
func pkeyMprotect(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int() != -1 {
		return 0, unix.EINVAL
	}
	return mprotect(t, a)
}

// pkeyAlloc is pkey_alloc(2): there is no key to be had.
func pkeyAlloc(_ *kernel.Task, a arch.Args) (uintptr, error) {
	const rights = 0x3 // PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE
	if a[0] != 0 || a[1]&^rights != 0 {
		return 0, unix.EINVAL
	}
	return 0, unix.ENOSPC
}

// pkeyFree is pkey_free(2): no key was ever given out.
func pkeyFree(*kernel.Task, arch.Args) (uintptr, error) { return 0, unix.EINVAL }

// mremap is mremap(2).
func mremap(t *kernel.Task, a arch.Args) (uintptr, error) {
	addr, err := t.MM().Remap(usermem.Addr(a[0]), a[1].Size(), a[2].Size(), a[3].Int(), usermem.Addr(a[4]), t.MMLimits())
	return uintptr(addr), err
}

// brk is brk(2).
func brk(t *kernel.Task, a arch.Args) (uintptr, error) {
	return uintptr(t.MM().Brk(usermem.Addr(a[0]), t.MMLimits())), nil
}
