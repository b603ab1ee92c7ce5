// Package usermem is the contract by which the sentry reaches guest memory.
//
//   - Every address, length and byte that comes through here is the guest's:
//     hostile, and able to change between two reads. Copy in once, check the
//     copy.
//   - Nothing here is kept after the call that it was made for; a Go slice of
//     guest memory exists only inside Buffer.Direct's callback.
//   - It knows no address space: mm implements IO, Bytes is the fake.
package usermem

import (
	"golang.org/x/sys/unix"
)

// Addr is a guest virtual address.
type Addr uint64

// PageSize is the size of a page in bytes.
const (
	PageSize  = 1 << PageShift
	PageShift = 12
	pageMask  = PageSize - 1
)

// RoundDown returns the start of the page that a lies in.
func (a Addr) RoundDown() Addr { return a &^ pageMask }

// RoundUp returns the first page boundary at or after a; ok is false when
// there is none below 1<<64.
func (a Addr) RoundUp() (_ Addr, ok bool) {
	r := (a + pageMask) &^ pageMask
	return r, r >= a
}

// Aligned reports whether a is a page boundary.
func (a Addr) Aligned() bool { return a&pageMask == 0 }

// Add returns a+n; ok is false when it overflows.
func (a Addr) Add(n uint64) (_ Addr, ok bool) {
	r := a + Addr(n)
	return r, r >= a
}

// Range is [Start, End) of guest addresses.
type Range struct{ Start, End Addr }

// Len returns the length in bytes.
func (r Range) Len() uint64 { return uint64(r.End - r.Start) }

// IO reaches one guest memory. Errors are EFAULT, and ENOMEM where memory
// could not be had; with an error the count says how many bytes were done.
type IO interface {
	// CopyIn fills dst from addr.
	CopyIn(addr Addr, dst []byte) (int, error)
	// CopyOut writes src to addr.
	CopyOut(addr Addr, src []byte) (int, error)
	// ZeroOut writes n zero bytes to addr.
	ZeroOut(addr Addr, n uint64) (uint64, error)

	// Load32 reads an aligned word atomically.
	Load32(addr Addr) (uint32, error)
	// CompareAndSwap32 stores new if the word is old, atomically, and
	// returns what was there.
	CompareAndSwap32(addr Addr, old, new uint32) (uint32, error)

	// Direct calls f with host memory that stands for the guest ranges rs, in
	// order, at most max bytes of it, as iovecs for readv(2) and its kin; write
	// says that f will change it. It may offer less than asked; f's count is
	// returned. The iovecs are invalid once f returns. Where the memory cannot
	// be offered (device or host file mappings) f is called with a bounce
	// buffer of bounded size instead.
	Direct(rs []Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error)
}

// MaxIovecs is UIO_MAXIOV: how many ranges readv(2) takes.
const MaxIovecs = 1024

// MaxRW is the most bytes that one read or write moves (MAX_RW_COUNT).
const MaxRW = 0x7ffff000
