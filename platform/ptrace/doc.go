// Package ptrace runs guest code in host processes ("stubs") that the sentry
// traces. It works wherever ptrace(2) does and is the reference for the faster
// platforms.
//
// # What there is
//
// One stub process per address space; in it a leader thread, which never runs
// guest code, and one worker thread per Context that runs there. Linux ties a
// tracee to one thread of its tracer, so a worker belongs to the OS thread of
// its task's goroutine from its first Switch to its end. The leader belongs to
// nobody: it is parked, untraced, in pause(2), and whichever sentry thread
// needs a host call made in the address space attaches to it, has the call
// made and parks it again, under the address space's lock. A worker that the
// caller itself traces is used instead when there is one.
//
// The template is a stub with nothing mapped. New forks it from the sentry
// before the sentry is jailed; every other stub is a fork of the template or
// (Forker) of another stub. All of them are children of one sentry thread that
// lives as long as the platform, so that PR_SET_PDEATHSIG means the sentry's
// death, and share its descriptor table, so that mmap sees donated files. No
// stub is used for two address spaces.
//
// A part (Divide) has a template of its own, which somebody outside puts into a
// cgroup: a copy of a stub is born in the cgroup of that stub.
//
// A stub that somebody kills is the end of its address space alone: what wanted
// something of it gets platform.ErrGone. In a part it is there, stopped at its exit,
// until its memory was given back: see thread.held.
//
// # Making host calls in a stub
//
// Above MaxAddress each stub maps its text, which has a loop that makes the calls
// listed in a table and then executes int3, the table, a page of a memfd that the
// sentry alone can write, and for ps(1) of the host a page with its title. Map, Unmap and
// Protect list calls, and the next Switch makes all of them in one round trip;
// if guest code is running there at that moment they are made at once. The
// host is only a cache of what is listed: when it has no room for more mappings
// it is emptied, and what guest code then misses is mapped again.
//
// # Why guest code cannot make a host call
//
//  1. Guest code is resumed by PTRACE_SYSEMU only: every system call
//     instruction, those in the stub's text included, stops the thread and is
//     not executed, before the seccomp filter is even asked.
//  2. PTRACE_CONT is used only after the instruction pointer and all other
//     registers were set for the loop. The loop and its table cannot be written
//     by the guest, and its state is in registers of that thread.
//  3. A thread without a tracer is the leader. Its registers are those of
//     pause(2), which only a tracer can change; it has no signal handlers.
//  4. When the sentry dies, PTRACE_O_EXITKILL makes SIGKILL pending for each
//     worker before the kernel lets go of it, and PR_SET_PDEATHSIG kills the
//     leaders. A worker that was executing guest code may enter the kernel once
//     more before the signal reaches its CPU. For that one call there is the
//     seccomp filter: by instruction pointer and argument it allows only
//     what the loop does. A clone fails because a signal is pending; a change
//     of mappings, or another title, is gone before user code runs again; a file
//     may have got blocks for the length that it had.
//
// SECCOMP_RET_TRACE in place of RET_ALLOW would deny that last call too but
// costs a stop (8 µs) per call made; the argument above does not need it.
//
// # Where threads run
//
// A worker and the sentry thread that traces it are pinned to one processor
// (placement says why and which); a worker that computes for long is let go
// (balancer).
//
// # Locks
//
// addressSpace.mu, slots.mu and balancer.mu are leaves: none is taken while
// another is held. addressSpace.mu is held while a stub makes calls, and so for
// as long as a host fork takes.
package ptrace
