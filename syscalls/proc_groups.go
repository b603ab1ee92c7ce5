package syscalls

import (
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// maxGroups is NGROUPS_MAX.
const maxGroups = 65536

// getgroups is getgroups(2).
func getgroups(t *kernel.Task, a arch.Args) (uintptr, error) {
	n, gs := a[0].Int(), t.Cred().Groups
	switch {
	case n < 0:
		return 0, unix.EINVAL
	case n == 0:
		return uintptr(len(gs)), nil
	case int(n) < len(gs):
		return 0, unix.EINVAL
	}
	return uintptr(len(gs)), usermem.OutSlice(t.Mem(), usermem.Addr(a[1]), gs)
}

// setgroups is setgroups(2).
func setgroups(t *kernel.Task, a arch.Args) (uintptr, error) {
	n := a[0].Int()
	if !t.Cred().HasCap(unix.CAP_SETGID) {
		return 0, unix.EPERM
	}
	if n < 0 || n > maxGroups {
		return 0, unix.EINVAL
	}
	gs, err := usermem.InSlice[uint32](t.Mem(), usermem.Addr(a[1]), int(n))
	if err != nil {
		return 0, err
	}
	if slices.Contains(gs, keep) || !usable(t.Cred().UserNS.HasGID, gs...) {
		return 0, unix.EINVAL
	}
	slices.Sort(gs)
	c := t.Cred().Clone()
	c.Groups = gs
	t.SetCred(c)
	return 0, nil
}
