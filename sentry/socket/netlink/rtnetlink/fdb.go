package rtnetlink

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/neigh"
	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// The flags of struct ndmsg that say whose table is meant: NTF_SELF is the
// interface's own, NTF_MASTER that of the bridge that it is a port of.
const (
	ntfSelf   = 0x02
	ntfMaster = 0x04
)

// fdbEntry is a line of `bridge fdb`: an address at an interface.
type fdbEntry struct {
	addr   link.Address
	index  int
	master int // the bridge; 0: an address that the interface itself listens to
	state  neigh.State
	age    int64
	known  bool // age says something
}

// fdb returns the addresses that bridges know, and the groups that interfaces listen
// to, of the interface index (0 is all), or of the ports of a bridge master.
func (c *call) fdb(index, master int) []fdbEntry {
	var all []fdbEntry
	for _, n := range c.stack.NICs() {
		i := n.Info()
		if i.Kind == stack.KindBridge && (master == 0 || i.Index == master) {
			for _, e := range n.FDB() {
				if index == 0 || e.Port == index {
					all = append(all, fdbEntry{e.Addr, e.Port, i.Index, fdbState(e), e.Age, !e.Local})
				}
			}
		}
		if i.HWType == link.Ethernet && (index == 0 || i.Index == index) && (master == 0 || i.Index == master || i.Master == master) {
			for _, a := range groupAddresses(n) {
				all = append(all, fdbEntry{addr: a, index: i.Index, state: neigh.Permanent})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b fdbEntry) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(b.master, a.master), bytes.Compare(a.addr[:], b.addr[:]))
	})
	return all
}

func fdbState(e stack.FDBEntry) neigh.State {
	switch {
	case e.Local:
		return neigh.Permanent
	case e.Static:
		return neigh.NoARP
	}
	return neigh.Reachable
}

// groupAddresses are the Ethernet addresses of the groups that an interface is in, RFC
// 1112 section 6.4 and RFC 2464 section 7.
func groupAddresses(n *stack.NIC) []link.Address {
	if n.Info().Flags&unix.IFF_UP == 0 {
		return nil
	}
	seen := map[link.Address]bool{}
	for a := range n.Groups() {
		seen[groupAddress(a)] = true
	}
	list := make([]link.Address, 0, len(seen))
	for a := range seen {
		list = append(list, a)
	}
	return list
}

func groupAddress(a netip.Addr) link.Address {
	if a.Is4() {
		b := a.As4()
		return link.Address{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	b := a.As16()
	return link.Address{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// dumpFDB answers for AF_BRIDGE. Old callers begin with struct ifinfomsg instead of
// struct ndmsg; both have the interface at the same place.
func (c *call) dumpFDB() error {
	const masterOfLink = unix.IFLA_MASTER
	ne := binary.NativeEndian
	index, master := 0, 0
	if len(c.Body) >= 8 {
		index = int(int32(ne.Uint32(c.Body[4:])))
	}
	policy := make(wire.Policy, masterOfLink+1)
	policy[masterOfLink], policy[unix.NDA_IFINDEX] = wire.Rule{Kind: wire.U32}, wire.Rule{Kind: wire.U32}
	if len(c.Body) >= unix.SizeofIfInfomsg {
		if a, err := c.Attrs(unix.SizeofIfInfomsg, policy, false); err == nil && a.Has(masterOfLink) {
			master = int(a.U32(masterOfLink))
		}
	} else if len(c.Body) >= ndmsgSize {
		if a, err := c.Attrs(ndmsgSize, neighPolicy(), false); err == nil {
			master = int(a.U32(unix.NDA_MASTER))
		}
	}
	all := c.fdb(index, master)
	return c.Dump(len(all), func(b *wire.Builder, k int) { c.writeFDB(b, unix.NLM_F_MULTI, &all[k]) })
}

func (c *call) writeFDB(b *wire.Builder, flags uint16, e *fdbEntry) {
	ne := binary.NativeEndian
	h := ne.AppendUint32([]byte{unix.AF_BRIDGE, 0, 0, 0}, uint32(e.index))
	h = ne.AppendUint16(h, uint16(e.state))
	which := uint8(0)
	if e.master == 0 {
		which = ntfSelf
	}
	h = append(h, which, 0)
	c.message(b, unix.RTM_NEWNEIGH, flags, h, func(b *wire.Builder) {
		b.Attr(unix.NDA_LLADDR, e.addr[:])
		if e.master == 0 {
			return
		}
		b.U32(unix.NDA_MASTER, uint32(e.master))
		info := ne.AppendUint32(nil, ticks(e.age))
		info = ne.AppendUint32(info, 0)
		b.Attr(unix.NDA_CACHEINFO, ne.AppendUint32(ne.AppendUint32(info, ticks(e.age)), 0))
	})
}

// changeFDB adds an address to the table of the bridge that an interface is a port of,
// or deletes it there: EOPNOTSUPP for the interface's own table.
func (c *call) changeFDB(add bool) error {
	if len(c.Body) < ndmsgSize {
		return unix.EINVAL
	}
	a, err := c.Attrs(ndmsgSize, neighPolicy(), false)
	if err != nil {
		return err
	}
	v := a.Bytes(unix.NDA_LLADDR)
	if len(v) != len(link.Address{}) {
		return c.Fail(unix.EINVAL, "Invalid address")
	}
	n := c.stack.NIC(int(int32(binary.NativeEndian.Uint32(c.Body[4:]))))
	if n == nil {
		return unix.ENODEV
	}
	state, flags := neigh.State(binary.NativeEndian.Uint16(c.Body[8:])), c.Body[10]
	if flags&ntfSelf != 0 && flags&ntfMaster == 0 {
		return unix.EOPNOTSUPP
	}
	if !add {
		return n.DeleteFDB(link.Address(v))
	}
	if state&(neigh.Permanent|neigh.NoARP|neigh.Reachable) == 0 {
		return unix.EINVAL
	}
	return n.AddFDB(stack.FDBEntry{
		Addr: link.Address(v), Local: state&neigh.Permanent != 0, Static: state&neigh.NoARP != 0,
	}, c.Header.Flags&unix.NLM_F_EXCL != 0)
}
