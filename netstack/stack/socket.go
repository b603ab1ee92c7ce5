package stack

import (
	"io"
	"net/netip"
	"time"

	"hull/netstack/dgram"
	"hull/netstack/link"
)

// Address is where a socket is bound, or sends to: sockaddr_in, sockaddr_in6 or
// sockaddr_ll without their layout.
type Address struct {
	netip.AddrPort        // the zone of the Addr is not used
	Scope          int    // sin6_scope_id: an interface
	Flow           uint32 // sin6_flowinfo
	// Unspec is family AF_UNSPEC: connect(2) with it dissolves the association.
	Unspec bool
	// Of packet sockets: the interface is Scope.
	Link *LinkAddress
}

// LinkAddress is what sockaddr_ll says besides the interface.
type LinkAddress struct {
	Protocol uint16 // of Ethernet, in host order
	HWType   uint16
	Type     uint8 // PACKET_*
	Addr     link.Address
	Len      uint8
}

// The protocols of sockets are IPPROTO_* numbers; families AF_INET, AF_INET6 and
// AF_PACKET; types SOCK_STREAM, SOCK_DGRAM and SOCK_RAW.

// Owner is who made a socket: for /proc/net, rules by user and capabilities.
type Owner struct {
	UID, GID uint32
	Inode    uint64 // of the socket in sockfs, set by SetInode
	// Raw and Admin say that the owner had CAP_NET_RAW and CAP_NET_ADMIN in the
	// namespace when the socket was made.
	Raw, Admin bool
	// Beside says that the socket keeps nobody from the ports that it has: it is
	// none of those that the namespace's programs know of. Packets to its very
	// address are its own, also beside a socket that is bound to any.
	Beside bool
}

// Socket is an endpoint. Its methods may be called by any goroutine.
//
// Errors are errnos as the system call of that name gives them.
type Socket interface {
	// Bind is bind(2). privileged is CAP_NET_BIND_SERVICE.
	Bind(a Address, privileged bool) error
	// Connect is connect(2): EINPROGRESS once for TCP, then EALREADY, EISCONN or
	// the pending error.
	Connect(a Address) error
	Listen(backlog int) error
	// Accept returns the next connection and its peer, or EAGAIN. The new socket
	// has no wake function yet.
	Accept() (Socket, Address, error)
	// Shutdown is shutdown(2); how is SHUT_RD, SHUT_WR or SHUT_RDWR.
	Shutdown(how int) error
	// Name returns the own address; Peer the other one, or ENOTCONN.
	Name() (Address, error)
	Peer() (Address, error)

	// Send takes up to n bytes of src. A stream may take fewer, and nothing is
	// EAGAIN; a message is taken whole or not at all. EPIPE raises no signal.
	// src is read without the socket's lock, at most n bytes of it, and its
	// error (EFAULT) is returned if nothing was sent before.
	Send(src io.Reader, n int, m *SendMeta) (int, error)
	// Recv writes up to n bytes to dst and says in m what belongs to them. 0 is
	// the end of a stream.
	Recv(dst io.Writer, n int, m *RecvMeta) (int, error)

	// SetOption is setsockopt(2) for SOL_SOCKET and all levels of the socket's
	// protocols. The options about credentials, filters of processes and
	// SO_RCVTIMEO and SO_SNDTIMEO are the caller's. admin and raw are
	// CAP_NET_ADMIN and CAP_NET_RAW of who asks. ENOPROTOOPT for one that is not known.
	SetOption(level, name int, value []byte, admin, raw bool) error
	// Option is getsockopt(2). max is how much the caller takes; in is what he
	// passed in, for the few options that read it.
	Option(level, name, max int, in []byte) ([]byte, error)
	// Ioctl answers SIOCINQ, SIOCOUTQ, SIOCATMARK; ENOIOCTLCMD for others.
	Ioctl(cmd uint32) (int, error)

	// Ready returns the EPOLL* bits that hold now, as Linux's poll of the
	// protocol has them, without EPOLLERR and EPOLLHUP masked.
	Ready() uint32
	// SetWake has f called after events may have come to hold: the bits that
	// just happened, also if they held before (an edge for epoll). f must not
	// block, and may call Ready. It is called without locks.
	SetWake(f func(events uint32))

	Listed
	SetInode(ino uint64)

	// Close gives the socket up. A TCP connection goes on until it is closed in
	// order, or by its lingering. lingers reports that SO_LINGER asks the caller
	// to wait so long, at most, for Ready to have EPOLLHUP.
	Close() (lingers time.Duration)
}

// Stream is a Socket of TCP.
type Stream interface {
	// Inq returns how many bytes can be read without passing an urgent one, and
	// whether the other end has sent its last: ENOTCONN of a listener.
	Inq() (n int, ended bool, err error)
}

// Listed is a socket as lists show it.
type Listed interface {
	// Buffers returns the sizes in bytes: SO_SNDBUF and SO_RCVBUF.
	Buffers() (snd, rcv int)
	Family() int
	Type() int
	Protocol() int
	// Info is what /proc/net and sock_diag say.
	Info() SocketInfo
}

// SendMeta is what goes with a send besides its bytes.
type SendMeta struct {
	To *Address // nil: the connected peer
	// Flags are MSG_OOB, MSG_MORE, MSG_DONTROUTE, MSG_CONFIRM, MSG_EOR,
	// MSG_FASTOPEN, MSG_ZEROCOPY, MSG_PROBE; others are the caller's.
	Flags int

	// Control data; the zero values ask for the socket's own.
	Source  netip.Addr // IP_PKTINFO, IPV6_PKTINFO
	IIF     int
	TTL     int // IP_TTL, IPV6_HOPLIMIT; HasTTL
	TOS     int // IP_TOS, IPV6_TCLASS; HasTOS
	HasTTL  bool
	HasTOS  bool
	Segment int    // UDP_SEGMENT
	Options []byte // IP_RETOPTS
	// IPV6_HOPOPTS and IPV6_DSTOPTS, which ExtensionHeader has checked; if there is
	// one, none of the socket's own is sent. HasFlow: IPV6_FLOWINFO; HasDontFrag.
	HopOpts, DstOpts []byte
	Flow             uint32
	HasFlow          bool
	DontFrag         bool
	HasDontFrag      bool
	Mark             uint32 // SO_MARK, of the privileged; HasMark
	HasMark          bool
	TSFlags          uint32 // SO_TIMESTAMPING
	HasTS            bool
	TSKey            uint32 // SCM_TS_OPT_ID: the number that the time stamp tells; HasTSKey
	HasTSKey         bool
	Priority         uint32 // SO_PRIORITY; HasPriority
	HasPriority      bool
}

// RecvMeta is what comes with a receive besides its bytes.
type RecvMeta struct {
	// Flags are MSG_PEEK, MSG_OOB, MSG_TRUNC, MSG_ERRQUEUE, MSG_WAITALL before;
	// MSG_TRUNC, MSG_OOB, MSG_ERRQUEUE, MSG_EOR after.
	Flags int
	// Least has MSG_PEEK of a stream say EAGAIN while it has fewer bytes and more
	// may come.
	Least   int
	From    Address
	HasFrom bool

	// Msg is what a datagram says besides: nil for a stream. Its Packet is gone.
	Msg     *dgram.Message
	message dgram.Message // what Msg points to
	// Full is the length of the datagram, for MSG_TRUNC.
	Full int
	// Received is when it arrived (wall clock), if time stamps were asked for.
	Received time.Time
	HWTime   time.Time
	// Err is what MSG_ERRQUEUE took.
	Err *dgram.Error
	// Control is which control messages the socket's options ask for.
	Control ControlSet
	// PathMTU is what a path takes that a send was too long for (IPV6_RECVPATHMTU), nil
	// for nothing. There is no datagram then.
	PathMTU *PathMTU
	// Inq is how many bytes are left to read, for WantInq (TCP_CM_INQ).
	Inq int
}

// PathMTU is what is told of a path: struct ip6_mtuinfo.
type PathMTU struct {
	To  Address
	MTU int
}

// ControlSet is the control messages that a socket asked for, by its options.
type ControlSet uint32

// The control messages.
const (
	WantPktInfo      ControlSet = 1 << iota // IP_PKTINFO or IPV6_RECVPKTINFO
	WantTTL                                 // IP_RECVTTL or IPV6_RECVHOPLIMIT
	WantTOS                                 // IP_RECVTOS or IPV6_RECVTCLASS
	WantOptions                             // IP_RECVOPTS
	WantRetOpts                             // IP_RETOPTS
	WantOrigDst                             // IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR
	WantFlow                                // IPV6_FLOWINFO
	WantTime                                // SO_TIMESTAMP
	WantTimeNS                              // SO_TIMESTAMPNS
	WantTimestamping                        // SO_TIMESTAMPING
	WantSegment                             // UDP_GRO
	WantDrops                               // SO_RXQ_OVFL
	WantAuxdata                             // PACKET_AUXDATA
	WantInq                                 // TCP_INQ
	WantMark                                // SO_RCVMARK
	WantPriority                            // SO_RCVPRIORITY
	WantHopOpts                             // IPV6_RECVHOPOPTS
	WantDstOpts                             // IPV6_RECVDSTOPTS
	WantRtHdr                               // IPV6_RECVRTHDR
	WantOldPktInfo                          // IPV6_2292PKTINFO, and so on
	WantOldHopLimit
	WantOldHopOpts
	WantOldDstOpts
	WantOldRtHdr
	WantFragSize // IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE
)

// SocketInfo is what is told of a socket.
type SocketInfo struct {
	Family, Type, Protocol int
	Local, Remote          Address
	State                  uint8 // TCP_*: also of UDP (TCP_CLOSE or TCP_ESTABLISHED)
	RxQueue, TxQueue       int
	Owner                  Owner
	Device                 int
	Mark                   uint32
	Drops                  uint32
	V6Only                 bool
	ReuseAddr              bool
	Shutdown               uint8
	Refs                   int
	// Of TCP: the timer that runs (as /proc/net/tcp has it), and TCP_INFO.
	Timer       uint8
	Expires     time.Duration
	Retransmits uint8
	Probes      uint8
	TCPInfo     []byte // struct tcp_info, or nil
	Congestion  string
}
