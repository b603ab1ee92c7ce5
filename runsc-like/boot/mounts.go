package boot

import (
	"errors"
	"fmt"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

// mountAll makes the mount namespace that the configuration describes.
func (c *container) mountAll() (*vfs.Namespace, error) {
	spec := c.cfg.Spec
	fs, root, err := c.rootFS()
	if err != nil {
		return nil, fmt.Errorf("root.path: %w", err)
	}
	ns := vfs.NewNamespace(c.s.env, fs, root, "hull", 0)
	ctx := vfs.NewContext(ns)
	defer ctx.DecRef()
	ctx.SetUmask(0)
	var late []remount // of what is read-only when all is made
	defer func() {
		for _, r := range late {
			r.at.DecRef()
		}
	}()
	binds := 0
	for i, m := range spec.Mounts {
		if m.Type == "bind" {
			binds++ // the gofer serves the root as 0, then the bind mounts
			err = c.bind(ns, ctx, m, binds)
		} else {
			err = c.mount(ns, ctx, m, &late)
		}
		if err != nil {
			return nil, fmt.Errorf("mounts[%d]: %s: %w", i, m.Destination, err)
		}
	}
	if err := c.makeNodes(ctx, spec.Linux.Devices); err != nil {
		return nil, err
	}
	if err := c.writeFiles(ns, ctx); err != nil {
		return nil, err
	}
	if err := c.setSysctl(); err != nil {
		return nil, err
	}
	for i, p := range spec.Linux.ReadonlyPaths {
		if err := c.readOnly(ns, ctx, p); err != nil {
			return nil, fmt.Errorf("linux.readonlyPaths[%d]: %s: %w", i, p, err)
		}
	}
	for i, p := range spec.Linux.MaskedPaths {
		if err := c.mask(ns, ctx, p); err != nil {
			return nil, fmt.Errorf("linux.maskedPaths[%d]: %s: %w", i, p, err)
		}
	}
	for _, r := range late {
		if err := ns.Remount(c.boot, r.at, r.flags); err != nil {
			return nil, err
		}
	}
	if spec.Root.Readonly {
		p := ns.Root()
		defer p.DecRef()
		if err := ns.Remount(c.boot, p, unix.MS_RDONLY); err != nil {
			return nil, fmt.Errorf("root.readonly: %w", err)
		}
	}
	return ns, nil
}

// walk finds a path of the guest.
func (c *container) walk(ctx *vfs.Context, name string) (vfs.Path, error) {
	return vfs.Walk(c.boot, vfs.At{FS: ctx, Name: name, Follow: true})
}

// remount is what becomes of a mount in the end.
type remount struct {
	at    vfs.Path
	flags uint64
}

// mount mounts a file system that is the sandbox's own. One in memory that is to be
// read-only becomes so late: what is mounted in it has its place made first, as with
// other runtimes.
func (c *container) mount(ns *vfs.Namespace, ctx *vfs.Context, m specs.Mount, late *[]remount) error {
	typ, ok := c.s.types[m.Type]
	if !ok {
		return fmt.Errorf("file systems of type %s are not supported", m.Type)
	}
	o := c.s.parseOptions(m.Options)
	at, err := c.walk(ctx, m.Destination)
	there := err == nil
	if errors.Is(err, unix.ENOENT) {
		at, err = c.mountPoint(ctx, m.Destination, true)
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if m.Type == "tmpfs" && there && !strings.Contains(","+o.data, ",mode=") {
		// As other runtimes do: it is what was there before, empty. Where nothing was,
		// anybody may write, as the file system has it by itself.
		if st, err := vfs.StatPath(c.boot, at); err == nil {
			o.data = strings.TrimPrefix(fmt.Sprintf("%s,mode=%o", o.data, st.Mode&0o7777), ",")
		}
	}
	fs, root, err := typ.New(c.boot, m.Source, o.data)
	if err != nil {
		return fmt.Errorf("options %q: %w", o.data, err)
	}
	// Files of /dev are made before the mount may become read-only.
	if _, err := ns.Mount(c.boot, at, fs, root, m.Source, o.flags&^unix.MS_RDONLY); err != nil {
		return err
	}
	if m.Destination == "/dev" && m.Type == "tmpfs" {
		if err := c.populateDev(ctx); err != nil {
			return err
		}
	}
	top, err := c.walk(ctx, m.Destination)
	if err != nil {
		return err
	}
	defer top.DecRef()
	if o.copyUp {
		if err := c.copyTree(ctx, at, top); err != nil {
			return fmt.Errorf("tmpcopyup: %w", err)
		}
	}
	if o.flags&unix.MS_RDONLY == 0 {
		return nil
	}
	if m.Type == "tmpfs" {
		*late = append(*late, remount{top.IncRef(), o.flags})
		return nil
	}
	return ns.Remount(c.boot, top, o.flags)
}

// mountPoint finds name, making what is missing of it: a directory, or a file
// to mount a file on.
func (c *container) mountPoint(ctx *vfs.Context, name string, dir bool) (vfs.Path, error) {
	p, err := c.walk(ctx, name)
	if !errors.Is(err, unix.ENOENT) {
		return p, err
	}
	if dir {
		err = c.mkdirAll(ctx, name)
	} else if err = c.mkdirAll(ctx, path.Dir(name)); err == nil {
		err = vfs.Mknod(c.boot, vfs.At{FS: ctx, Name: name}, unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return vfs.Path{}, fmt.Errorf("make the mount point: %w", err)
	}
	return c.walk(ctx, name)
}

// mkdirAll makes the directory name and those above it.
func (c *container) mkdirAll(ctx *vfs.Context, name string) error {
	p, err := c.walk(ctx, name)
	if err == nil {
		p.DecRef()
		return nil
	}
	if !errors.Is(err, unix.ENOENT) || name == "/" {
		return err
	}
	if err := c.mkdirAll(ctx, path.Dir(name)); err != nil {
		return err
	}
	return vfs.Mkdir(c.boot, vfs.At{FS: ctx, Name: name}, 0o755)
}

// mask hides a path: a directory behind an empty one, a file behind /dev/null.
// A path that is not there needs no hiding.
func (c *container) mask(ns *vfs.Namespace, ctx *vfs.Context, name string) error {
	at, err := c.walk(ctx, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if at.Inode().Type == unix.S_IFDIR {
		fs, root, err := c.s.types["tmpfs"].New(c.boot, "tmpfs", "size=0")
		if err != nil {
			return err
		}
		_, err = ns.Mount(c.boot, at, fs, root, "tmpfs", unix.MS_RDONLY)
		return err
	}
	null, err := c.walk(ctx, "/dev/null")
	if err != nil {
		return fmt.Errorf("/dev/null, to hide a file: %w", err)
	}
	defer null.DecRef()
	return ns.Bind(c.boot, null, at, false)
}

// readOnly makes a path, with what is mounted below it, read-only.
func (c *container) readOnly(ns *vfs.Namespace, ctx *vfs.Context, name string) error {
	at, err := c.walk(ctx, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if err := ns.Bind(c.boot, at, at, true); err != nil {
		return err
	}
	top, err := c.walk(ctx, name)
	if err != nil {
		return err
	}
	defer top.DecRef()
	return ns.Remount(c.boot, top, top.Mount.Flags()|unix.MS_RDONLY)
}

// enterCwd makes name the working directory of ctx. The first process's is made
// if it is missing, as other runtimes do.
func (c *container) enterCwd(ctx *vfs.Context, name string, first bool) error {
	find := c.walk
	if first {
		find = func(ctx *vfs.Context, name string) (vfs.Path, error) { return c.mountPoint(ctx, name, true) }
	}
	p, err := find(ctx, name)
	if err == nil && p.Inode().Type != unix.S_IFDIR {
		p.DecRef()
		err = unix.ENOTDIR
	}
	if err != nil {
		return fmt.Errorf("process.cwd: chdir to cwd (%q) failed: %w", name, err)
	}
	ctx.SetCWD(p)
	return nil
}
