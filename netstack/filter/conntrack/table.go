package conntrack

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

const (
	shards   = 64
	maxConns = 1 << 20 // whatever the tunable says
	sweep    = 8       // entries of a shard that are looked at when one is added
	drops    = 16      // of those, how many to find one that may be dropped early
)

// Table is the connections of a namespace. Its methods may be called by any goroutine.
type Table struct {
	random func(b []byte)
	seed   maphash.Seed
	shards [shards]shard
	count  atomic.Int64
	lastID atomic.Uint32

	untracked, invalid Ref

	tunables atomic.Pointer[Tunables]

	// watch is called for connections that are new, changed in their state, or
	// gone; nil if nobody listens.
	watch atomic.Pointer[func(Event, *Conn)]
}

// Event is what became of a connection.
type Event uint8

// The events.
const (
	Created Event = iota
	Updated
	Destroyed
)

type shard struct {
	index int // immutable: the order in which two are locked
	mu    sync.Mutex
	conns map[Tuple]*Conn // guarded by mu: by both tuples of a connection
}

// NewTable returns an empty table. random fills b with bytes that nobody can guess.
func NewTable(random func(b []byte)) *Table {
	t := &Table{random: random, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].index, t.shards[i].conns = i, map[Tuple]*Conn{}
	}
	t.untracked.State, t.invalid.State = Untracked, Invalid
	d := DefaultTunables()
	t.tunables.Store(&d)
	return t
}

// Tunables returns the values that hold; SetTunables replaces them.
func (t *Table) Tunables() Tunables { return *t.tunables.Load() }

// SetTunables replaces the tunables.
func (t *Table) SetTunables(v Tunables) { t.tunables.Store(&v) }

// Watch has f called for each event, without locks; nil ends it.
func (t *Table) Watch(f func(Event, *Conn)) {
	if f == nil {
		t.watch.Store(nil)
		return
	}
	t.watch.Store(&f)
}

func (t *Table) tell(e Event, c *Conn) {
	if f := t.watch.Load(); f != nil {
		(*f)(e, c)
	}
}

// Untracked is what a packet carries that a rule takes off.
func (t *Table) Untracked() *Ref { return &t.untracked }

// Invalid is what a packet carries that belongs to no connection.
func (t *Table) Invalid() *Ref { return &t.invalid }

// Len returns the number of connections, expired ones included.
func (t *Table) Len() int { return int(t.count.Load()) }

func (t *Table) shard(tu *Tuple) *shard { return &t.shards[maphash.Comparable(t.seed, *tu)%shards] }

// find returns the connection that a tuple belongs to, and the direction.
func (t *Table) find(tu *Tuple, now int64) (c *Conn, reply bool) {
	s := t.shard(tu)
	s.mu.Lock()
	c = s.conns[*tu]
	s.mu.Unlock()
	if c == nil || c.deadline.Load() <= now || c.Status()&Dying != 0 {
		return nil, false
	}
	return c, c.tuples[0] != *tu
}

// seek is find for a packet: in its zones it may go in either direction.
func (t *Table) seek(tu Tuple, z Zones, now int64) (c *Conn, reply bool) {
	for d, id := range z {
		if d == 1 && id == z[0] {
			break
		}
		tu.Zone = id
		if c, reply = t.find(&tu, now); c != nil && (z[0] == z[1] || direction(reply) == d) {
			return c, reply
		}
	}
	return nil, false
}

// Find returns the connection with a tuple, in either direction.
func (t *Table) Find(tu Tuple, now int64) (*Conn, bool) {
	c, _ := t.find(&tu, now)
	return c, c != nil
}

// Track says how a packet stands to the connections, and makes one if it begins
// one, which is in no table until Confirm. quoted is what the packet quotes, if
// it is an error of ICMP.
func (t *Table) Track(p *Packet, quoted []byte, now int64) *Ref {
	if p.Fragment || p.Short {
		return &t.invalid
	}
	if p.Error {
		return t.related(p, quoted, now)
	}
	if p.Tuple.Proto == header.ProtocolICMPv6 && p.ICMPType >= 130 && p.ICMPType <= 137 {
		return &t.untracked // neighbours and groups are no connections
	}
	c, reply := t.seek(p.Tuple, p.Zones, now)
	if c == nil {
		return t.begin(p, now)
	}
	ref := t.seen(c, p, reply, now)
	if ref == nil { // the tuple begins anew
		t.Delete(c)
		return t.begin(p, now)
	}
	return ref
}

// begin makes a connection for its first packet.
func (t *Table) begin(p *Packet, now int64) *Ref {
	k := t.tunables.Load()
	c := newConn(t.lastID.Add(1), p.Tuple, p.Tuple.Inverse(), p.Zones, p.V6, now)
	switch p.Tuple.Proto {
	case header.ProtocolTCP:
		s, ok := begins(p.Flags, k.Loose)
		if !ok {
			return &t.invalid
		}
		c.tcp = s
		c.fin[0] = p.Flags
	case header.ProtocolICMP, header.ProtocolICMPv6:
		if !asks(p.Tuple.Proto, p.ICMPType) {
			return &t.invalid
		}
	}
	c.deadline.Store(now + int64(k.timeout(c)))
	c.count(false, p.Len)
	return c.Ref(false, New)
}

// seen updates a connection with a packet of it. It returns nil if the packet
// begins another one.
func (t *Table) seen(c *Conn, p *Packet, reply bool, now int64) *Ref {
	k := t.tunables.Load()
	changed, renewed := false, true
	c.mu.Lock()
	if p.Tuple.Proto == header.ProtocolTCP {
		was := c.tcp
		step := was.next(p.Flags, reply, &c.fin)
		if step.reopen {
			c.mu.Unlock()
			return nil
		}
		if step.invalid {
			c.mu.Unlock()
			return &t.invalid
		}
		c.tcp = step.state
		c.fin[direction(reply)] |= p.Flags
		if step.state == TCPEstablished && was != TCPEstablished {
			c.set(Assured)
		}
		changed = was != step.state
		// What is sent again without an answer does not keep alive what was decided
		// for the first one: rules that came since apply when its time is over.
		renewed = changed || was != TCPSynSent
	} else if c.Status()&SeenReply != 0 {
		if p.Tuple.Proto == header.ProtocolUDP || p.Tuple.Proto == header.ProtocolUDPLite {
			// Packets of both directions, for more than two seconds: a stream.
			if now-c.began > 2e9 && c.Status()&Assured == 0 {
				c.set(Assured)
				changed = true
			}
		}
	}
	if renewed {
		c.deadline.Store(now + int64(k.timeout(c)))
	}
	c.mu.Unlock()
	c.count(reply, p.Len)
	state := Established
	if reply {
		if c.Status()&SeenReply == 0 {
			c.set(SeenReply)
			changed = true
		}
	} else if c.Status()&SeenReply == 0 {
		state = New
	}
	if changed && c.Status()&Confirmed != 0 {
		t.tell(Updated, c)
	}
	return c.Ref(reply, state)
}

// related finds the connection of which an error of ICMP quotes a packet.
func (t *Table) related(p *Packet, quoted []byte, now int64) *Ref {
	in, ok := Parse(quoted, p.V6, len(quoted))
	if !ok || in.Fragment || in.Error {
		return &t.invalid
	}
	c, reply := t.seek(in.Tuple.Inverse(), p.Zones, now)
	if c == nil {
		return &t.invalid
	}
	// The error goes the way of the answers to the packet that it quotes.
	return c.Ref(reply, Related)
}

// Confirm enters the connection of a packet into the table, once the packet has
// passed. ok is false if there is no room, or if another one came first. If that
// one is the same, the packet passes, and its Ref stays that of no connection.
func (t *Table) Confirm(r *Ref, now int64) (ok bool) {
	c := r.Conn
	if c == nil || c.Status()&Confirmed != 0 {
		return true
	}
	if r.Reply || c.Status()&Dying != 0 {
		return true
	}
	if t.full() && !t.dropEarly(&c.tuples[0], now) {
		return false
	}
	a, b := t.shard(&c.tuples[0]), t.shard(&c.tuples[1])
	entered := false
	gone := lockBoth(a, b, func() []*Conn {
		for _, x := range []struct {
			s  *shard
			tu *Tuple
		}{{a, &c.tuples[0]}, {b, &c.tuples[1]}} {
			if old := x.s.conns[*x.tu]; old != nil && old.deadline.Load() > now && old.Status()&Dying == 0 {
				ok = c.sameAs(old)
				return nil
			}
		}
		ok, entered = true, true
		var gone []*Conn
		for _, s := range []*shard{a, b} {
			n := 0
			for _, old := range s.conns {
				if n++; n > sweep {
					break
				}
				if old.deadline.Load() <= now || old.Status()&Dying != 0 {
					gone = append(gone, old)
				}
			}
		}
		for _, tu := range c.tuples {
			s := t.shard(&tu)
			if old := s.conns[tu]; old != nil && old != c {
				gone = append(gone, old)
			}
			s.conns[tu] = c
		}
		c.set(Confirmed)
		t.count.Add(1)
		return gone
	})
	for _, old := range gone {
		t.remove(old)
	}
	if entered {
		t.tell(Created, c)
	}
	return ok
}

// full reports whether there are as many connections as there may be.
func (t *Table) full() bool {
	k := t.tunables.Load()
	return k.Max != 0 && t.count.Load() >= int64(k.Max) || t.count.Load() >= maxConns
}

// lockBoth runs f with the locks of two shards, which may be one.
func lockBoth(a, b *shard, f func() []*Conn) []*Conn {
	if a == b {
		a.mu.Lock()
		defer a.mu.Unlock()
		return f()
	}
	// The order is that of the shards in the table.
	if b.index < a.index {
		a, b = b, a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	return f()
}

// dropEarly removes a connection near a tuple that is not yet assured, or that
// expired, to make room.
func (t *Table) dropEarly(near *Tuple, now int64) bool {
	first := int(maphash.Comparable(t.seed, *near) % shards)
	for i := range shards {
		s := &t.shards[(first+i)%shards]
		var victim *Conn
		s.mu.Lock()
		n := 0
		for _, c := range s.conns {
			if c.deadline.Load() <= now || c.Status()&Assured == 0 {
				victim = c
				break
			}
			if n++; n >= drops {
				break
			}
		}
		s.mu.Unlock()
		if victim != nil {
			t.Delete(victim)
			return true
		}
	}
	return false
}

// Delete removes a connection: ENOENT if it is gone already.
func (t *Table) Delete(c *Conn) error {
	c.set(Dying)
	if !t.remove(c) {
		return unix.ENOENT
	}
	return nil
}

// remove takes c out of the table.
func (t *Table) remove(c *Conn) bool {
	removed := false
	for i := range c.tuples {
		s := t.shard(&c.tuples[i])
		s.mu.Lock()
		if s.conns[c.tuples[i]] == c {
			delete(s.conns, c.tuples[i])
			removed = true
		}
		s.mu.Unlock()
	}
	if removed && c.Status()&Confirmed != 0 && c.status.Swap(uint32(c.Status()&^Confirmed|Dying))&uint32(Confirmed) != 0 {
		t.count.Add(-1)
		t.tell(Destroyed, c)
	}
	return removed
}

// All returns the connections that have not expired.
func (t *Table) All(now int64) []*Conn {
	var all []*Conn
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for tu, c := range s.conns {
			if tu == c.tuples[0] && c.deadline.Load() > now {
				all = append(all, c)
			}
		}
		s.mu.Unlock()
	}
	return all
}

// taken reports whether replies with a tuple belong to another connection.
func (t *Table) taken(c *Conn, reply Tuple, now int64) bool {
	old, _ := t.find(&reply, now)
	if old == nil {
		return false
	}
	return !c.mayShare() || old.tuples != [2]Tuple{reply, reply.Inverse()} // the same one, begun by the other end
}

// mayShare reports whether packets that begin a connection at the same time, of
// either end, are of one: there is no handshake that they would have to follow.
func (c *Conn) mayShare() bool {
	switch c.tuples[0].Proto {
	case header.ProtocolUDP, header.ProtocolUDPLite, header.ProtocolICMP, header.ProtocolICMPv6:
		return true
	}
	return false
}

// sameAs reports whether two that were made at the same time are one, which either
// end may have begun.
func (c *Conn) sameAs(old *Conn) bool {
	return c.mayShare() && (old.tuples == c.tuples || old.tuples == [2]Tuple{c.tuples[1], c.tuples[0]})
}

// random32 returns a number that nobody can guess.
func (t *Table) random32() uint32 {
	var b [4]byte
	t.random(b[:])
	return binary.NativeEndian.Uint32(b[:])
}
