package proc

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/fsimpl/nsfs"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// FS is one instance of proc, which shows one pid namespace.
type FS struct {
	ps *pseudo.FS
	k  *kernel.Kernel
	ns *kernel.PIDNamespace
	// ipc is whose numbers who is no task sees in sys: boot.
	ipc *kernel.IPCNamespace
	// spaces are where /proc/PID/ns leads to; nil for nowhere.
	spaces *nsfs.FS
}

// New returns an instance that shows ns, and its root inode with a reference.
func New(k *kernel.Kernel, ns *kernel.PIDNamespace, ipc *kernel.IPCNamespace, spaces *nsfs.FS, dev vfs.Dev) (*FS, *vfs.Inode) {
	fs := &FS{ps: pseudo.New("proc", unix.PROC_SUPER_MAGIC, dev, true, ""), k: k, ns: ns, ipc: ipc, spaces: spaces}
	p := fs.ps
	text := func(name string, mode uint32, c pseudo.Content) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: p.Text(mode, c, nil)}
	}
	link := func(name string, l pseudo.Target) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: p.Link(l, nil)}
	}
	root := p.Dynamic(0555, tasks{fs}, nil,
		link("self", self{fs, false}),
		link("thread-self", self{fs, true}),
		link("mounts", pseudo.To("self/mounts")),
		link("net", pseudo.To("self/net")),
		text("cmdline", 0444, pseudo.Static("hull\n")),
		text("cpuinfo", 0444, cpuinfo{fs}),
		text("devices", 0444, pseudo.Static(devices)),
		text("filesystems", 0444, pseudo.Static(filesystems)),
		text("interrupts", 0444, interrupts{fs}),
		text("loadavg", 0444, loadavg{fs}),
		text("meminfo", 0444, meminfo{fs}),
		text("partitions", 0444, pseudo.Static("major minor  #blocks  name\n\n")),
		text("stat", 0444, stat{fs}),
		text("swaps", 0444, swaps{"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"}),
		text("uptime", 0444, uptime{fs}),
		text("version", 0444, version{fs}),
		text("vmstat", 0444, vmstat{fs}),
		text("cgroups", 0444, pseudo.Static("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")),
		pseudo.Entry{Name: "sys", Inode: fs.sysctl()},
		fs.sysvipc(),
		pseudo.Entry{Name: "tty", Inode: p.Dir(0555, text("drivers", 0444, pseudo.Static(ttyDrivers)))},
	)
	return fs, root
}

// VFS returns what to mount.
func (fs *FS) VFS() *vfs.Filesystem { return fs.ps.VFS }

// task returns the kernel task that asks, or nil for one that is none.
func task(t current.Task) *kernel.Task {
	kt, _ := t.(*kernel.Task)
	return kt
}

// self is /proc/self and /proc/thread-self.
type self struct {
	fs     *FS
	thread bool
}

// Readlink implements pseudo.Target.
func (s self) Readlink(t current.Task) (string, error) {
	kt := task(t)
	if kt == nil {
		return "", unix.ENOENT
	}
	tgid := kt.ThreadGroup().IDIn(s.fs.ns)
	if tgid == 0 {
		return "", unix.ENOENT
	}
	name := strconv.Itoa(int(tgid))
	if s.thread {
		name += "/task/" + strconv.Itoa(int(kt.TIDIn(s.fs.ns)))
	}
	return name, nil
}

// tasks are the directories of processes in /proc. A thread that leads no
// group is found by name but not listed.
type tasks struct{ fs *FS }

// Lookup implements pseudo.Lister.
func (l tasks) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	id, ok := number(name)
	if !ok {
		return nil, unix.ENOENT
	}
	t := l.fs.ns.Task(id)
	if t == nil {
		return nil, unix.ENOENT
	}
	return l.fs.pidDir(t, false), nil
}

// List implements pseudo.Lister.
func (l tasks) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	var ids []int32
	for _, g := range l.fs.ns.Groups() {
		ids = append(ids, g.IDIn(l.fs.ns))
	}
	return dirents(ids, cookie, unix.DT_DIR), nil
}

// number reads a name that is a number without leading zeros.
func number(name string) (int32, bool) {
	n, err := strconv.ParseInt(name, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != name {
		return 0, false
	}
	return int32(n), true
}

// dirents makes entries of numbers: cookie is the last one seen, moved up by 2.
func dirents(ids []int32, cookie int64, typ uint8) []vfs.Dirent {
	slices.Sort(ids)
	var es []vfs.Dirent
	for _, id := range ids {
		if next := int64(id) + 3; next > max(cookie, 2) {
			es = append(es, vfs.Dirent{Name: strconv.Itoa(int(id)), Ino: uint64(id) + 1<<32, Type: typ, Next: next})
		}
	}
	return es
}

// names makes entries of fixed names.
func names(ns []string, types func(string) uint8, cookie int64) []vfs.Dirent {
	var es []vfs.Dirent
	for i, n := range ns {
		if next := int64(i) + 3; next > max(cookie, 2) {
			es = append(es, vfs.Dirent{Name: n, Ino: uint64(i) + 1<<33, Type: types(n), Next: next})
		}
	}
	return es
}
