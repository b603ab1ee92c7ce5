package tcp

import (
	"slices"

	"hull/netstack/header"
)

// record is a transmission that was not acknowledged: a range of sequence numbers
// that left in one packet, or its remains.
type record struct {
	start, end int64 // end counts a FIN
	sentAt     int64 // the last time
	flags      recFlags
	tries      uint8
	rs         rateState
}

type recFlags uint8

// What is known of a record.
const (
	recSacked  recFlags = 1 << iota // the peer has it
	recLost                         // taken for lost; stays until it is acknowledged
	recRetrans                      // a retransmission of it is in flight
	recEver                         // it was retransmitted once
	recLimited                      // the application had no more to send
)

// scoreboard is the records in the order of their sequence numbers (RFC 6675), and
// sums over them.
type scoreboard struct {
	rs    []record
	first int

	sacked, lost, retrans int64 // bytes of records with those flags
	highSacked            int64 // end of the highest that was reported
	reno                  int64 // bytes that duplicate acknowledgments stand for, without SACK
	dups                  int   // duplicate acknowledgments in a row
	next                  int64 // no lost record that waits starts before it
}

func (b *scoreboard) len() int { return len(b.rs) - b.first }

func (b *scoreboard) at(i int) *record { return &b.rs[b.first+i] }

func (b *scoreboard) push(r record) {
	if b.first > 64 && b.first*2 > len(b.rs) {
		n := copy(b.rs, b.rs[b.first:])
		b.rs, b.first = b.rs[:n], 0
	}
	b.rs = append(b.rs, r)
}

// pop takes the first one off.
func (b *scoreboard) pop() {
	r := b.at(0)
	b.account(r, -(r.end - r.start))
	b.first++
	if b.first == len(b.rs) {
		b.rs, b.first = b.rs[:0], 0
	}
}

// trimFront takes n bytes off the front of r.
func (b *scoreboard) trimFront(r *record, n int64) {
	b.account(r, -n)
	r.start += n
}

// account adds n bytes to the sums that r's flags say.
func (b *scoreboard) account(r *record, n int64) {
	if r.flags&recSacked != 0 {
		b.sacked += n
	}
	if r.flags&recLost != 0 {
		b.lost += n
	}
	if r.flags&recRetrans != 0 {
		b.retrans += n
	}
}

// set changes r's flags.
func (b *scoreboard) set(r *record, add, remove recFlags) {
	n := r.end - r.start
	b.account(r, -n)
	r.flags = r.flags&^remove | add
	b.account(r, n)
	if r.flags&recLost != 0 && r.flags&recRetrans == 0 {
		b.next = min(b.next, r.start)
	}
}

// find returns the index of the first record that ends after seq.
func (b *scoreboard) find(seq int64) int {
	i, _ := slices.BinarySearchFunc(b.rs[b.first:], seq, func(r record, s int64) int {
		if r.end <= s {
			return -1
		}
		return 1
	})
	return i
}

// split cuts record i in two, the second of which begins at seq.
func (b *scoreboard) split(i int, seq int64) {
	r := b.rs[b.first+i]
	left := r
	left.end = seq
	r.start = seq
	b.rs[b.first+i] = left
	b.rs = slices.Insert(b.rs, b.first+i+1, r)
}

func (b *scoreboard) drop() { *b = scoreboard{} }

// inflight is the bytes that are thought to be in the network (RFC 6675's pipe).
func (c *Conn) inflight() int64 {
	b := &c.board
	n := c.nxt - c.una
	if !c.state.synchronized() || c.una <= c.iss {
		return n
	}
	return max(0, n-b.sacked-b.lost-b.reno+b.retrans)
}

// processSack takes in the blocks of an acknowledgment (RFC 2018, RFC 2883).
func (c *Conn) processSack(now int64, s *Segment, sm *sample) {
	blocks := s.Opt.SACK[:s.Opt.NSACK]
	if c.isDSACK(blocks, s.ack) {
		sm.dsack = true
		c.gotDSACK(now, blocks[0])
		blocks = blocks[1:]
	}
	for _, k := range blocks {
		from, to := expand(c.una, k.Start), expand(c.una, k.End)
		// Only what lies in flight counts: anything else is stale or forged.
		if from >= to || to > c.nxt || from < c.una {
			c.cfg.Counters.SACKDiscard.Add(1)
			continue
		}
		if to <= s.ack {
			continue
		}
		c.sackRange(now, max(from, s.ack), to, sm)
	}
}

// isDSACK is RFC 2883 section 4: the first block lies below the acknowledgment, or
// within the second.
func (c *Conn) isDSACK(blocks []header.SACKBlock, ack int64) bool {
	from, to := expand(c.una, blocks[0].Start), expand(c.una, blocks[0].End)
	if to <= ack && from < to {
		return true
	}
	if len(blocks) < 2 {
		return false
	}
	f2, t2 := expand(c.una, blocks[1].Start), expand(c.una, blocks[1].End)
	return from < to && from >= f2 && to <= t2
}

// gotDSACK notes that a segment arrived twice: one retransmission less was needed.
func (c *Conn) gotDSACK(now int64, k header.SACKBlock) {
	from, to := expand(c.una, k.Start), expand(c.una, k.End)
	if to > c.nxt || from <= c.iss || to-from > max(c.maxWnd, 1<<16) {
		c.cfg.Counters.SACKDiscard.Add(1)
		return
	}
	c.cfg.Counters.DSACKRecv.Add(1)
	c.stats.DSACKs++
	c.rack.gotDSACK(c)
	if c.rec.undoMarker > 0 && to > c.rec.undoMarker && c.rec.undoRetrans > 0 {
		c.rec.undoRetrans = max(0, c.rec.undoRetrans-(to-from))
	}
	c.rec.tlpDSACK = c.rec.tlpDSACK || c.rec.tlpHigh != 0 && to == c.rec.tlpHigh
}

// sackRange marks the records within [from, to). One that is reported in part is
// cut at whole segments, counted from its start: a peer that reports byte by byte
// makes no more records than there were segments.
func (c *Conn) sackRange(now, from, to int64, sm *sample) {
	b := &c.board
	mss := c.ctl.MSS
	for i := b.find(from); i < b.len(); i++ {
		r := b.at(i)
		if r.start >= to {
			break
		}
		if r.flags&recSacked != 0 {
			continue
		}
		if r.start < from {
			at := r.start + (from-r.start+mss-1)/mss*mss
			if at >= r.end {
				continue
			}
			b.split(i, at)
			continue
		}
		if r.end > to {
			at := r.start + (to-r.start)/mss*mss
			if at <= r.start {
				continue
			}
			b.split(i, at)
			r = b.at(i)
		}
		c.markSacked(now, r, sm)
	}
}

// markSacked notes that the peer has a record.
func (c *Conn) markSacked(now int64, r *record, sm *sample) {
	b := &c.board
	n := r.end - r.start
	sm.newSacked += n
	sm.delivered += n
	c.rate.delivered(now, r, &sm.prior)
	if r.flags&recEver == 0 {
		if r.end <= b.highSacked {
			// It was sent once and arrived after what was sent later.
			c.sawReordering(b.highSacked-r.start, true)
		}
		sm.original = sm.original || c.rec.isOriginal(r)
		sm.sackRTT = max(now-r.sentAt, 1)
	} else {
		sm.retransAck = true
	}
	c.rack.delivered(c, now, r, r.end)
	b.set(r, recSacked, recLost|recRetrans)
	b.highSacked = max(b.highSacked, r.end)
}

// sackedSegments is the number of segments above una that the peer reported.
func (c *Conn) sackedSegments() int {
	b := &c.board
	return int((b.sacked + b.reno + c.ctl.MSS - 1) / c.ctl.MSS)
}

// sawReordering widens the tolerance: segments overtook each other by so many bytes.
func (c *Conn) sawReordering(by int64, sack bool) {
	n := int((by + c.ctl.MSS - 1) / c.ctl.MSS)
	c.rack.reordered = true
	c.stats.ReordSeen++
	if sack {
		c.cfg.Counters.SACKReorder.Add(1)
	} else {
		c.cfg.Counters.TSReorder.Add(1)
	}
	if n > c.rec.reordering {
		c.rec.reordering = min(n, c.tun.MaxReordering)
	}
}

// renoAdvance corrects what duplicate acknowledgments stood for when una moves.
func (b *scoreboard) renoAdvance(c *Conn, sm *sample) {
	b.dups = 0
	if c.hasSACK || b.reno == 0 {
		b.reno = 0
		return
	}
	// One segment filled the hole; the others were those that were counted.
	b.reno = max(0, b.reno-max(0, sm.acked-c.ctl.MSS))
	b.reno = min(b.reno, max(0, c.nxt-c.una-c.ctl.MSS))
	if c.nxt == c.una {
		b.reno = 0
	}
}
