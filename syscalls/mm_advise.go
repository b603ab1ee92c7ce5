package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// madvise is madvise(2).
func madvise(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Advise(usermem.Addr(a[0]), a[1].Size(), a[2].Int())
}

// msync is msync(2).
func msync(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Sync(usermem.Addr(a[0]), a[1].Size(), a[2].Int(), func(n mm.Named) error {
		if f, ok := n.(interface{ MappedFile() *vfs.File }); ok {
			return f.MappedFile().Sync(t, false)
		}
		return nil
	})
}

// mincore is mincore(2).
func mincore(t *kernel.Task, a arch.Args) (uintptr, error) {
	addr, n := usermem.Addr(a[0]), a[1].Size()
	if !addr.Aligned() {
		return 0, unix.EINVAL
	}
	if end, ok := addr.Add(n); !ok || end > t.MM().End() {
		return 0, unix.ENOMEM
	}
	out := usermem.Addr(a[2])
	vec := make([]byte, usermem.PageSize)
	for pages := (n + usermem.PageSize - 1) / usermem.PageSize; pages > 0; {
		v := vec[:min(pages, uint64(len(vec)))]
		if err := t.MM().InCore(addr, v); err != nil {
			return 0, err
		}
		if _, err := t.Mem().CopyOut(out, v); err != nil {
			return 0, err
		}
		addr += usermem.Addr(len(v)) * usermem.PageSize
		out += usermem.Addr(len(v))
		pages -= uint64(len(v))
	}
	return 0, nil
}

// mlock is mlock(2).
func mlock(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Lock(usermem.Addr(a[0]), a[1].Size(), false, t.MMLimits())
}

// mlock2 is mlock2(2).
func mlock2(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[2].Int()
	if flags&^unix.MLOCK_ONFAULT != 0 {
		return 0, unix.EINVAL
	}
	return 0, t.MM().Lock(usermem.Addr(a[0]), a[1].Size(), flags != 0, t.MMLimits())
}

// munlock is munlock(2).
func munlock(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.MM().Unlock(usermem.Addr(a[0]), a[1].Size())
}

// mlockall is mlockall(2).
func mlockall(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[0].Int()
	const known = unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT
	if flags == 0 || flags&^known != 0 || flags == unix.MCL_ONFAULT {
		return 0, unix.EINVAL
	}
	lim := t.MMLimits()
	if !lim.Unlimited && lim.MemLock == 0 {
		return 0, unix.EPERM
	}
	return 0, t.MM().LockAll(flags, lim)
}

// munlockall is munlockall(2).
func munlockall(t *kernel.Task, _ arch.Args) (uintptr, error) {
	return 0, t.MM().LockAll(0, mm.Limits{Unlimited: true})
}
