package kernel

import (
	"time"

	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Cred implements current.Task.
func (t *Task) Cred() *auth.Cred { return t.has.cred }

// Mem implements current.Task.
func (t *Task) Mem() usermem.IO { return t.has.mm }

// Limits implements current.Task.
func (t *Task) Limits() *limits.Set { return t.group.limits }

// Waker implements current.Task.
func (t *Task) Waker() wait.Listener { panic("skeleton") }

// Block implements current.Task.
func (t *Task) Block(ch <-chan struct{}, deadline time.Time) error { panic("skeleton") }

// IDs implements current.Task.
func (t *Task) IDs() (tid, tgid int32) { panic("skeleton") }

// Signal implements current.Task.
func (t *Task) Signal(signo int) { panic("skeleton") }

// Note implements current.Task.
func (t *Task) Note(why string) { t.own.why = why }
