// Package current is the calling task as the packages below kernel see it.
//
// The interface is small on purpose: who asks, whose memory, what limits, and
// the one way to wait. kernel.Task implements it; currenttest.Task is the fake
// with which a file system is tested without a kernel.
package current

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Task is the calling task. Its methods are called on the task's goroutine.
type Task interface {
	// Cred returns who asks.
	Cred() *auth.Cred

	// Mem returns the caller's memory.
	Mem() usermem.IO

	// Limits returns the caller's resource limits.
	Limits() *limits.Set

	// Waker returns what wakes a Block of this task. Notified while the task
	// is not in Block, it makes the next Block return at once.
	Waker() wait.Listener

	// Block sleeps until the Waker was notified, ch (if not nil) delivers or
	// is closed, the deadline (if not zero) passes, or the task is
	// interrupted. It returns nil for the first two, ETIMEDOUT, or
	// abi.ERESTARTSYS. Waits for an object go through Retry; ch is for round
	// trips to a server (gofer, FUSE).
	Block(ch <-chan struct{}, deadline time.Time) error

	// IDs returns the thread and thread group id in the root pid namespace.
	IDs() (tid, tgid int32)

	// Signal sends a signal to the calling task itself (SIGPIPE, SIGXFSZ).
	Signal(signo int)

	// Note records in words why an error is about to be returned. It is free
	// when nobody listens.
	Note(why string)
}

// Numbering is implemented by tasks that see other numbers than those of the root
// pid namespace.
type Numbering interface {
	// SeenPID is PIDSeenBy.
	SeenPID(root int32) int32
}

// PIDSeenBy returns the number that t sees of the process with a number in the
// root pid namespace (see IDs); 0 if it sees none.
func PIDSeenBy(t Task, root int32) int32 {
	if n, ok := t.(Numbering); ok {
		return n.SeenPID(root)
	}
	return root
}

// Process is a process, however long it has ended: what a pidfd stands for. Only the
// kernel knows more of it.
type Process interface {
	// Serial is a number that no other process ever has.
	Serial() uint64
}

// Belonging is implemented by tasks that can say whose they are.
type Belonging interface {
	// Process returns the task's process.
	Process() Process
}

// ProcessOf returns t's process; nil of one that cannot say.
func ProcessOf(t Task) Process {
	if b, ok := t.(Belonging); ok {
		return b.Process()
	}
	return nil
}

// Retry calls try until it returns anything but EAGAIN, sleeping in between
// until w is ready for mask. It is the only wait loop: implementations return
// EAGAIN and notify their queue. The try function must return EAGAIN without
// side effects.
func Retry(t Task, w wait.Waitable, mask wait.Mask, deadline time.Time, try func() error) error {
	if err := try(); err != unix.EAGAIN {
		return err
	}
	e := wait.Entry{Listener: t.Waker()}
	w.Register(&e, mask)
	defer w.Unregister(&e)
	for {
		// Once more with the entry on the queue: what came in between was not
		// notified to it.
		if err := try(); err != unix.EAGAIN {
			return err
		}
		if err := t.Block(nil, deadline); err != nil {
			// What was waited for may have come with the signal, and wins.
			if now := try(); now != unix.EAGAIN {
				return now
			}
			return err
		}
	}
}
