package unix

import (
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
	return s.opts.Set(name, value, t.Cred().HasCap(unix.CAP_NET_ADMIN))
}

// Option implements socket.Socket.
func (s *Sock) Option(t current.Task, level, name int32, _ int) ([]byte, error) {
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
	case unix.SO_ERROR, unix.SO_ACCEPTCONN, unix.SO_PEERCRED:
		return s.stateOption(t, name), nil
	}
	return s.opts.Get(name)
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
	c := s.st.peerCred // SO_PEERCRED
	if s.st.state != connected || s.typ == unix.SOCK_DGRAM && c == (unix.Ucred{}) {
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
