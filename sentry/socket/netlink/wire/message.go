package wire

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The sizes of headers in bytes, and what they are aligned to.
const (
	HeaderSize     = unix.SizeofNlMsghdr
	AttrHeaderSize = unix.SizeofNlAttr
	Alignment      = 4
)

// Align rounds n up to what messages and attributes are aligned to.
func Align(n int) int { return (n + Alignment - 1) &^ (Alignment - 1) }

// Header is struct nlmsghdr.
type Header struct {
	Len   uint32 // of the message, header included, without what aligns the next
	Type  uint16
	Flags uint16 // NLM_F_*
	Seq   uint32
	Port  uint32 // of the sender
}

// ParseHeader reads the header at the beginning of b. It reports whether b has one
// whose message is all in b.
func ParseHeader(b []byte) (Header, bool) {
	if len(b) < HeaderSize {
		return Header{}, false
	}
	ne := binary.NativeEndian
	h := Header{ne.Uint32(b), ne.Uint16(b[4:]), ne.Uint16(b[6:]), ne.Uint32(b[8:]), ne.Uint32(b[12:])}
	return h, h.Len >= HeaderSize && uint64(h.Len) <= uint64(len(b))
}

// Next splits the first message off a datagram: its header, its body, and the
// rest. ok is false at the end, or at what is no message.
func Next(b []byte) (h Header, body, rest []byte, ok bool) {
	h, ok = ParseHeader(b)
	if !ok {
		return Header{}, nil, nil, false
	}
	return h, b[HeaderSize:h.Len:h.Len], b[min(Align(int(h.Len)), len(b)):], true
}
