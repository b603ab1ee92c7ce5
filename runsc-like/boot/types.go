package boot

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/devpts"
	"hull/fsimpl/mqueue"
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
	s.types["proc"] = procType{s.kernel, s.env}
	s.types["sysfs"] = sysType{s.cfg.CPUs, s.env}
	s.types["tmpfs"] = tmpfsType{s.memory, s.env}
	s.types["mqueue"] = mqueueType{s.queues}
	s.types["devpts"] = devptsType{s.kernel, s.env}
}

// procType makes instances of proc, each showing the mounter's pid namespace.
type procType struct {
	k   *kernel.Kernel
	env *vfs.Environment
}

// NoDev implements vfs.FilesystemType.
func (procType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (p procType) New(t current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	ns := p.k.RootPIDNS()
	if kt, ok := t.(*kernel.Task); ok {
		ns = kt.PIDNS()
	}
	fs, root := proc.New(p.k, ns, p.env.AnonDev())
	return fs.VFS(), root, nil
}

// sysType makes instances of sysfs.
type sysType struct {
	cpus int
	env  *vfs.Environment
}

// NoDev implements vfs.FilesystemType.
func (sysType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (s sysType) New(_ current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	fs, root := sys.New(s.env.AnonDev(), s.cpus)
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

// mqueueType mounts the message queues, which are there without a mount too.
type mqueueType struct{ queues *mqueue.FS }

// NoDev implements vfs.FilesystemType.
func (mqueueType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (m mqueueType) New(_ current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	if data != "" {
		return nil, nil, unix.EINVAL
	}
	fs, root := m.queues.Mountable()
	return fs, root, nil
}

// devptsType makes instances of devpts.
type devptsType struct {
	k   *kernel.Kernel
	env *vfs.Environment
}

// NoDev implements vfs.FilesystemType.
func (devptsType) NoDev() bool { return true }

// New implements vfs.FilesystemType.
func (p devptsType) New(_ current.Task, _, data string) (*vfs.Filesystem, *vfs.Inode, error) {
	o, err := devptsOptions(data)
	if err != nil {
		return nil, nil, err
	}
	fs, root := devpts.New(p.k, p.env.AnonDev(), o)
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
