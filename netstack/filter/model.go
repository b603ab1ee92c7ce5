package filter

import (
	"slices"

	"hull/netstack/filter/conntrack"
)

// Family is what a table is for: NFPROTO_* of linux/netfilter.h.
type Family uint8

// The families that have tables here.
const (
	INet Family = 1
	IPv4 Family = 2
	IPv6 Family = 10
)

// sees reports whether a table of the family sees packets of IPv6, or of IPv4.
func (f Family) sees(v6 bool) bool { return f == INet || f == IPv6 && v6 || f == IPv4 && !v6 }

// The bounds of a ruleset.
const (
	MaxTables    = 1 << 10
	MaxChains    = 1 << 14 // of all tables, as the next three
	MaxSets      = 1 << 14
	MaxObjects   = 1 << 14
	MaxRules     = 1 << 18
	MaxElements  = 1 << 18 // of a set
	maxAll       = 1 << 20 // elements of all sets, but for what packets add
	MaxExprs     = 128     // of a rule: NFT_RULE_MAXEXPRS
	MaxUserData  = 256     // bytes
	MaxNameLen   = 255
	maxJumps     = 16      // NFT_JUMP_STACK_SIZE
	maxEvaluated = 1 << 20 // rules that one packet may pass at a hook
)

// Flags of tables, chains and sets: NFT_TABLE_F_*, NFT_CHAIN_*, NFT_SET_*.
const (
	TableDormant = 1 << 0

	ChainBase    = 1 << 0
	ChainBinding = 1 << 2

	SetAnonymous = 0x1
	SetConstant  = 0x2
	SetInterval  = 0x4
	SetMap       = 0x8
	SetTimeout   = 0x10
	SetEval      = 0x20
	SetObject    = 0x40
	SetConcat    = 0x80
	SetExpr      = 0x100

	ElemIntervalEnd = 0x1
	ElemCatchAll    = 0x2
)

// Table is a table. What is in a ruleset that packets pass is not changed: a
// transaction works on copies.
type Table struct {
	Family   Family
	Name     string
	Flags    uint32
	Handle   uint64
	UserData []byte
	Chains   []*Chain
	Sets     []*Set
	Objects  []*Object
	Origin   any // of a legacy table: its maker's

	last   uint64 // handle of what was made last in it
	chains map[string]*Chain
	sets   map[string]*Set
	objs   map[objectKey]*Object
}

type objectKey struct {
	name string
	typ  uint32
}

// Chain is a chain.
type Chain struct {
	Name     string
	Handle   uint64
	Flags    uint32
	Base     *Base // nil of one that is only jumped to
	Rules    []*Rule
	UserData []byte
}

// Base says where packets come into a chain.
type Base struct {
	Type     string // "filter", "nat" or "route"
	Hook     Hook
	Priority int32
	Policy   Verdict
	Counter  *Counter // of packets that the policy decided about, or nil
	Devices  []string // the interfaces whose frames come in, of Ingress and Egress
}

// Rule is a rule. It is not changed once it is in a chain, but for what its
// expressions count.
type Rule struct {
	Handle   uint64
	Exprs    []Expr
	UserData []byte
	Compat   []byte // NFTA_RULE_COMPAT as it came, of iptables
}

// Object is something with a name that rules share: a counter, a quota, a limit.
type Object struct {
	Name     string
	Type     uint32 // NFT_OBJECT_*
	Handle   uint64
	Expr     Expr
	UserData []byte
}

// Chain returns a chain by name, or nil. ChainByHandle, Set and Object are like it.
func (t *Table) Chain(name string) *Chain { return t.chains[name] }

// ChainByHandle returns a chain by its number.
func (t *Table) ChainByHandle(h uint64) *Chain {
	i := slices.IndexFunc(t.Chains, func(c *Chain) bool { return c.Handle == h })
	if i < 0 {
		return nil
	}
	return t.Chains[i]
}

// Set returns a set by name.
func (t *Table) Set(name string) *Set { return t.sets[name] }

// Object returns an object by name and type.
func (t *Table) Object(name string, typ uint32) *Object { return t.objs[objectKey{name, typ}] }

// Rule returns a rule of a chain by its number, and where it stands.
func (c *Chain) Rule(h uint64) (*Rule, int) {
	i := slices.IndexFunc(c.Rules, func(r *Rule) bool { return r.Handle == h })
	if i < 0 {
		return nil, -1
	}
	return c.Rules[i], i
}

// clone returns a copy whose lists may be changed.
func (t *Table) clone() *Table {
	n := *t
	n.Chains, n.Sets, n.Objects = slices.Clone(t.Chains), slices.Clone(t.Sets), slices.Clone(t.Objects)
	n.index()
	return &n
}

// index makes the maps by name.
func (t *Table) index() {
	t.chains, t.sets, t.objs = map[string]*Chain{}, map[string]*Set{}, map[objectKey]*Object{}
	for _, c := range t.Chains {
		t.chains[c.Name] = c
	}
	for _, s := range t.Sets {
		t.sets[s.Name] = s
	}
	for _, o := range t.Objects {
		t.objs[objectKey{o.Name, o.Type}] = o
	}
}

func (t *Table) handle() uint64 {
	t.last++
	return t.last
}

// Ruleset is all tables at one time. It is not changed.
type Ruleset struct {
	Generation uint32
	Tables     []*Table

	legacy map[legacyKey]*Table
	frames map[framePlace][]frameChain
	sees   uint32           // bits of the families that have chains in frames
	hooks  [2][Hooks][]step // by family of the packets (IPv4, IPv6)
	tracks [2]bool          // connections are tracked
	lastID uint64           // handle of the table that was made last
	rules  int
}

// sum adds up what of is of each table.
func (r *Ruleset) sum(of func(*Table) int) int {
	n := 0
	for _, t := range r.Tables {
		n += of(t)
	}
	return n
}

// Table returns a table, or nil.
func (r *Ruleset) Table(f Family, name string) *Table {
	i := slices.IndexFunc(r.Tables, func(t *Table) bool { return t.Family == f && t.Name == name })
	if i < 0 {
		return nil
	}
	return r.Tables[i]
}

// TableByHandle returns a table by its number.
func (r *Ruleset) TableByHandle(f Family, h uint64) *Table {
	i := slices.IndexFunc(r.Tables, func(t *Table) bool { return t.Handle == h && (f == 0 || t.Family == f) })
	if i < 0 {
		return nil
	}
	return r.Tables[i]
}

// step is something that packets meet at a hook, in the order of priorities.
type step struct {
	kind     stepKind
	priority int64
	table    *Table
	chain    *Chain
}

type stepKind uint8

const (
	stepChain   stepKind = iota
	stepGather           // see whole packets from here on
	stepTrack            // find or make the packet's connection
	stepNAT              // ask the nat chains about a new connection, translate the packet
	stepConfirm          // enter the connection into the table
)

// The priorities of what is no chain (NF_IP_PRI_*).
const (
	prioGather  = -400
	prioTrack   = -200
	prioDstNAT  = -100
	prioSrcNAT  = 100
	prioConfirm = 1<<31 - 1
)

// compile orders what packets meet at each hook.
func (r *Ruleset) compile() {
	r.compileFrames()
	for i, v6 := range []bool{false, true} {
		nat := false
		for _, t := range r.all() {
			if t.Family.sees(v6) {
				n, tracks := t.needs()
				nat, r.tracks[i] = nat || n, r.tracks[i] || tracks || n
			}
		}
		for h := range Hooks {
			r.hooks[i][h] = r.steps(h, v6, nat, r.tracks[i])
		}
	}
}

// steps returns what packets of a family meet at a hook.
func (r *Ruleset) steps(h Hook, v6, nat, tracks bool) []step {
	var all []step
	if tracks && h == Prerouting { // whose connection a fragment is of is not known
		all = append(all, step{kind: stepGather, priority: prioGather})
	}
	for _, t := range r.all() {
		if t.Flags&TableDormant != 0 || !t.Family.sees(v6) {
			continue
		}
		for _, c := range t.Chains {
			if c.Base != nil && c.Base.Hook == h && c.Base.Type != "nat" {
				all = append(all, step{stepChain, int64(c.Base.Priority), t, c})
			}
		}
	}
	if tracks {
		switch h {
		case Prerouting, Output:
			all = append(all, step{kind: stepTrack, priority: prioTrack})
		case Input, Postrouting:
			all = append(all, step{kind: stepConfirm, priority: prioConfirm})
		}
	}
	if nat {
		switch h {
		case Prerouting, Output:
			all = append(all, step{kind: stepNAT, priority: prioDstNAT})
		case Input, Postrouting:
			all = append(all, step{kind: stepNAT, priority: prioSrcNAT})
		}
	}
	slices.SortStableFunc(all, func(a, b step) int { return int(max(-1, min(1, a.priority-b.priority))) })
	return all
}

// natChains yields the chains that decide about new connections at a hook, in order.
func (r *Ruleset) natChains(h Hook, v6 bool) []step {
	var all []step
	for _, t := range r.all() {
		if t.Flags&TableDormant != 0 || !t.Family.sees(v6) {
			continue
		}
		for _, c := range t.Chains {
			if c.Base != nil && c.Base.Hook == h && c.Base.Type == "nat" {
				all = append(all, step{stepChain, int64(c.Base.Priority), t, c})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b step) int { return int(max(-1, min(1, a.priority-b.priority))) })
	return all
}

// needs reports whether a table translates addresses, and whether it asks about
// connections.
func (t *Table) needs() (nat, tracks bool) {
	for _, c := range t.Chains {
		nat = nat || c.Base != nil && c.Base.Type == "nat"
		for _, r := range c.Rules {
			for _, e := range r.Exprs {
				if x, ok := e.(interface{ tracks() bool }); ok && x.tracks() {
					tracks = true
				}
			}
		}
	}
	return nat, tracks
}

// Conns is the connections that rules ask about.
func (r *Rules) Conns() *conntrack.Table { return r.conns }
