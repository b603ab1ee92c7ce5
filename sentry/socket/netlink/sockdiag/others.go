package sockdiag

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The sizes of the requests of packet_diag and netlink_diag in bytes, and what
// they ask for (PACKET_SHOW_*, NDIAG_SHOW_*).
const (
	packetRequestSize = 20
	packetShowInfo    = 1 << 0
	packetShowMem     = 1 << 4
	packetAttrInfo    = 0
	packetAttrUID     = 4
	packetAttrMem     = 5

	netlinkRequestSize = 20
	netlinkShowMem     = 1 << 0
	netlinkShowGroups  = 1 << 1
	netlinkAttrMem     = 0
	netlinkAttrGroups  = 1
	netlinkAttrFlags   = 4
	netlinkAll         = 255 // NDIAG_PROTO_ALL
	netlinkDumping     = 1   // NDIAG_FLAG_CB_RUNNING
)

// packet answers with packet sockets: struct packet_diag_msg.
func (c *call) packet() error {
	if len(c.Body) < packetRequestSize || c.Body[1] != 0 {
		return unix.EINVAL
	}
	if !c.IsDump() {
		return unix.EOPNOTSUPP
	}
	ne := binary.NativeEndian
	show := ne.Uint32(c.Body[8:])
	var all []stack.Listed
	for s := range c.stack.Sockets(unix.AF_PACKET, 0) {
		all = append(all, s)
	}
	return c.Dump(len(all), func(b *wire.Builder, k int) {
		i := all[k].Info()
		c.Begin(b, byFamily, unix.NLM_F_MULTI)
		m := []byte{unix.AF_PACKET, uint8(i.Type)}
		m = ne.AppendUint16(m, uint16(i.Protocol))
		m = ne.AppendUint32(m, uint32(i.Owner.Inode))
		b.Append(appendCookie(m, i.Owner.Inode)...)
		if show&packetShowInfo != 0 {
			v := ne.AppendUint32(nil, uint32(i.Device))
			v = append(v, make([]byte, 16)...) // version, reserve, copy_thresh, tstamp; then flags
			b.Attr(packetAttrInfo, v)
			b.U32(packetAttrUID, i.Owner.UID)
		}
		if show&packetShowMem != 0 {
			snd, rcv := all[k].Buffers()
			b.Attr(packetAttrMem, memInfo(i.RxQueue, rcv, i.TxQueue, snd, i.Drops))
		}
		b.End()
	})
}

// netlink answers with netlink sockets: struct netlink_diag_msg.
func (c *call) netlink() error {
	if len(c.Body) < netlinkRequestSize {
		return unix.EINVAL
	}
	if !c.IsDump() {
		return unix.EOPNOTSUPP
	}
	ne := binary.NativeEndian
	protocol := int32(c.Body[1])
	if protocol == netlinkAll {
		protocol = -1
	}
	show := ne.Uint32(c.Body[8:])
	var all []*netlink.Sock
	all = append(all, c.Net.Sockets(protocol)...)
	return c.Dump(len(all), func(b *wire.Builder, k int) {
		i := all[k].Info()
		c.Begin(b, byFamily, unix.NLM_F_MULTI)
		state := uint8(0) // NETLINK_UNCONNECTED
		if i.Peer != 0 || i.PeerGroup != 0 {
			state = 1
		}
		m := []byte{unix.AF_NETLINK, uint8(i.Type), uint8(i.Protocol), state}
		m = ne.AppendUint32(m, i.Port)
		m = ne.AppendUint32(m, i.Peer)
		m = ne.AppendUint32(m, i.PeerGroup)
		m = ne.AppendUint32(m, uint32(i.Inode))
		b.Append(appendCookie(m, i.Inode)...)
		if show&netlinkShowMem != 0 {
			b.Attr(netlinkAttrMem, memInfo(i.Bytes, i.RcvBuf, 0, i.SndBuf, i.Drops))
		}
		if show&netlinkShowGroups != 0 && len(i.Groups) > 0 {
			var v []byte
			for _, g := range i.Groups {
				v = ne.AppendUint64(v, g)
			}
			b.Attr(netlinkAttrGroups, v)
		}
		if i.Dumping {
			b.U32(netlinkAttrFlags, netlinkDumping)
		}
		b.End()
	})
}
