package bpf

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Extensions is what SO_BPF_EXTENSIONS says: the length of the ancillary area
// that loads may name, SKF_AD_MAX.
const Extensions = 64

// The ancillary loads: offsets of a load at and above adOffset (SKF_AD_OFF).
const (
	adOffset    = 0xfffff000
	netOffset   = 0xfff00000 // SKF_NET_OFF
	linkOffset  = 0xffe00000 // SKF_LL_OFF
	adProtocol  = 0
	adPktType   = 4
	adIfIndex   = 8
	adNlAttr    = 12
	adNlAttrN   = 16
	adMark      = 20
	adQueue     = 24
	adHAType    = 28
	adRxHash    = 32
	adCPU       = 36
	adXorX      = 40
	adVLANTag   = 44
	adVLANHas   = 48
	adPayload   = 52
	adRandom    = 56
	adVLANProto = 60
)

// Program is a checked program over packets, immutable.
type Program struct{ code []Instruction }

// Parse checks an array of struct sock_filter: EINVAL.
func Parse(b []byte) (*Program, error) {
	code, err := Decode(b)
	if err != nil {
		return nil, err
	}
	if err := Check(code); err != nil {
		return nil, err
	}
	return &Program{code}, nil
}

// Bytes returns the program as Parse took it: SO_GET_FILTER.
func (p *Program) Bytes() []byte {
	b := make([]byte, 0, len(p.code)*InstructionSize)
	for _, in := range p.code {
		b = binary.NativeEndian.AppendUint16(b, in.Code)
		b = append(b, in.Jt, in.Jf)
		b = binary.NativeEndian.AppendUint32(b, in.K)
	}
	return b
}

// Len returns the number of instructions.
func (p *Program) Len() int { return len(p.code) }

// sizeBits is what of a load's code says how many bytes it takes.
const sizeBits = 0x18

// Run returns how many bytes of the packet are accepted; 0 is none.
func (p *Program) Run(pkt *Packet) uint32 {
	var r Registers
	for pc := 0; ; pc++ {
		in := &p.code[pc]
		if in.Class() == unix.BPF_RET {
			return r.Result(in)
		}
		skip, ok := 0, true
		switch in.Code &^ sizeBits {
		case unix.BPF_LD | unix.BPF_ABS:
			if in.K >= adOffset {
				r.ancillary(in.K-adOffset, pkt)
				break
			}
			r.A, ok = pkt.load(pkt.at(in.K), in.Size())
		case unix.BPF_LD | unix.BPF_IND:
			r.A, ok = pkt.load(pkt.at(in.K+r.X), in.Size())
		case unix.BPF_LDX | unix.BPF_MSH:
			var v uint32
			v, ok = pkt.load(pkt.at(in.K), 1)
			r.X = v & 15 * 4 // the length of the header of IPv4 that it begins
		default:
			skip, ok = r.Step(in, uint32(pkt.Len))
		}
		if !ok {
			return 0
		}
		pc += skip
	}
}

// Packet is what a program runs over.
type Packet struct {
	Data []byte // from where the socket's owner sees the packet on, as far as it is contiguous
	Len  int    // of the whole packet; Tail reads what is not in Data
	Tail func(b []byte, off int) int
	// Net and Link are where the network's and link's headers start in Data; they
	// may be negative, and then Before has what precedes Data.
	Net, Link int
	Before    []byte

	Protocol uint16 // of Ethernet
	Type     uint8  // PACKET_*
	IfIndex  uint32
	HWType   uint16
	Mark     uint32
	Hash     uint32
	VLAN     uint16
	HasVLAN  bool
	Random   uint32
	// Payload is where the transport's payload starts in Data.
	Payload uint32
}

// load reads size bytes at off, which may be negative.
func (p *Packet) load(off int64, size int) (uint32, bool) {
	var b [4]byte
	switch {
	case off < 0:
		at := int64(len(p.Before)) + off
		if at < 0 {
			return 0, false
		}
		n := copy(b[:size], p.Before[at:])
		if rest := b[n:size]; len(rest) > p.Len || copy(rest, p.Data) < len(rest) && (p.Tail == nil || p.Tail(rest, 0) < len(rest)) {
			return 0, false
		}
	case off+int64(size) <= int64(len(p.Data)):
		copy(b[:size], p.Data[off:])
	case off+int64(size) <= int64(p.Len) && p.Tail != nil:
		if p.Tail(b[:size], int(off)) < size {
			return 0, false
		}
	default:
		return 0, false
	}
	switch size {
	case 1:
		return uint32(b[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b[:])), true
	}
	return binary.BigEndian.Uint32(b[:]), true
}

// at resolves the offset of a load: those near the top of 32 bits count from the
// network's or the link's header.
func (p *Packet) at(k uint32) int64 {
	switch {
	case k >= netOffset:
		return int64(p.Net) + int64(k-netOffset)
	case k >= linkOffset:
		return int64(p.Link) + int64(k-linkOffset)
	}
	return int64(k)
}

// ancillary loads what is known of the packet besides its bytes. What hull does
// not have of it is 0, as on a Linux without that.
func (r *Registers) ancillary(what uint32, p *Packet) {
	switch what {
	case adProtocol:
		r.A = uint32(p.Protocol)
	case adPktType:
		r.A = uint32(p.Type)
	case adIfIndex:
		r.A = p.IfIndex
	case adMark:
		r.A = p.Mark
	case adHAType:
		r.A = uint32(p.HWType)
	case adRxHash:
		r.A = p.Hash
	case adXorX:
		r.A ^= r.X
	case adVLANTag:
		r.A = uint32(p.VLAN)
	case adVLANHas:
		r.A = 0
		if p.HasVLAN {
			r.A = 1
		}
	case adVLANProto:
		r.A = 0
		if p.HasVLAN {
			r.A = 0x8100
		}
	case adPayload:
		r.A = p.Payload
	case adRandom:
		r.A = p.Random
	case adNlAttr, adNlAttrN:
		r.A = 0
	case adQueue, adCPU:
		r.A = 0
	}
}
