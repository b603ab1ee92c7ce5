package route

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Candidate is an address that a packet may bear as its source.
type Candidate struct {
	Prefix     netip.Prefix // the address and the length of its subnet
	OIF        int          // the interface that has it
	Scope      uint8        // RT_SCOPE_* of an IPv4 address
	Deprecated bool
	Temporary  bool // RFC 8981
	Home       bool // RFC 6275
	Tentative  bool // not usable yet
	Secondary  bool
}

// policy is a row of RFC 6724's default policy table, as Linux has it.
type policy struct {
	prefix netip.Prefix
	label  int
}

// policies returns the table. The longest prefix comes first.
func policies() [9]policy {
	v6 := func(bits, label int, head ...byte) policy {
		var b [16]byte
		copy(b[:], head)
		return policy{netip.PrefixFrom(netip.AddrFrom16(b), bits), label}
	}
	return [...]policy{
		v6(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), // ::1
		v6(96, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff),        // ::ffff:0:0
		v6(96, 3),                         // ::
		v6(32, 6, 0x20, 0x01),             // 2001::
		v6(28, 7, 0x20, 0x01, 0x00, 0x10), // 2001:10::
		v6(16, 12, 0x3f, 0xfe),            // 3ffe::
		v6(16, 2, 0x20, 0x02),             // 2002::
		v6(10, 11, 0xfe, 0xc0),            // fec0::
		v6(7, 5, 0xfc),                    // fc00::
	}
}

// Label returns the label of a in the policy table.
func Label(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	for _, p := range policies() {
		if p.prefix.Contains(a) {
			return p.label
		}
	}
	return 1
}

// The scopes of RFC 6724 section 3.1: those of multicast addresses.
const (
	scopeLink   = 2
	scopeSite   = 5
	scopeGlobal = 14
)

// Scope returns the scope of a: 1 (interface) to 14 (global).
func Scope(a netip.Addr) int {
	switch {
	case a.Is4() && (a.IsLoopback() || a.IsLinkLocalUnicast()):
		return scopeLink
	case a.Is4():
		return scopeGlobal
	case a.IsMulticast():
		b := a.As16()
		return int(b[1] & 15)
	case a.IsLoopback(), a.IsLinkLocalUnicast():
		return scopeLink
	}
	if b := a.As16(); b[0] == 0xfe && b[1]&0xc0 == 0xc0 {
		return scopeSite
	}
	return scopeGlobal
}

// Source6 chooses the source address for dst by RFC 6724 section 5. oif is the
// interface through which the packet leaves; preferTemporary turns rule 7 on.
func Source6(dst netip.Addr, oif int, preferTemporary bool, cs []Candidate) (netip.Addr, bool) {
	var best *Candidate
	local := dst.IsLinkLocalUnicast() || dst.IsLinkLocalMulticast() || dst.IsInterfaceLocalMulticast()
	for i := range cs {
		c := &cs[i]
		a := c.Prefix.Addr()
		if c.Tentative || a.IsMulticast() || a.IsUnspecified() || local && oif != 0 && c.OIF != oif {
			continue
		}
		if best == nil || better6(c, best, dst, oif, preferTemporary) {
			best = c
		}
	}
	if best == nil {
		return netip.Addr{}, false
	}
	return best.Prefix.Addr(), true
}

// better6 reports whether a is to be preferred to b. The numbers are the rules'.
func better6(a, b *Candidate, dst netip.Addr, oif int, temporary bool) bool {
	x, y := a.Prefix.Addr(), b.Prefix.Addr()
	if x == dst || y == dst { // 1
		return x == dst && y != dst
	}
	if sx, sy, sd := Scope(x), Scope(y), Scope(dst); sx != sy { // 2
		if sx < sy {
			return sx >= sd
		}
		return sy < sd
	}
	if a.Deprecated != b.Deprecated { // 3
		return b.Deprecated
	}
	if a.Home != b.Home { // 4
		return a.Home
	}
	if oif != 0 && (a.OIF == oif) != (b.OIF == oif) { // 5
		return a.OIF == oif
	}
	if lx, ly, ld := Label(x), Label(y), Label(dst); (lx == ld) != (ly == ld) { // 6
		return lx == ld
	}
	if a.Temporary != b.Temporary { // 7
		return a.Temporary == temporary
	}
	// 8: no more bits than the prefix of the candidate has count.
	kd := addrKey(dst)
	return min(int(addrKey(x).common(kd)), a.Prefix.Bits()) > min(int(addrKey(y).common(kd)), b.Prefix.Bits())
}

// Source4 chooses the source address for dst as Linux does for IPv4: on the
// interface a primary address of the same subnet, then the first primary one of
// a scope that reaches; then one of another interface.
func Source4(dst netip.Addr, oif int, scope uint8, cs []Candidate) (netip.Addr, bool) {
	var first, other netip.Addr
	for i := range cs {
		c := &cs[i]
		if c.Tentative || c.Secondary || c.Scope > scope {
			continue
		}
		if c.OIF != oif {
			if c.Scope != unix.RT_SCOPE_LINK && !other.IsValid() {
				other = c.Prefix.Addr()
			}
			continue
		}
		if !dst.IsValid() || c.Prefix.Masked().Contains(dst) {
			return c.Prefix.Addr(), true
		}
		if !first.IsValid() {
			first = c.Prefix.Addr()
		}
	}
	if !first.IsValid() {
		first = other
	}
	return first, first.IsValid()
}
