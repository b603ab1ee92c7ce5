package loader

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"hull/sentry/mm"
	"hull/sentry/usermem"
)

const (
	pageSize = usermem.PageSize
	// minAddr is mmap_min_addr: nothing is mapped below.
	minAddr = 64 << 10
)

// loaded is where a file's segments went.
type loaded struct {
	bias               usermem.Addr // what was added to the file's addresses
	entry              usermem.Addr
	phdr               usermem.Addr // AT_PHDR
	codeStart, codeEnd usermem.Addr
	dataStart, dataEnd usermem.Addr
	end                usermem.Addr // behind the last segment
}

// load maps the segments of img, whose headers p are. linker says that it is
// the interpreter of another.
func (p *Program) load(r *Request, img Image, linker bool) (loaded, error) {
	lo, hi := p.span()
	l := loaded{}
	if p.dynamic {
		at, err := p.placeAt(r, lo, hi, linker)
		if err != nil {
			return l, err
		}
		l.bias = at - usermem.Addr(lo)
	}
	for i := range p.segments {
		s := &p.segments[i]
		if s.typ != ptLoad {
			continue
		}
		if err := mapSegment(r, img, s, l.bias); err != nil {
			return l, err
		}
		l.note(s, p.phoff)
	}
	l.entry = usermem.Addr(p.entry) + l.bias
	if l.entry >= r.MM.End() {
		return l, bad(unix.EINVAL, "the entry point %#x is no address", uint64(l.entry))
	}
	return l, nil
}

// span is the pages from the first segment to the end of the last.
func (p *Program) span() (lo, hi uint64) {
	lo = ^uint64(0)
	for i := range p.segments {
		if s := &p.segments[i]; s.typ == ptLoad {
			lo, hi = min(lo, s.pageStart()), max(hi, s.pageEnd())
		}
	}
	return lo, hi
}

// maxAlign is the largest alignment of segments.
func (p *Program) maxAlign() uint64 {
	a := uint64(pageSize)
	for i := range p.segments {
		if s := &p.segments[i]; s.typ == ptLoad && s.align&(s.align-1) == 0 && s.align <= 1<<30 {
			a = max(a, s.align)
		}
	}
	return a
}

// placeAt decides where a position-independent file goes. A program with an
// interpreter goes to two thirds of the address space, all else where mmap puts
// it, as on Linux.
func (p *Program) placeAt(r *Request, lo, hi uint64, linker bool) (usermem.Addr, error) {
	align := p.maxAlign()
	if !linker && p.interp != "" {
		at := dynBase(r)
		if r.MM.Randomized() {
			at += usermem.Addr(rand.Uint64N(1<<28) * pageSize)
		}
		at &^= usermem.Addr(align - 1)
		if uint64(at)+hi-lo < uint64(r.MM.End()) {
			return at, nil
		}
	}
	// A mapping of the whole finds the place, and is taken away again: there
	// may be holes between segments.
	n := hi - lo + align - pageSize
	at, err := r.MM.Map(mm.MapOpts{Length: n}, r.Limits)
	if err != nil {
		return 0, err
	}
	if err := r.MM.Unmap(at, n); err != nil {
		return 0, err
	}
	return (at + usermem.Addr(align-1)) &^ usermem.Addr(align-1), nil
}

// dynBase is ELF_ET_DYN_BASE.
func dynBase(r *Request) usermem.Addr {
	return (r.MM.End()/3*2 + pageSize - 1) &^ (pageSize - 1)
}

// mapSegment maps one segment: its bytes in the file, then zeros.
func mapSegment(r *Request, img Image, s *segment, bias usermem.Addr) error {
	start := usermem.Addr(s.pageStart()) + bias
	fileEnd := usermem.Addr(s.vaddr+s.filesz) + bias
	memEnd := usermem.Addr(s.vaddr+s.memsz) + bias
	filePages, _ := fileEnd.RoundUp()
	memPages, _ := memEnd.RoundUp()
	if memEnd > r.MM.End() || start < minAddr {
		return bad(unix.ENOMEM, "a segment at %#x", uint64(start))
	}
	prot := s.prot()
	if s.filesz > 0 {
		o := mm.MapOpts{Addr: start, Length: uint64(filePages - start), Prot: prot, Fixed: true, Offset: s.off &^ (pageSize - 1)}
		o.Populate = o.Length <= eager(prot&unix.PROT_WRITE != 0)
		if err := img.Map(&o); err != nil {
			return err
		}
		if _, err := r.MM.Map(o, r.Limits); err != nil {
			return err
		}
	} else {
		filePages = start
	}
	if s.memsz == s.filesz {
		return nil
	}
	if s.filesz > 0 && fileEnd < filePages && prot&unix.PROT_WRITE != 0 {
		// The rest of the last page holds whatever follows in the file.
		if _, err := r.MM.ZeroOut(fileEnd, uint64(min(filePages, memPages)-fileEnd)); err != nil {
			return bad(unix.ENOEXEC, "a segment's last page cannot be cleared: %v", err)
		}
	}
	if memPages > filePages {
		o := mm.MapOpts{Addr: filePages, Length: uint64(memPages - filePages), Prot: prot, Fixed: true}
		o.Populate = o.Length <= eager(prot&unix.PROT_WRITE != 0)
		if _, err := r.MM.Map(o, r.Limits); err != nil {
			return err
		}
	}
	return nil
}

// eager is the size in bytes of a segment that is made accessible before it is
// touched. A program's start touches nearly all of its segments, and a fault
// costs more than a mapping; of those that are written, each page is a copy.
func eager(writable bool) uint64 {
	if writable {
		return 64 << 10
	}
	return 8 << 20
}

// note records what /proc/PID/stat shows of a segment, and where the program
// headers are.
func (l *loaded) note(s *segment, phoff uint64) {
	start, end := usermem.Addr(s.vaddr)+l.bias, usermem.Addr(s.vaddr+s.filesz)+l.bias
	if s.off <= phoff && phoff < s.off+s.filesz {
		l.phdr = usermem.Addr(phoff-s.off+s.vaddr) + l.bias
	}
	if s.flags&flagExec != 0 {
		if l.codeStart == 0 || start < l.codeStart {
			l.codeStart = start
		}
		l.codeEnd = max(l.codeEnd, end)
	}
	l.dataStart = max(l.dataStart, start)
	l.dataEnd = max(l.dataEnd, end)
	l.end = max(l.end, usermem.Addr(s.vaddr+s.memsz)+l.bias)
}

// brkStart is where the heap begins: behind the program, moved by chance.
func brkStart(r *Request, p *Program, l loaded) usermem.Addr {
	at, _ := l.end.RoundUp()
	if r.MM.Randomized() {
		if p.dynamic && p.interp == "" {
			at = dynBase(r) // away from where mmap puts things
		}
		at += usermem.Addr(rand.Uint64N(32<<20/pageSize) * pageSize)
	}
	return at
}

// stackProt is the stack's protection.
func (p *Program) stackProt() mm.Prot {
	prot := mm.Prot(unix.PROT_READ | unix.PROT_WRITE)
	if p.execStack {
		prot |= unix.PROT_EXEC
	}
	return prot
}
