package unix

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// Recv implements socket.Socket.
func (s *Sock) Recv(t current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	s.recv.Lock()
	defer s.recv.Unlock()
	if s.isStream() {
		n, err := s.recvStream(t, dst, m)
		if err == nil {
			s.tellQueued(m)
		}
		return n, err
	}
	return s.recvPacket(t, dst, m)
}

// head returns the packet that is next, or why there is none. With an error of
// nil and no packet the stream is at its end.
func (s *Sock) head() (*packet, error) {
	s.st.Lock()
	defer s.st.Unlock()
	switch {
	case len(s.st.in) > 0:
		return s.st.in[0], nil
	case s.st.err != nil:
		err := s.st.err
		s.st.err = nil
		return nil, err
	case s.hasConnections() && s.st.state != connected && s.st.state != closed:
		if s.typ == unix.SOCK_SEQPACKET {
			return nil, unix.ENOTCONN
		}
		return nil, unix.EINVAL
	case s.st.shutRd:
		return nil, nil
	}
	return nil, unix.EAGAIN
}

// take removes the first packet; the receiver owns it.
func (s *Sock) take(p *packet) {
	s.st.Lock()
	s.st.in[0] = nil
	s.st.in = s.st.in[1:]
	if len(s.st.in) == 0 {
		s.st.in = nil
	}
	s.st.inBytes -= len(p.data)
	s.st.Unlock()
	if s.awaited.Load() {
		s.wake(false)
	}
}

// recvPacket receives one message and drops what of it does not fit.
func (s *Sock) recvPacket(t current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	flags := m.Flags
	m.Flags = 0
	p, err := s.head()
	skip := 0
	if peek := s.opts.Peek(); p != nil && flags&unix.MSG_PEEK != 0 && peek > 0 {
		p, skip, err = s.past(peek)
	}
	if p == nil {
		return 0, err
	}
	n, err := dst.CopyOut(p.data[skip:])
	if err != nil {
		return 0, err
	}
	if n < len(p.data)-skip {
		m.Flags |= unix.MSG_TRUNC
	}
	s.describe(p, m)
	total := len(p.data) - skip
	if flags&unix.MSG_PEEK != 0 {
		m.Files = shareFiles(p.ctl.Files)
		s.opts.Peeked(total)
	} else {
		s.opts.Peeked(-total)
		s.take(p)
		m.Files = p.ctl.Files
		s.ns.flight.Add(-int64(len(m.Files)))
		p.ctl.Files = nil
		s.free(t, p)
	}
	if flags&unix.MSG_TRUNC != 0 {
		return int64(total), nil
	}
	return int64(n), nil
}

// past returns the message that SO_PEEK_OFF says, and where in it: EAGAIN if there
// are not so many bytes.
func (s *Sock) past(peek int) (*packet, int, error) {
	s.st.Lock()
	defer s.st.Unlock()
	for _, p := range s.st.in {
		if peek < len(p.data) || len(p.data) == 0 && peek == 0 {
			return p, peek, nil
		}
		peek -= len(p.data)
	}
	if s.st.shutRd {
		return nil, 0, nil
	}
	return nil, 0, unix.EAGAIN
}

// describe tells m of the sender.
func (s *Sock) describe(p *packet, m *socket.Message) {
	if p.addr != nil {
		m.Addr = p.addr.sockaddr()
	}
	told := s.told.Load()
	m.Cred, m.HasCred = p.ctl.Cred, told&tellCred != 0
	m.Process, m.HasProcess = p.ctl.Process, told&tellProcess != 0
	if on, nano := s.opts.Stamps(); on && !s.isStream() {
		at := p.at
		if at.IsZero() { // asked for since
			at = time.Now()
		}
		m.Items = append(m.Items, stamp(at, nano))
	}
}

// foreign reports whether p is of another sender than what m tells of.
func foreign(p *packet, m *socket.Message) bool {
	return (m.HasCred || m.HasProcess) && (p.ctl.Cred != m.Cred || p.ctl.Process != m.Process)
}

// stamp is SCM_TIMESTAMP, or SCM_TIMESTAMPNS.
func stamp(at time.Time, nano bool) socket.Item {
	le, sub, typ := binary.LittleEndian, uint64(at.Nanosecond()), int32(unix.SCM_TIMESTAMPNS)
	if !nano {
		sub, typ = sub/1000, unix.SCM_TIMESTAMP
	}
	return socket.Item{Level: unix.SOL_SOCKET, Type: typ, Data: le.AppendUint64(le.AppendUint64(nil, uint64(at.Unix())), sub)}
}

// tellQueued adds how many bytes are left to be read: SO_INQ.
func (s *Sock) tellQueued(m *socket.Message) {
	if !s.opts.Flag(socket.SO_INQ) {
		return
	}
	s.st.Lock()
	n := s.st.inBytes
	s.st.Unlock()
	m.Items = append(m.Items, socket.Item{Level: unix.SOL_SOCKET, Type: socket.SO_INQ, Data: socket.IntValue(int32(n))})
}

func shareFiles(fs []*vfs.File) []*vfs.File {
	out := append([]*vfs.File(nil), fs...)
	for _, f := range out {
		f.IncRef()
	}
	return out
}

// recvStream fills dst from as many packets as it takes, but not across a
// change of sender's credentials nor past one that carries descriptors.
func (s *Sock) recvStream(t current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Flags&unix.MSG_PEEK != 0 {
		return s.peekStream(dst, m)
	}
	m.Flags = 0
	var done int64
	for first := true; first || dst.Len() > 0; first = false {
		p, err := s.head()
		if p == nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		if first {
			s.describe(p, m)
			if s.isStream() {
				m.Addr = nil
			}
		} else if foreign(p, m) {
			return done, nil
		} else if len(m.Files) > 0 && len(p.ctl.Files) > 0 {
			return done, nil
		}
		n, err := dst.CopyOut(p.data)
		done += int64(n)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		s.opts.Peeked(-n)
		fds := len(p.ctl.Files) > 0
		if fds {
			m.Files = append(m.Files, p.ctl.Files...)
			s.ns.flight.Add(-int64(len(p.ctl.Files)))
			p.ctl.Files = nil
		}
		if n == len(p.data) {
			s.take(p)
			s.free(t, p)
		} else {
			s.st.Lock()
			p.data = p.data[n:]
			s.st.inBytes -= n
			s.st.Unlock()
		}
		if fds {
			return done, nil
		}
	}
	return done, nil
}

// peekStream is recvStream that leaves everything where it is. Like Linux it does
// not wait for more than there is.
func (s *Sock) peekStream(dst usermem.Buffer, m *socket.Message) (int64, error) {
	m.Flags = 0
	if p, err := s.head(); p == nil {
		return 0, err
	}
	s.st.Lock()
	in := s.st.in // only receivers take out of it
	s.st.Unlock()
	skip := max(s.opts.Peek(), 0)
	for len(in) > 0 && skip >= len(in[0].data) {
		skip, in = skip-len(in[0].data), in[1:]
	}
	if len(in) == 0 {
		s.st.Lock()
		defer s.st.Unlock()
		if s.st.shutRd {
			return 0, nil
		}
		return 0, unix.EAGAIN
	}
	s.describe(in[0], m)
	m.Addr = nil
	var done int64
	for _, p := range in {
		if dst.Len() == 0 || foreign(p, m) {
			break
		}
		n, err := dst.CopyOut(p.data[skip:])
		skip = 0
		s.opts.Peeked(n)
		done += int64(n)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		if len(p.ctl.Files) > 0 {
			m.Files = shareFiles(p.ctl.Files)
			break
		}
	}
	return done, nil
}
