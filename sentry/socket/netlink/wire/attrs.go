package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Kind is what an attribute's value is: the NLA_* of a policy.
type Kind uint8

// The kinds.
const (
	Any    Kind = iota // bytes, of any length
	Reject             // must not be there
	U8
	U16
	U32
	U64
	Flag   // no value
	String // up to its NUL or its end
	Nested // attributes
)

// Policy is the kinds of attributes by their type. An attribute beyond its end
// is ignored, or refused by a strict parse.
type Policy []Rule

// Rule is what is asked of an attribute.
type Rule struct {
	Kind Kind
	// Min and Max bound the length in bytes of Any and String (without its
	// NUL); 0 is no bound.
	Min, Max int
}

// size is the length in bytes of a value of the kind; 0 if it varies.
func (k Kind) size() int {
	switch k {
	case U8:
		return 1
	case U16:
		return 2
	case U32:
		return 4
	case U64:
		return 8
	}
	return 0
}

// check returns ERANGE or EINVAL for a value that is not as r says, as
// nla_validate does; strict asks for exact lengths.
func (r Rule) check(v []byte, nested, strict bool) error {
	switch r.Kind {
	case Reject:
		return unix.EINVAL
	case Flag:
		if len(v) > 0 {
			return unix.ERANGE
		}
	case U8, U16, U32, U64:
		if n := r.Kind.size(); len(v) < n || strict && len(v) != n {
			return unix.ERANGE
		}
	case String:
		s := bytes.TrimRight(v, "\x00")
		if r.Max > 0 && len(s) > r.Max {
			return unix.ERANGE
		}
		if i := bytes.IndexByte(v, 0); r.Min > 0 && i < 0 && len(v) < r.Min {
			return unix.ERANGE
		}
	case Nested:
		if len(v) > 0 && len(v) < AttrHeaderSize {
			return unix.ERANGE
		}
		if strict && !nested {
			return unix.EINVAL
		}
	default:
		if len(v) < r.Min || r.Max > 0 && len(v) > r.Max {
			return unix.ERANGE
		}
	}
	return nil
}

// Attrs is the attributes of a message by type, each a slice of the message. Of
// several of one type the last counts.
type Attrs struct {
	at  [][]byte
	off []int32 // where each attribute begins, from where the parse began
}

// Error is why attributes were refused.
type Error struct {
	Errno  unix.Errno
	Msg    string
	Offset int // of the attribute, from where the parse began; -1 if there is none
}

// Error implements error.
func (e *Error) Error() string { return e.Errno.Error() + ": " + e.Msg }

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Each calls do with the type (without its flags), the offset and the value of
// each attribute of b, in order, until it returns false. It returns how many
// bytes are left that are no attribute.
func Each(b []byte, do func(typ uint16, off int, v []byte) bool) int {
	for off := 0; ; {
		rest := b[off:]
		if len(rest) < AttrHeaderSize {
			return len(rest)
		}
		n := int(binary.NativeEndian.Uint16(rest))
		if n < AttrHeaderSize || n > len(rest) {
			return len(rest)
		}
		typ := binary.NativeEndian.Uint16(rest[2:])
		if !do(typ&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), off, rest[AttrHeaderSize:n]) {
			return 0
		}
		off += min(Align(n), len(rest))
	}
}

// Parse reads the attributes in b. strict refuses unknown ones, wrong lengths
// and bytes that are left over, as NETLINK_GET_STRICT_CHK asks for.
func Parse(b []byte, p Policy, strict bool) (Attrs, *Error) {
	a := Attrs{at: make([][]byte, len(p)), off: make([]int32, len(p))}
	var failed *Error
	left := Each(b, func(typ uint16, off int, v []byte) bool {
		if int(typ) >= len(p) {
			if strict {
				failed = &Error{unix.EINVAL, "Unknown attribute type", off}
			}
			return !strict
		}
		nested := binary.NativeEndian.Uint16(b[off+2:])&unix.NLA_F_NESTED != 0
		if err := p[typ].check(v, nested, strict); err != nil {
			failed = &Error{err.(unix.Errno), "Attribute failed policy validation", off}
			return false
		}
		if v == nil {
			v = []byte{}
		}
		a.at[typ], a.off[typ] = v[:len(v):len(v)], int32(off)
		return true
	})
	if failed == nil && left > 0 && strict {
		failed = &Error{unix.EINVAL, "bytes leftover after parsing attributes", -1}
	}
	return a, failed
}

// Has reports whether there is an attribute of the type.
func (a Attrs) Has(typ int) bool { return a.Bytes(typ) != nil }

// Bytes returns the value of an attribute, or nil.
func (a Attrs) Bytes(typ int) []byte {
	if typ >= len(a.at) {
		return nil
	}
	return a.at[typ]
}

// Offset is where an attribute begins, from where the parse began; -1 if it is not there.
func (a Attrs) Offset(typ int) int {
	if !a.Has(typ) {
		return -1
	}
	return int(a.off[typ])
}

// U8 returns the value of an attribute, or 0. U16, U32 and U64 do the same.
func (a Attrs) U8(typ int) uint8 {
	if v := a.Bytes(typ); len(v) >= 1 {
		return v[0]
	}
	return 0
}

// U16 is U8 for 16 bits.
func (a Attrs) U16(typ int) uint16 {
	if v := a.Bytes(typ); len(v) >= 2 {
		return binary.NativeEndian.Uint16(v)
	}
	return 0
}

// U32 is U8 for 32 bits.
func (a Attrs) U32(typ int) uint32 {
	if v := a.Bytes(typ); len(v) >= 4 {
		return binary.NativeEndian.Uint32(v)
	}
	return 0
}

// U64 is U8 for 64 bits.
func (a Attrs) U64(typ int) uint64 {
	if v := a.Bytes(typ); len(v) >= 8 {
		return binary.NativeEndian.Uint64(v)
	}
	return 0
}

// U16BE returns a number in the network's byte order, or 0.
func (a Attrs) U16BE(typ int) uint16 {
	if v := a.Bytes(typ); len(v) >= 2 {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

// U32BE is U16BE for 32 bits.
func (a Attrs) U32BE(typ int) uint32 {
	if v := a.Bytes(typ); len(v) >= 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// U64BE is U16BE for 64 bits.
func (a Attrs) U64BE(typ int) uint64 {
	if v := a.Bytes(typ); len(v) >= 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// String returns a string without its NUL.
func (a Attrs) String(typ int) string {
	v := a.Bytes(typ)
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	return string(v)
}

// Addr returns an address of 4 or 16 bytes, invalid for any other length.
func (a Attrs) Addr(typ int) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.Bytes(typ))
	return addr
}

// Nested parses the attributes that are the value of one.
func (a Attrs) Nested(typ int, p Policy) (Attrs, *Error) { return Parse(a.Bytes(typ), p, false) }
