package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// maxMemberships bounds the groups that one socket is in, by more than what
// igmp_max_memberships does.
const maxMemberships = 1024

// membership is one group that a socket is in. Guarded by the socket's lock.
type membership struct {
	group  netip.Addr
	nic    int
	filter *sourceFilter
}

// Layout of the structures of multicast options (ip(7), RFC 3678).
const (
	sizeofStorage     = 128 // struct sockaddr_storage
	groupReqAt        = 8   // of the group in struct group_req
	sourceReqAt       = groupReqAt + sizeofStorage
	groupReqSize      = sourceReqAt
	groupSourceSize   = sourceReqAt + sizeofStorage
	groupFilterSize   = sourceReqAt + 8
	msFilterSize      = 16 // struct ip_msfilter without sources
	mcastExclude      = 0  // MCAST_EXCLUDE
	mcastInclude      = 1
	maxFilterSources6 = 64 // net.ipv6.mld_max_msf
)

// groupRequest is what an option says: the interface by number or address, the
// group, a source.
type groupRequest struct {
	group, source, iface netip.Addr
	index                int
}

// setMembership is setsockopt of the options about groups.
func (c *common) setMembership(v6 bool, name int, b []byte) error {
	if c.typ == unix.SOCK_STREAM {
		switch { // the others are for Linux's streams, too
		case !v6 && (name == unix.IP_ADD_MEMBERSHIP || name == unix.IP_DROP_MEMBERSHIP),
			v6 && (name == unix.IPV6_JOIN_GROUP || name == unix.IPV6_LEAVE_GROUP) && len(b) >= 20:
			return unix.EPROTO
		}
	}
	if name == unix.IP_MSFILTER || name == unix.MCAST_MSFILTER {
		return c.setMembershipFilter(v6, name, b)
	}
	r, err := parseGroupRequest(v6, name, b)
	if err == unix.EADDRNOTAVAIL && !v6 {
		err = unix.EINVAL
	}
	if err != nil {
		return err
	}
	if !r.group.IsMulticast() && name != unix.IP_DROP_MEMBERSHIP { // which nobody can be in
		return unix.EINVAL
	}
	var nics []*NIC
	c.mu.Lock()
	switch name {
	case unix.IP_ADD_MEMBERSHIP, unix.IPV6_JOIN_GROUP, unix.MCAST_JOIN_GROUP:
		nics, err = c.join(&r, anySource())
	case unix.IP_DROP_MEMBERSHIP, unix.IPV6_LEAVE_GROUP, unix.MCAST_LEAVE_GROUP:
		nics, err = c.leave(&r)
	case unix.IP_ADD_SOURCE_MEMBERSHIP, unix.MCAST_JOIN_SOURCE_GROUP:
		nics, err = c.addSource(&r, false)
	case unix.IP_DROP_SOURCE_MEMBERSHIP, unix.MCAST_LEAVE_SOURCE_GROUP:
		nics, err = c.dropSource(&r, false)
	case unix.IP_BLOCK_SOURCE, unix.MCAST_BLOCK_SOURCE:
		nics, err = c.addSource(&r, true)
	case unix.IP_UNBLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE:
		nics, err = c.dropSource(&r, true)
	default:
		err = unix.ENOPROTOOPT
	}
	c.mu.Unlock()
	for _, n := range nics {
		n.mcast.tick()
	}
	return err
}

// parseGroupRequest reads the structure of an option: EINVAL if it is too short.
func parseGroupRequest(v6 bool, name int, b []byte) (r groupRequest, err error) {
	switch name {
	case unix.IPV6_JOIN_GROUP, unix.IPV6_LEAVE_GROUP:
		if v6 {
			if len(b) < 20 {
				return r, unix.EINVAL
			}
			return groupRequest{group: addr6Option(b), index: index32(b[16:])}, nil
		}
	}
	switch name {
	case unix.IP_ADD_MEMBERSHIP, unix.IP_DROP_MEMBERSHIP:
		if len(b) < 8 {
			return r, unix.EINVAL
		}
		r.group, r.iface = addr4Option(b), addr4Option(b[4:])
		if len(b) >= 12 {
			r.index = index32(b[8:])
		}
	case unix.IP_ADD_SOURCE_MEMBERSHIP, unix.IP_DROP_SOURCE_MEMBERSHIP, unix.IP_BLOCK_SOURCE, unix.IP_UNBLOCK_SOURCE:
		if len(b) < 12 {
			return r, unix.EINVAL
		}
		r.group, r.iface, r.source = addr4Option(b), addr4Option(b[4:]), addr4Option(b[8:])
	case unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP:
		if len(b) < groupReqSize {
			return r, unix.EINVAL
		}
		r.index = index32(b)
		r.group, err = storageAddr(v6, b[groupReqAt:])
	default:
		if len(b) < groupSourceSize {
			return r, unix.EINVAL
		}
		r.index = index32(b)
		if r.group, err = storageAddr(v6, b[groupReqAt:]); err == nil {
			r.source, err = storageAddr(v6, b[sourceReqAt:])
		}
	}
	return r, err
}

func index32(b []byte) int { return int(int32(binary.NativeEndian.Uint32(b))) }

// storageAddr reads a sockaddr_in or sockaddr_in6 in a sockaddr_storage.
func storageAddr(v6 bool, b []byte) (netip.Addr, error) {
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && !v6:
		return addr4Option(b[4:]), nil
	case family == unix.AF_INET6 && v6:
		return addr6Option(b[8:]), nil
	}
	return netip.Addr{}, unix.EADDRNOTAVAIL
}

// appendStorage appends a sockaddr_storage with an address.
func appendStorage(b []byte, a netip.Addr) []byte {
	var st [sizeofStorage]byte
	if a.Is4() {
		binary.NativeEndian.PutUint16(st[:], unix.AF_INET)
		v := a.As4()
		copy(st[4:], v[:])
	} else {
		binary.NativeEndian.PutUint16(st[:], unix.AF_INET6)
		v := a.As16()
		copy(st[8:], v[:])
	}
	return append(b, st[:]...)
}

// groupNIC returns the interface that a request means, nil if there is none.
func (s *Stack) groupNIC(r *groupRequest) *NIC {
	switch {
	case r.index != 0:
		return s.NIC(r.index)
	case r.iface.IsValid() && !r.iface.IsUnspecified():
		return s.nicOf(r.iface)
	}
	return s.defaultNIC(r.group)
}

// membershipOf returns where the socket's membership stands, -1 if it has none. A
// request of IPv6 without an interface names the first one of that group.
func (c *common) membershipOf(r *groupRequest, n *NIC) int {
	return slices.IndexFunc(c.groups, func(m membership) bool {
		return m.group == r.group && (n == nil && r.group.Is6() && r.index == 0 || n != nil && m.nic == n.index)
	})
}

// join joins a group with a filter: ENODEV, EADDRINUSE, ENOBUFS. The caller holds
// the lock, and has the interfaces that are returned tell of it.
func (c *common) join(r *groupRequest, f *sourceFilter) ([]*NIC, error) {
	s := c.stack
	n := s.groupNIC(r)
	if n == nil {
		return nil, unix.ENODEV
	}
	if c.membershipOf(r, n) >= 0 {
		return nil, unix.EADDRINUSE
	}
	limit := maxMemberships
	if r.group.Is4() {
		limit = int(min(int64(limit), max(0, s.tune(tIGMPMaxMemberships))))
	}
	if len(c.groups) >= limit {
		return nil, unix.ENOBUFS
	}
	if err := n.mcast.change(r.group, nil, f, 0); err != nil {
		return nil, err
	}
	c.groups = append(c.groups, membership{r.group, n.index, f})
	return []*NIC{n}, nil
}

// leave leaves a group: ENODEV, EADDRNOTAVAIL.
func (c *common) leave(r *groupRequest) ([]*NIC, error) {
	n := c.stack.groupNIC(r)
	i := c.membershipOf(r, n)
	if r.index == 0 && r.group.Is6() {
		i = c.membershipOf(r, nil)
	}
	if i < 0 {
		if n == nil && r.group.Is4() {
			return nil, unix.ENODEV
		}
		return nil, unix.EADDRNOTAVAIL
	}
	return c.leaveAt(i), nil
}

func (c *common) leaveAt(i int) []*NIC {
	m := c.groups[i]
	c.groups = slices.Delete(c.groups, i, i+1)
	n := c.stack.NIC(m.nic)
	if n == nil {
		return nil
	}
	_ = n.mcast.change(m.group, m.filter, nil, 0)
	return []*NIC{n}
}

// refilter gives a membership another filter.
func (c *common) refilter(i int, f *sourceFilter) []*NIC {
	m := &c.groups[i]
	old := m.filter
	m.filter = f
	n := c.stack.NIC(m.nic)
	if n == nil {
		return nil
	}
	_ = n.mcast.change(m.group, old, f, 0)
	return []*NIC{n}
}

// maxSources is how many sources a filter may have.
func (c *common) maxSources(v6 bool) int {
	if v6 {
		return maxFilterSources6
	}
	return int(min(max(0, c.stack.tune(tIGMPMaxMsf)), 1024))
}

// addSource adds a source to those that are let in, or kept out if exclude. Letting
// one in joins the group.
func (c *common) addSource(r *groupRequest, exclude bool) ([]*NIC, error) {
	n := c.stack.groupNIC(r)
	if n == nil {
		return nil, unix.ENODEV
	}
	i := c.membershipOf(r, n)
	if i < 0 {
		if exclude {
			return nil, unix.EINVAL
		}
		return c.join(r, &sourceFilter{sources: []netip.Addr{r.source}})
	}
	f := c.groups[i].filter
	if f.exclude != exclude && len(f.sources) > 0 {
		return nil, unix.EINVAL
	}
	if _, there := slices.BinarySearchFunc(f.sources, r.source, netip.Addr.Compare); there {
		return nil, unix.EADDRNOTAVAIL
	}
	if len(f.sources) >= c.maxSources(r.group.Is6()) {
		return nil, unix.ENOBUFS
	}
	return c.refilter(i, &sourceFilter{exclude, plus(f.sources, []netip.Addr{r.source})}), nil
}

// dropSource takes a source out. Of those that are let in the last one's end is
// the membership's.
func (c *common) dropSource(r *groupRequest, exclude bool) ([]*NIC, error) {
	n := c.stack.groupNIC(r)
	if n == nil {
		return nil, unix.ENODEV
	}
	i := c.membershipOf(r, n)
	if i < 0 {
		return nil, unix.EINVAL
	}
	f := c.groups[i].filter
	if f.exclude != exclude {
		return nil, unix.EINVAL
	}
	if _, there := slices.BinarySearchFunc(f.sources, r.source, netip.Addr.Compare); !there {
		return nil, unix.EADDRNOTAVAIL
	}
	if !exclude && len(f.sources) == 1 {
		return c.leaveAt(i), nil
	}
	return c.refilter(i, &sourceFilter{exclude, minus(f.sources, []netip.Addr{r.source})}), nil
}

// setMembershipFilter sets all of a filter: IP_MSFILTER and MCAST_MSFILTER.
func (c *common) setMembershipFilter(v6 bool, name int, b []byte) error {
	r, mode, count, sources, err := parseFilter(v6, name, b)
	if err != nil {
		return err
	}
	if !r.group.IsMulticast() || mode != mcastInclude && mode != mcastExclude {
		return unix.EINVAL
	}
	if count > c.maxSources(v6) {
		return unix.ENOBUFS
	}
	f := &sourceFilter{exclude: mode == mcastExclude}
	for i := range count {
		var a netip.Addr
		if name == unix.IP_MSFILTER {
			if len(sources) < (i+1)*4 {
				return unix.EINVAL
			}
			a = addr4Option(sources[i*4:])
		} else {
			if len(sources) < (i+1)*sizeofStorage {
				return unix.EINVAL
			}
			if a, err = storageAddr(v6, sources[i*sizeofStorage:]); err != nil {
				return err
			}
		}
		f.sources = append(f.sources, a)
	}
	f.sources = plus(f.sources, nil)
	n := c.stack.groupNIC(&r)
	if n == nil {
		return unix.ENODEV
	}
	c.mu.Lock()
	i := c.membershipOf(&r, n)
	if i < 0 {
		c.mu.Unlock()
		return unix.EINVAL
	}
	var nics []*NIC
	if !f.exclude && len(f.sources) == 0 {
		nics = c.leaveAt(i)
	} else {
		nics = c.refilter(i, f)
	}
	c.mu.Unlock()
	for _, n := range nics {
		n.mcast.tick()
	}
	return nil
}

// parseFilter reads struct ip_msfilter or group_filter.
func parseFilter(v6 bool, name int, b []byte) (r groupRequest, mode uint32, count int, sources []byte, err error) {
	at := groupFilterSize - 8
	if name == unix.IP_MSFILTER {
		if len(b) < msFilterSize {
			return r, 0, 0, nil, unix.EINVAL
		}
		r.group, r.iface, at = addr4Option(b), addr4Option(b[4:]), 8
	} else {
		if len(b) < groupFilterSize {
			return r, 0, 0, nil, unix.EINVAL
		}
		r.index = index32(b)
		if v6 { // Linux does not look at the family
			r.group = addr6Option(b[groupReqAt+8:])
		} else if r.group, err = storageAddr(v6, b[groupReqAt:]); err != nil {
			return r, 0, 0, nil, err
		}
	}
	n := binary.NativeEndian.Uint32(b[at+4:])
	if n > 1<<16 {
		return r, 0, 0, b[at+8:], unix.ENOBUFS
	}
	return r, binary.NativeEndian.Uint32(b[at:]), int(n), b[at+8:], nil
}

// membershipFilter is getsockopt of those: in has the group, and how many sources
// there is room for.
func (c *common) membershipFilter(v6 bool, name, room int, in []byte) ([]byte, error) {
	r, _, count, _, err := parseFilter(v6, name, in)
	switch err {
	case nil:
	case unix.ENOBUFS: // of sources, of which no more are told than there are
		count = 1 << 16
	case unix.EADDRNOTAVAIL:
		return nil, unix.EINVAL
	default:
		return nil, err
	}
	if v6 && binary.NativeEndian.Uint16(in[groupReqAt:]) != unix.AF_INET6 {
		return nil, unix.EADDRNOTAVAIL
	}
	if !r.group.IsMulticast() {
		return nil, unix.EINVAL
	}
	n := c.stack.groupNIC(&r)
	if n == nil {
		return nil, unix.ENODEV
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.membershipOf(&r, n)
	if i < 0 {
		return nil, unix.EADDRNOTAVAIL
	}
	f := c.groups[i].filter
	mode := uint32(mcastInclude)
	if f.exclude {
		mode = mcastExclude
	}
	head := groupFilterSize
	if name == unix.IP_MSFILTER {
		head = msFilterSize
	}
	out := append([]byte(nil), in[:head-8]...)
	out = binary.NativeEndian.AppendUint32(out, mode)
	out = binary.NativeEndian.AppendUint32(out, uint32(len(f.sources)))
	for _, a := range f.sources[:min(count, len(f.sources))] {
		if name == unix.IP_MSFILTER {
			v := a.As4()
			out = append(out, v[:]...)
		} else {
			out = appendStorage(out, a)
		}
	}
	return cut(out, room), nil
}

// leaveGroups leaves all groups and anycast addresses: the socket is closed. The
// caller holds no lock.
func (c *common) leaveGroups() { c.leaveAll(func(*membership) bool { return true }) }

// leaveGroups6 leaves what is of IPv6.
func (c *common) leaveGroups6() { c.leaveAll(func(m *membership) bool { return m.group.Is6() }) }

// leaveAll leaves some groups, and gives up what else there is of IPv6.
func (c *common) leaveAll(which func(*membership) bool) {
	c.mu.Lock()
	var nics []*NIC
	for i := len(c.groups) - 1; i >= 0; i-- {
		if which(&c.groups[i]) {
			nics = append(nics, c.leaveAt(i)...)
		}
	}
	anycast := c.ip6.anycast
	c.ip6.anycast = nil
	c.dropLabels()
	c.mu.Unlock()
	for _, n := range nics {
		n.mcast.tick()
	}
	for a, index := range anycast {
		if n := c.stack.NIC(index); n != nil {
			n.leaveAnycast(a)
		}
	}
}

// groupAllows reports whether the socket takes a packet of src to a group that
// came through an interface: as its memberships say, or as IP_MULTICAST_ALL does
// if it has none.
func (c *common) groupAllows(a, src netip.Addr, iif int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.groups {
		if m := &c.groups[i]; m.group == a && (m.nic == iif || a.Is6()) {
			return m.filter.allows(src)
		}
	}
	if a.Is6() {
		return c.ip6.mcastAll
	}
	return c.ip4.mcastAll
}
