package shm

import (
	"fmt"
	"time"

	"hull/sentry/ipc"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// Memory is what a segment's bytes are in. Release is called once, perhaps with
// locks of mm held.
type Memory interface {
	mm.Mappable
	// Resident is how many bytes of memory there are behind it.
	Resident() uint64
	Release()
}

// Segment is a shared memory segment.
type Segment struct {
	r      *Registry // immutable
	id     int32     // immutable
	key    int32     // immutable: the one it was made with
	size   uint64    // immutable, in bytes, as asked for
	memory Memory    // immutable

	// What follows is guarded by r.mu.
	perm                 ipc.Perm
	attach               map[place]uint64 // bytes that are mapped at each place
	creator, last        int32            // thread group ids
	attached, detached   int64            // when, in seconds of 1970; 0 is never
	changed              int64
	doomed, gone, pinned bool // removed; without memory; SHM_LOCK
}

// place is an address space, and where in it the segment's first byte is.
type place struct {
	space mm.Space
	base  usermem.Addr
}

var _ mm.Mappable = (*Segment)(nil)

// Translate implements mm.Mappable.
func (s *Segment) Translate(off, length uint64, write bool) (mm.Segment, error) {
	return s.memory.Translate(off, length, write)
}

// AddMapping implements mm.Mappable.
func (s *Segment) AddMapping(sp mm.Space, r usermem.Range, off uint64, writable bool) error {
	if err := s.memory.AddMapping(sp, r, off, writable); err != nil {
		return err
	}
	s.r.mu.Lock()
	s.attach[place{sp, r.Start - usermem.Addr(off)}] += r.Len()
	s.attached = time.Now().Unix()
	s.r.mu.Unlock()
	return nil
}

// RemoveMapping implements mm.Mappable.
func (s *Segment) RemoveMapping(sp mm.Space, r usermem.Range, off uint64, writable bool) {
	s.memory.RemoveMapping(sp, r, off, writable)
	p := place{sp, r.Start - usermem.Addr(off)}
	s.r.mu.Lock()
	if s.attach[p] -= r.Len(); s.attach[p] == 0 {
		delete(s.attach, p)
	}
	s.detached = time.Now().Unix()
	end := s.doomed && len(s.attach) == 0 && s.r.forget(s)
	s.r.mu.Unlock()
	if end {
		s.memory.Release()
	}
}

// Size returns the segment's size in bytes, in whole pages.
func (s *Segment) Size() uint64 { return (s.size + usermem.PageSize - 1) &^ (usermem.PageSize - 1) }

// named is a segment as /proc/PID/maps shows it.
type named Segment

// Named returns how it is shown in /proc/PID/maps.
func (s *Segment) Named() mm.Named { return (*named)(s) }

// MappedName implements mm.Named.
func (n *named) MappedName() (path string, dev, ino uint64) {
	return fmt.Sprintf("/SYSV%08x (deleted)", uint32(n.key)), 1, uint64(uint32(n.id))
}

// IncRef implements mm.Named: the mappings are counted as such.
func (*named) IncRef() {}

// DecRef implements mm.Named.
func (*named) DecRef() {}
