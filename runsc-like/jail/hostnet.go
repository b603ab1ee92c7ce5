package jail

import "golang.org/x/sys/unix"

// HostNetworkRules returns what a sentry whose guest has the host's sockets
// (--network=host) may ask of the host besides: sockets of the Internet's protocols
// in the network namespace that it is in, and the options that
// sentry/socket/hostinet hands on.
func HostNetworkRules() []Rule {
	var rules []Rule
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		echo := uint64(unix.IPPROTO_ICMP)
		if family == unix.AF_INET6 {
			echo = unix.IPPROTO_ICMPV6
		}
		for _, kind := range [][2]uint64{{unix.SOCK_STREAM, unix.IPPROTO_TCP}, {unix.SOCK_DGRAM, unix.IPPROTO_UDP}, {unix.SOCK_DGRAM, echo}} {
			rules = append(rules, Rule{
				Call:   "socket",
				Args:   []Arg{is(0, family), is(1, kind[0]|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), is(2, kind[1])},
				Reason: "--network=host: the guest's sockets",
			})
		}
	}
	for _, part := range [][]Rule{
		allow("--network=host: connections of the guest's sockets", "bind", "connect", "listen", "shutdown"),
		allow("--network=host: addresses of the guest's sockets", "getsockname", "getpeername"),
		allow("--network=host: who tells what is ready", "epoll_create1"),
		each("--network=host: what is under way; when a datagram came", "ioctl", 1, siocAtMark, siocOutQNSD, siocGStamp, siocGStampNS),
	} {
		rules = append(rules, part...)
	}
	for _, o := range hostOptions() {
		for _, name := range o.names {
			for _, call := range o.calls() {
				rules = append(rules, Rule{Call: call, Args: []Arg{is(1, o.level), is(2, name)}, Reason: "--network=host: options of the guest's sockets"})
			}
		}
	}
	return rules
}

// ioctls of sockets, as linux/sockios.h has them.
const (
	siocAtMark   = 0x8905
	siocGStamp   = 0x8906
	siocGStampNS = 0x8907
	siocOutQNSD  = 0x894b
)

// hostOption is options of one level: to be read, to be set or both.
type hostOption struct {
	level    uint64
	get, set bool
	names    []uint64
}

func (o hostOption) calls() []string {
	var cs []string
	if o.get {
		cs = append(cs, "getsockopt")
	}
	if o.set {
		cs = append(cs, "setsockopt")
	}
	return cs
}

// hostOptions are those that sentry/socket/hostinet hands on, which a test of
// runsc-like/boot holds against it. All have plain values: no pointers, no
// descriptors, no programs.
func hostOptions() []hostOption {
	return []hostOption{
		{unix.SOL_SOCKET, true, true, []uint64{
			unix.SO_REUSEADDR, unix.SO_DONTROUTE, unix.SO_BROADCAST, unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_REUSEPORT, unix.SO_SNDBUF,
			unix.SO_RCVBUF, unix.SO_RCVLOWAT, unix.SO_PRIORITY, unix.SO_LINGER, unix.SO_NO_CHECK, unix.SO_RXQ_OVFL, unix.SO_TIMESTAMP,
			unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING, unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW, unix.SO_TIMESTAMPING_NEW,
			unix.SO_BINDTODEVICE, unix.SO_BINDTOIFINDEX, unix.SO_PEEK_OFF, unix.SO_INCOMING_CPU, unix.SO_MAX_PACING_RATE, unix.SO_SELECT_ERR_QUEUE,
		}},
		{unix.SOL_SOCKET, true, false, []uint64{
			unix.SO_ERROR, unix.SO_TYPE, unix.SO_DOMAIN, unix.SO_PROTOCOL, unix.SO_ACCEPTCONN, unix.SO_SNDLOWAT, unix.SO_MEMINFO, unix.SO_COOKIE,
			unix.SO_DEBUG, unix.SO_MARK, unix.SO_INCOMING_NAPI_ID,
		}},
		{unix.SOL_IP, true, true, []uint64{
			unix.IP_TOS, unix.IP_TTL, unix.IP_OPTIONS, unix.IP_RECVOPTS, unix.IP_RETOPTS, unix.IP_PKTINFO, unix.IP_MTU_DISCOVER, unix.IP_RECVERR,
			unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_FREEBIND, unix.IP_MINTTL, unix.IP_CHECKSUM, unix.IP_RECVORIGDSTADDR, unix.IP_RECVFRAGSIZE,
			unix.IP_MULTICAST_IF, unix.IP_MULTICAST_TTL, unix.IP_MULTICAST_LOOP, unix.IP_UNICAST_IF,
			24 /* IP_BIND_ADDRESS_NO_PORT */, 49 /* IP_MULTICAST_ALL */, 51, /* IP_LOCAL_PORT_RANGE */
		}},
		{unix.SOL_IP, true, false, []uint64{unix.IP_MTU, unix.IP_PKTOPTIONS}},
		{unix.SOL_IP, false, true, []uint64{
			unix.IP_ADD_MEMBERSHIP, unix.IP_DROP_MEMBERSHIP, unix.IP_ADD_SOURCE_MEMBERSHIP, unix.IP_DROP_SOURCE_MEMBERSHIP, unix.IP_BLOCK_SOURCE,
			unix.IP_UNBLOCK_SOURCE, unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP,
			unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE,
		}},
		{unix.SOL_IPV6, true, true, []uint64{
			unix.IPV6_V6ONLY, unix.IPV6_UNICAST_HOPS, unix.IPV6_MULTICAST_IF, unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_LOOP, unix.IPV6_UNICAST_IF,
			unix.IPV6_MTU, unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR, unix.IPV6_RECVPKTINFO, unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS,
			unix.IPV6_TCLASS, unix.IPV6_DONTFRAG, unix.IPV6_RECVPATHMTU, unix.IPV6_AUTOFLOWLABEL, unix.IPV6_ADDR_PREFERENCES,
			unix.IPV6_MINHOPCOUNT, unix.IPV6_FREEBIND,
			11 /* IPV6_FLOWINFO */, 29 /* IPV6_MULTICAST_ALL */, 74 /* IPV6_ORIGDSTADDR */, 77, /* IPV6_RECVFRAGSIZE */
		}},
		{unix.SOL_IPV6, true, false, []uint64{unix.IPV6_PATHMTU}},
		{unix.SOL_IPV6, false, true, []uint64{
			unix.IPV6_JOIN_GROUP, unix.IPV6_LEAVE_GROUP, unix.IPV6_JOIN_ANYCAST, unix.IPV6_LEAVE_ANYCAST, unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP,
			unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE,
		}},
		{unix.SOL_TCP, true, true, []uint64{
			unix.TCP_NODELAY, unix.TCP_MAXSEG, unix.TCP_CORK, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_SYNCNT, unix.TCP_LINGER2,
			unix.TCP_DEFER_ACCEPT, unix.TCP_WINDOW_CLAMP, unix.TCP_QUICKACK, unix.TCP_CONGESTION, unix.TCP_THIN_LINEAR_TIMEOUTS, unix.TCP_THIN_DUPACK,
			unix.TCP_USER_TIMEOUT, unix.TCP_FASTOPEN, unix.TCP_FASTOPEN_CONNECT, unix.TCP_TIMESTAMP, unix.TCP_NOTSENT_LOWAT, unix.TCP_INQ,
			unix.TCP_SAVE_SYN, 34 /* TCP_FASTOPEN_NO_COOKIE */, 37, /* TCP_TX_DELAY */
		}},
		{unix.SOL_TCP, true, false, []uint64{unix.TCP_INFO, unix.TCP_CC_INFO, unix.TCP_SAVED_SYN}},
		{unix.SOL_UDP, true, true, []uint64{
			unix.UDP_CORK, 101 /* UDP_NO_CHECK6_TX */, 102 /* UDP_NO_CHECK6_RX */, 103 /* UDP_SEGMENT */, 104, /* UDP_GRO */
		}},
	}
}
