package rtnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The attributes of RTM_NEWNSID, linux/net_namespace.h, and the group that hears it.
const (
	netnsaNSID    = 1
	netnsaPID     = 2
	netnsaFD      = 3
	netnsaTarget  = 4
	netnsaCurrent = 5

	groupNSID = 28 // RTNLGRP_NSID
)

func nsidPolicy() wire.Policy {
	return wire.Policy{
		netnsaNSID: {Kind: wire.U32}, netnsaPID: {Kind: wire.U32}, netnsaFD: {Kind: wire.U32}, netnsaTarget: {Kind: wire.U32},
		netnsaCurrent: {Kind: wire.Any},
	}
}

// nsidAttrs parses a request about numbers.
func (c *call) nsidAttrs(strict bool) (wire.Attrs, error) { return c.Attrs(1, nsidPolicy(), strict) }

// peer returns the namespace that a process or an open file stands for.
func (c *call) peer(a wire.Attrs) (*stack.Stack, error) {
	cfg := c.Net.Config()
	var st *stack.Stack
	errno, typ := unix.ESRCH, netnsaPID
	if a.Has(netnsaPID) {
		if cfg.ByPID != nil {
			st = cfg.ByPID(c.Task, int32(a.U32(netnsaPID)))
		}
	} else {
		errno, typ = unix.EBADF, netnsaFD
		if cfg.ByFD != nil {
			st = cfg.ByFD(c.Task, int32(a.U32(netnsaFD)))
		}
	}
	if st == nil {
		return nil, c.Bad(c.Fail(errno, "Peer netns reference is invalid"), a, typ, 1)
	}
	return st, nil
}

// newNSID is RTM_NEWNSID: it gives another namespace a number.
func (c *call) newNSID() error {
	a, err := c.nsidAttrs(false)
	if err != nil {
		return err
	}
	if !a.Has(netnsaNSID) {
		return c.Fail(unix.EINVAL, "nsid is missing")
	}
	if !a.Has(netnsaPID) && !a.Has(netnsaFD) {
		return c.Fail(unix.EINVAL, "Peer netns reference is missing")
	}
	peer, err := c.peer(a)
	if err != nil {
		return err
	}
	id, err := c.Net.Config().Numbers.Assign(c.stack, peer, int32(a.U32(netnsaNSID)))
	switch err {
	case nil:
		tellNSID(c.Net, unix.RTM_NEWNSID, id, c.Header.Seq)
		return nil
	case unix.EEXIST:
		return c.Fail(unix.EEXIST, "Peer netns already has a nsid assigned")
	case unix.ENOSPC:
		if int32(a.U32(netnsaNSID)) >= 0 {
			return c.Bad(c.Fail(unix.EEXIST, "The specified nsid is already used"), a, netnsaNSID, 1)
		}
	}
	return err
}

// getNSID answers with the number of a namespace, -1 if it has none.
func (c *call) getNSID() error {
	a, err := c.nsidAttrs(c.Strict())
	if err != nil {
		return err
	}
	numbers := c.Net.Config().Numbers
	var peer *stack.Stack
	switch {
	case a.Has(netnsaPID) || a.Has(netnsaFD):
		if peer, err = c.peer(a); err != nil {
			return err
		}
	case a.Has(netnsaNSID):
		if peer = numbers.Peer(c.stack, int32(a.U32(netnsaNSID))); peer == nil {
			return c.Bad(c.Fail(unix.ENOENT, "Peer netns reference is invalid"), a, netnsaNSID, 1)
		}
	default:
		return c.Fail(unix.EINVAL, "Peer netns reference is missing")
	}
	in, err := c.targetNSID(a)
	if err != nil {
		return err
	}
	c.Reply(func(b *wire.Builder) {
		c.nsid(b, 0, numbers.Of(in, peer), a.Has(netnsaTarget), numbers.Of(c.stack, peer))
	})
	return nil
}

// targetNSID returns the namespace whose numbers are asked for.
func (c *call) targetNSID(a wire.Attrs) (*stack.Stack, error) {
	if !a.Has(netnsaTarget) {
		return c.stack, nil
	}
	st := c.Net.Config().Numbers.Peer(c.stack, int32(a.U32(netnsaTarget)))
	switch {
	case st == nil:
		return nil, c.Bad(c.Fail(unix.EINVAL, "Target netns reference is invalid"), a, netnsaTarget, 1)
	case c.Admin() != nil:
		return nil, unix.EACCES
	}
	return st, nil
}

func (c *call) dumpNSIDs() error {
	a, err := c.nsidAttrs(c.Strict())
	if err != nil {
		return err
	}
	in, err := c.targetNSID(a)
	if err != nil {
		return err
	}
	numbers := c.Net.Config().Numbers
	all := numbers.All(in)
	return c.Dump(len(all), func(b *wire.Builder, i int) {
		current := int32(-1)
		if peer := numbers.Peer(in, all[i]); peer != nil {
			current = numbers.Of(c.stack, peer)
		}
		c.nsid(b, unix.NLM_F_MULTI, all[i], a.Has(netnsaTarget), current)
	})
}

// nsid writes one number; with a target also what the asker's namespace has for it.
func (c *call) nsid(b *wire.Builder, flags uint16, id int32, target bool, current int32) {
	c.message(b, unix.RTM_NEWNSID, flags, []byte{unix.AF_UNSPEC}, func(b *wire.Builder) {
		b.U32(netnsaNSID, uint32(id))
		if target {
			b.U32(netnsaCurrent, uint32(current))
		}
	})
}

// NumberLost implements netlink.NumberWatcher.
func (Protocol) NumberLost(n *netlink.Net, id int32) { tellNSID(n, unix.RTM_DELNSID, id, 0) }

// tellNSID tells the group of a number that began or ended.
func tellNSID(n *netlink.Net, typ uint16, id int32, seq uint32) {
	if !n.Listening(unix.NETLINK_ROUTE, groupNSID) {
		return
	}
	var b wire.Builder
	b.Begin(typ, 0, seq, 0)
	b.Append(unix.AF_UNSPEC)
	b.U32(netnsaNSID, uint32(id))
	b.End()
	n.Multicast(unix.NETLINK_ROUTE, groupNSID, b.Bytes(), nil)
}

// linkNSID is IFLA_LINK_NETNSID of a link whose other end is in another namespace,
// which gets a number if it has none.
func linkNSID(n *netlink.Net, i *stack.NICInfo) (int32, bool) {
	if i.ParentStack == nil {
		return 0, false
	}
	id, err := n.Config().Numbers.Assign(n.Stack, i.ParentStack, -1)
	if err == nil {
		tellNSID(n, unix.RTM_NEWNSID, id, 0)
	}
	return id, id >= 0
}
