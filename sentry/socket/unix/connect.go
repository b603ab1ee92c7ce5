package unix

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/wait"
)

// maxBacklog is net.core.somaxconn.
const maxBacklog = 4096

// Listen implements socket.Socket.
func (s *Sock) Listen(t current.Task, backlog int) error {
	if !s.hasConnections() {
		return unix.EOPNOTSUPP
	}
	s.st.Lock()
	defer s.st.Unlock()
	if s.st.addr == nil || s.st.state != idle && s.st.state != listening {
		return unix.EINVAL
	}
	if backlog < 0 || backlog > maxBacklog {
		backlog = maxBacklog
	}
	s.st.state, s.st.backlog, s.st.own = listening, backlog, userOf(t)
	return nil
}

// Accept implements socket.Socket.
func (s *Sock) Accept(current.Task) (socket.Socket, error) {
	if !s.hasConnections() {
		return nil, unix.EOPNOTSUPP
	}
	s.st.Lock()
	if s.st.state != listening {
		s.st.Unlock()
		return nil, unix.EINVAL
	}
	if len(s.st.pending) == 0 {
		shut := s.st.shutRd
		s.st.Unlock()
		if shut {
			return nil, unix.EINVAL
		}
		return nil, unix.EAGAIN
	}
	c := s.st.pending[0]
	s.st.pending = s.st.pending[1:]
	s.st.Unlock()
	if s.awaited.Load() {
		s.wake(false)
	}
	return c, nil
}

// Connect implements socket.Socket.
func (s *Sock) Connect(t current.Task, addr []byte) error {
	if len(addr) >= 2 && addr[0] == unix.AF_UNSPEC && addr[1] == 0 {
		return s.disconnect()
	}
	if s.opts.Flag(unix.SO_PASSCRED) {
		s.st.Lock()
		named := s.st.addr != nil
		s.st.Unlock()
		if !named {
			if err := s.autobind(); err != nil {
				return err
			}
		}
	}
	if !s.hasConnections() {
		return s.connectDatagram(t, addr)
	}
	l, err := s.ns.lookup(t, addr, s.typ)
	if err != nil {
		return err
	}
	// The connection is whole before anybody can see either end of it.
	srv := &Sock{ns: s.ns, typ: s.typ}
	l.st.Lock()
	srv.st.addr, srv.st.own = l.st.addr.shared(), l.st.own
	l.st.Unlock()
	srv.st.peer, srv.st.state, srv.st.other = s, connected, userOf(t)
	srv.inherit(l)

	s.st.Lock()
	switch s.st.state {
	case connected:
		s.st.Unlock()
		return unix.EISCONN
	case idle:
	default:
		s.st.Unlock()
		return unix.EINVAL
	}
	s.st.state, s.st.peer = connected, srv
	s.st.own, s.st.other = srv.st.other, srv.st.own
	s.st.Unlock()

	err = l.enqueue(srv)
	if err == unix.EAGAIN {
		l.await(s)
		err = l.enqueue(srv)
	}
	if err != nil {
		s.withdraw(t, srv)
		return err
	}
	l.queue.Notify(wait.In | wait.RdNrm)
	s.queue.Notify(wait.Writable)
	return nil
}

// inherit gives a connection what its listener wants to be told, and be sent.
func (s *Sock) inherit(l *Sock) {
	told := l.told.Load()
	s.told.Store(told)
	if told&tellCred != 0 {
		_ = s.opts.SetFlag(unix.SO_PASSCRED, socket.IntValue(1))
	}
	s.refuses.Store(l.refuses.Load())
}

// withdraw takes a connection back that did not come about. What was sent through
// it meanwhile is lost.
func (s *Sock) withdraw(t current.Task, srv *Sock) {
	s.st.Lock()
	s.st.state, s.st.peer, s.st.shutRd, s.st.shutWr = idle, nil, false, false
	s.st.Unlock()
	srv.st.Lock()
	lost := srv.st.in
	srv.st.in, srv.st.inBytes, srv.st.peer, srv.st.state = nil, 0, nil, closed
	srv.st.Unlock()
	for _, p := range lost {
		srv.free(t, p)
	}
}

// shared returns the address as an accepted socket has it: the name without
// what holds it.
func (a *address) shared() *address {
	if a == nil {
		return nil
	}
	return &address{name: a.name}
}

func (s *Sock) enqueue(c *Sock) error {
	s.st.Lock()
	defer s.st.Unlock()
	if s.st.state != listening || s.st.shutRd {
		return unix.ECONNREFUSED
	}
	if len(s.st.pending) > s.st.backlog {
		return unix.EAGAIN
	}
	s.st.pending = append(s.st.pending, c)
	return nil
}

func (s *Sock) connectDatagram(t current.Task, addr []byte) error {
	p, err := s.ns.lookup(t, addr, s.typ)
	if err != nil {
		return err
	}
	if !p.accepts(s) {
		return unix.EPERM
	}
	s.st.Lock()
	s.st.peer, s.st.state = p, connected
	s.st.Unlock()
	return nil
}

// accepts reports whether a datagram socket takes what from sends: one that is
// connected hears its peer alone.
func (s *Sock) accepts(from *Sock) bool {
	s.st.Lock()
	defer s.st.Unlock()
	return s.st.peer == nil || s.st.peer == from
}

func (s *Sock) disconnect() error {
	if s.hasConnections() {
		return unix.EINVAL
	}
	s.st.Lock()
	defer s.st.Unlock()
	s.st.peer, s.st.state = nil, idle
	return nil
}

// Shutdown implements socket.Socket.
func (s *Sock) Shutdown(_ current.Task, how int) error {
	if how != unix.SHUT_RD && how != unix.SHUT_WR && how != unix.SHUT_RDWR {
		return unix.EINVAL
	}
	rd, wr := how != unix.SHUT_WR, how != unix.SHUT_RD
	s.st.Lock()
	if s.hasConnections() && s.st.state == idle {
		s.st.Unlock()
		return unix.ENOTCONN
	}
	s.st.shutRd, s.st.shutWr = s.st.shutRd || rd, s.st.shutWr || wr
	peer := s.st.peer
	s.st.Unlock()
	const all = wait.Hup | wait.Readable | wait.Writable | wait.RdHup
	s.queue.NotifyAll(all)
	s.wake(false)
	if peer != nil && s.hasConnections() {
		peer.st.Lock()
		peer.st.shutRd, peer.st.shutWr = peer.st.shutRd || wr, peer.st.shutWr || rd
		peer.st.Unlock()
		peer.queue.Notify(all)
	}
	return nil
}

// Name implements socket.Socket.
func (s *Sock) Name(peer bool) ([]byte, error) {
	s.st.Lock()
	a, p := s.st.addr, s.st.peer
	s.st.Unlock()
	if !peer {
		return a.sockaddr(), nil
	}
	if p == nil {
		return nil, unix.ENOTCONN
	}
	p.st.Lock()
	defer p.st.Unlock()
	return p.st.addr.sockaddr(), nil
}
