package socket

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
)

// The bounds of SO_SNDBUF and SO_RCVBUF in bytes (net.core.*mem_*).
const (
	DefaultBuffer = 212992
	maxBuffer     = 212992
	minSndBuffer  = 4608
	minRcvBuffer  = 2304
)

// Options are the options of level SOL_SOCKET that every family keeps,
// socket(7). The zero value has Linux's defaults but for the buffers.
type Options struct {
	mu                 lock.Mutex[lock.Leaf]
	flags              map[int32]bool // guarded by mu: the on/off ones
	sndbuf, rcvbuf     int            // guarded by mu; 0 is the default
	sndtimeo, rcvtimeo time.Duration  // guarded by mu; 0 is none
	rcvlowat           int32          // guarded by mu
	priority, mark     int32          // guarded by mu
	linger             unix.Linger    // guarded by mu
}

// onOff are the options whose value is a truth.
func onOff(name int32) bool {
	switch name {
	case unix.SO_DEBUG, unix.SO_REUSEADDR, unix.SO_DONTROUTE, unix.SO_BROADCAST, unix.SO_KEEPALIVE,
		unix.SO_OOBINLINE, unix.SO_REUSEPORT, unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_TIMESTAMP,
		unix.SO_TIMESTAMPNS, unix.SO_NO_CHECK, unix.SO_RXQ_OVFL, unix.SO_ZEROCOPY:
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

// Set sets an option of SOL_SOCKET. privileged is CAP_NET_ADMIN. ENOPROTOOPT
// for one that is not kept here.
func (o *Options) Set(name int32, value []byte, privileged bool) error {
	if name == unix.SO_LINGER || timeout(name) {
		return o.setStruct(name, value)
	}
	v, err := Int(value)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if onOff(name) {
		if name == unix.SO_DEBUG && v != 0 && !privileged {
			return unix.EACCES
		}
		if o.flags == nil {
			o.flags = map[int32]bool{}
		}
		o.flags[name] = v != 0
		return nil
	}
	switch name {
	case unix.SO_SNDBUF, unix.SO_SNDBUFFORCE:
		o.sndbuf = max(min(int(v), maxBuffer)*2, minSndBuffer)
	case unix.SO_RCVBUF, unix.SO_RCVBUFFORCE:
		o.rcvbuf = max(min(int(v), maxBuffer)*2, minRcvBuffer)
	case unix.SO_RCVLOWAT:
		o.rcvlowat = max(v, 1)
	case unix.SO_PRIORITY:
		if (v < 0 || v > 6) && !privileged {
			return unix.EPERM
		}
		o.priority = v
	case unix.SO_MARK:
		if !privileged {
			return unix.EPERM
		}
		o.mark = v
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

func timeout(name int32) bool {
	switch name {
	case unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW:
		return true
	}
	return false
}

func (o *Options) setStruct(name int32, value []byte) error {
	if name == unix.SO_LINGER {
		if len(value) < 8 {
			return unix.EINVAL
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.linger.Onoff = int32(binary.LittleEndian.Uint32(value))
		o.linger.Linger = int32(binary.LittleEndian.Uint32(value[4:]))
		return nil
	}
	if len(value) < 16 {
		return unix.EINVAL
	}
	sec := int64(binary.LittleEndian.Uint64(value))
	usec := int64(binary.LittleEndian.Uint64(value[8:]))
	if usec < 0 || usec >= 1e6 {
		return unix.EDOM
	}
	// A negative time is none at all, as in sock_set_timeout; beyond a
	// century it is as good as none.
	d := time.Duration(0)
	if sec >= 0 && sec < 100*365*24*3600 {
		d = time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if name == unix.SO_RCVTIMEO || name == unix.SO_RCVTIMEO_NEW {
		o.rcvtimeo = d
	} else {
		o.sndtimeo = d
	}
	return nil
}

// Get returns an option of SOL_SOCKET, or ENOPROTOOPT.
func (o *Options) Get(name int32) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if onOff(name) {
		return Bool(o.flags[name]), nil
	}
	or := func(v, def int) int32 {
		if v == 0 {
			return int32(def)
		}
		return int32(v)
	}
	switch name {
	case unix.SO_SNDBUF:
		return IntValue(or(o.sndbuf, DefaultBuffer)), nil
	case unix.SO_RCVBUF:
		return IntValue(or(o.rcvbuf, DefaultBuffer)), nil
	case unix.SO_RCVLOWAT:
		return IntValue(or(int(o.rcvlowat), 1)), nil
	case unix.SO_SNDLOWAT:
		return IntValue(1), nil
	case unix.SO_PRIORITY:
		return IntValue(o.priority), nil
	case unix.SO_MARK:
		return IntValue(o.mark), nil
	case unix.SO_LINGER:
		return append(IntValue(o.linger.Onoff), IntValue(o.linger.Linger)...), nil
	case unix.SO_RCVTIMEO, unix.SO_RCVTIMEO_NEW:
		return timeval(o.rcvtimeo), nil
	case unix.SO_SNDTIMEO, unix.SO_SNDTIMEO_NEW:
		return timeval(o.sndtimeo), nil
	}
	return nil, unix.ENOPROTOOPT
}

func timeval(d time.Duration) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(d/time.Second))
	return binary.LittleEndian.AppendUint64(b, uint64(d%time.Second/time.Microsecond))
}
