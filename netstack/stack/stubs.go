package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/route"
)

type bridge struct{ nic *NIC }

func newBridge(n *NIC) *bridge               { return &bridge{n} }
func (b *bridge) send(ps []*buffer.Packet)   { release(ps) }
func (b *bridge) dissolve(ev *events)        {}
func (n *NIC) enslave(b *bridge, ev *events) {}
func (n *NIC) addVLAN(v *NIC) error          { return unix.EOPNOTSUPP }
func (n *NIC) dropVLAN(v *NIC)               {}

type membership struct{}
type groups struct{ nic *NIC }

const maxMemberships = 64

func (g *groups) init(n *NIC)                                     {}
func (g *groups) up4()                                            {}
func (g *groups) down()                                           {}
func (g *groups) close()                                          {}
func (n *NIC) member(a netip.Addr) bool                           { return false }
func (n *NIC) Groups() map[netip.Addr]int                         { return nil }
func (c *common) setMembership(v6 bool, name int, b []byte) error { return unix.ENOPROTOOPT }
func (c *common) membershipFilter(name, room int, in []byte) ([]byte, error) {
	return nil, unix.ENOPROTOOPT
}
func (n *NIC) joinAnycast(a netip.Addr)        {}
func (n *NIC) leaveAnycast(a netip.Addr)       {}
func (n *NIC) anycast(a netip.Addr) bool       { return false }
func (s *Stack) anycastHere(a netip.Addr) bool { return false }

type ndState struct{}

func (s *ndState) init(n *NIC) {}
func (s *ndState) close()      {}

type dadState struct{}

func (n *NIC) startDAD(a *ifaddr, flags uint32, ev *events) uint32 { return flags }
func (n *NIC) up6(ev *events)                                      {}
func (n *NIC) down6(ev *events)                                    {}
func (n *NIC) addrJoined6(a *ifaddr, ev *events)                   {}
func (n *NIC) addrLeft6(a *ifaddr, ev *events)                     {}
func (n *NIC) forwarding6Changed()                                 {}
func (n *NIC) ipv6Toggled()                                        {}

func (n *NIC) solicit6(target, source netip.Addr, to link.Address, unicast bool) {}

type taps struct{}

func (s *Stack) tap(n *NIC, ps []*buffer.Packet, typ uint8) {}

type raws struct{}

func (s *Stack) newPacketSocket(typ, protocol int, o Owner) (Socket, error) {
	return nil, unix.EAFNOSUPPORT
}
func (s *Stack) newRawSocket(family, protocol int, o Owner) (Socket, error) {
	return nil, unix.EPROTONOSUPPORT
}
func (s *Stack) newPingSocket(family int, o Owner) (Socket, error) { return nil, unix.EPROTONOSUPPORT }

func (s *Stack) input6(in *inbound)                                                 { in.pkt.Release() }
func (s *Stack) icmpIn6(in *inbound)                                                { in.pkt.Release() }
func (s *Stack) igmpIn(in *inbound)                                                 { in.pkt.Release() }
func (s *Stack) pingIn(in *inbound)                                                 { in.pkt.Release() }
func (s *Stack) rawDeliver(in *inbound)                                             {}
func (s *Stack) rawFailed(e *icmpError, iif int) bool                               { return false }
func (s *Stack) pingSocket(v6 bool, a netip.Addr, id uint16, iif int) transport     { return nil }
func (s *Stack) sendError6(in *inbound, f header.ICMPv6Fields)                      {}
func (s *Stack) error6(p *buffer.Packet, n *NIC, multi bool, f header.ICMPv6Fields) {}
func (s *Stack) tapIn(n *NIC, p *buffer.Packet, typ uint8, proto header.EtherType)  {}
func (b *bridge) input(n *NIC, p *buffer.Packet, x *batch)                          { p.Release() }
func (n *NIC) wants(a, src netip.Addr, proto uint8) bool                            { return false }
func (n *NIC) addRoutes6(a *ifaddr, ev *events)                                     {}
func (n *NIC) routes6(a *ifaddr) []*route.Route                                     { return nil }
func (s *Stack) armNeigh(n *NIC, v6 bool)                                           {}
func (s *Stack) armAddrs(n *NIC)                                                    {}
func (c *common) leaveGroups()                                                      {}
func (c *common) groupAllows(a, src netip.Addr, iif int) bool                       { return true }
func (s *Stack) runFilter(f *bpf.Program, p *buffer.Packet, r *received) int        { return p.Len() }
