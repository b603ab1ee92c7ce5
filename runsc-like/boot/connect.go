package boot

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/link/afpacket"
	"hull/netstack/link/pcap"
	"hull/netstack/link/pipe"
	"hull/netstack/neigh"
	"hull/netstack/route"
	"hull/netstack/stack"
	"hull/runsc-like/control"
)

// wiring puts interfaces into the guest's first network namespace.
type wiring struct {
	stack    *stack.Stack
	networks *networks
	pcap     *pcap.Writer // nil if nobody wants to know
}

// maxPcap bounds the file that packets are written to, in bytes.
const maxPcap = 1 << 30

// connected connects the guest, and returns what is to be answered.
func (s *sandbox) connected(fds []int) control.Message {
	if err := s.connect(fds); err != nil {
		return failed(err)
	}
	return control.Message{Kind: control.Done}
}

// connect makes the interfaces of a message. The descriptors are taken over.
func (s *sandbox) connect(fds []int) (err error) {
	w := &wiring{stack: stackOf(s.kernel.NetNS()), networks: s.networks}
	links := fds
	defer func() {
		if err != nil {
			err = fmt.Errorf("network: %w", err)
			for _, fd := range links {
				_ = unix.Close(fd)
			}
		}
	}()
	if len(fds) == 0 {
		return errors.New("no description")
	}
	f := os.NewFile(uintptr(fds[0]), "network")
	links = fds[1:]
	n, err := control.ReadNetwork(f, len(links))
	_ = f.Close()
	if err != nil {
		return err
	}
	if len(n.Servers) > 0 {
		line := links[len(links)-1]
		links = links[:len(links)-1]
		if err := w.resolve(line, n.Servers); err != nil {
			return err
		}
	}
	if n.Pcap {
		file := os.NewFile(uintptr(links[len(links)-1]), "pcap")
		links = links[:len(links)-1]
		// All are taken for Ethernet: tunnels are seldom among them.
		if w.pcap, err = pcap.NewWriter(pcap.Config{W: file, Max: maxPcap}, link.Ethernet); err != nil {
			return err
		}
	}
	s.keepPcap(w)
	// What is for all interfaces, and for new ones, first.
	w.setTunables(n)
	nics := make([]*stack.NIC, len(n.Links))
	for i, l := range n.Links {
		if l.Loopback {
			nics[i] = w.stack.NICByName("lo")
			continue
		}
		fd := -1
		if !l.Shown {
			fd, links = links[0], links[1:]
		}
		if nics[i], err = w.addLink(l, fd); err != nil {
			return fmt.Errorf("interface %s: %w", l.Name, err)
		}
	}
	w.setTunables(n) // of the new ones: whether they have IPv6 at all
	for i, l := range n.Links {
		if err := addAddrs(nics[i], l); err != nil {
			return fmt.Errorf("interface %s: %w", l.Name, err)
		}
	}
	for _, l := range n.Links {
		if nic := w.stack.NICByName(l.Name); l.Up && nic != nil {
			if err := nic.Change(stack.Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
				return fmt.Errorf("interface %s: up: %w", l.Name, err)
			}
		}
	}
	return w.addRoutes(n)
}

// keepPcap has what passes interfaces that come later written to the file of the
// first.
func (s *sandbox) keepPcap(w *wiring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.pcap == nil {
		w.pcap = s.pcap
	}
	s.pcap = w.pcap
}

// setTunables sets what the stack has of n's parameters: first what is for all
// interfaces, which writing to it makes theirs, then what is each one's own. Secrets
// are before the ways to make addresses: they change them.
func (w *wiring) setTunables(n *control.Network) {
	rank := func(path string) int {
		switch {
		case strings.Contains(path, "/conf/all/"):
			return 0
		case strings.Contains(path, "/conf/default/"):
			return 1
		case strings.HasSuffix(path, "/stable_secret"):
			return 2
		}
		return 3
	}
	paths := slices.SortedFunc(maps.Keys(n.Sysctls), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	for _, path := range paths {
		v := n.Sysctls[path]
		if now, err := w.stack.Tunable(path); !errors.Is(err, unix.ENOENT) && now != v {
			if err := w.stack.SetTunable(path, v); err != nil {
				fmt.Fprintf(os.Stderr, "warning: network: net/%s = %q: %v\n", path, v, err)
			}
		}
	}
}

// addLink adds an interface over fd, which is taken over; one that is shown has none.
func (w *wiring) addLink(l control.Link, fd int) (*stack.NIC, error) {
	var e link.Endpoint
	var err error
	if l.Shown {
		e = newShownLink(l)
	} else if l.Pipe {
		e, err = pipe.New(fd, w.networks.pool, l.MTU, l.Address)
	} else {
		p := control.HostPorts()
		w.stack.SetForeign(stack.Foreign{From: p.From, Low: p.Low, High: p.High})
		e, err = afpacket.New(afpacket.Config{FD: fd, Pool: w.networks.pool, MTU: l.MTU, Address: l.Address, Raw: l.Raw})
	}
	if err != nil {
		return nil, err
	}
	if w.pcap != nil && !l.Raw {
		e = pcap.New(e, w.pcap)
	}
	nic, err := w.stack.AddNIC(stack.NICConfig{Name: l.Name, Index: l.Index, Link: e, MTU: l.MTU, Address: l.Address})
	if err != nil {
		_ = e.Close()
		return nil, err
	}
	if l.Shown && l.NoCarrier {
		nic.LinkChanged(false, 0)
	}
	if l.TxQueue > 0 {
		err = nic.Change(stack.Change{TxQLen: &l.TxQueue})
	}
	return nic, err
}

// addAddrs adds the addresses of l. Nobody else can have them: they were there.
func addAddrs(nic *stack.NIC, l control.Link) error {
	for _, a := range l.Addrs {
		err := nic.AddAddr(stack.Addr{
			Prefix: a.Prefix, Peer: a.Peer, Broadcast: a.Broadcast, Label: a.Label, Scope: a.Scope, Flags: a.Flags &^ unix.IFA_F_TENTATIVE, Unique: true,
			Preferred: time.Duration(a.Preferred) * time.Second, Valid: time.Duration(a.Valid) * time.Second,
		}, false)
		if errors.Is(err, unix.EACCES) && a.Prefix.Addr().Is6() {
			continue // IPv6 has been disabled since it was added
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("address %s: %w", a.Prefix, err)
		}
	}
	return nil
}

// addRoutes adds routes, rules and neighbours.
func (w *wiring) addRoutes(n *control.Network) error {
	for _, r := range n.Routes {
		if err := w.stack.AddRoute(toRoute(r), route.Append); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("route to %s: %w", r.Dst, err)
		}
	}
	for _, r := range n.Rules {
		_, err := w.stack.RIB(r.V6).AddRule(route.Rule{
			Priority: r.Priority, Invert: r.Invert, Src: r.Src, Dst: r.Dst, IIF: w.index(r.IIF), OIF: w.index(r.OIF),
			IIFName: r.IIF, OIFName: r.OIF, TOS: r.TOS, Mark: r.Mark, Mask: r.Mask, Action: r.Action, Table: r.Table, Suppress: r.Suppress,
		}, true)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("rule %d: %w", r.Priority, err)
		}
	}
	for _, e := range n.Neighbors {
		nic := w.stack.NIC(e.Index)
		if nic == nil {
			continue
		}
		if c := nic.Neighbors(e.Addr.Is6()); c != nil {
			if err := c.Set(w.networks.now(), e.Addr, e.Address, true, neigh.Permanent, false, true, false); err != nil {
				return fmt.Errorf("neighbour %s: %w", e.Addr, err)
			}
		}
	}
	return nil
}

// index is that of an interface as rules have it: -1 if there is none.
func (w *wiring) index(name string) int {
	if name == "" {
		return 0
	}
	if nic := w.stack.NICByName(name); nic != nil {
		return nic.Index()
	}
	return -1
}
