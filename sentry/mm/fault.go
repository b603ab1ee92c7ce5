package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

const (
	// anonWindow is how much anonymous memory the first fault gets; the window
	// doubles while faults go on where the last one's pages ended.
	anonWindow    = 64 << 10
	maxAnonWindow = 2 << 20
	// cowWindow is how much is copied by a write to private pages of a file
	// or of a fork.
	cowWindow = 32 << 10
	// fileWindow is how much of a file is mapped around a fault.
	fileWindow = 1 << 20
)

// The si_code values of faults.
const (
	segvMapErr = 1
	segvAccErr = 2
	busAdrErr  = 2
)

// HandleFault makes the page at addr accessible to guest code. The error is a
// *FaultError, or unix.ENOMEM when memory ran out.
//
// A platform may not know whether it was a write. A fault that is said to be a
// read of a page that guest code can read already is taken for one.
func (as *AddressSpace) HandleFault(addr usermem.Addr, a platform.Access) error {
	as.mapping.RLock()
	s, err := as.vmaFor(addr, a)
	if err == errGrow {
		as.mapping.RUnlock()
		if err := as.grow(addr); err != nil {
			return err
		}
		as.mapping.RLock()
		s, err = as.vmaFor(addr, a)
		if err == errGrow {
			err = &FaultError{unix.SIGSEGV, segvMapErr}
		}
	}
	defer as.mapping.RUnlock()
	if err != nil {
		return err
	}
	as.pages.Lock()
	defer as.pages.Unlock()
	write := a.Write
	if p := as.pages.pmas.Find(uint64(addr)); p != nil && p.Val.host != noHost && !write {
		switch {
		case a.Exec && p.Val.host&unix.PROT_EXEC != 0, a.Exec && p.Val.host&unix.PROT_READ == 0:
		case p.Val.host&unix.PROT_READ == 0:
		case s.Val.prot&unix.PROT_WRITE == 0 || p.Val.host&unix.PROT_WRITE != 0:
			// Another thread was faster. If it was a write after all, the
			// platform will say so of the next one.
			return nil
		default:
			write = true
		}
	}
	if err := as.ensure(s, uint64(addr.RoundDown()), write); err != nil {
		return err
	}
	return as.install(s, uint64(addr.RoundDown()))
}

// errGrow says that a stack may have to grow first.
var errGrow = unix.ESTALE

// vmaFor finds the vma that addr lies in and checks the access.
func (as *AddressSpace) vmaFor(addr usermem.Addr, a platform.Access) (*vmaSeg, error) {
	m := &as.mapping.vmas
	i := m.Search(uint64(addr))
	if i == m.Len() {
		return nil, &FaultError{unix.SIGSEGV, segvMapErr}
	}
	s := m.At(i)
	if s.Start > uint64(addr) {
		if s.Val.growsDown {
			return nil, errGrow
		}
		return nil, &FaultError{unix.SIGSEGV, segvMapErr}
	}
	p := s.Val.prot
	if a.Write && p&unix.PROT_WRITE == 0 || a.Exec && p&unix.PROT_EXEC == 0 || p == 0 ||
		!a.Write && !a.Exec && p&(unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC) == 0 {
		return nil, &FaultError{unix.SIGSEGV, segvAccErr}
	}
	return s, nil
}

// grow extends the stack above addr down to it.
func (as *AddressSpace) grow(addr usermem.Addr) error {
	fail := &FaultError{unix.SIGSEGV, segvMapErr}
	as.mapping.Lock()
	defer as.mapping.Unlock()
	m := &as.mapping.vmas
	i := m.Search(uint64(addr))
	if i == m.Len() || !m.At(i).Val.growsDown {
		return fail
	}
	s := m.At(i)
	start := uint64(addr.RoundDown())
	if start >= s.Start {
		return nil
	}
	if i > 0 && !(m.At(i-1).Val.growsDown) && m.At(i-1).Val.prot != 0 && start < m.At(i-1).End+stackGap || start < minAddr {
		return fail
	}
	if s.End-start > as.mapping.info.stackLimit() {
		return fail
	}
	as.account(s.Val, s.Start-start, +1)
	s.Start = start
	return nil
}

// stackLimit is how long the stack may become.
func (i *Info) stackLimit() uint64 {
	if i.StackLimit == 0 {
		return 8 << 20
	}
	return i.StackLimit
}

// ensure makes sure that the page at addr is there, and that it may be written
// if write. mapping is locked for reading, pages for writing.
func (as *AddressSpace) ensure(s *vmaSeg, addr uint64, write bool) error {
	p := as.pages.pmas.Find(addr)
	if p == nil {
		if s.Val.file == nil {
			return as.newAnon(s, addr)
		}
		if err := as.newFile(s, addr, write); err != nil {
			return err
		}
		p = as.pages.pmas.Find(addr)
	}
	switch {
	case !write:
		return nil
	case s.Val.shared:
		if p.Val.max&unix.PROT_WRITE == 0 {
			// The file wants to know before its pages are written.
			as.removePages(addr, addr+pageSize)
			return as.newFile(s, addr, true)
		}
		return nil
	case p.Val.anon && !p.Val.cow:
		return nil
	}
	return as.breakCOW(s, p, addr)
}

// free returns the part of [start, end) around addr, within s, that has no
// pages.
func (as *AddressSpace) free(s *vmaSeg, addr, start, end uint64) (uint64, uint64) {
	a, b := as.pages.pmas.Gap(addr, s.End)
	return max(start, s.Start, a), min(end, s.End, b)
}

// newAnon gives s fresh zeroed pages around addr.
func (as *AddressSpace) newAnon(s *vmaSeg, addr uint64) error {
	w := &as.pages
	size := uint64(anonWindow)
	if uint64(w.lastEnd) == addr && addr != 0 {
		size = min(w.window*2, maxAnonWindow)
	}
	from := addr &^ (anonWindow - 1)
	start, end := as.free(s, addr, from, from+size)
	if s.Val.growsDown {
		start, end = as.free(s, addr, addr-min(addr, anonWindow/2), addr+pageSize)
	}
	r, err := as.mem.Allocate(end - start)
	if err != nil {
		start, end = addr, addr+pageSize
		if r, err = as.mem.Allocate(pageSize); err != nil {
			return unix.ENOMEM
		}
	}
	w.lastEnd, w.window = usermem.Addr(end), size
	as.addPages(pmaSeg{Start: start, End: end, Val: pma{pos: r.Start, mem: true, anon: true, host: noHost}})
	return nil
}

// newFile gives s pages of its file around addr.
func (as *AddressSpace) newFile(s *vmaSeg, addr uint64, write bool) error {
	v := s.Val
	start, end := as.free(s, addr, addr&^(fileWindow-1), addr&^(fileWindow-1)+fileWindow)
	seg, err := v.file.Translate(v.off+(start-s.Start), end-start, v.shared && write)
	if err == nil && start+seg.Len <= addr {
		as.dropSegment(&seg)
		start = addr
		seg, err = v.file.Translate(v.off+(start-s.Start), end-start, v.shared && write)
	} else if err != nil && start < addr {
		start = addr
		seg, err = v.file.Translate(v.off+(start-s.Start), end-start, v.shared && write)
	}
	if err == unix.ENOMEM {
		return unix.ENOMEM
	}
	if err != nil {
		return &FaultError{unix.SIGBUS, busAdrErr}
	}
	if n := end - start; seg.Len > n {
		if seg.Mem {
			as.mem.DecRef(mem.Range{Start: seg.Pos + n, End: seg.Pos + seg.Len})
		}
		seg.Len = n
	}
	as.addPages(pmaSeg{Start: start, End: start + seg.Len,
		Val: pma{pos: seg.Pos, fd: seg.FD, mem: seg.Mem, max: seg.Prot, host: noHost}})
	return nil
}

func (as *AddressSpace) dropSegment(seg *Segment) {
	if seg.Mem {
		as.mem.DecRef(mem.Range{Start: seg.Pos, End: seg.Pos + seg.Len})
	}
}

// addPages adds a pma, joined with neighbours that continue it.
func (as *AddressSpace) addPages(s pmaSeg) {
	w := &as.pages
	w.rss[s.Val.kind()] += s.End - s.Start
	w.peak = max(w.peak, w.rss[0]+w.rss[1]+w.rss[2])
	i := w.pmas.Insert(s)
	as.mergePMAs(i)
}

// mergePMAs joins the pma at i with its neighbours where they continue each
// other, in memory and in what the platform knows.
func (as *AddressSpace) mergePMAs(i int) {
	m := &as.pages.pmas
	join := func(i int) bool {
		a, b := m.At(i), m.At(i+1)
		want := a.Val
		want.pos += a.End - a.Start
		if a.End != b.Start || want != b.Val {
			return false
		}
		a.End = b.End
		m.RemoveAt(i+1, i+2)
		return true
	}
	if i+1 < m.Len() {
		join(i)
	}
	if i > 0 {
		join(i - 1)
	}
}

// breakCOW gives s its own copy of the pages around addr, which p has.
func (as *AddressSpace) breakCOW(s *vmaSeg, p *pmaSeg, addr uint64) error {
	from := addr &^ (cowWindow - 1)
	start, end := max(from, p.Start, s.Start), min(from+cowWindow, p.End, s.End)
	if p.Val.anon {
		pos := p.Val.pos + (start - p.Start)
		if !as.mem.Shared(mem.Range{Start: pos, End: pos + end - start}) {
			// The others are gone: the pages are ours as they are.
			as.isolate(start, end)
			as.pages.pmas.Find(addr).Val.cow = false
			return nil
		}
	}
	r, err := as.mem.Allocate(end - start)
	if err != nil {
		start, end = addr, addr+pageSize
		if r, err = as.mem.Allocate(pageSize); err != nil {
			return unix.ENOMEM
		}
	}
	if err := as.copyPages(p, start, r); err != nil {
		as.mem.DecRef(r)
		return err
	}
	as.isolate(start, end)
	i := as.pages.pmas.Search(addr)
	old := *as.pages.pmas.At(i)
	was := old.Val.host
	as.pages.pmas.RemoveAt(i, i+1)
	as.addPages(pmaSeg{Start: start, End: end, Val: pma{pos: r.Start, mem: true, anon: true, host: noHost}})
	if was != noHost {
		// Map replaces the platform's mapping in one step.
		if err := as.installRange(s, start, end); err != nil {
			return err
		}
	}
	as.dropPages(&old)
	return nil
}

// isolate makes [start, end) one pma of its own, which it is a part of now.
func (as *AddressSpace) isolate(start, end uint64) {
	as.pages.pmas.SplitAt(start, splitPMA)
	as.pages.pmas.SplitAt(end, splitPMA)
}

// copyPages fills r from the pages of p that begin at start.
func (as *AddressSpace) copyPages(p *pmaSeg, start uint64, r mem.Range) error {
	pos := p.Val.pos + (start - p.Start)
	var fail error
	as.mem.Each(r, func(dst []byte) bool {
		if p.Val.mem {
			as.mem.Each(mem.Range{Start: pos, End: pos + uint64(len(dst))}, func(src []byte) bool {
				dst = dst[copy(dst, src):]
				pos += uint64(len(src))
				return true
			})
			return true
		}
		n, err := readFull(p.Val.fd, dst, int64(pos))
		pos += uint64(len(dst))
		if err != nil && n == 0 {
			fail = &FaultError{unix.SIGBUS, busAdrErr}
			return false
		}
		return true // beyond the end of the file are zeros
	})
	return fail
}

// readFull reads until dst is full, the file ends or an error comes.
func readFull(fd int, dst []byte, off int64) (int, error) {
	n := 0
	for n < len(dst) {
		k, err := unix.Pread(fd, dst[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return n, err
		}
		n += k
	}
	return n, nil
}

// install tells the platform of the pages at addr and around it.
func (as *AddressSpace) install(s *vmaSeg, addr uint64) error {
	p := as.pages.pmas.Find(addr)
	start, end := max(p.Start, s.Start), min(p.End, s.End)
	if end-start > maxAnonWindow {
		w := addr &^ (maxAnonWindow - 1)
		start, end = max(start, w), min(end, w+maxAnonWindow)
	}
	return as.installRange(s, start, end)
}

// installRange tells the platform of the pages in [start, end), which are of
// one pma and within s.
func (as *AddressSpace) installRange(s *vmaSeg, start, end uint64) error {
	i := as.pages.pmas.Search(start)
	p := as.pages.pmas.At(i)
	prot := hostProt(s.Val, &p.Val)
	if p.Val.host != prot && (p.Start != start || p.End != end) {
		as.isolate(start, end)
		i = as.pages.pmas.Search(start)
		p = as.pages.pmas.At(i)
	}
	fd, pos := p.Val.fd, p.Val.pos+(start-p.Start)
	if p.Val.mem {
		fd = as.mem.FD()
	}
	how := prot
	if p.Val.anon && p.Val.host == noHost && prot&unix.PROT_WRITE != 0 && usermem.Addr(end) == as.pages.lastEnd && end-start > anonWindow {
		// Memory that is written from its start to its end.
		how |= platform.Commit
	}
	if err := as.host.Map(start, end-start, fd, int64(pos), how); err != nil {
		return unix.ENOMEM
	}
	p.Val.host = prot
	as.mergePMAs(i)
	return nil
}

// populate makes pages of [addr, addr+n) before they are asked for (MAP_POPULATE).
// What cannot be had is left out.
func (as *AddressSpace) populate(addr usermem.Addr, n uint64, write bool) {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	as.pages.Lock()
	defer as.pages.Unlock()
	end := uint64(addr) + n
	for at := uint64(addr); at < end; {
		s := as.mapping.vmas.Find(at)
		if s == nil || s.Val.prot == 0 {
			return
		}
		if as.ensure(s, at, write) != nil || as.install(s, at) != nil {
			return
		}
		at = as.pages.pmas.Find(at).End
	}
}
