// Package tun has links whose other end is a program's: frames that the stack sends
// are read one by one, and what is written arrives. They are what Linux's
// /dev/net/tun makes (Documentation/networking/tuntap.rst).
//
//	New → the stack's interface → Add, for each file: a Queue
//	      Queue.Take        what the stack sent
//	      Device.Inject     what arrives
//	      Queue.Close       the last one: the link has no carrier
//
// A queue is bounded in packets and in bytes; what does not fit is dropped. The
// package knows no file and no user; a Device has no thread.
package tun

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

const (
	// maxPackets bounds a queue: TUN_READQ_SIZE.
	maxPackets = 500
	// maxBytes bounds what the packets of a queue hold.
	maxBytes = 4 << 20
	// MaxQueues bounds the queues of a device: MAX_TAP_QUEUES.
	MaxQueues = 256
	// NoID is the owner or group of a device that has none.
	NoID = ^uint32(0)
)

// Info is what is told of a device.
type Info struct {
	Flags           uint32 // IFF_TUN or IFF_TAP, and what TUNSETIFF set
	Persist         bool
	Lapsed          bool   // there was a time without a reader
	Owner, Group    uint32 // NoID for none
	Queues, Resting int    // with a reader, and those that were detached
}

// Device is a link.
type Device struct {
	tap  bool // immutable
	seed maphash.Seed

	// deliver is held for reading while something is delivered.
	deliver sync.RWMutex
	to      link.Dispatcher // guarded by deliver

	mu      sync.Mutex
	info    Info     // guarded by mu, as the next two; Queues and Resting are counted
	queues  []*Queue // those that get packets
	resting []*Queue
	closed  bool

	offload atomic.Uint32
}

var _ link.Endpoint = (*Device)(nil)

// New returns a device without queues: of whole frames for flags with IFF_TAP, of
// packets of IP with IFF_TUN.
func New(flags uint32) *Device {
	return &Device{
		tap: flags&unix.IFF_TAP != 0, seed: maphash.MakeSeed(), info: Info{Flags: flags, Owner: NoID, Group: NoID},
	}
}

// Tap reports whether frames have a header of Ethernet.
func (d *Device) Tap() bool { return d.tap }

// Info returns what is told of the device.
func (d *Device) Info() Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.info
	i.Queues, i.Resting = len(d.queues), len(d.resting)
	return i
}

// Change changes what is told.
func (d *Device) Change(f func(i *Info)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.info)
}

// MTU implements link.Endpoint: Ethernet's, until somebody sets another one.
func (d *Device) MTU() int { return 1500 }

// Kind implements link.Endpoint.
func (d *Device) Kind() link.Kind {
	if d.tap {
		return link.Ethernet
	}
	return link.RawIP
}

// Address implements link.Endpoint: the stack chooses one.
func (d *Device) Address() link.Address { return link.Address{} }

// Offload implements link.Endpoint: what the reader said that he does.
func (d *Device) Offload() link.Offload { return link.Offload(d.offload.Load()) }

// SetOffload says what the reader does.
func (d *Device) SetOffload(o link.Offload) { d.offload.Store(uint32(o)) }

// Attach implements link.Endpoint.
func (d *Device) Attach(to link.Dispatcher) {
	d.deliver.Lock()
	d.to = to
	d.deliver.Unlock()
	if to != nil {
		d.carrier()
	}
}

// Interface is what the device delivers to, or nil.
func (d *Device) Interface() link.Dispatcher {
	d.deliver.RLock()
	defer d.deliver.RUnlock()
	return d.to
}

// carrier tells whether there is somebody who reads.
func (d *Device) carrier() {
	d.mu.Lock()
	on := len(d.queues) > 0
	d.mu.Unlock()
	if to := d.Interface(); to != nil {
		to.LinkChanged(on, 0)
	}
}

// CameUp tells the readers that the device takes packets.
func (d *Device) CameUp() {
	d.mu.Lock()
	queues := d.queues // never changed in place
	d.mu.Unlock()
	for _, q := range queues {
		q.wake(true)
	}
}

// Inject has a frame arrive, which it owns.
func (d *Device) Inject(p *buffer.Packet) {
	d.deliver.RLock()
	defer d.deliver.RUnlock()
	if d.to == nil {
		p.Release()
		return
	}
	d.to.Deliver([]*buffer.Packet{p})
}

// Close implements link.Endpoint: no queue is of the device any more.
func (d *Device) Close() error {
	d.mu.Lock()
	all := slices.Concat(d.queues, d.resting)
	d.queues, d.resting, d.closed = nil, nil, true
	d.mu.Unlock()
	for _, q := range all {
		q.leave()
	}
	return nil
}

// Send implements link.Endpoint.
func (d *Device) Send(ps []*buffer.Packet) (int, error) {
	d.mu.Lock()
	queues, closed := d.queues, d.closed
	d.mu.Unlock()
	sent := 0
	for _, p := range ps {
		if len(queues) == 0 {
			p.Release()
			continue
		}
		q := queues[0]
		if len(queues) > 1 {
			q = queues[d.flow(p)%uint64(len(queues))]
		}
		if q.push(p) {
			sent++
		}
	}
	if closed {
		return sent, unix.ENETDOWN
	}
	return sent, nil
}

// flow is a number for the flow that a frame is of.
func (d *Device) flow(p *buffer.Packet) uint64 {
	var b [header.EthernetSize + 44]byte
	n := p.CopyTo(b[:], 0)
	at := 0
	if d.tap {
		at = header.EthernetSize
	}
	ip := b[min(at, n):n]
	switch {
	case len(ip) >= 24 && ip[0] == 0x45:
		return maphash.Bytes(d.seed, ip[12:24]) // addresses and ports
	case len(ip) >= 44 && ip[0]>>4 == 6:
		return maphash.Bytes(d.seed, ip[8:44])
	}
	return 0
}

// Add adds a queue; wake is called, without locks, when something has come or the
// device is gone, and with room true when the device came up and takes packets. EBUSY for a second one of a device that is not of several, E2BIG,
// ENODEV.
func (d *Device) Add(wake func(room bool)) (*Queue, error) {
	q := &Queue{d: d, wake: wake}
	return q, d.enter(q, true)
}

func (d *Device) enter(q *Queue, isNew bool) error {
	d.mu.Lock()
	switch all := len(d.queues) + len(d.resting); {
	case d.closed:
		d.mu.Unlock()
		return unix.ENODEV
	case d.info.Flags&unix.IFF_MULTI_QUEUE == 0 && len(d.queues) > 0:
		d.mu.Unlock()
		return unix.EBUSY
	case isNew && all >= MaxQueues:
		d.mu.Unlock()
		return unix.E2BIG
	}
	d.resting = slices.DeleteFunc(slices.Clone(d.resting), func(o *Queue) bool { return o == q })
	d.queues = append(slices.Clone(d.queues), q)
	q.enter()
	d.mu.Unlock()
	d.carrier()
	return nil
}

// Queue is what one reader gets of a device.
type Queue struct {
	d    *Device
	wake func(room bool)

	mu    sync.Mutex
	ps    []*buffer.Packet // guarded by mu, as all that follows
	bytes int
	open  bool // packets are taken
	gone  bool // the device is
}

// Device returns the device of the queue, nil if it is gone.
func (q *Queue) Device() *Device {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return nil
	}
	return q.d
}

func (q *Queue) enter() {
	q.mu.Lock()
	q.open = true
	q.mu.Unlock()
}

// push adds a packet, which it owns.
func (q *Queue) push(p *buffer.Packet) bool {
	p.Compact()
	n := p.Held()
	q.mu.Lock()
	ok := q.open && len(q.ps) < maxPackets && q.bytes+n <= maxBytes
	if ok {
		q.ps, q.bytes = append(q.ps, p), q.bytes+n
	}
	q.mu.Unlock()
	if !ok {
		p.Release()
		return false
	}
	q.wake(false)
	return true
}

// Take returns the next packet, which is the caller's, or nil.
func (q *Queue) Take() *buffer.Packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ps) == 0 {
		return nil
	}
	p := q.ps[0]
	q.ps[0] = nil
	if q.ps, q.bytes = q.ps[1:], q.bytes-p.Held(); len(q.ps) == 0 {
		q.ps = nil
	}
	return p
}

// Ready reports whether there is a packet.
func (q *Queue) Ready() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ps) > 0
}

// leave has the queue be of no device any more.
func (q *Queue) leave() {
	q.mu.Lock()
	q.gone = true
	q.mu.Unlock()
	q.drain()
	q.wake(false)
}

// drain drops what is there, and what comes.
func (q *Queue) drain() {
	q.mu.Lock()
	ps := q.ps
	q.ps, q.bytes, q.open = nil, 0, false
	q.mu.Unlock()
	for _, p := range ps {
		p.Release()
	}
}

// Rest has the queue get nothing, or get packets again: TUNSETQUEUE. EINVAL, and the
// errors of Add.
func (q *Queue) Rest(on bool) error {
	d := q.d
	if !on {
		d.mu.Lock()
		rests := slices.Contains(d.resting, q)
		d.mu.Unlock()
		if !rests {
			return unix.EINVAL
		}
		return d.enter(q, false)
	}
	d.mu.Lock()
	i := slices.Index(d.queues, q)
	if i < 0 || d.info.Flags&unix.IFF_MULTI_QUEUE == 0 {
		d.mu.Unlock()
		return unix.EINVAL
	}
	d.queues = slices.Delete(slices.Clone(d.queues), i, i+1)
	d.resting = append(slices.Clone(d.resting), q)
	d.info.Lapsed = d.info.Lapsed || len(d.queues) == 0
	d.mu.Unlock()
	q.drain()
	d.carrier()
	return nil
}

// Rests reports whether the queue was detached by Rest.
func (q *Queue) Rests() bool {
	q.d.mu.Lock()
	defer q.d.mu.Unlock()
	return slices.Contains(q.d.resting, q)
}

// Close gives the queue up. last says that the device has no queue any more, and
// is not to stay without.
func (q *Queue) Close() (last bool) {
	d := q.d
	d.mu.Lock()
	not := func(o *Queue) bool { return o == q }
	d.queues = slices.DeleteFunc(slices.Clone(d.queues), not)
	d.resting = slices.DeleteFunc(slices.Clone(d.resting), not)
	last = len(d.queues)+len(d.resting) == 0 && !d.info.Persist && !d.closed
	d.info.Lapsed = d.info.Lapsed || len(d.queues) == 0
	closed := d.closed
	d.mu.Unlock()
	q.drain()
	if !closed {
		d.carrier()
	}
	return last
}
