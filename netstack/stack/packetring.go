package stack

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
)

// A ring of PACKET_RX_RING is memory that the socket's owner maps: frames of one
// size (versions 1 and 2), or blocks that hold as many as fit (version 3). A
// status word says whose each of them is. Whoever has it mapped may write
// anything there at any time; of it nothing is read but status words, and nothing
// follows from those but where the next frame goes.

// RingRequest is struct tpacket_req3.
type RingRequest struct {
	BlockSize, Blocks, FrameSize, Frames int
	// Of version 3: the milliseconds after which a block is handed over though it
	// is not full, and the bytes of each block that are the owner's own.
	Retire, Private int
}

// Ringer is a packet socket that can have rings, one each way.
type Ringer interface {
	// ParseRing checks a request for the ring of what arrives, or of what is sent:
	// EINVAL, EBUSY, ENOMEM.
	ParseRing(b []byte, tx bool) (RingRequest, error)
	// SetRing gives the socket that ring: Blocks slices of BlockSize bytes each,
	// aligned to pages and zero. None ends it: when it returns, nothing of the
	// ring is touched any more.
	SetRing(r RingRequest, blocks [][]byte, tx bool) error
}

// maxRing bounds the bytes of a ring.
const maxRing = 256 << 20

// The bits of a status word: TP_STATUS_*.
const (
	tpKernel     = 0
	tpUser       = 1
	tpCopy       = 2
	tpLosing     = 4
	tpNotReady   = 8 // the checksum is not computed yet
	tpBlockTimer = 32
	tpValid      = 128 // the checksum was verified
	tpSoftware   = 1 << 29
)

// Sizes of the structures.
const (
	sizeofLL        = 20
	tpAlign         = 16
	blockHeaderSize = 48
	minRetire       = 8 // milliseconds, for who does not say
)

// ringHeaderSize is the size of a frame's header: PACKET_HDRLEN.
func ringHeaderSize(version int) int {
	if version == 2 {
		return 48
	}
	return 32
}

// ringHeadLen is TPACKET_HDRLEN: the header and the address after it.
func ringHeadLen(version int) int { return ringHeaderSize(version) + sizeofLL }

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }

// packetRing is a ring. The socket's lock guards it; that of one for what is sent is
// sending.
type packetRing struct {
	r       RingRequest
	version int
	reserve int
	vnet    int // as the socket's
	blocks  [][]byte
	head    int // the next frame, or the block that is filled
	sending sync.Mutex
	lost    bool // a frame was lost since the last one that was not

	// Of version 3.
	open      bool // the block at head is being filled
	frozen    bool
	off, last int // in it: where the next frame goes, where the last one is
	count     uint32
	seq       uint64
	freezes   uint32
	timer     timer
}

// ParseRing checks a request by the version that was set.
func (x *packetSocket) ParseRing(b []byte, tx bool) (RingRequest, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	want := 16
	if x.version == 2 {
		want = 28
	}
	if len(b) < want {
		return RingRequest{}, unix.EINVAL
	}
	word := func(i int) int { return int(binary.NativeEndian.Uint32(b[i*4:])) }
	r := RingRequest{BlockSize: word(0), Blocks: word(1), FrameSize: word(2), Frames: word(3)}
	if x.version == 2 {
		r.Retire, r.Private = word(4), word(5)
	}
	if r.Blocks == 0 {
		if r.Frames != 0 {
			return r, unix.EINVAL
		}
		return r, nil
	}
	page := unix.Getpagesize()
	switch {
	case *x.ringOf(tx) != nil:
		return r, unix.EBUSY
	case r.BlockSize <= 0 || r.BlockSize%page != 0 || r.BlockSize > 1<<30,
		r.FrameSize < ringHeadLen(x.version)+x.reserve || r.FrameSize%tpAlign != 0,
		r.BlockSize/r.FrameSize == 0 || r.BlockSize/r.FrameSize*r.Blocks != r.Frames,
		x.version == 2 && (r.Private > r.BlockSize || blockHeaderSize+align(r.Private, 8)+ringHeadLen(2)+x.reserve >= r.BlockSize):
		return r, unix.EINVAL
	case r.Blocks > maxRing/r.BlockSize:
		return r, unix.ENOMEM
	case x.version == 2 && tx && (r.Retire != 0 || r.Private != 0 || word(6) != 0):
		return r, unix.EINVAL // what is sent has no blocks
	}
	return r, nil
}

// ringOf is where the ring of one way is kept.
func (x *packetSocket) ringOf(tx bool) **packetRing {
	if tx {
		return &x.txRing
	}
	return &x.ring
}

// hasRing reports whether there is a ring either way. The caller holds the lock.
func (x *packetSocket) hasRing() bool { return x.ring != nil || x.txRing != nil }

// SetRing gives the socket its ring, or takes it away.
func (x *packetSocket) SetRing(r RingRequest, blocks [][]byte, tx bool) error {
	x.mu.Lock()
	at := x.ringOf(tx)
	if old := *at; len(blocks) == 0 {
		*at = nil
		x.mu.Unlock()
		if old != nil {
			old.timer.drop()
			old.sending.Lock() // who sends from it is done then
			//lint:ignore SA2001 nothing is to be done with it
			old.sending.Unlock()
		}
		return nil
	}
	defer x.mu.Unlock()
	if x.closed || *at != nil || len(blocks) != r.Blocks {
		return unix.EBUSY
	}
	g := &packetRing{r: r, version: x.version, reserve: x.reserve, vnet: x.vnet, blocks: blocks}
	g.timer.init(&x.stack.timers, func() { x.retire(g) })
	*at = g
	if !tx {
		x.queue.Clear()
	}
	return nil
}

// status is the status word at a place of a block.
func status(b []byte, at int) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&b[at])) }

// frame is frame i of versions 1 and 2.
func (g *packetRing) frame(i int) []byte {
	per := g.r.BlockSize / g.r.FrameSize
	at := i % per * g.r.FrameSize
	return g.blocks[i/per][at : at+g.r.FrameSize]
}

// blockStatusAt is where the status of a block stands in it.
const blockStatusAt = 8

// filled reports whether there is something to be read: whether the place before
// the next one is the owner's.
func (g *packetRing) filled() bool {
	if g.version == 2 {
		b := g.blocks[(g.head+len(g.blocks)-1)%len(g.blocks)]
		return status(b, blockStatusAt).Load()&tpUser != 0
	}
	return status(g.frame((g.head+g.r.Frames-1)%g.r.Frames), 0).Load()&tpUser != 0
}

// room says how much room there is: a quarter of the ring is how far is looked.
func (g *packetRing) room() int {
	free := func(ahead int) bool {
		if g.version == 2 {
			b := g.blocks[(g.head+ahead)%len(g.blocks)]
			return g.open && ahead == 0 || status(b, blockStatusAt).Load() == tpKernel
		}
		return status(g.frame((g.head+ahead)%g.r.Frames), 0).Load() == tpKernel
	}
	n := len(g.blocks)
	if g.version != 2 {
		n = g.r.Frames
	}
	switch {
	case free(n / 4):
		return roomNormal
	case free(0):
		return roomLow
	}
	return roomNone
}

// intoRing puts a frame into the ring. It owns the packet.
func (x *packetSocket) intoRing(n *NIC, c *buffer.Packet, info *dgram.LinkInfo) {
	x.mu.Lock()
	g := x.ring
	if g == nil || x.closed {
		x.mu.Unlock()
		c.Release()
		return
	}
	x.packets++
	f := ringFrame{c: c, info: info, nic: n.index, bits: tpUser | tpSoftware}
	switch c.Checksum {
	case buffer.ChecksumPartial:
		f.bits |= tpNotReady
	case buffer.ChecksumValid:
		f.bits |= tpValid
	}
	if g.lost {
		f.bits |= tpLosing
	}
	f.place(g.version, g.reserve, g.vnet, x.typ == unix.SOCK_DGRAM)
	var put, ready bool
	if g.version == 2 {
		put, ready = g.putBlock(&f, x.stack.now())
	} else {
		put = g.putFrame(&f)
		ready = put
	}
	if g.lost = !put; !put {
		x.drops++
	}
	x.mu.Unlock()
	c.Release()
	if ready {
		x.wake(readable)
	}
}

// ringFrame is a frame on its way into a ring.
type ringFrame struct {
	c        *buffer.Packet
	info     *dgram.LinkInfo
	nic      int
	bits     uint32
	mac, net int // where its bytes and its network's header go
	vnet     int // the length of the header before its bytes
}

// place finds where the bytes go, counted from the frame's header.
func (f *ringFrame) place(version, reserve, vnet int, cooked bool) {
	f.vnet = vnet
	if cooked {
		f.net = align(ringHeadLen(version), tpAlign) + 16 + reserve
		f.mac = f.net
		return
	}
	f.net = align(ringHeadLen(version)+max(16, f.info.NetOff), tpAlign) + reserve + vnet
	f.mac = f.net - f.info.NetOff
}

// address writes the sockaddr_ll.
func (f *ringFrame) address(b []byte) {
	binary.NativeEndian.PutUint16(b, unix.AF_PACKET)
	binary.BigEndian.PutUint16(b[2:], f.info.Protocol)
	binary.NativeEndian.PutUint32(b[4:], uint32(f.nic))
	binary.NativeEndian.PutUint16(b[8:], f.info.HWType)
	b[10], b[11] = f.info.Type, f.info.AddrLen
	clear(b[12:20])
	copy(b[12:18], f.info.Addr[:])
}

// putFrame fills the next frame of versions 1 and 2, if it is ours.
func (g *packetRing) putFrame(f *ringFrame) bool {
	b := g.frame(g.head)
	st := status(b, 0)
	if st.Load() != tpKernel || f.mac >= len(b) {
		return false
	}
	g.head = (g.head + 1) % g.r.Frames
	n := f.c.CopyTo(b[f.mac:], 0)
	putVnet(b[f.mac-f.vnet:f.mac], f.c)
	ne, at := binary.NativeEndian, 4
	if g.version == 0 {
		at = 8 // the status is a long
		ne.PutUint32(b[4:], 0)
	}
	t := f.c.Received
	fraction := uint32(t.Nanosecond())
	if g.version == 0 {
		fraction /= 1000
	}
	ne.PutUint32(b[at:], uint32(f.info.Wire))
	ne.PutUint32(b[at+4:], uint32(n))
	ne.PutUint16(b[at+8:], uint16(f.mac))
	ne.PutUint16(b[at+10:], uint16(f.net))
	ne.PutUint32(b[at+12:], uint32(t.Unix()))
	ne.PutUint32(b[at+16:], fraction)
	if g.version == 1 {
		clear(b[24:32]) // no VLAN
	}
	f.address(b[align(ringHeaderSize(g.version), tpAlign):])
	st.Store(f.bits)
	return true
}

// putBlock adds a frame to the block that is filled, and begins another one if it
// does not fit. ready says that a block was handed over.
func (g *packetRing) putBlock(f *ringFrame, now int64) (put, ready bool) {
	first := blockHeaderSize + align(g.r.Private, 8)
	size := f.mac + min(f.c.Len(), g.r.BlockSize-first-f.mac)
	if size <= f.mac {
		return false, false
	}
	if g.open && g.off+size > g.r.BlockSize {
		g.hand(0)
		ready = true
	}
	b := g.blocks[g.head]
	if !g.open {
		if status(b, blockStatusAt).Load() != tpKernel {
			if !g.frozen {
				g.frozen = true
				g.freezes++
			}
			return false, ready
		}
		g.frozen, g.open, g.off, g.last, g.count = false, true, first, 0, 0
		retire := int64(g.r.Retire)
		if retire == 0 {
			retire = minRetire
		}
		g.timer.set(now + retire*1e6)
	}
	ne := binary.NativeEndian
	h := b[g.off : g.off+size]
	t := f.c.Received
	n := f.c.CopyTo(h[f.mac:], 0)
	putVnet(h[f.mac-f.vnet:f.mac], f.c)
	clear(h[:ringHeaderSize(2)])
	ne.PutUint32(h[4:], uint32(t.Unix()))
	ne.PutUint32(h[8:], uint32(t.Nanosecond()))
	ne.PutUint32(h[12:], uint32(n))
	ne.PutUint32(h[16:], uint32(f.info.Wire))
	ne.PutUint32(h[20:], f.bits)
	ne.PutUint16(h[24:], uint16(f.mac))
	ne.PutUint16(h[26:], uint16(f.net))
	f.address(h[ringHeaderSize(2):])
	if g.count == 0 {
		ne.PutUint32(b[32:], uint32(t.Unix()))
		ne.PutUint32(b[36:], uint32(t.Nanosecond()))
	} else {
		ne.PutUint32(b[g.last:], uint32(g.off-g.last))
	}
	ne.PutUint32(b[40:], uint32(t.Unix()))
	ne.PutUint32(b[44:], uint32(t.Nanosecond()))
	g.last, g.off, g.count = g.off, min(align(g.off+size, 8), g.r.BlockSize), g.count+1
	return true, ready
}

// hand gives the block that is filled to the owner.
func (g *packetRing) hand(bits uint32) {
	b, ne := g.blocks[g.head], binary.NativeEndian
	ne.PutUint32(b, 3) // the version
	ne.PutUint32(b[4:], blockHeaderSize)
	ne.PutUint32(b[12:], g.count)
	ne.PutUint32(b[16:], uint32(blockHeaderSize+align(g.r.Private, 8)))
	ne.PutUint32(b[20:], uint32(g.off))
	g.seq++
	ne.PutUint64(b[24:], g.seq)
	status(b, blockStatusAt).Store(tpUser | bits)
	g.open = false
	g.head = (g.head + 1) % len(g.blocks)
	g.timer.stop()
}

// retire hands over a block whose time is up.
func (x *packetSocket) retire(g *packetRing) {
	x.mu.Lock()
	ready := x.ring == g && g.open && g.count > 0
	if ready {
		g.hand(tpBlockTimer)
	}
	x.mu.Unlock()
	if ready {
		x.wake(readable)
	}
}
