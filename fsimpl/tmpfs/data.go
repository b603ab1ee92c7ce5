package tmpfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/rangemap"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// regular is a regular file.
//
// Order of a change: inode.mu (rank Inode) serialises writers and truncation;
// pages is taken inside it for moments, never while guest memory is touched:
// bytes are copied to pages that are pinned by a reference.
type regular struct {
	inode
	memfd bool // immutable: made by memfd_create

	pages struct {
		lock.Mutex[lock.FileMap]
		size  int64
		m     rangemap.Map[uint64] // by offset: where in sandbox memory
		maps  []mapping
		seals uint32
	}
}

// mapping is where an address space maps a part of the file.
type mapping struct {
	s        mm.Space
	r        usermem.Range
	off      uint64
	writable bool
}

// allocWindow is how much a write or fault allocates at least, as far as the
// file goes, in bytes.
const allocWindow = 64 << 10

func (fs *FS) newRegular(n vfs.NewInode) *regular {
	r := &regular{}
	r.init(fs, r, n)
	r.pages.seals = unix.F_SEAL_SEAL
	return r
}

// Stat implements vfs.InodeImpl.
func (r *regular) Stat(current.Task) (vfs.Stat, error) {
	s := r.stat()
	r.pages.Lock()
	defer r.pages.Unlock()
	s.Size = r.pages.size
	for i := range r.pages.m.Len() {
		g := r.pages.m.At(i)
		s.Blocks += (g.End - g.Start) / 512
	}
	return s, nil
}

// SetStat implements vfs.InodeImpl.
func (r *regular) SetStat(t current.Task, s vfs.SetStat) error {
	if s.Mask&vfs.SetSize != 0 {
		if err := r.resize(s.Size); err != nil {
			return err
		}
	}
	return r.inode.SetStat(t, s)
}

// Release implements vfs.InodeImpl: the last name and the last user are gone.
func (r *regular) Release() {
	r.drop(0, ^uint64(0)&^(pageSize-1))
	r.inode.Release()
}

// drop gives the pages in [start, end) up. Nothing maps them any more, or those
// who do were told.
func (r *regular) drop(start, end uint64) {
	r.pages.Lock()
	m := &r.pages.m
	m.SplitAt(start, splitPos)
	m.SplitAt(end, splitPos)
	i, j := m.Between(start, end)
	var gone []mem.Range
	for k := i; k < j; k++ {
		g := m.At(k)
		gone = append(gone, mem.Range{Start: g.Val, End: g.Val + g.End - g.Start})
	}
	m.RemoveAt(i, j)
	r.pages.Unlock()
	for _, x := range gone {
		r.fs.pages.Add(-int64(x.Len() / pageSize))
		r.fs.mem.DecRef(x)
	}
}

func splitPos(v *uint64, by uint64) uint64 { return *v + by }

func roundUp(n int64) uint64 { return (uint64(n) + pageSize - 1) &^ (pageSize - 1) }

// resize is truncation, to shorter or longer.
func (r *regular) resize(size int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages.Lock()
	old := r.pages.size
	switch seals := r.pages.seals; {
	case size < old && seals&unix.F_SEAL_SHRINK != 0, size > old && seals&unix.F_SEAL_GROW != 0:
		r.pages.Unlock()
		return unix.EPERM
	}
	r.pages.size = size
	maps := append([]mapping(nil), r.pages.maps...)
	r.pages.Unlock()
	t := now()
	r.mu.mtime, r.mu.ctime = t, t
	if size >= old {
		return nil
	}
	r.invalidate(maps, roundUp(size), roundUp(old), true)
	r.drop(roundUp(size), ^uint64(0)&^(pageSize-1))
	if tail := uint64(size) % pageSize; tail != 0 {
		// What is behind the end of the last page must read as zeros when the
		// file grows again.
		if rg, ok := r.pin(uint64(size), pageSize-tail); ok {
			r.fs.mem.Zero(mem.Range{Start: rg.Start, End: rg.End})
			r.unpin(rg)
		}
	}
	return nil
}

// invalidate tells who maps [start, end) to forget. No lock of rank MMMapping
// or inner is held.
func (r *regular) invalidate(maps []mapping, start, end uint64, private bool) {
	for _, m := range maps {
		from, to := max(start, m.off), min(end, m.off+m.r.Len())
		if from < to {
			m.s.Invalidate(usermem.Range{Start: m.r.Start + usermem.Addr(from-m.off), End: m.r.Start + usermem.Addr(to-m.off)}, private)
		}
	}
}

// pin returns where n bytes at off, within one page run, lie, with a reference
// on their pages; ok is false for a hole.
func (r *regular) pin(off, n uint64) (mem.Range, bool) {
	r.pages.Lock()
	defer r.pages.Unlock()
	g := r.pages.m.Find(off)
	if g == nil {
		return mem.Range{}, false
	}
	n = min(n, g.End-off)
	rg := mem.Range{Start: g.Val + off - g.Start, End: g.Val + off - g.Start + n}
	r.fs.mem.IncRef(pagesOf(rg))
	return rg, true
}

func (r *regular) unpin(rg mem.Range) { r.fs.mem.DecRef(pagesOf(rg)) }

func pagesOf(r mem.Range) mem.Range {
	return mem.Range{Start: r.Start &^ (pageSize - 1), End: (r.End + pageSize - 1) &^ (pageSize - 1)}
}

// fill makes sure that the page at off has memory, and as much around it as is
// free up to end (exclusive).
func (r *regular) fill(off, end uint64) error {
	r.pages.Lock()
	defer r.pages.Unlock()
	return r.fillLocked(off, end)
}

func (r *regular) fillLocked(off, end uint64) error {
	off &^= pageSize - 1
	if r.pages.m.Find(off) != nil {
		return nil
	}
	_, hi := r.pages.m.Gap(off, ^uint64(0)&^(pageSize-1))
	end = min(max((end+pageSize-1)&^(pageSize-1), off+pageSize), hi)
	n := end - off
	if err := r.fs.charge(int64(n / pageSize)); err != nil {
		if n > pageSize {
			n = pageSize
			err = r.fs.charge(1)
		}
		if err != nil {
			return err
		}
	}
	rg, err := r.fs.mem.Allocate(n)
	if err != nil {
		r.fs.pages.Add(-int64(n / pageSize))
		return unix.ENOSPC
	}
	i := r.pages.m.Insert(rangemap.Segment[uint64]{Start: off, End: off + n, Val: rg.Start})
	r.join(i)
	return nil
}

// join makes one of segments that continue each other in memory too.
func (r *regular) join(i int) {
	m := &r.pages.m
	if i > 0 {
		a, b := m.At(i-1), m.At(i)
		if a.End == b.Start && a.Val+(a.End-a.Start) == b.Val {
			a.End = b.End
			m.RemoveAt(i, i+1)
		}
	}
}

var (
	_ mm.Mappable   = (*regular)(nil)
	_ mm.PunchHoler = (*regular)(nil)
)

// Translate implements mm.Mappable.
func (r *regular) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	r.pages.Lock()
	defer r.pages.Unlock()
	size := roundUp(r.pages.size)
	if off >= size {
		return mm.Segment{}, unix.ENXIO
	}
	length = min(length, size-off)
	if err := r.fillLocked(off, min(off+length, off+allocWindow)); err != nil {
		return mm.Segment{}, unix.ENOMEM
	}
	g := r.pages.m.Find(off)
	n := min(length, g.End-off)
	pos := g.Val + off - g.Start
	r.fs.mem.IncRef(mem.Range{Start: pos, End: pos + n})
	return mm.Segment{Off: off, Len: n, Pos: pos, Mem: true, Prot: unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC}, nil
}

// AddMapping implements mm.Mappable.
func (r *regular) AddMapping(s mm.Space, rg usermem.Range, off uint64, writable bool) error {
	r.pages.Lock()
	defer r.pages.Unlock()
	if writable && r.pages.seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0 {
		return unix.EPERM
	}
	r.pages.maps = append(r.pages.maps, mapping{s, rg, off, writable})
	return nil
}

// RemoveMapping implements mm.Mappable.
func (r *regular) RemoveMapping(s mm.Space, rg usermem.Range, off uint64, writable bool) {
	r.pages.Lock()
	defer r.pages.Unlock()
	var keep []mapping
	for _, m := range r.pages.maps {
		if m.s != s || m.r.End <= rg.Start || rg.End <= m.r.Start {
			keep = append(keep, m)
			continue
		}
		if m.r.Start < rg.Start {
			left := m
			left.r.End = rg.Start
			keep = append(keep, left)
		}
		if m.r.End > rg.End {
			right := m
			right.r.Start = rg.End
			right.off += uint64(rg.End - m.r.Start)
			keep = append(keep, right)
		}
	}
	r.pages.maps = keep
}

// PunchHole implements mm.PunchHoler.
func (r *regular) PunchHole(off, length uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages.Lock()
	if r.pages.seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0 {
		r.pages.Unlock()
		return unix.EPERM
	}
	maps := append([]mapping(nil), r.pages.maps...)
	r.pages.Unlock()
	t := now()
	r.mu.mtime, r.mu.ctime = t, t
	start, end := (off+pageSize-1)&^(pageSize-1), (off+length)&^(pageSize-1)
	zero := func(from, to uint64) {
		for from < to {
			rg, ok := r.pin(from, to-from)
			if !ok {
				from = (from + pageSize) &^ (pageSize - 1)
				continue
			}
			r.fs.mem.Zero(rg)
			r.unpin(rg)
			from += rg.Len()
		}
	}
	if start >= end {
		zero(off, off+length)
		return nil
	}
	zero(off, start)
	zero(end, off+length)
	// The pages go first: who faults in between finds new ones. Those who still
	// have the old ones mapped hold references.
	r.drop(start, end)
	r.invalidate(maps, start, end, false)
	return nil
}
