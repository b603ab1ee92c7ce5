package rtnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// Watch implements netlink.Watcher: what changes in a namespace is told to its groups.
func (Protocol) Watch(n *netlink.Net) (stop func()) {
	return n.Stack.Watch(func(e stack.Event) { tell(n, &e) })
}

// group is the group of an event.
func group(e *stack.Event) uint32 {
	switch e.Kind {
	case stack.LinkEvent:
		return unix.RTNLGRP_LINK
	case stack.AddrEvent:
		if !e.Addr.Prefix.Addr().Is4() {
			return unix.RTNLGRP_IPV6_IFADDR
		}
		return unix.RTNLGRP_IPV4_IFADDR
	case stack.RouteEvent:
		if !e.Route.Dst.Addr().Is4() {
			return unix.RTNLGRP_IPV6_ROUTE
		}
		return unix.RTNLGRP_IPV4_ROUTE
	case stack.RuleEvent:
		if e.V6 {
			return unix.RTNLGRP_IPV6_RULE
		}
		return unix.RTNLGRP_IPV4_RULE
	case stack.NeighEvent:
		return unix.RTNLGRP_NEIGH
	}
	return unix.RTNLGRP_NONE
}

// tell writes an event as the message that a request for its object would get,
// if anybody listens.
func tell(n *netlink.Net, e *stack.Event) {
	g := group(e)
	if g == unix.RTNLGRP_NONE || !n.Listening(unix.NETLINK_ROUTE, g) {
		return
	}
	pick := func(made, removed uint16) uint16 {
		if e.Removed {
			return removed
		}
		return made
	}
	var b wire.Builder
	switch e.Kind {
	case stack.LinkEvent:
		b.Begin(pick(unix.RTM_NEWLINK, unix.RTM_DELLINK), 0, 0, 0)
		b.Append(linkHeader(&e.NIC).bytes()...)
		writeLink(n, &b, &e.NIC, 0)
	case stack.AddrEvent:
		b.Begin(pick(unix.RTM_NEWADDR, unix.RTM_DELADDR), 0, 0, 0)
		b.Append(addrHeader(e.NIC.Index, &e.Addr).bytes()...)
		writeAddr(&b, &e.Addr, e.NIC.Name)
	case stack.RouteEvent:
		b.Begin(pick(unix.RTM_NEWROUTE, unix.RTM_DELROUTE), 0, 0, 0)
		b.Append(routeHeader(n.Stack, e.Route).bytes()...)
		writeRoute(n.Stack, &b, e.Route)
	case stack.RuleEvent:
		b.Begin(pick(unix.RTM_NEWRULE, unix.RTM_DELRULE), 0, 0, 0)
		b.Append(ruleHeader(e.Rule, e.V6)...)
		writeRuleAttrs(&b, e.Rule)
	case stack.NeighEvent:
		b.Begin(pick(unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH), 0, 0, 0)
		b.Append(neighHeader(e.NIC.Index, !e.Neigh.Addr.Is4(), &e.Neigh)...)
		writeNeigh(&b, &e.Neigh, n.Stack.Now())
	}
	b.End()
	n.Multicast(unix.NETLINK_ROUTE, g, b.Bytes(), nil)
}
