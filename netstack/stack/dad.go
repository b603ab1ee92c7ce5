package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Duplicate address detection, RFC 4862 section 5.4: an address is tentative
// until a solicitation for it stayed unanswered. With a nonce (RFC 7527) our own
// solicitation, come back, is not taken for a neighbour's.

// dadState is how far it is for one address. Guarded by the stack's lock.
type dadState struct {
	next   int64 // when to go on; 0 is not running
	probes int   // solicitations still to be sent
	nonce  [6]byte
	joined bool  // the address's solicited-node group
	tries  int64 // how many stable addresses before this one were somebody else's
}

// second is one second of the stack's clock.
const second = int64(1e9)

// startDAD begins with an address, which is added or whose interface came up. It
// returns its flags.
func (n *NIC) startDAD(a *ifaddr, flags uint32, ev *events) uint32 {
	s := n.stack
	flags &^= unix.IFA_F_TENTATIVE
	probes := int(n.conf6[conf6DADTransmits].Load())
	if n.loopback() || n.ndp == nil || n.flags.Load()&unix.IFF_NOARP != 0 || flags&unix.IFA_F_NODAD != 0 || a.Unique ||
		n.conf6[conf6AcceptDAD].Load() < 1 && s.conf6All[conf6AcceptDAD].Load() < 1 || probes < 1 {
		if n.nd6.ready && a.Prefix.Addr().IsLinkLocalUnicast() {
			n.startRouters()
		}
		return flags
	}
	flags |= unix.IFA_F_TENTATIVE
	if !n.nd6.ready {
		return flags // it begins when the interface comes up
	}
	delay := int64(n.conf6[conf6RouterSolicitationDelay].Load()) * second
	a.dad.probes, a.dad.next = min(probes, 16), s.now()+s.randomBelow(max(1, delay))
	if n.conf6[conf6EnhancedDAD].Load() != 0 || s.conf6All[conf6EnhancedDAD].Load() != 0 {
		s.cfg.Random(a.dad.nonce[:])
		a.dad.nonce[0] |= 1 // zero is none
	}
	s.armAddrs(n)
	return flags
}

// dadTick sends the next solicitation, or finds that the address is ours.
func (n *NIC) dadTick(a *ifaddr, now int64, ev *events) {
	if a.dad.probes > 0 {
		a.dad.probes--
		a.dad.next = now + max(n.ndp.Config().Retrans, 1)
		target, nonce := a.Prefix.Addr(), a.dad.nonce
		ev.then(func() { n.sendDAD(target, nonce) })
		return
	}
	a.dad.next = 0
	a.flags.And(^uint32(unix.IFA_F_TENTATIVE | unix.IFA_F_OPTIMISTIC))
	n.addRoutes6(a, ev)
	ev.addr(n, a, false)
	addr := a.Prefix.Addr()
	if addr.IsLinkLocalUnicast() {
		n.startRouters()
		ev.then(n.mcast.repeat6)
	}
	if n.conf6[conf6NdiscNotify].Load() != 0 || n.stack.conf6All[conf6NdiscNotify].Load() != 0 {
		ev.then(func() {
			n.advertise(header.NDNeighborFields{Target: addr, Override: true, Router: n.forwards6()}, header.IPv6AllNodes())
		})
	}
}

// sendDAD asks, from no address, whether somebody has target.
func (n *NIC) sendDAD(target netip.Addr, nonce [6]byte) {
	msg := make([]byte, header.NDNeighborSize, header.NDNeighborSize+8)
	header.NDNeighbor(msg).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborSolicit, Target: target})
	if nonce != [6]byte{} {
		msg = append(msg, byte(header.NDPOptNonce), 1)
		msg = append(msg, nonce[:]...)
	}
	n.sendND(msg, netip.IPv6Unspecified(), header.SolicitedNode(target))
}

// contested says that somebody else asked for, or has, a tentative address.
func (n *NIC) contested(target netip.Addr, o header.NDPOptions) {
	_ = n.stack.change(func(ev *events) error {
		a := n.find(target)
		if a == nil || a.flags.Load()&unix.IFA_F_TENTATIVE == 0 {
			return nil
		}
		if opt := o.Find(header.NDPOptNonce); len(opt) == 8 && [6]byte(opt[2:8]) == a.dad.nonce && a.dad.nonce != [6]byte{} {
			return nil // our own, come back
		}
		a.dad.next, a.dad.probes = 0, 0
		n.log6("IPv6 duplicate address " + target.String() + " detected!")
		n.anotherStable(a, ev)
		if a.flags.Load()&unix.IFA_F_PERMANENT == 0 {
			n.dropAddr(a, ev)
			return nil
		}
		a.flags.Or(unix.IFA_F_DADFAILED)
		ev.addr(n, a, false)
		if n.conf6[conf6AcceptDAD].Load() > 1 && a.flags.Load()&unix.IFA_F_STABLE_PRIVACY == 0 && target == n.eui64() {
			// The hardware address itself is another's: IPv6 ends here.
			n.conf6[conf6DisableIpv6].Store(1)
			ev.then(n.ipv6Toggled)
		}
		return nil
	})
}
