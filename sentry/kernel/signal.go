package kernel

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Signals, signal(7), in five files:
//
//	signal.go    what a signal, an action and the state of tasks and groups are
//	sigqueue.go  signals that are pending
//	sigsend.go   who may send, who receives, who is woken
//	deliver.go   what the receiver does: default actions, handlers, sigreturn
//	stop.go      job control: stopping, continuing, and telling the parent
//
// Locks: Kernel.tasks, then the lock of one group's signals. What touches more
// than the caller's own signals (sending, stopping) holds both, so the threads
// that it looks at cannot change. Each task has a notice, set under the lock
// when it has something to do, which its own goroutine reads without.

// MaxSignal is the highest signal number.
const MaxSignal = 64

// firstRT is the first real-time signal: from here on they queue.
const firstRT = 32

// SignalSet is a set of signals, bit n-1 for signal n.
type SignalSet uint64

// SetOf is the set of the given signals.
func SetOf(signals ...unix.Signal) SignalSet {
	var s SignalSet
	for _, n := range signals {
		s |= bit(int32(n))
	}
	return s
}

func bit(signo int32) SignalSet { return 1 << uint(signo-1) }

// Has reports whether signo is in the set.
func (s SignalSet) Has(signo int32) bool { return s&bit(signo) != 0 }

// The sets that signal(7) has of default actions; all others terminate. Hull
// dumps no core, so those that would are like the rest.
func stopSet() SignalSet {
	return SetOf(unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
}

func ignoredByDefault() SignalSet {
	return SetOf(unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH)
}

// unblockable are the signals that no mask and no handler holds off.
func unblockable() SignalSet { return SetOf(unix.SIGKILL, unix.SIGSTOP) }

// synchronous are what an instruction of the task itself causes: they go first.
func synchronous() SignalSet {
	return SetOf(unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGTRAP, unix.SIGFPE, unix.SIGSYS)
}

// The values of si_code that the kernel itself looks at.
const (
	siUser    = 0
	siQueue   = -1
	siTimer   = -2
	siMesgQ   = -3
	siAsyncIO = -4
	siSigIO   = -5
	siTKill   = -6
)

// SignalInfo is what is known of one signal: siginfo_t. PID is the sender as the
// receiver sees it.
type SignalInfo struct {
	Signo, Errno, Code int32

	PID          int32
	UID          uint32
	Status       int32 // SIGCHLD: exit status or signal
	Utime, Stime int64 // SIGCHLD: clock ticks
	Addr         uint64
	Value        uint64 // sigval: of sigqueue and timers
	TimerID      int32
	Overrun      int32
	Band         int64 // SIGIO
	FD           int32
	Syscall      int32  // SIGSYS
	Arch         uint32 // SIGSYS: AUDIT_ARCH_*

	// Inside says that the sender is in the receiver's pid namespace or below:
	// then an init is safe even from SIGKILL.
	Inside bool
	// Given are the bytes of rt_sigqueueinfo(2), which the receiver gets as
	// they are; nil for all other signals.
	Given []byte

	trap  arch.Trap
	timer *posixTimer
}

// Marshal returns the signal as siginfo_t.
func (i *SignalInfo) Marshal() [128]byte {
	var b [128]byte
	if i.Given != nil {
		copy(b[:], i.Given)
		return b
	}
	le := binary.LittleEndian
	u32 := func(off int, v uint32) { le.PutUint32(b[off:], v) }
	u32(0, uint32(i.Signo))
	u32(4, uint32(i.Errno))
	u32(8, uint32(i.Code))
	byKernel := i.Code > siUser && i.Code < siKernel
	switch {
	case i.Code == siTimer:
		u32(16, uint32(i.TimerID))
		u32(20, uint32(i.Overrun))
		le.PutUint64(b[24:], i.Value)
	case byKernel && synchronous().Has(i.Signo):
		le.PutUint64(b[16:], i.Addr)
		if i.Signo == int32(unix.SIGSYS) {
			u32(24, uint32(i.Syscall))
			u32(28, i.Arch)
		}
	case byKernel && i.Signo == int32(unix.SIGCHLD):
		u32(16, uint32(i.PID))
		u32(20, i.UID)
		u32(24, uint32(i.Status))
		le.PutUint64(b[32:], uint64(i.Utime))
		le.PutUint64(b[40:], uint64(i.Stime))
	case byKernel || i.Code == siSigIO:
		le.PutUint64(b[16:], uint64(i.Band))
		u32(24, uint32(i.FD))
	default:
		u32(16, uint32(i.PID))
		u32(20, i.UID)
		le.PutUint64(b[24:], i.Value)
	}
	return b
}

// The handlers that are none, and the flags of sigaction(2).
const (
	sigDefault = 0
	sigIgnore  = 1

	saNoCldStop = 0x1
	saNoCldWait = 0x2
	saSigInfo   = 0x4
	saRestorer  = 0x04000000
	saOnStack   = 0x08000000
	saRestart   = 0x10000000
	saNoDefer   = 0x40000000
	saResetHand = 0x80000000
	saKnown     = saNoCldStop | saNoCldWait | saSigInfo | 0x800 /* SA_EXPOSE_TAGBITS */ |
		saRestorer | saOnStack | saRestart | saNoDefer | saResetHand
)

// SigAction is the kernel's struct sigaction, in its layout.
type SigAction struct {
	Handler, Flags, Restorer uint64
	Mask                     SignalSet
}

// ignores reports whether a receives signo only to forget it.
func (a SigAction) ignores(signo int32) bool {
	return a.Handler == sigIgnore || a.Handler == sigDefault && ignoredByDefault().Has(signo)
}

// sigHandlers are the actions of a process, or of several (CLONE_SIGHAND).
type sigHandlers struct {
	mu      lock.Mutex[lock.Leaf]
	users   int                  // guarded by mu: groups
	actions [MaxSignal]SigAction // guarded by mu
}

func (h *sigHandlers) get(signo int32) SigAction {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.actions[signo-1]
}

func (h *sigHandlers) set(signo int32, a SigAction) SigAction {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.actions[signo-1]
	h.actions[signo-1] = a
	return old
}

func (h *sigHandlers) clone() *sigHandlers {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &sigHandlers{users: 1, actions: h.actions}
}

func (h *sigHandlers) share(n int) *sigHandlers {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users += n
	return h
}

// reset makes all actions the default, but those that keep says.
func (h *sigHandlers) reset(keep func(SigAction) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, a := range h.actions {
		if keep(a) {
			h.actions[i] = SigAction{Handler: a.Handler}
		} else {
			h.actions[i] = SigAction{}
		}
	}
}

// taskSignals are a thread's. Guarded by group.sig; mask, saved, temporary and
// alt are changed by the task's goroutine alone, which may read them without.
type taskSignals struct {
	mask      SignalSet // blocked
	real      SignalSet // during sigtimedwait: blocked but for the wait
	saved     SignalSet // what temporary replaced
	temporary bool
	pending   sigQueue
	alt       arch.AltStack
	parked    bool // waits for SIGCONT
	gone      bool // exits: receives nothing any more

	notice atomic.Bool // see interrupted
}

// init makes the signals of a task that parent clones, nil for the first. cloneVM
// says that both run in one memory: then the stack for signals is not shared.
func (s *taskSignals) init(parent *taskSignals, cloneVM bool) {
	s.alt.Flags = ssDisable
	if parent == nil {
		return
	}
	s.mask = parent.mask
	if parent.temporary {
		s.mask = parent.saved
	}
	if !cloneVM {
		s.alt = parent.alt
	}
}

// exec drops what execve does not keep.
func (s *taskSignals) exec() { s.alt = arch.AltStack{Flags: ssDisable} }

// groupSignals are a process's; its lock guards those of its tasks too.
type groupSignals struct {
	lock.Mutex[lock.TaskSignal]
	handlers *sigHandlers
	pending  sigQueue
	stop     stopState
	timers   timers

	// queue is notified when a signal becomes pending: signalfd(2).
	queue wait.Queue
}

// init makes the signals of a process that one with parent forks, nil for the
// first. share is CLONE_SIGHAND.
func (g *groupSignals) init(parent *groupSignals, share bool) {
	switch {
	case parent == nil:
		g.handlers = &sigHandlers{users: 1}
	case share:
		g.handlers = parent.handlers.share(1)
	default:
		g.handlers = parent.handlers.clone()
	}
}

// unshare gives the process actions of its own. It is false if it had them.
func (g *groupSignals) unshare() bool {
	g.Lock()
	defer g.Unlock()
	h := g.handlers
	h.mu.Lock()
	shared := h.users > 1
	h.mu.Unlock()
	if shared {
		g.handlers = h.clone()
		h.share(-1)
	}
	return shared
}

// clearHandlers is CLONE_CLEAR_SIGHAND: handlers become the default, ignored
// signals stay ignored.
func (tg *ThreadGroup) clearHandlers() {
	tg.sig.handlers.reset(func(a SigAction) bool { return a.Handler == sigIgnore })
}

// execSignals is what execve does to a process's signals. Its caller is the only
// thread.
func (tg *ThreadGroup) execSignals() {
	tg.clearHandlers()
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	tg.sig.Lock()
	defer tg.sig.Unlock()
	tg.deleteTimers()
}

// interrupted reports whether the task has a signal to deliver or a stop to
// obey: a call that sleeps is to end. A kill has its own flag.
func (t *Task) interrupted() bool { return t.sig.notice.Load() }

// recalc sets or takes down the notice. The group's lock is held.
func (t *Task) recalc() {
	g := &t.group.sig
	t.sig.notice.Store((t.sig.pending.set|g.pending.set)&^t.sig.mask != 0 || g.stop.requested)
}

// lookForSignals is recalc for a task that starts: its process may have been
// told to stop while it was made.
func (t *Task) lookForSignals() {
	g := &t.group.sig
	g.Lock()
	t.recalc()
	g.Unlock()
}

// SignalView is what /proc/PID/status shows of a task's signals.
type SignalView struct {
	Pending, Shared, Blocked, Ignored, Caught SignalSet
	Queued, QueueLimit                        uint64
}

// SignalView looks at another task's signals.
func (t *Task) SignalView() SignalView {
	g := &t.group.sig
	v := SignalView{
		Queued:     t.k.signals.used(t.CredOf().RUID),
		QueueLimit: t.group.limits.Get(unix.RLIMIT_SIGPENDING).Cur,
	}
	g.Lock()
	defer g.Unlock()
	v.Pending, v.Shared, v.Blocked = t.sig.pending.set, g.pending.set, t.sig.mask
	for n := int32(1); n <= MaxSignal; n++ {
		switch g.handlers.get(n).Handler {
		case sigDefault:
		case sigIgnore:
			v.Ignored |= bit(n)
		default:
			v.Caught |= bit(n)
		}
	}
	return v
}
