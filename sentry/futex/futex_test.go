package futex

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current/currenttest"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// space is memory of a few words that several goroutines share.
type space struct {
	words [16]atomic.Uint32
}

func (s *space) FutexKey(a usermem.Addr, _ bool) (mm.FutexKey, error) {
	if int(a/4) >= len(s.words) {
		return mm.FutexKey{}, unix.EFAULT
	}
	return mm.FutexKey{Space: s, Offset: uint64(a)}, nil
}

func (s *space) Load32(a usermem.Addr) (uint32, error) { return s.words[a/4].Load(), nil }

func (s *space) CompareAndSwap32(a usermem.Addr, old, new uint32) (uint32, error) {
	for {
		if s.words[a/4].CompareAndSwap(old, new) {
			return old, nil
		}
		if v := s.words[a/4].Load(); v != old {
			return v, nil
		}
	}
}

func (s *space) word(i int) Word { return Word{Space: s, Addr: usermem.Addr(4 * i)} }

// waiters counts who waits at w.
func (tb *Table) waiters(w Word) int {
	key, _ := w.key()
	b := tb.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for x := b.head; x != nil; x = x.next {
		if x.key == key {
			n++
		}
	}
	return n
}

func (tb *Table) await(t *testing.T, w Word, n int) {
	t.Helper()
	for range 5000 {
		if tb.waiters(w) == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d waiters, want %d", tb.waiters(w), n)
}

// sleepers starts n tasks that wait at w and returns where their results come.
func sleepers(tb *Table, w Word, n int, bits uint32) <-chan error {
	ch := make(chan error, n)
	for range n {
		go func() { ch <- tb.Wait(currenttest.New(0), w, 0, bits, time.Time{}) }()
	}
	return ch
}

func TestWaitErrors(t *testing.T) {
	tb, s := NewTable(), &space{}
	soon := time.Now().Add(time.Millisecond)
	interrupted := currenttest.New(0)
	interrupted.Interrupt()
	for _, c := range []struct {
		name  string
		task  *currenttest.Task
		w     Word
		value uint32
		bits  uint32
		until time.Time
		want  error
	}{
		{"another value", currenttest.New(0), s.word(0), 1, AnyBit, time.Time{}, unix.EAGAIN},
		{"no bits", currenttest.New(0), s.word(0), 0, 0, time.Time{}, unix.EINVAL},
		{"not aligned", currenttest.New(0), Word{s, 2, true}, 0, AnyBit, time.Time{}, unix.EINVAL},
		{"no memory", currenttest.New(0), s.word(99), 0, AnyBit, time.Time{}, unix.EFAULT},
		{"timeout", currenttest.New(0), s.word(0), 0, AnyBit, soon, unix.ETIMEDOUT},
		{"signal", interrupted, s.word(0), 0, AnyBit, time.Time{}, abi.ERESTARTSYS},
	} {
		if err := tb.Wait(c.task, c.w, c.value, c.bits, c.until); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if n := tb.waiters(s.word(0)); n != 0 {
		t.Errorf("%d waiters were left behind", n)
	}
}

func TestWakeBits(t *testing.T) {
	tb, s := NewTable(), &space{}
	w := s.word(0)
	odd, even := sleepers(tb, w, 2, 1), sleepers(tb, w, 3, 2)
	tb.await(t, w, 5)
	if n, err := tb.Wake(w, 10, 4); n != 0 || err != nil {
		t.Fatalf("bit 4 woke %d, %v", n, err)
	}
	if n, err := tb.Wake(w, 10, 1); n != 2 || err != nil {
		t.Fatalf("bit 1 woke %d, %v", n, err)
	}
	<-odd
	<-odd
	if n, _ := tb.Wake(w, 1, AnyBit); n != 1 {
		t.Fatalf("woke %d, want 1", n)
	}
	<-even
	tb.await(t, w, 2)
}

func TestRequeue(t *testing.T) {
	tb, s := NewTable(), &space{}
	from, to := s.word(0), s.word(1)
	ch := sleepers(tb, from, 5, AnyBit)
	tb.await(t, from, 5)
	wrong := uint32(7)
	if _, err := tb.Requeue(from, to, 1, 1, &wrong); err != unix.EAGAIN {
		t.Fatalf("another value: %v", err)
	}
	if n, err := tb.Requeue(from, to, 1, 3, new(uint32)); n != 4 || err != nil {
		t.Fatalf("requeue: %d, %v", n, err)
	}
	<-ch
	if a, b := tb.waiters(from), tb.waiters(to); a != 1 || b != 3 {
		t.Fatalf("%d and %d waiters, want 1 and 3", a, b)
	}
	if n, _ := tb.Wake(to, 10, AnyBit); n != 3 {
		t.Fatalf("woke %d, want 3", n)
	}
	for range 3 {
		if err := <-ch; err != nil {
			t.Error(err)
		}
	}
}

func TestWakeOp(t *testing.T) {
	tb, s := NewTable(), &space{}
	a, b := s.word(0), s.word(1)
	cha, chb := sleepers(tb, a, 1, AnyBit), sleepers(tb, b, 1, AnyBit)
	tb.await(t, a, 1)
	tb.await(t, b, 1)
	o, err := DecodeOp(opAdd<<28 | cmpEQ<<24 | 5<<12)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := tb.WakeOp(a, b, 1, 1, o); n != 2 || err != nil || s.words[1].Load() != 5 {
		t.Fatalf("woke %d, %v; the word is %d", n, err, s.words[1].Load())
	}
	<-cha
	<-chb
	if _, err := DecodeOp(5 << 28); err != unix.ENOSYS {
		t.Errorf("an operation that is not there: %v", err)
	}
	if o, _ := DecodeOp(opSet<<28 | 0xfff<<12); o.Arg != -1 {
		t.Errorf("argument %d, want -1", o.Arg)
	}
}

func TestWaitMany(t *testing.T) {
	tb, s := NewTable(), &space{}
	ws := []Expect{{s.word(0), 0}, {s.word(1), 0}, {s.word(2), 0}}
	got := make(chan int)
	go func() {
		i, err := tb.WaitMany(currenttest.New(0), ws, time.Time{})
		if err != nil {
			t.Error(err)
		}
		got <- i
	}()
	tb.await(t, s.word(2), 1)
	if n, _ := tb.Wake(s.word(1), 1, AnyBit); n != 1 {
		t.Fatalf("woke %d", n)
	}
	if i := <-got; i != 1 {
		t.Errorf("word %d, want 1", i)
	}
	ws[2].Value = 9
	if _, err := tb.WaitMany(currenttest.New(0), ws, time.Time{}); err != unix.EAGAIN {
		t.Errorf("another value: %v", err)
	}
	if n := tb.waiters(s.word(0)); n != 0 {
		t.Errorf("%d waiters were left behind", n)
	}
}

func TestPIOwner(t *testing.T) {
	tb, s := NewTable(), &space{}
	w := s.word(0)
	alive := func(tid uint32) (int32, bool) { return int32(tid), tid < 100 }
	owner := func(id int32) Owner { return Owner{TID: uint32(id), ID: id} }
	lock := func(id int32, try bool) error {
		return tb.LockPI(currenttest.New(0), w, owner(id), alive, try, time.Time{})
	}
	if err := lock(1, false); err != nil || s.words[0].Load() != 1 {
		t.Fatalf("%v; the word is %#x", err, s.words[0].Load())
	}
	if err := lock(1, false); err != unix.EDEADLK {
		t.Errorf("locking twice: %v", err)
	}
	if err := lock(2, true); err != unix.EAGAIN {
		t.Errorf("trying: %v", err)
	}
	if err := tb.UnlockPI(w, owner(2)); err != unix.EPERM {
		t.Errorf("unlocking another's: %v", err)
	}
	done := make(chan error)
	for id := int32(2); id <= 3; id++ {
		go func() { done <- lock(id, false) }()
		tb.await(t, w, int(id)-1)
	}
	if err := tb.UnlockPI(w, owner(1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || s.words[0].Load() != 2|Waiters {
		t.Fatalf("%v; the word is %#x", err, s.words[0].Load())
	}
	tb.OwnerExits(owner(2))
	if err := <-done; err != nil || s.words[0].Load() != 3|OwnerDied {
		t.Fatalf("%v; the word is %#x", err, s.words[0].Load())
	}
	if n := tb.owned.Load(); n != 0 {
		t.Errorf("%d waiters are counted, want 0", n)
	}
	s.words[0].Store(200)
	if err := lock(1, false); err != unix.ESRCH {
		t.Errorf("the lock of somebody dead: %v", err)
	}
}

// TestMutex builds a mutex of the plain operations and counts under it.
func TestMutex(t *testing.T) {
	const tasks, rounds = 8, 500
	tb, s := NewTable(), &space{}
	w := s.word(3)
	count := 0
	var wg sync.WaitGroup
	for range tasks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			me := currenttest.New(0)
			for range rounds {
				if !s.words[3].CompareAndSwap(0, 1) {
					// Who slept takes it as contended: others may sleep still.
					for s.words[3].Swap(2) != 0 {
						if err := tb.Wait(me, w, 2, AnyBit, time.Time{}); err != nil && err != unix.EAGAIN {
							t.Error(err)
							return
						}
					}
				}
				count++
				if s.words[3].Swap(0) == 2 {
					_, _ = tb.Wake(w, 1, AnyBit)
				}
			}
		}()
	}
	wg.Wait()
	if count != tasks*rounds {
		t.Errorf("counted %d, want %d", count, tasks*rounds)
	}
}
