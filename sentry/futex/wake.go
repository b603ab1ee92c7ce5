package futex

import (
	"golang.org/x/sys/unix"

	"hull/sentry/mm"
)

// Wake lets up to n waiters at w go on whose bits meet bits, and returns how
// many. As in Linux one that waits for a PI lock is EINVAL.
func (tb *Table) Wake(w Word, n int32, bits uint32) (int, error) {
	if bits == 0 {
		return 0, unix.EINVAL
	}
	key, err := w.key()
	if err != nil {
		return 0, err
	}
	b := tb.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	done := 0
	for x := b.head; x != nil; {
		next := x.next
		if x.key == key {
			if x.pi {
				return 0, unix.EINVAL
			}
			if x.bits&bits != 0 {
				b.wake(x)
				if done++; done >= int(n) {
					break
				}
			}
		}
		x = next
	}
	return done, nil
}

// Requeue wakes up to wake waiters at from and lets up to move more wait at to
// instead. With cmp not nil the word at from must be *cmp, else EAGAIN. It
// returns how many were woken and moved.
func (tb *Table) Requeue(from, to Word, wake, move int32, cmp *uint32) (int, error) {
	if wake < 0 || move < 0 {
		return 0, unix.EINVAL
	}
	k1, err := from.key()
	if err != nil {
		return 0, err
	}
	k2, err := to.key()
	if err != nil {
		return 0, err
	}
	b1, b2 := tb.bucket(k1), tb.bucket(k2)
	lockPair(b1, b2)
	defer unlockPair(b1, b2)
	if cmp != nil {
		v, err := from.Space.Load32(from.Addr)
		if err != nil {
			return 0, err
		}
		if v != *cmp {
			return 0, unix.EAGAIN
		}
	}
	done := 0
	last := b1.tail // what is moved goes behind it if the bucket is the same
	for x := b1.head; x != nil && done < int(wake)+int(move); {
		next := x.next
		end := x == last
		if x.key == k1 {
			if x.pi {
				return done, unix.EINVAL
			}
			if done++; done <= int(wake) {
				b1.wake(x)
			} else if k1 != k2 {
				b1.remove(x)
				x.key = k2
				b2.push(x)
			}
		}
		if end {
			break
		}
		x = next
	}
	return done, nil
}

// Op is the operation and comparison of FUTEX_WAKE_OP, decoded.
type Op struct {
	Kind, Cmp   uint32
	Arg, CmpArg int32
}

// The kinds of operation, and of comparison.
const (
	opSet = iota
	opAdd
	opOr
	opAndNot
	opXor
)

const (
	cmpEQ = iota
	cmpNE
	cmpLT
	cmpLE
	cmpGT
	cmpGE
)

// DecodeOp decodes val3 of FUTEX_WAKE_OP. ENOSYS for what is not defined.
func DecodeOp(v uint32) (Op, error) {
	const shift = 8 // FUTEX_OP_OPARG_SHIFT
	o := Op{Kind: v >> 28 & 7, Cmp: v >> 24 & 0xf, Arg: signed12(v >> 12), CmpArg: signed12(v)}
	if v>>28&shift != 0 {
		o.Arg = int32(uint32(1) << (uint32(o.Arg) & 31))
	}
	if o.Kind > opXor || o.Cmp > cmpGE {
		return o, unix.ENOSYS
	}
	return o, nil
}

// signed12 extends the sign of the low 12 bits.
func signed12(v uint32) int32 { return int32(v<<20) >> 20 }

func (o Op) apply(v uint32) uint32 {
	a := uint32(o.Arg)
	switch o.Kind {
	case opSet:
		return a
	case opAdd:
		return v + a
	case opOr:
		return v | a
	case opAndNot:
		return v &^ a
	}
	return v ^ a
}

func (o Op) compare(old int32) bool {
	switch o.Cmp {
	case cmpEQ:
		return old == o.CmpArg
	case cmpNE:
		return old != o.CmpArg
	case cmpLT:
		return old < o.CmpArg
	case cmpLE:
		return old <= o.CmpArg
	case cmpGT:
		return old > o.CmpArg
	}
	return old >= o.CmpArg
}

// update changes the word at w by f, atomically, and returns what it was.
func update(w Word, f func(uint32) uint32) (uint32, error) {
	v, err := w.Space.Load32(w.Addr)
	for err == nil {
		var was uint32
		was, err = w.Space.CompareAndSwap32(w.Addr, v, f(v))
		if err == nil && was == v {
			return v, nil
		}
		v = was
	}
	return 0, err
}

// WakeOp changes the word at w2 by o, wakes up to n1 waiters at w1 and, if what
// w2 was compares, up to n2 at w2.
func (tb *Table) WakeOp(w1, w2 Word, n1, n2 int32, o Op) (int, error) {
	k1, err := w1.key()
	if err != nil {
		return 0, err
	}
	k2, err := w2.key()
	if err != nil {
		return 0, err
	}
	b1, b2 := tb.bucket(k1), tb.bucket(k2)
	lockPair(b1, b2)
	defer unlockPair(b1, b2)
	old, err := update(w2, o.apply)
	if err != nil {
		return 0, err
	}
	done := 0
	wake := func(b *bucket, key mm.FutexKey, n int32) error {
		for x, i := b.head, int32(0); x != nil; {
			next := x.next
			if x.key == key {
				if x.pi {
					return unix.EINVAL
				}
				b.wake(x)
				done++
				if i++; i >= n {
					break
				}
			}
			x = next
		}
		return nil
	}
	if err := wake(b1, k1, n1); err != nil {
		return done, err
	}
	if o.compare(int32(old)) {
		if err := wake(b2, k2, n2); err != nil {
			return done, err
		}
	}
	return done, nil
}
