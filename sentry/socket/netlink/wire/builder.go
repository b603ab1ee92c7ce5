package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Builder writes messages one after the other. The zero value is empty.
//
// A message is Begin, what follows its header (Append), attributes, End. An
// attribute that holds others is Nest … Close.
type Builder struct {
	b     []byte
	start int // of the message that is being written
}

// Bytes is what was written. It is the builder's until Reset.
func (b *Builder) Bytes() []byte { return b.b }

// Len is the number of bytes written.
func (b *Builder) Len() int { return len(b.b) }

// Begin starts a message.
func (b *Builder) Begin(typ, flags uint16, seq, port uint32) {
	b.start = len(b.b)
	ne := binary.NativeEndian
	b.b = ne.AppendUint32(b.b, 0)
	b.b = ne.AppendUint16(b.b, typ)
	b.b = ne.AppendUint16(b.b, flags)
	b.b = ne.AppendUint32(b.b, seq)
	b.b = ne.AppendUint32(b.b, port)
}

// End finishes the message that Begin started.
func (b *Builder) End() {
	binary.NativeEndian.PutUint32(b.b[b.start:], uint32(len(b.b)-b.start))
	b.pad()
}

// Cut drops all but the first n bytes.
func (b *Builder) Cut(n int) { b.b = b.b[:n] }

// Raw adds messages that were written elsewhere.
func (b *Builder) Raw(messages []byte) { b.b = append(b.b, messages...) }

func (b *Builder) pad() {
	for len(b.b)%Alignment != 0 {
		b.b = append(b.b, 0)
	}
}

// Append writes bytes as they are: the fixed part of a message. They are aligned.
func (b *Builder) Append(v ...byte) {
	b.b = append(b.b, v...)
	b.pad()
}

// Patch overwrites bytes of the message that is being written, from its header on.
func (b *Builder) Patch(off int, v []byte) { copy(b.b[b.start+off:], v) }

// Attr writes an attribute. A value that is longer than an attribute can be is
// cut off; none of hull's is.
func (b *Builder) Attr(typ uint16, v []byte) {
	v = v[:min(len(v), 1<<16-1-AttrHeaderSize)]
	b.head(typ, len(v))
	b.b = append(b.b, v...)
	b.pad()
}

func (b *Builder) head(typ uint16, n int) {
	b.b = binary.NativeEndian.AppendUint16(b.b, uint16(AttrHeaderSize+n))
	b.b = binary.NativeEndian.AppendUint16(b.b, typ)
}

// Flag writes an attribute without a value.
func (b *Builder) Flag(typ uint16) { b.head(typ, 0) }

// U8 writes a number. U16, U32 and U64 do the same.
func (b *Builder) U8(typ uint16, v uint8) {
	b.head(typ, 1)
	b.b = append(b.b, v, 0, 0, 0)
}

// U16 is U8 for 16 bits.
func (b *Builder) U16(typ, v uint16) {
	b.head(typ, 2)
	b.b = append(binary.NativeEndian.AppendUint16(b.b, v), 0, 0)
}

// U32 is U8 for 32 bits.
func (b *Builder) U32(typ uint16, v uint32) {
	b.head(typ, 4)
	b.b = binary.NativeEndian.AppendUint32(b.b, v)
}

// U64 is U8 for 64 bits.
func (b *Builder) U64(typ uint16, v uint64) {
	b.head(typ, 8)
	b.b = binary.NativeEndian.AppendUint64(b.b, v)
}

// U16BE writes a number in the network's byte order.
func (b *Builder) U16BE(typ, v uint16) {
	b.head(typ, 2)
	b.b = append(binary.BigEndian.AppendUint16(b.b, v), 0, 0)
}

// U32BE is U16BE for 32 bits.
func (b *Builder) U32BE(typ uint16, v uint32) {
	b.head(typ, 4)
	b.b = binary.BigEndian.AppendUint32(b.b, v)
}

// U64BE is U16BE for 64 bits.
func (b *Builder) U64BE(typ uint16, v uint64) {
	b.head(typ, 8)
	b.b = binary.BigEndian.AppendUint64(b.b, v)
}

// String writes a string with its NUL.
func (b *Builder) String(typ uint16, s string) {
	s = s[:min(len(s), 1<<16-2-AttrHeaderSize)]
	b.head(typ, len(s)+1)
	b.b = append(b.b, s...)
	b.b = append(b.b, 0)
	b.pad()
}

// Addr writes the 4 or 16 bytes of an address.
func (b *Builder) Addr(typ uint16, a netip.Addr) { b.Attr(typ, a.AsSlice()) }

// Nest begins an attribute that holds others, and returns what Close takes.
func (b *Builder) Nest(typ uint16) int {
	at := len(b.b)
	b.head(typ, 0)
	return at
}

// NestFlagged is Nest with NLA_F_NESTED, which newer protocols set.
func (b *Builder) NestFlagged(typ uint16) int { return b.Nest(typ | unix.NLA_F_NESTED) }

// Close ends an attribute that Nest began.
func (b *Builder) Close(at int) {
	binary.NativeEndian.PutUint16(b.b[at:], uint16(min(len(b.b)-at, 1<<16-1)))
}
