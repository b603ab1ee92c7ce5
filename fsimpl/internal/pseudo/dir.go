package pseudo

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// Entry is a name in a directory and what it stands for.
type Entry struct {
	Name  string
	Inode *vfs.Inode
}

// Dir returns a directory whose entries never change. It takes over their
// references.
func (fs *FS) Dir(mode uint32, entries ...Entry) *vfs.Inode {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	d := &dir{attrs: fs.attrs(unix.S_IFDIR|mode, nil), entries: entries}
	return d.inode(d)
}

// Lister has the entries of a directory that change.
type Lister interface {
	// Lookup returns the inode of name with a reference for the caller, or
	// ENOENT.
	Lookup(t current.Task, name string) (*vfs.Inode, error)
	// List returns the entries after cookie in order of Next, which is above 2;
	// at most as many as it likes, none at the end.
	List(t current.Task, cookie int64) ([]vfs.Dirent, error)
}

// Alive is implemented by listers and contents whose object can end (a task);
// a dentry of one that has ended is dropped.
type Alive interface {
	Alive() bool
}

// Dynamic returns a directory whose entries l knows. fixed entries come first;
// their references are taken over. owner may be nil. subdirs says how many
// directories it always has, for nlink.
func (fs *FS) Dynamic(mode uint32, l Lister, owner Owner, fixed ...Entry) *vfs.Inode {
	d := &dir{attrs: fs.attrs(unix.S_IFDIR|mode, owner), entries: fixed, lister: l}
	return d.inode(d)
}

// dir is a directory: fixed entries and, if lister is not nil, others.
type dir struct {
	attrs
	entries []Entry // immutable
	lister  Lister  // immutable
}

var (
	_ vfs.DirImpl     = (*dir)(nil)
	_ vfs.Revalidator = (*dir)(nil)
)

// Stat implements vfs.InodeImpl.
func (d *dir) Stat(current.Task) (vfs.Stat, error) {
	n := uint32(2)
	for _, e := range d.entries {
		if e.Inode.Type == unix.S_IFDIR {
			n++
		}
	}
	return d.stat(n, 0), nil
}

// Release implements vfs.InodeImpl.
func (d *dir) Release() {
	for _, e := range d.entries {
		e.Inode.DecRef()
	}
}

// Valid implements vfs.Revalidator.
func (d *dir) Valid(current.Task, *vfs.Inode, string) bool {
	a, ok := d.lister.(Alive)
	return !ok || a.Alive()
}

// Permission implements vfs.Permitter: what belonged to a task that has gone
// cannot be searched.
func (d *dir) Permission(t current.Task, may uint32) error {
	if a, ok := d.lister.(Alive); ok && !a.Alive() {
		return unix.ESRCH
	}
	s, err := d.Stat(t)
	if err != nil {
		return err
	}
	return vfs.CheckMode(t, &s, may)
}

// Lookup implements vfs.DirImpl.
func (d *dir) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	for _, e := range d.entries {
		if e.Name == name {
			e.Inode.IncRef()
			return e.Inode, nil
		}
	}
	if d.lister == nil {
		return nil, unix.ENOENT
	}
	return d.lister.Lookup(t, name)
}

// A pseudo file system's names are not the guest's to change.

// noCreate is the error of making a name: that of a directory without the
// operation, but in proc ENOENT.
func (d *dir) noCreate() error {
	if d.fs.magic == unix.PROC_SUPER_MAGIC {
		return unix.ENOENT
	}
	return unix.EPERM
}

// Create implements vfs.DirImpl.
func (d *dir) Create(current.Task, string, vfs.NewInode) (*vfs.Inode, error) {
	return nil, d.noCreate()
}

// Mkdir implements vfs.DirImpl.
func (d *dir) Mkdir(current.Task, string, vfs.NewInode) (*vfs.Inode, error) {
	return nil, d.noCreate()
}

// Symlink implements vfs.DirImpl.
func (d *dir) Symlink(current.Task, string, string, vfs.NewInode) (*vfs.Inode, error) {
	return nil, unix.EPERM
}

// Link implements vfs.DirImpl.
func (d *dir) Link(current.Task, string, *vfs.Inode) error { return unix.EPERM }

// Unlink implements vfs.DirImpl.
func (d *dir) Unlink(current.Task, string, *vfs.Inode) error { return unix.EPERM }

// Rmdir implements vfs.DirImpl.
func (d *dir) Rmdir(current.Task, string, *vfs.Inode) error { return unix.EPERM }

// Rename implements vfs.DirImpl.
func (d *dir) Rename(current.Task, string, *vfs.Inode, *vfs.Inode, string, *vfs.Inode, uint32) error {
	return unix.EPERM
}

// Open implements vfs.InodeImpl.
func (d *dir) Open(_ current.Task, f *vfs.File) (vfs.FileImpl, error) { return &dirFile{d: d}, nil }

// dirFile is an open directory. Cookies: 0 ".", 1 "..", 2+i fixed entry i, and
// above those the lister's own, moved up by their number.
type dirFile struct {
	vfs.OpenDir
	d *dir
}

var _ vfs.DirReader = (*dirFile)(nil)

// ReadDir implements vfs.DirReader.
func (df *dirFile) ReadDir(t current.Task, f *vfs.File, cookie int64, emit func(vfs.Dirent) bool) error {
	d := df.d
	if !vfs.EmitDots(f, d.ino, cookie, emit) {
		return nil
	}
	fixed := int64(len(d.entries))
	for i := max(cookie-2, 0); i < fixed; i++ {
		e := d.entries[i]
		if !emit(vfs.Dirent{Name: e.Name, Ino: e.Inode.Ino, Type: uint8(e.Inode.Type >> 12), Next: i + 3}) {
			return nil
		}
	}
	if d.lister == nil {
		return nil
	}
	at := max(cookie-2-fixed, 0)
	for {
		es, err := d.lister.List(t, at)
		if err != nil || len(es) == 0 {
			return err
		}
		for _, e := range es {
			at = e.Next
			e.Next += 2 + fixed
			if !emit(e) {
				return nil
			}
		}
	}
}
