package timerfd

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// fakeClock is a clock that the test moves.
type fakeClock struct{ now int64 }

func (c *fakeClock) Nanos(int32) int64 { return c.now }

func take(t *Timer) (uint64, error) {
	b := make([]byte, 8)
	_, err := t.Read(nil, nil, usermem.BytesBuffer(b), 0)
	return binary.NativeEndian.Uint64(b), err
}

const hour = int64(time.Hour)

func TestOnce(t *testing.T) {
	c := &fakeClock{now: 1000}
	tm := &Timer{clock: c}
	defer tm.Release(nil, nil)
	if old := tm.Set(Spec{Value: hour}, false); old != (Spec{}) {
		t.Errorf("setting before the first: %+v", old)
	}
	if _, err := take(tm); err != unix.EAGAIN {
		t.Errorf("read before: %v", err)
	}
	c.now += hour / 4
	if s := tm.Get(); s.Value != 3*hour/4 {
		t.Errorf("left: %+v", s)
	}
	c.now += hour
	if tm.Readiness(wait.In) == 0 {
		t.Error("not ready")
	}
	if n, err := take(tm); n != 1 || err != nil {
		t.Errorf("read = %d, %v", n, err)
	}
	if s := tm.Get(); s != (Spec{}) {
		t.Errorf("left afterwards: %+v", s)
	}
}

func TestPeriodic(t *testing.T) {
	c := &fakeClock{now: 5 * hour}
	tm := &Timer{clock: c}
	defer tm.Release(nil, nil)
	tm.Set(Spec{Value: 6 * hour, Interval: hour}, true)
	c.now = 8*hour + hour/2
	if n, err := take(tm); n != 3 || err != nil {
		t.Errorf("read = %d, %v", n, err)
	}
	if s := tm.Get(); s != (Spec{Value: hour / 2, Interval: hour}) {
		t.Errorf("left: %+v", s)
	}
	if old := tm.Set(Spec{}, false); old.Interval != hour {
		t.Errorf("setting before disarming: %+v", old)
	}
	c.now += 100 * hour
	if _, err := take(tm); err != unix.EAGAIN {
		t.Errorf("read of a disarmed timer: %v", err)
	}
}

func TestAbsoluteInThePast(t *testing.T) {
	tm := &Timer{clock: &fakeClock{now: hour}}
	defer tm.Release(nil, nil)
	tm.Set(Spec{Value: 1}, true)
	if n, err := take(tm); n != 1 || err != nil {
		t.Errorf("read = %d, %v", n, err)
	}
}

type wakeup chan struct{}

func (w wakeup) Notify(wait.Mask) {
	select {
	case w <- struct{}{}:
	default:
	}
}

type hostClock struct{ start time.Time }

func (c hostClock) Nanos(int32) int64 { return int64(time.Since(c.start)) + 1 }

func TestWakes(t *testing.T) {
	tm := &Timer{clock: hostClock{time.Now()}}
	defer tm.Release(nil, nil)
	w := make(wakeup, 1)
	e := wait.Entry{Listener: w}
	tm.Register(&e, wait.In)
	defer tm.Unregister(&e)
	tm.Set(Spec{Value: int64(time.Millisecond)}, false)
	select {
	case <-w:
	case <-time.After(10 * time.Second):
		t.Fatal("not woken")
	}
	if n, err := take(tm); n != 1 || err != nil {
		t.Errorf("read = %d, %v", n, err)
	}
}
