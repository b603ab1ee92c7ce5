package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/gonet"
	"hull/netstack/stack"
	"hull/runsc-like/control"
)

// dialed connects two pipes, from and to somebody on the host, with a port of the
// guest's loopback interface, and returns what is to be answered. The descriptors
// are taken over.
func (s *sandbox) dialed(m control.Message, fds []int) control.Message {
	if len(fds) != 2 {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return failed(fmt.Errorf("%d descriptors came for a connection, not 2", len(fds)))
	}
	for _, fd := range fds {
		_ = unix.SetNonblock(fd, true) // else a thread waits, which is no harm
	}
	if s.cfg.HostNetwork {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return failed(errors.New("the guest's ports are the host's"))
	}
	in, out := os.NewFile(uintptr(fds[0]), "in"), os.NewFile(uintptr(fds[1]), "out")
	c, err := s.dialGuest(m.Port)
	if err != nil {
		_, _ = in.Close(), out.Close()
		return failed(err)
	}
	go func() {
		// Each direction ends by itself; an error of one ends both.
		if _, err := io.Copy(c, in); err == nil {
			_ = c.CloseWrite()
		} else {
			_ = c.Abort()
		}
		_ = in.Close()
	}()
	go func() {
		_, _ = io.Copy(out, c)
		_, _ = out.Close(), in.Close()
		_ = c.Close()
	}()
	return control.Message{Kind: control.Done}
}

// dialGuest connects to a port of the guest's loopback interface, of either family.
func (s *sandbox) dialGuest(port uint16) (*gonet.Conn, error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := gonet.New(stackOf(s.kernel.NetNS()), stack.Owner{})
	var err error
	for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		var c *gonet.Conn
		if c, err = n.Dial(ctx, "tcp", netip.AddrPortFrom(a, port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}
