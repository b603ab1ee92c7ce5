package futex

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// Expect is one word of a wait for several (futex_waitv(2)).
type Expect struct {
	Word
	Value uint32
}

// Wait sleeps at w if the word is value, until a Wake whose bits meet bits.
// EAGAIN if it is not, ETIMEDOUT, or abi.ERESTARTSYS.
func (tb *Table) Wait(t current.Task, w Word, value, bits uint32, deadline time.Time) error {
	if bits == 0 {
		return unix.EINVAL
	}
	me := tb.get(t.Waker(), bits)
	defer tb.put(me)
	if err := tb.enqueue(me, w, value); err != nil {
		return err
	}
	for {
		err := t.Block(nil, deadline)
		if me.at.Load() == nil {
			return nil // woken, whatever else came
		}
		if err != nil {
			if !me.cancel() {
				return nil
			}
			return err
		}
	}
}

// enqueue queues me at w if the word is value.
func (tb *Table) enqueue(me *waiter, w Word, value uint32) error {
	key, err := w.key()
	if err != nil {
		return err
	}
	b := tb.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	v, err := w.Space.Load32(w.Addr)
	if err != nil {
		return err
	}
	if v != value {
		return unix.EAGAIN
	}
	me.key = key
	b.push(me)
	return nil
}

// WaitMany sleeps until one of ws is woken and returns which; each must be as
// expected. Errors are those of Wait.
func (tb *Table) WaitMany(t current.Task, ws []Expect, deadline time.Time) (int, error) {
	me := make([]*waiter, 0, len(ws))
	// finish takes all off and returns the first that was woken, or -1.
	finish := func() int {
		woken := -1
		for i, w := range me {
			if !w.cancel() && woken < 0 {
				woken = i
			}
			tb.put(w)
		}
		return woken
	}
	for _, e := range ws {
		w := tb.get(t.Waker(), AnyBit)
		if err := tb.enqueue(w, e.Word, e.Value); err != nil {
			tb.put(w)
			if i := finish(); i >= 0 {
				return i, nil
			}
			return 0, err
		}
		me = append(me, w)
	}
	for {
		err := t.Block(nil, deadline)
		woken := err != nil
		for _, w := range me {
			woken = woken || w.at.Load() == nil
		}
		if !woken {
			continue
		}
		if i := finish(); i >= 0 {
			return i, nil
		}
		return 0, err
	}
}
