// Package genetlink answers NETLINK_GENERIC: the controller that says which
// families there are, genetlink(7). There is one: itself. Programs that look for
// another (ethtool, nl80211, wireguard) are told that it is not there, as by a
// kernel without it.
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
	headerSize = 4  // struct genlmsghdr
	notify     = 16 // the controller's multicast group
	version    = 2
	maxAttr    = 10 // CTRL_ATTR_MAX

	attrOpID         = 1               // CTRL_ATTR_OP_ID
	attrOpFlags      = 2               // CTRL_ATTR_OP_FLAGS
	opFlags          = 0x2 | 0x4 | 0x8 // GENL_CMD_CAP_DO, _DUMP and _HASPOL
	attrGroupName    = 1               // CTRL_ATTR_MCAST_GRP_NAME
	attrGroupID      = 2               // CTRL_ATTR_MCAST_GRP_ID
	controllerName   = "nlctrl"
	controllerNotify = "notify"
)

// Groups implements netlink.Protocol.
func (Protocol) Groups() int { return notify }

// Receive implements netlink.Protocol.
func (Protocol) Receive(t current.Task, s *netlink.Sock, data []byte) {
	netlink.Each(t, s, data, handle)
}

func handle(r *netlink.Request) error {
	if r.Header.Type != unix.GENL_ID_CTRL {
		return unix.ENOENT
	}
	if len(r.Body) < headerSize {
		return unix.EINVAL
	}
	if r.Body[0] != unix.CTRL_CMD_GETFAMILY {
		return unix.EOPNOTSUPP
	}
	if r.IsDump() {
		return r.Dump(1, func(b *wire.Builder, _ int) { controller(r, b, unix.NLM_F_MULTI) })
	}
	a, err := r.Attrs(headerSize, wire.Policy{
		unix.CTRL_ATTR_FAMILY_ID:   {Kind: wire.U16},
		unix.CTRL_ATTR_FAMILY_NAME: {Kind: wire.String, Max: 15},
	}, false)
	if err != nil {
		return err
	}
	switch {
	case a.Has(unix.CTRL_ATTR_FAMILY_NAME):
		if a.String(unix.CTRL_ATTR_FAMILY_NAME) != controllerName {
			return unix.ENOENT
		}
	case a.Has(unix.CTRL_ATTR_FAMILY_ID):
		if a.U16(unix.CTRL_ATTR_FAMILY_ID) != unix.GENL_ID_CTRL {
			return unix.ENOENT
		}
	default:
		return unix.EINVAL
	}
	r.Reply(func(b *wire.Builder) { controller(r, b, 0) })
	return nil
}

// controller writes what the controller says of itself.
func controller(r *netlink.Request, b *wire.Builder, flags uint16) {
	r.Begin(b, unix.GENL_ID_CTRL, flags)
	b.Append(unix.CTRL_CMD_NEWFAMILY, version, 0, 0)
	b.String(unix.CTRL_ATTR_FAMILY_NAME, controllerName)
	b.U16(unix.CTRL_ATTR_FAMILY_ID, unix.GENL_ID_CTRL)
	b.U32(unix.CTRL_ATTR_VERSION, version)
	b.U32(unix.CTRL_ATTR_HDRSIZE, 0)
	b.U32(unix.CTRL_ATTR_MAXATTR, maxAttr)
	ops := b.Nest(unix.CTRL_ATTR_OPS)
	op := b.Nest(1)
	b.U32(attrOpID, unix.CTRL_CMD_GETFAMILY)
	b.U32(attrOpFlags, opFlags)
	b.Close(op)
	b.Close(ops)
	groups := b.Nest(unix.CTRL_ATTR_MCAST_GROUPS)
	group := b.Nest(1)
	b.U32(attrGroupID, notify)
	b.String(attrGroupName, controllerNotify)
	b.Close(group)
	b.Close(groups)
	b.End()
}
