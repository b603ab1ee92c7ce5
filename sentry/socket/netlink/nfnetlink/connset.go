package nfnetlink

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
	"hull/sentry/socket/netlink/wire"
)

// changeConn changes a connection, or makes one that no packet began: IPCTNL_MSG_CT_NEW.
// How one is translated is decided once, when it is made.
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
	var nat *[2]conntrack.Range
	if a.Has(ctaNATSrc) || a.Has(ctaNATDst) {
		nat = &[2]conntrack.Range{}
		for i, which := range [2]int{ctaNATDst, ctaNATSrc} {
			if nat[i], err = c.natRange(a, which, !original.Src.Is4()); err != nil {
				return err
			}
		}
	}
	return c.rules.Conns().Insert(original, reply, nat, c.rules.Now(), func(x *conntrack.Conn) error { return c.setConn(a, x) })
}

// natRange reads CTA_NAT_SRC or CTA_NAT_DST: what a connection is to be translated
// to. One that is not there is none.
func (c *call) natRange(a wire.Attrs, which int, v6 bool) (r conntrack.Range, err error) {
	if !a.Has(which) {
		return r, nil
	}
	n, werr := a.Nested(which, wire.Policy{
		ctaNATMin4: {Kind: wire.U32}, ctaNATMax4: {Kind: wire.U32}, ctaNATProto: {Kind: wire.Nested},
		ctaNATMin6: {Kind: wire.Any, Min: 16}, ctaNATMax6: {Kind: wire.Any, Min: 16},
	})
	if werr != nil {
		return r, c.Refuse(werr, headerSize)
	}
	lo, hi, size := ctaNATMin4, ctaNATMax4, 4
	if v6 {
		lo, hi, size = ctaNATMin6, ctaNATMax6, 16
	}
	if n.Has(lo) {
		r.Flags |= conntrack.RangeMapIPs
		r.MinAddr, _ = netip.AddrFromSlice(n.Bytes(lo)[:size])
		r.MaxAddr = r.MinAddr
		if n.Has(hi) {
			r.MaxAddr, _ = netip.AddrFromSlice(n.Bytes(hi)[:size])
		}
	}
	if !n.Has(ctaNATProto) {
		return r, nil
	}
	ports, werr := n.Nested(ctaNATProto, wire.Policy{ctaNATPortMin: {Kind: wire.U16}, ctaNATPortMax: {Kind: wire.U16}})
	if werr != nil {
		return r, c.Refuse(werr, headerSize)
	}
	if ports.Has(ctaNATPortMin) || ports.Has(ctaNATPortMax) {
		r.Flags |= conntrack.RangeProtoSpecified
		r.MinPort, r.MaxPort = ports.U16BE(ctaNATPortMin), ports.U16BE(ctaNATPortMin)
	}
	if ports.Has(ctaNATPortMax) {
		r.MaxPort = ports.U16BE(ctaNATPortMax)
	}
	return r, nil
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
