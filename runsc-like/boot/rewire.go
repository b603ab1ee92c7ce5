package boot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
	"hull/netstack/stack"
	"hull/runsc-like/control"
)

// rewired makes the changes of a message, and returns what is to be answered.
func (s *sandbox) rewired(fds []int) control.Message {
	if len(fds) != 1 {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return failed(fmt.Errorf("network: %d descriptors came with changes, 1 is needed", len(fds)))
	}
	f := os.NewFile(uintptr(fds[0]), "network")
	c, err := control.ReadChanges(f)
	_ = f.Close()
	if err == nil {
		err = rewire(stackOf(s.kernel.NetNS()), c)
	}
	if err != nil {
		return failed(err)
	}
	return control.Message{Kind: control.Done}
}

// rewire makes changes. What the guest has changed meanwhile wins: what is there
// already, or is not there any more, is no error.
func rewire(st *stack.Stack, c *control.Changes) error {
	var errs []error
	note := func(what string, err error, fine ...unix.Errno) {
		for _, e := range fine {
			if errors.Is(err, e) {
				return
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("network: %s: %w", what, err))
		}
	}
	for _, index := range c.Gone {
		if nic := st.NIC(index); nic != nil && !isLoopback(nic) {
			note("remove an interface", st.RemoveNIC(index), unix.ENODEV)
		}
	}
	for _, r := range c.Lost {
		note("remove a route", st.DelRoute(toRoute(r)), unix.ESRCH, unix.ENODEV)
	}
	for _, l := range c.Links {
		nic := st.NIC(l.Index)
		if nic == nil || isLoopback(nic) {
			continue
		}
		if l.MTU != nic.MTU() {
			note("MTU", nic.Change(stack.Change{MTU: &l.MTU}))
		}
		nic.LinkChanged(l.Carrier, 0)
		for _, a := range l.Lost {
			note("remove an address", nic.DelAddr(a.Prefix), unix.EADDRNOTAVAIL)
		}
		note("address", addAddrs(nic, control.Link{Addrs: l.Addrs}))
	}
	for _, r := range c.Routes {
		note("route", st.AddRoute(toRoute(r), route.Append), unix.EEXIST)
	}
	return errors.Join(errs...)
}

func isLoopback(nic *stack.NIC) bool { return nic.Info().Flags&unix.IFF_LOOPBACK != 0 }

// toRoute is a route as the stack has it.
func toRoute(r control.Route) *route.Route {
	rt := &route.Route{
		Dst: r.Dst.Masked(), Table: r.Table, TOS: r.TOS, Protocol: r.Protocol, Scope: r.Scope, Type: route.Type(r.Type),
		Priority: r.Priority, Source: r.Source,
		Metrics: route.Metrics{MTU: r.MTU, AdvMSS: r.AdvMSS, HopLimit: r.HopLimit, InitCwnd: r.InitCwnd, InitRwnd: r.InitRwnd},
	}
	for _, h := range r.Hops {
		rt.Hops = append(rt.Hops, route.Hop{Gateway: h.Gateway, OIF: h.Index, Weight: h.Weight, OnLink: h.OnLink})
	}
	return rt
}
