package sys

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// class is /sys/class/net: a link for each interface of the namespace that the
// instance was made for.
type class struct{ fs *FS }

// Lookup implements pseudo.Lister.
func (c class) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	if !c.fs.hasInterface(name) {
		return nil, unix.ENOENT
	}
	return c.fs.ps.Link(pseudo.To("../../devices/virtual/net/"+name), nil), nil
}

// List implements pseudo.Lister.
func (c class) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	return dirents(c.fs.interfaces(), unix.DT_LNK, cookie), nil
}

// devices is /sys/devices/virtual/net: the interfaces themselves.
type devices struct{ fs *FS }

// Lookup implements pseudo.Lister.
func (d devices) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	if !d.fs.hasInterface(name) {
		return nil, unix.ENOENT
	}
	return d.fs.device(name), nil
}

// List implements pseudo.Lister.
func (d devices) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	return dirents(d.fs.interfaces(), unix.DT_DIR, cookie), nil
}

func (fs *FS) interfaces() []string {
	if fs.net == nil || fs.net.Control == nil {
		return nil
	}
	return fs.net.Control.Interfaces()
}

func (fs *FS) hasInterface(name string) bool { return slices.Contains(fs.interfaces(), name) }

// dirents makes entries of names: cookie is the last one seen, moved up by 2.
func dirents(names []string, typ uint8, cookie int64) []vfs.Dirent {
	var es []vfs.Dirent
	for i, n := range names {
		if next := int64(i) + 3; next > max(cookie, 2) {
			es = append(es, vfs.Dirent{Name: n, Ino: uint64(i) + 1<<33, Type: typ, Next: next})
		}
	}
	return es
}

// device returns the directory of an interface.
func (fs *FS) device(name string) *vfs.Inode {
	var es, below []pseudo.Entry
	for _, p := range fs.net.Control.Attributes(name) {
		e := pseudo.Entry{Inode: fs.ps.SizedText(p.Mode, attribute{fs, name, p.Path}, 4096)}
		if dir, file, ok := strings.Cut(p.Path, "/"); ok && dir == "statistics" {
			e.Name = file
			below = append(below, e)
		} else {
			e.Name = p.Path
			es = append(es, e)
		}
	}
	es = append(es, fs.dir("statistics", below...), fs.dir("queues", fs.dir("rx-0"), fs.dir("tx-0")), fs.dir("power"),
		fs.link("subsystem", "../../../../class/net"))
	return fs.ps.Dir(0755, es...)
}

// attribute is a file of an interface.
type attribute struct {
	fs        *FS
	nic, name string
}

// Alive implements pseudo.Alive.
func (a attribute) Alive() bool { return a.fs.hasInterface(a.nic) }

// Content implements pseudo.Content.
func (a attribute) Content(_ current.Task, w *bytes.Buffer) error {
	v, err := a.fs.net.Control.Attribute(a.nic, a.name)
	if err != nil {
		return err
	}
	w.WriteString(v)
	w.WriteByte('\n')
	return nil
}

// Set implements pseudo.Setter.
func (a attribute) Set(t current.Task, data []byte) error {
	if !a.fs.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	return a.fs.net.Control.SetAttribute(a.nic, a.name, string(data))
}

var _ pseudo.Setter = attribute{}

// hold keeps the namespace for as long as the instance is in use.
func (fs *FS) hold(net *socket.NetNS) {
	if fs.net = net; net != nil {
		net.IncRef()
		fs.ps.OnRelease = net.DecRef
	}
}
