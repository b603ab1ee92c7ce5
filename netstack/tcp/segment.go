package tcp

import (
	"encoding/binary"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// Segment is what arrives.
type Segment struct {
	Seq, Ack uint32
	Flags    header.TCPFlags
	Window   uint16
	Urgent   uint16
	Opt      header.TCPOptions
	Data     []buffer.View // Input takes over the references
	Len      int           // bytes of Data
	CE       bool          // a router marked it (RFC 3168)
	ECT      bool          // its packet is capable of being marked
	Merged   int           // how many segments were put together to this; 0 is 1

	seq, ack, end int64 // set by Input
}

// Parse reads the segment of a packet whose head is at the TCP header, and whose
// checksum was verified. It reports whether the header is valid. The data are
// views with references of their own, appended to into.
func Parse(p *buffer.Packet, s *Segment, into []buffer.View) bool {
	if !p.Pull(header.TCPMinSize) {
		return false
	}
	if n := int(p.Head()[12]>>4) * 4; n < header.TCPMinSize || !p.Pull(n) {
		return false
	}
	h := header.TCP(p.Head())
	n := h.DataOffset()
	*s = Segment{Seq: h.Seq(), Ack: h.Ack(), Flags: h.Flags(), Window: h.Window(), Urgent: h.Urgent(), Len: p.Len() - n}
	if n > header.TCPMinSize {
		s.Opt, _ = header.ParseTCPOptions(h.Options())
	}
	if size := int(p.GSO.Size); size > 0 {
		s.Merged = (s.Len + size - 1) / size
	}
	if s.Len > 0 {
		s.Data = p.AppendRange(into, n, n+s.Len)
	}
	return true
}

// drop releases the data.
func (s *Segment) drop() {
	for i := range s.Data {
		s.Data[i].Release()
	}
	s.Data = nil
}

// span is how much of the sequence space it takes.
func (s *Segment) span() int64 {
	n := int64(s.Len)
	if s.Flags&header.SYN != 0 {
		n++
	}
	if s.Flags&header.FIN != 0 {
		n++
	}
	return n
}

// Out is a segment to be sent: a packet that begins with its TCP header, whose
// checksum is 0.
type Out struct {
	Packet *buffer.Packet
	ECT    bool // capable of ECN: ECT(0) in the IP header
}

// Take returns the segments to be sent, in order. The slice is good until the next
// call of any method.
func (c *Conn) Take() []Out {
	o := c.out
	c.out = c.out[:0]
	return o
}

// clock is the value of the time stamp option at now: milliseconds.
func (c *Conn) clock(now int64) uint32 { return uint32(now/1e6) + c.cfg.TSOffset }

// emit sends a segment that begins at seq and carries the queued bytes [from, to).
// opt may be nil: then it is a segment as every other of a connection.
func (c *Conn) emit(now, seq int64, flags header.TCPFlags, from, to int64, opt *header.TCPOptions) {
	p := c.cfg.Pool.NewPacket()
	if to > from {
		p.AppendFrom(func(dst []buffer.View) []buffer.View { return c.data.appendRange(dst, from, to) })
		if n := int(to - from); n > c.ctl.segment {
			p.GSO = buffer.GSO{Size: uint16(c.ctl.segment), Type: buffer.GSOTCP4}
			if c.cfg.V6 {
				p.GSO.Type = buffer.GSOTCP6
			}
		}
	}
	var ob [header.TCPMaxOptions]byte
	opts := ob[:0]
	if opt != nil {
		opts = opt.Append(opts)
	} else {
		opts = c.usualOptions(now, opts)
	}
	var window int64
	if flags&header.SYN != 0 {
		window = min(c.rcvWnd, 65535)
	} else if flags&header.RST == 0 || flags&header.ACK != 0 {
		window = c.chooseWindow() >> c.rcvScale
	}
	f := header.TCPFields{SrcPort: c.cfg.SrcPort, DstPort: c.cfg.DstPort, Seq: uint32(seq),
		Flags: flags, Window: uint16(window), DataOffset: header.TCPMinSize + len(opts)}
	if flags&header.ACK != 0 {
		f.Ack = uint32(c.rcvNxt)
		c.lastAckSent = c.rcvNxt
	}
	ect := false
	if c.ecn.ok {
		f.Flags |= c.ecn.flags(c, flags, from, to)
		ect = to > from && from >= c.nxt
	}
	if c.up > seq && flags&(header.SYN|header.RST) == 0 && c.up-seq <= 0xffff+1 {
		f.Flags |= header.URG
		f.Urgent = uint16(min(c.up-seq, 0xffff))
		if c.tun.StdUrg {
			f.Urgent--
		}
	}
	h := p.Prepend(f.DataOffset)
	header.TCP(h).Encode(f)
	copy(h[header.TCPMinSize:], opts)
	c.out = append(c.out, Out{p, ect})
	c.count(to-from, flags)
	if flags&header.ACK != 0 {
		c.ackWasSent()
	}
}

// count accounts for a segment that leaves.
func (c *Conn) count(n int64, flags header.TCPFlags) {
	segs := uint32(1)
	if n > 0 {
		if int(n) > c.ctl.segment {
			segs = uint32((int(n) + c.ctl.segment - 1) / c.ctl.segment)
		}
		c.stats.DataOut += segs
		c.stats.BytesSent += uint64(n)
	}
	c.stats.SegsOut += segs
	c.cfg.Counters.OutSegs.Add(uint64(segs))
	if flags&header.RST != 0 {
		c.cfg.Counters.OutRsts.Add(1)
	}
}

// usualOptions appends time stamps and blocks of SACK.
func (c *Conn) usualOptions(now int64, b []byte) []byte {
	if c.hasTS {
		b = append(b, 1, 1, 8, 10)
		b = binary.BigEndian.AppendUint32(b, c.clock(now))
		b = binary.BigEndian.AppendUint32(b, c.tsRecent)
	}
	if n := c.sackCount(); n > 0 {
		var blocks [4]header.SACKBlock
		n = c.sackBlocks(blocks[:n])
		if n == 0 {
			return b
		}
		b = append(b, 1, 1, 5, byte(2+8*n))
		for _, s := range blocks[:n] {
			b = binary.BigEndian.AppendUint32(b, s.Start)
			b = binary.BigEndian.AppendUint32(b, s.End)
		}
	}
	return b
}

// sackCount is how many blocks of SACK the next segment has.
func (c *Conn) sackCount() int {
	if !c.hasSACK || len(c.ooo.ranges) == 0 && !c.ack.dsack {
		return 0
	}
	n := len(c.ooo.ranges)
	if c.ack.dsack {
		n++
	}
	most := 4
	if c.hasTS {
		most = 3
	}
	return min(n, most)
}

// sendReset sends a RST.
func (c *Conn) sendReset(now int64) {
	opt := header.TCPOptions{}
	if c.hasTS {
		opt.HasTS, opt.TSVal, opt.TSEcr = true, c.clock(now), c.tsRecent
	}
	c.emit(now, c.nxt, header.RST|header.ACK, 0, 0, &opt)
}

// Reset returns the answer to a segment that belongs to no connection (RFC 9293
// section 3.5.2); ok is false if it must not be answered.
func Reset(pool *buffer.Pool, s *Segment, src, dst uint16) (p *buffer.Packet, ok bool) {
	if s.Flags&header.RST != 0 {
		return nil, false
	}
	f := header.TCPFields{SrcPort: dst, DstPort: src, Flags: header.RST}
	if s.Flags&header.ACK != 0 {
		f.Seq = s.Ack
	} else {
		f.Flags |= header.ACK
		f.Ack = s.Seq + uint32(s.span())
	}
	p = pool.NewPacket()
	header.TCP(p.Prepend(header.TCPMinSize)).Encode(f)
	return p, true
}
