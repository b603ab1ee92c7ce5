package route

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// The tables and actions that Linux's headers name and x/sys may not.
const (
	TableDefault = unix.RT_TABLE_DEFAULT
	TableMain    = unix.RT_TABLE_MAIN
	TableLocal   = unix.RT_TABLE_LOCAL

	ActionLookup      = 1 // FR_ACT_TO_TBL
	ActionGoto        = 2
	ActionNop         = 3
	ActionBlackhole   = 6
	ActionUnreachable = 7
	ActionProhibit    = 8
)

// Range is a closed range of numbers; the zero Range matches all.
type Range struct{ First, Last uint32 }

func (r Range) matches(n uint32) bool { return r == Range{} || r.First <= n && n <= r.Last }

// Rule is one rule of a policy. A zero field matches everything.
type Rule struct {
	Priority         uint32
	Invert           bool
	Src, Dst         netip.Prefix
	IIF, OIF         int    // indices that matter now; -1 is a name without an interface
	IIFName, OIFName string // the names as they were given
	TOS              uint8
	Mark, Mask       uint32
	IPProto          uint8
	SrcPort, DstPort Range
	UIDs             Range
	HasUIDs          bool
	Protocol         uint8 // who made it: RTPROT_*

	Action   uint8
	Table    uint32
	Goto     uint32
	Suppress int // results with prefixes of at most so many bits do not count; -1 is none
}

// Matches reports whether the rule is for f.
func (r *Rule) Matches(f *Flow) bool { return r.matches(f) != r.Invert }

func (r *Rule) matches(f *Flow) bool {
	switch {
	case r.IIFName != "" && r.IIF != f.IIF,
		r.OIFName != "" && r.OIF != f.OIF,
		r.Src.IsValid() && (!f.Src.IsValid() || !r.Src.Contains(f.Src)) && r.Src.Bits() > 0,
		r.Dst.IsValid() && !r.Dst.Contains(f.Dst),
		r.TOS != 0 && r.TOS != f.TOS,
		(r.Mark^f.Mark)&r.Mask != 0,
		r.IPProto != 0 && r.IPProto != f.Proto,
		!r.SrcPort.matches(uint32(f.SrcPort)),
		!r.DstPort.matches(uint32(f.DstPort)),
		r.HasUIDs && (f.UID < r.UIDs.First || f.UID > r.UIDs.Last):
		return false
	}
	return true
}

// equal reports whether two rules are one to a deletion and an addition.
func (r *Rule) equal(o *Rule) bool {
	a, b := *r, *o
	a.Protocol, b.Protocol = 0, 0
	return a == b
}

// DefaultRules are the rules of a new namespace.
func DefaultRules(v6 bool) []Rule {
	rule := func(priority, table uint32) Rule {
		return Rule{Priority: priority, Action: ActionLookup, Table: table, Suppress: -1, Protocol: unix.RTPROT_KERNEL}
	}
	rs := []Rule{rule(0, TableLocal), rule(32766, TableMain)}
	if !v6 {
		rs = append(rs, rule(32767, TableDefault))
	}
	return rs
}
