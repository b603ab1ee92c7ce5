package unix

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

const (
	// chunk is how much of a stream is one packet, in bytes.
	chunk = 32 << 10
	// maxQueued is how many datagrams may wait at a socket
	// (net.unix.max_dgram_qlen).
	maxQueued = 10
	// maxFlight bounds the descriptors under way in a sandbox, whoever sent
	// them: those of sockets that were sent through each other and closed are
	// never received.
	maxFlight = 1 << 14
	// overflowID is who sent something of which nobody wanted to know it.
	overflowID = 65534
	// overhead is what a packet costs beside its bytes.
	overhead = 256
)

// Send implements socket.Socket.
func (s *Sock) Send(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	if n := int64(len(m.Files)); n > 0 {
		if s.ns.flight.Add(n) > min(maxFlight, int64(t.Limits().Get(unix.RLIMIT_NOFILE).Cur)+maxFlight/2) {
			s.ns.flight.Add(-n)
			return 0, unix.ETOOMANYREFS
		}
	}
	sent, err := s.send(t, src, m)
	if sent == 0 && err != nil || len(m.Files) > 0 {
		// What was sent took the files out of m.
		s.ns.flight.Add(-int64(len(m.Files)))
	}
	return sent, err
}

func (s *Sock) send(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	if !m.HasCred {
		m.Cred = credOf(t)
	}
	if s.hasConnections() {
		return s.sendConnected(t, src, m)
	}
	dst, err := s.destination(t, m)
	if err != nil {
		return 0, err
	}
	n, err := s.post(t, dst, src, m)
	if err == unix.ECONNREFUSED && m.Addr == nil {
		s.st.Lock()
		if s.st.peer == dst {
			s.st.peer, s.st.state = nil, idle
		}
		s.st.Unlock()
	}
	return n, err
}

// destination finds the socket that a datagram goes to.
func (s *Sock) destination(t current.Task, m *socket.Message) (*Sock, error) {
	s.st.Lock()
	dst, shut := s.st.peer, s.st.shutWr
	s.st.Unlock()
	if shut {
		return nil, unix.EPIPE
	}
	if m.Addr == nil {
		if dst == nil {
			return nil, unix.ENOTCONN
		}
		return dst, nil
	}
	dst, err := s.ns.lookup(t, m.Addr, s.typ)
	if err != nil {
		return nil, err
	}
	if !dst.accepts(s) {
		return nil, unix.EPERM
	}
	return dst, nil
}

func (s *Sock) sendConnected(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	s.st.Lock()
	dst, shut, st := s.st.peer, s.st.shutWr, s.st.state
	s.st.Unlock()
	switch {
	case m.Addr != nil && s.isStream() && st == connected:
		return 0, unix.EISCONN
	case m.Addr != nil && s.isStream():
		return 0, unix.EOPNOTSUPP
	case shut:
		return 0, unix.EPIPE
	case dst == nil:
		return 0, unix.ENOTCONN
	case !s.isStream():
		return s.post(t, dst, src, m)
	}
	var done int64
	for src.Len() > 0 {
		n, err := s.post(t, dst, src.Take(chunk), m)
		done += n
		src.Skip(uint64(n))
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
	}
	return done, nil
}

// post puts one packet into dst's queue.
func (s *Sock) post(t current.Task, dst *Sock, src usermem.Buffer, m *socket.Message) (int64, error) {
	n := int(src.Len())
	room := int64(s.opts.SendBuffer()) - s.wmem.Load()
	if s.isStream() {
		if room <= 0 {
			return 0, unix.EAGAIN
		}
	} else {
		if n > s.opts.SendBuffer()-32 {
			return 0, unix.EMSGSIZE
		}
		if room < int64(n) && s.wmem.Load() > 0 {
			return 0, unix.EAGAIN
		}
		if s.typ == unix.SOCK_DGRAM && dst.full(s) {
			return 0, unix.EAGAIN
		}
	}
	p := &packet{data: make([]byte, n), from: s, ctl: m.Control, size: n + overhead}
	if _, err := src.CopyIn(p.data); err != nil {
		return 0, err
	}
	switch {
	case m.HasCred: // he said who he is
	case s.told.Load()|dst.told.Load() == 0: // nobody asks
		p.ctl.Cred = unix.Ucred{Uid: overflowID, Gid: overflowID}
	default:
		p.ctl.Process = current.ProcessOf(t)
	}
	s.st.Lock()
	p.addr = s.st.addr.shared()
	s.st.Unlock()
	if len(m.Files) > 0 && dst.refuses.Load() {
		return 0, unix.EPERM
	}
	if !s.isStream() {
		k := dst.opts.Accepts(p.data)
		if k == 0 && n > 0 {
			return int64(n), nil // the receiver's filter drops it: nobody is told
		}
		p.data = p.data[:k]
		if on, _ := dst.opts.Stamps(); on {
			p.at = time.Now()
		}
	}

	dst.st.Lock()
	switch {
	case dst.st.state == closed && s.typ == unix.SOCK_DGRAM:
		dst.st.Unlock()
		return 0, unix.ECONNREFUSED
	case dst.st.state == closed, dst.st.shutRd:
		dst.st.Unlock()
		return 0, unix.EPIPE
	}
	s.wmem.Add(int64(p.size))
	first := len(dst.st.in) == 0
	dst.st.in = append(dst.st.in, p)
	dst.st.inBytes += len(p.data)
	dst.st.Unlock()
	m.Files = nil // now the packet's
	if first || !dst.isStream() || !dst.queue.Empty() {
		dst.queue.Notify(wait.In | wait.RdNrm)
	}
	return int64(n), nil
}
