package netlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket"
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
	// NumberWatcher is told of a number that ended with its namespace.
	NumberWatcher interface {
		NumberLost(n *Net, id int32)
	}
	// Guarded limits what those without CAP_NET_ADMIN may do.
	Guarded interface {
		// Open says who may listen to groups, and send to other sockets.
		Open() (listen, send bool)
	}
)

// Config is what a namespace's sockets are given.
type Config struct {
	Protocols map[int32]Protocol // by NETLINK_*
	// ByPID and ByFD return the stack of the namespace of a process, or of an
	// open file that stands for one; nil if there is none. They may be nil.
	ByPID func(t current.Task, pid int32) *stack.Stack `snapshot:"-"`
	ByFD  func(t current.Task, fd int32) *stack.Stack  `snapshot:"-"`
	// Numbers is what the sandbox's namespaces call each other; nil for a
	// namespace that is alone.
	Numbers *Numbers
}

// Net is the netlink sockets of a network namespace. It is the Family too.
type Net struct {
	Stack *stack.Stack  // immutable
	ns    *socket.NetNS // immutable
	cfg   Config        // immutable

	mu    lock.Mutex[lock.Leaf]
	socks map[int32]map[*Sock]bool // guarded by mu: all, by protocol
	ports map[port]*Sock           // guarded by mu: those that are bound
	stops map[int32]func()         `snapshot:"-"` // guarded by mu: of the Watchers
}

var (
	_ socket.Family = (*Net)(nil)
	_ socket.View   = (*Net)(nil)
)

// New returns the sockets of a namespace over its stack.
func New(ns *socket.NetNS, st *stack.Stack, cfg Config) *Net {
	if cfg.Numbers == nil {
		cfg.Numbers = new(Numbers)
	}
	n := &Net{Stack: st, ns: ns, cfg: cfg, socks: map[int32]map[*Sock]bool{}, ports: map[port]*Sock{}, stops: map[int32]func(){}}
	for _, protocol := range cfg.Numbers.add(n) {
		n.watch(protocol)
	}
	return n
}

// Close forgets the namespace, which has no sockets any more. Others that had a
// number for it are told.
func (n *Net) Close() {
	n.mu.Lock()
	stops := n.stops
	n.stops = map[int32]func(){}
	n.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	for _, lost := range n.cfg.Numbers.Remove(n.Stack) {
		for _, p := range n.cfg.Protocols {
			if w, ok := p.(NumberWatcher); ok {
				w.NumberLost(lost.Net, lost.ID)
			}
		}
	}
}

// Config returns what New was given.
func (n *Net) Config() *Config { return &n.cfg }

// maxLinks is how many protocols there can be (MAX_LINKS).
const maxLinks = 32

// Socket implements socket.Family.
func (n *Net) Socket(t current.Task, typ, protocol int32) (socket.Socket, error) {
	if typ != unix.SOCK_RAW && typ != unix.SOCK_DGRAM {
		return nil, unix.ESOCKTNOSUPPORT
	}
	p, ok := n.cfg.Protocols[protocol]
	if protocol < 0 || protocol >= maxLinks || !ok {
		t.Note("hull has no such netlink protocol")
		return nil, unix.EPROTONOSUPPORT
	}
	s := &Sock{net: n, typ: typ, number: protocol, protocol: p, admin: n.ns.May(t, unix.CAP_NET_ADMIN)}
	n.join(s)
	return s, nil
}

// Pair implements socket.Family: there are none.
func (n *Net) Pair(current.Task, int32, int32) (a, b socket.Socket, err error) {
	return nil, nil, unix.EOPNOTSUPP
}

type port struct {
	protocol int32
	id       uint32
}

// join adds s to the sockets of the namespace. With the first one of a protocol
// its watch begins.
func (n *Net) join(s *Sock) {
	n.mu.Lock()
	if n.socks[s.number] == nil {
		n.socks[s.number] = map[*Sock]bool{}
	}
	n.socks[s.number][s] = true
	n.mu.Unlock()
	n.watch(s.number)
}

// watch begins the watch of a protocol, if it is one that watches and does not yet.
func (n *Net) watch(protocol int32) {
	w, ok := n.cfg.Protocols[protocol].(Watcher)
	if !ok {
		return
	}
	n.mu.Lock()
	_, watching := n.stops[protocol]
	if !watching {
		n.stops[protocol] = func() {}
	}
	n.mu.Unlock()
	if watching {
		return
	}
	stop := w.Watch(n)
	n.mu.Lock()
	if _, wanted := n.stops[protocol]; wanted {
		n.stops[protocol], stop = stop, nil
	}
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// leave takes s out of the namespace. With the last one of a protocol its watch ends.
func (n *Net) leave(s *Sock) {
	id, heard := s.portID(), n.cfg.Numbers.isHeard(s.number)
	n.mu.Lock()
	delete(n.socks[s.number], s)
	if n.ports[port{s.number, id}] == s {
		delete(n.ports, port{s.number, id})
	}
	var stop func()
	if len(n.socks[s.number]) == 0 && !heard {
		stop = n.stops[s.number]
		delete(n.stops, s.number)
	}
	n.mu.Unlock()
	if stop != nil {
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

// Listening reports whether a socket is in a group: whether it is worth the
// trouble to write a message.
func (n *Net) Listening(protocol int32, group uint32) bool {
	for _, s := range n.Sockets(protocol) {
		if s.inGroup(group) {
			return true
		}
	}
	for s := range n.cfg.Numbers.hearers(n.Stack, protocol) {
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
	for s, id := range n.cfg.Numbers.hearers(n.Stack, protocol) {
		if s.inGroup(group) {
			m := &datagram{data: data, port: from, group: group, nsid: id, numbered: true}
			if cred != nil {
				m.cred = *cred
			}
			s.deliver(m)
		}
	}
	return found
}

// at returns the socket that is bound to a port.
func (n *Net) at(protocol int32, id uint32) *Sock {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ports[port{protocol, id}]
}
