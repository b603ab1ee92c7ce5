package neigh

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// Config is the tunables of an interface: /proc/sys/net/ipv4/neigh/NAME.
type Config struct {
	BaseReachable   Time
	DelayFirstProbe Time
	Retrans         Time
	GCStale         Time
	UnicastProbes   int
	MulticastProbes int
	PendingBytes    int // that wait at one entry, with what holds them
	Thresh1         int // entries that are kept in any case
	Thresh2         int // more than that are looked through for old ones
	Thresh3         int // there are never more
}

// DefaultConfig is Linux's.
func DefaultConfig() Config {
	return Config{
		BaseReachable: int64(30 * time.Second), DelayFirstProbe: int64(5 * time.Second), Retrans: int64(time.Second),
		GCStale: int64(60 * time.Second), UnicastProbes: 3, MulticastProbes: 3,
		PendingBytes: 212992, Thresh1: 128, Thresh2: 512, Thresh3: 1024,
	}
}

// Link does what a cache wants done. Its methods are called without the cache's
// lock, by whoever called the cache.
type Link interface {
	// Solicit asks for target: by multicast, or of to if unicast. source is the
	// sender of the packet that wants it, if one does.
	Solicit(target, source netip.Addr, to link.Address, unicast bool)
	// Transmit sends packets to a neighbour. It owns them.
	Transmit(ps []*buffer.Packet, to link.Address)
	// Unreachable says that a neighbour did not answer. It owns the packets.
	Unreachable(target netip.Addr, ps []*buffer.Packet)
	// Changed says that an entry was made, changed or removed.
	Changed(i Info, removed bool)
}

// Cache is the neighbours of one interface in one family.
type Cache struct {
	out    Link
	random func(n int64) int64 // below n

	deadline atomic.Int64 // no later than the first entry's

	mu      sync.Mutex
	cfg     Config
	entries map[netip.Addr]*Entry
	dynamic int // entries that are not lasting
	waiting int // bytes that wait at all entries
	shrunk  Time
}

// maxWaiting bounds the bytes that wait at all entries of a cache: packets to
// neighbours that do not answer may be as many as there are addresses. Past it, each
// entry has one packet.
const maxWaiting = 8 << 20

// maxLasting bounds the entries that an administrator said are to stay: Linux does
// not, but whose memory that is counts it elsewhere.
const maxLasting = 1 << 16

// New returns an empty cache. random returns a number below n.
func New(cfg Config, out Link, random func(n int64) int64) *Cache {
	return &Cache{cfg: cfg, out: out, random: random, entries: map[netip.Addr]*Entry{}}
}

// Config returns the tunables.
func (c *Cache) Config() Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg
}

// SetConfig sets the tunables.
func (c *Cache) SetConfig(cfg Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg = cfg
}

// work is what is to be done when the lock is released.
type work struct {
	solicits []solicit
	sends    []send
	failed   []failure
	changes  []change
	dropped  []*buffer.Packet
}

type solicit struct {
	target, source netip.Addr
	to             link.Address
	unicast        bool
}

type send struct {
	ps []*buffer.Packet
	to link.Address
}

type failure struct {
	target netip.Addr
	ps     []*buffer.Packet
}

type change struct {
	info    Info
	removed bool
}

func (c *Cache) do(w *work) {
	for _, s := range w.sends {
		c.out.Transmit(s.ps, s.to)
	}
	for _, s := range w.solicits {
		c.out.Solicit(s.target, s.source, s.to, s.unicast)
	}
	for _, f := range w.failed {
		c.out.Unreachable(f.target, f.ps)
	}
	for _, ch := range w.changes {
		c.out.Changed(ch.info, ch.removed)
	}
	for _, p := range w.dropped {
		p.Release()
	}
}

// Get returns the entry of a, made if need be: nil if there is no room.
func (c *Cache) Get(now Time, a netip.Addr) *Entry {
	var w work
	c.mu.Lock()
	e := c.get(now, a, &w)
	c.mu.Unlock()
	c.do(&w)
	return e
}

func (c *Cache) get(now Time, a netip.Addr, w *work) *Entry {
	if e := c.entries[a]; e != nil {
		return e
	}
	if c.dynamic >= c.cfg.Thresh2 {
		c.shrink(now, w)
		if c.dynamic >= c.cfg.Thresh3 {
			return nil
		}
	}
	e := &Entry{addr: a, cache: c, updated: now}
	e.used.Store(now)
	c.entries[a] = e
	c.dynamic++
	return e
}

// shrinkEvery is how often a cache that has room left is looked through.
const shrinkEvery = int64(5 * time.Second)

// shrink removes entries that nobody used for a while. If there is no room left at
// all, it makes much of it, so that a flood of neighbours costs little each: the
// entries go first that never proved anything, and of those alike the ones that were
// used the longest ago.
func (c *Cache) shrink(now Time, w *work) {
	full := c.dynamic >= c.cfg.Thresh3
	if !full && c.shrunk != 0 && now-c.shrunk < shrinkEvery {
		return
	}
	c.shrunk = now
	var left []*Entry
	for _, e := range c.entries {
		switch {
		case e.state&lasting != 0 || e.pending != nil:
		case e.state&(Stale|Failed) != 0 && now-e.used.Load() > int64(5*time.Second):
			c.drop(e, w)
		default:
			left = append(left, e)
		}
	}
	if c.dynamic < c.cfg.Thresh3 {
		return
	}
	slices.SortFunc(left, func(a, b *Entry) int {
		if a.proven() != b.proven() {
			return cmp.Compare(bit(a.proven()), bit(b.proven()))
		}
		return cmp.Compare(a.used.Load(), b.used.Load())
	})
	// The proven ones only as far as there must be room at all.
	for i, e := range left {
		if c.dynamic <= c.cfg.Thresh2 || e.proven() && (i > 0 && c.dynamic < c.cfg.Thresh3) {
			break
		}
		c.drop(e, w)
	}
}

// proven reports whether the neighbour ever answered us: it can be reached, and did
// not only say that it is there.
func (e *Entry) proven() bool { return e.confirmed != 0 && e.state != Failed }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// drop takes e out of the cache.
func (c *Cache) drop(e *Entry, w *work) {
	if e.state&lasting == 0 {
		c.dynamic--
	}
	e.dead, e.deadline = true, 0
	w.dropped = append(w.dropped, c.unqueue(e)...)
	e.fast.Store(0)
	delete(c.entries, e.addr)
	if e.state != 0 {
		w.changes = append(w.changes, change{e.info(), true})
	}
}

// Send sends ps to e, at once or when its address is known. It owns them. source
// is the sender that a solicitation may bear. EINVAL says that the entry is no
// longer of the cache, and that the caller still owns the packets.
func (c *Cache) Send(now Time, e *Entry, source netip.Addr, ps []*buffer.Packet) error {
	var w work
	c.mu.Lock()
	if e.dead {
		c.mu.Unlock()
		return unix.EINVAL
	}
	e.used.Store(now)
	switch {
	case e.state == Stale:
		e.probes = 0
		c.arm(e, now+c.cfg.DelayFirstProbe)
		e.setState(Delay)
		fallthrough
	case e.state&valid != 0:
		w.sends = append(w.sends, send{ps, e.hw})
	default:
		c.wait(e, ps, &w)
		if e.state != Incomplete {
			e.source = source
			e.probes = 1
			c.change(e, Incomplete, now, &w)
			c.arm(e, now+c.cfg.Retrans)
			w.solicits = append(w.solicits, solicit{target: e.addr, source: source})
		}
	}
	c.mu.Unlock()
	c.do(&w)
	return nil
}

// wait queues ps; the oldest make room.
func (c *Cache) wait(e *Entry, ps []*buffer.Packet, w *work) {
	add := func(n int) {
		e.bytes += n
		c.waiting += n
	}
	for _, p := range ps {
		e.pending = append(e.pending, p)
		add(cost(p))
	}
	for len(e.pending) > 1 && (e.bytes > c.cfg.PendingBytes || c.waiting > maxWaiting || len(e.pending) > 1024) {
		add(-cost(e.pending[0]))
		w.dropped = append(w.dropped, e.pending[0])
		e.pending = e.pending[1:]
	}
}

// cost is about what a packet holds: its headers' chunk, and its bytes, which may
// be in a chunk that others share.
func cost(p *buffer.Packet) int { return buffer.SmallChunk + p.Len() }

// unqueue takes what waits at e.
func (c *Cache) unqueue(e *Entry) []*buffer.Packet {
	ps := e.pending
	c.waiting -= e.bytes
	e.pending, e.bytes = nil, 0
	return ps
}

// change sets the state and says so.
func (c *Cache) change(e *Entry, s State, now Time, w *work) {
	e.updated = now
	e.setState(s)
	w.changes = append(w.changes, change{e.info(), false})
}

// reach makes e reachable for a random time about the base.
func (c *Cache) reach(e *Entry, now Time) {
	e.confirmed, e.probes = now, 0
	e.reachable = c.cfg.BaseReachable/2 + c.random(max(1, c.cfg.BaseReachable))
	c.arm(e, now+e.reachable)
	e.setState(Reachable)
}

// arm sets the deadline of e.
func (c *Cache) arm(e *Entry, at Time) {
	e.deadline = at
	if d := c.deadline.Load(); d == 0 || at < d {
		c.deadline.Store(at)
	}
}

// Deadline returns when Tick is to be called: no earlier than that has anything
// to be done, and 0 is never.
func (c *Cache) Deadline() Time { return c.deadline.Load() }

// Tick does what is due.
func (c *Cache) Tick(now Time) {
	var w work
	c.mu.Lock()
	next := Time(0)
	for _, e := range c.entries {
		if e.deadline != 0 && e.deadline <= now {
			c.expire(e, now, &w)
		}
		if e.deadline != 0 && (next == 0 || e.deadline < next) {
			next = e.deadline
		}
	}
	c.deadline.Store(next)
	c.mu.Unlock()
	c.do(&w)
}

// expire does what follows when the deadline of e passed.
func (c *Cache) expire(e *Entry, now Time, w *work) {
	e.deadline = 0
	switch e.state {
	case Reachable:
		if now < e.confirmed+e.reachable {
			e.deadline = e.confirmed + e.reachable
			return
		}
		if now-e.used.Load() <= c.cfg.DelayFirstProbe {
			e.setState(Delay)
			e.deadline = now + c.cfg.DelayFirstProbe
			return
		}
		c.change(e, Stale, now, w)
	case Delay:
		if now <= e.confirmed+c.cfg.DelayFirstProbe {
			c.reach(e, now)
			return
		}
		e.probes = 1
		c.change(e, Probe, now, w)
		w.solicits = append(w.solicits, solicit{e.addr, e.source, e.hw, true})
		e.deadline = now + c.cfg.Retrans
	case Probe:
		if e.probes >= c.cfg.UnicastProbes {
			c.fail(e, now, w)
			return
		}
		e.probes++
		w.solicits = append(w.solicits, solicit{e.addr, e.source, e.hw, true})
		e.deadline = now + c.cfg.Retrans
	case Incomplete:
		if e.probes >= c.cfg.MulticastProbes {
			c.fail(e, now, w)
			return
		}
		e.probes++
		w.solicits = append(w.solicits, solicit{target: e.addr, source: e.source})
		e.deadline = now + c.cfg.Retrans
	}
}

func (c *Cache) fail(e *Entry, now Time, w *work) {
	w.failed = append(w.failed, failure{e.addr, c.unqueue(e)})
	c.change(e, Failed, now, w)
}
