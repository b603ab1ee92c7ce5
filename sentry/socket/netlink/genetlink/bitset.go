package genetlink

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// Bit sets of ethtool's messages: a list of bits by name and number, or, for who
// asks for compact ones, the words of value and mask
// (Documentation/networking/ethtool-netlink.rst, "Bit sets").

// The attributes of a set, of a list and of a bit (ETHTOOL_A_BITSET_*).
const (
	bitsetNoMask = 1
	bitsetSize   = 2
	bitsetBits   = 3
	bitsetValue  = 4
	bitsetMask   = 5

	bitsBit = 1

	bitIndex = 1
	bitName  = 2
	bitValue = 3
)

// bitset is up to 64 bits that have names. With mask nil it is a list of what is on.
type bitset struct {
	value uint64
	mask  *uint64
	size  int
	names []string
}

// write writes the set as attribute typ.
func (s bitset) write(b *wire.Builder, typ uint16, compact bool) {
	at := b.NestFlagged(typ)
	defer b.Close(at)
	if s.mask == nil {
		b.Flag(bitsetNoMask)
	}
	b.U32(bitsetSize, uint32(s.size))
	if compact {
		b.Attr(bitsetValue, words(s.value, s.size))
		if s.mask != nil {
			b.Attr(bitsetMask, words(*s.mask, s.size))
		}
		return
	}
	shown := s.value
	if s.mask != nil {
		shown = *s.mask
	}
	bits := b.NestFlagged(bitsetBits)
	for i := range min(s.size, 64) {
		if shown>>i&1 == 0 {
			continue
		}
		bit := b.NestFlagged(bitsBit)
		b.U32(bitIndex, uint32(i))
		if i < len(s.names) && s.names[i] != "" {
			b.String(bitName, s.names[i])
		}
		if s.mask != nil && s.value>>i&1 != 0 {
			b.Flag(bitValue)
		}
		b.Close(bit)
	}
	b.Close(bits)
}

// words is size bits as words of 32 bits.
func words(v uint64, size int) []byte {
	var w []byte
	for i := 0; i < size; i += 32 {
		x := uint32(0)
		if i < 64 {
			x = uint32(v >> i)
		}
		w = binary.NativeEndian.AppendUint32(w, x)
	}
	return w
}

// parseBitset reads a set of bits with these names: what they are to be, and which.
// The set begins at a place of the message.
func parseBitset(r *netlink.Request, v []byte, at int, names []string) (value, mask uint64, err error) {
	a, werr := wire.Parse(v, wire.Policy{
		bitsetNoMask: {Kind: wire.Flag}, bitsetSize: {Kind: wire.U32}, bitsetBits: {Kind: wire.Nested},
		bitsetValue: {Kind: wire.Any}, bitsetMask: {Kind: wire.Any},
	}, true)
	if werr != nil {
		return 0, 0, unix.EINVAL
	}
	noMask := a.Has(bitsetNoMask)
	if !a.Has(bitsetBits) {
		size := a.U32(bitsetSize)
		switch need := int(min(size, 1<<16)+31) / 32 * 4; {
		case !a.Has(bitsetSize):
			return 0, 0, r.Fail(unix.EINVAL, "missing size in bitset")
		case !a.Has(bitsetValue) || !a.Has(bitsetMask) != noMask:
			return 0, 0, r.Fail(unix.EINVAL, "mandatory attribute missing in bitset")
		case len(a.Bytes(bitsetValue)) != need || !noMask && len(a.Bytes(bitsetMask)) != need:
			return 0, 0, r.Fail(unix.EINVAL, "bitset value or mask of wrong length")
		}
		value, mask = first64(a.Bytes(bitsetValue)), ^uint64(0)
		if !noMask {
			mask = first64(a.Bytes(bitsetMask))
		}
		return value & mask, mask, nil
	}
	if noMask {
		mask = ^uint64(0)
	}
	at += a.Offset(bitsetBits) + wire.AttrHeaderSize
	wire.Each(a.Bytes(bitsetBits), func(_ uint16, off int, v []byte) bool {
		bit, werr := wire.Parse(v, wire.Policy{bitIndex: {Kind: wire.U32}, bitName: {Kind: wire.String}, bitValue: {Kind: wire.Flag}}, true)
		if werr != nil {
			err = unix.EINVAL
			return false
		}
		i := int(bit.U32(bitIndex))
		if !bit.Has(bitIndex) {
			if !bit.Has(bitName) {
				err = r.Fail(unix.EINVAL, "neither bit index nor name specified")
				return false
			}
			if i = slices.Index(names, bit.String(bitName)); i < 0 {
				r.Offset = at + off + wire.AttrHeaderSize + bit.Offset(bitName)
				err = r.Fail(unix.EOPNOTSUPP, "bit name not found")
				return false
			}
		}
		if i >= len(names) || i < 0 {
			r.Offset = at + off + wire.AttrHeaderSize + max(bit.Offset(bitIndex), 0)
			err = r.Fail(unix.EOPNOTSUPP, "bit index exceeds supported size")
			return false
		}
		mask |= 1 << i
		if noMask || bit.Has(bitValue) {
			value |= 1 << i
		}
		return true
	})
	return value, mask, err
}

// first64 is the first 64 bits of words.
func first64(b []byte) (v uint64) {
	for i := 0; i < min(len(b)/4, 2); i++ {
		v |= uint64(binary.NativeEndian.Uint32(b[i*4:])) << (32 * i)
	}
	return v
}
