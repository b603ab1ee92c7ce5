package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/netproxy"
)

// PortForward makes ports of the host those of a running container, until ctx is
// over or the container has ended. said is told where each listens.
func (r Root) PortForward(ctx context.Context, id string, specs []string, said func(host net.Addr, guest uint16)) error {
	c, err := r.Look(id)
	if err != nil {
		return err
	}
	if c.hostNetwork() {
		return fieldf("PORT", "container %s has no network of its own to forward into (--network=host): its ports are those of its namespace", id)
	}
	watch, err := c.dial()
	if err != nil {
		return err
	}
	defer watch.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, s := range specs {
		f, err := netproxy.ParseForward(s)
		if err != nil {
			return fieldf("PORT", "%v", err)
		}
		if f.Network != "tcp" {
			return fieldf("PORT", "%q: only ports of TCP are forwarded", s)
		}
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(f.Host))
		if err != nil {
			return fieldf("PORT", "%v", err)
		}
		context.AfterFunc(ctx, func() { l.Close() })
		said(l.Addr(), f.Guest)
		go func() {
			if err := c.forward(l, f.Guest); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		}()
	}
	// The container's end ends this.
	if err := watch.Send(control.Message{Kind: control.Wait}); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	go func() {
		_, _ = watch.Receive() // it has exited, or is gone
		cancel(nil)
	}()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// forward connects those who come to l with a port of the guest.
func (c *Container) forward(l *net.TCPListener, port uint16) error {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if err := c.forwardOne(conn, port); err != nil {
				_ = conn.SetLinger(0) // a reset: there is nobody
			}
		}()
	}
}

// forwardOne moves the bytes of one connection. A pipe each way tells the guest's
// side, and this one, of the end of one direction.
func (c *Container) forwardOne(conn *net.TCPConn, port uint16) error {
	ctl, err := c.dial()
	if err != nil {
		return err
	}
	defer ctl.Close()
	guestIn, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	out, guestOut, err := os.Pipe()
	if err != nil {
		guestIn.Close()
		return err
	}
	defer out.Close()
	err = ctl.Send(control.Message{Kind: control.Forward, Port: port}, int(guestIn.Fd()), int(guestOut.Fd()))
	guestIn.Close()
	guestOut.Close()
	if err != nil {
		return err
	}
	if m, err := answer(ctl); err != nil || m.Kind != control.Done {
		return errors.Join(err, unix.ECONNREFUSED)
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(in, conn) // the guest's side sees an end either way
		in.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(conn, out)
		_ = conn.CloseWrite()
	})
	both.Wait()
	return nil
}
