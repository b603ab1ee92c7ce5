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
	loopOff     = 0x00 // before the loop that makes calls
	loopCallOff = 0x34 // behind its SYSCALL instruction
	trapOff     = 0x58 // behind its int3
	parkOff     = 0x5a // the loop of a thread without work
	parkCallOff = 0x61 // behind its SYSCALL instruction
)

// stubText is the code of a stub. It uses no stack and is entered only with
// registers that the sentry has set: rbx is the first call to make, rbp the end
// of the list. After the last call, or one that failed (rbx says which), rax
// holds the result.
//
// r13 is not 0 where the processor has protection keys. Guest code may have
// denied itself all data by WRPKRU, the table too: its PKRU is set aside in r12
// while calls are made.
var stubText = [...]byte{
	0x45, 0x85, 0xed, //             test %r13d, %r13d
	0x74, 0x0d, //                   je   loop
	0x31, 0xc9, //                   xor  %ecx, %ecx
	0x0f, 0x01, 0xee, //             rdpkru
	0x41, 0x89, 0xc4, //             mov  %eax, %r12d
	0x31, 0xc0, //                   xor  %eax, %eax
	0x0f, 0x01, 0xef, //             wrpkru
	// loop:
	0x48, 0x39, 0xeb, //             cmp  %rbp, %rbx
	0x73, 0x2b, //                   jae  out
	0x48, 0x8b, 0x03, //             mov  0(%rbx), %rax
	0x48, 0x8b, 0x7b, 0x08, //       mov  8(%rbx), %rdi
	0x48, 0x8b, 0x73, 0x10, //       mov  16(%rbx), %rsi
	0x48, 0x8b, 0x53, 0x18, //       mov  24(%rbx), %rdx
	0x4c, 0x8b, 0x53, 0x20, //       mov  32(%rbx), %r10
	0x4c, 0x8b, 0x43, 0x28, //       mov  40(%rbx), %r8
	0x4c, 0x8b, 0x4b, 0x30, //       mov  48(%rbx), %r9
	0x0f, 0x05, //                   syscall
	0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, // cmp $-4096, %rax
	0x77, 0x06, //                   ja   out
	0x48, 0x83, 0xc3, 0x38, //       add  $56, %rbx
	0xeb, 0xd0, //                   jmp  loop
	// out:
	0x45, 0x85, 0xed, //             test %r13d, %r13d
	0x74, 0x10, //                   je   trap
	0x49, 0x89, 0xc6, //             mov  %rax, %r14
	0x44, 0x89, 0xe0, //             mov  %r12d, %eax
	0x31, 0xc9, //                   xor  %ecx, %ecx
	0x31, 0xd2, //                   xor  %edx, %edx
	0x0f, 0x01, 0xef, //             wrpkru
	0x4c, 0x89, 0xf0, //             mov  %r14, %rax
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
