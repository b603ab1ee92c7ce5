package server

import (
	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// serve carries a request out. give is the descriptor that an Open answers with.
func (s *server) serve(r *proto.Request, reply *proto.Reply, give *int) error {
	switch r.Op {
	case proto.Hello:
		reply.Flags, reply.Count = proto.Version, uint32(len(s.roots))
		return nil
	case proto.Attach:
		return s.attach(r.Fid, reply)
	case proto.Clunk:
		s.clunk(r.Fids)
		return nil
	}
	n, err := s.get(r.Fid)
	if err != nil {
		return err
	}
	defer s.put(n)
	if changes(r.Op) {
		if n.readOnly {
			return unix.EROFS
		}
		s.order.Lock()
		defer s.order.Unlock()
		return s.change(n, r, reply)
	}
	s.order.RLock()
	defer s.order.RUnlock()
	switch r.Op {
	case proto.Walk:
		return s.walk(n, r.Names, reply)
	case proto.Getattr:
		reply.Attr, err = attr(n.fd)
	case proto.Open:
		*give, err = n.open(r.Flags)
	case proto.Readlink:
		reply.Target, err = n.readlink()
	case proto.Readdir:
		reply.Entries, err = n.readdir(r.Off)
	case proto.Statfs:
		reply.Statfs, err = n.statfs()
	case proto.Fsync:
		err = n.with(unix.O_RDONLY, unix.Fsync)
	case proto.GetXattr:
		err = n.with(unix.O_RDONLY, func(fd int) (err error) {
			reply.Value, err = getXattr(fd, r.Name)
			return err
		})
	case proto.ListXattr:
		err = n.with(unix.O_RDONLY, func(fd int) (err error) {
			reply.Names, err = listXattr(fd)
			return err
		})
	default:
		err = unix.EOPNOTSUPP
	}
	return err
}

// changes reports whether a request changes files.
func changes(op proto.Op) bool {
	switch op {
	case proto.Setattr, proto.Create, proto.Mkdir, proto.Mknod, proto.Symlink, proto.Link, proto.Unlink, proto.Rename,
		proto.SetXattr, proto.RemoveXattr:
		return true
	}
	return false
}

// change carries out what changes files. order is held.
func (s *server) change(n *node, r *proto.Request, reply *proto.Reply) error {
	var other *node
	if r.Op == proto.Link || r.Op == proto.Rename {
		var err error
		if other, err = s.get(r.Fid2); err != nil {
			return err
		}
		defer s.put(other)
		if other.readOnly {
			return unix.EROFS
		}
	}
	switch r.Op {
	case proto.Setattr:
		if err := n.setattr(r); err != nil {
			return err
		}
		var err error
		reply.Attr, err = attr(n.fd)
		return err
	case proto.SetXattr:
		return n.with(unix.O_RDONLY, func(fd int) error { return unix.Fsetxattr(fd, r.Name, r.Value, int(r.Flags)) })
	case proto.RemoveXattr:
		return n.with(unix.O_RDONLY, func(fd int) error { return unix.Fremovexattr(fd, r.Name) })
	case proto.Link:
		// By descriptor, so that exactly that file gets the name.
		if err := other.linkTo(n, r.Name); err != nil {
			return err
		}
		return s.found(n, r.Name, reply)
	case proto.Unlink:
		if r.Flags&^unix.AT_REMOVEDIR != 0 {
			return unix.EINVAL
		}
		return unix.Unlinkat(n.fd, r.Name, int(r.Flags))
	case proto.Rename:
		return s.rename(n, r.Name, other, r.Name2, r.Flags)
	}
	return s.make(n, r, reply)
}

// make carries out what makes a new file in n. order is held.
func (s *server) make(n *node, r *proto.Request, reply *proto.Reply) error {
	if !n.dir {
		return unix.ENOTDIR
	}
	perm := r.Mode & 07777
	made := -1
	var err error
	switch r.Op {
	case proto.Create:
		// A profile may allow to write and not to read.
		if made, err = openAt(n.fd, r.Name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, perm); err == nil {
			defer unix.Close(made)
		}
	case proto.Mkdir:
		err = unix.Mkdirat(n.fd, r.Name, perm)
	case proto.Mknod:
		typ := r.Mode & unix.S_IFMT
		if typ != unix.S_IFIFO && typ != unix.S_IFSOCK {
			return unix.EPERM // devices are never made
		}
		err = unix.Mknodat(n.fd, r.Name, typ|perm, 0)
	case proto.Symlink:
		if r.Target == "" {
			return unix.ENOENT
		}
		err = unix.Symlinkat(r.Target, n.fd, r.Name)
	default:
		return unix.EOPNOTSUPP
	}
	if err != nil {
		return err
	}
	// Without the capability (rootless) the file stays the gofer's own.
	_ = unix.Fchownat(n.fd, r.Name, int(r.UID), int(r.GID), unix.AT_SYMLINK_NOFOLLOW)
	if r.Op == proto.Create {
		_ = unix.Fchmod(made, perm) // a change of owner takes set-id bits away
	}
	return s.found(n, r.Name, reply)
}

// found answers with the file that was just made.
func (s *server) found(dir *node, name string, reply *proto.Reply) error {
	fd, err := openAt(dir.fd, name, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	return s.hold(fd, dir, name, dir.readOnly, reply)
}

// linkTo gives n another name in dir.
func (n *node) linkTo(dir *node, name string) error {
	if n.parent == nil {
		return unix.EXDEV
	}
	if a, err := attrAt(n.parent.fd, n.name); err != nil || a.Dev != n.dev || a.Ino != n.ino {
		return unix.ESTALE
	}
	return unix.Linkat(n.parent.fd, n.name, dir.fd, name, 0)
}

func attrAt(dir int, name string) (proto.Attr, error) {
	fd, err := openAt(dir, name, unix.O_PATH, 0)
	if err != nil {
		return proto.Attr{}, err
	}
	defer unix.Close(fd)
	return attr(fd)
}

// rename moves a name, and what is known of the files that had it. order is
// held.
func (s *server) rename(from *node, name string, to *node, newName string, flags uint32) error {
	if flags&^(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE) != 0 {
		return unix.EINVAL
	}
	if err := unix.Renameat2(from.fd, name, to.fd, newName, uint(flags)); err != nil {
		return err
	}
	s.mu.Lock()
	var drop []*node
	for _, x := range s.nodes {
		switch {
		case x.parent == from && x.name == name:
			drop = append(drop, x.parent)
			to.refs++
			x.parent, x.name = to, newName
		case flags&unix.RENAME_EXCHANGE != 0 && x.parent == to && x.name == newName:
			drop = append(drop, x.parent)
			from.refs++
			x.parent, x.name = from, name
		}
	}
	s.mu.Unlock()
	for _, d := range drop {
		s.put(d)
	}
	return nil
}

// setattr changes attributes.
func (n *node) setattr(r *proto.Request) error {
	if r.Mask&proto.SetSize != 0 {
		if n.typ != unix.S_IFREG {
			return unix.EINVAL
		}
		if err := n.with(unix.O_WRONLY, func(fd int) error { return unix.Ftruncate(fd, r.Size) }); err != nil {
			return err
		}
	}
	if r.Mask&(proto.SetUID|proto.SetGID) != 0 {
		uid, gid := -1, -1
		if r.Mask&proto.SetUID != 0 {
			uid = int(r.UID)
		}
		if r.Mask&proto.SetGID != 0 {
			gid = int(r.GID)
		}
		if err := unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if r.Mask&proto.SetMode != 0 {
		if err := n.chmod(r.Mode & 07777); err != nil {
			return err
		}
	}
	if r.Mask&(proto.SetAtime|proto.SetMtime) != 0 {
		ts := []unix.Timespec{stamp(r.Mask, proto.SetAtime, proto.SetAtimeNow, r.Atime), stamp(r.Mask, proto.SetMtime, proto.SetMtimeNow, r.Mtime)}
		return n.utimes(ts)
	}
	return nil
}

func stamp(mask, set, now uint32, t proto.Time) unix.Timespec {
	switch {
	case mask&set == 0:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case mask&now != 0:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
}

// chmod changes the mode of what is no link. A host older than Linux 6.6 has only
// fchmod, which wants the file opened, by a name that it still has to have.
func (n *node) chmod(mode uint32) error {
	if n.typ == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	if err := unix.Fchmodat(n.fd, "", mode, unix.AT_EMPTY_PATH); err != unix.ENOSYS && err != unix.EOPNOTSUPP {
		return err
	}
	switch n.typ {
	case unix.S_IFREG, unix.S_IFDIR:
		return n.with(unix.O_RDONLY, func(fd int) error { return unix.Fchmod(fd, mode) })
	}
	return unix.EPERM
}

// utimes changes times; the file need not have a name any more.
func (n *node) utimes(ts []unix.Timespec) error {
	return unix.UtimesNanoAt(n.fd, "", ts, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
}

// with opens the file for a moment, of which f reads nothing: one that may not be
// read is opened for writing.
func (n *node) with(flags uint64, f func(fd int) error) error {
	fd, err := n.reopen(flags)
	if err == unix.EACCES && flags == unix.O_RDONLY && n.typ == unix.S_IFREG && !n.readOnly {
		fd, err = n.reopen(unix.O_WRONLY)
	}
	if err == unix.ENXIO {
		return unix.EOPNOTSUPP
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}
