package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Flow labels are leased, by IPV6_FLOWLABEL_MGR: to a socket alone, to those of a
// process or a user, or to everybody. As long as nobody has one for himself, labels
// are used without a lease (RFC 6437).
//
// Life of a lease: made, with a first holder → held by sockets → without a holder
// until it lingered and expired → gone.

// flowLease is one label.
type flowLease struct {
	label uint32 // immutable, as the next four
	dst   netip.Addr
	share uint8
	uid   uint32
	pid   int32

	// Guarded by flowLabels.mu.
	users           int
	linger, expires int64 // ns: after the last use; when it may end
	lastUse         int64
}

// flowLabels is the leases of a stack.
type flowLabels struct {
	mu     sync.Mutex
	leases map[uint32]*flowLease
	// exclusive says that somebody ever had one for himself: from then on labels
	// are only used by who holds them.
	exclusive atomic.Bool
}

// FlowUser is who asks for a lease.
type FlowUser struct {
	UID   uint32
	PID   int32
	Admin bool // CAP_NET_ADMIN
}

// FlowLabeler is a socket that can hold flow labels.
type FlowLabeler interface {
	// FlowLabel does what struct in6_flowlabel_req asks for and returns the label
	// that was chosen, or 0 if the request named one.
	FlowLabel(request []byte, who FlowUser) (uint32, error)
	// FlowLease answers getsockopt(2): the lease of the label that the socket's
	// connection has, in room bytes: ENOENT.
	FlowLease(request []byte, room int) ([]byte, error)
}

// The numbers of linux/in6.h: actions, flags, and with whom a label is shared.
const (
	flowGet, flowPut, flowRenew = 0, 1, 2

	flowCreate  = 1
	flowExcl    = 2
	flowReflect = 4

	shareNone, shareExcl, shareProcess, shareUser, shareAny = 0, 1, 2, 3, 255
)

// flowRequestSize is the size of struct in6_flowlabel_req:
//
//	0   destination (16)
//	16  label (4, network order)
//	20  action, share (1 each), flags (2)
//	24  expires, linger (2 each, seconds), padding (4)
const flowRequestSize = 32

// Bounds of leases: how many a stack and a socket have, and their times in seconds
// for who is not privileged.
const (
	maxLeases       = 4096
	maxSocketLeases = 32
	minLinger       = 6
	maxLinger       = 60
)

type flowRequest struct {
	dst             netip.Addr
	label           uint32
	action, share   uint8
	flags           uint16
	expires, linger int64 // seconds
}

func parseFlowRequest(b []byte) (r flowRequest, err error) {
	if len(b) < flowRequestSize {
		return r, unix.EINVAL
	}
	ne := binary.NativeEndian
	return flowRequest{
		dst: addr6Option(b), label: binary.BigEndian.Uint32(b[16:]), action: b[20], share: b[21], flags: ne.Uint16(b[22:]),
		expires: int64(ne.Uint16(b[24:])), linger: int64(ne.Uint16(b[26:])),
	}, nil
}

// clampTimes bounds the times of a request: EPERM for long ones.
func (r *flowRequest) clampTimes(admin bool) error {
	for _, t := range []*int64{&r.linger, &r.expires} {
		if *t > maxLinger && !admin {
			return unix.EPERM
		}
		*t = max(*t, minLinger)
	}
	return nil
}

// FlowLabel implements FlowLabeler.
func (c *common) FlowLabel(request []byte, who FlowUser) (uint32, error) {
	r, err := parseFlowRequest(request)
	if err != nil {
		return 0, err
	}
	if r.action <= flowPut && r.flags&flowReflect != 0 {
		return 0, unix.ENOPROTOOPT // labels are not reflected
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, now := &c.stack.flows, c.stack.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.purge(now)
	held := slices.IndexFunc(c.ip6.labels, func(l *flowLease) bool { return l.label == r.label })
	switch r.action {
	case flowPut:
		if held < 0 {
			return 0, unix.ESRCH
		}
		c.ip6.labels[held].drop(now)
		c.ip6.labels = slices.Delete(c.ip6.labels, held, held+1)
		return 0, nil
	case flowRenew:
		l := f.leases[r.label]
		if held < 0 && (r.share != shareNone || !who.Admin) || l == nil {
			return 0, unix.ESRCH
		}
		if err := r.clampTimes(who.Admin); err != nil {
			return 0, err
		}
		l.renew(&r, now)
		return 0, nil
	case flowGet:
		return c.takeLabel(f, &r, who, now)
	}
	return 0, unix.EINVAL
}

// takeLabel leases a label to the socket. The caller holds both locks.
func (c *common) takeLabel(f *flowLabels, r *flowRequest, who FlowUser, now int64) (uint32, error) {
	switch {
	case r.label&^flowLabelMask != 0:
		return 0, unix.EINVAL
	case c.stack.tune(tV6FlowlabelStateRanges) != 0 && r.label&flowLabelStateless != 0:
		return 0, unix.ERANGE
	}
	if err := r.clampTimes(who.Admin); err != nil {
		return 0, err
	}
	switch r.share {
	case shareExcl, shareAny, shareProcess, shareUser:
	default:
		return 0, unix.EINVAL
	}
	if r.dst.Is4In6() || r.dst.IsUnspecified() {
		return 0, unix.EINVAL
	}
	if r.share != shareAny {
		f.exclusive.Store(true)
	}
	if old := f.leases[r.label]; old != nil && r.label != 0 {
		switch {
		case r.flags&flowExcl != 0:
			return 0, unix.EEXIST
		case !old.sharedWith(r.share, who):
			return 0, unix.EPERM
		}
		old.linger = max(old.linger, r.linger*1e9)
		old.expires = max(old.expires, now+r.expires*1e9)
		if len(c.ip6.labels) >= maxLeases {
			return 0, unix.ENOBUFS
		}
		old.users++ // and once more for each time that the socket asks
		c.ip6.labels = append(c.ip6.labels, old)
		return 0, nil
	}
	room := maxLeases - len(f.leases)
	n := len(c.ip6.labels)
	switch {
	case r.flags&flowCreate == 0:
		return 0, unix.ENOENT
	case room <= 0, !who.Admin && (n >= maxSocketLeases || n > 0 && room < maxLeases/2 || room < maxLeases/4):
		return 0, unix.ENOBUFS
	}
	chosen := uint32(0)
	for r.label == 0 || chosen != 0 && f.leases[chosen] != nil {
		chosen = uint32(c.stack.randomUint64()) & flowLabelMask
		if c.stack.tune(tV6FlowlabelStateRanges) != 0 {
			chosen &^= flowLabelStateless
		}
		r.label = chosen
	}
	l := &flowLease{label: r.label, dst: r.dst, share: r.share, uid: who.UID, pid: who.PID, users: 1, lastUse: now}
	l.renew(r, now)
	if f.leases == nil {
		f.leases = map[uint32]*flowLease{}
	}
	f.leases[l.label] = l
	c.ip6.labels = append(c.ip6.labels, l)
	return chosen, nil
}

func (l *flowLease) renew(r *flowRequest, now int64) {
	l.linger, l.expires = r.linger*1e9, now+r.expires*1e9
}

func (l *flowLease) sharedWith(share uint8, who FlowUser) bool {
	switch {
	case l.share == shareExcl || l.share != share:
		return false
	case share == shareProcess:
		return l.pid == who.PID
	case share == shareUser:
		return l.uid == who.UID
	}
	return true
}

// drop says that a socket does not hold the label any more.
func (l *flowLease) drop(now int64) {
	l.users--
	l.lastUse = now
	l.expires = max(l.expires, now+l.linger)
}

// purge removes what nobody holds and is over.
func (f *flowLabels) purge(now int64) {
	for label, l := range f.leases {
		if l.users == 0 && now >= l.expires {
			delete(f.leases, label)
		}
	}
}

// FlowLease implements FlowLabeler.
func (c *common) FlowLease(request []byte, room int) ([]byte, error) {
	r, err := parseFlowRequest(request)
	if err != nil || r.action != flowGet {
		return nil, unix.EINVAL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	label := c.ip6.flow & flowLabelMask
	if x, ok := c.self.(interface{ flowLocked() uint32 }); ok {
		label = x.flowLocked() & flowLabelMask
	}
	f, now := &c.stack.flows, c.stack.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range c.ip6.labels {
		if l.label != label {
			continue
		}
		dst, ne := l.dst.As16(), binary.NativeEndian
		b := binary.BigEndian.AppendUint32(dst[:], l.label)
		b = ne.AppendUint16(append(b, 0, l.share), 0)
		b = ne.AppendUint16(ne.AppendUint16(b, uint16(max(0, l.expires-now)/1e9)), uint16(l.linger/1e9))
		return cut(append(b, 0, 0, 0, 0), room), nil
	}
	return nil, unix.ENOENT
}

// mayUseLabel reports whether the socket may send with a label. The caller holds
// the lock.
func (c *common) mayUseLabel(label uint32) bool {
	return !c.stack.flows.exclusive.Load() || slices.ContainsFunc(c.ip6.labels, func(l *flowLease) bool { return l.label == label })
}

// mayConnectBy reports whether the socket may be connected with sin6_flowinfo.
func (c *common) mayConnectBy(flow uint32) bool {
	return !c.ip6.flowSend || flow&flowLabelMask == 0 || c.mayUseLabel(flow&flowLabelMask)
}

// dropLabels gives back what the socket holds: it is closed. The caller holds the
// lock.
func (c *common) dropLabels() {
	labels := c.ip6.labels
	c.ip6.labels = nil
	if labels == nil {
		return
	}
	f, now := &c.stack.flows, c.stack.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range labels {
		l.drop(now)
	}
	f.purge(now)
}
