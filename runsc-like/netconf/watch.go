package netconf

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// Watcher hears of changes in the calling process's network namespace. What they
// are is found out by reading it again: so a change that was not heard of, because
// there were too many, is found with the next.
type Watcher struct{ heard chan error }

// Watch starts to listen, which ends with the process.
func Watch() (*Watcher, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	w := &Watcher{make(chan error, 1)}
	go func() {
		defer s.Close()
		for {
			_, _, err := s.Receive()
			switch {
			case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
				continue
			case errors.Is(err, unix.ENOBUFS):
				err = nil // some were lost
			}
			select {
			case w.heard <- err:
			default: // it is not yet known that there is something
			}
			if err != nil {
				return
			}
		}
	}()
	return w, nil
}

// How long nothing must have changed for what is there to be whole, as who makes an
// interface does one thing after the other, and how long that is waited for.
const (
	quiet   = 100 * time.Millisecond
	tooLong = 2 * time.Second
	forever = time.Duration(1<<63 - 1)
)

// Wait waits until something has changed and no more does, or until over is closed,
// and then it is false.
func (w *Watcher) Wait(over <-chan struct{}) (bool, error) {
	wait, deadline := forever, time.Time{}
	for {
		t := time.NewTimer(wait)
		select {
		case <-over:
			t.Stop()
			return false, nil
		case err := <-w.heard:
			t.Stop()
			if err != nil {
				return false, fmt.Errorf("netlink: %w", err)
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(tooLong)
			}
			wait = min(quiet, time.Until(deadline))
		case <-t.C:
			return true, nil
		}
	}
}

// ReadAgain reads the namespace at path like Read, of which the links in known are
// known: only others that are up get sockets, and are told apart.
func ReadAgain(path string, known func(index int) bool) (all *Network, fresh []control.Link, err error) {
	n := &Network{known: known}
	if err := within(path, n.read); err != nil {
		n.Close()
		return nil, nil, err
	}
	n.Links = slices.DeleteFunc(n.Links, func(l control.Link) bool {
		if !l.Loopback && !known(l.Index) {
			fresh = append(fresh, l)
			return true
		}
		return false
	})
	return n, fresh, nil
}

// through are the routes that leave by one of the links.
func through(routes []control.Route, links []control.Link) []control.Route {
	var rs []control.Route
	for _, r := range routes {
		if slices.ContainsFunc(r.Hops, func(h control.Hop) bool {
			return slices.ContainsFunc(links, func(l control.Link) bool { return l.Index == h.Index })
		}) {
			rs = append(rs, r)
		}
	}
	return rs
}

// Part is what of n is about new links: what is to be handed over for them.
func (n *Network) Part(links []control.Link) *control.Network {
	p := &control.Network{Links: links, Routes: through(n.Routes, links), Sysctls: map[string]string{}}
	for path, v := range n.Sysctls {
		if slices.ContainsFunc(links, func(l control.Link) bool { return strings.Contains(path, "/conf/"+l.Name+"/") }) {
			p.Sysctls[path] = v
		}
	}
	for _, e := range n.Neighbors {
		if slices.ContainsFunc(links, func(l control.Link) bool { return l.Index == e.Index }) {
			p.Neighbors = append(p.Neighbors, e)
		}
	}
	return p
}

// Compare says what became of the links of old, and of their routes.
func Compare(old, now *control.Network) *control.Changes {
	c := &control.Changes{}
	for _, o := range old.Links {
		i := slices.IndexFunc(now.Links, func(l control.Link) bool { return l.Index == o.Index })
		if i < 0 {
			c.Gone = append(c.Gone, o.Index)
			continue
		}
		n := now.Links[i]
		l := control.LinkChange{Index: n.Index, MTU: n.MTU, Carrier: !n.NoCarrier}
		l.Addrs, l.Lost = missing(o.Addrs, n.Addrs, addrKey), missing(n.Addrs, o.Addrs, addrKey)
		if o.MTU != n.MTU || o.NoCarrier != n.NoCarrier || len(l.Addrs) > 0 || len(l.Lost) > 0 {
			c.Links = append(c.Links, l)
		}
	}
	c.Routes, c.Lost = missing(old.Routes, now.Routes, key), missing(now.Routes, old.Routes, key)
	// Those by a link that is gone went with it.
	c.Lost = slices.DeleteFunc(c.Lost, func(r control.Route) bool {
		return slices.ContainsFunc(r.Hops, func(h control.Hop) bool { return slices.Contains(c.Gone, h.Index) })
	})
	return c
}

// SameRoute reports whether two routes are the same in all that they have.
func SameRoute(a, b control.Route) bool { return key(a) == key(b) }

// missing are the elements of b that are not in a, by their keys.
func missing[T any](a, b []T, key func(T) string) []T {
	there := map[string]bool{}
	for _, x := range a {
		there[key(x)] = true
	}
	var m []T
	for _, x := range b {
		if !there[key(x)] {
			m = append(m, x)
		}
	}
	return m
}

// key is equal for equal values of what can be written as JSON.
func key[T any](v T) string {
	b, _ := json.Marshal(v) // it can
	return string(b)
}

// addrKey is key without what changes by itself.
func addrKey(a control.Addr) string {
	a.Preferred, a.Valid = 0, 0
	a.Flags &= unix.IFA_F_SECONDARY | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MANAGETEMPADDR
	return key(a)
}

// skips reports whether a link gets no socket when the namespace is read again.
func (n *Network) skips(a *netlink.LinkAttrs) (known, skip bool) {
	if n.known == nil {
		return false, false
	}
	return n.known(a.Index), !n.known(a.Index) && a.RawFlags&unix.IFF_UP == 0
}
