package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/usermem"
)

// PunchHoler is a Mappable from whose middle bytes can be taken (MADV_REMOVE).
// PunchHole is called without mm locks.
type PunchHoler interface {
	PunchHole(off, length uint64) error
}

// Advise is madvise(2).
func (as *AddressSpace) Advise(addr usermem.Addr, length uint64, advice int32) error {
	const coldAdvice, pageoutAdvice = 20, 21
	switch advice {
	case unix.MADV_NORMAL, unix.MADV_RANDOM, unix.MADV_SEQUENTIAL, unix.MADV_WILLNEED, unix.MADV_DONTNEED,
		unix.MADV_FREE, unix.MADV_REMOVE, unix.MADV_DONTFORK, unix.MADV_DOFORK, unix.MADV_WIPEONFORK,
		unix.MADV_KEEPONFORK, unix.MADV_DONTDUMP, unix.MADV_DODUMP, coldAdvice, pageoutAdvice,
		unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE,
		// Hints: the host decides how large the pages of sandbox memory are.
		unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE:
	default:
		// Merging and memory failure are as on a kernel without them.
		return unix.EINVAL
	}
	if !addr.Aligned() {
		return unix.EINVAL
	}
	n, ok := roundLen(length)
	if !ok {
		if length == 0 {
			return nil
		}
		return unix.EINVAL
	}
	e, ok := addr.Add(n)
	if !ok {
		return unix.EINVAL
	}
	start, end := uint64(addr), min(uint64(e), uint64(as.layout.end))
	if n == 0 {
		return nil
	}
	switch advice {
	case unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE:
		return as.populateAll(start, uint64(e), advice == unix.MADV_POPULATE_WRITE)
	case unix.MADV_REMOVE:
		return as.punch(start, uint64(e))
	}
	as.mapping.Lock()
	defer as.mapping.Unlock()
	m := &as.mapping.vmas
	if marksVMA(advice) {
		if m.Len()+2 > maxMappings {
			return unix.ENOMEM
		}
		m.SplitAt(start, splitVMA)
		m.SplitAt(end, splitVMA)
	}
	i, j := m.Between(start, end)
	at, hole := start, false
	for k := i; k < j; k++ {
		s := m.At(k)
		hole = hole || s.Start > at
		at = s.End
		if err := as.adviseVMA(s, start, end, advice); err != nil {
			return err
		}
	}
	as.mergeAround(start, end)
	if hole || at < uint64(e) {
		return unix.ENOMEM
	}
	return nil
}

func marksVMA(advice int32) bool {
	switch advice {
	case unix.MADV_DONTFORK, unix.MADV_DOFORK, unix.MADV_WIPEONFORK, unix.MADV_KEEPONFORK, unix.MADV_DONTDUMP, unix.MADV_DODUMP:
		return true
	}
	return false
}

func (as *AddressSpace) adviseVMA(s *vmaSeg, start, end uint64, advice int32) error {
	v := s.Val
	anon := v.file == nil && !v.shared
	switch advice {
	case unix.MADV_DONTFORK, unix.MADV_DOFORK:
		v.dontFork = advice == unix.MADV_DONTFORK
	case unix.MADV_DONTDUMP, unix.MADV_DODUMP:
		v.dontDump = advice == unix.MADV_DONTDUMP
	case unix.MADV_WIPEONFORK, unix.MADV_KEEPONFORK:
		if advice == unix.MADV_WIPEONFORK && !anon {
			return unix.EINVAL
		}
		v.wipeFork = advice == unix.MADV_WIPEONFORK
	case unix.MADV_DONTNEED, unix.MADV_FREE:
		if v.lock != unlocked || advice == unix.MADV_FREE && !anon {
			return unix.EINVAL
		}
		as.pages.Lock()
		as.removePages(max(start, s.Start), min(end, s.End))
		as.pages.Unlock()
	}
	return nil
}

// populateAll is MADV_POPULATE_*: unlike MAP_POPULATE it says what failed.
func (as *AddressSpace) populateAll(start, end uint64, write bool) error {
	for at := start; at < end; {
		err := as.HandleFault(usermem.Addr(at), platform.Access{Read: !write, Write: write})
		if fe, ok := err.(*FaultError); ok {
			switch {
			case fe.Signo == unix.SIGBUS:
				return unix.EFAULT
			case fe.Code == segvAccErr:
				return unix.EINVAL
			}
			return unix.ENOMEM
		}
		if err != nil {
			return err
		}
		as.pages.RLock()
		next := at + pageSize
		if p := as.pages.pmas.Find(at); p != nil {
			next = p.End
		}
		as.pages.RUnlock()
		at = max(next, at+pageSize)
	}
	return nil
}

// punch is MADV_REMOVE.
func (as *AddressSpace) punch(start, end uint64) error {
	for at := start; at < end; {
		as.mapping.RLock()
		s := as.mapping.vmas.Find(at)
		if s == nil {
			as.mapping.RUnlock()
			return unix.ENOMEM
		}
		v, stop := *s.Val, min(s.End, end)
		off := v.off + (at - s.Start)
		as.mapping.RUnlock()
		f, ok := v.file.(PunchHoler)
		switch {
		case v.lock != unlocked, !ok:
			return unix.EINVAL
		case !v.shared || v.prot&unix.PROT_WRITE == 0:
			return unix.EACCES
		}
		if err := f.PunchHole(off, stop-at); err != nil {
			return err
		}
		at = stop
	}
	return nil
}

// Sync is msync(2). Files to be synced to disk are given to sync, without
// locks held.
func (as *AddressSpace) Sync(addr usermem.Addr, length uint64, flags int32, sync func(Named) error) error {
	const both = unix.MS_ASYNC | unix.MS_SYNC
	if flags&^(both|unix.MS_INVALIDATE) != 0 || flags&both == both || !addr.Aligned() {
		return unix.EINVAL
	}
	if length == 0 {
		return nil
	}
	n, ok := roundLen(length)
	end, ok2 := addr.Add(n)
	if !ok || !ok2 {
		return unix.ENOMEM
	}
	as.mapping.RLock()
	var names []Named
	at, hole, busy := uint64(addr), false, false
	i, j := as.mapping.vmas.Between(uint64(addr), uint64(end))
	for k := i; k < j; k++ {
		s := as.mapping.vmas.At(k)
		hole = hole || s.Start > at
		at = s.End
		busy = busy || flags&unix.MS_INVALIDATE != 0 && s.Val.lock != unlocked
		if s.Val.shared && s.Val.name != nil && flags&unix.MS_SYNC != 0 {
			s.Val.name.IncRef()
			names = append(names, s.Val.name)
		}
	}
	hole = hole || at < uint64(end)
	as.mapping.RUnlock()
	var fail error
	for _, nm := range names {
		if err := sync(nm); err != nil && fail == nil {
			fail = err
		}
		nm.DecRef()
	}
	switch {
	case busy:
		return unix.EBUSY
	case fail != nil:
		return fail
	case hole:
		return unix.ENOMEM
	}
	return nil
}

// InCore is mincore(2) for len(vec) pages from addr.
func (as *AddressSpace) InCore(addr usermem.Addr, vec []byte) error {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	as.pages.RLock()
	defer as.pages.RUnlock()
	for i := range vec {
		at := uint64(addr) + uint64(i)*pageSize
		if as.mapping.vmas.Find(at) == nil {
			return unix.ENOMEM
		}
		vec[i] = 0
		if as.pages.pmas.Find(at) != nil {
			vec[i] = 1
		}
	}
	return nil
}

// Lock is mlock2(2).
func (as *AddressSpace) Lock(addr usermem.Addr, length uint64, onFault bool, lim Limits) error {
	mode := locked
	if onFault {
		mode = lockedOnFault
	}
	if !lim.Unlimited && lim.MemLock == 0 {
		return unix.EPERM
	}
	return as.setLock(addr, length, mode, lim)
}

// Unlock is munlock(2).
func (as *AddressSpace) Unlock(addr usermem.Addr, length uint64) error {
	return as.setLock(addr, length, unlocked, Limits{Unlimited: true})
}

func (as *AddressSpace) setLock(addr usermem.Addr, length uint64, mode lockMode, lim Limits) error {
	end, ok := (addr + usermem.Addr(length)).RoundUp()
	addr = addr.RoundDown()
	if !ok || end < addr {
		return unix.EINVAL
	}
	if end == addr {
		return nil
	}
	as.mapping.Lock()
	m := &as.mapping
	var already uint64
	at := uint64(addr) // what is mapped without a hole ends here
	i, j := m.vmas.Between(uint64(addr), uint64(end))
	for k := i; k < j; k++ {
		s := m.vmas.At(k)
		if s.Start <= at {
			at = s.End
		}
		if s.Val.lock != unlocked {
			already += min(s.End, uint64(end)) - max(s.Start, uint64(addr))
		}
	}
	at = min(at, uint64(end))
	if mode != unlocked && !lim.Unlimited && m.locked+uint64(end-addr)-already > lim.MemLock || m.vmas.Len()+2 > maxMappings {
		as.mapping.Unlock()
		return unix.ENOMEM
	}
	// What is before a hole is done, as on Linux.
	as.markLocked(uint64(addr), at, mode)
	as.mapping.Unlock()
	if at < uint64(end) {
		return unix.ENOMEM
	}
	if mode == locked {
		as.populate(addr, uint64(end-addr))
	}
	return nil
}

// markLocked sets the lock mode of [start, end). mapping is locked.
func (as *AddressSpace) markLocked(start, end uint64, mode lockMode) {
	m := &as.mapping.vmas
	m.SplitAt(start, splitVMA)
	m.SplitAt(end, splitVMA)
	i, j := m.Between(start, end)
	for k := i; k < j; k++ {
		s := m.At(k)
		as.account(s.Val, s.End-s.Start, -1)
		s.Val.lock = mode
		as.account(s.Val, s.End-s.Start, +1)
	}
	as.mergeAround(start, end)
}

// LockAll is mlockall(2), and munlockall(2) with flags 0.
func (as *AddressSpace) LockAll(flags int32, lim Limits) error {
	mode := unlocked
	if flags != 0 {
		if mode = locked; flags&unix.MCL_ONFAULT != 0 {
			mode = lockedOnFault
		}
	}
	as.mapping.Lock()
	if flags&unix.MCL_CURRENT != 0 && !lim.Unlimited && as.mapping.total > lim.MemLock {
		as.mapping.Unlock()
		return unix.ENOMEM
	}
	as.mapping.defLocked = unlocked
	if flags&unix.MCL_FUTURE != 0 {
		as.mapping.defLocked = mode
	}
	if flags == 0 || flags&unix.MCL_CURRENT != 0 {
		as.markLocked(0, uint64(as.layout.end), mode)
	}
	as.mapping.Unlock()
	if flags&unix.MCL_CURRENT != 0 && mode == locked {
		as.populate(0, uint64(as.layout.end))
	}
	return nil
}
