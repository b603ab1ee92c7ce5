package boot

import (
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/fsimpl/cgroup"
	"hull/fsimpl/devpts"
	"hull/fsimpl/mqueue"
	"hull/fsimpl/nsfs"
	"hull/fsimpl/proc"
	"hull/fsimpl/sys"
	"hull/fsimpl/tmpfs"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/mem"
	"hull/sentry/vfs"
)

// addTypes fills in what mount(2) can mount.
func (s *sandbox) addTypes() {
	s.types["proc"] = procType{s, s.spaces}
	s.types["sysfs"] = sysType{s.kernel, s.cfg.CPUs, s.env}
	s.types["tmpfs"] = tmpfsType{s.memory, s.env}
	s.types["devpts"] = devptsType{s}
	s.types["cgroup2"] = cgroupType{s}
	s.types["cgroup"] = s.types["cgroup2"] // a container that is told of version 1 sees 2: hull's kernel has no other
	s.types["mqueue"] = mqueueType{s}
}

// namespacesOf returns the pid and IPC namespaces of who mounts.
func (s *sandbox) namespacesOf(t current.Task) (*kernel.PIDNamespace, *kernel.IPCNamespace) {
	switch t := t.(type) {
	case *kernel.Task:
		return t.PIDNS(), t.IPC()
	case *caller:
		return t.c.pids, t.c.ipc
	}
	return s.kernel.RootPIDNS(), s.kernel.InitIPC()
}

// containerOf returns the container of who asks; nil if it is gone.
func (s *sandbox) containerOf(t current.Task) *container {
	switch t := t.(type) {
	case *kernel.Task:
		return s.withProcesses(t.ThreadGroup().Container())
	case *caller:
		return t.c
	}
	return nil
}

// procType makes instances of proc, each showing the mounter's pid namespace.
type procType struct {
	s      *sandbox
	spaces *nsfs.FS
}

// NoDev implements vfs.FilesystemType.
func (procType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (p procType) New(t current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	pids, ipc := p.s.namespacesOf(t)
	fs, root := proc.New(p.s.kernel, pids, ipc, p.spaces, p.s.env.AnonDev())
	return fs.VFS(), root, nil
}

// sysType makes instances of sysfs.
type sysType struct {
	k    *kernel.Kernel
	cpus int
	env  *vfs.Environment
}

// NoDev implements vfs.FilesystemType.
func (sysType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (s sysType) New(t current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	ns := s.k.NetNS()
	if kt, ok := t.(*kernel.Task); ok {
		ns = kt.NetNS()
	}
	fs, root := sys.New(s.env.AnonDev(), s.cpus, ns)
	return fs.VFS(), root, nil
}

// tmpfsType makes instances of tmpfs.
type tmpfsType struct {
	memory *mem.File
	env    *vfs.Environment
}

// NoDev implements vfs.FilesystemType.
func (tmpfsType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (f tmpfsType) New(_ current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	o, err := tmpfs.ParseOptions(data)
	if err != nil {
		return nil, nil, err
	}
	fs, root := tmpfs.New(f.memory, f.env.AnonDev(), o)
	return fs, root, nil
}

// mqueueType mounts the message queues of the mounter's IPC namespace, which are
// there without a mount too.
type mqueueType struct{ s *sandbox }

// NoDev implements vfs.FilesystemType.
func (mqueueType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (m mqueueType) New(t current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	_, ipc := m.s.namespacesOf(t)
	fs, root := mqueue.Of(ipc.Queues).Mountable()
	return fs, root, nil
}

// cgroupType makes instances of the cgroup file system, each showing the
// mounter's container.
type cgroupType struct{ s *sandbox }

// NoDev implements vfs.FilesystemType.
func (cgroupType) NoDev() bool { return true }

// New implements vfs.FilesystemType. Linux takes options that change nothing
// here.
func (f cgroupType) New(t current.Task, _, _ string) (*vfs.Filesystem, *vfs.Inode, error) {
	c := f.s.containerOf(t)
	if c == nil {
		return nil, nil, unix.ENODEV
	}
	at := c.group.Root()
	if kt, ok := t.(*kernel.Task); ok && kt.CgroupRoot().Container() == at.Container() {
		at = kt.CgroupRoot()
	}
	fs, root := cgroup.New(c.group, at, f.s.env.AnonDev())
	return fs, root, nil
}

// groupLimits are those of a specification.
func groupLimits(r *specs.LinuxResources) cgroup.Limits {
	var l cgroup.Limits
	if r == nil {
		return l
	}
	if m := r.Memory; m != nil && m.Limit != nil {
		l.Memory = *m.Limit
		if m.Swap != nil && *m.Swap > *m.Limit {
			l.Swap = *m.Swap - *m.Limit
		}
	}
	if c := r.CPU; c != nil {
		if c.Quota != nil {
			l.Quota = *c.Quota
		}
		if c.Period != nil {
			l.Period = *c.Period
		}
		if c.Shares != nil && *c.Shares > 1 {
			l.Weight = 1 + (*c.Shares-2)*9999/262142 // as the kernel's documentation maps one to the other
		}
	}
	if p := r.Pids; p != nil && p.Limit != nil {
		l.Tasks = *p.Limit
	}
	return l
}

// devptsType makes instances of devpts.
type devptsType struct{ s *sandbox }

// NoDev implements vfs.FilesystemType.
func (devptsType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (p devptsType) New(t current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	o, err := devptsOptions(data)
	if err != nil {
		return nil, nil, err
	}
	fs, root := devpts.New(p.s.kernel, p.s.env.AnonDev(), o)
	if b, ok := t.(*caller); ok {
		b.c.terminals.add(fs)
	}
	return fs.VFS(), root, nil
}

// devptsOptions reads the options of devpts. Without ptmxmode the instance's
// ptmx is open to all, as the runtimes set it up.
func devptsOptions(data string) (devpts.Options, error) {
	o := devpts.DefaultOptions()
	o.PTMXMode = 0o666
	if data == "" {
		return o, nil
	}
	for opt := range strings.SplitSeq(data, ",") {
		name, value, _ := strings.Cut(opt, "=")
		base := 10
		switch name {
		case "newinstance":
			continue
		case "mode", "ptmxmode":
			base = 8
		}
		n, err := strconv.ParseUint(value, base, 32)
		if err != nil {
			return o, unix.EINVAL
		}
		switch name {
		case "uid":
			o.UID, o.SetUID = uint32(n), true
		case "gid":
			o.GID, o.SetGID = uint32(n), true
		case "mode":
			o.Mode = uint32(n) & 0o777
		case "ptmxmode":
			o.PTMXMode = uint32(n) & 0o777
		case "max":
			o.Max = int(min(n, 1<<20))
		default:
			return o, unix.EINVAL
		}
	}
	return o, nil
}
