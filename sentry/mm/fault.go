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
	// cowWindow is how much the first write to private pages of a file or of a
	// fork copies; it doubles as the other does.
	cowWindow    = 32 << 10
	maxCOWWindow = 512 << 10
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
	return as.handleFault(addr, a, false)
}

// handleFault is HandleFault; own says that the sentry itself is about to touch
// the page.
func (as *AddressSpace) handleFault(addr usermem.Addr, a platform.Access, own bool) error {
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
			err = &FaultError{Signo: unix.SIGSEGV, Code: segvMapErr}
		}
	}
	defer as.mapping.RUnlock()
	if err != nil {
		return err
	}
	as.pages.Lock()
	defer as.pages.Unlock()
	page, write := uint64(addr.RoundDown()), a.Write
	if p := as.pages.pmas.Find(page); p != nil && p.Val.host != noHost && p.Val.host&wants(a) == wants(a) {
		if a.Write || a.Exec || s.Val.prot&unix.PROT_WRITE == 0 || p.Val.host&unix.PROT_WRITE != 0 {
			return as.stale(p, page)
		}
		write = true
	}
	as.pages.own, as.pages.tell = own && as.pool != nil, false
	err = as.serve(s, page, write)
	told := !as.pages.tell
	as.pages.own, as.pages.tell = false, false
	if as.pool != nil && as.pool.Urgent() {
		told = !as.expose() && told
	}
	if c, ok := as.host.(platform.Charger); ok && err == nil && !told && c.Commit() != nil {
		as.pool.Relieve()
		err = unix.ENOMEM // Switch will say if there is more to say
	}
	return err
}

// Expose makes the pages at addrs, and one behind each, readable in the process of
// the host's that the address space is, and returns its number there; 0 if it is
// none. What cannot be read is left out.
func (as *AddressSpace) Expose(addrs ...usermem.Addr) (pid int, err error) {
	e, ok := as.host.(platform.Exposer)
	if !ok {
		return 0, nil
	}
	for _, a := range addrs {
		for _, page := range []usermem.Addr{a.RoundDown(), a.RoundDown() + usermem.PageSize} {
			if err := as.HandleFault(page, platform.Access{Read: true}); err != nil {
				break // it is no address, or there is nothing behind it
			}
		}
	}
	return e.Expose()
}

// wants is what the platform must allow for an access.
func wants(a platform.Access) platform.Prot {
	switch {
	case a.Write:
		return unix.PROT_WRITE
	case a.Exec:
		return unix.PROT_EXEC
	}
	return unix.PROT_READ
}

// stale serves a fault at a page that the platform was told of already: another
// thread was faster, or the host's file has become shorter.
func (as *AddressSpace) stale(p *pmaSeg, page uint64) error {
	if !p.Val.pastEnd(page - p.Start) {
		return nil
	}
	as.removePages(page, page+pageSize)
	return &FaultError{Signo: unix.SIGBUS, Code: busAdrErr}
}

// pastEnd reports whether the page off bytes into p is behind the end of the
// host's file that it is of.
func (p *pma) pastEnd(off uint64) bool {
	if p.mem {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(p.fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && int64(p.pos+off) >= st.Size
}

// serve makes the page at addr accessible and tells the platform. Locks as for
// ensure.
func (as *AddressSpace) serve(s *vmaSeg, addr uint64, write bool) error {
	told, err := as.ensure(s, addr, write)
	if err != nil || told {
		return err
	}
	return as.install(s, addr)
}

// errGrow says that a stack may have to grow first.
var errGrow = unix.ESTALE

// vmaFor finds the vma that addr lies in and checks the access.
func (as *AddressSpace) vmaFor(addr usermem.Addr, a platform.Access) (*vmaSeg, error) {
	m := &as.mapping.vmas
	i := m.Search(uint64(addr))
	if i == m.Len() {
		return nil, &FaultError{Signo: unix.SIGSEGV, Code: segvMapErr}
	}
	s := m.At(i)
	if s.Start > uint64(addr) {
		if s.Val.growsDown {
			return nil, errGrow
		}
		return nil, &FaultError{Signo: unix.SIGSEGV, Code: segvMapErr}
	}
	p := s.Val.prot
	if a.Write && p&unix.PROT_WRITE == 0 || a.Exec && p&unix.PROT_EXEC == 0 || p == 0 ||
		!a.Write && !a.Exec && p&(unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC) == 0 {
		return nil, &FaultError{Signo: unix.SIGSEGV, Code: segvAccErr, Present: p != 0 && as.present(addr)}
	}
	return s, nil
}

// present reports whether there is a page at addr.
func (as *AddressSpace) present(addr usermem.Addr) bool {
	as.pages.Lock()
	defer as.pages.Unlock()
	return as.pages.pmas.Find(uint64(addr.RoundDown())) != nil
}

// grow extends the stack above addr down to it.
func (as *AddressSpace) grow(addr usermem.Addr) error {
	fail := &FaultError{Signo: unix.SIGSEGV, Code: segvMapErr}
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
// if write. told says that the platform knows of it already. mapping is locked
// for reading, pages for writing.
func (as *AddressSpace) ensure(s *vmaSeg, addr uint64, write bool) (told bool, err error) {
	p := as.pages.pmas.Find(addr)
	if p == nil {
		if s.Val.file == nil {
			return false, as.newAnon(s, addr)
		}
		if err := as.newFile(s, addr, write); err != nil {
			return false, err
		}
		p = as.pages.pmas.Find(addr)
	}
	switch {
	case !write:
		return false, nil
	case s.Val.shared:
		if p.Val.max&unix.PROT_WRITE == 0 {
			// The file wants to know before its pages are written.
			as.removePages(addr, addr+pageSize)
			if err := as.newFile(s, addr, true); err != nil {
				return false, err
			}
			if as.pages.pmas.Find(addr).Val.max&unix.PROT_WRITE == 0 {
				return false, &FaultError{Signo: unix.SIGBUS, Code: busAdrErr}
			}
		}
		return false, nil
	case p.Val.anon && !p.Val.cow:
		return false, nil
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
	size := as.pages.fresh.next(addr, anonWindow, maxAnonWindow)
	from := addr &^ (anonWindow - 1)
	start, end := as.free(s, addr, from, from+size)
	if s.Val.growsDown {
		start, end = as.free(s, addr, addr-min(addr, anonWindow/2), addr+pageSize)
	}
	r, counted, err := as.allocate(end - start)
	if err != nil {
		start, end = addr, addr+pageSize
		if r, counted, err = as.allocate(pageSize); err != nil {
			return unix.ENOMEM
		}
	}
	as.pages.tell = as.pages.own && !counted
	as.pages.fresh = window{end, size}
	as.addPages(pmaSeg{Start: start, End: end, Val: pma{pos: r.Start, mem: true, anon: true, host: noHost}})
	return nil
}

// allocate returns n bytes of zeroed memory. counted says that the host need not be
// told whose they are.
func (as *AddressSpace) allocate(n uint64) (r mem.Range, counted bool, err error) {
	if as.pool != nil {
		return as.pool.Allocate(n)
	}
	r, err = as.mem.Allocate(n)
	return r, true, err
}

// toFill is allocate for memory that the sentry is about to fill. The host counts
// a page for who touches it first: that is to be the guest.
func (as *AddressSpace) toFill(n uint64) (mem.Range, error) {
	r, counted, err := as.allocate(n)
	if err != nil || counted {
		return r, err
	}
	c, ok := as.host.(platform.Charger)
	if ok && c.Charge(as.mem.FD(), int64(r.Start), r.Len()) != nil {
		as.pool.Relieve()
		as.decRef(r)
		return mem.Range{}, unix.ENOMEM // Switch will say if there is more to say
	}
	return r, nil
}

// decRef drops references of the address space's own.
func (as *AddressSpace) decRef(r mem.Range) {
	if as.pool != nil {
		as.pool.DecRef(r)
	} else {
		as.mem.DecRef(r)
	}
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
	if err != nil || seg.Len == 0 {
		return &FaultError{Signo: unix.SIGBUS, Code: busAdrErr}
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

// breakCOW gives s its own copy of the pages around addr, which p has. told is
// as ensure's.
func (as *AddressSpace) breakCOW(s *vmaSeg, p *pmaSeg, addr uint64) (told bool, err error) {
	if p.Val.anon && as.reclaim(s, p, addr) {
		return false, nil
	}
	if p.Val.pastEnd(addr - p.Start) {
		return false, &FaultError{Signo: unix.SIGBUS, Code: busAdrErr}
	}
	from, size := addr&^(cowWindow-1), as.pages.copies.next(addr, cowWindow, maxCOWWindow)
	start, end := max(from, p.Start, s.Start), min(from+size, p.End, s.End)
	if !p.Val.anon && !as.isImage(s) {
		start, end = addr, addr+pageSize
	}
	r, err := as.toFill(end - start)
	if err != nil {
		start, end = addr, addr+pageSize
		if r, err = as.toFill(pageSize); err != nil {
			return false, unix.ENOMEM
		}
	}
	as.pages.copies = window{end, size}
	if err := as.copyPages(p, start, r); err != nil {
		as.decRef(r)
		return false, err
	}
	as.isolate(start, end)
	i := as.pages.pmas.Search(addr)
	old := *as.pages.pmas.At(i)
	as.pages.pmas.RemoveAt(i, i+1)
	as.addPages(pmaSeg{Start: start, End: end, Val: pma{pos: r.Start, mem: true, anon: true, host: noHost}})
	if told = old.Val.host != noHost; told {
		// Map replaces the platform's mapping in one step; only then may
		// somebody else get the old pages.
		if err = as.installRange(s, start, end); err != nil {
			_ = as.host.Unmap(start, end-start) // a failure is Switch's to report
		}
	}
	as.dropPages(&old)
	return told, err
}

// isImage reports whether s is data of a program or library, whose text is
// mapped before it. Such files are not changed while they are mapped, so that
// more may be copied than was written; of others a private mapping shows what
// is written to the file until it writes to that page itself.
func (as *AddressSpace) isImage(s *vmaSeg) bool {
	m := &as.mapping.vmas
	for i := m.Search(s.Start); i > 0; i-- {
		a, b := m.At(i-1), m.At(i)
		if a.End != b.Start || a.Val.file != b.Val.file {
			return false
		}
		if a.Val.prot&unix.PROT_EXEC != 0 {
			return true
		}
	}
	return false
}

// reclaim makes pages around addr that p has, all of whose other owners are
// gone, the address space's own again. It is false if there are others.
func (as *AddressSpace) reclaim(s *vmaSeg, p *pmaSeg, addr uint64) bool {
	for _, size := range [...]uint64{maxAnonWindow, cowWindow} {
		from := addr &^ (size - 1)
		start, end := max(from, p.Start, s.Start), min(from+size, p.End, s.End)
		pos := p.Val.pos + (start - p.Start)
		if !as.mem.Shared(mem.Range{Start: pos, End: pos + end - start}) {
			as.isolate(start, end)
			as.pages.pmas.Find(addr).Val.cow = false
			return true
		}
	}
	return false
}

// window is how far the last fault of a kind reached, and how much it got.
type window struct{ end, size uint64 }

// next returns how much a fault at addr gets: twice as much as the last if it
// goes on where that ended, up to most; else least.
func (w *window) next(addr, least, most uint64) uint64 {
	if w.end == addr && w.size != 0 {
		return min(w.size*2, most)
	}
	return least
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
			fail = &FaultError{Signo: unix.SIGBUS, Code: busAdrErr}
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
	if p.Val.anon && p.Val.host == noHost && prot&unix.PROT_WRITE != 0 && end == as.pages.fresh.end && end-start > anonWindow {
		// Memory that is written from its start to its end.
		how |= platform.Commit
	}
	if as.pages.tell {
		how |= platform.Commit // else the host would count it for the sentry
	}
	if err := as.host.Map(start, end-start, fd, int64(pos), how); err != nil {
		return unix.ENOMEM
	}
	p.Val.host = prot
	as.mergePMAs(i)
	return nil
}

// populate makes pages of [addr, addr+n) before they are asked for
// (MAP_POPULATE, mlock). What cannot be had is left out.
func (as *AddressSpace) populate(addr usermem.Addr, n uint64) {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	m := &as.mapping.vmas
	end := uint64(addr) + n
	for at := uint64(addr); at < end; {
		i := m.Search(at)
		if i == m.Len() || m.At(i).Start >= end {
			return
		}
		s := m.At(i)
		at = max(at, s.Start)
		if s.Val.prot == 0 {
			at = s.End
			continue
		}
		as.pages.Lock()
		// Private pages would be copied sooner or later: now, if they may be
		// written at all.
		err := as.serve(s, at, !s.Val.shared && s.Val.prot&unix.PROT_WRITE != 0)
		if err == nil {
			at = min(as.pages.pmas.Find(at).End, s.End)
		}
		as.pages.Unlock()
		if err != nil {
			return
		}
	}
}
