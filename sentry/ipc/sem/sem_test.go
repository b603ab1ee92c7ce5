package sem

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/ipc"
)

type world struct {
	*testing.T
	task *currenttest.Task
	r    *Registry
	b    *ipc.Budget
	id   int32
}

const budget = 1 << 20

func newWorld(t *testing.T, values ...uint16) *world {
	w := &world{T: t, task: currenttest.New(0), b: ipc.NewBudget(budget)}
	w.r = New(w.task.Creds.UserNS, ipc.NewSystemV(), w.b)
	var err error
	if w.id, err = w.r.Get(w.task, ipc.Private, int32(len(values)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want("SETALL", w.r.Assign(w.task, w.id, 0, values), nil)
	return w
}

func (w *world) want(what string, got, want error) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (w *world) values(want ...uint16) {
	w.Helper()
	if got, err := w.r.Values(w.task, w.id); err != nil || !slices.Equal(got, want) {
		w.Errorf("values %v, %v, want %v", got, err, want)
	}
}

// sleeping waits until so many sleep for a semaphore.
func (w *world) sleeping(num, n int32) {
	w.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s, err := w.r.Semaphore(w.task, w.id, num)
		if err == nil && s.Rising+s.Zeroing == n {
			return
		}
		if err != nil || time.Now().After(deadline) {
			w.Fatalf("%+v sleep, %v", s, err)
		}
	}
}

// All of a call's operations are done, or none.
func TestAtomic(t *testing.T) {
	w := newWorld(t, 3, 0, 5)
	do := func(ops ...Op) error { return w.r.Do(w.task, w.id, ops, nil, time.Time{}) }
	w.want("not enough", do(Op{0, -2, 0}, Op{1, -1, NoWait}), unix.EAGAIN)
	w.values(3, 0, 5)
	w.want("too much", do(Op{0, -2, 0}, Op{2, MaxValue, 0}), unix.ERANGE)
	w.values(3, 0, 5)
	w.want("in order", do(Op{0, -3, 0}, Op{0, 0, NoWait}, Op{0, 1, 0}), nil)
	w.values(1, 0, 5)
	w.want("no such", do(Op{3, 1, 0}), unix.EFBIG)
	w.want("late", w.r.Do(w.task, w.id, []Op{{1, -1, 0}}, nil, time.Now().Add(time.Millisecond)), unix.EAGAIN)
	w.sleeping(1, 0)
}

// Who sleeps gets what it waits for, first come first served, and zeros first.
func TestSleepers(t *testing.T) {
	w := newWorld(t, 0, 1)
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	sleep := func(name string, ops ...Op) {
		all.Go(func() {
			if err := w.r.Do(currenttest.New(0), w.id, ops, nil, time.Time{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
		})
	}
	sleep("two", Op{0, -2, 0})
	w.sleeping(0, 1)
	sleep("one", Op{0, -1, 0}, Op{1, -1, 0})
	w.sleeping(0, 2)
	sleep("zero", Op{1, 0, 0})
	w.sleeping(1, 1)
	w.want("up", w.r.Do(w.task, w.id, []Op{{0, 1, 0}}, nil, time.Time{}), nil)
	w.sleeping(0, 1) // the first still waits; what the second did let the third go
	w.sleeping(1, 0)
	for n := 0; n < 2; time.Sleep(time.Millisecond) {
		mu.Lock()
		n = len(order)
		mu.Unlock()
	}
	w.want("up", w.r.Do(w.task, w.id, []Op{{0, 2, 0}}, nil, time.Time{}), nil)
	all.Wait()
	w.values(0, 0)
	if len(order) != 3 || order[2] != "two" {
		t.Errorf("order %v", order)
	}
}

func TestUndo(t *testing.T) {
	w := newWorld(t, 10, 10)
	u := w.r.NewUndo()
	do := func(num uint16, delta int16) error {
		return w.r.Do(w.task, w.id, []Op{{num, delta, Undone}}, u, time.Time{})
	}
	w.want("down", do(0, -4), nil)
	w.want("up", do(1, 20), nil)
	w.want("SETVAL", w.r.Assign(w.task, w.id, 0, []uint16{1}), nil)
	w.want("down", w.r.Do(w.task, w.id, []Op{{1, -25, 0}}, nil, time.Time{}), nil)
	u.IncRef()
	u.DecRef(w.task)
	w.values(1, 5)
	done := make(chan error)
	go func() { done <- w.r.Do(currenttest.New(0), w.id, []Op{{1, 0, 0}}, nil, time.Time{}) }()
	w.sleeping(1, 1)
	u.DecRef(w.task)
	w.want("who waited for the end", <-done, nil)
	w.values(1, 0) // not below zero

	// A set that goes takes its part of an undo along.
	u = w.r.NewUndo()
	w.want("down", do(0, -1), nil)
	w.want("IPC_RMID", w.r.Remove(w.task, w.id), nil)
	u.DecRef(w.task)
	w.want("the whole budget", w.b.Take(budget), nil)
}

// The memory of sets and undos is bounded, and comes back.
func TestBudget(t *testing.T) {
	w := newWorld(t, 1)
	var ids []int32
	for {
		id, err := w.r.Get(w.task, ipc.Private, 1000, 0o600)
		if err == unix.ENOMEM {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) < 50 {
		t.Errorf("%d sets fit", len(ids))
	}
	go func() {
		for _, id := range ids {
			w.want("IPC_RMID", w.r.Remove(w.task, id), nil)
		}
		w.want("IPC_RMID", w.r.Remove(w.task, w.id), nil)
	}()
	err := w.r.Do(currenttest.New(0), w.id, []Op{{0, -5, 0}}, nil, time.Time{})
	if err != unix.EIDRM && err != unix.EINVAL { // it may have been gone already
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); w.b.Take(budget) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the budget does not come back")
		}
	}
}

// Whatever a guest asks for, values stay in their range, and nothing panics.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 0xff, 0xff, 8}, uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, first uint16) {
		w := newWorld(t, first%MaxValue, 0, 7)
		u := w.r.NewUndo()
		var ops []Op
		for len(data) >= 4 {
			ops = append(ops, Op{uint16(data[0] % 4), int16(uint16(data[1]) | uint16(data[2])<<8), NoWait | int16(data[3]&1)*Undone})
			data = data[4:]
		}
		if len(ops) > 0 {
			_ = w.r.Do(w.task, w.id, ops, u, time.Time{}) // any outcome
			for i := range ops {
				_ = w.r.Do(w.task, w.id, ops[i:i+1], u, time.Time{})
			}
		}
		u.DecRef(w.task)
		all, err := w.r.Values(w.task, w.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range all {
			if v > MaxValue {
				t.Errorf("values %v", all)
			}
		}
	})
}
