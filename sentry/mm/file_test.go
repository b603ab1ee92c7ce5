package mm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/usermem"
)

// hostFile is a Mappable of a file of the host.
type hostFile struct {
	f        *os.File
	size     uint64
	readOnly bool // until it is told of a write
	maps     Mappings
}

func newHostFile(t *testing.T, pages int) *hostFile {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	h := &hostFile{f: f, size: uint64(pages) * pageSize}
	for i := range pages {
		if _, err := f.Write(bytes.Repeat([]byte{byte('a' + i)}, pageSize)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *hostFile) Translate(off, length uint64, write bool) (Segment, error) {
	if off >= h.size {
		return Segment{}, unix.ENXIO
	}
	prot := allProt
	if h.readOnly && !write {
		prot &^= unix.PROT_WRITE
	}
	return Segment{Off: off, Len: min(length, h.size-off), FD: int(h.f.Fd()), Pos: off, Prot: prot}, nil
}

func (h *hostFile) AddMapping(s Space, r usermem.Range, off uint64, writable bool) error {
	h.maps.Add(s, r, off, writable)
	return nil
}

func (h *hostFile) RemoveMapping(s Space, r usermem.Range, off uint64, _ bool) {
	h.maps.Remove(s, r, off)
}

func mapFile(t *testing.T, as *AddressSpace, h *hostFile, pages uint64, shared bool) usermem.Addr {
	t.Helper()
	a, err := as.Map(MapOpts{Length: pages * pageSize, Prot: 3, File: h, Shared: shared}, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantByte(t *testing.T, io usermem.IO, a usermem.Addr, want byte) {
	t.Helper()
	var b [1]byte
	if _, err := io.CopyIn(a, b[:]); err != nil || b[0] != want {
		t.Errorf("%#x holds %q, %v; want %q", uint64(a), b[0], err, want)
	}
}

func wantSignal(t *testing.T, err error, signo unix.Signal, code int32) {
	t.Helper()
	if fe, ok := err.(*FaultError); !ok || fe.Signo != signo || fe.Code != code {
		t.Errorf("%v, want %v code %d", err, signo, code)
	}
}

// TestHostFile writes through both kinds of mappings of a file of the host.
func TestHostFile(t *testing.T) {
	as, m, _ := newSpace(t)
	h := newHostFile(t, 4)
	h.readOnly = true
	private, shared := mapFile(t, as, h, 4, false), mapFile(t, as, h, 4, true)
	wantByte(t, as, private+2*pageSize, 'c')
	wantByte(t, as, shared+2*pageSize, 'c')
	if _, err := as.CopyOut(private+2*pageSize, []byte("P")); err != nil {
		t.Fatal(err)
	}
	if _, err := as.CopyOut(shared+2*pageSize, []byte("S")); err != nil {
		t.Fatal(err)
	}
	if _, err := as.CopyOut(shared+3*pageSize, []byte("T")); err != nil {
		t.Fatal(err)
	}
	wantByte(t, as, private+2*pageSize, 'P')
	wantByte(t, as, private+3*pageSize, 'T') // the page was not copied
	var b [1]byte
	if _, err := h.f.ReadAt(b[:], 2*pageSize); err != nil || b[0] != 'S' {
		t.Errorf("the file holds %q, %v", b[0], err)
	}
	if k, err := as.CompareAndSwap32(shared+4, 'a'*0x01010101, 7); err != nil || k != 'a'*0x01010101 {
		t.Errorf("compare and swap: %#x, %v", k, err)
	}
	if v, err := as.Load32(shared + 4); err != nil || v != 7 {
		t.Errorf("load: %d, %v", v, err)
	}
	if n, err := as.ZeroOut(shared+pageSize-2, 4); n != 4 || err != nil {
		t.Errorf("zeroed %d, %v", n, err)
	}
	wantByte(t, as, shared+pageSize, 0)
	as.DecUsers()
	if !h.maps.Empty() || m.Usage() != 0 {
		t.Errorf("mappings are left: %v; %d bytes in use", h.maps, m.Usage())
	}
}

// TestTruncation makes a mapped file shorter, with and without the file's owner
// knowing.
func TestTruncation(t *testing.T) {
	as, _, _ := newSpace(t)
	defer as.DecUsers()
	h := newHostFile(t, 4)
	private, shared := mapFile(t, as, h, 4, false), mapFile(t, as, h, 4, true)
	read := platform.Access{Read: true}
	for _, a := range []usermem.Addr{private, shared} {
		if err := as.HandleFault(a+3*pageSize, read); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.f.Truncate(2 * pageSize); err != nil {
		t.Fatal(err)
	}
	wantSignal(t, as.HandleFault(shared+3*pageSize, read), unix.SIGBUS, busAdrErr)
	wantSignal(t, as.HandleFault(private+2*pageSize, platform.Access{Write: true}), unix.SIGBUS, busAdrErr)
	if n, err := as.CopyIn(shared+2*pageSize-1, make([]byte, 2)); n != 1 || err != unix.EFAULT {
		t.Errorf("reading over the end: %d, %v", n, err)
	}
	if _, err := as.CopyOut(private, []byte("x")); err != nil {
		t.Fatal(err)
	}
	h.size = 0
	maps := h.maps.Clone()
	maps.Invalidate(0, 4*pageSize, true)
	wantSignal(t, as.HandleFault(private, read), unix.SIGBUS, busAdrErr)
	wantSignal(t, as.HandleFault(shared, read), unix.SIGBUS, busAdrErr)
}

// TestDirect reads into memory that is partly of a file of the host.
func TestDirect(t *testing.T) {
	as, m, _ := newSpace(t)
	h := newHostFile(t, 2)
	a, err := as.Map(MapOpts{Length: 2 * pageSize, Prot: 3}, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	f := mapFile(t, as, h, 2, true)
	fill := func(iov []unix.Iovec) (uint64, error) {
		var n uint64
		for i := range iov {
			b := iov[i]
			s := unsafe.Slice(b.Base, b.Len)
			for k := range s {
				s[k] = '!'
			}
			n += b.Len
		}
		// Memory that goes away meanwhile stays until the end.
		return n, as.Unmap(a, 2*pageSize)
	}
	rs := []usermem.Range{{Start: a + 10, End: a + 2*pageSize}, {Start: f, End: f + 5}}
	if n, err := as.Direct(rs, 1<<20, true, fill); n != 2*pageSize-10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := as.Direct(rs[1:], 1<<20, true, fill); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	wantByte(t, as, f+4, '!')
	wantByte(t, as, f+5, 'a')
	if n, err := as.Direct(rs[:1], 1<<20, true, fill); n != 0 || err != unix.EFAULT {
		t.Errorf("unmapped: %d, %v", n, err)
	}
	as.DecUsers()
	if m.Usage() != 0 {
		t.Errorf("%d bytes in use", m.Usage())
	}
}

// TestMappings splits and removes parts of what is recorded.
func TestMappings(t *testing.T) {
	as, _, _ := newSpace(t)
	defer as.DecUsers()
	var m Mappings
	r := func(from, to usermem.Addr) usermem.Range { return usermem.Range{Start: from, End: to} }
	m.Add(as, r(100, 200), 1000, false)
	m.Add(as, r(100, 200), 5000, true) // on top of it, before it is removed
	m.Remove(as, r(120, 150), 1020)
	var got []usermem.Range
	spy := spySpace(func(x usermem.Range) { got = append(got, x) })
	for i := range m.list {
		m.list[i].s = spy
	}
	m.Invalidate(1010, 1060, false)
	if len(got) != 2 || got[0] != r(150, 160) && got[1] != r(150, 160) {
		t.Errorf("told %v", got)
	}
	if !m.Writable() {
		t.Error("the writable mapping is forgotten")
	}
	m.Remove(spy, r(100, 200), 5000)
	m.Remove(spy, r(100, 120), 1000)
	m.Remove(spy, r(150, 200), 1050)
	if !m.Empty() {
		t.Errorf("left: %v", m.list)
	}
}

type spyFunc struct{ f func(usermem.Range) }

func spySpace(f func(usermem.Range)) *spyFunc { return &spyFunc{f} }

func (s *spyFunc) Invalidate(r usermem.Range, _ bool) { s.f(r) }
