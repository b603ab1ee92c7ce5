package netlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

// Protocol is what answers requests of one netlink protocol (NETLINK_*).
type Protocol interface {
	// Groups is the number of multicast groups, which count from 1.
	Groups() int
	// Receive is given a datagram that was sent to the kernel. It is the
	// protocol's.
	Receive(t current.Task, s *Sock, data []byte)
}

// Optional interfaces of a Protocol.
type (
	// Watcher is told of each namespace that has sockets of it, until stop.
	Watcher interface {
		Watch(n *Net) (stop func())
	}
	// Guarded limits what those without CAP_NET_ADMIN may do.
	Guarded interface {
		// Open says who may listen to groups, and send to other sockets.
		Open() (listen, send bool)
	}
)

// Config is what a family is given.
type Config struct {
	// Stack returns the network namespace of a task.
	Stack func(t current.Task) *stack.Stack `snapshot:"-"`
	// ByPID and ByFD return the namespace of a process, or of an open file
	// that stands for one; nil if there is none. They may be nil themselves.
	ByPID func(t current.Task, pid int32) *stack.Stack `snapshot:"-"`
	ByFD  func(t current.Task, fd int32) *stack.Stack  `snapshot:"-"`
	// Ioctl answers the ioctls about interfaces, netdevice(7), that any socket
	// takes. It may be nil.
	Ioctl func(t current.Task, cmd uint32, arg usermem.Addr) (uintptr, error) `snapshot:"-"`
}

// Family is the sockets of AF_NETLINK of all namespaces.
type Family struct {
	cfg       Config
	protocols map[int32]Protocol // immutable

	mu   lock.Mutex[lock.Leaf]
	nets map[*stack.Stack]*Net // guarded by mu: those that have sockets
}

var _ socket.Family = (*Family)(nil)

// New returns a family with the protocols by their numbers.
func New(cfg Config, protocols map[int32]Protocol) *Family {
	return &Family{cfg: cfg, protocols: protocols, nets: map[*stack.Stack]*Net{}}
}

// Config returns what New was given.
func (f *Family) Config() *Config { return &f.cfg }

// maxLinks is how many protocols there can be (MAX_LINKS).
const maxLinks = 32

// Socket implements socket.Family.
func (f *Family) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	if typ != unix.SOCK_RAW && typ != unix.SOCK_DGRAM {
		return nil, unix.ESOCKTNOSUPPORT
	}
	p, ok := f.protocols[protocol]
	if protocol < 0 || protocol >= maxLinks || !ok {
		t.Note("hull has no such netlink protocol")
		return nil, unix.EPROTONOSUPPORT
	}
	s := &Sock{fam: f, typ: typ, number: protocol, protocol: p, opener: t.Cred()}
	s.net = f.join(f.cfg.Stack(t), s)
	return s, nil
}

// Pair implements socket.Family: there are none.
func (f *Family) Pair(current.Task, int32, int32) (a, b socket.Socket, err error) {
	return nil, nil, unix.EOPNOTSUPP
}

// Net is the netlink sockets of a network namespace. It lives as long as there is one.
type Net struct {
	Family *Family      // immutable
	Stack  *stack.Stack // immutable

	mu    lock.Mutex[lock.Leaf]
	socks map[int32]map[*Sock]bool // guarded by mu: all, by protocol
	ports map[port]*Sock           // guarded by mu: those that are bound
	count int                      // guarded by Family.mu
	stops map[int32]func()         `snapshot:"-"` // guarded by Family.mu: of the Watchers
}

type port struct {
	protocol int32
	id       uint32
}

// join adds s to the sockets of its namespace.
func (f *Family) join(st *stack.Stack, s *Sock) *Net {
	f.mu.Lock()
	n := f.nets[st]
	if n == nil {
		n = &Net{Family: f, Stack: st, socks: map[int32]map[*Sock]bool{}, ports: map[port]*Sock{}, stops: map[int32]func(){}}
		f.nets[st] = n
	}
	n.count++
	w, watches := s.protocol.(Watcher)
	if watches {
		_, watching := n.stops[s.number]
		watches = !watching
		if watches {
			n.stops[s.number] = func() {}
		}
	}
	f.mu.Unlock()
	n.mu.Lock()
	if n.socks[s.number] == nil {
		n.socks[s.number] = map[*Sock]bool{}
	}
	n.socks[s.number][s] = true
	n.mu.Unlock()
	if watches {
		stop := w.Watch(n)
		f.mu.Lock()
		if n.count > 0 {
			n.stops[s.number] = stop
			stop = nil
		}
		f.mu.Unlock()
		if stop != nil {
			stop()
		}
	}
	return n
}

// leave takes s out of its namespace.
func (n *Net) leave(s *Sock) {
	id := s.portID()
	n.mu.Lock()
	delete(n.socks[s.number], s)
	if n.ports[port{s.number, id}] == s {
		delete(n.ports, port{s.number, id})
	}
	n.mu.Unlock()
	n.Family.mu.Lock()
	n.count--
	var stops map[int32]func()
	if n.count == 0 {
		delete(n.Family.nets, n.Stack)
		stops = n.stops
		n.stops = map[int32]func(){}
	}
	n.Family.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// Sockets returns the sockets of a protocol, or of all with -1.
func (n *Net) Sockets(protocol int32) []*Sock {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*Sock
	for number, socks := range n.socks {
		if protocol >= 0 && number != protocol {
			continue
		}
		for s := range socks {
			all = append(all, s)
		}
	}
	return all
}

// NetOf returns the sockets of a namespace, or nil if it has none.
func (f *Family) NetOf(st *stack.Stack) *Net {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nets[st]
}

// Listening reports whether a socket is in a group: whether it is worth the
// trouble to write a message.
func (n *Net) Listening(protocol int32, group uint32) bool {
	for _, s := range n.Sockets(protocol) {
		if s.inGroup(group) {
			return true
		}
	}
	return false
}

// Multicast sends a datagram to the sockets of a group, but not to except.
func (n *Net) Multicast(protocol int32, group uint32, data []byte, except *Sock) {
	n.multicast(protocol, group, data, except, 0, nil)
}

// multicast is Multicast with a sender.
func (n *Net) multicast(protocol int32, group uint32, data []byte, except *Sock, from uint32, cred *unix.Ucred) bool {
	found := false
	for _, s := range n.Sockets(protocol) {
		if s == except || !s.inGroup(group) {
			continue
		}
		found = true
		m := &datagram{data: data, port: from, group: group}
		if cred != nil {
			m.cred = *cred
		}
		s.deliver(m)
	}
	return found
}

// at returns the socket that is bound to a port.
func (n *Net) at(protocol int32, id uint32) *Sock {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ports[port{protocol, id}]
}
