package syscalls

import (
	"slices"

	"golang.org/x/sys/unix"

	progfile "hull/fsimpl/bpf"
	"hull/fsimpl/cgroup"
	"hull/sentry/arch"
	"hull/sentry/ebpf"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// The structs of union bpf_attr, linux/bpf.h, as far as they are looked at.
type (
	bpfLoad struct {
		Type, Count    uint32
		Code, License  uint64
		LogLevel, Size uint32
		Log            uint64
		Version, Flags uint32
	}
	bpfAttach struct {
		Target, Program, Type, Flags, Replace uint32
	}
	bpfQuery struct {
		Target, Type, Query, Flags uint32
		IDs                        uint64
		Count                      uint32
		_                          uint32
	}
	bpfInfo struct {
		FD, Size uint32
		Info     uint64
	}
	// bpfProgramInfo is the beginning of struct bpf_prog_info.
	bpfProgramInfo struct {
		Type, ID uint32
		Tag      [8]byte
	}
)

const (
	bpfPackets = 8  // BPF_PROG_TYPE_CGROUP_SKB
	bpfDevices = 15 // BPF_PROG_TYPE_CGROUP_DEVICE
	bpfAtCG    = 6  // BPF_CGROUP_DEVICE

	bpfOverride = 1 // BPF_F_ALLOW_OVERRIDE
	bpfMulti    = 2 // BPF_F_ALLOW_MULTI
	bpfReplace  = 4 // BPF_F_REPLACE
)

// bpf is bpf(2), of which there is what container runtimes do with the devices of a
// cgroup.
func bpf(t *kernel.Task, a arch.Args) (uintptr, error) {
	if c := t.Cred(); !c.HasCap(unix.CAP_SYS_ADMIN) && !(c.HasCap(unix.CAP_BPF) && c.HasCap(unix.CAP_NET_ADMIN)) {
		return 0, unix.EPERM
	}
	addr, size := usermem.Addr(a[1]), a[2].Uint64()
	switch a[0].Int() {
	case unix.BPF_PROG_LOAD:
		return bpfLoadProgram(t, addr, size)
	case unix.BPF_PROG_ATTACH, unix.BPF_PROG_DETACH:
		return 0, bpfAttachProgram(t, addr, size, a[0].Int() == unix.BPF_PROG_DETACH)
	case unix.BPF_PROG_QUERY:
		return 0, bpfQueryPrograms(t, addr, size)
	case unix.BPF_PROG_GET_FD_BY_ID:
		id, err := bpfAttr[uint32](t, addr, size)
		if err != nil {
			return 0, err
		}
		p := t.ThreadGroup().Container().Cgroup().Program(id)
		if p == nil {
			return 0, unix.ENOENT
		}
		return install(t, progfile.New(t.Kernel().Anon(), t.Cred(), p), true)
	case unix.BPF_OBJ_GET_INFO_BY_FD:
		return 0, bpfShow(t, addr, size)
	}
	t.Note("hull has of bpf(2) the programs of cgroups about devices only")
	return 0, unix.EINVAL
}

// bpfAttr copies in the beginning of an attribute; what the caller has not is zero.
func bpfAttr[T usermem.Plain](t *kernel.Task, addr usermem.Addr, size uint64) (v T, err error) {
	b := usermem.BytesOf(&v)
	if size > usermem.PageSize {
		return v, unix.E2BIG
	}
	_, err = t.Mem().CopyIn(addr, b[:min(uint64(len(b)), size)])
	return v, err
}

func bpfLoadProgram(t *kernel.Task, addr usermem.Addr, size uint64) (uintptr, error) {
	l, err := bpfAttr[bpfLoad](t, addr, size)
	if err != nil {
		return 0, err
	}
	words := kernel.DeviceWords
	switch l.Type {
	case bpfDevices:
	case bpfPackets:
		words = 0 // that there are some tells callers of attaching; they can be attached nowhere
	default:
		t.Note("hull has no programs of this type")
		return 0, unix.EINVAL
	}
	if l.Count == 0 || l.Count > ebpf.MaxInstructions {
		return 0, unix.E2BIG
	}
	code := make([]byte, int(l.Count)*8)
	if _, err := t.Mem().CopyIn(usermem.Addr(l.Code), code); err != nil {
		return 0, err
	}
	p, err := ebpf.Parse(code, words)
	if err != nil {
		return 0, err
	}
	p.Type = l.Type
	p.ID = t.Kernel().NextProgram()
	return install(t, progfile.New(t.Kernel().Anon(), t.Cred(), p), true)
}

// bpfCgroup returns the cgroup that a descriptor is of: EBADF.
func bpfCgroup(t *kernel.Task, fd, typ uint32) (*kernel.Cgroup, error) {
	if typ != bpfAtCG {
		return nil, unix.EINVAL
	}
	f, err := t.Files().Get(int32(fd))
	if err != nil {
		return nil, err
	}
	defer f.DecRef(t)
	g := cgroup.Of(f)
	if g == nil {
		return nil, unix.EBADF
	}
	return g, nil
}

// bpfProgram returns the program that a descriptor is of: EBADF, EINVAL.
func bpfProgram(t *kernel.Task, fd uint32) (*ebpf.Program, error) {
	f, err := t.Files().Get(int32(fd))
	if err != nil {
		return nil, err
	}
	defer f.DecRef(t)
	p := progfile.Of(f)
	if p == nil {
		return nil, unix.EINVAL
	}
	return p, nil
}

func bpfAttachProgram(t *kernel.Task, addr usermem.Addr, size uint64, detach bool) error {
	a, err := bpfAttr[bpfAttach](t, addr, size)
	if err != nil {
		return err
	}
	if a.Flags&^(bpfOverride|bpfMulti|bpfReplace) != 0 {
		return unix.EINVAL
	}
	p, err := bpfProgram(t, a.Program)
	if err != nil {
		return err
	}
	g, err := bpfCgroup(t, a.Target, a.Type)
	if err != nil {
		return err
	}
	if p.Type != bpfDevices {
		return unix.EINVAL
	}
	var old *ebpf.Program
	if !detach && a.Flags&bpfReplace != 0 {
		if old, err = bpfProgram(t, a.Replace); err != nil {
			return err
		}
	}
	return g.SetPrograms(func(have []*ebpf.Program) ([]*ebpf.Program, error) {
		i := slices.Index(have, p)
		switch {
		case detach && i < 0:
			return nil, unix.ENOENT
		case detach:
			return slices.Delete(have, i, i+1), nil
		case old != nil:
			k := slices.Index(have, old)
			if k < 0 {
				return nil, unix.ENOENT
			}
			have[k] = p
			return have, nil
		case i >= 0:
			return nil, unix.EINVAL
		case a.Flags&bpfMulti == 0 && len(have) > 0:
			have = nil // one takes the place of another
		}
		return append(have, p), nil
	})
}

func bpfQueryPrograms(t *kernel.Task, addr usermem.Addr, size uint64) error {
	const flagsAt, countAt = 12, 24
	q, err := bpfAttr[bpfQuery](t, addr, size)
	if err != nil {
		return err
	}
	g, err := bpfCgroup(t, q.Target, q.Type)
	if err != nil {
		return err
	}
	ps := g.Programs()
	flags, n := uint32(bpfMulti), uint32(len(ps))
	if n == 0 {
		flags = 0
	}
	if err := usermem.Out(t.Mem(), addr+flagsAt, &flags); err != nil {
		return err
	}
	if err := usermem.Out(t.Mem(), addr+countAt, &n); err != nil {
		return err
	}
	if q.Count == 0 || q.IDs == 0 || n == 0 {
		return nil
	}
	for i, p := range ps[:min(n, q.Count)] {
		if err := usermem.Out(t.Mem(), usermem.Addr(q.IDs)+usermem.Addr(4*i), &p.ID); err != nil {
			return err
		}
	}
	if q.Count < n {
		return unix.ENOSPC
	}
	return nil
}

func bpfShow(t *kernel.Task, addr usermem.Addr, size uint64) error {
	a, err := bpfAttr[bpfInfo](t, addr, size)
	if err != nil {
		return err
	}
	p, err := bpfProgram(t, a.FD)
	if err != nil {
		return err
	}
	i := bpfProgramInfo{Type: p.Type, ID: p.ID, Tag: p.Tag}
	b := usermem.BytesOf(&i)
	n := min(a.Size, uint32(len(b)))
	if _, err := t.Mem().CopyOut(usermem.Addr(a.Info), b[:n]); err != nil {
		return err
	}
	return usermem.Out(t.Mem(), addr+4, &n)
}
