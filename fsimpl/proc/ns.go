package proc

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/fsimpl/nsfs"
	"hull/sentry/current"
	"hull/sentry/vfs"
)

// nsDir is /proc/PID/ns: links to namespaces, equal for equal ones. What the
// guest cannot make more of has one for all.
func (p pid) nsDir() *vfs.Inode {
	var es []pseudo.Entry
	for _, n := range []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"} {
		es = append(es, pseudo.Entry{Name: n, Inode: p.fs.ps.Link(nsLink{p, n}, p)})
	}
	return p.fs.ps.Dir(0511, es...)
}

// nsLink leads to a namespace.
type nsLink struct {
	p    pid
	name string
}

var _ vfs.MagicLink = nsLink{}

// Readlink implements vfs.Readlinker.
func (l nsLink) Readlink(t current.Task) (string, error) {
	if err := l.p.may(t); err != nil {
		return "", err
	}
	return nsfs.Name(strings.TrimSuffix(l.name, "_for_children"), l.p.t.NamespaceIDs()[l.name]), nil
}

// Follow implements vfs.MagicLink.
func (l nsLink) Follow(t current.Task) (vfs.Path, error) {
	if err := l.p.may(t); err != nil {
		return vfs.Path{}, err
	}
	n := l.p.t.NamespaceOf(l.name)
	if n == nil || l.p.fs.spaces == nil {
		return vfs.Path{}, unix.ENOENT
	}
	return l.p.fs.spaces.Path(n), nil
}

// cgroupOf is /proc/PID/cgroup.
type cgroupOf struct{ p pid }

// Content implements pseudo.Content.
func (f cgroupOf) Content(t current.Task, w *bytes.Buffer) error {
	g := f.p.t.ThreadGroup().Cgroup()
	root := g.Container().Cgroup()
	if kt := task(t); kt != nil {
		root = kt.CgroupRoot()
	}
	w.WriteString("0::" + g.PathFrom(root) + "\n")
	return nil
}
