package unix

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

// SetOption implements socket.Socket.
func (s *Sock) SetOption(t current.Task, level, name int32, value []byte) error {
	if level != unix.SOL_SOCKET {
		return unix.EOPNOTSUPP
	}
	switch name {
	case socket.SO_INQ:
		v, err := socket.Int(value)
		if !s.isStream() && err == nil {
			return unix.ENOPROTOOPT
		}
		if err != nil || len(value) != 4 || v < 0 || v > 1 {
			return unix.EINVAL
		}
		return s.opts.SetFlag(name, value)
	case socket.SO_PASSRIGHTS:
		v, err := socket.Int(value)
		if err == nil {
			s.refuses.Store(v == 0)
		}
		return err
	case unix.SO_PEEK_OFF:
		return s.opts.SetPeek(value)
	case unix.SO_PASSPIDFD:
		v, err := socket.Int(value)
		if err == nil {
			s.tell(tellProcess, v != 0)
		}
		return err
	case unix.SO_PASSCRED:
		err := s.opts.Set(t, s.ns.net, name, value)
		if err == nil {
			s.tell(tellCred, s.opts.Flag(name))
		}
		return err
	}
	return s.opts.Set(t, s.ns.net, name, value)
}

// Option implements socket.Socket.
func (s *Sock) Option(t current.Task, level, name int32, most int) ([]byte, error) {
	if level != unix.SOL_SOCKET {
		return nil, unix.EOPNOTSUPP
	}
	switch name {
	case unix.SO_TYPE:
		return socket.IntValue(s.typ), nil
	case unix.SO_DOMAIN:
		return socket.IntValue(unix.AF_UNIX), nil
	case unix.SO_PROTOCOL:
		return socket.IntValue(0), nil
	case socket.SO_PASSRIGHTS:
		return socket.Bool(!s.refuses.Load()), nil
	case unix.SO_PEEK_OFF:
		return socket.IntValue(int32(s.opts.Peek())), nil
	case unix.SO_PASSPIDFD:
		return socket.Bool(s.told.Load()&tellProcess != 0), nil
	case unix.SO_MEMINFO:
		s.st.Lock()
		in := s.st.inBytes
		s.st.Unlock()
		return socket.MemInfo(in, s.opts.ReceiveBuffer(), int(s.wmem.Load()), s.opts.SendBuffer(), 0), nil
	case unix.SO_COOKIE:
		if most < 8 {
			return nil, unix.EINVAL
		}
		return binary.LittleEndian.AppendUint64(nil, s.cookie()), nil
	case unix.SO_ERROR, unix.SO_ACCEPTCONN, unix.SO_PEERCRED:
		return s.stateOption(t, name), nil
	case unix.SO_PEERGROUPS:
		return s.peerGroups(most)
	}
	return s.opts.Get(s.ns.net, name, most)
}

// tell has receivers told of senders, or no more.
func (s *Sock) tell(what uint32, on bool) {
	if on {
		s.told.Or(what)
	} else {
		s.told.And(^what)
	}
}

// PeerProcess implements socket.Peered.
func (s *Sock) PeerProcess() current.Process {
	s.st.Lock()
	defer s.st.Unlock()
	return s.st.peerUser().process
}

// cookie is the socket's number for SO_COOKIE. Inodes are numbered in the same way
// for sockets of all families.
func (s *Sock) cookie() uint64 { return s.ino.Load() }

// peerUser is who SO_PEERCRED tells: whoever connected or accepted, of a listener
// itself. The caller holds the lock.
func (st *sockState) peerUser() *user {
	if st.state == listening {
		return &st.own
	}
	return &st.other
}

// peerGroups is SO_PEERGROUPS: the supplementary groups of who SO_PEERCRED tells.
func (s *Sock) peerGroups(most int) ([]byte, error) {
	s.st.Lock()
	u := *s.st.peerUser()
	s.st.Unlock()
	if u.cred == (unix.Ucred{}) {
		return nil, unix.ENODATA
	}
	groups := u.groups
	b := make([]byte, 0, 4*len(groups))
	for _, g := range groups {
		b = binary.LittleEndian.AppendUint32(b, g)
	}
	if most < len(b) {
		return nil, socket.TooShort{Errno: unix.ERANGE, Need: len(b)}
	}
	return b, nil
}

// stateOption returns an option that tells the socket's state.
func (s *Sock) stateOption(t current.Task, name int32) []byte {
	s.st.Lock()
	defer s.st.Unlock()
	switch name {
	case unix.SO_ERROR:
		var v int32
		if e, ok := s.st.err.(unix.Errno); ok {
			v = int32(e)
		}
		s.st.err = nil
		return socket.IntValue(v)
	case unix.SO_ACCEPTCONN:
		return socket.Bool(s.st.state == listening)
	}
	c := s.st.peerUser().cred // SO_PEERCRED
	if s.st.state != connected && s.st.state != listening || s.typ == unix.SOCK_DGRAM && c == (unix.Ucred{}) {
		c = unix.Ucred{Pid: 0, Uid: ^uint32(0), Gid: ^uint32(0)}
	}
	c.Pid = current.PIDSeenBy(t, c.Pid)
	return append([]byte(nil), usermem.BytesOf(&c)...)
}

// LowWater implements vfs.LowWater.
func (s *Sock) LowWater() int {
	if !s.isStream() {
		return 1
	}
	return s.opts.LowWater()
}

// Deadline implements vfs.Timed.
func (s *Sock) Deadline(send bool) time.Time { return s.opts.Deadline(send) }
