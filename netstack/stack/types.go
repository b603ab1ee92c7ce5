package stack

import (
	"net/netip"
	"time"

	"hull/netstack/link"
	"hull/netstack/link/tun"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// NICKind is what an interface is: the kind of `ip link add type`.
type NICKind string

// The kinds of interface.
const (
	KindDevice   NICKind = ""         // over a link.Endpoint
	KindLoopback NICKind = "loopback" // not a kind to ip(8)
	KindDummy    NICKind = "dummy"
	KindVeth     NICKind = "veth"
	KindBridge   NICKind = "bridge"
	KindVLAN     NICKind = "vlan"
	KindTun      NICKind = "tun" // over a tun.Device; a TAP is one too
)

// NICInfo is what is told of an interface: what RTM_NEWLINK says.
type NICInfo struct {
	Index   int
	Name    string
	Kind    NICKind
	HWType  link.Kind
	Address link.Address
	MTU     int
	Flags   uint32 // IFF_*
	Master  int    // the bridge's index, or 0
	Parent  int    // a VLAN's link, or a veth's peer
	// ParentStack is the namespace that Parent is a number of, nil for this one.
	ParentStack *Stack
	Used        bool // it has been up
	VLAN        uint16
	TxQLen      int
	Group       uint32
	Alias       string
	AddrGen     uint8 // addr_gen_mode
	Stats       NICStats
	Tun         *tun.Info // of a KindTun
}

// NICStats are struct rtnl_link_stats64's counters.
type NICStats struct {
	RxPackets, TxPackets, RxBytes, TxBytes   uint64
	RxErrors, TxErrors, RxDropped, TxDropped uint64
	Multicast                                uint64
}

// Addr is an address of an interface: what RTM_NEWADDR says.
type Addr struct {
	Prefix    netip.Prefix // the address itself and the length of its network's prefix
	Peer      netip.Addr   // of a point-to-point link, or invalid
	Broadcast netip.Addr   // or invalid
	Label     string       // of IPv4
	Scope     uint8        // RT_SCOPE_*
	Flags     uint32       // IFA_F_*
	Protocol  uint8        // IFAPROT_*
	// How long it is preferred and valid from now; 0 is for ever.
	Preferred, Valid time.Duration
	Metric           uint32 // of the prefix route
	// Unique says that nobody else has it: there is no duplicate address detection.
	Unique bool
}

// EventKind says what changed.
type EventKind uint8

// The kinds of events.
const (
	LinkEvent EventKind = iota
	AddrEvent
	RouteEvent
	NeighEvent
	RuleEvent
)

// Event is a change of the namespace, for netlink's groups.
type Event struct {
	Kind    EventKind
	Removed bool
	NIC     NICInfo      // LinkEvent; of the others the Index
	Addr    Addr         // AddrEvent
	Route   *route.Route // RouteEvent
	Rule    *route.Rule  // RuleEvent
	Neigh   neigh.Info   // NeighEvent
	V6      bool
}
