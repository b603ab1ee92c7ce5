package stack

import (
	"io"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/link/virtio"
)

// packetOut is where frames of one send go, and what is said of them.
type packetOut struct {
	nic            *NIC
	to             link.Address
	protocol       uint16
	mark, priority uint32
	meta           *SendMeta
	vnet           int // the length of the header before each frame
	cooked         bool
}

// Send sends a frame, or what is in the ring: ENXIO, ENETDOWN, EMSGSIZE, EINVAL.
func (x *packetSocket) Send(src io.Reader, n int, m *SendMeta) (int, error) {
	x.mu.Lock()
	g := x.txRing
	if g == nil {
		if err := x.takeError(); err != nil {
			x.mu.Unlock()
			return 0, err
		}
	}
	index := x.index
	o := packetOut{protocol: x.protocol, mark: x.mark, priority: x.priority, vnet: x.vnet, meta: m, cooked: x.typ == unix.SOCK_DGRAM}
	x.mu.Unlock()
	if m.To != nil {
		if m.To.Link == nil {
			return 0, unix.EINVAL
		}
		index, o.to, o.protocol = m.To.Scope, m.To.Link.Addr, m.To.Link.Protocol
	}
	if m.HasMark {
		o.mark = m.Mark
	}
	if m.HasPriority {
		o.priority = m.Priority
	}
	if o.nic = x.stack.NIC(index); o.nic == nil || index <= 0 {
		return 0, unix.ENXIO
	}
	if !o.nic.isUp() {
		return 0, unix.ENETDOWN
	}
	if g != nil {
		return x.sendRing(g, &o)
	}
	return x.sendFrame(src, n, &o)
}

// sendFrame sends one frame of n bytes, its header of virtio-net included.
func (x *packetSocket) sendFrame(src io.Reader, n int, o *packetOut) (int, error) {
	whole := n
	var head [mergedVnet]byte
	vnet := head[:o.vnet]
	if o.vnet != 0 {
		if n < o.vnet {
			return 0, unix.EINVAL
		}
		n -= o.vnet
		if err := readFull(src, vnet); err != nil {
			return 0, err
		}
		if err := checkVnet(vnet, n); err != nil {
			return 0, err
		}
	}
	if err := o.checkLength(n, vnet); err != nil {
		return 0, err
	}
	p := x.stack.cfg.Pool.NewPacket()
	if err := copyIn(p, src, n); err != nil {
		p.Release()
		return 0, err
	}
	p, err := o.frame(p, vnet)
	if err != nil {
		return 0, err
	}
	x.askStamp(p, o.meta)
	if err := o.nic.transmitOf([]*buffer.Packet{p}, x); err != nil {
		return 0, err
	}
	return whole, nil
}

// askStamp has a frame tell when it leaves, if its sender asked for that.
func (x *packetSocket) askStamp(p *buffer.Packet, m *SendMeta) {
	x.mu.Lock()
	t := x.stampOf(m)
	x.mu.Unlock()
	if t == nil {
		return
	}
	if x.bypass.Load() {
		t.flags &^= tsTxSched // there is no queue that it comes to
	}
	p.Stamp = t
}

// cutLater reports whether a frame is to be cut, and so may be longer than the link's.
func cutLater(vnet []byte) bool { return len(vnet) != 0 && vnet[1] != 0 }

// checkLength checks the length of a frame: EMSGSIZE, EINVAL.
func (o *packetOut) checkLength(n int, vnet []byte) error {
	size := o.nic.headerSize()
	switch {
	case n > maxPacketFrame, n > o.room()+header.VLANSize && !cutLater(vnet), o.cooked && n > o.room():
		return unix.EMSGSIZE
	case !o.cooked && n < size || n == 0:
		return unix.EINVAL
	}
	return nil
}

// maxPacketFrame bounds the bytes of a frame that is to be cut.
const maxPacketFrame = 64<<10 + header.EthernetSize + header.VLANSize

// room is how long a frame may be, as who sends it has it.
func (o *packetOut) room() int {
	if o.cooked {
		return o.nic.MTU()
	}
	return o.nic.MTU() + o.nic.headerSize()
}

// frame makes a packet the frame that is sent: EMSGSIZE, EINVAL. It takes it over.
func (o *packetOut) frame(p *buffer.Packet, vnet []byte) (*buffer.Packet, error) {
	size, n := o.nic.headerSize(), p.Len()
	fail := func(err error) (*buffer.Packet, error) {
		p.Release()
		return nil, err
	}
	p.Mark, p.Priority = o.mark, o.priority
	switch {
	case o.cooked:
		o.nic.frame([]*buffer.Packet{p}, o.to, header.EtherType(o.protocol))
	case !p.Pull(max(size, 1)):
		return fail(unix.EINVAL)
	case n > o.room() && !cutLater(vnet) && (size == 0 || header.Ethernet(p.Head()).Type() != header.EtherTypeVLAN):
		return fail(unix.EMSGSIZE) // only a tag may come on top
	}
	p.NetOffset = size
	if len(vnet) != 0 {
		if err := o.nic.applyVnet(vnet[:virtio.HeaderSize], p); err != nil {
			return fail(err)
		}
	}
	return p, nil
}
