package inet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/dgram"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
)

// Numbers that x/sys lacks.
const (
	udpSegment        = 103
	udpGRO            = 104
	tcpCmInq          = 36
	ipv6FlowInfo      = 11
	ipv6OrigDstAddr   = 74
	ipv6RecvFragSize  = 77
	ipRecvFragSize    = 25
	ipv62292PktInfo   = 2
	ipv62292HopLimit  = 8
	ipv62292HopOpts   = 3
	ipv62292DstOpts   = 4
	ipv62292RtHdr     = 5
	soMark            = 36
	scmTxTime         = 61
	scmTSOptID        = 81
	maxFreePriority   = 6 // TC_PRIO_INTERACTIVE
	packetTxTimestamp = 16
	solPacket         = 263
	packetAuxdata     = 8
	sizeofExtendedErr = 16
)

// order is the byte order of what is not in the network's.
func order() binary.ByteOrder { return binary.LittleEndian }

// intItem reads an item of one int.
func intItem(i *socket.Item) (int, error) {
	if len(i.Data) != 4 {
		return 0, unix.EINVAL
	}
	return int(int32(order().Uint32(i.Data))), nil
}

// sendControl reads the control data of a message. A stream looks at that of
// SOL_SOCKET only, and no socket at that of levels that are not its own.
func (s *Sock) sendControl(t current.Task, out *stack.SendMeta, items []socket.Item) error {
	for k := range items {
		i := &items[k]
		var err error
		switch {
		case i.Level == unix.SOL_SOCKET:
			err = s.sendSocket(t, out, i)
		case s.typ == unix.SOCK_STREAM || s.Family() == unix.AF_PACKET:
		case i.Level == unix.SOL_IP && s.Family() == unix.AF_INET:
			err = sendIP(out, i)
		case i.Level == unix.SOL_IPV6:
			err = s.sendIPv6(t, out, i)
		case i.Level == unix.SOL_UDP && s.typ == unix.SOCK_DGRAM && isUDP(s.st.Protocol()):
			if i.Type != udpSegment || len(i.Data) != 2 {
				return unix.EINVAL
			}
			out.Segment = int(order().Uint16(i.Data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Sock) sendSocket(t current.Task, out *stack.SendMeta, i *socket.Item) error {
	switch i.Type {
	case unix.SCM_RIGHTS, unix.SCM_CREDENTIALS: // of AF_UNIX: nothing here
	case soMark:
		if !s.n.net.May(t, unix.CAP_NET_RAW) && !s.n.net.May(t, unix.CAP_NET_ADMIN) {
			return unix.EPERM
		}
		v, err := intItem(i)
		out.Mark, out.HasMark = uint32(v), true
		return err
	case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
		v, err := intItem(i)
		const records = unix.SOF_TIMESTAMPING_TX_HARDWARE | unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_TX_SCHED | unix.SOF_TIMESTAMPING_TX_ACK
		if err != nil || v&^records != 0 {
			return unix.EINVAL
		}
		out.TSFlags, out.HasTS = uint32(v), true
	case scmTSOptID:
		v, err := s.st.Option(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, 4, nil)
		const numbered = unix.SOF_TIMESTAMPING_OPT_ID
		if err != nil || s.typ == unix.SOCK_STREAM || len(v) != 4 || order().Uint32(v)&numbered == 0 || len(i.Data) != 4 {
			return unix.EINVAL
		}
		out.TSKey, out.HasTSKey = order().Uint32(i.Data), true
	case unix.SO_PRIORITY:
		v, err := intItem(i)
		if err != nil {
			return err
		}
		if (v < 0 || v > maxFreePriority) && !s.n.net.May(t, unix.CAP_NET_RAW) && !s.n.net.May(t, unix.CAP_NET_ADMIN) {
			return unix.EPERM
		}
		out.Priority, out.HasPriority = uint32(v), true
	case scmTxTime: // checked; there is no queue that would hold a packet back
		if !s.timed.Load() || len(i.Data) != 8 {
			return unix.EINVAL
		}
	default:
		return unix.EINVAL
	}
	return nil
}

func sendIP(out *stack.SendMeta, i *socket.Item) error {
	switch i.Type {
	case unix.IP_RETOPTS:
		out.Options = i.Data[:min(len(i.Data), 40)]
	case unix.IP_PKTINFO:
		if len(i.Data) != 12 {
			return unix.EINVAL
		}
		if n := order().Uint32(i.Data); n != 0 {
			out.IIF = int(int32(n))
		}
		if a := netip.AddrFrom4([4]byte(i.Data[4:8])); !a.IsUnspecified() {
			out.Source = a
		}
	case unix.IP_TTL:
		v, err := intItem(i)
		if err != nil || v < 1 || v > 255 {
			return unix.EINVAL
		}
		out.TTL, out.HasTTL = v, true
	case unix.IP_TOS:
		v := 0
		switch len(i.Data) {
		case 1:
			v = int(i.Data[0])
		case 4:
			v = int(int32(order().Uint32(i.Data)))
		default:
			return unix.EINVAL
		}
		if v < 0 || v > 255 {
			return unix.EINVAL
		}
		out.TOS, out.HasTOS = v, true
	default:
		return unix.EINVAL
	}
	return nil
}

func (s *Sock) sendIPv6(t current.Task, out *stack.SendMeta, i *socket.Item) error {
	switch i.Type {
	case unix.IPV6_PKTINFO, ipv62292PktInfo:
		if len(i.Data) < 20 {
			return unix.EINVAL
		}
		a := netip.AddrFrom16([16]byte(i.Data[:16]))
		if s.Family() == unix.AF_INET { // a v4 socket knows the mapped form
			if !a.Is4In6() {
				return unix.EINVAL
			}
			a = a.Unmap()
		}
		if n := order().Uint32(i.Data[16:]); n != 0 {
			out.IIF = int(int32(n))
		}
		if !a.IsUnspecified() {
			out.Source = a
		}
		return nil
	}
	if s.Family() == unix.AF_INET {
		return nil
	}
	switch i.Type {
	case unix.IPV6_HOPLIMIT, ipv62292HopLimit:
		v, err := intItem(i)
		if err != nil || v < -1 || v > 255 {
			return unix.EINVAL
		}
		out.TTL, out.HasTTL = v, v >= 0
	case unix.IPV6_TCLASS:
		v, err := intItem(i)
		if err != nil || v < -1 || v > 255 {
			return unix.EINVAL
		}
		out.TOS, out.HasTOS = v, v >= 0
	case ipv6FlowInfo:
		if len(i.Data) < 4 {
			return unix.EINVAL
		}
		out.Flow, out.HasFlow = binary.BigEndian.Uint32(i.Data), true
	case unix.IPV6_DONTFRAG:
		v, err := intItem(i)
		if err != nil || v < 0 || v > 1 {
			return unix.EINVAL
		}
		out.DontFrag, out.HasDontFrag = v != 0, true
	case unix.IPV6_HOPOPTS, ipv62292HopOpts:
		return s.sendExtension(t, &out.HopOpts, i.Data)
	case unix.IPV6_DSTOPTS, ipv62292DstOpts:
		return s.sendExtension(t, &out.DstOpts, i.Data)
	case unix.IPV6_RTHDRDSTOPTS: // stands before a routing header: without one it is not sent
		var before []byte
		return s.sendExtension(t, &before, i.Data)
	default: // routing headers
		return unix.EINVAL
	}
	return nil
}

// sendExtension takes an extension header of a message: EINVAL, EPERM.
func (s *Sock) sendExtension(t current.Task, to *[]byte, data []byte) error {
	h, err := stack.ExtensionHeader(data)
	if err != nil || *to != nil {
		return unix.EINVAL
	}
	if !s.n.net.May(t, unix.CAP_NET_RAW) {
		return unix.EPERM
	}
	*to = h
	return nil
}

// add appends an item to what m holds.
func add(m *socket.Message, level, typ int32, data []byte) {
	m.Items = append(m.Items, socket.Item{Level: level, Type: typ, Data: data})
}

func addInt(m *socket.Message, level, typ int32, v uint32) {
	add(m, level, typ, binary.LittleEndian.AppendUint32(nil, v))
}

// recvControl makes the control data that the socket's options ask for, in
// Linux's order.
func (s *Sock) recvControl(in *stack.RecvMeta, m *socket.Message) {
	want := func(c stack.ControlSet) bool { return in.Control&c != 0 }
	if !in.Received.IsZero() {
		s.recvTimes(in, m)
	}
	if want(stack.WantDrops) {
		if n := s.st.Info().Drops; n != 0 {
			addInt(m, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, n)
		}
	}
	if want(stack.WantMark) {
		addInt(m, unix.SOL_SOCKET, soMark, 0)
	}
	if want(stack.WantPriority) {
		addInt(m, unix.SOL_SOCKET, unix.SO_PRIORITY, 0)
	}
	if want(stack.WantInq) {
		addInt(m, unix.SOL_TCP, tcpCmInq, uint32(in.Inq))
	}
	switch {
	case in.Err != nil:
		s.recvError(in.Err, m)
	case in.PathMTU != nil:
		b := appendIn6(nil, &in.PathMTU.To)
		add(m, unix.SOL_IPV6, unix.IPV6_PATHMTU, binary.LittleEndian.AppendUint32(b, uint32(in.PathMTU.MTU)))
	case in.Msg == nil:
	case s.Family() == unix.AF_INET:
		recvIP(in, m, want)
	case s.Family() == unix.AF_INET6 && in.From.Addr().Unmap().Is4():
		// A datagram of IPv4: as that family has it, but for where it went.
		if want(stack.WantPktInfo) {
			add(m, unix.SOL_IPV6, unix.IPV6_PKTINFO, binary.LittleEndian.AppendUint32(append16(nil, in.Msg.To.Addr()), uint32(in.Msg.IIF)))
		}
		recvIP(in, m, func(c stack.ControlSet) bool { return c != stack.WantPktInfo && want(c) })
	case s.Family() == unix.AF_INET6:
		recvIPv6(in, m, want)
	case want(stack.WantAuxdata) && in.Msg.Link != nil:
		add(m, solPacket, packetAuxdata, auxdata(in.Msg))
	}
}

func (s *Sock) recvTimes(in *stack.RecvMeta, m *socket.Message) {
	b := binary.LittleEndian
	spec := func(d []byte, t time.Time) []byte {
		if t.IsZero() {
			return append(d, make([]byte, 16)...)
		}
		return b.AppendUint64(b.AppendUint64(d, uint64(t.Unix())), uint64(t.Nanosecond()))
	}
	if in.Control&stack.WantTimeNS != 0 {
		add(m, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, spec(nil, in.Received))
	} else if in.Control&stack.WantTime != 0 {
		d := b.AppendUint64(nil, uint64(in.Received.Unix()))
		add(m, unix.SOL_SOCKET, unix.SCM_TIMESTAMP, b.AppendUint64(d, uint64(in.Received.Nanosecond()/1000)))
	}
	if in.Control&stack.WantTimestamping != 0 {
		add(m, unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, spec(spec(spec(nil, in.Received), time.Time{}), in.HWTime))
	}
}

func recvIP(in *stack.RecvMeta, m *socket.Message, want func(stack.ControlSet) bool) {
	d := in.Msg
	if want(stack.WantSegment) && d.Segment > 0 {
		addInt(m, unix.SOL_UDP, udpGRO, uint32(d.Segment))
	}
	if want(stack.WantPktInfo) {
		add(m, unix.SOL_IP, unix.IP_PKTINFO, pktInfo(d))
	}
	if want(stack.WantTTL) {
		addInt(m, unix.SOL_IP, unix.IP_TTL, uint32(d.TTL))
	}
	if want(stack.WantTOS) {
		add(m, unix.SOL_IP, unix.IP_TOS, []byte{d.TOS})
	}
	if want(stack.WantOptions) && len(d.Options) > 0 {
		add(m, unix.SOL_IP, unix.IP_RECVOPTS, d.Options)
	}
	if want(stack.WantRetOpts) && len(d.Options) > 0 {
		add(m, unix.SOL_IP, unix.IP_RETOPTS, d.Options)
	}
	if want(stack.WantOrigDst) {
		add(m, unix.SOL_IP, unix.IP_ORIGDSTADDR, appendIn(nil, d.To))
	}
	if want(stack.WantFragSize) && d.FragSize != 0 {
		addInt(m, unix.SOL_IP, ipRecvFragSize, uint32(d.FragSize))
	}
}

// pktInfo is struct in_pktinfo. The local address of a multicast or broadcast is
// not told by the header, and is 0.0.0.0.
func pktInfo(d *dgram.Message) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(d.IIF))
	local := d.To.Addr()
	if local.IsMulticast() || local == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		local = netip.IPv4Unspecified()
	}
	return append4(append4(b, local), d.To.Addr())
}

func recvIPv6(in *stack.RecvMeta, m *socket.Message, want func(stack.ControlSet) bool) {
	d := in.Msg
	if want(stack.WantSegment) && d.Segment > 0 {
		addInt(m, unix.SOL_UDP, udpGRO, uint32(d.Segment))
	}
	if want(stack.WantPktInfo) {
		add(m, unix.SOL_IPV6, unix.IPV6_PKTINFO, binary.LittleEndian.AppendUint32(append16(nil, d.To.Addr()), uint32(d.IIF)))
	}
	if want(stack.WantTTL) {
		addInt(m, unix.SOL_IPV6, unix.IPV6_HOPLIMIT, uint32(d.TTL))
	}
	if want(stack.WantTOS) {
		addInt(m, unix.SOL_IPV6, unix.IPV6_TCLASS, uint32(d.TOS))
	}
	if flow := d.Flow | uint32(d.TOS)<<20; want(stack.WantFlow) && flow != 0 {
		add(m, unix.SOL_IPV6, ipv6FlowInfo, binary.BigEndian.AppendUint32(nil, flow))
	}
	recvExtensions(d.Options, false, m, want)
	if want(stack.WantOldPktInfo) {
		add(m, unix.SOL_IPV6, ipv62292PktInfo, binary.LittleEndian.AppendUint32(append16(nil, d.To.Addr()), uint32(d.IIF)))
	}
	if want(stack.WantOldHopLimit) {
		addInt(m, unix.SOL_IPV6, ipv62292HopLimit, uint32(d.TTL))
	}
	recvExtensions(d.Options, true, m, want)
	if want(stack.WantOrigDst) {
		a := stack.Address{AddrPort: d.To}
		if d.To.Addr().IsLinkLocalUnicast() {
			a.Scope = d.IIF
		}
		add(m, unix.SOL_IPV6, ipv6OrigDstAddr, appendIn6(nil, &a))
	}
	if want(stack.WantFragSize) && d.FragSize != 0 {
		addInt(m, unix.SOL_IPV6, ipv6RecvFragSize, uint32(d.FragSize))
	}
}

// recvExtensions tells of the extension headers of a message: what the first one
// is, and all of them. old is in the messages of RFC 2292.
func recvExtensions(ext []byte, old bool, m *socket.Message, want func(stack.ControlSet) bool) {
	if len(ext) == 0 {
		return
	}
	for _, e := range stack.Extensions(ext[0], ext[1:]) {
		var asked, askedOld stack.ControlSet
		var typ, oldTyp int32
		switch e.Kind {
		case unix.IPPROTO_HOPOPTS:
			asked, askedOld, typ, oldTyp = stack.WantHopOpts, stack.WantOldHopOpts, unix.IPV6_HOPOPTS, ipv62292HopOpts
		case unix.IPPROTO_DSTOPTS:
			asked, askedOld, typ, oldTyp = stack.WantDstOpts, stack.WantOldDstOpts, unix.IPV6_DSTOPTS, ipv62292DstOpts
		case unix.IPPROTO_ROUTING:
			asked, askedOld, typ, oldTyp = stack.WantRtHdr, stack.WantOldRtHdr, unix.IPV6_RTHDR, ipv62292RtHdr
		default:
			continue
		}
		if old {
			asked, typ = askedOld, oldTyp
		}
		if want(asked) {
			add(m, unix.SOL_IPV6, typ, e.Bytes)
		}
	}
}

// recvError is struct sock_extended_err and the address of who said so.
func (s *Sock) recvError(e *dgram.Error, m *socket.Message) {
	b := make([]byte, 0, sizeofExtendedErr+sizeofIn6)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Errno))
	b = append(b, e.Origin, e.Type, e.Code, 0)
	b = binary.LittleEndian.AppendUint32(b, e.Info)
	b = binary.LittleEndian.AppendUint32(b, e.Data)
	if s.Family() == unix.AF_PACKET { // it tells of nothing but times
		add(m, solPacket, packetTxTimestamp, b)
		return
	}
	offender := netip.AddrPortFrom(e.Offender, 0)
	if s.Family() == unix.AF_INET {
		if e.Offender.IsValid() {
			b = appendIn(b, offender)
		} else {
			b = append(b, make([]byte, sizeofIn)...)
		}
		add(m, unix.SOL_IP, unix.IP_RECVERR, b)
		return
	}
	switch {
	case !e.Offender.IsValid():
		b = append(b, make([]byte, sizeofIn6)...)
	default:
		a := stack.Address{AddrPort: offender}
		if e.Offender.IsLinkLocalUnicast() {
			a.Scope = e.IIF
		}
		b = appendIn6(b, &a)
	}
	add(m, unix.SOL_IPV6, unix.IPV6_RECVERR, b)
}

// auxdata is struct tpacket_auxdata: status, length, length captured, offset of
// the link header, of the network header, VLAN tag and its protocol.
func auxdata(d *dgram.Message) []byte {
	const (
		user, vlanValid, vlanTPIDValid = 1, 16, 64
		tpid8021Q                      = 0x8100
	)
	le, l := binary.LittleEndian, d.Link
	status := uint32(user)
	var tci, tpid uint16
	if l.HasVLAN {
		status |= vlanValid | vlanTPIDValid
		tci, tpid = l.VLAN, tpid8021Q
	}
	b := le.AppendUint32(nil, status)
	b = le.AppendUint32(b, uint32(max(l.Wire, d.Len)))
	b = le.AppendUint32(b, uint32(d.Len))
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, uint16(l.NetOff))
	return le.AppendUint16(le.AppendUint16(b, tci), tpid)
}
