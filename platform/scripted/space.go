package scripted

import (
	"slices"

	"hull/platform"
	"hull/sentry/lock"
)

// Mapping is what one page of an address space shows.
type Mapping struct {
	FD   int
	Off  int64
	Prot platform.Prot
}

const pageSize = 4096

// AddressSpace remembers every page that was mapped in it.
type AddressSpace struct {
	mu       lock.Mutex[lock.Leaf]
	pages    map[uint64]Mapping // guarded by mu
	released bool               // guarded by mu
}

// Map records the pages of [addr, addr+length).
func (s *AddressSpace) Map(addr, length uint64, fd int, off int64, prot platform.Prot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages == nil {
		s.pages = make(map[uint64]Mapping)
	}
	for n := uint64(0); n < length; n += pageSize {
		s.pages[addr+n] = Mapping{fd, off + int64(n), prot}
	}
	return nil
}

// Unmap forgets the pages of [addr, addr+length).
func (s *AddressSpace) Unmap(addr, length uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for page := range s.pages {
		if page-addr < length {
			delete(s.pages, page)
		}
	}
	return nil
}

// Protect changes the pages of [addr, addr+length) that are mapped.
func (s *AddressSpace) Protect(addr, length uint64, prot platform.Prot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for page, m := range s.pages {
		if page-addr < length {
			m.Prot = prot
			s.pages[page] = m
		}
	}
	return nil
}

// Release forgets everything.
func (s *AddressSpace) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages, s.released = nil, true
}

// Released reports whether Release was called.
func (s *AddressSpace) Released() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released
}

// At returns what the page at addr shows.
func (s *AddressSpace) At(addr uint64) (Mapping, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.pages[addr&^(pageSize-1)]
	return m, ok
}

// Pages returns the addresses of all mapped pages in order.
func (s *AddressSpace) Pages() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]uint64, 0, len(s.pages))
	for page := range s.pages {
		all = append(all, page)
	}
	slices.Sort(all)
	return all
}
