package vnet

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/link/virtio"
)

// maxBatch is how many messages one call moves, and maxPieces how many pieces of
// memory they are made of.
const (
	maxBatch  = 64
	maxPieces = 1024 // of one message: UIO_MAXIOV
)

// batch is the memory for one call of sendmmsg.
type batch struct {
	msgs  [maxBatch]mmsghdr
	heads [maxBatch][virtio.HeaderSize]byte
	iov   []unix.Iovec
	n     int // how many messages were filled
}

// batches is a pool of batch.
type batches struct{ pool sync.Pool }

func (b *batches) get() *batch {
	if x, ok := b.pool.Get().(*batch); ok {
		return x
	}
	return &batch{iov: make([]unix.Iovec, 0, 4*maxBatch)}
}

// put takes a batch back, without what it points to.
func (b *batches) put(x *batch) {
	clear(x.iov)
	clear(x.msgs[:x.n])
	x.iov, x.n = x.iov[:0], 0
	b.pool.Put(x)
}

// fill makes messages of up to maxBatch packets and returns how many.
func (x *batch) fill(ps []*buffer.Packet) int {
	n := min(len(ps), maxBatch)
	pieces := 0
	for _, p := range ps[:n] {
		pieces += 2 + len(p.Payload())
	}
	if cap(x.iov) < pieces { // before the messages point into it
		x.iov = make([]unix.Iovec, 0, pieces)
	}
	x.n = n
	for i, p := range ps[:n] {
		start := len(x.iov)
		virtio.Encode(x.heads[i][:], p)
		x.piece(x.heads[i][:])
		x.piece(p.Head())
		for _, v := range p.Payload() {
			x.piece(v.Bytes())
		}
		m := &x.msgs[i]
		m.Iov = &x.iov[start]
		m.SetIovlen(len(x.iov) - start)
	}
	return n
}

func (x *batch) piece(b []byte) {
	if len(b) == 0 {
		return
	}
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	x.iov = append(x.iov, v)
}
