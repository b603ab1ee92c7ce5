package stack

import (
	"iter"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/icmp"
	"hull/netstack/ipv4"
	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/route"
)

// ipprotoMax is IPPROTO_MAX: protocols of sockets are less.
const ipprotoMax = 263

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
	// Log takes lines of the kernel's log, of a filter's log statements; nil drops them.
	Log func(level int, line string)
	// Beside returns sockets that are listed as the stack's own and are not; nil for
	// none.
	Beside func() []Listed
}

// Stack is a network namespace.
type Stack struct {
	cfg    Config // immutable
	timers timers
	demux  demux
	tcp    *ports // immutable, as udp and ping
	udp    *ports
	// udpLite is the ports of UDP-Lite. Immutable.
	udpLite *ports
	ping    *ports

	mu        sync.Mutex // one change of the configuration at a time
	lastIndex int        // guarded by mu: of the interface that was numbered last

	nics    atomic.Pointer[nicTable]
	ribs    [2]*route.RIB // of IPv4 and IPv6; immutable
	epoch   atomic.Uint64 // grows with each change that a path may depend on
	watch   watchers
	sockets registry
	taps    taps
	rawlist raws

	counts                 counters
	icmpTypes4, icmpTypes6 icmpTypes
	tunables               [nTunables]value
	reserved               atomic.Pointer[portSet]
	conf4All, conf4Default conf4
	conf6All, conf6Default conf6
	// secret6 is stable_secret of `default`, once there is one.
	secret6      atomic.Pointer[netip.Addr]
	neighDefault [2]atomic.Pointer[neigh.Config]

	frags4, frags6         *frag.Reassembler
	fragTimer4, fragTimer6 timer
	routeTimer             timer // see armRoutes
	ids                    ipv4.IDs
	icmpLimit              *icmp.Limiter
	icmpLimit6             *icmp.Limiter
	pmtus                  pmtuCache
	flows                  flowLabels
	backlog                backlog
	batches                sync.Pool // of *batch
	filter                 atomic.Pointer[Filter]
	netfilter              atomic.Pointer[netfilter] // made with the first rule
	interceptor            atomic.Pointer[Interceptor]
	foreign                atomic.Pointer[Foreign]
	closed                 atomic.Bool

	tcpState tcpState // of TCP's sockets
}

// nicTable is a snapshot of the interfaces.
type nicTable struct {
	byIndex map[int]*NIC
	byName  map[string]*NIC
	list    []*NIC // in the order of their indices
}

// New returns a stack with the loopback interface, down and without addresses, as
// a new network namespace of Linux is.
func New(cfg Config) *Stack {
	s := &Stack{cfg: cfg}
	s.timers.now, s.timers.after = cfg.Now, cfg.After
	s.backlog.s = s
	s.initTunables()
	s.tcp, s.udp, s.ping = newPorts(unix.IPPROTO_TCP), newPorts(unix.IPPROTO_UDP), newPorts(unix.IPPROTO_ICMP)
	s.udpLite = newPorts(unix.IPPROTO_UDPLITE)
	s.demux.secret = s.randomUint64()
	s.ids.Seed(s.randomUint64())
	s.ribs = [2]*route.RIB{route.NewRIB(false), route.NewRIB(true)}
	s.frags4 = frag.New(fragConfig(s.tune(tIPFragHighThresh), s.tune(tIPFragTime)))
	s.frags6 = frag.New(fragConfig(s.tune(tV6FragHighThresh), s.tune(tV6FragTime)))
	s.taps.init(s)
	s.fragTimer4.init(&s.timers, func() { s.fragTick(false) })
	s.fragTimer6.init(&s.timers, func() { s.fragTick(true) })
	s.routeTimer.init(&s.timers, s.routeTick)
	s.icmpLimit = icmp.NewLimiter(int(s.tune(tICMPMsgsPerSec)), int(s.tune(tICMPMsgsBurst)))
	s.icmpLimit6 = icmp.NewLimiter(int(s.tune(tICMPMsgsPerSec)), int(s.tune(tICMPMsgsBurst)))
	for i := range s.neighDefault {
		c := neigh.DefaultConfig()
		s.neighDefault[i].Store(&c)
	}
	s.nics.Store(&nicTable{byIndex: map[int]*NIC{}, byName: map[string]*NIC{}})
	s.tcpState.init(s)
	if _, err := s.AddNIC(NICConfig{Name: "lo", Index: 1, Kind: KindLoopback}); err != nil {
		panic("stack: the loopback interface of a new stack: " + err.Error())
	}
	return s
}

// Close ends all sockets and interfaces.
func (s *Stack) Close() {
	if s.closed.Swap(true) {
		return
	}
	for _, x := range s.sockets.all() {
		x.Close()
	}
	for _, n := range s.NICs() {
		s.removeNIC(n)
	}
	s.timers.close()
}

// NewSocket is socket(2): EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM without o.Raw.
func (s *Stack) NewSocket(family, typ, protocol int, o Owner) (Socket, error) {
	if family == unix.AF_PACKET {
		return s.newPacketSocket(typ, protocol, o)
	}
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return nil, unix.EAFNOSUPPORT
	}
	if protocol < 0 || protocol >= ipprotoMax {
		return nil, unix.EINVAL
	}
	icmpProto := unix.IPPROTO_ICMP
	if family == unix.AF_INET6 {
		icmpProto = unix.IPPROTO_ICMPV6
	}
	switch typ {
	case unix.SOCK_STREAM:
		if protocol == 0 || protocol == unix.IPPROTO_TCP {
			return s.newTCPSocket(family, o)
		}
		return nil, unix.EPROTONOSUPPORT
	case unix.SOCK_DGRAM:
		switch protocol {
		case 0, unix.IPPROTO_UDP:
			return s.newUDPSocket(family, unix.IPPROTO_UDP, o)
		case unix.IPPROTO_UDPLITE:
			return s.newUDPSocket(family, protocol, o)
		case icmpProto:
			return s.newPingSocket(family, o)
		}
		return nil, unix.EPROTONOSUPPORT
	case unix.SOCK_RAW:
		if !o.Raw {
			return nil, unix.EPERM
		}
		if protocol == 0 {
			return nil, unix.EPROTONOSUPPORT
		}
		return s.newRawSocket(family, protocol, o)
	}
	return nil, unix.ESOCKTNOSUPPORT
}

// Sockets yields the endpoints of a protocol (IPPROTO_*, or 0 for packet sockets)
// in the order in which they were made, and those of Config.Beside.
func (s *Stack) Sockets(family, protocol int) iter.Seq[Listed] {
	return func(yield func(Listed) bool) {
		for _, x := range s.sockets.all() {
			if x.Family() != family || family != unix.AF_PACKET && !sameProtocol(x, protocol) {
				continue
			}
			if !yield(x) {
				return
			}
		}
		if protocol == unix.IPPROTO_TCP && !s.tcpUnowned(family, yield) || s.cfg.Beside == nil {
			return
		}
		for _, x := range s.cfg.Beside() {
			if x.Family() == family && sameProtocol(x, protocol) && !yield(x) {
				return
			}
		}
	}
}

// sameProtocol reports whether x is listed under a protocol: raw sockets of any
// protocol under IPPROTO_RAW.
func sameProtocol(x Listed, protocol int) bool {
	if x.Type() == unix.SOCK_RAW {
		return protocol == unix.IPPROTO_RAW
	}
	return x.Protocol() == protocol
}

// Abort ends a socket as `ss -K` does: ECONNABORTED.
func (s *Stack) Abort(x Listed) error {
	if a, ok := x.(interface{ abort(unix.Errno) error }); ok {
		return a.abort(unix.ECONNABORTED)
	}
	return unix.EOPNOTSUPP
}

// registry is the sockets of a stack.
type registry struct {
	mu     sync.Mutex
	m      map[*common]Socket
	serial uint64
}

// register makes a socket known to Sockets; unregister undoes it.
func (s *Stack) register(c *common) {
	r := &s.sockets
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[*common]Socket{}
	}
	r.serial++
	c.serial = r.serial
	r.m[c] = c.self
}

func (s *Stack) unregister(c *common) {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	delete(s.sockets.m, c)
}

func (r *registry) all() []Socket {
	r.mu.Lock()
	cs := make([]*common, 0, len(r.m))
	for c := range r.m {
		cs = append(cs, c)
	}
	r.mu.Unlock()
	slices.SortFunc(cs, func(a, b *common) int { return int(int64(a.serial) - int64(b.serial)) })
	out := make([]Socket, len(cs))
	for i, c := range cs {
		out[i] = c.self
	}
	return out
}

// NICConfig makes an interface.
type NICConfig struct {
	Name  string // "" or one with %d is completed
	Index int    // 0 takes the next
	Kind  NICKind
	// Link is what a KindDevice or a KindTun sends to and receives from. The NIC attaches to
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
	AddrGen          *uint8 // addr_gen_mode
}

// NIC returns an interface by index, NICByName by name; nil if there is none.
func (s *Stack) NIC(index int) *NIC         { return s.nics.Load().byIndex[index] }
func (s *Stack) NICByName(name string) *NIC { return s.nics.Load().byName[name] }

// NICs returns the interfaces in the order of their indices. Read-only.
func (s *Stack) NICs() []*NIC { return s.nics.Load().list }

// RIB returns the rules and routes of a family. Who changes it says so by Notify.
func (s *Stack) RIB(v6 bool) *route.RIB { return s.ribs[bit(v6)] }

// AddRoute and DelRoute change the table and tell the watchers.
func (s *Stack) AddRoute(r *route.Route, mode route.AddMode) error {
	for _, h := range r.Hops {
		if h.OIF != 0 && s.NIC(h.OIF) == nil {
			return unix.ENODEV
		}
	}
	return s.change(func(ev *events) error {
		old, err := s.RIB(is6(r)).Add(r, mode)
		if err != nil {
			return err
		}
		if old != nil && is6(r) {
			ev.route(old, true)
		}
		ev.route(r, false)
		if r.Expires != 0 {
			s.armRoutes(r.Expires)
		}
		return nil
	})
}

// DelRoute removes the first route that is equal to r in what r says: ESRCH.
func (s *Stack) DelRoute(r *route.Route) error {
	return s.change(func(ev *events) error {
		gone, err := s.RIB(is6(r)).Delete(r.Table, r.Dst, func(o *route.Route) bool { return named(r, o) }, false)
		for _, g := range gone {
			ev.route(g, true)
		}
		return err
	})
}

// named reports whether o is a route that r names: what r leaves open matches all.
func named(r, o *route.Route) bool {
	if r.TOS != o.TOS || r.Priority != 0 && r.Priority != o.Priority || r.Protocol != 0 && r.Protocol != o.Protocol ||
		r.Type != 0 && r.Type != o.Type || r.Source.IsValid() && r.Source != o.Source {
		return false
	}
	for _, h := range r.Hops {
		if !slices.ContainsFunc(o.Hops, func(x route.Hop) bool {
			return (h.OIF == 0 || h.OIF == x.OIF) && (!h.Gateway.IsValid() || h.Gateway == x.Gateway)
		}) {
			return false
		}
	}
	return true
}

// Lookup says where a packet would go and what source it would have: `ip route get`.
func (s *Stack) Lookup(f *route.Flow) (route.Result, netip.Addr, error) {
	p, err := s.findPath(&pathQuery{
		dst: f.Dst, src: f.Src, oif: f.OIF, tos: f.TOS, mark: f.Mark, uid: f.UID, proto: f.Proto,
		sport: f.SrcPort, dport: f.DstPort, anySource: f.IIF != 0,
	})
	if err != nil {
		return route.Result{}, netip.Addr{}, err
	}
	r := route.Result{Route: p.route, Hop: route.Hop{OIF: p.nic.index}}
	if p.gw {
		r.Hop.Gateway = p.hop
	}
	if r.Route == nil {
		t := route.Type(unix.RTN_UNICAST)
		switch p.kind {
		case toMulticast:
			t = unix.RTN_MULTICAST
		case toBroadcast:
			t = unix.RTN_BROADCAST
		}
		r.Route = &route.Route{Dst: netip.PrefixFrom(p.dst, p.dst.BitLen()), Type: t, Table: route.TableMain}
	}
	return r, p.src, nil
}

// TunableInfo is one tunable.
type TunableInfo struct {
	Path string
	Mode uint32
}

// Counter is one SNMP counter.
type Counter struct {
	Group, Name string
	Value       uint64
}
