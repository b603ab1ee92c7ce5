package tcp

import (
	"hull/netstack/buffer"
	"hull/netstack/header"
)

// TimeWait is what is left of a connection for 2 MSL (RFC 9293 section 3.6.1): it
// answers what is late and keeps its numbers from being used again too soon.
type TimeWait struct {
	SrcPort, DstPort uint16
	Deadline         int64

	sndNxt, rcvNxt int64
	window         int64
	scale          uint8
	hasTS          bool
	tsRecent       uint32
	tsAt           int64
	tsOffset       uint32
	lastInvalid    int64
}

// Verdict is what becomes of a segment that arrives at a TimeWait.
type Verdict uint8

// The verdicts.
const (
	TWDrop   Verdict = iota
	TWAnswer         // send the packet
	TWEnd            // a RST ended it
	TWReopen         // a new connection may take its place: see NextISS
)

// TimeWait returns what stands in for a connection in TIME-WAIT.
func (c *Conn) TimeWait(now int64) TimeWait {
	c.cfg.Counters.TW.Add(1)
	return TimeWait{SrcPort: c.cfg.SrcPort, DstPort: c.cfg.DstPort, Deadline: now + int64(timeWait),
		sndNxt: c.nxt, rcvNxt: c.rcvNxt, window: c.window(), scale: c.rcvScale, hasTS: c.hasTS,
		tsRecent: c.tsRecent, tsAt: c.tsRecentAt, tsOffset: c.cfg.TSOffset}
}

// NextISS is an initial sequence number above all that the connection used (RFC
// 6191 section 2).
func (t *TimeWait) NextISS() uint32 { return uint32(t.sndNxt + 65535 + 2) }

// TSRecent returns the peer's last time stamp and when it came, for a connection
// that takes the place (RFC 6191).
func (t *TimeWait) TSRecent() (v uint32, at int64, ok bool) { return t.tsRecent, t.tsAt, t.hasTS }

// Reusable reports whether an active open may take its place (tcp_tw_reuse): time
// stamps keep the old segments out.
func (t *TimeWait) Reusable(now, delay int64) bool {
	return t.hasTS && now-t.tsAt >= delay
}

// Input processes a segment. The packet is only there with TWAnswer. rfc1337 keeps
// a RST from ending it.
func (t *TimeWait) Input(now int64, s *Segment, pool *buffer.Pool, tun *Tunables) (Verdict, *buffer.Packet) {
	defer s.drop()
	seq := expand(t.rcvNxt, s.Seq)
	end := seq + s.span()
	old := false
	if t.hasTS && s.Opt.HasTS && s.Flags&header.RST == 0 {
		old = int32(s.Opt.TSVal-t.tsRecent) < 0 && now-t.tsAt < int64(pawsIdle)
	}
	if !old && seq == t.rcvNxt && (s.Flags&header.RST != 0 || s.Len == 0 && s.Flags&(header.SYN|header.FIN) == 0) {
		// In the window and without news: a pure acknowledgment, or a RST.
		if s.Flags&header.RST != 0 {
			if !tun.RFC1337 {
				return TWEnd, nil
			}
			return TWDrop, nil
		}
		if s.Opt.HasTS && t.hasTS {
			t.tsRecent, t.tsAt = s.Opt.TSVal, now
		}
		t.Deadline = now + int64(timeWait)
		return TWDrop, nil
	}
	// RFC 6191, RFC 9293 section 3.10.7.4: a SYN beyond what was received, or with
	// a newer time stamp, begins a new connection.
	if s.Flags&header.SYN != 0 && s.Flags&(header.RST|header.ACK) == 0 && !old &&
		(seq > t.rcvNxt || t.hasTS && s.Opt.HasTS && int32(s.Opt.TSVal-t.tsRecent) > 0) {
		return TWReopen, nil
	}
	if s.Flags&header.RST != 0 {
		return TWDrop, nil
	}
	if s.Flags&header.ACK != 0 && !old && (old || end <= t.rcvNxt) {
		// A FIN that is repeated: our acknowledgment was lost (section 3.10.7.4).
		t.Deadline = now + int64(timeWait)
	}
	if s.Flags&header.SYN != 0 || s.Len == 0 && s.Flags&header.FIN == 0 {
		if t.lastInvalid != 0 && now-t.lastInvalid < int64(tun.InvalidRateLimit) {
			return TWDrop, nil
		}
		t.lastInvalid = now
	}
	return TWAnswer, t.ack(now, pool)
}

// ack builds the acknowledgment.
func (t *TimeWait) ack(now int64, pool *buffer.Pool) *buffer.Packet {
	o := header.TCPOptions{}
	if t.hasTS {
		o.HasTS, o.TSVal, o.TSEcr = true, uint32(now/1e6)+t.tsOffset, t.tsRecent
	}
	var ob [header.TCPMaxOptions]byte
	opts := o.Append(ob[:0])
	p := pool.NewPacket()
	h := p.Prepend(header.TCPMinSize + len(opts))
	header.TCP(h).Encode(header.TCPFields{SrcPort: t.SrcPort, DstPort: t.DstPort, Seq: uint32(t.sndNxt),
		Ack: uint32(t.rcvNxt), Flags: header.ACK, Window: uint16(min(t.window>>t.scale, 65535)),
		DataOffset: header.TCPMinSize + len(opts)})
	copy(h[header.TCPMinSize:], opts)
	return p
}
