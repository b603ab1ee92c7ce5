package futex

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
)

// The bits of a PI futex's or a robust futex's word.
const (
	Waiters   = 0x80000000 // FUTEX_WAITERS
	OwnerDied = 0x40000000 // FUTEX_OWNER_DIED
	TIDMask   = 0x3fffffff // FUTEX_TID_MASK
)

// Owner is a task as PI futexes know it.
type Owner struct {
	TID uint32 // in its own namespace: what the word says
	ID  int32  // in the root namespace
}

// FindOwner returns the live task that a word's tid names for the caller, as its
// number in the root namespace; ok is false if there is none.
type FindOwner func(tid uint32) (id int32, ok bool)

// LockPI takes the lock at w for me, waiting for it unless try is set (then
// EAGAIN). EDEADLK if me has it, ESRCH if nobody alive has what is locked.
func (tb *Table) LockPI(t current.Task, w Word, me Owner, find FindOwner, try bool, deadline time.Time) error {
	key, err := w.key()
	if err != nil {
		return err
	}
	x := tb.get(t.Waker(), AnyBit)
	defer tb.put(x)
	x.pi, x.word, x.key, x.tid, x.id = true, w, key, me.TID, me.ID
	b := tb.bucket(key)
	got, err := tb.lockOrQueue(b, x, find, try)
	if got || err != nil {
		return err
	}
	defer tb.owned.Add(-1)
	for {
		err := t.Block(nil, deadline)
		if x.at.Load() == nil {
			return nil // it was handed over
		}
		if err != nil {
			if !x.cancel() {
				return nil
			}
			return err
		}
	}
}

// lockOrQueue takes the lock if it is free, else makes x wait for it.
func (tb *Table) lockOrQueue(b *bucket, x *waiter, find FindOwner, try bool) (got bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.firstPI(x.key)
	if b.hasPlain(x.key) {
		return false, unix.EINVAL
	}
	v, err := x.word.Space.Load32(x.word.Addr)
	for err == nil {
		holder := v & TIDMask
		new := v | Waiters
		switch {
		case holder == x.tid:
			return false, unix.EDEADLK
		case holder == 0:
			new = v&OwnerDied | x.tid
			if first != nil {
				new |= Waiters
			}
		case try:
			return false, unix.EAGAIN
		}
		id, alive := int32(0), true
		if holder != 0 {
			id, alive = find(holder)
		}
		if !alive {
			return false, unix.ESRCH
		}
		var was uint32
		if was, err = x.word.Space.CompareAndSwap32(x.word.Addr, v, new); err != nil {
			break
		}
		if was == v {
			if holder == 0 {
				return true, nil
			}
			x.owner = id
			tb.owned.Add(1)
			b.push(x)
			return false, nil
		}
		v = was
	}
	return false, err
}

func (b *bucket) firstPI(k mm.FutexKey) *waiter {
	for x := b.head; x != nil; x = x.next {
		if x.pi && x.key == k {
			return x
		}
	}
	return nil
}

func (b *bucket) hasPlain(k mm.FutexKey) bool {
	for x := b.head; x != nil; x = x.next {
		if !x.pi && x.key == k {
			return true
		}
	}
	return false
}

// UnlockPI gives up the lock at w and hands it to who has waited longest. EPERM
// if me does not have it.
func (tb *Table) UnlockPI(w Word, me Owner) error {
	v, err := w.Space.Load32(w.Addr)
	if err != nil {
		return err
	}
	if v&TIDMask != me.TID {
		return unix.EPERM
	}
	key, err := w.key()
	if err != nil {
		return err
	}
	b := tb.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handOver(w, key, me.TID, 0)
}

// handOver makes the first waiter the owner of the lock that tid has, or frees
// it. died is OwnerDied if tid is gone. b.mu is held.
func (b *bucket) handOver(w Word, key mm.FutexKey, tid, died uint32) error {
	next := b.firstPI(key)
	v, err := w.Space.Load32(w.Addr)
	for err == nil {
		if v&TIDMask != tid {
			return unix.EPERM
		}
		new := died
		if next != nil {
			new |= next.tid
			if b.secondPI(next) {
				new |= Waiters
			}
		}
		var was uint32
		if was, err = w.Space.CompareAndSwap32(w.Addr, v, new); err == nil && was == v {
			break
		}
		v = was
	}
	if err != nil {
		return err
	}
	if next != nil {
		b.passTo(next)
	}
	return nil
}

func (b *bucket) secondPI(first *waiter) bool {
	for x := first.next; x != nil; x = x.next {
		if x.pi && x.key == first.key {
			return true
		}
	}
	return false
}

// passTo wakes x as the owner; the others wait for it now.
func (b *bucket) passTo(x *waiter) {
	for o := b.head; o != nil; o = o.next {
		if o != x && o.pi && o.key == x.key {
			o.owner = x.id
		}
	}
	b.wake(x)
}

// OwnerExits hands over the PI locks that a task which is gone left locked and
// others wait for. Its memory may be gone: the word is changed in the waiter's.
func (tb *Table) OwnerExits(me Owner) {
	if tb.owned.Load() == 0 {
		return
	}
	for i := range tb.buckets {
		b := &tb.buckets[i]
		b.mu.Lock()
		for x := b.head; x != nil; {
			if x.pi && x.owner == me.ID {
				x.owner = 0
				// A word that names somebody else was changed by the guest
				// itself: its waiters are left to it.
				if b.handOver(x.word, x.key, me.TID, OwnerDied) == nil {
					x = b.head // the list changed
					continue
				}
			}
			x = x.next
		}
		b.mu.Unlock()
	}
}
