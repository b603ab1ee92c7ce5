package header

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// The kinds of options that are known, and the lengths of those that have a
// fixed one.
const (
	tcpOptEnd           = 0
	tcpOptNOP           = 1
	tcpOptMSS           = 2
	tcpOptWScale        = 3
	tcpOptSACKPermitted = 4
	tcpOptSACK          = 5
	tcpOptTimestamps    = 8
	tcpOptMD5           = 19
	tcpOptFastOpen      = 34
	tcpOptExperiment    = 254

	tcpLenMSS           = 4
	tcpLenWScale        = 3
	tcpLenSACKPermitted = 2
	tcpLenTimestamps    = 10
	tcpLenMD5           = 18

	tcpFastOpenMagic = 0xf989 // of the experimental kind
	tcpFastOpenMin   = 4
	tcpFastOpenMax   = 16
)

// TCPMaxWScale bounds the shift of a window (RFC 7323 section 2.3).
const TCPMaxWScale = 14

// SACKBlock is the range [Start, End) of sequence numbers.
type SACKBlock struct{ Start, End uint32 }

// TCPOptions is what the options of a segment say.
type TCPOptions struct {
	MSS           uint16
	HasMSS        bool
	WScale        uint8
	HasWScale     bool
	SACKPermitted bool
	TSVal, TSEcr  uint32
	HasTS         bool
	SACK          [4]SACKBlock
	NSACK         int
	HasMD5        bool
	FastOpen      []byte // the cookie; empty asks for one. Parsed, it is part of the input
	HasFastOpen   bool
}

// ParseTCPOptions reads b. An option of a wrong length is passed over, as Linux
// does; ok is false if a length runs out of b, and what stood before it counts.
func ParseTCPOptions(b []byte) (o TCPOptions, ok bool) {
	// What nearly every segment has: NOP, NOP, timestamps.
	if len(b) == 12 && b[0] == tcpOptNOP && b[1] == tcpOptNOP && b[2] == tcpOptTimestamps && b[3] == tcpLenTimestamps {
		o.TSVal, o.TSEcr, o.HasTS = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), true
		return o, true
	}
	for len(b) > 0 {
		switch b[0] {
		case tcpOptEnd:
			return o, true
		case tcpOptNOP:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return o, false
		}
		n := int(b[1])
		o.parse(b[0], b[2:n])
		b = b[n:]
	}
	return o, true
}

// parse takes in one option: d is what follows its length.
func (o *TCPOptions) parse(kind byte, d []byte) {
	switch n := len(d) + 2; kind {
	case tcpOptMSS:
		if n == tcpLenMSS {
			o.MSS, o.HasMSS = binary.BigEndian.Uint16(d), true
		}
	case tcpOptWScale:
		if n == tcpLenWScale {
			o.WScale, o.HasWScale = min(d[0], TCPMaxWScale), true
		}
	case tcpOptSACKPermitted:
		o.SACKPermitted = o.SACKPermitted || n == tcpLenSACKPermitted
	case tcpOptTimestamps:
		if n == tcpLenTimestamps {
			o.TSVal, o.TSEcr, o.HasTS = binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:]), true
		}
	case tcpOptSACK:
		if len(d) == 0 || len(d)%8 != 0 {
			return
		}
		o.NSACK = 0
		for ; len(d) > 0 && o.NSACK < len(o.SACK); d = d[8:] {
			o.SACK[o.NSACK] = SACKBlock{binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:])}
			o.NSACK++
		}
	case tcpOptMD5:
		o.HasMD5 = o.HasMD5 || n == tcpLenMD5
	case tcpOptFastOpen:
		o.parseFastOpen(d)
	case tcpOptExperiment:
		if len(d) >= 2 && binary.BigEndian.Uint16(d) == tcpFastOpenMagic {
			o.parseFastOpen(d[2:])
		}
	}
}

// parseFastOpen takes a cookie of an even length between 4 and 16, or none.
func (o *TCPOptions) parseFastOpen(d []byte) {
	if len(d) == 0 || len(d) >= tcpFastOpenMin && len(d) <= tcpFastOpenMax && len(d)%2 == 0 {
		o.FastOpen, o.HasFastOpen = d, true
	}
}

// Append appends the options in the order and with the padding that Linux has,
// a multiple of 4 bytes. What does not fit into TCPMaxOptions is left out: first
// blocks of SACK, then the cookie. MD5 is never written.
func (o TCPOptions) Append(b []byte) []byte {
	start := len(b)
	if o.HasMSS {
		b = append(b, tcpOptMSS, tcpLenMSS, byte(o.MSS>>8), byte(o.MSS))
	}
	switch {
	case o.HasTS && o.SACKPermitted:
		b = append(b, tcpOptSACKPermitted, tcpLenSACKPermitted)
	case o.HasTS:
		b = append(b, tcpOptNOP, tcpOptNOP)
	case o.SACKPermitted:
		b = append(b, tcpOptNOP, tcpOptNOP, tcpOptSACKPermitted, tcpLenSACKPermitted)
	}
	if o.HasTS {
		b = append(b, tcpOptTimestamps, tcpLenTimestamps)
		b = binary.BigEndian.AppendUint32(b, o.TSVal)
		b = binary.BigEndian.AppendUint32(b, o.TSEcr)
	}
	if o.HasWScale {
		b = append(b, tcpOptNOP, tcpOptWScale, tcpLenWScale, o.WScale)
	}
	if n := min(o.NSACK, TCPMaxSACK(len(b)-start)); n > 0 {
		b = append(b, tcpOptNOP, tcpOptNOP, tcpOptSACK, byte(2+8*n))
		for _, s := range o.SACK[:n] {
			b = binary.BigEndian.AppendUint32(b, s.Start)
			b = binary.BigEndian.AppendUint32(b, s.End)
		}
	}
	if n := len(o.FastOpen); o.HasFastOpen && (len(b)-start)+(2+n+3)&^3 <= TCPMaxOptions {
		b = append(b, tcpOptFastOpen, byte(2+n))
		b = append(b, o.FastOpen...)
		for (len(b)-start)%4 != 0 {
			b = append(b, tcpOptNOP)
		}
	}
	return b
}

// TCPMaxSACK is how many blocks of SACK fit beside so many bytes of options.
func TCPMaxSACK(used int) int { return max(0, min(4, (TCPMaxOptions-used-4)/8)) }

// tcpOptionsString prints options as they stand.
func tcpOptionsString(b []byte) string {
	var parts []string
	u32 := func(b []byte) string { return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10) }
	for len(b) > 0 {
		if b[0] == tcpOptEnd {
			parts = append(parts, "eol")
			break
		}
		if b[0] == tcpOptNOP {
			parts = append(parts, "nop")
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			parts = append(parts, "bad opt")
			break
		}
		d := b[2:b[1]]
		switch kind, n := b[0], int(b[1]); {
		case kind == tcpOptMSS && n == tcpLenMSS:
			parts = append(parts, "mss "+strconv.Itoa(int(binary.BigEndian.Uint16(d))))
		case kind == tcpOptWScale && n == tcpLenWScale:
			parts = append(parts, "wscale "+strconv.Itoa(int(d[0])))
		case kind == tcpOptSACKPermitted && n == tcpLenSACKPermitted:
			parts = append(parts, "sackOK")
		case kind == tcpOptTimestamps && n == tcpLenTimestamps:
			parts = append(parts, "TS val "+u32(d)+" ecr "+u32(d[4:]))
		case kind == tcpOptSACK && len(d) > 0 && len(d)%8 == 0:
			var s strings.Builder
			s.WriteString("sack " + strconv.Itoa(len(d)/8) + " ")
			for ; len(d) > 0; d = d[8:] {
				s.WriteString("{" + u32(d) + ":" + u32(d[4:]) + "}")
			}
			parts = append(parts, s.String())
		case kind == tcpOptMD5:
			parts = append(parts, "md5")
		case kind == tcpOptFastOpen:
			parts = append(parts, "tfo")
		default:
			parts = append(parts, "unknown-"+strconv.Itoa(int(kind)))
		}
		b = b[b[1]:]
	}
	return strings.Join(parts, ",")
}
