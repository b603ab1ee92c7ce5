package nfnetlink

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

const (
	chainFlags    = 10 // NFTA_CHAIN_FLAGS
	chainID       = 11 // NFTA_CHAIN_ID
	chainUserData = 12 // NFTA_CHAIN_USERDATA
	hookDevs      = 4  // NFTA_HOOK_DEVS
	deviceName    = 1  // NFTA_DEVICE_NAME
)

func chainPolicy() wire.Policy {
	return wire.Policy{
		unix.NFTA_CHAIN_TABLE: name(filter.MaxNameLen), unix.NFTA_CHAIN_HANDLE: {Kind: wire.U64}, unix.NFTA_CHAIN_NAME: name(filter.MaxNameLen),
		unix.NFTA_CHAIN_HOOK: {Kind: wire.Nested}, unix.NFTA_CHAIN_POLICY: {Kind: wire.U32}, unix.NFTA_CHAIN_TYPE: name(32),
		unix.NFTA_CHAIN_COUNTERS: {Kind: wire.Nested}, chainFlags: {Kind: wire.U32}, chainID: {Kind: wire.U32}, chainUserData: userData(),
	}
}

// references counts the jumps to the chains of a table.
func references(t *filter.Table) map[string]int {
	n := map[string]int{}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for _, e := range r.Exprs {
				if im, ok := e.(*filter.Immediate); ok && im.Verdict != nil && im.Verdict.Chain != "" {
					n[im.Verdict.Chain]++
				}
			}
		}
	}
	return n
}

func (c *call) writeChain(b *wire.Builder, msg, flags uint16, t *filter.Table, ch *filter.Chain, refs int, gen uint32) {
	c.begin(b, msg, flags, t.Family, gen)
	b.String(unix.NFTA_CHAIN_TABLE, t.Name)
	b.String(unix.NFTA_CHAIN_NAME, ch.Name)
	b.U64BE(unix.NFTA_CHAIN_HANDLE, ch.Handle)
	if base := ch.Base; base != nil {
		hook := b.Nest(unix.NFTA_CHAIN_HOOK)
		b.U32BE(unix.NFTA_HOOK_HOOKNUM, uint32(base.Hook))
		b.U32BE(unix.NFTA_HOOK_PRIORITY, uint32(base.Priority))
		if len(base.Devices) > 0 {
			if len(base.Devices) == 1 {
				b.String(unix.NFTA_HOOK_DEV, base.Devices[0])
			}
			devs := b.Nest(hookDevs)
			for _, d := range base.Devices {
				b.String(deviceName, d)
			}
			b.Close(devs)
		}
		b.Close(hook)
		policy := uint32(1) // NF_ACCEPT
		if base.Policy == filter.Drop {
			policy = 0
		}
		b.U32BE(unix.NFTA_CHAIN_POLICY, policy)
		b.String(unix.NFTA_CHAIN_TYPE, base.Type)
		if base.Counter != nil {
			n := b.Nest(unix.NFTA_CHAIN_COUNTERS)
			writeCounter(b, base.Counter, false)
			b.Close(n)
		}
	}
	if ch.Flags != 0 {
		b.U32BE(chainFlags, ch.Flags)
	}
	b.U32BE(unix.NFTA_CHAIN_USE, uint32(len(ch.Rules)+refs))
	if ch.UserData != nil {
		b.Attr(chainUserData, ch.UserData)
	}
	b.End()
}

func writeCounter(b *wire.Builder, n *filter.Counter, reset bool) {
	packets, bytes := n.Values(reset)
	b.U64BE(unix.NFTA_COUNTER_BYTES, bytes)
	b.U64BE(unix.NFTA_COUNTER_PACKETS, packets)
}

func (c *call) getChain() error {
	set := c.rules.Ruleset()
	a, err := c.Attrs(headerSize, chainPolicy(), false)
	if err != nil {
		return err
	}
	if c.IsDump() {
		type item struct {
			t    *filter.Table
			c    *filter.Chain
			refs int
		}
		var all []item
		for _, t := range set.Tables {
			if !c.sees(t.Family) || a.Has(unix.NFTA_CHAIN_TABLE) && a.String(unix.NFTA_CHAIN_TABLE) != t.Name {
				continue
			}
			refs := references(t)
			for _, ch := range t.Chains {
				all = append(all, item{t, ch, refs[ch.Name]})
			}
		}
		return c.Dump(len(all), func(b *wire.Builder, i int) {
			c.writeChain(b, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_MULTI, all[i].t, all[i].c, all[i].refs, set.Generation)
		})
	}
	t := set.Table(c.family, a.String(unix.NFTA_CHAIN_TABLE))
	if t == nil {
		return c.bad(unix.ENOENT, a, unix.NFTA_CHAIN_TABLE)
	}
	ch := t.Chain(a.String(unix.NFTA_CHAIN_NAME))
	if ch == nil {
		return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_CHAIN_NAME), a, unix.NFTA_CHAIN_HANDLE)
	}
	c.Reply(func(b *wire.Builder) {
		c.writeChain(b, unix.NFT_MSG_NEWCHAIN, 0, t, ch, references(t)[ch.Name], set.Generation)
	})
	return nil
}

// findChain returns the chain that a message names by handle or name, or nil.
func findChain(t *filter.Table, a wire.Attrs) *filter.Chain {
	if a.Has(unix.NFTA_CHAIN_HANDLE) {
		return t.ChainByHandle(a.U64BE(unix.NFTA_CHAIN_HANDLE))
	}
	return t.Chain(a.String(unix.NFTA_CHAIN_NAME))
}

func (c *call) newChain() error {
	a, err := c.Attrs(headerSize, chainPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_CHAIN_TABLE)
	if err != nil {
		return err
	}
	if a.Has(unix.NFTA_CHAIN_POLICY) && a.U32BE(unix.NFTA_CHAIN_POLICY) > 1 {
		return unix.EINVAL
	}
	var counter *filter.Counter
	if a.Has(unix.NFTA_CHAIN_COUNTERS) {
		n, err := c.decode(unix.NFT_MSG_NEWCHAIN, "counter", a.Bytes(unix.NFTA_CHAIN_COUNTERS))
		if err != nil {
			return err
		}
		counter = n.(*filter.Counter)
	}
	if ch := findChain(t, a); ch != nil {
		return c.changeChain(t, ch, a, counter)
	}
	if a.Has(unix.NFTA_CHAIN_HANDLE) {
		return c.bad(unix.ENOENT, a, unix.NFTA_CHAIN_HANDLE)
	}
	ch := &filter.Chain{Name: a.String(unix.NFTA_CHAIN_NAME), Flags: a.U32BE(chainFlags) & filter.ChainBinding, UserData: clone(a.Bytes(chainUserData))}
	if !a.Has(unix.NFTA_CHAIN_NAME) {
		if !a.Has(chainID) || ch.Flags&filter.ChainBinding == 0 {
			return unix.EINVAL
		}
		ch.Name = "__chain" + itoa(a.U32BE(chainID)) + "_" + itoa(uint32(len(t.Chains)))
	}
	if ch.Base, err = c.base(a, counter); err != nil {
		return err
	}
	if ch.Base != nil {
		ch.Flags |= filter.ChainBase
	}
	if err := c.tx.AddChain(t, ch, a.U32BE(chainID)); err != nil {
		return err
	}
	c.changed(func(b *wire.Builder) { c.writeChain(b, unix.NFT_MSG_NEWCHAIN, 0, t, ch, 0, c.tx.Ruleset().Generation) })
	return nil
}

// base reads where a base chain is; nil if the message is of another one.
func (c *call) base(a wire.Attrs, counter *filter.Counter) (*filter.Base, error) {
	if !a.Has(unix.NFTA_CHAIN_HOOK) {
		if a.Has(unix.NFTA_CHAIN_POLICY) || counter != nil {
			return nil, c.bad(unix.EOPNOTSUPP, a, unix.NFTA_CHAIN_POLICY)
		}
		return nil, nil
	}
	h, werr := a.Nested(unix.NFTA_CHAIN_HOOK, wire.Policy{
		unix.NFTA_HOOK_HOOKNUM: {Kind: wire.U32}, unix.NFTA_HOOK_PRIORITY: {Kind: wire.U32}, unix.NFTA_HOOK_DEV: name(15), hookDevs: {Kind: wire.Nested},
	})
	if werr != nil {
		return nil, c.Refuse(werr, headerSize)
	}
	if !h.Has(unix.NFTA_HOOK_HOOKNUM) || !h.Has(unix.NFTA_HOOK_PRIORITY) {
		return nil, unix.ENOENT
	}
	if h.U32BE(unix.NFTA_HOOK_HOOKNUM) > uint32(filter.IngressINet) {
		return nil, unix.EOPNOTSUPP
	}
	base := &filter.Base{
		Type: "filter", Hook: filter.Hook(h.U32BE(unix.NFTA_HOOK_HOOKNUM)), Priority: int32(h.U32BE(unix.NFTA_HOOK_PRIORITY)), Counter: counter,
		Devices: devices(h),
	}
	if a.Has(unix.NFTA_CHAIN_TYPE) {
		base.Type = a.String(unix.NFTA_CHAIN_TYPE)
	}
	if a.Has(unix.NFTA_CHAIN_POLICY) && a.U32BE(unix.NFTA_CHAIN_POLICY) == 0 {
		base.Policy = filter.Drop
	}
	return base, nil
}

// devices reads the names of the interfaces that a chain's frames come from. They
// need not be there yet.
func devices(h wire.Attrs) []string {
	var all []string
	if h.Has(unix.NFTA_HOOK_DEV) {
		all = append(all, h.String(unix.NFTA_HOOK_DEV))
	}
	if h.Has(hookDevs) {
		wire.Each(h.Bytes(hookDevs), func(typ uint16, _ int, v []byte) bool {
			if d, _, _ := strings.Cut(string(v), "\x00"); typ == deviceName && !slices.Contains(all, d) {
				all = append(all, d)
			}
			return true
		})
	}
	return all
}

// changeChain changes the policy, the counter or the name of a chain.
func (c *call) changeChain(t *filter.Table, ch *filter.Chain, a wire.Attrs, counter *filter.Counter) error {
	if c.Header.Flags&unix.NLM_F_EXCL != 0 {
		return c.bad(unix.EEXIST, a, unix.NFTA_CHAIN_NAME)
	}
	if c.Header.Flags&unix.NLM_F_REPLACE != 0 {
		return unix.EOPNOTSUPP
	}
	if a.Has(unix.NFTA_CHAIN_HOOK) {
		base, err := c.base(a, counter)
		if err != nil {
			return err
		}
		if ch.Base == nil || base.Hook != ch.Base.Hook || base.Priority != ch.Base.Priority || base.Type != ch.Base.Type {
			return c.bad(unix.EEXIST, a, unix.NFTA_CHAIN_NAME)
		}
	}
	if (a.Has(unix.NFTA_CHAIN_POLICY) || counter != nil) && ch.Base == nil {
		return unix.EOPNOTSUPP
	}
	if a.Has(unix.NFTA_CHAIN_HANDLE) && a.Has(unix.NFTA_CHAIN_NAME) && a.String(unix.NFTA_CHAIN_NAME) != ch.Name {
		if err := c.tx.Rename(t, ch, a.String(unix.NFTA_CHAIN_NAME)); err != nil {
			return err
		}
		ch = t.Chain(a.String(unix.NFTA_CHAIN_NAME))
	}
	if ch.Base != nil {
		ch = c.tx.Change(t, ch)
		base := *ch.Base
		if a.Has(unix.NFTA_CHAIN_POLICY) {
			base.Policy = filter.Accept
			if a.U32BE(unix.NFTA_CHAIN_POLICY) == 0 {
				base.Policy = filter.Drop
			}
		}
		if counter != nil {
			base.Counter = counter
		}
		ch.Base = &base
	}
	c.changed(func(b *wire.Builder) {
		c.writeChain(b, unix.NFT_MSG_NEWCHAIN, 0, t, ch, references(t)[ch.Name], c.tx.Ruleset().Generation)
	})
	return nil
}

func (c *call) delChain() error {
	a, err := c.Attrs(headerSize, chainPolicy(), false)
	if err != nil {
		return err
	}
	t, err := c.table(a, unix.NFTA_CHAIN_TABLE)
	if err != nil {
		return err
	}
	ch := findChain(t, a)
	if ch == nil {
		return c.bad(c.bad(unix.ENOENT, a, unix.NFTA_CHAIN_NAME), a, unix.NFTA_CHAIN_HANDLE)
	}
	// Its rules go with it, unless the caller says that there are none.
	if err := c.tx.DeleteChain(t, ch, c.Header.Flags&unix.NLM_F_NONREC == 0); err != nil {
		return c.bad(c.bad(err, a, unix.NFTA_CHAIN_NAME), a, unix.NFTA_CHAIN_HANDLE)
	}
	c.changed(func(b *wire.Builder) { c.writeChain(b, unix.NFT_MSG_DELCHAIN, 0, t, ch, 0, c.tx.Ruleset().Generation) })
	return nil
}
