package sockdiag

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/socket/netlink/wire"
	unixsock "hull/sentry/socket/unix"
)

// The request of unix_diag, struct unix_diag_req, and what it asks for
// (UDIAG_SHOW_*, UNIX_DIAG_*).
const (
	unixRequestSize = 24
	unixShowName    = 1 << 0
	unixShowVFS     = 1 << 1
	unixShowPeer    = 1 << 2
	unixShowQueues  = 1 << 4
	unixShowMem     = 1 << 5
	unixShowUID     = 1 << 6

	unixName     = 0
	unixVFS      = 1
	unixPeer     = 2
	unixQueues   = 4
	unixMem      = 5
	unixShutdown = 6
	unixUID      = 7

	tcpEstablished = 1
)

// unix answers with sockets of AF_UNIX: struct unix_diag_msg.
func (c *call) unix() error {
	if len(c.Body) < unixRequestSize {
		return unix.EINVAL
	}
	ne := binary.NativeEndian
	states, ino, show := ne.Uint32(c.Body[4:]), ne.Uint32(c.Body[8:]), ne.Uint32(c.Body[12:])
	var all []unixsock.Info
	for _, i := range c.local.Sockets() {
		if !c.IsDump() {
			if uint32(i.Inode) == ino {
				c.Reply(func(b *wire.Builder) { c.writeUnix(b, 0, show, &i) })
				return nil
			}
		} else if states>>unixState(&i)&1 != 0 {
			all = append(all, i)
		}
	}
	if !c.IsDump() {
		if ino == 0 {
			return unix.EINVAL
		}
		return unix.ENOENT
	}
	return c.Dump(len(all), func(b *wire.Builder, k int) { c.writeUnix(b, unix.NLM_F_MULTI, show, &all[k]) })
}

// unixState is the state in TCP's numbers, as Linux keeps it.
func unixState(i *unixsock.Info) uint8 {
	switch {
	case i.Listening:
		return tcpListen
	case i.State == 3: // SS_CONNECTED
		return tcpEstablished
	}
	return tcpClose
}

func (c *call) writeUnix(b *wire.Builder, flags uint16, show uint32, i *unixsock.Info) {
	ne := binary.NativeEndian
	c.Begin(b, byFamily, flags)
	m := []byte{unix.AF_UNIX, uint8(i.Type), unixState(i), 0}
	m = ne.AppendUint32(m, uint32(i.Inode))
	b.Append(appendCookie(m, i.Inode)...)
	if show&unixShowName != 0 && i.Name != "" {
		b.Attr(unixName, []byte(i.Name))
	}
	if show&unixShowVFS != 0 && i.PathInode != 0 {
		b.Attr(unixVFS, ne.AppendUint32(ne.AppendUint32(nil, uint32(i.PathInode)), 0))
	}
	if show&unixShowPeer != 0 && i.Peer != 0 {
		b.U32(unixPeer, uint32(i.Peer))
	}
	if show&unixShowQueues != 0 {
		b.Attr(unixQueues, ne.AppendUint32(ne.AppendUint32(nil, uint32(i.RxQueue)), uint32(i.TxQueue)))
	}
	if show&unixShowMem != 0 {
		b.Attr(unixMem, memInfo(i.RxQueue, 0, i.TxQueue, 0, 0))
	}
	if show&unixShowUID != 0 {
		b.U32(unixUID, i.UID)
	}
	shut := uint8(0)
	if i.ShutRd {
		shut |= 1
	}
	if i.ShutWr {
		shut |= 2
	}
	b.U8(unixShutdown, shut)
	b.End()
}
