package buffer

import "time"

// Headroom is the room before the payload of a packet that is sent, in bytes:
// virtio-net, Ethernet with a VLAN tag, IPv6 with an extension header or IPv4
// with options, TCP with options.
const Headroom = 12 + 18 + 80 + 60

// Checksum says what is known of a packet's transport checksum.
type Checksum uint8

const (
	ChecksumUnknown Checksum = iota // to be verified by software; when sending, it is there
	ChecksumValid                   // the link verified it, or the packet never left the machine
	ChecksumPartial                 // only the pseudo header is in; the link fills in the rest
)

// GSO is how a packet larger than the MTU is to be cut, or was put together.
type GSO struct {
	Size uint16 // payload bytes of each segment; 0 is a packet as any other
	Type GSOType
}

// GSOType is the protocol of a GSO packet.
type GSOType uint8

const (
	GSONone GSOType = iota
	GSOTCP4
	GSOTCP6
	GSOUDP
)

// Packet is one packet: headers, which are contiguous, and the views of the
// payload after them. It has one owner at a time; Clone makes another packet
// of the same bytes.
type Packet struct {
	pool    *Pool
	head    View   // the headers, at the end of the headroom when sending
	payload []View // what follows

	Received time.Time // when the link read it; zero if it was not asked to say
	Checksum Checksum
	GSO      GSO
	// NetOffset and TransportOffset are where the network's and transport's
	// headers start in what arrived, counted from the link's header. Layers
	// set them as they go, for packet sockets and for errors that quote.
	NetOffset, TransportOffset int
	// ChecksumStart and ChecksumOffset are those of ChecksumPartial, counted
	// from the link's header as virtio-net has it.
	ChecksumStart, ChecksumOffset uint16

	// Mark and Priority are SO_MARK and SO_PRIORITY of the sender, or what a
	// filter said. Track is a connection tracker's own.
	Mark, Priority uint32
	Track          any
	// Copies counts how often a rule of a filter sent it elsewhere.
	Copies uint8
	// Routed says that the stack itself sent it: where it comes in again in the same
	// namespace nobody asks about its addresses.
	Routed bool
	// Stamp is whoever wants to know when the packet leaves; a clone has none.
	Stamp any

	trimmed int     // bytes that TrimFront took: what Whole gives back
	few     [3]View // what payload is in, as long as it fits
}

// NewPacket returns a packet to be sent, with Headroom and no bytes. It takes
// over the references of payload, not the slice.
func (p *Pool) NewPacket(payload ...View) *Packet {
	c := p.packet()
	c.head = View{p.Get(Headroom), Headroom, Headroom}
	c.payload = append(c.payload, payload...)
	return c
}

// Received returns a packet whose bytes are v, which it takes over.
func (p *Pool) Received(v View) *Packet {
	c := p.packet()
	c.head = v
	return c
}

// packet returns a packet without bytes, of those that were released if there is one.
func (p *Pool) packet() *Packet {
	c, ok := p.packets.Get().(*Packet)
	if !ok {
		c = &Packet{}
	}
	c.pool = p
	c.payload = c.few[:0]
	return c
}

// Pool returns where the packet's memory comes from.
func (p *Packet) Pool() *Pool { return p.pool }

// Prepend makes room for n more bytes before the packet's and returns them, to
// be overwritten whole. More than the headroom is a bug of the caller's.
func (p *Packet) Prepend(n int) []byte {
	if p.head.c.shared() || n > p.head.off {
		p.rehead(n)
	}
	p.head.off -= n
	p.trimmed = max(0, p.trimmed-n)
	return p.head.c.b[p.head.off : p.head.off+n]
}

// rehead moves the headers into a chunk of their own, with room for n bytes.
func (p *Packet) rehead(n int) {
	at := Headroom + n
	c := p.pool.Get(at + p.head.Len())
	end := at + copy(c.b[at:], p.head.Bytes())
	p.head.Release()
	p.head, p.trimmed = View{c, at, end}, 0
}

// Extend makes room for n more bytes at the end of a packet without payload views
// and returns them, to be overwritten whole; nil if its chunk has not so many.
func (p *Packet) Extend(n int) []byte {
	if len(p.payload) > 0 || p.head.c == nil || p.head.c.shared() || p.head.end+n > len(p.head.c.b) {
		return nil
	}
	p.head.end += n
	return p.head.c.b[p.head.end-n : p.head.end]
}

// Head is the contiguous beginning: all of a received packet, the headers of
// one that is sent. Read-only but for what Prepend returned.
func (p *Packet) Head() []byte { return p.head.Bytes() }

// Payload is what follows Head. The views stay the packet's.
func (p *Packet) Payload() []View { return p.payload }

// Append adds views after the packet's bytes. It takes over their references.
func (p *Packet) Append(vs ...View) { p.payload = append(p.payload, vs...) }

// AppendFrom has f append views to the packet's, with their references.
func (p *Packet) AppendFrom(f func([]View) []View) { p.payload = f(p.payload) }

// Len is the length of the whole packet in bytes.
func (p *Packet) Len() int {
	n := p.head.Len()
	for _, v := range p.payload {
		n += v.Len()
	}
	return n
}

// Held is the size of the chunks that the packet keeps from their pool: what it
// costs. One that two of its views share counts twice.
func (p *Packet) Held() int {
	n := p.head.Held()
	for _, v := range p.payload {
		n += v.Held()
	}
	return n
}

// TrimFront takes n bytes from the front of Head, as each layer does with its
// header.
func (p *Packet) TrimFront(n int) {
	p.head = p.head.Trim(n)
	p.trimmed += n
}

// Trimmed is how many bytes Restore can give back.
func (p *Packet) Trimmed() int { return p.trimmed }

// Restore undoes the last n bytes that TrimFront took.
func (p *Packet) Restore(n int) {
	if n > p.trimmed {
		panic("buffer: more was restored than was trimmed")
	}
	p.head.off -= n
	p.trimmed -= n
}

// Truncate keeps the first n bytes of the packet.
func (p *Packet) Truncate(n int) {
	if n < p.head.Len() {
		p.head.end = p.head.off + n
		n = 0
	} else {
		n -= p.head.Len()
	}
	for i, v := range p.payload {
		if n >= v.Len() {
			n -= v.Len()
			continue
		}
		p.payload[i].end = v.off + n
		n = 0
	}
}

// Pull makes the first n bytes contiguous in Head, copying if it must. It
// reports whether there are so many.
func (p *Packet) Pull(n int) bool {
	if p.head.Len() >= n {
		return true
	}
	kept := p.trimmed // what was trimmed stays before it, for Restore
	if p.Len() < n || kept+n > LargeChunk {
		return false
	}
	c := p.pool.Get(kept + n)
	end := kept
	if p.head.c != nil {
		end = copy(c.b, p.head.c.b[p.head.off-kept:p.head.end])
	}
	rest := p.payload[:0]
	for _, v := range p.payload {
		k := min(kept+n-end, v.Len())
		end += copy(c.b[end:], v.Bytes()[:k])
		if v = v.Trim(k); v.Len() == 0 {
			v.Release()
		} else {
			rest = append(rest, v)
		}
	}
	p.head.Release()
	p.head, p.payload = View{c, kept, end}, rest
	return true
}

// Data returns views of all that is left, each with a reference of its own: what
// a socket keeps of a packet that arrived.
func (p *Packet) Data() []View {
	var vs []View
	if p.head.Len() > 0 {
		vs = append(vs, p.head.Sub(0, p.head.Len()))
	}
	for _, v := range p.payload {
		if v.Len() > 0 {
			vs = append(vs, v.Sub(0, v.Len()))
		}
	}
	return vs
}

// Range returns views of the bytes from and up to, each with a reference of its own.
func (p *Packet) Range(from, to int) []View { return p.AppendRange(nil, from, to) }

// AppendRange is Range that appends to vs.
func (p *Packet) AppendRange(vs []View, from, to int) []View {
	if n := p.head.Len(); from < n && to > 0 {
		vs = append(vs, p.head.Sub(max(from, 0), min(to, n)))
	}
	at := p.head.Len()
	for _, v := range p.payload {
		n := v.Len()
		if lo, hi := max(from-at, 0), min(to-at, n); lo < hi {
			vs = append(vs, v.Sub(lo, hi))
		}
		at += n
	}
	return vs
}

// CopyTo copies the packet from byte off on into b and returns how many bytes
// it were.
func (p *Packet) CopyTo(b []byte, off int) int {
	n := 0
	add := func(part []byte) {
		if off >= len(part) {
			off -= len(part)
			return
		}
		n += copy(b[n:], part[off:])
		off = 0
	}
	add(p.Head())
	for _, v := range p.payload {
		add(v.Bytes())
	}
	return n
}

// Clone returns another packet of the same bytes.
func (p *Packet) Clone() *Packet {
	c := p.pool.packet()
	few := c.payload
	*c = *p
	c.Stamp = nil
	c.head = p.head.Sub(0, p.head.Len())
	c.payload = few
	for _, v := range p.payload {
		c.payload = append(c.payload, v.Sub(0, v.Len()))
	}
	return c
}

// Own makes the first n bytes of the packet, which are contiguous then, writable:
// it moves them into a chunk of their own if somebody else holds it. It reports
// whether there are so many.
func (p *Packet) Own(n int) bool {
	if !p.Pull(n) {
		return false
	}
	if p.head.c == nil || !p.head.c.shared() {
		return true
	}
	kept := p.trimmed
	whole := p.head.c.b[p.head.off-kept : p.head.end]
	at := Headroom
	if len(whole) > LargeChunk-Headroom {
		at = 0
	}
	c := p.pool.Get(at + len(whole))
	end := at + copy(c.b[at:], whole)
	p.head.Release()
	p.head = View{c, at + kept, end}
	return true
}

// Compact copies a small packet out of large chunks, so that who keeps it for a
// while does not keep them. What TrimFront took is forgotten then.
func (p *Packet) Compact() {
	n := p.Len()
	if n+Headroom > SmallChunk || p.Held() <= SmallChunk {
		return
	}
	c := p.pool.Get(SmallChunk)
	p.CopyTo(c.b[Headroom:Headroom+n], 0)
	p.head.Release()
	for _, v := range p.payload {
		v.Release()
	}
	p.head, p.payload, p.trimmed = View{c, Headroom, Headroom + n}, p.few[:0], 0
}

// Release gives the packet's memory back. The packet must not be used again.
func (p *Packet) Release() {
	if p.pool == nil {
		panic("buffer: a packet was released twice")
	}
	p.head.Release()
	for _, v := range p.payload {
		v.Release()
	}
	pool := p.pool
	*p = Packet{}
	pool.packets.Put(p)
}
