package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// OpenHow is openat2(2)'s open_how: flags O_*, mode with the umask not yet
// applied.
type OpenHow struct {
	Flags uint64
	Mode  uint32
	// Exec asks for what execve needs: a regular file, execute permission, no
	// noexec mount; the file is opened for reading whatever its read permission.
	// As long as it is open, or until AllowWriters, nobody may write to it.
	Exec bool
	// Made says that the file was made for this open and is not written by it in
	// the sense of ETXTBSY: a memfd.
	Made bool
}

// Open is openat2(2) without the descriptor.
func Open(t current.Task, a At, how OpenHow) (*File, error) {
	switch {
	case how.Flags&unix.O_PATH != 0:
		how.Flags &= unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	case how.Flags&unix.O_TMPFILE == unix.O_TMPFILE:
		return openTmpfile(t, a, how)
	case how.Flags&unix.O_CREAT != 0:
		return openCreate(t, a, how, 0)
	}
	if how.Exec {
		// execve follows links by its own flags.
	} else {
		a.Follow = how.Flags&unix.O_NOFOLLOW == 0
	}
	p, err := Walk(t, a)
	if err != nil {
		return nil, err
	}
	return openPath(t, p, how, false)
}

// OpenPath opens a path again, as by /proc/self/fd/N. p is borrowed.
func OpenPath(t current.Task, p Path, how OpenHow) (*File, error) {
	return openPath(t, p.IncRef(), how, false)
}

// openCreate is an open with O_CREAT: the last component may be made. depth
// counts the links that were followed.
func openCreate(t current.Task, a At, how OpenHow, depth int) (*File, error) {
	w := walker{t: t, at: &a, links: depth}
	if err := w.start(); err != nil {
		return nil, err
	}
	defer w.end()
	for {
		name, err := w.parent()
		if err != nil {
			return nil, err
		}
		dots := name == "" || name == "." || name == ".."
		switch {
		case dots && how.Flags&unix.O_EXCL != 0:
			return nil, unix.EEXIST
		case dots || w.mustDir:
			return nil, unix.EISDIR
		}
		d, made, err := w.lookupOrCreate(&a, name, how)
		if err != nil {
			return nil, err
		}
		w.cur.Mount.incRef()
		p := Path{w.cur.Mount, d}.enter()
		if p.Inode().Type == unix.S_IFLNK && how.Flags&unix.O_EXCL == 0 {
			if how.Flags&unix.O_NOFOLLOW != 0 {
				p.DecRef()
				return nil, unix.ELOOP
			}
			err := w.link(p)
			p.DecRef()
			if err != nil {
				return nil, err
			}
			if w.rest == "" { // a magic link leads to an object
				return openPath(t, w.cur.IncRef(), how, false)
			}
			continue
		}
		if !made && how.Flags&unix.O_EXCL != 0 {
			p.DecRef()
			return nil, unix.EEXIST
		}
		if !made && p.Inode().Type == unix.S_IFDIR {
			p.DecRef()
			return nil, unix.EISDIR
		}
		return openPath(t, p, how, made)
	}
}

// lookupOrCreate returns the child of that name, which it makes if there is
// none.
func (w *walker) lookupOrCreate(a *At, name string, how OpenHow) (d *Dentry, made bool, err error) {
	p := w.cur.Dentry
	if d := p.cached(name); d != nil {
		if d.Inode() != nil && d.valid(w.t, p, name) {
			return d, false, nil
		}
		if d.Inode() != nil {
			p.forget(d, name)
		} else {
			d.DecRef()
		}
	}
	p.mu.Lock()
	d, _, err = p.lookupLocked(w.t, name, nil)
	if err == unix.ENOENT && p.fs.Volatile && !p.Deleted() {
		d, err = p.hash(name, nil), nil
	}
	if err != nil {
		p.mu.Unlock()
		return nil, false, err
	}
	if d.Inode() != nil {
		p.mu.Unlock()
		return d, false, nil
	}
	switch {
	case w.cur.Mount.ReadOnly():
		err = unix.EROFS
	case p.Deleted():
		err = unix.ENOENT
	default:
		err = permission(w.t, w.cur, MayWrite|MayExec)
	}
	if err == nil {
		dir := w.cur.Inode()
		var n NewInode
		if n, err = newInode(w.t, a, dir, unix.S_IFREG|how.Mode&07777, 0); err == nil {
			var i *Inode
			if i, err = dir.ops.dir.Create(w.t, name, n); err == nil {
				d.inode.Store(i)
			}
		}
	}
	p.mu.Unlock()
	if err != nil {
		d.DecRef()
		return nil, false, err
	}
	w.cur.Inode().notify(unix.IN_CREATE, 0, name)
	return d, true, nil
}

// openTmpfile is an open with O_TMPFILE.
func openTmpfile(t current.Task, a At, how OpenHow) (*File, error) {
	if how.Flags&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, unix.EINVAL
	}
	a.Follow = how.Flags&unix.O_NOFOLLOW == 0
	dir, err := Walk(t, a)
	if err != nil {
		return nil, err
	}
	defer dir.DecRef()
	i := dir.Inode()
	if i.Type != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	if err := permission(t, dir, MayWrite|MayExec); err != nil {
		return nil, err
	}
	if i.ops.tmpfile == nil {
		return nil, unix.EOPNOTSUPP
	}
	n, err := newInode(t, &a, i, unix.S_IFREG|how.Mode&07777, 0)
	if err != nil {
		return nil, err
	}
	made, err := i.ops.tmpfile.Tmpfile(t, n)
	if err != nil {
		return nil, err
	}
	d := &Dentry{fs: i.FS, name: "#" + itoa(made.Ino), parent: dir.Dentry}
	d.inode.Store(made)
	d.refs.Store(1)
	dir.Dentry.IncRef()
	dir.Mount.incRef()
	d.linkable.Store(how.Flags&unix.O_EXCL == 0)
	how.Flags &^= unix.O_TMPFILE
	return openPath(t, Path{dir.Mount, d}, how, true)
}

// openPath opens what p is; p's references are taken over. made says that it
// was just made by this open, which its mode does not restrict.
func openPath(t current.Task, p Path, how OpenHow, made bool) (*File, error) {
	f, err := open(t, p, how, made)
	if err != nil {
		p.DecRef()
		return nil, err
	}
	if how.Flags&unix.O_PATH == 0 {
		p.event(unix.IN_OPEN)
		if truncates(p, how, made) {
			p.event(unix.IN_MODIFY)
		}
	}
	return f, nil
}

// count makes f one of the writers of its mount and its inode, or of those who
// run the inode.
func (f *File) count(how OpenHow) error {
	i, m := f.Path.Inode(), f.Path.Mount
	if i.Type != unix.S_IFREG {
		return nil
	}
	if how.Exec {
		if err := i.denyWriters(); err != nil {
			return err
		}
		f.denies.Store(true)
		return nil
	}
	if f.Flags()&unix.O_ACCMODE == unix.O_RDONLY || how.Made {
		return nil
	}
	if err := i.addWriter(); err != nil {
		return err
	}
	f.counted = true
	// Counted first: a remount to read-only sees the file, or this sees it.
	if m.writers.Add(1); m.ReadOnly() {
		f.uncount()
		return unix.EROFS
	}
	return nil
}

// uncount takes back what count did.
func (f *File) uncount() {
	if f.counted {
		f.Path.Mount.writers.Add(-1)
		f.Path.Inode().writers.Add(-1)
	}
	f.AllowWriters()
}

// AllowWriters ends that a file that is open to be run is not written to: for a
// dynamic linker, which is mapped but not what runs.
func (f *File) AllowWriters() {
	if f.denies.CompareAndSwap(true, false) {
		f.Path.Inode().writers.Add(1)
	}
}

// truncateInode empties p, whose attributes may be changed.
func truncateInode(t current.Task, p Path) error {
	i := p.Inode()
	if err := i.addWriter(); err != nil {
		return err
	}
	defer i.writers.Add(-1)
	return setStat(t, p, SetStat{Mask: SetSize})
}

// truncates reports whether the open empties p.
func truncates(p Path, how OpenHow, made bool) bool {
	return how.Flags&unix.O_TRUNC != 0 && !made && p.Inode().Type == unix.S_IFREG
}

func open(t current.Task, p Path, how OpenHow, made bool) (*File, error) {
	i := p.Inode()
	flags := uint32(how.Flags)
	if flags&unix.O_DIRECTORY != 0 && i.Type != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	if flags&unix.O_PATH != 0 {
		return NewFile(nil, p, flags, t.Cred(), false), nil
	}
	may := uint32(0)
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		may = MayRead
	case unix.O_WRONLY:
		may = MayWrite
	default:
		may = MayRead | MayWrite
	}
	if flags&unix.O_TRUNC != 0 {
		may |= MayWrite
	}
	if how.Exec {
		may = MayExec
	}
	if err := mayOpen(p, may, how.Exec); err != nil {
		return nil, err
	}
	if made {
		may = 0
	}
	if err := permission(t, p, may); err != nil {
		return nil, err
	}
	if flags&unix.O_NOATIME != 0 {
		s, err := i.Impl.Stat(t)
		if err != nil {
			return nil, err
		}
		if !isOwner(t.Cred(), &s) {
			return nil, unix.EPERM
		}
	}
	f := NewFile(nil, p, flags, t.Cred(), false)
	if err := f.count(how); err != nil {
		return nil, err
	}
	if truncates(p, how, made) {
		if err := truncateInode(t, p); err != nil {
			f.uncount()
			return nil, err
		}
	}
	f.flags.Store(flags &^ (unix.O_CLOEXEC | unix.O_CREAT | unix.O_EXCL | unix.O_TRUNC))
	impl, err := p.openImpl(t, f)
	if err != nil {
		f.uncount()
		return nil, err
	}
	f.impl = impl
	f.flags.Store(flags & keptFlags)
	_, f.once = impl.(OneWriter)
	f.here, _ = impl.(Positioned)
	if s, ok := impl.(Streamer); ok {
		f.Stream = s.IsStream()
	} else {
		f.Stream = i.Type == unix.S_IFIFO
	}
	return f, nil
}

// Streamer is a FileImpl that says itself whether offsets mean something to it.
// Without it, FIFOs are streams and nothing else that is opened by name.
type Streamer interface{ IsStream() bool }

// Truncater is a FileImpl that truncates by itself (a host file).
type Truncater interface {
	Truncate(t current.Task, f *File, size int64) error
}

// mayOpen refuses by type and mount (may_open).
func mayOpen(p Path, may uint32, exec bool) error {
	switch p.Inode().Type {
	case unix.S_IFLNK:
		return unix.ELOOP
	case unix.S_IFDIR:
		if may&MayWrite != 0 {
			return unix.EISDIR
		}
		if exec {
			return unix.EACCES
		}
	case unix.S_IFCHR, unix.S_IFBLK:
		if p.Mount.Flags()&unix.MS_NODEV != 0 || exec {
			return unix.EACCES
		}
	case unix.S_IFIFO:
		if exec {
			return unix.EACCES
		}
	case unix.S_IFSOCK:
		if exec {
			return unix.EACCES
		}
		if _, anon := p.Inode().Impl.(*anonInode); !anon {
			return unix.ENXIO
		}
	case unix.S_IFREG:
		if exec && p.Mount.NoExec() {
			return unix.EACCES
		}
	}
	return nil
}

// openImpl lets the driver, the pipes or the file system open p.
func (p Path) openImpl(t current.Task, f *File) (FileImpl, error) {
	i := p.Inode()
	_, anon := i.Impl.(*anonInode)
	switch {
	case anon || i.ops.driver != nil:
	case i.Type == unix.S_IFCHR || i.Type == unix.S_IFBLK:
		s, err := i.Impl.Stat(t)
		if err != nil {
			return nil, err
		}
		if u, ok := t.(DeviceUser); ok {
			access := map[uint32]uint32{unix.O_RDONLY: 2, unix.O_WRONLY: 4, unix.O_RDWR: 6}[f.Flags()&unix.O_ACCMODE]
			if err := u.MayUseDevice(i.Type == unix.S_IFBLK, unix.Major(uint64(s.Rdev)), unix.Minor(uint64(s.Rdev)), access); err != nil {
				return nil, err
			}
		}
		table := p.Mount.env.Char
		if i.Type == unix.S_IFBLK {
			table = p.Mount.env.Block
		}
		d := table[s.Rdev]
		if d == nil {
			t.Note("hull has no driver for the device")
			return nil, unix.ENXIO
		}
		return d.Open(t, f)
	case i.Type == unix.S_IFIFO:
		return p.Mount.env.FIFO.OpenFIFO(t, f, i.specials())
	}
	return i.Impl.Open(t, f)
}

func itoa(n uint64) string {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}
