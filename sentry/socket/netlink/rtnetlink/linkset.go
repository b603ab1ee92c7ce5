package rtnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// newLink is RTM_NEWLINK: it changes an interface that is there, or makes one.
func (c *call) newLink() error {
	m, ok := parseIfinfo(c.Body)
	if !ok {
		return unix.EINVAL
	}
	a, err := c.Attrs(ifinfoSize, linkPolicy(), false)
	if err != nil {
		return err
	}
	var n *stack.NIC
	switch {
	case m.index > 0:
		n = c.stack.NIC(m.index)
	case a.Has(unix.IFLA_IFNAME) || a.Has(unix.IFLA_ALT_IFNAME):
		n, _ = c.find(m, a)
	case m.index < 0:
		return c.Fail(unix.EINVAL, "ifindex can't be negative")
	}
	info, werr := a.Nested(unix.IFLA_LINKINFO, infoPolicy())
	if werr != nil {
		return c.Refuse(werr, ifinfoSize)
	}
	if n != nil {
		if c.Header.Flags&unix.NLM_F_EXCL != 0 {
			return unix.EEXIST
		}
		if c.Header.Flags&unix.NLM_F_REPLACE != 0 {
			return unix.EOPNOTSUPP
		}
		if kind := info.String(unix.IFLA_INFO_KIND); kind != "" && info.Has(unix.IFLA_INFO_DATA) && kind != string(n.Info().Kind) {
			return unix.EOPNOTSUPP
		}
		return c.change(n, m, a)
	}
	if c.Header.Flags&unix.NLM_F_CREATE == 0 {
		return unix.ENODEV
	}
	return c.createLink(m, a, info)
}

// createLink makes a virtual interface.
func (c *call) createLink(m ifinfomsg, a, info wire.Attrs) error {
	kind := stack.NICKind(info.String(unix.IFLA_INFO_KIND))
	cfg := stack.NICConfig{Name: a.String(unix.IFLA_IFNAME), Index: m.index, Kind: kind}
	if err := c.common(&cfg, a); err != nil {
		return err
	}
	target, err := c.target(a)
	if err != nil {
		return err
	}
	if target == nil {
		target = c.stack
	}
	if err := c.afSpec(a, nil); err != nil {
		return err
	}
	switch kind {
	case stack.KindDummy, stack.KindBridge:
	case stack.KindVLAN:
		data, werr := info.Nested(unix.IFLA_INFO_DATA, wire.Policy{
			unix.IFLA_VLAN_ID: {Kind: wire.U16}, unix.IFLA_VLAN_PROTOCOL: {Kind: wire.U16}, unix.IFLA_VLAN_FLAGS: {Kind: wire.Any, Min: 8},
		})
		if werr != nil {
			return c.Refuse(werr, ifinfoSize)
		}
		if !info.Has(unix.IFLA_INFO_DATA) {
			return c.Fail(unix.EINVAL, "VLAN properties not specified")
		}
		if p := data.U16BE(unix.IFLA_VLAN_PROTOCOL); data.Has(unix.IFLA_VLAN_PROTOCOL) && p != unix.ETH_P_8021Q {
			return c.Fail(unix.EPROTONOSUPPORT, "Invalid VLAN protocol")
		}
		if cfg.VLAN = data.U16(unix.IFLA_VLAN_ID); cfg.VLAN >= 4095 || !data.Has(unix.IFLA_VLAN_ID) {
			return c.Fail(unix.ERANGE, "Invalid VLAN id")
		}
		if cfg.Parent = int(a.U32(unix.IFLA_LINK)); cfg.Parent == 0 {
			return c.Fail(unix.EINVAL, "link not specified")
		}
		if c.stack.NIC(cfg.Parent) == nil {
			return c.Fail(unix.ENODEV, "link does not exist")
		}
	case stack.KindVeth:
		if cfg.Peer, cfg.PeerStack, err = c.vethPeer(info, target); err != nil {
			return err
		}
	case stack.KindTun:
		return c.Fail(unix.EOPNOTSUPP, "tun/tap creation via rtnetlink is not supported.")
	case stack.KindDevice, stack.KindLoopback:
		return c.Fail(unix.EOPNOTSUPP, "Unknown device type")
	default:
		return c.Fail(unix.EOPNOTSUPP, "Unknown device type")
	}
	n, err := add(target, cfg)
	if err != nil {
		return err
	}
	// What AddNIC does not take is changed afterwards; if that fails there
	// was no interface.
	if err := c.changeIn(target, n, m, a); err != nil {
		_ = target.RemoveNIC(n.Index())
		return err
	}
	return nil
}

// add adds an interface. Of a veth the other end is made first, as Linux does, and
// has the lower number.
func add(st *stack.Stack, cfg stack.NICConfig) (*stack.NIC, error) {
	if cfg.Kind != stack.KindVeth {
		return st.AddNIC(cfg)
	}
	far, at := *cfg.Peer, cfg.PeerStack
	near := cfg
	near.Peer, near.PeerStack = nil, nil
	far.Peer, far.PeerStack = &near, st
	m, err := at.AddNIC(far)
	if err != nil {
		return nil, err
	}
	if n := st.NIC(m.Info().Parent); n != nil {
		return n, nil
	}
	return nil, unix.ENODEV
}

// common reads what all kinds of interface may be given.
func (c *call) common(cfg *stack.NICConfig, a wire.Attrs) error {
	if a.Has(unix.IFLA_IFNAME) && cfg.Name == "" {
		return unix.EINVAL
	}
	if a.Has(unix.IFLA_MTU) {
		cfg.MTU = int(a.U32(unix.IFLA_MTU))
		if cfg.MTU < 68 {
			return c.Fail(unix.EINVAL, "mtu less than device minimum")
		}
		if cfg.MTU > link.MaxMTU {
			return c.Fail(unix.EINVAL, "mtu greater than device maximum")
		}
	}
	if v := a.Bytes(unix.IFLA_ADDRESS); v != nil {
		if len(v) != len(cfg.Address) || v[0]&1 != 0 {
			return unix.EADDRNOTAVAIL
		}
		cfg.Address = link.Address(v)
	}
	return nil
}

// vethInfoPeer is VETH_INFO_PEER.
const vethInfoPeer = 1

// vethPeer reads what is said of the other end of a veth.
func (c *call) vethPeer(info wire.Attrs, near *stack.Stack) (*stack.NICConfig, *stack.Stack, error) {
	peer, target := &stack.NICConfig{Kind: stack.KindVeth}, near
	data, werr := info.Nested(unix.IFLA_INFO_DATA, wire.Policy{vethInfoPeer: {Kind: wire.Any}})
	if werr != nil {
		return nil, nil, c.Refuse(werr, ifinfoSize)
	}
	v := data.Bytes(vethInfoPeer)
	if v == nil {
		return peer, target, nil
	}
	m, ok := parseIfinfo(v)
	if !ok {
		return nil, nil, unix.EINVAL
	}
	a, werr := wire.Parse(v[ifinfoSize:], linkPolicy(), false)
	if werr != nil {
		return nil, nil, c.Refuse(werr, ifinfoSize)
	}
	peer.Name, peer.Index = a.String(unix.IFLA_IFNAME), m.index
	if err := c.common(peer, a); err != nil {
		return nil, nil, err
	}
	st, err := c.target(a)
	if err != nil {
		return nil, nil, err
	}
	if st != nil {
		target = st
	}
	return peer, target, nil
}

// target returns the namespace that a message wants an interface in, or nil.
func (c *call) target(a wire.Attrs) (*stack.Stack, error) {
	cfg := c.Net.Config()
	switch {
	case a.Has(unix.IFLA_NET_NS_PID):
		if cfg.ByPID != nil {
			if st := cfg.ByPID(c.Task, int32(a.U32(unix.IFLA_NET_NS_PID))); st != nil {
				return st, nil
			}
		}
		return nil, unix.ESRCH
	case a.Has(unix.IFLA_NET_NS_FD):
		if cfg.ByFD != nil {
			if st := cfg.ByFD(c.Task, int32(a.U32(unix.IFLA_NET_NS_FD))); st != nil {
				return st, nil
			}
		}
		return nil, unix.EINVAL
	}
	return nil, nil
}

// setLink is RTM_SETLINK.
func (c *call) setLink() error {
	m, ok := parseIfinfo(c.Body)
	if !ok {
		return unix.EINVAL
	}
	a, err := c.Attrs(ifinfoSize, linkPolicy(), false)
	if err != nil {
		return err
	}
	n, err := c.find(m, a)
	if err != nil {
		return err
	}
	return c.change(n, m, a)
}

// change changes an interface, and moves it if it is told to.
func (c *call) change(n *stack.NIC, m ifinfomsg, a wire.Attrs) error {
	st, err := c.target(a)
	if err != nil {
		return err
	}
	if st == nil || st == c.stack {
		return c.changeIn(c.stack, n, m, a)
	}
	name := a.String(unix.IFLA_IFNAME)
	if err := c.stack.MoveNIC(n.Index(), st, name); err != nil {
		return err
	}
	if name == "" {
		name = n.Info().Name
	}
	moved := st.NICByName(name)
	if moved == nil {
		return unix.ENODEV
	}
	return c.changeIn(st, moved, m, a)
}

// changeIn changes an interface of st.
func (c *call) changeIn(st *stack.Stack, n *stack.NIC, m ifinfomsg, a wire.Attrs) error {
	var ch stack.Change
	if m.flags != 0 || m.change != 0 {
		ch.Flags, ch.FlagsMask = m.flags, m.change
		if m.change == 0 {
			ch.FlagsMask = ^uint32(0)
		}
		ch.FlagsMask &= unix.IFF_UP | unix.IFF_PROMISC | unix.IFF_ALLMULTI | unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_DEBUG | unix.IFF_NOTRAILERS
	}
	if err := c.afSpec(a, &ch); err != nil {
		return err
	}
	old := n.Info()
	if name := a.String(unix.IFLA_IFNAME); a.Has(unix.IFLA_IFNAME) && name != old.Name {
		ch.Name = &name
	}
	if a.Has(unix.IFLA_MTU) {
		mtu := int(int32(a.U32(unix.IFLA_MTU)))
		lo, hi := mtuBounds(&old)
		switch {
		case mtu < int(lo):
			return c.Fail(unix.EINVAL, "mtu less than device minimum")
		case hi != 0 && mtu > int(hi):
			return c.Fail(unix.EINVAL, "mtu greater than device maximum")
		case mtu != old.MTU:
			ch.MTU = &mtu
		}
	}
	if v := a.Bytes(unix.IFLA_ADDRESS); v != nil {
		if len(v) < len(link.Address{}) {
			return unix.EINVAL
		}
		hw := link.Address(v[:6])
		if hw[0]&1 != 0 || hw == (link.Address{}) && old.HWType != link.Loopback {
			return unix.EADDRNOTAVAIL
		}
		if hw != old.Address {
			ch.Address = &hw
		}
	}
	if a.Has(unix.IFLA_MASTER) {
		if master := int(a.U32(unix.IFLA_MASTER)); master != old.Master {
			if master != 0 {
				br := st.NIC(master)
				if br == nil {
					return unix.EINVAL
				}
				if br.Info().Kind != stack.KindBridge {
					return unix.EOPNOTSUPP
				}
			}
			ch.Master = &master
		}
	}
	if a.Has(unix.IFLA_TXQLEN) {
		q := int(a.U32(unix.IFLA_TXQLEN))
		ch.TxQLen = &q
	}
	if v := a.Bytes(unix.IFLA_IFALIAS); v != nil {
		alias := a.String(unix.IFLA_IFALIAS)
		ch.Alias = &alias
	}
	if a.Has(unix.IFLA_GROUP) {
		g := a.U32(unix.IFLA_GROUP)
		ch.Group = &g
	}
	if ch == (stack.Change{}) {
		return nil
	}
	return n.Change(ch)
}

// delLink is RTM_DELLINK.
func (c *call) delLink() error {
	m, ok := parseIfinfo(c.Body)
	if !ok {
		return unix.EINVAL
	}
	a, err := c.Attrs(ifinfoSize, linkPolicy(), false)
	if err != nil {
		return err
	}
	if m.index == 0 && a.Has(unix.IFLA_GROUP) && !a.Has(unix.IFLA_IFNAME) {
		return c.delGroup(a.U32(unix.IFLA_GROUP))
	}
	n, err := c.find(m, a)
	if err != nil {
		return err
	}
	if k := n.Info().Kind; k == stack.KindDevice || k == stack.KindLoopback {
		return unix.EOPNOTSUPP
	}
	return c.stack.RemoveNIC(n.Index())
}

// delGroup removes the interfaces of a group.
func (c *call) delGroup(group uint32) error {
	if group == 0 {
		return unix.EPERM
	}
	found := false
	for _, n := range c.stack.NICs() {
		i := n.Info()
		if i.Group != group {
			continue
		}
		if i.Kind == stack.KindDevice || i.Kind == stack.KindLoopback {
			return unix.EOPNOTSUPP
		}
		found = true
	}
	if !found {
		return unix.ENODEV
	}
	for _, n := range c.stack.NICs() {
		if n.Info().Group == group {
			_ = c.stack.RemoveNIC(n.Index()) // a veth may have gone with its peer
		}
	}
	return nil
}
