package ptrace

import (
	"golang.org/x/sys/unix"

	"hull/platform"
)

// pending are the calls that change an address space's mappings and have not
// been made yet, oldest first. What a later call overrides is taken out of the
// earlier ones, so that no file is mapped whose mapping was given up: its
// descriptor may be another file's by then.
type pending []call

// mapFile adds a mapping.
func (p *pending) mapFile(addr, length uint64, fd int, off int64, prot platform.Prot) {
	p.drop(addr, addr+length)
	flags := uint64(mapFlags)
	if prot&platform.Commit != 0 {
		flags |= unix.MAP_POPULATE
	}
	c := call{unix.SYS_MMAP, addr, length, uint64(prot &^ platform.Commit), flags, uint64(fd), uint64(off)}
	if n := len(*p); n > 0 {
		last := &(*p)[n-1]
		next := *last
		next[1] += last[2]
		next[2] = length
		next[6] += last[2]
		if last[0] == unix.SYS_MMAP && next == c {
			last[2] += length
			return
		}
	}
	*p = append(*p, c)
}

// unmap adds the removal of mappings.
func (p *pending) unmap(addr, length uint64) {
	p.drop(addr, addr+length)
	*p = append(*p, call{unix.SYS_MUNMAP, addr, length})
}

// protect adds a change of protection in a range without holes.
func (p *pending) protect(addr, length uint64, prot platform.Prot) {
	*p = append(*p, call{unix.SYS_MPROTECT, addr, length, uint64(prot)})
}

// drop takes [start, end) out of all mmap and mprotect calls. An munmap stays
// whole: holes do not disturb it.
func (p *pending) drop(start, end uint64) {
	hit := false
	for i := range *p {
		c := &(*p)[i]
		hit = hit || c[0] != unix.SYS_MUNMAP && c[1] < end && start < c[1]+c[2]
	}
	if !hit {
		return
	}
	kept := make(pending, 0, len(*p)+1)
	for _, c := range *p {
		from, to := c[1], c[1]+c[2]
		if c[0] == unix.SYS_MUNMAP || from >= end || to <= start {
			kept = append(kept, c)
			continue
		}
		if from < start {
			left := c
			left[2] = start - from
			kept = append(kept, left)
		}
		if to > end {
			right := c
			right[1], right[2] = end, to-end
			if c[0] == unix.SYS_MMAP {
				right[6] += end - from
			}
			kept = append(kept, right)
		}
	}
	*p = kept
}
