package nfnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
	"hull/sentry/socket/netlink/wire"
)

// changeConn changes a connection, or makes one that no packet began: IPCTNL_MSG_CT_NEW.
// Translation is only decided by rules.
func (c *call) changeConn() error {
	a, err := c.Attrs(headerSize, connPolicy(), false)
	if err != nil {
		return err
	}
	x, err := c.findConn()
	switch {
	case err == unix.ENOENT && c.Header.Flags&unix.NLM_F_CREATE != 0:
		return c.makeConn(a)
	case err != nil:
		return err
	case c.Header.Flags&unix.NLM_F_EXCL != 0:
		return unix.EEXIST
	case a.Has(ctaNATSrc), a.Has(ctaNATDst):
		return unix.EOPNOTSUPP
	}
	return c.setConn(a, x)
}

// makeConn makes a connection: EINVAL without both tuples and a time, EEXIST, ENOMEM
// if there are too many.
func (c *call) makeConn(a wire.Attrs) error {
	if !a.Has(ctaOrig) || !a.Has(ctaReply) || !a.Has(ctaTimeout) {
		return unix.EINVAL
	}
	if a.Has(ctaNATSrc) || a.Has(ctaNATDst) {
		return unix.EOPNOTSUPP
	}
	zone := a.U16BE(ctaZone)
	original, err := c.tuple(a.Bytes(ctaOrig), zone)
	if err != nil {
		return err
	}
	reply, err := c.tuple(a.Bytes(ctaReply), zone)
	if err != nil {
		return err
	}
	if original.Proto != reply.Proto || original.Src.Is4() != reply.Src.Is4() {
		return unix.EINVAL
	}
	return c.rules.Conns().Insert(original, reply, c.rules.Now(), func(x *conntrack.Conn) error { return c.setConn(a, x) })
}

// setConn sets what a request says of a connection.
func (c *call) setConn(a wire.Attrs, x *conntrack.Conn) error {
	if a.Has(ctaTimeout) {
		x.SetDeadline(c.rules.Now() + int64(min(a.U32BE(ctaTimeout), 1<<31-1))*1e9)
	}
	if a.Has(ctaStatus) {
		if err := x.SetStatus(conntrack.Status(a.U32BE(ctaStatus))); err != nil {
			return err
		}
	}
	if a.Has(ctaProtoInfo) && x.Original().Proto == header.ProtocolTCP {
		if err := c.setTCP(a, x); err != nil {
			return err
		}
	}
	if a.Has(ctaMark) {
		mask := ^uint32(0)
		if a.Has(ctaMarkMask) {
			mask = a.U32BE(ctaMarkMask)
		}
		x.SetMark(x.Mark()&^mask | a.U32BE(ctaMark)&mask)
	}
	return nil
}

// setTCP sets the state of a connection of TCP: EINVAL for one that is none.
func (c *call) setTCP(a wire.Attrs, x *conntrack.Conn) error {
	info, werr := a.Nested(ctaProtoInfo, all(3, wire.Any, nested(ctaInfoTCP)))
	if werr != nil {
		return c.Refuse(werr, headerSize)
	}
	if !info.Has(ctaInfoTCP) {
		return nil
	}
	tcp, werr := info.Nested(ctaInfoTCP, all(5, wire.Any, map[int]wire.Rule{ctaTCPState: {Kind: wire.U8}}))
	if werr != nil {
		return c.Refuse(werr, headerSize)
	}
	if !tcp.Has(ctaTCPState) {
		return nil
	}
	return x.SetTCP(conntrack.TCPState(tcp.U8(ctaTCPState)))
}
