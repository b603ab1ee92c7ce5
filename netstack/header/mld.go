package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// MLD is a query, or a report or done of the first version, of multicast
// listener discovery (RFC 2710, RFC 3810): a view of a whole message of ICMPv6.
//
//	4   maximum response delay (2), reserved (2)
//	8   group (16)
//	24  of a query of version 2: suppress, robustness (1), interval (1),
//	    number of sources (2), sources (16 each)
type MLD []byte

const (
	MLDSize     = 24
	mldv2Query  = 28
	mldMaxCount = 89 // sources in a query of 1500 bytes
)

// Valid reports whether the message is all there.
func (h MLD) Valid() bool {
	return len(h) >= MLDSize && (len(h) < mldv2Query || h.Sources() >= 0)
}

// V2 reports whether a query is of version 2.
func (h MLD) V2() bool { return len(h) >= mldv2Query }

// Group is the multicast group, unspecified in a general query.
func (h MLD) Group() netip.Addr { return addr6(h[8:24]) }

// MaxDelay is the time within which to answer a query.
func (h MLD) MaxDelay() time.Duration {
	v := int64(binary.BigEndian.Uint16(h[4:]))
	if h.V2() && v >= 0x8000 { // a mantissa of 12 bits and an exponent of 3
		v = (v&0xfff | 0x1000) << (v>>12&7 + 3)
	}
	return time.Duration(v) * time.Millisecond
}

// Sources is how many sources a query of version 2 asks for, -1 if they are not
// all there.
func (h MLD) Sources() int {
	n := int(binary.BigEndian.Uint16(h[26:]))
	if n > mldMaxCount || mldv2Query+n*16 > len(h) {
		return -1
	}
	return n
}

// Source is source i of a query of version 2.
func (h MLD) Source(i int) netip.Addr { return addr6(h[mldv2Query+i*16:]) }

// Encode writes a message of version 1, with a checksum of zero.
func (h MLD) Encode(t ICMPv6Type, delay time.Duration, group netip.Addr) {
	_ = h[MLDSize-1]
	ICMPv6(h).Encode(ICMPv6Fields{Type: t, Rest: uint32(delay/time.Millisecond) << 16})
	putAddr6(h[8:], group)
}

func (h MLD) what() string {
	s := "multicast listener done"
	switch ICMPv6(h).Type() {
	case ICMPv6MLDQuery:
		s = "multicast listener query"
	case ICMPv6MLDReport:
		s = "multicast listener report"
	}
	if !h.Valid() {
		return s + " [|mld]"
	}
	return s + ", group " + h.Group().String()
}

// GroupRecordType is the type of a record in a report of MLDv2 or IGMPv3.
type GroupRecordType uint8

const (
	RecordIsInclude GroupRecordType = 1 + iota
	RecordIsExclude
	RecordToInclude
	RecordToExclude
	RecordAllow
	RecordBlock
)

// GroupRecord says from which sources a group is wanted.
type GroupRecord struct {
	Type    GroupRecordType
	Group   netip.Addr
	Sources []netip.Addr
}

// MLDv2Report is a report of version 2: a view of a whole message of ICMPv6.
//
//	6  number of records (2)
//	8  records: type (1), length of data in words (1), number of sources (2),
//	   group (16), sources (16 each), data
type MLDv2Report []byte

// MLDv2ReportSize is the length of a report without records.
const MLDv2ReportSize = 8

// Valid reports whether all records are there.
func (h MLDv2Report) Valid() bool {
	if len(h) < MLDv2ReportSize {
		return false
	}
	rest := h[MLDv2ReportSize:]
	for range h.Records() {
		n := groupRecordLen(rest, 16)
		if n < 0 {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// Records is the number of records.
func (h MLDv2Report) Records() int { return int(binary.BigEndian.Uint16(h[6:])) }

// groupRecordLen is the length of the record at the start of b, with addresses
// of size bytes, -1 if it is cut off.
func groupRecordLen(b []byte, size int) int {
	if len(b) < 4+size {
		return -1
	}
	n := 4 + size + int(binary.BigEndian.Uint16(b[2:]))*size + int(b[1])*4
	if n > len(b) {
		return -1
	}
	return n
}

// MLDv2ReportLen is the length of a report of rs.
func MLDv2ReportLen(rs []GroupRecord) int {
	n := MLDv2ReportSize
	for _, r := range rs {
		n += 20 + 16*len(r.Sources)
	}
	return n
}

// Encode writes a report of rs, with a checksum of zero.
func (h MLDv2Report) Encode(rs []GroupRecord) {
	_ = h[MLDv2ReportLen(rs)-1]
	ICMPv6(h).Encode(ICMPv6Fields{Type: ICMPv6MLDv2Report, Rest: uint32(len(rs))})
	b := h[MLDv2ReportSize:]
	for _, r := range rs {
		b[0], b[1] = uint8(r.Type), 0
		binary.BigEndian.PutUint16(b[2:], uint16(len(r.Sources)))
		putAddr6(b[4:], r.Group)
		b = b[20:]
		for _, s := range r.Sources {
			putAddr6(b, s)
			b = b[16:]
		}
	}
}

func (h MLDv2Report) what() string {
	if !h.Valid() {
		return "multicast listener report v2 [|mld]"
	}
	return "multicast listener report v2, " + strconv.Itoa(h.Records()) + " group record(s)"
}
