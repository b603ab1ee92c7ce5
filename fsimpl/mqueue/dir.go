package mqueue

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// dir is the one directory.
type dir struct {
	fs   *FS
	node *vfs.Inode // immutable: it holds this
	ino  uint64     // immutable

	mu struct {
		lock.Mutex[lock.Inode]
		attributes
		names map[string]*dirent
		order []*dirent // by cookie
		next  int64     // the next entry's cookie
	}
}

// dirent is a name. Its cookie grows with time.
type dirent struct {
	name   string
	q      *Queue // its inode has a reference
	cookie int64
}

// The size of the directory: so much for each name, "." and ".." among them.
const direntSize = 20

func (fs *FS) newDir() *dir {
	d := &dir{fs: fs, ino: fs.lastIno.Add(1)}
	d.mu.attributes = newAttributes(vfs.NewInode{Mode: 01777}, 2, 2*direntSize)
	d.mu.names, d.mu.next = map[string]*dirent{}, 2
	d.node = vfs.NewInodeOf(fs.vfs, d, unix.S_IFDIR, d.ino)
	return d
}

var _ vfs.DirImpl = (*dir)(nil)

// Stat implements vfs.InodeImpl.
func (d *dir) Stat(current.Task) (vfs.Stat, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.stat(d.fs, d.ino, unix.S_IFDIR), nil
}

// SetStat implements vfs.InodeImpl.
func (d *dir) SetStat(_ current.Task, s vfs.SetStat) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.set(s)
	return nil
}

// Release implements vfs.InodeImpl.
func (d *dir) Release() {}

// find returns the queue of a name, nil if there is none.
func (d *dir) find(name string) *Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.mu.names[name]; e != nil {
		return e.q
	}
	return nil
}

// Lookup implements vfs.DirImpl.
func (d *dir) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.mu.names[name]
	if e == nil {
		return nil, unix.ENOENT
	}
	e.q.node.IncRef()
	return e.q.node, nil
}

// Create implements vfs.DirImpl: a queue with the default attributes.
func (d *dir) Create(t current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	if n.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, unix.EPERM
	}
	return d.create(t, name, n, nil)
}

// create makes a queue; attr nil is the default. The inode has a reference for
// the caller.
func (d *dir) create(t current.Task, name string, n vfs.NewInode, attr *Attr) (*vfs.Inode, error) {
	if attr == nil {
		l := d.fs.limits
		attr = &Attr{MaxMessages: min(l.Messages.Get(), l.DefMessages.Get()), MessageSize: min(l.MessageSize.Get(), l.DefMessageSize.Get())}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.names[name] != nil {
		return nil, unix.EEXIST
	}
	bytes, err := d.fs.charge(t, attr)
	if err != nil {
		return nil, err
	}
	q := d.fs.newQueue(n, attr)
	q.user, q.charged = t.Cred().RUID, bytes
	e := &dirent{name, q, d.mu.next}
	d.mu.next++
	d.mu.names[name] = e
	d.mu.order = append(d.mu.order, e)
	d.mu.size += direntSize
	d.mu.touched()
	q.node.IncRef()
	return q.node, nil
}

// clear takes all names away.
func (d *dir) clear() {
	d.mu.Lock()
	order := d.mu.order
	d.mu.names, d.mu.order = map[string]*dirent{}, nil
	d.mu.Unlock()
	for _, e := range order {
		e.q.node.DecRef()
	}
}

// Unlink implements vfs.DirImpl.
func (d *dir) Unlink(_ current.Task, name string, child *vfs.Inode) error {
	q, ok := child.Impl.(*Queue)
	if !ok {
		return unix.EISDIR
	}
	return d.remove(name, q)
}

// remove takes the name of q away; ENOENT if it has none any more.
func (d *dir) remove(name string, q *Queue) error {
	d.mu.Lock()
	e := d.mu.names[name]
	if e == nil || e.q != q {
		d.mu.Unlock()
		return unix.ENOENT
	}
	delete(d.mu.names, name)
	d.mu.order = slices.DeleteFunc(d.mu.order, func(x *dirent) bool { return x == e })
	d.mu.size -= direntSize
	d.mu.touched()
	d.mu.Unlock()
	q.unlinked()
	q.node.DecRef()
	return nil
}

// The directory has nothing but queues, and they keep their names.

// Mkdir implements vfs.DirImpl.
func (*dir) Mkdir(current.Task, string, vfs.NewInode) (*vfs.Inode, error) { return nil, unix.EPERM }

// Symlink implements vfs.DirImpl.
func (*dir) Symlink(current.Task, string, string, vfs.NewInode) (*vfs.Inode, error) {
	return nil, unix.EPERM
}

// Link implements vfs.DirImpl.
func (*dir) Link(current.Task, string, *vfs.Inode) error { return unix.EPERM }

// Rmdir implements vfs.DirImpl.
func (*dir) Rmdir(current.Task, string, *vfs.Inode) error { return unix.EPERM }

// Rename implements vfs.DirImpl.
func (*dir) Rename(current.Task, string, *vfs.Inode, *vfs.Inode, string, *vfs.Inode, uint32) error {
	return unix.EPERM
}

// checkName refuses what cannot be the name of a queue: mq_open(2) takes one
// component.
func checkName(name string) error {
	switch {
	case name == "":
		return unix.ENOENT
	case name == "." || name == ".." || strings.Contains(name, "/"):
		return unix.EACCES
	case len(name) > 255:
		return unix.ENAMETOOLONG
	}
	return nil
}

// may checks permission on the directory.
func (d *dir) may(t current.Task, may uint32) error {
	s, err := d.Stat(t)
	if err != nil {
		return err
	}
	return vfs.CheckMode(t, &s, may)
}

// OpenHow is what mq_open(2) says besides the name: flags O_*, and what a new
// queue is made with, the umask applied. Attr nil is the default.
type OpenHow struct {
	Flags uint32
	Mode  uint32
	Attr  *Attr
}

// Open returns the inode of a queue, with a reference, after the checks of
// mq_open(2). It makes the queue if how says so.
func (fs *FS) Open(t current.Task, name string, how OpenHow) (*vfs.Inode, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	d := fs.root
	if err := d.may(t, vfs.MayExec); err != nil {
		return nil, err
	}
	for {
		i, err := d.Lookup(t, name)
		if err == nil {
			if err = mayOpen(t, i, how.Flags); err != nil {
				i.DecRef()
				return nil, err
			}
			return i, nil
		}
		if how.Flags&unix.O_CREAT == 0 {
			return nil, err
		}
		if err := d.may(t, vfs.MayWrite|vfs.MayExec); err != nil {
			return nil, err
		}
		c := t.Cred()
		n := vfs.NewInode{Mode: unix.S_IFREG | how.Mode&07777, UID: c.FSUID, GID: c.FSGID}
		i, err = d.create(t, name, n, how.Attr)
		if err != unix.EEXIST { // else somebody made it just now
			return i, err
		}
	}
}

// mayOpen checks the open of a queue that was there.
func mayOpen(t current.Task, i *vfs.Inode, flags uint32) error {
	may := uint32(vfs.MayRead | vfs.MayWrite)
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		may = vfs.MayRead
	case unix.O_WRONLY:
		may = vfs.MayWrite
	}
	switch {
	case flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		return unix.EEXIST
	case flags&unix.O_ACCMODE == unix.O_ACCMODE:
		return unix.EINVAL
	}
	s, err := i.Impl.Stat(t)
	if err != nil {
		return err
	}
	return vfs.CheckMode(t, &s, may)
}

// Unlink is mq_unlink(2): the directory is sticky.
func (fs *FS) Unlink(t current.Task, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	d := fs.root
	if err := d.may(t, vfs.MayExec); err != nil {
		return err
	}
	q := d.find(name)
	if q == nil {
		return unix.ENOENT
	}
	ds, _ := d.Stat(t)
	if err := vfs.CheckMode(t, &ds, vfs.MayWrite|vfs.MayExec); err != nil {
		return err
	}
	s, _ := q.Stat(t)
	if c := t.Cred(); ds.Mode&unix.S_ISVTX != 0 && c.FSUID != s.UID && c.FSUID != ds.UID && !c.HasCap(unix.CAP_FOWNER) {
		return unix.EPERM
	}
	return d.remove(name, q)
}

// Open implements vfs.InodeImpl.
func (d *dir) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &dirFile{d: d}, nil }

// dirFile is the directory, open.
type dirFile struct {
	vfs.OpenDir
	d *dir
}

var _ vfs.DirReader = (*dirFile)(nil)

// ReadDir implements vfs.DirReader.
func (df *dirFile) ReadDir(_ current.Task, f *vfs.File, cookie int64, emit func(vfs.Dirent) bool) error {
	d := df.d
	if !vfs.EmitDots(f, d.ino, cookie, emit) {
		return nil
	}
	// Emitting writes to guest memory, so it is done without the lock.
	d.mu.Lock()
	at, _ := slices.BinarySearchFunc(d.mu.order, cookie, func(e *dirent, c int64) int { return cmp.Compare(e.cookie, c) })
	rest := slices.Clone(d.mu.order[at:])
	d.mu.Unlock()
	for _, e := range rest {
		if !emit(vfs.Dirent{Name: e.name, Ino: e.q.ino, Type: unix.DT_REG, Next: e.cookie + 1}) {
			return nil
		}
	}
	return nil
}
