package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/ipv4"
)

// Numbers of SOL_IP that x/sys may lack.
const (
	ipBindNoPort     = 24
	ipUnicastIf      = 50
	ipLocalPortRange = 51
	ipRecvFragSize   = 25
	ipChecksum       = 23
	ipRecvErrRFC4884 = 26
	ipProtocol       = 52
	ipPktOptions     = 9
)

// ip4Options are a socket's options of SOL_IP.
type ip4Options struct {
	tos       int
	ttl       int // -1 is the default
	mcastTTL  int
	mcastLoop bool
	mcastAll  bool
	mcastIf   int
	mcastAddr netip.Addr
	mtuDisc   int // IP_PMTUDISC_*
	recvErr   bool
	passSec   bool // kept: there are no security labels
	rfc4884   bool // kept: extensions of ICMP errors are not told
	hdrIncl   bool
	options   []byte
	want      ControlSet
	minTTL    int
	unicastIf int
	noPort    bool // IP_BIND_ADDRESS_NO_PORT
	portLow   uint16
	portHigh  uint16
	noDefrag  bool
	fragSize  bool
	checksum  bool
	alert     bool
}

func (o *ip4Options) init() {
	o.ttl, o.mcastTTL, o.mcastLoop, o.mcastAll, o.mtuDisc = -1, 1, true, true, unix.IP_PMTUDISC_WANT
}

// ip4Want returns the control message that an option of SOL_IP asks for, 0 if it
// is none of those.
func ip4Want(name int) ControlSet {
	switch name {
	case unix.IP_PKTINFO:
		return WantPktInfo
	case unix.IP_RECVTTL:
		return WantTTL
	case unix.IP_RECVTOS:
		return WantTOS
	case unix.IP_RECVOPTS:
		return WantOptions
	case unix.IP_RETOPTS:
		return WantRetOpts
	case unix.IP_RECVORIGDSTADDR:
		return WantOrigDst
	}
	return 0
}

// smallInt reads an option that is an int or a byte, as those of SOL_IP are.
// Nothing at all is 0 to most of them.
func smallInt(name int, b []byte) (int, error) {
	switch {
	case len(b) != 4 && (name == ipUnicastIf || name == ipLocalPortRange):
		return 0, unix.EINVAL
	case len(b) >= 4:
		return int(int32(binary.NativeEndian.Uint32(b))), nil
	case len(b) >= 1:
		return int(b[0]), nil
	}
	switch name {
	case unix.IP_TTL, unix.IP_MULTICAST_TTL, unix.IP_MULTICAST_LOOP, unix.IP_MULTICAST_ALL, unix.IP_FREEBIND, unix.IP_TRANSPARENT, unix.IP_MINTTL:
		return 0, unix.EINVAL
	}
	return 0, nil
}

func (c *common) setIP4Option(name int, value []byte, admin, raw bool) error {
	switch name {
	case unix.IP_ADD_MEMBERSHIP, unix.IP_DROP_MEMBERSHIP, unix.IP_ADD_SOURCE_MEMBERSHIP, unix.IP_DROP_SOURCE_MEMBERSHIP,
		unix.IP_BLOCK_SOURCE, unix.IP_UNBLOCK_SOURCE, unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_BLOCK_SOURCE,
		unix.MCAST_UNBLOCK_SOURCE, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.IP_MSFILTER, unix.MCAST_MSFILTER:
		return c.setMembership(false, name, value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.ip4
	switch name {
	case unix.IP_MULTICAST_IF:
		return c.setMulticastIf4(value)
	case unix.IP_OPTIONS:
		b, err := ipv4.ValidOptions(value)
		if err == nil {
			o.options = b
		}
		return err
	}
	if c.typ == unix.SOCK_STREAM && (name == unix.IP_MULTICAST_TTL || name == unix.IP_HDRINCL) {
		if name == unix.IP_HDRINCL {
			return unix.ENOPROTOOPT
		}
		return unix.EINVAL
	}
	v, err := smallInt(name, value)
	if err != nil {
		return err
	}
	if w := ip4Want(name); w != 0 {
		o.want &^= w
		if v != 0 {
			o.want |= w
		}
		return nil
	}
	switch name {
	case unix.IP_TOS:
		if c.typ == unix.SOCK_STREAM {
			v = v&^3 | o.tos&3 // ECN is the protocol's own
		}
		if o.tos != v&0xff {
			o.tos = v & 0xff
			c.priority = tosPriority(o.tos)
		}
	case unix.IP_TTL:
		if v != -1 && (v < 1 || v > 255) {
			return unix.EINVAL
		}
		o.ttl = v
	case unix.IP_MULTICAST_TTL:
		if v < -1 || v > 255 {
			return unix.EINVAL
		}
		if v == -1 {
			v = 1
		}
		o.mcastTTL = v
	case unix.IP_MTU_DISCOVER:
		if v < unix.IP_PMTUDISC_DONT || v > unix.IP_PMTUDISC_OMIT {
			return unix.EINVAL
		}
		o.mtuDisc = v
	case unix.IP_MINTTL:
		if v < 0 || v > 255 {
			return unix.EINVAL
		}
		o.minTTL = v
	case unix.IP_HDRINCL:
		if c.typ != unix.SOCK_RAW {
			return unix.ENOPROTOOPT
		}
		o.hdrIncl = v != 0
	case unix.IP_NODEFRAG:
		if c.typ != unix.SOCK_RAW {
			return unix.ENOPROTOOPT
		}
		o.noDefrag = v != 0
	case unix.IP_TRANSPARENT:
		if v != 0 && !admin && !raw {
			return unix.EPERM
		}
		c.transparent = v != 0
	case ipUnicastIf:
		return c.setUnicastIf(&o.unicastIf, v)
	case ipLocalPortRange:
		lo, hi := uint16(v), uint16(uint32(v)>>16)
		if lo != 0 && hi != 0 && lo > hi {
			return unix.EINVAL
		}
		o.portLow, o.portHigh = lo, hi
	case unix.IP_ROUTER_ALERT:
		if c.typ != unix.SOCK_RAW || c.proto == unix.IPPROTO_RAW {
			return unix.EINVAL
		}
		switch { // as Linux says it
		case v == 0 && !o.alert:
			return unix.ENOBUFS
		case v != 0 && o.alert:
			return unix.EADDRINUSE
		}
		o.alert = v != 0
	case unix.IP_MULTICAST_ALL:
		if v != 0 && v != 1 {
			return unix.EINVAL
		}
		o.mcastAll = v != 0
	case ipRecvErrRFC4884:
		if v != 0 && v != 1 {
			return unix.EINVAL
		}
		o.rfc4884 = v != 0
	default:
		return c.setIP4Flag(name, v != 0)
	}
	return nil
}

func (c *common) setIP4Flag(name int, on bool) error {
	switch name {
	case unix.IP_MULTICAST_LOOP:
		c.ip4.mcastLoop = on
	case unix.IP_RECVERR:
		if c.ip4.recvErr = on; !on {
			c.errs.Clear()
		}
	case unix.IP_FREEBIND:
		c.freebind = on
	case ipBindNoPort:
		c.ip4.noPort = on
	case ipRecvFragSize:
		if c.typ != unix.SOCK_RAW && c.typ != unix.SOCK_DGRAM {
			return unix.EINVAL
		}
		c.ip4.fragSize = on
	case ipChecksum:
		c.ip4.checksum = on
	case unix.IP_PASSSEC:
		c.ip4.passSec = on
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// tosPriority is the priority that a type of service gives a socket's packets:
// Linux's ip_tos2prio, of TC_PRIO_*.
func tosPriority(tos int) uint32 {
	return [16]uint32{0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4}[tos>>1&15]
}

// setUnicastIf reads an index in network order.
func (c *common) setUnicastIf(to *int, v int) error {
	index := int(int32(binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, uint32(v)))))
	if index != 0 && (c.stack.NIC(index) == nil || c.device != 0 && c.device != index) {
		if c.stack.NIC(index) == nil {
			return unix.EADDRNOTAVAIL
		}
		return unix.EINVAL
	}
	*to = index
	return nil
}

// setMulticastIf4 reads struct in_addr, ip_mreq or ip_mreqn.
func (c *common) setMulticastIf4(b []byte) error {
	if c.typ == unix.SOCK_STREAM {
		return unix.EINVAL
	}
	if len(b) < 4 {
		return unix.EINVAL
	}
	addr, index := addr4Option(b), 0
	if len(b) >= 8 {
		addr = addr4Option(b[4:])
	}
	if len(b) >= 12 {
		index = int(int32(binary.NativeEndian.Uint32(b[8:])))
	}
	if index == 0 {
		if addr.IsUnspecified() {
			c.ip4.mcastIf, c.ip4.mcastAddr = 0, netip.Addr{}
			return nil
		}
		n := c.stack.nicOf(addr)
		if n == nil {
			return unix.EADDRNOTAVAIL
		}
		index = n.index
	} else if c.stack.NIC(index) == nil {
		return unix.EADDRNOTAVAIL
	}
	if c.device != 0 && c.device != index {
		return unix.EINVAL
	}
	if addr.IsUnspecified() {
		addr = netip.Addr{}
	}
	c.ip4.mcastIf, c.ip4.mcastAddr = index, addr
	return nil
}

func (c *common) ip4Option(name, max int, in []byte) ([]byte, error) {
	switch name {
	case unix.IP_MSFILTER, unix.MCAST_MSFILTER:
		return c.membershipFilter(false, name, max, in)
	case unix.IP_MTU:
		return c.pathMTU(max)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.ip4
	if w := ip4Want(name); w != 0 {
		return smallBytes(bit(o.want&w != 0), max), nil
	}
	v := 0
	switch name {
	case unix.IP_OPTIONS:
		return cut(slices.Clone(o.options), max), nil
	case ipPktOptions:
		if c.typ != unix.SOCK_STREAM {
			return nil, unix.ENOPROTOOPT
		}
		return c.pktOptions4(max), nil
	case unix.IP_MULTICAST_IF:
		if !o.mcastAddr.IsValid() {
			return make([]byte, min(4, max)), nil
		}
		a := o.mcastAddr.As4()
		return cut(a[:], max), nil
	case unix.IP_TOS:
		v = o.tos
	case unix.IP_TTL:
		if v = o.ttl; v < 0 {
			v = int(c.stack.tune(tIPDefaultTTL))
		}
	case unix.IP_MULTICAST_TTL:
		v = o.mcastTTL
	case unix.IP_MULTICAST_LOOP:
		v = bit(o.mcastLoop)
	case unix.IP_MULTICAST_ALL:
		v = bit(o.mcastAll)
	case unix.IP_MTU_DISCOVER:
		v = o.mtuDisc
	case unix.IP_RECVERR:
		v = bit(o.recvErr)
	case unix.IP_MINTTL:
		v = o.minTTL
	case unix.IP_HDRINCL:
		v = bit(o.hdrIncl)
	case unix.IP_NODEFRAG:
		v = bit(o.noDefrag)
	case unix.IP_FREEBIND:
		v = bit(c.freebind)
	case unix.IP_TRANSPARENT:
		v = bit(c.transparent)
	case unix.IP_ROUTER_ALERT:
		v = bit(o.alert)
	case ipBindNoPort:
		v = bit(o.noPort)
	case ipRecvFragSize:
		v = bit(o.fragSize)
	case ipChecksum:
		v = bit(o.checksum)
	case unix.IP_PASSSEC:
		v = bit(o.passSec)
	case ipRecvErrRFC4884:
		v = bit(o.rfc4884)
	case ipProtocol:
		v = c.number()
	case ipUnicastIf:
		v = int(int32(binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, uint32(o.unicastIf)))))
	case ipLocalPortRange:
		v = int(int32(uint32(o.portHigh)<<16 | uint32(o.portLow)))
	default:
		return nil, unix.ENOPROTOOPT
	}
	return smallBytes(v, max), nil
}

// number is what IP_PROTOCOL tells: a raw socket's protocol, another one's port.
func (c *common) number() int {
	if c.typ == unix.SOCK_RAW {
		return c.proto
	}
	if x, ok := c.self.(interface{ portLocked() uint16 }); ok {
		return int(x.portLocked())
	}
	return 0
}

// pktOptions4 is IP_PKTOPTIONS: what control messages of a stream would tell.
func (c *common) pktOptions4(room int) []byte {
	var b []byte
	put := func(typ int, data []byte) {
		if size := unix.CmsgLen(len(data)); len(b)+size <= room {
			b = binary.NativeEndian.AppendUint64(b, uint64(size))
			b = binary.NativeEndian.AppendUint32(b, unix.SOL_IP)
			b = binary.NativeEndian.AppendUint32(b, uint32(typ))
			b = append(b, data...)
			b = append(b, make([]byte, min(unix.CmsgSpace(len(data))-size, room-len(b)))...)
		}
	}
	word := func(v int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }
	if c.ip4.want&WantPktInfo != 0 {
		info := word(c.ip4.mcastIf)
		a := netip.IPv4Unspecified()
		if x, ok := c.self.(interface{ addrLocked() netip.Addr }); ok {
			if own := x.addrLocked(); own.Is4() {
				a = own
			}
		}
		v := a.As4()
		put(unix.IP_PKTINFO, append(append(info, v[:]...), v[:]...))
	}
	if c.ip4.want&WantTTL != 0 {
		put(unix.IP_TTL, word(c.ip4.mcastTTL))
	}
	if c.ip4.want&WantTOS != 0 {
		put(unix.IP_TOS, word(0))
	}
	return b
}

// smallBytes is an int, or a byte for who takes no more and the value fits.
func smallBytes(v, max int) []byte {
	if max > 0 && max < 4 && v >= 0 && v <= 255 {
		return []byte{uint8(v)}
	}
	return intBytes(v, max)
}
