package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
)

// Of files.

// Seek is lseek(2).
func (f *File) Seek(t current.Task, off int64, whence int32) (int64, error) { panic("skeleton") }

// Stat is fstat(2).
func (f *File) Stat(t current.Task) (Stat, error) { panic("skeleton") }

// SetStat is SetStatPath on the open file.
func (f *File) SetStat(t current.Task, s SetStat) error { panic("skeleton") }

// Truncate is ftruncate(2).
func (f *File) Truncate(t current.Task, size int64) error { panic("skeleton") }

// Sync is fsync(2).
func (f *File) Sync(t current.Task, dataOnly bool) error { panic("skeleton") }

// Allocate is fallocate(2).
func (f *File) Allocate(t current.Task, mode uint32, off, n int64) error { panic("skeleton") }

// ReadDir reads entries from the file's offset and moves it.
func (f *File) ReadDir(t current.Task, emit func(Dirent) bool) error { panic("skeleton") }

// Ioctl is ioctl(2) of the file system's part.
func (f *File) Ioctl(t current.Task, cmd uint32, arg uintptr) (uintptr, error) { panic("skeleton") }

// Map is mmap(2)'s part of the file.
func (f *File) Map(t current.Task, o *mm.MapOpts) (mm.Mappable, error) { panic("skeleton") }

// SetFlags is F_SETFL.
func (f *File) SetFlags(t current.Task, flags uint32) error { panic("skeleton") }

// Flock is flock(2).
func (f *File) Flock(t current.Task, op int32) error { panic("skeleton") }

// PosixLock is fcntl(2)'s F_GETLK, F_SETLK, F_SETLKW.
func (f *File) PosixLock(t current.Task, cmd int32, fl *unix.Flock_t, owner any) error {
	panic("skeleton")
}

// Of paths.

// Readlink is readlink(2) on a path.
func Readlink(t current.Task, p Path) (string, error) { panic("skeleton") }

// StatFS is statfs(2).
func StatFS(t current.Task, p Path) (unix.Statfs_t, error) { panic("skeleton") }

// StatPath is StatAt of a path.
func StatPath(t current.Task, p Path) (Stat, error) { panic("skeleton") }

// OpenPath opens a path.
func OpenPath(t current.Task, p Path, how OpenHow) (*File, error) { panic("skeleton") }

// MayEnter checks what chdir(2) checks.
func MayEnter(t current.Task, p Path) error { panic("skeleton") }

// GetXattr is getxattr(2).
func GetXattr(t current.Task, p Path, name string) ([]byte, error) { panic("skeleton") }

// SetXattr is setxattr(2).
func SetXattr(t current.Task, p Path, name string, value []byte, flags int32) error {
	panic("skeleton")
}

// ListXattr is listxattr(2).
func ListXattr(t current.Task, p Path) ([]string, error) { panic("skeleton") }

// RemoveXattr is removexattr(2).
func RemoveXattr(t current.Task, p Path, name string) error { panic("skeleton") }

// Truncate is truncate(2).
func Truncate(t current.Task, p Path, size int64) error { panic("skeleton") }

// LinkPath makes another name for p.
func LinkPath(t current.Task, p Path, new At) error { panic("skeleton") }

// Of namespaces.

// Umount is umount2(2).
func (ns *Namespace) Umount(t current.Task, p Path, flags uint32) error { panic("skeleton") }

// Bind is mount(2) with MS_BIND.
func (ns *Namespace) Bind(t current.Task, src, dst Path, recursive bool) error { panic("skeleton") }

// Remount is mount(2) with MS_REMOUNT.
func (ns *Namespace) Remount(t current.Task, p Path, flags uint64) error { panic("skeleton") }

// MoveMount is mount(2) with MS_MOVE.
func (ns *Namespace) MoveMount(t current.Task, src, dst Path) error { panic("skeleton") }

// SetPropagation is mount(2) with MS_SHARED and so on.
func (ns *Namespace) SetPropagation(t current.Task, p Path, flags uint64) error { panic("skeleton") }

// PivotRoot is pivot_root(2).
func (ns *Namespace) PivotRoot(t current.Task, ctx *Context, newRoot, putOld Path) error {
	panic("skeleton")
}

// CloseRange is close_range(2).
func (ft *FDTable) CloseRange(t current.Task, first, last uint32, cloexec bool) error {
	panic("skeleton")
}

// FIFOOpener opens named pipes. It is handed over at boot.
type FIFOOpener interface {
	OpenFIFO(t current.Task, f *File, s *Special) (FileImpl, error)
}

// Pipe returns what the first opener of a FIFO left, making it with mk if there
// is none.
func (s *Special) Pipe(mk func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipe == nil {
		s.pipe = mk()
	}
	return s.pipe
}

// Watcher is told what happens to an inode (inotify).
type Watcher interface {
	Event(mask, cookie uint32, name string)
}

// AddWatch adds a watcher.
func (i *Inode) AddWatch(w Watcher) { panic("skeleton") }

// RemoveWatch takes one off.
func (i *Inode) RemoveWatch(w Watcher) { panic("skeleton") }

// Deleted reports whether the name is gone.
func (d *Dentry) Deleted() bool { panic("skeleton") }

// Sync writes every file system of the namespace back, sync(2).
func (ns *Namespace) Sync(t current.Task) { panic("skeleton") }
