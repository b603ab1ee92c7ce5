package tcp

import (
	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// inputData processes the urgent pointer, the data and the FIN (section 3.10.7.4,
// sixth to eighth).
func (c *Conn) inputData(now int64, s *Segment) {
	if s.Flags&header.URG != 0 && c.state.mayReceive() {
		c.inputUrgent(s)
	}
	fin := s.Flags&header.FIN != 0
	if s.Len == 0 && !fin {
		return
	}
	c.ecn.received(c, s)
	if !c.state.mayReceive() {
		// After the peer's FIN nothing new can come: acknowledge what is repeated.
		if s.end <= c.rcvNxt {
			c.duplicate(s.seq, s.end)
		}
		c.ack.now = true
		return
	}
	if c.readShut && c.state != Established && s.Len > 0 && s.end > c.rcvNxt {
		// Nobody will ever read it, and the peer has to know (RFC 9293 section 3.6.1).
		c.cfg.Counters.AbortOnData.Add(1)
		c.sendReset(now)
		c.finish(unix.ECONNRESET)
		return
	}
	if s.end <= c.rcvNxt {
		c.duplicate(s.seq, s.end)
		c.quickAck(maxQuickAcks)
		c.ack.now = true
		return
	}
	edge := c.rcvWup + c.rcvWnd
	if last := s.seq + int64(s.Len); last > edge {
		// Beyond what was offered: that part was not received, nor the FIN after it.
		keep := max(0, edge-s.seq)
		s.Data = cutViews(s.Data, keep)
		s.Len, fin = int(keep), false
		s.end = s.seq + keep
		c.ack.now = true
		if keep == 0 || s.end <= c.rcvNxt {
			return
		}
	}
	if fin && (!c.finRcvd || c.finSeq > s.end-1) {
		c.finRcvd, c.finSeq = true, s.end-1
	}
	if s.seq > c.rcvNxt {
		c.outOfOrder(now, s)
	} else {
		c.inOrder(now, s)
	}
	if c.finRcvd && c.rcvNxt == c.finSeq {
		if !fin {
			c.ack.now = true // the last hole is filled
		}
		c.inputFin(now)
	}
}

// inOrder takes data that begin at the next byte or before it, and what they make
// complete.
func (c *Conn) inOrder(now int64, s *Segment) {
	last := s.seq + int64(s.Len)
	if s.seq < c.rcvNxt {
		if s.Len > 0 {
			c.duplicate(s.seq, min(c.rcvNxt, last))
		}
		s.Data = trimViews(s.Data, c.rcvNxt-s.seq)
	}
	hole := len(c.ooo.ranges) > 0
	if last > c.rcvNxt {
		c.queue(s.Data)
		s.Data = nil
	}
	if hole {
		for vs := c.ooo.take(c.rcvNxt); vs != nil; vs = c.ooo.take(c.rcvNxt) {
			c.queue(vs)
		}
		// RFC 5681 section 4.2: what fills a hole is acknowledged at once.
		c.ack.now = true
	}
	c.drs.received(c, now, s)
	if s.Len > 0 {
		c.dataCame(now, s)
		c.events |= EventReadable
	}
}

// queue appends bytes to what can be read.
func (c *Conn) queue(vs []buffer.View) {
	for _, v := range vs {
		n := int64(v.Len())
		c.urg.catch(c.rcvNxt, v, c)
		c.rcvNxt += n
		c.stats.BytesReceived += uint64(n)
		c.rcv.push(c.rcv.tail.pack(c.cfg.Pool, v))
	}
}

// outOfOrder keeps data that cannot be read yet, and asks for what is missing by
// an acknowledgment at once (RFC 5681 section 4.2).
func (c *Conn) outOfOrder(now int64, s *Segment) {
	c.ack.now = true
	c.quickAck(maxQuickAcks)
	if s.Len == 0 {
		return
	}
	c.stats.OOOPack++
	if c.pressed {
		c.cfg.Counters.OfoPruned.Add(1)
		return // it will be sent again
	}
	c.cfg.Counters.OFOQueue.Add(1)
	for i := range s.Data {
		s.Data[i] = c.ooo.tail.pack(c.cfg.Pool, s.Data[i])
	}
	at, isNew, ok := c.ooo.insert(s.seq, s.Data)
	last := s.seq + int64(s.Len)
	s.Data = nil
	switch {
	case !ok:
		c.cfg.Counters.OFODrop.Add(1)
	case !isNew:
		c.duplicate(s.seq, last)
		c.remember(at)
	default:
		c.remember(at)
	}
	c.lastData = now
}

// inputFin is the peer's end of data.
func (c *Conn) inputFin(now int64) {
	c.rcvNxt++
	c.ooo.drop()
	c.events |= EventPeerClosed | EventReadable
	if c.state != Established {
		c.ack.now = true
	} else {
		// What we have to say yet, our FIN at least, takes the acknowledgment along, as on Linux.
		a := &c.ack
		a.pending, a.interactive = max(a.pending, pendingData), true
		if at := now + int64(finDelay); a.ato == 0 && (c.timers.delack == 0 || at < c.timers.delack) {
			c.timers.delack = at // nothing came, so there is no rhythm to wait for
		}
	}
	switch c.state {
	case Established:
		c.state = CloseWait
	case FinWait1:
		c.state = Closing
	case FinWait2:
		c.enterTimeWait(now)
	}
}

// urgent is the urgent byte (RFC 6093: there is one, by the reading of the pointer
// that everybody has, not by RFC 1122's).
type urgent struct {
	seq   int64 // of the byte
	valid bool  // there is one that was not read past
	have  bool  // its byte arrived
	taken bool  // MSG_OOB took it
	b     byte
}

func (u *urgent) init(seq int64) { *u = urgent{seq: seq - 1} }

// inputUrgent takes the urgent pointer of a segment.
func (c *Conn) inputUrgent(s *Segment) {
	p := int64(s.Urgent)
	if p > 0 && !c.tun.StdUrg {
		p--
	}
	seq := s.seq + p
	u := &c.urg
	switch {
	case seq < c.copied(), seq < c.rcvNxt:
		return // it was read, or passed
	case u.valid && seq <= u.seq:
		return
	}
	*u = urgent{seq: seq, valid: true}
	c.events |= EventUrgent
}

// catch keeps the urgent byte if v, which begins at seq, has it.
func (u *urgent) catch(seq int64, v buffer.View, c *Conn) {
	if !u.valid || u.have || u.seq < seq || u.seq >= seq+int64(v.Len()) {
		return
	}
	u.b, u.have = v.Bytes()[u.seq-seq], true
	c.events |= EventReadable | EventUrgent
}

// copied is the sequence number of the next byte to be read.
func (c *Conn) copied() int64 {
	n := c.rcvNxt - c.rcv.n
	if c.finRcvd && c.rcvNxt == c.finSeq+1 {
		n--
	}
	return n
}

// AtMark answers SIOCATMARK: the next byte to be read is the urgent one.
func (c *Conn) AtMark() bool { return c.urg.valid && c.copied() == c.urg.seq }

// HasUrgent reports whether MSG_OOB would find a byte: EPOLLPRI.
func (c *Conn) HasUrgent() bool { return c.urg.valid && c.urg.have && !c.urg.taken }

// UrgentPending reports that the peer announced urgent data that is not here yet.
func (c *Conn) UrgentPending() bool { return c.urg.valid && !c.urg.have }

// Urgent takes the urgent byte, or leaves it if peek is set. EINVAL if there is
// none or it is read in line, EAGAIN if it did not come yet.
func (c *Conn) Urgent(peek bool) (byte, error) {
	u := &c.urg
	switch {
	case c.opt.OOBInline || !u.valid || u.taken:
		return 0, unix.EINVAL
	case !u.have:
		return 0, unix.EAGAIN
	}
	if !peek {
		u.taken = true
	}
	return u.b, nil
}

// MarkAt reports whether the byte off after the next one is the urgent one.
func (c *Conn) MarkAt(off int64) bool {
	return c.urg.valid && c.copied()+off == c.urg.seq
}

// BeforeMark is how many bytes can be read before the urgent one: SIOCINQ.
func (c *Conn) BeforeMark() int {
	n := c.rcv.n
	u := &c.urg
	if !u.valid || c.opt.OOBInline || u.seq < c.copied() || u.seq >= c.copied()+n {
		return int(n)
	}
	if u.seq == c.copied() {
		return int(n - 1)
	}
	return int(u.seq - c.copied())
}

// Readable is how many bytes can be read, the urgent one included only if it is
// in line.
func (c *Conn) Readable() int {
	n := c.rcv.n
	if u := &c.urg; u.valid && !c.opt.OOBInline && u.seq >= c.copied() && u.seq < c.copied()+n {
		n--
	}
	return int(n)
}

// AtEnd reports that the peer closed and all was read.
func (c *Conn) AtEnd() bool {
	return c.rcv.n == 0 && (c.finRcvd && c.rcvNxt > c.finSeq || c.state == Closed)
}

// PeerClosed reports that the peer's FIN came.
func (c *Conn) PeerClosed() bool { return c.finRcvd && c.rcvNxt > c.finSeq }

// Read appends to dst views of up to n bytes that begin off bytes after the next
// one to be read. It stops before the urgent byte, or passes over it. next is the
// offset behind what it returned: what Consume is told.
func (c *Conn) Read(dst []buffer.View, off, n int64) (out []buffer.View, next int64) {
	if u := &c.urg; u.valid {
		mark := u.seq - c.copied()
		if mark == off && !c.opt.OOBInline && mark < c.rcv.n {
			off++
		} else if mark > off {
			n = min(n, mark-off)
		}
	}
	n = min(n, c.rcv.n-off)
	if n <= 0 {
		return dst, min(off, c.rcv.n)
	}
	return c.rcv.appendRange(dst, off, n), off + n
}

// Consume gives back the next n bytes, which were read, and may tell the peer of
// the room.
func (c *Conn) Consume(now, n int64) {
	now = c.tick(now)
	n = min(n, c.rcv.n)
	if n <= 0 {
		return
	}
	c.rcv.discard(n)
	if c.urg.valid && c.copied() > c.urg.seq {
		c.urg.valid = false
	}
	if c.state == Closed {
		return
	}
	c.drs.read(c, now, n)
	c.windowGrew(now)
}
