package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/ipc/shm"
	"hull/sentry/kernel"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// shmid64 is struct shmid64_ds.
type shmid64 struct {
	Key                  int32
	UID, GID, CUID, CGID uint32
	Mode                 uint32
	Seq                  uint16
	_                    [6]byte
	_                    [2]uint64
	Size                 uint64
	Attached             int64
	Detached             int64
	Changed              int64
	Creator, Last        int32
	Attaches             uint64
	_                    [2]uint64
}

// The flags and commands of linux/shm.h.
const (
	shmHugeTLB = 0o4000
	shmRdonly  = 0o10000
	shmRnd     = 0o20000
	shmRemap   = 0o40000
	shmExec    = 0o100000

	ipcRmid    = 0
	ipcSet     = 1
	ipcStat    = 2
	ipcInfo    = 3
	shmLock    = 11
	shmUnlock  = 12
	shmStat    = 13
	shmInfo    = 14
	shmStatAny = 15
)

// shmget is shmget(2).
func shmget(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[2].Uint()
	if flags&shmHugeTLB != 0 {
		return 0, unix.ENOMEM // no huge pages are reserved
	}
	id, err := t.IPC().Shared.Get(t, a[0].Int(), a[1].Size(), flags, func(size uint64) (shm.Memory, error) {
		if total, _ := t.Kernel().MemoryTotals(); size > total {
			return nil, unix.ENOMEM
		}
		return mm.NewKept(t.Kernel().Memory(), (size+usermem.PageSize-1)&^(usermem.PageSize-1)), nil
	})
	return uintptr(id), err
}

// shmat is shmat(2).
func shmat(t *kernel.Task, a arch.Args) (uintptr, error) {
	addr, flags := usermem.Addr(a[1]), a[2].Uint()
	switch {
	case addr == 0 && flags&shmRemap != 0:
		return 0, unix.EINVAL
	case flags&shmRnd != 0:
		if addr = addr.RoundDown(); addr == 0 && a[1] != 0 && flags&shmRemap != 0 {
			return 0, unix.EINVAL
		}
	case !addr.Aligned():
		return 0, unix.EINVAL
	}
	write, exec := flags&shmRdonly == 0, flags&shmExec != 0
	s, err := t.IPC().Shared.Attach(t, a[0].Int(), write, exec)
	if err != nil {
		return 0, err
	}
	o := mm.MapOpts{Addr: addr, Length: s.Size(), Prot: platform.Prot(unix.PROT_READ), Shared: true,
		Fixed: addr != 0 && flags&shmRemap != 0, NoReplace: addr != 0 && flags&shmRemap == 0, File: s, Name: s.Named()}
	if write {
		o.Prot |= unix.PROT_WRITE
	} else {
		o.MaxProt = unix.PROT_READ | unix.PROT_EXEC
	}
	if exec {
		o.Prot |= unix.PROT_EXEC
	}
	at, err := t.MM().Map(o, t.MMLimits())
	if err == unix.EEXIST {
		err = unix.EINVAL
	}
	return uintptr(at), err
}

// shmdt is shmdt(2).
func shmdt(t *kernel.Task, a arch.Args) (uintptr, error) {
	addr := usermem.Addr(a[0])
	if !addr.Aligned() {
		return 0, unix.EINVAL
	}
	f, err := t.MM().UnmapFile(addr, func(m mm.Mappable) bool {
		_, ok := m.(*shm.Segment)
		return ok
	})
	if err != nil {
		return 0, err
	}
	f.(*shm.Segment).Detached(t)
	return 0, nil
}

// shmctl is shmctl(2).
func shmctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	r := t.IPC().Shared
	id, cmd, addr := a[0].Int(), a[1].Int(), usermem.Addr(a[2])
	if id < 0 || cmd < 0 {
		return 0, unix.EINVAL
	}
	switch cmd {
	case ipcRmid:
		return 0, r.Remove(t, id)
	case ipcSet:
		d, err := usermem.In[shmid64](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		return 0, r.Set(t, id, d.UID, d.GID, d.Mode)
	case shmLock, shmUnlock:
		return 0, r.Pin(t, id, cmd == shmLock)
	case ipcStat, shmStat, shmStatAny:
		i, found, err := r.Stat(t, id, cmd != ipcStat, cmd == shmStatAny)
		if err != nil {
			return 0, err
		}
		if err := outShmid(t, addr, &i); err != nil || cmd == ipcStat {
			return 0, err
		}
		return uintptr(found), nil
	case ipcInfo, shmInfo:
		return shmLimits(t, r, cmd, addr)
	}
	return 0, unix.EINVAL
}

func outShmid(t *kernel.Task, addr usermem.Addr, i *shm.Info) error {
	d := shmid64{Key: i.Perm.Key, UID: i.Perm.UID, GID: i.Perm.GID, CUID: i.Perm.CUID, CGID: i.Perm.CGID, Mode: i.Mode(), Seq: i.Seq,
		Size: i.Size, Attached: i.Attached, Detached: i.Detached, Changed: i.Changed, Creator: current.PIDSeenBy(t, i.Creator), Last: current.PIDSeenBy(t, i.Last), Attaches: i.Attaches}
	return usermem.Out(t.Mem(), addr, &d)
}

// shmLimits answers IPC_INFO and SHM_INFO, whose result is the highest slot.
func shmLimits(t *kernel.Task, r *shm.Registry, cmd int32, addr usermem.Addr) (uintptr, error) {
	type shminfo64 struct {
		Max, Min, Segments, PerTask, Pages uint64
		_                                  [4]uint64
	}
	type usage struct {
		Segments             int32
		_                    int32
		Total, RSS, Swap     uint64
		SwapTries, SwapsDone uint64
	}
	n, pages, highest := r.Usage()
	if cmd == ipcInfo {
		l := t.IPC().SystemV
		i := shminfo64{Max: uint64(l.SegmentSize.Get()), Min: 1, Segments: uint64(l.Segments.Get()), PerTask: uint64(l.Segments.Get()),
			Pages: uint64(l.SegmentPages.Get())}
		return uintptr(highest), usermem.Out(t.Mem(), addr, &i)
	}
	u := usage{Segments: int32(n), Total: pages, RSS: pages}
	return uintptr(highest), usermem.Out(t.Mem(), addr, &u)
}
