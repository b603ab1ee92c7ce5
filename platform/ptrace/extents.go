package ptrace

import (
	"slices"

	"hull/platform"
)

// extent is a range of addresses that shows a range of a file.
type extent struct {
	start, end uint64
	off        int64 // where in fd start is
	fd         int32
	prot       platform.Prot
}

// clip returns the part of e in [start, end).
func (e extent) clip(start, end uint64) extent {
	if start > e.start {
		e.off += int64(start - e.start)
		e.start = start
	}
	e.end = min(e.end, end)
	return e
}

// continues reports whether e and next are one extent.
func (e extent) continues(next extent) bool {
	return e.end == next.start && e.prot == next.prot && e.fd == next.fd &&
		e.off+int64(e.end-e.start) == next.off
}

// extents says what is mapped in an address space: sorted, disjoint ranges,
// each as long as it can be. mprotect stops at the first hole, a fault says
// more to who knows the protection, and what the host had no room for is
// mapped again from here.
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

// at returns the extent that addr lies in.
func (x extents) at(addr uint64) (extent, bool) {
	i := x.from(addr)
	if i == len(x) || x[i].start > addr {
		return extent{}, false
	}
	return x[i], true
}

// overlap returns the parts of extents that lie in [start, end).
func (x extents) overlap(start, end uint64) []extent {
	var parts []extent
	for i := x.from(start); i < len(x) && x[i].start < end; i++ {
		parts = append(parts, x[i].clip(start, end))
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

// set puts e in place of what was there.
func (x *extents) set(e extent) { x.replace(e.start, e.end, e) }

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
			put = append(put, e.clip(e.start, start))
		}
	}
	put = append(put, parts...)
	if first < last {
		if e := (*x)[last-1]; e.end > end {
			put = append(put, e.clip(end, e.end))
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
		if n := len(merged); n > 0 && merged[n-1].continues(e) {
			merged[n-1].end = e.end
		} else {
			merged = append(merged, e)
		}
	}
	*x = slices.Replace(*x, first, last, merged...)
}
