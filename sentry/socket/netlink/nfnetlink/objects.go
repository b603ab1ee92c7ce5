package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

const (
	objHandle   = 6 // NFTA_OBJ_HANDLE
	objUserData = 8 // NFTA_OBJ_USERDATA

	objectCounter = 1 // NFT_OBJECT_COUNTER
	objectQuota   = 2
	objectLimit   = 4
)

func objectPolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_OBJ_TABLE: name(filter.MaxNameLen), unix.NFTA_OBJ_NAME: name(filter.MaxNameLen), unix.NFTA_OBJ_TYPE: {Kind: wire.U32},
		unix.NFTA_OBJ_DATA: {Kind: wire.Nested}, objHandle: {Kind: wire.U64}, objUserData: userData(),
	}
}

// objectExpr is the expression that an object of a type is.
func objectExpr(typ uint32) string {
	switch typ {
	case objectCounter:
		return "counter"
	case objectQuota:
		return "quota"
	case objectLimit:
		return "limit"
	}
	return ""
}

func (c *call) writeObject(b *wire.Builder, msg, flags uint16, t *filter.Table, o *filter.Object, gen uint32, reset bool) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_OBJ_TABLE, t.Name)
	b.String(unix.NFTA_OBJ_NAME, o.Name)
	b.U64BE(objHandle, o.Handle)
	b.U32BE(unix.NFTA_OBJ_TYPE, o.Type)
	b.U32BE(unix.NFTA_OBJ_USE, 0)
	data := b.Nest(unix.NFTA_OBJ_DATA)
	c.encodeData(b, o.Expr, reset)
	b.Close(data)
	if o.UserData != nil {
		b.Attr(objUserData, o.UserData)
	}
	b.End()
}

func (c *call) getObject(reset bool) error {
	set := c.rules.Ruleset()
	a, err := c.Attrs(headerSize, objectPolicy(), false)
	if err != nil {
		return err
	}
	typ := a.U32BE(unix.NFTA_OBJ_TYPE)
	if c.IsDump() {
		type item struct {
			t *filter.Table
			o *filter.Object
		}
		var all []item
		for _, t := range set.Tables {
			if !c.sees(t.Family) || a.Has(unix.NFTA_OBJ_TABLE) && a.String(unix.NFTA_OBJ_TABLE) != t.Name {
				continue
			}
			for _, o := range t.Objects {
				if typ == 0 || typ == o.Type {
					all = append(all, item{t, o})
				}
			}
		}
		return c.Dump(len(all), func(b *wire.Builder, i int) {
			c.writeObject(b, unix.NFT_MSG_NEWOBJ, unix.NLM_F_MULTI, all[i].t, all[i].o, set.Generation, reset)
		})
	}
	t := set.Table(c.family, a.String(unix.NFTA_OBJ_TABLE))
	if t == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_OBJ_TABLE)
	}
	o := t.Object(a.String(unix.NFTA_OBJ_NAME), typ)
	if o == nil {
		return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_OBJ_NAME), a, objHandle)
	}
	c.Reply(func(b *wire.Builder) { c.writeObject(b, unix.NFT_MSG_NEWOBJ, 0, t, o, set.Generation, reset) })
	return nil
}

func (c *call) newObject() error {
	a, err := c.Attrs(headerSize, objectPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_OBJ_TABLE)
	if err != nil {
		return err
	}
	if !a.Has(unix.NFTA_OBJ_NAME) || !a.Has(unix.NFTA_OBJ_TYPE) || !a.Has(unix.NFTA_OBJ_DATA) {
		return unix.EINVAL
	}
	o := &filter.Object{Name: a.String(unix.NFTA_OBJ_NAME), Type: a.U32BE(unix.NFTA_OBJ_TYPE), UserData: clone(a.Bytes(objUserData))}
	kind := objectExpr(o.Type)
	if kind == "" {
		return unix.ENOENT // helpers, timeouts, expectations, secmarks, synproxies, tunnels
	}
	if o.Expr, err = c.decode(unix.NFT_MSG_NEWOBJ, kind, a.Bytes(unix.NFTA_OBJ_DATA)); err != nil {
		return err
	}
	if t.Object(o.Name, o.Type) != nil {
		if c.Header.Flags&unix.NLM_F_EXCL != 0 {
			return c.bad(unix.EEXIST, a, unix.NFTA_OBJ_NAME)
		}
		return nil
	}
	if err := c.tx.AddObject(t, o); err != nil {
		return err
	}
	c.changed(func(b *wire.Builder) {
		c.writeObject(b, unix.NFT_MSG_NEWOBJ, 0, t, o, c.tx.Ruleset().Generation, false)
	})
	return nil
}

func (c *call) delObject() error {
	a, err := c.Attrs(headerSize, objectPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_OBJ_TABLE)
	if err != nil {
		return err
	}
	var o *filter.Object
	if a.Has(objHandle) {
		for _, x := range t.Objects {
			if x.Handle == a.U64BE(objHandle) && x.Type == a.U32BE(unix.NFTA_OBJ_TYPE) {
				o = x
			}
		}
	} else {
		o = t.Object(a.String(unix.NFTA_OBJ_NAME), a.U32BE(unix.NFTA_OBJ_TYPE))
	}
	if o == nil {
		return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_OBJ_NAME), a, objHandle)
	}
	if err := c.tx.DeleteObject(t, o); err != nil {
		return c.bad(err, a, unix.NFTA_OBJ_NAME)
	}
	c.changed(func(b *wire.Builder) {
		c.writeObject(b, unix.NFT_MSG_DELOBJ, 0, t, o, c.tx.Ruleset().Generation, false)
	})
	return nil
}
