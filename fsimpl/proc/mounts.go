package proc

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// table returns the mounts that p's process sees.
func (p pid) table() []vfs.MountInfo {
	fs, ns := p.t.PeekFS()
	if fs == nil || ns == nil {
		return nil
	}
	defer fs.DecRef()
	root := fs.Root()
	defer root.DecRef()
	return ns.Mounts(root)
}

// mountOptions are the flags of a mount in words.
func mountOptions(flags uint64) string {
	s := "rw"
	if flags&unix.MS_RDONLY != 0 {
		s = "ro"
	}
	for _, o := range []struct {
		bit  uint64
		name string
	}{{unix.MS_NOSUID, "nosuid"}, {unix.MS_NODEV, "nodev"}, {unix.MS_NOEXEC, "noexec"}, {unix.MS_NOATIME, "noatime"},
		{unix.MS_NODIRATIME, "nodiratime"}, {unix.MS_RELATIME, "relatime"}, {unix.MS_NOSYMFOLLOW, "nosymfollow"}} {
		if flags&o.bit != 0 {
			s += "," + o.name
		}
	}
	return s
}

const mountEscapes = " \t\n\\"

type mounts struct{ p pid }

// Content implements pseudo.Content: fstab(5)'s format.
func (m mounts) Content(_ current.Task, w *bytes.Buffer) error {
	for _, x := range m.p.table() {
		o := mountOptions(x.Flags)
		if x.SuperOptions != "" {
			o += "," + x.SuperOptions
		}
		fmt.Fprintf(w, "%s %s %s %s 0 0\n", source(x), escape(x.Point, mountEscapes), x.FSType, o)
	}
	return nil
}

func source(x vfs.MountInfo) string {
	if x.Source == "" {
		return "none"
	}
	return escape(x.Source, mountEscapes)
}

type mountinfo struct{ p pid }

// Content implements pseudo.Content.
func (m mountinfo) Content(_ current.Task, w *bytes.Buffer) error {
	for _, x := range m.p.table() {
		super := "rw"
		if x.Flags&unix.MS_RDONLY != 0 {
			super = "ro"
		}
		if x.SuperOptions != "" {
			super += "," + x.SuperOptions
		}
		propagation := ""
		switch {
		case x.Peers > 0:
			propagation = fmt.Sprintf(" shared:%d", x.Peers)
		case x.Unbindable:
			propagation = " unbindable"
		}
		fmt.Fprintf(w, "%d %d %d:%d %s %s %s%s - %s %s %s\n", x.ID, x.Parent,
			unix.Major(uint64(x.Dev)), unix.Minor(uint64(x.Dev)), escape(x.Root, mountEscapes), escape(x.Point, mountEscapes),
			mountOptions(x.Flags), propagation, x.FSType, source(x), super)
	}
	return nil
}
