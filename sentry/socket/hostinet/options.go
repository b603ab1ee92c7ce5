package hostinet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
)

// Option is an option that the host knows: socket(7), ip(7), ipv6(7), tcp(7), udp(7).
type Option struct {
	Level, Name int32
	Get, Set    bool
}

// Numbers that x/sys lacks.
const (
	soPassRights      = 83
	soNetNSCookie     = 71
	tcpFastOpenNoCook = 34
	tcpTxDelay        = 37
	udpNoCheck6Tx     = 101
	udpNoCheck6Rx     = 102
	ipv6OrigDstAddr   = 74
	ipv6MulticastAll  = 29
	ipMulticastAll    = 49
	ipBindNoPort      = 24
	ipLocalPortRange  = 51
	ipv6RecvFragSize  = 77
)

// Options returns the options that reach the host. Their values are plain: numbers,
// addresses, names; none has a pointer or a descriptor in it, loads a program, or
// needs a capability that the sentry has not got.
func Options() []Option {
	var all []Option
	add := func(level int32, get, set bool, names ...int32) {
		for _, n := range names {
			all = append(all, Option{level, n, get, set})
		}
	}
	add(unix.SOL_SOCKET, true, true,
		unix.SO_REUSEADDR, unix.SO_DONTROUTE, unix.SO_BROADCAST, unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_REUSEPORT,
		unix.SO_SNDBUF, unix.SO_RCVBUF, unix.SO_RCVLOWAT, unix.SO_PRIORITY, unix.SO_LINGER, unix.SO_NO_CHECK, unix.SO_RXQ_OVFL,
		unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING, unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW, unix.SO_TIMESTAMPING_NEW,
		unix.SO_BINDTODEVICE, unix.SO_BINDTOIFINDEX, unix.SO_PEEK_OFF, unix.SO_INCOMING_CPU, unix.SO_MAX_PACING_RATE, unix.SO_SELECT_ERR_QUEUE)
	add(unix.SOL_SOCKET, true, false,
		unix.SO_ERROR, unix.SO_TYPE, unix.SO_DOMAIN, unix.SO_PROTOCOL, unix.SO_ACCEPTCONN, unix.SO_SNDLOWAT, unix.SO_MEMINFO, unix.SO_COOKIE,
		unix.SO_DEBUG, unix.SO_MARK, unix.SO_INCOMING_NAPI_ID)
	add(unix.SOL_IP, true, true,
		unix.IP_TOS, unix.IP_TTL, unix.IP_OPTIONS, unix.IP_RECVOPTS, unix.IP_RETOPTS, unix.IP_PKTINFO, unix.IP_MTU_DISCOVER, unix.IP_RECVERR,
		unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_FREEBIND, unix.IP_MINTTL, unix.IP_CHECKSUM, unix.IP_RECVORIGDSTADDR, unix.IP_RECVFRAGSIZE,
		unix.IP_MULTICAST_IF, unix.IP_MULTICAST_TTL, unix.IP_MULTICAST_LOOP, unix.IP_UNICAST_IF, ipMulticastAll, ipBindNoPort, ipLocalPortRange)
	add(unix.SOL_IP, true, false, unix.IP_MTU, unix.IP_PKTOPTIONS)
	add(unix.SOL_IP, false, true,
		unix.IP_ADD_MEMBERSHIP, unix.IP_DROP_MEMBERSHIP, unix.IP_ADD_SOURCE_MEMBERSHIP, unix.IP_DROP_SOURCE_MEMBERSHIP, unix.IP_BLOCK_SOURCE, unix.IP_UNBLOCK_SOURCE,
		unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE)
	add(unix.SOL_IPV6, true, true,
		unix.IPV6_V6ONLY, unix.IPV6_UNICAST_HOPS, unix.IPV6_MULTICAST_IF, unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_LOOP, ipv6MulticastAll, unix.IPV6_UNICAST_IF,
		unix.IPV6_MTU, unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR, unix.IPV6_RECVPKTINFO, unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS, unix.IPV6_TCLASS,
		unix.IPV6_DONTFRAG, unix.IPV6_RECVPATHMTU, unix.IPV6_AUTOFLOWLABEL, unix.IPV6_ADDR_PREFERENCES, unix.IPV6_MINHOPCOUNT, unix.IPV6_FREEBIND, ipv6OrigDstAddr,
		ipv6RecvFragSize, ipv6FlowInfo)
	add(unix.SOL_IPV6, true, false, unix.IPV6_PATHMTU)
	add(unix.SOL_IPV6, false, true,
		unix.IPV6_JOIN_GROUP, unix.IPV6_LEAVE_GROUP, unix.IPV6_JOIN_ANYCAST, unix.IPV6_LEAVE_ANYCAST,
		unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE)
	add(unix.SOL_TCP, true, true,
		unix.TCP_NODELAY, unix.TCP_MAXSEG, unix.TCP_CORK, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_SYNCNT, unix.TCP_LINGER2,
		unix.TCP_DEFER_ACCEPT, unix.TCP_WINDOW_CLAMP, unix.TCP_QUICKACK, unix.TCP_CONGESTION, unix.TCP_THIN_LINEAR_TIMEOUTS, unix.TCP_THIN_DUPACK,
		unix.TCP_USER_TIMEOUT, unix.TCP_FASTOPEN, unix.TCP_FASTOPEN_CONNECT, tcpFastOpenNoCook, unix.TCP_TIMESTAMP, unix.TCP_NOTSENT_LOWAT, unix.TCP_INQ,
		unix.TCP_SAVE_SYN, tcpTxDelay)
	add(unix.SOL_TCP, true, false, unix.TCP_INFO, unix.TCP_CC_INFO, unix.TCP_SAVED_SYN)
	add(unix.SOL_UDP, true, true, unix.UDP_CORK, udpSegment, udpGRO, udpNoCheck6Tx, udpNoCheck6Rx)
	return all
}

// table is Options by level and name.
type table map[[2]int32]Option

func newTable() table {
	t := table{}
	for _, o := range Options() {
		t[[2]int32{o.Level, o.Name}] = o
	}
	return t
}

// Bounds of an option's value in bytes.
const (
	maxSet = 264 // struct group_source_req
	maxGet = 1024
)

func isTimeout(name int32) bool {
	switch name {
	case unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW:
		return true
	}
	return false
}

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, level, name int32, value []byte) error {
	if level == unix.SOL_SOCKET {
		if isTimeout(name) {
			return s.opts.SetTimeout(name, value)
		}
		switch name {
		case unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_PASSPIDFD, soPassRights:
			return known(value, unix.EOPNOTSUPP) // only sockets that carry credentials have them
		case unix.SO_SNDBUFFORCE, unix.SO_RCVBUFFORCE, unix.SO_MARK, unix.SO_BUSY_POLL:
			t.Note("nobody has CAP_NET_ADMIN in the host's network namespace")
			return known(value, unix.EPERM)
		case unix.SO_DEBUG:
			if v, err := socket.Int(value); err != nil || v != 0 {
				return known(value, unix.EACCES)
			}
			return nil
		}
	}
	if !s.n.options[[2]int32{level, name}].Set {
		if level == unix.SOL_SOCKET {
			return known(value, unix.ENOPROTOOPT)
		}
		t.Note("no option that the host is told of")
		return unix.ENOPROTOOPT
	}
	if err := hostSet(s.fd, level, name, value[:min(len(value), maxSet)]); err != nil {
		return err
	}
	switch {
	case level != unix.SOL_SOCKET:
	case name == unix.SO_LINGER:
		s.lingers.Store(true)
	case name == unix.SO_RCVLOWAT:
		var room [4]byte
		if v, err := hostGet(s.fd, level, name, room[:]); err == nil && len(v) == 4 {
			s.low.Store(int32(binary.LittleEndian.Uint32(v)))
		}
	}
	return nil
}

// known returns why of an option that takes an int, if value has one.
func known(value []byte, why error) error {
	if _, err := socket.Int(value); err != nil {
		return err
	}
	return why
}

// Option implements socket.Socket.
func (s *Sock) Option(_ current.Task, level, name int32, max int) ([]byte, error) {
	if level == unix.SOL_SOCKET {
		switch {
		case isTimeout(name):
			return s.opts.Get(s.n.net, name, max)
		case name == unix.SO_PASSCRED, name == unix.SO_PASSSEC, name == unix.SO_PASSPIDFD, name == soPassRights:
			return nil, unix.EOPNOTSUPP
		case name == unix.SO_PEERCRED:
			// No process is known at the other end.
			b := binary.LittleEndian.AppendUint32(nil, 0)
			b = binary.LittleEndian.AppendUint32(b, ^uint32(0))
			return binary.LittleEndian.AppendUint32(b, ^uint32(0)), nil
		case name == unix.SO_PEERGROUPS, name == unix.SO_PEERPIDFD:
			return nil, unix.ENODATA
		case name == soNetNSCookie:
			if max < 8 {
				return nil, unix.EINVAL
			}
			return binary.LittleEndian.AppendUint64(nil, uint64(s.n.net.ID)), nil
		}
	}
	if !s.n.options[[2]int32{level, name}].Get {
		if s.family == unix.AF_INET && s.isForeign(level) {
			return nil, unix.EOPNOTSUPP
		}
		return nil, unix.ENOPROTOOPT
	}
	return hostGet(s.fd, level, name, make([]byte, min(max, maxGet)))
}

// isForeign reports whether a level is of no protocol that an AF_INET socket has:
// getsockopt(2) says so by an error of its own.
func (s *Sock) isForeign(level int32) bool {
	switch level {
	case unix.SOL_SOCKET, unix.SOL_IP:
		return false
	case unix.SOL_TCP:
		return s.typ != unix.SOCK_STREAM
	case unix.SOL_UDP:
		return s.typ != unix.SOCK_DGRAM
	}
	return true
}
