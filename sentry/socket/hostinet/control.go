package hostinet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/socket"
)

// Numbers that x/sys lacks.
const (
	udpSegment       = 103
	udpGRO           = 104
	tcpCmInq         = 36
	ipv6FlowInfo     = 11
	ipv62292PktInfo  = 2
	ipv62292HopLimit = 8
	soMark           = 36
)

const sizeofCmsghdr = unix.SizeofCmsghdr

func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// sendControl appends to b what of the control data of a message is the host's to
// know, and returns how long it is. What would have to do with processes
// (SCM_RIGHTS) means nothing to these sockets; ENOBUFS for more than b has room for.
func (s *Sock) sendControl(b []byte, items []socket.Item) (int, error) {
	for i := range items {
		it := &items[i]
		ok, err := s.mayPass(it)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		n := sizeofCmsghdr + len(it.Data)
		if len(b)+cmsgAlign(n) > cap(b) {
			return 0, unix.ENOBUFS
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
		b = binary.LittleEndian.AppendUint32(b, uint32(it.Level))
		b = binary.LittleEndian.AppendUint32(b, uint32(it.Type))
		b = append(b, it.Data...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	return len(b), nil
}

// mayPass reports whether the host is told an item. Levels that are none of the
// socket's are passed over, as Linux does; a stream looks at SOL_SOCKET only.
func (s *Sock) mayPass(it *socket.Item) (bool, error) {
	datagram := s.typ != unix.SOCK_STREAM
	switch {
	case it.Level == unix.SOL_SOCKET:
		switch it.Type {
		case unix.SCM_RIGHTS, unix.SCM_CREDENTIALS:
			return false, nil
		case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
			return true, nil
		case soMark:
			return false, unix.EPERM
		}
	case !datagram:
		return false, nil
	case it.Level == unix.SOL_IP:
		switch it.Type {
		case unix.IP_PKTINFO, unix.IP_TTL, unix.IP_TOS, unix.IP_RETOPTS:
			return true, nil
		}
		if s.family == unix.AF_INET6 {
			return false, nil
		}
	case it.Level == unix.SOL_IPV6 && s.family == unix.AF_INET:
		return it.Type == unix.IPV6_PKTINFO, nil // in which an address of IPv4 can be
	case it.Level == unix.SOL_IPV6:
		switch it.Type {
		case unix.IPV6_PKTINFO, unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS, unix.IPV6_DONTFRAG, ipv6FlowInfo, ipv62292PktInfo, ipv62292HopLimit:
			return true, nil
		}
	case it.Level == unix.SOL_UDP:
		if it.Type == udpSegment {
			return true, nil
		}
	default:
		return false, nil
	}
	return false, unix.EINVAL
}

// recvControl hands on the control data that the host gave. b is not kept.
func recvControl(m *socket.Message, b []byte) {
	for len(b) >= sizeofCmsghdr {
		n := binary.LittleEndian.Uint64(b)
		if n < sizeofCmsghdr || n > uint64(len(b)) {
			return
		}
		level, typ := int32(binary.LittleEndian.Uint32(b[8:])), int32(binary.LittleEndian.Uint32(b[12:]))
		if passes(level, typ) {
			m.Items = append(m.Items, socket.Item{Level: level, Type: typ, Data: append([]byte(nil), b[sizeofCmsghdr:n]...)})
		}
		b = b[min(cmsgAlign(int(n)), len(b)):]
	}
}

// passes reports whether the guest is told an item: times, and what is of the
// protocols. None of them has a descriptor or a number of the host's processes in
// it.
func passes(level, typ int32) bool {
	switch level {
	case unix.SOL_SOCKET:
		switch typ {
		case unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING,
			unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW, unix.SO_TIMESTAMPING_NEW, unix.SO_RXQ_OVFL:
			return true
		}
	case unix.SOL_IP, unix.SOL_IPV6:
		return true
	case unix.SOL_UDP:
		return typ == udpGRO
	case unix.SOL_TCP:
		return typ == tcpCmInq
	}
	return false
}
