package conntrack

import "golang.org/x/sys/unix"

// Insert makes a connection that no packet began, of the tuples and their zones. nat
// says how it is translated, its destination and its source; nil is not at all. set
// says what else is known of it before anybody can see it; its error is Insert's.
// EEXIST if one of the tuples is taken, ENOMEM if there are too many.
func (t *Table) Insert(original, reply Tuple, nat *[2]Range, now int64, set func(c *Conn) error) error {
	c := newConn(t.lastID.Add(1), original, reply, Zones{original.Zone, reply.Zone}, !original.Src.Is4(), now)
	if nat != nil {
		t.SetNAT(c, false, &nat[0], now)
		t.SetNAT(c, true, &nat[1], now)
	}
	c.set(Confirmed)
	if err := set(c); err != nil {
		return err
	}
	c.status.And(^uint32(Confirmed))
	ok := t.Confirm(c.Ref(false, New), now)
	switch {
	case c.Status()&Confirmed != 0:
		return nil
	case !ok && t.full():
		return unix.ENOMEM
	}
	return unix.EEXIST
}

// SetDeadline sets when the connection expires, in nanoseconds of the stack's clock.
func (c *Conn) SetDeadline(at int64) { c.deadline.Store(at) }

// SetStatus sets that there was an answer, and that the connection is not to be given
// up early. EBUSY if one of these would be taken back, or another one changed that is
// not for others to decide.
func (c *Conn) SetStatus(s Status) error {
	const expected = Status(1)
	is := c.Status()
	if (is^s)&(expected|Confirmed|Dying) != 0 || is&^s&(SeenReply|Assured) != 0 {
		return unix.EBUSY
	}
	c.set(s & (SeenReply | Assured))
	return nil
}

// SetTCP sets the state of a connection of TCP: EINVAL for one that there is not.
func (c *Conn) SetTCP(s TCPState) error {
	if s >= tcpStates {
		return unix.EINVAL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tcp = s
	return nil
}
