// Package frag puts fragments together, for IPv4 and IPv6 alike: RFC 815 as to
// holes, RFC 5722 as to overlaps, which void the whole datagram. An exact
// duplicate is only dropped.
//
// Memory is bounded by Config.High over all datagrams: the oldest ones make
// room. Time comes from outside.
package frag

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hull/netstack/buffer"
)

// Key says which fragments belong together.
type Key struct {
	Src, Dst netip.Addr
	ID       uint32
	Proto    uint8
	IIF      int // of addresses that mean something on one link only
}

// Config bounds a Reassembler.
type Config struct {
	High    int   // bytes held at most
	Timeout int64 // nanoseconds from the first fragment to the last
	// MaxSize is the largest payload of a datagram.
	MaxSize int
}

// DefaultConfig is Linux's; timeout is 30 s for IPv4 and 60 s for IPv6.
func DefaultConfig(timeout time.Duration) Config {
	return Config{High: 4 << 20, Timeout: int64(timeout), MaxSize: 65535}
}

// Piece is a fragment: its packet starts at its network header, and the
// fragmented part HeaderLen bytes after that.
type Piece struct {
	Packet    *buffer.Packet
	HeaderLen int
	Off       int
	More      bool
	ECN       uint8
}

// Done is a datagram that is complete.
type Done struct {
	Packet    *buffer.Packet // the first fragment's header and the whole payload
	HeaderLen int
	Len       int   // of the payload
	MaxPiece  int   // the largest fragment, header included
	ECN       uint8 // of RFC 3168 section 5.3; ECNBad if they contradict
}

// ECNBad is what contradicting marks make: the datagram is to be dropped.
const ECNBad = 0xff

// Verdict is what became of a fragment.
type Verdict uint8

// The verdicts of Add.
const (
	Held Verdict = iota
	Complete
	Duplicate
	Overlap // the datagram is void
	Invalid
	NoRoom
)

type queue struct {
	key    Key
	pieces []piece // in order of off, without overlap
	have   int     // bytes of payload there
	end    int     // of the whole payload, or -1
	bytes  int     // counted against High
	max    int
	ecn    uint8 // a set: bit n is mark n
	at     int64 // deadline
	void   bool  // overlapped: what follows is dropped too
	el     *list.Element
}

type piece struct {
	off, end int
	packet   *buffer.Packet // trimmed to its payload, but for the first
	header   int
}

// Reassembler holds datagrams that are not complete. It is safe for concurrent use.
type Reassembler struct {
	mu     sync.Mutex
	cfg    Config
	queues map[Key]*queue
	order  *list.List // oldest first: all have the same timeout
	bytes  int
}

// New returns an empty Reassembler.
func New(cfg Config) *Reassembler {
	return &Reassembler{cfg: cfg, queues: map[Key]*queue{}, order: list.New()}
}

// cost is what a fragment counts: the chunks that it holds.
func cost(p *buffer.Packet) int { return p.Held() + 256 }

// queueCost is what a datagram counts besides its fragments. One that is void, and
// so has none, is remembered until its time is over: it counts too.
const queueCost = 512

// Add takes in a fragment and owns its packet.
func (r *Reassembler) Add(now int64, k Key, f Piece) (Done, Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := f.Packet.Len() - f.HeaderLen
	end := f.Off + size
	if size <= 0 || end > r.cfg.MaxSize || f.More && size%8 != 0 {
		f.Packet.Release()
		return Done{}, Invalid
	}
	f.Packet.Compact()
	q, n := r.queues[k], cost(f.Packet)
	if !r.makeRoom(q, n) {
		f.Packet.Release()
		return Done{}, NoRoom
	}
	if q == nil {
		q = &queue{key: k, end: -1, at: now + r.cfg.Timeout, bytes: queueCost}
		q.el = r.order.PushBack(q)
		r.queues[k] = q
		r.bytes += queueCost
	}
	v := q.place(f, end)
	switch v {
	case Held:
		q.bytes += n
		r.bytes += n
	case Overlap:
		r.empty(q)
		q.void = true
		fallthrough
	default:
		f.Packet.Release()
		return Done{}, v
	}
	if q.have != q.end {
		return Done{}, Held
	}
	d := q.join()
	r.drop(q)
	if d.Packet == nil {
		return Done{}, Invalid
	}
	return d, Complete
}

// makeRoom gives the oldest datagrams up until n more bytes fit for q, which is nil
// if it is still to be made. It reports whether they do, and q is still there.
func (r *Reassembler) makeRoom(q *queue, n int) bool {
	if q == nil {
		n += queueCost
	}
	for r.bytes+n > r.cfg.High {
		e := r.order.Front()
		if e == nil {
			return false
		}
		oldest := e.Value.(*queue)
		r.drop(oldest)
		if oldest == q {
			return false
		}
	}
	return true
}

// place puts a fragment into its place.
func (q *queue) place(f Piece, end int) Verdict {
	if q.void {
		return Overlap
	}
	if !f.More {
		if q.end >= 0 && q.end != end || len(q.pieces) > 0 && q.pieces[len(q.pieces)-1].end > end {
			return Overlap
		}
	} else if q.end >= 0 && end > q.end {
		return Overlap
	}
	at, found := slices.BinarySearchFunc(q.pieces, f.Off, func(p piece, off int) int { return p.off - off })
	if found {
		if q.pieces[at].end == end {
			return Duplicate
		}
		return Overlap
	}
	if at > 0 && q.pieces[at-1].end > f.Off || at < len(q.pieces) && q.pieces[at].off < end {
		return Overlap
	}
	if !f.More {
		q.end = end
	}
	if f.Off > 0 {
		f.Packet.TrimFront(f.HeaderLen)
	}
	q.pieces = slices.Insert(q.pieces, at, piece{f.Off, end, f.Packet, f.HeaderLen})
	q.have += end - f.Off
	q.max = max(q.max, end-f.Off+f.HeaderLen)
	q.ecn |= 1 << (f.ECN & 3)
	return Held
}

// join makes one packet of all pieces and leaves the queue without any.
func (q *queue) join() Done {
	first := q.pieces[0]
	d := Done{Packet: first.packet, HeaderLen: first.header, Len: q.end, MaxPiece: q.max, ECN: mark(q.ecn)}
	for _, p := range q.pieces[1:] {
		d.Packet.Append(p.packet.Data()...)
		p.packet.Release()
	}
	q.pieces = nil
	if d.Packet.Held() > wasteful*d.Len {
		d.Packet.Pull(d.HeaderLen + d.Len) // small fragments hold much more than they are
	}
	return d
}

// wasteful is how many times its size a datagram may hold.
const wasteful = 4

// mark is the ECN field of a datagram whose fragments had the marks in set.
func mark(set uint8) uint8 {
	const notECT, ect1, ect0, ce = 1 << 0, 1 << 1, 1 << 2, 1 << 3
	switch {
	case set&ce != 0 && set&notECT != 0:
		return ECNBad
	case set&ce != 0:
		return 3
	case set&notECT != 0:
		return 0
	case set&ect0 != 0:
		return 2
	case set&ect1 != 0:
		return 1
	}
	return 0
}

// empty releases what q holds.
func (r *Reassembler) empty(q *queue) {
	for _, p := range q.pieces {
		p.packet.Release()
	}
	r.bytes -= q.bytes - queueCost
	q.pieces, q.bytes, q.have = nil, queueCost, 0
}

func (r *Reassembler) drop(q *queue) {
	r.empty(q)
	r.bytes -= queueCost
	r.order.Remove(q.el)
	delete(r.queues, q.key)
}

// Deadline returns when the oldest datagram is given up; 0 is never.
func (r *Reassembler) Deadline() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.order.Front(); e != nil {
		return e.Value.(*queue).at
	}
	return 0
}

// Tick gives up what is due. It returns the first fragments of datagrams that
// have one, for whom a time exceeded message is to be sent; the caller owns them.
func (r *Reassembler) Tick(now int64) []*buffer.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	var firsts []*buffer.Packet
	for e := r.order.Front(); e != nil; e = r.order.Front() {
		q := e.Value.(*queue)
		if q.at > now {
			break
		}
		if len(q.pieces) > 0 && q.pieces[0].off == 0 {
			firsts = append(firsts, q.pieces[0].packet)
			q.pieces = q.pieces[1:]
		}
		r.drop(q)
	}
	return firsts
}

// SetConfig changes the bounds: of what comes from now on.
func (r *Reassembler) SetConfig(cfg Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg = cfg
}

// Bytes returns what is held.
func (r *Reassembler) Bytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}
