package pipe

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// FIFOs opens named pipes, fifo(7).
type FIFOs struct{}

var _ vfs.FIFOOpener = FIFOs{}

// OpenFIFO implements vfs.FIFOOpener. An open for reading waits until there is
// a writer, one for writing until there is a reader; O_RDWR never waits.
// O_NONBLOCK makes reading not wait and writing ENXIO.
func (FIFOs) OpenFIFO(t current.Task, f *vfs.File, s *vfs.Special) (vfs.FileImpl, error) {
	p := s.Pipe(func() any { return newPipe() }).(*Pipe)
	nonblock := f.Flags()&unix.O_NONBLOCK != 0
	switch f.Flags() & unix.O_ACCMODE {
	case unix.O_RDONLY:
		return p.openRead(t, nonblock)
	case unix.O_WRONLY:
		return p.openWrite(t, nonblock)
	case unix.O_RDWR:
		p.mu.Lock()
		p.readers++
		p.writers++
		p.readOpens++
		p.writeOpens++
		p.mu.Unlock()
		p.partner.Notify(wait.All)
		return &end{p: p, reads: true, writes: true, fifo: true}, nil
	}
	return nil, unix.EINVAL
}

func (p *Pipe) openRead(t current.Task, nonblock bool) (vfs.FileImpl, error) {
	e := &end{p: p, reads: true, fifo: true}
	p.mu.Lock()
	p.readOpens++
	p.readers++
	alone := p.writers == 0
	seen := p.writeOpens
	p.mu.Unlock()
	p.partner.Notify(wait.All)
	if alone {
		if nonblock {
			e.seen = seen
			return e, nil
		}
		if err := e.await(t, &p.writeOpens, seen); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (p *Pipe) openWrite(t current.Task, nonblock bool) (vfs.FileImpl, error) {
	e := &end{p: p, writes: true, fifo: true}
	p.mu.Lock()
	alone := p.readers == 0
	if alone && nonblock {
		p.mu.Unlock()
		return nil, unix.ENXIO
	}
	p.writeOpens++
	p.writers++
	seen := p.readOpens
	p.mu.Unlock()
	p.partner.Notify(wait.All)
	if alone {
		if err := e.await(t, &p.readOpens, seen); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// await waits until *opens is no longer seen. If the wait is interrupted the
// end is closed.
func (e *end) await(t current.Task, opens *uint64, seen uint64) error {
	err := current.Retry(t, partners{e.p}, wait.All, time.Time{}, func() error {
		e.p.mu.Lock()
		defer e.p.mu.Unlock()
		if *opens == seen {
			return unix.EAGAIN
		}
		return nil
	})
	if err != nil {
		e.close()
	}
	return err
}

// partners is a pipe as those see it who wait for its other end.
type partners struct{ p *Pipe }

// Readiness implements wait.Waitable.
func (partners) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (w partners) Register(e *wait.Entry, m wait.Mask) { w.p.partner.Register(e, m) }

// Unregister implements wait.Waitable.
func (w partners) Unregister(e *wait.Entry) { w.p.partner.Unregister(e) }

// Reopen implements vfs.Reopener: a pipe opened again by /proc/self/fd/N is
// another end of it, and never waits.
func (e *end) Reopen(_ current.Task, f *vfs.File) (vfs.FileImpl, error) {
	p := e.p
	n := &end{p: p, fifo: e.fifo}
	switch f.Flags() & unix.O_ACCMODE {
	case unix.O_RDONLY:
		n.reads = true
	case unix.O_WRONLY:
		n.writes = true
	default:
		n.reads, n.writes = true, true
	}
	p.mu.Lock()
	if n.reads {
		p.readers++
		p.readOpens++
	}
	if n.writes {
		p.writers++
		p.writeOpens++
	}
	p.mu.Unlock()
	return n, nil
}

// IsStream implements vfs.Streamer.
func (*end) IsStream() bool { return true }
