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

// Endpoint is a link over a socket. One goroutine receives; whoever sends does it
// himself.
type Endpoint struct {
	c       Config
	file    *os.File
	raw     syscall.RawConn
	batches batches
	up      atomic.Bool
	closed  atomic.Bool

	attach sync.Mutex // guards done, and is held while it changes
	done   chan struct{}
}

// sendPatience is how long a full queue of the host is waited for.
const sendPatience = 10 * time.Millisecond

// New returns an endpoint. The descriptor is closed with an error.
func New(c Config) (*Endpoint, error) {
	if err := unix.SetNonblock(c.FD, true); err != nil {
		_ = unix.Close(c.FD)
		return nil, fmt.Errorf("link: descriptor %d: %w", c.FD, err)
	}
	e := &Endpoint{c: c, file: os.NewFile(uintptr(c.FD), "link")}
	raw, err := e.file.SyscallConn()
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
	if e.done != nil {
		// A deadline that has passed ends the wait of the receiver, and no more.
		_ = e.file.SetReadDeadline(time.Unix(1, 0))
		<-e.done
		_ = e.file.SetReadDeadline(time.Time{})
		e.done = nil
	}
	if d == nil {
		return
	}
	e.done = make(chan struct{})
	go e.receive(d, e.done)
}

// The receiver starts with few slots and has more while they are all used: each
// may hold on to 64 KiB.
const minSlots, maxSlots = 4, 32

// receiver is the memory for calls of recvmmsg.
type receiver struct {
	slots [maxSlots]slot
	msgs  [maxSlots]mmsghdr
	n     int // how many are in use
	few   int // how often in a row a quarter of them would have done
	out   []*buffer.Packet
}

// receive delivers what arrives until Attach or Close ends it.
func (e *Endpoint) receive(d link.Dispatcher, done chan struct{}) {
	defer close(done)
	r := &receiver{n: minSlots, out: make([]*buffer.Packet, 0, maxSlots)}
	defer func() {
		for i := range r.slots {
			r.slots[i].drop()
		}
	}()
	var got int
	var errno unix.Errno
	read := func(fd uintptr) bool {
		for {
			got, errno = e.recv(int(fd), r.msgs[:r.n])
			if errno != unix.EINTR {
				return errno != unix.EAGAIN
			}
		}
	}
	for {
		r.prepare(e.c.Pool)
		if err := e.raw.Read(read); err != nil {
			return // ended
		}
		if errno != 0 {
			if !e.failed(d, errno) {
				return
			}
			continue
		}
		if e.c.Peer && got > 0 && r.msgs[0].Len == 0 {
			e.failed(d, unix.ENETDOWN) // the end of a stream of packets
			return
		}
		if !e.up.Swap(true) {
			d.LinkChanged(true, 0)
		}
		if r.collect(got, e.c.Pool); len(r.out) > 0 {
			d.Deliver(r.out)
			clear(r.out)
		}
		r.adapt(got)
	}
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

func (r *receiver) prepare(pool *buffer.Pool) {
	for i := range r.n {
		s, m := &r.slots[i], &r.msgs[i]
		s.prepare(pool)
		m.Iov = &s.iov[0]
		m.SetIovlen(len(s.iov))
		m.Control = &s.control[0]
		m.SetControllen(len(s.control))
	}
}

// collect makes packets of the first n messages.
func (r *receiver) collect(n int, pool *buffer.Pool) {
	r.out = r.out[:0]
	now := time.Now()
	for i := range n {
		s, m := &r.slots[i], &r.msgs[i]
		if m.Flags&unix.MSG_TRUNC != 0 {
			continue
		}
		var vlan *tag
		if m.Controllen > 0 {
			vlan = auxTag(s.control[:m.Controllen])
		}
		if p := s.take(int(m.Len), vlan, pool, now); p != nil {
			r.out = append(r.out, p)
		}
	}
}

// adapt sees to it that there are as many slots as are used.
func (r *receiver) adapt(got int) {
	const often = 64
	switch {
	case got == r.n:
		r.n, r.few = min(2*r.n, maxSlots), 0
	case got > r.n/4 || r.n == minSlots:
		r.few = 0
	default:
		if r.few++; r.few == often {
			for i := r.n / 2; i < r.n; i++ {
				r.slots[i].drop()
			}
			r.n, r.few = r.n/2, 0
		}
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
