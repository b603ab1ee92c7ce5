package kernel

import (
	"math/bits"

	"hull/sentry/lock"
)

// sigQueue is the pending signals of a task or a process, oldest first.
type sigQueue struct {
	set        SignalSet
	head, tail *queuedSignal
}

// queuedSignal is one of them. A signal may be pending without one, if there was
// no room: then nothing but its number is known.
type queuedSignal struct {
	info    SignalInfo
	uid     uint32
	charged bool // counts against RLIMIT_SIGPENDING of uid
	next    *queuedSignal
}

func (q *sigQueue) push(s *queuedSignal) {
	q.set |= bit(s.info.Signo)
	if q.tail != nil {
		q.tail.next = s
	} else {
		q.head = s
	}
	q.tail = s
}

// take removes the oldest of signo, which is pending.
func (q *sigQueue) take(signo int32, quota *signalQuota) SignalInfo {
	var prev, found *queuedSignal
	more := false
	for p, s := (*queuedSignal)(nil), q.head; s != nil; p, s = s, s.next {
		if s.info.Signo != signo {
			continue
		}
		if found != nil {
			more = true
			break
		}
		prev, found = p, s
	}
	if !more {
		q.set &^= bit(signo)
	}
	if found == nil {
		return SignalInfo{Signo: signo}
	}
	q.unlink(prev, found)
	quota.release(found)
	return found.info
}

func (q *sigQueue) unlink(prev, s *queuedSignal) {
	if prev != nil {
		prev.next = s.next
	} else {
		q.head = s.next
	}
	if q.tail == s {
		q.tail = prev
	}
	s.next = nil
}

// flush forgets all signals of set.
func (q *sigQueue) flush(set SignalSet, quota *signalQuota) {
	if q.set&set == 0 {
		return
	}
	q.set &^= set
	var prev *queuedSignal
	for s := q.head; s != nil; {
		next := s.next
		if set.Has(s.info.Signo) {
			q.unlink(prev, s)
			quota.release(s)
			if s.info.timer != nil {
				s.info.timer.queued = false
			}
		} else {
			prev = s
		}
		s = next
	}
}

// dropTimer forgets the signal of a timer that is deleted.
func (q *sigQueue) dropTimer(tm *posixTimer, quota *signalQuota) {
	var prev *queuedSignal
	signo := tm.event.Signo
	var dropped, more bool
	for s := q.head; s != nil; {
		next := s.next
		switch {
		case s.info.timer == tm:
			q.unlink(prev, s)
			quota.release(s)
			dropped = true
		default:
			more = more || s.info.Signo == signo
			prev = s
		}
		s = next
	}
	if dropped && !more {
		q.set &^= bit(signo)
	}
}

// first returns the signal of set that is delivered before the others, 0 for
// none: what the task itself caused, then the lowest.
func (s SignalSet) first() int32 {
	if x := s & synchronous(); x != 0 {
		s = x
	}
	if s == 0 {
		return 0
	}
	return int32(bits.TrailingZeros64(uint64(s))) + 1
}

// firstFault returns the signal of a fault among those that mask lets through:
// it goes before everything, or a handler would run with the faulting
// instruction as the one it interrupted.
func (q *sigQueue) firstFault(mask SignalSet) int32 {
	if q.set&synchronous()&^mask == 0 {
		return 0
	}
	for s := q.head; s != nil; s = s.next {
		if synchronous().Has(s.info.Signo) && !mask.Has(s.info.Signo) && s.info.Code > siUser {
			return s.info.Signo
		}
	}
	return 0
}

// signalQuota counts queued signals by the real user of who receives them.
type signalQuota struct {
	mu    lock.Mutex[lock.Leaf]
	count map[uint32]uint64 // guarded by mu
}

// charge counts one more for uid unless that would be more than limit.
func (q *signalQuota) charge(uid uint32, limit uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count[uid] >= limit {
		return false
	}
	if q.count == nil {
		q.count = map[uint32]uint64{}
	}
	q.count[uid]++
	return true
}

func (q *signalQuota) release(s *queuedSignal) {
	if s.charged {
		s.charged = false
		q.drop(s.uid)
	}
}

func (q *signalQuota) drop(uid uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count[uid]--; q.count[uid] == 0 {
		delete(q.count, uid)
	}
}

func (q *signalQuota) used(uid uint32) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count[uid]
}
