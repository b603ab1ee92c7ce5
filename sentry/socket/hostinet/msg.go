package hostinet

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

// The flags of a message that the host is told, and those that it tells. That
// nothing waits and that nobody is sent SIGPIPE is asked of each call.
const (
	msgFastOpen  = 0x20000000
	msgProbe     = 0x10
	always       = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	sendFlags    = unix.MSG_OOB | unix.MSG_MORE | unix.MSG_DONTROUTE | unix.MSG_CONFIRM | unix.MSG_EOR | msgFastOpen | msgProbe
	receiveFlags = unix.MSG_PEEK | unix.MSG_OOB | unix.MSG_TRUNC | unix.MSG_ERRQUEUE
	resultFlags  = unix.MSG_TRUNC | unix.MSG_OOB | unix.MSG_ERRQUEUE | unix.MSG_EOR | unix.MSG_CTRUNC
)

const (
	// maxTransfer is how much of a stream one host call moves, in bytes.
	maxTransfer = 1 << 20
	// maxDatagram is more than any datagram of the protocols has, in bytes.
	maxDatagram = 1 << 16
	// maxControl is the size of all control data that one message can come with.
	maxControl = 512
)

// call is one send or receive. They are pooled: what goes through an interface
// would be allocated each time.
type call struct {
	fd    int
	nr    uintptr // SYS_SENDMSG or SYS_RECVMSG
	flags int32
	whole uint64 // how many bytes the memory must have, 0 for as many as there are
	n     int    // what the host returned

	hdr     unix.Msghdr
	name    [maxAddr]byte
	control [maxControl]byte
	one     unix.Iovec
	bounce  []byte // nil until it was needed

	do func([]unix.Iovec) (uint64, error) // c.direct
}

func newCall() *call {
	c := &call{}
	c.do = c.direct
	return c
}

func (n *Network) call(s *Sock, nr uintptr, flags int32) *call {
	c := n.calls.Get().(*call)
	c.fd, c.nr, c.flags, c.whole, c.n = s.fd, nr, flags|always, 0, 0
	c.hdr = unix.Msghdr{}
	return c
}

// errPart is that the guest's memory was offered only in part, which for a datagram
// will not do.
const errPart = unix.Errno(0x10000)

// direct makes the call with the guest's memory.
func (c *call) direct(iov []unix.Iovec) (uint64, error) {
	if c.whole > 0 {
		var have uint64
		for i := range iov {
			have += iov[i].Len
		}
		if have < c.whole {
			return 0, errPart
		}
	}
	c.hdr.Iov = unsafe.SliceData(iov)
	c.hdr.SetIovlen(len(iov))
	n, err := hostMessage(c.nr, c.fd, &c.hdr, c.flags)
	c.hdr.Iov = nil
	c.n = n
	return uint64(n), err
}

// throughBounce makes the call with n bytes of the sentry's memory.
func (c *call) throughBounce(n int) error {
	c.whole = 0
	c.one.Base = unsafe.SliceData(c.bounce)
	c.one.SetLen(n)
	_, err := c.direct(unsafe.Slice(&c.one, 1))
	return err
}

// room returns n bytes, at most maxDatagram.
func (c *call) room(n int) []byte {
	if c.bounce == nil {
		c.bounce = make([]byte, maxDatagram)
	}
	return c.bounce[:n]
}

// Send implements socket.Socket.
func (s *Sock) Send(_ current.Task, src usermem.Buffer, m *socket.Message) (int64, error) {
	return s.send(src, m, m.Flags)
}

// send sends src; m is nil for write(2).
func (s *Sock) send(src usermem.Buffer, m *socket.Message, flags int32) (int64, error) {
	c := s.n.call(s, unix.SYS_SENDMSG, flags&sendFlags)
	defer s.n.calls.Put(c)
	if m != nil {
		n, err := s.sendControl(c.control[:0], m.Items)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			c.hdr.Control = &c.control[0]
			c.hdr.SetControllen(n)
		}
		if m.Addr != nil && (s.typ != unix.SOCK_STREAM || flags&msgFastOpen != 0) {
			if len(m.Addr) == 0 {
				return 0, unix.EINVAL
			}
			c.hdr.Name, c.hdr.Namelen = &c.name[0], uint32(copy(c.name[:], m.Addr))
		}
	}
	if s.typ == unix.SOCK_STREAM {
		n, err := src.Direct(min(src.Len(), maxTransfer), false, c.do)
		return int64(n), err
	}
	want := src.Len()
	if want > maxDatagram {
		return 0, unix.EMSGSIZE
	}
	c.whole = want
	_, err := src.Direct(want, false, c.do)
	if err == errPart || err == unix.EFAULT && c.n == 0 {
		// In too many pieces, or not all of it is there.
		if _, err := src.CopyIn(c.room(int(want))); err != nil {
			return 0, err
		}
		err = c.throughBounce(int(want))
	}
	return int64(c.n), err
}

// Recv implements socket.Socket.
func (s *Sock) Recv(_ current.Task, dst usermem.Buffer, m *socket.Message) (int64, error) {
	return s.recv(dst, m, m.Flags)
}

// recv receives into dst; m is nil for read(2).
func (s *Sock) recv(dst usermem.Buffer, m *socket.Message, flags int32) (int64, error) {
	if m != nil && m.Least > 0 && flags&unix.MSG_PEEK != 0 && s.waitsFor(m.Least) {
		return 0, unix.EAGAIN
	}
	c := s.n.call(s, unix.SYS_RECVMSG, flags&receiveFlags)
	defer s.n.calls.Put(c)
	if m != nil {
		c.hdr.Name, c.hdr.Namelen = &c.name[0], maxAddr
		c.hdr.Control = &c.control[0]
		c.hdr.SetControllen(maxControl)
	}
	var err error
	if s.typ == unix.SOCK_STREAM && flags&unix.MSG_ERRQUEUE == 0 {
		if _, err = dst.Direct(min(dst.Len(), maxTransfer), true, c.do); err == unix.EFAULT {
			err = c.nowhere()
		}
	} else if err = c.datagram(dst); err == unix.EAGAIN && flags&(unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE) == 0 && hostPoll(s.fd)&unix.EPOLLRDHUP != 0 {
		err = nil // who waits finds that reading was shut down
	}
	if err != nil {
		return 0, err
	}
	if m != nil {
		m.Flags = c.hdr.Flags & resultFlags
		if n := int(c.hdr.Namelen); n > 0 {
			m.Addr = append(m.Store[:0], c.name[:min(n, maxAddr)]...)
		}
		recvControl(m, c.control[:min(c.hdr.Controllen, maxControl)])
	}
	return int64(c.n), nil
}

// datagram receives one message into dst.
func (c *call) datagram(dst usermem.Buffer) error {
	hdr := c.hdr
	c.whole = min(dst.Len(), maxDatagram)
	into := dst
	_, err := into.Direct(c.whole, true, c.do)
	if err != errPart && err != unix.EFAULT {
		return err
	}
	n := int(min(dst.Len(), maxDatagram))
	c.hdr, c.n = hdr, 0
	b := c.room(n)
	if err := c.throughBounce(n); err != nil {
		return err
	}
	_, err = dst.CopyOut(b[:min(c.n, n)])
	return err
}

// nowhere is what receiving from a stream into memory that is not there ends with:
// EFAULT if there is anything.
func (c *call) nowhere() error {
	flags := c.flags
	c.flags |= unix.MSG_PEEK
	c.room(1)
	err := c.throughBounce(1)
	c.flags = flags
	if err == nil && c.n > 0 {
		return unix.EFAULT
	}
	return err
}

// waitsFor reports whether there are fewer bytes than a peek waits for, and more may
// come.
func (s *Sock) waitsFor(least int64) bool {
	if hostPoll(s.fd)&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		return false
	}
	var n [4]byte
	return hostIoctl(s.fd, unix.TIOCINQ, n[:]) == nil && int64(binary.LittleEndian.Uint32(n[:])) < least
}
