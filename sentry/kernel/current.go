package kernel

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/abi"
	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

var (
	errRestartBlock error = abi.ERESTART_RESTARTBLOCK
	errInterrupted  error = unix.EINTR
)

// Cred implements current.Task.
func (t *Task) Cred() *auth.Cred { return t.has.cred }

// Mem implements current.Task.
func (t *Task) Mem() usermem.IO { return t.has.mm }

// Limits implements current.Task.
func (t *Task) Limits() *limits.Set { return t.group.limits }

// Waker implements current.Task.
func (t *Task) Waker() wait.Listener { return (*waker)(t) }

// waker wakes a task's Block when a queue notifies.
type waker Task

// Notify implements wait.Listener.
func (w *waker) Notify(wait.Mask) { (*Task)(w).token() }

// token leaves the one token that Block takes.
func (t *Task) token() { t.sleeper.wake() }

// wakeup makes the task look at its signals: it ends a Block and takes the task
// out of guest code. What the task is to see is set before. It takes no lock.
func (t *Task) wakeup() {
	t.token()
	if t.guest.Load() {
		t.own.ctx.Interrupt()
	}
}

// Block implements current.Task. Life of a wait: register the Waker, look once
// more, Block, look again; a token that came early ends the next Block at once.
func (t *Task) Block(ch <-chan struct{}, deadline time.Time) error {
	if t.killed.Load() || t.interrupted() {
		return abi.ERESTARTSYS
	}
	start := t.k.now()
	t.state.Store(stateSleeping)
	err := t.sleep(ch, deadline)
	t.state.Store(stateRunning)
	t.cpu.slept(t.k.now() - start)
	if err == nil && (t.killed.Load() || t.interrupted()) {
		return abi.ERESTARTSYS
	}
	return err
}

func (t *Task) sleep(ch <-chan struct{}, deadline time.Time) error {
	if ch != nil {
		// A round trip to a server: rare enough for a goroutine of its own.
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-ch:
				t.token()
			case <-stop:
			}
		}()
	}
	if !t.rest(deadline) {
		return unix.ETIMEDOUT
	}
	return nil
}

// rest sleeps until there is a token, or the deadline, when it is false. If somebody
// has doubts, the task ends its process if the host killed what that runs in.
func (t *Task) rest(deadline time.Time) bool {
	ok := t.sleeper.sleep(deadline)
	if !t.doubted.Load() || !t.doubted.Swap(false) {
		return ok
	}
	if m, is := t.own.ctx.(platform.Mortal); is && m.Gone() {
		t.group.container.relieve()
		t.own.lost = platform.ErrGone
		t.k.tasks.Lock()
		t.group.kill(sigKill, nil)
		t.k.tasks.Unlock()
	}
	return ok
}

// blockKillable sleeps until c is told, or the task is to be killed: then EINTR.
// Other signals wait.
func (t *Task) blockKillable(c *completion) error {
	start := t.k.now()
	t.state.Store(stateDisk)
	defer func() {
		t.state.Store(stateRunning)
		t.cpu.slept(t.k.now() - start)
	}()
	for !c.fired.Load() {
		if t.killed.Load() || t.fatalPending() {
			return unix.EINTR
		}
		t.rest(time.Time{})
	}
	return nil
}

// IDs implements current.Task.
func (t *Task) IDs() (tid, tgid int32) { return t.tids[0], t.group.rootID() }

// SeenPID implements current.Numbering.
func (t *Task) SeenPID(root int32) int32 {
	k := t.k
	if t.ns == k.tasks.root {
		return root
	}
	k.tasks.Lock()
	defer k.tasks.Unlock()
	if tg := k.tasks.root.group(root); tg != nil {
		return tg.idIn(t.ns)
	}
	return k.tasks.departed.idIn(root, t.ns)
}

// RootPID returns the number in the root pid namespace of the process that the
// task sees as pid; ok is false if there is none.
func (t *Task) RootPID(pid int32) (root int32, ok bool) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	o := t.ns.tasks[pid]
	if o == nil {
		return 0, false
	}
	return o.group.rootID(), true
}

// rootID is the process's number in the root namespace. The leader's numbers
// never change: a thread that execs takes them over.
func (tg *ThreadGroup) rootID() int32 { return tg.ids[0] }

// Exiting reports whether the task is on its way out. For its own goroutine.
func (t *Task) Exiting() bool { return t.own.exiting || t.killed.Load() }

// Signal implements current.Task.
func (t *Task) Signal(signo int) {
	_ = t.SendSignal(&SignalInfo{Signo: int32(signo), Code: siKernel})
}

// siKernel is SI_KERNEL: sent by the kernel itself.
const siKernel = 0x80

// Note implements current.Task.
func (t *Task) Note(why string) { t.own.why = why }

// sleeper is where a task's thread sleeps, until it is woken or was before:
// one token is kept.
//
// It is a host futex and not a channel: the thread of a task is locked to its
// goroutine, and Go would wake such a one by way of another thread. That second
// wake-up costs more than all else of a pipe's round trip.
//
//	word  0  awake, no token
//	      1  a token: the next sleep returns at once
//	      2  the thread sleeps, or is about to
type sleeper struct{ word atomic.Uint32 }

const (
	noToken  = 0
	hasToken = 1
	asleep   = 2

	futexWait = 0 // FUTEX_WAIT
	futexWake = 1 // FUTEX_WAKE
)

// wake leaves the token, and wakes the thread if it sleeps.
func (s *sleeper) wake() {
	if s.word.Swap(hasToken) == asleep {
		s.futex(futexWake, 1, nil)
	}
}

// sleep takes the token, waiting for it until deadline; the zero time is never.
// It is false when the deadline came first.
func (s *sleeper) sleep(deadline time.Time) bool {
	for {
		if s.word.CompareAndSwap(hasToken, noToken) {
			return true
		}
		var timeout *unix.Timespec
		if !deadline.IsZero() {
			d := time.Until(deadline)
			if d <= 0 {
				return s.word.Swap(noToken) == hasToken
			}
			ts := unix.NsecToTimespec(int64(d))
			timeout = &ts
		}
		if s.word.CompareAndSwap(noToken, asleep) || s.word.Load() == asleep {
			s.futex(futexWait, asleep, timeout)
		}
	}
}

func (s *sleeper) futex(op int, val uint32, timeout *unix.Timespec) {
	const private = 128
	// Whatever it returns, the word is looked at again.
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.word)), uintptr(op|private), uintptr(val),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
}
