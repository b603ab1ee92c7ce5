package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/usermem"
)

// Prot is what guest code may do with a mapping: PROT_READ and its like.
type Prot = platform.Prot

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

// Limits are the resource limits that mapping calls obey, in bytes.
type Limits struct {
	AS, Data, Stack, MemLock uint64
	// Machine is how much memory there is: a private mapping of more is refused,
	// as with vm.overcommit_memory=0. 0 is not known.
	Machine   uint64
	Unlimited bool // CAP_IPC_LOCK: MemLock does not bind
}

// FaultError says which signal a fault that cannot be served is.
type FaultError struct {
	Signo unix.Signal // SIGSEGV or SIGBUS
	Code  int32       // SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR
	// Present says that a page is there, which does not allow the access.
	Present bool
}

func (e *FaultError) Error() string { return "fault: " + e.Signo.String() }

// FutexKey names the word at addr: equal for equal words. A private key is the
// address space and address; a shared one the page of the file or memory.
// Which is comparable, and nothing more.
type FutexKey struct {
	Space  any    // *AddressSpace of a private word, or the Mappable of a shared file's
	Offset uint64 // address, or offset in the file; of shared anonymous memory in the sandbox's memory
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

// Usage is what /proc/PID/stat, statm and status say, in bytes.
type Usage struct {
	Size, PeakSize, RSS, PeakRSS, RSSAnon, RSSFile, RSSShmem, Data, Stack, Text, Lib, Locked uint64
}

// Info is what execve and prctl(PR_SET_MM) record of a program's layout.
type Info struct {
	CodeStart, CodeEnd, DataStart, DataEnd, BrkStart, StackStart usermem.Addr
	ArgStart, ArgEnd, EnvStart, EnvEnd                           usermem.Addr
	Auxv                                                         []uint64 // pairs
	VDSO                                                         usermem.Addr
	Exe                                                          Named // /proc/PID/exe
	Dumpable                                                     int
	StackLimit                                                   uint64 // RLIMIT_STACK as execve found it, in bytes; 0 is 8 MB
}
