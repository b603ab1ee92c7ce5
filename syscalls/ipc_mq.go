package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/mqueue"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// queuesOf returns the message queues that t sees; ENOSYS in a kernel without.
func queuesOf(t *kernel.Task) (*mqueue.FS, error) {
	fs := t.IPC().Queues
	if fs == nil {
		return nil, unix.ENOSYS
	}
	return mqueue.Of(fs), nil
}

// mqOpen is mq_open(2).
func mqOpen(t *kernel.Task, a arch.Args) (uintptr, error) {
	fs, err := queuesOf(t)
	if err != nil {
		return 0, err
	}
	how := mqueue.OpenHow{Flags: a[1].Uint(), Mode: a[2].Mode() &^ t.FS().Umask()}
	if a[3] != 0 {
		attr, err := usermem.In[mqueue.Attr](t.Mem(), usermem.Addr(a[3]))
		if err != nil {
			return 0, err
		}
		how.Attr = &attr
	}
	name, err := pathArg(t, a[0])
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, unix.ENOENT
	}
	if t.Files().Full(fdLimit(t)) { // before anything is made
		return 0, unix.EMFILE
	}
	i, err := fs.Open(t, name, how)
	if err != nil {
		return 0, err
	}
	return install(t, mqueue.NewFile(t.Kernel().Anon(), t, i, name, how.Flags), true)
}

// mqUnlink is mq_unlink(2).
func mqUnlink(t *kernel.Task, a arch.Args) (uintptr, error) {
	fs, err := queuesOf(t)
	if err != nil {
		return 0, err
	}
	name, err := pathArg(t, a[0])
	if err != nil {
		return 0, err
	}
	return 0, fs.Unlink(t, name)
}

// queueArg returns the queue of a descriptor and its open file, with a
// reference. EBADF if it is none.
func queueArg(t *kernel.Task, a arch.Arg) (*mqueue.Queue, *vfs.File, error) {
	f, err := fileArg(t, a)
	if err != nil {
		return nil, nil, err
	}
	q := mqueue.OfFile(f)
	if q == nil {
		f.DecRef(t)
		return nil, nil, unix.EBADF
	}
	return q, f, nil
}

// realtimeArg decodes the time at which a wait ends, by CLOCK_REALTIME; 0 is
// never.
func realtimeArg(t *kernel.Task, addr arch.Arg) (time.Time, error) {
	if addr == 0 {
		return time.Time{}, nil
	}
	ts, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return time.Time{}, err
	}
	if _, ok := nanosOf(ts); !ok {
		return time.Time{}, unix.EINVAL
	}
	return futexDeadline(ts, true, true), nil
}

// mqTimedsend is mq_timedsend(2).
func mqTimedsend(t *kernel.Task, a arch.Args) (uintptr, error) {
	until, err := realtimeArg(t, a[4])
	if err != nil {
		return 0, err
	}
	if a[3].Uint() >= mqueue.MaxPriority {
		return 0, unix.EINVAL
	}
	q, f, err := queueArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if acc := f.Flags() & unix.O_ACCMODE; acc != unix.O_WRONLY && acc != unix.O_RDWR {
		return 0, unix.EBADF
	}
	m, err := q.Load(t.Mem(), usermem.Addr(a[1]), a[2].Size(), a[3].Uint())
	if err != nil {
		return 0, err
	}
	return 0, q.Send(t, m, f.Flags()&unix.O_NONBLOCK != 0, until)
}

// mqTimedreceive is mq_timedreceive(2). A message that cannot be stored is lost.
func mqTimedreceive(t *kernel.Task, a arch.Args) (uintptr, error) {
	until, err := realtimeArg(t, a[4])
	if err != nil {
		return 0, err
	}
	q, f, err := queueArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if acc := f.Flags() & unix.O_ACCMODE; acc != unix.O_RDONLY && acc != unix.O_RDWR {
		return 0, unix.EBADF
	}
	if a[2].Size() < uint64(q.Attr().MessageSize) {
		return 0, unix.EMSGSIZE
	}
	m, err := q.Receive(t, f.Flags()&unix.O_NONBLOCK != 0, until)
	if err != nil {
		return 0, err
	}
	if a[3] != 0 {
		if err := usermem.Out(t.Mem(), usermem.Addr(a[3]), &m.Priority); err != nil {
			return 0, err
		}
	}
	if _, err := t.Mem().CopyOut(usermem.Addr(a[1]), m.Data); err != nil {
		return 0, err
	}
	return uintptr(len(m.Data)), nil
}

// mqNotify is mq_notify(2).
func mqNotify(t *kernel.Task, a arch.Args) (uintptr, error) {
	var n mqueue.Notification
	if a[1] != 0 {
		ev, err := usermem.In[sigevent](t.Mem(), usermem.Addr(a[1]))
		if err != nil {
			return 0, err
		}
		n = mqueue.Notification{Kind: ev.Notify, Signo: ev.Signo, To: &mqListener{t.ThreadGroup(), ev.Value}}
		switch {
		case ev.Notify == sigevNone:
		case ev.Notify == sigevSignal && uint32(ev.Signo) <= maxSignal: // 0 is none
		case ev.Notify == sigevThread:
			return 0, netlinkCookie(t, &ev)
		default:
			return 0, unix.EINVAL
		}
	}
	q, f, err := queueArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	if a[1] == 0 {
		q.Unnotify(t)
		return 0, nil
	}
	return 0, q.Notify(t, n)
}

// netlinkCookie is SIGEV_THREAD: the C library is told by a cookie that comes on
// a netlink socket, and as there are none, no descriptor is one.
func netlinkCookie(t *kernel.Task, ev *sigevent) error {
	const cookieLen = 32
	if _, err := usermem.In[[cookieLen]byte](t.Mem(), usermem.Addr(ev.Value)); err != nil {
		return err
	}
	f, err := t.Files().Get(ev.Signo)
	if err != nil {
		return err
	}
	defer f.DecRef(t)
	s, err := f.Stat(t)
	if err != nil {
		return err
	}
	if s.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return unix.ENOTSOCK
	}
	return unix.EINVAL
}

// mqListener is a process that mq_notify(2) registered.
type mqListener struct {
	group *kernel.ThreadGroup
	value uint64
}

// MessageArrived implements mqueue.Notified.
func (l *mqListener) MessageArrived(from current.Task, signo int32) {
	const byQueue = -3 // SI_MESGQ
	info := kernel.SignalInfo{Signo: signo, Code: byQueue, Value: l.value, UID: from.Cred().RUID}
	if t, ok := from.(*kernel.Task); ok {
		info.PID = t.ThreadGroup().IDIn(l.group.PIDNS())
		info.Inside = info.PID != 0
	}
	_ = l.group.SendSignal(&info) // a signal too many is lost, as on Linux
}

// PIDFor implements mqueue.Notified.
func (l *mqListener) PIDFor(t current.Task) int32 {
	if kt, ok := t.(*kernel.Task); ok {
		return l.group.IDIn(kt.PIDNS())
	}
	return 0
}

// mqGetsetattr is mq_getsetattr(2): of the attributes only O_NONBLOCK changes.
func mqGetsetattr(t *kernel.Task, a arch.Args) (uintptr, error) {
	var set mqueue.Attr
	if a[1] != 0 {
		var err error
		if set, err = usermem.In[mqueue.Attr](t.Mem(), usermem.Addr(a[1])); err != nil {
			return 0, err
		}
		if set.Flags&^unix.O_NONBLOCK != 0 {
			return 0, unix.EINVAL
		}
	}
	q, f, err := queueArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	old := q.Attr()
	old.Flags = int64(f.Flags() & unix.O_NONBLOCK)
	if a[1] != 0 {
		if err := f.SetFlags(t, f.Flags()&^unix.O_NONBLOCK|uint32(set.Flags)); err != nil {
			return 0, err
		}
		q.Touch()
	}
	if a[2] == 0 {
		return 0, nil
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[2]), &old)
}
