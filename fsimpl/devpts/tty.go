package devpts

import (
	"golang.org/x/sys/unix"

	"hull/sentry/kernel"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// maxOutput bounds what waits to be read by the master, and maxHeld what the master
// wrote that the line discipline has no room for (TTYB_DEFAULT_MEM_LIMIT); in bytes.
const (
	maxOutput = 8192
	maxHeld   = 64 << 10
)

// tty is one pseudo-terminal.
type tty struct {
	fs      *FS
	index   int // immutable
	control kernel.TerminalControl

	masterQueue, slaveQueue wait.Queue

	mu struct {
		lock.Mutex[lock.TTY]
		ld         ldisc
		out        []byte // what the slave wrote, for the master
		held       []byte // what the master wrote, before the line discipline
		size       unix.Winsize
		locked     bool // TIOCSPTLCK: the slave cannot be opened
		masterOpen bool
		files      int  // open files of the slave
		slaves     int  // those of them that no hang-up has cut off
		hangups    int  // how often: cuts off the slaves that were open
		opened     bool // a slave was open once: the master sees EIO when none is
		exclusive  bool // TIOCEXCL
		packet     bool // TIOCPKT
		status     byte // TIOCPKT_* not yet told
		uid, gid   uint32
		perm       uint32
	}
}

var _ kernel.Terminal = (*tty)(nil)

// Control implements kernel.Terminal.
func (t *tty) Control() *kernel.TerminalControl { return &t.control }

// Number returns what tty_nr of proc_pid_stat(5) is for the slave.
func (t *tty) Number() int32 { return Number(t.index) }

// SessionGone implements kernel.Terminal: the session leader exited.
func (t *tty) SessionGone() { t.hangUp() }

// hangUp cuts off the slaves that are open: their reads end, all else fails.
func (t *tty) hangUp() {
	t.mu.Lock()
	t.cut()
	t.mu.Unlock()
	t.notify()
}

// cut is hangUp under the lock.
func (t *tty) cut() {
	t.mu.hangups++
	t.mu.slaves = 0
}

// notify wakes everybody to look again.
func (t *tty) notify() {
	const all = wait.Readable | wait.Writable | wait.Pri
	t.slaveQueue.Notify(all)
	t.masterQueue.Notify(all)
}

// closeMaster ends the terminal: its session gets SIGHUP.
func (t *tty) closeMaster() {
	t.mu.Lock()
	t.mu.masterOpen = false
	t.cut()
	last := t.mu.files == 0
	t.mu.Unlock()
	t.fs.k.HangUp(t)
	t.notify()
	if last {
		t.fs.forget(t)
	}
}

func (t *tty) closeSlave(s *slave) {
	t.mu.Lock()
	t.mu.files--
	if !s.hungUp() {
		t.mu.slaves--
	}
	last := t.mu.files == 0 && !t.mu.masterOpen
	t.mu.Unlock()
	t.masterQueue.Notify(wait.Readable | wait.Writable)
	if last {
		t.fs.forget(t)
	}
}

// gone reports whether the master is closed: the slave has no name any more.
func (t *tty) gone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.mu.masterOpen
}

// flushSignals delivers the signals that were typed, without the lock.
func (t *tty) flushSignals(sigs []unix.Signal) {
	for _, s := range sigs {
		t.fs.k.SignalForeground(t, s)
	}
}

// setStatus notes a change for packet mode. The lock is held.
func (t *tty) setStatus(bits byte) {
	if t.mu.packet {
		t.mu.status |= bits
	}
}
