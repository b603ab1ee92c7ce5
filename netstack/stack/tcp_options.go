package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/tcp"
)

// Options of SOL_TCP that x/sys may lack.
const (
	tcpRepair          = 19
	tcpRepairQueue     = 20
	tcpQueueSeq        = 21
	tcpRepairOptions   = 22
	tcpRepairWindow    = 29
	tcpTimestamp       = 24
	tcpNotSentLowat    = 25
	tcpCCInfo          = 26
	tcpSaveSyn         = 27
	tcpSavedSyn        = 28
	tcpFastOpenConnect = 30
	tcpULP             = 31
	tcpMD5SigExt       = 32
	tcpFastOpenKey     = 33
	tcpFastOpenNoCook  = 34
	tcpZeroCopyReceive = 35
	tcpInq             = 36
	tcpTxDelay         = 37
	tcpAORepair        = 42
	tcpIsMPTCP         = 43
	tcpRTOMaxMS        = 44
	tcpRTOMinUS        = 45
	tcpDelackMaxUS     = 46
)

// tcpOptions are a socket's options of SOL_TCP, and what goes with them.
type tcpOptions struct {
	noDelay, cork          bool
	maxSeg                 int
	keepIdle, keepInterval time.Duration
	keepProbes, synRetries int
	linger2                time.Duration // <0: none
	deferAccept            time.Duration
	clamp                  int
	congestion             string // "" is the tunable's
	userTimeout            time.Duration
	fastOpenQueue          int
	fastOpenConnect        bool
	fastOpenNoCookie       bool
	fastOpenData           bool     // a send opens the connection
	deferred               *Address // where TCP_FASTOPEN_CONNECT will connect to
	notSent                int
	saveSyn                int
	inq                    bool
	thinLinear             bool
	quick                  int // 1 on, 2 off: for a connection to come
	rtoMax, rtoMin         time.Duration
	delackMax              time.Duration
	txDelay                int    // TCP_TX_DELAY: as without a queue that holds packets back
	fastOpenKey            []byte // TCP_FASTOPEN_KEY, of a listener; nil is the tunable's
	reuse                  uint32 // ISS after a connection in TIME_WAIT
}

func (o *tcpOptions) init() { *o = tcpOptions{} }

// inherited is what a connection has of its listener.
func (o *tcpOptions) inherited() tcpOptions {
	c := *o
	c.deferred, c.fastOpenQueue, c.fastOpenConnect, c.fastOpenData, c.reuse = nil, 0, false, false, 0
	return c
}

func (o *tcpOptions) congestionName(t *tcp.Tunables) string {
	if o.congestion != "" {
		return o.congestion
	}
	if tcp.HasCongestion(t.Congestion) {
		return t.Congestion
	}
	return "cubic"
}

// engineOptions is what the engine is told of the options. The caller holds the lock.
func (t *tcpSocket) engineOptions() tcp.Options {
	o := &t.opts
	e := tcp.Options{
		NoDelay: o.noDelay, Cork: o.cork, KeepAlive: t.flags&fKeepAlive != 0, KeepIdle: o.keepIdle, KeepInterval: o.keepInterval,
		KeepProbes: o.keepProbes, SynRetries: o.synRetries, Linger2: o.linger2, UserTimeout: o.userTimeout,
		OOBInline: t.flags&fOOBInline != 0, ThinLinear: o.thinLinear, NotSentLowat: o.notSent, RTOMin: o.rtoMin, DelackMax: o.delackMax,
	}
	if t.pacing != ^uint64(0) {
		e.MaxPacing = int64(min(t.pacing, 1<<62))
	}
	return e
}

// refresh tells the engine of changed options. It gives the lock up.
func (t *tcpSocket) refresh() {
	now := t.stack.now()
	if t.conn == nil {
		t.mu.Unlock()
		return
	}
	t.conn.SetOptions(now, t.engineOptions())
	t.absorb(now)
	t.unlock(now)
}

// SetOption is setsockopt(2).
func (t *tcpSocket) SetOption(level, name int, value []byte, admin, raw bool) error {
	if level == unix.SOL_TCP {
		return t.setTCP(name, value, admin)
	}
	if err := t.setOption(level, name, value, admin, raw); err != nil {
		return err
	}
	if level != unix.SOL_SOCKET {
		return nil
	}
	switch name {
	case unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE:
		now := t.stack.now()
		t.mu.Lock()
		if t.conn == nil {
			t.mu.Unlock()
			return nil
		}
		if name == unix.SO_SNDBUF || name == unix.SO_SNDBUFFORCE {
			t.conn.SetBuffers(now, t.sndBuf, 0)
		} else {
			t.conn.SetBuffers(now, 0, t.rcvBuf)
		}
		t.absorb(now)
		t.unlock(now)
	case unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_MAX_PACING_RATE:
		t.mu.Lock()
		t.refresh()
	}
	return nil
}

// forgetWay has the path looked up again.
func (t *tcpSocket) forgetWay() {
	t.mu.Lock()
	t.way = nil
	t.mu.Unlock()
}

// setTCP is setsockopt for SOL_TCP.
func (t *tcpSocket) setTCP(name int, value []byte, admin bool) error {
	switch name {
	case unix.TCP_CONGESTION:
		return t.setCongestion(value, admin)
	case tcpULP:
		if len(value) == 0 {
			return unix.EINVAL
		}
		return unix.ENOENT // there are none
	case unix.TCP_MD5SIG, tcpMD5SigExt:
		return unix.ENOPROTOOPT
	case tcpFastOpenKey:
		if len(value) != 16 && len(value) != 32 {
			return unix.EINVAL
		}
		t.mu.Lock()
		t.opts.fastOpenKey = slices.Clone(value)
		t.mu.Unlock()
		return nil
	}
	v, err := intValue(value)
	if err != nil {
		return err
	}
	t.mu.Lock()
	if err := t.setTCPInt(name, v, admin); err != nil {
		t.mu.Unlock()
		return err
	}
	switch name {
	case unix.TCP_QUICKACK:
		now := t.stack.now()
		if t.conn != nil {
			t.conn.QuickAck(now, v != 0, v&1 == 0)
			t.absorb(now)
		}
		t.unlock(now)
	default:
		t.refresh()
	}
	return nil
}

// setTCPInt sets an option whose value is an int. The caller holds the lock.
func (t *tcpSocket) setTCPInt(name, v int, admin bool) error {
	o := &t.opts
	seconds := func(d *time.Duration, most int) error {
		if v < 1 || v > most {
			return unix.EINVAL
		}
		*d = time.Duration(v) * time.Second
		return nil
	}
	small := func(n *int, most int) error {
		if v < 1 || v > most {
			return unix.EINVAL
		}
		*n = v
		return nil
	}
	switch name {
	case unix.TCP_NODELAY:
		o.noDelay = v != 0
	case unix.TCP_CORK:
		o.cork = v != 0
	case unix.TCP_MAXSEG:
		if v != 0 && (v < t.stack.tcpTunables().MinSndMSS || v > 32767) {
			return unix.EINVAL
		}
		o.maxSeg = v
	case unix.TCP_KEEPIDLE:
		return seconds(&o.keepIdle, 32767)
	case unix.TCP_KEEPINTVL:
		return seconds(&o.keepInterval, 32767)
	case unix.TCP_KEEPCNT:
		return small(&o.keepProbes, 127)
	case unix.TCP_SYNCNT:
		return small(&o.synRetries, 127)
	case unix.TCP_LINGER2:
		o.linger2 = time.Duration(min(v, 120)) * time.Second
		if v < 0 {
			o.linger2 = -1
		}
	case unix.TCP_DEFER_ACCEPT:
		o.deferAccept = deferTime(v, t.stack.tcpTunables())
	case unix.TCP_WINDOW_CLAMP:
		return t.setClamp(v)
	case unix.TCP_QUICKACK:
		o.quick = 1 + bit(v == 0)
	case unix.TCP_USER_TIMEOUT:
		if v < 0 {
			return unix.EINVAL
		}
		o.userTimeout = time.Duration(v) * time.Millisecond
	case unix.TCP_THIN_LINEAR_TIMEOUTS:
		if v < 0 || v > 1 {
			return unix.EINVAL
		}
		o.thinLinear = v != 0
	case unix.TCP_THIN_DUPACK:
		if v < 0 || v > 1 {
			return unix.EINVAL
		}
	case unix.TCP_FASTOPEN:
		if v < 0 || t.phase != tcpUnconnected && t.phase != tcpListening {
			return unix.EINVAL
		}
		o.fastOpenQueue = min(v, int(t.stack.tune(tCoreSomaxconn)))
	case tcpFastOpenConnect, tcpFastOpenNoCook:
		if v < 0 || v > 1 || t.phase != tcpUnconnected && !(name == tcpFastOpenNoCook && t.phase == tcpListening) {
			return unix.EINVAL
		}
		if t.stack.tcpTunables().FastOpen&1 == 0 && name == tcpFastOpenConnect {
			return unix.EOPNOTSUPP
		}
		if name == tcpFastOpenConnect {
			o.fastOpenConnect = v != 0
		} else {
			o.fastOpenNoCookie = v != 0
		}
	case tcpNotSentLowat:
		o.notSent = int(uint32(v))
	case tcpSaveSyn:
		if v < 0 || v > 2 {
			return unix.EINVAL
		}
		o.saveSyn = v
	case tcpInq:
		if v < 0 || v > 1 {
			return unix.EINVAL
		}
		o.inq = v != 0
	case tcpRepair, tcpRepairQueue, tcpQueueSeq, tcpRepairOptions, tcpRepairWindow, tcpAORepair:
		return t.setRepair(name, v, admin)
	case tcpTxDelay:
		if v < 0 || v >= 1<<28 {
			return unix.EINVAL
		}
		o.txDelay = v
	case tcpRTOMinUS:
		return shortTime(&o.rtoMin, v)
	case tcpDelackMaxUS:
		return shortTime(&o.delackMax, v)
	case tcpTimestamp:
		return unix.EPERM
	case tcpRTOMaxMS:
		if v < 1000 || v > 120000 {
			return unix.EINVAL
		}
		o.rtoMax = time.Duration(v) * time.Millisecond
	default:
		return unix.ENOPROTOOPT
	}
	return nil
}

// setRepair is the options by which a connection is taken over from a checkpoint:
// they are refused, as to those who may not, but for the end of it.
func (t *tcpSocket) setRepair(name, v int, admin bool) error {
	can := admin && t.phase != tcpListening
	switch {
	case name == tcpAORepair && can:
		return unix.ENOPROTOOPT // as without authentication
	case name == tcpQueueSeq && t.conn == nil && t.phase == tcpUnconnected, name == tcpRepairOptions:
		return unix.EINVAL // not under repair
	case name != tcpRepair || !can || v == 1:
		return unix.EPERM
	case v != 0 && v != -1:
		return unix.EINVAL
	}
	return nil
}

// shortTime sets a time in microseconds that is at most 200 ms, and at least two
// of Linux's ticks.
func shortTime(d *time.Duration, v int) error {
	const tick, most = 4 * time.Millisecond, 200 * time.Millisecond
	at := (time.Duration(v)*time.Microsecond + tick - 1) / tick * tick
	if v < 0 || at < 2*tick || at > most {
		return unix.EINVAL
	}
	*d = at
	return nil
}

// setClamp is TCP_WINDOW_CLAMP.
func (t *tcpSocket) setClamp(v int) error {
	if v == 0 {
		if t.phase != tcpUnconnected {
			return unix.EINVAL
		}
		t.opts.clamp = 0
		return nil
	}
	t.opts.clamp = max(v, minRcvBuf/2)
	if t.conn != nil {
		t.conn.SetClamp(t.opts.clamp)
	}
	return nil
}

// deferTime is how long the SYN-ACK is sent again until TCP_DEFER_ACCEPT of so
// many seconds is over: Linux counts it in retransmissions.
func deferTime(seconds int, tun *tcp.Tunables) time.Duration {
	if seconds <= 0 {
		return 0
	}
	d, rto := time.Second, time.Second
	for n := 1; d < time.Duration(seconds)*time.Second && n < 255; n++ {
		rto = min(rto*2, tun.RTOMax)
		d += rto
	}
	return d
}

// setCongestion is TCP_CONGESTION: ENOENT, EPERM.
func (t *tcpSocket) setCongestion(value []byte, admin bool) error {
	if len(value) < 1 {
		return unix.EINVAL
	}
	name, _, _ := strings.Cut(string(value[:min(len(value), 15)]), "\x00")
	if !tcp.HasCongestion(name) {
		return unix.ENOENT
	}
	if !admin && !strings.Contains(" "+t.stack.tuneText(tTCPAllowedCongestionControl)+" ", " "+name+" ") {
		return unix.EPERM
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opts.congestion = name
	if t.conn != nil && t.conn.Congestion() != name {
		t.conn.SetCongestion(t.stack.now(), tcp.NewCongestion(name))
	}
	return nil
}

// Option is getsockopt(2).
func (t *tcpSocket) Option(level, name, most int, in []byte) ([]byte, error) {
	if level == unix.SOL_TCP {
		return t.tcpOption(name, most)
	}
	if level != unix.SOL_SOCKET {
		return t.option(level, name, most, in)
	}
	t.mu.Lock()
	if t.conn != nil {
		t.sndBuf, t.rcvBuf = t.conn.Buffers()
	}
	switch name {
	case unix.SO_ACCEPTCONN:
		defer t.mu.Unlock()
		return intBytes(bit(t.phase == tcpListening), most), nil
	case unix.SO_ERROR:
		defer t.mu.Unlock()
		v := int(t.err)
		t.err = 0
		if v == 0 && t.conn != nil {
			v = int(t.conn.TakeSoftErr())
		}
		return intBytes(v, most), nil
	}
	t.mu.Unlock()
	return t.option(level, name, most, in)
}

// Buffers returns the sizes in bytes, as tuning has them now.
func (t *tcpSocket) Buffers() (snd, rcv int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		return t.conn.Buffers()
	}
	return t.sndBuf, t.rcvBuf
}

// tcpOption is getsockopt for SOL_TCP.
func (t *tcpSocket) tcpOption(name, most int) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, tun := &t.opts, t.stack.tcpTunables()
	or := func(d, other time.Duration) int {
		if d == 0 {
			d = other
		}
		return int(d / time.Second)
	}
	v := 0
	switch name {
	case unix.TCP_NODELAY:
		v = bit(o.noDelay)
	case unix.TCP_CORK:
		v = bit(o.cork)
	case unix.TCP_MAXSEG:
		v = t.segment()
	case unix.TCP_KEEPIDLE:
		v = or(o.keepIdle, tun.KeepIdle)
	case unix.TCP_KEEPINTVL:
		v = or(o.keepInterval, tun.KeepInterval)
	case unix.TCP_KEEPCNT:
		if v = o.keepProbes; v == 0 {
			v = tun.KeepProbes
		}
	case unix.TCP_SYNCNT:
		if v = o.synRetries; v == 0 {
			v = tun.SynRetries
		}
	case unix.TCP_LINGER2:
		v = -1
		if o.linger2 >= 0 {
			v = or(o.linger2, tun.FinTimeout)
		}
	case unix.TCP_DEFER_ACCEPT:
		v = int(o.deferAccept / time.Second)
	case unix.TCP_WINDOW_CLAMP:
		if v = o.clamp; v == 0 && t.conn != nil {
			v = t.conn.FullWindow()
		}
	case unix.TCP_INFO:
		return cut(t.infoBytes(), most), nil
	case tcpCCInfo:
		return nil, nil
	case unix.TCP_QUICKACK:
		v = bit(o.quick != 2)
		if t.conn != nil {
			v = bit(t.conn.IsQuick())
		}
	case unix.TCP_CONGESTION:
		b := make([]byte, 16)
		copy(b, o.congestionName(tun))
		return cut(b, most), nil
	case tcpULP:
		return nil, nil
	case unix.TCP_USER_TIMEOUT:
		v = int(o.userTimeout / time.Millisecond)
	case unix.TCP_THIN_LINEAR_TIMEOUTS:
		v = bit(o.thinLinear)
	case unix.TCP_THIN_DUPACK:
	case unix.TCP_FASTOPEN:
		v = o.fastOpenQueue
	case tcpFastOpenConnect:
		v = bit(o.fastOpenConnect)
	case tcpFastOpenNoCook:
		v = bit(o.fastOpenNoCookie)
	case tcpFastOpenKey:
		return cut(slices.Clone(o.fastOpenKey), most), nil
	case tcpNotSentLowat:
		v = o.notSent
	case tcpSaveSyn:
		v = o.saveSyn
	case tcpSavedSyn:
		return t.takeSavedSyn(most)
	case tcpInq:
		v = bit(o.inq)
	case tcpTxDelay:
		v = o.txDelay
	case tcpRepair, tcpIsMPTCP:
	case tcpRepairQueue, tcpQueueSeq, tcpRepairWindow, tcpZeroCopyReceive:
		return nil, unix.EINVAL // not under repair; what has memory asks by Stream
	case tcpAORepair:
		if t.phase == tcpListening {
			return nil, unix.EPERM
		}
		return nil, unix.ENOPROTOOPT
	case tcpRTOMinUS:
		v = microseconds(o.rtoMin, tun.RTOMin)
	case tcpDelackMaxUS:
		v = microseconds(o.delackMax, 200*time.Millisecond)
	case tcpTimestamp:
		v = int(uint32(t.stack.now() / 1e6))
	case tcpRTOMaxMS:
		v = or(o.rtoMax, tun.RTOMax) * 1000
	default:
		return nil, unix.ENOPROTOOPT
	}
	return intBytes(v, most), nil
}

func microseconds(d, other time.Duration) int {
	if d == 0 {
		d = other
	}
	return int(d / time.Microsecond)
}

// portLocked is the port that the socket has, addrLocked its own address.
func (t *tcpSocket) portLocked() uint16 {
	if t.bind == nil {
		return 0 // t.local may have the one that it had
	}
	return t.bind.port
}

func (t *tcpSocket) addrLocked() netip.Addr { return t.local.Addr() }

// mappedLocked reports whether the connection is one of IPv4: ENOTCONN.
func (t *tcpSocket) mappedLocked() (bool, error) {
	if t.stateNow() != tcp.Established {
		return false, unix.ENOTCONN
	}
	return t.peer.Addr().Is4(), nil
}

// holdsLocked: a stream is of the family that its connection is.
func (t *tcpSocket) holdsLocked() bool { return false }

// segment is what TCP_MAXSEG says: of a connection what it is, else what was asked
// for, or the least that every peer takes.
func (t *tcpSocket) segment() int {
	if t.conn != nil && t.conn.State() != tcp.Closed {
		return t.conn.SegmentSize()
	}
	if t.opts.maxSeg != 0 {
		return t.opts.maxSeg
	}
	return tcp.DefaultMSS4
}

// takeSavedSyn is TCP_SAVED_SYN: EINVAL with the length needed is Linux's way to say
// that it is too long.
func (t *tcpSocket) takeSavedSyn(most int) ([]byte, error) {
	if t.saved == nil {
		return nil, nil
	}
	if most < len(t.saved) {
		return binary.NativeEndian.AppendUint32(nil, uint32(len(t.saved))), unix.EINVAL
	}
	b := t.saved
	t.saved = nil
	return b, nil
}
