// Package pcap is a link around another one that writes what passes, both ways,
// as a capture file (draft-ietf-opsawg-pcap, with nanoseconds).
//
//   - A checksum that the link below would fill in is filled in in the file: the
//     reader sees what the wire will have. A segment that the link would cut is
//     written whole, as other captures show it.
//   - A packet is cut at a length, and the file ends at a size: a capture that was
//     forgotten fills no disk.
//   - A file that cannot be written ends the capture, not the link.
package pcap

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

// Config says what is written where.
type Config struct {
	W io.Writer // gets whole records, a batch in one call
	// Snap is how many bytes of a packet are kept; 0 is all.
	Snap int
	// Max is how many bytes are written at most; 0 is no bound.
	Max int64
}

// Writer writes records. Several links can share one.
type Writer struct {
	c    Config
	mu   sync.Mutex // guards what follows
	left int64
	over bool
	buf  []byte
}

// The layout of the file: its header, and that of each record.
const (
	magicNano  = 0xa1b23c4d
	fileHeader = 24
	record     = 16
	maxSnap    = link.MaxMTU + 64

	linkEthernet = 1
	linkRaw      = 101
)

// NewWriter writes the beginning of a file for links of a kind.
func NewWriter(c Config, kind link.Kind) (*Writer, error) {
	if c.Snap <= 0 || c.Snap > maxSnap {
		c.Snap = maxSnap
	}
	w := &Writer{c: c, left: c.Max}
	h := make([]byte, 0, fileHeader)
	h = binary.LittleEndian.AppendUint32(h, magicNano)
	h = append(h, 2, 0, 4, 0) // version 2.4
	h = append(h, make([]byte, 8)...)
	h = binary.LittleEndian.AppendUint32(h, uint32(c.Snap))
	t := uint32(linkEthernet)
	if kind == link.RawIP {
		t = linkRaw
	}
	h = binary.LittleEndian.AppendUint32(h, t)
	w.left -= fileHeader
	_, err := c.W.Write(h)
	return w, err
}

// write writes a batch. The packets stay the caller's.
func (w *Writer) write(ps []*buffer.Packet) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.buf = w.buf[:0]
	for _, p := range ps {
		n := min(p.Len(), w.c.Snap)
		if w.c.Max > 0 && w.left < int64(record+n) {
			w.over = true
			break
		}
		w.left -= int64(record + n)
		at := now
		if !p.Received.IsZero() {
			at = p.Received
		}
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(at.Unix()))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(at.Nanosecond()))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(n))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(p.Len()))
		start := len(w.buf)
		w.buf = append(w.buf, make([]byte, n)...)
		p.CopyTo(w.buf[start:], 0)
		if n == p.Len() {
			fill(w.buf[start:], p)
		}
	}
	if len(w.buf) == 0 {
		return
	}
	if _, err := w.c.W.Write(w.buf); err != nil {
		w.over = true
	}
}

// fill fills in the checksum of b, which is all of p.
func fill(b []byte, p *buffer.Packet) {
	start, at := int(p.ChecksumStart), int(p.ChecksumStart)+int(p.ChecksumOffset)
	if p.Checksum != buffer.ChecksumPartial || at+2 > len(b) {
		return
	}
	sum := ^header.Checksum(b[start:], 0)
	if p.ChecksumOffset == header.UDPChecksumOffset && sum == 0 {
		sum = 0xffff // of UDP: zero would say that there is none
	}
	binary.BigEndian.PutUint16(b[at:], sum)
}

// Endpoint is the link.
type Endpoint struct {
	link.Endpoint
	w *Writer
}

// New returns e with what passes written to w.
func New(e link.Endpoint, w *Writer) *Endpoint { return &Endpoint{e, w} }

// Send implements link.Endpoint. What the queue had no room for is written too.
func (e *Endpoint) Send(ps []*buffer.Packet) (int, error) {
	e.w.write(ps)
	return e.Endpoint.Send(ps)
}

// Attach implements link.Endpoint.
func (e *Endpoint) Attach(d link.Dispatcher) {
	if d != nil {
		d = dispatcher{d, e.w}
	}
	e.Endpoint.Attach(d)
}

type dispatcher struct {
	link.Dispatcher
	w *Writer
}

// Deliver implements link.Dispatcher.
func (d dispatcher) Deliver(ps []*buffer.Packet) {
	d.w.write(ps)
	d.Dispatcher.Deliver(ps)
}
