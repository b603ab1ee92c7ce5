package stack

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Numbers of SOL_IPV6 that x/sys may lack.
const (
	ipv6MulticastAll    = 29
	ipv6RecvErrRFC4884  = 31
	ipv6HdrIncl         = 36
	ipv6AddrPreferences = 72
	ipv6MinHopCount     = 73
	ipv6OrigDstAddr     = 74
	ipv6Transparent     = 75
	ipv6UnicastIf       = 76
	ipv6RecvFragSize    = 77
	ipv6Freebind        = 78
	ipv6FlowInfo        = 11
	ipv6FlowInfoSend    = 33
	ipv6AutoFlowLabel   = 70
	ipv6AddrForm        = 1
	ipv6RouterAlert     = 22
)

// ip6Options are a socket's options of SOL_IPV6.
type ip6Options struct {
	hops      int // -1 is the default
	mcastHops int
	mcastIf   int
	mcastLoop bool
	mcastAll  bool
	tclass    int
	mtuDisc   int
	mtu       int // IPV6_MTU: fragments are no larger
	dontFrag  bool
	recvErr   bool
	want      ControlSet
	old       ControlSet // of want, those that were asked for by the names of RFC 2292
	hdrIncl   bool
	checksum  int // IPV6_CHECKSUM: offset, or -1
	unicastIf int
	minHops   int
	autoFlow  bool
	flowSend  bool
	flow      uint32
	prefer    int
	pathMTU   bool
	fragSize  bool
	rtHdr     bool
	hopOpts   bool
	dstOpts   bool
	alert     int
	anycast   map[netip.Addr]int
}

func (o *ip6Options) init() {
	o.hops, o.mcastHops, o.mcastLoop, o.mcastAll, o.mtuDisc, o.tclass = -1, 1, true, true, unix.IPV6_PMTUDISC_WANT, -1
	o.checksum, o.alert, o.autoFlow = -1, -1, true
}

// ip6Want returns the control message that an option of SOL_IPV6 asks for, 0 if
// it is none of those.
func ip6Want(name int) ControlSet {
	switch name {
	case unix.IPV6_RECVPKTINFO, unix.IPV6_2292PKTINFO:
		return WantPktInfo
	case unix.IPV6_RECVHOPLIMIT, unix.IPV6_2292HOPLIMIT:
		return WantTTL
	case unix.IPV6_RECVTCLASS:
		return WantTOS
	case ipv6OrigDstAddr:
		return WantOrigDst
	case ipv6FlowInfo:
		return WantFlow
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
	case unix.IPV6_PKTINFO, unix.IPV6_HOPOPTS, unix.IPV6_RTHDR, unix.IPV6_DSTOPTS, unix.IPV6_RTHDRDSTOPTS, unix.IPV6_2292PKTOPTIONS:
		// Extension headers of one's own are not sent.
		if len(value) == 0 {
			return nil
		}
		return unix.EINVAL
	}
	v, err := ip6Int(name, value, c.typ == unix.SOCK_STREAM)
	if err != nil {
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
	switch name {
	case unix.IPV6_UNICAST_HOPS:
		if v < -1 || v > 255 {
			return unix.EINVAL
		}
		o.hops = v
	case unix.IPV6_MULTICAST_HOPS:
		if c.typ == unix.SOCK_STREAM {
			return unix.ENOPROTOOPT
		}
		if v < -1 || v > 255 {
			return unix.EINVAL
		}
		if o.mcastHops = v; v < 0 {
			o.mcastHops = 1
		}
	case unix.IPV6_MULTICAST_IF:
		return c.setMulticastIf6(v)
	case unix.IPV6_TCLASS:
		if v < -1 || v > 255 {
			return unix.EINVAL
		}
		o.tclass = v
	case unix.IPV6_MTU_DISCOVER:
		if v < unix.IPV6_PMTUDISC_DONT || v > unix.IPV6_PMTUDISC_OMIT {
			return unix.EINVAL
		}
		o.mtuDisc = v
	case unix.IPV6_MTU:
		if v != 0 && v < 1280 {
			return unix.EINVAL
		}
		o.mtu = v
	case unix.IPV6_CHECKSUM:
		return c.setChecksum6(v)
	case ipv6MinHopCount:
		if v < 0 || v > 255 {
			return unix.EINVAL
		}
		o.minHops = v
	case ipv6UnicastIf:
		return c.setUnicastIf(&o.unicastIf, v)
	case ipv6Transparent:
		if v != 0 && !admin && !raw {
			return unix.EPERM
		}
		c.transparent = v != 0
	case ipv6AddrPreferences:
		o.prefer = v
	case ipv6RouterAlert:
		if c.typ != unix.SOCK_RAW || c.proto != unix.IPPROTO_RAW {
			return unix.ENOPROTOOPT
		}
		o.alert = v
	case ipv6AddrForm:
		return unix.ENOTCONN
	default:
		return c.setIP6Flag(name, v != 0)
	}
	return nil
}

// ip6Int reads an option of SOL_IPV6. Some take less than an int as 0, and one
// takes no more.
func ip6Int(name int, b []byte, stream bool) (int, error) {
	switch name {
	case unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_IF:
		if stream {
			return 0, unix.ENOPROTOOPT
		}
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
	case ipv6RecvErrRFC4884:
	case unix.IPV6_DONTFRAG:
		o.dontFrag = on
	case ipv6Freebind:
		c.freebind = on
	case ipv6HdrIncl:
		if c.typ != unix.SOCK_RAW {
			return unix.ENOPROTOOPT
		}
		o.hdrIncl = on
	case ipv6AutoFlowLabel:
		o.autoFlow = on
	case ipv6FlowInfoSend:
		o.flowSend = on
	case ipv6RecvFragSize:
		o.fragSize = on
	case unix.IPV6_RECVPATHMTU:
		o.pathMTU = on
	case unix.IPV6_RECVRTHDR:
		o.rtHdr = on
	case unix.IPV6_RECVHOPOPTS:
		o.hopOpts = on
	case unix.IPV6_RECVDSTOPTS:
		o.dstOpts = on
	case unix.IPV6_V6ONLY:
		return c.setV6Only(on)
	default:
		return unix.ENOPROTOOPT
	}
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
	case c.typ != unix.SOCK_RAW:
		return unix.ENOPROTOOPT
	case c.proto == unix.IPPROTO_ICMPV6:
		return unix.EINVAL
	case v > 0 && v&1 != 0:
		return unix.EINVAL
	}
	c.ip6.checksum = max(v, -1)
	return nil
}

func (c *common) setMulticastIf6(index int) error {
	if c.typ == unix.SOCK_STREAM {
		return unix.ENOPROTOOPT
	}
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
	if addr.IsMulticast() {
		return unix.EINVAL
	}
	n := c.stack.NIC(index)
	if index == 0 {
		n = c.stack.defaultNIC(addr)
	}
	if n == nil {
		return unix.ENODEV
	}
	c.mu.Lock()
	at := c.ip6.anycast[addr]
	switch {
	case !join && at == 0:
		c.mu.Unlock()
		return unix.ENOENT
	case !join:
		delete(c.ip6.anycast, addr)
	case at != 0, len(c.ip6.anycast) >= maxMemberships:
		c.mu.Unlock()
		return unix.EADDRINUSE
	default:
		if c.ip6.anycast == nil {
			c.ip6.anycast = map[netip.Addr]int{}
		}
		c.ip6.anycast[addr] = n.index
	}
	c.mu.Unlock()
	// Neighbours are told, which may lead back to the socket: no lock is held.
	if join {
		n.joinAnycast(addr)
	} else if n = c.stack.NIC(at); n != nil {
		n.leaveAnycast(addr)
	}
	return nil
}

func (c *common) ip6Option(name, max int, in []byte) ([]byte, error) {
	switch name {
	case unix.MCAST_MSFILTER:
		return c.membershipFilter(name, max, in)
	case unix.IPV6_MTU, unix.IPV6_PATHMTU:
		return c.pathMTU(max)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.ip6
	if w := ip6Want(name); w != 0 {
		return intBytes(bit(o.want&w != 0), max), nil
	}
	v := 0
	switch name {
	case unix.IPV6_UNICAST_HOPS:
		if v = o.hops; v < 0 {
			v = int(c.stack.conf6All[conf6HopLimit].Load())
		}
	case unix.IPV6_MULTICAST_HOPS:
		v = o.mcastHops
	case unix.IPV6_MULTICAST_IF:
		v = o.mcastIf
	case unix.IPV6_TCLASS:
		v = max2(o.tclass, 0)
	case unix.IPV6_MTU_DISCOVER:
		v = o.mtuDisc
	case unix.IPV6_CHECKSUM:
		if c.typ != unix.SOCK_RAW {
			return nil, unix.ENOPROTOOPT
		}
		v = o.checksum
	case ipv6MinHopCount:
		v = o.minHops
	case ipv6UnicastIf:
		v = int(int32(binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, uint32(o.unicastIf)))))
	case ipv6AddrPreferences:
		v = o.prefer
	case ipv6AddrForm:
		v = unix.AF_INET6
	default:
		b, ok := c.ip6Flag(name)
		if !ok {
			return nil, unix.ENOPROTOOPT
		}
		v = bit(b)
	}
	return intBytes(v, max), nil
}

func max2(a, b int) int { return max(a, b) }

func (c *common) ip6Flag(name int) (on, ok bool) {
	o := &c.ip6
	switch name {
	case unix.IPV6_MULTICAST_LOOP:
		return o.mcastLoop, true
	case ipv6MulticastAll:
		return o.mcastAll, true
	case unix.IPV6_RECVERR:
		return o.recvErr, true
	case ipv6RecvErrRFC4884:
		return false, true
	case unix.IPV6_DONTFRAG:
		return o.dontFrag, true
	case unix.IPV6_V6ONLY:
		return c.v6only, true
	case ipv6Freebind:
		return c.freebind, true
	case ipv6Transparent:
		return c.transparent, true
	case ipv6HdrIncl:
		return o.hdrIncl, true
	case ipv6AutoFlowLabel:
		return o.autoFlow, true
	case ipv6FlowInfoSend:
		return o.flowSend, true
	case ipv6RecvFragSize:
		return o.fragSize, true
	case unix.IPV6_RECVPATHMTU:
		return o.pathMTU, true
	case unix.IPV6_RECVRTHDR:
		return o.rtHdr, true
	case unix.IPV6_RECVHOPOPTS:
		return o.hopOpts, true
	case unix.IPV6_RECVDSTOPTS:
		return o.dstOpts, true
	}
	return false, false
}

// wants returns the control messages that the socket asks for, for a datagram of
// the family. The caller holds the lock.
func (c *common) wants(v6 bool) ControlSet {
	w := c.wantTime()
	if v6 {
		w |= c.ip6.want
	} else {
		w |= c.ip4.want
		if c.v6() { // told by the mapped address
			w = w&^WantPktInfo | c.ip6.want&WantPktInfo
		}
	}
	if c.flags&fDrops != 0 {
		w |= WantDrops
	}
	if c.flags&fRcvMark != 0 {
		w |= WantMark
	}
	return w
}
