package vnet

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// The receiver starts with few slots and has more while they are all used: each
// may hold on to 64 KiB.
const minSlots, maxSlots = 4, 32

// receiver delivers what arrives at an endpoint.
//
// It has a thread of its own, which sleeps in ppoll(2). Go's poller would wake a
// thread that looks for a goroutine, which wakes another one to look for more: on
// a machine of few processors that is dearer than what the packet itself needs.
type receiver struct {
	e  *Endpoint
	to link.Dispatcher

	slots [maxSlots]slot
	msgs  [maxSlots]mmsghdr
	n     int // how many are in use
	few   int // how often in a row a quarter of them would have done
	out   []*buffer.Packet

	tid   atomic.Int32 // of the thread, 0 before it runs
	ended atomic.Bool  // it is to end
	done  chan struct{}
}

// run delivers until end is called or the link ends.
func (r *receiver) run() {
	defer close(r.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.tid.Store(int32(unix.Gettid()))
	defer func() {
		for i := range r.slots {
			r.slots[i].drop()
		}
	}()
	// The descriptor stays open as long as it is in use.
	_ = r.e.raw.Control(func(fd uintptr) {
		for !r.ended.Load() && r.batch(int(fd)) {
		}
	})
}

// again is how long a receiver is given to hear that it is to end.
const again = time.Millisecond

// end ends the receiver and returns when it has. A signal that comes before ppoll
// is lost, so more are sent. The Go runtime takes SIGURG for one of its own and
// does nothing.
func (r *receiver) end() {
	r.ended.Store(true)
	for {
		if tid := r.tid.Load(); tid != 0 {
			_ = unix.Tgkill(unix.Getpid(), int(tid), unix.SIGURG)
		}
		select {
		case <-r.done:
			return
		case <-time.After(again):
		}
	}
}

// batch delivers what there is, and waits if that is nothing. It reports whether
// there may be more.
func (r *receiver) batch(fd int) bool {
	e := r.e
	r.prepare(e.c.Pool)
	got, errno := e.recv(fd, r.msgs[:r.n])
	switch errno {
	case 0:
	case unix.EAGAIN:
		wait(fd)
		return true
	case unix.EINTR:
		return true
	default:
		return e.failed(r.to, errno)
	}
	if e.c.Peer && got > 0 && r.msgs[0].Len == 0 {
		e.failed(r.to, unix.ENETDOWN) // the end of a stream of packets
		return false
	}
	if !e.up.Swap(true) {
		r.to.LinkChanged(true, 0)
	}
	if r.collect(got, e.c.Pool); len(r.out) > 0 {
		r.to.Deliver(r.out)
		clear(r.out)
	}
	drained := got < r.n
	r.adapt(got)
	if drained {
		wait(fd)
	}
	return true
}

// wait sleeps until there is something to receive, or a signal comes.
func wait(fd int) {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, _ = unix.Ppoll(p[:], nil, nil)
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
