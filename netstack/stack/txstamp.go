package stack

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
)

// The flags of SO_TIMESTAMPING that ask for the time at which something was sent
// (SOF_TIMESTAMPING_*), and how it is told.
const (
	tsTxSoftware = 1 << 1
	tsOptID      = 1 << 7
	tsTxSched    = 1 << 8
	tsTxAck      = 1 << 9
	tsOptTSOnly  = 1 << 11
	tsOptStats   = 1 << 12
	tsBindPHC    = 1 << 15
	tsOptIDTCP   = 1 << 16
	tsTxRecord   = tsTxSoftware | tsTxSched | tsTxAck | 1 // what a control message can ask for
)

// The kinds of time stamps: SCM_TSTAMP_*.
const (
	stampSent      = 0
	stampScheduled = 1
	stampAcked     = 2
)

// txStamp asks for the time at which a datagram leaves. A packet carries it from its
// socket to the interface.
type txStamp struct {
	owner *common
	flags uint32
	key   uint32
}

// stampOf returns what a message asks for, or nil. The caller holds the lock.
func (c *common) stampOf(m *SendMeta) *txStamp {
	flags := c.tsFlags
	if m.HasTS {
		flags = flags&^tsTxRecord | m.TSFlags&tsTxRecord
	}
	if flags&tsTxRecord == 0 {
		return nil
	}
	t := &txStamp{owner: c, flags: flags}
	switch {
	case flags&tsOptID != 0 && m.HasTSKey:
		t.key = m.TSKey
	case flags&tsOptID != 0:
		t.key = c.tsKey
		c.tsKey++
	}
	if flags&(tsTxSoftware|tsTxSched) == 0 {
		return nil
	}
	return t
}

// left tells the senders of frames that these are about to leave, as the link sees
// them. A packet that is cut tells of its first part.
func left(ps []*buffer.Packet) {
	for _, p := range ps {
		if t, ok := p.Stamp.(*txStamp); ok {
			p.Stamp = nil
			now := t.owner.stack.wall()
			if t.flags&tsTxSched != 0 {
				t.tell(stampScheduled, now, p)
			}
			if t.flags&tsTxSoftware != 0 {
				t.tell(stampSent, now, p)
			}
		}
	}
}

// tell puts a time into the socket's error queue.
func (t *txStamp) tell(kind uint32, at time.Time, p *buffer.Packet) {
	c := t.owner
	e := dgram.Error{Errno: unix.ENOMSG, Origin: dgram.OriginTimestamping, Info: kind, Data: t.key, Stamp: at}
	if t.flags&tsOptTSOnly == 0 {
		e.Packet = p.Clone()
		e.Packet.Compact()
	}
	c.mu.Lock()
	told := c.errs.Push(e)
	c.mu.Unlock()
	if told {
		c.wake(unix.EPOLLERR)
	}
}

// stampControl says how a time stamp of the error queue is told. The caller holds the lock.
func (o *options) stampControl() ControlSet {
	w := o.wantTime()
	if o.tsFlags&tsSoftware != 0 {
		w |= WantTimestamping
	}
	return w
}

// streamStamp is a send on a stream whose time is asked for: when its last byte
// leaves, and when that is acknowledged.
type streamStamp struct {
	end   int64 // of the stream
	key   uint32
	flags uint32
	left  bool
	data  buffer.View // the last of the write, unless it is not wanted
}

// maxStreamStamps bounds what waits for an acknowledgment: of more no time is told.
const maxStreamStamps = 256

// written is the number of bytes that were written to the stream, -1 if it is none yet.
// The caller holds the lock.
func (t *tcpSocket) written() int64 {
	if t.conn == nil || t.phase == tcpListening {
		return -1
	}
	queued, _ := t.conn.Sequence()
	return queued
}

// stampWrite notes that the time of what was just written is asked for; data is the last
// of it, which it takes over. The caller holds the lock.
func (t *tcpSocket) stampWrite(m *SendMeta, data buffer.View) {
	flags := t.tsFlags
	if m.HasTS {
		flags = flags&^tsTxRecord | m.TSFlags&tsTxRecord
	}
	if flags&(tsTxSoftware|tsTxSched|tsTxAck) == 0 || len(t.stamps) >= maxStreamStamps {
		data.Release()
		return
	}
	s := streamStamp{end: t.written(), flags: flags, data: data}
	if flags&tsOptTSOnly != 0 {
		data.Release()
		s.data = buffer.View{}
	}
	if flags&tsOptID != 0 {
		s.key = uint32(s.end-t.tsBase) - 1
	}
	t.stamps = append(t.stamps, s)
}

// stamped tells of the writes that left or were acknowledged. The caller holds the lock.
func (t *tcpSocket) stamped() {
	queued, acked := t.conn.Sequence()
	sent := queued - int64(t.conn.NotSent())
	now := t.stack.wall()
	tell := func(s *streamStamp, flag, kind uint32) {
		if s.flags&flag == 0 {
			return
		}
		e := dgram.Error{Errno: unix.ENOMSG, Origin: dgram.OriginTimestamping, Info: kind, Data: s.key, Stamp: now}
		if s.data.Len() > 0 {
			e.Packet = t.stack.cfg.Pool.Received(s.data.Sub(0, s.data.Len()))
		}
		if t.errs.Push(e) {
			t.events |= unix.EPOLLERR
		}
	}
	kept := t.stamps[:0]
	for _, s := range t.stamps {
		if !s.left && sent >= s.end {
			s.left = true
			tell(&s, tsTxSched, stampScheduled)
			tell(&s, tsTxSoftware, stampSent)
		}
		if acked >= s.end {
			tell(&s, tsTxAck, stampAcked)
		}
		if !s.left || s.flags&tsTxAck != 0 && acked < s.end {
			kept = append(kept, s)
		} else {
			s.data.Release()
		}
	}
	if t.stamps = kept; len(kept) == 0 {
		t.stamps = nil
	}
}

// dropStamps gives up what was asked for: the socket is gone. The caller holds the lock.
func (t *tcpSocket) dropStamps() {
	for _, s := range t.stamps {
		s.data.Release()
	}
	t.stamps, t.arrivals = nil, nil
}
