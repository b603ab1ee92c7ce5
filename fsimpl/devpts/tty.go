package devpts

import (
	"golang.org/x/sys/unix"

	"hull/sentry/kernel"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// maxOutput bounds what waits to be read by the master, in bytes.
const maxOutput = 8192

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
		size       unix.Winsize
		locked     bool // TIOCSPTLCK: the slave cannot be opened
		masterOpen bool
		slaves     int  // open slaves
		opened     bool // a slave was open once: the master sees EIO when none is
		hungUp     bool // no more for slaves
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

// SessionGone implements kernel.Terminal: the session leader exited.
func (t *tty) SessionGone() { t.hangUp() }

// hangUp makes the slave's reads end and its writes fail.
func (t *tty) hangUp() {
	t.mu.Lock()
	t.mu.hungUp = true
	t.mu.Unlock()
	t.notify()
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
	t.mu.masterOpen, t.mu.hungUp = false, true
	t.mu.Unlock()
	t.fs.k.HangUp(t)
	t.notify()
	t.fs.forget(t)
}

func (t *tty) closeSlave() {
	t.mu.Lock()
	t.mu.slaves--
	t.mu.Unlock()
	t.masterQueue.Notify(wait.Readable | wait.Writable)
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
