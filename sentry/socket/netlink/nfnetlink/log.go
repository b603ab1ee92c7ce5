package nfnetlink

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The messages of nfnetlink_log, NFULNL_MSG_*, what a configuration asks for,
// NFULNL_CFG_CMD_* and NFULA_CFG_*, and the attributes of a packet, NFULA_*, of
// linux/netfilter/nfnetlink_log.h.
const (
	logPacket = 0
	logConfig = 1

	logBind   = 1
	logUnbind = 2

	logCfgCmd        = 1
	logCfgMode       = 2
	logCfgBufSize    = 3
	logCfgTimeout    = 4
	logCfgQThreshold = 5
	logCfgFlags      = 6
	logCfgLast       = 6

	logSequence = 1 // NFULNL_CFG_F_SEQ
	logFlags    = 7

	logNothing = 0 // NFULNL_COPY_NONE: no messages at all
	logWhole   = 2

	logHeader   = 1
	logMark     = 2
	logInDev    = 4
	logOutDev   = 5
	logHWAddr   = 8
	logPayload  = 9
	logPrefix   = 10
	logUID      = 11
	logSeq      = 12
	logGID      = 14
	logHWType   = 15
	logHWHeader = 16
	logHWLen    = 17

	maxLogged = 0xffff - wire.AttrHeaderSize
)

// logGroup is a socket that listens to a group. Each packet is told at once: the
// thresholds that put several into one datagram only bound how long one may wait.
type logGroup struct {
	sock  *netlink.Sock
	group uint16
	// mode is the copy mode in the upper half and the bytes of a packet in the lower.
	mode  atomic.Uint64
	flags atomic.Uint32
	seq   atomic.Uint32
}

// Closed implements netlink.Closer: what a socket listened to is free again.
func (Protocol) Closed(s *netlink.Sock) {
	st := s.Net().Stack
	if !st.HasRules() {
		return
	}
	st.Rules().LeaveGroups(func(owner any) bool {
		g, ok := owner.(*logGroup)
		return ok && g.sock == s
	})
}

func logPolicy() wire.Policy {
	return all(logCfgLast, wire.Any, map[int]wire.Rule{
		logCfgBufSize: {Kind: wire.U32}, logCfgTimeout: {Kind: wire.U32}, logCfgQThreshold: {Kind: wire.U32}, logCfgFlags: {Kind: wire.U16},
	})
}

// log answers a configuration: ENODEV if the group is not listened to, EBUSY or EPERM
// if somebody else does.
func (c *call) log(msg uint16) error {
	if msg != logConfig {
		return unix.EOPNOTSUPP
	}
	group := binary.BigEndian.Uint16(c.Body[2:])
	a, err := c.Attrs(headerSize, logPolicy(), false)
	if err != nil {
		return err
	}
	g, _ := c.rules.GroupOwner(group).(*logGroup)
	if g != nil && g.sock != c.Sock {
		return unix.EPERM
	}
	if a.Has(logCfgCmd) {
		if len(a.Bytes(logCfgCmd)) < 1 {
			return unix.EINVAL
		}
		switch a.Bytes(logCfgCmd)[0] {
		case logBind:
			if g != nil {
				return unix.EBUSY
			}
			g = &logGroup{sock: c.Sock, group: group}
			g.mode.Store(logWhole<<32 | maxLogged)
			if err := c.rules.ListenGroup(group, g, g.tell); err != nil {
				return err
			}
		case logUnbind:
			if g == nil {
				return unix.ENODEV
			}
			c.rules.LeaveGroups(func(owner any) bool { return owner == any(g) })
			return nil
		case 3, 4: // of whole families: nothing needs to be bound
			if !a.Has(logCfgMode) && !a.Has(logCfgFlags) {
				return nil
			}
		default:
			return unix.EOPNOTSUPP
		}
	}
	return g.configure(a)
}

// configure sets what of each packet is told.
func (g *logGroup) configure(a wire.Attrs) error {
	if g == nil {
		return unix.ENODEV
	}
	if a.Has(logCfgMode) {
		m := a.Bytes(logCfgMode) // struct nfulnl_msg_config_mode
		if len(m) < 5 {
			return unix.EINVAL
		}
		n := binary.BigEndian.Uint32(m)
		if n == 0 || n > maxLogged {
			n = maxLogged
		}
		if m[4] <= logWhole { // Linux does not say that it knows no other
			g.mode.Store(uint64(m[4])<<32 | uint64(n))
		}
	}
	if a.Has(logCfgFlags) {
		f := uint32(a.U16BE(logCfgFlags))
		if f&^logFlags != 0 {
			return unix.EOPNOTSUPP
		}
		g.flags.Store(f)
	}
	return nil
}

// tell tells the socket of a packet.
func (g *logGroup) tell(l *filter.Logged) {
	mode := g.mode.Load()
	if mode>>32 == logNothing {
		return
	}
	c := l.Context
	var b wire.Builder
	b.Begin(subsysLog<<8|logPacket, 0, 0, 0)
	family, ether := uint8(unix.AF_INET), uint16(unix.ETH_P_IP)
	if c.V6 {
		family, ether = unix.AF_INET6, uint16(unix.ETH_P_IPV6)
	}
	if c.Frame {
		family, ether = uint8(l.Family), c.EtherType
	}
	b.Append(binary.BigEndian.AppendUint16([]byte{family, 0}, g.group)...)
	b.Attr(logHeader, append(binary.BigEndian.AppendUint16(nil, ether), uint8(l.Hook), 0))
	if l.Prefix != "" {
		b.String(logPrefix, l.Prefix)
	}
	if c.In != nil {
		b.U32BE(logInDev, uint32(c.In.Index))
	}
	if c.Out != nil {
		b.U32BE(logOutDev, uint32(c.Out.Index))
	}
	if m := l.Packet.Mark; m != 0 {
		b.U32BE(logMark, m)
	}
	if h := c.LinkHeader; c.In != nil && len(h) >= header.EthernetSize {
		b.Attr(logHWAddr, append(append([]byte{0, 6, 0, 0}, h[6:12]...), 0, 0))
		b.U16BE(logHWType, c.In.HWType)
		b.U16BE(logHWLen, uint16(len(h)))
		b.Attr(logHWHeader, h)
	}
	if c.HasOwner {
		b.U32BE(logUID, c.UID)
		b.U32BE(logGID, c.GID)
	}
	if g.flags.Load()&logSequence != 0 {
		b.U32BE(logSeq, g.seq.Add(1)-1)
	}
	if mode>>32 == logWhole {
		n := min(l.Packet.Len(), int(uint32(mode)))
		if l.Max > 0 {
			n = min(n, l.Max)
		}
		p := make([]byte, n)
		b.Attr(logPayload, p[:l.Packet.CopyTo(p, 0)])
	}
	b.End()
	g.sock.Tell(b.Bytes())
}
