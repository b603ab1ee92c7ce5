package netproxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Rule names destinations: addresses or a name, and ports.
type Rule struct {
	Prefix netip.Prefix `json:"prefix,omitzero"` // valid, or a rule by name
	// Name is a name of the domain name system, in lower case and without the last
	// dot; if Below, that of all names below it.
	Name  string `json:"name,omitempty"`
	Below bool   `json:"below,omitempty"`
	// First and Last bound the ports; 0 and 0 are all.
	First uint16 `json:"first,omitempty"`
	Last  uint16 `json:"last,omitempty"`
	text  string
}

// maxName is the length of a name in bytes (RFC 1035 section 2.3.4).
const maxName = 253

// ParseRule reads ADDRESS, CIDR, NAME or *.NAME, each with :PORT or :FIRST-LAST
// after it if it is for some ports. An address of IPv6 with ports is in brackets.
func ParseRule(s string) (Rule, error) {
	r := Rule{text: s}
	what, ports := s, ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return r, fmt.Errorf("%q has no closing bracket", s)
		}
		what, ports = s[1:end], s[end+1:]
		if ports != "" && ports[0] != ':' {
			return r, fmt.Errorf("%q: %q is no port", s, ports)
		}
		ports = strings.TrimPrefix(ports, ":")
	case strings.Count(s, ":") == 1:
		what, ports, _ = strings.Cut(s, ":")
	}
	if ports != "" {
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || a == 0 || a > b {
			return r, fmt.Errorf("%q: %q is no port and no range of ports", s, ports)
		}
		r.First, r.Last = uint16(a), uint16(b)
	}
	if a, err := netip.ParseAddr(what); err == nil && a.Zone() == "" {
		r.Prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return r, nil
	}
	if p, err := netip.ParsePrefix(what); err == nil {
		r.Prefix = p.Masked()
		return r, nil
	}
	if what, r.Below = strings.CutPrefix(what, "*."); !r.Below {
		what, r.Below = strings.CutPrefix(what, ".")
	}
	if r.Name = canonical(what); !isName(r.Name) {
		return r, fmt.Errorf("%q is neither an address, a network nor a name", s)
	}
	return r, nil
}

// canonical is a name as rules and tables have it.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func isName(s string) bool {
	if s == "" || len(s) > maxName || strings.Contains(s, "..") || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && c != '.' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Trim(last, "0123456789") != "" // else it looks like an address that is none
}

func (r Rule) matchesName(name string) bool {
	return r.Name != "" && (!r.Below && name == r.Name || r.Below && strings.HasSuffix(name, "."+r.Name))
}

func (r Rule) matchesPort(port uint16) bool {
	return r.First == 0 && r.Last == 0 || r.First <= port && port <= r.Last
}

// found is the names by which an address was found: those that were asked for, and
// the aliases on the way.
type found struct{ asked, aliases []string }

// matches reports whether the rule is for a destination that was found by one of
// names. Echoes have no port, and only rules for all ports are for them.
func (r Rule) matches(a netip.AddrPort, names []string) bool {
	if !r.matchesPort(a.Port()) {
		return false
	}
	if r.Prefix.IsValid() {
		return r.Prefix.Contains(a.Addr())
	}
	for _, n := range names {
		if r.matchesName(n) {
			return true
		}
	}
	return false
}

// String is the rule as it was given.
func (r Rule) String() string {
	if r.text != "" {
		return r.text
	}
	s := r.Prefix.String()
	if !r.Prefix.IsValid() {
		if s = r.Name; r.Below {
			s = "*." + s
		}
	} else if r.Prefix.Addr().Is6() {
		s = "[" + s + "]"
	}
	switch {
	case r.First == 0 && r.Last == 0:
		return s
	case r.First == r.Last:
		return s + ":" + strconv.Itoa(int(r.First))
	}
	return s + ":" + strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// Policy says what the guest may reach.
//
//   - What Deny names it may not, whatever Allow says.
//   - If there are rules in Allow, it may not reach anything else.
//   - The host itself only with Host, and link-local addresses (where clouds give
//     out their machines' credentials) only if Allow names them by address.
type Policy struct {
	Allow []Rule `json:"allow,omitempty"`
	Deny  []Rule `json:"deny,omitempty"`
	Host  bool   `json:"host,omitempty"`
}

// verdict decides on a destination, which is the host's or of the network. why
// says what refused it, "" for nothing. What Deny names is denied under any alias,
// but Allow is for names that were asked for: whoever answers for one name cannot
// speak for another.
func (p *Policy) verdict(a netip.AddrPort, names found) (why string) {
	ip := a.Addr()
	switch {
	case !ip.IsValid(), ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback(), ip.Is4In6(),
		ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 240):
		return "it is no address of the network"
	}
	for _, r := range p.Deny {
		if r.matches(a, names.asked) || r.matches(a, names.aliases) {
			return "--deny-net " + r.String()
		}
	}
	named := false
	for _, r := range p.Allow {
		if r.matches(a, names.asked) {
			if named = r.Prefix.IsValid(); named {
				return ""
			}
			if !ip.IsLinkLocalUnicast() {
				return ""
			}
		}
	}
	switch {
	case ip.IsLinkLocalUnicast():
		return "link-local addresses need --allow-net ADDRESS"
	case len(p.Allow) > 0:
		return "no --allow-net is for it"
	}
	return ""
}

// resolves reports whether a name may be looked up. Where only names are allowed,
// others would be a way to tell somebody something.
func (p *Policy) resolves(name string) bool {
	for _, r := range p.Deny {
		if r.matchesName(name) && r.First == 0 && r.Last == 0 {
			return false
		}
	}
	if len(p.Allow) == 0 {
		return true
	}
	for _, r := range p.Allow {
		if r.Prefix.IsValid() || r.matchesName(name) {
			return true
		}
	}
	return false
}
