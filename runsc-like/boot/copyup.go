package boot

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// copier copies a tree of the guest's into another, for tmpcopyup: what a tmpfs
// hides is in it as well. Hard links become files of their own.
type copier struct {
	of  *container
	ctx *vfs.Context
	buf []byte
}

// copyTree copies what is in from, a directory, into to, another one, and gives
// to its owner and mode.
func (c *container) copyTree(ctx *vfs.Context, from, to vfs.Path) error {
	cp := copier{of: c, ctx: ctx, buf: make([]byte, 64<<10)}
	return cp.dir(from, to, 0)
}

// maxDepth bounds the depth of a tree.
const maxDepth = 256

func (c *copier) dir(from, to vfs.Path, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d directories below each other: %w", maxDepth, unix.ELOOP)
	}
	st, err := vfs.StatPath(c.of.boot, from)
	if err != nil {
		return err
	}
	names, err := c.names(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(from, to, name, depth); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return c.attributes(to, &st)
}

// names lists a directory.
func (c *copier) names(dir vfs.Path) ([]string, error) {
	f, err := vfs.OpenPath(c.of.boot, dir, vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY})
	if err != nil {
		return nil, err
	}
	defer f.DecRef(c.of.boot)
	var names []string
	for {
		more := false
		err := f.ReadDir(c.of.boot, func(d vfs.Dirent) bool {
			more = true
			if d.Name != "." && d.Name != ".." {
				names = append(names, d.Name)
			}
			return true
		})
		if err != nil || !more {
			return names, err
		}
	}
}

func (c *copier) entry(from, to vfs.Path, name string, depth int) error {
	src, err := vfs.Walk(c.of.boot, vfs.At{FS: c.ctx, Dir: from, Name: name})
	if errors.Is(err, unix.ENOENT) {
		return nil // it is somebody's who removed it
	}
	if err != nil {
		return err
	}
	defer src.DecRef()
	st, err := vfs.StatPath(c.of.boot, src)
	if err != nil {
		return err
	}
	at := vfs.At{FS: c.ctx, Dir: to, Name: name}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = vfs.Mkdir(c.of.boot, at, st.Mode&0o7777)
	case unix.S_IFLNK:
		var target string
		if target, err = vfs.Readlink(c.of.boot, src); err == nil {
			err = vfs.Symlink(c.of.boot, target, at)
		}
	default:
		err = vfs.Mknod(c.of.boot, at, st.Mode, st.Rdev)
	}
	if err != nil {
		return err
	}
	dst, err := vfs.Walk(c.of.boot, at)
	if err != nil {
		return err
	}
	defer dst.DecRef()
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.dir(src, dst, depth+1)
	case unix.S_IFREG:
		if err := c.contents(src, dst); err != nil {
			return err
		}
	}
	return c.attributes(dst, &st)
}

func (c *copier) contents(src, dst vfs.Path) error {
	in, err := vfs.OpenPath(c.of.boot, src, vfs.OpenHow{Flags: unix.O_RDONLY})
	if err != nil {
		return err
	}
	defer in.DecRef(c.of.boot)
	out, err := vfs.OpenPath(c.of.boot, dst, vfs.OpenHow{Flags: unix.O_WRONLY})
	if err != nil {
		return err
	}
	defer out.DecRef(c.of.boot)
	for {
		n, err := in.Read(c.of.boot, usermem.One(usermem.Bytes(c.buf), 0, uint64(len(c.buf))))
		if err != nil || n == 0 {
			return err
		}
		if _, err := out.Write(c.of.boot, usermem.One(usermem.Bytes(c.buf), 0, uint64(n))); err != nil {
			return err
		}
	}
}

// attributes gives p the owner, mode and times of st.
func (c *copier) attributes(p vfs.Path, st *vfs.Stat) error {
	owner := vfs.SetStat{Mask: vfs.SetUID | vfs.SetGID, UID: st.UID, GID: st.GID}
	if err := vfs.SetStatPath(c.of.boot, p, owner); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	return vfs.SetStatPath(c.of.boot, p, vfs.SetStat{
		Mask: vfs.SetMode | vfs.SetAtime | vfs.SetMtime, Mode: st.Mode & 0o7777, Atime: st.Atime, Mtime: st.Mtime,
	})
}
