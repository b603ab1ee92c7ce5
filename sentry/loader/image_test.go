package loader

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform/scripted"
	"hull/sentry/auth"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// memImage is a file in memory. Mapping it needs pages, which newImage makes.
type memImage struct {
	data []byte
	file pages
}

// ReadAt implements Image.
func (i *memImage) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, unix.EINVAL
	}
	if off >= int64(len(i.data)) {
		return 0, nil
	}
	return copy(p, i.data[off:]), nil
}

// Map implements Image.
func (i *memImage) Map(o *mm.MapOpts) error {
	if i.file.m == nil {
		return unix.ENODEV
	}
	o.File = i.file
	return nil
}

// Named implements Image.
func (i *memImage) Named() mm.Named { return nil }

// newImage returns a file with the bytes of b that can be mapped, and what to
// call when it is no longer used.
func newImage(t testing.TB, m *mem.File, b []byte) (*memImage, func()) {
	t.Helper()
	i := &memImage{data: b}
	if len(b) == 0 {
		return i, func() {}
	}
	n := (uint64(len(b)) + pageSize - 1) &^ (pageSize - 1)
	r, err := m.Allocate(n)
	if err != nil {
		t.Fatal(err)
	}
	rest := b
	m.Each(r, func(p []byte) bool {
		rest = rest[copy(p, rest):]
		return len(rest) > 0
	})
	i.file = pages{m, r}
	return i, func() { m.DecRef(r) }
}

// elfFile writes an ELF file of the given headers. Contents follow the headers
// at their offsets.
type elfFile struct {
	typ      uint16
	entry    uint64
	segments []segment
	content  map[uint64]string // by offset in the file
	size     int
}

// bytes returns the file.
func (e elfFile) bytes() []byte {
	var b bytes.Buffer
	put := func(vs ...any) {
		for _, v := range vs {
			_ = binary.Write(&b, binary.LittleEndian, v) // a bytes.Buffer takes all
		}
	}
	put([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), e.typ, uint16(machine), uint32(1),
		e.entry, uint64(headerSize), uint64(0), uint32(0), uint16(headerSize), uint16(segmentSize), uint16(len(e.segments)), uint16(64), uint16(0), uint16(0))
	for _, s := range e.segments {
		put(s.typ, s.flags, s.off, s.vaddr, s.vaddr, s.filesz, s.memsz, s.align)
	}
	size := max(e.size, b.Len())
	for off, c := range e.content {
		size = max(size, int(off)+len(c))
	}
	out := make([]byte, size)
	copy(out, b.Bytes())
	for off, c := range e.content {
		copy(out[off:], c)
	}
	return out
}

// static is the smallest program: one segment with all of the file.
func static() elfFile {
	return elfFile{typ: typeExec, entry: 0x400100, size: 0x180,
		segments: []segment{{typ: ptLoad, flags: flagRead | flagExec, vaddr: 0x400000, filesz: 0x180, memsz: 0x180, align: pageSize}}}
}

// loadInto loads b as a program without ASLR. The caller drops the address
// space, which is nil if there was none made.
func loadInto(t testing.TB, m *mem.File, b []byte, change func(*Request)) (*mm.AddressSpace, Result, error) {
	t.Helper()
	img, drop := newImage(t, m, b)
	defer drop()
	const noRandomize = 0x0040000
	as, err := mm.New(m, scripted.New(), noRandomize, 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{MM: as, File: img, Argv: []string{"prog", "one"}, Envp: []string{"A=b"}, Name: "/bin/prog",
		Cred: &auth.Cred{RUID: 1, EUID: 2, RGID: 3, EGID: 4}, StackLimit: 8 << 20,
		Open:   func(string) (Image, func(), error) { return nil, nil, unix.ENOENT },
		Limits: mm.Limits{AS: ^uint64(0), Data: ^uint64(0), Stack: 8 << 20, MemLock: ^uint64(0)}}
	if change != nil {
		change(&r)
	}
	res, err := Load(r)
	return as, res, err
}

func newMemory(t testing.TB) *mem.File {
	t.Helper()
	m, err := mem.New(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Release)
	return m
}

// hostProgram is a real program's bytes, or nil where there is none.
func hostProgram(t testing.TB) []byte {
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Logf("no /bin/true: %v", err)
	}
	return b
}

// read64 reads words of the program.
func read64(t *testing.T, as *mm.AddressSpace, at usermem.Addr, n int) []uint64 {
	t.Helper()
	ws, err := usermem.InSlice[uint64](as, at, n)
	if err != nil {
		t.Fatalf("reading %d words at %#x: %v", n, uint64(at), err)
	}
	return ws
}
