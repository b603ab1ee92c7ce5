package control

import (
	"fmt"
	"net/netip"
	"os"
)

// The modes of a sandbox's network.
const (
	// NetworkSandbox: the interfaces of the container's network namespace are
	// the guest's.
	NetworkSandbox = "sandbox"
	// NetworkNone: the guest has a loopback interface.
	NetworkNone = "none"
	// NetworkUser: a process beside the sandbox makes its connections.
	NetworkUser = "user"
	// NetworkHost: the guest's sockets are the host's. It is never chosen by itself.
	NetworkHost = "host"
)

// NetworkModes are the modes, the usual one first.
func NetworkModes() []string { return []string{NetworkSandbox, NetworkNone, NetworkUser, NetworkHost} }

// Ports are those that the host's kernel keeps in a namespace whose interfaces are
// a guest's: what comes from port From to the ports Low to High is for it.
type Ports struct{ From, Low, High uint16 }

// HostPorts are the ports by which docker's name server, which listens in the
// namespace, asks others. They are above those that the guest takes by itself; a
// rule of Linux cannot have the last one.
func HostPorts() Ports { return Ports{From: 53, Low: 64512, High: 65534} }

// Network is what a namespace's network is made of: what comes with a message of
// that kind, as a sealed file, before the descriptors of its links.
type Network struct {
	Links     []Link     `json:"links"`
	Routes    []Route    `json:"routes,omitempty"`
	Rules     []Rule     `json:"rules,omitempty"`
	Neighbors []Neighbor `json:"neighbors,omitempty"`
	// Pcap says that a file follows the links' descriptors, to which what passes
	// them is written.
	Pcap bool `json:"pcap,omitempty"`
	// Servers are name servers on the namespace's loopback interface; if there are
	// any, a line to their relay follows (runsc-like/dnsrelay).
	Servers []netip.Addr `json:"servers,omitempty"`
	// Sysctls are values below /proc/sys/net by path.
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// Link is an interface.
type Link struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	// Loopback has no descriptor; of the others there is one each, in order, but of
	// those that are only Shown.
	Loopback bool    `json:"loopback,omitempty"`
	Address  [6]byte `json:"address"`
	MTU      int     `json:"mtu"`
	TxQueue  int     `json:"txQueue,omitempty"`
	Up       bool    `json:"up,omitempty"`
	// NoCarrier says that the other end is down; what becomes of that is told by
	// Changes.
	NoCarrier bool `json:"noCarrier,omitempty"`
	// Raw links have no header and no address: tunnels.
	Raw bool `json:"raw,omitempty"`
	// Pipe links are one end of a pair of sockets (netstack/link/pipe).
	Pipe bool `json:"pipe,omitempty"`
	// Shown links have no descriptor: they are the host's, and what the guest sees
	// of them is all there is.
	Shown bool   `json:"shown,omitempty"`
	Addrs []Addr `json:"addrs,omitempty"`
	// NoIPv6 says that the namespace has IPv6 disabled on it.
	NoIPv6 bool `json:"noIPv6,omitempty"`
}

// Addr is an address of an interface. Lifetimes are in seconds, 0 is for ever.
type Addr struct {
	Prefix    netip.Prefix `json:"prefix"`
	Peer      netip.Addr   `json:"peer,omitzero"`
	Broadcast netip.Addr   `json:"broadcast,omitzero"`
	Label     string       `json:"label,omitempty"`
	Scope     uint8        `json:"scope,omitempty"`
	Flags     uint32       `json:"flags,omitempty"`
	Preferred int          `json:"preferred,omitempty"`
	Valid     int          `json:"valid,omitempty"`
}

// Route is a route that does not follow from an address.
type Route struct {
	Dst      netip.Prefix `json:"dst"`
	Table    uint32       `json:"table"`
	Type     uint8        `json:"type"`
	TOS      uint8        `json:"tos,omitempty"`
	Protocol uint8        `json:"protocol,omitempty"`
	Scope    uint8        `json:"scope,omitempty"`
	Priority uint32       `json:"priority,omitempty"`
	Source   netip.Addr   `json:"source,omitzero"`
	Hops     []Hop        `json:"hops,omitempty"`
	MTU      uint32       `json:"mtu,omitempty"`
	AdvMSS   uint32       `json:"advMSS,omitempty"`
	HopLimit uint32       `json:"hopLimit,omitempty"`
	InitCwnd uint32       `json:"initCwnd,omitempty"`
	InitRwnd uint32       `json:"initRwnd,omitempty"`
}

// Hop is one way of a route.
type Hop struct {
	Gateway netip.Addr `json:"gateway,omitzero"`
	Index   int        `json:"index"`
	Weight  int        `json:"weight,omitempty"`
	OnLink  bool       `json:"onLink,omitempty"`
}

// Rule is a rule that a new namespace does not have.
type Rule struct {
	V6       bool         `json:"v6,omitempty"`
	Priority uint32       `json:"priority"`
	Invert   bool         `json:"invert,omitempty"`
	Src      netip.Prefix `json:"src,omitzero"`
	Dst      netip.Prefix `json:"dst,omitzero"`
	IIF      string       `json:"iif,omitempty"`
	OIF      string       `json:"oif,omitempty"`
	TOS      uint8        `json:"tos,omitempty"`
	Mark     uint32       `json:"mark,omitempty"`
	Mask     uint32       `json:"mask,omitempty"`
	Action   uint8        `json:"action"`
	Table    uint32       `json:"table,omitempty"`
	Suppress int          `json:"suppress"`
}

// Neighbor is an address whose hardware address is given.
type Neighbor struct {
	Index   int        `json:"index"`
	Addr    netip.Addr `json:"addr"`
	Address [6]byte    `json:"address"`
}

// The bounds of a network. MaxLinks goes with the descriptors of a message.
const (
	MaxLinks    = 32
	maxMTU      = 65536
	maxNameSize = 15
	maxEntries  = 1 << 16 // of each other list
)

// WriteNetwork returns a sealed memory file that holds n.
func WriteNetwork(n *Network) (*os.File, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	return seal(n)
}

// ReadNetwork reads what WriteNetwork wrote, which goes with so many descriptors
// of links, of a file for them, and of a line to a relay.
func ReadNetwork(f *os.File, links int) (*Network, error) {
	n := &Network{}
	err := unseal(f, n)
	if err == nil {
		err = n.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	for _, l := range n.Links {
		if !l.Loopback && !l.Shown {
			links--
		}
	}
	if n.Pcap {
		links--
	}
	if len(n.Servers) > 0 {
		links--
	}
	if links != 0 {
		return nil, fmt.Errorf("network: %d descriptors too many", links)
	}
	return n, nil
}

// Check checks that n is within its bounds.
func (n *Network) Check() error {
	real := 0
	for _, l := range n.Links {
		if !l.Shown {
			real++
		}
	}
	if real > MaxLinks || len(n.Links) > maxEntries {
		return fmt.Errorf("%d interfaces, more than %d", len(n.Links), MaxLinks)
	}
	if max(len(n.Routes), len(n.Rules), len(n.Neighbors), len(n.Sysctls)) > maxEntries {
		return fmt.Errorf("more than %d routes, rules, neighbours or sysctls", maxEntries)
	}
	for _, l := range n.Links {
		switch {
		case l.Name == "" || len(l.Name) > maxNameSize:
			return fmt.Errorf("%q is no name of an interface", l.Name)
		case l.Index <= 0:
			return fmt.Errorf("interface %s: index %d", l.Name, l.Index)
		case l.MTU < 0 || l.MTU > maxMTU:
			return fmt.Errorf("interface %s: MTU %d", l.Name, l.MTU)
		case len(l.Addrs) > maxEntries:
			return fmt.Errorf("interface %s: more than %d addresses", l.Name, maxEntries)
		}
		for _, a := range l.Addrs {
			if !a.Prefix.IsValid() {
				return fmt.Errorf("interface %s: an address that is none", l.Name)
			}
		}
	}
	return nil
}
