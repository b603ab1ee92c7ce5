package dgram

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// ZeroCopyCopied is SO_EE_CODE_ZEROCOPY_COPIED: the bytes were copied after all.
const ZeroCopyCopied = 1

// MaxErrors bounds an error queue.
const MaxErrors = 64

// The origins of an error: SO_EE_ORIGIN_*.
const (
	OriginLocal = 1
	OriginICMP  = 2
	OriginICMP6 = 3
	// OriginTimestamping tells when something was sent: Stamp is the time, Info
	// SCM_TSTAMP_*, Data the number of the send if it has one.
	OriginTimestamping = 4
	// OriginZeroCopy tells that sends with MSG_ZEROCOPY are complete: Info and Data
	// are the first and last number of them.
	OriginZeroCopy = 5
)

// Error is one entry of an error queue: sock_extended_err and what belongs to it.
type Error struct {
	Errno      unix.Errno
	Origin     uint8
	Type, Code uint8
	Info       uint32         // the MTU of EMSGSIZE
	Data       uint32         // ee_data
	Offender   netip.Addr     // who sent the ICMP message
	To         netip.AddrPort // where the datagram went
	IIF        int
	Stamp      time.Time
	Packet     *buffer.Packet // the payload that was quoted; may be nil
}

// Release gives back what e holds.
func (e *Error) Release() {
	if e.Packet != nil {
		e.Packet.Release()
		e.Packet = nil
	}
}

// Errors is an error queue. The zero value is ready.
type Errors struct{ list []Error }

// Push adds e; if there is no room it is lost.
func (q *Errors) Push(e Error) bool {
	if len(q.list) >= MaxErrors {
		e.Release()
		return false
	}
	q.list = append(q.list, e)
	return true
}

// Len returns the number of entries.
func (q *Errors) Len() int { return len(q.list) }

// Pop takes the first entry.
func (q *Errors) Pop() (Error, bool) {
	if len(q.list) == 0 {
		return Error{}, false
	}
	e := q.list[0]
	q.list = q.list[1:]
	if len(q.list) == 0 {
		q.list = nil
	}
	return e, true
}

// First returns the first entry, or nil.
func (q *Errors) First() *Error {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[0]
}

// Last returns the last entry, or nil.
func (q *Errors) Last() *Error {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[len(q.list)-1]
}

// Clear releases all entries.
func (q *Errors) Clear() {
	for i := range q.list {
		q.list[i].Release()
	}
	q.list = nil
}
