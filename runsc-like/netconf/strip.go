package netconf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// Strip takes the addresses of n's links away from the namespace at path, and
// with them its routes. The host's kernel neither answers there nor asks.
func Strip(path string, n *control.Network) error {
	return within(path, func(h *netlink.Handle) error {
		for _, l := range n.Links {
			if l.Loopback {
				continue
			}
			if err := stripLink(h, l); err != nil {
				return fmt.Errorf("interface %s: %w", l.Name, err)
			}
		}
		return nil
	})
}

func stripLink(h *netlink.Handle, l control.Link) error {
	// Also against addresses that the kernel makes up, and its own discovery.
	writeSysctl("ipv6/conf/"+l.Name+"/disable_ipv6", "1")
	lk, err := h.LinkByIndex(l.Index)
	if err != nil {
		return err
	}
	addrs, err := h.AddrList(lk, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		// One that went with another, or that the sysctl took.
		if err := h.AddrDel(lk, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove %s: %w", a.IPNet, err)
		}
	}
	return nil
}

// Return gives what Strip took back to the namespace at path. What has changed
// there meanwhile wins: an interface that is gone, an address that is there.
func Return(path string, n *control.Network) error {
	return within(path, func(h *netlink.Handle) error {
		there := map[int]bool{}
		for _, l := range n.Links {
			lk, err := h.LinkByIndex(l.Index)
			if err != nil || lk.Attrs().Name != l.Name || l.Loopback {
				continue
			}
			there[l.Index] = true
			if !l.NoIPv6 {
				writeSysctl("ipv6/conf/"+l.Name+"/disable_ipv6", "0")
			}
			for _, a := range l.Addrs {
				if err := h.AddrAdd(lk, fromAddr(a)); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EACCES) {
					return fmt.Errorf("interface %s: add %s: %w", l.Name, a.Prefix, err)
				}
			}
		}
		for _, r := range n.Routes {
			if !through(r, there) {
				continue
			}
			if err := addRoute(h, r); err != nil {
				return fmt.Errorf("add route to %s: %w", r.Dst, err)
			}
		}
		return nil
	})
}

// through reports whether a route leaves by links that are there, and by some.
func through(r control.Route, there map[int]bool) bool {
	for _, h := range r.Hops {
		if !there[h.Index] {
			return false
		}
	}
	return len(r.Hops) > 0
}

// addRoute adds a route. A gateway of IPv6 is not reached in the moment when the
// address it is reached by was added.
func addRoute(h *netlink.Handle, r control.Route) error {
	const tries, pause = 20, 5 * time.Millisecond
	var err error
	for range tries {
		if err = h.RouteAdd(fromRoute(r)); err == nil || errors.Is(err, unix.EEXIST) {
			return nil
		}
		time.Sleep(pause)
	}
	return err
}

func fromAddr(a control.Addr) *netlink.Addr {
	n := &netlink.Addr{
		IPNet: ipNet(a.Prefix), Label: a.Label, Scope: int(a.Scope), Flags: int(a.Flags) &^ (unix.IFA_F_TENTATIVE | unix.IFA_F_PERMANENT),
		PreferedLft: a.Preferred, ValidLft: a.Valid, Broadcast: ip(a.Broadcast),
	}
	if a.Prefix.Addr().Is6() {
		n.Flags |= unix.IFA_F_NODAD // it was checked before
	}
	if a.Peer.IsValid() {
		n.Peer = ipNet(netip.PrefixFrom(a.Peer, a.Prefix.Bits()))
	}
	return n
}

func fromRoute(r control.Route) *netlink.Route {
	n := &netlink.Route{
		Dst: ipNet(r.Dst), Table: int(r.Table), Type: int(r.Type), Tos: int(r.TOS), Protocol: netlink.RouteProtocol(r.Protocol),
		Scope: netlink.Scope(r.Scope), Priority: int(r.Priority), Src: ip(r.Source), MTU: int(r.MTU), AdvMSS: int(r.AdvMSS),
		Hoplimit: int(r.HopLimit), InitCwnd: int(r.InitCwnd), InitRwnd: int(r.InitRwnd),
	}
	flags := func(h control.Hop) int {
		if h.OnLink {
			return int(netlink.FLAG_ONLINK)
		}
		return 0
	}
	if len(r.Hops) == 1 {
		h := r.Hops[0]
		n.Gw, n.LinkIndex, n.Flags = ip(h.Gateway), h.Index, flags(h)
		return n
	}
	for _, h := range r.Hops {
		n.MultiPath = append(n.MultiPath, &netlink.NexthopInfo{
			Gw: ip(h.Gateway), LinkIndex: h.Index, Hops: max(h.Weight-1, 0), Flags: flags(h),
		})
	}
	return n
}

func ipNet(p netip.Prefix) *net.IPNet {
	if !p.IsValid() {
		return nil
	}
	return &net.IPNet{IP: ip(p.Addr()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func ip(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}
