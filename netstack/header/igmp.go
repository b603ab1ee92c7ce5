package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// IGMP is a message of IGMP but a report of the third version (RFC 2236, RFC
// 3376).
//
//	0  type (1), maximum response time (1)
//	2  checksum (2)
//	4  group (4)
//	8  of a query of version 3: suppress, robustness (1), interval (1),
//	   number of sources (2), sources (4 each)
type IGMP []byte

const (
	IGMPSize    = 8
	igmpv3Query = 12
)

// IGMPType is the type of a message.
type IGMPType uint8

const (
	IGMPQuery    IGMPType = 0x11
	IGMPv1Report IGMPType = 0x12
	IGMPv2Report IGMPType = 0x16
	IGMPLeave    IGMPType = 0x17
	IGMPv3Report IGMPType = 0x22
)

// IGMPVersion is the version that a query is of.
type IGMPVersion uint8

// Valid reports whether the message is all there.
func (h IGMP) Valid() bool {
	return len(h) >= IGMPSize && (h.Type() != IGMPQuery || len(h) < igmpv3Query || h.Sources() >= 0)
}

// Type is the message's type.
func (h IGMP) Type() IGMPType { return IGMPType(h[0]) }

// Version is that of a query: by its length and maximum response time.
func (h IGMP) Version() IGMPVersion {
	switch {
	case len(h) >= igmpv3Query:
		return 3
	case h[1] == 0:
		return 1
	}
	return 2
}

// MaxDelay is the time within which to answer a query.
func (h IGMP) MaxDelay() time.Duration {
	v := int64(h[1])
	switch h.Version() {
	case 1:
		v = 100
	case 3:
		if v >= 0x80 { // a mantissa of 4 bits and an exponent of 3
			v = (v&0xf | 0x10) << (v>>4&7 + 3)
		}
	}
	return time.Duration(v) * 100 * time.Millisecond
}

// Group is the multicast group, unspecified in a general query.
func (h IGMP) Group() netip.Addr { return addr4(h[4:8]) }

// Sources is how many sources a query of version 3 asks for, -1 if they are not
// all there.
func (h IGMP) Sources() int {
	n := int(binary.BigEndian.Uint16(h[10:]))
	if igmpv3Query+n*4 > len(h) {
		return -1
	}
	return n
}

// Source is source i of a query of version 3.
func (h IGMP) Source(i int) netip.Addr { return addr4(h[igmpv3Query+i*4:]) }

// ChecksumValid reports whether the checksum of the message, which is all in h,
// is right.
func (h IGMP) ChecksumValid() bool { return Checksum(h, 0) == 0xffff }

// Encode writes a message of version 1 or 2, with its checksum.
func (h IGMP) Encode(t IGMPType, delay time.Duration, group netip.Addr) {
	_ = h[IGMPSize-1]
	h[0], h[1] = uint8(t), uint8(delay/(100*time.Millisecond))
	h[2], h[3] = 0, 0
	putAddr4(h[4:], group)
	binary.BigEndian.PutUint16(h[2:], ^Checksum(h[:IGMPSize], 0))
}

// String prints the message.
func (h IGMP) String() string {
	if !h.Valid() {
		return "[|igmp]"
	}
	switch h.Type() {
	case IGMPQuery:
		return "igmp query v" + strconv.Itoa(int(h.Version())) + " " + h.Group().String()
	case IGMPv1Report:
		return "igmp v1 report " + h.Group().String()
	case IGMPv2Report:
		return "igmp v2 report " + h.Group().String()
	case IGMPLeave:
		return "igmp leave " + h.Group().String()
	case IGMPv3Report:
		return "igmp v3 report, " + strconv.Itoa(IGMPv3(h).Records()) + " group record(s)"
	}
	return "igmp-" + strconv.Itoa(int(h.Type()))
}

// IGMPv3 is a report of the third version.
//
//	0  type (1), reserved (1)
//	2  checksum (2)
//	4  reserved (2), number of records (2)
//	8  records: type (1), length of data in words (1), number of sources (2),
//	   group (4), sources (4 each), data
type IGMPv3 []byte

// Valid reports whether all records are there.
func (h IGMPv3) Valid() bool {
	if len(h) < IGMPSize {
		return false
	}
	rest := h[IGMPSize:]
	for range h.Records() {
		n := groupRecordLen(rest, 4)
		if n < 0 {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// Records is the number of records.
func (h IGMPv3) Records() int { return int(binary.BigEndian.Uint16(h[6:])) }

// IGMPv3Len is the length of a report of rs.
func IGMPv3Len(rs []GroupRecord) int {
	n := IGMPSize
	for _, r := range rs {
		n += 8 + 4*len(r.Sources)
	}
	return n
}

// Encode writes a report of rs, with its checksum.
func (h IGMPv3) Encode(rs []GroupRecord) {
	h = h[:IGMPv3Len(rs)]
	clear(h[:IGMPSize])
	h[0] = uint8(IGMPv3Report)
	binary.BigEndian.PutUint16(h[6:], uint16(len(rs)))
	b := h[IGMPSize:]
	for _, r := range rs {
		b[0], b[1] = uint8(r.Type), 0
		binary.BigEndian.PutUint16(b[2:], uint16(len(r.Sources)))
		putAddr4(b[4:], r.Group)
		b = b[8:]
		for _, s := range r.Sources {
			putAddr4(b, s)
			b = b[4:]
		}
	}
	binary.BigEndian.PutUint16(h[2:], ^Checksum(h, 0))
}
