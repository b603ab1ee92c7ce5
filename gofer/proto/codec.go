package proto

import (
	"encoding/binary"
	"errors"
)

// ErrInvalid is the error of every message that cannot be decoded or encoded.
var ErrInvalid = errors.New("invalid gofer message")

// Encode appends the request to b.
func (r *Request) Encode(b []byte) ([]byte, error) {
	e := encoder{b: b}
	r.code(&e)
	return e.done()
}

// Encode appends the reply to b.
func (r *Reply) Encode(b []byte) ([]byte, error) {
	e := encoder{b: b}
	r.code(&e)
	return e.done()
}

// DecodeRequest reads a whole packet.
func DecodeRequest(b []byte) (*Request, error) {
	var r Request
	d := decoder{b: b, bad: len(b) > MaxMessage}
	r.code(&d)
	if d.bad || len(d.b) > 0 {
		return nil, ErrInvalid
	}
	return &r, nil
}

// DecodeReply reads a whole packet.
func DecodeReply(b []byte) (*Reply, error) {
	var r Reply
	d := decoder{b: b, bad: len(b) > MaxMessage}
	r.code(&d)
	if d.bad || len(d.b) > 0 {
		return nil, ErrInvalid
	}
	return &r, nil
}

type encoder struct {
	b   []byte
	bad bool
}

func (e *encoder) done() ([]byte, error) {
	if e.bad || len(e.b) > MaxMessage {
		return nil, ErrInvalid
	}
	return e.b, nil
}

func (e *encoder) u8(v *uint8)   { e.b = append(e.b, *v) }
func (e *encoder) u32(v *uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, *v) }
func (e *encoder) u64(v *uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, *v) }
func (e *encoder) i64(v *int64)  { e.b = binary.LittleEndian.AppendUint64(e.b, uint64(*v)) }
func (e *encoder) fail()         { e.bad = true }

func (e *encoder) count(n, max int) int {
	if n > max {
		e.bad = true
		n = 0
	}
	e.b = binary.LittleEndian.AppendUint16(e.b, uint16(n))
	return n
}

func (e *encoder) str(s *string, max int) {
	e.count(len(*s), max)
	e.b = append(e.b, *s...)
}

func (e *encoder) bytes(b *[]byte, max int) {
	e.count(len(*b), max)
	e.b = append(e.b, *b...)
}

// decoder reads from b. Once bad, everything is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || len(d.b) < n {
		d.bad = true
		return nil
	}
	t := d.b[:n]
	d.b = d.b[n:]
	return t
}

func (d *decoder) fail() { d.bad = true }

func (d *decoder) u8(v *uint8) {
	if t := d.take(1); t != nil {
		*v = t[0]
	}
}

func (d *decoder) u32(v *uint32) {
	if t := d.take(4); t != nil {
		*v = binary.LittleEndian.Uint32(t)
	}
}

func (d *decoder) u64(v *uint64) {
	if t := d.take(8); t != nil {
		*v = binary.LittleEndian.Uint64(t)
	}
}

func (d *decoder) i64(v *int64) {
	if t := d.take(8); t != nil {
		*v = int64(binary.LittleEndian.Uint64(t))
	}
}

// count reads how many elements follow: none can be shorter than a byte, so
// more than there are bytes is invalid before anything is allocated.
func (d *decoder) count(_, max int) int {
	t := d.take(2)
	if t == nil {
		return 0
	}
	n := int(binary.LittleEndian.Uint16(t))
	if n > max || n > len(d.b) {
		d.bad = true
		return 0
	}
	return n
}

func (d *decoder) str(s *string, max int) { *s = string(d.take(d.count(0, max))) }

func (d *decoder) bytes(b *[]byte, max int) {
	*b = append([]byte(nil), d.take(d.count(0, max))...)
}
