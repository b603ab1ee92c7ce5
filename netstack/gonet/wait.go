package gonet

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// endpoint is a socket on whose readiness can be waited.
type endpoint struct {
	s      stack.Socket
	in     side // of who reads, accepts, connects
	out    side // of who writes
	closed chan struct{}
	once   sync.Once
}

// side is one direction of an endpoint: one goroutine at a time waits there.
type side struct {
	mu       sync.Mutex // held by who reads, or writes
	wake     chan struct{}
	deadline deadline
}

// deadline is a time that ends waits. A change of it ends waits too, which then
// start anew.
type deadline struct {
	at      atomic.Int64 // nanoseconds since 1970, 0 is never
	changed chan struct{}
}

func newEndpoint(s stack.Socket) *endpoint {
	e := &endpoint{s: s, closed: make(chan struct{})}
	for _, d := range []*side{&e.in, &e.out} {
		d.wake, d.deadline.changed = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	s.SetWake(func(events uint32) {
		const both = unix.EPOLLERR | unix.EPOLLHUP
		if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLPRI|both) != 0 {
			poke(e.in.wake)
		}
		if events&(unix.EPOLLOUT|both) != 0 {
			poke(e.out.wake)
		}
	})
	return e
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retry calls f until it returns something else than EAGAIN.
func (e *endpoint) retry(d *side, f func() error) error {
	for {
		err := f()
		if err != unix.EAGAIN {
			return err
		}
		if err := e.wait(context.Background(), d); err != nil {
			return err
		}
	}
}

// wait waits until d was woken.
func (e *endpoint) wait(ctx context.Context, d *side) error {
	for {
		var late <-chan time.Time
		if at := d.deadline.at.Load(); at != 0 {
			left := time.Until(time.Unix(0, at))
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			t := time.NewTimer(left)
			defer t.Stop()
			late = t.C
		}
		select {
		case <-d.wake:
			return nil
		case <-e.closed:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return os.ErrDeadlineExceeded
		case <-d.deadline.changed:
		}
	}
}

func (d *deadline) set(t time.Time) {
	at := int64(0)
	if !t.IsZero() {
		at = max(t.UnixNano(), 1)
	}
	d.at.Store(at)
	poke(d.changed)
}

// Close ends the endpoint, and who waits on it.
func (e *endpoint) Close() error {
	err := net.ErrClosed
	e.once.Do(func() {
		close(e.closed)
		e.s.Close()
		err = nil
	})
	return err
}

// SetDeadline implements net.Conn.
func (e *endpoint) SetDeadline(t time.Time) error {
	e.in.deadline.set(t)
	e.out.deadline.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *endpoint) SetReadDeadline(t time.Time) error {
	e.in.deadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *endpoint) SetWriteDeadline(t time.Time) error {
	e.out.deadline.set(t)
	return nil
}

// Socket returns the socket below.
func (e *endpoint) Socket() stack.Socket { return e.s }
