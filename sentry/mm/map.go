package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/usermem"
)

const allProt = platform.Prot(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC)

// Map is mmap(2).
func (as *AddressSpace) Map(o MapOpts, lim Limits) (usermem.Addr, error) {
	n, ok := roundLen(o.Length)
	if !ok {
		if o.Length == 0 {
			return 0, unix.EINVAL
		}
		return 0, unix.ENOMEM
	}
	if n > uint64(as.layout.end) {
		return 0, unix.ENOMEM
	}
	if o.Offset%pageSize != 0 {
		return 0, unix.EINVAL
	}
	if o.File != nil && o.Offset+n < o.Offset {
		return 0, unix.EOVERFLOW
	}
	if o.MaxProt == 0 {
		o.MaxProt = allProt
	}
	if o.File == nil && o.Shared {
		o.File, o.Offset = newSharedAnon(as.mem, n), 0
	}
	as.mapping.Lock()
	addr, err := as.place(n, &o)
	if err == nil {
		err = as.mapAt(addr, n, &o, lim)
	}
	o.Populate = o.Populate || o.Locked || as.mapping.defLocked == locked
	as.mapping.Unlock()
	if err != nil {
		return 0, err
	}
	if o.Populate {
		as.populate(addr, n)
	}
	return addr, nil
}

// place decides where a mapping goes. mapping is locked.
func (as *AddressSpace) place(n uint64, o *MapOpts) (usermem.Addr, error) {
	if o.Fixed || o.NoReplace {
		if err := as.checkAddr(o.Addr, n); err != nil {
			return 0, err
		}
		if o.NoReplace {
			if i, j := as.mapping.vmas.Between(uint64(o.Addr), uint64(o.Addr)+n); i != j {
				return 0, unix.EEXIST
			}
		}
		return o.Addr, nil
	}
	if hint := o.Addr.RoundDown(); hint >= minAddr {
		end, ok := hint.Add(n)
		if i, j := as.mapping.vmas.Between(uint64(hint), uint64(end)); ok && end <= as.layout.end && i == j {
			return hint, nil
		}
	}
	return as.findFree(n, o)
}

// mapAt makes the vma. mapping is locked.
func (as *AddressSpace) mapAt(addr usermem.Addr, n uint64, o *MapOpts, lim Limits) error {
	v := &vma{
		prot: o.Prot, max: o.MaxProt, shared: o.Shared, growsDown: o.GrowsDown, noReserve: o.NoReserve, stack: o.Stack || o.GrowsDown,
		file: o.File, off: o.Offset, name: o.Name, label: o.Label, lock: as.mapping.defLocked,
	}
	if o.Locked {
		v.lock = locked
	}
	start, end := uint64(addr), uint64(addr)+n
	if err := as.checkLimits(start, end, v, lim); err != nil {
		return err
	}
	if err := as.unmap(start, end); err != nil {
		return err
	}
	if v.file != nil {
		r := usermem.Range{Start: addr, End: addr + usermem.Addr(n)}
		if err := v.file.AddMapping(as, r, v.off, v.shared && v.max&unix.PROT_WRITE != 0); err != nil {
			return err
		}
	}
	if v.name != nil {
		v.name.IncRef()
	}
	as.account(v, n, +1)
	as.insert(vmaSeg{Start: start, End: end, Val: v})
	return nil
}

// checkLimits refuses a mapping that is beyond a resource limit; what it would
// replace counts for it.
func (as *AddressSpace) checkLimits(start, end uint64, v *vma, lim Limits) error {
	n := end - start
	if !v.shared && !v.noReserve && v.prot&unix.PROT_WRITE != 0 && lim.Machine != 0 && n > lim.Machine {
		return unix.ENOMEM
	}
	var total, data, lockedBytes uint64
	i, j := as.mapping.vmas.Between(start, end)
	for k := i; k < j; k++ {
		s := as.mapping.vmas.At(k)
		c := min(s.End, end) - max(s.Start, start)
		total += c
		if s.Val.isData() {
			data += c
		}
		if s.Val.lock != unlocked {
			lockedBytes += c
		}
	}
	switch {
	case as.mapping.vmas.Len()-(j-i) >= maxMappings:
		return unix.ENOMEM
	case v.lock != unlocked && !lim.Unlimited && as.mapping.locked-lockedBytes+n > lim.MemLock:
		return unix.EAGAIN
	case as.mapping.total-total+n > lim.AS:
		return unix.ENOMEM
	case v.isData() && as.mapping.data-data+n > lim.Data:
		return unix.ENOMEM
	case as.overcommits(v, n):
		return unix.ENOMEM
	}
	return nil
}

// overcommits reports whether n bytes of v are obviously more than there is
// (vm.overcommit_memory 0).
func (as *AddressSpace) overcommits(v *vma, n uint64) bool {
	_, anon := v.file.(*sharedAnon)
	return as.mem.Limit() != 0 && n > as.mem.Limit() && !v.noReserve &&
		(anon || !v.shared && v.prot&unix.PROT_WRITE != 0)
}

func (v *vma) isData() bool {
	return !v.shared && v.prot&unix.PROT_WRITE != 0 && !v.stack
}

// account adds or takes a vma of n bytes to the totals. mapping is locked.
func (as *AddressSpace) account(v *vma, n uint64, sign int) {
	m := &as.mapping
	d := n
	if sign < 0 {
		d = -n
	}
	m.total += d
	m.peak = max(m.peak, m.total)
	if v.isData() {
		m.data += d
	}
	if v.lock != unlocked {
		m.locked += d
	}
}

// insert adds a vma, joined with neighbours that continue it. mapping is
// locked.
func (as *AddressSpace) insert(s vmaSeg) {
	m := &as.mapping.vmas
	m.Insert(s)
	as.mergeAround(s.Start, s.End)
}

// mergeAround joins the vmas at the borders start and end, and those between,
// where they continue each other. mapping is locked.
func (as *AddressSpace) mergeAround(start, end uint64) {
	m := &as.mapping.vmas
	i := m.Search(start)
	if i > 0 {
		i--
	}
	for i+1 < m.Len() && m.At(i).Start <= end {
		a, b := m.At(i), m.At(i+1)
		if a.End != b.Start || !a.Val.continues(b.Val, a.End-a.Start) {
			i++
			continue
		}
		if b.Val.name != nil {
			b.Val.name.DecRef()
		}
		a.End = b.End
		m.RemoveAt(i+1, i+2)
	}
}

// continues reports whether w goes on where v, n bytes long, ends.
func (v *vma) continues(w *vma, n uint64) bool {
	a, b := *v, *w
	if a.file != nil {
		a.off += n
	}
	return a == b && !a.growsDown
}

// Unmap is munmap(2).
func (as *AddressSpace) Unmap(addr usermem.Addr, length uint64) error {
	n, ok := roundLen(length)
	if !ok || as.checkAddr(addr, n) != nil {
		return unix.EINVAL
	}
	as.mapping.Lock()
	defer as.mapping.Unlock()
	return as.unmap(uint64(addr), uint64(addr)+n)
}

// unmap removes what is mapped in [start, end). mapping is locked.
func (as *AddressSpace) unmap(start, end uint64) error {
	m := &as.mapping.vmas
	i, j := m.Between(start, end)
	if i == j {
		return nil
	}
	if i+1 == j && m.At(i).Start < start && m.At(i).End > end && m.Len() >= maxMappings {
		return unix.ENOMEM // it would take one vma more
	}
	m.SplitAt(start, splitVMA)
	m.SplitAt(end, splitVMA)
	i, j = m.Between(start, end)
	as.pages.Lock()
	as.removePages(start, end)
	as.pages.Unlock()
	for k := i; k < j; k++ {
		s := m.At(k)
		as.account(s.Val, s.End-s.Start, -1)
		as.closeVMA(s)
	}
	m.RemoveAt(i, j)
	return nil
}

// Protect is mprotect(2); growsDown is PROT_GROWSDOWN.
func (as *AddressSpace) Protect(addr usermem.Addr, length uint64, prot platform.Prot, growsDown bool, lim Limits) error {
	if !addr.Aligned() {
		return unix.EINVAL
	}
	if length == 0 {
		return nil
	}
	n, ok := roundLen(length)
	if !ok {
		return unix.ENOMEM
	}
	e, ok := addr.Add(n)
	if !ok || e > as.layout.end {
		return unix.ENOMEM
	}
	as.mapping.Lock()
	defer as.mapping.Unlock()
	start, end := uint64(addr), uint64(e)
	m := &as.mapping.vmas
	if growsDown {
		s := m.Find(start)
		if s == nil {
			return unix.ENOMEM
		}
		if !s.Val.growsDown {
			return unix.EINVAL
		}
		start = s.Start
	}
	// What is before a hole or a refusal is changed, as on Linux.
	at, fail := as.mayProtect(start, end, prot, lim)
	if at == start {
		return fail
	}
	end = at
	if m.Len()+2 > maxMappings {
		return unix.ENOMEM
	}
	m.SplitAt(start, splitVMA)
	m.SplitAt(end, splitVMA)
	i, j := m.Between(start, end)
	for k := i; k < j; k++ {
		s := m.At(k)
		as.account(s.Val, s.End-s.Start, -1)
		s.Val.prot = prot
		as.account(s.Val, s.End-s.Start, +1)
	}
	as.reprotect(start, end)
	as.mergeAround(start, end)
	return fail
}

// mayProtect returns how far from start the protection may be changed, and why
// not up to end. mapping is locked.
func (as *AddressSpace) mayProtect(start, end uint64, prot platform.Prot, lim Limits) (uint64, error) {
	m := &as.mapping.vmas
	at, data := start, as.mapping.data
	for i := m.Search(start); at < end; i++ {
		if i == m.Len() || m.At(i).Start > at {
			return at, unix.ENOMEM
		}
		v, to := m.At(i).Val, min(m.At(i).End, end)
		if prot&^v.max != 0 {
			return at, unix.EACCES
		}
		if prot&unix.PROT_WRITE != 0 && !v.shared && !v.stack && !v.isData() {
			if data += to - at; data > lim.Data {
				return at, unix.ENOMEM
			}
		}
		at = to
	}
	return at, nil
}

// reprotect tells the platform of changed protections in [start, end): what is
// allowed less now, at once; what is allowed more too, as far as pages are
// there, since a fault costs more than telling. mapping is locked.
func (as *AddressSpace) reprotect(start, end uint64) {
	as.pages.Lock()
	defer as.pages.Unlock()
	m := &as.pages.pmas
	m.SplitAt(start, splitPMA)
	m.SplitAt(end, splitPMA)
	var from, to uint64
	var prot platform.Prot
	flush := func() {
		if from < to {
			_ = as.host.Protect(from, to-from, prot) // a failure is Switch's to report
		}
		from, to = 0, 0
	}
	i, j := m.Between(start, end)
	for k := i; k < j; k++ {
		s := m.At(k)
		if s.Val.host == noHost {
			continue
		}
		v := as.mapping.vmas.Find(s.Start).Val
		p := hostProt(v, &s.Val)
		if p == s.Val.host {
			continue
		}
		s.Val.host = p
		if to != s.Start || prot != p {
			flush()
			from, prot = s.Start, p
		}
		to = s.End
	}
	flush()
}

// hostProt is what guest code may do with pages of v by itself.
func hostProt(v *vma, p *pma) platform.Prot {
	prot := v.prot
	if prot&(unix.PROT_WRITE|unix.PROT_EXEC) != 0 {
		prot |= unix.PROT_READ // x86 pages cannot be written or run only
	}
	if v.shared {
		return prot & p.max
	}
	if !p.anon || p.cow {
		prot &^= unix.PROT_WRITE
	}
	return prot
}

// FileAt returns the file that is mapped at addr, nil if there is none, and where
// that mapping ends.
func (as *AddressSpace) FileAt(addr usermem.Addr) (file Mappable, end usermem.Addr) {
	as.mapping.Lock()
	defer as.mapping.Unlock()
	if s := as.mapping.vmas.Find(uint64(addr)); s != nil {
		return s.Val.file, usermem.Addr(s.End)
	}
	return nil, 0
}

// UnmapFile removes a mapping of a file that is wanted, whose first byte is (or
// would be) at addr, all of it that is left, and returns the file: shmdt(2). EINVAL
// if there is none.
func (as *AddressSpace) UnmapFile(addr usermem.Addr, wanted func(Mappable) bool) (Mappable, error) {
	as.mapping.Lock()
	defer as.mapping.Unlock()
	var file Mappable
	var parts [][2]uint64
	m := &as.mapping.vmas
	for i := range m.Len() {
		s := m.At(i)
		f := s.Val.file
		if f == nil || s.Start-s.Val.off != uint64(addr) || file != nil && f != file || file == nil && !wanted(f) {
			continue
		}
		file = f
		parts = append(parts, [2]uint64{s.Start, s.End})
	}
	if file == nil {
		return nil, unix.EINVAL
	}
	for _, p := range parts {
		if err := as.unmap(p[0], p[1]); err != nil {
			return nil, err
		}
	}
	return file, nil
}
