package ptrace

import (
	"slices"

	"hull/platform"
)

// extent is a range of addresses with something mapped at one protection.
type extent struct {
	start, end uint64
	prot       platform.Prot
}

// extents says what of an address space is mapped: sorted, disjoint ranges, of
// which no two neighbours that touch have the same protection. mprotect
// stops at the first hole, and a fault says more to who knows the protection.
type extents []extent

// from returns the index of the first extent that ends behind addr.
func (x extents) from(addr uint64) int {
	i, _ := slices.BinarySearchFunc(x, addr, func(e extent, addr uint64) int {
		if e.end <= addr {
			return -1
		}
		return 1
	})
	return i
}

// at returns the protection at addr.
func (x extents) at(addr uint64) (platform.Prot, bool) {
	i := x.from(addr)
	if i == len(x) || x[i].start > addr {
		return 0, false
	}
	return x[i].prot, true
}

// overlap returns the parts of extents that lie in [start, end).
func (x extents) overlap(start, end uint64) []extent {
	var parts []extent
	for i := x.from(start); i < len(x) && x[i].start < end; i++ {
		e := x[i]
		parts = append(parts, extent{max(e.start, start), min(e.end, end), e.prot})
	}
	return parts
}

// covers reports whether anything in [start, end) is mapped.
func (x extents) covers(start, end uint64) bool {
	i := x.from(start)
	return i < len(x) && x[i].start < end
}

// clear makes a hole of [start, end).
func (x *extents) clear(start, end uint64) { x.replace(start, end) }

// set maps [start, end) at prot.
func (x *extents) set(start, end uint64, prot platform.Prot) {
	x.replace(start, end, extent{start, end, prot})
}

// protect changes what is mapped in [start, end) to prot.
func (x *extents) protect(start, end uint64, prot platform.Prot) {
	parts := x.overlap(start, end)
	for i := range parts {
		parts[i].prot = prot
	}
	if len(parts) > 0 {
		x.replace(start, end, parts...)
	}
}

// replace puts parts, which lie in [start, end), in place of what was there.
func (x *extents) replace(start, end uint64, parts ...extent) {
	first := x.from(start)
	last := first
	for last < len(*x) && (*x)[last].start < end {
		last++
	}
	var buf [8]extent
	put := buf[:0]
	if first < last {
		if e := (*x)[first]; e.start < start {
			put = append(put, extent{e.start, start, e.prot})
		}
	}
	put = append(put, parts...)
	if first < last {
		if e := (*x)[last-1]; e.end > end {
			put = append(put, extent{end, e.end, e.prot})
		}
	}
	// The neighbours take part in the merging.
	if first > 0 {
		first--
		put = slices.Insert(put, 0, (*x)[first])
	}
	if last < len(*x) {
		put = append(put, (*x)[last])
		last++
	}
	merged := put[:0]
	for _, e := range put {
		if n := len(merged); n > 0 && merged[n-1].end == e.start && merged[n-1].prot == e.prot {
			merged[n-1].end = e.end
		} else {
			merged = append(merged, e)
		}
	}
	*x = slices.Replace(*x, first, last, merged...)
}
