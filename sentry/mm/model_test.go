package mm

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// guest is an address space beside a model of it: one byte a page, or -1 where
// nothing is mapped.
type guest struct {
	as    *AddressSpace
	model [arena]int
	prot  [arena]platform.Prot
}

const (
	arena     = 96 // pages
	arenaBase = usermem.Addr(1 << 30)
)

func page(i int) usermem.Addr { return arenaBase + usermem.Addr(i)*pageSize }

// check compares bytes with the model, and what the platform was told with what
// guest code may see.
func (g *guest) check(t *testing.T, m *mem.File) {
	t.Helper()
	host := g.as.host.(*fakeSpace)
	for i := range g.model {
		var b [1]byte
		n, err := g.as.CopyIn(page(i)+7, b[:])
		readable := g.model[i] >= 0 && g.prot[i]&unix.PROT_READ != 0
		if readable != (n == 1 && err == nil) {
			t.Fatalf("page %d: read %d, %v; model %d prot %d", i, n, err, g.model[i], g.prot[i])
		}
		if readable && int(b[0]) != g.model[i] {
			t.Fatalf("page %d holds %d, want %d", i, b[0], g.model[i])
		}
		p, mapped := host.pages[uint64(page(i))]
		if !mapped {
			continue
		}
		if g.model[i] < 0 {
			t.Fatalf("page %d is not mapped, but the platform has it", i)
		}
		if p.prot&^(g.prot[i]|unix.PROT_READ) != 0 {
			t.Fatalf("page %d: the platform allows %d, the guest %d", i, p.prot, g.prot[i])
		}
		if got := m.Slice(mem.Range{Start: uint64(p.pos), End: uint64(p.pos) + pageSize})[7]; int(got) != g.model[i] {
			t.Fatalf("page %d: guest code would see %d, want %d", i, got, g.model[i])
		}
		if p.prot&unix.PROT_WRITE != 0 && m.Shared(mem.Range{Start: uint64(p.pos), End: uint64(p.pos) + pageSize}) {
			t.Fatalf("page %d is writable and has two owners", i)
		}
	}
}

// step does one random thing to both.
func (g *guest) step(t *testing.T, choose chooser) {
	i := choose(arena)
	n := 1 + choose(min(arena-i, 20))
	addr, length := page(i), uint64(n)*pageSize
	rw := platform.Prot(unix.PROT_READ | unix.PROT_WRITE)
	switch choose(10) {
	case 0, 1:
		if _, err := g.as.Map(MapOpts{Addr: addr, Length: length, Prot: rw, Fixed: true}, unlimited); err != nil {
			t.Fatal(err)
		}
		for k := i; k < i+n; k++ {
			g.model[k], g.prot[k] = 0, rw
		}
	case 2:
		if err := g.as.Unmap(addr, length); err != nil {
			t.Fatal(err)
		}
		for k := i; k < i+n; k++ {
			g.model[k], g.prot[k] = -1, 0
		}
	case 3:
		prot := []platform.Prot{0, unix.PROT_READ, rw}[choose(3)]
		err := g.as.Protect(addr, length, prot, false, unlimited)
		for k := i; k < i+n; k++ {
			if g.model[k] < 0 {
				if err != unix.ENOMEM {
					t.Fatalf("mprotect over a hole: %v", err)
				}
				break
			}
			g.prot[k] = prot
		}
	case 4:
		_ = g.as.Advise(addr, length, unix.MADV_DONTNEED)
		for k := i; k < i+n; k++ {
			if g.model[k] >= 0 {
				g.model[k] = 0
			}
		}
	case 5:
		g.remap(t, i, choose(arena), n)
	default:
		v := byte(choose(255))
		for k := i; k < i+n; k++ {
			_, err := g.as.CopyOut(page(k)+7, []byte{v})
			ok := g.model[k] >= 0 && g.prot[k]&unix.PROT_WRITE != 0
			if ok != (err == nil) {
				t.Fatalf("write to page %d: %v, prot %d", k, err, g.prot[k])
			}
			if ok {
				g.model[k] = int(v)
			}
		}
	}
}

// remap moves n pages from i to j, or is refused.
func (g *guest) remap(t *testing.T, i, j, n int) {
	length := uint64(n) * pageSize
	_, err := g.as.Remap(page(i), length, length, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, page(j), unlimited)
	if j+n > arena {
		// It went behind the arena, where nobody looks.
		if err == nil {
			err = g.as.Unmap(page(arena), uint64(j+n-arena)*pageSize)
		}
		if err != nil && err != unix.EINVAL && err != unix.EFAULT {
			t.Fatal(err)
		}
	}
	if i < j+n && j < i+n {
		if err != unix.EINVAL {
			t.Fatalf("mremap onto itself: %v", err)
		}
		return
	}
	if err != nil && err != unix.EFAULT {
		t.Fatalf("mremap: %v", err)
	}
	if err != nil {
		return
	}
	for k := range n {
		if j+k < arena {
			g.model[j+k], g.prot[j+k] = g.model[i+k], g.prot[i+k]
		}
		g.model[i+k], g.prot[i+k] = -1, 0
	}
}

// chooser returns a number below n.
type chooser func(n int) int

// play runs a game of steps, forks and exits with choices made by choose until
// more is false, and looks at every guest after every step.
func play(t *testing.T, choose chooser, more func() bool) {
	as, m, p := newSpace(t)
	first := &guest{as: as}
	for i := range first.model {
		first.model[i] = -1
	}
	guests := []*guest{first}
	for more() {
		k := choose(len(guests))
		g := guests[k]
		switch {
		case choose(20) == 0 && len(guests) < 5:
			n, err := g.as.Fork()
			if err != nil {
				t.Fatal(err)
			}
			c := *g
			c.as = n
			guests = append(guests, &c)
		case choose(40) == 0 && len(guests) > 1:
			g.as.DecUsers()
			guests = append(guests[:k], guests[k+1:]...)
		default:
			g.step(t, choose)
		}
		for _, g := range guests {
			g.check(t, m)
		}
	}
	for _, g := range guests {
		var total uint64
		for _, v := range g.as.VMAs(true) {
			total += v.Range.Len()
		}
		if u := g.as.Usage(); u.Size != total {
			t.Fatalf("%d bytes are counted, %d mapped", u.Size, total)
		}
		g.as.DecUsers()
	}
	if n := m.Usage(); n != 0 {
		t.Fatalf("%d bytes leaked", n)
	}
	if n := p.live.Load(); n != 0 {
		t.Fatalf("%d platform address spaces leaked", n)
	}
}

// TestAgainstModel runs random mappings, writes and forks in address spaces and
// their models.
func TestAgainstModel(t *testing.T) {
	games := uint64(30)
	if lock.Checking {
		games = 2
	}
	for seed := range games {
		r := rand.New(rand.NewPCG(seed, 5))
		steps := 150
		play(t, r.IntN, func() bool { steps--; return steps >= 0 })
	}
}

// FuzzModel is the same with choices made by the fuzzer.
func FuzzModel(f *testing.F) {
	f.Add([]byte("\x00\x05\x00\x0a\x05\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 600)]
		choose := func(n int) int {
			if len(data) == 0 {
				return 0
			}
			c := int(data[0]) % n
			data = data[1:]
			return c
		}
		play(t, choose, func() bool { return len(data) > 0 })
	})
}
