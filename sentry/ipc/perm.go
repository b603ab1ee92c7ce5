package ipc

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
)

// The flags of the calls that get a System V object, linux/ipc.h.
const (
	Private = 0 // the key of an object that nobody else finds
	Create  = 0o1000
	Excl    = 0o2000
)

// Perm is whose a System V object is: struct ipc64_perm.
type Perm struct {
	Key                  int32
	UID, GID, CUID, CGID uint32
	Mode                 uint32 // the permission bits; 0777 of them
}

// NewPerm is that of an object that the caller makes with flags.
func NewPerm(t current.Task, key int32, flags uint32) Perm {
	c := t.Cred()
	return Perm{Key: key, UID: c.EUID, GID: c.EGID, CUID: c.EUID, CGID: c.EGID, Mode: flags & 0o777}
}

// Check refuses with EACCES what the caller may not do. Of want the bits of any of
// owner, group and others count: 0444 is reading, 0222 writing.
func (p *Perm) Check(t current.Task, ns *auth.UserNamespace, want uint32) error {
	c := t.Cred()
	granted := p.Mode
	switch {
	case c.EUID == p.UID || c.EUID == p.CUID:
		granted >>= 6
	case c.InEGroup(p.GID) || c.InEGroup(p.CGID):
		granted >>= 3
	}
	if (want>>6|want>>3|want)&^granted&7 != 0 && !c.HasCapIn(ns, unix.CAP_IPC_OWNER) {
		return unix.EACCES
	}
	return nil
}

// Own refuses with EPERM who is neither owner nor creator, and may not act as one.
func (p *Perm) Own(t current.Task, ns *auth.UserNamespace) error {
	c := t.Cred()
	if c.EUID != p.UID && c.EUID != p.CUID && !c.HasCapIn(ns, unix.CAP_SYS_ADMIN) {
		return unix.EPERM
	}
	return nil
}
