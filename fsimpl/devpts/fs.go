package devpts

import (
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/lock"
	"hull/sentry/vfs"
)

// The device numbers (Documentation/admin-guide/devices.txt).
const (
	TTYMajor    = 5
	TTYMinor    = 0 // /dev/tty
	PTMXMinor   = 2 // /dev/ptmx
	SlaveMajor  = 136
	slaveMajors = 8
)

// Options are the mount options.
type Options struct {
	UID, GID uint32 // of new slaves, if SetUID and SetGID
	SetUID   bool
	SetGID   bool
	Mode     uint32 // of new slaves
	PTMXMode uint32
	Max      int
}

// DefaultOptions are Linux's.
func DefaultOptions() Options { return Options{Mode: 0600, PTMXMode: 0, Max: 4096} }

// FS is one instance of devpts.
type FS struct {
	pseudo *pseudo.FS
	k      *kernel.Kernel
	opts   Options

	mu struct {
		lock.Mutex[lock.Leaf]
		ttys map[int]named
	}
}

// named is what has a number in an instance: a slave's node.
type named interface {
	pseudo.CustomFile
	pseudo.Attributes
	gone() bool
}

// New returns an instance and its root inode, with a reference.
func New(k *kernel.Kernel, dev vfs.Dev, o Options) (*FS, *vfs.Inode) {
	fs := &FS{k: k, opts: o}
	fs.mu.ttys = map[int]named{}
	fs.pseudo = pseudo.New("devpts", unix.DEVPTS_SUPER_MAGIC, dev, true, fs.options())
	ptmx := fs.pseudo.Device(unix.S_IFCHR|o.PTMXMode, vfs.Dev(unix.Mkdev(TTYMajor, PTMXMinor)), PTMX{fs}, nil)
	return fs, fs.pseudo.Dynamic(0755, lister{fs}, nil, pseudo.Entry{Name: "ptmx", Inode: ptmx})
}

// VFS returns what to mount.
func (fs *FS) VFS() *vfs.Filesystem { return fs.pseudo.VFS }

func (fs *FS) options() string {
	o := ""
	if fs.opts.SetGID {
		o = "gid=" + strconv.Itoa(int(fs.opts.GID)) + ","
	}
	return o + "mode=" + strconv.FormatUint(uint64(fs.opts.Mode), 8) + ",ptmxmode=" + leadingZeros(fs.opts.PTMXMode)
}

func leadingZeros(mode uint32) string {
	s := strconv.FormatUint(uint64(mode), 8)
	return "000"[:max(0, 3-len(s))] + s
}

// PTMX is the driver of /dev/ptmx: each open makes a terminal.
type PTMX struct{ FS *FS }

// Open makes a terminal and opens its master side.
func (p PTMX) Open(t current.Task, _ *vfs.File) (vfs.FileImpl, error) {
	tt, err := p.FS.newTTY(t)
	if err != nil {
		return nil, err
	}
	return &master{tt}, nil
}

// OpenFile implements pseudo.CustomFile.
func (p PTMX) OpenFile(t current.Task, f *vfs.File) (vfs.FileImpl, error) { return p.Open(t, f) }

func (fs *FS) newTTY(t current.Task) (*tty, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.mu.ttys) >= fs.opts.Max {
		return nil, unix.ENOSPC
	}
	i := fs.unused()
	tt := &tty{fs: fs, index: i}
	tt.mu.ld.t = defaultTermios()
	tt.mu.masterOpen, tt.mu.locked = true, true
	c := t.Cred()
	tt.mu.uid, tt.mu.gid, tt.mu.perm = c.FSUID, c.FSGID, fs.opts.Mode
	if fs.opts.SetUID {
		tt.mu.uid = fs.opts.UID
	}
	if fs.opts.SetGID {
		tt.mu.gid = fs.opts.GID
	}
	fs.mu.ttys[i] = tt
	return tt, nil
}

// unused returns the lowest number that nobody has. The lock is held.
func (fs *FS) unused() int {
	i := 0
	for fs.mu.ttys[i] != nil {
		i++
	}
	return i
}

// foreign is a terminal from elsewhere that has a number and a name here.
type foreign struct {
	Opener
	mu struct {
		lock.Mutex[lock.Leaf]
		uid, gid, perm uint32
	}
}

// Adopt gives a terminal from elsewhere, such as the host's, a number in the
// instance, and a node that opens it, owned by uid. Release takes them back.
func (fs *FS) Adopt(o Opener, uid uint32) (number int, err error) {
	f := &foreign{Opener: o}
	f.mu.uid, f.mu.gid, f.mu.perm = uid, fs.opts.GID, fs.opts.Mode
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.mu.ttys) >= fs.opts.Max {
		return 0, unix.ENOSPC
	}
	number = fs.unused()
	fs.mu.ttys[number] = f
	return number, nil
}

// Release forgets a terminal that was adopted.
func (fs *FS) Release(number int) {
	fs.mu.Lock()
	delete(fs.mu.ttys, number)
	fs.mu.Unlock()
}

func (f *foreign) gone() bool { return false }

// Attributes implements pseudo.Attributes.
func (f *foreign) Attributes() (uid, gid, perm uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.uid, f.mu.gid, f.mu.perm
}

// SetAttributes implements pseudo.Attributes.
func (f *foreign) SetAttributes(uid, gid, perm uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.uid, f.mu.gid, f.mu.perm = uid, gid, perm
}

// forget drops a terminal that nobody has open: its number is free again.
func (fs *FS) forget(t *tty) {
	fs.mu.Lock()
	delete(fs.mu.ttys, t.index)
	fs.mu.Unlock()
}

// OpenFile implements pseudo.CustomFile: it opens the slave side.
func (t *tty) OpenFile(ct current.Task, f *vfs.File) (vfs.FileImpl, error) {
	return t.open(ct, f.Flags()&unix.O_NOCTTY != 0)
}

func (t *tty) open(ct current.Task, noCTTY bool) (vfs.FileImpl, error) {
	t.mu.Lock()
	switch {
	case !t.mu.masterOpen, t.mu.locked:
		t.mu.Unlock()
		return nil, unix.EIO
	case t.mu.exclusive && !ct.Cred().HasCap(unix.CAP_SYS_ADMIN):
		t.mu.Unlock()
		return nil, unix.EBUSY
	}
	t.mu.files++
	t.mu.slaves++
	t.mu.opened = true
	s := &slave{t, t.mu.hangups}
	t.mu.Unlock()
	if kt, ok := ct.(*kernel.Task); ok && !noCTTY {
		kt.AdoptTerminal(t)
	}
	return s, nil
}

// openPeer is TIOCGPTPEER on the master f: it opens the slave, whatever is
// mounted where.
func (fs *FS) openPeer(kt *kernel.Task, f *vfs.File, t *tty, flags uint32) (uintptr, error) {
	t.mu.Lock()
	t.mu.locked = false
	t.mu.Unlock()
	p, err := f.Path.Mount.Child(kt, strconv.Itoa(t.index))
	if err != nil {
		return 0, unix.EIO
	}
	defer p.DecRef()
	s, err := vfs.OpenPath(kt, p, vfs.OpenHow{Flags: uint64(flags)})
	if err != nil {
		return 0, err
	}
	fd, err := kt.Files().Install(s, 0, flags&unix.O_CLOEXEC != 0, kt.Limits().Get(unix.RLIMIT_NOFILE).Cur)
	if err != nil {
		s.DecRef(kt)
	}
	return uintptr(fd), err
}

// Attributes implements pseudo.Attributes: a slave's owner and mode are set by
// login(1) and its like.
func (t *tty) Attributes() (uid, gid, perm uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.uid, t.mu.gid, t.mu.perm
}

// SetAttributes implements pseudo.Attributes.
func (t *tty) SetAttributes(uid, gid, perm uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.uid, t.mu.gid, t.mu.perm = uid, gid, perm
}

// lister has the slaves by number.
type lister struct{ fs *FS }

// Lookup implements pseudo.Lister.
func (l lister) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	n, err := strconv.Atoi(name)
	if err != nil || strconv.Itoa(n) != name {
		return nil, unix.ENOENT
	}
	l.fs.mu.Lock()
	t := l.fs.mu.ttys[n]
	l.fs.mu.Unlock()
	if t == nil || t.gone() {
		return nil, unix.ENOENT
	}
	return l.fs.pseudo.DeviceIno(unix.S_IFCHR, slaveDev(n), t, t, slaveIno(n)), nil
}

func slaveDev(n int) vfs.Dev {
	return vfs.Dev(unix.Mkdev(uint32(SlaveMajor+n>>8%slaveMajors), uint32(n&0xff)))
}

// Number is what proc_pid_stat(5) shows as tty_nr of slave n.
func Number(n int) int32 { return int32(slaveDev(n)) }

// slaveIno is the inode number of slave n: the same each time it is looked up.
func slaveIno(n int) uint64 { return uint64(n) + 3 }

// List implements pseudo.Lister.
func (l lister) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	l.fs.mu.Lock()
	ttys := maps.Clone(l.fs.mu.ttys)
	l.fs.mu.Unlock()
	var es []vfs.Dirent
	for n, t := range ttys {
		if next := int64(n) + 3; next > max(cookie, 2) && !t.gone() {
			es = append(es, vfs.Dirent{Name: strconv.Itoa(n), Ino: slaveIno(n), Type: unix.DT_CHR, Next: next})
		}
	}
	slices.SortFunc(es, func(a, b vfs.Dirent) int { return int(a.Next - b.Next) })
	return es, nil
}

// Opener is a terminal that can be opened anew by /dev/tty.
type Opener interface {
	OpenFile(t current.Task, f *vfs.File) (vfs.FileImpl, error)
}

// CTTY is the driver of /dev/tty: the controlling terminal of who opens it.
type CTTY struct{}

// Open implements the driver.
func (CTTY) Open(t current.Task, f *vfs.File) (vfs.FileImpl, error) {
	kt, ok := t.(*kernel.Task)
	if !ok {
		return nil, unix.ENXIO
	}
	o, ok := kt.ControllingTerminal().(Opener)
	if !ok {
		return nil, unix.ENXIO
	}
	return o.OpenFile(t, f)
}
