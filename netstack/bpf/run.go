package bpf

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

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
		if n < size && copy(b[n:size], p.Data) < size-n {
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

// machine is the registers and the scratch memory.
type machine struct {
	a, x uint32
	mem  [memWords]uint32
}

// Run returns how many bytes of the packet are accepted; 0 is none.
func (p *Program) Run(pkt *Packet) uint32 {
	var m machine
	for pc := 0; pc < len(p.insns); pc++ {
		in := &p.insns[pc]
		switch in.code & 7 {
		case unix.BPF_LD:
			if !m.load(in, pkt) {
				return 0
			}
		case unix.BPF_LDX:
			if !m.loadX(in, pkt) {
				return 0
			}
		case unix.BPF_ST:
			m.mem[in.k] = m.a
		case unix.BPF_STX:
			m.mem[in.k] = m.x
		case unix.BPF_ALU:
			if !m.alu(in) {
				return 0
			}
		case unix.BPF_JMP:
			pc += m.jump(in)
		case unix.BPF_RET:
			if in.code&^7 == unix.BPF_A {
				return m.a
			}
			return in.k
		case unix.BPF_MISC:
			if in.code == unix.BPF_MISC|unix.BPF_TAX {
				m.x = m.a
			} else {
				m.a = m.x
			}
		}
	}
	return 0
}

func size(code uint16) int {
	switch code & 0x18 {
	case unix.BPF_H:
		return 2
	case unix.BPF_B:
		return 1
	}
	return 4
}

func (m *machine) load(in *instruction, p *Packet) (ok bool) {
	switch in.code & 0xe0 {
	case unix.BPF_IMM:
		m.a = in.k
	case unix.BPF_LEN:
		m.a = uint32(p.Len)
	case unix.BPF_MEM:
		m.a = m.mem[in.k]
	case unix.BPF_ABS:
		if in.k >= adOffset {
			m.ancillary(in.k-adOffset, p)
			return true
		}
		m.a, ok = p.load(p.at(in.k), size(in.code))
		return ok
	case unix.BPF_IND:
		off := p.at(in.k) + int64(m.x)
		if in.k < linkOffset {
			off = int64(int32(in.k + m.x))
		}
		if off < 0 && in.k < linkOffset {
			return false
		}
		m.a, ok = p.load(off, size(in.code))
		return ok
	}
	return true
}

func (m *machine) loadX(in *instruction, p *Packet) bool {
	switch in.code & 0xe0 {
	case unix.BPF_IMM:
		m.x = in.k
	case unix.BPF_LEN:
		m.x = uint32(p.Len)
	case unix.BPF_MEM:
		m.x = m.mem[in.k]
	case unix.BPF_MSH:
		v, ok := p.load(p.at(in.k), 1)
		m.x = v & 15 * 4
		return ok
	}
	return true
}

// ancillary loads what is known of the packet besides its bytes. What hull does
// not have of it is 0, as on a Linux without that.
func (m *machine) ancillary(what uint32, p *Packet) {
	switch what {
	case adProtocol:
		m.a = uint32(p.Protocol)
	case adPktType:
		m.a = uint32(p.Type)
	case adIfIndex:
		m.a = p.IfIndex
	case adMark:
		m.a = p.Mark
	case adHAType:
		m.a = uint32(p.HWType)
	case adRxHash:
		m.a = p.Hash
	case adXorX:
		m.a ^= m.x
	case adVLANTag:
		m.a = uint32(p.VLAN)
	case adVLANHas:
		m.a = 0
		if p.HasVLAN {
			m.a = 1
		}
	case adVLANProto:
		m.a = 0
		if p.HasVLAN {
			m.a = 0x8100
		}
	case adPayload:
		m.a = p.Payload
	case adRandom:
		m.a = p.Random
	case adNlAttr, adNlAttrN:
		m.a = 0
	case adQueue, adCPU:
		m.a = 0
	}
}

func (m *machine) alu(in *instruction) bool {
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	switch in.code & 0xf0 {
	case unix.BPF_ADD:
		m.a += v
	case unix.BPF_SUB:
		m.a -= v
	case unix.BPF_MUL:
		m.a *= v
	case unix.BPF_DIV:
		if v == 0 {
			return false
		}
		m.a /= v
	case unix.BPF_MOD:
		if v == 0 {
			return false
		}
		m.a %= v
	case unix.BPF_OR:
		m.a |= v
	case unix.BPF_AND:
		m.a &= v
	case unix.BPF_XOR:
		m.a ^= v
	case unix.BPF_LSH:
		m.a <<= v & 31
	case unix.BPF_RSH:
		m.a >>= v & 31
	case unix.BPF_NEG:
		m.a = -m.a
	}
	return true
}

// jump returns how many instructions are passed over.
func (m *machine) jump(in *instruction) int {
	if in.code == unix.BPF_JMP|unix.BPF_JA {
		return int(in.k)
	}
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	yes := false
	switch in.code & 0xf0 {
	case unix.BPF_JEQ:
		yes = m.a == v
	case unix.BPF_JGT:
		yes = m.a > v
	case unix.BPF_JGE:
		yes = m.a >= v
	case unix.BPF_JSET:
		yes = m.a&v != 0
	}
	if yes {
		return int(in.jt)
	}
	return int(in.jf)
}
