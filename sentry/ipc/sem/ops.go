package sem

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/wait"
)

// Op is struct sembuf.
type Op struct {
	Num   uint16
	Delta int16
	Flags int16
}

// The flags of an operation.
const (
	NoWait = 0o4000 // IPC_NOWAIT
	Undone = 0x1000 // SEM_UNDO
)

// waiter is a call of semop(2) that cannot be done yet.
type waiter struct {
	queue    wait.Queue
	ops      []Op  // immutable
	undo     *Undo // immutable; nil if none of ops is to be undone
	pid      int32 // immutable
	alters   bool  // immutable: not all of ops wait for a zero
	blocking int   // guarded by the registry's mu: which of ops cannot be done
	done     bool  // guarded by the registry's mu
	err      error // guarded by the registry's mu: once done
}

// Readiness implements wait.Waitable.
func (*waiter) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (p *waiter) Register(e *wait.Entry, m wait.Mask) { p.queue.Register(e, m) }

// Unregister implements wait.Waitable.
func (p *waiter) Unregister(e *wait.Entry) { p.queue.Unregister(e) }

// woken are waiters whose outcome is known, to be told without locks.
type woken []*waiter

// finish ends a wait. The registry is locked.
func (w *woken) finish(p *waiter, err error) {
	p.done, p.err = true, err
	*w = append(*w, p)
}

func (w *woken) tell() {
	for _, p := range *w {
		p.queue.Notify(wait.In)
	}
}

// Do is semtimedop(2). It sleeps until the deadline, if that is not zero. undo is
// the caller's, for when one of ops is to be undone.
func (r *Registry) Do(t current.Task, id int32, ops []Op, undo *Undo, deadline time.Time) error {
	p := &waiter{ops: ops}
	_, p.pid = t.IDs()
	want, most := uint32(0o444), 0
	for _, op := range ops {
		if op.Delta != 0 {
			p.alters, want = true, 0o222
		}
		if op.Flags&Undone != 0 {
			p.undo = undo
		}
		most = max(most, int(op.Num))
	}
	var w woken
	r.mu.Lock()
	s, err := r.sets.Get(id)
	switch {
	case err != nil:
	case most >= len(s.sems):
		err = unix.EFBIG
	default:
		err = s.perm.Check(t, r.user, want)
	}
	if err == nil && p.undo != nil {
		err = r.remember(s, p.undo)
	}
	if err == nil {
		if err = r.try(s, p); err == unix.EAGAIN && ops[p.blocking].Flags&NoWait == 0 {
			s.waiting = append(s.waiting, p)
			r.mu.Unlock()
			return r.sleep(t, s, p, deadline)
		}
	}
	if err == nil && p.alters {
		w = r.progress(s)
	}
	r.mu.Unlock()
	w.tell()
	return err
}

// sleep waits for the outcome of what is left with the set.
func (r *Registry) sleep(t current.Task, s *Set, p *waiter, deadline time.Time) error {
	var outcome error
	err := current.Retry(t, p, wait.In, deadline, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !p.done {
			return unix.EAGAIN
		}
		outcome = p.err
		return nil
	})
	if err == nil {
		return outcome
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.done {
		return p.err
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(o *waiter) bool { return o == p })
	if err == unix.ETIMEDOUT {
		return unix.EAGAIN
	}
	return unix.EINTR // semop is never made again
}

// try does all of a call's operations, or none: EAGAIN says that it has to wait,
// and p.blocking for which. mu is held.
func (r *Registry) try(s *Set, p *waiter) error {
	var adj []int16
	if p.undo != nil {
		adj = s.undos[p.undo]
	}
	fail := func(i int, err error) error {
		for i--; i >= 0; i-- {
			op := &p.ops[i]
			s.sems[op.Num].value -= int32(op.Delta)
			if op.Flags&Undone != 0 {
				adj[op.Num] += op.Delta
			}
		}
		return err
	}
	for i := range p.ops {
		op := &p.ops[i]
		m := &s.sems[op.Num]
		next := m.value + int32(op.Delta)
		if op.Delta == 0 && m.value != 0 || next < 0 {
			p.blocking = i
			return fail(i, unix.EAGAIN)
		}
		if next > MaxValue {
			return fail(i, unix.ERANGE)
		}
		if op.Flags&Undone != 0 {
			undo := int32(adj[op.Num]) - int32(op.Delta)
			if undo < -MaxValue-1 || undo > MaxValue {
				return fail(i, unix.ERANGE)
			}
			adj[op.Num] = int16(undo)
		}
		m.value = next
	}
	for i := range p.ops {
		s.sems[p.ops[i].Num].pid = p.pid
	}
	s.operate = time.Now().Unix()
	return nil
}

// progress does what waits and can be done after a change, and returns whose wait
// is over. mu is held.
func (r *Registry) progress(s *Set) (w woken) {
	for again := true; again; {
		again = false
		for _, alters := range [...]bool{false, true} {
			for i := 0; i < len(s.waiting); {
				p := s.waiting[i]
				if p.alters != alters {
					i++
					continue
				}
				err := r.try(s, p)
				if err == unix.EAGAIN && p.ops[p.blocking].Flags&NoWait == 0 {
					i++
					continue
				}
				s.waiting = slices.Delete(s.waiting, i, i+1)
				w.finish(p, err)
				if err == nil && alters {
					again = true
					break
				}
			}
			if again {
				break
			}
		}
	}
	return w
}
