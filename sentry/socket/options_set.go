package socket

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/sentry/current"
	"hull/sentry/usermem"
)

// timestampings is the flags of SO_TIMESTAMPING that there are.
const timestampings = 1<<18 - 1

// Set sets an option of SOL_SOCKET of a socket in ns. ENOPROTOOPT for one that is
// not kept here.
func (o *Options) Set(t current.Task, ns *NetNS, name int32, value []byte) error {
	if name == unix.SO_BINDTODEVICE {
		return o.bindToDevice(t, ns, value)
	}
	v, err := Int(value)
	if err != nil {
		return err
	}
	admin, raw := ns.May(t, unix.CAP_NET_ADMIN), ns.May(t, unix.CAP_NET_RAW)
	switch name {
	case unix.SO_LINGER, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW, unix.SO_TXTIME,
		unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW, unix.SO_MAX_PACING_RATE:
		return o.setStruct(name, value, admin)
	case unix.SO_ATTACH_FILTER:
		return o.attach(t, value)
	case unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_EBPF:
		return AttachEBPF(t, value)
	case unix.SO_ATTACH_REUSEPORT_CBPF:
		if _, err := CopyFilter(t, value); err != nil {
			return err
		}
		return unix.EINVAL // of no group: it has no ports
	}
	most := 0
	switch name {
	case unix.SO_SNDBUF:
		most = ns.limit("core/wmem_max")
	case unix.SO_RCVBUF:
		most = ns.limit("core/rmem_max")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case onOff(name):
		return o.setFlag(name, v, admin)
	case most != 0:
		o.setBuffer(name, int(min(uint32(v), uint32(most)))) // less than nothing is a lot
		return nil
	}
	return o.setInt(name, v, admin, raw)
}

// setFlag sets an option that is on or off. The caller holds the lock.
func (o *Options) setFlag(name, v int32, admin bool) error {
	switch {
	case name == unix.SO_DEBUG && v != 0 && !admin:
		return unix.EACCES
	case name == unix.SO_REUSEPORT && v != 0, name == unix.SO_ZEROCOPY:
		return unix.EOPNOTSUPP // of the Internet's sockets alone
	case name == unix.SO_LOCK_FILTER && v == 0 && o.flags[name]:
		return unix.EPERM
	}
	o.put(name, v != 0)
	return nil
}

func (o *Options) put(name int32, on bool) {
	if o.flags == nil {
		o.flags = map[int32]bool{}
	}
	o.flags[name] = on
}

// setInt sets an option that is a number. The caller holds the lock.
func (o *Options) setInt(name, v int32, admin, raw bool) error {
	switch name {
	case unix.SO_BSDCOMPAT, unix.SO_CNX_ADVICE: // accepted, and nothing follows
	case unix.SO_SNDBUFFORCE, unix.SO_RCVBUFFORCE:
		if !admin {
			return unix.EPERM
		}
		o.setBuffer(name, int(max(v, 0)))
	case unix.SO_RCVLOWAT:
		if v < 0 {
			v = math.MaxInt32
		}
		o.rcvlowat = max(v, 1)
	case unix.SO_PRIORITY:
		if (v < 0 || v > 6) && !admin && !raw {
			return unix.EPERM
		}
		o.priority = v
	case unix.SO_MARK:
		if !admin && !raw {
			return unix.EPERM
		}
		o.mark = v
	case unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW:
		o.setStamps(name, v != 0)
	case unix.SO_DETACH_FILTER:
		switch {
		case o.flags[unix.SO_LOCK_FILTER]:
			return unix.EPERM
		case o.seldom == nil || o.seldom.filter == nil:
			return unix.ENOENT
		}
		o.seldom.filter = nil
	case unix.SO_DETACH_REUSEPORT_BPF:
		return unix.EINVAL
	case unix.SO_INCOMING_CPU:
		o.rare().cpu = v
	case unix.SO_BUSY_POLL:
		switch {
		case v < 0:
			return unix.EINVAL
		case v > o.rare().busyPoll && !admin:
			return unix.EPERM
		}
		o.rare().busyPoll = v
	case unix.SO_BUSY_POLL_BUDGET:
		switch {
		case v < 0 || v > math.MaxUint16:
			return unix.EINVAL
		case v > 64 && !admin:
			return unix.EPERM
		}
	case unix.SO_BINDTOIFINDEX:
		return o.setDevice(v, raw)
	case unix.SO_BUF_LOCK:
		if v&^3 != 0 {
			return unix.EINVAL
		}
		o.rare().bufLocked = v
	case unix.SO_RESERVE_MEM:
		if v < 0 {
			return unix.EINVAL
		}
		return unix.EOPNOTSUPP // as without memory's control group
	case unix.SO_PEEK_OFF, unix.SO_TXREHASH, unix.SO_PASSPIDFD, SO_PASSRIGHTS:
		return unix.EOPNOTSUPP
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// SetPeek is SO_PEEK_OFF of a family that has it.
func (o *Options) SetPeek(value []byte) error {
	v, err := Int(value)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rare().peekOff = v
	return nil
}

// SetFlag sets an option that is on or off and that only the caller's family has.
func (o *Options) SetFlag(name int32, value []byte) error {
	v, err := Int(value)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.put(name, v != 0)
	return nil
}

// setBuffer sets the size of a buffer to twice what was asked for.
func (o *Options) setBuffer(name int32, n int) {
	n = min(n, math.MaxInt32/2) * 2
	if name == unix.SO_SNDBUF || name == unix.SO_SNDBUFFORCE {
		o.sndbuf = max(n, minSndBuffer)
		o.rare().bufLocked |= 1
	} else {
		o.rcvbuf = max(n, minRcvBuffer)
		o.rare().bufLocked |= 2
	}
}

// limit returns the most that may be asked for of a buffer, in bytes.
func (ns *NetNS) limit(parameter string) int {
	if ns.Control == nil {
		return maxBuffer
	}
	text, err := ns.Control.Parameter(parameter)
	n, bad := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || bad != nil {
		return maxBuffer
	}
	return n
}

// setStamps has one of the four options on, or none.
func (o *Options) setStamps(name int32, on bool) {
	nano := name == unix.SO_TIMESTAMPNS || name == unix.SO_TIMESTAMPNS_NEW
	o.put(unix.SO_TIMESTAMP, on && !nano)
	o.put(unix.SO_TIMESTAMPNS, on && nano)
	o.put(unix.SO_TIMESTAMP_NEW, on && (name == unix.SO_TIMESTAMP_NEW || name == unix.SO_TIMESTAMPNS_NEW))
}

func (o *Options) setDevice(index int32, raw bool) error {
	switch {
	case index < 0:
		return unix.EINVAL
	case o.seldom != nil && o.seldom.device != 0 && !raw:
		return unix.EPERM
	}
	o.rare().device = index
	return nil
}

// bindToDevice is SO_BINDTODEVICE: kept, as what comes to these sockets comes by no
// interface.
func (o *Options) bindToDevice(t current.Task, ns *NetNS, value []byte) error {
	name, _, _ := strings.Cut(string(value[:min(len(value), unix.IFNAMSIZ-1)]), "\x00")
	index := 0
	if name != "" {
		if ns.Control == nil {
			return unix.ENODEV
		}
		text, err := ns.Control.Attribute(name, "ifindex")
		if err != nil {
			return unix.ENODEV
		}
		if index, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
			return unix.ENODEV
		}
	}
	raw := ns.May(t, unix.CAP_NET_RAW)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.setDevice(int32(index), raw)
}

// setStruct sets an option that is more than an int.
func (o *Options) setStruct(name int32, value []byte, admin bool) error {
	le := binary.LittleEndian
	o.mu.Lock()
	defer o.mu.Unlock()
	switch name {
	case unix.SO_LINGER:
		if len(value) < 8 {
			return unix.EINVAL
		}
		if o.linger.Onoff = 0; le.Uint32(value) != 0 {
			o.linger = unix.Linger{Onoff: 1, Linger: int32(le.Uint32(value[4:]))}
		}
	case unix.SO_TXTIME:
		if len(value) != 8 {
			return unix.EINVAL
		}
		clock, flags := int32(le.Uint32(value)), le.Uint32(value[4:])
		switch {
		case flags&^3 != 0:
			return unix.EINVAL
		case clock != unix.CLOCK_MONOTONIC && !admin:
			return unix.EPERM
		case clock != unix.CLOCK_MONOTONIC && clock != unix.CLOCK_REALTIME && clock != unix.CLOCK_TAI:
			return unix.EINVAL
		}
		o.rare().txClock, o.rare().txFlags = clock, flags
	case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
		flags := le.Uint32(value)
		switch {
		case flags&^timestampings != 0, flags&unix.SOF_TIMESTAMPING_OPT_STATS != 0 && flags&unix.SOF_TIMESTAMPING_OPT_TSONLY == 0,
			flags&unix.SOF_TIMESTAMPING_OPT_ID_TCP != 0 && flags&unix.SOF_TIMESTAMPING_OPT_ID == 0:
			return unix.EINVAL
		case flags&unix.SOF_TIMESTAMPING_BIND_PHC != 0:
			return unix.EOPNOTSUPP // it is not bound to an interface, which may have a clock
		}
		o.rare().tsFlags = flags
	case unix.SO_MAX_PACING_RATE:
		r := uint64(le.Uint32(value))
		if len(value) >= 8 {
			r = le.Uint64(value)
		} else if r == math.MaxUint32 {
			r = math.MaxUint64
		}
		o.rare().pacing = r
	default:
		return o.setTimeout(name, value)
	}
	return nil
}

func (o *Options) setTimeout(name int32, value []byte) error {
	if len(value) < 16 {
		return unix.EINVAL
	}
	sec := int64(binary.LittleEndian.Uint64(value))
	usec := int64(binary.LittleEndian.Uint64(value[8:]))
	if usec < 0 || usec >= 1e6 {
		return unix.EDOM
	}
	// A negative time is none at all, as in sock_set_timeout; one that is longer
	// than a time can be is as good as none.
	d := time.Duration(0)
	if sec >= 0 && sec < math.MaxInt64/int64(time.Second)-1 {
		d = time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond
	}
	if name == unix.SO_RCVTIMEO || name == unix.SO_RCVTIMEO_NEW {
		o.rcvtimeo = d
	} else {
		o.sndtimeo = d
	}
	return nil
}

// SetTimeout sets SO_RCVTIMEO, SO_SNDTIMEO and the new forms of them.
func (o *Options) SetTimeout(name int32, value []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.setTimeout(name, value)
}

// attach is SO_ATTACH_FILTER.
func (o *Options) attach(t current.Task, value []byte) error {
	b, err := CopyFilter(t, value)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flags[unix.SO_LOCK_FILTER] {
		return unix.EPERM
	}
	p, err := bpf.Parse(b)
	if err != nil {
		return err
	}
	o.rare().filter = p
	return nil
}

const (
	sizeofFilter     = 8 // struct sock_filter
	sizeofFilterProg = 16
)

// CopyFilter copies in the program that a struct sock_fprog points to: EINVAL,
// EFAULT.
func CopyFilter(t current.Task, fprog []byte) ([]byte, error) {
	if len(fprog) != sizeofFilterProg {
		return nil, unix.EINVAL
	}
	n, addr := binary.LittleEndian.Uint16(fprog), binary.LittleEndian.Uint64(fprog[8:])
	if n == 0 || n > bpf.MaxLen || addr == 0 {
		return nil, unix.EINVAL
	}
	prog := make([]byte, int(n)*sizeofFilter)
	_, err := t.Mem().CopyIn(usermem.Addr(addr), prog)
	return prog, err
}

// AttachEBPF is SO_ATTACH_BPF: no descriptor is that of a program.
func AttachEBPF(t current.Task, value []byte) error {
	fd, err := Int(value)
	switch {
	case err != nil || len(value) != 4:
		return unix.EINVAL
	case fd < 0 || uint64(fd) >= t.Limits().Get(unix.RLIMIT_NOFILE).Cur:
		return unix.EBADF
	}
	t.Note("hull has no eBPF programs, and so no descriptor is one")
	return unix.EINVAL
}
