package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/ipc/sem"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// ipcPerm is struct ipc64_perm.
type ipcPerm struct {
	Key                  int32
	UID, GID, CUID, CGID uint32
	Mode                 uint32
	Seq                  uint16
	_                    [6]byte
	_                    [2]uint64
}

func permOf(id int32, p *ipc.Perm) ipcPerm {
	return ipcPerm{Key: p.Key, UID: p.UID, GID: p.GID, CUID: p.CUID, CGID: p.CGID, Mode: p.Mode, Seq: ipc.Seq(id)}
}

// semid64 is struct semid64_ds.
type semid64 struct {
	Perm       ipcPerm
	Operated   int64
	_          uint64
	Changed    int64
	_          uint64
	Semaphores uint64
	_          [2]uint64
}

// The commands of linux/sem.h.
const (
	semGetPID  = 11
	semGetVal  = 12
	semGetAll  = 13
	semGetNCnt = 14
	semGetZCnt = 15
	semSetVal  = 16
	semSetAll  = 17
	semStat    = 18
	semInfo    = 19
	semStatAny = 20
)

// semget is semget(2).
func semget(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, err := t.IPC().Semaphores.Get(t, a[0].Int(), a[1].Int(), a[2].Uint())
	return uintptr(id), err
}

// semop is semop(2).
func semop(t *kernel.Task, a arch.Args) (uintptr, error) {
	return 0, semDo(t, a[0].Int(), usermem.Addr(a[1]), a[2].Uint(), time.Time{})
}

// semtimedop is semtimedop(2).
func semtimedop(t *kernel.Task, a arch.Args) (uintptr, error) {
	var deadline time.Time
	if a[3] != 0 {
		ts, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(a[3]))
		if err != nil {
			return 0, err
		}
		if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
			return 0, unix.EINVAL
		}
		const longest = 1 << 32 // seconds: what time.Duration has room for
		deadline = time.Now().Add(time.Duration(min(ts.Sec, longest))*time.Second + time.Duration(ts.Nsec))
	}
	return 0, semDo(t, a[0].Int(), usermem.Addr(a[1]), a[2].Uint(), deadline)
}

func semDo(t *kernel.Task, id int32, addr usermem.Addr, n uint32, deadline time.Time) error {
	ns := t.IPC()
	const most = 1 << 16 // whatever root sets
	switch {
	case int64(n) > ns.SystemV.Operations.Get() || n > most:
		return unix.E2BIG
	case n < 1:
		return unix.EINVAL
	}
	ops, err := usermem.InSlice[sem.Op](t.Mem(), addr, int(n))
	if err != nil {
		return err
	}
	var undo *sem.Undo
	for _, op := range ops {
		if op.Flags&sem.Undone != 0 {
			undo = t.SemUndo()
		}
	}
	return ns.Semaphores.Do(t, id, ops, undo, deadline)
}

// semctl is semctl(2).
func semctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	r := t.IPC().Semaphores
	id, num, cmd, addr := a[0].Int(), a[1].Int(), a[2].Int(), usermem.Addr(a[3])
	if id < 0 {
		return 0, unix.EINVAL
	}
	switch cmd {
	case ipcRmid:
		return 0, r.Remove(t, id)
	case ipcSet:
		d, err := usermem.In[semid64](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		return 0, r.Set(t, id, d.Perm.UID, d.Perm.GID, d.Perm.Mode)
	case ipcStat, semStat, semStatAny:
		i, err := r.Stat(t, id, cmd != ipcStat, cmd == semStatAny)
		if err != nil {
			return 0, err
		}
		d := semid64{Perm: permOf(i.ID, &i.Perm), Operated: i.Operated, Changed: i.Changed, Semaphores: uint64(i.Semaphores)}
		if err := usermem.Out(t.Mem(), addr, &d); err != nil || cmd == ipcStat {
			return 0, err
		}
		return uintptr(i.ID), nil
	case ipcInfo, semInfo:
		return semLimits(t, cmd, addr)
	case semGetVal, semGetPID, semGetNCnt, semGetZCnt:
		v, err := r.Semaphore(t, id, num)
		switch {
		case err != nil:
			return 0, err
		case cmd == semGetVal:
			return uintptr(v.Value), nil
		case cmd == semGetPID:
			return uintptr(current.PIDSeenBy(t, v.PID)), nil
		case cmd == semGetNCnt:
			return uintptr(v.Rising), nil
		}
		return uintptr(v.Zeroing), nil
	case semGetAll:
		all, err := r.Values(t, id)
		if err != nil {
			return 0, err
		}
		return 0, usermem.OutSlice(t.Mem(), addr, all)
	case semSetVal:
		v := a[3].Int()
		if v < 0 || v > sem.MaxValue {
			return 0, unix.ERANGE
		}
		return 0, r.Assign(t, id, num, []uint16{uint16(v)})
	case semSetAll:
		n, err := r.Size(t, id)
		if err != nil {
			return 0, err
		}
		all, err := usermem.InSlice[uint16](t.Mem(), addr, n)
		if err != nil {
			return 0, err
		}
		return 0, r.Assign(t, id, 0, all)
	}
	return 0, unix.EINVAL
}

// semLimits answers IPC_INFO and SEM_INFO, whose result is the highest slot.
func semLimits(t *kernel.Task, cmd int32, addr usermem.Addr) (uintptr, error) {
	type seminfo struct{ Map, Sets, Semaphores, Undos, SetSize, Operations, UndoEntries, UndoSize, Max, MaxUndo int32 }
	l := t.IPC().SystemV
	i := seminfo{Sets: int32(l.Sets.Get()), Semaphores: int32(l.Semaphores.Get()), SetSize: int32(l.SetSize.Get()),
		Operations: int32(l.Operations.Get()), Max: sem.MaxValue, MaxUndo: sem.MaxValue}
	const entry = 20 // SEMUSZ
	i.Map, i.Undos, i.UndoEntries, i.UndoSize = 1024000000, 1024000000, 500, entry
	sets, semaphores, highest := t.IPC().Semaphores.Usage()
	if cmd == semInfo {
		i.UndoSize, i.MaxUndo = int32(sets), int32(semaphores)
	}
	return uintptr(highest), usermem.Out(t.Mem(), addr, &i)
}
