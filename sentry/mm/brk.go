package mm

import (
	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
)

// SetBrk puts the heap's start at addr (execve).
func (as *AddressSpace) SetBrk(addr usermem.Addr) {
	as.mapping.Lock()
	defer as.mapping.Unlock()
	as.mapping.brkBase, as.mapping.brk = addr, addr
	as.mapping.info.BrkStart = addr
}

// brkWindow is how far a heap may grow with its pages made at once.
const brkWindow = 16 << 10

// Brk is brk(2): it returns the break that is in force afterwards.
func (as *AddressSpace) Brk(addr usermem.Addr, lim Limits) usermem.Addr {
	as.mapping.Lock()
	m := &as.mapping
	old := m.brk
	if addr < m.brkBase || addr >= as.layout.end {
		as.mapping.Unlock()
		return old
	}
	from, _ := old.RoundUp()
	to, ok := addr.RoundUp()
	if !ok || uint64(addr-m.brkBase)+uint64(m.info.DataEnd-m.info.DataStart) > lim.Data {
		as.mapping.Unlock()
		return old
	}
	// A heap that grows a little is about to be written there.
	soon := to > from && uint64(to-from) <= brkWindow
	lockedNew := m.defLocked == locked && to > from
	switch {
	case to < from:
		if as.unmap(uint64(to), uint64(from)) != nil {
			as.mapping.Unlock()
			return old
		}
	case to > from:
		// What lies behind, with its guard gap, is not run into.
		if i, j := m.vmas.Between(uint64(from), uint64(to)+pageSize); i != j {
			as.mapping.Unlock()
			return old
		}
		o := MapOpts{Prot: unix.PROT_READ | unix.PROT_WRITE, MaxProt: allProt, Label: "[heap]"}
		if as.mapAt(from, uint64(to-from), &o, lim) != nil {
			as.mapping.Unlock()
			return old
		}
	}
	m.brk = addr
	as.mapping.Unlock()
	if lockedNew || soon {
		as.populate(from, uint64(to-from))
	}
	return addr
}
