package gonet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// Net makes connections over a stack.
type Net struct {
	s     *stack.Stack
	owner stack.Owner
}

// New returns a Net, whose sockets are owner's.
func New(s *stack.Stack, owner stack.Owner) *Net { return &Net{s, owner} }

// socket makes a socket for a network, "tcp" or "udp", and addresses of a's family.
func (n *Net) socket(network string, a netip.Addr) (stack.Socket, error) {
	family := unix.AF_INET6
	if a.Is4() {
		family = unix.AF_INET
	}
	switch network {
	case "tcp":
		return n.s.NewSocket(family, unix.SOCK_STREAM, unix.IPPROTO_TCP, n.owner)
	case "udp":
		return n.s.NewSocket(family, unix.SOCK_DGRAM, unix.IPPROTO_UDP, n.owner)
	}
	return nil, net.UnknownNetworkError(network)
}

// Dial connects to an address.
func (n *Net) Dial(ctx context.Context, network string, to netip.AddrPort) (*Conn, error) {
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	s, err := n.socket(network, to.Addr())
	if err != nil {
		return fail(err)
	}
	c := Wrap(s)
	err = s.Connect(stack.Address{AddrPort: to})
	for err == unix.EINPROGRESS || err == unix.EALREADY {
		if err = c.wait(ctx, &c.out); err == nil {
			err = s.Connect(stack.Address{AddrPort: to})
		}
	}
	if err != nil && err != unix.EISCONN {
		_ = c.Close()
		return fail(err)
	}
	return c, nil
}

// Listen listens for connections of TCP at an address; port 0 takes a free one.
func (n *Net) Listen(at netip.AddrPort) (*Listener, error) {
	s, err := n.socket("tcp", at.Addr())
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: err}
	}
	const backlog = 4096
	if err = s.SetOption(unix.SOL_SOCKET, unix.SO_REUSEADDR, []byte{1, 0, 0, 0}, true, true); err == nil {
		if err = s.Bind(stack.Address{AddrPort: at}, true); err == nil {
			err = s.Listen(backlog)
		}
	}
	if err != nil {
		s.Close()
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: err}
	}
	return &Listener{newEndpoint(s)}, nil
}

// ListenPacket receives datagrams of UDP at an address; port 0 takes a free one.
func (n *Net) ListenPacket(at netip.AddrPort) (*PacketConn, error) {
	s, err := n.socket("udp", at.Addr())
	if err == nil {
		if err = s.Bind(stack.Address{AddrPort: at}, true); err != nil {
			s.Close()
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(at), Err: err}
	}
	return &PacketConn{newEndpoint(s)}, nil
}

// Listener is a net.Listener.
type Listener struct{ *endpoint }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	var s stack.Socket
	err := l.retry(&l.in, func() (err error) {
		s, _, err = l.s.Accept()
		return err
	})
	if err != nil {
		return nil, opError("accept", l.endpoint, err)
	}
	return Wrap(s), nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return address(l.s, l.s.Name) }

// Conn is a connection: a net.Conn.
type Conn struct{ *endpoint }

// Wrap makes a Conn of a socket that is connected, or being connected.
func Wrap(s stack.Socket) *Conn { return &Conn{newEndpoint(s)} }

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	n := 0
	err := c.retry(&c.in, func() (err error) {
		w := sliceWriter{b}
		n, err = c.s.Recv(&w, len(b), &stack.RecvMeta{})
		return err
	})
	switch {
	case err != nil:
		return n, opError("read", c.endpoint, err)
	case n == 0 && c.s.Type() == unix.SOCK_STREAM:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	done := 0
	for done < len(b) || len(b) == 0 {
		n := 0
		err := c.retry(&c.out, func() (err error) {
			r := sliceReader{b[done:]}
			n, err = c.s.Send(&r, len(b)-done, &stack.SendMeta{})
			return err
		})
		done += n
		if err != nil {
			return done, opError("write", c.endpoint, err)
		}
		if len(b) == 0 {
			break
		}
	}
	return done, nil
}

// CloseRead and CloseWrite end one direction.
func (c *Conn) CloseRead() error  { return c.s.Shutdown(unix.SHUT_RD) }
func (c *Conn) CloseWrite() error { return c.s.Shutdown(unix.SHUT_WR) }

// Abort ends a connection of TCP with a reset.
func (c *Conn) Abort() error {
	linger := []byte{1, 0, 0, 0, 0, 0, 0, 0} // struct linger: on, 0 seconds
	_ = c.s.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, linger, false, false)
	return c.Close()
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return address(c.s, c.s.Name) }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return address(c.s, c.s.Peer) }

// PacketConn is a net.PacketConn.
type PacketConn struct{ *endpoint }

// ReadFrom implements net.PacketConn.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromAddrPort reads a datagram; what is longer than b is lost.
func (c *PacketConn) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	m := stack.RecvMeta{}
	err = c.retry(&c.in, func() (err error) {
		w := sliceWriter{b}
		m = stack.RecvMeta{}
		n, err = c.s.Recv(&w, len(b), &m)
		return err
	})
	if err != nil {
		return 0, from, opError("read", c.endpoint, err)
	}
	return n, m.From.AddrPort, nil
}

// WriteTo implements net.PacketConn. to is a *net.UDPAddr.
func (c *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, opError("write", c.endpoint, unix.EINVAL)
	}
	a := u.AddrPort()
	return c.WriteToAddrPort(b, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// WriteToAddrPort sends a datagram.
func (c *PacketConn) WriteToAddrPort(b []byte, to netip.AddrPort) (n int, err error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	err = c.retry(&c.out, func() (err error) {
		r := sliceReader{b}
		n, err = c.s.Send(&r, len(b), &stack.SendMeta{To: &stack.Address{AddrPort: to}})
		return err
	})
	if err != nil {
		return n, opError("write", c.endpoint, err)
	}
	return n, nil
}

// LocalAddr implements net.PacketConn.
func (c *PacketConn) LocalAddr() net.Addr { return address(c.s, c.s.Name) }

// opError is err as package net has it.
func opError(op string, e *endpoint, err error) error {
	if err == net.ErrClosed || err == os.ErrDeadlineExceeded || err == io.EOF {
		return &net.OpError{Op: op, Net: network(e.s), Err: err}
	}
	return &net.OpError{Op: op, Net: network(e.s), Source: address(e.s, e.s.Name), Err: os.NewSyscallError(op, err)}
}

func network(s stack.Socket) string {
	if s.Type() == unix.SOCK_STREAM {
		return "tcp"
	}
	return "udp"
}

// address is what get returns as package net has it.
func address(s stack.Socket, get func() (stack.Address, error)) net.Addr {
	a, err := get()
	if err != nil {
		a = stack.Address{}
	}
	if s.Type() == unix.SOCK_STREAM {
		return net.TCPAddrFromAddrPort(a.AddrPort)
	}
	return net.UDPAddrFromAddrPort(a.AddrPort)
}

// sliceReader and sliceWriter move bytes from and to a slice.
type (
	sliceReader struct{ b []byte }
	sliceWriter struct{ b []byte }
)

// Read implements io.Reader.
func (r *sliceReader) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b)
	r.b = r.b[n:]
	return n, nil
}

// Write implements io.Writer.
func (w *sliceWriter) Write(b []byte) (int, error) {
	n := copy(w.b, b)
	w.b = w.b[n:]
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
