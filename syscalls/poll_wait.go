package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// timeout is how long a call of this family waits. The zero value is: for ever.
type timeout struct {
	set      bool
	deadline time.Time
}

func after(d time.Duration) timeout { return timeout{true, time.Now().Add(max(d, 0))} }

// now reports whether the call is not to wait at all.
func (w timeout) now() bool { return w.set && !w.deadline.After(time.Now()) }

// left is what remains.
func (w timeout) left() time.Duration { return max(time.Until(w.deadline), 0) }

// maxWait keeps sums of times from overflowing: 100 years.
const maxWait = 100 * 365 * 24 * time.Hour

func millis(ms int32) timeout {
	if ms < 0 {
		return timeout{}
	}
	return after(time.Duration(ms) * time.Millisecond)
}

// timespecArg decodes a timeout, for ever if addr is 0; EINVAL for none.
func timespecArg(t *kernel.Task, addr arch.Arg) (timeout, error) {
	if addr == 0 {
		return timeout{}, nil
	}
	ts, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return timeout{}, err
	}
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
		return timeout{}, unix.EINVAL
	}
	if ts.Sec >= int64(maxWait/time.Second) {
		return after(maxWait), nil
	}
	return after(time.Duration(ts.Sec)*time.Second + time.Duration(ts.Nsec)), nil
}

// outLeft tells the guest what remains of its timeout. That it cannot be told
// is no error.
func outLeft(t *kernel.Task, addr arch.Arg, w timeout) {
	if addr == 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(w.left()))
	_ = usermem.Out(t.Mem(), usermem.Addr(addr), &ts)
}

// maskArg decodes and sets a temporary signal mask; addr 0 is none.
func maskArg(t *kernel.Task, addr, size arch.Arg) error {
	if addr == 0 {
		return nil
	}
	if size != 8 {
		return unix.EINVAL
	}
	set, err := usermem.In[kernel.SignalSet](t.Mem(), usermem.Addr(addr))
	if err != nil {
		return err
	}
	t.SetTemporaryMask(set)
	return nil
}

// polled is a file that poll or select asks about.
type polled struct {
	file  *vfs.File // nil: not asked
	fd    int32     // of select, as the next
	sets  uint8     // those that it is in
	want  wait.Mask
	got   wait.Mask
	entry wait.Entry
}

// pollFiles fills in got and returns how many files have any, waiting until one
// does, w passes, or a signal comes (an abi restart code).
func pollFiles(t *kernel.Task, files []polled, w timeout) (int, error) {
	if n := scan(files); n > 0 || w.now() {
		return n, nil
	}
	for i := range files {
		if f := &files[i]; f.file != nil {
			f.entry.Listener = t.Waker()
			f.file.Register(&f.entry, f.want)
		}
	}
	defer func() {
		for i := range files {
			if f := &files[i]; f.file != nil {
				f.file.Unregister(&f.entry)
			}
		}
	}()
	for {
		if n := scan(files); n > 0 {
			return n, nil
		}
		switch err := t.Block(nil, w.deadline); err {
		case nil:
		case unix.ETIMEDOUT:
			return scan(files), nil
		default:
			return 0, err
		}
	}
}

func scan(files []polled) int {
	n := 0
	for i := range files {
		f := &files[i]
		if f.file == nil {
			continue
		}
		f.got = f.file.Readiness(f.want|wait.Err|wait.Hup) & (f.want | wait.Err | wait.Hup)
		if f.got != 0 {
			n++
		}
	}
	return n
}

func dropPolled(t *kernel.Task, files []polled) {
	for i := range files {
		if f := files[i].file; f != nil {
			f.DecRef(t)
		}
	}
}

// interrupted turns the restart code of a wait into the one of these calls:
// again unless a handler runs.
func interrupted(err error) error {
	if err == abi.ERESTARTSYS {
		return abi.ERESTARTNOHAND
	}
	return err
}
