// Package timerfd has timerfd(2): timers whose expirations are read from a file.
//
//   - A timer is data: when it expires next and how often then. The host's timer
//     only wakes who waits; how often it expired is worked out from the clock.
//   - After an expiration a periodic timer lets the host's timer rest until
//     somebody reads: as on Linux, an unread timer costs nothing.
package timerfd

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Clock tells the time of a clock (CLOCK_REALTIME …) in nanoseconds.
type Clock interface {
	Nanos(clock int32) int64
}

// Timer is the open file.
type Timer struct {
	q     wait.Queue
	clock Clock // immutable
	id    int32 // immutable: which clock

	mu       lock.Mutex[lock.Inode] // guards what follows
	next     int64                  // when it expires, by the clock; 0 is disarmed
	interval int64                  // 0: once
	ticks    uint64                 // expirations that next is already past
	host     *time.Timer            `snapshot:"-"` // wakes q at next
}

var _ vfs.FileImpl = (*Timer)(nil)

// New makes a disarmed timer. flags are O_NONBLOCK.
func New(anon *vfs.AnonFS, cred *auth.Cred, clock Clock, id int32, flags uint32) *vfs.File {
	t := &Timer{clock: clock, id: id}
	return vfs.Anonymous(anon, t, "anon_inode:[timerfd]", 0600, unix.O_RDWR|flags, cred, true)
}

// Of returns the timer that f is, or nil.
func Of(f *vfs.File) *Timer {
	t, _ := f.Impl().(*Timer)
	return t
}

// Spec is a timer's setting: the next expiration (0: none) and the interval, in
// nanoseconds.
type Spec struct{ Value, Interval int64 }

// Set arms the timer, or disarms it with Value 0, and returns what was left of
// the setting before. With absolute Value is a time of the clock.
func (t *Timer) Set(s Spec, absolute bool) Spec {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Nanos(t.id)
	old := t.left(now)
	t.ticks, t.interval, t.next = 0, s.Interval, 0
	if s.Value != 0 {
		t.next = s.Value
		if !absolute {
			t.next = saturate(now, s.Value)
		}
	}
	t.wakeAt(now)
	return old
}

// Get returns what is left.
func (t *Timer) Get() Spec {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left(t.clock.Nanos(t.id))
}

// left brings the count up to date and returns the remaining setting.
func (t *Timer) left(now int64) Spec {
	t.count(now)
	s := Spec{Interval: t.interval}
	if t.next != 0 {
		s.Value = max(t.next-now, 1) // 0 would say disarmed
	}
	return s
}

// count adds the expirations until now to ticks and moves next behind now.
func (t *Timer) count(now int64) {
	if t.next == 0 || now < t.next {
		return
	}
	if t.interval == 0 {
		t.ticks++
		t.next = 0
		return
	}
	n := (now-t.next)/t.interval + 1
	t.ticks += uint64(n)
	t.next = saturate(t.next, n*t.interval)
}

// saturate adds b >= 0 to a.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// wakeAt sets the host's timer to next, or stops it.
func (t *Timer) wakeAt(now int64) {
	if t.next == 0 {
		if t.host != nil {
			t.host.Stop()
		}
		return
	}
	d := time.Duration(max(t.next-now, 0))
	if t.host == nil {
		t.host = time.AfterFunc(d, t.fired)
		return
	}
	t.host.Reset(d)
}

// fired runs when the host's timer does. A clock that was set meanwhile, or runs
// at another pace than the host's, may say that it is too early.
func (t *Timer) fired() {
	t.mu.Lock()
	now := t.clock.Nanos(t.id)
	early := t.next != 0 && now < t.next && t.ticks == 0
	if early {
		t.wakeAt(now)
	}
	t.mu.Unlock()
	if !early {
		t.q.Notify(wait.In | wait.RdNrm)
	}
}

// Read implements vfs.FileImpl: the number of expirations since the last read.
func (t *Timer) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	if dst.Len() < 8 {
		return 0, unix.EINVAL
	}
	t.mu.Lock()
	now := t.clock.Nanos(t.id)
	t.count(now)
	n := t.ticks
	t.ticks = 0
	if n > 0 {
		t.wakeAt(now)
	}
	t.mu.Unlock()
	if n == 0 {
		return 0, unix.EAGAIN
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], n)
	if _, err := dst.CopyOut(b[:]); err != nil {
		return 0, err
	}
	return 8, nil
}

// Write implements vfs.FileImpl.
func (t *Timer) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// tfdSetTicks is TFD_IOC_SET_TICKS.
const tfdSetTicks = 0x40085400

// Ioctl implements vfs.FileImpl.
func (t *Timer) Ioctl(task current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	if cmd != tfdSetTicks {
		return 0, unix.ENOTTY
	}
	n, err := usermem.In[uint64](task.Mem(), usermem.Addr(arg))
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, unix.EINVAL
	}
	t.mu.Lock()
	armed := t.next != 0 || t.ticks > 0
	if armed {
		t.ticks = n
	}
	t.mu.Unlock()
	if !armed {
		return 0, unix.ECANCELED
	}
	t.q.Notify(wait.In | wait.RdNrm)
	return 0, nil
}

// Readiness implements wait.Waitable.
func (t *Timer) Readiness(m wait.Mask) wait.Mask {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count(t.clock.Nanos(t.id)); t.ticks == 0 {
		return 0
	}
	return m & wait.In
}

// Register implements wait.Waitable.
func (t *Timer) Register(e *wait.Entry, m wait.Mask) { t.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (t *Timer) Unregister(e *wait.Entry) { t.q.Unregister(e) }

// Release implements vfs.FileImpl.
func (t *Timer) Release(current.Task, *vfs.File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = 0
	if t.host != nil {
		t.host.Stop()
	}
}
