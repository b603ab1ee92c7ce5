package boot

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// caller is who asks the vfs before there is a task: the superuser, without
// memory, in the namespaces of a container.
type caller struct {
	c      *container // immutable
	cred   *auth.Cred
	limits *limits.Set
	wake   chan struct{}
}

var _ current.Task = (*caller)(nil)

func newCaller(c *container) *caller {
	return &caller{c: c, cred: auth.NewRoot(nil, auth.AllCaps), limits: limits.NewSet(), wake: make(chan struct{}, 1)}
}

// Cred implements current.Task.
func (c *caller) Cred() *auth.Cred { return c.cred }

// Mem implements current.Task.
func (c *caller) Mem() usermem.IO { return noMemory{} }

// Limits implements current.Task.
func (c *caller) Limits() *limits.Set { return c.limits }

// Waker implements current.Task.
func (c *caller) Waker() wait.Listener { return c }

// Notify implements wait.Listener.
func (c *caller) Notify(wait.Mask) {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Block implements current.Task. Nothing interrupts it.
func (c *caller) Block(ch <-chan struct{}, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-c.wake:
	case <-ch:
	case <-late:
		return unix.ETIMEDOUT
	}
	return nil
}

// hasty is a caller who does not wait.
type hasty struct{ *caller }

// Block implements current.Task.
func (hasty) Block(<-chan struct{}, time.Time) error { return unix.EAGAIN }

// IDs implements current.Task.
func (c *caller) IDs() (tid, tgid int32) { return 0, 0 }

// Signal implements current.Task.
func (c *caller) Signal(int) {}

// Note implements current.Task.
func (c *caller) Note(string) {}

// noMemory is the memory of who has none.
type noMemory struct{}

// CopyIn implements usermem.IO.
func (noMemory) CopyIn(usermem.Addr, []byte) (int, error) { return 0, unix.EFAULT }

// CopyOut implements usermem.IO.
func (noMemory) CopyOut(usermem.Addr, []byte) (int, error) { return 0, unix.EFAULT }

// ZeroOut implements usermem.IO.
func (noMemory) ZeroOut(usermem.Addr, uint64) (uint64, error) { return 0, unix.EFAULT }

// Load32 implements usermem.IO.
func (noMemory) Load32(usermem.Addr) (uint32, error) { return 0, unix.EFAULT }

// CompareAndSwap32 implements usermem.IO.
func (noMemory) CompareAndSwap32(usermem.Addr, uint32, uint32) (uint32, error) {
	return 0, unix.EFAULT
}

// Direct implements usermem.IO.
func (noMemory) Direct([]usermem.Range, uint64, bool, func([]unix.Iovec) (uint64, error)) (uint64, error) {
	return 0, unix.EFAULT
}
