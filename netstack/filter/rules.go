package filter

import (
	"sync"
	"sync/atomic"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/filter/conntrack"
)

// Config is what a filter is given.
type Config struct {
	Host Host
	// Now is nanoseconds of the stack's clock, Wall the time of day.
	Now  func() int64
	Wall func() time.Time
	// Random fills b with bytes that nobody can guess.
	Random func(b []byte)
}

// Rules is a filter: a ruleset that may be replaced while packets pass.
type Rules struct {
	cfg   Config
	conns *conntrack.Table
	cur   atomic.Pointer[Ruleset]
	runs  sync.Pool // of *run
	// groups are those who listen to groups of nfnetlink_log. The map is not changed.
	groups atomic.Pointer[map[uint16]*groupListener]

	mu sync.Mutex // one transaction at a time
}

var _ Filter = (*Rules)(nil)

// New returns a filter without rules, which lets everything pass.
func New(cfg Config) *Rules {
	r := &Rules{cfg: cfg, conns: conntrack.NewTable(cfg.Random)}
	r.runs.New = func() any { return new(run) }
	r.cur.Store(&Ruleset{Generation: 1})
	return r
}

// Now returns the time of the stack's clock.
func (r *Rules) Now() int64 { return r.cfg.Now() }

// Ruleset returns the rules that hold now. Read-only.
func (r *Rules) Ruleset() *Ruleset { return r.cur.Load() }

// Idle reports whether nothing is asked of packets at a hook.
func (r *Rules) Idle(h Hook, v6 bool) bool { return len(r.cur.Load().hooks[bit(v6)][h]) == 0 }

// Run implements Filter.
func (r *Rules) Run(h Hook, p *buffer.Packet, c *Context) Verdict {
	set := r.cur.Load()
	family := 0
	if c.V6 {
		family = 1
	}
	steps := set.hooks[family][h]
	if len(steps) == 0 {
		return Accept
	}
	x := r.runs.Get().(*run)
	v := x.hook(r, set, h, p, c, steps)
	*x = run{}
	r.runs.Put(x)
	return v
}

// hook takes a packet through what there is at a hook.
func (x *run) hook(r *Rules, set *Ruleset, h Hook, p *buffer.Packet, c *Context, steps []step) Verdict {
	x.rules, x.set, x.h, x.p, x.c = r, set, h, p, c
	if !x.parse() {
		return Accept // no packet of IP: the stack has its own mind about it
	}
	x.ref, _ = p.Track.(*conntrack.Ref)
	mark, tos := p.Mark, x.tos()
	dst := x.pk.Tuple.Dst
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case stepTrack:
			x.track()
		case stepNAT:
			if !x.nat() {
				return Drop
			}
		case stepConfirm:
			if x.ref != nil && !r.conns.Confirm(x.ref, c.Now) {
				return Drop
			}
		case stepChain:
			switch x.base(s) {
			case Drop:
				return Drop
			case Stolen:
				p.Release()
				return Stolen
			}
		}
	}
	if h == Output {
		c.Reroute = p.Mark != mark || x.pk.Tuple.Dst != dst || x.tos() != tos
	}
	return Accept
}

// track finds the connection of a packet, unless it has one already: that of the
// loopback interface's sender, or a rule's "untracked".
func (x *run) track() {
	if x.ref != nil {
		return
	}
	var quoted []byte
	if x.pk.Error {
		// The quoted header and its ports: more is not looked at.
		if n := min(x.p.Len(), x.pk.Quoted+128); x.p.Pull(n) {
			x.head = x.p.Head()
			quoted = x.head[min(x.pk.Quoted, n):n]
		}
	}
	x.pk.Zones = x.zones
	x.ref = x.rules.conns.Track(&x.pk, quoted, x.c.Now)
	x.p.Track = x.ref
}
