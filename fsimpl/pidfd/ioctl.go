package pidfd

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The ioctls of a pidfd, linux/pidfd.h: PIDFD_GET_*_NAMESPACE opens a namespace of what
// it stands for, PIDFD_GET_INFO tells what it is, or how it ended.
//
//	struct pidfd_info
//	 0  mask 8: what is asked for, and what is told
//	 8  cgroupid 8
//	16  pid 4, tgid 4, ppid 4
//	28  ruid 4, rgid 4, euid 4, egid 4, suid 4, sgid 4, fsuid 4, fsgid 4
//	60  exit_code 4, as wait(2) has it
//	64  coredump_mask 4, and 4 more
const (
	getFirst = 0xff01 // PIDFD_GET_CGROUP_NAMESPACE
	getLast  = 0xff0a // PIDFD_GET_UTS_NAMESPACE

	// PIDFD_GET_INFO without the size of the struct that the caller has.
	getInfo     = 0xc000ff0b
	infoSize    = 0x3fff << 16
	minInfo     = 64
	sizeofInfo  = 72
	infoPID     = 1
	infoCreds   = 2
	infoExit    = 8
	infoCore    = 16
	coreSkip    = 2          // PIDFD_COREDUMP_SKIP
	coreAsUser  = 4          // PIDFD_COREDUMP_USER
	coreAsRoot  = 8          // PIDFD_COREDUMP_ROOT
	fsGetNumber = 0x80087601 // FS_IOC_GETVERSION
)

// namespaceNames are the namespaces in the order of their ioctls, by their names in
// /proc/PID/ns.
func namespaceNames() []string {
	return []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"}
}

// Ioctl implements vfs.FileImpl.
func (p *File) Ioctl(ct current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	t, ok := ct.(*kernel.Task)
	if !ok {
		return 0, unix.ENOTTY
	}
	switch {
	case cmd == fsGetNumber:
		if arg == 0 {
			return 0, unix.EINVAL
		}
		generation := uint32(p.Serial() >> 32)
		return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &generation)
	case cmd&^infoSize == getInfo && cmd&infoSize>>16 >= minInfo:
		return 0, p.info(t, usermem.Addr(arg), int(cmd&infoSize>>16))
	case cmd < getFirst || cmd > getLast:
		return 0, unix.ENOTTY
	}
	if _, err := p.Task(); err != nil {
		return 0, err
	}
	if arg != 0 {
		return 0, unix.EINVAL
	}
	path, err := t.NamespaceOfRef(p.PIDRef, namespaceNames()[cmd-getFirst])
	if err != nil {
		return 0, err
	}
	f, err := vfs.OpenPath(t, path, vfs.OpenHow{})
	path.DecRef()
	if err != nil {
		return 0, err
	}
	fd, err := t.Files().Install(f, 0, true, t.Limits().Get(unix.RLIMIT_NOFILE).Cur)
	if err != nil {
		f.DecRef(t)
		return 0, err
	}
	return uintptr(fd), nil
}

// info is PIDFD_GET_INFO for a caller whose struct has size bytes. How it ended is told
// once nobody waits for it any more; of cgroups no numbers are told.
func (p *File) info(t *kernel.Task, addr usermem.Addr, size int) error {
	if addr == 0 {
		return unix.EINVAL
	}
	asked, err := usermem.In[uint64](t.Mem(), addr)
	if err != nil {
		return err
	}
	i, err := p.Info(t.PIDNS())
	switch {
	case err != nil:
		return err
	case i.Gone && asked&infoExit == 0:
		return unix.ESRCH
	}
	b, told := make([]byte, sizeofInfo), uint64(0)
	ne := binary.NativeEndian
	if i.Gone {
		told = infoExit
		ne.PutUint32(b[60:], uint32(i.Status))
	} else {
		told = infoPID | infoCreds
		c := i.Cred
		for k, v := range []uint32{uint32(i.PID), uint32(i.TGID), uint32(i.PPID), c.RUID, c.RGID, c.EUID, c.EGID, c.SUID, c.SGID, c.FSUID, c.FSGID} {
			ne.PutUint32(b[16+4*k:], v)
		}
		if asked&infoCore != 0 {
			told |= infoCore
			ne.PutUint32(b[64:], map[int]uint32{0: coreSkip, 1: coreAsUser, 2: coreAsRoot}[i.Dumpable])
		}
	}
	ne.PutUint64(b, told)
	if size > len(b) {
		if _, err := t.Mem().ZeroOut(addr+sizeofInfo, uint64(size-len(b))); err != nil {
			return err
		}
	}
	_, err = t.Mem().CopyOut(addr, b[:min(size, len(b))])
	return err
}
