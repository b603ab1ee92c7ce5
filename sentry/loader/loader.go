// Package loader makes a program of a file: it reads ELF and #!, maps segments
// into an address space, builds the first stack, and has the vDSO.
//
//   - It opens nothing and knows no task: files are Images, handed in.
//   - Every number in a file is hostile: checked before it is added, allocated
//     or mapped by.
//   - An error says in words what was wrong with the file, beside the errno.
//
// Files: elf.go headers, map.go segments, stack.go argv, envp and auxv,
// script.go #! lines, vdso*.go the vDSO.
package loader

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// Image is an open file that may be a program.
type Image interface {
	// ReadAt fills p from off; it is short only at the end.
	ReadAt(p []byte, off int64) (int, error)
	// Map fills in o.File and o.Name for a private mapping of the file.
	Map(o *mm.MapOpts) error
	// Named is the file as /proc/PID/exe shows it.
	Named() mm.Named
}

// VDSO is what a program gets besides its own files.
type VDSO interface {
	// Map maps it and returns where its ELF header lies (AT_SYSINFO_EHDR).
	Map(as *mm.AddressSpace) (usermem.Addr, error)
}

// Error is why a file is no program.
type Error struct {
	Errno unix.Errno
	Why   string
}

func (e *Error) Error() string { return e.Errno.Error() + ": " + e.Why }

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

func bad(errno unix.Errno, format string, args ...any) error {
	return &Error{errno, fmt.Sprintf(format, args...)}
}

// Request is what to load.
type Request struct {
	MM   *mm.AddressSpace // empty
	File Image
	// Open opens the dynamic linker that File asks for, and what to call when
	// it is mapped.
	Open       func(name string) (img Image, done func(), err error)
	VDSO       VDSO // nil for none
	Argv, Envp []string
	Name       string // AT_EXECFN
	Cred       *auth.Cred
	Secure     bool   // AT_SECURE
	StackLimit uint64 // RLIMIT_STACK, bytes
	Limits     mm.Limits
}

// Result is where the program starts.
type Result struct{ Entry, SP usermem.Addr }

// Load loads a program. After an error the address space is of no use.
func Load(r Request) (Result, error) {
	p, err := Parse(r.File)
	if err != nil {
		return Result{}, err
	}
	main, err := p.load(&r, r.File, false)
	if err != nil {
		return Result{}, err
	}
	aux := auxiliary{main: main, phnum: len(p.segments)}
	entry := main.entry
	if p.interp != "" {
		linker, err := loadInterpreter(&r, p.interp)
		if err != nil {
			return Result{}, err
		}
		entry, aux.base = linker.entry, linker.bias
	}
	if r.VDSO != nil {
		if aux.vdso, err = r.VDSO.Map(r.MM); err != nil {
			return Result{}, err
		}
	}
	r.MM.SetBrk(brkStart(&r, p, main))
	sp, info, err := r.buildStack(p, &aux)
	if err != nil {
		return Result{}, err
	}
	info.CodeStart, info.CodeEnd = main.codeStart, main.codeEnd
	info.DataStart, info.DataEnd = main.dataStart, main.dataEnd
	info.BrkStart = r.MM.Info().BrkStart
	info.VDSO = aux.vdso
	info.Exe = r.File.Named()
	info.StackLimit = r.StackLimit
	r.MM.SetInfo(info)
	return Result{Entry: entry, SP: sp}, nil
}

func loadInterpreter(r *Request, name string) (loaded, error) {
	img, done, err := r.Open(name)
	if err != nil {
		return loaded{}, err
	}
	defer done()
	p, err := Parse(img)
	if err != nil {
		return loaded{}, bad(unix.ELIBBAD, "interpreter %s: %v", name, err)
	}
	return p.load(r, img, true)
}
