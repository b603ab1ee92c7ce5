// Package currenttest has a calling task without a kernel, for tests of the
// packages below it.
package currenttest

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Task is a current.Task whose fields may be set freely.
type Task struct {
	Creds   *auth.Cred
	Memory  usermem.IO
	Rlimits *limits.Set
	Signals []int    // what Signal was called with
	Notes   []string // what Note was called with
	wake    chan struct{}
	stop    chan struct{}
}

var _ current.Task = (*Task)(nil)

// New returns a superuser with size bytes of memory at address 0.
func New(size int) *Task {
	return &Task{
		Creds:   auth.NewRoot(auth.NewRootNamespace(), auth.AllCaps),
		Memory:  make(usermem.Bytes, size),
		Rlimits: limits.NewSet(),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
}

// NewUser returns a task with the given ids and no capabilities.
func NewUser(uid, gid uint32) *Task {
	t := New(0)
	t.Creds = &auth.Cred{RUID: uid, EUID: uid, SUID: uid, FSUID: uid,
		RGID: gid, EGID: gid, SGID: gid, FSGID: gid,
		Bounding: auth.AllCaps, UserNS: auth.NewRootNamespace()}
	return t
}

// Cred implements current.Task.
func (t *Task) Cred() *auth.Cred { return t.Creds }

// Mem implements current.Task.
func (t *Task) Mem() usermem.IO { return t.Memory }

// Limits implements current.Task.
func (t *Task) Limits() *limits.Set { return t.Rlimits }

// IDs implements current.Task.
func (t *Task) IDs() (tid, tgid int32) { return 1, 1 }

// Signal implements current.Task.
func (t *Task) Signal(signo int) { t.Signals = append(t.Signals, signo) }

// Note implements current.Task.
func (t *Task) Note(why string) { t.Notes = append(t.Notes, why) }

// Waker implements current.Task.
func (t *Task) Waker() wait.Listener { return (*waker)(t) }

type waker Task

func (w *waker) Notify(wait.Mask) {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Interrupt makes this and every later Block return ERESTARTSYS.
func (t *Task) Interrupt() { close(t.stop) }

// Block implements current.Task.
func (t *Task) Block(ch <-chan struct{}, deadline time.Time) error {
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-t.wake:
		return nil
	case <-ch:
		return nil
	case <-timeout:
		return unix.ETIMEDOUT
	case <-t.stop:
		return abi.ERESTARTSYS
	}
}
