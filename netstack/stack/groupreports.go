package stack

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// What is told to routers of an interface's groups, and what they ask.

// oldQuerier is how long a querier of an older version is remembered.
const oldQuerier = 400 * second

// version is the version of IGMP or MLD that is spoken, MLD's counted as IGMP's
// that it is like. The caller holds the lock.
func (g *groups) version(v6 bool, now int64) int {
	n := g.nic
	if v6 {
		forced := n.conf6[conf6ForceMLDVersion].Load()
		if forced == 1 || forced == 0 && now < g.oldUntil[2] {
			return 2
		}
		return 3
	}
	if forced := n.max4(conf4ForceIGMPVersion); forced >= 1 && forced <= 3 {
		return int(forced)
	}
	switch {
	case now < g.oldUntil[0]:
		return 1
	case now < g.oldUntil[1]:
		return 2
	}
	return 3
}

// oldReport is a message of an older version about one group.
type oldReport struct {
	group netip.Addr
	leave bool
}

// tick tells what is due. No lock is held.
func (g *groups) tick() {
	s := g.nic.stack
	now := s.now()
	var records [2][]header.GroupRecord
	var old []oldReport
	next := int64(0)
	g.mu.Lock()
	for a, x := range g.m {
		v := g.version(a.Is6(), now)
		rs := &records[bit(a.Is6())]
		if x.respond != 0 && x.respond <= now {
			if v == 3 {
				*rs = append(*rs, x.answer(a)...)
			} else {
				old = append(old, oldReport{a, false})
			}
			x.respond, x.asked = 0, nil
		}
		if x.left > 0 && x.next <= now {
			if v == 3 {
				*rs = append(*rs, x.news(a)...)
			} else {
				old = append(old, oldReport{a, !x.used()})
			}
			if x.left--; v < 3 && !x.used() {
				x.left = 0
			}
			x.next = now + 1 + s.randomBelow(g.unsolicited(a.Is6(), v))
		}
		if !x.used() && x.left == 0 {
			delete(g.m, a)
			continue
		}
		next = earlier(next, x.respond)
		if x.left > 0 {
			next = earlier(next, x.next)
		}
	}
	if next != 0 {
		g.timer.set(next)
	}
	version4 := g.version(false, now)
	g.mu.Unlock()
	if !g.nic.isUp() {
		return
	}
	g.nic.sendIGMPv3(records[0])
	g.nic.sendMLDv2(records[1])
	for _, o := range old {
		if o.group.Is4() {
			g.nic.sendIGMP(o, version4)
		} else {
			g.nic.sendMLD(o)
		}
	}
}

// unsolicited is the longest time between two reports of one change.
func (g *groups) unsolicited(v6 bool, version int) int64 {
	n := g.nic
	var ms int32
	switch {
	case v6 && version < 3:
		ms = n.conf6[conf6Mldv1UnsolicitedReportInterval].Load()
	case v6:
		ms = n.conf6[conf6Mldv2UnsolicitedReportInterval].Load()
	case version < 3:
		ms = n.conf4[conf4Igmpv2UnsolicitedReportInterval].Load()
	default:
		ms = n.conf4[conf4Igmpv3UnsolicitedReportInterval].Load()
	}
	return max(1, int64(ms)) * int64(time.Millisecond)
}

// answer is what a query is answered with: RFC 3376 section 5.2.
func (x *group) answer(a netip.Addr) []header.GroupRecord {
	if !x.used() {
		return nil
	}
	typ := header.RecordIsInclude
	if x.asked == nil {
		if x.now.exclude {
			typ = header.RecordIsExclude
		}
		return []header.GroupRecord{{Type: typ, Group: a, Sources: x.now.sources}}
	}
	sources := both(x.asked, x.now.sources)
	if x.now.exclude {
		sources = minus(x.asked, x.now.sources)
	}
	if len(sources) == 0 {
		return nil
	}
	return []header.GroupRecord{{Type: typ, Group: a, Sources: sources}}
}

// news is what is told of a change: RFC 3376 section 5.1.
func (x *group) news(a netip.Addr) []header.GroupRecord {
	if x.mode {
		typ := header.RecordToInclude
		if x.now.exclude {
			typ = header.RecordToExclude
		}
		return []header.GroupRecord{{Type: typ, Group: a, Sources: x.now.sources}}
	}
	var rs []header.GroupRecord
	if len(x.allow) > 0 {
		rs = append(rs, header.GroupRecord{Type: header.RecordAllow, Group: a, Sources: x.allow})
	}
	if len(x.block) > 0 {
		rs = append(rs, header.GroupRecord{Type: header.RecordBlock, Group: a, Sources: x.block})
	}
	return rs
}

// parcel cuts records into reports of at most room bytes, of which a record takes
// head and each source size. Sources that do not fit into one are cut off if they
// are excluded, and go on in another record if not.
func parcel(rs []header.GroupRecord, room, head, size int) [][]header.GroupRecord {
	var out [][]header.GroupRecord
	var now []header.GroupRecord
	used := 0
	for _, r := range rs {
		for {
			fits := (room - head) / size
			part := r
			if len(part.Sources) > fits {
				part.Sources = part.Sources[:fits]
			}
			if n := head + size*len(part.Sources); used+n > room {
				out, now, used = append(out, now), nil, 0
			}
			now = append(now, part)
			used += head + size*len(part.Sources)
			if r.Type == header.RecordIsExclude || r.Type == header.RecordToExclude || len(part.Sources) == len(r.Sources) {
				break
			}
			r.Sources = r.Sources[len(part.Sources):]
		}
	}
	if now != nil {
		out = append(out, now)
	}
	return out
}

// sendIGMPv3 sends reports of the third version.
func (n *NIC) sendIGMPv3(rs []header.GroupRecord) {
	for _, part := range parcel(rs, n.ipMTU()-header.IPv4MinSize-4-header.IGMPSize, 8, 4) {
		msg := make([]byte, header.IGMPv3Len(part))
		header.IGMPv3(msg).Encode(part)
		n.sendIGMPTo(netip.AddrFrom4([4]byte{224, 0, 0, 22}), msg)
	}
}

// sendIGMP sends a report or a leave of an older version.
func (n *NIC) sendIGMP(o oldReport, version int) {
	msg := make([]byte, header.IGMPSize)
	switch {
	case o.leave && version == 1:
	case o.leave:
		header.IGMP(msg).Encode(header.IGMPLeave, 0, o.group)
		n.sendIGMPTo(netip.AddrFrom4([4]byte{224, 0, 0, 2}), msg)
	case version == 1:
		header.IGMP(msg).Encode(header.IGMPv1Report, 0, o.group)
		n.sendIGMPTo(o.group, msg)
	default:
		header.IGMP(msg).Encode(header.IGMPv2Report, 0, o.group)
		n.sendIGMPTo(o.group, msg)
	}
}

func (n *NIC) sendIGMPTo(dst netip.Addr, msg []byte) {
	s := n.stack
	p, err := s.findPath(&pathQuery{dst: dst, oif: n.index, proto: unix.IPPROTO_IGMP})
	if err != nil {
		return
	}
	x := s.cfg.Pool.NewPacket()
	copy(x.Prepend(len(msg)), msg)
	_ = p.send([]*buffer.Packet{x}, &sendOptions{
		proto: unix.IPPROTO_IGMP, ttl: 1, tos: 0xc0, dontFrag: true, checksum: -1, options: []byte{148, 4, 0, 0}, // router alert
	})
}

// sendMLDv2 sends reports of the second version.
func (n *NIC) sendMLDv2(rs []header.GroupRecord) {
	for _, part := range parcel(rs, max(n.ipMTU(), header.IPv6MinMTU)-header.IPv6Size-8-header.MLDv2ReportSize, 20, 16) {
		msg := make([]byte, header.MLDv2ReportLen(part))
		header.MLDv2Report(msg).Encode(part)
		n.sendMLDTo(netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 0x16}), msg)
	}
}

// sendMLD sends a report or a done of the first version.
func (n *NIC) sendMLD(o oldReport) {
	msg := make([]byte, header.MLDSize)
	if o.leave {
		header.MLD(msg).Encode(header.ICMPv6MLDDone, 0, o.group)
		n.sendMLDTo(header.IPv6AllRouters(), msg)
		return
	}
	header.MLD(msg).Encode(header.ICMPv6MLDReport, 0, o.group)
	n.sendMLDTo(o.group, msg)
}

func (n *NIC) sendMLDTo(dst netip.Addr, msg []byte) {
	if !n.runs6() {
		return
	}
	src := n.linkLocal()
	if !src.IsValid() {
		src = netip.IPv6Unspecified()
	}
	x := n.stack.cfg.Pool.NewPacket()
	copy(x.Prepend(len(msg)), msg)
	n.stack.countICMPOut6(header.ICMPv6(msg).Type())
	_ = n.linkPath(dst, src).send([]*buffer.Packet{x}, &sendOptions{
		proto: unix.IPPROTO_ICMPV6, ttl: 1, checksum: header.ICMPv6ChecksumOffset,
		hopByHop: []byte{0, 0, 5, 2, 0, 0, 1, 0}, // router alert: MLD
	})
}

// maxReport bounds the messages of IGMP and MLD that are looked at.
const maxReport = 9000

// igmpIn takes a message of IGMP in, and owns it.
func (s *Stack) igmpIn(in *inbound) {
	defer in.pkt.Release()
	p := in.pkt
	if p.Len() > maxReport || !p.Pull(p.Len()) {
		return
	}
	h := header.IGMP(p.Head())
	if !h.Valid() || !h.ChecksumValid() {
		return
	}
	g := &in.nic.mcast
	switch h.Type() {
	case header.IGMPQuery:
		var asked []netip.Addr
		v := int(h.Version())
		if v == 3 {
			for i := range h.Sources() {
				asked = append(asked, h.Source(i))
			}
		}
		if group := h.Group(); group.IsUnspecified() || group.IsMulticast() {
			g.queried(in.b.now, v, group, asked, int64(h.MaxDelay()))
		}
	case header.IGMPv1Report, header.IGMPv2Report:
		g.heard(in.b.now, h.Group(), in.src)
	}
}

// mldIn takes a query or a report of MLD in; the caller keeps the packet. They
// never come from further than the link: RFC 3810 section 6.2.
func (s *Stack) mldIn(in *inbound) {
	p := in.pkt
	if in.ttl != 1 || !in.src.IsLinkLocalUnicast() || !in.hasAlert || in.alert != 0 || p.Len() > maxReport || !p.Pull(p.Len()) {
		return
	}
	h := header.MLD(p.Head())
	if !h.Valid() || !h.Group().IsUnspecified() && !h.Group().IsMulticast() {
		return
	}
	g := &in.nic.mcast
	if header.ICMPv6(h).Type() == header.ICMPv6MLDReport {
		g.heard(in.b.now, h.Group(), in.src)
		return
	}
	v := 2
	var asked []netip.Addr
	if h.V2() {
		v = 3
		for i := range h.Sources() {
			asked = append(asked, h.Source(i))
		}
	}
	g.queried(in.b.now, v, h.Group(), asked, int64(h.MaxDelay()))
}

// queried plans the answers to a query: about all groups if none is named.
func (g *groups) queried(now int64, version int, about netip.Addr, asked []netip.Addr, within int64) {
	s := g.nic.stack
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.up {
		return
	}
	v6 := about.Is6()
	switch {
	case v6 && version < 3:
		g.oldUntil[2] = now + oldQuerier
	case !v6 && version < 3:
		g.oldUntil[version-1] = now + oldQuerier
	}
	general := about.IsUnspecified()
	at := now + 1 + s.randomBelow(max(1, within))
	first := int64(0)
	for a, x := range g.m {
		if a.Is6() != v6 || !general && a != about || !x.used() || !g.tells(a) {
			continue
		}
		if g.version(v6, now) < 3 {
			at = now + 1 + s.randomBelow(max(1, within)) // each for itself
		}
		switch {
		case x.respond != 0 && x.respond <= at && x.asked == nil: // that answers it too
		case general || len(asked) == 0:
			x.respond, x.asked = earlier(x.respond, at), nil
		case x.respond != 0:
			x.respond, x.asked = earlier(x.respond, at), cutSources(plus(x.asked, asked))
		default:
			x.respond, x.asked = at, cutSources(plus(nil, asked))
		}
		first = earlier(first, x.respond)
	}
	if d := g.timer.deadline.Load(); first != 0 && (d == 0 || first < d) {
		g.timer.set(first)
	}
}

// cutSources bounds the sources that a router may ask for at once.
func cutSources(l []netip.Addr) []netip.Addr { return l[:min(len(l), 256)] }

// heard says that another host told of a group: ours need not, if the querier is
// of an older version.
func (g *groups) heard(now int64, a, src netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.m[a]
	if x != nil && g.version(a.Is6(), now) < 3 && g.nic.find(src) == nil {
		x.respond = 0
	}
}
