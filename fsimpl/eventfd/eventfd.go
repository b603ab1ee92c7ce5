// Package eventfd has eventfd(2): a counter as a file. Reading takes it, or one
// with EFD_SEMAPHORE; writing adds to it; either waits as it must.
package eventfd

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// maxCount is the highest value that a write may lead to.
const maxCount = math.MaxUint64 - 1

// Event is the open file.
type Event struct {
	vfs.NoIoctl
	q         wait.Queue
	semaphore bool // immutable

	mu    lock.Mutex[lock.Inode]
	count uint64 // guarded by mu
}

var _ vfs.FileImpl = (*Event)(nil)

// New makes an eventfd. flags are O_NONBLOCK.
func New(anon *vfs.AnonFS, cred *auth.Cred, initial uint32, semaphore bool, flags uint32) *vfs.File {
	e := &Event{count: uint64(initial), semaphore: semaphore}
	return vfs.Anonymous(anon, e, "anon_inode:[eventfd]", 0600, unix.O_RDWR|flags, cred, true)
}

// Read implements vfs.FileImpl.
func (e *Event) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	if dst.Len() < 8 {
		return 0, unix.EINVAL
	}
	e.mu.Lock()
	v := e.count
	if v == 0 {
		e.mu.Unlock()
		return 0, unix.EAGAIN
	}
	if e.semaphore {
		v = 1
	}
	e.count -= v
	e.mu.Unlock()
	e.q.Notify(wait.Out | wait.WrNrm)
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], v)
	if _, err := dst.CopyOut(b[:]); err != nil {
		return 0, err
	}
	return 8, nil
}

// Write implements vfs.FileImpl. What is behind the first eight bytes is not
// looked at.
func (e *Event) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	if src.Len() < 8 {
		return 0, off, unix.EINVAL
	}
	var b [8]byte
	if _, err := src.CopyIn(b[:]); err != nil {
		return 0, off, err
	}
	v := binary.NativeEndian.Uint64(b[:])
	if v == math.MaxUint64 {
		return 0, off, unix.EINVAL
	}
	e.mu.Lock()
	if v > maxCount-e.count {
		e.mu.Unlock()
		return 0, off, unix.EAGAIN
	}
	e.count += v
	e.mu.Unlock()
	e.q.Notify(wait.In | wait.RdNrm)
	return 8, off, nil
}

// Readiness implements wait.Waitable.
func (e *Event) Readiness(m wait.Mask) wait.Mask {
	e.mu.Lock()
	defer e.mu.Unlock()
	var r wait.Mask
	if e.count > 0 {
		r |= wait.In
	}
	if e.count < maxCount {
		r |= wait.Out
	}
	return r & m
}

// Register implements wait.Waitable.
func (e *Event) Register(w *wait.Entry, m wait.Mask) { e.q.Register(w, m) }

// RegisterExclusive is Register for EPOLLEXCLUSIVE.
func (e *Event) RegisterExclusive(w *wait.Entry, m wait.Mask) { e.q.RegisterExclusive(w, m) }

// Unregister implements wait.Waitable.
func (e *Event) Unregister(w *wait.Entry) { e.q.Unregister(w) }

// Release implements vfs.FileImpl.
func (e *Event) Release(current.Task, *vfs.File) {}

// OneWrite implements vfs.OneWriter: a write adds one number, whatever follows
// it in the buffer.
func (*Event) OneWrite() {}

// Seek implements vfs.Seeker: it changes nothing (noop_llseek).
func (*Event) Seek(current.Task, *vfs.File, int64, int32) (int64, error) { return 0, nil }
