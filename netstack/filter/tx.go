package filter

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// Tx is a change of the ruleset: all of it, or nothing.
type Tx struct {
	r     *Rules
	next  *Ruleset
	fresh map[any]bool // the copies that it may change
	// ids are the chains and sets of the batch, by the numbers that it gives them.
	chainIDs map[uint32]*Chain
	setIDs   map[uint32]*Set
	ruleIDs  map[uint32]*Rule
	filled   bool // elements were added
}

// Begin starts a change. Others wait until Commit or Abort. ERESTART if generation
// is not 0 and not that of the rules that hold.
func (r *Rules) Begin(generation uint32) (*Tx, error) {
	r.mu.Lock()
	cur := r.cur.Load()
	if generation != 0 && generation != cur.Generation {
		r.mu.Unlock()
		return nil, unix.ERESTART
	}
	next := &Ruleset{Generation: cur.Generation + 1, Tables: slices.Clone(cur.Tables), lastID: cur.lastID, rules: cur.rules, legacy: cur.legacy}
	if next.Generation == 0 {
		next.Generation = 1
	}
	return &Tx{r: r, next: next, fresh: map[any]bool{}, chainIDs: map[uint32]*Chain{}, setIDs: map[uint32]*Set{}, ruleIDs: map[uint32]*Rule{}}, nil
}

// Abort gives the change up.
func (tx *Tx) Abort() { tx.r.mu.Unlock() }

// Commit checks that jumps end and have somewhere to go, and makes the change hold.
func (tx *Tx) Commit() error {
	defer tx.r.mu.Unlock()
	for _, t := range tx.next.Tables {
		if tx.fresh[t] {
			if err := t.validate(); err != nil {
				return err
			}
		}
	}
	if tx.filled && tx.next.sum((*Table).elements) > maxAll {
		return unix.ENOMEM
	}
	tx.next.compile()
	tx.r.cur.Store(tx.next)
	return nil
}

// elements is how many are in all sets.
func (t *Table) elements() (n int) {
	for _, s := range t.Sets {
		n += s.Len()
	}
	return n
}

// Ruleset returns the rules as they would be.
func (tx *Tx) Ruleset() *Ruleset { return tx.next }

// own returns a copy of a table that the change may write to.
func (tx *Tx) own(t *Table) *Table {
	if tx.fresh[t] {
		return t
	}
	n := t.clone()
	tx.fresh[n] = true
	tx.next.Tables[slices.Index(tx.next.Tables, t)] = n
	return n
}

// Table returns a table to be changed: ENOENT.
func (tx *Tx) Table(f Family, name string) (*Table, error) {
	t := tx.next.Table(f, name)
	if t == nil {
		return nil, unix.ENOENT
	}
	return tx.own(t), nil
}

// ownChain returns a copy of a chain of t, which is owned, to be changed.
func (tx *Tx) ownChain(t *Table, c *Chain) *Chain {
	if tx.fresh[c] {
		return c
	}
	n := *c
	n.Rules = slices.Clone(c.Rules)
	t.Chains[slices.Index(t.Chains, c)] = &n
	t.chains[n.Name] = &n
	tx.fresh[&n] = true
	for id, old := range tx.chainIDs {
		if old == c {
			tx.chainIDs[id] = &n
		}
	}
	return &n
}

// ownSet is ownChain for a set.
func (tx *Tx) ownSet(t *Table, s *Set) *Set {
	if tx.fresh[s] {
		return s
	}
	n := s.clone()
	t.Sets[slices.Index(t.Sets, s)] = n
	t.sets[n.Name] = n
	tx.fresh[n] = true
	return n
}

// packetElements is the size of a set that packets fill and for which none is said:
// Linux's.
const packetElements = 0xffff

// boundSet gives a set that packets are to fill a size. What is in it is shared with
// the set as it was.
func (tx *Tx) boundSet(t *Table, s *Set) {
	if s.Size != 0 {
		return
	}
	n := *s
	n.Size = packetElements
	t.Sets[slices.Index(t.Sets, s)], t.sets[n.Name] = &n, &n
	tx.fresh[&n] = tx.fresh[s]
	for id, old := range tx.setIDs {
		if old == s {
			tx.setIDs[id] = &n
		}
	}
}

// AddTable makes a table, or changes the flags of one: EEXIST with exclusive.
func (tx *Tx) AddTable(f Family, name string, flags uint32, user []byte, exclusive bool) (*Table, error) {
	if f != INet && f != IPv4 && f != IPv6 && !f.ofFrames() {
		return nil, unix.EOPNOTSUPP
	}
	if flags&^TableDormant != 0 {
		return nil, unix.EOPNOTSUPP
	}
	if old := tx.next.Table(f, name); old != nil {
		if exclusive {
			return nil, unix.EEXIST
		}
		t := tx.own(old)
		t.Flags = flags
		return t, nil
	}
	if len(tx.next.Tables) >= MaxTables {
		return nil, unix.ENOBUFS
	}
	tx.next.lastID++
	t := &Table{Family: f, Name: name, Flags: flags, UserData: user, Handle: tx.next.lastID}
	t.index()
	tx.fresh[t] = true
	tx.next.Tables = append(tx.next.Tables, t)
	return t, nil
}

// DeleteTable removes a table and all that is in it.
func (tx *Tx) DeleteTable(t *Table) {
	for _, c := range t.Chains {
		tx.next.rules -= len(c.Rules)
	}
	tx.next.Tables = slices.DeleteFunc(tx.next.Tables, func(o *Table) bool { return o == t })
}

// AddChain adds c to t. id is its number in the batch, or 0.
func (tx *Tx) AddChain(t *Table, c *Chain, id uint32) error {
	if tx.next.sum(func(t *Table) int { return len(t.Chains) }) >= MaxChains {
		return unix.ENOBUFS
	}
	if t.chains[c.Name] != nil {
		return unix.EEXIST
	}
	if b := c.Base; b != nil {
		check := b.check
		if t.Family.ofFrames() || b.Hook >= Hooks {
			check = func() error { return t.checkFrames(b) }
		}
		if err := check(); err != nil {
			return err
		}
	}
	c.Handle = t.handle()
	t.Chains = append(t.Chains, c)
	t.chains[c.Name] = c
	tx.fresh[c] = true
	if id != 0 {
		tx.chainIDs[id] = c
	}
	return nil
}

// check says where chains of a type may be.
func (b *Base) check() error {
	switch b.Type {
	case "filter":
	case "route":
		if b.Hook != Output {
			return unix.EOPNOTSUPP
		}
	case "nat":
		if b.Hook == Forward || b.Priority <= prioTrack {
			return unix.EOPNOTSUPP
		}
	default:
		return unix.ENOENT
	}
	return nil
}

// Chain returns a chain of t by the number that the batch gave it, or nil.
func (tx *Tx) Chain(id uint32) *Chain { return tx.chainIDs[id] }

// Set returns a set of the batch by its number, or nil.
func (tx *Tx) Set(id uint32) *Set { return tx.setIDs[id] }

// NameRule gives a rule its number in the batch; Rule returns it, or nil.
func (tx *Tx) NameRule(id uint32, r *Rule) { tx.ruleIDs[id] = r }

// Rule returns a rule of the batch by its number, or nil.
func (tx *Tx) Rule(id uint32) *Rule { return tx.ruleIDs[id] }

// Change returns a chain of t to be changed: its policy, name, counters.
func (tx *Tx) Change(t *Table, c *Chain) *Chain { return tx.ownChain(t, c) }

// Rename gives a chain another name; jumps to it follow only if nothing jumps to it
// yet, as in Linux, where rules know chains by themselves. EEXIST.
func (tx *Tx) Rename(t *Table, c *Chain, name string) error {
	if t.chains[name] != nil {
		return unix.EEXIST
	}
	n := tx.ownChain(t, c)
	delete(t.chains, n.Name)
	t.renameJumps(tx, n.Name, name)
	n.Name = name
	t.chains[name] = n
	return nil
}

// renameJumps has jumps to a chain go to its new name. Rules are not changed once
// they are in a chain: those that jump are replaced.
func (t *Table) renameJumps(tx *Tx, from, to string) {
	for _, c := range slices.Clone(t.Chains) {
		for i, r := range c.Rules {
			for k, e := range r.Exprs {
				im, ok := e.(*Immediate)
				if !ok || im.Verdict == nil || im.Verdict.Chain != from {
					continue
				}
				own := tx.ownChain(t, c)
				c = own
				n := *own.Rules[i]
				n.Exprs = slices.Clone(n.Exprs)
				v := *im.Verdict
				v.Chain = to
				n.Exprs[k] = &Immediate{DReg: im.DReg, Verdict: &v}
				own.Rules[i] = &n
			}
		}
	}
}

// DeleteChain removes a chain: EBUSY if something jumps to it. withRules removes
// its rules with it, otherwise they keep it.
func (tx *Tx) DeleteChain(t *Table, c *Chain, withRules bool) error {
	if len(c.Rules) > 0 && !withRules {
		return unix.EBUSY
	}
	for _, o := range t.Chains {
		if o != c && o.jumps(c.Name) {
			return unix.EBUSY
		}
	}
	for _, s := range t.Sets {
		if s.jumps(c.Name) {
			return unix.EBUSY
		}
	}
	tx.next.rules -= len(c.Rules)
	t.Chains = slices.DeleteFunc(t.Chains, func(o *Chain) bool { return o == c })
	delete(t.chains, c.Name)
	return nil
}

func (c *Chain) jumps(name string) bool {
	for _, r := range c.Rules {
		for _, e := range r.Exprs {
			if im, ok := e.(*Immediate); ok && im.Verdict != nil && im.Verdict.Chain == name {
				return true
			}
		}
	}
	return false
}

func (s *Set) jumps(name string) bool {
	if s.DataType != VerdictType || !s.IsMap() {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := func(e *Element) bool { return e != nil && e.Verdict != nil && e.Verdict.Chain == name }
	for _, e := range s.exact {
		if at(e) {
			return true
		}
	}
	return slices.ContainsFunc(s.sorted, at) || slices.ContainsFunc(s.ranges, at) || at(s.any)
}

// Where a rule goes into a chain.
type Where uint8

// The places.
const (
	AtEnd Where = iota
	AtStart
	After     // the rule with the handle
	Before    // it
	Replacing // it
)

// AddRule puts a rule into a chain.
func (tx *Tx) AddRule(t *Table, c *Chain, r *Rule, where Where, handle uint64) error {
	if tx.next.rules >= MaxRules {
		return unix.ENOBUFS
	}
	at := -1
	if where >= After {
		if _, at = c.Rule(handle); at < 0 {
			return unix.ENOENT
		}
	}
	for _, e := range r.Exprs {
		if err := tx.check(t, c, e); err != nil {
			return err
		}
	}
	c = tx.ownChain(t, c)
	r.Handle = t.handle()
	switch where {
	case AtEnd:
		c.Rules = append(c.Rules, r)
	case AtStart:
		c.Rules = slices.Insert(c.Rules, 0, r)
	case After:
		c.Rules = slices.Insert(c.Rules, at+1, r)
	case Before:
		c.Rules = slices.Insert(c.Rules, at, r)
	case Replacing:
		tx.unbind(t, c.Rules[at])
		c.Rules[at] = r
		return nil
	}
	tx.next.rules++
	return nil
}

// DeleteRule removes a rule.
func (tx *Tx) DeleteRule(t *Table, c *Chain, r *Rule) {
	c = tx.ownChain(t, c)
	c.Rules = slices.DeleteFunc(c.Rules, func(o *Rule) bool { return o == r })
	tx.next.rules--
	tx.unbind(t, r)
}

// unbind removes what lives only as long as a rule: its anonymous sets, and the
// chains that are a part of it.
func (tx *Tx) unbind(t *Table, r *Rule) {
	for _, e := range r.Exprs {
		if name := setName(e); name != "" {
			if s := t.sets[name]; s != nil && s.Flags&SetAnonymous != 0 {
				tx.removeSet(t, s)
			}
		}
		if im, ok := e.(*Immediate); ok && im.Verdict != nil && im.Verdict.Chain != "" {
			if c := t.chains[im.Verdict.Chain]; c != nil && c.Flags&ChainBinding != 0 {
				_ = tx.DeleteChain(t, c, true) // nothing else can jump to it
			}
		}
	}
}

func setName(e Expr) string {
	switch e := e.(type) {
	case *Lookup:
		return e.Set
	case *DynSet:
		return e.Set
	case *ObjRef:
		return e.Set
	}
	return ""
}

// AddSet adds a set to t.
func (tx *Tx) AddSet(t *Table, s *Set) error {
	if tx.next.sum(func(t *Table) int { return len(t.Sets) }) >= MaxSets {
		return unix.ENOBUFS
	}
	if t.sets[s.Name] != nil {
		return unix.EEXIST
	}
	s.Elements = newElements()
	s.Handle = t.handle()
	t.Sets = append(t.Sets, s)
	t.sets[s.Name] = s
	tx.fresh[s] = true
	if s.ID != 0 {
		tx.setIDs[s.ID] = s
	}
	return nil
}

// DeleteSet removes a set: EBUSY if a rule uses it.
func (tx *Tx) DeleteSet(t *Table, s *Set) error {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if slices.ContainsFunc(r.Exprs, func(e Expr) bool { return setName(e) == s.Name }) {
				return unix.EBUSY
			}
		}
	}
	tx.removeSet(t, s)
	return nil
}

func (tx *Tx) removeSet(t *Table, s *Set) {
	t.Sets = slices.DeleteFunc(t.Sets, func(o *Set) bool { return o == s })
	delete(t.sets, s.Name)
}

// AddElement adds an element. One that is there is EEXIST with exclusive, or if it
// stands for something else.
func (tx *Tx) AddElement(t *Table, s *Set, e *Element, exclusive bool) error {
	if s.Flags&SetConstant != 0 && !tx.fresh[s] {
		return unix.EBUSY
	}
	if v := e.Verdict; v != nil && v.Chain != "" && t.chains[v.Chain] == nil {
		return unix.ENOENT
	}
	if e.Object != "" && t.Object(e.Object, s.ObjType) == nil {
		return unix.ENOENT
	}
	if s.interval() && len(e.Key) != s.KeyLen && e.Flags&ElemCatchAll == 0 {
		return unix.EINVAL
	}
	s = tx.ownSet(t, s)
	tx.filled = true
	now := tx.r.cfg.Now()
	if e.Expires() == 0 {
		d := e.Timeout
		if d == 0 {
			d = s.Timeout
		}
		if d > 0 {
			e.SetExpires(now + int64(d))
		}
	}
	err := s.add(e, now)
	if err == unix.EEXIST && !exclusive {
		old := s.Get(e, now)
		if old != nil && bytes.Equal(old.Data, e.Data) && old.Object == e.Object && (old.Verdict == nil) == (e.Verdict == nil) &&
			(e.Verdict == nil || *old.Verdict == *e.Verdict) {
			return nil
		}
	}
	return err
}

// DeleteElement removes an element: ENOENT.
func (tx *Tx) DeleteElement(t *Table, s *Set, e *Element) (*Element, error) {
	if s.Flags&SetConstant != 0 {
		return nil, unix.EBUSY
	}
	return tx.ownSet(t, s).remove(e, tx.r.cfg.Now())
}

// FlushSet removes all elements.
func (tx *Tx) FlushSet(t *Table, s *Set) {
	n := tx.ownSet(t, s)
	n.Elements = newElements()
}

// AddObject adds an object to t.
func (tx *Tx) AddObject(t *Table, o *Object) error {
	if tx.next.sum(func(t *Table) int { return len(t.Objects) }) >= MaxObjects {
		return unix.ENOBUFS
	}
	if t.Object(o.Name, o.Type) != nil {
		return unix.EEXIST
	}
	o.Handle = t.handle()
	t.Objects = append(t.Objects, o)
	t.objs[objectKey{o.Name, o.Type}] = o
	return nil
}

// DeleteObject removes an object: EBUSY if a rule or an element uses it.
func (tx *Tx) DeleteObject(t *Table, o *Object) error {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for _, e := range r.Exprs {
				if ref, ok := e.(*ObjRef); ok && ref.Set == "" && ref.Name == o.Name && ref.Type == o.Type {
					return unix.EBUSY
				}
			}
		}
	}
	for _, s := range t.Sets {
		if s.Flags&SetObject != 0 && s.ObjType == o.Type {
			if slices.ContainsFunc(s.All(0), func(e *Element) bool { return e.Object == o.Name }) {
				return unix.EBUSY
			}
		}
	}
	t.Objects = slices.DeleteFunc(t.Objects, func(x *Object) bool { return x == o })
	delete(t.objs, objectKey{o.Name, o.Type})
	return nil
}
