package netview

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/usermem"
)

// labelled returns the first address of IPv4 of an interface that has a label: the
// interface's name, or that and more behind a colon. Of several to are preferred.
func labelled(n *stack.NIC, label string, to netip.Addr) (found stack.Addr, ok bool) {
	for _, a := range n.Addrs() {
		own := a.Label
		if own == "" {
			own = n.Info().Name
		}
		if !a.Prefix.Addr().Is4() || own != label {
			continue
		}
		if a.Prefix.Addr() == to {
			return a, true
		}
		if !ok {
			found, ok = a, true
		}
	}
	return found, ok
}

// maskOf is the mask of a prefix of IPv4 as an address.
func maskOf(bits int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-bits))
	return netip.AddrFrom4(b)
}

func getAddress(n *stack.NIC, label string, cmd uint32, r *ifreq) error {
	var to netip.Addr
	if r.short() == unix.AF_INET {
		to = r.addr()
	}
	a, ok := labelled(n, label, to)
	if !ok {
		return unix.EADDRNOTAVAIL
	}
	switch cmd {
	case unix.SIOCGIFADDR:
		r.setAddr(a.Prefix.Addr())
	case unix.SIOCGIFNETMASK:
		r.setAddr(maskOf(a.Prefix.Bits()))
	case unix.SIOCGIFBRDADDR:
		r.setAddr(a.Broadcast)
	case unix.SIOCGIFDSTADDR:
		if r.setAddr(a.Prefix.Addr()); a.Peer.IsValid() {
			r.setAddr(a.Peer)
		}
	}
	return nil
}

// classBits is the length of the prefix that an address had by its class, as
// SIOCSIFADDR supposes.
func classBits(a netip.Addr) int {
	switch b := a.As4(); {
	case b[0] < 0x80:
		return 8
	case b[0] < 0xc0:
		return 16
	case b[0] < 0xe0:
		return 24
	}
	return 32
}

// lastOf is the broadcast address of a network, invalid of the smallest.
func lastOf(p netip.Prefix) netip.Addr {
	if p.Bits() >= 31 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|^uint32(0)>>p.Bits())
	return netip.AddrFrom4(b)
}

// setAddress changes the address of IPv4 that has a label, or makes one.
func setAddress(n *stack.NIC, label string, cmd uint32, to netip.Addr) error {
	old, has := labelled(n, label, netip.Addr{})
	a := old
	info := n.Info()
	switch {
	case cmd == unix.SIOCSIFADDR:
		switch {
		case to.IsMulticast():
			return unix.EINVAL
		case has && to == old.Prefix.Addr():
			return nil
		case to.IsUnspecified() && !has:
			return nil
		case to.IsUnspecified():
			return n.DelAddr(old.Prefix)
		}
		bits := classBits(to)
		if info.Flags&unix.IFF_POINTOPOINT != 0 {
			bits = 32
		}
		a = stack.Addr{Prefix: netip.PrefixFrom(to, bits), Label: label}
		if info.Flags&unix.IFF_BROADCAST != 0 {
			a.Broadcast = lastOf(a.Prefix)
		}
		if to.IsLoopback() {
			a.Scope = unix.RT_SCOPE_HOST
		}
	case !has:
		return unix.EADDRNOTAVAIL
	case cmd == unix.SIOCSIFNETMASK:
		b := to.As4()
		m := binary.BigEndian.Uint32(b[:])
		bits := 0
		for m<<bits&(1<<31) != 0 {
			bits++
		}
		if bits < 32 && m<<bits != 0 {
			return unix.EINVAL
		}
		a.Prefix = netip.PrefixFrom(a.Prefix.Addr(), bits)
		if old.Broadcast.IsValid() && old.Broadcast == lastOf(old.Prefix) {
			a.Broadcast = lastOf(a.Prefix) // another one is somebody's wish
		}
	case cmd == unix.SIOCSIFBRDADDR:
		a.Broadcast = to
	case cmd == unix.SIOCSIFDSTADDR:
		a.Peer = to
	}
	if has {
		if err := n.DelAddr(old.Prefix); err != nil {
			return err
		}
	}
	return n.AddAddr(a, false)
}

// flagAlias is SIOCSIFFLAGS of an alias, which is an address with a label of its own: it
// is there as long as it is up.
func flagAlias(n *stack.NIC, label string, flags uint16) error {
	a, ok := labelled(n, label, netip.Addr{})
	switch {
	case !ok:
		return unix.EADDRNOTAVAIL
	case flags&unix.IFF_UP == 0:
		return n.DelAddr(a.Prefix)
	}
	return nil
}

// changeAddr6 adds or deletes an address of IPv6; addr is a struct in6_ifreq.
func (v *View) changeAddr6(t current.Task, addr usermem.Addr, add bool) error {
	type in6Ifreq struct {
		Addr   [16]byte
		Prefix uint32
		Index  int32
	}
	if !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	r, err := usermem.In[in6Ifreq](t.Mem(), addr)
	if err != nil {
		return err
	}
	n := v.stack.NIC(int(r.Index))
	if n == nil {
		return unix.ENODEV
	}
	if r.Prefix > 128 {
		return unix.EINVAL
	}
	p := netip.PrefixFrom(netip.AddrFrom16(r.Addr), int(r.Prefix))
	if add {
		return n.AddAddr(stack.Addr{Prefix: p}, false)
	}
	return n.DelAddr(p)
}

// rtentry is struct rtentry, with the addresses as sockaddr_in.
type rtentry struct {
	_                       uint64
	Dst, Gateway, Mask      [16]byte
	Flags                   uint16
	_                       [22]byte
	Metric                  int16
	_                       [6]byte
	Dev, MTU, Window, Other uint64
}

func addrOf(sockaddr [16]byte) netip.Addr { return netip.AddrFrom4([4]byte(sockaddr[4:8])) }

// changeRoute adds or deletes a route of IPv4.
func (v *View) changeRoute(t current.Task, addr usermem.Addr, add bool) error {
	if !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	e, err := usermem.In[rtentry](t.Mem(), addr)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint16(e.Dst[:]) != unix.AF_INET {
		return unix.EAFNOSUPPORT
	}
	bits := 32
	if e.Flags&rtfHost == 0 {
		b := addrOf(e.Mask).As4()
		m := binary.BigEndian.Uint32(b[:])
		for bits = 0; bits < 32 && m<<bits&(1<<31) != 0; bits++ {
		}
		if bits < 32 && m<<bits != 0 {
			return unix.EINVAL
		}
	}
	dst := netip.PrefixFrom(addrOf(e.Dst), bits)
	if dst.Masked() != dst {
		return unix.EINVAL
	}
	r := &route.Route{Dst: dst, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST}
	if e.Metric > 0 {
		r.Priority = uint32(e.Metric - 1)
	}
	hop := route.Hop{}
	if e.Dev != 0 {
		name, err := usermem.CString(t.Mem(), usermem.Addr(e.Dev), unix.IFNAMSIZ)
		if err != nil {
			return err
		}
		n, err := v.nic(name)
		if err != nil {
			return err
		}
		hop.OIF = n.Index()
	}
	if g := addrOf(e.Gateway); e.Flags&rtfGateway != 0 || !g.IsUnspecified() && binary.LittleEndian.Uint16(e.Gateway[:]) == unix.AF_INET {
		hop.Gateway, r.Scope = g, unix.RT_SCOPE_UNIVERSE
	}
	if e.Flags&rtfReject != 0 {
		r.Type, r.Scope = unix.RTN_UNREACHABLE, unix.RT_SCOPE_HOST
	} else if r.Hops, err = v.hops(hop); err != nil {
		return err
	}
	return v.apply(r, add)
}

// hops completes the one hop of a route that was given by an ioctl.
func (v *View) hops(h route.Hop) ([]route.Hop, error) {
	if h.OIF == 0 {
		if !h.Gateway.IsValid() {
			return nil, unix.ENODEV
		}
		res, _, err := v.stack.Lookup(&route.Flow{Dst: h.Gateway})
		if err != nil {
			return nil, unix.ENETUNREACH
		}
		h.OIF = res.Hop.OIF
	}
	return []route.Hop{h}, nil
}

func (v *View) apply(r *route.Route, add bool) error {
	if add {
		return v.stack.AddRoute(r, route.Exclusive)
	}
	return v.stack.DelRoute(r)
}

// changeRoute6 adds or deletes a route of IPv6; addr is a struct in6_rtmsg.
func (v *View) changeRoute6(t current.Task, addr usermem.Addr, add bool) error {
	type in6Rtmsg struct {
		Dst, Src, Gateway [16]byte
		Type              uint32
		DstLen, SrcLen    uint16
		Metric            uint32
		_                 uint32
		Info              uint64
		Flags             uint32
		Index             int32
	}
	if !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	m, err := usermem.In[in6Rtmsg](t.Mem(), addr)
	if err != nil {
		return err
	}
	if m.DstLen > 128 || m.SrcLen != 0 {
		return unix.EINVAL
	}
	r := &route.Route{Dst: netip.PrefixFrom(netip.AddrFrom16(m.Dst), int(m.DstLen)).Masked(), Table: unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_BOOT, Type: unix.RTN_UNICAST, Priority: m.Metric}
	if r.Priority == 0 {
		r.Priority = 1024 // IP6_RT_PRIO_USER
	}
	hop := route.Hop{OIF: int(m.Index)}
	if m.Flags&rtfGateway != 0 {
		hop.Gateway = netip.AddrFrom16(m.Gateway)
	}
	if m.Flags&rtfReject != 0 {
		r.Type = unix.RTN_UNREACHABLE
	} else if r.Hops, err = v.hops(hop); err != nil {
		return err
	}
	return v.apply(r, add)
}

// arpreq is struct arpreq.
type arpreq struct {
	Protocol, Hardware [16]byte
	Flags              int32
	Mask               [16]byte
	Dev                [unix.IFNAMSIZ]byte
}

// arpIoctl asks for a neighbour of IPv4, or changes one, arp(7).
func (v *View) arpIoctl(t current.Task, addr usermem.Addr, cmd uint32) error {
	const complete, permanent = 2, 4 // ATF_COM, ATF_PERM
	if cmd != siocGetARP && !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	r, err := usermem.In[arpreq](t.Mem(), addr)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint16(r.Protocol[:]) != unix.AF_INET {
		return unix.EPFNOSUPPORT
	}
	to := addrOf(r.Protocol)
	n, err := v.arpDevice(&r, to)
	if err != nil {
		return err
	}
	cache := n.Neighbors(false)
	if cache == nil {
		return unix.ENXIO
	}
	switch cmd {
	case siocDelARP:
		return cache.Delete(to)
	case siocSetARP:
		state := neigh.Stale
		if r.Flags&permanent != 0 {
			state = neigh.Permanent
		}
		return cache.Set(v.now(), to, link.Address(r.Hardware[2:8]), true, state, false, true, false)
	}
	e, ok := cache.Lookup(to)
	if !ok || e.State&(neigh.Reachable|neigh.Stale|neigh.Delay|neigh.Probe|neigh.Permanent) == 0 {
		return unix.ENXIO
	}
	r.Hardware = [16]byte{}
	i := n.Info()
	binary.LittleEndian.PutUint16(r.Hardware[:], uint16(i.HWType))
	copy(r.Hardware[2:], e.HW[:])
	if r.Flags = complete; e.State == neigh.Permanent {
		r.Flags |= permanent
	}
	r.Dev = [unix.IFNAMSIZ]byte{}
	copy(r.Dev[:unix.IFNAMSIZ-1], i.Name)
	return usermem.Out(t.Mem(), addr, &r)
}

// arpDevice is the interface that is named, or that leads to the address.
func (v *View) arpDevice(r *arpreq, to netip.Addr) (*stack.NIC, error) {
	if name := (&ifreq{Name: r.Dev}).name(); name != "" {
		return v.nic(name)
	}
	res, _, err := v.stack.Lookup(&route.Flow{Dst: to})
	if err != nil {
		return nil, unix.ENXIO
	}
	if n := v.stack.NIC(res.Hop.OIF); n != nil {
		return n, nil
	}
	return nil, unix.ENXIO
}
