package filter

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Dup sends a copy elsewhere: of a frame, out of an interface; of a packet of IP,
// to a gateway.
type Dup struct {
	Dev, Addr       Register
	HasDev, HasAddr bool
}

func (e *Dup) eval(x *run) {
	host := x.rules.cfg.Host
	if x.c.Frame {
		host.SendFrame(x.p, x.c, int(x.word(e.Dev)))
		return
	}
	oif := 0
	if e.HasDev {
		oif = int(x.word(e.Dev))
	}
	host.SendCopy(x.h, x.p, x.c, x.addr(e.Addr, x.c.V6), oif)
}

// addr is an address in the registers.
func (x *run) addr(r Register, v6 bool) netip.Addr {
	n := 4
	if v6 {
		n = 16
	}
	a, _ := netip.AddrFromSlice(x.bytes(r, n))
	return a
}

// Fwd takes a frame away, and sends it out of an interface: as it is, or the packet
// in it to a neighbour there.
type Fwd struct {
	Dev, Addr Register
	HasAddr   bool
	Family    Family // of the neighbour's address
}

func (e *Fwd) eval(x *run) {
	host, oif := x.rules.cfg.Host, int(x.word(e.Dev))
	if !e.HasAddr {
		host.SendFrame(x.p, x.c, oif)
		x.code = CodeDrop
		return
	}
	if x.noIP || x.c.V6 != (e.Family == IPv6) {
		x.fail()
		return
	}
	x.code = CodeDrop
	host.SendToNeighbor(x.p, x.c, x.addr(e.Addr, x.c.V6), oif)
}

// checkCopy says where copies may be sent from, and that there is somewhere to send
// them.
func (t *Table) checkCopy(e Expr) error {
	switch e := e.(type) {
	case *Dup:
		switch t.Family {
		case NetDev:
			if !e.HasDev {
				return unix.EINVAL
			}
			return nil
		case IPv4, IPv6:
			if !e.HasAddr {
				return unix.EINVAL
			}
			return nil
		}
		return unix.ENOENT
	case *Fwd:
		if t.Family != NetDev {
			return unix.ENOENT
		}
	}
	return nil
}
