// Package platform is the contract between the sentry and whatever runs guest
// code until it traps.
//
//   - A Platform makes address spaces and contexts; one package below this one
//     implements it: ptrace, and later trap and kvm. scripted is the test double.
//   - Memory is a host FD, an offset and a length: the platform does not know
//     what a page of a guest stands for.
//   - Nothing here knows how a platform traps. What is only an idea of one
//     implementation stays in that implementation.
package platform

import (
	"errors"

	"hull/sentry/arch"
)

// ErrGone is in the error of a Context or an AddressSpace whose part of the host
// was taken away: killed by somebody, or for want of memory. The tasks there
// cannot go on; all others can.
var ErrGone = errors.New("the host ended it")

// Platform makes the two kinds of thing guest code needs to run.
type Platform interface {
	// NewAddressSpace returns an address space with nothing mapped in it.
	NewAddressSpace() (AddressSpace, error)

	// NewContext returns a context for one task.
	NewContext() Context

	// MaxAddress is the end (exclusive) of the addresses that a guest may map.
	MaxAddress() uint64

	// Release ends the platform and whatever host resources it still holds.
	Release()
}

// Context runs one task. Switch, SaveFPU and Release are called by the task's
// own goroutine and by no other; Interrupt by anybody at any time.
type Context interface {
	// Switch runs guest code in as from the state in ac until it traps, and
	// stores the state that it reached back into ac. An error means that the
	// platform itself failed and the task cannot go on.
	//
	// A system call instruction has been passed when Switch returns: the
	// instruction pointer is behind it, OrigRax holds the number.
	Switch(as AddressSpace, ac *arch.Context) (Event, error)

	// SaveFPU makes ac.FPU.Area current.
	SaveFPU(ac *arch.Context) error

	// Interrupt makes a Switch that is running, or else the next one, return
	// an Interrupted event soon. It does not block.
	Interrupt()

	// Release gives up the context. The state of its task is lost.
	Release()
}

// Prot is what guest code may do with a mapping, in PROT_* bits
// (unix.PROT_READ, PROT_WRITE, PROT_EXEC); 0 is none.
type Prot uint8

// Commit with the prot of Map says that all of the range is about to be
// touched: a platform may save guest code the host's page faults.
const Commit Prot = 0x40

// AddressSpace is the host side of one guest address space. It holds shared
// mappings of host FDs and nothing else. Addresses and lengths are multiples
// of the page size. Its methods may be called from any goroutine, also while
// contexts run in it; when one returns, no guest code can use what was there
// before.
type AddressSpace interface {
	// Map maps [off, off+length) of the host file fd at addr with prot,
	// replacing what was mapped there. It may return before the host's mmap
	// was made as long as guest code cannot tell; a host failure that is seen
	// later than that is reported by Switch.
	Map(addr uint64, length uint64, fd int, off int64, prot Prot) error

	// Unmap removes every mapping in [addr, addr+length); holes are no error.
	Unmap(addr uint64, length uint64) error

	// Protect changes what is mapped in [addr, addr+length) to prot; holes
	// are no error.
	Protect(addr uint64, length uint64, prot Prot) error

	// Release removes the address space. No context may be running in it.
	Release()
}

// Forker is implemented by address spaces that can be copied with everything
// mapped in them for less than mapping it all anew.
type Forker interface {
	// Fork returns a new address space with the same mappings.
	Fork() (AddressSpace, error)
}

// Exposer is implemented by address spaces that are processes of the host's.
type Exposer interface {
	// Expose makes what has been mapped the process's memory, and returns its
	// number, as the caller's pid namespace has it.
	Expose() (pid int, err error)
}

// Divider is implemented by platforms that can have the host count and limit
// what some address spaces use apart from the others.
type Divider interface {
	// Divide returns a platform whose address spaces' host processes are all
	// copies of one, root, as the sentry's pid namespace numbers it, and stay
	// where that was put before they were made. Release ends root, and none of
	// the address spaces.
	Divide() (part Platform, root int, err error)
}

// Charger is implemented by address spaces of a Divider.
type Charger interface {
	// Charge has the host count [off, off+length) of the file fd, which has no
	// pages yet, as memory that the address space took, whoever touches it
	// first. The error is unix.ENOMEM where there is no room for it.
	Charge(fd int, off int64, length uint64) error

	// Commit makes what Map was told, and touches what it was to Commit.
	Commit() error
}

// Mortal is implemented by contexts of which the host may end what ran in them while
// nothing does.
type Mortal interface {
	// Gone reports whether it did, for the goroutine that calls Switch.
	Gone() bool
}

// Titler is implemented by address spaces that are a process for the host's ps(1).
type Titler interface {
	// Title has the process bear the name and the command line of what runs in it,
	// whose words end with zeros: when guest code first runs there, or now. It is
	// a courtesy, and no error if the host refuses.
	Title(comm string, cmdline []byte, now bool)

	// Process is its number in the sentry's pid namespace.
	Process() int
}

// EventKind says why guest code stopped.
type EventKind uint8

const (
	// Syscall is a system call of the native 64-bit ABI (x32 numbers too,
	// which have bit 30 set: the table refuses them).
	Syscall EventKind = iota + 1
	// Syscall32 is a call by int 0x80, sysenter or another compat entry.
	Syscall32
	// Fault is a memory access that the address space did not allow.
	Fault
	// Signal is an exception other than a memory access: Signo, Code and Addr
	// are what Linux would put into its siginfo.
	Signal
	// Interrupted is the answer to Context.Interrupt.
	Interrupted
)

// Access is what a faulting instruction tried to do.
type Access struct{ Read, Write, Exec bool }

// Event is why Switch returned.
type Event struct {
	Kind   EventKind
	Signo  int32  // Signal; for Fault SIGSEGV or SIGBUS, as the host said it
	Code   int32  // Signal and Fault: si_code
	Addr   uint64 // Signal and Fault: si_addr
	Access Access // Fault
}
