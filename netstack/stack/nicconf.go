package stack

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
)

// maxNICs bounds the interfaces of a stack.
const maxNICs = 4096

// AddNIC adds an interface, which is down. EEXIST for a name that is taken,
// EINVAL, ENODEV for a parent that is not there.
func (s *Stack) AddNIC(c NICConfig) (*NIC, error) {
	n, err := s.makeNIC(&c)
	if err != nil {
		return nil, err
	}
	if err := s.insertNIC(n, c.Name, c.Index); err != nil {
		return nil, err
	}
	if c.Kind != KindVeth {
		n.attach()
		return n, nil
	}
	peerConfig := NICConfig{}
	if c.Peer != nil {
		peerConfig = *c.Peer
	}
	peerConfig.Kind = KindVeth
	at := c.PeerStack
	if at == nil {
		at = s
	}
	peer, err := at.makeNIC(&peerConfig)
	if err == nil {
		peer.peer.Store(n)
		err = at.insertNIC(peer, peerConfig.Name, peerConfig.Index)
	}
	if err != nil {
		s.removeNIC(n)
		return nil, err
	}
	n.peer.Store(peer)
	return n, nil
}

// makeNIC checks a configuration and makes its interface, which is not yet seen.
func (s *Stack) makeNIC(c *NICConfig) (*NIC, error) {
	n := &NIC{stack: s, kind: c.Kind, hw: link.Ethernet}
	flags := uint32(unix.IFF_BROADCAST | unix.IFF_MULTICAST)
	mtu, addr := 1500, c.Address
	n.carrier.Store(true)
	switch c.Kind {
	case KindDevice, KindTun:
		if c.Link == nil {
			return nil, unix.EINVAL
		}
		n.ep, n.hw = c.Link, c.Link.Kind()
		mtu = c.Link.MTU()
		if addr == (link.Address{}) {
			addr = c.Link.Address()
		}
		if n.hw == link.RawIP {
			flags = unix.IFF_POINTOPOINT | unix.IFF_NOARP | unix.IFF_MULTICAST
		}
	case KindLoopback:
		n.hw, mtu, flags = link.Loopback, 65536, unix.IFF_LOOPBACK
	case KindDummy:
		flags = unix.IFF_BROADCAST | unix.IFF_NOARP
	case KindVeth:
		n.carrier.Store(false)
	case KindBridge:
		n.bridge = newBridge(n)
	case KindVLAN:
		if c.VLAN == 0 || c.VLAN >= 4095 {
			return nil, unix.ERANGE
		}
		if n.lower = s.NIC(c.Parent); n.lower == nil {
			return nil, unix.ENODEV
		}
		if n.lower.hw != link.Ethernet || n.lower.kind == KindVLAN {
			return nil, unix.EOPNOTSUPP
		}
		n.carrier.Store(false)
		n.vlan, mtu = c.VLAN, n.lower.MTU()
		if addr == (link.Address{}) {
			addr = n.lower.Address()
		}
	default:
		return nil, unix.EOPNOTSUPP
	}
	if c.MTU != 0 {
		if c.MTU < 68 || c.MTU > link.MaxMTU {
			return nil, unix.EINVAL
		}
		mtu = c.MTU
	}
	if addr == (link.Address{}) && n.hw == link.Ethernet {
		s.cfg.Random(addr[:])
		addr[0] = addr[0]&^1 | 2
	}
	n.mtu.Store(int64(mtu))
	n.flags.Store(flags)
	n.address.Store(pack(addr))
	n.txqlen.Store(1000)
	if c.Kind == KindTun {
		if n.hw == link.RawIP {
			n.txqlen.Store(500)
		}
		n.carrier.Store(false) // until somebody reads
	}
	n.initConf()
	return n, nil
}

// initConf gives the interface the tunables of `default`.
func (n *NIC) initConf() {
	s := n.stack
	for i := range n.conf4 {
		n.conf4[i].Store(s.conf4Default[i].Load())
	}
	for i := range n.conf6 {
		n.conf6[i].Store(s.conf6Default[i].Load())
	}
	n.conf6[conf6MTU].Store(int32(n.MTU()))
	if secret := s.secret6.Load(); secret != nil {
		n.secret.Store(secret)
		n.conf6[conf6AddrGenMode].Store(addrGenStable)
	}
	if n.loopback() {
		n.conf6[conf6AcceptDAD].Store(-1)
		n.conf4[conf4DisablePolicy].Store(1)
	}
	if n.hw == link.Ethernet {
		random := func(below int64) int64 { return s.randomBelow(below) }
		n.arp = neigh.New(*s.neighDefault[0].Load(), neighLink{n, false}, random)
		n.ndp = neigh.New(*s.neighDefault[1].Load(), neighLink{n, true}, random)
	}
	n.initNeighTimers()
	n.nd6.init(n)
	n.mcast.init(n)
}

// insertNIC gives the interface its name and number and shows it.
func (s *Stack) insertNIC(n *NIC, name string, index int) error {
	return s.change(func(ev *events) error {
		t := s.nics.Load()
		if len(t.list) >= maxNICs {
			return unix.ENOBUFS
		}
		name, err := t.name(name, n.kind)
		if err != nil {
			return err
		}
		if index != 0 && t.byIndex[index] != nil {
			return unix.EBUSY
		}
		if n.kind == KindVLAN {
			if err := n.lower.addVLAN(n); err != nil {
				return err
			}
		}
		if index == 0 {
			// Numbers are not used again, though those that were asked for are stepped over.
			for index = s.lastIndex + 1; t.byIndex[index] != nil; {
				index++
			}
			s.lastIndex = index
		}
		n.index = index
		n.name.Store(&name)
		s.nics.Store(t.with(n))
		s.renumberRules()
		ev.link(n, false)
		return nil
	})
}

// renumberRules tells the rules that name interfaces their numbers.
func (s *Stack) renumberRules() {
	for _, rib := range s.ribs {
		for _, r := range rib.Rules() {
			if r.IIFName != "" || r.OIFName != "" {
				rib.RenumberRules(func(name string) int {
					if n := s.NICByName(name); n != nil {
						return n.index
					}
					return -1
				})
				break
			}
		}
	}
}

// attach starts the delivery of what arrives.
func (n *NIC) attach() {
	if n.ep != nil {
		n.ep.Attach(n)
	}
}

// name completes and checks a name.
func (t *nicTable) name(name string, kind NICKind) (string, error) {
	if name == "" {
		name = map[NICKind]string{KindDevice: "eth%d", KindBridge: "br%d", KindLoopback: "lo"}[kind]
		if name == "" {
			name = string(kind) + "%d"
		}
	}
	if prefix, suffix, ok := strings.Cut(name, "%d"); ok {
		for i := range maxNICs + 1 {
			if full := prefix + strconv.Itoa(i) + suffix; t.byName[full] == nil {
				name = full
				break
			}
		}
	}
	if !validName(name) {
		return "", unix.EINVAL
	}
	if t.byName[name] != nil {
		return "", unix.EEXIST
	}
	return name, nil
}

// validName reports whether Linux would take the name for an interface.
func validName(name string) bool {
	if name == "" || len(name) >= unix.IFNAMSIZ || name == "." || name == ".." {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == ':' || r == '%' || r <= ' ' || r == 0x7f
	})
}

// with and without return a table with one interface more or less.
func (t *nicTable) with(n *NIC) *nicTable {
	c := &nicTable{maps.Clone(t.byIndex), maps.Clone(t.byName), slices.Clone(t.list)}
	c.byIndex[n.index], c.byName[n.Name()] = n, n
	at, _ := slices.BinarySearchFunc(c.list, n.index, func(x *NIC, i int) int { return x.index - i })
	c.list = slices.Insert(c.list, at, n)
	return c
}

func (t *nicTable) without(n *NIC) *nicTable {
	c := &nicTable{maps.Clone(t.byIndex), maps.Clone(t.byName), nil}
	delete(c.byIndex, n.index)
	delete(c.byName, n.Name())
	for _, x := range t.list {
		if x != n {
			c.list = append(c.list, x)
		}
	}
	return c
}

// RemoveNIC removes an interface and what hangs on it: a veth's other end, the
// VLANs on it, the memberships of a bridge's ports.
func (s *Stack) RemoveNIC(index int) error {
	n := s.NIC(index)
	if n == nil {
		return unix.ENODEV
	}
	if n.loopback() {
		return unix.EOPNOTSUPP
	}
	s.removeNIC(n)
	return nil
}

func (s *Stack) removeNIC(n *NIC) {
	if vs := n.vlans.Load(); vs != nil {
		for _, v := range *vs {
			s.removeNIC(v)
		}
	}
	s.extract(n)
	if p := n.peer.Swap(nil); p != nil {
		p.peer.Store(nil)
		p.stack.removeNIC(p)
	}
	if n.ep != nil {
		n.ep.Attach(nil)
		n.ep.Close()
	}
}

// extract takes an interface out of the stack, with its addresses and routes.
func (s *Stack) extract(n *NIC) {
	_ = s.change(func(ev *events) error {
		if s.NIC(n.index) != n {
			return nil
		}
		if n.isUp() {
			n.down(ev)
		}
		n.enslave(nil, ev)
		if n.bridge != nil {
			n.bridge.dissolve(ev)
		}
		if n.lower != nil {
			n.lower.dropVLAN(n)
		}
		for _, a := range slices.Concat(n.list4(), n.list6()) {
			n.dropAddr(a, ev)
		}
		n.gone.Store(true)
		s.nics.Store(s.nics.Load().without(n))
		n.mcast.close()
		n.nd6.close()
		for i := range n.neighTimers {
			n.neighTimers[i].drop()
		}
		s.renumberRules()
		ev.link(n, true)
		return nil
	})
	s.forgetNIC(n)
}

// MoveNIC moves an interface to another namespace. It is down then and has no
// address, as Linux has it.
func (s *Stack) MoveNIC(index int, to *Stack, name string) error {
	n := s.NIC(index)
	if n == nil {
		return unix.ENODEV
	}
	if n.loopback() || n.kind == KindBridge || n.kind == KindVLAN {
		return unix.EINVAL
	}
	if to == s {
		return nil
	}
	if name == "" {
		name = n.Name()
	}
	if !strings.Contains(name, "%d") && to.NICByName(name) != nil {
		return unix.EEXIST
	}
	if n.ep != nil {
		n.ep.Attach(nil)
	}
	peer := n.peer.Load()
	s.extract(n)
	m, err := to.makeNIC(&NICConfig{Kind: n.kind, Link: n.ep, MTU: n.MTU(), Address: n.Address()})
	if err != nil {
		return err
	}
	if to.NIC(index) != nil {
		index = 0
	}
	m.peer.Store(peer)
	m.featuresOff.Store(n.featuresOff.Load())
	if err := to.insertNIC(m, name, index); err != nil {
		return err
	}
	if peer != nil {
		peer.peer.Store(m)
	}
	m.attach()
	return nil
}

// Change changes the interface: ERANGE, EINVAL, EEXIST, EBUSY as Linux has it.
func (n *NIC) Change(c Change) error {
	s := n.stack
	return s.change(func(ev *events) error {
		if n.gone.Load() {
			return unix.ENODEV
		}
		if err := n.checkChange(&c); err != nil {
			return err
		}
		if c.Name != nil && *c.Name != n.Name() {
			t := s.nics.Load()
			name, err := t.name(*c.Name, n.kind)
			if err != nil {
				return err
			}
			t = t.without(n)
			n.name.Store(&name)
			s.nics.Store(t.with(n))
			s.renumberRules()
		}
		if c.Address != nil {
			n.address.Store(pack(*c.Address))
		}
		if c.MTU != nil {
			n.setMTU(*c.MTU)
		}
		if c.TxQLen != nil {
			n.txqlen.Store(int64(*c.TxQLen))
		}
		if c.Alias != nil {
			n.alias.Store(c.Alias)
		}
		if c.Group != nil {
			n.group.Store(*c.Group)
		}
		if c.Master != nil {
			var b *bridge
			if *c.Master != 0 {
				b = s.NIC(*c.Master).bridge
			}
			n.enslave(b, ev)
		}
		if c.AddrGen != nil {
			n.conf6[conf6AddrGenMode].Store(int32(*c.AddrGen))
		}
		n.setFlags(c.Flags, c.FlagsMask, ev)
		ev.link(n, false)
		return nil
	})
}

// checkChange refuses what cannot be, before anything is changed.
func (n *NIC) checkChange(c *Change) error {
	s := n.stack
	if c.MTU != nil {
		if most := n.maxMTU(); *c.MTU < 68 && !n.loopback() || *c.MTU < 0 || *c.MTU > most {
			return unix.EINVAL
		}
	}
	if c.Address != nil && (n.hw != link.Ethernet || c.Address[0]&1 != 0 || *c.Address == link.Address{}) {
		return unix.EADDRNOTAVAIL
	}
	if c.Master != nil && *c.Master != 0 {
		m := s.NIC(*c.Master)
		switch {
		case m == nil:
			return unix.ENODEV
		case m.bridge == nil:
			return unix.EOPNOTSUPP
		case n.loopback() || n.bridge != nil || n.hw != link.Ethernet:
			return unix.EINVAL
		case n.master.Load() != m.bridge && len(m.bridge.list()) >= maxPorts:
			return unix.EXFULL
		}
	}
	if n.kind == KindVLAN && c.Flags&c.FlagsMask&unix.IFF_UP != 0 && !n.lower.isUp() {
		return unix.ENETDOWN
	}
	if c.AddrGen != nil && !n.mayGenerate(int32(*c.AddrGen)) {
		return unix.EINVAL
	}
	if c.TxQLen != nil && *c.TxQLen < 0 {
		return unix.ERANGE
	}
	return nil
}

// maxMTU is the largest MTU that may be set.
func (n *NIC) maxMTU() int {
	switch n.kind {
	case KindDevice:
		return n.ep.MTU()
	case KindVLAN:
		return n.lower.MTU()
	case KindLoopback:
		return 1<<31 - 1
	}
	return 65535
}

func (n *NIC) setMTU(mtu int) {
	n.mtu.Store(int64(mtu))
	n.conf6[conf6MTU].Store(int32(mtu))
}

// changeable are the flags that may be set.
const changeable = unix.IFF_UP | unix.IFF_PROMISC | unix.IFF_ALLMULTI | unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_DEBUG | unix.IFF_NOTRAILERS | unix.IFF_DYNAMIC

// setFlags sets the flags in mask, and brings the interface up or down.
func (n *NIC) setFlags(flags, mask uint32, ev *events) {
	mask &= changeable
	old := n.flags.Load()
	now := old&^mask | flags&mask
	switch {
	case old&unix.IFF_UP == 0 && now&unix.IFF_UP != 0:
		n.flags.Store(now)
		n.up(ev)
	case old&unix.IFF_UP != 0 && now&unix.IFF_UP == 0:
		n.down(ev)
		n.flags.Store(now)
	default:
		n.flags.Store(now)
	}
}

// up brings the interface up: its addresses get their routes.
func (n *NIC) up(ev *events) {
	n.used.Store(true)
	n.carrier.Store(n.hasCarrier())
	n.linkRoutes()
	if n.loopback() && len(n.list4()) == 0 {
		a := loopbackAddr()
		a.Label = n.Name()
		_ = n.addAddr(a, false, ev)
	} else {
		for _, a := range n.list4() {
			n.addRoutes4(a, ev)
		}
	}
	n.mcast.start(ev)
	n.up6(ev)
	n.wentUpOrDown(ev)
	if d := n.Tun(); d != nil {
		ev.then(d.CameUp)
	}
}

// down takes the interface down: the routes through it go, and the addresses of
// IPv6 do.
func (n *NIC) down(ev *events) {
	s := n.stack
	n.flags.Store(n.flags.Load() &^ unix.IFF_UP)
	n.down6(ev)
	n.mcast.down()
	for _, rib := range s.ribs {
		for _, r := range rib.Flush(n.onlyHere) {
			ev.route(r, true)
		}
		rib.SetLink(n.index, false)
	}
	n.forgetNeighbors(ev)
	n.wentUpOrDown(ev)
	ev.then(func() {
		for _, x := range s.sockets.all() {
			if p, ok := x.(*packetSocket); ok {
				p.nicDown(n)
			}
		}
	})
}

// Close of packet sockets and others that are bound to the interface: ENETDOWN.
func (s *Stack) forgetNIC(n *NIC) {
	for _, x := range s.sockets.all() {
		if o, ok := x.(interface{ nicGone(n *NIC) }); ok {
			o.nicGone(n)
		}
	}
}
