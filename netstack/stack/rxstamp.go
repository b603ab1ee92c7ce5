package stack

import (
	"time"

	"hull/netstack/buffer"
)

// arrival says when the bytes of a stream before end could be read.
type arrival struct {
	end int64
	at  time.Time
}

// maxArrivals bounds what is noted of bytes that nobody reads: past it the last ones
// count as one.
const maxArrivals = 512

// noteArrival notes the time of a segment, if the socket asks for such. The caller
// holds the lock.
func (t *tcpSocket) noteArrival(p *buffer.Packet) {
	end := t.consumed + int64(t.conn.Readable())
	n := len(t.arrivals)
	if n > 0 && t.arrivals[n-1].end >= end || n == 0 && end == t.consumed {
		return
	}
	at := p.Received
	if at.IsZero() {
		at = t.stack.wall()
	}
	if n == maxArrivals {
		t.arrivals[n-1] = arrival{end, at}
		return
	}
	t.arrivals = append(t.arrivals, arrival{end, at})
}

// stampRead puts into m when the last of the bytes up to off arrived, counted from the
// next one. The caller holds the lock.
func (t *tcpSocket) stampRead(m *RecvMeta, off int64, peek bool) {
	i, end := 0, t.consumed+off
	for i < len(t.arrivals)-1 && t.arrivals[i].end < end {
		i++
	}
	if i < len(t.arrivals) {
		m.Received = t.arrivals[i].at
		m.Control |= t.wantTime()
	}
	if !peek {
		if i < len(t.arrivals) && t.arrivals[i].end <= end {
			i++
		}
		if t.arrivals = t.arrivals[i:]; len(t.arrivals) == 0 {
			t.arrivals = nil
		}
	}
}
