package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

// The attributes that x/sys does not name.
const (
	tableHandle   = 4 // NFTA_TABLE_HANDLE
	tableUserData = 6 // NFTA_TABLE_USERDATA
	tableOwner    = 7 // NFTA_TABLE_OWNER
)

func name(max int) wire.Rule { return wire.Rule{Kind: wire.String, Max: max} }

func userData() wire.Rule { return wire.Rule{Kind: wire.Any, Max: filter.MaxUserData} }

func tablePolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_TABLE_NAME: name(filter.MaxNameLen), unix.NFTA_TABLE_FLAGS: {Kind: wire.U32},
		tableHandle: {Kind: wire.U64}, tableUserData: userData(), tableOwner: {Kind: wire.U32},
	}
}

// sees reports whether a dump's request is for things of a family.
func (c *call) sees(f filter.Family) bool { return c.family == 0 || c.family == f }

func (c *call) writeTable(b *wire.Builder, msg, flags uint16, t *filter.Table, gen uint32) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_TABLE_NAME, t.Name)
	b.U32BE(unix.NFTA_TABLE_USE, uint32(len(t.Chains)+len(t.Sets)+len(t.Objects)))
	b.U64BE(tableHandle, t.Handle)
	b.U32BE(unix.NFTA_TABLE_FLAGS, t.Flags)
	if t.UserData != nil {
		b.Attr(tableUserData, t.UserData)
	}
	b.End()
}

func (c *call) getTable() error {
	set := c.rules.Ruleset()
	if c.IsDump() {
		var all []*filter.Table
		for _, t := range set.Tables {
			if c.sees(t.Family) {
				all = append(all, t)
			}
		}
		return c.Dump(len(all), func(b *wire.Builder, i int) {
			c.writeTable(b, unix.NFT_MSG_NEWTABLE, unix.NLM_F_MULTI, all[i], set.Generation)
		})
	}
	a, err := c.Attrs(headerSize, tablePolicy(), false)
	if err != nil {
		return err
	}
	t := set.Table(c.family, a.String(unix.NFTA_TABLE_NAME))
	if t == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_TABLE_NAME)
	}
	c.Reply(func(b *wire.Builder) { c.writeTable(b, unix.NFT_MSG_NEWTABLE, 0, t, set.Generation) })
	return nil
}

func (c *call) newTable() error {
	a, err := c.Attrs(headerSize, tablePolicy(), false)
	if err != nil {
		return err
	}
	if a.String(unix.NFTA_TABLE_NAME) == "" {
		return unix.EINVAL
	}
	t, err := c.tx.AddTable(c.family, a.String(unix.NFTA_TABLE_NAME), a.U32BE(unix.NFTA_TABLE_FLAGS), clone(a.Bytes(tableUserData)),
		c.Header.Flags&unix.NLM_F_EXCL != 0)
	if err != nil {
		return c.bad(err, a, unix.NFTA_TABLE_NAME)
	}
	c.changed(func(b *wire.Builder) { c.writeTable(b, unix.NFT_MSG_NEWTABLE, 0, t, c.tx.Ruleset().Generation) })
	return nil
}

// clone copies what is kept of a message.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// delTable removes a table, or all of a family, or all there are.
func (c *call) delTable() error {
	a, err := c.Attrs(headerSize, tablePolicy(), false)
	if err != nil {
		return err
	}
	set := c.tx.Ruleset()
	var gone []*filter.Table
	switch {
	case a.Has(tableHandle):
		gone = []*filter.Table{set.TableByHandle(c.family, a.U64BE(tableHandle))}
	case a.Has(unix.NFTA_TABLE_NAME):
		gone = []*filter.Table{set.Table(c.family, a.String(unix.NFTA_TABLE_NAME))}
	default:
		for _, t := range set.Tables {
			if c.sees(t.Family) {
				gone = append(gone, t)
			}
		}
	}
	for _, t := range gone {
		if t == nil {
			return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_TABLE_NAME), a, tableHandle)
		}
		c.changed(func(b *wire.Builder) { c.writeTable(b, unix.NFT_MSG_DELTABLE, 0, t, set.Generation) })
		c.tx.DeleteTable(t)
	}
	return nil
}

// table returns the table that an attribute names, to be changed.
func (c *call) table(a wire.Attrs, typ int) (*filter.Table, error) {
	if !a.Has(typ) {
		return nil, unix.EINVAL
	}
	t, err := c.tx.Table(c.family, a.String(typ))
	return t, c.bad(err, a, typ)
}

// bad is Bad for the attributes of a message of netfilter.
func (c *call) bad(err error, a wire.Attrs, typ int) error { return c.Bad(err, a, typ, headerSize) }
