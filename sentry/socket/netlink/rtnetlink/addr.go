package rtnetlink

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// ifaddrmsg is struct ifaddrmsg.
type ifaddrmsg struct {
	family, bits, flags, scope uint8
	index                      int
}

const ifaddrSize = unix.SizeofIfAddrmsg

func parseIfaddr(b []byte) (m ifaddrmsg, ok bool) {
	if len(b) < ifaddrSize {
		return m, false
	}
	return ifaddrmsg{b[0], b[1], b[2], b[3], int(int32(binary.NativeEndian.Uint32(b[4:])))}, true
}

func (m ifaddrmsg) bytes() []byte {
	return binary.NativeEndian.AppendUint32([]byte{m.family, m.bits, m.flags, m.scope}, uint32(m.index))
}

const (
	ifaRTPriority = 9  // IFA_RT_PRIORITY
	ifaProto      = 11 // IFA_PROTO

	forever = ^uint32(0) // of a life time in seconds
)

// seconds is a life time as IFA_CACHEINFO has it.
func seconds(d time.Duration) uint32 {
	if d == 0 {
		return forever
	}
	return uint32(min(max(d/time.Second, 0), time.Duration(forever-1)))
}

// addrHeader is the fixed part of RTM_NEWADDR.
func addrHeader(index int, a *stack.Addr) ifaddrmsg {
	return ifaddrmsg{familyOf(!a.Prefix.Addr().Is4()), uint8(a.Prefix.Bits()), uint8(a.Flags), a.Scope, index}
}

// writeAddr writes the attributes of RTM_NEWADDR.
func writeAddr(b *wire.Builder, a *stack.Addr, name string) {
	own, far := a.Prefix.Addr(), a.Peer
	v4 := own.Is4()
	switch {
	case !far.IsValid() && v4:
		b.Addr(unix.IFA_ADDRESS, own)
		b.Addr(unix.IFA_LOCAL, own)
	case !far.IsValid():
		b.Addr(unix.IFA_ADDRESS, own)
	default:
		b.Addr(unix.IFA_ADDRESS, far)
		b.Addr(unix.IFA_LOCAL, own)
	}
	if v4 {
		if a.Broadcast.IsValid() && !a.Broadcast.IsUnspecified() {
			b.Addr(unix.IFA_BROADCAST, a.Broadcast)
		}
		label := a.Label
		if label == "" {
			label = name
		}
		b.String(unix.IFA_LABEL, label)
	}
	if a.Protocol != 0 {
		b.U8(ifaProto, a.Protocol)
	}
	b.U32(unix.IFA_FLAGS, a.Flags)
	if a.Metric != 0 {
		b.U32(ifaRTPriority, a.Metric)
	}
	ne := binary.NativeEndian
	preferred := seconds(a.Preferred)
	if a.Preferred == 0 && a.Valid != 0 && a.Flags&unix.IFA_F_DEPRECATED != 0 {
		preferred = 0
	}
	info := ne.AppendUint32(nil, preferred)
	info = ne.AppendUint32(info, seconds(a.Valid))
	b.Attr(unix.IFA_CACHEINFO, append(info, make([]byte, 8)...))
}

func addrPolicy() wire.Policy {
	return wire.Policy{
		unix.IFA_ADDRESS:   {Kind: wire.Any, Min: 4, Max: 16},
		unix.IFA_LOCAL:     {Kind: wire.Any, Min: 4, Max: 16},
		unix.IFA_LABEL:     {Kind: wire.String, Max: ifaNameMax},
		unix.IFA_BROADCAST: {Kind: wire.Any, Min: 4, Max: 16},
		unix.IFA_CACHEINFO: {Kind: wire.Any, Min: 16},
		unix.IFA_FLAGS:     {Kind: wire.U32},
		ifaRTPriority:      {Kind: wire.U32},
		10:                 {Kind: wire.U32}, // IFA_TARGET_NETNSID
		ifaProto:           {Kind: wire.U8},
	}
}

func (c *call) dumpAddrs(family uint8) error {
	m, ok := parseIfaddr(c.Body)
	if !ok && c.Strict() {
		return c.Fail(unix.EINVAL, "ipv4: Invalid header for address dump request")
	}
	type item struct {
		n    *stack.NIC
		addr stack.Addr
	}
	var all []item
	found := false
	// IPv4 comes before IPv6, each by interface, as the handlers of Linux do.
	for _, v6 := range families(family) {
		for _, n := range c.stack.NICs() {
			if c.Strict() && m.index != 0 && n.Index() != m.index {
				continue
			}
			found = true
			for _, a := range n.Addrs() {
				if a.Prefix.Addr().Is4() != v6 {
					all = append(all, item{n, a})
				}
			}
		}
	}
	if c.Strict() && m.index != 0 && !found {
		return unix.ENODEV
	}
	return c.Dump(len(all), func(b *wire.Builder, i int) {
		it := &all[i]
		c.message(b, unix.RTM_NEWADDR, unix.NLM_F_MULTI, addrHeader(it.n.Index(), &it.addr).bytes(), func(b *wire.Builder) {
			writeAddr(b, &it.addr, it.n.Info().Name)
		})
	})
}

// getAddr is RTM_GETADDR of one address, which Linux has for IPv6.
func (c *call) getAddr(family uint8) error {
	if family != unix.AF_INET6 {
		return unix.EOPNOTSUPP
	}
	m, _ := parseIfaddr(c.Body)
	a, err := c.Attrs(ifaddrSize, addrPolicy(), c.Strict())
	if err != nil {
		return err
	}
	want := a.Addr(unix.IFA_ADDRESS)
	if a.Has(unix.IFA_LOCAL) {
		want = a.Addr(unix.IFA_LOCAL)
	}
	if !want.Is6() {
		return unix.EINVAL
	}
	for _, n := range c.stack.NICs() {
		if m.index != 0 && n.Index() != m.index {
			continue
		}
		for _, found := range n.Addrs() {
			if found.Prefix.Addr() == want {
				c.Reply(func(b *wire.Builder) {
					c.message(b, unix.RTM_NEWADDR, 0, addrHeader(n.Index(), &found).bytes(), func(b *wire.Builder) {
						writeAddr(b, &found, n.Info().Name)
					})
				})
				return nil
			}
		}
	}
	return unix.EADDRNOTAVAIL
}

// addrRequest is what RTM_NEWADDR and RTM_DELADDR have in common.
type addrRequest struct {
	ifaddrmsg
	nic        *stack.NIC
	own, far   netip.Addr
	attrs      wire.Attrs
	v6         bool
	familyName string
}

func (c *call) addrRequest(family uint8) (q addrRequest, err error) {
	v6, ok := isIP(family)
	if !ok {
		return q, unix.EOPNOTSUPP
	}
	m, ok := parseIfaddr(c.Body)
	if !ok {
		return q, unix.EINVAL
	}
	q.ifaddrmsg, q.v6, q.familyName = m, v6, "ipv4"
	if v6 {
		q.familyName = "ipv6"
	}
	if q.attrs, err = c.Attrs(ifaddrSize, addrPolicy(), false); err != nil {
		return q, err
	}
	own, far := q.attrs.Addr(unix.IFA_LOCAL), q.attrs.Addr(unix.IFA_ADDRESS)
	if !own.IsValid() && v6 {
		own = far
	}
	if far == own {
		far = netip.Addr{}
	}
	if own.IsValid() && own.Is4() == v6 || far.IsValid() && far.Is4() == v6 {
		return q, unix.EINVAL
	}
	q.own, q.far = own, far
	if q.nic = c.stack.NIC(m.index); q.nic == nil {
		if v6 {
			return q, c.Fail(unix.ENODEV, "ipv6: Unable to find the interface")
		}
		return q, c.Fail(unix.ENODEV, "ipv4: Device not found")
	}
	return q, nil
}

func (c *call) newAddr(family uint8) error {
	q, err := c.addrRequest(family)
	if err != nil {
		return err
	}
	if !q.own.IsValid() {
		return c.Fail(unix.EINVAL, q.familyName+": Local address is not supplied")
	}
	if int(q.bits) > q.own.BitLen() {
		return c.Fail(unix.EINVAL, q.familyName+": Invalid prefix length")
	}
	a := stack.Addr{
		Prefix: netip.PrefixFrom(q.own, int(q.bits)), Peer: q.far, Broadcast: q.attrs.Addr(unix.IFA_BROADCAST),
		Label: q.attrs.String(unix.IFA_LABEL), Scope: q.scope, Flags: uint32(q.flags),
		Protocol: q.attrs.U8(ifaProto), Metric: q.attrs.U32(ifaRTPriority),
	}
	if q.attrs.Has(unix.IFA_FLAGS) {
		a.Flags = q.attrs.U32(unix.IFA_FLAGS)
	}
	if q.v6 {
		a.Broadcast, a.Label = netip.Addr{}, ""
		a.Flags &= unix.IFA_F_NODAD | unix.IFA_F_OPTIMISTIC | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR |
			unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN
	} else {
		a.Flags &^= unix.IFA_F_SECONDARY | unix.IFA_F_PERMANENT
		if a.Broadcast.IsValid() && !a.Broadcast.Is4() {
			return unix.EINVAL
		}
	}
	if info := q.attrs.Bytes(unix.IFA_CACHEINFO); info != nil {
		preferred, valid := binary.NativeEndian.Uint32(info), binary.NativeEndian.Uint32(info[4:])
		switch {
		case valid == 0:
			return c.Fail(unix.EINVAL, q.familyName+": address lifetime invalid")
		case preferred > valid:
			return c.Fail(unix.EINVAL, q.familyName+": preferred lifetime bigger than valid lifetime")
		}
		a.Preferred, a.Valid = life(preferred), life(valid)
		if preferred == 0 {
			a.Flags |= unix.IFA_F_DEPRECATED
		}
	}
	err = q.nic.AddAddr(a, c.Header.Flags&unix.NLM_F_REPLACE != 0)
	if err == unix.EEXIST {
		if q.v6 {
			return c.Fail(unix.EEXIST, "ipv6: address already assigned")
		}
		return c.Fail(unix.EEXIST, "ipv4: Address already assigned")
	}
	if err == unix.EINVAL && !q.v6 {
		return c.Fail(unix.EINVAL, "ipv4: Invalid scope value")
	}
	return err
}

// life is a life time of IFA_CACHEINFO as the stack has it.
func life(s uint32) time.Duration {
	if s == forever {
		return 0
	}
	return time.Duration(s) * time.Second
}

func (c *call) delAddr(family uint8) error {
	q, err := c.addrRequest(family)
	if err != nil {
		return err
	}
	want := q.own
	if !want.IsValid() {
		want = q.far
	}
	for _, a := range q.nic.Addrs() {
		p := a.Prefix
		if p.Addr().Is4() == q.v6 || want.IsValid() && p.Addr() != want {
			continue
		}
		if q.v6 && (int(q.bits) != 0 && p.Bits() != int(q.bits)) {
			continue
		}
		if !q.v6 {
			label := q.attrs.String(unix.IFA_LABEL)
			if label != "" && label != a.Label {
				continue
			}
			far := a.Peer
			if !far.IsValid() {
				far = p.Addr()
			}
			// IFA_ADDRESS is the peer's, or a prefix of the own one.
			if asked := q.attrs.Addr(unix.IFA_ADDRESS); asked.IsValid() &&
				(p.Bits() != int(q.bits) || !netip.PrefixFrom(far, p.Bits()).Masked().Contains(asked)) {
				continue
			}
		}
		return q.nic.DelAddr(p)
	}
	if q.v6 {
		return c.Fail(unix.EADDRNOTAVAIL, "ipv6: address not found")
	}
	return c.Fail(unix.EADDRNOTAVAIL, "ipv4: Address not found")
}
