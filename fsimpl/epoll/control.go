package epoll

import (
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

// exclusiveOK are the bits that EPOLLEXCLUSIVE may come with.
const exclusiveOK uint32 = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLERR | unix.EPOLLHUP |
	unix.EPOLLWAKEUP | unix.EPOLLET | unix.EPOLLEXCLUSIVE

// Add is EPOLL_CTL_ADD.
func (s *Set) Add(f *vfs.File, fd int32, events uint32, data uint64) error {
	inner := Of(f)
	if events&unix.EPOLLEXCLUSIVE != 0 && (inner != nil || events&^exclusiveOK != 0) {
		return unix.EINVAL
	}
	it := &item{set: s, key: key{f, fd}, inner: inner, data: data}
	it.entry.Listener = it
	it.events.Store(events | unix.EPOLLERR | unix.EPOLLHUP)
	if err := s.insert(it); err != nil {
		return err
	}
	if inner != nil {
		// The new edge can be seen, but tells nothing yet: of the edges of a
		// circle the one that was inserted last sees all others here.
		if err := s.checkNesting(inner); err != nil {
			s.remove(it)
			return err
		}
	}
	if !f.AddReleaseWatch(it) {
		s.remove(it)
		return unix.EBADF
	}
	s.mu.Lock()
	if !it.live { // removed meanwhile by another thread
		s.mu.Unlock()
		f.DropReleaseWatch(it)
		return nil
	}
	it.register()
	ready := it.poll() != 0
	s.mu.Unlock()
	if ready {
		it.Notify(0)
	}
	return nil
}

// insert puts an item into the set, still deaf.
func (s *Set) insert(it *item) error {
	s.mu.Lock()
	switch {
	case s.items[it.key] != nil:
		s.mu.Unlock()
		return unix.EEXIST
	case len(s.items) >= maxItems:
		s.mu.Unlock()
		return unix.ENOSPC
	case s.closed:
		s.mu.Unlock()
		return unix.EBADF
	}
	s.items[it.key], it.live = it, true
	s.mu.Unlock()
	if it.inner != nil {
		it.inner.addParent(s)
	}
	return nil
}

// Modify is EPOLL_CTL_MOD: what is ready then is told again, edge-triggered or
// not.
func (s *Set) Modify(f *vfs.File, fd int32, events uint32, data uint64) error {
	s.mu.Lock()
	it := s.items[key{f, fd}]
	if it == nil {
		s.mu.Unlock()
		return unix.ENOENT
	}
	if (it.events.Load()|events)&unix.EPOLLEXCLUSIVE != 0 {
		s.mu.Unlock()
		return unix.EINVAL
	}
	it.data = data
	it.events.Store(events | unix.EPOLLERR | unix.EPOLLHUP)
	f.Unregister(&it.entry)
	it.register()
	ready := it.poll() != 0
	s.mu.Unlock()
	if ready {
		it.Notify(0)
	}
	return nil
}

// Delete is EPOLL_CTL_DEL.
func (s *Set) Delete(f *vfs.File, fd int32) error {
	s.mu.Lock()
	it := s.items[key{f, fd}]
	s.mu.Unlock()
	if it == nil || !s.remove(it) {
		return unix.ENOENT
	}
	f.DropReleaseWatch(it)
	return nil
}

// FileReleased implements vfs.ReleaseWatcher.
func (it *item) FileReleased(*vfs.File) { it.set.remove(it) }

// remove takes an item out of the set and reports whether it was there.
func (s *Set) remove(it *item) bool {
	s.mu.Lock()
	was := it.live
	if was {
		s.detach(it)
	}
	s.mu.Unlock()
	if was && it.inner != nil {
		it.inner.dropParent(s)
	}
	return was
}

// detach takes an item off everything. The set's lock is held.
func (s *Set) detach(it *item) {
	it.live = false
	delete(s.items, it.key)
	it.key.file.Unregister(&it.entry)
	it.events.Store(0) // a Notify that is under way does nothing
	s.ready.Lock()
	if it.queued {
		s.unlink(it)
	}
	s.ready.Unlock()
}
