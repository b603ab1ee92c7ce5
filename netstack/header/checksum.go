package header

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Checksum adds b to the sum initial of what precedes it, an even number of
// bytes, and returns the folded sum. A last odd byte counts as followed by zero.
func Checksum(b []byte, initial uint16) uint16 {
	// The sum is independent of byte order but for a swap at the end (RFC 1071),
	// so words are loaded in the order that is a plain load on most machines.
	sum := uint64(bits.ReverseBytes16(initial))
	var c uint64
	for len(b) >= 64 {
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b), 0)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[8:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[16:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[24:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[32:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[40:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[48:]), c)
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b[56:]), c)
		sum += c
		b = b[64:]
	}
	for len(b) >= 8 {
		sum, c = bits.Add64(sum, binary.LittleEndian.Uint64(b), 0)
		sum += c
		b = b[8:]
	}
	if len(b) > 0 {
		var last uint64
		for i, v := range b {
			last |= uint64(v) << (8 * i)
		}
		sum, c = bits.Add64(sum, last, 0)
		sum += c
	}
	return bits.ReverseBytes16(fold(sum))
}

// fold brings a sum down to 16 bits, carries added in.
func fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// ChecksumAdd returns the sum of two sums, the second of bytes at an even offset
// from those of the first.
func ChecksumAdd(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s + s>>16)
}

// ChecksumViews adds the bytes of vs, one after the other, to the sum initial.
// A View is anything that shows bytes; it may have an odd length anywhere.
func ChecksumViews[V interface{ Bytes() []byte }](vs []V, initial uint16) uint16 {
	sum, odd := initial, false
	for i := range vs {
		b := vs[i].Bytes()
		part := Checksum(b, 0)
		if odd { // its first byte is the low half of a word
			part = bits.ReverseBytes16(part)
		}
		sum = ChecksumAdd(sum, part)
		odd = odd != (len(b)&1 == 1)
	}
	return sum
}

// ChecksumUpdate returns the checksum field of a header after one of its 16-bit
// words was changed (RFC 1624).
func ChecksumUpdate(field, from, to uint16) uint16 {
	return ^ChecksumAdd(ChecksumAdd(^field, ^from), to)
}

// ChecksumUpdateAddr is ChecksumUpdate for a changed address of either family.
func ChecksumUpdateAddr(field uint16, from, to netip.Addr) uint16 {
	return ^ChecksumAdd(ChecksumAdd(^field, ^addrSum(from)), addrSum(to))
}

// addrSum is the sum of an address's words.
func addrSum(a netip.Addr) uint16 {
	if a.Is4() {
		b := a.As4()
		return Checksum(b[:], 0)
	}
	b := a.As16()
	return Checksum(b[:], 0)
}

// PseudoHeader is the sum of the pseudo header that TCP, UDP and ICMPv6 include
// in theirs: length is that of the transport's header and payload.
func PseudoHeader(proto Protocol, src, dst netip.Addr, length int) uint16 {
	s := uint32(addrSum(src)) + uint32(addrSum(dst)) + uint32(proto) + uint32(length)>>16 + uint32(length)&0xffff
	s = s>>16 + s&0xffff
	return uint16(s + s>>16)
}
