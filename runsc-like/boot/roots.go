package boot

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	gofs "hull/fsimpl/gofer"
	"hull/fsimpl/overlay"
	"hull/fsimpl/tmpfs"
	"hull/sentry/vfs"
)

// attach makes a file system of what the gofer serves as root i.
func (c *container) attach(i int) (*vfs.Filesystem, *vfs.Inode, error) {
	return gofs.New(c.boot, c.gofer, gofs.Options{
		Root: i, ReadOnly: c.cfg.Roots[i].ReadOnly, Dev: c.s.env.AnonDev(),
		// What the gofer may not change nobody is told of, and the host's owner
		// may change anything: then names and attributes are asked for again.
		Exclusive: c.cfg.Roots[i].ReadOnly,
	})
}

// rootFS makes the guest's root. One that is read-only, or whose changes are
// dropped, lies under an overlay with memory on top: mount points can be made
// there.
func (c *container) rootFS() (*vfs.Filesystem, *vfs.Inode, error) {
	fs, root, err := c.attach(0)
	if err != nil || !c.cfg.Overlay && !c.cfg.Spec.Root.Readonly {
		return fs, root, err
	}
	upper, top := tmpfs.New(c.s.memory, c.s.env.AnonDev(), tmpfs.Options{Mode: 0o755})
	return overlay.New(c.boot, overlay.Options{
		Dev:   c.s.env.AnonDev(),
		Upper: overlay.Layer{FS: upper, Root: top},
		Lower: overlay.Layer{FS: fs, Root: root},
	})
}

// openRoot opens the directory that the gofer serves as root i. It is mounted nowhere.
func (c *container) openRoot(i int) (*vfs.File, error) {
	if i <= 0 || i >= len(c.cfg.Roots) {
		return nil, unix.EINVAL
	}
	fs, root, err := c.attach(i)
	if err != nil {
		return nil, err
	}
	ns := vfs.NewNamespace(c.s.env, fs, root, c.cfg.Roots[i].Path, 0)
	defer ns.DecRef()
	ctx := vfs.NewContext(ns)
	defer ctx.DecRef()
	return vfs.Open(c.boot, vfs.At{FS: ctx, Name: "/", Follow: true}, vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY})
}

// bind mounts what the gofer serves as root i.
func (c *container) bind(ns *vfs.Namespace, ctx *vfs.Context, m specs.Mount, i int) error {
	fs, root, err := c.attach(i)
	if err != nil {
		return err
	}
	fs.Above = m.Source
	at, err := c.mountPoint(ctx, m.Destination, root.Type == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer at.DecRef()
	_, err = ns.Mount(c.boot, at, fs, root, m.Source, c.s.parseOptions(m.Options).flags)
	return err
}
