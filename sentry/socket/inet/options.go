package inet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/socket/xtables"
	"hull/sentry/usermem"
)

// Numbers that x/sys lacks, asm-generic/socket.h.
const (
	soPassRights  = socket.SO_PASSRIGHTS
	soNetNSCookie = socket.SO_NETNS_COOKIE
	tcpListen     = 10
)

// tables returns the legacy tables that options of a level are about.
func (s *Sock) tables(level int32) (x xtables.Tables, ok bool) {
	v6 := level == unix.SOL_IPV6 && s.Family() == unix.AF_INET6
	return xtables.Tables{Stack: s.n.stack, V6: v6}, v6 || level == unix.SOL_IP && s.Family() == unix.AF_INET
}

// MaxValue implements socket.Roomy: a table of iptables comes as one value.
func (s *Sock) MaxValue(level, name int32) int {
	if _, ok := s.tables(level); ok && xtables.IsSet(name) {
		return xtables.MaxValue
	}
	return 0
}

// SetOptionAt implements socket.Answering: a flow label that was chosen is told.
func (s *Sock) SetOptionAt(t current.Task, level, name int32, value []byte, addr usermem.Addr) (bool, error) {
	if level != unix.SOL_IPV6 || name != ipv6FlowLabelMgr || s.Family() != unix.AF_INET6 {
		return false, nil
	}
	x, ok := s.st.(stack.FlowLabeler)
	if !ok {
		return false, nil
	}
	_, tgid := t.IDs()
	label, err := x.FlowLabel(value, stack.FlowUser{UID: t.Cred().EUID, PID: tgid, Admin: s.n.net.May(t, unix.CAP_NET_ADMIN)})
	if err == nil && label != 0 {
		// As on Linux, one who cannot be told has it all the same.
		_, _ = t.Mem().CopyOut(addr+flowLabelAt, binary.BigEndian.AppendUint32(nil, label))
	}
	return true, err
}

const (
	ipv6FlowLabelMgr = 32
	flowLabelAt      = 16 // of the label in struct in6_flowlabel_req
)

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, level, name int32, value []byte) error {
	if x, ok := s.tables(level); ok && xtables.IsSet(name) {
		if !s.n.net.May(t, unix.CAP_NET_ADMIN) {
			return unix.EPERM
		}
		return x.Set(t, name, value)
	}
	if level == unix.SOL_SOCKET {
		switch name {
		case unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW:
			return s.opts.SetTimeout(name, value)
		case unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_PASSPIDFD, soPassRights:
			if len(value) < 4 {
				return unix.EINVAL
			}
			return unix.EOPNOTSUPP // only sockets that carry credentials have them
		case unix.SO_ATTACH_FILTER, unix.SO_ATTACH_REUSEPORT_CBPF:
			prog, err := socket.CopyFilter(t, value)
			if err != nil {
				return err
			}
			value = prog
		case unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_EBPF:
			return socket.AttachEBPF(t, value)
		}
	}
	err := s.st.SetOption(int(level), int(name), value, s.n.net.May(t, unix.CAP_NET_ADMIN), s.n.net.May(t, unix.CAP_NET_RAW))
	if err == nil && level == unix.SOL_SOCKET && name == unix.SO_RCVLOWAT {
		if b, err := s.st.Option(int(level), int(name), 4, nil); err == nil {
			low, _ := socket.Int(b)
			s.low.Store(low)
		}
	}
	if err == nil && level == unix.SOL_SOCKET && name == unix.SO_TXTIME {
		s.timed.Store(true)
	}
	if err == nil && level == unix.SOL_SOCKET && name == unix.SO_ZEROCOPY {
		v, _ := socket.Int(value) // the stack has checked it
		s.zero.set(v != 0)
	}
	return err
}

// Option implements socket.Socket.
func (s *Sock) Option(_ current.Task, level, name int32, max int) ([]byte, error) {
	if level == unix.SOL_SOCKET {
		switch name {
		case unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW:
			return s.opts.Get(s.n.net, name, max)
		case unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_PASSPIDFD, soPassRights:
			return nil, unix.EOPNOTSUPP
		case unix.SO_PEERCRED:
			// No process is known at the other end.
			c := unix.Ucred{Uid: ^uint32(0), Gid: ^uint32(0)}
			return append([]byte(nil), usermem.BytesOf(&c)...), nil
		case unix.SO_PEERGROUPS, unix.SO_PEERPIDFD:
			return nil, unix.ENODATA
		case unix.SO_PEERSEC:
			return nil, unix.ENOPROTOOPT
		case unix.SO_COOKIE:
			if max < 8 {
				return nil, unix.EINVAL
			}
			return binary.LittleEndian.AppendUint64(nil, s.Cookie()), nil
		case soNetNSCookie:
			if max != 8 {
				return nil, unix.EINVAL
			}
			return binary.LittleEndian.AppendUint64(nil, uint64(s.n.net.ID)), nil
		case unix.SO_TYPE:
			return socket.IntValue(s.typ), nil
		case unix.SO_DOMAIN:
			return socket.IntValue(s.Family()), nil
		case unix.SO_PROTOCOL:
			if s.Family() == unix.AF_PACKET {
				return socket.IntValue(0), nil
			}
			return socket.IntValue(int32(s.st.Protocol())), nil
		case unix.SO_MEMINFO:
			i := s.st.Info()
			snd, rcv := s.st.Buffers()
			if i.Protocol == unix.IPPROTO_TCP && i.State == tcpListen {
				i.RxQueue, i.TxQueue = 0, 0 // they count connections
			}
			return socket.MemInfo(i.RxQueue, rcv, i.TxQueue, snd, i.Drops), nil
		}
	}
	if x, ok := s.tables(level); ok && name == xtables.OriginalDst {
		return x.Original(s.st, max)
	}
	return s.option(level, name, max, nil)
}

// option asks the endpoint.
func (s *Sock) option(level, name int32, max int, in []byte) ([]byte, error) {
	v, err := s.st.Option(int(level), int(name), max, in)
	if err == unix.EINVAL && len(v) == 4 { // the length that it needs
		n, _ := socket.Int(v)
		return nil, socket.TooShort{Errno: unix.EINVAL, Need: int(n)}
	}
	if err == unix.ENOPROTOOPT && s.Family() == unix.AF_INET && s.isForeign(level) {
		err = unix.EOPNOTSUPP
	}
	return v, err
}

// isForeign reports whether a level is of no protocol that an AF_INET socket
// has: getsockopt(2) says so by an error of its own.
func (s *Sock) isForeign(level int32) bool {
	if s.typ == unix.SOCK_DGRAM && isUDP(int(level)) && isUDP(s.st.Protocol()) {
		return false // either is the other's too
	}
	return level != unix.SOL_SOCKET && level != unix.SOL_IP && int(level) != s.st.Protocol() && !(level == unix.SOL_RAW && s.typ == unix.SOCK_RAW)
}

func isUDP(protocol int) bool {
	return protocol == unix.IPPROTO_UDP || protocol == unix.IPPROTO_UDPLITE
}

// Asks implements socket.Asker: filters of multicast sources, and the tables of
// packet filters.
func (s *Sock) Asks(level, name int32) bool {
	if x, ok := s.tables(level); ok && xtables.IsGet(x.V6, name) {
		return true
	}
	switch level {
	case unix.SOL_IP, unix.SOL_IPV6:
		return name == unix.IP_MSFILTER && level == unix.SOL_IP || name == unix.MCAST_MSFILTER ||
			name == ipv6FlowLabelMgr && level == unix.SOL_IPV6 && s.Family() == unix.AF_INET6
	case unix.SOL_TCP:
		return name == unix.TCP_ZEROCOPY_RECEIVE
	case solPacket:
		return name == packetHdrLen
	}
	return false
}

const packetHdrLen = 11

// Answer implements socket.Asker.
func (s *Sock) Answer(t current.Task, level, name int32, in []byte, max int) ([]byte, error) {
	if x, ok := s.tables(level); ok && xtables.IsGet(x.V6, name) {
		if !s.n.net.May(t, unix.CAP_NET_ADMIN) {
			return nil, unix.EPERM
		}
		return x.Get(name, in, max)
	}
	if x, ok := s.st.(stack.FlowLabeler); ok && level == unix.SOL_IPV6 && name == ipv6FlowLabelMgr {
		return x.FlowLease(in, max)
	}
	if x, ok := s.st.(stack.Stream); ok && level == unix.SOL_TCP && name == unix.TCP_ZEROCOPY_RECEIVE {
		return s.zeroReceive(t, x, in)
	}
	return s.option(level, name, len(in), in)
}

// Cookie returns the socket's number for SO_COOKIE.
func (s *Sock) Cookie() uint64 {
	if c := s.cookie.Load(); c != 0 {
		return c
	}
	s.cookie.CompareAndSwap(0, s.n.cookies.last.Add(1))
	return s.cookie.Load()
}
