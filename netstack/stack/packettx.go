package stack

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// A ring of PACKET_TX_RING is memory of frames that the socket's owner fills. A
// status word says what is to become of each:
//
//	tpKernel (TP_STATUS_AVAILABLE)   his, to be filled
//	tpSend                           to be sent with the next send(2), in order
//	tpWrong                          it could not be: send said why
//
// He may write anything there at any time, also while it is sent. So a frame's
// header is copied once, then checked; its bytes are copied once, and whatever they
// are then is what is sent.

// The status words of frames to be sent.
const (
	tpSend  = 1
	tpWrong = 4
)

// txBatch is how many frames are given to a link at once.
const txBatch = 32

// statusAt is where a frame's status stands in it.
func (g *packetRing) statusAt() int {
	if g.version == 2 {
		return 20
	}
	return 0
}

// setStatus gives a frame to its owner.
func (g *packetRing) setStatus(b []byte, v uint32) {
	if g.version == 0 {
		binary.NativeEndian.PutUint32(b[4:], 0) // the status is a long
	}
	status(b, g.statusAt()).Store(v)
}

// txFrame is what the header of a frame says.
type txFrame struct{ next, length, mac, net int }

// readTx reads the header of a frame.
func (g *packetRing) readTx(b []byte) txFrame {
	var h [48]byte
	copy(h[:], b[:ringHeaderSize(g.version)])
	ne := binary.NativeEndian
	word := func(at int) int { return int(ne.Uint32(h[at:])) }
	half := func(at int) int { return int(ne.Uint16(h[at:])) }
	switch g.version {
	case 0:
		return txFrame{0, word(8), half(16), half(18)}
	case 1:
		return txFrame{0, word(4), half(12), half(14)}
	}
	return txFrame{word(0), word(16), half(24), half(26)}
}

// data is the bytes of a frame, which are the owner's to change: EINVAL, EMSGSIZE.
func (g *packetRing) data(b []byte, f txFrame, o *packetOut, hasOffset bool) ([]byte, error) {
	least := ringHeaderSize(g.version)
	most := g.r.FrameSize - least
	if o.vnet == 0 {
		most = min(most, o.nic.MTU()+o.nic.headerSize()+4)
		if o.cooked {
			most = min(most, o.nic.MTU()+4)
		}
	}
	switch {
	case f.next != 0:
		return nil, unix.EINVAL
	case f.length > most:
		return nil, unix.EMSGSIZE
	}
	at := least
	if hasOffset {
		if at = f.mac; o.cooked {
			at = f.net
		}
		if at < least || at > g.r.FrameSize-f.length {
			return nil, unix.EINVAL
		}
	}
	return b[at : at+f.length], nil
}

// sendRing sends the frames that are ready, in order, each once at most. It returns
// their bytes, or why one could not be sent.
func (x *packetSocket) sendRing(g *packetRing, o *packetOut) (int, error) {
	g.sending.Lock()
	defer g.sending.Unlock()
	x.mu.Lock()
	loss, hasOffset, gone := x.loss, x.txHasOff, x.txRing != g
	x.mu.Unlock()
	if gone {
		return 0, unix.EBUSY
	}
	sum := 0
	ps, frames := make([]*buffer.Packet, 0, txBatch), make([][]byte, 0, txBatch)
	flush := func() error {
		if len(ps) == 0 {
			return nil
		}
		err := o.nic.transmitOf(ps, x)
		for _, b := range frames {
			g.setStatus(b, tpKernel)
		}
		ps, frames = ps[:0], frames[:0]
		return err
	}
	for range g.r.Frames {
		b := g.frame(g.head)
		if status(b, g.statusAt()).Load() != tpSend {
			break
		}
		p, n, err := x.takeTx(g, b, o, hasOffset)
		if err != nil {
			if !loss {
				if e := flush(); e != nil {
					err = e
				}
				g.setStatus(b, tpWrong)
				return 0, err
			}
			// Before it stand frames that are on their way; their places are given back first.
			if e := flush(); e != nil {
				return 0, e
			}
			g.setStatus(b, tpKernel)
			g.head = (g.head + 1) % g.r.Frames
			continue
		}
		x.askStamp(p, o.meta)
		g.head = (g.head + 1) % g.r.Frames
		sum += n
		if ps, frames = append(ps, p), append(frames, b); len(ps) == txBatch {
			if err := flush(); err != nil {
				return 0, err
			}
		}
	}
	if err := flush(); err != nil {
		return 0, err
	}
	return sum, nil
}

// takeTx copies a frame out of the ring, and returns it and its length.
func (x *packetSocket) takeTx(g *packetRing, b []byte, o *packetOut, hasOffset bool) (*buffer.Packet, int, error) {
	data, err := g.data(b, g.readTx(b), o, hasOffset)
	if err != nil {
		return nil, 0, err
	}
	var head [mergedVnet]byte
	vnet := head[:o.vnet]
	if o.vnet != 0 {
		if copy(vnet, data) < o.vnet {
			return nil, 0, unix.EINVAL
		}
		data = data[o.vnet:]
		if err := checkVnet(vnet, len(data)); err != nil {
			return nil, 0, err
		}
	}
	n := len(data)
	if err := o.checkLength(n, vnet); err != nil {
		return nil, 0, err
	}
	p := x.stack.cfg.Pool.NewPacket()
	if to := p.Extend(n); to != nil {
		copy(to, data)
	} else {
		c := p.Pool().Get(n)
		copy(c.Bytes(), data)
		p.Append(buffer.NewView(c, 0, n))
	}
	p, err = o.frame(p, vnet)
	return p, n, err
}
