// Package strace prints system calls as strace(1) does: one line a call, when it
// returns.
//
//   - It is a kernel.Hook and changes nothing.
//   - What it prints is bounded: strings are cut, arrays left out.
//   - An error is followed by the reason that the call noted, if it did.
package strace

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// Printer is the hook.
type Printer struct {
	table *kernel.Table
	mu    sync.Mutex // guards w
	w     io.Writer
}

// New returns a hook that prints to w the calls of table.
func New(w io.Writer, table *kernel.Table) *Printer { return &Printer{table: table, w: w} }

// Enter implements kernel.Hook. Calls that do not return are printed here.
func (p *Printer) Enter(t *kernel.Task, nr uintptr, a arch.Args) error {
	switch nr {
	case unix.SYS_EXIT, unix.SYS_EXIT_GROUP:
		p.print(t, fmt.Sprintf("%s(%d) = ?", p.name(nr), a[0].Int()))
	case unix.SYS_EXECVE:
		// Its arguments are gone when it returns.
		p.print(t, p.call(t, nr, a)+" ...")
	}
	return nil
}

// Exit implements kernel.Hook.
func (p *Printer) Exit(t *kernel.Task, nr uintptr, a arch.Args, ret uintptr, err error, why string) {
	switch nr {
	case unix.SYS_EXIT, unix.SYS_EXIT_GROUP:
		return
	case unix.SYS_EXECVE:
		if err == nil {
			p.print(t, "execve resumed = 0")
			return
		}
	}
	p.print(t, p.call(t, nr, a)+" = "+result(nr, ret, err, why))
}

func (p *Printer) print(t *kernel.Task, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.w, "[%d] %s\n", t.TID(), line) // a log that is gone is no reason to stop
}

func (p *Printer) name(nr uintptr) string {
	if n := p.table.Lookup(nr).Name; n != "" {
		return n
	}
	return "syscall_" + strconv.FormatUint(uint64(nr), 10)
}

// result is what stands behind the "=".
func result(nr uintptr, ret uintptr, err error, why string) string {
	if err == nil {
		switch nr {
		case unix.SYS_MMAP, unix.SYS_BRK, unix.SYS_MREMAP:
			return fmt.Sprintf("%#x", ret)
		}
		return strconv.FormatInt(int64(ret), 10)
	}
	e, ok := err.(unix.Errno)
	if !ok {
		return "? " + err.Error()
	}
	name := unix.ErrnoName(e)
	if e >= 512 && e <= 516 {
		return "? ERESTART (to be restarted)"
	}
	s := fmt.Sprintf("-1 %s (%s)", name, e.Error())
	if why != "" {
		s += " [" + why + "]"
	}
	return s
}

// The kinds of arguments.
const (
	kNone  = iota
	kInt   // a C int
	kHex   // flags, sizes in hexadecimal
	kPtr   // an address
	kStr   // a path or another string
	kBuf   // bytes that the call reads, as many as the next argument says
	kOct   // a mode
	kAt    // a directory descriptor
	kArray // an array of strings
)

// shape returns the kinds of a call's arguments; nil if it has no entry: then
// all six are shown.
func shape(nr uintptr) []int {
	switch nr {
	case unix.SYS_READ, unix.SYS_PREAD64:
		return []int{kInt, kPtr, kInt, kInt}[:3+b2i(nr == unix.SYS_PREAD64)]
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		return []int{kInt, kBuf, kInt, kInt}[:3+b2i(nr == unix.SYS_PWRITE64)]
	case unix.SYS_OPEN, unix.SYS_CREAT:
		return []int{kStr, kHex, kOct}
	case unix.SYS_OPENAT:
		return []int{kAt, kStr, kHex, kOct}
	case unix.SYS_OPENAT2:
		return []int{kAt, kStr, kPtr, kInt}
	case unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_STATFS:
		return []int{kStr, kPtr}
	case unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT:
		return []int{kAt, kStr, kPtr, kHex}
	case unix.SYS_STATX:
		return []int{kAt, kStr, kHex, kHex, kPtr}
	case unix.SYS_ACCESS, unix.SYS_CHMOD, unix.SYS_MKDIR:
		return []int{kStr, kOct}
	case unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_MKDIRAT, unix.SYS_FCHMODAT, unix.SYS_UNLINKAT:
		return []int{kAt, kStr, kOct, kHex}
	case unix.SYS_UNLINK, unix.SYS_RMDIR, unix.SYS_CHDIR, unix.SYS_CHROOT, unix.SYS_UMOUNT2:
		return []int{kStr}
	case unix.SYS_RENAME, unix.SYS_LINK, unix.SYS_SYMLINK:
		return []int{kStr, kStr}
	case unix.SYS_READLINK:
		return []int{kStr, kPtr, kInt}
	case unix.SYS_EXECVE:
		return []int{kStr, kArray, kPtr}
	case unix.SYS_CLOSE, unix.SYS_DUP, unix.SYS_FSYNC, unix.SYS_UMASK, unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_FCHDIR:
		return []int{kInt}
	case unix.SYS_FSTAT, unix.SYS_KILL, unix.SYS_DUP2, unix.SYS_LISTEN, unix.SYS_SETPGID:
		return []int{kInt, kHex}
	case unix.SYS_MMAP:
		return []int{kPtr, kInt, kHex, kHex, kInt, kHex}
	case unix.SYS_MPROTECT, unix.SYS_MADVISE:
		return []int{kPtr, kInt, kHex}
	case unix.SYS_MUNMAP:
		return []int{kPtr, kInt}
	case unix.SYS_BRK:
		return []int{kPtr}
	case unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_SCHED_YIELD, unix.SYS_SETSID,
		unix.SYS_GETUID, unix.SYS_GETGID, unix.SYS_GETEUID, unix.SYS_GETEGID, unix.SYS_PAUSE, unix.SYS_RT_SIGRETURN:
		return []int{}
	case unix.SYS_IOCTL, unix.SYS_FCNTL:
		return []int{kInt, kHex, kHex}
	case unix.SYS_WAIT4:
		return []int{kInt, kPtr, kHex, kPtr}
	case unix.SYS_FUTEX:
		return []int{kPtr, kHex, kInt, kPtr, kPtr, kHex}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// call is the call with its arguments.
func (p *Printer) call(t *kernel.Task, nr uintptr, a arch.Args) string {
	kinds := shape(nr)
	if kinds == nil {
		kinds = []int{kHex, kHex, kHex, kHex, kHex, kHex}
	}
	args := make([]string, len(kinds))
	for i, k := range kinds {
		next := uint64(0)
		if i+1 < len(a) {
			next = a[i+1].Uint64()
		}
		args[i] = argument(t, k, a[i], next)
	}
	return p.name(nr) + "(" + strings.Join(args, ", ") + ")"
}

// maxString is how much of a string is shown.
const maxString = 64

func argument(t *kernel.Task, kind int, a arch.Arg, next uint64) string {
	switch kind {
	case kInt:
		return strconv.Itoa(int(a.Int()))
	case kOct:
		return "0" + strconv.FormatUint(uint64(a.Uint()), 8)
	case kAt:
		if a.Int() == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
		return strconv.Itoa(int(a.Int()))
	case kStr:
		return text(t, a)
	case kBuf:
		b := make([]byte, min(next, maxString))
		n, err := t.Mem().CopyIn(usermem.Addr(a), b)
		if err != nil && n == 0 {
			return fmt.Sprintf("%#x", uint64(a))
		}
		s := strconv.Quote(string(b[:n]))
		if next > maxString {
			s += "..."
		}
		return s
	case kArray:
		return array(t, usermem.Addr(a))
	case kPtr:
		if a == 0 {
			return "NULL"
		}
	}
	return fmt.Sprintf("%#x", uint64(a))
}

func text(t *kernel.Task, a arch.Arg) string {
	if a == 0 {
		return "NULL"
	}
	s, err := usermem.CString(t.Mem(), usermem.Addr(a), unix.PathMax)
	if err != nil {
		return fmt.Sprintf("%#x", uint64(a))
	}
	return strconv.Quote(s)
}

// array shows the first few of an array of strings.
func array(t *kernel.Task, at usermem.Addr) string {
	var ss []string
	for range 8 {
		p, err := usermem.In[uint64](t.Mem(), at)
		if err != nil || p == 0 {
			return "[" + strings.Join(ss, ", ") + "]"
		}
		ss = append(ss, text(t, arch.Arg(p)))
		at += 8
	}
	return "[" + strings.Join(ss, ", ") + ", ...]"
}
