package inet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/socket/xtables"
	"hull/sentry/usermem"
)

// Numbers that x/sys lacks, asm-generic/socket.h.
const (
	soPassRights  = 83
	soNetNSCookie = 71
	// maxFilter is BPF_MAXINSNS, of struct sock_filter's 8 bytes each.
	maxFilter        = 4096
	sizeofFilter     = 8
	sizeofFilterProg = 16
)

// tables returns the legacy tables that options of a level are about.
func (s *Sock) tables(level int32) (x xtables.Tables, ok bool) {
	v6 := level == unix.SOL_IPV6 && s.family == unix.AF_INET6
	return xtables.Tables{Stack: s.n.stack, V6: v6}, v6 || level == unix.SOL_IP && s.family == unix.AF_INET
}

// MaxValue implements socket.Roomy: a table of iptables comes as one value.
func (s *Sock) MaxValue(level, name int32) int {
	if _, ok := s.tables(level); ok && xtables.IsSet(name) {
		return xtables.MaxValue
	}
	return 0
}

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
			return s.opts.Set(name, value, false)
		case unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_PASSPIDFD, soPassRights:
			if len(value) < 4 {
				return unix.EINVAL
			}
			return unix.EOPNOTSUPP // only sockets that carry credentials have them
		case unix.SO_ATTACH_FILTER, unix.SO_ATTACH_REUSEPORT_CBPF:
			prog, err := inFilter(t, value)
			if err != nil {
				return err
			}
			value = prog
		case unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_EBPF:
			if len(value) != 4 {
				return unix.EINVAL
			}
			t.Note("hull has no eBPF programs, and so no descriptor is one")
			return unix.EINVAL
		}
	}
	err := s.st.SetOption(int(level), int(name), value, s.n.net.May(t, unix.CAP_NET_ADMIN), s.n.net.May(t, unix.CAP_NET_RAW))
	if err == nil && level == unix.SOL_SOCKET && name == unix.SO_RCVLOWAT {
		if b, err := s.st.Option(int(level), int(name), 4, nil); err == nil {
			low, _ := socket.Int(b)
			s.low.Store(low)
		}
	}
	if err == nil && level == unix.SOL_SOCKET && name == unix.SO_ZEROCOPY {
		v, _ := socket.Int(value) // the stack has checked it
		s.zero.set(v != 0)
	}
	return err
}

// inFilter copies in the program that a struct sock_fprog points to.
func inFilter(t current.Task, fprog []byte) ([]byte, error) {
	if len(fprog) != sizeofFilterProg {
		return nil, unix.EINVAL
	}
	n, addr := binary.LittleEndian.Uint16(fprog), binary.LittleEndian.Uint64(fprog[8:])
	if n == 0 || n > maxFilter {
		return nil, unix.EINVAL
	}
	prog := make([]byte, int(n)*sizeofFilter)
	_, err := t.Mem().CopyIn(usermem.Addr(addr), prog)
	return prog, err
}

// Option implements socket.Socket.
func (s *Sock) Option(_ current.Task, level, name int32, max int) ([]byte, error) {
	if level == unix.SOL_SOCKET {
		switch name {
		case unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW:
			return s.opts.Get(name)
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
			if max < 8 {
				return nil, unix.EINVAL
			}
			return binary.LittleEndian.AppendUint64(nil, uint64(s.n.net.ID)), nil
		case unix.SO_TYPE:
			return socket.IntValue(s.typ), nil
		case unix.SO_DOMAIN:
			return socket.IntValue(s.family), nil
		case unix.SO_PROTOCOL:
			return socket.IntValue(int32(s.st.Protocol())), nil
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
	if err == unix.ENOPROTOOPT && s.family == unix.AF_INET && s.isForeign(level) {
		err = unix.EOPNOTSUPP
	}
	return v, err
}

// isForeign reports whether a level is of no protocol that an AF_INET socket
// has: getsockopt(2) says so by an error of its own.
func (s *Sock) isForeign(level int32) bool {
	return level != unix.SOL_SOCKET && level != unix.SOL_IP && int(level) != s.st.Protocol()
}

// Asks implements socket.Asker: filters of multicast sources, and the tables of
// packet filters.
func (s *Sock) Asks(level, name int32) bool {
	if x, ok := s.tables(level); ok && xtables.IsGet(x.V6, name) {
		return true
	}
	switch level {
	case unix.SOL_IP, unix.SOL_IPV6:
		return name == unix.IP_MSFILTER && level == unix.SOL_IP || name == unix.MCAST_MSFILTER
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
