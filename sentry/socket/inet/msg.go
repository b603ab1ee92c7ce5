package inet

import (
	"io"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// call is what one send or receive hands to the stack. They are pooled: what
// goes through an interface would be allocated each time.
type call struct {
	user usermem.Buffer
	to   stack.Address
	out  stack.SendMeta
	in   stack.RecvMeta
}

// Read implements io.Reader: the stack takes the bytes of a send.
func (c *call) Read(p []byte) (int, error) {
	if c.user.Len() == 0 {
		return 0, io.EOF
	}
	return c.user.CopyIn(p)
}

// Write implements io.Writer: the stack gives the bytes of a receive.
func (c *call) Write(p []byte) (int, error) {
	n, err := c.user.CopyOut(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (n *Network) call(user usermem.Buffer) *call {
	c := n.calls.Get().(*call)
	c.user = user
	return c
}

// done gives c back. Nothing of it may be used any more.
func (n *Network) done(c *call) {
	*c = call{}
	n.calls.Put(c)
}

// The flags of a message that the stack knows.
const (
	msgFastOpen  = 0x20000000
	msgZeroCopy  = 0x04000000
	msgProbe     = 0x10
	sendFlags    = unix.MSG_OOB | unix.MSG_MORE | unix.MSG_DONTROUTE | unix.MSG_CONFIRM | unix.MSG_EOR | msgFastOpen | msgZeroCopy | msgProbe
	receiveFlags = unix.MSG_PEEK | unix.MSG_OOB | unix.MSG_TRUNC | unix.MSG_ERRQUEUE | unix.MSG_WAITALL
	resultFlags  = unix.MSG_TRUNC | unix.MSG_OOB | unix.MSG_ERRQUEUE | unix.MSG_EOR | unix.MSG_CTRUNC
)

// Send implements socket.Socket.
func (s *Sock) Send(t current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	return s.send(t, src, m, m.Flags)
}

// send sends src; m is nil for write(2).
func (s *Sock) send(t current.Task, src usermem.Buffer, m *socket.Message, flags int32) (int64, error) {
	c := s.n.call(src)
	defer s.n.done(c)
	c.out.Flags = int(flags & sendFlags)
	if m != nil {
		if err := s.sendControl(t, &c.out, m.Items); err != nil {
			return 0, err
		}
		if m.Addr != nil && (s.typ != unix.SOCK_STREAM || flags&msgFastOpen != 0) {
			to, ok, err := s.parseTo(m.Addr)
			if err != nil {
				return 0, err
			}
			if ok {
				c.to = to
				c.out.To = &c.to
			}
		}
	}
	n, err := s.st.Send(c, int(src.Len()), &c.out)
	if err == nil && s.typ == unix.SOCK_DGRAM && s.Family() != unix.AF_PACKET && !s.queue.Empty() {
		s.queue.Notify(wait.Out | wait.WrNrm | wait.WrBnd) // its memory is free again: an edge on Linux
	}
	if err == nil && flags&msgZeroCopy != 0 && s.typ != unix.SOCK_STREAM {
		s.sentZeroCopy()
	}
	return int64(n), err
}

// Recv implements socket.Socket.
func (s *Sock) Recv(_ current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	return s.recv(dst, m, m.Flags)
}

// recv receives into dst; m is nil for read(2).
func (s *Sock) recv(dst usermem.Buffer, m *socket.Message, flags int32) (int64, error) {
	if flags&unix.MSG_ERRQUEUE != 0 && m != nil && s.recvZeroCopy(m) {
		return 0, nil
	}
	c := s.n.call(dst)
	defer s.n.done(c)
	in := &c.in
	in.Flags = int(flags & receiveFlags)
	if m != nil {
		in.Least = int(m.Least)
	}
	n, err := s.st.Recv(c, int(dst.Len()), in)
	if err != nil {
		return 0, err
	}
	s.noteStamp(in)
	if m != nil {
		m.Flags = int32(in.Flags) & resultFlags
		if in.HasFrom {
			m.Addr = s.appendSockaddr(m.Store[:0], &in.From, false)
		}
		if in.Control != 0 || in.Err != nil || in.PathMTU != nil {
			s.recvControl(in, m)
		}
	}
	if in.Err != nil {
		in.Err.Release()
	}
	if flags&unix.MSG_TRUNC != 0 && s.typ != unix.SOCK_STREAM {
		n = max(n, in.Full)
	}
	return int64(n), nil
}
