package stack

import (
	"iter"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// Config is what a stack is given.
type Config struct {
	Pool *buffer.Pool
	// Now is nanoseconds of a clock that never goes back and is not 0; Wall is
	// the time of day. After calls f once, d later, on a goroutine of its own.
	Now   func() int64
	Wall  func() time.Time
	After func(d time.Duration, f func()) (stop func())
	// Random fills b with bytes that nobody can guess.
	Random func(b []byte)
}

// Stack is a network namespace.
type Stack struct{ cfg Config }

// New returns a stack with the loopback interface, down and without addresses, as
// a new network namespace of Linux is.
func New(cfg Config) *Stack { return &Stack{cfg: cfg} }

// Close ends all sockets and interfaces.
func (s *Stack) Close() {}

// NewSocket is socket(2): EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM without o.Raw.
func (s *Stack) NewSocket(family, typ, protocol int, o Owner) (Socket, error) {
	return nil, unix.EAFNOSUPPORT
}

// Sockets yields the endpoints of a protocol (IPPROTO_*, or 0 for packet sockets).
func (s *Stack) Sockets(family, protocol int) iter.Seq[Socket] {
	return func(func(Socket) bool) {}
}

// Abort ends a socket as `ss -K` does: ECONNABORTED.
func (s *Stack) Abort(x Socket) error { return unix.EOPNOTSUPP }

// NIC is an interface.
type NIC struct{}

// NICConfig makes an interface.
type NICConfig struct {
	Name  string // "" or one with %d is completed
	Index int    // 0 takes the next
	Kind  NICKind
	// Link is what a KindDevice sends to and receives from. The NIC attaches to
	// it, and closes it when it is removed.
	Link    link.Endpoint
	MTU     int          // 0 is the link's own
	Address link.Address // 0 is the link's own, or a random one
	Parent  int          // of a VLAN
	VLAN    uint16
	// Peer is the other end of a veth: in PeerStack (nil is the same).
	Peer      *NICConfig
	PeerStack *Stack
}

// AddNIC adds an interface, which is down. EEXIST for a name that is taken,
// EINVAL, ENODEV for a parent that is not there.
func (s *Stack) AddNIC(c NICConfig) (*NIC, error) { return nil, unix.EOPNOTSUPP }

// RemoveNIC removes an interface and what hangs on it.
func (s *Stack) RemoveNIC(index int) error { return unix.EOPNOTSUPP }

// MoveNIC moves an interface to another namespace.
func (s *Stack) MoveNIC(index int, to *Stack, name string) error { return unix.EOPNOTSUPP }

// NIC returns an interface by index, NICByName by name; nil if there is none.
func (s *Stack) NIC(index int) *NIC         { return nil }
func (s *Stack) NICByName(name string) *NIC { return nil }

// NICs returns the interfaces in the order of their indices.
func (s *Stack) NICs() []*NIC { return nil }

// Info returns what is told of the interface.
func (n *NIC) Info() NICInfo { return NICInfo{} }

// Index returns its number.
func (n *NIC) Index() int { return 0 }

// Change is RTM_SETLINK: what is not nil is changed.
type Change struct {
	Flags, FlagsMask uint32 // IFF_UP, IFF_PROMISC, IFF_ALLMULTI, IFF_NOARP, IFF_MULTICAST
	Name             *string
	MTU              *int
	Address          *link.Address
	Master           *int
	TxQLen           *int
	Alias            *string
	Group            *uint32
}

// Change changes the interface: ERANGE, EINVAL, EEXIST, EBUSY as Linux has it.
func (n *NIC) Change(c Change) error { return unix.EOPNOTSUPP }

// AddAddr adds an address, with its local and prefix routes: EEXIST. replace
// changes one that is there.
func (n *NIC) AddAddr(a Addr, replace bool) error { return unix.EOPNOTSUPP }

// DelAddr removes an address: EADDRNOTAVAIL.
func (n *NIC) DelAddr(p netip.Prefix) error { return unix.EOPNOTSUPP }

// Addrs returns the addresses of the interface.
func (n *NIC) Addrs() []Addr { return nil }

// Neighbors returns the neighbour cache of a family; nil where the link has none.
func (n *NIC) Neighbors(v6 bool) *neigh.Cache { return nil }

// Groups returns the multicast groups that are joined, and how often.
func (n *NIC) Groups() map[netip.Addr]int { return nil }

// RIB returns the rules and routes of a family. Who changes it says so by Notify.
func (s *Stack) RIB(v6 bool) *route.RIB { return nil }

// AddRoute and DelRoute change the table and tell the watchers.
func (s *Stack) AddRoute(r *route.Route, mode route.AddMode) error { return unix.EOPNOTSUPP }
func (s *Stack) DelRoute(r *route.Route) error                     { return unix.EOPNOTSUPP }

// Lookup says where a packet would go and what source it would have: `ip route get`.
func (s *Stack) Lookup(f *route.Flow) (route.Result, netip.Addr, error) {
	return route.Result{}, netip.Addr{}, unix.ENETUNREACH
}

// Watch has f called after each change, without locks, in order. It must not block.
func (s *Stack) Watch(f func(Event)) (cancel func()) { return func() {} }

// Tunable returns a value below /proc/sys/net, by its path ("ipv4/ip_forward",
// "ipv4/tcp_rmem", "core/somaxconn", "ipv6/conf/eth0/disable_ipv6"): ENOENT.
func (s *Stack) Tunable(path string) (string, error) { return "", unix.ENOENT }

// SetTunable sets one: ENOENT, EINVAL, EACCES for one that is only read.
func (s *Stack) SetTunable(path, value string) error { return unix.ENOENT }

// Tunables returns all paths, sorted, with the permission bits of their files.
func (s *Stack) Tunables() []TunableInfo { return nil }

// TunableInfo is one tunable.
type TunableInfo struct {
	Path string
	Mode uint32
}

// Counter returns the value of an SNMP counter by the prefix and name of
// /proc/net/snmp, snmp6 and netstat ("Tcp", "RetransSegs"); Counters lists them in
// the files' order.
func (s *Stack) Counters() []Counter { return nil }

// Counter is one of them.
type Counter struct {
	Group, Name string
	Value       uint64
}
