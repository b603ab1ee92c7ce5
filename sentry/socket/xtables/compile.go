package xtables

import (
	"strconv"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
)

// verdictReturn is XT_RETURN as a standard target has it: -NF_REPEAT - 1. The others
// are minus a number of NF_* minus 1; one that is not negative is where to jump.
const (
	verdictDrop   = -1
	verdictAccept = -2
	verdictQueue  = -4
	verdictReturn = -5
)

// table is a table as it was set: what the filter's has as its origin.
type table struct {
	kind      *kind
	blob      []byte
	entry     [filter.Hooks]uint32 // where packets of a hook come in
	underflow [filter.Hooks]uint32 // the entry that is a chain's policy
	at        []int                // of each entry's counters, in blob
	counters  []*filter.Counter
}

// compile makes chains of a table that a guest gave. ENOENT for a match or target
// that hull has not, ELOOP, EINVAL.
func compile(k *kind, f form, t *table) (*filter.Table, error) {
	entries, err := f.parse(t.blob)
	if err != nil {
		return nil, err
	}
	c := compiler{f: f, table: t, entries: entries, index: map[int]int{}, chain: map[int]string{}}
	for i := range entries {
		c.index[entries[i].at] = i
		t.at = append(t.at, entries[i].at+f.counters)
		t.counters = append(t.counters, filter.NewCounter(0, 0))
	}
	// A label begins a chain, and the last one the end of the table.
	if n := len(entries); n == 0 || !entries[n-1].label() {
		return nil, unix.EINVAL
	}
	for i := range entries[:len(entries)-1] {
		if entries[i].label() {
			c.chain[entries[i].next] = "@" + strconv.Itoa(entries[i].next)
		}
	}
	out := filter.NewLegacy(f.family, k.name, t)
	for h := range filter.Hooks {
		if k.hooks>>h&1 == 0 {
			continue
		}
		ch, err := c.base(h)
		if err == nil {
			err = out.AddLegacyChain(ch)
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range entries[:len(entries)-1] {
		if !entries[i].label() {
			continue
		}
		ch, err := c.user(i + 1)
		if err == nil {
			err = out.AddLegacyChain(ch)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

type compiler struct {
	f       form
	table   *table
	entries []entry
	index   map[int]int    // of entries, by their offset
	chain   map[int]string // names of chains, by the offset of their first entry
}

// base makes the chain of a hook: from where packets come in to the policy.
func (c *compiler) base(h filter.Hook) (*filter.Chain, error) {
	from, ok := c.index[int(c.table.entry[h])]
	to, found := c.index[int(c.table.underflow[h])]
	if !ok || !found || to < from {
		return nil, unix.EINVAL
	}
	last := &c.entries[to]
	if !last.final() || last.verdict != verdictAccept && last.verdict != verdictDrop {
		return nil, unix.EINVAL
	}
	k := c.table.kind
	b := &filter.Base{Type: k.typ, Hook: h, Priority: k.priority(h), Counter: c.table.counters[to]}
	if k.typ == "route" && h != filter.Output {
		b.Type = "filter"
	}
	if last.verdict == verdictDrop {
		b.Policy = filter.Drop
	}
	rules, err := c.rules(from, to)
	return &filter.Chain{Name: "#" + strconv.Itoa(int(h)), Flags: filter.ChainBase, Base: b, Rules: rules}, err
}

// user makes a chain of the entries from i up to the next label. What it does not
// decide about goes back.
func (c *compiler) user(i int) (*filter.Chain, error) {
	end := i
	for !c.entries[end].label() {
		end++
	}
	if end == i || !c.entries[end-1].final() {
		return nil, unix.EINVAL
	}
	rules, err := c.rules(i, end)
	return &filter.Chain{Name: c.chain[c.entries[i].at], Rules: rules}, err
}

// rules makes rules of the entries from i up to but not including end.
func (c *compiler) rules(i, end int) ([]*filter.Rule, error) {
	var all []*filter.Rule
	for ; i < end; i++ {
		r, err := c.rule(i)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (c *compiler) rule(i int) (*filter.Rule, error) {
	e := &c.entries[i]
	if e.label() || len(e.matches) > filter.MaxExprs-3 {
		return nil, unix.EINVAL
	}
	r := &filter.Rule{}
	if !e.head.Any() {
		h := e.head
		r.Exprs = append(r.Exprs, &h)
	}
	for _, m := range e.matches {
		x, err := filter.NewMatch(c.f.family, m.name, uint32(m.rev), m.data)
		if err != nil {
			return nil, err
		}
		r.Exprs = append(r.Exprs, x)
	}
	r.Exprs = append(r.Exprs, c.table.counters[i])
	if !e.standard() {
		x, err := filter.NewTarget(c.f.family, e.target.name, uint32(e.target.rev), e.target.data)
		if err != nil {
			return nil, err
		}
		r.Exprs = append(r.Exprs, x)
		return r, nil
	}
	v, err := c.verdict(e)
	if v != nil {
		r.Exprs = append(r.Exprs, &filter.Immediate{Verdict: v})
	}
	return r, err
}

// verdict reads what a standard target says; nil is: on with the next entry.
func (c *compiler) verdict(e *entry) (*filter.VerdictData, error) {
	switch e.verdict {
	case verdictAccept:
		return &filter.VerdictData{Code: filter.CodeAccept}, nil
	case verdictDrop, verdictQueue: // nobody takes packets out of a queue
		return &filter.VerdictData{Code: filter.CodeDrop}, nil
	case verdictReturn:
		return &filter.VerdictData{Code: filter.CodeReturn}, nil
	case int32(e.next):
		return nil, nil
	}
	name, ok := c.chain[int(e.verdict)]
	if !ok {
		return nil, unix.EINVAL
	}
	v := &filter.VerdictData{Code: filter.CodeJump, Chain: name}
	if e.jumps {
		v.Code = filter.CodeGoto
	}
	return v, nil
}
