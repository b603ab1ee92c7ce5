package tmpfs

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// dir is a directory. Its names are guarded by inode.mu; vfs lets no two
// changes run at once.
type dir struct {
	inode
	names map[string]*dirent
	// order has the names by cookie; holes counts those without a node, which
	// were removed.
	order []*dirent
	holes int
	next  int64 // the next entry's cookie
}

// dirent is a name. Its cookie grows with time, so that a reader who comes back
// finds what was added since, and nothing twice.
type dirent struct {
	name   string
	node   *vfs.Inode // with a reference
	cookie int64
}

// compareCookie orders dirents.
func compareCookie(e *dirent, cookie int64) int { return cmp.Compare(e.cookie, cookie) }

// insert adds a name at the end. mu is held.
func (d *dir) insert(name string, n *vfs.Inode) {
	e := &dirent{name, n, d.next}
	d.next++
	d.names[name] = e
	d.order = append(d.order, e)
}

// erase takes a name out and returns what it stood for. mu is held.
func (d *dir) erase(name string) *vfs.Inode {
	e := d.names[name]
	if e == nil {
		return nil
	}
	delete(d.names, name)
	n := e.node
	e.node = nil // a hole in order
	if d.holes++; d.holes > len(d.order)/2 {
		d.order = slices.DeleteFunc(d.order, func(e *dirent) bool { return e.node == nil })
		d.holes = 0
	}
	return n
}

// The first cookies are "." and "..".
const firstCookie = 2

func (fs *FS) newDir(n vfs.NewInode, parent *dir) *dir {
	d := &dir{names: map[string]*dirent{}, next: firstCookie}
	d.init(fs, d, n)
	d.mu.nlink = 2
	if parent != nil {
		parent.link(+1)
	}
	return d
}

var (
	_ vfs.DirImpl      = (*dir)(nil)
	_ vfs.TmpfileMaker = (*dir)(nil)
)

// Stat implements vfs.InodeImpl.
func (d *dir) Stat(current.Task) (vfs.Stat, error) {
	s := d.stat()
	d.mu.Lock()
	s.Size = int64(len(d.names)+2) * 20 // BOGO_DIRENT_SIZE
	d.mu.Unlock()
	return s, nil
}

// Release implements vfs.InodeImpl.
func (d *dir) Release() {
	for _, e := range d.names {
		e.node.DecRef()
	}
	d.inode.Release()
}

// Lookup implements vfs.DirImpl.
func (d *dir) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.names[name]
	if e == nil {
		return nil, unix.ENOENT
	}
	e.node.IncRef()
	return e.node, nil
}

// add puts a name in and returns the inode with a reference for the caller;
// the one it has goes to the name.
func (d *dir) add(name string, n *vfs.Inode) *vfs.Inode {
	n.IncRef()
	d.mu.Lock()
	d.insert(name, n)
	d.mu.Unlock()
	d.modified()
	return n
}

// remove takes a name out and drops its reference.
func (d *dir) remove(name string) {
	d.mu.Lock()
	n := d.erase(name)
	d.mu.Unlock()
	d.modified()
	if n != nil {
		n.DecRef()
	}
}

func (d *dir) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[name] != nil
}

// Create implements vfs.DirImpl.
func (d *dir) Create(_ current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	if d.has(name) {
		return nil, unix.EEXIST
	}
	if err := d.fs.chargeInode(); err != nil {
		return nil, err
	}
	if n.Mode&unix.S_IFMT == unix.S_IFREG {
		return d.add(name, d.fs.newRegular(n).node), nil
	}
	s := &special{}
	s.init(d.fs, s, n)
	return d.add(name, s.node), nil
}

// Tmpfile implements vfs.TmpfileMaker.
func (d *dir) Tmpfile(_ current.Task, n vfs.NewInode) (*vfs.Inode, error) {
	if err := d.fs.chargeInode(); err != nil {
		return nil, err
	}
	r := d.fs.newRegular(n)
	r.mu.nlink = 0
	return r.node, nil
}

// Mkdir implements vfs.DirImpl.
func (d *dir) Mkdir(_ current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	if d.has(name) {
		return nil, unix.EEXIST
	}
	if err := d.fs.chargeInode(); err != nil {
		return nil, err
	}
	return d.add(name, d.fs.newDir(n, d).node), nil
}

// Symlink implements vfs.DirImpl.
func (d *dir) Symlink(_ current.Task, name, target string, n vfs.NewInode) (*vfs.Inode, error) {
	if d.has(name) {
		return nil, unix.EEXIST
	}
	if err := d.fs.chargeInode(); err != nil {
		return nil, err
	}
	s := &symlink{target: target}
	s.init(d.fs, s, n)
	return d.add(name, s.node), nil
}

// Link implements vfs.DirImpl.
func (d *dir) Link(_ current.Task, name string, target *vfs.Inode) error {
	if d.has(name) {
		return unix.EEXIST
	}
	target.Impl.(hasBase).base().link(+1)
	target.IncRef()
	d.add(name, target).DecRef()
	return nil
}

// Unlink implements vfs.DirImpl.
func (d *dir) Unlink(_ current.Task, name string, child *vfs.Inode) error {
	child.Impl.(hasBase).base().link(-1)
	d.remove(name)
	return nil
}

// Rmdir implements vfs.DirImpl.
func (d *dir) Rmdir(_ current.Task, name string, child *vfs.Inode) error {
	c := child.Impl.(*dir)
	c.mu.Nested() // parent before child
	n := len(c.names)
	c.mu.Unlock()
	if n > 0 {
		return unix.ENOTEMPTY
	}
	c.link(-2)
	d.link(-1)
	d.remove(name)
	return nil
}

// Rename implements vfs.DirImpl.
func (d *dir) Rename(t current.Task, name string, child *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	to := newDir.Impl.(*dir)
	if flags&unix.RENAME_EXCHANGE != 0 {
		d.swap(name, to, newName)
		return nil
	}
	isDir := child.Type == unix.S_IFDIR
	if target != nil {
		var err error
		if isDir {
			err = to.Rmdir(t, newName, target)
		} else {
			err = to.Unlink(t, newName, target)
		}
		if err != nil {
			return err
		}
	}
	if flags&unix.RENAME_WHITEOUT != 0 {
		if err := d.fs.chargeInode(); err != nil {
			return err
		}
	}
	child.IncRef()
	d.remove(name)
	if flags&unix.RENAME_WHITEOUT != 0 {
		w := &special{}
		w.init(d.fs, w, vfs.NewInode{Mode: unix.S_IFCHR, UID: t.Cred().FSUID, GID: t.Cred().FSGID})
		d.add(name, w.node).DecRef()
	}
	to.add(newName, child).DecRef()
	child.Impl.(hasBase).base().link(0) // ctime
	if isDir && d != to {
		d.link(-1)
		to.link(+1)
	}
	return nil
}

// swap exchanges what two names stand for.
func (d *dir) swap(name string, to *dir, newName string) {
	d.mu.Lock()
	if to != d {
		to.mu.Nested() // only renames lock two, and one at a time
	}
	a, b := d.names[name], to.names[newName]
	a.node, b.node = b.node, a.node
	isDir, wasDir := a.node.Type == unix.S_IFDIR, b.node.Type == unix.S_IFDIR
	if to != d {
		to.mu.Unlock()
	}
	d.mu.Unlock()
	if isDir != wasDir && d != to {
		// One directory's link count goes to the other.
		n := int32(1)
		if wasDir {
			n = -1
		}
		d.link(n)
		to.link(-n)
	}
	for _, i := range []*dir{d, to} {
		i.modified()
	}
	a.node.Impl.(hasBase).base().link(0) // ctime
	b.node.Impl.(hasBase).base().link(0)
}

// Open implements vfs.InodeImpl.
func (d *dir) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &dirFile{d: d}, nil }

// dirFile is an open directory.
type dirFile struct {
	vfs.OpenDir
	d *dir
}

// ReadDir implements vfs.DirReader.
func (df *dirFile) ReadDir(_ current.Task, f *vfs.File, cookie int64, emit func(vfs.Dirent) bool) error {
	d := df.d
	if !vfs.EmitDots(f, d.ino, cookie, emit) {
		return nil
	}
	d.accessed(f)
	for at := max(cookie, 2); ; {
		es := d.after(at)
		for _, e := range es {
			if !emit(e) {
				return nil
			}
			at = e.Next
		}
		if len(es) < readAhead {
			return nil
		}
	}
}

// readAhead is how many entries are taken from a directory in one go.
const readAhead = 512

// after returns the entries from the cookie on, at most readAhead.
func (d *dir) after(cookie int64) []vfs.Dirent {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.order, cookie, compareCookie)
	var es []vfs.Dirent
	for ; i < len(d.order) && len(es) < readAhead; i++ {
		if e := d.order[i]; e.node != nil {
			es = append(es, vfs.Dirent{Name: e.name, Ino: e.node.Ino, Type: uint8(e.node.Type >> 12), Next: e.cookie + 1})
		}
	}
	return es
}
