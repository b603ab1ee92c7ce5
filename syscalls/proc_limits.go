package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/limits"
	"hull/sentry/usermem"
)

// getrlimit is getrlimit(2).
func getrlimit(t *kernel.Task, a arch.Args) (uintptr, error) {
	r := a[0].Uint()
	if r >= limits.Count {
		return 0, unix.EINVAL
	}
	l := t.Limits().Get(int(r))
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &l)
}

// setrlimit is setrlimit(2).
func setrlimit(t *kernel.Task, a arch.Args) (uintptr, error) {
	l, err := usermem.In[limits.Limit](t.Mem(), usermem.Addr(a[1]))
	if err != nil {
		return 0, err
	}
	_, err = setLimit(t, t.ThreadGroup(), a[0].Uint(), l)
	return 0, err
}

// maxOpenFiles is /proc/sys/fs/nr_open.
const maxOpenFiles = 1 << 20

func setLimit(t *kernel.Task, tg *kernel.ThreadGroup, r uint32, l limits.Limit) (limits.Limit, error) {
	if r >= limits.Count || l.Cur > l.Max {
		return limits.Limit{}, unix.EINVAL
	}
	if r == unix.RLIMIT_NOFILE && l.Max > maxOpenFiles {
		return limits.Limit{}, unix.EPERM
	}
	old, err := tg.Limits().Set(int(r), l, t.Cred().HasCap(unix.CAP_SYS_RESOURCE))
	if err == nil && r == unix.RLIMIT_CPU {
		tg.LimitCPU()
	}
	return old, err
}

// prlimit64 is prlimit(2).
func prlimit64(t *kernel.Task, a arch.Args) (uintptr, error) {
	pid, r := a[0].Int(), a[1].Uint()
	newAddr, oldAddr := usermem.Addr(a[2]), usermem.Addr(a[3])
	if r >= limits.Count {
		return 0, unix.EINVAL
	}
	var l limits.Limit
	if newAddr != 0 {
		var err error
		if l, err = usermem.In[limits.Limit](t.Mem(), newAddr); err != nil {
			return 0, err
		}
	}
	o := t
	if pid != 0 {
		if o = t.PIDNS().Task(pid); o == nil {
			return 0, unix.ESRCH
		}
		if err := mayLimit(t, o); err != nil {
			return 0, err
		}
	}
	old := o.ThreadGroup().Limits().Get(int(r))
	if newAddr != 0 {
		var err error
		if old, err = setLimit(t, o.ThreadGroup(), r, l); err != nil {
			return 0, err
		}
	}
	if oldAddr != 0 {
		return 0, usermem.Out(t.Mem(), oldAddr, &old)
	}
	return 0, nil
}

// mayLimit is check_prlimit_permission: all ids equal, or CAP_SYS_RESOURCE.
func mayLimit(t, o *kernel.Task) error {
	if t.ThreadGroup() == o.ThreadGroup() {
		return nil
	}
	c, oc := t.Cred(), o.CredOf()
	if c.RUID == oc.EUID && c.RUID == oc.SUID && c.RUID == oc.RUID &&
		c.RGID == oc.EGID && c.RGID == oc.SGID && c.RGID == oc.RGID {
		return nil
	}
	if c.HasCapIn(oc.UserNS, unix.CAP_SYS_RESOURCE) {
		return nil
	}
	return unix.EPERM
}

// getrusage is getrusage(2).
func getrusage(t *kernel.Task, a arch.Args) (uintptr, error) {
	u, err := t.Rusage(a[0].Int())
	if err != nil {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &u)
}
