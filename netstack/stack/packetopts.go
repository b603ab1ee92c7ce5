package stack

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
)

const solPacket = 263

// Options of SOL_PACKET that x/sys may lack.
const (
	packetTimestamp      = 17
	packetFanout         = 18
	packetTxHasOff       = 19
	packetRolloverStats  = 21
	packetFanoutData     = 22
	packetIgnoreOutgoing = 23
	packetVnetHdrSize    = 24
)

// SetOption is setsockopt(2). PACKET_RX_RING and PACKET_TX_RING are SetRing's.
func (x *packetSocket) SetOption(level, name int, value []byte, admin, raw bool) error {
	if level != solPacket {
		return x.setOption(level, name, value, admin, raw)
	}
	if name == unix.PACKET_ADD_MEMBERSHIP || name == unix.PACKET_DROP_MEMBERSHIP {
		return x.setMember(name == unix.PACKET_ADD_MEMBERSHIP, value)
	}
	switch name {
	case packetFanout:
		return x.setFanout(value)
	case packetFanoutData:
		return x.setProgram(value)
	case unix.PACKET_VNET_HDR, packetVnetHdrSize:
		return x.setVnet(name, value)
	}
	v, err := packetInt(name, value)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch name {
	case unix.PACKET_AUXDATA:
		x.auxdata = v != 0
	case unix.PACKET_ORIGDEV:
		x.origDev = v != 0
	case unix.PACKET_LOSS:
		if x.hasRing() {
			return unix.EBUSY
		}
		x.loss = v != 0
	case packetTxHasOff:
		if !x.hasRing() { // else it is for nothing, and no error
			x.txHasOff = v != 0
		}
	case packetIgnoreOutgoing:
		if v < 0 || v > 1 {
			return unix.EINVAL
		}
		x.ownOnly = v != 0
	case unix.PACKET_VERSION:
		if v < 0 || v > 2 {
			return unix.EINVAL
		}
		if x.hasRing() {
			return unix.EBUSY
		}
		x.version = v
	case unix.PACKET_RESERVE:
		if v < 0 {
			return unix.EINVAL
		}
		if x.hasRing() {
			return unix.EBUSY
		}
		x.reserve = v
	// Nothing depends on these: frames are never copied to two places, and their
	// times are software's.
	case unix.PACKET_COPY_THRESH:
		x.copyThresh = v
	case packetTimestamp:
		x.timestamp = v
	case unix.PACKET_QDISC_BYPASS:
		x.bypass.Store(v != 0)
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// packetInt reads an option of SOL_PACKET: most take an int and nothing else.
func packetInt(name int, b []byte) (int, error) {
	switch name {
	case unix.PACKET_AUXDATA, unix.PACKET_ORIGDEV:
		return intValue(b)
	case unix.PACKET_LOSS, packetIgnoreOutgoing, unix.PACKET_VERSION, unix.PACKET_RESERVE, unix.PACKET_COPY_THRESH,
		packetTimestamp, unix.PACKET_QDISC_BYPASS, packetTxHasOff:
		if len(b) != 4 {
			return 0, unix.EINVAL
		}
		return intValue(b)
	}
	return 0, unix.ENOPROTOOPT
}

// setMember adds or drops a membership: struct packet_mreq.
func (x *packetSocket) setMember(add bool, b []byte) error {
	if len(b) < 16 {
		return unix.EINVAL
	}
	m := packetMember{nic: index32(b), typ: int(binary.NativeEndian.Uint16(b[4:])), addr: link.Address(b[8:14])}
	n, size := x.stack.NIC(m.nic), int(binary.NativeEndian.Uint16(b[6:]))
	if len(b) < 8+size {
		return unix.EINVAL
	}
	if add {
		bound := len(m.addr) // of the interface's addresses
		if n != nil && n.hw == link.RawIP {
			bound = 0
		}
		switch {
		case n == nil:
			return unix.ENODEV
		case size > bound, size != bound && (m.typ == unix.PACKET_MR_MULTICAST || m.typ == unix.PACKET_MR_UNICAST):
			return unix.EINVAL
		}
	}
	x.mu.Lock()
	switch i := slices.Index(x.members, m); {
	case add && len(x.members) >= maxPacketMembers:
		x.mu.Unlock()
		return unix.ENOBUFS
	case add:
		x.members = append(x.members, m)
	case i < 0:
		x.mu.Unlock()
		return nil // as Linux says
	default:
		x.members = slices.Delete(x.members, i, i+1)
	}
	x.mu.Unlock()
	d := int32(1)
	if !add {
		d = -1
	}
	x.stack.packetMember(m, d)
	return nil
}

// Option is getsockopt(2).
func (x *packetSocket) Option(level, name, room int, in []byte) ([]byte, error) {
	if level != solPacket {
		return x.option(level, name, room, in)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	v := 0
	switch name {
	case unix.PACKET_STATISTICS:
		b := binary.NativeEndian.AppendUint32(nil, x.packets)
		b = binary.NativeEndian.AppendUint32(b, x.drops)
		if x.version == 2 {
			freezes := uint32(0)
			if x.ring != nil {
				freezes, x.ring.freezes = x.ring.freezes, 0
			}
			b = binary.NativeEndian.AppendUint32(b, freezes)
		}
		x.packets, x.drops = 0, 0
		return cut(b, room), nil
	case unix.PACKET_AUXDATA:
		v = bit(x.auxdata)
	case unix.PACKET_ORIGDEV:
		v = bit(x.origDev)
	case unix.PACKET_LOSS:
		v = bit(x.loss)
	case packetIgnoreOutgoing:
		v = bit(x.ownOnly)
	case unix.PACKET_VERSION:
		v = x.version
	case unix.PACKET_HDRLEN:
		if len(in) < 4 {
			return nil, unix.EINVAL
		}
		ver, _ := intValue(in)
		if ver < 0 || ver > 2 {
			return nil, unix.EINVAL
		}
		v = ringHeaderSize(ver)
	case unix.PACKET_RESERVE:
		v = x.reserve
	case packetTimestamp:
		v = x.timestamp
	case unix.PACKET_COPY_THRESH:
		v = x.copyThresh
	case unix.PACKET_QDISC_BYPASS:
		v = bit(x.bypass.Load())
	case unix.PACKET_VNET_HDR:
		v = bit(x.vnet != 0)
	case packetVnetHdrSize:
		v = x.vnet
	case packetTxHasOff:
		v = bit(x.txHasOff)
	case packetFanout:
		v = x.fanout.Load().value()
	case packetRolloverStats:
		if x.rolled == nil {
			return nil, unix.EINVAL
		}
		return cut(x.rolled.stats(), room), nil
	default:
		return nil, unix.ENOPROTOOPT
	}
	return intBytes(v, room), nil
}
