package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// AddressSpace is what a thread group sees as memory. It implements
// usermem.IO and Space.
type AddressSpace struct {
	mem  *mem.File
	plat platform.Platform `snapshot:"-"`
}

// New returns an empty address space with a fresh random layout and one user.
// personality is personality(2)'s; stackLimit is RLIMIT_STACK's soft limit, as
// mmap_base depends on it.
func New(m *mem.File, p platform.Platform, personality uint32, stackLimit uint64) (*AddressSpace, error) {
	panic("skeleton")
}

// Fork returns a copy for fork(2): private memory is shared until written.
func (as *AddressSpace) Fork() (*AddressSpace, error) { panic("skeleton") }

// IncUsers adds a user: a task that runs in the address space (CLONE_VM), or
// one that looks into it for a while (/proc).
func (as *AddressSpace) IncUsers() bool { panic("skeleton") }

// DecUsers drops a user; with the last one everything is unmapped.
func (as *AddressSpace) DecUsers() { panic("skeleton") }

// Host returns what the platform's contexts switch to.
func (as *AddressSpace) Host() platform.AddressSpace { panic("skeleton") }

// MapOpts is one mmap(2).
type MapOpts struct {
	Addr                                          usermem.Addr
	Length                                        uint64
	Prot                                          platform.Prot
	MaxProt                                       platform.Prot // what mprotect may raise it to; 0 is all
	Shared                                        bool
	Fixed                                         bool
	NoReplace                                     bool // MAP_FIXED_NOREPLACE: EEXIST rather than replacing
	Below4G                                       bool // MAP_32BIT
	GrowsDown, Locked, Populate, NoReserve, Stack bool

	File   Mappable // nil: anonymous
	Offset uint64   // in File, page aligned
	Name   Named    // of File
	Label  string   // for /proc/PID/maps when Name is nil: "[heap]", "[stack]", "[vdso]"
}

// Map is mmap(2).
func (as *AddressSpace) Map(o MapOpts, lim Limits) (usermem.Addr, error) { panic("skeleton") }

// Limits are the resource limits that mapping calls obey, in bytes.
type Limits struct {
	AS, Data, Stack, MemLock uint64
	Unlimited                bool // CAP_IPC_LOCK: MemLock does not bind
}

// Unmap is munmap(2).
func (as *AddressSpace) Unmap(addr usermem.Addr, length uint64) error { panic("skeleton") }

// Protect is mprotect(2); growsDown is PROT_GROWSDOWN.
func (as *AddressSpace) Protect(addr usermem.Addr, length uint64, prot platform.Prot, growsDown bool) error {
	panic("skeleton")
}

// Remap is mremap(2); flags are MREMAP_*.
func (as *AddressSpace) Remap(old usermem.Addr, oldLen, newLen uint64, flags int32, newAddr usermem.Addr, lim Limits) (usermem.Addr, error) {
	panic("skeleton")
}

// Brk is brk(2): it returns the break that is in force afterwards.
func (as *AddressSpace) Brk(addr usermem.Addr, lim Limits) usermem.Addr { panic("skeleton") }

// SetBrk puts the heap's start at addr (execve).
func (as *AddressSpace) SetBrk(addr usermem.Addr) { panic("skeleton") }

// Advise is madvise(2).
func (as *AddressSpace) Advise(addr usermem.Addr, length uint64, advice int32) error {
	panic("skeleton")
}

// Sync is msync(2). Files to be synced to disk are given to sync, without
// locks held.
func (as *AddressSpace) Sync(addr usermem.Addr, length uint64, flags int32, sync func(Named) error) error {
	panic("skeleton")
}

// InCore is mincore(2) for n pages from addr.
func (as *AddressSpace) InCore(addr usermem.Addr, vec []byte) error { panic("skeleton") }

// Lock is mlock2(2); Unlock munlock(2); LockAll mlockall(2) and munlockall(2).
func (as *AddressSpace) Lock(addr usermem.Addr, length uint64, onFault bool, lim Limits) error {
	panic("skeleton")
}

// Unlock is munlock(2).
func (as *AddressSpace) Unlock(addr usermem.Addr, length uint64) error { panic("skeleton") }

// LockAll is mlockall(2), and munlockall(2) with flags 0.
func (as *AddressSpace) LockAll(flags int32, lim Limits) error { panic("skeleton") }

// FaultError says which signal a fault that cannot be served is.
type FaultError struct {
	Signo unix.Signal // SIGSEGV or SIGBUS
	Code  int32       // SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR
}

func (e *FaultError) Error() string { return "fault: " + e.Signo.String() }

// HandleFault makes the page at addr accessible to guest code. The error is a
// *FaultError, or unix.ENOMEM when memory ran out.
func (as *AddressSpace) HandleFault(addr usermem.Addr, a platform.Access) error { panic("skeleton") }

// FutexKey names the word at addr: equal for equal words. A private key is the
// address space and address; a shared one the page of the file or memory.
// Which is comparable, and nothing more.
type FutexKey struct {
	Space  any    // *AddressSpace of a private word, or the Mappable of a shared file's
	Offset uint64 // address, or offset in the file; of shared anonymous memory in the sandbox's memory
}

// FutexKey returns the key of the word at addr. EFAULT if nothing readable is
// there.
func (as *AddressSpace) FutexKey(addr usermem.Addr, private bool) (FutexKey, error) {
	panic("skeleton")
}

// VMA is one line of /proc/PID/maps (and, where asked for, smaps).
type VMA struct {
	Range                            usermem.Range
	Prot                             platform.Prot
	MaxProt                          platform.Prot
	Shared                           bool
	Offset                           uint64
	Dev, Ino                         uint64
	Path                             string // file path or label
	Anonymous                        bool
	GrowsDown, Locked                bool
	RSS, Private, SharedRSS, AnonRSS uint64 // bytes; filled for smaps
}

// VMAs returns the mappings in order of address; withUsage fills the byte
// counts.
func (as *AddressSpace) VMAs(withUsage bool) []VMA { panic("skeleton") }

// Usage is what /proc/PID/stat, statm and status say, in bytes.
type Usage struct {
	Size, PeakSize, RSS, PeakRSS, RSSAnon, RSSFile, RSSShmem, Data, Stack, Text, Lib, Locked uint64
}

// Usage returns the counts.
func (as *AddressSpace) Usage() Usage { panic("skeleton") }

// Info is what execve and prctl(PR_SET_MM) record of a program's layout.
type Info struct {
	CodeStart, CodeEnd, DataStart, DataEnd, BrkStart, StackStart usermem.Addr
	ArgStart, ArgEnd, EnvStart, EnvEnd                           usermem.Addr
	Auxv                                                         []uint64 // pairs
	VDSO                                                         usermem.Addr
	Exe                                                          Named // /proc/PID/exe
	Dumpable                                                     int
}

// Info returns a copy of the layout; SetInfo replaces it.
func (as *AddressSpace) Info() Info { panic("skeleton") }

// SetInfo replaces the layout.
func (as *AddressSpace) SetInfo(i Info) { panic("skeleton") }

// IgnorePerm returns the same memory as a debugger sees it: reads and writes
// that ignore vma protection as ptrace(2) and /proc/PID/mem do.
func (as *AddressSpace) IgnorePerm() usermem.IO { panic("skeleton") }

// CopyIn implements usermem.IO.
func (as *AddressSpace) CopyIn(addr usermem.Addr, dst []byte) (int, error) { panic("skeleton") }

// CopyOut implements usermem.IO.
func (as *AddressSpace) CopyOut(addr usermem.Addr, src []byte) (int, error) { panic("skeleton") }

// ZeroOut implements usermem.IO.
func (as *AddressSpace) ZeroOut(addr usermem.Addr, n uint64) (uint64, error) { panic("skeleton") }

// Load32 implements usermem.IO.
func (as *AddressSpace) Load32(addr usermem.Addr) (uint32, error) { panic("skeleton") }

// CompareAndSwap32 implements usermem.IO.
func (as *AddressSpace) CompareAndSwap32(addr usermem.Addr, old, new uint32) (uint32, error) {
	panic("skeleton")
}

// Direct implements usermem.IO.
func (as *AddressSpace) Direct(rs []usermem.Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	panic("skeleton")
}

// Invalidate implements Space.
func (as *AddressSpace) Invalidate(r usermem.Range, private bool) { panic("skeleton") }
