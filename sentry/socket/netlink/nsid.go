package netlink

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/lock"
)

// Numbers is the numbers that network namespaces have for each other (nsid): each
// has its own for those that it knows, by which a link says where its other end is.
// A namespace is named by its stack. The zero value is of no namespace.
type Numbers struct {
	mu   lock.Mutex[lock.Leaf]
	nets map[*stack.Stack]*numbered // guarded by mu
	// heard are the protocols of which a socket asked for what is told in all
	// namespaces: from then on each is watched. Guarded by mu.
	heard []int32
}

// numbered is one namespace: what it calls others.
type numbered struct {
	net *Net
	ids map[*stack.Stack]int32
}

// maxNumbers bounds the numbers of a namespace; there are as many namespaces as boot
// makes, so it is not reached.
const maxNumbers = 1 << 16

// add makes a namespace known, and returns the protocols that it is to be watched for.
func (n *Numbers) add(net *Net) (heard []int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nets == nil {
		n.nets = map[*stack.Stack]*numbered{}
	}
	n.nets[net.Stack] = &numbered{net: net, ids: map[*stack.Stack]int32{}}
	return slices.Clone(n.heard)
}

// hear has all namespaces watched for a protocol.
func (n *Numbers) hear(protocol int32) {
	var all []*Net
	n.mu.Lock()
	if !slices.Contains(n.heard, protocol) {
		n.heard = append(n.heard, protocol)
		for _, o := range n.nets {
			all = append(all, o.net)
		}
	}
	n.mu.Unlock()
	for _, net := range all {
		net.watch(protocol)
	}
}

func (n *Numbers) isHeard(protocol int32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.heard, protocol)
}

// Lost is a number that ended with the namespace that it was of.
type Lost struct {
	Net *Net
	ID  int32
}

// Remove forgets a namespace that is closed, and returns the numbers that it had.
func (n *Numbers) Remove(st *stack.Stack) []Lost {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nets, st)
	var lost []Lost
	for _, o := range n.nets {
		if id, ok := o.ids[st]; ok {
			delete(o.ids, st)
			lost = append(lost, Lost{o.net, id})
		}
	}
	return lost
}

// Of returns what st calls peer; -1 if it has no number for it.
func (n *Numbers) Of(st, peer *stack.Stack) int32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o := n.nets[st]; o != nil {
		if id, ok := o.ids[peer]; ok {
			return id
		}
	}
	return -1
}

// Assign gives peer a number in st, the first that is free if id is less than 0:
// EEXIST if peer has one, ENOSPC if id is taken (or all are), ENOENT if a namespace
// has gone.
func (n *Numbers) Assign(st, peer *stack.Stack, id int32) (int32, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.nets[st]
	if o == nil || n.nets[peer] == nil {
		return -1, unix.ENOENT
	}
	if old, ok := o.ids[peer]; ok {
		return old, unix.EEXIST
	}
	taken := map[int32]bool{}
	for _, x := range o.ids {
		taken[x] = true
	}
	if len(taken) >= maxNumbers || id >= 0 && taken[id] {
		return -1, unix.ENOSPC
	}
	if id < 0 {
		for id = 0; taken[id]; id++ {
		}
	}
	o.ids[peer] = id
	return id, nil
}

// Peer returns the namespace that st calls id, or nil.
func (n *Numbers) Peer(st *stack.Stack, id int32) *stack.Stack {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o := n.nets[st]; o != nil {
		for peer, x := range o.ids {
			if x == id {
				return peer
			}
		}
	}
	return nil
}

// All returns the numbers that st has for others, sorted.
func (n *Numbers) All(st *stack.Stack) []int32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o := n.nets[st]; o != nil {
		return slices.Sorted(maps.Values(o.ids))
	}
	return nil
}

// hearers returns the sockets of other namespaces that hear what is told in st
// (NETLINK_LISTEN_ALL_NSID), with the number that st has there.
func (n *Numbers) hearers(st *stack.Stack, protocol int32) map[*Sock]int32 {
	type listener struct {
		net *Net
		id  int32
	}
	var all []listener
	n.mu.Lock()
	for _, o := range n.nets {
		if id, ok := o.ids[st]; ok {
			all = append(all, listener{o.net, id})
		}
	}
	n.mu.Unlock()
	if !n.isHeard(protocol) {
		return nil
	}
	var socks map[*Sock]int32
	for _, l := range all {
		for _, s := range l.net.Sockets(protocol) {
			if s.flag(unix.NETLINK_LISTEN_ALL_NSID) {
				if socks == nil {
					socks = map[*Sock]int32{}
				}
				socks[s] = l.id
			}
		}
	}
	return socks
}
