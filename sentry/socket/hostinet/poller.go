package hostinet

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/wait"
)

// poller tells sockets' wait queues what the host tells it.
//
// There are two epoll instances, edge-triggered, each with a goroutine asleep in
// it: one hears of what arrives and of ends, the other of room to write. So what
// a waiter is told is what has happened, not what is true besides: an edge of one
// kind is none of the other.
//
// The host has an edge for each datagram that comes or has left, and each costs a
// thread's waking. Of a socket for which nobody waited the last few times the host
// is asked no more, until somebody waits again; that is an edge of its own if the
// socket is ready then, as epoll(7) allows.
//
// Life of a socket in it: add → any number of events → forget, before its
// descriptor is closed. An event has the socket's number, not its descriptor,
// which the next one may have by then.
type poller struct {
	ep   [2]int // immutable: the epoll instances, by direction
	bell int    // immutable: a socket that wakes the goroutines, to end

	closing atomic.Bool
	done    sync.WaitGroup

	mu   lock.Mutex[lock.Leaf]
	last uint64           // guarded by mu
	all  map[uint64]*Sock // guarded by mu
}

// The directions.
const (
	in = iota
	out
)

const (
	inEvents  = unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLPRI | unix.EPOLLRDBAND | unix.EPOLLRDHUP
	outEvents = unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLWRBAND
)

// eventsOf are what the host is asked for a direction.
func eventsOf(direction int) uint32 {
	if direction == out {
		return outEvents
	}
	return inEvents
}

func newPoller() (_ *poller, err error) {
	p := &poller{ep: [2]int{-1, -1}, bell: -1, all: map[uint64]*Sock{}}
	defer func() {
		if err != nil {
			p.closeAll()
		}
	}()
	if p.bell, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP); err != nil {
		return nil, err
	}
	for d := range p.ep {
		if p.ep[d], err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return nil, err
		}
		if err = p.control(d, unix.EPOLL_CTL_ADD, p.bell, 0, 0); err != nil {
			return nil, err
		}
	}
	p.done.Add(len(p.ep))
	for d := range p.ep {
		go p.serve(d)
	}
	return p, nil
}

func (p *poller) closeAll() {
	for _, fd := range []int{p.ep[in], p.ep[out], p.bell} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// close ends the goroutines.
func (p *poller) close() {
	p.closing.Store(true)
	for d := range p.ep {
		// A socket without a connection has hung up, and is asked again: a new edge.
		_ = p.control(d, unix.EPOLL_CTL_MOD, p.bell, 0, 0)
	}
	p.done.Wait()
	p.closeAll()
}

// control is epoll_ctl(2), edge-triggered.
func (p *poller) control(direction, op, fd int, events uint32, id uint64) error {
	return unix.EpollCtl(p.ep[direction], op, fd, &unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(id), Pad: int32(id >> 32)})
}

// add begins to tell s.
func (p *poller) add(s *Sock) error {
	s.watch.Lock() // an event may come before this returns
	defer s.watch.Unlock()
	p.mu.Lock()
	p.last++
	s.id = p.last
	p.all[s.id] = s
	p.mu.Unlock()
	for d := range p.ep {
		s.watch.by[d].armed = true
		if err := p.control(d, unix.EPOLL_CTL_ADD, s.fd, eventsOf(d), s.id); err != nil {
			p.forget(s)
			return err
		}
	}
	return nil
}

// forget ends it. The host forgets the descriptor when it is closed.
func (p *poller) forget(s *Sock) {
	p.mu.Lock()
	delete(p.all, s.id)
	p.mu.Unlock()
}

func (p *poller) find(id uint64) *Sock {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

// serve hands on the events of a direction until close. Errors and ends are told
// with what arrives.
func (p *poller) serve(direction int) {
	defer p.done.Done()
	mask := eventsOf(direction)
	if direction == in {
		mask |= unix.EPOLLERR | unix.EPOLLHUP
	}
	var events [64]unix.EpollEvent
	for {
		// epoll_pwait(2), which is what the sentry's filter knows.
		n, err := call6(unix.SYS_EPOLL_PWAIT, p.ep[direction], uintptr(unsafe.Pointer(&events)), uintptr(len(events)), ^uintptr(0), 0)
		if p.closing.Load() {
			return
		}
		if err != nil {
			panic("hostinet: epoll_pwait: " + err.Error()) // the descriptor is not the poller's any more
		}
		for _, ev := range events[:n] {
			s := p.find(uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32)
			if s == nil {
				continue
			}
			s.idle(direction)
			if m := ev.Events & mask; m != 0 {
				s.wake(wait.Mask(m))
			}
		}
	}
}

// watch is what the host is asked about a socket in one direction.
type watch struct {
	armed bool
	idle  int // events in a row that nobody waited for
}

// maxIdle is how many events that nobody waits for are heard before the host is
// asked for no more.
const maxIdle = 16

// arm has the host tell. Who calls it is on the queue already.
func (s *Sock) arm(direction int) {
	s.watch.Lock()
	defer s.watch.Unlock()
	w := &s.watch.by[direction]
	w.idle = 0
	if !w.armed && !s.watch.closed {
		w.armed = s.n.poller.control(direction, unix.EPOLL_CTL_MOD, s.fd, eventsOf(direction), s.id) == nil
	}
}

// idle is called with each event, and has the host tell no more if there were
// enough that nobody waited for.
func (s *Sock) idle(direction int) {
	s.watch.Lock()
	defer s.watch.Unlock()
	w := &s.watch.by[direction]
	if !s.queue.Empty() {
		w.idle = 0
		return
	}
	if w.idle++; w.idle >= maxIdle && w.armed && !s.watch.closed {
		w.armed = s.n.poller.control(direction, unix.EPOLL_CTL_MOD, s.fd, 0, s.id) != nil
	}
}

// wake tells those who wait.
func (s *Sock) wake(m wait.Mask) {
	if m&wait.Hup != 0 {
		s.queue.NotifyAll(m) // nobody who waits to accept will get anything more
		return
	}
	s.queue.Notify(m)
}
