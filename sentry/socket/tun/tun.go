// Package tun has /dev/net/tun, the character device by which a program is the
// other end of a link: what it writes arrives at an interface, and what the
// interface sends it reads (Documentation/networking/tuntap.rst).
//
//   - It owns the open file: what a packet has before it, and the ioctls.
//   - Queues, and what they may hold, are netstack/link/tun's; interfaces are
//     netstack/stack's.
//   - A file is of the network namespace of who opened it, which it holds on to.
package tun

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link/tun"
	"hull/netstack/link/virtio"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// The number of the device (Documentation/admin-guide/devices.txt).
const (
	Major = 10
	Minor = 200
)

// Driver opens the device.
type Driver struct{}

// inNet is a task that has a network namespace, and stacked what a namespace with
// a stack has.
type (
	inNet   interface{ NetNS() *socket.NetNS }
	stacked interface{ Stack() *stack.Stack }
)

// Open implements vfs.Driver: ENXIO where there is no network.
func (Driver) Open(t current.Task, _ *vfs.File) (vfs.FileImpl, error) {
	x, ok := t.(inNet)
	if !ok {
		return nil, unix.ENXIO
	}
	ns := x.NetNS()
	s, ok := ns.Control.(stacked)
	if !ok {
		return nil, unix.ENXIO
	}
	ns.IncRef()
	f := &file{ns: ns, stack: s.Stack()}
	f.vnet.Store(virtio.HeaderSize)
	f.sndBuf.Store(maxInt)
	return f, nil
}

const maxInt = 1<<31 - 1

// file is an open one: of no device until TUNSETIFF.
type file struct {
	ns     *socket.NetNS // immutable
	stack  *stack.Stack  // immutable
	events wait.Queue

	setting atomic.Bool               // TUNSETIFF is under way
	queue   atomic.Pointer[tun.Queue] // nil before; set once
	index   atomic.Int32              // TUNSETIFINDEX
	vnet    atomic.Int32              // the length of the header of virtio-net
	sndBuf  atomic.Int32              // kept: what is written arrives at once
	noRoom  atomic.Bool               // somebody was told that it takes nothing
}

var _ vfs.FileImpl = (*file)(nil)

// errBadFD is EBADFD: the file is of no device, or of one that is gone.
const errBadFD = unix.EBADFD

// device returns the file's device, or EBADFD.
func (f *file) device() (*tun.Device, *tun.Queue, error) {
	q := f.queue.Load()
	if q == nil {
		return nil, nil, errBadFD
	}
	d := q.Device()
	if d == nil {
		return nil, nil, errBadFD
	}
	return d, q, nil
}

// nic is the interface of a device, which may be in another namespace by now; nil
// while it goes there.
func nic(d *tun.Device) *stack.NIC {
	n, _ := d.Interface().(*stack.NIC)
	return n
}

// piSize is the length of struct tun_pi: flags, and the protocol of Ethernet.
const piSize = 4

// pktStrip is TUN_PKT_STRIP: the reader's buffer was too small.
const pktStrip = 1

// Read implements vfs.FileImpl: one packet, of which what does not fit is lost.
func (f *file) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	d, q, err := f.device()
	if err != nil {
		return 0, err
	}
	p := q.Take()
	if p == nil {
		return 0, unix.EAGAIN
	}
	defer p.Release()
	flags, room := d.Info().Flags, int(dst.Len())
	var head []byte
	if flags&unix.IFF_NO_PI == 0 {
		if room < piSize {
			return 0, unix.EINVAL
		}
		head = append(head, 0, 0, 0, 0)
		if piSize+p.Len() > room {
			binary.NativeEndian.PutUint16(head, pktStrip)
		}
		binary.BigEndian.PutUint16(head[2:], protocol(p, d.Tap()))
	}
	if flags&unix.IFF_VNET_HDR != 0 {
		size := int(f.vnet.Load())
		if room-len(head) < size {
			return 0, unix.EINVAL
		}
		h := make([]byte, size)
		virtio.Encode(h, p)
		head = append(head, h...)
	}
	if _, err := dst.CopyOut(head); err != nil {
		return 0, err
	}
	n := min(p.Len(), room-len(head))
	left := n
	put := func(b []byte) error {
		b = b[:min(len(b), left)]
		left -= len(b)
		if len(b) == 0 {
			return nil
		}
		_, err := dst.CopyOut(b)
		return err
	}
	err = put(p.Head())
	for _, v := range p.Payload() {
		if err == nil {
			err = put(v.Bytes())
		}
	}
	if err != nil {
		return 0, err
	}
	return int64(len(head) + n), nil
}

// protocol is the Ethernet type of a frame.
func protocol(p *buffer.Packet, tap bool) uint16 {
	var b [header.EthernetSize]byte
	n := p.CopyTo(b[:], 0)
	switch {
	case tap && n == header.EthernetSize:
		return uint16(header.Ethernet(b[:]).Type())
	case !tap && n > 0 && b[0]>>4 == 6:
		return unix.ETH_P_IPV6
	case !tap && n > 0:
		return unix.ETH_P_IP
	}
	return 0
}

// maxFrame bounds what is written, headers of the device aside.
const maxFrame = 64<<10 + header.EthernetSize + header.VLANSize

// Write implements vfs.FileImpl: one packet.
func (f *file) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	d, _, err := f.device()
	if err != nil {
		return 0, off, err
	}
	whole := src.Len()
	if err := f.inject(d, src); err != nil {
		return 0, off, err
	}
	return int64(whole), off, nil
}

// inject has what src says arrive: EINVAL, EMSGSIZE, EIO while the interface is down.
func (f *file) inject(d *tun.Device, src usermem.Buffer) error {
	flags := d.Info().Flags
	var pi [piSize]byte
	if flags&unix.IFF_NO_PI == 0 {
		if src.Len() < piSize {
			return unix.EINVAL
		}
		if _, err := src.CopyIn(pi[:]); err != nil {
			return err
		}
	}
	var vnet []byte
	if flags&unix.IFF_VNET_HDR != 0 {
		if vnet = make([]byte, f.vnet.Load()); src.Len() < uint64(len(vnet)) {
			return unix.EINVAL
		}
		if _, err := src.CopyIn(vnet); err != nil {
			return err
		}
	}
	if src.Len() > maxFrame {
		return unix.EMSGSIZE
	}
	n := int(src.Len())
	if d.Tap() && n < header.EthernetSize {
		return unix.EINVAL
	}
	if n == 0 {
		if flags&unix.IFF_NO_PI == 0 {
			return nil // a packet of nothing: it goes nowhere
		}
		return unix.EINVAL
	}
	to := nic(d)
	if to == nil {
		return unix.EIO
	}
	p, err := to.NewFrame(vnet, n, func(b []byte) error {
		_, err := src.CopyIn(b)
		return err
	})
	if err != nil {
		return err
	}
	if !d.Tap() {
		version := p.Head()[0] >> 4
		if version != 4 && version != 6 {
			p.Release()
			if flags&unix.IFF_NO_PI != 0 {
				return unix.EINVAL
			}
			return nil // nobody speaks what it says it is
		}
		if flags&unix.IFF_NO_PI == 0 && binary.BigEndian.Uint16(pi[2:]) != protocol(p, false) {
			p.Release()
			return nil
		}
	}
	if to.Info().Flags&unix.IFF_UP == 0 {
		p.Release()
		return unix.EIO
	}
	d.Inject(p)
	return nil
}

// Readiness implements wait.Waitable.
func (f *file) Readiness(m wait.Mask) wait.Mask {
	d, q, err := f.device()
	if err != nil {
		return wait.Err
	}
	var r wait.Mask
	if q.Ready() {
		r |= wait.In | wait.RdNrm
	}
	// Who finds it down is told when it is up, whatever happens meanwhile.
	if up(d) || !f.noRoom.Swap(true) && up(d) {
		r |= wait.Out | wait.WrNrm
	}
	return r & (m | wait.Err)
}

// Register implements wait.Waitable.
func (f *file) Register(e *wait.Entry, m wait.Mask) { f.events.Register(e, m) }

// Unregister implements wait.Waitable.
func (f *file) Unregister(e *wait.Entry) { f.events.Unregister(e) }

func up(d *tun.Device) bool {
	n := nic(d)
	return n != nil && n.Info().Flags&unix.IFF_UP != 0
}

// wake tells those who wait that something has come, or that the device is gone; or
// that it takes packets now.
func (f *file) wake(room bool) {
	switch {
	case !room:
		f.events.Notify(wait.In | wait.RdNrm)
	case f.noRoom.Swap(false):
		f.events.Notify(wait.Out | wait.WrNrm | wait.WrBnd)
	}
}

// Release implements vfs.FileImpl. A device that is not to stay goes with its last
// file.
func (f *file) Release(current.Task, *vfs.File) {
	if q := f.queue.Load(); q != nil {
		d := q.Device()
		if q.Close() && d != nil {
			remove(d)
		}
	}
	f.ns.DecRef()
}

// remove ends a device that has no reader and is not to stay.
func remove(d *tun.Device) {
	if n := nic(d); n != nil {
		n.Remove()
		return
	}
	_ = d.Close()
}
