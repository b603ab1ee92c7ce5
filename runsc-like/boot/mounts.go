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
func (s *sandbox) mountAll() (*vfs.Namespace, error) {
	client, err := s.connectGofer()
	if err != nil {
		return nil, err
	}
	spec := s.cfg.Spec
	fs, root, err := s.rootFS(client)
	if err != nil {
		return nil, fmt.Errorf("root.path: %w", err)
	}
	ns := vfs.NewNamespace(s.env, fs, root, "hull", 0)
	ctx := vfs.NewContext(ns)
	defer ctx.DecRef()
	ctx.SetUmask(0)
	binds := 0
	for i, m := range spec.Mounts {
		if m.Type == "bind" {
			binds++ // the gofer serves the root as 0, then the bind mounts
			err = s.bind(ns, ctx, client, m, binds)
		} else {
			err = s.mount(ns, ctx, m)
		}
		if err != nil {
			return nil, fmt.Errorf("mounts[%d]: %s: %w", i, m.Destination, err)
		}
	}
	if err := s.makeNodes(ctx, spec.Linux.Devices); err != nil {
		return nil, err
	}
	if err := s.setSysctl(); err != nil {
		return nil, err
	}
	for i, p := range spec.Linux.MaskedPaths {
		if err := s.mask(ns, ctx, p); err != nil {
			return nil, fmt.Errorf("linux.maskedPaths[%d]: %s: %w", i, p, err)
		}
	}
	for i, p := range spec.Linux.ReadonlyPaths {
		if err := s.readOnly(ns, ctx, p); err != nil {
			return nil, fmt.Errorf("linux.readonlyPaths[%d]: %s: %w", i, p, err)
		}
	}
	if spec.Root.Readonly {
		p := ns.Root()
		defer p.DecRef()
		if err := ns.Remount(s.boot, p, unix.MS_RDONLY); err != nil {
			return nil, fmt.Errorf("root.readonly: %w", err)
		}
	}
	return ns, nil
}

// walk finds a path of the guest.
func (s *sandbox) walk(ctx *vfs.Context, name string) (vfs.Path, error) {
	return vfs.Walk(s.boot, vfs.At{FS: ctx, Name: name, Follow: true})
}

// mount mounts a file system that is the sandbox's own.
func (s *sandbox) mount(ns *vfs.Namespace, ctx *vfs.Context, m specs.Mount) error {
	typ, ok := s.types[m.Type]
	if !ok {
		return fmt.Errorf("file systems of type %s are not supported", m.Type)
	}
	o := parseOptions(m.Options)
	at, err := s.mountPoint(ctx, m.Destination, true)
	if err != nil {
		return err
	}
	defer at.DecRef()
	if m.Type == "tmpfs" && !strings.Contains(","+o.data, ",mode=") {
		// As other runtimes do: it is what was there before, empty.
		if st, err := vfs.StatPath(s.boot, at); err == nil {
			o.data = strings.TrimPrefix(fmt.Sprintf("%s,mode=%o", o.data, st.Mode&0o7777), ",")
		}
	}
	fs, root, err := typ.New(s.boot, m.Source, o.data)
	if err != nil {
		return fmt.Errorf("options %q: %w", o.data, err)
	}
	// Files of /dev are made before the mount may become read-only.
	if _, err := ns.Mount(s.boot, at, fs, root, m.Source, o.flags&^unix.MS_RDONLY); err != nil {
		return err
	}
	if m.Destination == "/dev" && m.Type == "tmpfs" {
		if err := s.populateDev(ctx); err != nil {
			return err
		}
	}
	top, err := s.walk(ctx, m.Destination)
	if err != nil {
		return err
	}
	defer top.DecRef()
	if o.copyUp {
		if err := s.copyTree(ctx, at, top); err != nil {
			return fmt.Errorf("tmpcopyup: %w", err)
		}
	}
	if o.flags&unix.MS_RDONLY == 0 {
		return nil
	}
	return ns.Remount(s.boot, top, o.flags)
}

// mountPoint finds name, making what is missing of it: a directory, or a file
// to mount a file on.
func (s *sandbox) mountPoint(ctx *vfs.Context, name string, dir bool) (vfs.Path, error) {
	p, err := s.walk(ctx, name)
	if !errors.Is(err, unix.ENOENT) {
		return p, err
	}
	if dir {
		err = s.mkdirAll(ctx, name)
	} else if err = s.mkdirAll(ctx, path.Dir(name)); err == nil {
		err = vfs.Mknod(s.boot, vfs.At{FS: ctx, Name: name}, unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return vfs.Path{}, fmt.Errorf("make the mount point: %w", err)
	}
	return s.walk(ctx, name)
}

// mkdirAll makes the directory name and those above it.
func (s *sandbox) mkdirAll(ctx *vfs.Context, name string) error {
	p, err := s.walk(ctx, name)
	if err == nil {
		p.DecRef()
		return nil
	}
	if !errors.Is(err, unix.ENOENT) || name == "/" {
		return err
	}
	if err := s.mkdirAll(ctx, path.Dir(name)); err != nil {
		return err
	}
	return vfs.Mkdir(s.boot, vfs.At{FS: ctx, Name: name}, 0o755)
}

// mask hides a path: a directory behind an empty one, a file behind /dev/null.
// A path that is not there needs no hiding.
func (s *sandbox) mask(ns *vfs.Namespace, ctx *vfs.Context, name string) error {
	at, err := s.walk(ctx, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if at.Inode().Type == unix.S_IFDIR {
		fs, root, err := s.types["tmpfs"].New(s.boot, "tmpfs", "size=0,mode=755")
		if err != nil {
			return err
		}
		_, err = ns.Mount(s.boot, at, fs, root, "tmpfs", unix.MS_RDONLY)
		return err
	}
	null, err := s.walk(ctx, "/dev/null")
	if err != nil {
		return fmt.Errorf("/dev/null, to hide a file: %w", err)
	}
	defer null.DecRef()
	return ns.Bind(s.boot, null, at, false)
}

// readOnly makes a path, with what is mounted below it, read-only.
func (s *sandbox) readOnly(ns *vfs.Namespace, ctx *vfs.Context, name string) error {
	at, err := s.walk(ctx, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.DecRef()
	if err := ns.Bind(s.boot, at, at, true); err != nil {
		return err
	}
	top, err := s.walk(ctx, name)
	if err != nil {
		return err
	}
	defer top.DecRef()
	return ns.Remount(s.boot, top, unix.MS_RDONLY)
}

// enterCwd makes name the working directory of ctx. The first process's is made
// if it is missing, as other runtimes do.
func (s *sandbox) enterCwd(ctx *vfs.Context, name string, first bool) error {
	find := s.walk
	if first {
		find = func(ctx *vfs.Context, name string) (vfs.Path, error) { return s.mountPoint(ctx, name, true) }
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
