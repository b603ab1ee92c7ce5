package vfs

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Locks are the advisory locks of an inode: flock(2), and those of fcntl(2)
// whose owner is a process (its FDTable, as in Linux) or a description.
type Locks struct {
	mu    lock.Mutex[lock.Leaf]
	whole []wholeLock // guarded by mu: flock
	parts []partLock  // guarded by mu: fcntl, in order of start
	queue wait.Queue  // told when a lock goes
}

// wholeLock is a flock(2).
type wholeLock struct {
	owner *File
	write bool
}

// partLock is an fcntl(2) lock of [start, end].
type partLock struct {
	owner      any // *FDTable, or *File for an open file description's
	pid        int32
	write      bool
	start, end int64
}

// lockTable returns the inode's locks, made if there are none.
func (i *Inode) lockTable() *Locks {
	s := i.specials()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks == nil {
		s.locks = &Locks{}
	}
	return s.locks
}

// dropLocks releases all locks of an owner: a description that is gone, or a
// process that closed a descriptor of the file.
func (i *Inode) dropLocks(owner any) {
	s := i.specials()
	s.mu.Lock()
	l := s.locks
	s.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	l.whole = slices.DeleteFunc(l.whole, func(w wholeLock) bool { return any(w.owner) == owner })
	l.parts = slices.DeleteFunc(l.parts, func(p partLock) bool { return p.owner == owner })
	l.mu.Unlock()
	l.queue.Notify(wait.In)
}

// Readiness implements wait.Waitable: a lock is asked for, not polled.
func (l *Locks) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (l *Locks) Register(e *wait.Entry, m wait.Mask) { l.queue.Register(e, m) }

// Unregister implements wait.Waitable.
func (l *Locks) Unregister(e *wait.Entry) { l.queue.Unregister(e) }

// Flock is flock(2).
func (f *File) Flock(t current.Task, op int32) error {
	l := f.Path.Inode().lockTable()
	switch op &^ unix.LOCK_NB {
	case unix.LOCK_UN:
		l.mu.Lock()
		l.whole = slices.DeleteFunc(l.whole, func(w wholeLock) bool { return w.owner == f })
		l.mu.Unlock()
		l.queue.Notify(wait.In)
		return nil
	case unix.LOCK_SH, unix.LOCK_EX:
	default:
		return unix.EINVAL
	}
	f.locked.Store(true)
	write := op&unix.LOCK_EX != 0
	// A change of kind is not atomic: the old lock goes first, as on Linux.
	try := func() error {
		gone, err := l.tryWhole(f, write)
		if gone {
			l.queue.Notify(wait.In)
		}
		return err
	}
	if op&unix.LOCK_NB != 0 {
		return try()
	}
	return current.Retry(t, l, wait.In, time.Time{}, try)
}

// tryWhole takes the lock if nobody is in the way. gone says that f's lock of the
// other kind was given up.
func (l *Locks) tryWhole(f *File, write bool) (gone bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := len(l.whole)
	l.whole = slices.DeleteFunc(l.whole, func(w wholeLock) bool { return w.owner == f && w.write != write })
	gone = len(l.whole) != had
	for _, w := range l.whole {
		if w.owner == f {
			return gone, nil
		}
		if w.write || write {
			return gone, unix.EAGAIN
		}
	}
	l.whole = append(l.whole, wholeLock{f, write})
	return gone, nil
}

// PosixLock is fcntl(2)'s F_GETLK, F_SETLK, F_SETLKW. owner is the caller's
// FDTable, or f itself for a lock of the description.
func (f *File) PosixLock(t current.Task, cmd int32, fl *unix.Flock_t, owner any) error {
	want, err := f.lockRange(t, fl)
	if err != nil {
		return err
	}
	_, tgid := t.IDs()
	want.owner, want.pid, want.write = owner, tgid, fl.Type == unix.F_WRLCK
	if owner == any(f) {
		want.pid = -1
	}
	l := f.Path.Inode().lockTable()
	if cmd == unix.F_GETLK {
		if fl.Type == unix.F_UNLCK {
			return unix.EINVAL
		}
		if l.get(&want, fl); fl.Type != unix.F_UNLCK && fl.Pid > 0 {
			fl.Pid = current.PIDSeenBy(t, fl.Pid)
		}
		return nil
	}
	switch {
	case fl.Type == unix.F_RDLCK && !f.readable(), fl.Type == unix.F_WRLCK && !f.writable():
		return unix.EBADF
	case fl.Type == unix.F_UNLCK:
		l.mu.Lock()
		l.replace(want, false)
		l.mu.Unlock()
		l.queue.Notify(wait.In)
		return nil
	}
	if ft, ok := owner.(*FDTable); ok {
		ft.locks.Store(true)
	} else {
		f.locked.Store(true)
	}
	try := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.conflict(&want) != nil {
			return unix.EAGAIN
		}
		l.replace(want, true)
		return nil
	}
	if err := try(); err != unix.EAGAIN || cmd == unix.F_SETLK {
		return err
	}
	if owner == any(f) {
		return current.Retry(t, l, wait.In, time.Time{}, try)
	}
	return f.waitForLock(t, &lockWait{l, want}, try)
}

// waitForLock waits for a lock of a process. Each time that it is in vain, whom
// it waits for may have changed.
func (f *File) waitForLock(t current.Task, w *lockWait, try func() error) error {
	ws := &f.Path.Mount.env.lockWaits
	defer ws.remove(w)
	return current.Retry(t, w.l, wait.In, time.Time{}, func() error {
		err := try()
		if err != unix.EAGAIN {
			return err
		}
		ws.remove(w)
		if !ws.add(w) {
			return unix.EDEADLK
		}
		return err
	})
}

// lockRange makes an interval of a struct flock.
func (f *File) lockRange(t current.Task, fl *unix.Flock_t) (partLock, error) {
	switch fl.Type {
	case unix.F_RDLCK, unix.F_WRLCK, unix.F_UNLCK:
	default:
		return partLock{}, unix.EINVAL
	}
	var base int64
	switch int32(fl.Whence) {
	case unix.SEEK_SET:
	case unix.SEEK_CUR:
		base = f.Offset()
	case unix.SEEK_END:
		s, err := f.Stat(t)
		if err != nil {
			return partLock{}, err
		}
		base = s.Size
	default:
		return partLock{}, unix.EINVAL
	}
	start := base + fl.Start
	if fl.Start > 0 && start < base {
		return partLock{}, unix.EOVERFLOW
	}
	end := int64(math.MaxInt64)
	switch {
	case fl.Len > 0:
		if end = start + fl.Len - 1; end < start {
			return partLock{}, unix.EOVERFLOW
		}
	case fl.Len < 0:
		start, end = start+fl.Len, start-1
	}
	if start < 0 {
		return partLock{}, unix.EINVAL
	}
	return partLock{start: start, end: end}, nil
}

// conflict returns a lock that is in the way of w. l.mu is held.
func (l *Locks) conflict(w *partLock) *partLock {
	for i := range l.parts {
		p := &l.parts[i]
		if p.owner != w.owner && (p.write || w.write) && p.start <= w.end && w.start <= p.end {
			return p
		}
	}
	return nil
}

// get is F_GETLK.
func (l *Locks) get(w *partLock, fl *unix.Flock_t) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.conflict(w)
	if p == nil {
		fl.Type = unix.F_UNLCK
		return
	}
	fl.Type = unix.F_RDLCK
	if p.write {
		fl.Type = unix.F_WRLCK
	}
	fl.Whence, fl.Start, fl.Len, fl.Pid = unix.SEEK_SET, p.start, p.end-p.start+1, p.pid
	if p.end == math.MaxInt64 {
		fl.Len = 0
	}
}

// replace gives the owner of w that interval: with its kind if add, or without
// a lock. Its own locks beside are cut, and joined where they are alike. l.mu is
// held.
func (l *Locks) replace(w partLock, add bool) {
	var out []partLock
	for _, p := range l.parts {
		if p.owner != w.owner || p.end < w.start || p.start > w.end {
			out = append(out, p)
			continue
		}
		if p.start < w.start {
			left := p
			left.end = w.start - 1
			out = append(out, left)
		}
		if p.end > w.end {
			right := p
			right.start = w.end + 1
			out = append(out, right)
		}
	}
	if add {
		joined := out[:0]
		for _, p := range out {
			if p.owner == w.owner && p.write == w.write && (p.end != math.MaxInt64 && p.end+1 == w.start || w.end != math.MaxInt64 && w.end+1 == p.start) {
				w.start, w.end = min(w.start, p.start), max(w.end, p.end)
				continue
			}
			joined = append(joined, p)
		}
		out = append(joined, w)
	}
	slices.SortStableFunc(out, func(a, b partLock) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	l.parts = out
}
