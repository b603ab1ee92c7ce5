package mm

import (
	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
)

// Remap is mremap(2); flags are MREMAP_*.
func (as *AddressSpace) Remap(old usermem.Addr, oldLen, newLen uint64, flags int32, newAddr usermem.Addr, lim Limits) (usermem.Addr, error) {
	const known = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED | unix.MREMAP_DONTUNMAP
	oldN, _ := roundLen(oldLen)
	newN, ok := roundLen(newLen)
	move := flags&unix.MREMAP_MAYMOVE != 0
	fixed, keep := flags&unix.MREMAP_FIXED != 0, flags&unix.MREMAP_DONTUNMAP != 0
	switch {
	case flags&^known != 0, (fixed || keep) && !move, keep && oldN != newN, !old.Aligned(),
		!ok, newN > uint64(as.layout.end):
		return 0, unix.EINVAL
	}
	if fixed {
		if err := as.checkAddr(newAddr, newN); err != nil {
			return 0, unix.EINVAL
		}
		if newAddr < old+usermem.Addr(oldN) && old < newAddr+usermem.Addr(newN) {
			return 0, unix.EINVAL
		}
	}
	if uint64(old)+oldN < oldN {
		return 0, unix.EINVAL
	}
	to, lockedNow, err := as.remap(old, oldN, newN, flags, newAddr, lim)
	if err == nil && lockedNow {
		as.populate(to, newN)
	}
	return to, err
}

// remap does it, with lengths rounded and flags checked. lockedNow says that
// what became longer is to be populated.
func (as *AddressSpace) remap(old usermem.Addr, oldN, newN uint64, flags int32, newAddr usermem.Addr, lim Limits) (to usermem.Addr, lockedNow bool, err error) {
	move := flags&unix.MREMAP_MAYMOVE != 0
	fixed, keep := flags&unix.MREMAP_FIXED != 0, flags&unix.MREMAP_DONTUNMAP != 0
	as.mapping.Lock()
	defer as.mapping.Unlock()
	s := as.mapping.vmas.Find(uint64(old))
	if s == nil {
		return 0, false, unix.EFAULT
	}
	v := s.Val
	switch {
	case oldN == 0 && (!v.shared || !move):
		return 0, false, unix.EINVAL
	case oldN == 0 || keep || fixed:
	case newN == oldN:
		return old, false, nil
	case newN < oldN:
		return old, false, as.unmap(uint64(old)+newN, uint64(old)+oldN)
	}
	if uint64(old)+min(oldN, newN) > s.End || newN > oldN && uint64(old)+oldN > s.End {
		return 0, false, unix.EFAULT // more than one vma
	}
	more := newN - min(oldN, newN)
	if keep {
		more = newN
	}
	if v.file != nil && v.off+(uint64(old)-s.Start)+newN < newN {
		return 0, false, unix.EINVAL
	}
	if more > 0 {
		if err := as.mayGrow(v, more, lim); err != nil {
			return 0, false, err
		}
		if !fixed && !keep && oldN != 0 && as.extend(s, old, oldN, newN) {
			return old, v.lock == locked, nil
		}
	}
	if !move {
		return 0, false, unix.ENOMEM
	}
	lockedNow = v.lock == locked && more > 0
	to, err = as.move(old, oldN, newN, newAddr, fixed, keep)
	return to, lockedNow, err
}

// mayGrow checks the limits for n bytes more of v.
func (as *AddressSpace) mayGrow(v *vma, n uint64, lim Limits) error {
	switch m := &as.mapping; {
	case v.lock != unlocked && !lim.Unlimited && m.locked+n > lim.MemLock:
		return unix.EAGAIN
	case m.total+n > lim.AS, v.isData() && m.data+n > lim.Data:
		return unix.ENOMEM
	}
	return nil
}

// extend makes the end of s longer in place. It is false if something is in
// the way. s ends where the old range does, or not at all.
func (as *AddressSpace) extend(s *vmaSeg, old usermem.Addr, oldN, newN uint64) bool {
	end, newEnd := uint64(old)+oldN, uint64(old)+newN
	if s.End != end || newEnd > uint64(as.layout.end) {
		return false
	}
	if i, j := as.mapping.vmas.Between(end, newEnd); i != j {
		return false
	}
	v := s.Val
	if v.file != nil {
		r := usermem.Range{Start: usermem.Addr(end), End: usermem.Addr(newEnd)}
		if v.file.AddMapping(as, r, v.off+(end-s.Start), v.shared && v.max&unix.PROT_WRITE != 0) != nil {
			return false
		}
	}
	as.account(v, newEnd-end, +1)
	s.End = newEnd
	as.mergeAround(s.Start, newEnd)
	return true
}

// move moves [old, old+oldN) to another place, newN bytes long there.
func (as *AddressSpace) move(old usermem.Addr, oldN, newN uint64, to usermem.Addr, fixed, keep bool) (usermem.Addr, error) {
	m := &as.mapping.vmas
	if m.Len()+3 > maxMappings {
		return 0, unix.ENOMEM
	}
	if fixed {
		if err := as.unmap(uint64(to), uint64(to)+newN); err != nil {
			return 0, err
		}
	} else {
		var err error
		if to, err = as.findFree(newN, &MapOpts{}); err != nil {
			return 0, unix.ENOMEM
		}
	}
	start, end := uint64(old), uint64(old)+oldN
	if oldN > newN {
		if err := as.unmap(start+newN, end); err != nil {
			return 0, err
		}
		end = start + newN
	}
	m.SplitAt(start, splitVMA)
	m.SplitAt(end, splitVMA)
	src := m.Find(start)
	if src == nil {
		return 0, unix.EFAULT // an empty range within the new place
	}
	v := *src.Val
	n := vmaSeg{Start: uint64(to), End: uint64(to) + newN, Val: &v}
	if v.file != nil {
		if err := v.file.AddMapping(as, rangeOf(&n), v.off, v.shared && v.max&unix.PROT_WRITE != 0); err != nil {
			return 0, err
		}
	}
	if v.name != nil {
		v.name.IncRef()
	}
	as.account(&v, newN, +1)
	as.movePages(start, end, uint64(to))
	if keep || oldN == 0 {
		as.mergeAround(start, end)
	} else {
		if err := as.unmap(start, end); err != nil {
			return 0, err
		}
	}
	as.insert(n)
	return to, nil
}

// movePages moves the pages of [start, end) to the address to.
func (as *AddressSpace) movePages(start, end, to uint64) {
	as.pages.Lock()
	defer as.pages.Unlock()
	m := &as.pages.pmas
	m.SplitAt(start, splitPMA)
	m.SplitAt(end, splitPMA)
	i, j := m.Between(start, end)
	if i == j {
		return
	}
	moved := make([]pmaSeg, 0, j-i)
	for k := i; k < j; k++ {
		moved = append(moved, *m.At(k))
	}
	m.RemoveAt(i, j)
	_ = as.host.Unmap(start, end-start) // a failure is Switch's to report
	for _, s := range moved {
		s.Start, s.End, s.Val.host = s.Start-start+to, s.End-start+to, noHost
		m.Insert(s)
	}
}
