package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Send implements socket.Socket.
func (s *Sock) Send(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	if m.Flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	n := src.Len()
	if n == 0 {
		return 0, unix.ENODATA
	}
	s.st.Lock()
	to, group := s.st.peer, s.st.peerGroup
	s.st.Unlock()
	if m.Addr != nil {
		id, groups, err := parseAddress(m.Addr)
		if err != nil {
			return 0, err
		}
		to, group = id, firstGroup(groups)
		if (to != 0 || group != 0) && !s.maySend(t) {
			return 0, unix.EPERM
		}
	}
	s.ensureBound(t)
	if n > uint64(s.opts.SendBuffer()-32) {
		return 0, unix.EMSGSIZE
	}
	data := make([]byte, n)
	if got, err := src.CopyIn(data); err != nil || got < len(data) {
		return 0, unix.EFAULT
	}
	if group != 0 {
		c := credOf(t)
		s.net.multicast(s.number, group, data, s, s.portID(), &c)
	}
	if to == 0 {
		if _, ok := s.protocol.(UserOnly); ok {
			return 0, unix.ECONNREFUSED
		}
		s.protocol.Receive(t, s, data)
		return int64(n), nil
	}
	peer := s.net.at(s.number, to)
	if peer == nil || !peer.takesFrom(s.portID()) {
		return 0, unix.ECONNREFUSED
	}
	if !peer.deliver(&datagram{data: data, port: s.portID(), group: group, cred: credOf(t)}) {
		return 0, unix.EAGAIN
	}
	return int64(n), nil
}

// takesFrom reports whether the socket takes datagrams of a port: one that is
// connected takes those of its peer.
func (s *Sock) takesFrom(port uint32) bool {
	s.st.Lock()
	defer s.st.Unlock()
	return !s.st.connected || s.st.peer == port
}

func credOf(t current.Task) unix.Ucred {
	_, tgid := t.IDs()
	c := t.Cred()
	return unix.Ucred{Pid: tgid, Uid: c.EUID, Gid: c.EGID}
}

// deliver queues a datagram. If there is no room it is dropped, and the socket
// is told so (ENOBUFS) unless it asked not to be.
func (s *Sock) deliver(m *datagram) bool {
	k := s.opts.Accepts(m.data)
	if k == 0 {
		return true // its filter does not want it, and nobody is told
	}
	m.data = m.data[:k]
	limit := s.opts.ReceiveBuffer()
	s.st.Lock()
	if s.st.closed {
		s.st.Unlock()
		return false
	}
	fits := s.st.bytes == 0 || s.st.bytes+len(m.data)+overhead <= limit
	if !fits || s.st.congested {
		s.st.drops++
		if !s.st.flags[unix.NETLINK_NO_ENOBUFS] {
			s.st.congested = true
			s.st.err = unix.ENOBUFS
		}
		s.st.Unlock()
		s.queue.Notify(wait.Err)
		return false
	}
	s.push(m)
	s.st.Unlock()
	s.queue.Notify(wait.In | wait.RdNrm)
	return true
}

// Tell sends the socket a datagram from the kernel that it did not ask for.
func (s *Sock) Tell(data []byte) { s.deliver(&datagram{data: data}) }

// push queues a datagram. The caller holds st.
func (s *Sock) push(m *datagram) {
	s.st.in = append(s.st.in, m)
	s.st.bytes += len(m.data) + overhead
}

// head returns the datagram that is next, or why there is none.
func (s *Sock) head() (*datagram, error) {
	s.st.Lock()
	defer s.st.Unlock()
	if err := s.st.err; err != nil {
		s.st.err = nil
		return nil, err
	}
	if len(s.st.in) == 0 {
		return nil, unix.EAGAIN
	}
	return s.st.in[0], nil
}

// take removes the first datagram.
func (s *Sock) take() {
	s.st.Lock()
	defer s.st.Unlock()
	s.st.bytes -= len(s.st.in[0].data) + overhead
	s.st.in[0] = nil
	s.st.in = s.st.in[1:]
	if len(s.st.in) == 0 {
		s.st.in, s.st.congested = nil, false
	}
}

// Recv implements socket.Socket.
func (s *Sock) Recv(_ current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	flags := m.Flags
	m.Flags = 0
	if flags&unix.MSG_OOB != 0 {
		return 0, unix.EOPNOTSUPP
	}
	s.recv.Lock()
	defer s.recv.Unlock()
	s.room = max(s.room, int(min(dst.Len(), maxDatagram)))
	d, err := s.head()
	if err != nil {
		return 0, err
	}
	n, err := dst.CopyOut(d.data)
	if err != nil {
		return 0, err
	}
	if n < len(d.data) {
		m.Flags |= unix.MSG_TRUNC
	}
	m.Addr = address(d.port, groupMask(d.group))
	m.Cred, m.HasCred = d.cred, s.opts.Flag(unix.SO_PASSCRED)
	if s.flag(unix.NETLINK_PKTINFO) {
		group := binary.NativeEndian.AppendUint32(nil, d.group)
		m.Items = append(m.Items, socket.Item{Level: unix.SOL_NETLINK, Type: unix.NETLINK_PKTINFO, Data: group})
	}
	if d.numbered && s.flag(unix.NETLINK_LISTEN_ALL_NSID) {
		id := binary.NativeEndian.AppendUint32(nil, uint32(d.nsid))
		m.Items = append(m.Items, socket.Item{Level: unix.SOL_NETLINK, Type: unix.NETLINK_LISTEN_ALL_NSID, Data: id})
	}
	if flags&unix.MSG_PEEK == 0 {
		s.take()
		s.continueDump()
	}
	if flags&unix.MSG_TRUNC != 0 {
		return int64(len(d.data)), nil
	}
	return int64(n), nil
}
