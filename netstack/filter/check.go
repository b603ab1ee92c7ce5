package filter

import (
	"slices"

	"golang.org/x/sys/unix"
)

// check checks an expression against the table and the chain that it comes into,
// and finds the sets that it names by a number of the batch.
func (tx *Tx) check(t *Table, c *Chain, e Expr) error {
	if t.Family.ofFrames() {
		if err := t.checkFrameExpr(c, e); err != nil {
			return err
		}
	}
	switch e := e.(type) {
	case *Immediate:
		return tx.checkVerdict(t, e.Verdict)
	case *Lookup:
		s, err := tx.findSet(t, &e.Set, e.SetID)
		if err != nil {
			return err
		}
		if !e.SReg.Fits(s.KeyLen) {
			return unix.EINVAL
		}
		if e.HasDReg {
			if !s.IsMap() || e.Invert {
				return unix.EINVAL
			}
			if e.ToVerdict = s.DataType == VerdictType; !e.ToVerdict && !e.DReg.Fits(s.DataLen) {
				return unix.EINVAL
			}
		} else if s.Flags&SetMap != 0 {
			return unix.EINVAL
		}
	case *DynSet:
		s, err := tx.findSet(t, &e.Set, e.SetID)
		if err != nil {
			return err
		}
		if s.Flags&SetConstant != 0 || s.interval() || s.concatRanges() {
			return unix.EOPNOTSUPP
		}
		if !e.SRegKey.Fits(s.KeyLen) || e.HasData && (!s.IsMap() || s.DataType == VerdictType || !e.SRegData.Fits(s.DataLen)) ||
			!e.HasData && s.Flags&SetMap != 0 {
			return unix.EINVAL
		}
		if e.HasTimeout && s.Flags&SetTimeout == 0 {
			return unix.EOPNOTSUPP
		}
		tx.boundSet(t, s)
	case *ObjRef:
		if e.Set == "" && e.SetID == 0 {
			if t.Object(e.Name, e.Type) == nil {
				return unix.ENOENT
			}
			return nil
		}
		s, err := tx.findSet(t, &e.Set, e.SetID)
		if err != nil {
			return err
		}
		if s.Flags&SetObject == 0 || !e.SReg.Fits(s.KeyLen) {
			return unix.EINVAL
		}
	case *NAT:
		hooks := []Hook{Prerouting, Output}
		if e.Src {
			hooks = []Hook{Postrouting, Input}
		}
		return t.checkNAT(c, hooks...)
	case *Masquerade:
		return t.checkNAT(c, Postrouting)
	case *Redirect:
		return t.checkNAT(c, Prerouting, Output)
	case *Route:
		if e.Key == RouteMSS {
			return c.only(Forward, Output, Postrouting)
		}
	case *Dup, *Fwd:
		return t.checkCopy(e)
	case *Reject:
		if t.Family.ofFrames() {
			return nil
		}
		return c.only(Prerouting, Input, Forward, Output)
	case *Target:
		if nat := e.nat(); nat != nil {
			return t.checkNAT(c, nat...)
		}
	}
	return nil
}

// checkVerdict checks that the chain of a jump is there, and is none that packets
// come into by a hook.
func (tx *Tx) checkVerdict(t *Table, v *VerdictData) error {
	if v == nil || v.Code != CodeJump && v.Code != CodeGoto {
		return nil
	}
	if v.Chain == "" && v.ChainID != 0 {
		if c := tx.chainIDs[v.ChainID]; c != nil {
			v.Chain = c.Name
		}
	}
	c := t.chains[v.Chain]
	if c == nil {
		return unix.ENOENT
	}
	if c.Base != nil {
		return unix.EOPNOTSUPP
	}
	return nil
}

// CheckVerdict is the same for an element of a map.
func (tx *Tx) CheckVerdict(t *Table, v *VerdictData) error { return tx.checkVerdict(t, v) }

// findSet finds a set by name or number, and puts its name in place of the number.
func (tx *Tx) findSet(t *Table, name *string, id uint32) (*Set, error) {
	s := t.sets[*name]
	if s == nil && id != 0 {
		if byID := tx.setIDs[id]; byID != nil {
			s = t.sets[byID.Name]
		}
	}
	if s == nil {
		return nil, unix.ENOENT
	}
	*name = s.Name
	return s, nil
}

// checkNAT says that translations are decided in nat chains, of some hooks. A chain
// that is only jumped to is checked when all is known, by validate.
func (t *Table) checkNAT(c *Chain, hooks ...Hook) error {
	if c.Base == nil {
		return nil
	}
	if c.Base.Type != "nat" {
		return unix.EOPNOTSUPP
	}
	return c.only(hooks...)
}

// only says that an expression has its place at some hooks.
func (c *Chain) only(hooks ...Hook) error {
	if c.Base == nil || slices.Contains(hooks, c.Base.Hook) {
		return nil
	}
	return unix.EOPNOTSUPP
}

// validate checks that jumps come to an end, within the depth that a walk has, and
// that what is jumped to may be there.
func (t *Table) validate() error {
	done := map[*Chain]int{} // how deep one can get from it, plus one
	var visit func(c *Chain, depth int) (int, error)
	visit = func(c *Chain, depth int) (int, error) {
		if n := done[c]; n != 0 {
			return n - 1, nil
		}
		if depth > maxJumps {
			return 0, unix.EMLINK
		}
		deepest := 0
		for _, name := range t.targets(c) {
			to := t.chains[name]
			if to == nil {
				return 0, unix.ENOENT
			}
			n, err := visit(to, depth+1)
			if err != nil {
				return 0, err
			}
			deepest = max(deepest, n+1)
		}
		done[c] = deepest + 1
		return deepest, nil
	}
	// What packets cannot come to may be as it will.
	for _, c := range t.Chains {
		if c.Base == nil {
			continue
		}
		n, err := visit(c, 0)
		if err != nil {
			return err
		}
		if n > maxJumps {
			return unix.EMLINK
		}
	}
	for _, c := range t.Chains {
		if c.Base != nil {
			if err := t.reaches(c, c, map[*Chain]bool{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// targets returns the chains that a chain jumps to.
func (t *Table) targets(c *Chain) []string {
	var all []string
	for _, r := range c.Rules {
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case *Immediate:
				if e.Verdict != nil && e.Verdict.Chain != "" {
					all = append(all, e.Verdict.Chain)
				}
			case *Lookup:
				if s := t.sets[e.Set]; s != nil && s.DataType == VerdictType && s.IsMap() {
					for _, el := range s.All(0) {
						if el.Verdict != nil && el.Verdict.Chain != "" {
							all = append(all, el.Verdict.Chain)
						}
					}
				}
			}
		}
	}
	return all
}

// reaches checks the translations that can be come to from a base chain.
func (t *Table) reaches(base, c *Chain, seen map[*Chain]bool) error {
	if seen[c] {
		return nil
	}
	seen[c] = true
	in := &Chain{Base: base.Base}
	for _, r := range c.Rules {
		for _, e := range r.Exprs {
			var err error
			switch e := e.(type) {
			case *NAT:
				if e.Src {
					err = t.checkNAT(in, Postrouting, Input)
				} else {
					err = t.checkNAT(in, Prerouting, Output)
				}
			case *Masquerade:
				err = t.checkNAT(in, Postrouting)
			case *Redirect:
				err = t.checkNAT(in, Prerouting, Output)
			case *Target:
				if nat := e.nat(); nat != nil {
					err = t.checkNAT(in, nat...)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	for _, name := range t.targets(c) {
		if err := t.reaches(base, t.chains[name], seen); err != nil {
			return err
		}
	}
	return nil
}
