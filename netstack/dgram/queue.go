package dgram

import (
	"net/netip"

	"hull/netstack/buffer"
	"hull/netstack/link"
)

// Overhead is what a message counts in a queue besides its bytes.
const Overhead = 512

// Message is one datagram that arrived. Who takes it out of a queue owns Packet
// and releases it.
type Message struct {
	Packet *buffer.Packet // the bytes that the reader sees
	Len    int
	From   netip.AddrPort
	To     netip.AddrPort // as the header had it
	IIF    int            // the interface that it came through
	TTL    uint8
	TOS    uint8
	// Flow is the flow label of IPv6; Options those of IPv4, or what the first of
	// the extension headers of IPv6 is, and these: if they were asked for.
	Flow     uint32
	Options  []byte
	Segment  uint16 // the size of the datagrams that were merged into this, or 0
	Checksum buffer.Checksum
	FragSize int // of the largest fragment that it came in, or 0

	Link *LinkInfo // of a packet socket
}

// LinkInfo is what a packet socket says of a frame.
type LinkInfo struct {
	Protocol uint16
	HWType   uint16
	Type     uint8 // PACKET_HOST and its like
	Addr     link.Address
	AddrLen  uint8
	Wire     int // length on the wire, if Packet was cut
	NetOff   int // where the network's header starts in Packet
	VLAN     uint16
	HasVLAN  bool
}

// Queue is messages in the order in which they came. The zero value is empty
// and takes nothing: set Limit.
type Queue struct {
	Limit   int // in bytes: SO_RCVBUF
	Drops   uint32
	ring    []Message
	head, n int
	bytes   int
}

// Room reports whether a message of n bytes fits. A queue that holds less than
// its limit takes one message of any size, as Linux's do.
func (q *Queue) Room(n int) bool { return q.bytes < q.Limit }

// Push adds a message, or releases it and reports false if there is no room.
func (q *Queue) Push(m Message) bool {
	if !q.Room(m.Len) {
		q.Drops++
		m.Packet.Release()
		return false
	}
	if q.n == len(q.ring) {
		ring := make([]Message, max(8, 2*len(q.ring)))
		for i := range q.n {
			ring[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = m
	q.n++
	q.bytes += m.Len + Overhead
	return true
}

// Len returns the number of messages.
func (q *Queue) Len() int { return q.n }

// Bytes returns what the messages count.
func (q *Queue) Bytes() int { return q.bytes }

// Peek returns message i, which stays the queue's, or nil.
func (q *Queue) Peek(i int) *Message {
	if i >= q.n {
		return nil
	}
	return &q.ring[(q.head+i)%len(q.ring)]
}

// Pop takes the first message.
func (q *Queue) Pop() (Message, bool) {
	if q.n == 0 {
		return Message{}, false
	}
	m := q.ring[q.head]
	q.ring[q.head] = Message{}
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	q.bytes -= m.Len + Overhead
	return m, true
}

// Clear releases all messages.
func (q *Queue) Clear() {
	for {
		m, ok := q.Pop()
		if !ok {
			q.ring, q.head = nil, 0
			return
		}
		m.Packet.Release()
	}
}
