package vfs

import (
	"hull/sentry/auth"

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

// OpenHow is openat2(2)'s open_how: flags O_*, mode with the umask not yet
// applied.
type OpenHow struct {
	Flags uint64
	Mode  uint32
	// Exec asks for what execve needs: a regular file, execute permission, no
	// noexec mount; the file is opened for reading whatever its read permission.
	Exec bool
}

// Walk finds the path that a names, with references. The error is of
// path_resolution(7): ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG, EXDEV.
func Walk(t current.Task, a At) (Path, error) { panic("skeleton") }

// Open is openat2(2) without the descriptor.
func Open(t current.Task, a At, how OpenHow) (*File, error) { panic("skeleton") }

// Mkdir is mkdirat(2).
func Mkdir(t current.Task, a At, mode uint32) error { panic("skeleton") }

// Mknod is mknodat(2); it returns nothing but makes sockets for bind(2) too.
func Mknod(t current.Task, a At, mode uint32, dev Dev) error { panic("skeleton") }

// MknodPath is Mknod that returns the path made, for bind(2).
func MknodPath(t current.Task, a At, mode uint32, dev Dev) (Path, error) { panic("skeleton") }

// Symlink is symlinkat(2).
func Symlink(t current.Task, target string, a At) error { panic("skeleton") }

// Link is linkat(2).
func Link(t current.Task, old, new At) error { panic("skeleton") }

// Unlink is unlinkat(2); dir is AT_REMOVEDIR.
func Unlink(t current.Task, a At, dir bool) error { panic("skeleton") }

// Rename is renameat2(2).
func Rename(t current.Task, old, new At, flags uint32) error { panic("skeleton") }

// StatAt is statx(2) without the struct.
func StatAt(t current.Task, a At) (Stat, *Mount, error) { panic("skeleton") }

// SetStatPath changes attributes with the checks of chmod, chown, truncate and
// utimensat.
func SetStatPath(t current.Task, p Path, s SetStat) error { panic("skeleton") }

// Access checks may (MayRead …) on p: access(2). real asks with the real ids.
func Access(t current.Task, p Path, may uint32, real bool) error { panic("skeleton") }

// PathName returns p as seen from root, as getcwd(2) and /proc/PID/fd say it;
// " (deleted)" is added where Linux adds it. ok is false if p is not beneath root.
func PathName(p Path, root Path) (name string, ok bool) { panic("skeleton") }

// NewNamespace returns a mount namespace whose root is fs, with one reference.
func NewNamespace(fs *Filesystem, root *Inode, flags uint64) (*Namespace, error) { panic("skeleton") }

// Mount puts fs (whose root inode is root, both references taken over) at p.
// flags are MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME ….
func (ns *Namespace) Mount(t current.Task, p Path, fs *Filesystem, root *Inode, source string, flags uint64) (*Mount, error) {
	panic("skeleton")
}

// Root returns the namespace's root, with references.
func (ns *Namespace) Root() Path { panic("skeleton") }

// NewContext returns a context at the root of ns with umask 022.
func NewContext(ns *Namespace) *Context { panic("skeleton") }

// Fork returns a copy.
func (c *Context) Fork() *Context { panic("skeleton") }

// IncRef adds a reference (CLONE_FS); DecRef drops one.
func (c *Context) IncRef() { panic("skeleton") }

// DecRef drops a reference.
func (c *Context) DecRef() { panic("skeleton") }

// Root returns the root directory, with references.
func (c *Context) Root() Path { panic("skeleton") }

// CWD returns the working directory, with references.
func (c *Context) CWD() Path { panic("skeleton") }

// SetRoot and SetCWD take p's references over.
func (c *Context) SetRoot(p Path) { panic("skeleton") }

// SetCWD changes the working directory.
func (c *Context) SetCWD(p Path) { panic("skeleton") }

// Umask returns the umask; SetUmask replaces it and returns the old one.
func (c *Context) Umask() uint32 { panic("skeleton") }

// SetUmask replaces the umask.
func (c *Context) SetUmask(m uint32) uint32 { panic("skeleton") }

// FDTable maps descriptors to files: files_struct. It is shared by CLONE_FILES.
type FDTable struct{}

// NewFDTable returns an empty table with one reference.
func NewFDTable() *FDTable { panic("skeleton") }

// IncRef adds a reference; DecRef drops one and closes everything with the last.
func (ft *FDTable) IncRef() { panic("skeleton") }

// DecRef drops a reference.
func (ft *FDTable) DecRef(t current.Task) { panic("skeleton") }

// Fork returns a copy whose files are shared.
func (ft *FDTable) Fork() *FDTable { panic("skeleton") }

// CloseOnExec closes what has FD_CLOEXEC.
func (ft *FDTable) CloseOnExec(t current.Task) { panic("skeleton") }

// Install puts f (whose reference it takes over) at the lowest free number from
// min on that is below limit (RLIMIT_NOFILE). EMFILE; the reference is then
// still the caller's.
func (ft *FDTable) Install(f *File, min int32, cloexec bool, limit uint64) (int32, error) {
	panic("skeleton")
}

// InstallAt puts f at fd, closing what is there: dup2(2).
func (ft *FDTable) InstallAt(t current.Task, f *File, fd int32, cloexec bool, limit uint64) error {
	panic("skeleton")
}

// Get returns the file at fd with a reference, or EBADF. O_PATH files are given
// only by GetPath.
func (ft *FDTable) Get(fd int32) (*File, error) { panic("skeleton") }

// GetPath is Get that gives O_PATH files too.
func (ft *FDTable) GetPath(fd int32) (*File, error) { panic("skeleton") }

// Close removes fd: close(2).
func (ft *FDTable) Close(t current.Task, fd int32) error { panic("skeleton") }

// FDs returns the numbers in use, in order (/proc/PID/fd).
func (ft *FDTable) FDs() []int32 { panic("skeleton") }

// Cloexec reports and sets FD_CLOEXEC of fd.
func (ft *FDTable) Cloexec(fd int32) (bool, error) { panic("skeleton") }

// SetCloexec sets FD_CLOEXEC of fd.
func (ft *FDTable) SetCloexec(fd int32, on bool) error { panic("skeleton") }

// Anonymous returns a description of something without a name in any tree
// (pipe:[12], anon_inode:[eventpoll], socket:[7]); fstat works on it.
func Anonymous(ns *AnonFS, impl FileImpl, name string, mode uint32, flags uint32, cred *auth.Cred, stream bool) *File {
	panic("skeleton")
}

// AnonFS is the file system whose inodes anonymous files have: one a kernel.
type AnonFS struct{}

// ParentIno returns the inode number of ".." at p, as getdents(2) shows it.
func ParentIno(p Path) (uint64, bool) { panic("skeleton") }
