package rtnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// Protocol is NETLINK_ROUTE.
type Protocol struct{}

var (
	_ netlink.Protocol = Protocol{}
	_ netlink.Watcher  = Protocol{}

	_ netlink.NumberWatcher = Protocol{}
)

// groups is the number of the last group that Linux has (RTNLGRP_MAX).
const groups = 36

// Groups implements netlink.Protocol.
func (Protocol) Groups() int { return groups }

// Receive implements netlink.Protocol.
func (Protocol) Receive(t current.Task, s *netlink.Sock, data []byte) {
	netlink.Each(t, s, data, func(r *netlink.Request) error {
		c := &call{Request: r, stack: s.Net().Stack}
		return c.handle()
	})
}

// call is one request.
type call struct {
	*netlink.Request
	stack *stack.Stack
}

// The kinds of a message type, which are its lowest two bits.
const (
	kindNew = iota
	kindDel
	kindGet
	kindSet
)

const rtmMax = 131 // one more than the last type that Linux has

func (c *call) handle() error {
	typ := c.Header.Type
	if typ < unix.RTM_BASE || typ > rtmMax {
		return unix.EOPNOTSUPP
	}
	if len(c.Body) < 1 {
		return nil // as Linux does: there is no family
	}
	if kind := typ & 3; kind != kindGet {
		if err := c.Admin(); err != nil {
			return err
		}
	}
	family := c.Body[0]
	if c.IsDump() && typ&3 == kindGet {
		return c.dump(typ, family)
	}
	switch typ {
	case unix.RTM_NEWLINK:
		return c.newLink()
	case unix.RTM_SETLINK:
		return c.setLink()
	case unix.RTM_DELLINK:
		return c.delLink()
	case unix.RTM_GETLINK:
		return c.getLink()
	case unix.RTM_NEWADDR:
		return c.newAddr(family)
	case unix.RTM_DELADDR:
		return c.delAddr(family)
	case unix.RTM_GETADDR:
		return c.getAddr(family)
	case unix.RTM_NEWROUTE:
		return c.newRoute(family)
	case unix.RTM_DELROUTE:
		return c.delRoute(family)
	case unix.RTM_GETROUTE:
		return c.getRoute(family)
	case unix.RTM_NEWRULE:
		return c.newRule(family)
	case unix.RTM_DELRULE:
		return c.delRule(family)
	case unix.RTM_NEWNEIGH:
		if family == unix.AF_BRIDGE {
			return c.changeFDB(true)
		}
		return c.newNeigh(family)
	case unix.RTM_DELNEIGH:
		if family == unix.AF_BRIDGE {
			return c.changeFDB(false)
		}
		return c.delNeigh(family)
	case unix.RTM_GETNEIGH:
		return c.getNeigh(family)
	case unix.RTM_GETNETCONF:
		return c.getNetconf(family)
	case unix.RTM_NEWNSID:
		return c.newNSID()
	case unix.RTM_GETNSID:
		return c.getNSID()
	}
	return unix.EOPNOTSUPP
}

func (c *call) dump(typ uint16, family uint8) error {
	switch typ {
	case unix.RTM_GETLINK:
		return c.dumpLinks(family)
	case unix.RTM_GETADDR:
		return c.dumpAddrs(family)
	case unix.RTM_GETROUTE:
		return c.dumpRoutes(family)
	case unix.RTM_GETRULE:
		return c.dumpRules(family)
	case unix.RTM_GETNEIGH:
		return c.dumpNeighs(family)
	case unix.RTM_GETNETCONF:
		return c.dumpNetconf(family)
	case unix.RTM_GETQDISC:
		return c.dumpQdiscs()
	case unix.RTM_GETNSID:
		return c.dumpNSIDs()
	case unix.RTM_GETTCLASS, unix.RTM_GETTFILTER:
		return c.Dump(0, nil)
	}
	return unix.EOPNOTSUPP
}

// families returns the address families that a dump is of.
func families(family uint8) []bool {
	switch family {
	case unix.AF_UNSPEC:
		return []bool{false, true}
	case unix.AF_INET:
		return []bool{false}
	case unix.AF_INET6:
		return []bool{true}
	}
	return nil
}

func familyOf(v6 bool) uint8 {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// isIP says whether a family is IPv4 or IPv6, and which.
func isIP(family uint8) (v6, ok bool) {
	return family == unix.AF_INET6, family == unix.AF_INET || family == unix.AF_INET6
}

// message writes a message of c's answer: its fixed part and then attributes.
func (c *call) message(b *wire.Builder, typ, flags uint16, fixed []byte, attrs func(b *wire.Builder)) {
	c.Begin(b, typ, flags)
	b.Append(fixed...)
	if attrs != nil {
		attrs(b)
	}
	b.End()
}
