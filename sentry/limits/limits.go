// Package limits has resource limits, getrlimit(2). What a limit means is
// decided where the resource is counted.
package limits

import (
	"golang.org/x/sys/unix"

	"hull/sentry/lock"
)

// Count is how many resources have a limit (RLIM_NLIMITS).
const Count = 16

// Infinity is RLIM_INFINITY.
const Infinity = ^uint64(0)

// Limit is a soft and a hard limit (struct rlimit64).
type Limit struct{ Cur, Max uint64 }

// Set is the limits of one thread group.
type Set struct {
	mu   lock.Mutex[lock.Leaf]
	data [Count]Limit // guarded by mu
}

// NewSet returns the limits that Linux gives to init.
func NewSet() *Set {
	s := &Set{}
	for i := range s.data {
		s.data[i] = Limit{Infinity, Infinity}
	}
	s.data[unix.RLIMIT_STACK] = Limit{8 << 20, Infinity}
	s.data[unix.RLIMIT_CORE] = Limit{0, Infinity}
	s.data[unix.RLIMIT_NPROC] = Limit{1 << 15, 1 << 15}
	s.data[unix.RLIMIT_NOFILE] = Limit{1024, 1 << 20}
	s.data[unix.RLIMIT_MEMLOCK] = Limit{8 << 20, 8 << 20}
	s.data[unix.RLIMIT_SIGPENDING] = Limit{1 << 14, 1 << 14}
	s.data[unix.RLIMIT_MSGQUEUE] = Limit{819200, 819200}
	s.data[unix.RLIMIT_NICE] = Limit{0, 0}
	s.data[unix.RLIMIT_RTPRIO] = Limit{0, 0}
	return s
}

// Get returns a limit. resource must be below Count.
func (s *Set) Get(resource int) Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[resource]
}

// Set replaces a limit and returns the old one. A soft limit above the hard one
// is EINVAL; raising the hard one without privileged is EPERM.
func (s *Set) Set(resource int, l Limit, privileged bool) (Limit, error) {
	if l.Cur > l.Max {
		return Limit{}, unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.data[resource]
	if l.Max > old.Max && !privileged {
		return Limit{}, unix.EPERM
	}
	s.data[resource] = l
	return old, nil
}

// Clone returns a copy, as fork makes one.
func (s *Set) Clone() *Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Set{data: s.data}
}
