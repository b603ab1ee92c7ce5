package neigh

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
)

// Update is what a packet says of a neighbour.
type Update struct {
	Addr netip.Addr
	HW   link.Address
	// HasHW: the packet bore the hardware address.
	HasHW bool
	// Solicited: it answers what was asked, and so confirms that the neighbour
	// hears us. Override: a different address replaces the one that is known.
	Solicited, Override bool
	// Router: the neighbour says whether it is one, if HasRouter.
	Router, HasRouter bool
	// Create: an entry is made if there is none.
	Create bool
}

// Learn takes in what a packet said: RFC 4861 section 7.2.5, and for ARP what
// Linux's arp_process does.
func (c *Cache) Learn(now Time, u Update) {
	var w work
	c.mu.Lock()
	c.learn(now, u, &w)
	c.mu.Unlock()
	c.do(&w)
}

func (c *Cache) learn(now Time, u Update, w *work) {
	e := c.entries[u.Addr]
	if e == nil {
		if !u.Create || !u.HasHW {
			return
		}
		if e = c.get(now, u.Addr, w); e == nil {
			return
		}
	}
	if e.state&lasting != 0 {
		return
	}
	if u.HasRouter {
		e.router = u.Router
	}
	known := e.state&valid != 0
	if !known {
		if !u.HasHW {
			return
		}
		e.hw = u.HW
		c.settle(e, u.Solicited, now, w)
		return
	}
	differs := u.HasHW && u.HW != e.hw
	if differs && !u.Override {
		// Somebody else claims the address: what is known is doubted.
		if e.state == Reachable {
			e.deadline = 0
			c.change(e, Stale, now, w)
		}
		return
	}
	if differs {
		e.hw = u.HW
		c.settle(e, u.Solicited, now, w)
		return
	}
	if u.Solicited {
		was := e.state
		c.reach(e, now)
		if was != Reachable {
			c.change(e, Reachable, now, w)
		}
	}
}

// settle enters Reachable or Stale with a new hardware address, and sends what waits.
func (c *Cache) settle(e *Entry, confirmed bool, now Time, w *work) {
	if confirmed {
		c.reach(e, now)
		c.change(e, Reachable, now, w)
	} else {
		e.deadline = 0
		c.change(e, Stale, now, w)
	}
	if e.pending == nil {
		return
	}
	w.sends = append(w.sends, send{c.unqueue(e), e.hw})
	if e.state == Stale {
		e.probes = 0
		c.arm(e, now+c.cfg.DelayFirstProbe)
		e.setState(Delay)
	}
}

// Set is what an administrator says: `ip neigh add`, `replace` or `change`. ENOENT
// and EEXIST are those of the flags create and exclusive; ENOBUFS if there is no room.
func (c *Cache) Set(now Time, a netip.Addr, hw link.Address, hasHW bool, s State, router, create, exclusive bool) error {
	var w work
	c.mu.Lock()
	defer func() {
		c.mu.Unlock()
		c.do(&w)
	}()
	e := c.entries[a]
	switch {
	case e == nil && !create:
		return unix.ENOENT
	case e != nil && exclusive:
		return unix.EEXIST
	case s&lasting != 0 && (e == nil || e.state&lasting == 0) && len(c.entries)-c.dynamic >= maxLasting:
		return unix.ENOBUFS
	case e == nil:
		if s&(valid&^NoARP) != 0 && !hasHW {
			return unix.EINVAL
		}
		if e = c.get(now, a, &w); e == nil {
			return unix.ENOBUFS
		}
	}
	if e.state&lasting == 0 {
		c.dynamic--
	}
	if hasHW {
		e.hw = hw
	}
	e.router, e.deadline, e.confirmed = router, 0, now
	c.change(e, s, now, &w)
	if s&lasting == 0 {
		c.dynamic++
	}
	switch {
	case s == Reachable:
		c.reach(e, now)
	case s == Delay:
		c.arm(e, now+c.cfg.DelayFirstProbe)
	case s&(Probe|Incomplete) != 0:
		e.probes = 0
		c.arm(e, now)
	}
	if s&valid != 0 && e.pending != nil {
		w.sends = append(w.sends, send{c.unqueue(e), e.hw})
	}
	return nil
}

// Delete removes an entry: ENOENT if there is none.
func (c *Cache) Delete(a netip.Addr) error {
	var w work
	c.mu.Lock()
	e := c.entries[a]
	if e != nil {
		c.drop(e, &w)
	}
	c.mu.Unlock()
	c.do(&w)
	if e == nil {
		return unix.ENOENT
	}
	return nil
}

// Flush removes all entries but the lasting ones, or those too.
func (c *Cache) Flush(all bool) {
	var w work
	c.mu.Lock()
	for _, e := range c.entries {
		if all || e.state&lasting == 0 {
			c.drop(e, &w)
		}
	}
	c.mu.Unlock()
	c.do(&w)
}

// List returns the entries, in no order.
func (c *Cache) List() []Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := make([]Info, 0, len(c.entries))
	for _, e := range c.entries {
		if e.state != 0 {
			is = append(is, e.info())
		}
	}
	return is
}

// Lookup returns what is known of a.
func (c *Cache) Lookup(a netip.Addr) (Info, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[a]
	if e == nil || e.state == 0 {
		return Info{}, false
	}
	return e.info(), true
}
