package kernel

// SignalSet is a set of signals, bit n-1 for signal n.
type SignalSet uint64

// SetTemporaryMask replaces the signal mask until the system call is over.
func (t *Task) SetTemporaryMask(set SignalSet) { panic("skeleton") }
