package filter

import (
	"encoding/binary"

	"hull/netstack/header"
)

// FIB asks the routing table about an address of the packet: NFT_FIB_*.
type FIB struct {
	Result uint32
	Flags  uint32
	DReg   Register
}

// The results and flags of FIB.
const (
	FIBResultOIF     = 1
	FIBResultOIFName = 2
	FIBResultType    = 3

	FIBFlagSrc     = 1 << 0
	FIBFlagDst     = 1 << 1
	FIBFlagMark    = 1 << 2
	FIBFlagIIF     = 1 << 3
	FIBFlagOIF     = 1 << 4
	FIBFlagPresent = 1 << 5
)

func (e *FIB) eval(x *run) {
	dst := x.pk.Tuple.Dst
	if e.Flags&FIBFlagSrc != 0 {
		dst = x.pk.Tuple.Src
	}
	oif, iif := 0, 0
	if e.Flags&FIBFlagIIF != 0 && x.c.In != nil {
		oif = x.c.In.Index
	}
	if e.Flags&FIBFlagOIF != 0 && x.c.Out != nil {
		oif = x.c.Out.Index
	}
	mark := uint32(0)
	if e.Flags&FIBFlagMark != 0 {
		mark = x.p.Mark
	}
	typ, index := x.rules.cfg.Host.Route(x.pk.Tuple.Src, dst, iif, oif, mark)
	switch e.Result {
	case FIBResultType:
		x.setWord(e.DReg, uint32(typ))
	case FIBResultOIF:
		if e.Flags&FIBFlagPresent != 0 {
			x.setWord(e.DReg, uint32(bit(index != 0)))
			return
		}
		x.setWord(e.DReg, uint32(index))
	default:
		if e.Flags&FIBFlagPresent != 0 {
			x.setWord(e.DReg, uint32(bit(index != 0)))
			return
		}
		name := ""
		for _, d := range []*Device{x.c.In, x.c.Out} {
			if d != nil && d.Index == index {
				name = d.Name
			}
		}
		x.setString(e.DReg, name, ifNameSize)
	}
}

// Route loads what is known of a packet's route: NFT_RT_*.
type Route struct {
	Key  uint32
	DReg Register
}

// The keys of Route.
const (
	RouteClass    = 0
	RouteNextHop4 = 1
	RouteNextHop6 = 2
	RouteMSS      = 3
	RouteIPsec    = 4
)

func (e *Route) eval(x *run) {
	switch e.Key {
	case RouteClass:
		x.setWord(e.DReg, 0)
	case RouteIPsec:
		x.set8(e.DReg, 0)
	case RouteMSS:
		if x.c.Out == nil {
			x.fail()
			return
		}
		n := x.c.Out.MTU - header.IPv4MinSize - header.TCPMinSize
		if x.c.V6 {
			n = x.c.Out.MTU - header.IPv6Size - header.TCPMinSize
		}
		x.set16(e.DReg, uint16(max(n, 0)))
	default:
		x.fail() // the next hop is decided later
	}
}

// ExtHdr loads bytes of an extension header or option, or says whether there is
// one; or sets an option of TCP: NFT_EXTHDR_*.
type ExtHdr struct {
	Op          uint32
	Type        uint8
	Offset, Len uint32
	Flags       uint32
	Store       bool
	Reg         Register
}

// The operators and the flag of ExtHdr.
const (
	ExtHdrIPv6    = 0
	ExtHdrTCP     = 1
	ExtHdrIPv4    = 2
	ExtHdrPresent = 1
)

func (e *ExtHdr) eval(x *run) {
	if x.noIP {
		x.fail()
		return
	}
	at, n := -1, 0
	switch e.Op {
	case ExtHdrIPv6:
		at, n = x.extension(e.Type)
	case ExtHdrTCP:
		at, n = x.tcpOption(e.Type)
	case ExtHdrIPv4:
		if !x.c.V6 {
			h := header.IPv4(x.head)
			at, n = findOption(x.head, header.IPv4MinSize, h.IHL(), e.Type)
		}
	}
	switch {
	case e.Store:
		e.store(x, at, n)
	case e.Flags&ExtHdrPresent != 0:
		x.set8(e.Reg, bit(at >= 0))
	case at < 0 || int(e.Offset+e.Len) > n:
		x.fail()
	default:
		copy(x.clear(e.Reg, int(e.Len)), x.head[at+int(e.Offset):at+int(e.Offset+e.Len)])
	}
}

// extension returns where an extension header of IPv6 is, and its length.
func (x *run) extension(typ uint8) (at, n int) {
	if !x.c.V6 {
		return -1, 0
	}
	it := header.IPv6(x.head).Extensions()
	for {
		off := it.Offset()
		e, ok := it.Next()
		if !ok {
			return -1, 0
		}
		if uint8(e.Kind()) == typ {
			return off, len(e.Bytes())
		}
	}
}

// tcpOption returns where an option of TCP is, and its length.
func (x *run) tcpOption(typ uint8) (at, n int) {
	if x.pk.Tuple.Proto != header.ProtocolTCP || x.pk.Short || x.pk.Fragment {
		return -1, 0
	}
	h := header.TCP(x.head[x.pk.Transport:])
	return findOption(x.head, x.pk.Transport+header.TCPMinSize, x.pk.Transport+h.DataOffset(), typ)
}

// findOption walks options of kind, length, data: those of TCP and IPv4.
func findOption(b []byte, from, to int, typ uint8) (at, n int) {
	to = min(to, len(b))
	for i := from; i < to; {
		switch b[i] {
		case 0:
			return -1, 0
		case 1:
			i++
			continue
		}
		if i+1 >= to || int(b[i+1]) < 2 || i+int(b[i+1]) > to {
			return -1, 0
		}
		if b[i] == typ {
			return i, int(b[i+1])
		}
		i += int(b[i+1])
	}
	return -1, 0
}

// store sets a part of an option of TCP. A maximum segment size is only lowered.
func (e *ExtHdr) store(x *run, at, n int) {
	if e.Op != ExtHdrTCP || at < 0 || int(e.Offset+e.Len) > n {
		x.fail()
		return
	}
	const mss = 2
	off, size := at+int(e.Offset), int(e.Len)
	v := x.bytes(e.Reg, size)
	if e.Type == mss && size == 2 && binary.BigEndian.Uint16(x.head[off:]) <= binary.BigEndian.Uint16(v) {
		return
	}
	b := x.own(len(x.head))
	if b == nil {
		x.fail()
		return
	}
	from, to := off&^1, min((off+size+1)&^1, len(b))
	was := header.Checksum(b[from:to], 0)
	copy(b[off:off+size], v)
	x.fixL4(b, x.pk.Transport+header.TCPChecksumOffset, was, header.Checksum(b[from:to], 0))
}
