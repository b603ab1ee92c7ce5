package route

import (
	"iter"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MaxRoutes bounds the routes of all tables, MaxRules the rules, MaxTables the
// tables of a family.
const (
	MaxRoutes = 1 << 20
	MaxRules  = 1 << 12
	MaxTables = 1 << 10
)

// Flow is what a look-up is given.
type Flow struct {
	Dst, Src netip.Addr // Src may be invalid
	IIF, OIF int        // 0 is any
	TOS      uint8
	Mark     uint32
	UID      uint32
	Proto    uint8
	SrcPort  uint16
	DstPort  uint16
	Hash     uint32 // chooses between hops
}

// Result is what a look-up found.
type Result struct {
	Route *Route
	Hop   Hop
}

// RIB is the rules and tables of one family of a namespace. Look-ups take no
// lock. The zero value is not ready: see NewRIB.
type RIB struct {
	mu    sync.Mutex // one change at a time
	state atomic.Pointer[state]
}

// state is a snapshot.
type state struct {
	rules  []Rule
	tables map[uint32]*Table
	gen    uint64
	usual  bool // IPv4, and nobody ever changed a rule: see moreSpecific
}

// NewRIB returns a RIB with the default rules and no route.
func NewRIB(v6 bool) *RIB {
	b := &RIB{}
	b.state.Store(&state{rules: DefaultRules(v6), gen: 1, usual: !v6})
	return b
}

// Generation returns a number that grows with each change. A result stays true
// as long as it does not.
func (b *RIB) Generation() uint64 { return b.state.Load().gen }

// Lookup returns where f goes. The error is ENETUNREACH if no route matches, and
// what an unreachable (EHOSTUNREACH), prohibited (EACCES) or blackhole (EINVAL)
// route or rule says.
func (b *RIB) Lookup(f *Flow) (Result, error) {
	s := b.state.Load()
	if s.usual && f.Dst.Is4() {
		if r := s.moreSpecific(f); r.Route != nil {
			return r, nil
		}
	}
	for i := 0; i < len(s.rules); i++ {
		r := &s.rules[i]
		if !r.Matches(f) {
			continue
		}
		switch r.Action {
		case ActionLookup:
			t := s.tables[r.Table]
			if t == nil {
				continue
			}
			found, hop := t.lookup(f, r.Suppress)
			if found == nil {
				continue
			}
			if err := verdict(found.Type); err == errThrow {
				continue
			} else if err != nil {
				return Result{Route: found}, err
			}
			res := Result{Route: found}
			if hop != nil {
				res.Hop = *hop
			}
			return res, nil
		case ActionGoto:
			next := slices.IndexFunc(s.rules, func(o Rule) bool { return o.Priority >= r.Goto })
			if next <= i || s.rules[next].Priority != r.Goto {
				continue
			}
			i = next - 1
		case ActionBlackhole:
			return Result{}, unix.EINVAL
		case ActionUnreachable:
			return Result{}, unix.ENETUNREACH
		case ActionProhibit:
			return Result{}, unix.EACCES
		}
	}
	return Result{}, unix.ENETUNREACH
}

// moreSpecific is the route of the main table to a destination that the local table
// has a shorter prefix for, none otherwise. As long as there are only the rules that
// Linux begins with it keeps both tables of IPv4 as one.
func (s *state) moreSpecific(f *Flow) Result {
	local, main := s.tables[TableLocal], s.tables[TableMain]
	if local == nil || main == nil {
		return Result{}
	}
	short, _ := local.lookup(f, -1)
	if short == nil || short.Dst.Bits() == 32 {
		return Result{}
	}
	long, hop := main.lookup(f, -1)
	if long == nil || hop == nil || long.Dst.Bits() <= short.Dst.Bits() || verdict(long.Type) != nil {
		return Result{}
	}
	return Result{Route: long, Hop: *hop}
}

// errThrow stands for a route that ends the look-up in its table.
const errThrow = unix.EAGAIN

func verdict(t Type) error {
	switch t {
	case unix.RTN_UNREACHABLE:
		return unix.EHOSTUNREACH
	case unix.RTN_PROHIBIT:
		return unix.EACCES
	case unix.RTN_BLACKHOLE:
		return unix.EINVAL
	case unix.RTN_THROW:
		return errThrow
	}
	return nil
}

// LookupTable looks f up in one table only, as if there were no rules.
func (b *RIB) LookupTable(id uint32, f *Flow) (Result, bool) {
	t := b.state.Load().tables[id]
	if t == nil {
		return Result{}, false
	}
	r, hop := t.lookup(f, -1)
	if r == nil {
		return Result{}, false
	}
	res := Result{Route: r}
	if hop != nil {
		res.Hop = *hop
	}
	return res, true
}

// Add adds a route to its table, which is made if need be, and returns the one
// that it replaced, if any.
func (b *RIB) Add(r *Route, mode AddMode) (*Route, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state.Load()
	t := s.tables[r.Table]
	if t == nil {
		if len(s.tables) >= MaxTables {
			return nil, unix.ENOBUFS
		}
		t = &Table{id: r.Table}
	}
	t, old, err := t.with(r, mode)
	if err != nil {
		return nil, err
	}
	if old == nil && s.routes() >= MaxRoutes {
		return nil, unix.ENOBUFS
	}
	b.change(func(s *state) { s.tables[r.Table] = t })
	return old, nil
}

// routes is how many there are in all tables.
func (s *state) routes() (n int) {
	for _, t := range s.tables {
		n += t.routes
	}
	return n
}

// change stores a copy of the state with what do changes. The caller holds mu.
func (b *RIB) change(do func(s *state)) {
	old := b.state.Load()
	s := &state{rules: slices.Clone(old.rules), tables: make(map[uint32]*Table, len(old.tables)+1), gen: old.gen + 1, usual: old.usual}
	for id, t := range old.tables {
		s.tables[id] = t
	}
	do(s)
	b.state.Store(s)
}

// Delete removes the first route to dst in the table that match says, or all of
// them, and returns what it removed: ESRCH if nothing.
func (b *RIB) Delete(table uint32, dst netip.Prefix, match func(*Route) bool, all bool) ([]*Route, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.state.Load().tables[table]
	if t == nil {
		return nil, unix.ESRCH
	}
	t, gone := t.without(dst, match, all)
	if gone == nil {
		return nil, unix.ESRCH
	}
	b.change(func(s *state) { s.set(t) })
	return gone, nil
}

// set stores t. A table that was made stays when it is empty, as in Linux.
func (s *state) set(t *Table) { s.tables[t.id] = t }

// Flush removes every route of every table that match says and returns them.
func (b *RIB) Flush(match func(*Route) bool) []*Route {
	b.mu.Lock()
	defer b.mu.Unlock()
	var gone []*Route
	changed := map[uint32]*Table{}
	for id, t := range b.state.Load().tables {
		was := t
		for r := range was.All() {
			if match(r) {
				var g []*Route
				t, g = t.without(r.Dst, func(o *Route) bool { return o == r }, false)
				gone = append(gone, g...)
			}
		}
		if t != was {
			changed[id] = t
		}
	}
	if len(changed) == 0 {
		return nil
	}
	b.change(func(s *state) {
		for _, t := range changed {
			s.set(t)
		}
	})
	return gone
}

// SetLink marks the hops through an interface as dead or alive.
func (b *RIB) SetLink(index int, up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(func(s *state) {
		for id, t := range s.tables {
			for r := range t.All() {
				if r.HasOIF(index) {
					t = t.swap(r, r.relink(index, up))
				}
			}
			s.tables[id] = t
		}
	})
}

// relink returns r with the hops through the interface marked.
func (r *Route) relink(index int, up bool) *Route {
	c := *r
	c.Hops = slices.Clone(r.Hops)
	for i := range c.Hops {
		if c.Hops[i].OIF == index {
			c.Hops[i].Dead = !up
		}
	}
	return &c
}

// swap returns a table in which r stands where old did.
func (t *Table) swap(old, r *Route) *Table {
	rs, _ := t.trie.get(old.Dst)
	rs = slices.Clone(rs)
	for i := range rs {
		if rs[i] == old {
			rs[i] = r
		}
	}
	return &Table{t.id, t.trie.with(old.Dst, rs), t.routes}
}

// Tables yields the tables, by their numbers.
func (b *RIB) Tables() iter.Seq[*Table] {
	s := b.state.Load()
	ids := make([]uint32, 0, len(s.tables))
	for id := range s.tables {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return func(yield func(*Table) bool) {
		for _, id := range ids {
			if !yield(s.tables[id]) {
				return
			}
		}
	}
}

// Rules returns the rules in the order in which they are asked. Read-only.
func (b *RIB) Rules() []Rule { return b.state.Load().rules }

// AddRule adds a rule after those of its priority: EEXIST if there is one that is
// equal. Without a priority it goes before the second rule, as Linux's do.
func (b *RIB) AddRule(r Rule, hasPriority bool) (Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.state.Load().rules
	if len(old) >= MaxRules {
		return r, unix.ENOBUFS
	}
	if !hasPriority {
		r.Priority = 0
		if len(old) > 1 && old[1].Priority > 0 {
			r.Priority = old[1].Priority - 1
		}
	}
	if slices.ContainsFunc(old, func(o Rule) bool { return o.equal(&r) }) {
		return r, unix.EEXIST
	}
	b.change(func(s *state) {
		at := slices.IndexFunc(s.rules, func(o Rule) bool { return o.Priority > r.Priority })
		if at < 0 {
			at = len(s.rules)
		}
		s.rules, s.usual = slices.Insert(s.rules, at, r), false
	})
	return r, nil
}

// DeleteRule removes the first rule that match says and returns it, or ENOENT.
func (b *RIB) DeleteRule(match func(*Rule) bool) (Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.state.Load().rules
	for i := range old {
		if match(&old[i]) {
			r := old[i]
			b.change(func(s *state) { s.rules, s.usual = slices.Delete(s.rules, i, i+1), false })
			return r, nil
		}
	}
	return Rule{}, unix.ENOENT
}

// RenumberRules sets the indices of the rules that name an interface.
func (b *RIB) RenumberRules(index func(name string) int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(func(s *state) {
		for i := range s.rules {
			if r := &s.rules[i]; r.IIFName != "" {
				r.IIF = index(r.IIFName)
			}
			if r := &s.rules[i]; r.OIFName != "" {
				r.OIF = index(r.OIFName)
			}
		}
	})
}
