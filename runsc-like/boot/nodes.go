package boot

import (
	"errors"
	"fmt"
	"os"
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

// makeNodes makes the device nodes of the configuration. A node is a number: who
// opens one that the sandbox has no driver for gets ENXIO, as on a machine
// without the device.
func (c *container) makeNodes(ctx *vfs.Context, list []specs.LinuxDevice) error {
	for i, d := range list {
		if err := c.makeNode(ctx, d); err != nil {
			return fmt.Errorf("linux.devices[%d]: %s: %w", i, d.Path, err)
		}
		if !c.hasDriver(d) {
			fmt.Fprintf(os.Stderr, "warning: linux.devices[%d]: %s: there is no driver for %s %d:%d in the sandbox\n",
				i, d.Path, d.Type, d.Major, d.Minor)
		}
	}
	return nil
}

func (c *container) makeNode(ctx *vfs.Context, d specs.LinuxDevice) error {
	if err := c.mkdirAll(ctx, path.Dir(d.Path)); err != nil {
		return err
	}
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(*d.FileMode) & 0o7777
	}
	at := vfs.At{FS: ctx, Name: d.Path}
	p, err := vfs.MknodPath(c.boot, at, nodeType(d.Type)|mode, vfs.Dev(unix.Mkdev(uint32(d.Major), uint32(d.Minor))))
	if errors.Is(err, unix.EEXIST) {
		return nil // one that every /dev has, or the image's own
	}
	if err != nil {
		return err
	}
	defer p.DecRef()
	if d.UID == nil && d.GID == nil {
		return nil
	}
	owner := vfs.SetStat{}
	if d.UID != nil {
		owner.Mask, owner.UID = owner.Mask|vfs.SetUID, *d.UID
	}
	if d.GID != nil {
		owner.Mask, owner.GID = owner.Mask|vfs.SetGID, *d.GID
	}
	return vfs.SetStatPath(c.boot, p, owner)
}

func nodeType(kind string) uint32 {
	switch kind {
	case "b":
		return unix.S_IFBLK
	case "p":
		return unix.S_IFIFO
	}
	return unix.S_IFCHR
}

func (c *container) hasDriver(d specs.LinuxDevice) bool {
	switch d.Type {
	case "p":
		return true
	case "b":
		return false
	}
	_, ok := c.s.env.Char[vfs.Dev(unix.Mkdev(uint32(d.Major), uint32(d.Minor)))]
	return ok
}
