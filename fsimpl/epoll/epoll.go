// Package epoll has epoll(7): sets of files of which those that are ready can be
// had without asking all.
//
//   - A file in a set is an item. The file's wait queue tells the item, which
//     then stands on the set's ready list: only what is there is ever looked at.
//   - A set holds no reference on its files. It learns of a file's end by a
//     release watch and forgets the item.
//   - Sets may be in sets, without circles and at most maxNests deep: nest.go.
//
// The life of an item: add → any number of (told → ready → collected) → removed
// by delete, by the end of its file, or by that of the set.
package epoll

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// maxItems bounds a set (Linux bounds all of a user's together).
const maxItems = 1 << 20

// private are the bits of an item's events that are no events.
const private uint32 = unix.EPOLLWAKEUP | unix.EPOLLONESHOT | unix.EPOLLET | unix.EPOLLEXCLUSIVE

// Set is an epoll instance.
type Set struct {
	vfs.NoIoctl
	q wait.Queue // of those who wait for the set

	mu      lock.Mutex[lock.Epoll]
	items   map[key]*item // guarded by mu
	parents map[*Set]int  // guarded by mu: sets that this one is in, how often
	closed  bool          // guarded by mu

	// ready is inner to the wait queues of files, which hold theirs while they
	// tell an item.
	ready struct {
		lock.Mutex[lock.Leaf]
		head, tail *item
		n          int
	}
}

var _ vfs.FileImpl = (*Set)(nil)

// key is what identifies an item: the same file may be there under several
// descriptors.
type key struct {
	file *vfs.File
	fd   int32
}

// item is a file in a set.
type item struct {
	set   *Set // immutable
	key   key  // immutable
	entry wait.Entry
	inner *Set // immutable: the file's set, if it is one

	// events is written under set.mu; the callback reads it. Without an event
	// bit the item is disabled: EPOLLONESHOT has fired.
	events atomic.Uint32
	data   uint64 // guarded by set.mu
	live   bool   // guarded by set.mu: registered with the file, in set.items

	queued     bool  // guarded by set.ready
	next, prev *item // guarded by set.ready
}

// New makes an empty set.
func New(anon *vfs.AnonFS, cred *auth.Cred) *vfs.File {
	s := &Set{items: map[key]*item{}, parents: map[*Set]int{}}
	return vfs.Anonymous(anon, s, "anon_inode:[eventpoll]", 0600, unix.O_RDWR, cred, true)
}

// Of returns the set that f is, or nil.
func Of(f *vfs.File) *Set {
	s, _ := f.Impl().(*Set)
	return s
}

func (it *item) mask() wait.Mask {
	return wait.Mask(it.events.Load()&^private) | wait.Err | wait.Hup
}

// register puts the item on the file's queue.
func (it *item) register() {
	if x, ok := it.key.file.Impl().(wait.Exclusive); ok && it.events.Load()&unix.EPOLLEXCLUSIVE != 0 {
		x.RegisterExclusive(&it.entry, it.mask())
		return
	}
	it.key.file.Register(&it.entry, it.mask())
}

// Notify implements wait.Listener: the file has news.
func (it *item) Notify(wait.Mask) {
	if it.events.Load()&^private == 0 {
		return
	}
	it.set.push(it)
	it.set.q.Notify(wait.In | wait.RdNrm)
}

// Claims implements wait.Claimer: somebody waits for the set.
func (it *item) Claims() bool { return it.events.Load()&^private != 0 && !it.set.q.Empty() }

// push puts an item at the end of the ready list.
func (s *Set) push(it *item) {
	s.ready.Lock()
	defer s.ready.Unlock()
	if it.queued {
		return
	}
	it.queued, it.prev, it.next = true, s.ready.tail, nil
	if s.ready.tail != nil {
		s.ready.tail.next = it
	} else {
		s.ready.head = it
	}
	s.ready.tail = it
	s.ready.n++
}

// pop takes the first item of the ready list, nil if it is empty.
func (s *Set) pop() *item {
	s.ready.Lock()
	defer s.ready.Unlock()
	it := s.ready.head
	if it != nil {
		s.unlink(it)
	}
	return it
}

// unlink takes an item off the ready list, whose lock is held.
func (s *Set) unlink(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		s.ready.head = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		s.ready.tail = it.prev
	}
	it.queued, it.next, it.prev = false, nil, nil
	s.ready.n--
}

func (s *Set) readyCount() int {
	s.ready.Lock()
	defer s.ready.Unlock()
	return s.ready.n
}

// Collect calls emit for at most max items that are ready and returns for how
// many. An item is level-triggered (it stays on the list until it is found not
// ready), edge-triggered, or one-shot. An error of emit leaves the item ready,
// and is returned if it was the first.
func (s *Set) Collect(max int, emit func(events uint32, data uint64) error) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for left := s.readyCount(); left > 0 && done < max; left-- {
		it := s.pop()
		if it == nil {
			break
		}
		r := it.poll()
		if r == 0 {
			continue
		}
		if err := emit(uint32(r), it.data); err != nil {
			s.push(it)
			if done == 0 {
				return 0, err
			}
			break
		}
		done++
		switch ev := it.events.Load(); {
		case ev&unix.EPOLLONESHOT != 0:
			it.events.Store(ev & private)
		case ev&unix.EPOLLET == 0:
			s.push(it)
		}
	}
	return done, nil
}

// poll asks the item's file which of its events are true. The set's lock is held.
func (it *item) poll() wait.Mask {
	if it.events.Load()&^private == 0 {
		return 0
	}
	m := it.mask()
	return it.key.file.Readiness(m) & m
}

// Readiness implements wait.Waitable: a set is readable while something in it
// is ready.
func (s *Set) Readiness(m wait.Mask) wait.Mask {
	s.mu.Nested() // a set in a set: outer before inner, and there are no circles
	defer s.mu.Unlock()
	for left := s.readyCount(); left > 0; left-- {
		it := s.pop()
		if it == nil {
			break
		}
		if it.poll() != 0 {
			s.push(it)
			return m & (wait.In | wait.RdNrm)
		}
	}
	return 0
}

// Register implements wait.Waitable.
func (s *Set) Register(e *wait.Entry, m wait.Mask) { s.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (s *Set) Unregister(e *wait.Entry) { s.q.Unregister(e) }

// Read implements vfs.FileImpl.
func (s *Set) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EINVAL
}

// Write implements vfs.FileImpl.
func (s *Set) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// Release implements vfs.FileImpl.
func (s *Set) Release(current.Task, *vfs.File) {
	s.mu.Lock()
	s.closed = true
	var inner []*Set
	for _, it := range s.items {
		it.key.file.DropReleaseWatch(it)
		s.detach(it)
		if it.inner != nil {
			inner = append(inner, it.inner)
		}
	}
	s.mu.Unlock()
	for _, i := range inner {
		i.dropParent(s)
	}
}
