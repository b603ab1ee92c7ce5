package host

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/wait"
)

// handle is a descriptor of the host and who waits for it. All Files that come
// of one descriptor share it, opened again however often: so there are never
// more goroutines that poll than two a descriptor.
//
// Life: made with one reference; closed with the last, or when the goroutines
// that poll it then have noticed. A number must not be used again under them.
type handle struct {
	fd    int `snapshot:"-"`
	refs  atomic.Int64
	queue wait.Queue

	mu      sync.Mutex // guards what follows
	polling [2]bool    // a goroutine polls for reading, for writing
	closed  bool       // the last reference is gone
}

// The directions of polling.
const (
	reading = iota
	writing
)

// pollTime is how long a goroutine polls before it looks whether the handle is
// still in use.
const pollTime = 5 * time.Second

func newHandle(fd int) *handle {
	h := &handle{fd: fd}
	h.refs.Store(1)
	return h
}

// decRef drops a reference.
func (h *handle) decRef() {
	if h.refs.Add(-1) != 0 {
		return
	}
	h.mu.Lock()
	h.closed = true
	h.closeUnused()
	h.mu.Unlock()
}

// closeUnused closes the descriptor if nobody can use it any more. mu is held.
func (h *handle) closeUnused() {
	if h.closed && !h.polling[reading] && !h.polling[writing] {
		_ = unix.Close(h.fd)
	}
}

// watch makes sure that somebody polls, to tell those who wait once something
// happens. Who then finds nothing to do asks for it again.
func (h *handle) watch(direction int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.polling[direction] {
		h.polling[direction] = true
		go h.poll(direction)
	}
}

// poll polls until something happens or the handle is closed.
func (h *handle) poll(direction int) {
	events := int16(unix.POLLIN | unix.POLLRDHUP)
	if direction == writing {
		events = unix.POLLOUT
	}
	var got int16
	for done := false; !done; {
		got = poll(h.fd, events, pollTime)
		h.mu.Lock()
		if done = got != 0 || h.closed; done {
			h.polling[direction] = false
			h.closeUnused()
		}
		h.mu.Unlock()
	}
	h.queue.Notify(wait.Mask(uint16(got)))
}

// poll asks the host what is ready, waiting at most so long.
func poll(fd int, events int16, most time.Duration) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	ts := unix.NsecToTimespec(int64(most))
	for {
		n, err := unix.Ppoll(p, &ts, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return unix.POLLERR
		case n == 0:
			return 0
		}
		return p[0].Revents
	}
}
