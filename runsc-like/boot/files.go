package boot

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"hull/fsimpl/tmpfs"
	"hull/runsc-like/control"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// writeFiles makes the files whose contents the configuration gives. They are written
// where writes are kept in memory; a file of the host's is covered, for it is not to
// change. A root without their directory does without them, and what somebody mounted
// in the place of one stays.
func (c *container) writeFiles(ns *vfs.Namespace, ctx *vfs.Context) error {
	for _, f := range c.cfg.Files {
		if err := c.giveFile(ns, ctx, f); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func (c *container) giveFile(ns *vfs.Namespace, ctx *vfs.Context, f control.File) error {
	dir, err := c.walk(ctx, path.Dir(f.Path))
	if err != nil {
		return err
	}
	defer dir.DecRef()
	old, err := c.walk(ctx, f.Path)
	switch {
	case err == nil:
		defer old.DecRef()
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	there := err == nil
	root := ns.Root()
	defer root.DecRef()
	dropped := func(p vfs.Path) bool { return c.cfg.Overlay && p.Mount == root.Mount }
	switch {
	case there && old.IsRoot():
		return nil // the caller's own
	case dropped(dir) && (!there || !f.Append || dropped(old)):
		return c.replaceFile(ctx, dir, f, there)
	case there:
		return c.coverFile(ns, ctx, old, f)
	}
	return nil
}

// replaceFile writes the file f in a directory whose changes are dropped, or adds to
// one; there says that it exists.
func (c *container) replaceFile(ctx *vfs.Context, dir vfs.Path, f control.File, there bool) error {
	at := vfs.At{FS: ctx, Dir: dir, Name: path.Base(f.Path), Follow: true}
	flags := uint64(unix.O_WRONLY | unix.O_APPEND)
	if !f.Append || !there {
		// It may be a link to where nothing of the guest's is.
		at.Follow = false
		if err := vfs.Unlink(c.boot, at, false); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL
	}
	file, err := vfs.Open(c.boot, at, vfs.OpenHow{Flags: flags, Mode: 0o644})
	if err != nil {
		return err
	}
	defer file.DecRef(c.boot)
	return c.writeText(file, []byte(f.Text))
}

// coverFile mounts a file in memory over one.
func (c *container) coverFile(ns *vfs.Namespace, ctx *vfs.Context, old vfs.Path, f control.File) error {
	var text []byte
	if f.Append {
		b, err := c.readText(ctx, f.Path)
		if err != nil {
			return err
		}
		text = b
	}
	fs, top := tmpfs.New(c.s.memory, c.s.env.AnonDev(), tmpfs.Options{Mode: 0o755})
	private := vfs.NewNamespace(c.s.env, fs, top, "hull", 0)
	defer private.DecRef()
	inside := vfs.NewContext(private)
	defer inside.DecRef()
	file, err := vfs.Open(c.boot, vfs.At{FS: inside, Name: "/" + path.Base(f.Path)}, vfs.OpenHow{Flags: unix.O_WRONLY | unix.O_CREAT, Mode: 0o644})
	if err != nil {
		return err
	}
	defer file.DecRef(c.boot)
	if err := c.writeText(file, append(text, f.Text...)); err != nil {
		return err
	}
	fs.IncRef()
	node := file.Path.Inode()
	node.IncRef()
	_, err = ns.Mount(c.boot, old, fs, node, "hull", 0)
	return err
}

func (c *container) writeText(file *vfs.File, b []byte) error {
	_, err := file.Write(c.boot, usermem.One(usermem.Bytes(b), 0, uint64(len(b))))
	return err
}

// readText returns what a file of the guest's holds, of one that is too large for its
// purpose the beginning.
func (c *container) readText(ctx *vfs.Context, name string) ([]byte, error) {
	file, err := vfs.Open(c.boot, vfs.At{FS: ctx, Name: name, Follow: true}, vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK})
	if err != nil {
		return nil, err
	}
	defer file.DecRef(c.boot)
	const most = 1 << 20
	var b []byte
	buf := make([]byte, 4096)
	for len(b) < most {
		n, err := file.Read(c.boot, usermem.One(usermem.Bytes(buf), 0, uint64(len(buf))))
		if err != nil || n == 0 {
			return b, err
		}
		b = append(b, buf[:n]...)
	}
	return b, nil
}
