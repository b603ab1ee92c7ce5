package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

func getpid(t *kernel.Task, _ arch.Args) (uintptr, error) { return uintptr(t.TGID()), nil }

func gettid(t *kernel.Task, _ arch.Args) (uintptr, error) { return uintptr(t.TID()), nil }

func getppid(t *kernel.Task, _ arch.Args) (uintptr, error) {
	return uintptr(t.ThreadGroup().ParentIDIn(t.PIDNS())), nil
}

// setpgid is setpgid(2).
func setpgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, t.SetPGID(a[0].Int(), a[1].Int())
}

func getpgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, err := t.PGID(a[0].Int(), false)
	return uintptr(id), err
}

func getpgrp(t *kernel.Task, _ arch.Args) (uintptr, error) {
	id, err := t.PGID(0, false)
	return uintptr(id), err
}

func getsid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, err := t.PGID(a[0].Int(), true)
	return uintptr(id), err
}

func setsid(t *kernel.Task, _ arch.Args) (uintptr, error) {
	id, err := t.SetSID()
	return uintptr(id), err
}

// capability checks of credentials are those of user_namespaces(7): with only
// one namespace they are the effective set.

func getuid(t *kernel.Task, _ arch.Args) (uintptr, error)  { return uintptr(t.Cred().RUID), nil }
func geteuid(t *kernel.Task, _ arch.Args) (uintptr, error) { return uintptr(t.Cred().EUID), nil }
func getgid(t *kernel.Task, _ arch.Args) (uintptr, error)  { return uintptr(t.Cred().RGID), nil }
func getegid(t *kernel.Task, _ arch.Args) (uintptr, error) { return uintptr(t.Cred().EGID), nil }

// keep is the id that says "leave it as it is".
const keep = ^uint32(0)

// usable reports whether a user namespace has all ids but those that say keep.
func usable(has func(uint32) bool, ids ...uint32) bool {
	for _, id := range ids {
		if id != keep && !has(id) {
			return false
		}
	}
	return true
}

// setuid is setuid(2).
func setuid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id := a[0].Uint()
	old := t.Cred()
	if id == keep || !old.UserNS.HasUID(id) {
		return 0, unix.EINVAL
	}
	c := old.Clone()
	switch {
	case old.HasCap(unix.CAP_SETUID):
		c.RUID, c.SUID = id, id
	case id != old.RUID && id != old.SUID:
		return 0, unix.EPERM
	}
	c.EUID, c.FSUID = id, id
	return 0, t.CommitIDs(c)
}

// setgid is setgid(2).
func setgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id := a[0].Uint()
	old := t.Cred()
	if id == keep || !old.UserNS.HasGID(id) {
		return 0, unix.EINVAL
	}
	c := old.Clone()
	switch {
	case old.HasCap(unix.CAP_SETGID):
		c.RGID, c.SGID = id, id
	case id != old.RGID && id != old.SGID:
		return 0, unix.EPERM
	}
	c.EGID, c.FSGID = id, id
	return 0, t.CommitIDs(c)
}

// setreuid is setreuid(2).
func setreuid(t *kernel.Task, a arch.Args) (uintptr, error) {
	r, e := a[0].Uint(), a[1].Uint()
	old := t.Cred()
	if !usable(old.UserNS.HasUID, r, e) {
		return 0, unix.EINVAL
	}
	c, cap := old.Clone(), old.HasCap(unix.CAP_SETUID)
	if r != keep {
		if !cap && r != old.RUID && r != old.EUID {
			return 0, unix.EPERM
		}
		c.RUID = r
	}
	if e != keep {
		if !cap && e != old.RUID && e != old.EUID && e != old.SUID {
			return 0, unix.EPERM
		}
		c.EUID = e
	}
	if r != keep || e != keep && e != old.RUID {
		c.SUID = c.EUID
	}
	c.FSUID = c.EUID
	return 0, t.CommitIDs(c)
}

// setregid is setregid(2).
func setregid(t *kernel.Task, a arch.Args) (uintptr, error) {
	r, e := a[0].Uint(), a[1].Uint()
	old := t.Cred()
	if !usable(old.UserNS.HasGID, r, e) {
		return 0, unix.EINVAL
	}
	c, cap := old.Clone(), old.HasCap(unix.CAP_SETGID)
	if r != keep {
		if !cap && r != old.RGID && r != old.EGID {
			return 0, unix.EPERM
		}
		c.RGID = r
	}
	if e != keep {
		if !cap && e != old.RGID && e != old.EGID && e != old.SGID {
			return 0, unix.EPERM
		}
		c.EGID = e
	}
	if r != keep || e != keep && e != old.RGID {
		c.SGID = c.EGID
	}
	c.FSGID = c.EGID
	return 0, t.CommitIDs(c)
}

// setresuid is setresuid(2).
func setresuid(t *kernel.Task, a arch.Args) (uintptr, error) {
	old := t.Cred()
	if !usable(old.UserNS.HasUID, a[0].Uint(), a[1].Uint(), a[2].Uint()) {
		return 0, unix.EINVAL
	}
	c, cap := old.Clone(), old.HasCap(unix.CAP_SETUID)
	for i, p := range []*uint32{&c.RUID, &c.EUID, &c.SUID} {
		id := a[i].Uint()
		if id == keep {
			continue
		}
		if !cap && id != old.RUID && id != old.EUID && id != old.SUID {
			return 0, unix.EPERM
		}
		*p = id
	}
	c.FSUID = c.EUID
	return 0, t.CommitIDs(c)
}

// setresgid is setresgid(2).
func setresgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	old := t.Cred()
	if !usable(old.UserNS.HasGID, a[0].Uint(), a[1].Uint(), a[2].Uint()) {
		return 0, unix.EINVAL
	}
	c, cap := old.Clone(), old.HasCap(unix.CAP_SETGID)
	for i, p := range []*uint32{&c.RGID, &c.EGID, &c.SGID} {
		id := a[i].Uint()
		if id == keep {
			continue
		}
		if !cap && id != old.RGID && id != old.EGID && id != old.SGID {
			return 0, unix.EPERM
		}
		*p = id
	}
	c.FSGID = c.EGID
	return 0, t.CommitIDs(c)
}

func getresuid(t *kernel.Task, a arch.Args) (uintptr, error) {
	c := t.Cred()
	return 0, outIDs(t, a, c.RUID, c.EUID, c.SUID)
}

func getresgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	c := t.Cred()
	return 0, outIDs(t, a, c.RGID, c.EGID, c.SGID)
}

func outIDs(t *kernel.Task, a arch.Args, ids ...uint32) error {
	for i := range ids {
		if err := usermem.Out(t.Mem(), usermem.Addr(a[i]), &ids[i]); err != nil {
			return err
		}
	}
	return nil
}

// setfsuid is setfsuid(2): it returns the old id and never fails.
func setfsuid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, old := a[0].Uint(), t.Cred()
	if id != keep && old.UserNS.HasUID(id) && (id == old.RUID || id == old.EUID || id == old.SUID || id == old.FSUID || old.HasCap(unix.CAP_SETUID)) {
		c := old.Clone()
		c.FSUID = id
		kernel.FixFSCaps(old, c)
		t.SetCred(c)
	}
	return uintptr(old.FSUID), nil
}

// setfsgid is setfsgid(2).
func setfsgid(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, old := a[0].Uint(), t.Cred()
	if id != keep && old.UserNS.HasGID(id) && (id == old.RGID || id == old.EGID || id == old.SGID || id == old.FSGID || old.HasCap(unix.CAP_SETGID)) {
		c := old.Clone()
		c.FSGID = id
		t.SetCred(c)
	}
	return uintptr(old.FSGID), nil
}

// restartSyscall is restart_syscall(2): the task goes on with a call that a
// signal interrupted.
func restartSyscall(t *kernel.Task, _ arch.Args) (uintptr, error) { return t.RestartCall() }
