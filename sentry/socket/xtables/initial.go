package xtables

import (
	"encoding/binary"

	"hull/netstack/filter"
)

// kind is one of the tables that iptables knows.
type kind struct {
	name  string
	typ   string // of its chains
	hooks uint32 // bits of filter.Hook
	prio  int32
}

// The hooks of tables, as bits.
const (
	atPrerouting  = 1 << filter.Prerouting
	atInput       = 1 << filter.Input
	atForward     = 1 << filter.Forward
	atOutput      = 1 << filter.Output
	atPostrouting = 1 << filter.Postrouting
)

// priority is NF_IP_PRI_* of the table at a hook.
func (k *kind) priority(h filter.Hook) int32 {
	if k.typ == "nat" && (h == filter.Input || h == filter.Postrouting) {
		return 100
	}
	return k.prio
}

func kindOf(name string) *kind {
	switch name {
	case "filter":
		return &kind{name, "filter", atInput | atForward | atOutput, 0}
	case "nat":
		return &kind{name, "nat", atPrerouting | atInput | atOutput | atPostrouting, -100}
	case "mangle":
		return &kind{name, "route", atPrerouting | atInput | atForward | atOutput | atPostrouting, -150}
	case "raw":
		return &kind{name, "filter", atPrerouting | atOutput, -300}
	case "security":
		return &kind{name, "filter", atInput | atForward | atOutput, 50}
	}
	return nil
}

// initial returns a table as it is when its module is loaded: a policy for each
// hook, which accepts, and the label at the end.
func (k *kind) initial(f form) *table {
	t := &table{kind: k}
	ne := binary.NativeEndian
	add := func(target int) []byte {
		at := len(t.blob)
		t.blob = append(t.blob, make([]byte, f.size+target)...)
		e := t.blob[at:]
		ne.PutUint16(e[f.offsets:], uint16(f.size))
		ne.PutUint16(e[f.offsets+2:], uint16(f.size+target))
		ne.PutUint16(e[f.size:], uint16(target))
		return e[f.size:]
	}
	for h := range filter.Hooks {
		if k.hooks>>h&1 == 0 {
			continue
		}
		t.entry[h], t.underflow[h] = uint32(len(t.blob)), uint32(len(t.blob))
		accept := int32(verdictAccept)
		ne.PutUint32(add(standardTarget)[extHeader:], uint32(accept))
	}
	label := add(errorTarget)
	copy(label[2:], "ERROR")
	copy(label[extHeader:], "ERROR")
	return t
}
