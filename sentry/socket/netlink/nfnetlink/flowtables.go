package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/socket/netlink/wire"
)

// There are no flowtables, which take what is forwarded past the filter. All is
// answered as by Linux without CONFIG_NF_FLOW_TABLE: so a program learns that there
// are none, and not that its message was wrong.

// The attributes, NFTA_FLOWTABLE_* of linux/netfilter/nf_tables.h.
const (
	flowTable  = 1
	flowName   = 2
	flowHook   = 3
	flowHandle = 5
)

func flowtablePolicy() wire.Policy {
	return wire.Policy{
		flowTable: name(filter.MaxNameLen), flowName: name(filter.MaxNameLen), flowHook: {Kind: wire.Nested}, flowHandle: {Kind: wire.U64},
	}
}

// newFlowtable is NFT_MSG_NEWFLOWTABLE: there is no type for it, ENOENT.
func (c *call) newFlowtable() error {
	a, err := c.Attrs(headerSize, flowtablePolicy(), false)
	if err != nil {
		return err
	}
	if !a.Has(flowTable) || !a.Has(flowName) || !a.Has(flowHook) {
		return unix.EINVAL
	}
	if _, err := c.table(a, flowTable); err != nil {
		return err
	}
	return unix.ENOENT
}

// delFlowtable is NFT_MSG_DELFLOWTABLE: ENOENT.
func (c *call) delFlowtable() error {
	a, err := c.Attrs(headerSize, flowtablePolicy(), false)
	if err != nil {
		return err
	}
	if !a.Has(flowTable) || !a.Has(flowName) && !a.Has(flowHandle) {
		return unix.EINVAL
	}
	if _, err := c.table(a, flowTable); err != nil {
		return err
	}
	if a.Has(flowHandle) {
		return c.bad(unix.ENOENT, a, flowHandle)
	}
	return c.bad(unix.ENOENT, a, flowName)
}

// getFlowtable is NFT_MSG_GETFLOWTABLE: ENOENT, or a list of none.
func (c *call) getFlowtable() error {
	if c.IsDump() {
		return c.Dump(0, nil)
	}
	a, err := c.Attrs(headerSize, flowtablePolicy(), false)
	if err != nil {
		return err
	}
	if !a.Has(flowTable) || !a.Has(flowName) {
		return unix.EINVAL
	}
	if c.rules.Ruleset().Table(c.family, a.String(flowTable)) == nil {
		return c.bad(unix.ENOENT, a, flowTable)
	}
	return c.bad(unix.ENOENT, a, flowName)
}
