package filter

import (
	"time"
)

// Lookup asks a set for a key, and loads the data of a map.
type Lookup struct {
	Set     string
	SetID   uint32 // by which a batch names it
	SReg    Register
	DReg    Register
	HasDReg bool
	Invert  bool

	ToVerdict bool // the data are verdicts, and go into no register
}

func (e *Lookup) eval(x *run) {
	s := x.table.sets[e.Set]
	if s == nil {
		x.fail()
		return
	}
	found := s.match(x.bytes(e.SReg, s.KeyLen), x.c.Now)
	if (found != nil) == e.Invert {
		x.fail()
		return
	}
	if found == nil {
		if e.HasDReg {
			x.fail()
		}
		return
	}
	for _, st := range found.Exprs {
		if st.eval(x); x.code != CodeContinue {
			return
		}
	}
	if !e.HasDReg {
		return
	}
	if v := found.Verdict; v != nil {
		x.code, x.to = v.Code, v.Chain
		return
	}
	copy(x.clear(e.DReg, len(found.Data)), found.Data)
}

// DynSet changes a set by packets: NFT_DYNSET_OP_*.
type DynSet struct {
	Set        string
	SetID      uint32
	Op         uint32
	SRegKey    Register
	SRegData   Register
	HasData    bool
	Timeout    time.Duration
	HasTimeout bool
	Invert     bool
	Exprs      []Stateful
}

// The operators of DynSet.
const (
	DynSetAdd    = 0
	DynSetUpdate = 1
	DynSetDelete = 2
)

func (e *DynSet) eval(x *run) {
	s := x.table.sets[e.Set]
	if s == nil {
		x.fail()
		return
	}
	key := x.bytes(e.SRegKey, s.KeyLen)
	now := x.c.Now
	probe := &Element{Key: append([]byte(nil), key...)}
	if e.Op == DynSetDelete {
		if _, err := s.remove(probe, now); (err == nil) == e.Invert {
			x.fail()
		}
		return
	}
	timeout := s.Timeout
	if e.HasTimeout {
		timeout = e.Timeout
	}
	found := s.Get(probe, now)
	if found == nil {
		found = probe
		if e.HasData {
			found.Data = append([]byte(nil), x.bytes(e.SRegData, s.DataLen)...)
		}
		templates := e.Exprs
		if len(templates) == 0 {
			templates = s.Exprs
		}
		for _, st := range templates {
			found.Exprs = append(found.Exprs, st.Copy())
		}
		if e.HasTimeout {
			found.Timeout = timeout
		}
		if timeout > 0 {
			found.SetExpires(now + int64(timeout))
		}
		if s.add(found, now) != nil {
			if !e.Invert {
				x.fail()
			}
			return
		}
	} else if e.Op == DynSetUpdate && timeout > 0 {
		found.SetExpires(now + int64(timeout))
	}
	if e.Invert {
		x.fail()
		return
	}
	for _, st := range found.Exprs {
		if st.eval(x); x.code != CodeContinue {
			return
		}
	}
}

// ObjRef uses an object by name, or the one that a map has for a key.
type ObjRef struct {
	Name  string
	Type  uint32
	Set   string
	SetID uint32
	SReg  Register
}

func (e *ObjRef) eval(x *run) {
	name, typ := e.Name, e.Type
	if e.Set != "" {
		s := x.table.sets[e.Set]
		if s == nil {
			x.fail()
			return
		}
		found := s.match(x.bytes(e.SReg, s.KeyLen), x.c.Now)
		if found == nil {
			x.fail()
			return
		}
		name, typ = found.Object, s.ObjType
	}
	o := x.table.objs[objectKey{name, typ}]
	if o == nil {
		x.fail()
		return
	}
	o.Expr.eval(x)
}
