package stack

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// socketOption is getsockopt(2) of SOL_SOCKET; max is how many bytes the caller has
// room for.
func (c *common) socketOption(name, max int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := 0
	switch name {
	case unix.SO_TYPE:
		v = c.typ
	case unix.SO_PROTOCOL:
		v = c.proto
	case unix.SO_DOMAIN:
		v = c.Family()
	case unix.SO_ACCEPTCONN:
	case unix.SO_ERROR:
		v = int(c.err)
		c.err = 0
	case unix.SO_SNDBUF:
		v = c.sndBuf
	case unix.SO_RCVBUF:
		v = c.rcvBuf
	case unix.SO_SNDLOWAT:
		v = 1
	case unix.SO_RCVLOWAT:
		v = c.rcvLowat
	case unix.SO_PRIORITY:
		v = int(c.priority)
	case unix.SO_MARK:
		v = int(c.mark)
	case unix.SO_LINGER:
		return c.lingerBytes(max), nil
	case unix.SO_TIMESTAMP:
		v = bit(c.flags&fTimestamp != 0 && c.flags&fTimestampNew == 0)
	case unix.SO_TIMESTAMPNS:
		v = bit(c.flags&fTimestampNS != 0 && c.flags&fTimestampNew == 0)
	case unix.SO_TIMESTAMP_NEW:
		v = bit(c.flags&fTimestamp != 0 && c.flags&fTimestampNew != 0)
	case unix.SO_TIMESTAMPNS_NEW:
		v = bit(c.flags&fTimestampNS != 0 && c.flags&fTimestampNew != 0)
	case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
		return cut(binary.NativeEndian.AppendUint64(nil, uint64(c.tsFlags)), max), nil
	case unix.SO_TXTIME:
		return cut(binary.NativeEndian.AppendUint64(nil, uint64(c.txFlags)<<32|uint64(uint32(c.txClock))), max), nil
	case unix.SO_PEEK_OFF:
		if v = c.peekOff; !c.carries() {
			return nil, unix.EOPNOTSUPP
		}
	case unix.SO_BUSY_POLL:
		v = c.busyPoll
	case unix.SO_INCOMING_CPU:
		v = c.cpu
	case unix.SO_INCOMING_NAPI_ID:
	case unix.SO_MAX_PACING_RATE:
		if max >= 8 {
			return binary.NativeEndian.AppendUint64(nil, c.pacing), nil
		}
		v = int(uint32(min(c.pacing, 1<<32-1)))
	case unix.SO_BINDTODEVICE:
		return c.deviceName(max)
	case unix.SO_BINDTOIFINDEX:
		v = c.device
	case unix.SO_RESERVE_MEM: // none
	case unix.SO_BSDCOMPAT:
	case unix.SO_TXREHASH:
		if c.proto != unix.IPPROTO_TCP || c.typ != unix.SOCK_STREAM {
			return nil, unix.EOPNOTSUPP
		}
		v = bit(c.flags&fNoRehash == 0)
	case unix.SO_BUF_LOCK:
		v = int(c.bufLocked)
	case unix.SO_GET_FILTER:
		if c.filter == nil {
			return nil, nil
		}
		return c.filter.Bytes(), nil
	case unix.SO_BPF_EXTENSIONS:
		v = bpf.Extensions
	case soCookie:
		return cut(binary.NativeEndian.AppendUint64(nil, c.serial), max), nil
	default:
		f := socketFlag(name)
		if f == 0 {
			return nil, unix.ENOPROTOOPT
		}
		v = bit(c.flags&f != 0)
	}
	return intBytes(v, max), nil
}

func (c *common) lingerBytes(max int) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(bit(c.lingers)))
	return cut(binary.NativeEndian.AppendUint32(b, uint32(min(c.linger/time.Second, 1<<31-1))), max)
}

func (c *common) deviceName(max int) ([]byte, error) {
	n := c.stack.NIC(c.device)
	if c.device == 0 {
		return nil, nil
	}
	if n == nil {
		return nil, unix.ENODEV
	}
	if max < unix.IFNAMSIZ {
		return nil, unix.EINVAL
	}
	return append([]byte(n.Name()), 0), nil
}

// wantTime returns which control messages about times the socket asks for.
func (o *options) wantTime() ControlSet {
	var w ControlSet
	if o.flags&fTimestamp != 0 {
		w |= WantTime
	}
	if o.flags&fTimestampNS != 0 {
		w |= WantTimeNS
	}
	if o.tsFlags&tsRxSoftware != 0 && o.tsFlags&tsSoftware != 0 {
		w |= WantTimestamping
	}
	return w
}
