package overlay

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// copyChunk is how much is copied at a time, in bytes.
const copyChunk = 128 << 10

// copyUp makes sure that the upper layer has the file, and returns it there. Of
// a regular file the first upto bytes are copied, all if it is negative.
func (i *inode) copyUp(t current.Task, upto int64) (*vfs.Inode, error) {
	if u := i.upper.Load(); u != nil {
		return u, nil
	}
	if i.parent == nil {
		return nil, unix.EIO // the root has an upper layer always
	}
	p, err := i.parent.copyUp(t, -1)
	if err != nil {
		return nil, err
	}
	i.copying.Nested() // only ever one, under those of directories
	defer i.copying.Unlock()
	if u := i.upper.Load(); u != nil {
		return u, nil
	}
	u, err := i.copyTo(t, p.Impl.(vfs.DirImpl), upto)
	if err != nil {
		return nil, err
	}
	i.upper.Store(u)
	i.fs.alias(i, u)
	return u, nil
}

// copyTo makes the copy in the upper directory p.
func (i *inode) copyTo(t current.Task, p vfs.DirImpl, upto int64) (*vfs.Inode, error) {
	s, err := i.lower.Impl.Stat(t)
	if err != nil {
		return nil, err
	}
	n := vfs.NewInode{Mode: s.Mode, UID: s.UID, GID: s.GID, Dev: s.Rdev}
	var u *vfs.Inode
	switch i.typ {
	case unix.S_IFDIR:
		u, err = p.Mkdir(t, i.name, n)
	case unix.S_IFLNK:
		var target string
		if target, err = i.lower.Impl.(vfs.Readlinker).Readlink(t); err == nil {
			u, err = p.Symlink(t, i.name, target, n)
		}
	default:
		u, err = p.Create(t, i.name, n)
	}
	if err != nil {
		return nil, err
	}
	if i.typ == unix.S_IFREG {
		size := s.Size
		if upto >= 0 {
			size = min(size, upto)
		}
		err = i.copyData(t, u, size)
	}
	if err == nil {
		err = i.copyAttributes(t, u, &s)
	}
	if err != nil {
		if i.typ == unix.S_IFDIR {
			_ = p.Rmdir(t, i.name, u)
		} else {
			_ = p.Unlink(t, i.name, u)
		}
		u.DecRef()
		return nil, err
	}
	return u, nil
}

// copyData copies the first size bytes of the lower file.
func (i *inode) copyData(t current.Task, u *vfs.Inode, size int64) error {
	if size == 0 {
		return nil
	}
	from, done, err := openLayer(t, i.lower, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer done()
	to, done2, err := openLayer(t, u, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer done2()
	buf := make([]byte, min(size, copyChunk))
	for off := int64(0); off < size; {
		b := buf[:min(int64(len(buf)), size-off)]
		n, err := from.Impl().Read(t, from, usermem.BytesBuffer(b), off)
		if err != nil {
			return err
		}
		if n == 0 {
			break // it became shorter
		}
		for w := int64(0); w < n; {
			k, _, err := to.Impl().Write(t, to, usermem.BytesBuffer(b[w:n]), off+w)
			if err != nil {
				return err
			}
			w += k
		}
		off += n
	}
	return nil
}

// openLayer opens an inode of a layer, which has no path.
func openLayer(t current.Task, i *vfs.Inode, flags uint32) (f *vfs.File, done func(), err error) {
	f = vfs.NewFile(nil, vfs.Path{}, flags, t.Cred(), false)
	impl, err := i.Impl.Open(t, f)
	if err != nil {
		return nil, nil, err
	}
	f = vfs.NewFile(impl, vfs.Path{}, flags, t.Cred(), false)
	return f, func() { f.DecRef(t) }, nil
}

// copyAttributes gives the copy the mode, times and extended attributes.
func (i *inode) copyAttributes(t current.Task, u *vfs.Inode, s *vfs.Stat) error {
	if from, err := xattrs(i.lower); err == nil {
		if to, err := xattrs(u); err == nil {
			names, _ := from.ListXattr(t) // a layer without any says EOPNOTSUPP
			for _, n := range names {
				if strings.HasPrefix(n, private) {
					continue
				}
				if v, err := from.GetXattr(t, n); err == nil {
					if err := to.SetXattr(t, n, v, 0); err != nil {
						return err
					}
				}
			}
		}
	}
	mask := vfs.SetAtime | vfs.SetMtime
	if i.typ != unix.S_IFLNK {
		mask |= vfs.SetMode
	}
	return u.Impl.SetStat(t, vfs.SetStat{Mask: mask, Mode: s.Mode & 07777, Atime: s.Atime, Mtime: s.Mtime})
}
