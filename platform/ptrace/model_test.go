package ptrace

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
)

// page is what one page of the slow model shows.
type page struct {
	fd   int
	off  int64
	prot platform.Prot
}

// modelPages is the size of the model's address space.
const modelPages = 24

// model is what a host process would show after the same operations.
type model map[uint64]page

// apply does what the host does with a call; false is ENOMEM.
func (m model) apply(c call) bool {
	ok := true
	for i := uint64(0); i < c[2]/pageSize; i++ {
		addr := c[1] + i*pageSize
		switch c[0] {
		case unix.SYS_MMAP:
			m[addr] = page{int(c[5]), int64(c[6] + i*pageSize), platform.Prot(c[3])}
		case unix.SYS_MUNMAP:
			delete(m, addr)
		case unix.SYS_MPROTECT:
			p, mapped := m[addr]
			if !mapped {
				ok = false
			} else {
				p.prot = platform.Prot(c[3])
				m[addr] = p
			}
		}
	}
	return ok
}

// operate lets the bytes in script choose operations, makes them on want and on
// an address space that nobody runs in, and compares at times.
func operate(t *testing.T, script []byte) {
	s := &addressSpace{}
	want, host := model{}, model{}
	for len(script) >= 4 {
		op, a, b, x := script[0], uint64(script[1])%modelPages, uint64(script[2])%modelPages, script[3]
		script = script[4:]
		if a > b {
			a, b = b, a
		}
		addr, length := a*pageSize, (b-a+1)*pageSize
		prot := platform.Prot(x % 8)
		var err error
		switch op % 4 {
		case 0:
			off := int64(a) * pageSize // often continues the neighbour
			err = s.Map(addr, length, int(x/8%3), off, prot)
			want.apply(call{unix.SYS_MMAP, addr, length, uint64(prot), mapFlags, uint64(x / 8 % 3), uint64(off)})
		case 1:
			err = s.Unmap(addr, length)
			want.apply(call{unix.SYS_MUNMAP, addr, length})
		case 2:
			err = s.Protect(addr, length, prot)
			want.apply(call{unix.SYS_MPROTECT, addr, length, uint64(prot)})
		case 3:
			flushModel(t, s, host, want)
		}
		if err != nil {
			t.Fatal(err)
		}
		checkExtents(t, s.mapped, want)
	}
	flushModel(t, s, host, want)
}

func flushModel(t *testing.T, s *addressSpace, host, want model) {
	t.Helper()
	for _, c := range s.calls {
		if c[0] == unix.SYS_MMAP {
			for addr := c[1]; addr < c[1]+c[2]; addr += pageSize {
				if _, mapped := want[addr]; !mapped {
					t.Fatalf("a mapping at %#x that was given up is still to be made", addr)
				}
			}
		}
		if !host.apply(c) {
			t.Fatalf("mprotect of a hole: %#x", c)
		}
	}
	s.calls = s.calls[:0]
	for i := uint64(0); i < modelPages; i++ {
		if h, w := host[i*pageSize], want[i*pageSize]; h != w {
			t.Fatalf("page %d is %+v, want %+v", i, h, w)
		}
	}
}

func checkExtents(t *testing.T, x extents, want model) {
	t.Helper()
	for i, e := range x {
		if e.start >= e.end || i > 0 && (x[i-1].end > e.start || x[i-1].continues(e)) {
			t.Fatalf("extents %+v are not in order", x)
		}
	}
	for i := uint64(0); i < modelPages; i++ {
		addr := i * pageSize
		var got page
		e, mapped := x.at(addr)
		if mapped {
			e = e.clip(addr, addr+pageSize)
			got = page{int(e.fd), e.off, e.prot}
		}
		if w, ok := want[addr]; ok != mapped || w != got {
			t.Fatalf("page %d: %+v %v, want %+v %v", i, got, mapped, w, ok)
		}
	}
}

func TestMappingModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		script := make([]byte, 4*60)
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		operate(t, script)
	}
}

func FuzzMappings(f *testing.F) {
	f.Add([]byte{0, 0, 9, 3, 2, 2, 4, 1, 1, 3, 3, 0, 3, 0, 0, 0})
	f.Fuzz(operate)
}
