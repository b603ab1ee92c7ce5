package nfnetlink

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

const (
	setHandle = 16 // NFTA_SET_HANDLE
	setExpr   = 17 // NFTA_SET_EXPR
	setExprs  = 18 // NFTA_SET_EXPRESSIONS

	descConcat = 2 // NFTA_SET_DESC_CONCAT
	fieldLen   = 1 // NFTA_SET_FIELD_LEN

	maxData = 64 // bytes of a key or of data: NFT_DATA_VALUE_MAXLEN
)

func setPolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_SET_TABLE: name(filter.MaxNameLen), unix.NFTA_SET_NAME: name(filter.MaxNameLen), unix.NFTA_SET_FLAGS: {Kind: wire.U32},
		unix.NFTA_SET_KEY_TYPE: {Kind: wire.U32}, unix.NFTA_SET_KEY_LEN: {Kind: wire.U32}, unix.NFTA_SET_DATA_TYPE: {Kind: wire.U32},
		unix.NFTA_SET_DATA_LEN: {Kind: wire.U32}, unix.NFTA_SET_POLICY: {Kind: wire.U32}, unix.NFTA_SET_DESC: {Kind: wire.Nested},
		unix.NFTA_SET_ID: {Kind: wire.U32}, unix.NFTA_SET_TIMEOUT: {Kind: wire.U64}, unix.NFTA_SET_GC_INTERVAL: {Kind: wire.U32},
		unix.NFTA_SET_USERDATA: userData(), unix.NFTA_SET_OBJ_TYPE: {Kind: wire.U32}, setHandle: {Kind: wire.U64},
		setExpr: {Kind: wire.Nested}, setExprs: {Kind: wire.Nested},
	}
}

func (c *call) writeSet(b *wire.Builder, msg, flags uint16, t *filter.Table, s *filter.Set, gen uint32) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_SET_TABLE, t.Name)
	b.String(unix.NFTA_SET_NAME, s.Name)
	b.U64BE(setHandle, s.Handle)
	if s.Flags != 0 {
		b.U32BE(unix.NFTA_SET_FLAGS, s.Flags)
	}
	b.U32BE(unix.NFTA_SET_KEY_TYPE, s.KeyType)
	b.U32BE(unix.NFTA_SET_KEY_LEN, uint32(s.KeyLen))
	if s.Flags&filter.SetMap != 0 {
		b.U32BE(unix.NFTA_SET_DATA_TYPE, s.DataType)
		b.U32BE(unix.NFTA_SET_DATA_LEN, uint32(s.DataLen))
	}
	if s.Flags&filter.SetObject != 0 {
		b.U32BE(unix.NFTA_SET_OBJ_TYPE, s.ObjType)
	}
	if s.Timeout != 0 {
		b.U64BE(unix.NFTA_SET_TIMEOUT, uint64(s.Timeout/time.Millisecond))
	}
	if s.GCInterval != 0 {
		b.U32BE(unix.NFTA_SET_GC_INTERVAL, s.GCInterval)
	}
	if s.Policy != 0 {
		b.U32BE(unix.NFTA_SET_POLICY, s.Policy)
	}
	if s.UserData != nil {
		b.Attr(unix.NFTA_SET_USERDATA, s.UserData)
	}
	desc := b.Nest(unix.NFTA_SET_DESC)
	if s.Size != 0 {
		b.U32BE(unix.NFTA_SET_DESC_SIZE, s.Size)
	}
	if len(s.Fields) > 1 {
		all := b.Nest(descConcat)
		for _, n := range s.Fields {
			f := b.Nest(unix.NFTA_LIST_ELEM)
			b.U32BE(fieldLen, n)
			b.Close(f)
		}
		b.Close(all)
	}
	b.Close(desc)
	c.writeStates(b, setExpr, setExprs, s.Exprs, false)
	b.End()
}

// writeStates writes one expression that counts as an attribute, or several as a list.
func (c *call) writeStates(b *wire.Builder, one, more uint16, all []filter.Stateful, reset bool) {
	switch len(all) {
	case 0:
	case 1:
		n := b.Nest(one)
		c.encode(b, all[0], reset)
		b.Close(n)
	default:
		list := b.Nest(more)
		for _, e := range all {
			n := b.Nest(unix.NFTA_LIST_ELEM)
			c.encode(b, e, reset)
			b.Close(n)
		}
		b.Close(list)
	}
}

// states reads them.
func (c *call) states(t *filter.Table, a wire.Attrs, one, more int) ([]filter.Stateful, error) {
	var all []filter.Stateful
	add := func(e filter.Expr, err error) error {
		if err != nil {
			return err
		}
		s, ok := e.(filter.Stateful)
		if !ok || len(all) == 2 { // NFT_SET_EXPR_MAX
			return unix.EOPNOTSUPP
		}
		all = append(all, s)
		return nil
	}
	if a.Has(one) {
		if err := add(c.expression(t, a.Bytes(one))); err != nil {
			return nil, err
		}
	}
	if a.Has(more) {
		list, err := c.expressions(t, a.Bytes(more), -1)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if err := add(e, nil); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (c *call) getSet() error {
	set := c.rules.Ruleset()
	a, err := c.Attrs(headerSize, setPolicy(), false)
	if err != nil {
		return err
	}
	if c.IsDump() {
		type item struct {
			t *filter.Table
			s *filter.Set
		}
		var all []item
		for _, t := range set.Tables {
			if !c.sees(t.Family) || a.Has(unix.NFTA_SET_TABLE) && a.String(unix.NFTA_SET_TABLE) != t.Name {
				continue
			}
			for _, s := range t.Sets {
				all = append(all, item{t, s})
			}
		}
		return c.Dump(len(all), func(b *wire.Builder, i int) {
			c.writeSet(b, unix.NFT_MSG_NEWSET, unix.NLM_F_MULTI, all[i].t, all[i].s, set.Generation)
		})
	}
	t := set.Table(c.family, a.String(unix.NFTA_SET_TABLE))
	if t == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_SET_TABLE)
	}
	s := t.Set(a.String(unix.NFTA_SET_NAME))
	if s == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_SET_NAME)
	}
	c.Reply(func(b *wire.Builder) { c.writeSet(b, unix.NFT_MSG_NEWSET, 0, t, s, set.Generation) })
	return nil
}

func (c *call) newSet() error {
	a, err := c.Attrs(headerSize, setPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_SET_TABLE)
	if err != nil {
		return err
	}
	s := &filter.Set{
		Name: a.String(unix.NFTA_SET_NAME), ID: a.U32BE(unix.NFTA_SET_ID), Flags: a.U32BE(unix.NFTA_SET_FLAGS),
		KeyType: a.U32BE(unix.NFTA_SET_KEY_TYPE), KeyLen: int(a.U32BE(unix.NFTA_SET_KEY_LEN)), DataType: a.U32BE(unix.NFTA_SET_DATA_TYPE),
		DataLen: int(a.U32BE(unix.NFTA_SET_DATA_LEN)), ObjType: a.U32BE(unix.NFTA_SET_OBJ_TYPE), GCInterval: a.U32BE(unix.NFTA_SET_GC_INTERVAL),
		Policy: a.U32BE(unix.NFTA_SET_POLICY), UserData: clone(a.Bytes(unix.NFTA_SET_USERDATA)),
	}
	const known = filter.SetAnonymous | filter.SetConstant | filter.SetInterval | filter.SetMap | filter.SetTimeout | filter.SetEval |
		filter.SetObject | filter.SetConcat | filter.SetExpr
	switch {
	case s.Name == "" || !a.Has(unix.NFTA_SET_KEY_LEN) || s.ID == 0:
		return unix.EINVAL
	case s.Flags&^known != 0 || s.Flags&filter.SetMap != 0 && s.Flags&filter.SetObject != 0:
		return unix.EOPNOTSUPP
	case s.KeyLen <= 0 || s.KeyLen > maxData || a.U32BE(unix.NFTA_SET_KEY_LEN) > maxData:
		return unix.EINVAL
	}
	if s.Flags&filter.SetMap != 0 {
		switch {
		case s.DataType == filter.VerdictType:
			s.DataLen = 16 // that of a register
		case a.U32BE(unix.NFTA_SET_DATA_LEN) == 0 || a.U32BE(unix.NFTA_SET_DATA_LEN) > maxData:
			return unix.EINVAL
		}
	}
	if ms := a.U64BE(unix.NFTA_SET_TIMEOUT); ms != 0 {
		if s.Flags&filter.SetTimeout == 0 || ms > maxTimeout {
			return unix.EINVAL
		}
		s.Timeout = time.Duration(ms) * time.Millisecond
	}
	if err := c.describe(s, a); err != nil {
		return err
	}
	if s.Exprs, err = c.states(t, a, setExpr, setExprs); err != nil {
		return err
	}
	if old := t.Set(s.Name); old != nil {
		if c.Header.Flags&unix.NLM_F_EXCL != 0 {
			return c.bad(unix.EEXIST, a, unix.NFTA_SET_NAME)
		}
		if old.KeyType != s.KeyType || old.Flags&^filter.SetExpr != s.Flags&^filter.SetExpr || old.KeyLen != s.KeyLen || old.DataType != s.DataType {
			return c.bad(unix.EEXIST, a, unix.NFTA_SET_NAME)
		}
		return nil
	}
	if strings.Contains(s.Name, "%d") {
		if s.Flags&filter.SetAnonymous == 0 {
			return unix.EINVAL
		}
		if s.Name, err = free(t, s.Name); err != nil {
			return err
		}
	}
	if err := c.tx.AddSet(t, s); err != nil {
		return err
	}
	c.changed(func(b *wire.Builder) { c.writeSet(b, unix.NFT_MSG_NEWSET, 0, t, s, c.tx.Ruleset().Generation) })
	return nil
}

// maxTimeout bounds timeouts: a year in milliseconds.
const maxTimeout = 366 * 24 * 3600 * 1000

// describe reads NFTA_SET_DESC: the size, and the parts of a concatenation.
func (c *call) describe(s *filter.Set, a wire.Attrs) error {
	d, werr := a.Nested(unix.NFTA_SET_DESC, wire.Policy{unix.NFTA_SET_DESC_SIZE: {Kind: wire.U32}, descConcat: {Kind: wire.Nested}})
	if werr != nil {
		return c.Refuse(werr, headerSize)
	}
	s.Size = d.U32BE(unix.NFTA_SET_DESC_SIZE)
	total, bad := 0, false
	wire.Each(d.Bytes(descConcat), func(typ uint16, _ int, v []byte) bool {
		f, werr := wire.Parse(v, wire.Policy{fieldLen: {Kind: wire.U32}}, false)
		n := f.U32BE(fieldLen)
		if typ != unix.NFTA_LIST_ELEM || werr != nil || n == 0 || n > maxData || len(s.Fields) == 16 {
			bad = true
			return false
		}
		s.Fields = append(s.Fields, n)
		total += int(n+3) &^ 3
		return true
	})
	if bad || len(s.Fields) > 0 && total != s.KeyLen {
		return unix.EINVAL
	}
	return nil
}

// free completes the name of an anonymous set.
func free(t *filter.Table, pattern string) (string, error) {
	for i := range uint32(filter.MaxSets + 1) {
		if n := strings.Replace(pattern, "%d", itoa(i), 1); t.Set(n) == nil {
			return n, nil
		}
	}
	return "", unix.ENFILE
}

// findSet returns the set that a message names, or ENOENT.
func (c *call) findSet(t *filter.Table, a wire.Attrs, byName, byID int) (*filter.Set, error) {
	if s := t.Set(a.String(byName)); s != nil {
		return s, nil
	}
	if byID != 0 && c.tx != nil && a.Has(byID) {
		if s := c.tx.Set(a.U32BE(byID)); s != nil {
			if s = t.Set(s.Name); s != nil {
				return s, nil
			}
		}
	}
	return nil, c.bad(unix.ENOENT, a, byName)
}

func (c *call) delSet() error {
	a, err := c.Attrs(headerSize, setPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_SET_TABLE)
	if err != nil {
		return err
	}
	var s *filter.Set
	if a.Has(setHandle) {
		for _, x := range t.Sets {
			if x.Handle == a.U64BE(setHandle) {
				s = x
			}
		}
	} else {
		s = t.Set(a.String(unix.NFTA_SET_NAME))
	}
	if s == nil {
		return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_SET_NAME), a, setHandle)
	}
	if err := c.tx.DeleteSet(t, s); err != nil {
		return c.bad(err, a, unix.NFTA_SET_NAME)
	}
	c.changed(func(b *wire.Builder) { c.writeSet(b, unix.NFT_MSG_DELSET, 0, t, s, c.tx.Ruleset().Generation) })
	return nil
}
