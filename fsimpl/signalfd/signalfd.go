// Package signalfd has signalfd(2): pending signals of who reads, as a file.
//
//   - A read takes signals of the reader; a poll asks for those of the task that
//     read last, at first the one that made the file. (On Linux a poll asks for
//     the caller's own; the two differ only for a file that is shared by
//     processes and polled by one that never read it.)
//   - The file's own queue is told of what comes to that task's process.
package signalfd

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// infoSize is sizeof(struct signalfd_siginfo).
const infoSize = 128

// File is the open file.
type File struct {
	vfs.NoIoctl
	q wait.Queue

	mu    lock.Mutex[lock.Inode] // guards what follows
	mask  kernel.SignalSet
	owner *kernel.Task
	relay wait.Entry // on the queue of owner's process
}

var _ vfs.FileImpl = (*File)(nil)

// New makes a signalfd of t for the signals of mask. flags are O_NONBLOCK.
func New(anon *vfs.AnonFS, t *kernel.Task, mask kernel.SignalSet, flags uint32) *vfs.File {
	s := &File{mask: mask, owner: t}
	s.relay.Listener = s
	t.ThreadGroup().SignalQueue().Register(&s.relay, wait.In)
	return vfs.Anonymous(anon, s, "anon_inode:[signalfd]", 0600, unix.O_RDWR|flags, t.Cred(), true)
}

// Of returns the signalfd that f is, or nil.
func Of(f *vfs.File) *File {
	s, _ := f.Impl().(*File)
	return s
}

// SetMask replaces the signals.
func (s *File) SetMask(mask kernel.SignalSet) {
	s.mu.Lock()
	s.mask = mask
	s.mu.Unlock()
	s.q.Notify(wait.In | wait.RdNrm)
}

// Notify implements wait.Listener: a signal came.
func (s *File) Notify(m wait.Mask) { s.q.Notify(m) }

// readBy makes t the task whose signals are polled, and returns the mask.
func (s *File) readBy(t *kernel.Task) kernel.SignalSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.owner; old != t {
		s.owner = t
		if old.ThreadGroup() != t.ThreadGroup() {
			old.ThreadGroup().SignalQueue().Unregister(&s.relay)
			t.ThreadGroup().SignalQueue().Register(&s.relay, wait.In)
		}
	}
	return s.mask
}

// Read implements vfs.FileImpl.
func (s *File) Read(ct current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	t, ok := ct.(*kernel.Task)
	if !ok || dst.Len() < infoSize {
		return 0, unix.EINVAL
	}
	mask := s.readBy(t)
	var n int64
	for dst.Len() >= infoSize {
		info, ok := t.TakeSignal(mask)
		if !ok {
			break
		}
		b := marshal(&info)
		if _, err := dst.CopyOut(b[:]); err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		n += infoSize
	}
	if n == 0 {
		return 0, unix.EAGAIN
	}
	return n, nil
}

// marshal makes a struct signalfd_siginfo of what siginfo_t says.
func marshal(i *kernel.SignalInfo) [infoSize]byte {
	var b [infoSize]byte
	le := binary.LittleEndian
	u32 := func(off int, v uint32) { le.PutUint32(b[off:], v) }
	u32(0, uint32(i.Signo))
	u32(4, uint32(i.Errno))
	u32(8, uint32(i.Code))
	u32(12, uint32(i.PID))
	u32(16, i.UID)
	u32(20, uint32(i.FD))
	u32(24, uint32(i.TimerID))
	u32(28, uint32(i.Band))
	u32(32, uint32(i.Overrun))
	u32(40, uint32(i.Status))
	u32(44, uint32(i.Value))
	le.PutUint64(b[48:], i.Value)
	le.PutUint64(b[56:], uint64(i.Utime))
	le.PutUint64(b[64:], uint64(i.Stime))
	le.PutUint64(b[72:], i.Addr)
	return b
}

// Write implements vfs.FileImpl.
func (s *File) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// Readiness implements wait.Waitable.
func (s *File) Readiness(m wait.Mask) wait.Mask {
	s.mu.Lock()
	t, mask := s.owner, s.mask
	s.mu.Unlock()
	if !t.HasSignal(mask) {
		return 0
	}
	return m & (wait.In | wait.RdNrm)
}

// Register implements wait.Waitable.
func (s *File) Register(e *wait.Entry, m wait.Mask) { s.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (s *File) Unregister(e *wait.Entry) { s.q.Unregister(e) }

// Release implements vfs.FileImpl.
func (s *File) Release(current.Task, *vfs.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner.ThreadGroup().SignalQueue().Unregister(&s.relay)
}
