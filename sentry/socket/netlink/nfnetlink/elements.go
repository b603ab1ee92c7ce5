package nfnetlink

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

const (
	elemKeyEnd = 10 // NFTA_SET_ELEM_KEY_END
	elemExprs  = 11 // NFTA_SET_ELEM_EXPRESSIONS
)

func elementListPolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_SET_ELEM_LIST_TABLE: name(filter.MaxNameLen), unix.NFTA_SET_ELEM_LIST_SET: name(filter.MaxNameLen),
		unix.NFTA_SET_ELEM_LIST_ELEMENTS: {Kind: wire.Nested}, unix.NFTA_SET_ELEM_LIST_SET_ID: {Kind: wire.U32},
	}
}

func elementPolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_SET_ELEM_KEY: {Kind: wire.Nested}, unix.NFTA_SET_ELEM_DATA: {Kind: wire.Nested}, unix.NFTA_SET_ELEM_FLAGS: {Kind: wire.U32},
		unix.NFTA_SET_ELEM_TIMEOUT: {Kind: wire.U64}, unix.NFTA_SET_ELEM_EXPIRATION: {Kind: wire.U64}, unix.NFTA_SET_ELEM_USERDATA: userData(),
		unix.NFTA_SET_ELEM_EXPR: {Kind: wire.Nested}, unix.NFTA_SET_ELEM_OBJREF: name(filter.MaxNameLen), elemKeyEnd: {Kind: wire.Nested},
		elemExprs: {Kind: wire.Nested},
	}
}

// writeElement writes one element of a list.
func (c *call) writeElement(b *wire.Builder, s *filter.Set, e *filter.Element, reset bool) {
	n := b.Nest(unix.NFTA_LIST_ELEM)
	if e.Flags&filter.ElemCatchAll == 0 {
		writeValue(b, unix.NFTA_SET_ELEM_KEY, e.Key)
	}
	if e.KeyEnd != nil {
		writeValue(b, elemKeyEnd, e.KeyEnd)
	}
	switch {
	case e.Verdict != nil:
		writeVerdict(b, unix.NFTA_SET_ELEM_DATA, e.Verdict)
	case e.Data != nil:
		writeValue(b, unix.NFTA_SET_ELEM_DATA, e.Data)
	}
	c.writeStates(b, unix.NFTA_SET_ELEM_EXPR, elemExprs, e.Exprs, reset)
	if e.Object != "" {
		b.String(unix.NFTA_SET_ELEM_OBJREF, e.Object)
	}
	if e.Flags != 0 {
		b.U32BE(unix.NFTA_SET_ELEM_FLAGS, e.Flags)
	}
	if e.Timeout != 0 && e.Timeout != s.Timeout {
		b.U64BE(unix.NFTA_SET_ELEM_TIMEOUT, uint64(e.Timeout/time.Millisecond))
	}
	if at := e.Expires(); at != 0 {
		b.U64BE(unix.NFTA_SET_ELEM_EXPIRATION, uint64(max(at-c.rules.Now(), 0)/1e6))
	}
	if e.UserData != nil {
		b.Attr(unix.NFTA_SET_ELEM_USERDATA, e.UserData)
	}
	b.Close(n)
}

// elementsAtOnce is how many elements are put into one message, so that the list
// does not outgrow an attribute.
const elementsAtOnce = 32

func (c *call) writeElements(b *wire.Builder, msg, flags uint16, t *filter.Table, s *filter.Set, all []*filter.Element, gen uint32, reset bool) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_SET_ELEM_LIST_TABLE, t.Name)
	b.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	list := b.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	for _, e := range all {
		c.writeElement(b, s, e, reset)
	}
	b.Close(list)
	b.End()
}

func (c *call) getElements(reset bool) error {
	ruleset := c.rules.Ruleset()
	a, err := c.Attrs(headerSize, elementListPolicy(), false)
	if err != nil {
		return err
	}
	t := ruleset.Table(c.family, a.String(unix.NFTA_SET_ELEM_LIST_TABLE))
	if t == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_SET_ELEM_LIST_TABLE)
	}
	s := t.Set(a.String(unix.NFTA_SET_ELEM_LIST_SET))
	if s == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_SET_ELEM_LIST_SET)
	}
	if c.IsDump() {
		all := s.All(c.rules.Now())
		n := (len(all) + elementsAtOnce - 1) / elementsAtOnce
		return c.Dump(n, func(b *wire.Builder, i int) {
			part := all[i*elementsAtOnce : min((i+1)*elementsAtOnce, len(all))]
			c.writeElements(b, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_MULTI, t, s, part, ruleset.Generation, reset)
		})
	}
	asked, err := c.elements(t, s, a)
	if err != nil {
		return err
	}
	for _, q := range asked {
		found := s.Find(q, c.rules.Now())
		if found == nil {
			return unix.ENOENT
		}
		c.Reply(func(b *wire.Builder) {
			c.writeElements(b, unix.NFT_MSG_NEWSETELEM, 0, t, s, []*filter.Element{found}, ruleset.Generation, reset)
		})
	}
	return nil
}

// elements reads a list of elements of a set.
func (c *call) elements(t *filter.Table, s *filter.Set, a wire.Attrs) ([]*filter.Element, error) {
	var all []*filter.Element
	var failed error
	wire.Each(a.Bytes(unix.NFTA_SET_ELEM_LIST_ELEMENTS), func(_ uint16, _ int, v []byte) bool {
		a, werr := wire.Parse(v, elementPolicy(), false)
		if werr != nil {
			failed = c.Refuse(werr, headerSize)
			return false
		}
		var e *filter.Element
		if e, failed = c.element(t, s, a); failed != nil || len(all) >= filter.MaxElements {
			return false
		}
		all = append(all, e)
		return true
	})
	return all, failed
}

// badElement has the acknowledgement say which element of a list failed.
func (c *call) badElement(err error, a wire.Attrs, index int) error {
	k := 0
	wire.Each(a.Bytes(unix.NFTA_SET_ELEM_LIST_ELEMENTS), func(_ uint16, off int, _ []byte) bool {
		if k++; k <= index {
			return true
		}
		c.Offset = wire.HeaderSize + headerSize + a.Offset(unix.NFTA_SET_ELEM_LIST_ELEMENTS) + wire.AttrHeaderSize + off
		return false
	})
	return err
}

// element reads one.
func (c *call) element(t *filter.Table, s *filter.Set, a wire.Attrs) (*filter.Element, error) {
	e := &filter.Element{Flags: a.U32BE(unix.NFTA_SET_ELEM_FLAGS), UserData: clone(a.Bytes(unix.NFTA_SET_ELEM_USERDATA)), Object: a.String(unix.NFTA_SET_ELEM_OBJREF)}
	var err error
	switch catchAll := e.Flags&filter.ElemCatchAll != 0; {
	case e.Flags&^(filter.ElemIntervalEnd|filter.ElemCatchAll) != 0:
		return nil, unix.EOPNOTSUPP
	case catchAll == a.Has(unix.NFTA_SET_ELEM_KEY):
		return nil, unix.EINVAL
	case catchAll:
	default:
		if e.Key, err = c.value(a.Bytes(unix.NFTA_SET_ELEM_KEY), s.KeyLen); err != nil {
			return nil, err
		}
	}
	if e.Flags&filter.ElemIntervalEnd != 0 && s.Flags&filter.SetInterval == 0 {
		return nil, unix.EINVAL
	}
	if a.Has(elemKeyEnd) {
		if s.Flags&filter.SetInterval == 0 {
			return nil, unix.EINVAL
		}
		if e.KeyEnd, err = c.value(a.Bytes(elemKeyEnd), s.KeyLen); err != nil {
			return nil, err
		}
	}
	if e.Object != "" && s.Flags&filter.SetObject == 0 || a.Has(unix.NFTA_SET_ELEM_DATA) && s.Flags&filter.SetMap == 0 {
		return nil, unix.EINVAL
	}
	if v := a.Bytes(unix.NFTA_SET_ELEM_DATA); v != nil && e.Flags&filter.ElemIntervalEnd == 0 {
		if s.DataType == filter.VerdictType {
			e.Verdict, err = c.verdict(v)
			if err == nil && c.tx != nil {
				err = c.tx.CheckVerdict(t, e.Verdict)
			}
		} else {
			e.Data, err = c.value(v, s.DataLen)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := c.times(s, e, a); err != nil {
		return nil, err
	}
	if e.Exprs, err = c.states(t, a, unix.NFTA_SET_ELEM_EXPR, elemExprs); err != nil {
		return nil, err
	}
	if len(e.Exprs) == 0 && e.Flags&filter.ElemIntervalEnd == 0 {
		for _, x := range s.Exprs {
			e.Exprs = append(e.Exprs, x.Copy())
		}
	}
	return e, nil
}

// times reads how long an element lives, and has lived.
func (c *call) times(s *filter.Set, e *filter.Element, a wire.Attrs) error {
	if !a.Has(unix.NFTA_SET_ELEM_TIMEOUT) && !a.Has(unix.NFTA_SET_ELEM_EXPIRATION) {
		return nil
	}
	if s.Flags&filter.SetTimeout == 0 {
		return unix.EINVAL
	}
	ms, left := a.U64BE(unix.NFTA_SET_ELEM_TIMEOUT), a.U64BE(unix.NFTA_SET_ELEM_EXPIRATION)
	if ms > maxTimeout || left > maxTimeout {
		return unix.ERANGE
	}
	e.Timeout = time.Duration(ms) * time.Millisecond
	if left != 0 {
		e.SetExpires(c.rules.Now() + int64(left)*1e6)
	}
	return nil
}

// list reads what NEWSETELEM and DELSETELEM have in common.
func (c *call) list() (t *filter.Table, s *filter.Set, a wire.Attrs, err error) {
	if a, err = c.Attrs(headerSize, elementListPolicy(), false); err != nil {
		return nil, nil, a, err
	}
	if t, err = c.table(a, unix.NFTA_SET_ELEM_LIST_TABLE); err != nil {
		return nil, nil, a, err
	}
	s, err = c.findSet(t, a, unix.NFTA_SET_ELEM_LIST_SET, unix.NFTA_SET_ELEM_LIST_SET_ID)
	return t, s, a, err
}

func (c *call) newElements() error {
	t, s, a, err := c.list()
	if err != nil {
		return err
	}
	if !a.Has(unix.NFTA_SET_ELEM_LIST_ELEMENTS) {
		return unix.EINVAL
	}
	all, err := c.elements(t, s, a)
	if err != nil {
		return err
	}
	for i, e := range all {
		if err := c.tx.AddElement(t, t.Set(s.Name), e, c.Header.Flags&unix.NLM_F_EXCL != 0); err != nil {
			return c.badElement(err, a, i)
		}
	}
	c.told(unix.NFT_MSG_NEWSETELEM, t, s, all)
	return nil
}

// told tells of elements that came or went.
func (c *call) told(msg uint16, t *filter.Table, s *filter.Set, all []*filter.Element) {
	for i := 0; i < len(all); i += elementsAtOnce {
		c.changed(func(b *wire.Builder) {
			c.writeElements(b, msg, 0, t, s, all[i:min(i+elementsAtOnce, len(all))], c.tx.Ruleset().Generation, false)
		})
	}
}

// delElements removes elements, or all of a set. destroy does not mind those that
// are not there.
func (c *call) delElements(destroy bool) error {
	t, s, a, err := c.list()
	if err != nil {
		if destroy {
			return absent(err)
		}
		return err
	}
	if !a.Has(unix.NFTA_SET_ELEM_LIST_ELEMENTS) {
		gone := s.All(c.rules.Now())
		c.tx.FlushSet(t, s)
		c.told(unix.NFT_MSG_DELSETELEM, t, s, gone)
		return nil
	}
	all, err := c.elements(t, s, a)
	if err != nil {
		return err
	}
	var gone []*filter.Element
	for i, e := range all {
		old, err := c.tx.DeleteElement(t, t.Set(s.Name), e)
		if err != nil && !(destroy && err == unix.ENOENT) {
			return c.badElement(err, a, i)
		}
		if old != nil {
			gone = append(gone, old)
		}
	}
	c.told(unix.NFT_MSG_DELSETELEM, t, s, gone)
	return nil
}
