package stack

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Numbers of SOL_IPV6 that x/sys may lack.
const (
	ipv6MulticastAll       = 29
	ipv6RouterAlertIsolate = 30
	ipv6RecvErrRFC4884     = 31
	ipv6FlowLabelMgr       = 32
	ipv6HdrIncl            = 36
	ipv6AddrPreferences    = 72
	ipv6MinHopCount        = 73
	ipv6OrigDstAddr        = 74
	ipv6Transparent        = 75
	ipv6UnicastIf          = 76
	ipv6RecvFragSize       = 77
	ipv6Freebind           = 78
	ipv6NextHop            = 9
	ipv6FlowInfo           = 11
	ipv6FlowInfoSend       = 33
	ipv6AutoFlowLabel      = 70
	ipv6AddrForm           = 1
	ipv6RouterAlert        = 22
)

// ip6Options are a socket's options of SOL_IPV6.
type ip6Options struct {
	hops      int // -1 is the default
	mcastHops int
	mcastIf   int
	mcastLoop bool
	mcastAll  bool
	tclass    int // -1 is the default
	mtuDisc   int
	mtu       int // IPV6_MTU: fragments are no larger
	dontFrag  bool
	recvErr   bool
	rfc4884   bool // kept: extensions of ICMP errors are not told
	want      ControlSet
	hdrIncl   bool
	checksum  int // IPV6_CHECKSUM: offset, or -1
	unicastIf int
	pktinfoIf int // IPV6_PKTINFO: the interface that packets leave by
	minHops   int
	autoFlow  uint8 // 1 on, 2 off, 0 as the tunable says
	flowSend  bool
	flow      uint32
	prefer    int
	pathMTU   bool
	fragSize  bool
	alert     bool
	isolate   bool // kept: alerts of all namespaces' packets are told apart anyhow
	ext       extensions
	labels    []*flowLease
	anycast   map[netip.Addr]int
}

func (o *ip6Options) init() {
	o.hops, o.mcastHops, o.mcastLoop, o.mcastAll, o.mtuDisc, o.tclass = -1, 1, true, true, unix.IPV6_PMTUDISC_WANT, -1
	o.checksum = -1
}

// ip6Want returns the control message that an option of SOL_IPV6 asks for, 0 if
// it is none of those.
func ip6Want(name int) ControlSet {
	switch name {
	case unix.IPV6_RECVPKTINFO:
		return WantPktInfo
	case unix.IPV6_2292PKTINFO:
		return WantOldPktInfo
	case unix.IPV6_RECVHOPLIMIT:
		return WantTTL
	case unix.IPV6_2292HOPLIMIT:
		return WantOldHopLimit
	case unix.IPV6_RECVTCLASS:
		return WantTOS
	case ipv6OrigDstAddr:
		return WantOrigDst
	case ipv6FlowInfo:
		return WantFlow
	case unix.IPV6_RECVHOPOPTS:
		return WantHopOpts
	case unix.IPV6_2292HOPOPTS:
		return WantOldHopOpts
	case unix.IPV6_RECVDSTOPTS:
		return WantDstOpts
	case unix.IPV6_2292DSTOPTS:
		return WantOldDstOpts
	case unix.IPV6_RECVRTHDR:
		return WantRtHdr
	case unix.IPV6_2292RTHDR:
		return WantOldRtHdr
	}
	return 0
}

func (c *common) setIP6Option(name int, value []byte, admin, raw bool) error {
	switch name {
	case unix.IPV6_JOIN_GROUP, unix.IPV6_LEAVE_GROUP, unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_BLOCK_SOURCE,
		unix.MCAST_UNBLOCK_SOURCE, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_MSFILTER:
		return c.setMembership(true, name, value)
	case unix.IPV6_JOIN_ANYCAST, unix.IPV6_LEAVE_ANYCAST:
		return c.setAnycast(name == unix.IPV6_JOIN_ANYCAST, value, admin)
	case unix.IPV6_HOPOPTS, unix.IPV6_RTHDR, unix.IPV6_DSTOPTS, unix.IPV6_RTHDRDSTOPTS:
		return c.setExtension(name, value, raw)
	case unix.IPV6_PKTINFO:
		return c.setPktInfo(value)
	case unix.IPV6_2292PKTOPTIONS:
		return c.setPktOptions(value, raw)
	case ipv6FlowLabelMgr:
		return unix.EINVAL // FlowLabel's
	case ipv6AddrForm:
		return c.setAddrForm(value)
	}
	v, err := c.ip6Int(name, value)
	if err != nil {
		if _, unknown := c.ip6Option(name, len(value), nil); unknown == unix.ENOPROTOOPT {
			return unix.ENOPROTOOPT // before its length is looked at
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.ip6
	if w := ip6Want(name); w != 0 {
		o.want &^= w
		if v != 0 {
			o.want |= w
		}
		return nil
	}
	between := func(to *int, lo, hi int) error {
		if v < lo || v > hi {
			return unix.EINVAL
		}
		*to = v
		return nil
	}
	switch name {
	case unix.IPV6_UNICAST_HOPS:
		return between(&o.hops, -1, 255)
	case unix.IPV6_MULTICAST_HOPS:
		err := between(&o.mcastHops, -1, 255)
		if o.mcastHops < 0 {
			o.mcastHops = 1
		}
		return err
	case unix.IPV6_MULTICAST_IF:
		return c.setMulticastIf6(v)
	case unix.IPV6_TCLASS:
		if v < -1 || v > 255 {
			return unix.EINVAL
		}
		if c.typ == unix.SOCK_STREAM { // ECN is the protocol's own
			v = max(v, 0)&^3 | max(o.tclass, 0)&3
		}
		o.tclass = v
	case unix.IPV6_MTU_DISCOVER:
		return between(&o.mtuDisc, unix.IPV6_PMTUDISC_DONT, unix.IPV6_PMTUDISC_OMIT)
	case unix.IPV6_MTU:
		if v != 0 && v < 1280 {
			return unix.EINVAL
		}
		o.mtu = v
	case unix.IPV6_CHECKSUM:
		return c.setChecksum6(v)
	case ipv6MinHopCount:
		return between(&o.minHops, 0, 255)
	case ipv6UnicastIf:
		return c.setUnicastIf(&o.unicastIf, v)
	case ipv6Transparent:
		if v != 0 && !admin && !raw {
			return unix.EPERM
		}
		c.transparent = v != 0
	case ipv6AddrPreferences:
		return o.setPreferences(v)
	case ipv6RouterAlert:
		if c.typ != unix.SOCK_RAW || c.proto != unix.IPPROTO_RAW {
			return unix.ENOPROTOOPT
		}
		o.alert = v >= 0
	case ipv6RecvErrRFC4884:
		if v != 0 && v != 1 {
			return unix.EINVAL
		}
		o.rfc4884 = v != 0
	default:
		return c.setIP6Flag(name, v != 0)
	}
	return nil
}

// ip6Int reads an option of SOL_IPV6. Some take less than an int as 0, one takes no
// more, and of what there is not the length is not looked at.
func (c *common) ip6Int(name int, b []byte) (int, error) {
	switch name {
	case unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_IF:
		if c.typ == unix.SOCK_STREAM {
			return 0, unix.ENOPROTOOPT
		}
	case unix.IPV6_CHECKSUM, ipv6HdrIncl:
		if c.typ != unix.SOCK_RAW {
			return 0, unix.ENOPROTOOPT
		}
	case unix.IPV6_PATHMTU, unix.IPV6_HOPLIMIT, ipv6NextHop, unix.IPV6_AUTHHDR, ipv6UseMinMTU:
		return 0, unix.ENOPROTOOPT
	case ipv6UnicastIf:
		if len(b) != 4 {
			return 0, unix.EINVAL
		}
	case unix.IPV6_DONTFRAG, ipv6AutoFlowLabel, ipv6RecvFragSize:
		if len(b) < 4 {
			return 0, nil
		}
	}
	v, err := intValue(b)
	if err == nil && name == unix.IPV6_MULTICAST_LOOP && v != 0 && v != 1 {
		err = unix.EINVAL
	}
	return v, err
}

const ipv6UseMinMTU = 63

func (c *common) setIP6Flag(name int, on bool) error {
	o := &c.ip6
	switch name {
	case unix.IPV6_MULTICAST_LOOP:
		o.mcastLoop = on
	case ipv6MulticastAll:
		o.mcastAll = on
	case unix.IPV6_RECVERR:
		if o.recvErr = on; !on {
			c.errs.Clear()
		}
	case unix.IPV6_DONTFRAG:
		o.dontFrag = on
	case ipv6Freebind:
		c.freebind = on
	case ipv6HdrIncl:
		o.hdrIncl = on
	case ipv6AutoFlowLabel:
		o.autoFlow = uint8(2 - bit(on))
	case ipv6FlowInfoSend:
		o.flowSend = on
	case ipv6RecvFragSize:
		o.fragSize = on
	case unix.IPV6_RECVPATHMTU:
		o.pathMTU = on
	case ipv6RouterAlertIsolate:
		o.isolate = on
	case unix.IPV6_V6ONLY:
		return c.setV6Only(on)
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// Which addresses are preferred as a source, IPV6_ADDR_PREFERENCES (RFC 5014).
const (
	preferTmp       = 1
	preferPublic    = 2
	preferCoA       = 4
	preferHome      = 0x400
	preferCGA       = 8
	preferNonCGA    = 0x800
	preferPubTmpDef = 0x100
)

// setPreferences sets those of the groups that v has one of.
func (o *ip6Options) setPreferences(v int) error {
	set, mask := 0, ^0
	switch v & (preferTmp | preferPublic | preferPubTmpDef) {
	case preferPublic:
		set, mask = set|preferPublic, mask&^(preferPublic|preferTmp)
	case preferTmp:
		set, mask = set|preferTmp, mask&^(preferPublic|preferTmp)
	case preferPubTmpDef:
		mask &^= preferPublic | preferTmp
	case 0:
	default:
		return unix.EINVAL
	}
	switch v & (preferHome | preferCoA) {
	case preferHome:
		mask &^= preferCoA
	case preferCoA:
		set |= preferCoA
	case 0:
	default:
		return unix.EINVAL
	}
	switch v & (preferCGA | preferNonCGA) {
	case preferCGA, preferNonCGA, 0:
	default:
		return unix.EINVAL
	}
	o.prefer = o.prefer&mask | set
	return nil
}

// setV6Only is refused once the socket has a port.
func (c *common) setV6Only(on bool) error {
	if b, ok := c.self.(interface{ boundLocked() bool }); ok && b.boundLocked() {
		return unix.EINVAL
	}
	c.v6only = on
	return nil
}

func (c *common) setChecksum6(v int) error {
	switch {
	case c.proto == unix.IPPROTO_ICMPV6:
		return unix.EINVAL
	case v > 0 && v&1 != 0:
		return unix.EINVAL
	}
	c.ip6.checksum = max(v, -1)
	return nil
}

func (c *common) setMulticastIf6(index int) error {
	if index != 0 {
		if c.stack.NIC(index) == nil {
			return unix.ENODEV
		}
		if c.device != 0 && c.device != index {
			return unix.EINVAL
		}
	}
	c.ip6.mcastIf = index
	return nil
}

// setAnycast joins an anycast address: struct ipv6_mreq.
func (c *common) setAnycast(join bool, b []byte, admin bool) error {
	if len(b) < 20 {
		return unix.EINVAL
	}
	if join && !admin {
		return unix.EPERM
	}
	addr, index := addr6Option(b), int(int32(binary.NativeEndian.Uint32(b[16:])))
	if !join {
		return c.dropAnycast(addr)
	}
	if addr.IsMulticast() || c.stack.isLocal(addr, index) {
		return unix.EINVAL
	}
	n := c.stack.NIC(index)
	switch {
	case index != 0 && n == nil:
		return unix.ENODEV
	case index == 0:
		n = c.stack.defaultNIC(addr)
	}
	if n == nil || !n.forwards6() && !n.onLink6(addr) {
		return unix.EADDRNOTAVAIL // a host has them of its own networks only
	}
	c.mu.Lock()
	if c.ip6.anycast[addr] != 0 || len(c.ip6.anycast) >= maxMemberships {
		c.mu.Unlock()
		return unix.EADDRINUSE
	}
	if c.ip6.anycast == nil {
		c.ip6.anycast = map[netip.Addr]int{}
	}
	c.ip6.anycast[addr] = n.index
	c.mu.Unlock()
	n.joinAnycast(addr) // neighbours are told, which may lead back to the socket: no lock is held
	return nil
}

func (c *common) dropAnycast(addr netip.Addr) error {
	c.mu.Lock()
	at := c.ip6.anycast[addr]
	delete(c.ip6.anycast, addr)
	c.mu.Unlock()
	if at == 0 {
		return unix.ENOENT
	}
	if n := c.stack.NIC(at); n != nil {
		n.leaveAnycast(addr)
	}
	return nil
}
