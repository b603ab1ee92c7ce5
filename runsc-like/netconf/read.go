package netconf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hull/netstack/link/afpacket"
	"hull/runsc-like/control"
)

// Network is a namespace's network as it was found.
type Network struct {
	control.Network
	// Sockets are those of the links that are not loopback, in order.
	Sockets []*os.File

	known func(index int) bool // see ReadAgain; nil at first
	show  bool                 // see Show
}

// Close closes the sockets.
func (n *Network) Close() {
	for _, f := range n.Sockets {
		f.Close()
	}
	n.Sockets = nil
}

// Read reads the network of the namespace at path.
func Read(path string) (*Network, error) {
	n := &Network{}
	err := within(path, n.read)
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) read(h *netlink.Handle) error {
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, l := range links {
		var own []netlink.Addr
		for _, a := range addrs {
			if a.LinkIndex == l.Attrs().Index {
				own = append(own, a)
			}
		}
		if err := n.addLink(l, own); err != nil {
			return fmt.Errorf("interface %s: %w", l.Attrs().Name, err)
		}
	}
	if len(n.Sockets) == 0 && len(addrs) == 0 && !n.show {
		return nil // a new namespace: there is nothing else
	}
	if err := n.readRoutes(h); err != nil {
		return err
	}
	if err := n.readRules(h); err != nil {
		return err
	}
	if err := n.readNeighbors(h); err != nil {
		return err
	}
	n.readSysctls()
	if usual, err := hasUsual(h, netlink.FAMILY_V4); err == nil && !usual {
		for _, s := range silence() { // nobody has returned it: that is not how it was
			delete(n.Sysctls, s.path)
		}
	}
	return nil
}

// taken reports whether an interface is one for the guest; the error says why one
// that is in use cannot be.
func taken(l netlink.Link, addrs []netlink.Addr) (bool, error) {
	a := l.Attrs()
	idle := a.Flags&net.FlagUp == 0 && len(addrs) == 0
	switch l.Type() {
	case "ipvlan", "ipvtap":
		return false, errors.New("of type " + l.Type() + ", to which the host's kernel gives packets by the addresses it has: " +
			"they cannot be the guest's (use macvlan or veth)")
	case "vrf", "bond", "team":
		if !idle {
			return false, errors.New("of type " + l.Type() + " cannot be given to the guest")
		}
	}
	switch a.EncapType {
	case "ether", "none":
		return a.MasterIndex == 0, nil // the master has its packets
	}
	if idle {
		return false, nil // what modules of the host's kernel put into each namespace
	}
	return false, fmt.Errorf("of type %s (%s) cannot be given to the guest", l.Type(), a.EncapType)
}

func (n *Network) addLink(l netlink.Link, addrs []netlink.Addr) error {
	a := l.Attrs()
	loopback := a.Flags&net.FlagLoopback != 0
	known, skip := n.skips(a)
	if skip || n.show && !shown(a) {
		return nil
	}
	known = known || n.show
	if !loopback && !known {
		ok, err := taken(l, addrs)
		if err != nil && n.known != nil {
			err = nil // it is not for the guest, whom nobody has promised it
		}
		if err != nil || !ok {
			return err
		}
	}
	c := control.Link{
		Name: a.Name, Index: a.Index, Loopback: loopback, MTU: a.MTU, TxQueue: a.TxQLen,
		Up: a.Flags&net.FlagUp != 0, NoCarrier: a.RawFlags&unix.IFF_LOWER_UP == 0, Raw: a.EncapType == "none", NoIPv6: readBool("ipv6/conf/" + a.Name + "/disable_ipv6"),
		Shown: n.show && !loopback,
	}
	copy(c.Address[:], a.HardwareAddr)
	for _, addr := range addrs {
		c.Addrs = append(c.Addrs, toAddr(addr))
	}
	if !loopback && !known {
		fd, err := afpacket.Open(a.Index)
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w (CAP_NET_RAW is needed)", err)
		}
		if err != nil {
			return err
		}
		n.Sockets = append(n.Sockets, os.NewFile(uintptr(fd), a.Name))
	}
	n.Links = append(n.Links, c)
	return nil
}

func toAddr(a netlink.Addr) control.Addr {
	c := control.Addr{
		Prefix: prefix(a.IPNet), Broadcast: address(a.Broadcast), Label: a.Label, Scope: uint8(a.Scope), Flags: uint32(a.Flags),
	}
	if a.Peer != nil && !a.Peer.IP.Equal(a.IP) {
		c.Peer = address(a.Peer.IP)
	}
	const forever = 1<<32 - 1
	if a.ValidLft > 0 && a.ValidLft < forever {
		c.Preferred, c.Valid = a.PreferedLft, a.ValidLft
	}
	return c
}

// prefix is n as a netip.Prefix, with the bits of the host.
func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address(n.IP), bits)
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// readRoutes reads the routes of all tables but those that follow from addresses.
func (n *Network) readRoutes(h *netlink.Handle) error {
	for _, family := range families() {
		routes, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if r.Table == unix.RT_TABLE_LOCAL || r.Protocol == unix.RTPROT_KERNEL {
				continue
			}
			c := control.Route{
				Dst: prefix(r.Dst), Table: uint32(r.Table), Type: uint8(r.Type), TOS: uint8(r.Tos), Protocol: uint8(r.Protocol),
				Scope: uint8(r.Scope), Priority: uint32(r.Priority), Source: address(r.Src), MTU: uint32(r.MTU),
				AdvMSS: uint32(r.AdvMSS), HopLimit: uint32(r.Hoplimit), InitCwnd: uint32(r.InitCwnd), InitRwnd: uint32(r.InitRwnd),
			}
			if !c.Dst.IsValid() {
				c.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
				if family == netlink.FAMILY_V6 {
					c.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
				}
			}
			if c.Hops = hops(r); n.reaches(c.Hops) {
				n.Routes = append(n.Routes, c)
			}
		}
	}
	// A gateway has to be reached when the route by it is added.
	slices.SortStableFunc(n.Routes, func(a, b control.Route) int { return gateways(a) - gateways(b) })
	return nil
}

func gateways(r control.Route) int {
	for _, h := range r.Hops {
		if h.Gateway.IsValid() {
			return 1
		}
	}
	return 0
}

func hops(r netlink.Route) []control.Hop {
	if len(r.MultiPath) == 0 {
		if r.LinkIndex == 0 {
			return nil
		}
		return []control.Hop{{Gateway: gateway(r.Gw, r.Via), Index: r.LinkIndex, OnLink: r.Flags&int(netlink.FLAG_ONLINK) != 0}}
	}
	var hs []control.Hop
	for _, m := range r.MultiPath {
		hs = append(hs, control.Hop{
			Gateway: gateway(m.Gw, m.Via), Index: m.LinkIndex, Weight: m.Hops + 1, OnLink: m.Flags&int(netlink.FLAG_ONLINK) != 0,
		})
	}
	return hs
}

func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok {
		return address(v.Addr)
	}
	return address(gw)
}

// reaches reports whether the interfaces of all hops are the guest's.
func (n *Network) reaches(hs []control.Hop) bool {
	for _, h := range hs {
		if !slices.ContainsFunc(n.Links, func(l control.Link) bool { return l.Index == h.Index }) {
			return false
		}
	}
	return true
}

// readRules reads the rules but those of a new namespace.
func (n *Network) readRules(h *netlink.Handle) error {
	for _, family := range families() {
		rules, err := h.RuleList(family)
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			if r.Priority <= 0 && r.Table == unix.RT_TABLE_LOCAL || r.Protocol == unix.RTPROT_KERNEL && (r.Priority == 32766 || r.Priority == 32767) {
				continue // those of a new namespace, and of one that was taken before
			}
			c := control.Rule{
				V6: family == netlink.FAMILY_V6, Priority: uint32(max(r.Priority, 0)), Invert: r.Invert, Src: prefix(r.Src), Dst: prefix(r.Dst),
				IIF: r.IifName, OIF: r.OifName, TOS: uint8(r.Tos), Mark: r.Mark, Action: unix.FR_ACT_TO_TBL, Table: uint32(max(r.Table, 0)),
				Suppress: r.SuppressPrefixlen,
			}
			if c.Table == 0 {
				continue // a goto, or a refusal, which the library does not tell apart
			}
			if r.Mask != nil {
				c.Mask = *r.Mask
			}
			n.Rules = append(n.Rules, c)
		}
	}
	return nil
}

// readNeighbors reads the neighbours that somebody has written down.
func (n *Network) readNeighbors(h *netlink.Handle) error {
	ns, err := h.NeighList(0, 0)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, e := range ns {
		if e.State&unix.NUD_PERMANENT == 0 || len(e.HardwareAddr) != 6 || !address(e.IP).IsValid() {
			continue
		}
		n.Neighbors = append(n.Neighbors, control.Neighbor{Index: e.LinkIndex, Addr: address(e.IP), Address: [6]byte(e.HardwareAddr)})
	}
	return nil
}
