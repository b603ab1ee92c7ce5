package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
)

// dup is dup(2).
func dup(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, err := t.Files().GetPath(a[0].Int())
	if err != nil {
		return 0, err
	}
	return install(t, f, false)
}

// dup2 is dup2(2).
func dup2(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[0].Uint() != a[1].Uint() {
		return dupTo(t, a[0].Int(), a[1].Uint(), false)
	}
	f, err := t.Files().GetPath(a[0].Int())
	if err != nil {
		return 0, err
	}
	f.DecRef(t)
	return uintptr(a[0].Uint()), nil
}

// dup3 is dup3(2).
func dup3(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[2].Uint()
	if flags&^unix.O_CLOEXEC != 0 {
		t.Note("flags must be 0 or O_CLOEXEC")
		return 0, unix.EINVAL
	}
	if a[0].Uint() == a[1].Uint() {
		return 0, unix.EINVAL
	}
	return dupTo(t, a[0].Int(), a[1].Uint(), flags != 0)
}

func dupTo(t *kernel.Task, from int32, to uint32, cloexec bool) (uintptr, error) {
	limit := fdLimit(t)
	if uint64(to) >= limit {
		return 0, unix.EBADF
	}
	f, err := t.Files().GetPath(from)
	if err != nil {
		return 0, err
	}
	if err := t.Files().InstallAt(t, f, int32(to), cloexec, limit); err != nil {
		f.DecRef(t)
		return 0, err
	}
	return uintptr(to), nil
}
