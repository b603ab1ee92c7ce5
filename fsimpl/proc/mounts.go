package proc

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/vfs"
	"hull/sentry/wait"
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

// watch is what an open file of mounts is waited for by: it can be read always, and
// there is news once the mounts changed since it was last asked.
type watch struct {
	ns   *vfs.Namespace // held
	seen atomic.Uint64
}

// watchMounts watches the mounts that p's process sees now.
func (p pid) watchMounts() pseudo.Poll {
	fs, ns := p.t.PeekFS()
	if fs == nil {
		return readable{}
	}
	fs.DecRef()
	if ns == nil || !ns.TryIncRef() {
		return readable{}
	}
	w := &watch{ns: ns}
	w.seen.Store(ns.Version())
	return w
}

// Readiness implements wait.Waitable.
func (w *watch) Readiness(m wait.Mask) wait.Mask {
	r := readable{}.Readiness(m)
	if v := w.ns.Version(); w.seen.Swap(v) != v {
		r |= (wait.Err | wait.Pri) & (m | wait.Err)
	}
	return r
}

// Register implements wait.Waitable.
func (w *watch) Register(e *wait.Entry, m wait.Mask) { w.ns.Changes().Register(e, m) }

// Unregister implements wait.Waitable.
func (w *watch) Unregister(e *wait.Entry) { w.ns.Changes().Unregister(e) }

// Release implements pseudo.Poll.
func (w *watch) Release() { w.ns.DecRef() }

// readable is what can be read always, and not written.
type readable struct{}

// Readiness implements wait.Waitable.
func (readable) Readiness(m wait.Mask) wait.Mask { return m & (wait.In | wait.RdNrm) }

// Register implements wait.Waitable.
func (readable) Register(*wait.Entry, wait.Mask) {}

// Unregister implements wait.Waitable.
func (readable) Unregister(*wait.Entry) {}

// Release implements pseudo.Poll.
func (readable) Release() {}

// Poll implements pseudo.Polled.
func (m mounts) Poll() pseudo.Poll { return m.p.watchMounts() }

// Poll implements pseudo.Polled.
func (m mountinfo) Poll() pseudo.Poll { return m.p.watchMounts() }

// swaps is /proc/swaps: there are none, and none will come.
type swaps struct{ pseudo.Static }

// Poll implements pseudo.Polled.
func (swaps) Poll() pseudo.Poll { return readable{} }

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
