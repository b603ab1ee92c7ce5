package filter

import (
	"net/netip"

	"hull/netstack/filter/conntrack"
)

// The keys of CT: NFT_CT_*.
const (
	CTState      = 0
	CTDirection  = 1
	CTStatus     = 2
	CTMark       = 3
	CTExpiration = 5
	CTHelper     = 6
	CTL3Proto    = 7
	CTSrc        = 8
	CTDst        = 9
	CTProtocol   = 10
	CTProtoSrc   = 11
	CTProtoDst   = 12
	CTPackets    = 14
	CTBytes      = 15
	CTAvgPkt     = 16
	CTZone       = 17
	CTEventMask  = 18
	CTSrcIP      = 19
	CTDstIP      = 20
	CTSrcIP6     = 21
	CTDstIP6     = 22
	CTID         = 23
)

// CT loads what is known of a packet's connection, or sets its mark or zone.
type CT struct {
	Key    uint32
	Set    bool
	Reg    Register
	Dir    uint8 // of the keys that have one
	HasDir bool
}

func (e *CT) tracks() bool { return true }

// CTLength is the size in bytes of a key's value in a table of a family; 0 if it
// is not known.
func CTLength(key uint32, f Family) int {
	switch key {
	case CTState, CTStatus, CTMark, CTExpiration, CTID, CTSrcIP, CTDstIP, CTEventMask:
		return 4
	case CTDirection, CTL3Proto, CTProtocol:
		return 1
	case CTHelper, CTSrcIP6, CTDstIP6:
		return 16
	case CTSrc, CTDst:
		if f == IPv4 {
			return 4
		}
		return 16
	case CTProtoSrc, CTProtoDst, CTZone:
		return 2
	case CTPackets, CTBytes, CTAvgPkt:
		return 8
	}
	return 0
}

// stateBit is a state as ct state has it: NF_CT_STATE_*.
func stateBit(r *conntrack.Ref) uint32 {
	if r == nil {
		return 1
	}
	switch r.State {
	case conntrack.Untracked:
		return 1 << 6
	case conntrack.Established:
		return 1 << 1
	case conntrack.Related:
		return 1 << 2
	case conntrack.New:
		return 1 << 3
	}
	return 1
}

func (e *CT) eval(x *run) {
	if e.Set {
		e.set(x)
		return
	}
	if e.Key == CTState {
		x.setWord(e.Reg, stateBit(x.ref))
		return
	}
	if x.ref == nil || x.ref.Conn == nil {
		x.fail()
		return
	}
	c := x.ref.Conn
	switch e.Key {
	case CTDirection:
		x.set8(e.Reg, bit(x.ref.Reply))
	case CTStatus:
		x.setWord(e.Reg, uint32(c.Status()))
	case CTMark:
		x.setWord(e.Reg, c.Mark())
	case CTExpiration:
		x.setWord(e.Reg, uint32(max(c.Deadline()-x.c.Now, 0)/1e6))
	case CTHelper:
		x.fail()
	case CTL3Proto:
		x.set8(e.Reg, x.nfproto())
	case CTID:
		x.setWord(e.Reg, c.ID())
	case CTPackets, CTBytes, CTAvgPkt:
		e.count(x, c)
	default:
		e.tuple(x, c)
	}
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// count loads the counters of a direction or of both.
func (e *CT) count(x *run, c *conntrack.Conn) {
	var packets, bytes uint64
	for _, reply := range []bool{false, true} {
		if !e.HasDir || reply == (e.Dir == 1) {
			p, b := c.Counts(reply)
			packets, bytes = packets+p, bytes+b
		}
	}
	v := packets
	switch e.Key {
	case CTBytes:
		v = bytes
	case CTAvgPkt:
		v = bytes / max(packets, 1)
	}
	x.set64(e.Reg, v)
}

// tuple loads addresses, ports, the protocol or the zone of a direction.
func (e *CT) tuple(x *run, c *conntrack.Conn) {
	t := c.Original()
	if e.Dir == 1 {
		t = c.Reply()
	}
	addr := func(a netip.Addr, v6, any bool) {
		if !any && a.Is4() == v6 {
			x.fail()
			return
		}
		n := 4
		if !a.Is4() {
			n = 16
		}
		copy(x.clear(e.Reg, n), a.AsSlice())
	}
	switch e.Key {
	case CTProtocol:
		x.set8(e.Reg, uint8(t.Proto))
	case CTSrc:
		addr(t.Src, false, true)
	case CTDst:
		addr(t.Dst, false, true)
	case CTSrcIP:
		addr(t.Src, false, false)
	case CTDstIP:
		addr(t.Dst, false, false)
	case CTSrcIP6:
		addr(t.Src, true, false)
	case CTDstIP6:
		addr(t.Dst, true, false)
	case CTProtoSrc:
		x.set16BE(e.Reg, t.SrcPort)
	case CTProtoDst:
		x.set16BE(e.Reg, t.DstPort)
	case CTZone:
		x.set16(e.Reg, t.Zone)
	default:
		x.fail()
	}
}

func (e *CT) set(x *run) {
	switch e.Key {
	case CTMark:
		if x.ref != nil && x.ref.Conn != nil {
			x.ref.Conn.SetMark(x.word(e.Reg))
		}
	case CTZone:
		if x.ref == nil {
			id := uint16(x.word(e.Reg))
			x.zones = conntrack.Zones{id, id}
			if e.HasDir {
				x.zones[1-e.Dir] = 0
			}
		}
	}
}

// NoTrack takes a packet off the tracker.
type NoTrack struct{}

func (NoTrack) eval(x *run) {
	if x.ref == nil {
		x.ref = x.rules.conns.Untracked()
		x.p.Track = x.ref
	}
}

// NAT translates a connection to the addresses and ports in registers: snat, dnat.
type NAT struct {
	Src                                    bool
	Family                                 Family // of the addresses: IPv4 or IPv6
	AddrMin, AddrMax                       Register
	PortMin, PortMax                       Register
	HasAddr, HasPort, HasMaxAddr, HasMaxPt bool // those that the rule has
	Flags                                  uint32
}

func (e *NAT) tracks() bool { return true }

func (e *NAT) eval(x *run) {
	r := conntrack.Range{Flags: e.Flags}
	if e.HasAddr {
		n := 4
		if e.Family == IPv6 {
			n = 16
		}
		r.MinAddr, _ = netip.AddrFromSlice(x.bytes(e.AddrMin, n))
		r.MaxAddr, _ = netip.AddrFromSlice(x.bytes(e.AddrMax, n))
		r.Flags |= conntrack.RangeMapIPs
		if r.MinAddr.Is4() == x.c.V6 {
			x.code = CodeDrop
			return
		}
	}
	x.ports(&r, e.HasPort, e.PortMin, e.PortMax)
	x.translate(e.Src, &r)
}

// ports takes the ports of a translation from registers.
func (x *run) ports(r *conntrack.Range, has bool, lo, hi Register) {
	if has {
		b := x.bytes(lo, 2)
		r.MinPort = uint16(b[0])<<8 | uint16(b[1])
		b = x.bytes(hi, 2)
		r.MaxPort = uint16(b[0])<<8 | uint16(b[1])
		r.Flags |= conntrack.RangeProtoSpecified
	}
}

// translate decides about the packet's connection, and accepts it.
func (x *run) translate(src bool, r *conntrack.Range) {
	x.code = CodeAccept
	if x.ref == nil || x.ref.Conn == nil {
		return
	}
	x.rules.conns.SetNAT(x.ref.Conn, src, r, x.c.Now)
}

// Masquerade is NAT of the source to the address of the interface that the packet
// leaves through.
type Masquerade struct {
	Flags            uint32
	PortMin, PortMax Register
	HasPort, HasMax  bool
}

func (e *Masquerade) tracks() bool { return true }

func (e *Masquerade) eval(x *run) {
	r := conntrack.Range{Flags: e.Flags}
	x.ports(&r, e.HasPort, e.PortMin, e.PortMax)
	x.masquerade(&r)
}

func (x *run) masquerade(r *conntrack.Range) {
	if x.c.Out == nil {
		x.code = CodeDrop
		return
	}
	a, ok := x.rules.cfg.Host.Source(x.c.Out.Index, x.pk.Tuple.Dst)
	if !ok {
		x.code = CodeDrop
		return
	}
	r.MinAddr, r.MaxAddr = a, a
	r.Flags |= conntrack.RangeMapIPs
	x.translate(true, r)
}

// Redirect is NAT of the destination to this host.
type Redirect struct {
	Flags            uint32
	PortMin, PortMax Register
	HasPort, HasMax  bool
}

func (e *Redirect) tracks() bool { return true }

func (e *Redirect) eval(x *run) {
	r := conntrack.Range{Flags: e.Flags}
	x.ports(&r, e.HasPort, e.PortMin, e.PortMax)
	x.redirect(&r)
}

func (x *run) redirect(r *conntrack.Range) {
	switch {
	case x.h == Output && x.c.V6:
		r.MinAddr = netip.AddrFrom16([16]byte{15: 1})
	case x.h == Output:
		r.MinAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		if x.c.In == nil {
			x.code = CodeDrop
			return
		}
		a, ok := x.rules.cfg.Host.Source(x.c.In.Index, x.pk.Tuple.Src)
		if !ok {
			x.code = CodeDrop
			return
		}
		r.MinAddr = a
	}
	r.MaxAddr = r.MinAddr
	r.Flags |= conntrack.RangeMapIPs
	x.translate(false, r)
}
