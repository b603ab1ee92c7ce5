// Package mem is the sandbox's physical memory: one memfd, its allocator, its
// reference counts, and the sentry's own view of it.
//
//   - A page is an offset in the memfd. It exists from Allocate until the last
//     reference is dropped; then the host gets it back.
//   - It knows no address space and no file system: mm and tmpfs hold pages.
//   - Pages come zeroed.
package mem

import "hull/sentry/usermem"

// Range is [Start, End) of bytes of the sandbox's memory, page aligned.
type Range struct{ Start, End uint64 }

// Len returns the length in bytes.
func (r Range) Len() uint64 { return r.End - r.Start }

// File is the memory of one sandbox.
type File struct {
	fd int `snapshot:"-"`
}

// New makes the memory of a sandbox that may hold limit bytes; 0 is no limit
// but the host's.
func New(limit uint64) (*File, error) { panic("skeleton") }

// FD returns the memfd, for the platform to map.
func (f *File) FD() int { return f.fd }

// Allocate returns n bytes (rounded up to pages) that nobody uses, zeroed, with
// one reference on each page. It prefers one contiguous range and gives nothing
// else. ENOMEM when the limit is reached.
func (f *File) Allocate(n uint64) (Range, error) { panic("skeleton") }

// IncRef adds a reference to each page of r.
func (f *File) IncRef(r Range) { panic("skeleton") }

// DecRef drops a reference from each page of r; pages without one are given
// back to the host before they are allocated again.
func (f *File) DecRef(r Range) { panic("skeleton") }

// Each calls fn with the sentry's own mapping of r, piece by piece in order,
// until fn returns false. The slices are invalid once the reference that the
// caller has on r is dropped.
func (f *File) Each(r Range, fn func(b []byte) bool) { panic("skeleton") }

// Usage returns how many bytes are allocated.
func (f *File) Usage() uint64 { panic("skeleton") }

// Release gives everything back.
func (f *File) Release() { panic("skeleton") }

const pageSize = usermem.PageSize
