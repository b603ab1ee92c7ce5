package mm

import (
	"golang.org/x/sys/unix"

	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// Named also tells the name of memory that has none in a file system.
type namer interface {
	MappedName() (path string, dev, ino uint64)
}

// VMAs returns the mappings in order of address; withUsage fills the byte
// counts.
func (as *AddressSpace) VMAs(withUsage bool) []VMA {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	as.pages.RLock()
	defer as.pages.RUnlock()
	vs := make([]VMA, 0, as.mapping.vmas.Len())
	for i := range as.mapping.vmas.Len() {
		s := as.mapping.vmas.At(i)
		v := s.Val
		o := VMA{Range: rangeOf(s), Prot: v.prot, MaxProt: v.max, Shared: v.shared, Path: v.label,
			Anonymous: v.file == nil, GrowsDown: v.growsDown, Locked: v.lock != unlocked}
		if v.file != nil {
			o.Offset = v.off
		}
		if n, ok := v.name.(namer); ok && v.name != nil {
			o.Path, o.Dev, o.Ino = n.MappedName()
		} else if n, ok := v.file.(namer); ok && v.label == "" {
			o.Path, o.Dev, o.Ino = n.MappedName()
		}
		if withUsage {
			as.usageOf(s, &o)
		}
		vs = append(vs, o)
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
	m := &as.pages.pmas
	if private {
		as.removePages(uint64(r.Start), uint64(r.End))
		return
	}
	m.SplitAt(uint64(r.Start), splitPMA)
	m.SplitAt(uint64(r.End), splitPMA)
	i, j := m.Between(uint64(r.Start), uint64(r.End))
	for k := i; k < j; k++ {
		if s := *m.At(k); !s.Val.anon {
			as.removePages(s.Start, s.End)
			k, j = k-1, j-1
		}
	}
}
