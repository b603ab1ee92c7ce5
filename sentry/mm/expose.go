package mm

import "hull/platform"

// expose tells the platform of all memory of the address space's own that it does not
// know of, to be touched now, and reports whether there was some. Guest code may never
// have touched what the sentry filled, or what was moved; the host, which kills who has
// most memory mapped, would take somebody else. mapping is locked for reading, pages for
// writing.
func (as *AddressSpace) expose() (any bool) {
	if _, ok := as.host.(platform.Charger); !ok {
		return false
	}
	as.pages.tell = true
	defer func() { as.pages.tell = false }()
	for at := uint64(0); ; {
		i := as.pages.pmas.Search(at)
		if i == as.pages.pmas.Len() {
			return any
		}
		p := as.pages.pmas.At(i)
		start, end := max(at, p.Start), p.End
		at = end
		if p.Val.host != noHost || !p.Val.mem || !p.Val.anon {
			continue
		}
		j := as.mapping.vmas.Search(start)
		if j == as.mapping.vmas.Len() {
			return any
		}
		s := as.mapping.vmas.At(j)
		start, end = max(start, s.Start), min(end, s.End)
		if start >= end {
			continue
		}
		at = end
		if s.Val.prot == 0 {
			continue
		}
		if as.installRange(s, start, end) != nil {
			return any // Switch will say if there is more to say
		}
		any = true
	}
}
