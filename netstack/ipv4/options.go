package ipv4

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The options of RFC 791 and 2113.
const (
	optEnd         = 0
	optNop         = 1
	optRecordRoute = 7
	optTimestamp   = 68
	optSecurity    = 130
	optLooseRoute  = 131
	optStrictRoute = 137
	optRouterAlert = 148
)

// Options is what was found in a packet's options.
type Options struct {
	SourceRoute bool // loose or strict
	Strict      bool
	RouterAlert bool
	Changed     bool // a route or a time was recorded
}

// Context is what recording needs.
type Context struct {
	Local netip.Addr // our address on the interface that sends or receives
	Milli uint32     // milliseconds since midnight, UTC
	// Mine reports whether an address is one of ours.
	Mine func(netip.Addr) bool
}

// ProcessOptions checks the options of a packet that arrived and records in them
// what they ask for. bad is the offset in the header of what is wrong with them,
// or 0.
func ProcessOptions(b []byte, c *Context) (o Options, bad int) {
	const header = 20
	seen := [256]bool{}
	for i := 0; i < len(b); {
		switch b[i] {
		case optEnd:
			return o, 0
		case optNop:
			i++
			continue
		}
		if i+2 > len(b) || b[i+1] < 2 || i+int(b[i+1]) > len(b) {
			return o, header + i
		}
		opt := b[i : i+int(b[i+1])]
		at := 0 // of what is wrong in the option
		switch kind := opt[0]; kind {
		case optLooseRoute, optStrictRoute:
			at = checkRoute(opt)
			if at == 0 && (seen[optLooseRoute] || seen[optStrictRoute]) {
				at = -1
			}
			o.SourceRoute, o.Strict = true, kind == optStrictRoute
		case optRecordRoute:
			if at = checkRoute(opt); at == 0 && seen[kind] {
				at = -1
			} else if at == 0 {
				o.Changed = recordRoute(opt, c) || o.Changed
			}
		case optTimestamp:
			var changed bool
			if changed, at = recordTime(opt, c); seen[kind] {
				at = -1
			}
			o.Changed = o.Changed || changed
		case optRouterAlert:
			if len(opt) < 4 {
				at = 1
			}
			o.RouterAlert = at == 0 && opt[2] == 0 && opt[3] == 0
		}
		if at < 0 {
			return o, header + i
		} else if at > 0 {
			return o, header + i + at
		}
		seen[opt[0]] = true
		i += len(opt)
	}
	return o, 0
}

// checkRoute returns the offset of what is wrong with an option that has a
// pointer and a list of addresses, or 0.
func checkRoute(opt []byte) int {
	if len(opt) < 3 {
		return 1
	}
	if opt[2] < 4 {
		return 2
	}
	return 0
}

func recordRoute(opt []byte, c *Context) bool {
	at := int(opt[2]) - 1
	if at+4 > len(opt) || !c.Local.Is4() {
		return false
	}
	a := c.Local.As4()
	copy(opt[at:], a[:])
	opt[2] += 4
	return true
}

// recordTime does what the timestamp option asks: RFC 791 page 22.
func recordTime(opt []byte, c *Context) (changed bool, bad int) {
	const timesOnly, withAddress, prespecified = 0, 1, 3
	if len(opt) < 4 {
		return false, 1
	}
	if opt[2] < 5 {
		return false, 2
	}
	at := int(opt[2]) - 1
	kind := opt[3] & 15
	size := 8
	if kind == timesOnly {
		size = 4
	}
	if at >= len(opt) {
		if opt[3]>>4 == 15 {
			return false, 3
		}
		opt[3] += 0x10
		return true, 0
	}
	if at+size > len(opt) {
		return false, 2
	}
	switch kind {
	case timesOnly:
	case withAddress:
		if !c.Local.Is4() {
			return false, 0
		}
		a := c.Local.As4()
		copy(opt[at:], a[:])
		at += 4
	case prespecified:
		if c.Mine == nil || !c.Mine(netip.AddrFrom4([4]byte(opt[at:at+4]))) {
			return false, 0
		}
		at += 4
	default:
		return false, 3
	}
	binary.BigEndian.PutUint32(opt[at:], c.Milli)
	opt[2] += byte(size)
	return true, 0
}

// ValidOptions checks the options that a socket sets and returns them padded to
// whole words: EINVAL as Linux's ip_options_compile says it.
func ValidOptions(b []byte) ([]byte, error) {
	if len(b) > 40 {
		return nil, unix.EINVAL
	}
	padded := make([]byte, (len(b)+3)&^3)
	copy(padded, b)
	for i := 0; i < len(b); {
		if b[i] == optEnd {
			break
		}
		if b[i] == optNop {
			i++
			continue
		}
		if i+2 > len(b) || b[i+1] < 2 || i+int(b[i+1]) > len(b) {
			return nil, unix.EINVAL
		}
		opt := b[i : i+int(b[i+1])]
		switch opt[0] {
		case optLooseRoute, optStrictRoute:
			return nil, unix.EPERM // source routes are refused
		case optRecordRoute:
			if checkRoute(opt) != 0 {
				return nil, unix.EINVAL
			}
		case optTimestamp:
			if len(opt) < 4 || opt[2] < 5 {
				return nil, unix.EINVAL
			}
		}
		i += len(opt)
	}
	return padded, nil
}
