package kernel

import (
	"hull/sentry/futex"
	"hull/sentry/usermem"
)

// robustLimit is how many entries of a robust list are looked at
// (ROBUST_LIST_LIMIT): a list may be a circle.
const robustLimit = 2048

// exitRobustList marks the robust futexes that the task holds as their owner's
// death, and wakes a waiter of each: get_robust_list(2). The list is the guest's:
// whatever of it cannot be read ends the walk.
func (t *Task) exitRobustList() {
	head := t.RobustList()
	t.SetRobustList(0)
	if head == 0 || t.has.mm == nil {
		return
	}
	type listHead struct {
		next    uint64
		offset  int64
		pending uint64
	}
	h, err := usermem.In[listHead](t.has.mm, head)
	if err != nil {
		return
	}
	// The lowest bit of a pointer says that the futex is a PI one.
	word := func(entry uint64) usermem.Addr { return usermem.Addr(int64(entry&^1) + h.offset) }
	entry := h.next
	for n := 0; entry&^1 != uint64(head) && n < robustLimit; n++ {
		// Once the futex is released its memory may be gone: next is read first.
		next, err := usermem.In[uint64](t.has.mm, usermem.Addr(entry&^1))
		if entry&^1 != h.pending&^1 {
			if t.ownerDied(word(entry), entry&1 != 0, false) != nil {
				return
			}
		}
		if err != nil {
			return
		}
		entry = next
	}
	if h.pending&^1 != 0 {
		_ = t.ownerDied(word(h.pending), h.pending&1 != 0, true)
	}
}

// ownerDied marks a robust futex if the task has it. pending says that the task
// was about to take it or give it up.
func (t *Task) ownerDied(a usermem.Addr, pi, pending bool) error {
	tid := uint32(t.TID())
	v, err := t.has.mm.Load32(a)
	for err == nil {
		if pending && !pi && v == 0 {
			t.wakeFutex(a) // given up, but who waits for it was not woken yet
			return nil
		}
		if v&futex.TIDMask != tid {
			return nil
		}
		var was uint32
		was, err = t.has.mm.CompareAndSwap32(a, v, v&futex.Waiters|futex.OwnerDied)
		if err == nil && was == v {
			if !pi && v&futex.Waiters != 0 {
				t.wakeFutex(a)
			}
			return nil
		}
		v = was
	}
	return err
}

// wakeFutex wakes one waiter of the word at a, if it is one.
func (t *Task) wakeFutex(a usermem.Addr) {
	_, _ = t.k.futexes.Wake(futex.Word{Space: t.has.mm, Addr: a}, 1, futex.AnyBit)
}

// FutexOwner is the caller as the owner of PI locks.
func (t *Task) FutexOwner() futex.Owner {
	return futex.Owner{TID: uint32(t.TID()), ID: t.tids[0]}
}

// FindFutexOwner is a futex.FindOwner: the task that a number of the caller's
// namespace names, if it lives.
func (t *Task) FindFutexOwner(tid uint32) (id int32, ok bool) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	o := t.ns.tasks[int32(tid)]
	if o == nil || o.exited {
		return 0, false
	}
	return o.tids[0], true
}
