package mqueue

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Notification is who is told, once, when a message comes to a queue that is
// empty and that nobody waits at, mq_notify(2).
type Notification struct {
	Kind  int32 // SIGEV_*
	Signo int32
	To    Notified
	owner int32 // its process, in the root pid namespace
}

// Notified is the process of a Notification. Its methods are called without
// locks.
type Notified interface {
	// MessageArrived sends it the signal.
	MessageArrived(from current.Task, signo int32)
	// PIDFor returns its number as t sees it, 0 if it does not.
	PIDFor(t current.Task) int32
}

const sigevSignal = 0 // SIGEV_SIGNAL

// Notify registers n for the calling process; EBUSY if somebody is registered.
func (q *Queue) Notify(t current.Task, n Notification) error {
	_, n.owner = t.IDs()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.notify != nil {
		return unix.EBUSY
	}
	q.mu.notify = &n
	q.mu.looked()
	return nil
}

// Unnotify takes the calling process's registration back, if it has one.
func (q *Queue) Unnotify(t current.Task) {
	_, tgid := t.IDs()
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := q.mu.notify; n != nil && n.owner == tgid {
		q.mu.notify = nil
		q.mu.looked()
	}
}

// OfFile returns the queue that f is open on, or nil.
func OfFile(f *vfs.File) *Queue {
	if x, ok := f.Impl().(*file); ok {
		return x.q
	}
	return nil
}

// NewFile returns an open file of the queue i, whose reference it takes over.
func NewFile(anon *vfs.AnonFS, t current.Task, i *vfs.Inode, name string, flags uint32) *vfs.File {
	return vfs.NewFile(&file{q: i.Impl.(*Queue)}, anon.PathOf(i, "/"+name), flags, t.Cred(), false)
}

// Open implements vfs.InodeImpl.
func (q *Queue) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &file{q: q}, nil }

// file is an open queue.
type file struct {
	vfs.NoIoctl
	q *Queue
}

var _ vfs.Flusher = (*file)(nil)

// Read implements vfs.FileImpl: a line about the queue.
func (f *file) Read(t current.Task, _ *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	s := f.q.line(t)
	if off >= int64(len(s)) {
		return 0, nil
	}
	n, err := dst.CopyOut([]byte(s[off:]))
	return int64(n), err
}

// Write implements vfs.FileImpl: messages are sent with mq_timedsend only.
func (*file) Write(current.Task, *vfs.File, usermem.Buffer, int64) (int64, int64, error) {
	return 0, 0, unix.EINVAL
}

// Flush implements vfs.Flusher: a process that closes any descriptor of the
// queue is told no more.
func (f *file) Flush(t current.Task, _ *vfs.File) error {
	f.q.Unnotify(t)
	return nil
}

// Release implements vfs.FileImpl.
func (*file) Release(current.Task, *vfs.File) {}

// Readiness implements wait.Waitable.
func (f *file) Readiness(m wait.Mask) wait.Mask {
	f.q.mu.Lock()
	n := int64(len(f.q.mu.messages))
	f.q.mu.Unlock()
	var is wait.Mask
	if n > 0 {
		is |= wait.In | wait.RdNrm
	}
	if n < f.q.attr.MaxMessages {
		is |= wait.Out | wait.WrNrm
	}
	return is & m
}

// Register implements wait.Waitable.
func (f *file) Register(e *wait.Entry, m wait.Mask) { f.q.poll.Register(e, m) }

// Unregister implements wait.Waitable.
func (f *file) Unregister(e *wait.Entry) { f.q.poll.Unregister(e) }
