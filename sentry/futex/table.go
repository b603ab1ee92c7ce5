package futex

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// AnyBit is the bitset that meets every other (FUTEX_BITSET_MATCH_ANY).
const AnyBit = ^uint32(0)

// bucketCount is how many locks the waiters of a kernel share; a power of two.
const bucketCount = 256

// Space is the memory that a futex word is in. *mm.AddressSpace is one.
type Space interface {
	FutexKey(addr usermem.Addr, private bool) (mm.FutexKey, error)
	Load32(addr usermem.Addr) (uint32, error)
	CompareAndSwap32(addr usermem.Addr, old, new uint32) (uint32, error)
}

// Word is a futex as a system call names it.
type Word struct {
	Space   Space
	Addr    usermem.Addr
	Private bool
}

// key checks the address and returns the word's name. EINVAL if it is not
// aligned, EFAULT if nothing is there.
func (w Word) key() (mm.FutexKey, error) {
	if w.Addr&3 != 0 {
		return mm.FutexKey{}, unix.EINVAL
	}
	return w.Space.FutexKey(w.Addr, w.Private)
}

// Table has all the waiters of a kernel.
type Table struct {
	seed    maphash.Seed `snapshot:"-"`
	pool    sync.Pool    `snapshot:"-"` // of *waiter that are on no queue
	owned   atomic.Int64 // waiters for PI locks: none, and an exit need not look
	buckets [bucketCount]bucket
}

// bucket is the waiters of the words that hash to it, the longest first.
type bucket struct {
	index      int // immutable
	mu         lock.Mutex[lock.Futex]
	head, tail *waiter // guarded by mu
}

// waiter is a task at a word. All but at is guarded by the lock of the bucket
// that it is in; nobody but its own task touches it once it is in none.
type waiter struct {
	key        mm.FutexKey
	bits       uint32
	listener   wait.Listener
	at         atomic.Pointer[bucket] // nil: woken, or not queued yet
	next, prev *waiter

	// Of a PI lock.
	pi    bool
	word  Word
	tid   uint32 // what the word says of an owner
	id    int32  // the task in the root namespace
	owner int32  // who had the lock when it queued, likewise
}

// NewTable returns an empty table.
func NewTable() *Table {
	t := &Table{seed: maphash.MakeSeed()}
	t.pool.New = func() any { return new(waiter) }
	for i := range t.buckets {
		t.buckets[i].index = i
	}
	return t
}

func (tb *Table) bucket(k mm.FutexKey) *bucket {
	return &tb.buckets[maphash.Comparable(tb.seed, k)%bucketCount]
}

// lockPair takes the locks of two buckets, which may be one.
func lockPair(a, b *bucket) {
	switch {
	case a == b:
		a.mu.Lock()
	case a.index < b.index:
		a.mu.Lock()
		b.mu.Nested() // by index
	default:
		b.mu.Lock()
		a.mu.Nested() // by index
	}
}

func unlockPair(a, b *bucket) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// push queues w as the last. b.mu is held.
func (b *bucket) push(w *waiter) {
	w.prev, w.next = b.tail, nil
	if b.tail != nil {
		b.tail.next = w
	} else {
		b.head = w
	}
	b.tail = w
	w.at.Store(b)
}

// remove takes w off. b.mu is held. The caller stores nil into w.at when it is
// done with w, or queues it elsewhere.
func (b *bucket) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		b.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		b.tail = w.prev
	}
	w.next, w.prev = nil, nil
}

// wake takes w off and lets its task go on. b.mu is held. The listener is read
// before the task can see that it is free to reuse w.
func (b *bucket) wake(w *waiter) {
	b.remove(w)
	l := w.listener
	w.at.Store(nil)
	l.Notify(wait.In)
}

// cancel takes w off wherever it is. It is false if w was woken already.
func (w *waiter) cancel() bool {
	for {
		b := w.at.Load()
		if b == nil {
			return false
		}
		b.mu.Lock()
		if w.at.Load() == b {
			b.remove(w)
			w.at.Store(nil)
			b.mu.Unlock()
			return true
		}
		b.mu.Unlock() // requeued meanwhile
	}
}

// get returns a waiter that is on no queue; put takes it back.
func (tb *Table) get(l wait.Listener, bits uint32) *waiter {
	w := tb.pool.Get().(*waiter)
	w.listener, w.bits = l, bits
	return w
}

func (tb *Table) put(w *waiter) {
	w.key, w.listener, w.word, w.pi = mm.FutexKey{}, nil, Word{}, false
	tb.pool.Put(w)
}
