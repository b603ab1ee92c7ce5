package loader

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// The parts of ELF that matter here (elf(5)), for 64-bit little-endian files.
const (
	headerSize  = 64
	segmentSize = 56

	typeExec = 2  // ET_EXEC
	typeDyn  = 3  // ET_DYN
	machine  = 62 // EM_X86_64

	ptLoad     = 1
	ptInterp   = 3
	ptGNUStack = 0x6474e551

	flagExec, flagWrite, flagRead = 1, 2, 4

	// maxHeaders bounds the program headers, in bytes (ELF_MIN_ALIGN on Linux
	// bounds them by a page's worth of 64 KB).
	maxHeaders = 65536
	// maxInterp is PATH_MAX.
	maxInterp = 4096
)

// Program is the headers of an ELF file.
type Program struct {
	dynamic  bool // ET_DYN: may be placed anywhere
	entry    uint64
	phoff    uint64
	segments []segment // all of them
	interp   string    // the dynamic linker, or ""
	// execStack is PT_GNU_STACK's word.
	execStack bool
}

// Interp returns the dynamic linker that the file asks for, or "".
func (p *Program) Interp() string { return p.interp }

// segment is one program header.
type segment struct {
	typ, flags           uint32
	off, vaddr           uint64
	filesz, memsz, align uint64
}

func (s *segment) prot() mm.Prot {
	var p mm.Prot
	if s.flags&flagRead != 0 {
		p |= unix.PROT_READ
	}
	if s.flags&flagWrite != 0 {
		p |= unix.PROT_WRITE
	}
	if s.flags&flagExec != 0 {
		p |= unix.PROT_EXEC
	}
	return p
}

// pageStart and pageEnd are the pages that the segment takes.
func (s *segment) pageStart() uint64 { return s.vaddr &^ (usermem.PageSize - 1) }
func (s *segment) pageEnd() uint64 {
	return (s.vaddr + s.memsz + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
}

// Parse reads and checks an ELF file's headers. ENOEXEC for what is no program
// of this machine.
func Parse(img Image) (*Program, error) {
	var h [headerSize]byte
	if n, err := img.ReadAt(h[:], 0); err != nil {
		return nil, err
	} else if n < len(h) {
		return nil, bad(unix.ENOEXEC, "the file has %d bytes: too short for an ELF header", n)
	}
	le := binary.LittleEndian
	switch {
	case string(h[:4]) != "\x7fELF":
		return nil, bad(unix.ENOEXEC, "no ELF magic number and no #! line")
	case h[4] != 2:
		return nil, bad(unix.ENOEXEC, "ELF class %d: not a 64-bit program", h[4])
	case h[5] != 1:
		return nil, bad(unix.ENOEXEC, "ELF data encoding %d: not little-endian", h[5])
	case le.Uint16(h[18:]) != machine:
		return nil, bad(unix.ENOEXEC, "ELF machine %d: not x86-64", le.Uint16(h[18:]))
	case le.Uint16(h[54:]) != segmentSize:
		return nil, bad(unix.ENOEXEC, "ELF program headers of %d bytes", le.Uint16(h[54:]))
	}
	p := &Program{entry: le.Uint64(h[24:]), phoff: le.Uint64(h[32:])}
	switch typ := le.Uint16(h[16:]); typ {
	case typeExec:
	case typeDyn:
		p.dynamic = true
	default:
		return nil, bad(unix.ENOEXEC, "ELF type %d: neither executable nor shared object", typ)
	}
	n := int(le.Uint16(h[56:]))
	if n == 0 || n*segmentSize > maxHeaders {
		return nil, bad(unix.ENOEXEC, "%d ELF program headers", n)
	}
	raw := make([]byte, n*segmentSize)
	if int64(p.phoff) < 0 {
		return nil, bad(unix.ENOEXEC, "ELF program headers at %#x", p.phoff)
	}
	if k, err := img.ReadAt(raw, int64(p.phoff)); err != nil {
		return nil, err
	} else if k < len(raw) {
		return nil, bad(unix.ENOEXEC, "ELF program headers lie beyond the end of the file")
	}
	for ; len(raw) > 0; raw = raw[segmentSize:] {
		p.segments = append(p.segments, segment{
			typ: le.Uint32(raw), flags: le.Uint32(raw[4:]), off: le.Uint64(raw[8:]), vaddr: le.Uint64(raw[16:]),
			filesz: le.Uint64(raw[32:]), memsz: le.Uint64(raw[40:]), align: le.Uint64(raw[48:]),
		})
	}
	return p, p.check(img)
}

// check refuses segments that cannot be mapped, and reads what else the headers
// lead to.
func (p *Program) check(img Image) error {
	const limit = 1 << 47
	last, loads := uint64(0), 0
	for i := range p.segments {
		s := &p.segments[i]
		switch s.typ {
		case ptInterp:
			if p.interp != "" {
				continue
			}
			name, err := readInterp(img, s)
			if err != nil {
				return err
			}
			p.interp = name
		case ptGNUStack:
			p.execStack = s.flags&flagExec != 0
		case ptLoad:
			loads++
			switch {
			case s.filesz > s.memsz:
				return bad(unix.EINVAL, "segment %d has more bytes in the file than in memory", i)
			case s.vaddr >= limit || s.memsz > limit || s.vaddr+s.memsz > limit:
				return bad(unix.ENOMEM, "segment %d lies at %#x", i, s.vaddr)
			case s.off > 1<<62 || s.filesz > 0 && s.off+s.filesz > 1<<62:
				return bad(unix.EINVAL, "segment %d lies at file offset %#x", i, s.off)
			case s.off%usermem.PageSize != s.vaddr%usermem.PageSize:
				return bad(unix.EINVAL, "segment %d: address and file offset do not agree", i)
			case s.vaddr < last:
				return bad(unix.EINVAL, "segment %d is out of order", i)
			}
			last = s.vaddr + s.memsz
		}
	}
	if loads == 0 {
		return bad(unix.ENOEXEC, "no segment to load")
	}
	return nil
}

func readInterp(img Image, s *segment) (string, error) {
	if s.filesz < 2 || s.filesz > maxInterp || int64(s.off) < 0 {
		return "", bad(unix.ENOEXEC, "an interpreter's name of %d bytes", s.filesz)
	}
	b := make([]byte, s.filesz)
	if n, err := img.ReadAt(b, int64(s.off)); err != nil {
		return "", err
	} else if n < len(b) {
		return "", bad(unix.EIO, "the interpreter's name lies beyond the end of the file")
	}
	if b[len(b)-1] != 0 {
		return "", bad(unix.ENOEXEC, "the interpreter's name does not end")
	}
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), nil
		}
	}
	return "", bad(unix.ENOEXEC, "the interpreter's name does not end")
}
