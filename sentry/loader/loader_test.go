package loader

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/mm"
	"hull/sentry/usermem"
)

func TestParseRefuses(t *testing.T) {
	edit := func(at int, b ...byte) []byte {
		f := static().bytes()
		copy(f[at:], b)
		return f
	}
	with := func(change func(*elfFile)) []byte {
		e := static()
		change(&e)
		return e.bytes()
	}
	interp := func(name string, filesz uint64) []byte {
		return with(func(e *elfFile) {
			e.segments = append([]segment{{typ: ptInterp, off: 0x200, filesz: filesz}}, e.segments...)
			e.content = map[uint64]string{0x200: name}
		})
	}
	tests := []struct {
		name string
		file []byte
		want unix.Errno // 0: none
	}{
		{"whole", static().bytes(), 0},
		{"empty", nil, unix.ENOEXEC},
		{"short", static().bytes()[:headerSize-1], unix.ENOEXEC},
		{"magic", edit(0, 'x'), unix.ENOEXEC},
		{"32 bit", edit(4, 1), unix.ENOEXEC},
		{"big endian", edit(5, 2), unix.ENOEXEC},
		{"relocatable", edit(16, 1), unix.ENOEXEC},
		{"other machine", edit(18, 183), unix.ENOEXEC},
		{"no headers", edit(56, 0, 0), unix.ENOEXEC},
		{"headers beyond the end", edit(56, 200, 0), unix.ENOEXEC},
		{"too many headers", edit(56, 255, 255), unix.ENOEXEC},
		{"headers of another size", edit(54, 32), unix.ENOEXEC},
		{"headers at a negative offset", edit(39, 0x80), unix.ENOEXEC},
		{"headers at the largest offset", edit(32, 255, 255, 255, 255, 255, 255, 255, 127), unix.ENOEXEC},
		{"nothing to load", with(func(e *elfFile) { e.segments[0].typ = ptGNUStack }), unix.ENOEXEC},
		{"larger in the file", with(func(e *elfFile) { e.segments[0].memsz = 1 }), unix.EINVAL},
		{"too high", with(func(e *elfFile) { e.segments[0].vaddr = 1 << 47 }), unix.ENOMEM},
		{"address wraps", with(func(e *elfFile) { e.segments[0].vaddr = ^uint64(0) &^ 0xfff }), unix.ENOMEM},
		{"size wraps", with(func(e *elfFile) { e.segments[0].memsz = ^uint64(0) }), unix.ENOMEM},
		{"offset wraps", with(func(e *elfFile) { e.segments[0].off = ^uint64(0) &^ 0xfff }), unix.EINVAL},
		{"offset does not agree", with(func(e *elfFile) { e.segments[0].off = 8 }), unix.EINVAL},
		{"linker's name unfinished", interp("/lib/ld.so!", 11), unix.ENOEXEC},
		{"linker's name too long", interp("/lib/ld.so\x00", maxInterp+1), unix.ENOEXEC},
		{"linker's name beyond the end", interp("/lib/ld.so\x00", 300), unix.EIO},
		{"linker", interp("/lib/ld.so\x00", 11), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(&memImage{data: tt.file})
			if tt.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if tt.name == "linker" && p.Interp() != "/lib/ld.so" {
					t.Errorf("linker %q", p.Interp())
				}
				return
			}
			var le *Error
			if !errors.As(err, &le) || le.Errno != tt.want || le.Why == "" {
				t.Errorf("%v; want %v with its reason", err, tt.want)
			}
		})
	}
}

func TestScript(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		head        string
		interp, arg string
		ok          bool
		err         bool
	}{
		{head: ""},
		{head: "#"},
		{head: "\x7fELF"},
		{head: "#!", err: true},
		{head: "#!\n", err: true},
		{head: "#!  \t \necho", err: true},
		{head: "#!\x00/bin/sh\n", err: true},
		{head: "#!/bin/sh", interp: "/bin/sh", ok: true},
		{head: "#!/bin/sh\n", interp: "/bin/sh", ok: true},
		{head: "#! \t/bin/sh \t\n-x", interp: "/bin/sh", ok: true},
		{head: "#!/bin/sh -e -x \t\n", interp: "/bin/sh", arg: "-e -x", ok: true},
		{head: "#!/bin/sh\t-e\x00-x\n", interp: "/bin/sh", arg: "-e", ok: true},
		{head: "#!sh\r\n", interp: "sh\r", ok: true},
		{head: "#!/" + long, err: true},
		{head: "#!" + strings.Repeat(" ", 300) + "/bin/sh\n", err: true},
		{head: "#!/bin/sh " + long, interp: "/bin/sh", arg: long[:scriptHead-len("#!/bin/sh ")], ok: true},
	}
	for _, tt := range tests {
		interp, arg, ok, err := Script(&memImage{data: []byte(tt.head)})
		if interp != tt.interp || arg != tt.arg || ok != tt.ok || (err != nil) != tt.err {
			t.Errorf("%.30q: %q %q %v %v", tt.head, interp, arg, ok, err)
		}
		if err != nil && !errors.Is(err, unix.ENOEXEC) {
			t.Errorf("%.30q: %v", tt.head, err)
		}
	}
}

// TestSegments loads a program whose data ends within a page: what follows in
// the file must not be seen, what follows in memory is zero.
func TestSegments(t *testing.T) {
	m := newMemory(t)
	e := elfFile{typ: typeExec, entry: 0x400010, size: 0x3000, segments: []segment{
		{typ: ptLoad, flags: flagRead | flagExec, vaddr: 0x400000, filesz: 0x1000, memsz: 0x1000, align: pageSize},
		{typ: ptLoad, flags: flagRead | flagWrite, off: 0x1800, vaddr: 0x402800, filesz: 0x10, memsz: 0x3000, align: pageSize},
	}}
	e.content = map[uint64]string{0x17f8: "BEFORE..", 0x1800: "0123456789abcdefFOLLOWS"}
	as, res, err := loadInto(t, m, e.bytes(), nil)
	defer as.DecUsers()
	if err != nil {
		t.Fatal(err)
	}
	if res.Entry != 0x400010 {
		t.Errorf("entry %#x", uint64(res.Entry))
	}
	var got [32]byte
	if _, err := as.CopyIn(0x4027f8, got[:]); err != nil {
		t.Fatal(err)
	}
	if want := "BEFORE..0123456789abcdef" + strings.Repeat("\x00", 8); string(got[:]) != want {
		t.Errorf("the data segment reads %q, want %q", got, want)
	}
	for _, at := range []usermem.Addr{0x403000, 0x4057f8, 0x405ff8} {
		if w := read64(t, as, at, 1)[0]; w != 0 {
			t.Errorf("bss at %#x is %#x", uint64(at), w)
		}
	}
	if _, err := as.CopyOut(0x400000, []byte{1}); err == nil {
		t.Error("the code may be written")
	}
	if _, err := as.CopyIn(0x406000, got[:1]); err == nil {
		t.Error("there is memory behind the last segment")
	}
	if got := as.Info().BrkStart; got != 0x406000 {
		t.Errorf("the heap begins at %#x", uint64(got))
	}
}

// TestStack reads back what a program finds at its stack pointer.
func TestStack(t *testing.T) {
	m := newMemory(t)
	as, res, err := loadInto(t, m, static().bytes(), func(r *Request) {
		r.Argv, r.Envp, r.Secure = []string{"prog", "", "two words"}, []string{"PATH=/bin", "EMPTY="}, true
	})
	defer as.DecUsers()
	if err != nil {
		t.Fatal(err)
	}
	if res.SP%16 != 0 {
		t.Errorf("the stack pointer %#x is not aligned", uint64(res.SP))
	}
	str := func(at uint64) string {
		s, err := usermem.CString(as, usermem.Addr(at), 4096)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ws := read64(t, as, res.SP, 8+len(as.Info().Auxv))
	if ws[0] != 3 || ws[4] != 0 || ws[7] != 0 {
		t.Fatalf("argc %d, behind argv %#x, behind envp %#x", ws[0], ws[4], ws[7])
	}
	for i, want := range []string{"prog", "", "two words"} {
		if s := str(ws[1+i]); s != want {
			t.Errorf("argv[%d] %q", i, s)
		}
	}
	for i, want := range []string{"PATH=/bin", "EMPTY="} {
		if s := str(ws[5+i]); s != want {
			t.Errorf("envp[%d] %q", i, s)
		}
	}
	aux := map[uint64]uint64{}
	for v := ws[8:]; v[0] != atNull; v = v[2:] {
		if _, twice := aux[v[0]]; twice {
			t.Errorf("entry %d twice", v[0])
		}
		aux[v[0]] = v[1]
	}
	for k, want := range map[uint64]uint64{atPagesz: pageSize, atPhdr: 0x400000 + headerSize, atPhnum: 1, atPhent: segmentSize,
		atEntry: 0x400100, atBase: 0, atUID: 1, atEUID: 2, atGID: 3, atEGID: 4, atSecure: 1} {
		if got, ok := aux[k]; !ok || got != want {
			t.Errorf("entry %d is %#x, %v; want %#x", k, got, ok, want)
		}
	}
	if s := str(aux[atExecfn]); s != "/bin/prog" {
		t.Errorf("AT_EXECFN %q", s)
	}
	if r := read64(t, as, usermem.Addr(aux[atRandom]), 2); r[0] == 0 && r[1] == 0 {
		t.Error("AT_RANDOM is not random")
	}
	info := as.Info()
	args := make([]byte, info.ArgEnd-info.ArgStart)
	if _, err := as.CopyIn(info.ArgStart, args); err != nil || string(args) != "prog\x00\x00two words\x00" {
		t.Errorf("the arguments' area holds %q, %v", args, err)
	}
}

func TestArgumentsTooLong(t *testing.T) {
	m := newMemory(t)
	as, _, err := loadInto(t, m, static().bytes(), func(r *Request) {
		r.StackLimit, r.Argv = 1<<20, []string{strings.Repeat("x", 300<<10)}
	})
	as.DecUsers()
	if !errors.Is(err, unix.E2BIG) {
		t.Errorf("%v", err)
	}
}

// TestLinker loads a position-independent program with a dynamic linker: the
// linker starts, and AT_BASE and AT_ENTRY say where both are.
func TestLinker(t *testing.T) {
	m := newMemory(t)
	prog := elfFile{typ: typeDyn, entry: 0x20, size: 0x1000, content: map[uint64]string{0x200: "/lib/ld.so\x00"}, segments: []segment{
		{typ: ptInterp, off: 0x200, filesz: 11},
		{typ: ptLoad, flags: flagRead | flagExec, filesz: 0x1000, memsz: 0x1000, align: 1 << 21}}}
	linker := elfFile{typ: typeDyn, entry: 0x40, size: 0x1000, segments: []segment{
		{typ: ptLoad, flags: flagRead | flagExec, filesz: 0x1000, memsz: 0x1000, align: pageSize}}}
	opened, closed := "", 0
	as, res, err := loadInto(t, m, prog.bytes(), func(r *Request) {
		r.Open = func(name string) (Image, func(), error) {
			img, drop := newImage(t, m, linker.bytes())
			opened = name
			return img, func() { closed++; drop() }, nil
		}
	})
	defer as.DecUsers()
	if err != nil {
		t.Fatal(err)
	}
	if opened != "/lib/ld.so" || closed != 1 {
		t.Errorf("opened %q, closed %d times", opened, closed)
	}
	aux := as.Info().Auxv
	at := func(k uint64) uint64 {
		for i := 0; i < len(aux); i += 2 {
			if aux[i] == k {
				return aux[i+1]
			}
		}
		t.Fatalf("no entry %d", k)
		return 0
	}
	if uint64(res.Entry) != at(atBase)+0x40 {
		t.Errorf("starts at %#x, the linker is at %#x", uint64(res.Entry), at(atBase))
	}
	if base := at(atEntry) - 0x20; base%(1<<21) != 0 || base == at(atBase) {
		t.Errorf("the program is at %#x", base)
	}
}

// TestNoLinker: an error of the opening, and a linker that is no program.
func TestNoLinker(t *testing.T) {
	m := newMemory(t)
	prog := static()
	prog.segments = append(prog.segments, segment{typ: ptInterp, off: 0x170, filesz: 4})
	prog.content = map[uint64]string{0x170: "/ld\x00"}
	for _, want := range []unix.Errno{unix.ENOENT, unix.ELIBBAD} {
		as, _, err := loadInto(t, m, prog.bytes(), func(r *Request) {
			if want == unix.ELIBBAD {
				r.Open = func(string) (Image, func(), error) { return &memImage{data: []byte("#!/bin/sh\n")}, func() {}, nil }
			}
		})
		as.DecUsers()
		if !errors.Is(err, want) {
			t.Errorf("%v; want %v", err, want)
		}
	}
}

// TestHostProgram loads a real program, as far as its headers allow.
func TestHostProgram(t *testing.T) {
	b := hostProgram(t)
	if b == nil {
		t.Skip("no program to load")
	}
	m := newMemory(t)
	as, res, err := loadInto(t, m, b, func(r *Request) {
		r.Open = func(string) (Image, func(), error) {
			img, drop := newImage(t, m, static().bytes())
			return img, drop, nil
		}
	})
	defer as.DecUsers()
	if err != nil {
		t.Fatal(err)
	}
	if res.Entry == 0 || res.SP == 0 {
		t.Errorf("%+v", res)
	}
	var exec bool
	for _, v := range as.VMAs(false) {
		exec = exec || v.Prot&unix.PROT_EXEC != 0
		if v.Prot&(unix.PROT_EXEC|unix.PROT_WRITE) == unix.PROT_EXEC|unix.PROT_WRITE {
			t.Errorf("%#x may be written and executed", uint64(v.Range.Start))
		}
	}
	if !exec {
		t.Error("nothing may be executed")
	}
}

// TestNothingLeft: a program's memory comes back, loaded or refused.
func TestNothingLeft(t *testing.T) {
	m := newMemory(t)
	before := m.Usage()
	bad := static()
	bad.segments = append(bad.segments, segment{typ: ptLoad, vaddr: 1 << 46, memsz: 1 << 46, flags: flagRead})
	for _, b := range [][]byte{static().bytes(), bad.bytes()} {
		as, _, _ := loadInto(t, m, b, nil)
		as.DecUsers()
		if now := m.Usage(); now != before {
			t.Errorf("%d bytes are in use, %d were", now, before)
		}
	}
}

var _ mm.Mappable = pages{}
