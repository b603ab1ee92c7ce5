package boot

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	gofs "hull/fsimpl/gofer"
	"hull/fsimpl/overlay"
	"hull/fsimpl/tmpfs"
	"hull/gofer/client"
	"hull/runsc-like/control"
	"hull/sentry/vfs"
)

// connectGofer speaks the first words with the gofer.
func (s *sandbox) connectGofer() (*client.Client, error) {
	c, err := client.New(control.FDGofer)
	if err != nil {
		return nil, fmt.Errorf("gofer: %w", err)
	}
	return c, nil
}

// attach makes a file system of what the gofer serves as root i.
func (s *sandbox) attach(c *client.Client, i int) (*vfs.Filesystem, *vfs.Inode, error) {
	return gofs.New(s.boot, c, gofs.Options{
		Root: i, ReadOnly: s.cfg.Roots[i].ReadOnly, Dev: s.env.AnonDev(),
		// What the gofer may not change nobody is told of, and the host's owner
		// may change anything: then names and attributes are asked for again.
		Exclusive: s.cfg.Roots[i].ReadOnly,
	})
}

// rootFS makes the guest's root. One that is read-only, or whose changes are
// dropped, lies under an overlay with memory on top: mount points can be made
// there.
func (s *sandbox) rootFS(c *client.Client) (*vfs.Filesystem, *vfs.Inode, error) {
	fs, root, err := s.attach(c, 0)
	if err != nil || !s.cfg.Overlay && !s.cfg.Spec.Root.Readonly {
		return fs, root, err
	}
	upper, top := tmpfs.New(s.memory, s.env.AnonDev(), tmpfs.Options{Mode: 0o755})
	return overlay.New(s.boot, overlay.Options{
		Dev:   s.env.AnonDev(),
		Upper: overlay.Layer{FS: upper, Root: top},
		Lower: overlay.Layer{FS: fs, Root: root},
	})
}

// bind mounts what the gofer serves as root i.
func (s *sandbox) bind(ns *vfs.Namespace, ctx *vfs.Context, c *client.Client, m specs.Mount, i int) error {
	fs, root, err := s.attach(c, i)
	if err != nil {
		return err
	}
	at, err := s.mountPoint(ctx, m.Destination, root.Type == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer at.DecRef()
	_, err = ns.Mount(s.boot, at, fs, root, m.Source, parseOptions(m.Options).flags)
	return err
}
