package header

import (
	"encoding/binary"
	"net/netip"
)

// IPv4Options is the options of a header of IPv4: a type each, then, but for the
// first two, a length that counts both, and data.
type IPv4Options []byte

// IPv4OptionType is the first byte of an option. Its top bit says that fragments
// carry it too.
type IPv4OptionType uint8

const (
	IPv4OptionEnd         IPv4OptionType = 0
	IPv4OptionNOP         IPv4OptionType = 1
	IPv4OptionRecordRoute IPv4OptionType = 7
	IPv4OptionTimestamp   IPv4OptionType = 68
	IPv4OptionSecurity    IPv4OptionType = 130
	IPv4OptionLooseRoute  IPv4OptionType = 131
	IPv4OptionCIPSO       IPv4OptionType = 134
	IPv4OptionStreamID    IPv4OptionType = 136
	IPv4OptionStrictRoute IPv4OptionType = 137
	IPv4OptionRouterAlert IPv4OptionType = 148
)

// Copied reports whether every fragment carries the option.
func (t IPv4OptionType) Copied() bool { return t&0x80 != 0 }

// IPv4Option is one option, its type and length included in its bytes.
type IPv4Option []byte

// Type is the option's type.
func (o IPv4Option) Type() IPv4OptionType { return IPv4OptionType(o[0]) }

// Data is what follows the length.
func (o IPv4Option) Data() []byte {
	if len(o) < 2 {
		return nil
	}
	return o[2:]
}

// Next splits the first option off. There is none if the rest is nil and the
// option is too; if the options are broken, bad is the offset of the wrong byte
// and ok is false.
func (o IPv4Options) Next() (opt IPv4Option, rest IPv4Options, bad int, ok bool) {
	if len(o) == 0 || IPv4OptionType(o[0]) == IPv4OptionEnd {
		return nil, nil, 0, true
	}
	if IPv4OptionType(o[0]) == IPv4OptionNOP {
		return IPv4Option(o[:1]), o[1:], 0, true
	}
	if len(o) < 2 {
		return nil, nil, 0, false
	}
	n := int(o[1])
	if n < 2 || n > len(o) {
		return nil, nil, 1, false
	}
	return IPv4Option(o[:n]), o[n:], 0, true
}

// Check walks all options and the pointers of those that have one. It returns
// the offset in the options of the first byte that is wrong, for the parameter
// problem that reports it.
func (o IPv4Options) Check() (bad int, ok bool) {
	at := 0
	for rest := o; ; {
		opt, next, b, fine := rest.Next()
		if !fine {
			return at + b, false
		}
		if opt == nil {
			return 0, true
		}
		switch opt.Type() {
		case IPv4OptionRecordRoute, IPv4OptionLooseRoute, IPv4OptionStrictRoute:
			if len(opt) < 3 {
				return at + 1, false
			}
			if opt[2] < 4 {
				return at + 2, false
			}
		case IPv4OptionTimestamp:
			if len(opt) < 4 {
				return at + 1, false
			}
			if opt[2] < 5 {
				return at + 2, false
			}
		case IPv4OptionRouterAlert:
			if len(opt) < 4 {
				return at + 1, false
			}
		}
		at += len(opt)
		rest = next
	}
}

// AppendCopied appends the options that every fragment carries to b, padded.
func (o IPv4Options) AppendCopied(b []byte) []byte {
	start := len(b)
	for rest := o; ; {
		opt, next, _, ok := rest.Next()
		if !ok || opt == nil {
			break
		}
		if opt.Type().Copied() {
			b = append(b, opt...)
		}
		rest = next
	}
	for (len(b)-start)%4 != 0 {
		b = append(b, byte(IPv4OptionEnd))
	}
	return b
}

// RecordRoute puts addr into the next slot of a record-route option, if there is
// one. It reports whether it wrote; the header's checksum is not updated.
func (o IPv4Option) RecordRoute(addr netip.Addr) bool {
	p := int(o[2]) // counted from 1
	if p < 4 || p+3 > len(o) {
		return false
	}
	putAddr4(o[p-1:], addr)
	o[2] += 4
	return true
}

// RecordTimestamp puts the milliseconds since midnight, and addr if the option
// asks for it, into the next slot of a timestamp option. A full one counts an
// overflow, which may fail too: then ok is false and the packet is to be dropped.
func (o IPv4Option) RecordTimestamp(addr netip.Addr, ms uint32) (ok bool) {
	const (
		onlyTime  = 0
		withAddr  = 1
		specified = 3
	)
	p, flag := int(o[2]), o[3]&0xf
	slot := 4
	if flag != onlyTime {
		slot = 8
	}
	if p+slot-1 > len(o) {
		if o[3]>>4 == 15 {
			return false
		}
		o[3] += 0x10
		return true
	}
	at := o[p-1:]
	switch flag {
	case onlyTime:
	case withAddr:
		putAddr4(at, addr)
		at = at[4:]
	case specified:
		if addr4(at) != addr {
			return true
		}
		at = at[4:]
	default:
		return true
	}
	binary.BigEndian.PutUint32(at, ms)
	o[2] += uint8(slot)
	return true
}
