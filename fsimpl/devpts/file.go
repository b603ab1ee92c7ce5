package devpts

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// master is an open master side.
type master struct{ t *tty }

// slave is an open slave side.
type slave struct {
	t    *tty
	born int // immutable: the hang-ups before it was opened
}

// hungUp reports whether the terminal was hung up since s was opened: it is cut
// off for good. The tty's lock is held.
func (s *slave) hungUp() bool { return s.t.mu.hangups != s.born }

// maxChunk bounds what one write copies in at a time.
const maxChunk = 2048

// Read implements vfs.FileImpl: what the slave wrote.
func (m *master) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	t := m.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if dst.Len() == 0 {
		return 0, nil
	}
	if t.mu.packet && t.mu.status != 0 {
		n, err := dst.CopyOut([]byte{t.mu.status})
		t.mu.status = 0
		return int64(n), err
	}
	src := t.pending()
	if len(src) == 0 || t.mu.ld.paused {
		if t.mu.opened && t.mu.slaves == 0 && len(src) == 0 {
			return 0, unix.EIO
		}
		return 0, unix.EAGAIN
	}
	var head int64
	if t.mu.packet {
		if _, err := dst.CopyOut([]byte{0}); err != nil {
			return 0, err
		}
		head = 1
	}
	n := min(len(src), int(min(dst.Len(), maxOutput)))
	n, err := dst.CopyOut(src[:n])
	t.mu.out = t.mu.out[:copy(t.mu.out, t.mu.out[n:])]
	if n == 0 && err != nil {
		return 0, err
	}
	t.slaveQueue.Notify(wait.Writable)
	return head + int64(n), nil
}

// pending moves echoes behind what was written, as far as there is room. The lock
// is held.
func (t *tty) pending() []byte {
	e := t.mu.ld.echo
	n := min(len(e), max(maxOutput-len(t.mu.out), 0))
	t.mu.out = append(t.mu.out, e[:n]...)
	t.mu.ld.echo = e[:copy(e, e[n:])]
	return t.mu.out
}

// Write implements vfs.FileImpl: the slave's input.
func (m *master) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	var done int64
	for src.Len() > 0 {
		var b [maxChunk]byte
		rest := src
		n, err := rest.CopyIn(b[:min(uint64(len(b)), src.Len())])
		if err != nil && n == 0 {
			return done, off, firstError(done, err)
		}
		took := m.t.input(b[:n])
		done += int64(took)
		src.Skip(uint64(took))
		if took < n {
			return done, off, firstError(done, unix.EAGAIN)
		}
	}
	return done, off, nil
}

// firstError is err unless something was done before it.
func firstError(done int64, err error) error {
	if done > 0 {
		return nil
	}
	return err
}

// input gives what was held and b to the line discipline, holds what that has no
// room for, and returns how much of b it took.
func (t *tty) input(b []byte) int {
	t.mu.Lock()
	give := func(b []byte) (n int) {
		for n < len(b) && t.mu.ld.input(b[n]) {
			n++
		}
		return n
	}
	held := t.mu.held
	t.mu.held = held[:copy(held, held[give(held):])]
	n := 0
	if len(t.mu.held) == 0 {
		n = give(b)
	}
	more := min(len(b)-n, maxHeld-len(t.mu.held))
	t.mu.held = append(t.mu.held, b[n:n+more]...)
	n += more
	sigs := t.mu.ld.sigs
	t.mu.ld.sigs = nil
	readable, eof := t.mu.ld.readable()
	echoed := len(t.mu.ld.echo) > 0
	t.mu.Unlock()
	t.flushSignals(sigs)
	if readable > 0 || eof {
		t.slaveQueue.Notify(wait.In | wait.RdNrm)
	}
	if echoed {
		t.masterQueue.Notify(wait.In | wait.RdNrm)
	}
	return n
}

// Readiness implements wait.Waitable.
func (m *master) Readiness(mask wait.Mask) wait.Mask {
	t := m.t
	t.mu.Lock()
	defer t.mu.Unlock()
	var r wait.Mask
	if len(t.pending()) > 0 && !t.mu.ld.paused {
		r |= wait.In | wait.RdNrm
	}
	if t.mu.packet && t.mu.status != 0 {
		r |= wait.In | wait.RdNrm | wait.Pri
	}
	if len(t.mu.held) < maxHeld {
		r |= wait.Out | wait.WrNrm
	}
	if t.mu.opened && t.mu.slaves == 0 {
		r |= wait.Hup
	}
	return r & (mask | wait.Hup | wait.Err)
}

// Register implements wait.Waitable.
func (m *master) Register(e *wait.Entry, mask wait.Mask) { m.t.masterQueue.Register(e, mask) }

// Unregister implements wait.Waitable.
func (m *master) Unregister(e *wait.Entry) { m.t.masterQueue.Unregister(e) }

// Release implements vfs.FileImpl.
func (m *master) Release(current.Task, *vfs.File) { m.t.closeMaster() }

// Read implements vfs.FileImpl: what was typed.
func (s *slave) Read(ct current.Task, f *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	n, err := s.read(ct, f, dst)
	s.t.refill()
	return n, err
}

// refill has the line discipline take of what was held, now that it may have room,
// and tells the master of the room that this makes.
func (t *tty) refill() {
	t.mu.Lock()
	held := len(t.mu.held) > 0 && !t.mu.ld.full()
	t.mu.Unlock()
	if held {
		t.input(nil)
		t.masterQueue.Notify(wait.Out | wait.WrNrm)
	}
}

func (s *slave) read(ct current.Task, f *vfs.File, dst usermem.Buffer) (int64, error) {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.hungUp() {
		return 0, nil
	}
	t.mu.Unlock()
	err := jobControl(ct, t, unix.SIGTTIN)
	t.mu.Lock()
	if err != nil {
		return 0, err
	}
	if dst.Len() == 0 {
		return 0, nil
	}
	n, eof := t.mu.ld.readable()
	if eof {
		t.mu.ld.takeEOF()
		return 0, nil
	}
	if !t.mu.ld.is(unix.ICANON) {
		if wait, err := s.raw(ct, f, n); wait || err != nil {
			return 0, err
		}
		n, _ = t.mu.ld.readable()
	} else if n == 0 {
		if s.hungUp() {
			return 0, nil
		}
		return 0, unix.EAGAIN
	}
	n = min(n, int(min(dst.Len(), maxInput)))
	k, err := dst.CopyOut(t.mu.ld.ready[:n])
	if k == 0 && err != nil {
		return 0, err
	}
	t.mu.ld.take(k)
	return int64(k), nil
}

// raw waits as VMIN and VTIME say, termios(3). The lock is held, and given up
// while it sleeps. done says that the read is over with nothing.
func (s *slave) raw(ct current.Task, f *vfs.File, have int) (done bool, err error) {
	t := s.t
	minimum, tenths := int(t.mu.ld.t.Cc[unix.VMIN]), int(t.mu.ld.t.Cc[unix.VTIME])
	switch {
	case have >= max(minimum, 1):
		return false, nil
	case s.hungUp():
		return have == 0, nil
	case f.Flags()&unix.O_NONBLOCK != 0 && have > 0:
		return false, nil
	case minimum == 0 && tenths == 0:
		return have == 0, nil
	case tenths == 0 || minimum > 0 && have == 0 || f.Flags()&unix.O_NONBLOCK != 0:
		return true, unix.EAGAIN
	}
	// A timer runs: for the first byte if VMIN is 0, else between bytes.
	e := wait.Entry{Listener: ct.Waker()}
	t.slaveQueue.Register(&e, wait.Readable)
	defer t.slaveQueue.Unregister(&e)
	for have < max(minimum, 1) && !s.hungUp() {
		deadline := time.Now().Add(time.Duration(tenths) * time.Second / 10)
		t.mu.Unlock()
		err := ct.Block(nil, deadline)
		t.mu.Lock()
		now, _ := t.mu.ld.readable()
		if err != nil {
			if err == unix.ETIMEDOUT {
				return now == 0, nil
			}
			if now > 0 {
				return false, nil
			}
			return true, err
		}
		have = now
	}
	return have == 0, nil
}

// jobControl is the rule for callers in the background.
func jobControl(ct current.Task, t *tty, sig unix.Signal) error {
	kt, ok := ct.(*kernel.Task)
	if !ok {
		return nil
	}
	return kt.CheckTerminal(t, sig)
}

// Write implements vfs.FileImpl: output.
func (s *slave) Write(ct current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	t := s.t
	t.mu.Lock()
	tostop := t.mu.ld.is(unix.TOSTOP) && !s.hungUp()
	t.mu.Unlock()
	if tostop {
		if err := jobControl(ct, t, unix.SIGTTOU); err != nil {
			return 0, off, err
		}
	}
	var done int64
	for src.Len() > 0 {
		var b [maxChunk]byte
		rest := src
		n, err := rest.CopyIn(b[:min(uint64(len(b)), src.Len())])
		if err != nil && n == 0 {
			return done, off, firstError(done, err)
		}
		took, err := s.output(b[:n])
		done += int64(took)
		src.Skip(uint64(took))
		if err != nil {
			return done, off, firstError(done, err)
		}
	}
	return done, off, nil
}

// output queues what the slave writes and returns how much there was room for.
func (s *slave) output(b []byte) (int, error) {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.hungUp() {
		return 0, unix.EIO
	}
	t.pending()
	n := 0
	for n < len(b) && len(t.mu.out) < maxOutput && !t.mu.ld.paused {
		t.mu.out = t.mu.ld.output(t.mu.out, b[n])
		n++
	}
	if n > 0 {
		t.masterQueue.Notify(wait.In | wait.RdNrm)
	}
	if n < len(b) {
		return n, unix.EAGAIN
	}
	return n, nil
}

// Readiness implements wait.Waitable.
func (s *slave) Readiness(mask wait.Mask) wait.Mask {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	var r wait.Mask
	n, eof := t.mu.ld.readable()
	need := 1
	if !t.mu.ld.is(unix.ICANON) && t.mu.ld.t.Cc[unix.VTIME] == 0 {
		need = max(1, int(t.mu.ld.t.Cc[unix.VMIN]))
	}
	if n >= need || eof {
		r |= wait.In | wait.RdNrm
	}
	if len(t.mu.out) < maxOutput && !t.mu.ld.paused {
		r |= wait.Out | wait.WrNrm
	}
	if s.hungUp() {
		r |= wait.Hup | wait.In | wait.RdNrm | wait.Out | wait.WrNrm | wait.Err
	}
	return r & (mask | wait.Hup | wait.Err)
}

// Register implements wait.Waitable.
func (s *slave) Register(e *wait.Entry, mask wait.Mask) { s.t.slaveQueue.Register(e, mask) }

// Unregister implements wait.Waitable.
func (s *slave) Unregister(e *wait.Entry) { s.t.slaveQueue.Unregister(e) }

// Release implements vfs.FileImpl.
func (s *slave) Release(current.Task, *vfs.File) { s.t.closeSlave(s) }
