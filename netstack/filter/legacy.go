package filter

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Legacy tables are those of iptables before nftables: filter, nat, mangle, raw and
// security of each family. They are tables like others to packets, which pass them
// in the order of their priorities, but nftables does not show them: they are
// replaced as a whole, by who made them.

// Legacy returns a legacy table, nil if it was never set.
func (r *Ruleset) Legacy(f Family, name string) *Table {
	return r.legacy[legacyKey{f, name}]
}

type legacyKey struct {
	family Family
	name   string
}

// NewLegacy returns a legacy table without chains. origin is whatever its maker
// wants to find again.
func NewLegacy(f Family, name string, origin any) *Table {
	t := &Table{Family: f, Name: name, Origin: origin}
	t.index()
	return t
}

// AddLegacyChain adds a chain to a table that is not set yet.
func (t *Table) AddLegacyChain(c *Chain) error {
	if len(t.Chains) >= MaxChains {
		return unix.ENOMEM
	}
	if t.chains[c.Name] != nil {
		return unix.EINVAL
	}
	t.Chains = append(t.Chains, c)
	t.chains[c.Name] = c
	return nil
}

// LegacyNames returns the names of a family's legacy tables, the newest first.
func (r *Ruleset) LegacyNames(f Family) []string {
	var all []*Table
	for k, t := range r.legacy {
		if k.family == f {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *Table) int { return cmp.Compare(b.Handle, a.Handle) })
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	return names
}

// SetLegacy has t take the place of the legacy table of its family and name, once
// agree (unless it is nil) has said of the one that holds, which may be nil, that it
// may go. EINVAL for jumps without an end or expressions that are out of place,
// ENOMEM.
func (r *Rules) SetLegacy(t *Table, agree func(old *Table) error) error {
	for _, c := range t.Chains {
		if c.Base != nil && c.Base.check() != nil {
			return unix.EINVAL
		}
	}
	switch err := t.validate(); err {
	case nil:
	case unix.EMLINK:
		return unix.ELOOP
	default:
		return unix.EINVAL
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	cur := r.cur.Load()
	key := legacyKey{t.Family, t.Name}
	old := cur.legacy[key]
	if agree != nil {
		if err := agree(old); err != nil {
			return err
		}
	}
	next := &Ruleset{Generation: cur.Generation, Tables: cur.Tables, lastID: cur.lastID, rules: cur.rules + t.rules()}
	if old != nil {
		t.Handle = old.Handle
		next.rules -= old.rules()
	} else {
		t.Handle = uint64(len(cur.legacy) + 1) // none is ever removed
	}
	if next.rules > MaxRules {
		return unix.ENOMEM
	}
	next.legacy = map[legacyKey]*Table{key: t}
	for k, o := range cur.legacy {
		if k != key {
			next.legacy[k] = o
		}
	}
	next.compile()
	r.cur.Store(next)
	return nil
}

// rules counts the rules of a table.
func (t *Table) rules() int {
	n := 0
	for _, c := range t.Chains {
		n += len(c.Rules)
	}
	return n
}

// all returns every table, legacy ones first in the order of their names: chains of
// one priority are passed in this order.
func (r *Ruleset) all() []*Table {
	list := make([]*Table, 0, len(r.legacy)+len(r.Tables))
	for _, t := range r.legacy {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *Table) int {
		if a.Family != b.Family {
			return int(a.Family) - int(b.Family)
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return append(list, r.Tables...)
}

// Header is what a rule of legacy iptables asks of the packet's header, before its
// matches: struct ipt_ip, and ip6t_ip6.
type Header struct {
	Src, Dst         netip.Addr // not valid: any
	SrcMask, DstMask [16]byte
	In, Out          [16]byte // names of interfaces, where the masks have bits
	InMask, OutMask  [16]byte
	Proto            uint16 // 0: any
	Fragment         bool   // second and further fragments only
	Invert           uint8  // HeaderIn and its like
}

// The parts of a Header of which the opposite is asked: IPT_INV_*.
const (
	HeaderIn       = 0x01
	HeaderOut      = 0x02
	HeaderTOS      = 0x04
	HeaderSrc      = 0x08
	HeaderDst      = 0x10
	HeaderFragment = 0x20
	HeaderProto    = 0x40
)

// Any reports whether every packet passes.
func (e *Header) Any() bool {
	z := [16]byte{}
	return !e.Src.IsValid() && !e.Dst.IsValid() && e.InMask == z && e.OutMask == z && e.Proto == 0 && !e.Fragment && e.Invert == 0
}

func (e *Header) eval(x *run) {
	if !e.matches(x) {
		x.fail()
	}
}

func (e *Header) matches(x *run) bool {
	t := &x.pk.Tuple
	if e.Src.IsValid() && under(t.Src, e.Src, &e.SrcMask) == (e.Invert&HeaderSrc != 0) ||
		e.Dst.IsValid() && under(t.Dst, e.Dst, &e.DstMask) == (e.Invert&HeaderDst != 0) {
		return false
	}
	if named(x.c.In, &e.In, &e.InMask) == (e.Invert&HeaderIn != 0) || named(x.c.Out, &e.Out, &e.OutMask) == (e.Invert&HeaderOut != 0) {
		return false
	}
	if e.Proto != 0 && (t.Proto == header.Protocol(e.Proto)) == (e.Invert&HeaderProto != 0) {
		return false
	}
	return !e.Fragment || x.pk.Fragment != (e.Invert&HeaderFragment != 0)
}

// under compares an address with one under a mask.
func under(a, want netip.Addr, mask *[16]byte) bool {
	if a.Is4() {
		v, w := a.As4(), want.As4()
		for i := range v {
			if (v[i]^w[i])&mask[i] != 0 {
				return false
			}
		}
		return true
	}
	v, w := a.As16(), want.As16()
	for i := range v {
		if (v[i]^w[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// named compares the name of an interface, empty if there is none, under a mask.
func named(d *Device, want, mask *[16]byte) bool {
	var name [16]byte
	if d != nil {
		copy(name[:15], d.Name)
	}
	for i := range name {
		if (name[i]^want[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}
