package rtnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

const (
	ndmsgSize   = unix.SizeofNdMsg
	ntfRouter   = 0x80 // NTF_ROUTER
	ndaProtocol = 12   // NDA_PROTOCOL
)

// neighHeader is struct ndmsg.
func neighHeader(index int, v6 bool, i *neigh.Info) []byte {
	ne := binary.NativeEndian
	h := []byte{familyOf(v6), 0, 0, 0}
	h = ne.AppendUint32(h, uint32(index))
	h = ne.AppendUint16(h, uint16(i.State))
	flags := uint8(0)
	if i.Router {
		flags = ntfRouter
	}
	typ := uint8(unix.RTN_UNICAST)
	if i.Addr.IsMulticast() {
		typ = unix.RTN_MULTICAST
	}
	return append(h, flags, typ)
}

func writeNeigh(b *wire.Builder, i *neigh.Info, now int64) {
	b.Addr(unix.NDA_DST, i.Addr)
	if i.State&(neigh.Incomplete|neigh.Failed) == 0 {
		b.Attr(unix.NDA_LLADDR, i.HW[:])
	}
	b.U32(unix.NDA_PROBES, uint32(i.Probes))
	ne := binary.NativeEndian
	info := ne.AppendUint32(nil, ticks(now-i.Confirmed))
	info = ne.AppendUint32(info, ticks(now-i.Used))
	info = ne.AppendUint32(info, ticks(now-i.Updated))
	b.Attr(unix.NDA_CACHEINFO, ne.AppendUint32(info, 0))
}

// ticks is nanoseconds in USER_HZ.
func ticks(ns int64) uint32 { return uint32(max(ns, 0) / 1e7) }

func (c *call) dumpNeighs(family uint8) error {
	if family == unix.AF_BRIDGE {
		return c.dumpFDB()
	}
	if families(family) == nil {
		return c.Dump(0, nil)
	}
	index := 0
	if c.Strict() {
		if len(c.Body) < ndmsgSize {
			return c.Fail(unix.EINVAL, "Invalid header for neighbor dump request")
		}
		a, err := c.Attrs(ndmsgSize, neighPolicy(), true)
		if err != nil {
			return err
		}
		index = int(a.U32(unix.NDA_IFINDEX))
	}
	type item struct {
		index int
		v6    bool
		info  neigh.Info
	}
	var all []item
	for _, v6 := range families(family) {
		for _, n := range c.stack.NICs() {
			cache := n.Neighbors(v6)
			if cache == nil || index != 0 && n.Index() != index {
				continue
			}
			for _, i := range cache.List() {
				if i.State != neigh.NoARP || c.Header.Flags&unix.NLM_F_MATCH != 0 {
					all = append(all, item{n.Index(), v6, i})
				}
			}
		}
	}
	now := c.stack.Now()
	return c.Dump(len(all), func(b *wire.Builder, k int) {
		it := &all[k]
		c.message(b, unix.RTM_NEWNEIGH, unix.NLM_F_MULTI, neighHeader(it.index, it.v6, &it.info), func(b *wire.Builder) { writeNeigh(b, &it.info, now) })
	})
}

func neighPolicy() wire.Policy {
	return wire.Policy{
		unix.NDA_DST: {Kind: wire.Any, Min: 4, Max: 16}, unix.NDA_LLADDR: {Kind: wire.Any, Min: 1, Max: 32},
		unix.NDA_CACHEINFO: {Kind: wire.Any}, unix.NDA_PROBES: {Kind: wire.U32}, unix.NDA_IFINDEX: {Kind: wire.U32},
		unix.NDA_MASTER: {Kind: wire.U32}, ndaProtocol: {Kind: wire.U8}, unix.NDA_VLAN: {Kind: wire.U16},
	}
}

// neighRequest is what requests about one neighbour say.
type neighRequest struct {
	cache *neigh.Cache
	nic   *stack.NIC
	state neigh.State
	flags uint8
	attrs wire.Attrs
}

func (c *call) neighRequest(family uint8) (q neighRequest, err error) {
	v6, ok := isIP(family)
	if !ok {
		return q, unix.EOPNOTSUPP
	}
	if len(c.Body) < ndmsgSize {
		return q, unix.EINVAL
	}
	if q.attrs, err = c.Attrs(ndmsgSize, neighPolicy(), false); err != nil {
		return q, err
	}
	q.state, q.flags = neigh.State(binary.NativeEndian.Uint16(c.Body[8:])), c.Body[10]
	dst := q.attrs.Addr(unix.NDA_DST)
	if !q.attrs.Has(unix.NDA_DST) {
		return q, c.Fail(unix.EINVAL, "Network address not specified")
	}
	if !dst.IsValid() || dst.Is4() == v6 {
		return q, c.Fail(unix.EINVAL, "Invalid network address")
	}
	if q.nic = c.stack.NIC(int(int32(binary.NativeEndian.Uint32(c.Body[4:])))); q.nic == nil {
		return q, unix.ENODEV
	}
	if q.flags&0x8 != 0 { // NTF_PROXY
		return q, unix.EOPNOTSUPP
	}
	if q.cache = q.nic.Neighbors(v6); q.cache == nil {
		return q, unix.ENOENT
	}
	return q, nil
}

func (c *call) newNeigh(family uint8) error {
	q, err := c.neighRequest(family)
	if err != nil {
		return err
	}
	var hw link.Address
	v := q.attrs.Bytes(unix.NDA_LLADDR)
	if v != nil && len(v) < len(hw) {
		return c.Fail(unix.EINVAL, "Invalid link address")
	}
	copy(hw[:], v)
	const needs = neigh.Permanent | neigh.Reachable | neigh.Probe | neigh.Stale | neigh.Delay
	dst := q.attrs.Addr(unix.NDA_DST)
	if _, known := q.cache.Lookup(dst); !known && q.state&needs != 0 && v == nil {
		return c.Fail(unix.EINVAL, "No link layer address given")
	}
	flags := c.Header.Flags
	return q.cache.Set(c.stack.Now(), dst, hw, v != nil, q.state, q.flags&ntfRouter != 0, flags&unix.NLM_F_CREATE != 0,
		flags&unix.NLM_F_EXCL != 0)
}

func (c *call) delNeigh(family uint8) error {
	q, err := c.neighRequest(family)
	if err != nil {
		return err
	}
	return q.cache.Delete(q.attrs.Addr(unix.NDA_DST))
}

func (c *call) getNeigh(family uint8) error {
	q, err := c.neighRequest(family)
	if err != nil {
		return err
	}
	i, ok := q.cache.Lookup(q.attrs.Addr(unix.NDA_DST))
	if !ok {
		return c.Fail(unix.ENOENT, "Neighbour entry not found")
	}
	c.Reply(func(b *wire.Builder) {
		c.message(b, unix.RTM_NEWNEIGH, 0, neighHeader(q.nic.Index(), family == unix.AF_INET6, &i), func(b *wire.Builder) { writeNeigh(b, &i, c.stack.Now()) })
	})
	return nil
}
