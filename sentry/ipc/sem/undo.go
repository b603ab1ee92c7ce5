package sem

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// Undo is what the end of a process adds to semaphores again: the operations with
// SEM_UNDO, backwards. Tasks that were made with CLONE_SYSVSEM share one.
type Undo struct {
	r    *Registry // immutable
	refs atomic.Int64
	sets map[*Set]bool // guarded by r.mu: those that have something of it
}

// NewUndo returns one with a reference.
func (r *Registry) NewUndo() *Undo {
	u := &Undo{r: r, sets: map[*Set]bool{}}
	u.refs.Store(1)
	return u
}

// IncRef adds a reference.
func (u *Undo) IncRef() { u.refs.Add(1) }

func undoBytes(s *Set) int64 { return setSize + 2*int64(len(s.sems)) }

// remember makes room for what u takes back of s. mu is held.
func (r *Registry) remember(s *Set, u *Undo) error {
	if u.r != r {
		return unix.EINVAL // setns and unshare leave the others behind
	}
	if s.undos[u] != nil {
		return nil
	}
	if err := r.budget.Take(undoBytes(s)); err != nil {
		return err
	}
	s.undos[u], u.sets[s] = make([]int16, len(s.sems)), true
	return nil
}

// DecRef drops a reference. With the last everything is taken back, by t.
func (u *Undo) DecRef(t current.Task) {
	if u.refs.Add(-1) != 0 {
		return
	}
	_, pid := t.IDs()
	var w woken
	u.r.mu.Lock()
	for s := range u.sets {
		for i, adj := range s.undos[u] {
			if adj != 0 {
				m := &s.sems[i]
				m.value, m.pid = min(max(m.value+int32(adj), 0), MaxValue), pid
			}
		}
		delete(s.undos, u)
		u.r.budget.Give(undoBytes(s))
		w = append(w, u.r.progress(s)...)
	}
	u.sets = nil
	u.r.mu.Unlock()
	w.tell()
}
