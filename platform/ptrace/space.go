package ptrace

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
)

// addressSpace is one stub process.
type addressSpace struct {
	p      *Platform
	slots  *slots
	slot   int32
	tab    *table // of slot; written under mu only
	leader *thread

	// A Switch adds itself to running before it looks at unmade; a change of
	// mappings adds itself to unmade before it looks at running. So either the
	// Switch makes the change, or the one who wanted it sees that it must.
	running atomic.Int32 // contexts that run guest code here
	unmade  atomic.Int32 // len(calls)

	mu      lock.Mutex[lock.Leaf]
	calls   pending           // guarded by mu: not made yet
	mapped  extents           // guarded by mu: as it is with calls made
	untold  bool              // guarded by mu: its title page has what the host was not told
	workers map[int32]*thread // guarded by mu: by tid
	mine    map[int32]*thread // guarded by mu: a worker, by the tid of its tracer
	dead    bool              // guarded by mu
}

var errReleased = errors.New("ptrace: the address space was released")

// with calls f with a stopped thread of the address space that the caller
// traces: the caller's own worker if it has one, else the leader. mu is held.
func (s *addressSpace) with(f func(*thread) error) error {
	if t := s.mine[gettid()]; t != nil {
		if t.held {
			return fmt.Errorf("ptrace: stub %d: %w", t.tid, platform.ErrGone)
		}
		return f(t)
	}
	return s.withLeader(f)
}

// withLeader calls f with the leader. mu is held.
func (s *addressSpace) withLeader(f func(*thread) error) error {
	if s.dead {
		return errReleased
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Woken on this very processor it needs no inter-processor interrupt.
	var here unix.CPUSet
	here.Set(currentCPU())
	setAffinity(s.leader.tid, &here)
	if s.leader.reaped {
		return fmt.Errorf("ptrace: stub %d: %w", s.leader.tid, platform.ErrGone)
	}
	if err := s.leader.attach(); err != nil {
		return err
	}
	err := f(s.leader)
	return errors.Join(err, s.leader.park())
}

// Map implements platform.AddressSpace.
func (s *addressSpace) Map(addr, length uint64, fd int, off int64, prot platform.Prot) error {
	if !hasRoom(addr, length) || off%pageSize != 0 || off < 0 || fd < 0 || fd > math.MaxInt32 || prot&^(protRead|protWrite|protExec|platform.Commit) != 0 {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.mapFile(addr, length, fd, off, prot)
	s.mapped.set(extent{addr, addr + length, off, int32(fd), prot &^ platform.Commit})
	return s.changed()
}

// Unmap implements platform.AddressSpace.
func (s *addressSpace) Unmap(addr, length uint64) error {
	if !hasRoom(addr, length) {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mapped.covers(addr, addr+length) {
		return nil
	}
	s.calls.unmap(addr, length)
	s.mapped.clear(addr, addr+length)
	return s.changed()
}

// Protect implements platform.AddressSpace.
func (s *addressSpace) Protect(addr, length uint64, prot platform.Prot) error {
	if !hasRoom(addr, length) || prot&^(protRead|protWrite|protExec) != 0 {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var start, end uint64 // what neighbouring parts to change add up to
	for _, e := range s.mapped.overlap(addr, addr+length) {
		if e.prot == prot {
			continue
		}
		if e.start != end && start != end {
			s.calls.protect(start, end-start, prot)
			start = e.start
		} else if start == end {
			start = e.start
		}
		end = e.end
	}
	if start != end {
		s.calls.protect(start, end-start, prot)
	}
	s.mapped.protect(addr, addr+length, prot)
	return s.changed()
}

// maxUnmade is how many calls may wait to be made.
const maxUnmade = 16 * tableCalls

// changed has the calls made now if guest code is running or they have become
// many. mu is held.
func (s *addressSpace) changed() error {
	s.unmade.Store(int32(len(s.calls)))
	if len(s.calls) < maxUnmade && s.running.Load() == 0 || len(s.calls) == 0 {
		return nil
	}
	return s.with(s.flush)
}

// flush has t make all calls. Where one fails nothing is mapped then, for guest
// code must not go on with what was there; the others are made all the same,
// and the first error is returned. mu is held.
//
// ENOMEM is no failure: the host has no room for as many mappings
// (vm.max_map_count). All are given up then, and refill brings back what guest
// code touches.
func (s *addressSpace) flush(t *thread) error {
	var failed error
	for left := s.calls; len(left) > 0; {
		n := copy(s.tab[:], left)
		_, err := t.run(s.tab, n)
		if err == nil {
			left = left[n:]
			continue
		}
		bad, ok := errors.AsType[*callError](err)
		if !ok {
			failed = err // the stub itself is lost
			break
		}
		c := left[t.done()]
		left = left[t.done()+1:]
		switch {
		case bad.Errno != unix.ENOMEM:
			if failed == nil {
				failed = err
			}
			s.mapped.clear(c[1], c[1]+c[2])
		case c[0] == unix.SYS_MPROTECT: // maybe a hole where all was given up
		default:
			left = nil // will be mapped when it is wanted, as all else
			c[1], c[2] = 0, maxAddress
		}
		if err := s.giveUp(t, c[1], c[2]); err != nil {
			failed = err
			break
		}
	}
	s.calls = s.calls[:0]
	s.unmade.Store(0)
	return failed
}

// giveUp unmaps a range in the host, or everything if there is no room to split
// what is mapped around it. mu is held.
func (s *addressSpace) giveUp(t *thread, addr, length uint64) error {
	for {
		s.tab[0] = call{unix.SYS_MUNMAP, addr, length}
		_, err := t.run(s.tab, 1)
		if err == nil || length == maxAddress {
			if err != nil && !s.leader.reaped {
				kill(s.leader.tgid, unix.SIGKILL) // each Switch reports it
			}
			return err
		}
		addr, length = 0, maxAddress
	}
}

// refill maps again what flush had to give up at addr, by a worker that the
// caller traces. It reports whether anything should be mapped there.
func (s *addressSpace) refill(t *thread, addr uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.mapped.at(addr)
	if !ok {
		return false, nil
	}
	s.calls.mapFile(e.start, e.end-e.start, int(e.fd), e.off, e.prot)
	return true, s.flush(t)
}

// Fork implements platform.Forker.
func (s *addressSpace) Fork() (platform.AddressSpace, error) {
	n, err := s.fork()
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (s *addressSpace) fork() (*addressSpace, error) {
	slot, err := s.slots.get()
	if err != nil {
		return nil, err
	}
	n := &addressSpace{p: s.p, slots: s.slots, slot: slot, tab: s.slots.table(slot)}
	s.mu.Lock()
	err = s.with(func(t *thread) error {
		if err := s.flush(t); err != nil {
			return err
		}
		n.mapped = slices.Clone(s.mapped)
		n.leader, err = t.clone(s.tab, forkFlags)
		if err != nil {
			return err
		}
		// The child reads its first call in its maker's table and, as that maps
		// the child's own in its place, the second one there.
		s.tab[0], s.tab[1] = s.slots.mapCall(slot), pdeathsigCall()
		n.tab[0], n.tab[1] = s.tab[0], s.tab[1]
		if _, err = n.leader.run(n.tab, 2); err == nil {
			err = n.leader.park()
		}
		if errors.Is(err, platform.ErrGone) {
			err = fmt.Errorf("ptrace: a new stub was killed: %w", unix.ENOMEM) // not this one
		}
		if err != nil && !n.leader.reaped {
			kill(n.leader.tid, unix.SIGKILL)
			n.leader.finish()
		}
		return err
	})
	s.mu.Unlock()
	if err != nil {
		s.slots.put(slot)
		return nil, err
	}
	return n, nil
}

// Expose implements platform.Exposer.
func (s *addressSpace) Expose() (pid int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return 0, errReleased
	}
	if len(s.calls) > 0 {
		err = s.with(s.flush)
	}
	return int(s.leader.tgid), err
}

// Charge implements platform.Charger: the stub itself has the host allocate the
// pages.
func (s *addressSpace) Charge(fd int, off int64, length uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.with(func(t *thread) error {
		s.tab[0] = call{unix.SYS_FALLOCATE, uint64(fd), unix.FALLOC_FL_KEEP_SIZE, uint64(off), length}
		_, err := t.run(s.tab, 1)
		return err
	})
	if bad, ok := errors.AsType[*callError](err); ok {
		return bad.Errno
	}
	return err
}

// Commit implements platform.Charger.
func (s *addressSpace) Commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.with(s.flush)
}

// addWorker makes a worker that the calling OS thread traces.
func (s *addressSpace) addWorker() (*thread, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var w *thread
	err := s.withLeader(func(leader *thread) (err error) {
		w, err = leader.clone(s.tab, threadFlags, s.tell()...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.workers == nil {
		s.workers = make(map[int32]*thread)
		s.mine = make(map[int32]*thread)
	}
	s.workers[w.tid] = w
	s.mine[gettid()] = w
	return w, nil
}

// endWorker ends a worker that the calling OS thread traces.
func (s *addressSpace) endWorker(w *thread) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead && w.hold && !w.reaped {
		w.letGo()
		s.p.reaping.Go(func() { reap(w.tid) })
	}
	if s.dead {
		return nil // and so is w
	}
	delete(s.workers, w.tid)
	if me := gettid(); s.mine[me] == w {
		delete(s.mine, me)
	}
	if w.reaped {
		return nil
	}
	return w.exit(s.tab)
}

// alive reports whether the address space has not been released.
func (s *addressSpace) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead
}

// protAt returns the protection of what is mapped at addr.
func (s *addressSpace) protAt(addr uint64) (platform.Prot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.mapped.at(addr)
	return e.prot, ok
}

// Release implements platform.AddressSpace. The process is gone a little later:
// tearing a big one down takes the kernel a while.
func (s *addressSpace) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	s.dead = true
	tids := make([]int32, 0, len(s.workers)+1)
	for tid, w := range s.workers {
		if !w.hold && !w.reaped { // who is held is let go by its tracer
			tids = append(tids, tid)
		}
	}
	if !s.leader.reaped {
		kill(s.leader.tgid, unix.SIGKILL)
		tids = append(tids, s.leader.tid) // last: it stays until all workers are reaped
	}
	s.workers, s.mine, s.calls, s.mapped = nil, nil, nil, nil
	s.p.reaping.Go(func() {
		for _, tid := range tids {
			reap(tid)
		}
		s.slots.put(s.slot)
	})
}
