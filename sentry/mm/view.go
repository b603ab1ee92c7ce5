package mm

import (
	"golang.org/x/sys/unix"

	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// VMAs returns the mappings in order of address; withUsage fills the byte
// counts.
func (as *AddressSpace) VMAs(withUsage bool) []VMA {
	as.mapping.RLock()
	as.pages.RLock()
	vs := make([]VMA, 0, as.mapping.vmas.Len())
	names := make([]Named, 0, as.mapping.vmas.Len())
	for i := range as.mapping.vmas.Len() {
		s := as.mapping.vmas.At(i)
		v := s.Val
		o := VMA{Range: rangeOf(s), Prot: v.prot, MaxProt: v.max, Shared: v.shared, Path: v.label,
			Anonymous: v.file == nil, GrowsDown: v.growsDown, Locked: v.lock != unlocked}
		if v.file != nil {
			o.Offset = v.off
		}
		if n, ok := v.file.(*sharedAnon); ok && v.label == "" && v.name == nil {
			o.Path, o.Dev, o.Ino = n.MappedName()
		}
		if withUsage {
			as.usageOf(s, &o)
		}
		if v.name != nil {
			v.name.IncRef()
		}
		vs, names = append(vs, o), append(names, v.name)
	}
	as.pages.RUnlock()
	as.mapping.RUnlock()
	// A name is asked for without locks: finding it takes those of the vfs.
	for i, n := range names {
		if n != nil {
			vs[i].Path, vs[i].Dev, vs[i].Ino = n.MappedName()
			n.DecRef()
		}
	}
	return vs
}

// usageOf counts the pages of a vma. Both locks are held.
func (as *AddressSpace) usageOf(s *vmaSeg, o *VMA) {
	i, j := as.pages.pmas.Between(s.Start, s.End)
	for k := i; k < j; k++ {
		p := as.pages.pmas.At(k)
		n := min(p.End, s.End) - max(p.Start, s.Start)
		o.RSS += n
		if p.Val.anon {
			o.AnonRSS += n
		}
		if p.Val.anon && !p.Val.cow || p.Val.anon && !as.mem.Shared(mem.Range{Start: p.Val.pos, End: p.Val.pos + p.End - p.Start}) {
			o.Private += n
		} else {
			o.SharedRSS += n
		}
	}
}

// Usage returns the counts.
func (as *AddressSpace) Usage() Usage {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	as.pages.RLock()
	defer as.pages.RUnlock()
	m, w := &as.mapping, &as.pages
	u := Usage{Size: m.total, PeakSize: m.peak, Data: m.data, Locked: m.locked,
		RSSAnon: w.rss[rssAnon], RSSFile: w.rss[rssFile], RSSShmem: w.rss[rssShmem], PeakRSS: w.peak}
	u.RSS = u.RSSAnon + u.RSSFile + u.RSSShmem
	u.Text = uint64(m.info.CodeEnd.RoundDown() - m.info.CodeStart.RoundDown())
	for i := range m.vmas.Len() {
		s := m.vmas.At(i)
		if s.Val.stack {
			u.Stack += s.End - s.Start
		}
		if s.Val.file != nil && s.Val.prot&unix.PROT_EXEC != 0 {
			u.Lib += s.End - s.Start
		}
	}
	u.Lib -= min(u.Lib, u.Text)
	return u
}

// FutexKey returns the key of the word at addr. EFAULT if nothing readable is
// there.
func (as *AddressSpace) FutexKey(addr usermem.Addr, private bool) (FutexKey, error) {
	if addr >= as.layout.end {
		return FutexKey{}, unix.EFAULT
	}
	if private {
		return FutexKey{Space: as, Offset: uint64(addr)}, nil
	}
	if _, err := as.Load32(addr &^ 3); err != nil {
		return FutexKey{}, err
	}
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	s := as.mapping.vmas.Find(uint64(addr))
	switch {
	case s == nil:
		return FutexKey{}, unix.EFAULT
	case s.Val.shared:
		return FutexKey{Space: s.Val.file, Offset: s.Val.off + uint64(addr) - s.Start}, nil
	}
	return FutexKey{Space: as, Offset: uint64(addr)}, nil
}

// Invalidate implements Space.
func (as *AddressSpace) Invalidate(r usermem.Range, private bool) {
	as.pages.Lock()
	defer as.pages.Unlock()
	if private {
		as.removePages(uint64(r.Start), uint64(r.End))
		return
	}
	m := &as.pages.pmas
	for at := uint64(r.Start); at < uint64(r.End); {
		i := m.Search(at)
		if i == m.Len() || m.At(i).Start >= uint64(r.End) {
			return
		}
		s := m.At(i)
		from, to := max(at, s.Start), min(s.End, uint64(r.End))
		if !s.Val.anon {
			as.removePages(from, to)
		}
		at = to
	}
}
