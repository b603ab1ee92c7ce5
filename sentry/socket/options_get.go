package socket

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// Get returns an option of SOL_SOCKET for a caller with room for most bytes, or
// ENOPROTOOPT.
func (o *Options) Get(ns *NetNS, name int32, most int) ([]byte, error) {
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
	case unix.SO_BSDCOMPAT, unix.SO_RESERVE_MEM, unix.SO_INCOMING_NAPI_ID:
		return IntValue(0), nil
	case unix.SO_LINGER:
		return append(IntValue(o.linger.Onoff), IntValue(o.linger.Linger)...), nil
	case unix.SO_RCVTIMEO, unix.SO_RCVTIMEO_NEW:
		return timeval(o.rcvtimeo), nil
	case unix.SO_SNDTIMEO, unix.SO_SNDTIMEO_NEW:
		return timeval(o.sndtimeo), nil
	case unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS:
		return Bool(o.flags[name] && !o.flags[unix.SO_TIMESTAMP_NEW]), nil
	case unix.SO_TIMESTAMP_NEW:
		return Bool(o.flags[unix.SO_TIMESTAMP] && o.flags[name]), nil
	case unix.SO_TIMESTAMPNS_NEW:
		return Bool(o.flags[unix.SO_TIMESTAMPNS] && o.flags[unix.SO_TIMESTAMP_NEW]), nil
	case unix.SO_BPF_EXTENSIONS:
		return IntValue(bpf.Extensions), nil
	case SO_NETNS_COOKIE:
		if most != 8 {
			return nil, unix.EINVAL
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(ns.ID)), nil
	case unix.SO_PEEK_OFF, unix.SO_TXREHASH, unix.SO_PASSPIDFD, SO_PASSRIGHTS:
		return nil, unix.EOPNOTSUPP
	case unix.SO_PEERGROUPS, unix.SO_PEERPIDFD:
		return nil, unix.ENODATA
	}
	r := o.seldom
	if r == nil {
		r = newSeldom()
	}
	return r.get(ns, name, most)
}

// get is Get of what few sockets have.
func (r *seldom) get(ns *NetNS, name int32, most int) ([]byte, error) {
	le := binary.LittleEndian
	switch name {
	case unix.SO_INCOMING_CPU:
		return IntValue(r.cpu), nil
	case unix.SO_BUSY_POLL:
		return IntValue(r.busyPoll), nil
	case unix.SO_BUF_LOCK:
		return IntValue(r.bufLocked), nil
	case unix.SO_MAX_PACING_RATE:
		if most >= 8 {
			return le.AppendUint64(nil, r.pacing), nil
		}
		return IntValue(int32(min(r.pacing, math.MaxUint32))), nil
	case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
		return le.AppendUint64(nil, uint64(r.tsFlags)), nil
	case unix.SO_TXTIME:
		return le.AppendUint32(IntValue(r.txClock), r.txFlags), nil
	case unix.SO_GET_FILTER:
		if r.filter == nil {
			return nil, nil
		}
		return r.filter.Bytes(), nil
	case unix.SO_BINDTOIFINDEX:
		return IntValue(r.device), nil
	case unix.SO_BINDTODEVICE:
		return deviceName(ns, r.device, most)
	}
	return nil, unix.ENOPROTOOPT
}

func deviceName(ns *NetNS, index int32, most int) ([]byte, error) {
	if index == 0 {
		return nil, nil
	}
	if most < unix.IFNAMSIZ {
		return nil, unix.EINVAL
	}
	if ns.Control != nil {
		want := strconv.Itoa(int(index))
		for _, name := range ns.Control.Interfaces() {
			if text, err := ns.Control.Attribute(name, "ifindex"); err == nil && strings.TrimSpace(text) == want {
				return append([]byte(name), 0), nil
			}
		}
	}
	return nil, unix.ENODEV
}

// MemInfo is SO_MEMINFO: what of the buffers is used (bytes received, to be sent)
// and how large they are, and how many messages were dropped.
func MemInfo(rmem, rcvbuf, wmem, sndbuf int, drops uint32) []byte {
	le := binary.LittleEndian
	var b []byte
	for _, v := range [...]uint32{uint32(rmem), uint32(rcvbuf), uint32(wmem), uint32(sndbuf), 0, uint32(wmem), 0, 0, drops} {
		b = le.AppendUint32(b, v)
	}
	return b
}

func timeval(d time.Duration) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(d/time.Second))
	return binary.LittleEndian.AppendUint64(b, uint64(d%time.Second/time.Microsecond))
}
