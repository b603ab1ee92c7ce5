package mm

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
)

const (
	pageSize = usermem.PageSize
	// minAddr is the lowest address that mmap gives by itself
	// (/proc/sys/vm/mmap_min_addr).
	minAddr = 64 << 10
	// maxMappings is /proc/sys/vm/max_map_count.
	maxMappings = 65530
	// stackGap is what is kept free below a stack that grows, in bytes.
	stackGap = 256 * pageSize

	gapMin = 128 << 20 // between stack and mmap_base
	below4 = 1 << 32   // MAP_32BIT: [1 GB, 2 GB)

	noRandomize  = 0x0040000 // ADDR_NO_RANDOMIZE, personality(2)
	legacyLayout = 0x0200000 // ADDR_COMPAT_LAYOUT
)

// layout is where things go: arch_pick_mmap_layout. Immutable.
type layout struct {
	end    usermem.Addr // of guest addresses
	base   usermem.Addr // mmap_base: the search goes down from here
	bottom bool         // the search goes up from base instead
	random bool
}

func newLayout(end uint64, personality uint32, stackLimit uint64) layout {
	l := layout{end: usermem.Addr(end), random: personality&noRandomize == 0}
	gap := stackLimit + stackGap
	if l.random {
		gap += 16 << 30 // the most that the stack is moved by
	}
	gap = min(max(gap, gapMin), end/6*5)
	l.base = usermem.Addr(end - gap).RoundDown()
	if l.random {
		l.base -= usermem.Addr(rand.Uint64N(1<<28) * pageSize)
	}
	if personality&legacyLayout != 0 || stackLimit == ^uint64(0) {
		l.bottom, l.base = true, usermem.Addr(end/3).RoundDown()
	}
	return l
}

// End returns the end of the addresses that may be mapped.
func (as *AddressSpace) End() usermem.Addr { return as.layout.end }

// Randomized reports whether addresses are to be random (ASLR).
func (as *AddressSpace) Randomized() bool { return as.layout.random }

// findFree returns a free place for n bytes. mapping is locked.
func (as *AddressSpace) findFree(n uint64, o *MapOpts) (usermem.Addr, error) {
	if o.Below4G {
		return as.searchUp(1<<30, 2<<30, n)
	}
	if as.layout.bottom {
		return as.searchUp(as.layout.base, as.layout.end, n)
	}
	if a, ok := as.searchDown(as.layout.base, n); ok {
		return a, nil
	}
	return as.searchUp(as.layout.base, as.layout.end, n)
}

// searchDown looks for n bytes below top, as high as there are.
func (as *AddressSpace) searchDown(top usermem.Addr, n uint64) (usermem.Addr, bool) {
	m := &as.mapping.vmas
	end := uint64(top)
	for i := m.Search(uint64(top)); ; i-- {
		if i < m.Len() {
			s := m.At(i)
			end = min(end, s.Start)
			if s.Val.growsDown {
				end -= min(end, stackGap)
			}
		}
		start := uint64(minAddr)
		if i > 0 {
			start = max(start, m.At(i-1).End)
		}
		if end > start && end-start >= n {
			return usermem.Addr(end - n), true
		}
		if i == 0 {
			return 0, false
		}
	}
}

// searchUp looks for n bytes in [from, to), as low as there are.
func (as *AddressSpace) searchUp(from, to usermem.Addr, n uint64) (usermem.Addr, error) {
	m := &as.mapping.vmas
	at := uint64(from)
	for i := m.Search(at); ; i++ {
		end := uint64(to)
		if i < m.Len() {
			s := m.At(i)
			if end = min(end, s.Start); s.Val.growsDown {
				end -= min(end, stackGap)
			}
		}
		if end > at && end-at >= n {
			return usermem.Addr(at), nil
		}
		if i == m.Len() || m.At(i).Start >= uint64(to) {
			return 0, unix.ENOMEM
		}
		at = max(at, m.At(i).End)
	}
}

// checkAddr checks an address that the guest chose for n bytes.
func (as *AddressSpace) checkAddr(a usermem.Addr, n uint64) error {
	end, ok := a.Add(n)
	if !ok || end > as.layout.end {
		return unix.ENOMEM
	}
	if !a.Aligned() {
		return unix.EINVAL
	}
	return nil
}

// roundLen rounds a length up to pages; ok is false when it overflows or is 0.
func roundLen(n uint64) (uint64, bool) {
	r := (n + pageSize - 1) &^ (pageSize - 1)
	return r, r >= n && r != 0
}
