package jail

/*
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

// A host call, the least result that is none of a failure, and failures that are
// none here.
struct call {
	long nr, args[6];
	long least, accepted[3];
};

// Why a child did not come to its end.
struct failure {
	long failed; // 1 and the number of the call
	long result;
};

// Makes a process by clone or clone3, which makes the calls of a plan: the last of
// them executes something. What stands here runs in a copy of a program with many
// threads, of which there is one: it takes no lock and asks for no memory.
static long give_birth(long clone, long arg0, long arg1, const struct call *plan, struct failure *why) {
	long pid = syscall(clone, arg0, arg1, 0, 0, 0);
	if (pid != 0)
		return pid == -1 ? -errno : pid;
	for (const struct call *c = plan;; c++) {
		long r = syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
		if (r == -1)
			r = -errno;
		int accepted = r < 0 && (r == c->accepted[0] || r == c->accepted[1] || r == c->accepted[2]);
		if (r < c->least && !accepted) {
			why->result = r;
			why->failed = 1 + (c - plan);
			for (;;)
				syscall(SYS_exit_group, 125);
		}
	}
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// plan is what a process does between its birth and the execution of its role: host
// calls, one after the other. Neither Go nor the C library is at work there, so it
// takes a fraction of the time that a program of Go takes to start.
//
// It is in memory that parent and child share, so that calls can be added while the
// child waits in one of them (see meet), and a failure is told. It ends with an
// execution.
type plan struct {
	mem   []byte // first a C.struct_failure, then the calls; what they point to from the end on
	what  []string
	files []bool // which of the roots are none of directories
	free  int    // of mem, before what the calls point to
	err   error  // the first that adding met with
	died  error  // failure's
}

const (
	planHead = int(unsafe.Sizeof(C.struct_failure{}))
	planStep = int(unsafe.Sizeof(C.struct_call{}))
)

// newPlan returns one that has room for size bytes.
func newPlan(size int) (*plan, error) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory of a new process: %w", err)
	}
	return &plan{mem: mem, free: len(mem)}, nil
}

func (p *plan) close() {
	if p.mem != nil {
		_ = unix.Munmap(p.mem)
		p.mem = nil
	}
}

// do adds a call. A negative result is a failure, told as that of what.
func (p *plan) do(what string, nr uintptr, args ...uint64) *call {
	at := planHead + len(p.what)*planStep
	if at+planStep > p.free {
		p.err = errFull
		return &call{}
	}
	c := (*call)(unsafe.Pointer(&p.mem[at]))
	c.nr = C.long(nr)
	for i, a := range args {
		c.args[i] = C.long(a)
	}
	p.what = append(p.what, what)
	return c
}

// meet adds that the child waits for a byte from fd, whose other end may be gone:
// then so is its reason to be.
func (p *plan) meet(fd int) {
	p.do("wait for the creator", unix.SYS_READ, uint64(fd), p.bytes([]byte{0}), 1).needs(1)
}

// call is one of the calls.
type call C.struct_call

// but makes failures with an errno none.
func (c *call) but(errnos ...unix.Errno) {
	for i, e := range errnos {
		c.accepted[i] = -C.long(e)
	}
}

// needs makes less than n a failure.
func (c *call) needs(n int) *call {
	c.least = C.long(n)
	return c
}

var errFull = errors.New("memory of a new process: too many roots")

// bytes returns the address of a copy of b, which the child can write to.
func (p *plan) bytes(b []byte) uint64 {
	const align = 8
	at := (p.free - len(b)) &^ (align - 1)
	if at < planHead+len(p.what)*planStep {
		p.err = errFull
		return 0
	}
	p.free = at
	copy(p.mem[at:], b)
	return uint64(uintptr(unsafe.Pointer(&p.mem[at])))
}

// text returns the address of a C string.
func (p *plan) text(s string) uint64 { return p.bytes(append([]byte(s), 0)) }

// texts returns the address of an array of C strings.
func (p *plan) texts(list ...string) uint64 {
	var b []byte
	for _, s := range list {
		a := p.text(s)
		b = append(b, bytesOf(&a)...)
	}
	return p.bytes(append(b, make([]byte, unsafe.Sizeof(uint64(0)))...))
}

// bytesOf is the memory of v.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// cloneArgs is struct clone_args of clone3(2), as far as it is used.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// start makes the process, in the cgroup of v2 whose directory the descriptor is, if
// it is not -1.
func (p *plan) start(flags uintptr, cgroup int) (pid int, err error) {
	nr, arg0, arg1 := uintptr(unix.SYS_CLONE), uint64(flags)|uint64(unix.SIGCHLD), uint64(0)
	if cgroup != -1 {
		a := cloneArgs{flags: uint64(flags) | unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(cgroup)}
		nr, arg0, arg1 = unix.SYS_CLONE3, p.bytes(bytesOf(&a)), uint64(unsafe.Sizeof(a))
	}
	if p.err != nil {
		return 0, p.err
	}
	// A handler of Go's must not run in the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return 0, fmt.Errorf("block signals: %w", err)
	}
	r := C.give_birth(C.long(nr), C.long(arg0), C.long(arg1), (*C.struct_call)(unsafe.Pointer(&p.mem[planHead])),
		(*C.struct_failure)(unsafe.Pointer(&p.mem[0])))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return 0, fmt.Errorf("unblock signals: %w", err)
	}
	if r < 0 {
		return 0, unix.Errno(-r)
	}
	return int(r), nil
}

// ErrLeft is that a child waited for who started it, and in vain: that one has a
// reason of its own.
var ErrLeft = errors.New("it is gone")

// failure returns why the child, which has ended, did not come to the end of the
// plan; nil if it did.
func (p *plan) failure() error {
	if p.mem == nil || p.died != nil {
		return p.died
	}
	why := (*C.struct_failure)(unsafe.Pointer(&p.mem[0]))
	n := int(why.failed) - 1
	if n < 0 || n >= len(p.what) {
		return nil
	}
	switch {
	case why.result < 0:
		p.died = fmt.Errorf("%s: %w", p.what[n], unix.Errno(-why.result))
	case why.result == 0:
		p.died = fmt.Errorf("%s: %w", p.what[n], ErrLeft)
	default: // a descriptor of another number, or less than was to be written
		p.died = fmt.Errorf("%s: the result is %d", p.what[n], why.result)
	}
	return p.died
}
