package stack

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
)

// optFlag is one option of SOL_SOCKET that is on or off.
type optFlag uint32

// The options that are on or off.
const (
	fDebug optFlag = 1 << iota
	fReuseAddr
	fReusePort
	fBroadcast
	fDontRoute
	fKeepAlive
	fOOBInline
	fNoCheck
	fDrops
	fTimestamp
	fTimestampNS
	fTimestampNew
	fZeroCopy
	fRcvMark
	fNoFCS
	fLockFilter
	fWifi
	fSelectErr
	fPreferBusyPoll
	fRcvPriority
	fNoRehash
)

// options are a socket's options of SOL_SOCKET, SOL_IP and SOL_IPV6.
type options struct {
	flags      optFlag
	sndBuf     int // in bytes, as SO_SNDBUF says it: twice what was asked for
	rcvBuf     int
	bufLocked  uint8 // SOCK_SNDBUF_LOCK 1, SOCK_RCVBUF_LOCK 2
	linger     time.Duration
	lingers    bool
	priority   uint32
	mark       uint32
	device     int // SO_BINDTODEVICE, or the scope of a link-local address
	rcvLowat   int
	peekOff    int
	tsFlags    uint32 // SO_TIMESTAMPING
	tsKey      uint32 // the number of the next send, with SOF_TIMESTAMPING_OPT_ID
	tsBase     int64  // of a stream: from where its bytes are counted then
	busyPoll   int
	pacing     uint64 // SO_MAX_PACING_RATE in bytes a second
	cpu        int    // SO_INCOMING_CPU
	stampAsked bool   // somebody asks by SIOCGSTAMP when what is read has arrived
	// txClock and txFlags are SO_TXTIME. As without a queue that holds packets back,
	// what is sent with a time goes at once.
	txClock int32
	txFlags uint32
	filter  *bpf.Program
	// reuseProgram is the program that the socket's group will have. reuseAlone: it was
	// given one, and so has a group before it has a port, and joins no other.
	reuseProgram *bpf.Program
	reuseAlone   bool

	ip4 ip4Options
	ip6 ip6Options
	// freebind and transparent are of both families, v6only of sockets of IPv6.
	freebind, transparent, v6only bool
}

const (
	minSndBuf = 4608
	minRcvBuf = 2304
	soCookie  = 57

	soRcvPriority = 82
)

func (o *options) init(s *Stack, family int) {
	o.sndBuf, o.rcvBuf = int(s.tune(tCoreWmemDefault)), int(s.tune(tCoreRmemDefault))
	o.rcvLowat, o.peekOff, o.cpu, o.pacing = 1, -1, -1, ^uint64(0)
	o.put(fNoRehash, s.tune(tCoreTxrehash) == 0)
	o.ip4.init()
	o.ip6.init()
	if family == unix.AF_INET6 {
		o.ip4.mcastAll = false // it takes the groups of IPv4 that it joined
	}
	o.v6only = family == unix.AF_INET6 && s.tune(tV6Bindv6only) != 0
}

// socketFlag returns the flag of an option of SOL_SOCKET, 0 if it is none.
func socketFlag(name int) optFlag {
	switch name {
	case unix.SO_DEBUG:
		return fDebug
	case unix.SO_REUSEADDR:
		return fReuseAddr
	case unix.SO_REUSEPORT:
		return fReusePort
	case unix.SO_BROADCAST:
		return fBroadcast
	case unix.SO_DONTROUTE:
		return fDontRoute
	case unix.SO_KEEPALIVE:
		return fKeepAlive
	case unix.SO_OOBINLINE:
		return fOOBInline
	case unix.SO_NO_CHECK:
		return fNoCheck
	case unix.SO_RXQ_OVFL:
		return fDrops
	case unix.SO_ZEROCOPY:
		return fZeroCopy
	case unix.SO_RCVMARK:
		return fRcvMark
	case unix.SO_NOFCS:
		return fNoFCS
	case unix.SO_LOCK_FILTER:
		return fLockFilter
	case unix.SO_WIFI_STATUS:
		return fWifi
	case unix.SO_SELECT_ERR_QUEUE:
		return fSelectErr
	case unix.SO_PREFER_BUSY_POLL:
		return fPreferBusyPoll
	case soRcvPriority:
		return fRcvPriority
	}
	return 0
}

func (o *options) put(f optFlag, on bool) {
	if on {
		o.flags |= f
	} else {
		o.flags &^= f
	}
}

// setOption is setsockopt for the levels that all protocols share. A protocol
// calls it for what it does not know itself, without the lock.
func (c *common) setOption(level, name int, value []byte, admin, raw bool) error {
	err := c.setShared(level, name, value, admin, raw)
	if x, ok := c.self.(interface{ forgetWay() }); ok && err == nil && leads(level, name) {
		x.forgetWay()
	}
	return err
}

// leads reports whether another path may be chosen after an option was set: by TOS,
// marks, routing headers and the like.
func leads(level, name int) bool {
	switch {
	case level != unix.SOL_SOCKET:
		return true
	case name == unix.SO_MARK, name == unix.SO_BINDTODEVICE, name == unix.SO_BINDTOIFINDEX, name == unix.SO_DONTROUTE:
		return true
	}
	return false
}

func (c *common) setShared(level, name int, value []byte, admin, raw bool) error {
	switch level {
	case unix.SOL_SOCKET:
		return c.setSocketOption(name, value, admin, raw)
	case unix.SOL_IP:
		if c.Family() == unix.AF_INET || c.Family() == unix.AF_INET6 && c.typ != unix.SOCK_RAW {
			return c.setIP4Option(name, value, admin, raw)
		}
	case unix.SOL_IPV6:
		if c.Family() == unix.AF_INET6 {
			return c.setIP6Option(name, value, admin, raw)
		}
	}
	return unix.ENOPROTOOPT
}

// option is getsockopt for those levels.
func (c *common) option(level, name, max int, in []byte) ([]byte, error) {
	switch level {
	case unix.SOL_SOCKET:
		return c.socketOption(name, max)
	case unix.SOL_IP:
		if c.Family() == unix.AF_INET || c.Family() == unix.AF_INET6 && c.typ != unix.SOCK_RAW {
			return c.ip4Option(name, max, in)
		}
	case unix.SOL_IPV6:
		if c.Family() == unix.AF_INET6 {
			return c.ip6Option(name, max, in)
		}
	}
	return nil, unix.ENOPROTOOPT
}

// intValue reads an int, which is what most options take.
func intValue(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, unix.EINVAL
	}
	return int(int32(binary.NativeEndian.Uint32(b))), nil
}

// intBytes is an int as getsockopt gives it, cut to what the caller takes.
func intBytes(v, max int) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(v))
	return b[:min(len(b), max)]
}

func cut(b []byte, max int) []byte { return b[:min(len(b), max)] }

func (c *common) setSocketOption(name int, value []byte, admin, raw bool) error {
	switch name {
	case unix.SO_BINDTODEVICE:
		return c.bindToDevice(value, raw)
	case unix.SO_ATTACH_FILTER, unix.SO_DETACH_FILTER:
		if len(value) < 4 {
			return unix.EINVAL
		}
		return c.setFilter(name, value)
	case unix.SO_ATTACH_REUSEPORT_CBPF, unix.SO_DETACH_REUSEPORT_BPF:
		if len(value) < 4 {
			return unix.EINVAL
		}
		return c.setReuseProgram(name, value)
	case unix.SO_LINGER:
		return c.setLinger(value)
	}
	v, err := intValue(value)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name {
	case unix.SO_TYPE, unix.SO_PROTOCOL, unix.SO_DOMAIN, unix.SO_ERROR, unix.SO_ACCEPTCONN:
		return unix.ENOPROTOOPT
	case unix.SO_BSDCOMPAT, unix.SO_CNX_ADVICE: // accepted, and nothing follows
	case unix.SO_TXTIME:
		return c.setTxTime(value, admin)
	case unix.SO_SNDBUF, unix.SO_SNDBUFFORCE:
		return c.setSndBuf(v, name == unix.SO_SNDBUFFORCE, admin)
	case unix.SO_RCVBUF, unix.SO_RCVBUFFORCE:
		return c.setRcvBuf(v, name == unix.SO_RCVBUFFORCE, admin)
	case unix.SO_PRIORITY:
		if (v < 0 || v > 6) && !admin && !raw {
			return unix.EPERM
		}
		c.priority = uint32(v)
	case unix.SO_MARK:
		if !admin && !raw {
			return unix.EPERM
		}
		c.mark = uint32(v)
	case unix.SO_RCVLOWAT:
		if v < 0 {
			v = 1<<31 - 1
		}
		if c.typ == unix.SOCK_STREAM {
			v = c.fittingLowat(v)
		}
		c.rcvLowat = max(1, v)
	case unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMP_NEW, unix.SO_TIMESTAMPNS_NEW:
		c.setTimestamp(name, v != 0)
	case unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW:
		if uint32(v)&^tsMask != 0 {
			return unix.EINVAL
		}
		if uint32(v)&tsOptStats != 0 && uint32(v)&tsOptTSOnly == 0 || uint32(v)&tsOptIDTCP != 0 && uint32(v)&tsOptID == 0 {
			return unix.EINVAL
		}
		if uint32(v)&tsBindPHC != 0 {
			if c.device == 0 {
				return unix.EOPNOTSUPP
			}
			return unix.EINVAL // no interface has clocks of its own
		}
		c.put(fTimestampNew, name == unix.SO_TIMESTAMPING_NEW)
		if uint32(v)&tsOptID != 0 && c.tsFlags&tsOptID == 0 {
			c.tsKey = 0
			if s, ok := c.self.(interface{ written() int64 }); ok {
				if c.tsBase = s.written(); c.tsBase < 0 {
					return unix.EINVAL
				}
			}
		}
		c.tsFlags = uint32(v)
	case unix.SO_PEEK_OFF:
		if !c.carries() {
			return unix.EOPNOTSUPP
		}
		c.peekOff = v
	default:
		return c.setSeldom(name, v, value, admin, raw)
	}
	return nil
}

// setSeldom sets an option of SOL_SOCKET that few sockets have. The caller holds
// the lock.
func (c *common) setSeldom(name, v int, value []byte, admin, raw bool) error {
	switch name {
	case unix.SO_BUSY_POLL:
		if v < 0 {
			return unix.EINVAL
		}
		if v > c.busyPoll && !admin {
			return unix.EPERM
		}
		c.busyPoll = v
	case unix.SO_INCOMING_CPU:
		c.cpu = v
	case unix.SO_MAX_PACING_RATE:
		c.pacing = uint64(uint32(v))
		if c.pacing == 1<<32-1 {
			c.pacing = ^uint64(0)
		}
		if len(value) >= 8 {
			c.pacing = binary.NativeEndian.Uint64(value)
		}
	case unix.SO_BINDTOIFINDEX:
		if v < 0 {
			return unix.EINVAL
		}
		if c.device != 0 && !raw {
			return unix.EPERM
		}
		c.device = v // not looked up: it may come
	case unix.SO_RESERVE_MEM:
		if v < 0 {
			return unix.EINVAL
		}
		return unix.EOPNOTSUPP // as without memory's control group
	case unix.SO_TXREHASH:
		if c.proto != unix.IPPROTO_TCP || c.typ != unix.SOCK_STREAM {
			return unix.EOPNOTSUPP
		}
		if v < -1 || v > 1 {
			return unix.EINVAL
		}
		c.put(fNoRehash, v == 0)
	case unix.SO_BUSY_POLL_BUDGET:
		if v < 0 || v > 1<<16-1 {
			return unix.EINVAL
		}
		if v > 64 && !admin {
			return unix.EPERM
		}
	case unix.SO_BUF_LOCK:
		if v&^3 != 0 {
			return unix.EINVAL
		}
		c.bufLocked = uint8(v)
	default:
		f := socketFlag(name)
		if f == 0 {
			return unix.ENOPROTOOPT
		}
		return c.setFlag(f, v, admin)
	}
	return nil
}

// tsMask is the SOF_TIMESTAMPING_* flags that are known; tsRxSoftware has arrivals
// stamped, tsSoftware has what was stamped by software told.
const (
	tsMask       = 1<<18 - 1
	tsRxSoftware = 1 << 3
	tsSoftware   = 1 << 4
)

func (c *common) setFlag(f optFlag, v int, admin bool) error {
	switch {
	case f == fDebug && v != 0 && !admin:
		return unix.EACCES
	case f == fLockFilter && c.flags&fLockFilter != 0 && v == 0:
		return unix.EPERM
	case f == fZeroCopy && (!c.carries() || c.proto == unix.IPPROTO_UDPLITE):
		return unix.EOPNOTSUPP
	case f == fReusePort && v != 0 && c.Family() == unix.AF_PACKET:
		return unix.EOPNOTSUPP
	case f == fZeroCopy && (v < 0 || v > 1):
		return unix.EINVAL
	}
	c.put(f, v != 0)
	return nil
}

// carries reports whether the socket is one of TCP or UDP.
func (c *common) carries() bool {
	return c.typ == unix.SOCK_STREAM && c.proto == unix.IPPROTO_TCP || c.typ == unix.SOCK_DGRAM && isUDP(c.proto)
}

// setTxTime is SO_TXTIME: struct sock_txtime.
func (c *common) setTxTime(b []byte, admin bool) error {
	if len(b) != 8 {
		return unix.EINVAL
	}
	clock, flags := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
	switch {
	case flags&^3 != 0:
		return unix.EINVAL
	case clock != unix.CLOCK_MONOTONIC && !admin:
		return unix.EPERM
	case clock != unix.CLOCK_MONOTONIC && clock != unix.CLOCK_REALTIME && clock != unix.CLOCK_TAI:
		return unix.EINVAL
	}
	c.txClock, c.txFlags = clock, flags
	return nil
}

func (c *common) setTimestamp(name int, on bool) {
	c.flags &^= fTimestamp | fTimestampNS | fTimestampNew
	if !on {
		return
	}
	c.put(fTimestampNew, name == unix.SO_TIMESTAMP_NEW || name == unix.SO_TIMESTAMPNS_NEW)
	if name == unix.SO_TIMESTAMP || name == unix.SO_TIMESTAMP_NEW {
		c.flags |= fTimestamp
	} else {
		c.flags |= fTimestampNS
	}
}

func (c *common) setSndBuf(v int, force, admin bool) error {
	n, err := c.bufSize(v, tCoreWmemMax, minSndBuf, force, admin)
	if err == nil {
		c.sndBuf = n
		c.bufLocked |= 1
	}
	return err
}

func (c *common) setRcvBuf(v int, force, admin bool) error {
	n, err := c.bufSize(v, tCoreRmemMax, minRcvBuf, force, admin)
	if err == nil {
		c.rcvBuf = n
		c.bufLocked |= 2
	}
	return err
}

// bufSize is the size in bytes of a buffer for which v is asked: as much again, for
// what packets take beside their bytes. Who may force it is not held to the limit.
func (c *common) bufSize(v int, limit tunable, least int, force, admin bool) (int, error) {
	switch {
	case force && !admin:
		return 0, unix.EPERM
	case !force:
		v = int(min(uint32(v), uint32(c.stack.tune(limit))))
	}
	return max(min(max(v, 0), 1<<30-1)*2, least), nil
}

func (c *common) setLinger(b []byte) error {
	if len(b) < 8 {
		return unix.EINVAL
	}
	on, seconds := binary.NativeEndian.Uint32(b), int32(binary.NativeEndian.Uint32(b[4:]))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lingers = on != 0; c.lingers {
		c.linger = time.Duration(max(0, seconds)) * time.Second
		if seconds < 0 {
			c.linger = 1<<63 - 1
		}
	}
	return nil
}

func (c *common) bindToDevice(b []byte, raw bool) error {
	name := string(b[:min(len(b), unix.IFNAMSIZ-1)])
	for i := range name {
		if name[i] == 0 {
			name = name[:i]
			break
		}
	}
	index := 0
	if name != "" {
		n := c.stack.NICByName(name)
		if n == nil {
			return unix.ENODEV
		}
		index = n.index
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setDevice(index, raw)
}

// setDevice binds the socket to an interface: EPERM if it is bound to one and the
// caller has no CAP_NET_RAW.
func (c *common) setDevice(index int, raw bool) error {
	if c.device != 0 && !raw {
		return unix.EPERM
	}
	if index != 0 && c.stack.NIC(index) == nil {
		return unix.ENODEV
	}
	c.device = index
	return nil
}

// fittingLowat is the most of SO_RCVLOWAT that the buffer can hold, with what the
// memory of segments takes: half of it, or of what it may grow to.
func (c *common) fittingLowat(v int) int {
	if c.bufLocked&2 != 0 {
		return min(v, c.rcvBuf/2)
	}
	return min(v, c.stack.tcpTunables().RMem[2]/2)
}

// setFilter attaches a classic BPF program, which the caller read: struct
// sock_filter after struct sock_filter.
func (c *common) setFilter(name int, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flags&fLockFilter != 0 {
		return unix.EPERM
	}
	if name == unix.SO_DETACH_FILTER {
		if c.filter == nil {
			return unix.ENOENT
		}
		c.filter = nil
		return nil
	}
	p, err := bpf.Parse(value)
	if err != nil {
		return err
	}
	c.filter = p
	return nil
}

// addr4Option reads an address of IPv4 of an option.
func addr4Option(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// addr6Option reads an address of IPv6 of an option.
func addr6Option(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }
