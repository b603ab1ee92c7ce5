package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
)

// permission checks whether the caller may do may (MayRead …) to p, as
// inode_permission does.
func permission(t current.Task, p Path, may uint32) error {
	if may&MayWrite != 0 && p.Mount.ReadOnly() {
		switch p.Inode().Type {
		case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
			return unix.EROFS
		}
	}
	return inodePermission(t, p.Inode(), t.Cred(), may)
}

func inodePermission(t current.Task, i *Inode, c *auth.Cred, may uint32) error {
	if i.ops.perm != nil {
		return i.ops.perm.Permission(t, may)
	}
	s, err := i.Impl.Stat(t)
	if err != nil {
		return err
	}
	return checkMode(&s, c, may)
}

// CheckMode checks the mode, owner and group in s: for a Permitter that has more
// to say than they.
func CheckMode(t current.Task, s *Stat, may uint32) error { return checkMode(s, t.Cred(), may) }

// checkMode is generic_permission: owner, group and others, then what
// capabilities allow.
func checkMode(s *Stat, c *auth.Cred, may uint32) error {
	mode := s.Mode
	switch {
	case c.FSUID == s.UID:
		mode >>= 6
	case c.InGroup(s.GID):
		mode >>= 3
	}
	if may&^(mode&7) == 0 {
		return nil
	}
	if s.IsDir() {
		if may&MayWrite == 0 && c.HasCap(unix.CAP_DAC_READ_SEARCH) || c.HasCap(unix.CAP_DAC_OVERRIDE) {
			return nil
		}
		return unix.EACCES
	}
	if may == MayRead && c.HasCap(unix.CAP_DAC_READ_SEARCH) {
		return nil
	}
	if (may&MayExec == 0 || s.Mode&0111 != 0) && c.HasCap(unix.CAP_DAC_OVERRIDE) {
		return nil
	}
	return unix.EACCES
}

// Access checks may (MayRead …) on p: access(2). real asks with the real ids.
func Access(t current.Task, p Path, may uint32, real bool) error {
	c := t.Cred()
	if real {
		c = c.Clone()
		c.FSUID, c.FSGID = c.RUID, c.RGID
		if c.SecureBits&secureNoSetuidFixup == 0 {
			c.Effective = 0
			if c.RUID == 0 {
				c.Effective = c.Permitted
			}
		}
	}
	if may&MayExec != 0 && p.Inode().Type == unix.S_IFREG && p.Mount.NoExec() {
		return unix.EACCES
	}
	if err := inodePermission(t, p.Inode(), c, may); err != nil {
		return err
	}
	if may&MayWrite != 0 && p.Mount.ReadOnly() {
		switch p.Inode().Type {
		case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
			return unix.EROFS
		}
	}
	return nil
}

// secureNoSetuidFixup is a bit of the securebits, capabilities(7).
const secureNoSetuidFixup = 1 << 2

// isOwner reports whether the caller owns what s describes, or may act so.
func isOwner(c *auth.Cred, s *Stat) bool {
	return c.FSUID == s.UID || c.HasCap(unix.CAP_FOWNER)
}

// mayDelete checks that the caller may take child out of dir (may_delete).
func mayDelete(t current.Task, dir Path, child *Inode, wantDir bool) error {
	if err := permission(t, dir, MayWrite|MayExec); err != nil {
		return err
	}
	ds, err := dir.Inode().Impl.Stat(t)
	if err != nil {
		return err
	}
	if ds.Mode&unix.S_ISVTX != 0 {
		s, err := child.Impl.Stat(t)
		if err != nil {
			return err
		}
		if c := t.Cred(); c.FSUID != s.UID && c.FSUID != ds.UID && !c.HasCap(unix.CAP_FOWNER) {
			return unix.EPERM
		}
	}
	if wantDir && child.Type != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	if !wantDir && child.Type == unix.S_IFDIR {
		return unix.EISDIR
	}
	return nil
}

// newInode says what a new inode in dir is made with: the umask applied, and a
// set-group-id directory's group.
func newInode(t current.Task, a *At, dir *Inode, mode uint32, dev Dev) (NewInode, error) {
	c := t.Cred()
	n := NewInode{Mode: mode &^ a.FS.Umask(), UID: c.FSUID, GID: c.FSGID, Dev: dev}
	s, err := dir.Impl.Stat(t)
	if err != nil {
		return n, err
	}
	if s.Mode&unix.S_ISGID != 0 {
		n.GID = s.GID
		if mode&unix.S_IFMT == unix.S_IFDIR {
			n.Mode |= unix.S_ISGID
		} else if n.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP && !c.InGroup(s.GID) && !c.HasCap(unix.CAP_FSETID) {
			n.Mode &^= unix.S_ISGID
		}
	}
	return n, nil
}

// SetStatPath changes attributes with the checks of chmod, chown, truncate and
// utimensat.
func SetStatPath(t current.Task, p Path, s SetStat) error {
	if err := setStat(t, p, s); err != nil {
		return err
	}
	mask := uint32(unix.IN_ATTRIB)
	if s.Mask&SetSize != 0 {
		mask = unix.IN_MODIFY
	}
	p.event(mask)
	return nil
}

// setStat is SetStatPath that tells no watchers.
func setStat(t current.Task, p Path, s SetStat) error {
	if p.Mount.ReadOnly() {
		return unix.EROFS
	}
	i := p.Inode()
	old, err := i.Impl.Stat(t)
	if err != nil {
		return err
	}
	if err := checkSetStat(t, i, &old, &s); err != nil {
		return err
	}
	return i.Impl.SetStat(t, s)
}

// checkSetStat is setattr_prepare: who may change what, and what else changes
// with it.
func checkSetStat(t current.Task, i *Inode, old *Stat, s *SetStat) error {
	c := t.Cred()
	if s.Mask&SetUID != 0 && !c.UserNS.HasUID(s.UID) || s.Mask&SetGID != 0 && !c.UserNS.HasGID(s.GID) {
		return unix.EINVAL
	}
	if s.Mask&SetUID != 0 && (c.FSUID != old.UID || s.UID != old.UID) && !c.HasCap(unix.CAP_CHOWN) {
		return unix.EPERM
	}
	if s.Mask&SetGID != 0 && (c.FSUID != old.UID || !c.InGroup(s.GID) && s.GID != old.GID) && !c.HasCap(unix.CAP_CHOWN) {
		return unix.EPERM
	}
	if s.Mask&SetMode != 0 {
		if !isOwner(c, old) {
			return unix.EPERM
		}
		gid := old.GID
		if s.Mask&SetGID != 0 {
			gid = s.GID
		}
		if !c.InGroup(gid) && !c.HasCap(unix.CAP_FSETID) {
			s.Mode &^= unix.S_ISGID
		}
	}
	if s.Mask&(SetAtime|SetMtime) != 0 && !isOwner(c, old) {
		now := (s.Mask&SetAtime == 0 || s.Mask&SetAtimeNow != 0) && (s.Mask&SetMtime == 0 || s.Mask&SetMtimeNow != 0)
		if !now {
			return unix.EPERM
		}
		if err := checkMode(old, c, MayWrite); err != nil {
			return err
		}
	}
	if i.Type == unix.S_IFDIR || s.Mask&SetMode != 0 {
		return nil
	}
	// A change of owner, and a truncation by another than root, takes set-id
	// bits away.
	drop := uint32(0)
	if s.Mask&(SetUID|SetGID) != 0 || s.Mask&SetSize != 0 && !c.HasCap(unix.CAP_FSETID) {
		drop = setIDBits(old.Mode)
	}
	if drop != 0 {
		s.Mask |= SetMode
		s.Mode = old.Mode & 07777 &^ drop
	}
	return nil
}

// setIDBits are the bits that a write or a change of owner takes away.
func setIDBits(mode uint32) uint32 {
	drop := mode & unix.S_ISUID
	if mode&unix.S_IXGRP != 0 {
		drop |= mode & unix.S_ISGID
	}
	return drop
}

// event tells the watchers of p, and those of its directory.
func (p Path) event(mask uint32) { p.Dentry.event(mask, 0) }

func (d *Dentry) event(mask, cookie uint32) {
	i := d.Inode()
	if i == nil || i.FS.watches.Load() == 0 {
		return
	}
	if i.Type == unix.S_IFDIR {
		mask |= unix.IN_ISDIR
	}
	parent, name := d.place()
	if parent != nil {
		parent.Inode().notify(mask, cookie, name)
	}
	i.notify(mask, cookie, "")
}
