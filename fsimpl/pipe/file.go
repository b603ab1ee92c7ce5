package pipe

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// end is an open end of a pipe, or both ends of a FIFO opened O_RDWR.
type end struct {
	p             *Pipe // immutable
	reads, writes bool  // immutable
	fifo          bool  // immutable
	// seen is how many writers there had been when a FIFO was opened for
	// reading without one: until another comes it is not hung up.
	seen uint64 // immutable
}

var _ vfs.FileImpl = (*end)(nil)

// New makes a pipe and its two ends, pipe(2). flags are O_NONBLOCK and
// O_DIRECT.
func New(anon *vfs.AnonFS, cred *auth.Cred, flags uint32) (r, w *vfs.File) {
	p := newPipe()
	p.readers, p.writers, p.readOpens, p.writeOpens = 1, 1, 1, 1
	const mode = unix.S_IFIFO | 0600
	r = vfs.Anonymous(anon, &end{p: p, reads: true}, "pipe", mode, unix.O_RDONLY|flags, cred, true)
	w = vfs.Anonymous(anon, &end{p: p, writes: true}, "pipe", mode, unix.O_WRONLY|flags, cred, true)
	return r, w
}

// Of returns the pipe that f is an end of, or nil.
func Of(f *vfs.File) *Pipe {
	if e, ok := f.Impl().(*end); ok {
		return e.p
	}
	return nil
}

// Read implements vfs.FileImpl.
func (e *end) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	return e.p.read(dst)
}

// Write implements vfs.FileImpl.
func (e *end) Write(t current.Task, f *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	n, err := e.p.write(t, src, f.Flags()&unix.O_DIRECT != 0)
	return n, off, err
}

// Ioctl implements vfs.FileImpl.
func (e *end) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	if cmd != unix.TIOCINQ { // FIONREAD
		return 0, unix.ENOTTY
	}
	e.p.mu.Lock()
	n := int32(e.p.size())
	e.p.mu.Unlock()
	return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &n)
}

// Readiness implements wait.Waitable.
func (e *end) Readiness(m wait.Mask) wait.Mask {
	p := e.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polled = true
	var r wait.Mask
	if e.reads {
		if !p.empty() {
			r |= wait.In | wait.RdNrm
		}
		if p.writers == 0 && (!e.fifo || p.writeOpens != e.seen) {
			r |= wait.Hup
		}
	}
	if e.writes {
		if !p.full() {
			r |= wait.Out | wait.WrNrm
		}
		if p.readers == 0 {
			r |= wait.Err
		}
	}
	return r & (m | wait.Hup | wait.Err)
}

// Register implements wait.Waitable.
func (e *end) Register(w *wait.Entry, m wait.Mask) { e.p.q.Register(w, m) }

// Unregister implements wait.Waitable.
func (e *end) Unregister(w *wait.Entry) { e.p.q.Unregister(w) }

// RegisterExclusive implements epoll's EPOLLEXCLUSIVE.
func (e *end) RegisterExclusive(w *wait.Entry, m wait.Mask) { e.p.q.RegisterExclusive(w, m) }

// Release implements vfs.FileImpl.
func (e *end) Release(current.Task, *vfs.File) { e.close() }

func (e *end) close() {
	p := e.p
	p.mu.Lock()
	if e.reads {
		p.readers--
	}
	if e.writes {
		p.writers--
	}
	var m wait.Mask
	switch {
	case p.readers == 0 && p.writers == 0:
		// A FIFO forgets what nobody read.
		for !p.empty() {
			p.pop()
		}
		p.spare = nil
	case e.writes && p.writers == 0:
		m = wait.Hup | wait.In | wait.RdNrm
	case e.reads && p.readers == 0:
		m = wait.Err | wait.Out | wait.WrNrm
	}
	p.mu.Unlock()
	if m != 0 {
		p.q.Notify(m)
	}
}
