package nfnetlink

import (
	"strconv"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

const (
	rulePositionID = 10 // NFTA_RULE_POSITION_ID
	ruleChainID    = 11 // NFTA_RULE_CHAIN_ID
)

func itoa(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

func rulePolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_RULE_TABLE: name(filter.MaxNameLen), unix.NFTA_RULE_CHAIN: name(filter.MaxNameLen), unix.NFTA_RULE_HANDLE: {Kind: wire.U64},
		unix.NFTA_RULE_EXPRESSIONS: {Kind: wire.Nested}, unix.NFTA_RULE_COMPAT: {Kind: wire.Nested}, unix.NFTA_RULE_POSITION: {Kind: wire.U64},
		unix.NFTA_RULE_USERDATA: userData(), unix.NFTA_RULE_ID: {Kind: wire.U32}, rulePositionID: {Kind: wire.U32}, ruleChainID: {Kind: wire.U32},
	}
}

// writeRule writes a rule; before is the handle of the one before it, or 0.
func (c *call) writeRule(b *wire.Builder, msg, flags uint16, t *filter.Table, ch *filter.Chain, r *filter.Rule, before uint64, gen uint32, reset bool) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_RULE_TABLE, t.Name)
	b.String(unix.NFTA_RULE_CHAIN, ch.Name)
	b.U64BE(unix.NFTA_RULE_HANDLE, r.Handle)
	if before != 0 {
		b.U64BE(unix.NFTA_RULE_POSITION, before)
	}
	list := b.Nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, e := range r.Exprs {
		n := b.Nest(unix.NFTA_LIST_ELEM)
		c.encode(b, e, reset)
		b.Close(n)
	}
	b.Close(list)
	if r.UserData != nil {
		b.Attr(unix.NFTA_RULE_USERDATA, r.UserData)
	}
	b.End()
}

func (c *call) getRule(reset bool) error {
	set := c.rules.Ruleset()
	a, err := c.Attrs(headerSize, rulePolicy(), false)
	if err != nil {
		return err
	}
	type item struct {
		t      *filter.Table
		c      *filter.Chain
		r      *filter.Rule
		before uint64
	}
	var all []item
	for _, t := range set.Tables {
		if !c.sees(t.Family) || a.Has(unix.NFTA_RULE_TABLE) && a.String(unix.NFTA_RULE_TABLE) != t.Name {
			continue
		}
		for _, ch := range t.Chains {
			if a.Has(unix.NFTA_RULE_CHAIN) && a.String(unix.NFTA_RULE_CHAIN) != ch.Name {
				continue
			}
			before := uint64(0)
			for _, r := range ch.Rules {
				if !a.Has(unix.NFTA_RULE_HANDLE) || a.U64BE(unix.NFTA_RULE_HANDLE) == r.Handle {
					all = append(all, item{t, ch, r, before})
				}
				before = r.Handle
			}
		}
	}
	if !c.IsDump() {
		if len(all) != 1 || !a.Has(unix.NFTA_RULE_HANDLE) {
			return unix.ENOENT
		}
		c.Reply(func(b *wire.Builder) {
			c.writeRule(b, unix.NFT_MSG_NEWRULE, 0, all[0].t, all[0].c, all[0].r, all[0].before, set.Generation, reset)
		})
		return nil
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) {
		x := &all[i]
		c.writeRule(b, unix.NFT_MSG_NEWRULE, unix.NLM_F_MULTI|unix.NLM_F_APPEND, x.t, x.c, x.r, x.before, set.Generation, reset)
	})
}

// chain returns the chain that a rule's message names.
func (c *call) chain(t *filter.Table, a wire.Attrs) (*filter.Chain, error) {
	var ch *filter.Chain
	switch {
	case a.Has(unix.NFTA_RULE_CHAIN):
		ch = t.Chain(a.String(unix.NFTA_RULE_CHAIN))
	case a.Has(ruleChainID):
		if byID := c.tx.Chain(a.U32BE(ruleChainID)); byID != nil {
			ch = t.Chain(byID.Name)
		}
	default:
		return nil, unix.EINVAL
	}
	if ch == nil {
		return nil, c.bad(unix.ENOENT, a, unix.NFTA_RULE_CHAIN)
	}
	return ch, nil
}

func (c *call) newRule() error {
	a, err := c.Attrs(headerSize, rulePolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_RULE_TABLE)
	if err != nil {
		return err
	}
	ch, err := c.chain(t, a)
	if err != nil {
		return err
	}
	where, handle := filter.AtStart, uint64(0)
	flags := c.Header.Flags
	if flags&unix.NLM_F_APPEND != 0 {
		where = filter.AtEnd
	}
	switch {
	case a.Has(unix.NFTA_RULE_HANDLE):
		if handle = a.U64BE(unix.NFTA_RULE_HANDLE); flags&unix.NLM_F_REPLACE == 0 {
			return unix.EOPNOTSUPP
		}
		if flags&unix.NLM_F_EXCL != 0 {
			return unix.EEXIST
		}
		where = filter.Replacing
	case flags&unix.NLM_F_CREATE == 0 || flags&unix.NLM_F_REPLACE != 0:
		return unix.EINVAL
	case a.Has(unix.NFTA_RULE_POSITION):
		handle = a.U64BE(unix.NFTA_RULE_POSITION)
		where = filter.Before
		if flags&unix.NLM_F_APPEND != 0 {
			where = filter.After
		}
	case a.Has(rulePositionID):
		r := c.tx.Rule(a.U32BE(rulePositionID))
		if r == nil {
			return unix.ENOENT
		}
		handle = r.Handle
		where = filter.Before
		if flags&unix.NLM_F_APPEND != 0 {
			where = filter.After
		}
	}
	r := &filter.Rule{UserData: clone(a.Bytes(unix.NFTA_RULE_USERDATA))}
	at := -1
	if off := a.Offset(unix.NFTA_RULE_EXPRESSIONS); off >= 0 {
		at = wire.HeaderSize + headerSize + off + wire.AttrHeaderSize
	}
	if r.Exprs, err = c.expressions(t, a.Bytes(unix.NFTA_RULE_EXPRESSIONS), at); err != nil {
		return err
	}
	if err := c.tx.AddRule(t, ch, r, where, handle); err != nil {
		if _, at := ch.Rule(handle); where >= filter.After && at < 0 {
			err = c.bad(c.bad(err, a, unix.NFTA_RULE_POSITION), a, unix.NFTA_RULE_HANDLE)
		}
		return err
	}
	if id := a.U32BE(unix.NFTA_RULE_ID); id != 0 {
		c.tx.NameRule(id, r)
	}
	c.changed(func(b *wire.Builder) {
		c.writeRule(b, unix.NFT_MSG_NEWRULE, flags&(unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_REPLACE), t, ch, r, handle, c.tx.Ruleset().Generation, false)
	})
	return nil
}

// delRule removes a rule, all of a chain, or all of a table.
func (c *call) delRule() error {
	a, err := c.Attrs(headerSize, rulePolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_RULE_TABLE)
	if err != nil {
		return err
	}
	chains := append([]*filter.Chain(nil), t.Chains...)
	if a.Has(unix.NFTA_RULE_CHAIN) || a.Has(ruleChainID) {
		ch, err := c.chain(t, a)
		if err != nil {
			return err
		}
		chains = []*filter.Chain{ch}
		if a.Has(unix.NFTA_RULE_HANDLE) || a.Has(unix.NFTA_RULE_ID) {
			r, _ := ch.Rule(a.U64BE(unix.NFTA_RULE_HANDLE))
			if !a.Has(unix.NFTA_RULE_HANDLE) {
				r = c.tx.Rule(a.U32BE(unix.NFTA_RULE_ID))
			}
			if r == nil {
				return c.bad(unix.ENOENT, a, unix.NFTA_RULE_HANDLE)
			}
			c.dropRule(t, ch, r)
			return nil
		}
	}
	for _, ch := range chains {
		for _, r := range append([]*filter.Rule(nil), ch.Rules...) {
			if now := t.Chain(ch.Name); now != nil {
				c.dropRule(t, now, r)
			}
		}
	}
	return nil
}

func (c *call) dropRule(t *filter.Table, ch *filter.Chain, r *filter.Rule) {
	c.changed(func(b *wire.Builder) {
		c.writeRule(b, unix.NFT_MSG_DELRULE, 0, t, ch, r, 0, c.tx.Ruleset().Generation, false)
	})
	c.tx.DeleteRule(t, ch, r)
}
