package msg

import (
	"math"
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

func newWorld(t *testing.T) *world {
	w := &world{T: t, task: currenttest.New(0), b: ipc.NewBudget(budget)}
	w.r = New(w.task.Creds.UserNS, ipc.NewSystemV(), w.b)
	var err error
	if w.id, err = w.r.Get(w.task, ipc.Private, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) want(what string, got, want error) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (w *world) put(typ int64, text string, flags uint32) error {
	w.Helper()
	m, err := w.r.NewMessage(typ, uint64(len(text)))
	if err != nil {
		w.Fatal(err)
	}
	copy(m.Data, text)
	return w.r.Send(w.task, w.id, m, flags)
}

// get receives without waiting; "" is ENOMSG.
func (w *world) get(typ int64, flags uint32) string {
	w.Helper()
	m, err := w.r.Receive(w.task, w.id, typ, 100, flags|NoWait)
	if err == unix.ENOMSG {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	return string(m.Data)
}

// receivers waits until so many sleep.
func (w *world) receivers(n int) {
	w.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		w.r.mu.Lock()
		q, err := w.r.queues.Get(w.id)
		have := 0
		if err == nil {
			have = len(q.receivers)
		}
		w.r.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%d sleep", have)
		}
	}
}

func TestWhichOne(t *testing.T) {
	w := newWorld(t)
	for i, text := range []string{"c", "a", "b", "c2"} {
		w.want(text, w.put([]int64{3, 1, 2, 3}[i], text, 0), nil)
	}
	for _, c := range []struct {
		typ   int64
		flags uint32
		want  string
	}{{4, 0, ""}, {1, Copying, "a"}, {4, Copying, ""}, {-2, 0, "a"}, {3, Others, "b"}, {math.MinInt64, 0, "c"}, {0, 0, "c2"}, {0, 0, ""}} {
		if got := w.get(c.typ, c.flags); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestFull(t *testing.T) {
	w := newWorld(t)
	text := string(make([]byte, 8000))
	w.want("first", w.put(1, text, 0), nil)
	w.want("second", w.put(2, text, 0), nil)
	w.want("no room", w.put(3, text, NoWait), unix.EAGAIN)
	done := make(chan error)
	go func() { done <- w.put(3, text, 0) }()
	if _, err := w.r.Receive(w.task, w.id, 1, 7999, 0); err != unix.E2BIG {
		t.Error(err)
	}
	if _, err := w.r.Receive(w.task, w.id, 1, 8000, 0); err != nil {
		t.Error(err)
	}
	w.want("when there was room", <-done, nil)
	w.want("IPC_RMID", w.r.Remove(w.task, w.id), nil)
	w.want("the whole budget", w.b.Take(budget), nil)
}

func TestSleepers(t *testing.T) {
	w := newWorld(t)
	type result struct {
		m   *Message
		err error
	}
	receive := func(typ int64, size uint64) chan result {
		c := make(chan result, 1)
		go func() {
			m, err := w.r.Receive(currenttest.New(0), w.id, typ, size, 0)
			c <- result{m, err}
		}()
		return c
	}
	short, right := receive(5, 2), receive(-5, 100)
	w.receivers(2)
	w.want("of another type", w.put(6, "other", 0), nil)
	w.want("for both", w.put(5, "text", 0), nil)
	if got := <-right; got.err != nil || string(got.m.Data) != "text" {
		t.Errorf("%+v", got)
	}
	// Whether the one that it is too long for was asked before is chance.
	select {
	case got := <-short:
		w.want("too long", got.err, unix.E2BIG)
	default:
	}
	last := receive(7, 100)
	for w.get(0, 0) != "" {
	}
	w.want("IPC_RMID", w.r.Remove(w.task, w.id), nil)
	if got := <-last; got.err != unix.EIDRM && got.err != unix.EINVAL {
		t.Errorf("%+v", got)
	}
	w.want("the whole budget", w.b.Take(budget), nil)
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	if _, err := w.r.NewMessage(1, 8193); err != unix.EINVAL {
		t.Error(err)
	}
	n := 0
	var err error
	for ; err == nil && n < 1<<20; n++ {
		_, err = w.r.NewMessage(1, 8192)
	}
	if err != unix.ENOMEM || n < 100 {
		t.Errorf("%d messages, then %v", n, err)
	}
	stranger := currenttest.NewUser(1000, 1000)
	stranger.Creds.UserNS = w.task.Creds.UserNS
	if _, err := w.r.Receive(stranger, w.id, 0, 1, NoWait); err != unix.EACCES {
		t.Error(err)
	}
	w.want("IPC_SET of a stranger", w.r.Set(stranger, w.id, 0, 0, 0o666, 1), unix.EPERM)
	w.want("IPC_SET", w.r.Set(w.task, w.id, 0, 0, 0o666, math.MaxUint64), nil)
	if i, err := w.r.Stat(stranger, w.id, false, false); err != nil || i.Most < math.MaxInt32 {
		t.Errorf("%+v, %v", i, err)
	}
}
