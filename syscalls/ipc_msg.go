package syscalls

import (
	"math"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/ipc/msg"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// msqid64 is struct msqid64_ds.
type msqid64 struct {
	Perm                    ipcPerm
	Sent, Received, Changed int64
	Bytes, Messages, Most   uint64
	Sender, Receiver        int32
	_                       [2]uint64
}

// The commands of linux/msg.h.
const (
	msgStat    = 11
	msgInfo    = 12
	msgStatAny = 13
)

// typeSize is the size of a message's type, which comes before its data.
const typeSize = 8

// msgget is msgget(2).
func msgget(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, err := t.IPC().Messages.Get(t, a[0].Int(), a[1].Uint())
	return uintptr(id), err
}

// msgsnd is msgsnd(2).
func msgsnd(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, addr, size := a[0].Int(), usermem.Addr(a[1]), a[2].Size()
	typ, err := usermem.In[int64](t.Mem(), addr)
	if err != nil {
		return 0, err
	}
	if id < 0 || typ < 1 {
		return 0, unix.EINVAL
	}
	r := t.IPC().Messages
	m, err := r.NewMessage(typ, size)
	if err != nil {
		return 0, err
	}
	if _, err := t.Mem().CopyIn(addr+typeSize, m.Data); err != nil {
		r.Drop(m)
		return 0, err
	}
	return 0, r.Send(t, id, m, a[3].Uint())
}

// msgrcv is msgrcv(2). A message that cannot be stored is lost.
func msgrcv(t *kernel.Task, a arch.Args) (uintptr, error) {
	id, addr, size, typ, flags := a[0].Int(), usermem.Addr(a[1]), a[2].Size(), int64(a[3]), a[4].Uint()
	if id < 0 || size > math.MaxInt64 {
		return 0, unix.EINVAL
	}
	if flags&msg.Copying != 0 && (flags&msg.Others != 0 || flags&msg.NoWait == 0) {
		return 0, unix.EINVAL
	}
	m, err := t.IPC().Messages.Receive(t, id, typ, size, flags)
	if err != nil {
		return 0, err
	}
	if err := usermem.Out(t.Mem(), addr, &m.Type); err != nil {
		return 0, err
	}
	data := m.Data[:min(uint64(len(m.Data)), size)]
	if _, err := t.Mem().CopyOut(addr+typeSize, data); err != nil {
		return 0, err
	}
	return uintptr(len(data)), nil
}

// msgctl is msgctl(2).
func msgctl(t *kernel.Task, a arch.Args) (uintptr, error) {
	r := t.IPC().Messages
	id, cmd, addr := a[0].Int(), a[1].Int(), usermem.Addr(a[2])
	if id < 0 || cmd < 0 {
		return 0, unix.EINVAL
	}
	switch cmd {
	case ipcRmid:
		return 0, r.Remove(t, id)
	case ipcSet:
		d, err := usermem.In[msqid64](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		return 0, r.Set(t, id, d.Perm.UID, d.Perm.GID, d.Perm.Mode, d.Most)
	case ipcStat, msgStat, msgStatAny:
		i, err := r.Stat(t, id, cmd != ipcStat, cmd == msgStatAny)
		if err != nil {
			return 0, err
		}
		d := msqid64{Perm: permOf(i.ID, &i.Perm), Sent: i.Sent, Received: i.Received, Changed: i.Changed,
			Bytes: uint64(i.Bytes), Messages: uint64(i.Messages), Most: uint64(i.Most),
			Sender: current.PIDSeenBy(t, i.Sender), Receiver: current.PIDSeenBy(t, i.Receiver)}
		if err := usermem.Out(t.Mem(), addr, &d); err != nil || cmd == ipcStat {
			return 0, err
		}
		return uintptr(i.ID), nil
	case ipcInfo, msgInfo:
		return msgLimits(t, cmd, addr)
	}
	return 0, unix.EINVAL
}

// msgLimits answers IPC_INFO and MSG_INFO, whose result is the highest slot.
func msgLimits(t *kernel.Task, cmd int32, addr usermem.Addr) (uintptr, error) {
	type msginfo struct {
		Pool, Map, Size, QueueSize, Queues, Segment, Headers int32
		Segments                                             uint16
		_                                                    [2]byte
	}
	l := t.IPC().SystemV
	i := msginfo{Size: int32(l.MessageSize.Get()), QueueSize: int32(l.QueueSize.Get()), Queues: int32(l.Queues.Get()),
		Pool: 512000, Map: 16384, Headers: 16384, Segment: 16, Segments: math.MaxUint16}
	queues, messages, bytes, highest := t.IPC().Messages.Usage()
	if cmd == msgInfo {
		i.Pool, i.Map, i.Headers = int32(queues), int32(messages), int32(bytes)
	}
	return uintptr(highest), usermem.Out(t.Mem(), addr, &i)
}
