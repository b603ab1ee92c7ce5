package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/mm"
	"hull/sentry/usermem"
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
	if o.Fixed || o.NoReplace {
		if o.Addr < 65536 && !t.Cred().HasCap(unix.CAP_SYS_RAWIO) {
			return 0, unix.EPERM // below mmap_min_addr
		}
	}
	if o.Locked && t.MMLimits().MemLock == 0 && !t.Cred().HasCap(unix.CAP_IPC_LOCK) {
		return 0, unix.EPERM
	}
	if t.Personality()&readImpliesExec != 0 && prot&unix.PROT_READ != 0 {
		o.Prot |= unix.PROT_EXEC
	}
	var err error
	if flags&unix.MAP_ANONYMOUS != 0 {
		err = mapAnonymous(&o, flags)
	} else {
		var done func()
		if done, err = mapFile(t, &o, a[4].Int(), flags); err == nil {
			defer done()
		}
	}
	if err != nil {
		return 0, err
	}
	addr, err := t.MM().Map(o, t.MMLimits())
	return uintptr(addr), err
}

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

// mapFile fills o in for the file at fd. done drops the reference that keeps
// the file while the mapping is made.
func mapFile(t *kernel.Task, o *mm.MapOpts, fd, flags int32) (done func(), err error) {
	f, err := t.Files().Get(fd)
	if err != nil {
		return nil, err
	}
	done = func() { f.DecRef(t) }
	acc := f.Flags() & unix.O_ACCMODE
	const syncFlag = 0x80000
	switch flags & unix.MAP_TYPE {
	case unix.MAP_SHARED_VALIDATE:
		if flags&syncFlag != 0 {
			err = unix.EOPNOTSUPP
			break
		}
		fallthrough
	case unix.MAP_SHARED:
		o.Shared = true
		if acc != unix.O_RDWR {
			o.MaxProt = unix.PROT_READ | unix.PROT_EXEC
			if o.Prot&unix.PROT_WRITE != 0 {
				err = unix.EACCES
			}
		}
	case unix.MAP_PRIVATE:
	default:
		err = unix.EINVAL
	}
	if err == nil && acc == unix.O_WRONLY {
		err = unix.EACCES
	}
	if m := f.Path.Mount; err == nil && m != nil && m.NoExec() {
		if o.Prot&unix.PROT_EXEC != 0 {
			err = unix.EPERM
		}
		if o.MaxProt == 0 {
			o.MaxProt = protBits
		}
		o.MaxProt &^= unix.PROT_EXEC
	}
	if err == nil && o.GrowsDown {
		err = unix.EINVAL
	}
	if err == nil {
		if o.File, err = f.Map(t, o); err == nil && o.File == nil {
			o.Name = nil // what is mapped is anonymous memory (/dev/zero)
		}
	}
	if err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// munmap is munmap(2).
func munmap(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Unmap(usermem.Addr(a[0]), a[1].Size())
}

// mprotect is mprotect(2).
func mprotect(t *kernel.Task, a arch.Args) (uintptr, error) {
	prot := a[2].Int()
	const sem = 0x8
	if prot&^(protBits|sem|unix.PROT_GROWSDOWN|unix.PROT_GROWSUP) != 0 || prot&unix.PROT_GROWSUP != 0 {
		return 0, unix.EINVAL
	}
	return 0, t.MM().Protect(usermem.Addr(a[0]), a[1].Size(), platform.Prot(prot&protBits), prot&unix.PROT_GROWSDOWN != 0)
}

// pkeyMprotect is pkey_mprotect(2) of a processor without protection keys:
// only key -1, which is none, is there.
func pkeyMprotect(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[3].Int() != -1 {
		return 0, unix.EINVAL
	}
	return mprotect(t, a)
}

func pkeyAlloc(*kernel.Task, arch.Args) (uintptr, error) { return 0, unix.ENOSPC }

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
