package filter

import (
	"slices"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter/conntrack"
)

// The families whose chains see frames of a link, before the network layer and
// behind it: what an interface takes in and sends, what passes a bridge, and ARP.
const (
	ARP    Family = 3
	NetDev Family = 5
	Bridge Family = 7
)

// The hooks of those families: of ARP and Bridge the numbers are theirs. A table of
// INet may have chains at Ingress too.
const (
	Ingress Hook = 0 // of NetDev
	Egress  Hook = 1
	ARPIn   Hook = 0
	ARPOut  Hook = 1
	// Bridges have Prerouting to Postrouting.

	// IngressINet is what INet calls Ingress: NF_INET_INGRESS.
	IngressINet Hook = 5
)

// maxDevices bounds the interfaces of one chain (NFT_NETDEVICE_MAX).
const maxDevices = 256

// ofFrames reports whether a chain of a table of the family sees frames.
func (f Family) ofFrames() bool { return f == ARP || f == NetDev || f == Bridge }

// framePlace is where frames are: device is empty but for NetDev.
type framePlace struct {
	family Family
	hook   Hook
	device string
}

// frameChain is a chain that sees frames, and the table that it is in.
type frameChain = step

// places returns where a base chain of a table is, none if it sees no frames.
func (t *Table) places(b *Base) []framePlace {
	switch {
	case t.Family == INet && b.Hook == IngressINet:
		return devicePlaces(Ingress, b.Devices)
	case t.Family == NetDev:
		return devicePlaces(b.Hook, b.Devices)
	case t.Family.ofFrames():
		return []framePlace{{t.Family, b.Hook, ""}}
	}
	return nil
}

func devicePlaces(h Hook, devices []string) []framePlace {
	all := make([]framePlace, len(devices))
	for i, d := range devices {
		all[i] = framePlace{NetDev, h, d}
	}
	return all
}

// compileFrames orders the chains that see frames.
func (r *Ruleset) compileFrames() {
	r.frames = map[framePlace][]frameChain{}
	for _, t := range r.Tables {
		if t.Flags&TableDormant != 0 {
			continue
		}
		for _, c := range t.Chains {
			if c.Base == nil {
				continue
			}
			for _, p := range t.places(c.Base) {
				r.frames[p] = append(r.frames[p], frameChain{stepChain, int64(c.Base.Priority), t, c})
				r.sees |= 1 << p.family
			}
		}
	}
	r.trackBridge()
	for _, l := range r.frames {
		slices.SortStableFunc(l, func(a, b frameChain) int { return int(max(-1, min(1, a.priority-b.priority))) })
	}
}

// trackBridge has connections tracked that pass a bridge, if a rule of a bridge's
// asks about them.
func (r *Ruleset) trackBridge() {
	for _, t := range r.Tables {
		if _, tracks := t.needs(); t.Family != Bridge || !tracks || t.Flags&TableDormant != 0 {
			continue
		}
		at := func(h Hook, kind stepKind, priority int64) {
			p := framePlace{Bridge, h, ""}
			r.frames[p] = append(r.frames[p], frameChain{kind: kind, priority: priority})
		}
		r.sees |= 1 << Bridge
		at(Prerouting, stepTrack, prioTrack)
		at(Input, stepConfirm, prioConfirm)
		at(Postrouting, stepConfirm, prioConfirm)
		return
	}
}

// checkFrames says where chains of a table that sees frames may be, and of which
// type: EOPNOTSUPP, EINVAL.
func (t *Table) checkFrames(b *Base) error {
	if b.Type != "filter" {
		return unix.ENOENT
	}
	most := map[Family]Hook{ARP: ARPOut, NetDev: Egress, Bridge: Postrouting, INet: IngressINet}[t.Family]
	if b.Hook > most {
		return unix.EOPNOTSUPP
	}
	needs := t.Family == NetDev || t.Family == INet && b.Hook == IngressINet
	switch {
	case needs && len(b.Devices) == 0:
		return unix.EINVAL
	case len(b.Devices) > maxDevices:
		return unix.E2BIG
	}
	return nil
}

// checkFrameExpr refuses what has no meaning for frames: routes, translations, and
// connections but of a bridge's. A frame is answered where it came from: on its way
// into an interface or a bridge.
func (t *Table) checkFrameExpr(c *Chain, e Expr) error {
	switch e := e.(type) {
	case *NAT, *Masquerade, *Redirect, *Route, *Match, *Target:
		return unix.EOPNOTSUPP
	case *FIB:
		if t.Family != NetDev {
			return unix.ENOENT
		}
	case *Reject:
		switch t.Family {
		case NetDev:
			return c.only(Ingress)
		case Bridge:
			return c.only(Prerouting, Input)
		}
		return unix.ENOENT
	case interface{ tracks() bool }:
		if e.tracks() && t.Family != Bridge {
			return unix.EPROTO
		}
	}
	return nil
}

// SeesFrames reports whether a chain of a family sees frames.
func (r *Rules) SeesFrames(f Family) bool { return r.cur.Load().sees>>f&1 != 0 }

// RunFrame decides about a frame. p begins behind the link's header, c.EtherType
// says what it is, and device is the interface of NetDev's chains.
func (r *Rules) RunFrame(f Family, h Hook, device string, p *buffer.Packet, c *Context) Verdict {
	set := r.cur.Load()
	chains := set.frames[framePlace{f, h, device}]
	if len(chains) == 0 {
		return Accept
	}
	x := r.runs.Get().(*run)
	x.rules, x.set, x.h, x.p, x.c = r, set, h, p, c
	c.Frame = true
	x.ref, _ = p.Track.(*conntrack.Ref)
	v := Accept
	for i := range chains {
		if x.parseFrame(); !x.frameStep(&chains[i]) {
			v = Drop
			break
		}
	}
	*x = run{}
	r.runs.Put(x)
	return v
}

// frameStep does what comes next for a frame: false if it is dropped.
func (x *run) frameStep(s *step) bool {
	switch s.kind {
	case stepTrack:
		if !x.noIP && !x.pk.Fragment {
			x.track()
		}
	case stepConfirm:
		return x.ref == nil || x.rules.conns.Confirm(x.ref, x.c.Now)
	default:
		return x.base(s) == Accept
	}
	return true
}

// parseFrame reads the headers of a packet of IP, or takes note that there are none.
func (x *run) parseFrame() {
	x.c.V6, x.noIP = x.c.EtherType == etherTypeIPv6, false
	if x.c.EtherType == etherTypeIPv4 || x.c.V6 {
		if x.parse() {
			return
		}
	}
	x.p.Pull(min(wanted, x.p.Len()))
	x.head = x.p.Head()
	x.noIP, x.c.V6 = true, false
	x.pk = conntrack.Packet{Len: x.p.Len(), Fragment: true, Short: true, Transport: len(x.head)}
}
