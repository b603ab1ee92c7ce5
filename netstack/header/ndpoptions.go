package header

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// NDPOptions is the options of a message of neighbour discovery: a type and a
// length in 8 bytes each, both counted in it.
type NDPOptions []byte

// NDPOptionType is the first byte of an option.
type NDPOptionType uint8

const (
	NDPOptSourceLink NDPOptionType = 1
	NDPOptTargetLink NDPOptionType = 2
	NDPOptPrefix     NDPOptionType = 3
	NDPOptRedirected NDPOptionType = 4
	NDPOptMTU        NDPOptionType = 5
	NDPOptNonce      NDPOptionType = 14
	NDPOptRoute      NDPOptionType = 24
	NDPOptRDNSS      NDPOptionType = 25
	NDPOptDNSSL      NDPOptionType = 31
)

// NDPOption is one option, its type and length included. A view of a kind is to
// be asked for Valid before its getters: the length may be that of another.
type NDPOption []byte

// Type is the option's type.
func (o NDPOption) Type() NDPOptionType { return NDPOptionType(o[0]) }

// Valid reports whether all options have a length that is not zero and within o.
func (o NDPOptions) Valid() bool {
	for len(o) > 0 {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return false
		}
		o = o[int(o[1])*8:]
	}
	return true
}

// Next splits the first option off; there is none if the option is nil. The
// options have to be valid.
func (o NDPOptions) Next() (NDPOption, NDPOptions) {
	if len(o) == 0 {
		return nil, nil
	}
	n := int(o[1]) * 8
	return NDPOption(o[:n]), o[n:]
}

// Link is the hardware address of the first option of type t.
func (o NDPOptions) Link(t NDPOptionType) (addr [6]byte, ok bool) {
	for {
		opt, rest := o.Next()
		if opt == nil {
			return addr, false
		}
		if opt.Type() == t && len(opt) == 8 {
			return [6]byte(opt[2:8]), true
		}
		o = rest
	}
}

// Find is the first option of type t, nil if there is none.
func (o NDPOptions) Find(t NDPOptionType) NDPOption {
	for {
		opt, rest := o.Next()
		if opt == nil || opt.Type() == t {
			return opt
		}
		o = rest
	}
}

// AppendNDPLink appends an option with a hardware address.
func AppendNDPLink(b []byte, t NDPOptionType, addr [6]byte) []byte {
	return append(append(b, byte(t), 1), addr[:]...)
}

// AppendNDPMTU appends an option with an MTU.
func AppendNDPMTU(b []byte, mtu uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(NDPOptMTU), 1, 0, 0), mtu)
}

// MTU is the MTU that an option says.
func (o NDPOption) MTU() (uint32, bool) {
	if o.Type() != NDPOptMTU || len(o) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint32(o[4:]), true
}

// NDPPrefix is what an option says of a prefix.
type NDPPrefix struct {
	Prefix           netip.Prefix
	OnLink           bool
	Autonomous       bool // hosts make an address in it
	Valid, Preferred time.Duration
}

// NDPForever is a lifetime without an end.
const NDPForever = time.Duration(0xffffffff) * time.Second

// Prefix reads a prefix option.
//
//	2   length of the prefix in bits (1), on-link, autonomous (2 bits)
//	4   valid (4) and preferred lifetime (4) in seconds
//	16  prefix (16)
func (o NDPOption) Prefix() (p NDPPrefix, ok bool) {
	if o.Type() != NDPOptPrefix || len(o) != 32 || o[2] > 128 {
		return p, false
	}
	p.Prefix = netip.PrefixFrom(addr6(o[16:]), int(o[2])).Masked()
	p.OnLink, p.Autonomous = o[3]&0x80 != 0, o[3]&0x40 != 0
	p.Valid, p.Preferred = seconds(o[4:]), seconds(o[8:])
	return p, true
}

// seconds reads a lifetime.
func seconds(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}

// Append appends p as an option.
func (p NDPPrefix) Append(b []byte) []byte {
	var flags byte
	if p.OnLink {
		flags |= 0x80
	}
	if p.Autonomous {
		flags |= 0x40
	}
	b = append(b, byte(NDPOptPrefix), 4, byte(p.Prefix.Bits()), flags)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Valid/time.Second))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Preferred/time.Second))
	b = append(b, 0, 0, 0, 0)
	a := p.Prefix.Addr().As16()
	return append(b, a[:]...)
}

// NDPRoute is what an option says of a route (RFC 4191).
type NDPRoute struct {
	Prefix     netip.Prefix
	Preference NDPreference
	Lifetime   time.Duration
}

// Route reads a route option.
//
//	2  length of the prefix in bits (1), preference (2 of 8 bits)
//	4  lifetime in seconds (4)
//	8  as many bytes of the prefix as are needed, 0, 8 or 16
func (o NDPOption) Route() (r NDPRoute, ok bool) {
	if o.Type() != NDPOptRoute || len(o) > 24 || o[2] > 128 || int(o[2]) > (len(o)-8)*8 {
		return r, false
	}
	var a [16]byte
	copy(a[:], o[8:])
	r.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), int(o[2])).Masked()
	r.Preference, r.Lifetime = preference(o[3]), seconds(o[4:])
	return r, true
}

// NDPServers is the recursive name servers of an option (RFC 8106).
type NDPServers []byte

// Servers reads an RDNSS option.
//
//	4  lifetime in seconds (4)
//	8  addresses (16 each)
func (o NDPOption) Servers() (s NDPServers, lifetime time.Duration, ok bool) {
	if o.Type() != NDPOptRDNSS || len(o) < 24 || (len(o)-8)%16 != 0 {
		return nil, 0, false
	}
	return NDPServers(o[8:]), seconds(o[4:]), true
}

// Len is the number of servers.
func (s NDPServers) Len() int { return len(s) / 16 }

// At is the address of server i.
func (s NDPServers) At(i int) netip.Addr { return addr6(s[i*16:]) }
