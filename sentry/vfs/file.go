package vfs

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/mm"
	"hull/sentry/wait"
)

// File is an open file description: struct file. The descriptors that share it
// (dup, fork, SCM_RIGHTS) share its offset and flags.
type File struct {
	Path   Path       // immutable; zero for none. Holds references
	Cred   *auth.Cred // immutable: who opened it
	Stream bool       // immutable: offsets mean nothing (ESPIPE)
	impl   FileImpl   // immutable
	once   bool       // immutable: a short write is not gone on with
	low    LowWater   // immutable: impl, if a short read may be gone on with
	// counted says that it is one of its mount's and inode's writers. Immutable.
	counted bool
	denies  atomic.Bool // it keeps its inode from being written to
	here    Positioned  // immutable: impl, if its offset is its own
	flags   atomic.Uint32
	refs    atomic.Int64
	watch   releaseWatch
	owner   fileOwner
	pos     struct {
		lock.Mutex[lock.File] // held over a transfer at the offset
		off                   atomic.Int64
	}
	locked atomic.Bool // flock or OFD locks may be held by it
}

// OneWriter is a FileImpl of which a write that took less than all is complete
// (eventfd).
type OneWriter interface{ OneWrite() }

// keptFlags are the open flags that a description keeps.
const keptFlags = ^uint32(unix.O_CLOEXEC | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC)

// NewFile makes a description of something that was not opened by name, with
// one reference. path's references are taken over.
func NewFile(impl FileImpl, path Path, flags uint32, cred *auth.Cred, stream bool) *File {
	f := &File{Path: path, Cred: cred, Stream: stream, impl: impl}
	_, f.once = impl.(OneWriter)
	f.low, _ = impl.(LowWater)
	f.here, _ = impl.(Positioned)
	f.flags.Store(flags & keptFlags)
	f.refs.Store(1)
	return f
}

// Impl returns what the file system made of the open; nil for an O_PATH file.
func (f *File) Impl() FileImpl { return f.impl }

// Flags returns the open flags, without O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY and
// O_TRUNC (which InodeImpl.Open still sees).
func (f *File) Flags() uint32 { return f.flags.Load() }

// Offset returns the file's offset. It does not wait for a transfer at the offset:
// who asks may be one, of the file's own /proc/PID/fdinfo.
func (f *File) Offset() int64 { return f.pos.off.Load() }

// IncRef adds a reference.
func (f *File) IncRef() { f.refs.Add(1) }

// DecRef drops a reference; with the last the file is released. t may be nil
// where no task is at hand.
func (f *File) DecRef(t current.Task) {
	if f.refs.Add(-1) != 0 {
		return
	}
	f.tellReleased()
	if f.locked.Load() {
		f.Path.Inode().dropLocks(f)
	}
	if f.impl != nil {
		f.impl.Release(t, f)
		f.closed()
	}
	f.uncount()
	f.Path.DecRef()
}

// closed tells watchers of the last close.
func (f *File) closed() {
	mask := uint32(unix.IN_CLOSE_NOWRITE)
	if f.writable() {
		mask = unix.IN_CLOSE_WRITE
	}
	f.event(mask)
}

func (f *File) readable() bool {
	a := f.flags.Load() & (unix.O_ACCMODE | unix.O_PATH)
	return a == unix.O_RDONLY || a == unix.O_RDWR
}

func (f *File) writable() bool {
	a := f.flags.Load() & (unix.O_ACCMODE | unix.O_PATH)
	return a == unix.O_WRONLY || a == unix.O_RDWR
}

func (f *File) nonblock() bool { return f.flags.Load()&unix.O_NONBLOCK != 0 }

// event tells watchers of the file.
func (f *File) event(mask uint32) {
	if f.Path.Dentry != nil {
		f.Path.event(mask)
	}
}

// Seek is lseek(2).
func (f *File) Seek(t current.Task, off int64, whence int32) (int64, error) {
	if f.impl == nil {
		return 0, unix.EBADF
	}
	if s, ok := f.impl.(Seeker); ok {
		if f.Stream && f.here == nil {
			return s.Seek(t, f, off, whence)
		}
		if !f.Stream {
			return f.seekOwn(t, s, off, whence)
		}
	}
	if f.Stream {
		return 0, unix.ESPIPE
	}
	var size int64
	if whence != unix.SEEK_SET && whence != unix.SEEK_CUR {
		s, err := f.Stat(t)
		if err != nil {
			return 0, err
		}
		size = s.Size
	}
	f.pos.Lock()
	defer f.pos.Unlock()
	to := off
	switch whence {
	case unix.SEEK_SET:
	case unix.SEEK_CUR:
		to = f.pos.off.Load() + off
	case unix.SEEK_END:
		to = size + off
	case unix.SEEK_DATA, unix.SEEK_HOLE:
		if off < 0 || off >= size {
			return 0, unix.ENXIO
		}
		if whence == unix.SEEK_HOLE {
			to = size
		}
	default:
		return 0, unix.EINVAL
	}
	if to < 0 {
		return 0, unix.EINVAL
	}
	f.pos.off.Store(to)
	return to, nil
}

// seekOwn lets the file decide. SEEK_CUR is made absolute first.
func (f *File) seekOwn(t current.Task, s Seeker, off int64, whence int32) (int64, error) {
	if whence == unix.SEEK_CUR && f.here == nil {
		off, whence = f.Offset()+off, unix.SEEK_SET
	}
	to, err := s.Seek(t, f, off, whence)
	if err != nil {
		return 0, err
	}
	f.pos.Lock()
	f.pos.off.Store(to)
	f.pos.Unlock()
	return to, nil
}

// Stat is fstat(2).
func (f *File) Stat(t current.Task) (Stat, error) { return f.Path.Inode().Impl.Stat(t) }

// SetStat is SetStatPath on the open file.
func (f *File) SetStat(t current.Task, s SetStat) error { return SetStatPath(t, f.Path, s) }

// Truncate is ftruncate(2).
func (f *File) Truncate(t current.Task, size int64) error {
	switch {
	case size < 0:
		return unix.EINVAL
	case !f.writable() || f.Path.Inode().Type != unix.S_IFREG:
		return unix.EINVAL
	}
	i := f.Path.Inode()
	if err := mayGrow(t, i, size); err != nil {
		return err
	}
	if tr, ok := f.impl.(Truncater); ok {
		return tr.Truncate(t, f, size)
	}
	s := SetStat{Mask: SetSize, Size: size}
	old, err := i.Impl.Stat(t)
	if err != nil {
		return err
	}
	if drop := setIDBits(old.Mode); drop != 0 && !t.Cred().HasCap(unix.CAP_FSETID) {
		s.Mask |= SetMode
		s.Mode = old.Mode & 07777 &^ drop
	}
	if err := i.Impl.SetStat(t, s); err != nil {
		return err
	}
	f.Path.event(unix.IN_MODIFY)
	return nil
}

// mayGrow checks RLIMIT_FSIZE for a file that shall have size bytes.
func mayGrow(t current.Task, i *Inode, size int64) error {
	if limit := t.Limits().Get(unix.RLIMIT_FSIZE).Cur; uint64(size) <= limit {
		return nil
	}
	s, err := i.Impl.Stat(t)
	if err != nil || size <= s.Size {
		return err
	}
	t.Signal(int(unix.SIGXFSZ))
	return unix.EFBIG
}

// Sync is fsync(2).
func (f *File) Sync(t current.Task, dataOnly bool) error {
	if s, ok := f.impl.(Syncer); ok {
		return s.Sync(t, f, dataOnly)
	}
	switch f.Path.Inode().Type {
	case unix.S_IFREG, unix.S_IFDIR:
		return nil
	}
	return unix.EINVAL
}

// Allocate is fallocate(2).
func (f *File) Allocate(t current.Task, mode uint32, off, n int64) error {
	switch {
	case !f.writable():
		return unix.EBADF
	case off < 0 || n <= 0:
		return unix.EINVAL
	case f.Stream:
		return unix.ESPIPE
	case f.Path.Inode().Type == unix.S_IFDIR:
		return unix.EISDIR
	case f.Path.Inode().Type != unix.S_IFREG:
		return unix.ENODEV
	case off+n < off:
		return unix.EFBIG
	}
	a, ok := f.impl.(Allocater)
	if !ok {
		return unix.EOPNOTSUPP
	}
	if mode&unix.FALLOC_FL_KEEP_SIZE == 0 && uint64(off+n) > t.Limits().Get(unix.RLIMIT_FSIZE).Cur {
		t.Signal(int(unix.SIGXFSZ))
		return unix.EFBIG
	}
	return a.Allocate(t, f, mode, off, n)
}

// ReadDir reads entries from the file's offset and moves it, getdents(2).
func (f *File) ReadDir(t current.Task, emit func(Dirent) bool) error {
	d, ok := f.impl.(DirReader)
	if !ok {
		return unix.ENOTDIR
	}
	if f.Path.Dentry.Deleted() {
		return unix.ENOENT
	}
	f.event(unix.IN_ACCESS | unix.IN_ISDIR)
	f.pos.Lock()
	defer f.pos.Unlock()
	return d.ReadDir(t, f, f.pos.off.Load(), func(e Dirent) bool {
		if !emit(e) {
			return false
		}
		f.pos.off.Store(e.Next)
		return true
	})
}

// Ioctl is ioctl(2) of the file system's part.
func (f *File) Ioctl(t current.Task, cmd uint32, arg uintptr) (uintptr, error) {
	return f.impl.Ioctl(t, f, cmd, arg)
}

// Map is mmap(2)'s part of the file: it returns what to map, and names it in o.
func (f *File) Map(t current.Task, o *mm.MapOpts) (mm.Mappable, error) {
	m, ok := f.impl.(Mapper)
	if !ok {
		return nil, unix.ENODEV
	}
	x, err := m.Map(t, f, o)
	if err == nil && x != nil && o.Name == nil {
		o.Name = (*mapped)(f)
	}
	return x, err
}

// Named returns the file as mm names it in /proc/PID/maps and as exe.
func (f *File) Named() mm.Named { return (*mapped)(f) }

// mapped is a file as mm sees it.
type mapped File

// MappedName implements mm.Named.
func (m *mapped) MappedName() (path string, dev, ino uint64) {
	f := (*File)(m)
	i := f.Path.Inode()
	name, _ := PathName(f.Path, f.Path.top())
	return name, uint64(i.FS.Dev), i.Ino
}

// top is the root of the namespace that p is in.
func (p Path) top() Path {
	m := p.Mount
	if ns := m.ns.Load(); ns != nil {
		ns.mu.RLock()
		m = ns.mu.root
		ns.mu.RUnlock()
	}
	return Path{m, m.root}
}

// IncRef implements mm.Named.
func (m *mapped) IncRef() { (*File)(m).IncRef() }

// DecRef implements mm.Named. mm calls it with its locks held, under which a
// file cannot be released: the last reference is dropped elsewhere. But who
// waited for the last process that ran the program may write to it at once.
func (m *mapped) DecRef() {
	f := (*File)(m)
	if n := f.refs.Load(); n > 1 && f.refs.CompareAndSwap(n, n-1) {
		return
	}
	f.AllowWriters()
	go f.DecRef(nil)
}

// VFSPath returns where the file is, borrowed.
func (m *mapped) VFSPath() Path { return m.Path }

// MappedFile returns the file, borrowed.
func (m *mapped) MappedFile() *File { return (*File)(m) }

// SetFlags is F_SETFL.
func (f *File) SetFlags(t current.Task, flags uint32) error {
	const settable = unix.O_APPEND | unix.O_ASYNC | unix.O_DIRECT | unix.O_NOATIME | unix.O_NONBLOCK
	if flags&unix.O_NOATIME != 0 && f.flags.Load()&unix.O_NOATIME == 0 {
		s, err := f.Stat(t)
		if err != nil {
			return err
		}
		if !isOwner(t.Cred(), &s) {
			return unix.EPERM
		}
	}
	for {
		old := f.flags.Load()
		now := old&^settable | flags&settable
		if s, ok := f.impl.(FlagSetter); ok {
			if err := s.SetFlags(t, f, now); err != nil {
				return err
			}
		}
		if f.flags.CompareAndSwap(old, now) {
			return nil
		}
	}
}

// File implements wait.Waitable by its implementation.
var _ wait.Waitable = (*File)(nil)

// Readiness implements wait.Waitable.
func (f *File) Readiness(m wait.Mask) wait.Mask { return f.impl.Readiness(m) }

// Register implements wait.Waitable.
func (f *File) Register(e *wait.Entry, m wait.Mask) { f.impl.Register(e, m) }

// Unregister implements wait.Waitable.
func (f *File) Unregister(e *wait.Entry) { f.impl.Unregister(e) }
