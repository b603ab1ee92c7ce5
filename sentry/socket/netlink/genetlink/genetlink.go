// Package genetlink answers NETLINK_GENERIC: the controller that says which
// families there are, genetlink(7), the family "ethtool", by which ethtool(8) asks
// what an interface is and does, and "tcp_metrics". Programs that look for another one (nl80211,
// wireguard) are told that it is not there, as by a kernel without it.
package genetlink

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// Protocol is NETLINK_GENERIC.
type Protocol struct{}

var _ netlink.Protocol = Protocol{}

const (
	headerSize = 4 // struct genlmsghdr

	attrOpID      = 1 // CTRL_ATTR_OP_ID
	attrOpFlags   = 2 // CTRL_ATTR_OP_FLAGS
	attrGroupName = 1 // CTRL_ATTR_MCAST_GRP_NAME
	attrGroupID   = 2 // CTRL_ATTR_MCAST_GRP_ID

	opAdmin  = 0x1 // GENL_ADMIN_PERM
	opDo     = 0x2 // GENL_CMD_CAP_DO
	opDump   = 0x4 // GENL_CMD_CAP_DUMP
	opPolicy = 0x8 // GENL_CMD_CAP_HASPOL

	groupNotify  = 16 // the controller's multicast group
	groupMonitor = 17 // ethtool's
)

// family is what the controller says of one.
type family struct {
	id        uint16
	name      string
	version   uint32
	maxAttr   uint32
	group     uint32
	groupName string
	ops       []op
	handle    func(r *netlink.Request) error
}

// op is a command and its flags.
type op struct {
	cmd   uint8
	flags uint32
}

// families returns all families, the controller first.
func families() []family {
	return []family{
		{
			id: unix.GENL_ID_CTRL, name: "nlctrl", version: 2, maxAttr: 10, group: groupNotify, groupName: "notify",
			ops: []op{{unix.CTRL_CMD_GETFAMILY, opDo | opDump | opPolicy}}, handle: control,
		},
		{
			id: ethtoolID, name: "ethtool", version: 1, group: groupMonitor, groupName: "monitor",
			ops: ethtoolOps(), handle: ethtool,
		},
		{id: metricsID, name: "tcp_metrics", version: metricsVersion, maxAttr: 13, ops: metricsOps(), handle: metrics},
	}
}

// Groups implements netlink.Protocol.
func (Protocol) Groups() int { return groupMonitor }

// Receive implements netlink.Protocol.
func (Protocol) Receive(t current.Task, s *netlink.Sock, data []byte) {
	netlink.Each(t, s, data, func(r *netlink.Request) error {
		for _, f := range families() {
			if f.id == r.Header.Type {
				if len(r.Body) < headerSize {
					return unix.EINVAL
				}
				return f.run(r)
			}
		}
		return unix.ENOENT
	})
}

// run checks a command as Linux does, and has it done.
func (f *family) run(r *netlink.Request) error {
	for _, o := range f.ops {
		if o.cmd != r.Body[0] {
			continue
		}
		if o.flags&opAdmin != 0 {
			if err := r.Admin(); err != nil {
				return err
			}
		}
		need := uint32(opDo)
		if r.IsDump() {
			need = opDump
		}
		if o.flags&need == 0 {
			return unix.EOPNOTSUPP
		}
		return f.handle(r)
	}
	return unix.EOPNOTSUPP
}

// control is CTRL_CMD_GETFAMILY.
func control(r *netlink.Request) error {
	all := families()
	if r.IsDump() {
		return r.Dump(len(all), func(b *wire.Builder, i int) { all[i].write(r, b, unix.NLM_F_MULTI) })
	}
	a, err := r.Attrs(headerSize, wire.Policy{
		unix.CTRL_ATTR_FAMILY_ID:   {Kind: wire.U16},
		unix.CTRL_ATTR_FAMILY_NAME: {Kind: wire.String, Max: 15},
	}, false)
	if err != nil {
		return err
	}
	byName, byID := a.Has(unix.CTRL_ATTR_FAMILY_NAME), a.Has(unix.CTRL_ATTR_FAMILY_ID)
	if !byName && !byID {
		return unix.EINVAL
	}
	for i := range all {
		f := &all[i]
		if byName && f.name == a.String(unix.CTRL_ATTR_FAMILY_NAME) || !byName && f.id == a.U16(unix.CTRL_ATTR_FAMILY_ID) {
			r.Reply(func(b *wire.Builder) { f.write(r, b, 0) })
			return nil
		}
	}
	return unix.ENOENT
}

// write writes what the controller says of a family.
func (f *family) write(r *netlink.Request, b *wire.Builder, flags uint16) {
	r.Begin(b, unix.GENL_ID_CTRL, flags)
	b.Append(unix.CTRL_CMD_NEWFAMILY, 2, 0, 0)
	b.String(unix.CTRL_ATTR_FAMILY_NAME, f.name)
	b.U16(unix.CTRL_ATTR_FAMILY_ID, f.id)
	b.U32(unix.CTRL_ATTR_VERSION, f.version)
	b.U32(unix.CTRL_ATTR_HDRSIZE, 0)
	b.U32(unix.CTRL_ATTR_MAXATTR, f.maxAttr)
	ops := b.Nest(unix.CTRL_ATTR_OPS)
	for i, o := range f.ops {
		at := b.Nest(uint16(i + 1))
		b.U32(attrOpID, uint32(o.cmd))
		b.U32(attrOpFlags, o.flags)
		b.Close(at)
	}
	b.Close(ops)
	if f.group == 0 {
		b.End()
		return
	}
	groups := b.Nest(unix.CTRL_ATTR_MCAST_GROUPS)
	group := b.Nest(1)
	b.U32(attrGroupID, f.group)
	b.String(attrGroupName, f.groupName)
	b.Close(group)
	b.Close(groups)
	b.End()
}
