// Package wait has queues of those who want to know when an object becomes
// ready. It knows no task and never sleeps: whoever is told decides what to do.
//
// Life of an entry: Init once, Register on one queue, any number of Notify
// calls, Unregister. After Unregister returns no further Notify will reach it,
// but one that is under way may still run.
package wait

import "hull/sentry/lock"

// Mask is a set of poll events, with Linux's values (poll(2), EPOLL*).
type Mask uint32

// The events that objects report.
const (
	In    Mask = 0x001
	Pri   Mask = 0x002
	Out   Mask = 0x004
	Err   Mask = 0x008
	Hup   Mask = 0x010
	RdNrm Mask = 0x040
	RdBnd Mask = 0x080
	WrNrm Mask = 0x100
	WrBnd Mask = 0x200
	Msg   Mask = 0x400
	RdHup Mask = 0x2000

	// Readable and Writable are what a blocked read or write waits for.
	Readable = In | RdNrm | Hup | Err
	Writable = Out | WrNrm | Hup | Err
	// All is every event.
	All Mask = 0xffffffff
)

// Listener is told of events. Notify may be called with the queue's lock held:
// it must not block, nor register on or unregister from a queue.
type Listener interface{ Notify(Mask) }

// Claimer is a Listener that may have nobody who would act on what it is told: an
// epoll instance that no task waits for. Of exclusive entries the next is told too
// then. Claims is called with the queue's lock held.
type Claimer interface{ Claims() bool }

// Exclusive is a Waitable of which waiters can be told one at a time.
type Exclusive interface {
	// RegisterExclusive is Register for an entry that need not be told if another
	// exclusive one was.
	RegisterExclusive(e *Entry, mask Mask)
}

// Entry is one registration. Listener is set before Register and not changed.
type Entry struct {
	Listener   Listener
	mask       Mask
	exclusive  bool
	next, prev *Entry
	queue      *Queue
}

// Queue is a list of entries. The zero value is empty.
type Queue struct {
	mu         lock.Mutex[lock.WaitQueue] // guards the list and the link fields of its entries
	head, tail *Entry
}

// Waitable is anything whose readiness can be asked and waited for.
type Waitable interface {
	// Readiness returns which events of mask are true now.
	Readiness(mask Mask) Mask
	// Register adds e to be told of the events in mask.
	Register(e *Entry, mask Mask)
	// Unregister takes e off.
	Unregister(e *Entry)
}

// Register adds e at the end of q to be told of the events in mask; Err and
// Hup are always told. An entry is on at most one queue.
func (q *Queue) Register(e *Entry, mask Mask) { q.add(e, mask, false) }

// RegisterExclusive is Register for an entry of which Notify tells only one:
// accept(2) and EPOLLEXCLUSIVE.
func (q *Queue) RegisterExclusive(e *Entry, mask Mask) { q.add(e, mask, true) }

func (q *Queue) add(e *Entry, mask Mask, exclusive bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.mask, e.exclusive, e.queue = mask|Err|Hup, exclusive, q
	q.push(e)
}

// push puts e at the end. The lock is held.
func (q *Queue) push(e *Entry) {
	e.prev, e.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = e
	} else {
		q.head = e
	}
	q.tail = e
}

// Unregister takes e off q. It is no error when it is not on it.
func (q *Queue) Unregister(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.queue != q {
		return
	}
	q.unlink(e)
	e.queue = nil
}

// unlink takes e off the list. The lock is held.
func (q *Queue) unlink(e *Entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.next, e.prev = nil, nil
}

// notifyAtOnce is how many listeners Notify tells after it gave up the lock.
const notifyAtOnce = 8

// Notify tells every entry that waits for an event in mask, but of the
// exclusive ones only the first, which goes to the end: the next event is for
// another one, whether the first has run since or not.
//
// A listener that is told under the lock may run at once, on this processor,
// and want the lock: so the first few, mostly all, are told after it.
func (q *Queue) Notify(mask Mask) { q.notify(mask, false) }

// NotifyAll is Notify for an event that all exclusive entries must be told of:
// there is nothing to be waited for any more.
func (q *Queue) NotifyAll(mask Mask) { q.notify(mask, true) }

func (q *Queue) notify(mask Mask, all bool) {
	var told [notifyAtOnce]struct {
		l Listener
		m Mask
	}
	n := 0
	var first *Entry // the exclusive one that was told
	q.mu.Nested()    // a listener may itself be watched: epoll in epoll
	for e := q.head; e != nil; e = e.next {
		if e.mask&mask == 0 || e.exclusive && first != nil {
			continue
		}
		if e.exclusive && !all && claims(e.Listener) {
			first = e
		}
		if n == len(told) {
			e.Listener.Notify(mask & e.mask)
			continue
		}
		told[n].l, told[n].m = e.Listener, mask&e.mask
		n++
	}
	if first != nil && first.next != nil {
		q.unlink(first)
		q.push(first)
	}
	q.mu.Unlock()
	for i := range told[:n] {
		told[i].l.Notify(told[i].m)
	}
}

func claims(l Listener) bool {
	c, ok := l.(Claimer)
	return !ok || c.Claims()
}

// Empty reports whether nobody waits. The lock of a queue that is told of this
// one may be held.
func (q *Queue) Empty() bool {
	q.mu.Nested()
	defer q.mu.Unlock()
	return q.head == nil
}
