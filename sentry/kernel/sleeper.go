package kernel

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleeper is where a task's thread sleeps, until it is woken or was before:
// one token is kept.
//
// It is a host futex and not a channel: the thread of a task is locked to its
// goroutine, and Go would wake such a one by way of another thread. That second
// wake-up costs more than all else of a pipe's round trip.
//
//	word  0  awake, no token
//	      1  a token: the next sleep returns at once
//	      2  the thread sleeps, or is about to
type sleeper struct{ word atomic.Uint32 }

const (
	noToken  = 0
	hasToken = 1
	asleep   = 2

	futexWait = 0 // FUTEX_WAIT
	futexWake = 1 // FUTEX_WAKE
)

// wake leaves the token, and wakes the thread if it sleeps.
func (s *sleeper) wake() {
	if s.word.Swap(hasToken) == asleep {
		s.futex(futexWake, 1, nil)
	}
}

// sleep takes the token, waiting for it until deadline; the zero time is never.
// It is false when the deadline came first.
func (s *sleeper) sleep(deadline time.Time) bool {
	for {
		if s.word.CompareAndSwap(hasToken, noToken) {
			return true
		}
		var timeout *unix.Timespec
		if !deadline.IsZero() {
			d := time.Until(deadline)
			if d <= 0 {
				return s.word.Swap(noToken) == hasToken
			}
			ts := unix.NsecToTimespec(int64(d))
			timeout = &ts
		}
		if s.word.CompareAndSwap(noToken, asleep) || s.word.Load() == asleep {
			s.futex(futexWait, asleep, timeout)
		}
	}
}

func (s *sleeper) futex(op int, val uint32, timeout *unix.Timespec) {
	const private = 128
	// Whatever it returns, the word is looked at again.
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.word)), uintptr(op|private), uintptr(val),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
}
