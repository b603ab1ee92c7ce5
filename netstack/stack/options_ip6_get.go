package stack

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

func (c *common) ip6Option(name, max int, in []byte) ([]byte, error) {
	switch name {
	case unix.MCAST_MSFILTER:
		return c.membershipFilter(true, name, max, in)
	case unix.IPV6_MTU:
		return c.pathMTU(max)
	case unix.IPV6_PATHMTU:
		return c.pathMTUInfo(max)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.ip6
	if w := ip6Want(name); w != 0 {
		return intBytes(bit(o.want&w != 0), max), nil
	}
	v := 0
	switch name {
	case unix.IPV6_HOPOPTS, unix.IPV6_RTHDR, unix.IPV6_DSTOPTS, unix.IPV6_RTHDRDSTOPTS:
		return cut(o.ext.get(name), max), nil
	case unix.IPV6_2292PKTOPTIONS:
		if c.typ != unix.SOCK_STREAM {
			return nil, unix.ENOPROTOOPT
		}
		return nil, nil // a stream has none
	case unix.IPV6_UNICAST_HOPS:
		if v = o.hops; v < 0 {
			v = int(c.stack.conf6All[conf6HopLimit].Load())
		}
	case unix.IPV6_MULTICAST_HOPS:
		v = o.mcastHops
	case unix.IPV6_MULTICAST_IF:
		v = o.mcastIf
	case unix.IPV6_TCLASS:
		if v = o.tclass; v < 0 {
			v = 0
		}
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
		v = o.preferences()
	case ipv6AddrForm:
		x, ok := c.self.(formed)
		if !ok || !c.carries() {
			return nil, unix.ENOPROTOOPT
		}
		if _, err := x.mappedLocked(); err != nil {
			return nil, err
		}
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

// preferences is IPV6_ADDR_PREFERENCES, with what holds where nothing was asked for.
func (o *ip6Options) preferences() int {
	v := o.prefer & (preferTmp | preferPublic | preferCoA)
	if v&(preferTmp|preferPublic) == 0 {
		v |= preferPubTmpDef
	}
	if v&preferCoA == 0 {
		v |= preferHome
	}
	return v
}

// labelled reports whether packets get a flow label of their own: as the socket
// says, or net.ipv6.auto_flowlabels (0 never, 1 and 2 if it says so, 3 always).
func (c *common) labelled() bool {
	switch mode := c.stack.tune(tV6AutoFlowlabels); {
	case mode == 0 || mode == 3:
		return mode == 3
	case c.ip6.autoFlow == 0:
		return mode == 1
	}
	return c.ip6.autoFlow == 1
}

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
		return o.rfc4884, true
	case unix.IPV6_DONTFRAG:
		return o.dontFrag, true
	case unix.IPV6_V6ONLY:
		return c.v6only && c.typ != unix.SOCK_RAW, true
	case ipv6Freebind:
		return c.freebind, true
	case ipv6Transparent:
		return c.transparent, true
	case ipv6HdrIncl:
		return o.hdrIncl, c.typ == unix.SOCK_RAW
	case ipv6AutoFlowLabel:
		if o.autoFlow == 0 {
			mode := c.stack.tune(tV6AutoFlowlabels)
			return mode == 1 || mode == 3, true
		}
		return o.autoFlow == 1, true
	case ipv6FlowInfoSend:
		return o.flowSend, true
	case ipv6RecvFragSize:
		return o.fragSize, true
	case unix.IPV6_RECVPATHMTU:
		return o.pathMTU, true
	case ipv6RouterAlert:
		return o.alert, true
	case ipv6RouterAlertIsolate:
		return o.isolate, true
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
			w = w&^WantPktInfo | c.ip6.want&(WantPktInfo|WantOldPktInfo)
		}
	}
	if v6 && c.ip6.fragSize || !v6 && c.ip4.fragSize {
		w |= WantFragSize
	}
	if c.flags&fDrops != 0 {
		w |= WantDrops
	}
	if c.flags&fRcvMark != 0 {
		w |= WantMark
	}
	if c.flags&fRcvPriority != 0 {
		w |= WantPriority
	}
	return w
}

// wantExtensions is the control messages about extension headers.
const wantExtensions = WantHopOpts | WantDstOpts | WantRtHdr | WantOldHopOpts | WantOldDstOpts | WantOldRtHdr
