package server

import (
	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// beneath is how names are resolved: one component, no link followed, nothing
// outside of the directory.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openAt opens a name in a directory.
func openAt(dir int, name string, flags uint64, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Mode: uint64(mode), Resolve: beneath}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// attr returns the attributes of an open file.
func attr(fd int) (proto.Attr, error) {
	var x unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	if err != nil {
		return proto.Attr{}, err
	}
	t := func(s unix.StatxTimestamp) proto.Time { return proto.Time{Sec: s.Sec, Nsec: s.Nsec} }
	return proto.Attr{
		Mode: uint32(x.Mode), Nlink: x.Nlink, UID: x.Uid, GID: x.Gid, Ino: x.Ino, Size: int64(x.Size), Blocks: x.Blocks,
		BlockSize: x.Blksize, Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Rdev: unix.Mkdev(x.Rdev_major, x.Rdev_minor),
		Atime: t(x.Atime), Mtime: t(x.Mtime), Ctime: t(x.Ctime), Btime: t(x.Btime),
	}, nil
}

// hold makes a node of the open O_PATH descriptor fd, which it takes over, and
// answers with it. order is held.
func (s *server) hold(fd int, parent *node, name string, readOnly bool, reply *proto.Reply) error {
	n := &node{fd: fd, readOnly: readOnly, refs: 1, name: name}
	if parent != nil {
		n.parent = s.ref(parent)
	}
	return s.introduce(n, reply)
}

// introduce answers with a node that is new, which it takes over.
func (s *server) introduce(n *node, reply *proto.Reply) error {
	a, err := attr(n.fd)
	if err != nil {
		s.put(n)
		return err
	}
	n.typ, n.dev, n.ino = a.Mode&unix.S_IFMT, a.Dev, a.Ino
	n.dir = n.typ == unix.S_IFDIR
	fid, err := s.add(n)
	if err != nil {
		s.put(n)
		return err
	}
	reply.Nodes = append(reply.Nodes, proto.Node{Fid: fid, Attr: a})
	return nil
}

// attach answers with a root.
func (s *server) attach(i uint32, reply *proto.Reply) error {
	if i >= uint32(len(s.roots)) {
		return unix.ENOENT
	}
	r := s.roots[i]
	n := &node{fd: r.FD, lent: true, readOnly: r.ReadOnly, name: r.Name, refs: 1}
	if r.Name != "" {
		n.parent = &node{fd: r.Dir, lent: true, readOnly: true, dir: true, typ: unix.S_IFDIR, refs: 1}
	}
	return s.introduce(n, reply)
}

// walk goes from a directory by names, and answers with each file that it
// finds.
func (s *server) walk(n *node, names []string, reply *proto.Reply) error {
	at := s.ref(n)
	defer func() { s.put(at) }()
	for _, name := range names {
		if !at.dir {
			return unix.ENOTDIR
		}
		fd, err := openAt(at.fd, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if err := s.hold(fd, at, name, at.readOnly, reply); err != nil {
			return err
		}
		next, err := s.get(reply.Nodes[len(reply.Nodes)-1].Fid)
		if err != nil {
			return err
		}
		s.put(at)
		at = next
		if !at.dir {
			break
		}
	}
	return nil
}

// reopen opens a node's file for reading or writing. A regular file is opened by
// its name again, and must be the same file.
func (n *node) reopen(flags uint64) (int, error) {
	if n.dir {
		return openAt(n.fd, ".", flags|unix.O_DIRECTORY, 0)
	}
	if n.typ != unix.S_IFREG {
		return -1, unix.ENXIO
	}
	if n.parent == nil {
		return -1, unix.EOPNOTSUPP
	}
	fd, err := openAt(n.parent.fd, n.name, flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	if a, err := attr(fd); err != nil || a.Dev != n.dev || a.Ino != n.ino {
		_ = unix.Close(fd)
		return -1, unix.ESTALE
	}
	return fd, nil
}

// open answers with the descriptor of a regular file.
func (n *node) open(flags uint32) (int, error) {
	switch flags {
	case unix.O_RDONLY:
	case unix.O_WRONLY, unix.O_RDWR:
		if n.readOnly {
			return -1, unix.EROFS
		}
	default:
		return -1, unix.EINVAL
	}
	if n.typ != unix.S_IFREG {
		return -1, unix.ENXIO
	}
	return n.reopen(uint64(flags))
}
