package proc

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// netDir is /proc/PID/net: what the network namespace of the task shows.
func (fs *FS) netDir(p pid) *vfs.Inode { return fs.ps.Dynamic(0555, netFiles{p}, nil) }

// netFiles are its files, which the namespace names.
type netFiles struct{ p pid }

// Alive implements pseudo.Alive.
func (l netFiles) Alive() bool { return l.p.Alive() }

// Lookup implements pseudo.Lister.
func (l netFiles) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	ns := l.p.t.PeekNetNS()
	if ns == nil {
		return nil, unix.EINVAL
	}
	defer ns.DecRef()
	if !slices.Contains(ns.ProcNet(), name) {
		return nil, unix.ENOENT
	}
	return l.p.fs.ps.Text(0444, netFile{l.p, name}, nil), nil
}

// List implements pseudo.Lister.
func (l netFiles) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	ns := l.p.t.PeekNetNS()
	if ns == nil {
		return nil, nil
	}
	defer ns.DecRef()
	return names(ns.ProcNet(), func(string) uint8 { return unix.DT_REG }, cookie), nil
}

// netFile is one of them.
type netFile struct {
	p    pid
	name string
}

// Alive implements pseudo.Alive.
func (f netFile) Alive() bool { return f.p.Alive() }

// Content implements pseudo.Content.
func (f netFile) Content(_ current.Task, w *bytes.Buffer) error {
	ns := f.p.t.PeekNetNS()
	if ns == nil {
		return unix.EINVAL
	}
	defer ns.DecRef()
	if !ns.Show(f.name, w) {
		return unix.ENOENT
	}
	return nil
}

// netParams is a directory of /proc/sys/net: the parameters of the caller's
// network namespace whose paths begin with prefix, and directories of them.
type netParams struct {
	fs     *FS
	prefix string // "" or one that ends in a slash
}

// namespace returns the caller's network namespace, or the first one for a
// caller that is no task: boot's.
func (d netParams) namespace(t current.Task) *socket.NetNS {
	if kt := task(t); kt != nil {
		return kt.NetNS()
	}
	return d.fs.k.NetNS()
}

// entries returns the names in the directory, each once, and which of them are
// parameters; the others are directories.
func (d netParams) entries(t current.Task) (names []string, files map[string]uint32) {
	c := d.namespace(t).Control
	files = map[string]uint32{}
	if c == nil {
		return nil, files
	}
	for _, p := range c.Parameters() {
		rest, ok := strings.CutPrefix(p.Path, d.prefix)
		if !ok {
			continue
		}
		name, _, isDir := strings.Cut(rest, "/")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		if !isDir {
			files[name] = p.Mode
		}
	}
	return names, files
}

// Lookup implements pseudo.Lister.
func (d netParams) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	names, files := d.entries(t)
	mode, file := files[name]
	switch {
	case file:
		return d.fs.ps.Text(mode, netParam{d, d.prefix + name}, nil), nil
	case slices.Contains(names, name):
		return d.fs.ps.Dynamic(0555, netParams{d.fs, d.prefix + name + "/"}, nil), nil
	}
	return nil, unix.ENOENT
}

// List implements pseudo.Lister.
func (d netParams) List(t current.Task, cookie int64) ([]vfs.Dirent, error) {
	all, files := d.entries(t)
	return names(all, func(name string) uint8 {
		if _, file := files[name]; file {
			return unix.DT_REG
		}
		return unix.DT_DIR
	}, cookie), nil
}

// netParam is one parameter, of the caller's network namespace.
type netParam struct {
	d    netParams
	path string
}

// Content implements pseudo.Content.
func (p netParam) Content(t current.Task, w *bytes.Buffer) error {
	c := p.d.namespace(t).Control
	if c == nil {
		return unix.ENOENT
	}
	v, err := c.Parameter(p.path)
	if err != nil {
		return err
	}
	w.WriteString(v)
	w.WriteByte('\n')
	return nil
}

// Set implements pseudo.Setter.
func (p netParam) Set(t current.Task, data []byte) error {
	ns := p.d.namespace(t)
	switch {
	case ns.Control == nil:
		return unix.ENOENT
	case !ns.May(t, unix.CAP_NET_ADMIN):
		return unix.EPERM
	}
	return ns.Control.SetParameter(p.path, strings.TrimRight(string(data), "\x00"))
}
