package vfs

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// StatAt is statx(2) without the struct. The mount is returned for its id and
// flags; it is not counted.
func StatAt(t current.Task, a At) (Stat, *Mount, error) {
	p, err := Walk(t, a)
	if err != nil {
		return Stat{}, nil, err
	}
	defer p.DecRef()
	s, err := StatPath(t, p)
	return s, p.Mount, err
}

// StatPath returns the attributes of p.
func StatPath(t current.Task, p Path) (Stat, error) { return p.Inode().Impl.Stat(t) }

// IsRoot reports whether p is the root of its mount (STATX_ATTR_MOUNT_ROOT).
func (p Path) IsRoot() bool { return p.Dentry == p.Mount.root }

// Readlink is readlink(2) on a path.
func Readlink(t current.Task, p Path) (string, error) {
	i := p.Inode()
	if i.Type != unix.S_IFLNK || i.ops.readlink == nil {
		return "", unix.EINVAL
	}
	return i.ops.readlink.Readlink(t)
}

// StatFS is statfs(2).
func StatFS(t current.Task, p Path) (unix.Statfs_t, error) {
	s, err := p.Inode().FS.Impl.StatFS(t)
	if err != nil {
		return s, err
	}
	if i, ok := p.Inode().Impl.(*anonInode); ok {
		s.Type = i.magic()
	}
	const valid = 0x20
	s.Flags = valid
	// The ST_* bits of a statfs(2) are the MS_* ones for these.
	f := p.Mount.flags.Load()
	s.Flags |= int64(f & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC))
	for _, b := range []struct{ ms, st uint64 }{{unix.MS_NOATIME, 1024}, {unix.MS_NODIRATIME, 2048}, {unix.MS_RELATIME, 4096}} {
		if f&b.ms != 0 {
			s.Flags |= int64(b.st)
		}
	}
	return s, nil
}

// MayEnter checks what chdir(2) and chroot(2) check.
func MayEnter(t current.Task, p Path) error {
	if p.Inode().Type != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return permission(t, p, MayExec)
}

// Truncate is truncate(2).
func Truncate(t current.Task, p Path, size int64) error {
	switch p.Inode().Type {
	case unix.S_IFDIR:
		return unix.EISDIR
	case unix.S_IFREG:
	default:
		return unix.EINVAL
	}
	if size < 0 {
		return unix.EINVAL
	}
	if err := permission(t, p, MayWrite); err != nil {
		return err
	}
	if err := mayGrow(t, p.Inode(), size); err != nil {
		return err
	}
	if err := p.Inode().addWriter(); err != nil {
		return err
	}
	defer p.Inode().writers.Add(-1)
	return SetStatPath(t, p, SetStat{Mask: SetSize, Size: size})
}

const maxXattrValue = 65536

// xattrPermission is xattr_permission: who may touch which namespace.
func xattrPermission(t current.Task, p Path, name string, write bool) error {
	i := p.Inode()
	if write && p.Mount.ReadOnly() {
		return unix.EROFS
	}
	ns, _, _ := strings.Cut(name, ".")
	switch ns {
	case "trusted":
		if !t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
			if write {
				return unix.EPERM
			}
			return unix.ENODATA
		}
		return nil
	case "security":
		if write && !t.Cred().HasCap(unix.CAP_SYS_ADMIN) && !(name == "security.capability" && t.Cred().HasCap(unix.CAP_SETFCAP)) {
			return unix.EPERM
		}
		return nil
	case "system":
		return unix.EOPNOTSUPP // there are no ACLs
	case "user":
	default:
		return unix.EOPNOTSUPP
	}
	if i.Type != unix.S_IFREG && i.Type != unix.S_IFDIR {
		if write {
			return unix.EPERM
		}
		return unix.ENODATA
	}
	may := uint32(MayRead)
	if write {
		may = MayWrite
		s, err := i.Impl.Stat(t)
		if err != nil {
			return err
		}
		if s.Mode&(unix.S_IFMT|unix.S_ISVTX) == unix.S_IFDIR|unix.S_ISVTX && !isOwner(t.Cred(), &s) {
			return unix.EPERM
		}
	}
	return permission(t, p, may)
}

func xattrName(name string) error {
	if name == "" || len(name) > nameMax {
		return unix.ERANGE
	}
	return nil
}

// GetXattr is getxattr(2).
func GetXattr(t current.Task, p Path, name string) ([]byte, error) {
	if err := xattrName(name); err != nil {
		return nil, err
	}
	if err := xattrPermission(t, p, name, false); err != nil {
		return nil, err
	}
	return ReadXattr(t, p.Inode(), name)
}

// ReadXattr reads an attribute for the kernel itself, without checks.
func ReadXattr(t current.Task, i *Inode, name string) ([]byte, error) {
	if i == nil || i.ops.xattrs == nil {
		return nil, unix.EOPNOTSUPP
	}
	return i.ops.xattrs.GetXattr(t, name)
}

// SetXattr is setxattr(2).
func SetXattr(t current.Task, p Path, name string, value []byte, flags int32) error {
	if err := xattrName(name); err != nil {
		return err
	}
	if len(value) > maxXattrValue {
		return unix.E2BIG
	}
	if err := xattrPermission(t, p, name, true); err != nil {
		return err
	}
	if p.Inode().ops.xattrs == nil {
		return unix.EOPNOTSUPP
	}
	err := p.Inode().ops.xattrs.SetXattr(t, name, value, flags)
	if err == nil {
		p.event(unix.IN_ATTRIB)
	}
	return err
}

// ListXattr is listxattr(2).
func ListXattr(t current.Task, p Path) ([]string, error) {
	if p.Inode().ops.xattrs == nil {
		return nil, nil
	}
	all, err := p.Inode().ops.xattrs.ListXattr(t)
	if err != nil || t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
		return all, err
	}
	var ns []string
	for _, n := range all {
		if !strings.HasPrefix(n, "trusted.") {
			ns = append(ns, n)
		}
	}
	return ns, nil
}

// RemoveXattr is removexattr(2).
func RemoveXattr(t current.Task, p Path, name string) error {
	if err := xattrName(name); err != nil {
		return err
	}
	if err := xattrPermission(t, p, name, true); err != nil {
		return err
	}
	if p.Inode().ops.xattrs == nil {
		return unix.EOPNOTSUPP
	}
	err := p.Inode().ops.xattrs.RemoveXattr(t, name)
	if err == nil {
		p.event(unix.IN_ATTRIB)
	}
	return err
}
