package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// capHeader reads struct __user_cap_header_struct. It returns how many words a
// set has, 0 after writing back the version that the caller should use.
func capHeader(t *kernel.Task, addr usermem.Addr) (pid int32, words int, err error) {
	h, err := usermem.In[unix.CapUserHeader](t.Mem(), addr)
	if err != nil {
		return 0, 0, err
	}
	switch h.Version {
	case unix.LINUX_CAPABILITY_VERSION_1:
		return h.Pid, 1, nil
	case unix.LINUX_CAPABILITY_VERSION_2, unix.LINUX_CAPABILITY_VERSION_3:
		return h.Pid, 2, nil
	}
	v := uint32(unix.LINUX_CAPABILITY_VERSION_3)
	return h.Pid, 0, usermem.Out(t.Mem(), addr, &v)
}

// capget is capget(2).
func capget(t *kernel.Task, a arch.Args) (uintptr, error) {
	data := usermem.Addr(a[1])
	pid, words, err := capHeader(t, usermem.Addr(a[0]))
	if err != nil {
		return 0, err
	}
	if words == 0 {
		if data == 0 {
			return 0, nil
		}
		return 0, unix.EINVAL
	}
	if pid < 0 {
		return 0, unix.EINVAL
	}
	c := t.Cred()
	if pid != 0 {
		o := t.PIDNS().Task(pid)
		if o == nil {
			return 0, unix.ESRCH
		}
		c = o.CredOf()
	}
	if data == 0 {
		return 0, nil
	}
	var d [2]unix.CapUserData
	for i := range d {
		sh := 32 * i
		d[i] = unix.CapUserData{Effective: uint32(c.Effective >> sh), Permitted: uint32(c.Permitted >> sh), Inheritable: uint32(c.Inheritable >> sh)}
	}
	return 0, usermem.OutSlice(t.Mem(), data, d[:words])
}

// capset is capset(2).
func capset(t *kernel.Task, a arch.Args) (uintptr, error) {
	pid, words, err := capHeader(t, usermem.Addr(a[0]))
	if err != nil {
		return 0, err
	}
	if words == 0 {
		return 0, unix.EINVAL
	}
	if pid != 0 && pid != t.TID() {
		return 0, unix.EPERM
	}
	d, err := usermem.InSlice[unix.CapUserData](t.Mem(), usermem.Addr(a[1]), words)
	if err != nil {
		return 0, err
	}
	var e, p, i auth.CapSet
	for n, w := range d {
		sh := 32 * n
		e |= auth.CapSet(w.Effective) << sh
		p |= auth.CapSet(w.Permitted) << sh
		i |= auth.CapSet(w.Inheritable) << sh
	}
	e, p, i = e&auth.AllCaps, p&auth.AllCaps, i&auth.AllCaps
	old := t.Cred()
	switch {
	case !old.HasCap(unix.CAP_SETPCAP) && i&^(old.Inheritable|old.Permitted) != 0,
		i&^(old.Inheritable|old.Bounding) != 0,
		p&^old.Permitted != 0,
		e&^p != 0:
		return 0, unix.EPERM
	}
	c := old.Clone()
	c.Effective, c.Permitted, c.Inheritable = e, p, i
	c.Ambient &= p & i
	t.SetCred(c)
	return 0, nil
}
