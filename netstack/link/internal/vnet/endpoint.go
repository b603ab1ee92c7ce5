package vnet

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// Config describes an endpoint.
type Config struct {
	// FD is the socket, which the endpoint takes over.
	FD      int
	Pool    *buffer.Pool
	MTU     int
	Kind    link.Kind
	Address link.Address
	Offload link.Offload
	// Device says that the descriptor is a TAP or TUN device, whose messages are
	// moved one by one, not a socket.
	Device bool
	// Peer says that the other end is a process: its end is the link's.
	Peer bool
}

// Endpoint is a link over a socket. One thread receives; whoever sends does it
// himself.
type Endpoint struct {
	c       Config
	file    *os.File
	raw     syscall.RawConn
	batches batches
	up      atomic.Bool
	closed  atomic.Bool

	attach sync.Mutex // guards at, and is held while it changes
	at     *receiver  // nil: nobody is delivered to
}

// sendPatience is how long a full queue of the host is waited for.
const sendPatience = 10 * time.Millisecond

// New returns an endpoint. The descriptor is closed with an error.
func New(c Config) (*Endpoint, error) {
	// Go puts a descriptor that does not block into its poller, which would wake
	// up for each packet besides the receiver.
	if err := unix.SetNonblock(c.FD, false); err != nil {
		_ = unix.Close(c.FD)
		return nil, fmt.Errorf("link: descriptor %d: %w", c.FD, err)
	}
	e := &Endpoint{c: c, file: os.NewFile(uintptr(c.FD), "link")}
	raw, err := e.file.SyscallConn()
	if err == nil {
		err = unix.SetNonblock(c.FD, true)
	}
	if err != nil {
		_ = e.file.Close()
		return nil, fmt.Errorf("link: descriptor %d: %w", c.FD, err)
	}
	e.raw = raw
	e.up.Store(true)
	return e, nil
}

// MTU implements link.Endpoint.
func (e *Endpoint) MTU() int { return e.c.MTU }

// Kind implements link.Endpoint.
func (e *Endpoint) Kind() link.Kind { return e.c.Kind }

// Address implements link.Endpoint.
func (e *Endpoint) Address() link.Address { return e.c.Address }

// Offload implements link.Endpoint.
func (e *Endpoint) Offload() link.Offload { return e.c.Offload }

// Close implements link.Endpoint.
func (e *Endpoint) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	e.Attach(nil)
	return e.file.Close()
}

// Attach implements link.Endpoint. It must not be called by what is delivered to.
func (e *Endpoint) Attach(d link.Dispatcher) {
	e.attach.Lock()
	defer e.attach.Unlock()
	if e.at != nil {
		e.at.end()
		e.at = nil
	}
	if d == nil {
		return
	}
	e.at = &receiver{e: e, to: d, n: minSlots, out: make([]*buffer.Packet, 0, maxSlots), done: make(chan struct{})}
	go e.at.run()
}

// failed handles an error of the socket, and reports whether to go on.
func (e *Endpoint) failed(d link.Dispatcher, errno unix.Errno) bool {
	switch errno {
	case unix.ENETDOWN, unix.ENODEV, unix.ENXIO:
		e.downed(d)
		return true
	case unix.ECONNRESET, unix.ENOTCONN:
		e.downed(d)
		return false
	case unix.EBADF, unix.ENOTSOCK:
		return false
	}
	// A message that could not be had (ENOBUFS, EINVAL for a kind of segment
	// without a name in the header) is gone.
	return true
}

func (e *Endpoint) downed(d link.Dispatcher) {
	if e.up.Swap(false) {
		d.LinkChanged(false, 0)
	}
}

// Send implements link.Endpoint.
func (e *Endpoint) Send(ps []*buffer.Packet) (int, error) {
	defer func() {
		for _, p := range ps {
			p.Release()
		}
	}()
	if e.closed.Load() {
		return 0, unix.ENETDOWN
	}
	x := e.batches.get()
	defer func() { e.batches.put(x) }()
	sent := 0
	for sent < len(ps) {
		n := x.fill(ps[sent:])
		k, err := e.sendAll(x.msgs[:n])
		sent += k
		if err != nil || k < n {
			return sent, err
		}
		e.batches.put(x)
		x = e.batches.get()
	}
	return sent, nil
}

// sendAll sends messages, and returns how many before the queue was full. One
// that the host refuses by itself is dropped, as on any wire.
func (e *Endpoint) sendAll(msgs []mmsghdr) (int, error) {
	total := len(msgs)
	var err error
	for len(msgs) > 0 {
		var n int
		var errno unix.Errno
		// Not Write: that would send for one goroutine at a time.
		if e.raw.Control(func(fd uintptr) { n, errno = e.sendOrWait(int(fd), msgs) }) != nil {
			return total - len(msgs), unix.ENETDOWN
		}
		msgs = msgs[n:]
		switch errno {
		case 0:
		case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
			return total - len(msgs), err
		case unix.ENETDOWN, unix.ENXIO, unix.ENODEV, unix.EPIPE, unix.ECONNRESET, unix.ENOTCONN, unix.ECONNREFUSED:
			return total - len(msgs), unix.ENETDOWN
		default:
			err = errno // EMSGSIZE, EINVAL: of this one
			msgs = msgs[1:]
		}
	}
	if errors.Is(err, unix.EMSGSIZE) {
		return total, err
	}
	return total, nil
}

// sendOrWait sends, and waits a little if not even one message can be.
func (e *Endpoint) sendOrWait(fd int, msgs []mmsghdr) (int, unix.Errno) {
	for waited := false; ; {
		n, errno := e.send(fd, msgs)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != unix.EAGAIN || waited:
			return n, errno
		}
		ts := unix.NsecToTimespec(int64(sendPatience))
		_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, &ts, nil)
		waited = true
	}
}
