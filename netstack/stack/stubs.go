package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/netstack/buffer"
	"hull/netstack/header"
)

type bridge struct{ nic *NIC }

func newBridge(n *NIC) *bridge               { return &bridge{n} }
func (b *bridge) send(ps []*buffer.Packet)   { release(ps) }
func (b *bridge) dissolve(ev *events)        {}
func (n *NIC) enslave(b *bridge, ev *events) {}
func (n *NIC) addVLAN(v *NIC) error          { return unix.EOPNOTSUPP }
func (n *NIC) dropVLAN(v *NIC)               {}

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

func (s *Stack) pingIn(in *inbound)                                                { in.pkt.Release() }
func (s *Stack) rawDeliver(in *inbound)                                            {}
func (s *Stack) rawFailed(e *icmpError, iif int) bool                              { return false }
func (s *Stack) pingSocket(v6 bool, a netip.Addr, id uint16, iif int) transport    { return nil }
func (s *Stack) tapIn(n *NIC, p *buffer.Packet, typ uint8, proto header.EtherType) {}
func (b *bridge) input(n *NIC, p *buffer.Packet, x *batch)                         { p.Release() }
func (s *Stack) runFilter(f *bpf.Program, p *buffer.Packet, r *received) int       { return p.Len() }
