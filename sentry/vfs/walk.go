package vfs

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// At is a name as a system call gives it: a path, and where it starts.
type At struct {
	FS      *Context // whose root, working directory and umask hold
	Dir     Path     // where a relative name starts; zero: the working directory. Borrowed
	Name    string
	Empty   bool   // AT_EMPTY_PATH: "" is Dir itself
	Follow  bool   // a symbolic link as the last component is followed
	Resolve uint64 // openat2(2)'s RESOLVE_*
}

const (
	// maxLinks is how many symbolic links one walk follows.
	maxLinks = 40
	// pathMax is PATH_MAX, the NUL included.
	pathMax = 4096
	// maxAhead is how many names a directory is asked to look up in one go.
	maxAhead = 16
)

// walker is one walk: Linux's nameidata.
type walker struct {
	t     current.Task
	at    *At
	root  Path // where the walk may not go above; a reference
	cur   Path // where it is; a reference
	links int
	// mustDir says that the name ended in a slash.
	mustDir bool
	// rest is what is left of the name, without leading slashes.
	rest string
}

// Walk finds the path that a names, with references. The error is of
// path_resolution(7): ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG, EXDEV.
func Walk(t current.Task, a At) (Path, error) {
	w := walker{t: t, at: &a}
	if err := w.start(); err != nil {
		return Path{}, err
	}
	defer w.end()
	if err := w.all(); err != nil {
		return Path{}, err
	}
	p := w.cur
	w.cur = Path{}
	return p, nil
}

// start finds where the walk begins.
func (w *walker) start() error {
	a := w.at
	if len(a.Name) >= pathMax {
		return unix.ENAMETOOLONG
	}
	if a.Name == "" && !a.Empty {
		return unix.ENOENT
	}
	switch {
	case a.Resolve&unix.RESOLVE_IN_ROOT != 0 || a.Resolve&unix.RESOLVE_BENEATH != 0:
		if w.root = a.Dir.IncRef(); a.Dir.Dentry == nil {
			w.root = a.FS.CWD()
		}
		w.cur = w.root.IncRef()
		if a.Resolve&unix.RESOLVE_BENEATH != 0 && strings.HasPrefix(a.Name, "/") {
			w.end()
			return unix.EXDEV
		}
	default:
		w.root = a.FS.Root()
		switch {
		case strings.HasPrefix(a.Name, "/"):
			w.cur = w.root.IncRef()
		case a.Dir.Dentry != nil:
			w.cur = a.Dir.IncRef()
		default:
			w.cur = a.FS.CWD()
		}
	}
	if a.Name != "" && !strings.HasPrefix(a.Name, "/") && w.cur.Inode().Type != unix.S_IFDIR {
		w.end()
		return unix.ENOTDIR
	}
	w.rest = strings.TrimLeft(a.Name, "/")
	return nil
}

// end drops what the walk holds.
func (w *walker) end() {
	w.cur.DecRef()
	w.root.DecRef()
	w.cur, w.root = Path{}, Path{}
}

// next takes the first component of the rest; last says that nothing follows.
func (w *walker) next() (name string, last bool) {
	name, w.rest, _ = strings.Cut(w.rest, "/")
	if w.rest != "" {
		w.rest = strings.TrimLeft(w.rest, "/")
		w.mustDir = w.rest == ""
	}
	return name, w.rest == ""
}

// all walks to the end of the name.
func (w *walker) all() error {
	for w.rest != "" {
		trailing := strings.HasSuffix(w.rest, "/")
		name, last := w.next()
		if last && trailing {
			w.mustDir = true
		}
		if err := w.step(name, !last || w.at.Follow || w.mustDir); err != nil {
			return err
		}
	}
	if w.mustDir && w.cur.Inode().Type != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return nil
}

// parent walks to the directory that the last component is in, and returns that
// component: "" if the name is only slashes, or ".", "..".
func (w *walker) parent() (string, error) {
	for w.rest != "" {
		trailing := strings.HasSuffix(w.rest, "/")
		name, last := w.next()
		if last {
			w.mustDir = trailing
			if err := w.dirCheck(); err != nil {
				return "", err
			}
			if len(name) > nameMax {
				return "", unix.ENAMETOOLONG
			}
			return name, nil
		}
		if err := w.step(name, true); err != nil {
			return "", err
		}
	}
	return "", nil
}

// dirCheck checks that the walk may look a name up where it is.
func (w *walker) dirCheck() error {
	i := w.cur.Inode()
	if i.Type != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return permission(w.t, w.cur, MayExec)
}

// step goes on by one component.
func (w *walker) step(name string, follow bool) error {
	if err := w.dirCheck(); err != nil {
		return err
	}
	switch name {
	case ".":
		return nil
	case "..":
		return w.up()
	}
	d, err := w.cur.Dentry.lookup(w.t, name, w)
	if err != nil {
		return err
	}
	if d.Inode() == nil {
		d.DecRef()
		return unix.ENOENT
	}
	return w.into(d, follow)
}

// ahead are the names that follow, as far as they are plain.
func (w *walker) ahead() []string {
	if w.rest == "" || w.cur.Inode().ops.many == nil {
		return nil
	}
	names := make([]string, 0, maxAhead)
	for _, n := range strings.Split(w.rest, "/") {
		if n == "" {
			continue
		}
		if n == "." || n == ".." || len(n) > nameMax || len(names) == maxAhead {
			break
		}
		names = append(names, n)
	}
	return names
}

// into moves to the child d, whose reference it takes over, following it if it
// is a link.
func (w *walker) into(d *Dentry, follow bool) error {
	w.cur.Mount.incRef()
	p := Path{w.cur.Mount, d}.enter()
	if p.Mount != w.cur.Mount && w.at.Resolve&unix.RESOLVE_NO_XDEV != 0 {
		p.DecRef()
		return unix.EXDEV
	}
	if follow && p.Inode().Type == unix.S_IFLNK {
		defer p.DecRef()
		return w.link(p)
	}
	w.cur.DecRef()
	w.cur = p
	return nil
}

// up is "..": to the parent, out of a mount, never above the root.
func (w *walker) up() error {
	for {
		if w.cur == w.root {
			if w.at.Resolve&unix.RESOLVE_BENEATH != 0 {
				return unix.EXDEV
			}
			return nil
		}
		if w.cur.Dentry != w.cur.Mount.root {
			break
		}
		p, ok := w.cur.Mount.above()
		if !ok {
			return nil
		}
		if w.at.Resolve&unix.RESOLVE_NO_XDEV != 0 {
			p.DecRef()
			return unix.EXDEV
		}
		w.cur.DecRef()
		w.cur = p
	}
	parent, _ := w.cur.Dentry.place()
	if parent == nil {
		return nil
	}
	if err := w.inside(parent); err != nil {
		return err
	}
	parent.IncRef()
	w.cur.Mount.incRef()
	p := Path{w.cur.Mount, parent}.enter()
	w.cur.DecRef()
	w.cur = p
	return nil
}

// inside checks that the directory d, to which ".." leads, is where the walk may
// be: what it was in may have been moved out of a bind mount, or from beneath
// the root of a walk that must not leave it.
func (w *walker) inside(d *Dentry) error {
	top := w.cur.Mount.root
	if within, _ := top.place(); within != nil && d != top && !isBelow(d, top) {
		return unix.ENOENT
	}
	if w.at.Resolve&(unix.RESOLVE_BENEATH|unix.RESOLVE_IN_ROOT) != 0 && w.cur.Mount == w.root.Mount &&
		d != w.root.Dentry && !isBelow(d, w.root.Dentry) {
		return unix.EAGAIN
	}
	return nil
}

// link follows the symbolic link p, which lies in w.cur.
func (w *walker) link(p Path) error {
	i := p.Inode()
	if w.links++; w.links > maxLinks || w.at.Resolve&unix.RESOLVE_NO_SYMLINKS != 0 || p.Mount.flags.Load()&unix.MS_NOSYMFOLLOW != 0 {
		return unix.ELOOP
	}
	if i.ops.magic != nil {
		if w.at.Resolve&(unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_SYMLINKS) != 0 {
			return unix.ELOOP
		}
		if w.at.Resolve&(unix.RESOLVE_BENEATH|unix.RESOLVE_IN_ROOT) != 0 {
			return unix.EXDEV
		}
		to, err := i.ops.magic.Follow(w.t)
		if err != nil {
			return err
		}
		w.cur.DecRef()
		w.cur = to
		return nil
	}
	target, err := i.ops.readlink.Readlink(w.t)
	switch {
	case err != nil:
		return err
	case target == "":
		return unix.ENOENT
	case len(target)+len(w.rest) >= pathMax:
		return unix.ENAMETOOLONG
	}
	if target[0] == '/' {
		if w.at.Resolve&unix.RESOLVE_BENEATH != 0 || w.at.Resolve&unix.RESOLVE_NO_XDEV != 0 && w.cur.Mount != w.root.Mount {
			return unix.EXDEV
		}
		w.cur.DecRef()
		w.cur = w.root.IncRef()
	}
	// What follows the link in the name follows in its target.
	if w.rest != "" {
		target += "/" + w.rest
	} else if w.mustDir {
		target += "/"
	}
	w.mustDir = false
	w.rest = strings.TrimLeft(target, "/")
	return nil
}

// PathName returns p as seen from root, as getcwd(2) and /proc/PID/fd say it;
// " (deleted)" is added where Linux adds it. ok is false if p is not beneath
// root.
func PathName(p Path, root Path) (name string, ok bool) {
	if n, ok := p.Inode().Impl.(*anonInode); ok {
		return n.String(), true
	}
	if p.Dentry.detached() {
		_, n := p.Dentry.place()
		switch {
		case !p.Dentry.fs.Nameless:
			return n + " (deleted)", true
		case p.Dentry != p.Mount.root:
			return n, true
		}
	}
	var parts []string
	deleted := p.Dentry.Deleted()
	m, d := p.Mount, p.Dentry
	for m != root.Mount || d != root.Dentry {
		if d != m.root {
			parent, n := d.place()
			if parent == nil {
				break
			}
			parts = append(parts, n)
			d = parent
			continue
		}
		up, ok := m.above()
		if !ok {
			break
		}
		defer up.DecRef()
		m, d = up.Mount, up.Dentry
	}
	ok = m == root.Mount && d == root.Dentry
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	if b.Len() == 0 {
		b.WriteByte('/')
	}
	if deleted {
		b.WriteString(" (deleted)")
	}
	return b.String(), ok
}

// path is the name of d from the root of its file system, or from top.
func (d *Dentry) path(top *Dentry) (string, bool) {
	d.fs.names.RLock()
	defer d.fs.names.RUnlock()
	name := ""
	for ; d != top && d.parent != nil; d = d.parent {
		name = "/" + d.name + name
	}
	if name == "" {
		name = "/"
	}
	if d.fs.Nameless {
		name = d.name
	}
	return name, d == top || top == nil
}

// ParentIno returns the inode number of ".." at p, as getdents(2) shows it.
func ParentIno(p Path) (uint64, bool) {
	if p.Dentry == nil {
		return 0, false
	}
	d := p.Dentry
	if d == p.Mount.root {
		if up, ok := p.Mount.above(); ok {
			defer up.DecRef()
			d = up.Dentry
		}
	}
	if parent, _ := d.place(); parent != nil {
		return parent.Inode().Ino, true
	}
	return d.Inode().Ino, true
}
