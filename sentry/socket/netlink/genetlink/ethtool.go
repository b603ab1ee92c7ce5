package genetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The family "ethtool", linux/ethtool_netlink.h.
const (
	ethtoolID      = 0x15
	ethtoolVersion = 1

	// Commands, and the messages that answer them (ETHTOOL_MSG_*).
	msgStrsetGet     = 1
	msgLinkInfoGet   = 2
	msgLinkInfoSet   = 3
	msgLinkModesGet  = 4
	msgLinkModesSet  = 5
	msgLinkStateGet  = 6
	msgFeaturesGet   = 11
	msgFeaturesSet   = 12
	msgFeaturesNtf   = 13
	msgChannelsGet   = 17
	msgChannelsReply = 18
	msgTSInfoGet     = 25
	msgTSInfoReply   = 26
	msgLast          = 50 // the last that Linux 6.18 has

	// The first attribute of each message, and what it holds (ETHTOOL_A_HEADER_*).
	attrHeader  = 1
	headerIndex = 1
	headerName  = 2
	headerFlags = 3

	flagCompact   = 1 // ETHTOOL_FLAG_COMPACT_BITSETS
	flagOmitReply = 2 // ETHTOOL_FLAG_OMIT_REPLY
	flagStats     = 4 // ETHTOOL_FLAG_STATS

	// The attributes of features (ETHTOOL_A_FEATURES_*).
	featuresHW       = 2
	featuresWanted   = 3
	featuresActive   = 4
	featuresNoChange = 5

	linkModes = 121 // how many link modes Linux counts
)

// ethtoolOps are the commands. Those that are not handled are answered with
// EOPNOTSUPP, as by drivers that have nothing to say to them.
func ethtoolOps() []op {
	var ops []op
	for cmd := uint8(1); cmd <= msgLast; cmd++ {
		switch cmd {
		case msgLinkInfoSet, msgLinkModesSet, 8, 10, msgFeaturesSet, 14, 16, 18, 20, 22, 24, 26, 27, 30, 35, 37, 40, 43, 44, 47, 48, 49, 50:
			ops = append(ops, op{cmd, opAdmin | opDo | opPolicy})
		case 9, 31:
			ops = append(ops, op{cmd, opAdmin | opDo | opDump | opPolicy}) // wake-on-LAN has a password
		default:
			ops = append(ops, op{cmd, opDo | opDump | opPolicy})
		}
	}
	return ops
}

// question is one request of the family.
type question struct {
	*netlink.Request
	stack   *stack.Stack
	compact bool
	omit    bool
	attrs   wire.Attrs
}

// ethtool answers a request.
func ethtool(r *netlink.Request) error {
	q := &question{Request: r, stack: r.Net.Stack}
	var err error
	if q.attrs, err = r.Attrs(headerSize, wire.Policy{attrHeader: {Kind: wire.Nested}, 2: {}, 3: {}, 8: {}}, false); err != nil {
		return err
	}
	cmd := r.Body[0]
	if cmd == msgStrsetGet {
		return q.strings()
	}
	n, err := q.device(!r.IsDump())
	if err != nil {
		return err
	}
	if r.IsDump() {
		return q.dump(cmd)
	}
	if cmd == msgFeaturesSet {
		return q.setFeatures(n)
	}
	typ, body, err := q.answer(cmd, n)
	if err != nil {
		return err
	}
	r.Reply(func(b *wire.Builder) { q.write(b, typ, 0, n, body) })
	return nil
}

// device reads the header, and returns the interface that it names.
func (q *question) device(needed bool) (*stack.NIC, error) {
	v := q.attrs.Bytes(attrHeader)
	if v == nil {
		if !needed {
			return nil, nil
		}
		return nil, q.Fail(unix.EINVAL, "request header missing")
	}
	at := wire.HeaderSize + headerSize + q.attrs.Offset(attrHeader) + wire.AttrHeaderSize
	h, werr := wire.Parse(v, wire.Policy{headerIndex: {Kind: wire.U32}, headerName: {Kind: wire.String, Max: 127}, headerFlags: {Kind: wire.U32}}, true)
	if werr != nil {
		return nil, q.Refuse(werr, headerSize+q.attrs.Offset(attrHeader)+wire.AttrHeaderSize)
	}
	flags := h.U32(headerFlags)
	if flags&^(flagCompact|flagOmitReply|flagStats) != 0 {
		q.Offset = at + h.Offset(headerFlags)
		return nil, q.Fail(unix.EOPNOTSUPP, "unrecognized request flags")
	}
	q.compact, q.omit = flags&flagCompact != 0, flags&flagOmitReply != 0
	name := h.String(headerName)
	switch {
	case h.Has(headerIndex):
		n := q.stack.NIC(int(int32(h.U32(headerIndex))))
		if n == nil {
			q.Offset = at + h.Offset(headerIndex)
			return nil, q.Fail(unix.ENODEV, "no device matches ifindex")
		}
		if h.Has(headerName) && n.Name() != name {
			q.Offset = at + h.Offset(headerName)
			return nil, q.Fail(unix.ENODEV, "ifindex and name do not match")
		}
		return n, nil
	case h.Has(headerName):
		n := q.stack.NICByName(name)
		if n == nil {
			q.Offset = at + h.Offset(headerName)
			return nil, q.Fail(unix.ENODEV, "no device matches name")
		}
		return n, nil
	case needed:
		return nil, q.Fail(unix.EINVAL, "neither ifindex nor name specified")
	}
	return nil, nil
}

// dump answers for all interfaces that have an answer.
func (q *question) dump(cmd uint8) error {
	type item struct {
		nic  *stack.NIC
		typ  uint8
		body func(b *wire.Builder)
	}
	var all []item
	for _, n := range q.stack.NICs() {
		if typ, body, err := q.answer(cmd, n); err == nil {
			all = append(all, item{n, typ, body})
		}
	}
	q.Msg = ""
	return q.Dump(len(all), func(b *wire.Builder, i int) { q.write(b, all[i].typ, unix.NLM_F_MULTI, all[i].nic, all[i].body) })
}

// write writes a message about an interface.
func (q *question) write(b *wire.Builder, typ uint8, flags uint16, n *stack.NIC, body func(b *wire.Builder)) {
	q.Begin(b, ethtoolID, flags)
	about(b, typ, n)
	body(b)
	b.End()
}

// about writes the headers of a message about an interface.
func about(b *wire.Builder, typ uint8, n *stack.NIC) {
	b.Append(typ, ethtoolVersion, 0, 0)
	h := b.NestFlagged(attrHeader)
	b.U32(headerIndex, uint32(n.Index()))
	b.String(headerName, n.Name())
	b.Close(h)
}

// answer returns what answers a question about an interface, and the message's type.
func (q *question) answer(cmd uint8, n *stack.NIC) (typ uint8, body func(b *wire.Builder), err error) {
	i := n.Info()
	switch cmd {
	case msgLinkInfoGet, msgLinkModesGet:
		s, ok := i.Settings()
		if !ok {
			return 0, nil, q.Fail(unix.EOPNOTSUPP, "failed to retrieve link settings")
		}
		if cmd == msgLinkInfoGet {
			return cmd, func(b *wire.Builder) {
				b.U8(2, s.Port)
				for attr := uint16(3); attr <= 6; attr++ { // PHYADDR, TP_MDIX, TP_MDIX_CTRL, TRANSCEIVER
					b.U8(attr, 0)
				}
			}, nil
		}
		return cmd, func(b *wire.Builder) { q.modes(b, s) }, nil
	case msgLinkStateGet:
		return cmd, func(b *wire.Builder) {
			up := uint8(0)
			if i.Flags&unix.IFF_RUNNING != 0 {
				up = 1
			}
			b.U8(2, up) // ETHTOOL_A_LINKSTATE_LINK
		}, nil
	case msgFeaturesGet:
		return cmd, func(b *wire.Builder) { q.features(b, n) }, nil
	case msgChannelsGet:
		if name, _, _ := i.Driver(); name != "veth" {
			break
		}
		return msgChannelsReply, func(b *wire.Builder) {
			for _, attr := range []uint16{2, 6, 3, 7} { // the most of RX and their number, the same of TX
				b.U32(attr, 1)
			}
		}, nil
	case msgTSInfoGet:
		return msgTSInfoReply, func(b *wire.Builder) {
			on := uint64(unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE)
			if i.Kind != stack.KindBridge {
				on |= unix.SOF_TIMESTAMPING_TX_SOFTWARE
			}
			bitset{value: on, size: len(timestampNames()), names: timestampNames()}.write(b, 2, q.compact)
		}, nil
	}
	return 0, nil, unix.EOPNOTSUPP
}

// modes writes ETHTOOL_A_LINKMODES_*: no mode of Ethernet's, and no negotiation.
func (q *question) modes(b *wire.Builder, s stack.LinkSettings) {
	const autoneg, ours, speed, duplex, rateMatching = 2, 3, 5, 6, 10
	b.U8(autoneg, 0)
	none := uint64(0)
	bitset{size: linkModes, mask: &none}.write(b, ours, q.compact)
	b.U32(speed, s.Speed)
	b.U8(duplex, s.Duplex)
	b.U8(rateMatching, 0)
}

func (q *question) features(b *wire.Builder, n *stack.NIC) {
	names, f, all := stack.FeatureNames(), n.Features(), ^uint64(0)
	set := func(v stack.Features) bitset { return bitset{value: uint64(v), size: len(names), names: names} }
	hw := set(f.Changeable)
	hw.mask = &all
	hw.write(b, featuresHW, q.compact)
	set(f.Wanted).write(b, featuresWanted, q.compact)
	set(f.Active).write(b, featuresActive, q.compact)
	set(stack.FeatureChallenged).write(b, featuresNoChange, q.compact)
}

// setFeatures is ETHTOOL_MSG_FEATURES_SET. It is answered with what became
// different from what was asked for, and from what was.
func (q *question) setFeatures(n *stack.NIC) error {
	names := stack.FeatureNames()
	if !q.attrs.Has(featuresWanted) {
		return unix.EINVAL
	}
	at := wire.HeaderSize + headerSize + q.attrs.Offset(featuresWanted) + wire.AttrHeaderSize
	value, mask, err := parseBitset(q.Request, q.attrs.Bytes(featuresWanted), at, names)
	if err != nil {
		return err
	}
	for i, name := range names {
		if name == "" && mask>>i&1 != 0 && mask != ^uint64(0) {
			return q.Fail(unix.EINVAL, "attempt to change non-ethtool features")
		}
	}
	was := n.Features().Active
	if err := n.SetFeatures(stack.Features(value), stack.Features(mask)); err != nil {
		return err
	}
	now := n.Features().Active
	if !q.omit {
		missed, changed := (value^uint64(now))&mask, uint64(was^now)
		q.Reply(func(b *wire.Builder) {
			q.write(b, msgFeaturesSet, 0, n, func(b *wire.Builder) {
				bitset{value & missed, &missed, len(names), names}.write(b, featuresWanted, q.compact)
				bitset{uint64(now) & changed, &changed, len(names), names}.write(b, featuresActive, q.compact)
			})
		})
	}
	if was != now && q.Net.Listening(unix.NETLINK_GENERIC, groupMonitor) {
		var b wire.Builder
		b.Begin(ethtoolID, 0, 0, 0)
		about(&b, msgFeaturesNtf, n)
		q.features(&b, n)
		b.End()
		q.Net.Multicast(unix.NETLINK_GENERIC, groupMonitor, b.Bytes(), nil)
	}
	return nil
}
