package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/dgram"
)

// common is what all sockets have. A protocol embeds it and guards its own state
// by the same lock.
type common struct {
	stack  *Stack // immutable, as the next three
	typ    int
	proto  int
	self   Socket       // the socket that this is a part of
	family atomic.Int32 // changed by IPV6_ADDRFORM only

	wakeFn atomic.Pointer[func(uint32)]
	serial uint64 // the order in which sockets were made; immutable

	mu sync.Mutex // the socket's lock: it guards what follows and what the protocol adds
	options
	owner  Owner
	err    unix.Errno // SO_ERROR
	errs   dgram.Errors
	groups []membership
}

// init makes c the part of socket x. The socket is not to be found by Sockets
// until register is called.
func (c *common) init(s *Stack, x Socket, family, typ, proto int, o Owner) {
	c.stack, c.self, c.typ, c.proto, c.owner = s, x, typ, proto, o
	c.family.Store(int32(family))
	c.options.init(s, family)
}

// v6 reports whether the socket is of AF_INET6.
func (c *common) v6() bool { return c.family.Load() == unix.AF_INET6 }

// Family returns AF_INET, AF_INET6 or AF_PACKET.
func (c *common) Family() int { return int(c.family.Load()) }

// Type returns SOCK_STREAM, SOCK_DGRAM or SOCK_RAW.
func (c *common) Type() int { return c.typ }

// Protocol returns an IPPROTO_* number, or the Ethernet type of a packet socket.
func (c *common) Protocol() int { return c.proto }

// SetWake has f called after events may have come to hold.
func (c *common) SetWake(f func(events uint32)) {
	if f == nil {
		c.wakeFn.Store(nil)
		return
	}
	c.wakeFn.Store(&f)
}

// wake says that events happened. No lock is held.
func (c *common) wake(events uint32) {
	if f := c.wakeFn.Load(); f != nil && events != 0 {
		(*f)(events)
	}
}

// SetInode sets the socket's number in its file system.
func (c *common) SetInode(ino uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner.Inode = ino
}

// Buffers returns the sizes in bytes: SO_SNDBUF and SO_RCVBUF.
func (c *common) Buffers() (snd, rcv int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sndBuf, c.rcvBuf
}

// takeError returns the pending error, nil if there is none, and clears it. The
// caller holds the lock.
func (c *common) takeError() error {
	if c.err == 0 {
		return nil
	}
	e := c.err
	c.err = 0
	return e
}

// Listen is for streams.
func (c *common) Listen(backlog int) error { return unix.EOPNOTSUPP }

// Accept is for streams.
func (c *common) Accept() (Socket, Address, error) { return nil, Address{}, unix.EOPNOTSUPP }

// Ioctl knows nothing by itself.
func (c *common) Ioctl(cmd uint32) (int, error) { return 0, enoioctlcmd }

// enoioctlcmd is ENOIOCTLCMD: the command is not one of sockets.
const enoioctlcmd = unix.Errno(515)

// checkAddress checks an address of bind, connect and send against the socket's
// family, and returns it unmapped.
func (c *common) checkAddress(a *Address) (netip.AddrPort, error) {
	addr := a.Addr()
	switch {
	case !addr.IsValid():
		return netip.AddrPort{}, unix.EINVAL
	case c.Family() == unix.AF_INET && !addr.Is4():
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	case c.v6() && addr.Is4():
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), a.Port()), nil
}

// show is an address as the socket's owner sees it: one of IPv4 is mapped for a
// socket of AF_INET6, and none is the unspecified one.
func (c *common) show(a netip.AddrPort) Address {
	addr := a.Addr()
	switch {
	case !addr.IsValid() && c.v6():
		addr = netip.IPv6Unspecified()
	case !addr.IsValid():
		addr = netip.IPv4Unspecified()
	case addr.Is4() && c.v6():
		addr = netip.AddrFrom16(addr.As16())
	}
	return Address{AddrPort: netip.AddrPortFrom(addr, a.Port())}
}

// showScoped is show with the interface of a link-local address.
func (c *common) showScoped(a netip.AddrPort, nic int) Address {
	s := c.show(a)
	if ad := a.Addr(); ad.Is6() && (ad.IsLinkLocalUnicast() || ad.IsLinkLocalMulticast()) {
		s.Scope = nic
	}
	return s
}

// checkBind checks that a socket may be bound to addr, which is unmapped, and
// returns the interface that a scope names: EADDRNOTAVAIL, EINVAL.
func (c *common) checkBind(addr netip.Addr, scope int) (device int, err error) {
	s := c.stack
	if addr.Is4() && c.v6() && c.v6only {
		return 0, unix.EINVAL
	}
	if addr.Is6() && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast()) {
		device = c.device
		if scope != 0 {
			if device != 0 && device != scope {
				return 0, unix.EINVAL
			}
			device = scope
		}
		if device == 0 {
			return 0, unix.EINVAL
		}
		if s.NIC(device) == nil {
			return 0, unix.ENODEV
		}
	}
	if addr.IsUnspecified() || c.freebind || c.transparent {
		return device, nil
	}
	if addr.IsMulticast() || addr.Is4() && s.isBroadcast(addr) {
		if c.typ == unix.SOCK_STREAM {
			return 0, unix.EADDRNOTAVAIL
		}
		return device, nil
	}
	nonlocal := s.tune(tIPNonlocalBind)
	if addr.Is6() {
		nonlocal = s.tune(tV6IPNonlocalBind)
	}
	if nonlocal != 0 || s.isLocal(addr, device) {
		return device, nil
	}
	return 0, unix.EADDRNOTAVAIL
}

// binding returns a binding with what the options say now. The caller holds the lock.
func (c *common) binding(t transport, addr netip.Addr, port uint16, device int) *binding {
	if addr.IsUnspecified() {
		if addr.Is6() || !c.v6() {
			addr = netip.Addr{}
		} else {
			// ::ffff:0.0.0.0 of a dual socket: IPv4 only.
			return c.newBinding(t, netip.Addr{}, port, device, false)
		}
	}
	return c.newBinding(t, addr, port, device, c.v6())
}

func (c *common) newBinding(t transport, addr netip.Addr, port uint16, device int, v6 bool) *binding {
	if c.device != 0 {
		device = c.device
	}
	return &binding{
		proto: uint8(c.proto), addr: addr, port: port, device: device, v6: v6, v6only: c.v6only,
		reuseAddr: c.flags&fReuseAddr != 0, reusePort: c.flags&fReusePort != 0, uid: c.owner.UID, beside: c.owner.Beside, target: t, program: c.reuseProgram, alone: c.reuseAlone,
	}
}

// wall returns the time of day.
func (s *Stack) wall() time.Time { return s.cfg.Wall() }

// now returns nanoseconds of the stack's clock.
func (s *Stack) now() int64 { return s.cfg.Now() }
