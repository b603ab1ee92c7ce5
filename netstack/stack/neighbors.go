package stack

import "hull/netstack/neigh"

// neighTimers are when the neighbour caches of an interface have something to do.
// A cache says its first deadline; nothing runs while there is none.
type neighTimers [2]timer

func (n *NIC) initNeighTimers() {
	for i := range n.neighTimers {
		v6 := i == 1
		n.neighTimers[i].init(&n.stack.timers, func() { n.neighTick(v6) })
	}
}

// neighTick does what is due in a cache.
func (n *NIC) neighTick(v6 bool) {
	c := n.Neighbors(v6)
	if c == nil || n.gone.Load() {
		return
	}
	c.Tick(n.stack.now())
	n.stack.armNeigh(n, v6)
}

// armNeigh sets the timer of a cache by its first deadline.
func (s *Stack) armNeigh(n *NIC, v6 bool) {
	if c := n.Neighbors(v6); c != nil {
		n.armCache(c, &n.neighTimers[bit(v6)])
	}
}

func (n *NIC) armCache(c *neigh.Cache, t *timer) {
	d := c.Deadline()
	if d == 0 {
		return
	}
	if at := t.deadline.Load(); at == 0 || d < at {
		t.set(d)
	}
}
