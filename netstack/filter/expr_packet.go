package filter

import (
	"encoding/binary"

	"hull/netstack/header"
)

// Where a Payload counts from: NFT_PAYLOAD_*.
const (
	PayloadLink = iota
	PayloadNetwork
	PayloadTransport
	PayloadInner
)

// Payload loads bytes of the packet into registers, or stores them in it.
type Payload struct {
	Base, Offset, Len uint32
	Store             bool
	Reg               Register

	// Of a store: the checksum that is to be updated.
	CsumType, CsumOffset, CsumFlags uint32
}

// The kinds of checksum, and the flag that says that the transport's covers it too.
const (
	CsumNone   = 0
	CsumInet   = 1
	CsumPseudo = 1 // NFT_PAYLOAD_L4CSUM_PSEUDOHDR
)

// at returns where in the packet the bytes are.
func (e *Payload) at(x *run) (off int, ok bool) {
	switch e.Base {
	case PayloadNetwork:
		off = 0
	case PayloadTransport:
		if x.pk.Fragment {
			return 0, false
		}
		off = x.pk.Transport
	case PayloadInner:
		if x.pk.Fragment || x.pk.Short {
			return 0, false
		}
		off = x.pk.Transport
		switch x.pk.Tuple.Proto {
		case header.ProtocolTCP:
			off += header.TCP(x.head[off:]).DataOffset()
		case header.ProtocolUDP:
			off += header.UDPSize
		default:
			return 0, false
		}
	default:
		return 0, false
	}
	off += int(e.Offset)
	return off, off+int(e.Len) <= x.p.Len()
}

func (e *Payload) eval(x *run) {
	if e.Base == PayloadLink && !e.Store {
		if int(e.Offset+e.Len) > len(x.c.LinkHeader) {
			x.fail()
			return
		}
		copy(x.clear(e.Reg, int(e.Len)), x.c.LinkHeader[e.Offset:])
		return
	}
	off, ok := e.at(x)
	if !ok {
		x.fail()
		return
	}
	if !e.Store {
		dst := x.clear(e.Reg, int(e.Len))[:e.Len]
		if off+int(e.Len) <= len(x.head) {
			copy(dst, x.head[off:])
		} else {
			x.p.CopyTo(dst, off)
		}
		return
	}
	e.store(x, off)
}

// store writes the register into the packet and updates checksums.
func (e *Payload) store(x *run, off int) {
	n := int(e.Len)
	end := off + n
	sum := -1 // where the checksum is
	if e.CsumType == CsumInet {
		sum = off - int(e.Offset) + int(e.CsumOffset)
		end = max(end, sum+2)
	}
	l4 := -1
	if e.CsumFlags&CsumPseudo != 0 && !x.pk.Fragment && !x.pk.Short {
		if l4 = x.l4Checksum(); l4 >= 0 {
			end = max(end, l4+2)
		}
	}
	b := x.own(end)
	if b == nil {
		x.fail()
		return
	}
	// The checksums are of whole words: of those that the bytes are in.
	from, to := off&^1, (off+n+1)&^1
	if to > len(b) {
		to = len(b)
	}
	was := header.Checksum(b[from:to], 0)
	copy(b[off:off+n], x.bytes(e.Reg, n))
	now := header.Checksum(b[from:to], 0)
	if sum >= 0 && !(sum >= from && sum < to) {
		if f := binary.BigEndian.Uint16(b[sum:]); f != 0 || sum != l4 || x.pk.Tuple.Proto != header.ProtocolUDP {
			binary.BigEndian.PutUint16(b[sum:], ^header.ChecksumAdd(header.ChecksumAdd(^f, ^was), now))
		}
	}
	if l4 >= 0 && l4 != sum {
		x.fixL4(b, l4, was, now)
	}
	x.reparse()
}

// own makes the first n bytes the packet's alone, and returns what is contiguous of
// it; nil if there are not so many.
func (x *run) own(n int) []byte {
	ok := x.p.Own(max(n, min(len(x.head), x.p.Len())))
	x.head = x.p.Head()
	if !ok {
		return nil
	}
	return x.head
}

// reparse reads the headers again after they were changed.
func (x *run) reparse() {
	if x.c.Frame {
		x.parseFrame()
		return
	}
	x.parse()
}

// Meta loads what is known of a packet besides its bytes, or sets it: NFT_META_*.
type Meta struct {
	Key uint32
	Set bool
	Reg Register
}

// The keys of Meta.
const (
	MetaLen        = 0
	MetaProtocol   = 1
	MetaPriority   = 2
	MetaMark       = 3
	MetaIIF        = 4
	MetaOIF        = 5
	MetaIIFName    = 6
	MetaOIFName    = 7
	MetaIIFType    = 8
	MetaOIFType    = 9
	MetaUID        = 10
	MetaGID        = 11
	MetaTrace      = 12
	MetaRtClass    = 13
	MetaSecMark    = 14
	MetaNFProto    = 15
	MetaL4Proto    = 16
	MetaBridgeIn   = 17 // NFT_META_BRI_IIFNAME
	MetaBridgeOut  = 18
	MetaPktType    = 19
	MetaCPU        = 20
	MetaIIFGroup   = 21
	MetaOIFGroup   = 22
	MetaCgroup     = 23
	MetaRandom     = 24
	MetaIIFKind    = 26
	MetaOIFKind    = 27
	MetaTimeNS     = 30
	MetaTimeDay    = 31
	MetaTimeHour   = 32
	MetaSDIF       = 33
	MetaSDIFName   = 34
	ifNameSize     = 16
	etherTypeIPv4  = 0x0800
	etherTypeIPv6  = 0x86dd
	protoIPv4Index = 2
	protoIPv6Index = 10
)

// MetaLength is the size in bytes of a key's value; 0 if it is not known here.
func MetaLength(key uint32) int {
	switch key {
	case MetaLen, MetaPriority, MetaMark, MetaIIF, MetaOIF, MetaUID, MetaGID, MetaRtClass, MetaCPU, MetaIIFGroup, MetaOIFGroup,
		MetaCgroup, MetaRandom, MetaTimeHour, MetaSDIF, MetaSecMark:
		return 4
	case MetaProtocol, MetaIIFType, MetaOIFType:
		return 2
	case MetaNFProto, MetaL4Proto, MetaPktType, MetaTrace, MetaTimeDay:
		return 1
	case MetaTimeNS:
		return 8
	case MetaIIFName, MetaOIFName, MetaIIFKind, MetaOIFKind, MetaSDIFName, MetaBridgeIn, MetaBridgeOut:
		return ifNameSize
	}
	return 0
}

func (e *Meta) eval(x *run) {
	if e.Set {
		if e.Key == MetaMark {
			x.p.Mark = x.word(e.Reg)
		}
		return // the others change nothing that hull looks at
	}
	r := e.Reg
	switch e.Key {
	case MetaLen:
		x.setWord(r, uint32(x.p.Len()))
	case MetaProtocol:
		x.set16BE(r, x.etherType())
	case MetaMark:
		x.setWord(r, x.p.Mark)
	case MetaIIF, MetaIIFName, MetaIIFType, MetaIIFGroup, MetaIIFKind:
		x.device(e, x.c.In, e.Key)
	case MetaOIF, MetaOIFName, MetaOIFType, MetaOIFGroup, MetaOIFKind:
		x.device(e, x.c.Out, e.Key)
	case MetaBridgeIn:
		x.setString(r, x.c.BridgeIn, ifNameSize)
	case MetaBridgeOut:
		x.setString(r, x.c.BridgeOut, ifNameSize)
	case MetaUID, MetaGID:
		if !x.c.HasOwner {
			x.fail()
			return
		}
		v := x.c.UID
		if e.Key == MetaGID {
			v = x.c.GID
		}
		x.setWord(r, v)
	case MetaNFProto:
		x.set8(r, x.nfproto())
	case MetaL4Proto:
		if x.noIP {
			x.fail()
			return
		}
		x.set8(r, uint8(x.pk.Tuple.Proto))
	case MetaPktType:
		x.set8(r, x.c.PacketType)
	case MetaRandom:
		x.setWord(r, x.random32())
	default:
		x.time(e)
	}
}

func (x *run) etherType() uint16 {
	if x.c.Frame {
		return x.c.EtherType
	}
	if x.c.V6 {
		return etherTypeIPv6
	}
	return etherTypeIPv4
}

func (x *run) nfproto() uint8 {
	if x.c.Frame {
		return uint8(x.table.Family)
	}
	if x.c.V6 {
		return protoIPv6Index
	}
	return protoIPv4Index
}

// time answers the keys about the time of day, and those that are always zero.
func (x *run) time(e *Meta) {
	switch e.Key {
	case MetaTimeNS:
		x.set64(e.Reg, uint64(x.rules.cfg.Wall().UnixNano()))
	case MetaTimeDay:
		x.set8(e.Reg, uint8(x.rules.cfg.Wall().UTC().Weekday()))
	case MetaTimeHour:
		t := x.rules.cfg.Wall().UTC()
		x.setWord(e.Reg, uint32(t.Hour()*3600+t.Minute()*60+t.Second()))
	default:
		x.clear(e.Reg, MetaLength(e.Key))
	}
}

// device answers the keys about an interface.
func (x *run) device(e *Meta, d *Device, key uint32) {
	if d == nil {
		switch key {
		case MetaIIF, MetaOIF:
			x.setWord(e.Reg, 0)
		case MetaIIFName, MetaOIFName:
			x.clear(e.Reg, ifNameSize)
		default:
			x.fail()
		}
		return
	}
	switch key {
	case MetaIIF, MetaOIF:
		x.setWord(e.Reg, uint32(d.Index))
	case MetaIIFName, MetaOIFName:
		x.setString(e.Reg, d.Name, ifNameSize)
	case MetaIIFType, MetaOIFType:
		x.set16(e.Reg, d.HWType)
	case MetaIIFGroup, MetaOIFGroup:
		x.setWord(e.Reg, d.Group)
	default:
		if d.Kind == "" {
			x.fail()
			return
		}
		x.setString(e.Reg, d.Kind, ifNameSize)
	}
}
