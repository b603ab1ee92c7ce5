package kernel

import "hull/sentry/vfs"

// SignalSet is a set of signals, bit n-1 for signal n.
type SignalSet uint64

// SetTemporaryMask replaces the signal mask until the system call is over.
func (t *Task) SetTemporaryMask(set SignalSet) { panic("skeleton") }

// IOOwner returns the task, process or process group that F_SETOWN_EX names, in
// the pid namespace of t. kind is F_OWNER_*. ESRCH if there is none.
func (t *Task) IOOwner(kind, id int32) (vfs.Owner, error) { panic("skeleton") }
