package stack

import (
	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
)

// The carrier of an interface says whether there is somebody at the link's other
// end. A veth has one while both of its ends are up, a bridge while a port has, a
// VLAN while what it is on has; that of a device is what its link says. Routes
// through an interface without one are told as RTNH_F_LINKDOWN, and IPv6 starts
// when there is one for the first time (RFC 4862's "becomes enabled").

// hasCarrier is what the carrier of an interface that depends on others is. The
// caller holds the stack's lock.
func (n *NIC) hasCarrier() bool {
	switch n.kind {
	case KindVeth:
		p := n.peer.Load()
		return p != nil && n.isUp() && p.isUp()
	case KindBridge:
		if !n.isUp() {
			return false
		}
		for _, p := range n.bridge.list() {
			if p.isUp() && p.carrier.Load() {
				return true
			}
		}
		return false
	case KindVLAN:
		return n.isUp() && n.lower.isUp() && n.lower.carrier.Load()
	}
	return n.carrier.Load()
}

// recarrier looks at the carrier anew, and tells of what changed.
func (n *NIC) recarrier(ev *events) {
	if n.setCarrier(n.hasCarrier(), ev) && n.isUp() {
		ev.link(n, false)
	}
}

// setCarrier sets the carrier, with what follows from it here and in interfaces
// above. It reports whether it was another one.
func (n *NIC) setCarrier(on bool, ev *events) bool {
	if n.carrier.Swap(on) == on {
		return false
	}
	if n.isUp() {
		n.linkRoutes()
		if on {
			if !n.nd6.ready {
				n.up6(ev)
			}
		} else {
			n.forgetNeighbors(ev)
		}
	}
	n.tellAbove(ev)
	return true
}

// tellAbove has a bridge and VLANs look at their carriers.
func (n *NIC) tellAbove(ev *events) {
	if b := n.master.Load(); b != nil {
		b.nic.recarrier(ev)
	}
	for _, v := range n.vlanList() {
		v.recarrier(ev)
	}
}

// wentUpOrDown carries what an interface's going up or down means to those that
// depend on it: VLANs go with what they are on, a veth's other end and a bridge get
// or lose their carrier.
func (n *NIC) wentUpOrDown(ev *events) {
	n.setCarrier(n.hasCarrier(), ev)
	up := n.flags.Load() & unix.IFF_UP
	for _, v := range n.vlanList() {
		if v.flags.Load()&unix.IFF_UP != up {
			v.setFlags(up, unix.IFF_UP, ev)
			ev.link(v, false)
		}
	}
	n.tellAbove(ev)
	if n.kind == KindVeth {
		ev.then(func() {
			// Another stack has another lock; each end looks after both went up or
			// down, so the last look is right.
			if p := n.peer.Load(); p != nil {
				_ = p.stack.change(func(ev *events) error {
					p.recarrier(ev)
					return nil
				})
			}
		})
	}
}

// linkRoutes has routes through the interface count as dead, or not any more, if
// ignore_routes_with_linkdown asks for it.
func (n *NIC) linkRoutes() {
	ignore := [2]bool{
		n.or4(conf4IgnoreRoutesWithLinkdown),
		n.conf6[conf6IgnoreRoutesWithLinkdown].Load() != 0 || n.stack.conf6All[conf6IgnoreRoutesWithLinkdown].Load() != 0,
	}
	for i, rib := range n.stack.ribs {
		rib.SetLink(n.index, n.isUp() && (n.carrier.Load() || !ignore[i]))
	}
}

// ignoreLinkdownChanged has ignore_routes_with_linkdown take effect.
func (n *NIC) ignoreLinkdownChanged() {
	_ = n.stack.change(func(*events) error {
		if n.isUp() {
			n.linkRoutes()
		}
		return nil
	})
}

func (n *NIC) forgetNeighbors(ev *events) {
	for _, c := range [2]*neigh.Cache{n.arp, n.ndp} {
		if c != nil {
			ev.then(func() { c.Flush(false) })
		}
	}
}

// OperState is an interface's operational state (IF_OPER_*), RFC 2863.
type OperState uint8

// The states that interfaces of ours have.
const (
	OperUnknown        OperState = 0
	OperDown           OperState = 2
	OperLowerLayerDown OperState = 3
	OperUp             OperState = 6
)

// String is the state as /sys/class/net says it.
func (o OperState) String() string {
	switch o {
	case OperDown:
		return "down"
	case OperLowerLayerDown:
		return "lowerlayerdown"
	case OperUp:
		return "up"
	}
	return "unknown"
}

// OperState returns the state, as Linux tells it.
func (i *NICInfo) OperState() OperState {
	switch {
	case i.Flags&unix.IFF_UP == 0:
		return OperDown
	case i.Kind == KindTun && i.Flags&unix.IFF_LOWER_UP == 0:
		return OperDown
	case i.Kind == KindTun && i.Tun != nil && i.Tun.Lapsed:
		return OperUp // its carrier has changed, which Linux looks at the state by
	case i.Kind == KindLoopback, i.Kind == KindTun, i.Kind == KindDummy, i.HWType == link.RawIP:
		return OperUnknown
	case i.Flags&unix.IFF_LOWER_UP != 0:
		return OperUp
	case i.Parent != 0 && i.ParentStack == nil: // Linux does not find one in another namespace
		return OperLowerLayerDown
	}
	return OperDown
}
