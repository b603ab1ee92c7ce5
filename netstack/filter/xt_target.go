package filter

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

// Target is a target of iptables, as Match is a match.
type Target struct {
	Name string
	Rev  uint32
	Info []byte

	kind   targetKind
	family Family
}

type targetKind uint8

const (
	targetLog targetKind = iota
	targetReject
	targetMasquerade
	targetDNAT
	targetSNAT
	targetRedirect
	targetMark
	targetConnmark
	targetTCPMSS
	targetCT
	targetNFLOG
)

// targetSpec is a target that is known.
type targetSpec struct {
	name     string
	from, to uint32
	size     int
	kind     targetKind
}

func targetSpecs() []targetSpec {
	return []targetSpec{
		{"LOG", 0, 0, 32, targetLog},
		{"REJECT", 0, 0, 4, targetReject},
		{"MASQUERADE", 0, 0, 20, targetMasquerade},
		{"DNAT", 0, 2, 20, targetDNAT},
		{"SNAT", 0, 1, 20, targetSNAT},
		{"REDIRECT", 0, 0, 20, targetRedirect},
		{"MARK", 2, 2, 8, targetMark},
		{"CONNMARK", 1, 2, 13, targetConnmark},
		{"TCPMSS", 0, 0, 2, targetTCPMSS},
		{"CT", 0, 2, 4, targetCT},
		{"NOTRACK", 0, 0, 0, targetCT},
		{"NFLOG", 0, 0, 80, targetNFLOG},
	}
}

// HasTarget reports whether a target of a revision is known.
func HasTarget(name string, rev uint32) bool {
	_, ok := findTarget(name, rev)
	return ok
}

func findTarget(name string, rev uint32) (targetSpec, bool) {
	for _, s := range targetSpecs() {
		if s.name == name && rev >= s.from && rev <= s.to {
			return s, true
		}
	}
	return targetSpec{}, false
}

// NewTarget returns a target: ENOENT if it is not known, EINVAL if its struct is
// too short.
func NewTarget(f Family, name string, rev uint32, info []byte) (*Target, error) {
	s, ok := findTarget(name, rev)
	if !ok {
		return nil, unix.ENOENT
	}
	size := s.size
	t := &Target{Name: name, Rev: rev, Info: info, kind: s.kind, family: f}
	if t.ranged() {
		size = 40
	}
	if len(info) < size {
		return nil, unix.EINVAL
	}
	if s.kind == targetCT && len(info) >= 2 && binary.NativeEndian.Uint16(info)&1 == 0 {
		return nil, unix.EOPNOTSUPP // helpers, zones and events are not there
	}
	return t, nil
}

// ranged says whether the struct is nf_nat_range, or the older one of IPv4.
func (e *Target) ranged() bool {
	switch e.kind {
	case targetDNAT, targetSNAT:
		return e.Rev > 0
	case targetMasquerade, targetRedirect:
		return e.family == IPv6
	}
	return false
}

func (e *Target) tracks() bool {
	switch e.kind {
	case targetMasquerade, targetDNAT, targetSNAT, targetRedirect, targetConnmark:
		return true
	}
	return false
}

// nat returns the hooks at which a target that translates may be; nil of others.
func (e *Target) nat() []Hook {
	switch e.kind {
	case targetMasquerade:
		return []Hook{Postrouting}
	case targetSNAT:
		return []Hook{Postrouting, Input}
	case targetDNAT, targetRedirect:
		return []Hook{Prerouting, Output}
	}
	return nil
}

// natRange reads what a target translates to.
func (e *Target) natRange() conntrack.Range {
	ne, be, b := binary.NativeEndian, binary.BigEndian, e.Info
	if e.ranged() {
		r := conntrack.Range{Flags: ne.Uint32(b), MinPort: be.Uint16(b[36:]), MaxPort: be.Uint16(b[38:])}
		if e.family == IPv6 {
			r.MinAddr, r.MaxAddr = netip.AddrFrom16([16]byte(b[4:20])), netip.AddrFrom16([16]byte(b[20:36]))
		} else {
			r.MinAddr, r.MaxAddr = netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4([4]byte(b[20:24]))
		}
		return r
	}
	return conntrack.Range{
		Flags: ne.Uint32(b[4:]), MinAddr: netip.AddrFrom4([4]byte(b[8:12])), MaxAddr: netip.AddrFrom4([4]byte(b[12:16])),
		MinPort: be.Uint16(b[16:]), MaxPort: be.Uint16(b[18:]),
	}
}

func (e *Target) eval(x *run) {
	ne, b := binary.NativeEndian, e.Info
	switch e.kind {
	case targetLog:
		prefix := b[2:32]
		if i := bytes.IndexByte(prefix, 0); i >= 0 {
			prefix = prefix[:i]
		}
		x.log(uint32(b[0]), string(prefix))
	case targetNFLOG:
		e.nflog(x)
	case targetReject:
		e.reject(x)
	case targetMasquerade:
		r := e.natRange()
		x.masquerade(&r)
	case targetRedirect:
		r := e.natRange()
		x.redirect(&r)
	case targetSNAT, targetDNAT:
		r := e.natRange()
		x.translate(e.kind == targetSNAT, &r)
	case targetMark:
		x.p.Mark = x.p.Mark&^ne.Uint32(b[4:]) ^ ne.Uint32(b)
	case targetConnmark:
		e.connmark(x)
	case targetTCPMSS:
		e.tcpMSS(x)
	case targetCT:
		NoTrack{}.eval(x)
	}
}

// reject answers with what struct ipt_reject_info or ip6t_reject_info says.
func (e *Target) reject(x *run) {
	with := binary.NativeEndian.Uint32(e.Info)
	if x.c.V6 {
		codes := map[uint32]uint8{0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 7: 5, 8: 6}
		if with == 6 {
			x.reject(RejectReset, 0)
			return
		}
		x.reject(RejectICMP, codes[with])
		return
	}
	codes := map[uint32]uint8{0: 0, 1: 1, 2: 2, 3: 3, 5: 9, 6: 10, 8: 13}
	if with == 7 {
		x.reject(RejectReset, 0)
		return
	}
	x.reject(RejectICMP, codes[with])
}

func (e *Target) connmark(x *run) {
	if x.ref == nil || x.ref.Conn == nil {
		return
	}
	ne, b, c := binary.NativeEndian, e.Info, x.ref.Conn
	mark, ctMask, nfMask := ne.Uint32(b), ne.Uint32(b[4:]), ne.Uint32(b[8:])
	switch b[12] {
	case 0: // set
		c.SetMark(c.Mark()&^ctMask ^ mark)
	case 1: // save
		c.SetMark(c.Mark()&^ctMask ^ x.p.Mark&nfMask)
	case 2: // restore
		x.p.Mark = x.p.Mark&^nfMask ^ c.Mark()&ctMask
	}
}

// tcpMSS lowers the maximum segment size that a SYN offers.
func (e *Target) tcpMSS(x *run) {
	if x.pk.Tuple.Proto != header.ProtocolTCP || x.pk.Flags&header.SYN == 0 {
		return
	}
	const clamp, kind = 0xffff, 2
	mss := binary.NativeEndian.Uint16(e.Info)
	if mss == clamp {
		if x.c.Out == nil {
			return
		}
		mss = uint16(max(x.c.Out.MTU-header.IPv4MinSize-header.TCPMinSize, 0))
		if x.c.V6 {
			mss = uint16(max(x.c.Out.MTU-header.IPv6Size-header.TCPMinSize, 0))
		}
	}
	at, n := x.tcpOption(kind)
	if at < 0 || n != 4 {
		return
	}
	x.set16BE(0, mss)
	set := ExtHdr{Op: ExtHdrTCP, Type: kind, Offset: 2, Len: 2, Store: true}
	set.store(x, at, n)
}
