package ipc

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Tunable is a number of /proc/sys that root may set.
type Tunable struct {
	v        atomic.Int64
	min, max int64 // immutable
}

// init gives the number its first value and its bounds.
func (n *Tunable) init(v, lo, hi int64) {
	n.min, n.max = lo, hi
	n.v.Store(v)
}

// NewTunable returns a number between lo and hi.
func NewTunable(v, lo, hi int64) *Tunable {
	n := &Tunable{}
	n.init(v, lo, hi)
	return n
}

// Get returns the number.
func (n *Tunable) Get() int64 { return n.v.Load() }

// Set changes it; EINVAL for one out of bounds.
func (n *Tunable) Set(v int64) error {
	if v < n.min || v > n.max {
		return unix.EINVAL
	}
	n.v.Store(v)
	return nil
}

// The bounds that no setting of QueueLimits goes beyond (include/linux/ipc_namespace.h).
const (
	HardMaxMessages    = 65536
	HardMaxMessageSize = 16 << 20
	minMessageSize     = 128
)

// QueueLimits are the limits of POSIX message queues, /proc/sys/fs/mqueue.
type QueueLimits struct {
	Queues         Tunable // how many queues there may be
	Messages       Tunable // how many messages a queue may be made for
	MessageSize    Tunable // how long they may be
	DefMessages    Tunable // of a queue that is made without attributes
	DefMessageSize Tunable
}

// NewQueueLimits returns those that Linux starts with.
func NewQueueLimits() *QueueLimits {
	l := &QueueLimits{}
	l.Queues.init(256, 0, 1<<31-1)
	l.Messages.init(10, 1, HardMaxMessages)
	l.MessageSize.init(8192, minMessageSize, HardMaxMessageSize)
	l.DefMessages.init(10, 1, HardMaxMessages)
	l.DefMessageSize.init(8192, minMessageSize, HardMaxMessageSize)
	return l
}

// SystemV are the limits of System V queues, semaphores and shared memory,
// /proc/sys/kernel.
type SystemV struct {
	MessageSize Tunable // msgmax: bytes of a message
	QueueSize   Tunable // msgmnb: bytes of a new queue
	Queues      Tunable // msgmni

	// The four of sem.
	SetSize    Tunable // semaphores of a set
	Semaphores Tunable // of all sets
	Operations Tunable // of one semop(2)
	Sets       Tunable

	SegmentSize  Tunable // shmmax: bytes of a segment
	SegmentPages Tunable // shmall: pages of all
	Segments     Tunable // shmmni
}

// NewSystemV returns those that Linux starts with.
func NewSystemV() *SystemV {
	const most = 1<<31 - 1
	l := &SystemV{}
	l.MessageSize.init(8192, 0, most)
	l.QueueSize.init(16384, 0, most)
	l.Queues.init(32000, 0, MaxObjects)
	l.SetSize.init(32000, 0, most)
	l.Semaphores.init(1024000000, 0, most)
	l.Operations.init(500, 0, most)
	l.Sets.init(32000, 0, MaxObjects)
	const unlimited = 1<<63 - 1 - 1<<24
	l.SegmentSize.init(unlimited, 0, 1<<63-1)
	l.SegmentPages.init(unlimited, 0, 1<<63-1)
	l.Segments.init(4096, 0, MaxObjects)
	return l
}
