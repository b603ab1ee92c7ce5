package socket

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/sentry/lock"
)

// The bounds of SO_SNDBUF and SO_RCVBUF in bytes (net.core.*mem_*).
const (
	DefaultBuffer = 212992
	maxBuffer     = 4 << 20
	minSndBuffer  = 4608
	minRcvBuffer  = 2304
)

// Options of SOL_SOCKET that x/sys may lack, asm-generic/socket.h.
const (
	SO_NETNS_COOKIE = 71
	SO_RCVPRIORITY  = 82
	SO_PASSRIGHTS   = 83
	SO_INQ          = 84
)

// Options are the options of level SOL_SOCKET of families that are not of the
// network stack, which has its own: socket(7). The zero value has Linux's
// defaults.
type Options struct {
	mu                 lock.Mutex[lock.Leaf]
	flags              map[int32]bool // guarded by mu: the on/off ones
	sndbuf, rcvbuf     int            // guarded by mu; 0 is the default
	sndtimeo, rcvtimeo time.Duration  // guarded by mu; 0 is none
	rcvlowat           int32          // guarded by mu
	priority, mark     int32          // guarded by mu
	linger             unix.Linger    // guarded by mu
	seldom             *seldom        // guarded by mu; nil is as made by newSeldom
}

// seldom is the options that few sockets have.
type seldom struct {
	filter    *bpf.Program
	peekOff   int32 // SO_PEEK_OFF
	cpu       int32 // SO_INCOMING_CPU, and the next: kept
	busyPoll  int32
	device    int32
	pacing    uint64
	tsFlags   uint32
	bufLocked int32
	txClock   int32 // SO_TXTIME
	txFlags   uint32
}

func newSeldom() *seldom { return &seldom{peekOff: -1, cpu: -1, pacing: ^uint64(0)} }

// rare returns them for a change. The caller holds the lock.
func (o *Options) rare() *seldom {
	if o.seldom == nil {
		o.seldom = newSeldom()
	}
	return o.seldom
}

// onOff are the options whose value is a truth, and which nothing else follows from.
func onOff(name int32) bool {
	switch name {
	case unix.SO_DEBUG, unix.SO_REUSEADDR, unix.SO_DONTROUTE, unix.SO_BROADCAST, unix.SO_KEEPALIVE,
		unix.SO_OOBINLINE, unix.SO_REUSEPORT, unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_NO_CHECK, unix.SO_RXQ_OVFL,
		unix.SO_ZEROCOPY, unix.SO_WIFI_STATUS, unix.SO_NOFCS, unix.SO_LOCK_FILTER, unix.SO_SELECT_ERR_QUEUE,
		unix.SO_PREFER_BUSY_POLL, unix.SO_RCVMARK, SO_RCVPRIORITY:
		return true
	}
	return false
}

// Flag reports whether an on/off option is set.
func (o *Options) Flag(name int32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flags[name]
}

// SendBuffer returns SO_SNDBUF in bytes.
func (o *Options) SendBuffer() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sndbuf == 0 {
		return DefaultBuffer
	}
	return o.sndbuf
}

// ReceiveBuffer returns SO_RCVBUF in bytes.
func (o *Options) ReceiveBuffer() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rcvbuf == 0 {
		return DefaultBuffer
	}
	return o.rcvbuf
}

// LowWater returns SO_RCVLOWAT in bytes.
func (o *Options) LowWater() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return int(max(o.rcvlowat, 1))
}

// Deadline returns when a wait that starts now ends by SO_RCVTIMEO, or by
// SO_SNDTIMEO if send; zero for never.
func (o *Options) Deadline(send bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.rcvtimeo
	if send {
		d = o.sndtimeo
	}
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// Stamps reports whether arrivals are stamped for SO_TIMESTAMP, or for
// SO_TIMESTAMPNS if nano.
func (o *Options) Stamps() (on, nano bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	nano = o.flags[unix.SO_TIMESTAMPNS]
	return nano || o.flags[unix.SO_TIMESTAMP], nano
}

// Peek returns SO_PEEK_OFF: from where on MSG_PEEK looks, or -1.
func (o *Options) Peek() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seldom == nil {
		return -1
	}
	return int(o.seldom.peekOff)
}

// Peeked moves SO_PEEK_OFF on after n bytes were looked at, and back (n < 0) after
// they were taken.
func (o *Options) Peeked(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seldom != nil && o.seldom.peekOff >= 0 {
		o.seldom.peekOff = max(0, o.seldom.peekOff+int32(n))
	}
}

// Accepts runs the socket's filter over a message and returns how many bytes of it
// are let through; 0 is that it is dropped.
func (o *Options) Accepts(data []byte) int {
	o.mu.Lock()
	var f *bpf.Program
	if o.seldom != nil {
		f = o.seldom.filter
	}
	o.mu.Unlock()
	if f == nil {
		return len(data)
	}
	return int(min(uint64(f.Run(&bpf.Packet{Data: data, Len: len(data)})), uint64(len(data))))
}

// InheritTimes takes over SO_RCVTIMEO and SO_SNDTIMEO, as a connection does from
// who accepted it.
func (o *Options) InheritTimes(from *Options) {
	from.mu.Lock()
	rcv, snd := from.rcvtimeo, from.sndtimeo
	from.mu.Unlock()
	o.mu.Lock()
	o.rcvtimeo, o.sndtimeo = rcv, snd
	o.mu.Unlock()
}

// Int reads an option's value as setsockopt(2) takes an int.
func Int(value []byte) (int32, error) {
	if len(value) < 4 {
		return 0, unix.EINVAL
	}
	return int32(binary.LittleEndian.Uint32(value)), nil
}

// IntValue is an int as getsockopt(2) gives it.
func IntValue(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

// Bool is IntValue of a truth.
func Bool(v bool) []byte {
	if v {
		return IntValue(1)
	}
	return IntValue(0)
}
