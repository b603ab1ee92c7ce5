package ptrace

import "hull/platform"

// Where the pages of a stub lie: at the end of what user space has, behind
// everything that a guest may map, with room around each.
const (
	pageSize   = 4096
	maxAddress = 1<<47 - 1<<16 // platform.Platform.MaxAddress
	textAddr   = maxAddress + 0x1000
	tableAddr  = maxAddress + 0x3000
	taskSize   = 1<<47 - pageSize // Linux's TASK_SIZE_MAX
)

// Offsets in the stub's text.
const (
	loopOff     = 0x00 // the loop that makes calls
	loopCallOff = 0x22 // behind its SYSCALL instruction
	trapOff     = 0x31 // behind its int3
	parkOff     = 0x33 // the loop of a thread without work
	parkCallOff = 0x3a // behind its SYSCALL instruction
)

// stubText is the code of a stub. It uses no stack and is entered only with
// registers that the sentry has set: rbx is the first call to make, rbp the end
// of the list. After the last call, or one that failed (rbx says which), rax
// holds the result.
var stubText = [...]byte{
	// loop:
	0x48, 0x39, 0xeb, //             cmp  %rbp, %rbx
	0x73, 0x2b, //                   jae  trap
	0x48, 0x8b, 0x03, //             mov  0(%rbx), %rax
	0x48, 0x8b, 0x7b, 0x08, //       mov  8(%rbx), %rdi
	0x48, 0x8b, 0x73, 0x10, //       mov  16(%rbx), %rsi
	0x48, 0x8b, 0x53, 0x18, //       mov  24(%rbx), %rdx
	0x4c, 0x8b, 0x53, 0x20, //       mov  32(%rbx), %r10
	0x4c, 0x8b, 0x43, 0x28, //       mov  40(%rbx), %r8
	0x4c, 0x8b, 0x4b, 0x30, //       mov  48(%rbx), %r9
	0x0f, 0x05, //                   syscall
	0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, // cmp $-4096, %rax
	0x77, 0x06, //                   ja   trap
	0x48, 0x83, 0xc3, 0x38, //       add  $56, %rbx
	0xeb, 0xd0, //                   jmp  loop
	// trap:
	0xcc,       //                   int3
	0xeb, 0xfd, //                   jmp  trap
	// park:
	0xb8, 0x22, 0x00, 0x00, 0x00, // mov  $SYS_pause, %eax
	0x0f, 0x05, //                   syscall
	0xeb, 0xf7, //                   jmp  park
}

// call is one host call that a stub makes: its number and six arguments.
type call [7]uint64

// callSize is the size of a call in a table.
const callSize = 7 * 8

// tableCalls is how many calls a table has room for.
const tableCalls = pageSize / callSize

// table is a stub's list of calls, as the sentry maps it.
type table [tableCalls]call

// hasRoom reports whether [addr, addr+length) is page aligned, not empty and
// below the stub's own pages.
func hasRoom(addr, length uint64) bool {
	return (addr|length)%pageSize == 0 && length != 0 && length <= maxAddress && addr <= maxAddress-length
}

// The bits of platform.Prot.
const (
	protRead  platform.Prot = 1
	protWrite platform.Prot = 2
	protExec  platform.Prot = 4
)
