package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

// The options of SOL_NETLINK that x/sys does not name.
const netlinkListMemberships = 9

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, level, name int32, value []byte) error {
	switch level {
	case unix.SOL_SOCKET:
		return s.opts.Set(t, s.net.ns, name, value)
	case unix.SOL_NETLINK:
	default:
		return unix.ENOPROTOOPT
	}
	var v int32
	if len(value) >= 4 {
		v, _ = socket.Int(value)
	} else if name == unix.NETLINK_ADD_MEMBERSHIP || name == unix.NETLINK_DROP_MEMBERSHIP {
		return unix.EINVAL
	}
	switch name {
	case unix.NETLINK_ADD_MEMBERSHIP, unix.NETLINK_DROP_MEMBERSHIP:
		if !s.mayListen(t) {
			return unix.EPERM
		}
		if v <= 0 || int(v) > s.groupCount() {
			return unix.EINVAL
		}
		s.setGroup(uint32(v), name == unix.NETLINK_ADD_MEMBERSHIP)
	case unix.NETLINK_LISTEN_ALL_NSID:
		if !s.net.ns.May(t, unix.CAP_NET_BROADCAST) {
			return unix.EPERM
		}
		s.setFlag(name, v != 0)
		if v != 0 {
			s.net.cfg.Numbers.hear(s.number)
		}
	case unix.NETLINK_NO_ENOBUFS:
		s.setFlag(name, v != 0)
		if v != 0 {
			s.st.Lock()
			s.st.congested = false
			s.st.Unlock()
		}
	case unix.NETLINK_PKTINFO, unix.NETLINK_BROADCAST_ERROR, unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK:
		s.setFlag(name, v != 0)
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

func (s *Sock) setFlag(name int32, on bool) {
	s.st.Lock()
	defer s.st.Unlock()
	if s.st.flags == nil {
		s.st.flags = map[int32]bool{}
	}
	s.st.flags[name] = on
}

func (s *Sock) flag(name int32) bool {
	s.st.Lock()
	defer s.st.Unlock()
	return s.st.flags[name]
}

// Option implements socket.Socket.
func (s *Sock) Option(_ current.Task, level, name int32, most int) ([]byte, error) {
	switch level {
	case unix.SOL_SOCKET:
		return s.socketOption(name, most)
	case unix.SOL_NETLINK:
	default:
		return nil, unix.ENOPROTOOPT
	}
	switch name {
	case unix.NETLINK_PKTINFO, unix.NETLINK_BROADCAST_ERROR, unix.NETLINK_NO_ENOBUFS, unix.NETLINK_LISTEN_ALL_NSID,
		unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK:
		if most < 4 {
			return nil, unix.EINVAL
		}
		return socket.Bool(s.flag(name)), nil
	case netlinkListMemberships:
		s.st.Lock()
		defer s.st.Unlock()
		if len(s.st.groups) == 0 {
			return nil, nil
		}
		b := make([]byte, (s.groupCount()+31)/32*4)
		for i := range len(b) / 4 {
			if i/2 < len(s.st.groups) {
				binary.NativeEndian.PutUint32(b[i*4:], uint32(s.st.groups[i/2]>>(i%2*32)))
			}
		}
		return b, nil
	}
	return nil, unix.ENOPROTOOPT
}

func (s *Sock) socketOption(name int32, most int) ([]byte, error) {
	switch name {
	case unix.SO_MEMINFO:
		i := s.Info()
		return socket.MemInfo(i.Bytes, i.RcvBuf, 0, i.SndBuf, i.Drops), nil
	case unix.SO_COOKIE:
		if most < 8 {
			return nil, unix.EINVAL
		}
		return binary.LittleEndian.AppendUint64(nil, s.Info().Inode), nil
	case unix.SO_PEERCRED: // nobody made a connection
		c := unix.Ucred{Uid: ^uint32(0), Gid: ^uint32(0)}
		return append([]byte(nil), usermem.BytesOf(&c)...), nil
	case unix.SO_TYPE:
		return socket.IntValue(s.typ), nil
	case unix.SO_DOMAIN:
		return socket.IntValue(unix.AF_NETLINK), nil
	case unix.SO_PROTOCOL:
		return socket.IntValue(s.number), nil
	case unix.SO_ACCEPTCONN:
		return socket.IntValue(0), nil
	case unix.SO_ERROR:
		s.st.Lock()
		defer s.st.Unlock()
		var v int32
		if e, ok := s.st.err.(unix.Errno); ok {
			v = int32(e)
		}
		s.st.err = nil
		return socket.IntValue(v), nil
	}
	return s.opts.Get(s.net.ns, name, most)
}
