package hostinet

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/socket"
)

// Info is what lists of sockets say of one.
type Info struct {
	Family, Type, Protocol int
	Local, Remote          netip.AddrPort // Remote is of zeros without a peer
	Scope                  int            // of a link-local address: its interface
	State                  uint8          // TCP_*; of datagrams TCP_ESTABLISHED or TCP_CLOSE
	RxQueue, TxQueue       int            // bytes; of a listener what waits, and what may
	SendBuffer, RecvBuffer int
	UID                    uint32 // who made it
	Inode                  uint64
	V6Only, ReuseAddr      bool
	TCPInfo                []byte // struct tcp_info, nil of others
	Congestion             string
}

// The states and the fields of struct tcp_info that matter here, linux/tcp.h: the
// backlog of a listener is where segments are counted else.
const (
	tcpEstablished = 1
	tcpClose       = 7
	tcpListen      = 10

	tcpiUnacked = 24
	tcpiSacked  = 28
)

// Sockets returns those there are, in the order in which they were made.
func (n *Network) Sockets() []*Sock {
	p := n.poller
	p.mu.Lock()
	all := make([]*Sock, 0, len(p.all))
	for _, s := range p.all {
		all = append(all, s)
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b *Sock) int { return cmp.Compare(a.id, b.id) })
	return all
}

// SetInode implements socket.Numbered.
func (s *Sock) SetInode(ino uint64) { s.inode.Store(ino) }

// Protocol is that of the socket, IPPROTO_*.
func (s *Sock) Protocol() int32 { return s.protocol }

// Info returns what is to be listed; of a socket that was closed meanwhile next to
// nothing.
func (s *Sock) Info() Info {
	i := Info{Family: int(s.family), Type: int(s.typ), Protocol: int(s.protocol), State: tcpClose, UID: s.uid, Inode: s.inode.Load()}
	s.open.Lock() // as long as it is held the descriptor is the socket's
	defer s.open.Unlock()
	if s.open.ended {
		return i
	}
	if name, err := hostNames(unix.SYS_GETSOCKNAME, s.fd); err == nil {
		i.Local, i.Scope = parse(name)
	}
	i.Remote = netip.AddrPortFrom(unspecified(s.family), 0)
	if name, err := hostNames(unix.SYS_GETPEERNAME, s.fd); err == nil {
		i.Remote, _ = parse(name)
		i.State = tcpEstablished
	}
	i.SendBuffer, i.RecvBuffer = s.number(unix.SOL_SOCKET, unix.SO_SNDBUF), s.number(unix.SOL_SOCKET, unix.SO_RCVBUF)
	i.ReuseAddr = s.number(unix.SOL_SOCKET, unix.SO_REUSEADDR) != 0
	i.V6Only = s.family == unix.AF_INET6 && s.number(unix.SOL_IPV6, unix.IPV6_V6ONLY) != 0
	i.RxQueue, i.TxQueue = s.queued(unix.TIOCINQ), s.queued(unix.TIOCOUTQ)
	if s.typ == unix.SOCK_STREAM {
		s.tcpInfo(&i)
	}
	return i
}

func (s *Sock) tcpInfo(i *Info) {
	v, err := hostGet(s.fd, unix.SOL_TCP, unix.TCP_INFO, make([]byte, maxGet))
	if err != nil || len(v) < tcpiSacked+4 {
		return
	}
	i.TCPInfo, i.State = v, v[0]
	if i.State == tcpListen {
		i.RxQueue, i.TxQueue = int(binary.LittleEndian.Uint32(v[tcpiUnacked:])), int(binary.LittleEndian.Uint32(v[tcpiSacked:]))
	}
	var name [16]byte // TCP_CA_NAME_MAX
	if v, err := hostGet(s.fd, unix.SOL_TCP, unix.TCP_CONGESTION, name[:]); err == nil {
		i.Congestion = unix.ByteSliceToString(v)
	}
}

// number is an option that is an int; 0 if the host does not say.
func (s *Sock) number(level, name int32) int {
	var room [4]byte
	v, err := hostGet(s.fd, level, name, room[:])
	if err != nil {
		return 0
	}
	n, _ := socket.Int(v)
	return int(n)
}

// queued is what an ioctl says is in a queue; 0 if there is none.
func (s *Sock) queued(cmd uint32) int {
	var n [4]byte
	if hostIoctl(s.fd, cmd, n[:]) != nil {
		return 0
	}
	return int(binary.LittleEndian.Uint32(n[:]))
}

func unspecified(family int32) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// parse reads a struct sockaddr of the host's.
func parse(b []byte) (a netip.AddrPort, scope int) {
	if len(b) < unix.SizeofSockaddrInet4 {
		return a, 0
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch {
	case binary.LittleEndian.Uint16(b) == unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), 0
	case len(b) < unix.SizeofSockaddrInet6:
		return a, 0
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port), int(int32(binary.LittleEndian.Uint32(b[24:])))
}
