package kernel

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/vfs"
)

// The bits of prctl(PR_SET_SECUREBITS), securebits in capabilities(7).
const (
	secureNoRoot        = 1 << 0
	secureNoSetuidFixup = 1 << 2
	secureKeepCaps      = 1 << 4
	secureNoAmbient     = 1 << 6
)

// execCred returns the credentials after executing f, and whether the program
// is to run in secure mode (AT_SECURE). See "Transformation of capabilities
// during execve" in capabilities(7).
func (t *Task) execCred(f *vfs.File) (*auth.Cred, bool, error) {
	old := t.has.cred
	st, err := f.Stat(t)
	if err != nil {
		return nil, false, err
	}
	c := old.Clone()
	setID := !old.NoNewPrivs && !f.Path.Mount.NoSUID()
	if setID && st.Mode&unix.S_ISUID != 0 {
		c.EUID = st.UID
	}
	if setID && st.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP {
		c.EGID = st.GID
	}
	c.SUID, c.FSUID, c.SGID, c.FSGID = c.EUID, c.EUID, c.EGID, c.EGID

	var fc fileCaps
	if setID {
		if fc, err = t.fileCaps(f); err != nil {
			return nil, false, err
		}
	}
	privileged := c.EUID != old.EUID || c.EGID != old.EGID || fc.present
	if privileged {
		c.Ambient = 0
	}
	if c.SecureBits&secureNoRoot == 0 && (c.RUID == 0 || c.EUID == 0) {
		// The superuser's files have all capabilities, unless the file is
		// set-user-id root with capabilities of its own.
		if !fc.present || c.RUID == 0 {
			fc.permitted, fc.inheritable = auth.AllCaps, auth.AllCaps
			fc.effective = c.EUID == 0
		}
	}
	c.Permitted = old.Inheritable&fc.inheritable | fc.permitted&c.Bounding | c.Ambient
	if fc.present && fc.effective && c.RUID != 0 && fc.permitted&c.Bounding&^c.Permitted != 0 {
		return nil, false, unix.EPERM
	}
	c.Effective = c.Ambient
	if fc.effective {
		c.Effective = c.Permitted
	}
	c.SecureBits &^= secureKeepCaps
	secure := c.EUID != c.RUID || c.EGID != c.RGID ||
		c.RUID != 0 && (fc.effective && fc.present || c.Permitted&^c.Ambient != 0)
	return c, secure, nil
}

// fileCaps are the capabilities of a file.
type fileCaps struct {
	present, effective     bool
	permitted, inheritable auth.CapSet
}

// fileCaps reads security.capability (struct vfs_cap_data). What is not
// understood is an error, as Linux has it.
func (t *Task) fileCaps(f *vfs.File) (fileCaps, error) {
	b, err := vfs.ReadXattr(t, f.Path.Inode(), "security.capability")
	if err != nil || len(b) == 0 {
		return fileCaps{}, nil
	}
	const (
		revisionMask = 0xff000000
		revision2    = 0x02000000
		revision3    = 0x03000000
		effective    = 1
	)
	if len(b) < 4 {
		return fileCaps{}, unix.EINVAL
	}
	magic := binary.LittleEndian.Uint32(b)
	switch rev := magic & revisionMask; {
	case rev == revision2 && len(b) == 20:
	case rev == revision3 && len(b) == 24:
		if binary.LittleEndian.Uint32(b[20:]) != 0 {
			return fileCaps{}, nil // of another user namespace
		}
	default:
		return fileCaps{}, unix.EINVAL
	}
	word := func(i int) auth.CapSet { return auth.CapSet(binary.LittleEndian.Uint32(b[4+4*i:])) }
	return fileCaps{
		present: true, effective: magic&effective != 0,
		permitted:   (word(0) | word(2)<<32) & auth.AllCaps,
		inheritable: (word(1) | word(3)<<32) & auth.AllCaps,
	}, nil
}

// FixCaps adapts capabilities after a change of user ids from old to c, which
// is not published yet: "Effect of user ID changes on capabilities" in
// capabilities(7).
func FixCaps(old, c *auth.Cred) {
	if c.SecureBits&secureNoSetuidFixup != 0 {
		return
	}
	hadRoot := old.RUID == 0 || old.EUID == 0 || old.SUID == 0
	hasRoot := c.RUID == 0 || c.EUID == 0 || c.SUID == 0
	if hadRoot && !hasRoot {
		if c.SecureBits&secureKeepCaps == 0 {
			c.Permitted, c.Effective = 0, 0
		}
		c.Ambient = 0
	}
	if old.EUID == 0 && c.EUID != 0 {
		c.Effective = 0
	}
	if old.EUID != 0 && c.EUID == 0 {
		c.Effective = c.Permitted
	}
	FixFSCaps(old, c)
}

// FixFSCaps is the part of FixCaps for the file system user id.
func FixFSCaps(old, c *auth.Cred) {
	const fsCaps = auth.CapSet(1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH |
		1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_LINUX_IMMUTABLE | 1<<unix.CAP_MKNOD | 1<<unix.CAP_MAC_OVERRIDE)
	switch {
	case old.FSUID == 0 && c.FSUID != 0:
		c.Effective &^= fsCaps
	case old.FSUID != 0 && c.FSUID == 0:
		c.Effective |= c.Permitted & fsCaps
	}
}

// SetDumpable records that ids changed: what others may see of the process is
// less (set_dumpable).
func (t *Task) SetDumpable(v int) {
	i := t.has.mm.Info()
	i.Dumpable = v
	t.has.mm.SetInfo(i)
}

// MayAccess is ptrace's rule (ptrace(2), "access mode checking") for looking
// into another process: with attach for more than reading what /proc shows.
func (t *Task) MayAccess(o *Task, attach bool) error {
	if o.group == t.group {
		return nil
	}
	c, oc := t.has.cred, o.CredOf()
	same := c.FSUID == oc.RUID && c.FSUID == oc.EUID && c.FSUID == oc.SUID &&
		c.FSGID == oc.RGID && c.FSGID == oc.EGID && c.FSGID == oc.SGID
	if !same && !c.HasCapIn(oc.UserNS, unix.CAP_SYS_PTRACE) {
		return unix.EPERM
	}
	if m := o.PeekMM(); m != nil {
		dumpable := m.Info().Dumpable
		m.DecUsers()
		if dumpable != 1 && !c.HasCapIn(oc.UserNS, unix.CAP_SYS_PTRACE) {
			return unix.EPERM
		}
	}
	if oc.Permitted&^c.Permitted != 0 && !c.HasCapIn(oc.UserNS, unix.CAP_SYS_PTRACE) {
		return unix.EPERM
	}
	return nil
}

// CommitIDs publishes credentials whose ids were changed by the set*id calls:
// capabilities follow, and the process is no longer dumpable if who it is
// changed (commit_creds).
func (t *Task) CommitIDs(c *auth.Cred) error {
	old := t.has.cred
	FixCaps(old, c)
	if c.EUID != old.EUID || c.EGID != old.EGID || c.FSUID != old.FSUID || c.FSGID != old.FSGID ||
		c.Permitted&^old.Permitted != 0 {
		t.SetDumpable(0)
		t.k.tasks.Lock()
		t.pdeath = 0
		t.k.tasks.Unlock()
	}
	t.SetCred(c)
	return nil
}

// TGID returns the process's number in its own namespace.
func (t *Task) TGID() int32 { return t.group.ids[t.ns.level] }
