package mm

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// fakePlatform has address spaces that remember what they were told.
type fakePlatform struct{ live int }

type fakeSpace struct {
	p     *fakePlatform
	pages map[uint64]fakePage
}

type fakePage struct {
	fd   int
	pos  int64
	prot platform.Prot
}

func (p *fakePlatform) NewAddressSpace() (platform.AddressSpace, error) {
	p.live++
	return &fakeSpace{p, map[uint64]fakePage{}}, nil
}
func (p *fakePlatform) NewContext() platform.Context { return nil }
func (p *fakePlatform) MaxAddress() uint64           { return 1 << 47 }
func (p *fakePlatform) Release()                     {}

func (s *fakeSpace) Map(addr, n uint64, fd int, off int64, prot platform.Prot) error {
	for i := uint64(0); i < n; i += pageSize {
		s.pages[addr+i] = fakePage{fd, off + int64(i), prot &^ platform.Commit}
	}
	return nil
}

func (s *fakeSpace) Unmap(addr, n uint64) error {
	for i := uint64(0); i < n; i += pageSize {
		delete(s.pages, addr+i)
	}
	return nil
}

func (s *fakeSpace) Protect(addr, n uint64, prot platform.Prot) error {
	for i := uint64(0); i < n; i += pageSize {
		if p, ok := s.pages[addr+i]; ok {
			p.prot = prot
			s.pages[addr+i] = p
		}
	}
	return nil
}

func (s *fakeSpace) Fork() (platform.AddressSpace, error) {
	s.p.live++
	n := &fakeSpace{s.p, map[uint64]fakePage{}}
	for k, v := range s.pages {
		n.pages[k] = v
	}
	return n, nil
}

func (s *fakeSpace) Release() { s.p.live-- }

var unlimited = Limits{AS: ^uint64(0), Data: ^uint64(0), Stack: 8 << 20, MemLock: ^uint64(0), Unlimited: true}

func newSpace(t *testing.T) (*AddressSpace, *mem.File, *fakePlatform) {
	t.Helper()
	m, err := mem.New(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Release)
	p := &fakePlatform{}
	as, err := New(m, p, noRandomize, 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	return as, m, p
}

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
func (g *guest) step(t *testing.T, r *rand.Rand) {
	i := r.IntN(arena)
	n := 1 + r.IntN(min(arena-i, 20))
	addr, length := page(i), uint64(n)*pageSize
	rw := platform.Prot(unix.PROT_READ | unix.PROT_WRITE)
	switch r.IntN(8) {
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
		prot := []platform.Prot{0, unix.PROT_READ, rw}[r.IntN(3)]
		err := g.as.Protect(addr, length, prot, false)
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
	default:
		v := byte(r.IntN(255))
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

// TestAgainstModel runs random mappings, writes and forks in address spaces and
// their models.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		as, m, p := newSpace(t)
		first := &guest{as: as}
		for i := range first.model {
			first.model[i] = -1
		}
		guests := []*guest{first}
		r := rand.New(rand.NewPCG(seed, 5))
		for range 150 {
			k := r.IntN(len(guests))
			g := guests[k]
			switch {
			case r.IntN(20) == 0 && len(guests) < 5:
				n, err := g.as.Fork()
				if err != nil {
					t.Fatal(err)
				}
				c := *g
				c.as = n
				guests = append(guests, &c)
			case r.IntN(40) == 0 && len(guests) > 1:
				g.as.DecUsers()
				guests = append(guests[:k], guests[k+1:]...)
			default:
				g.step(t, r)
			}
			for _, g := range guests {
				g.check(t, m)
			}
		}
		for _, g := range guests {
			g.as.DecUsers()
		}
		if n := m.Usage(); n != 0 {
			t.Fatalf("seed %d: %d bytes leaked", seed, n)
		}
		if p.live != 0 {
			t.Fatalf("seed %d: %d platform address spaces leaked", seed, p.live)
		}
	}
}

func TestSharedAnonymousSurvivesFork(t *testing.T) {
	as, m, _ := newSpace(t)
	a, err := as.Map(MapOpts{Length: 3 * pageSize, Prot: 3, Shared: true}, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	n, err := as.Fork()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.CopyOut(a+pageSize, []byte("seen")); err != nil {
		t.Fatal(err)
	}
	var b [4]byte
	if _, err := as.CopyIn(a+pageSize, b[:]); err != nil || string(b[:]) != "seen" {
		t.Errorf("the parent reads %q, %v", b, err)
	}
	k1, err1 := as.FutexKey(a+8, false)
	k2, err2 := n.FutexKey(a+8, false)
	if err1 != nil || err2 != nil || k1 != k2 {
		t.Errorf("futex keys differ: %v %v, %v %v", k1, k2, err1, err2)
	}
	as.DecUsers()
	n.DecUsers()
	if u := m.Usage(); u != 0 {
		t.Errorf("%d bytes leaked", u)
	}
}

func TestRemapMovesPages(t *testing.T) {
	as, _, _ := newSpace(t)
	defer as.DecUsers()
	a, _ := as.Map(MapOpts{Length: 2 * pageSize, Prot: 3}, unlimited)
	if _, err := as.CopyOut(a+pageSize, []byte("moved")); err != nil {
		t.Fatal(err)
	}
	if _, err := as.Remap(a, 2*pageSize, 64*pageSize, 0, 0, unlimited); err != nil && err != unix.ENOMEM {
		t.Fatal(err)
	}
	b, err := as.Remap(a, 2*pageSize, 128*pageSize, unix.MREMAP_MAYMOVE, 0, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	var s [5]byte
	if _, err := as.CopyIn(b+pageSize, s[:]); err != nil || string(s[:]) != "moved" {
		t.Errorf("after mremap: %q, %v", s, err)
	}
	if b != a {
		if _, err := as.CopyIn(a, s[:]); err != unix.EFAULT {
			t.Errorf("the old place: %v, want EFAULT", err)
		}
	}
}

func TestStackGrows(t *testing.T) {
	as, _, _ := newSpace(t)
	defer as.DecUsers()
	top := usermem.Addr(1 << 40)
	_, err := as.Map(MapOpts{Addr: top - 4*pageSize, Length: 4 * pageSize, Prot: 3, Fixed: true, GrowsDown: true}, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	if err := as.HandleFault(top-100*pageSize, platform.Access{Write: true}); err != nil {
		t.Errorf("100 pages below: %v", err)
	}
	if err := as.HandleFault(top-(9<<20), platform.Access{Write: true}); err == nil {
		t.Error("the stack grew beyond its limit")
	}
}

func TestCopyInDoesNotAllocate(t *testing.T) {
	as, _, _ := newSpace(t)
	defer as.DecUsers()
	a, _ := as.Map(MapOpts{Length: pageSize, Prot: 3}, unlimited)
	b := make([]byte, 64)
	_, _ = as.CopyOut(a, b)
	if n := testing.AllocsPerRun(100, func() { _, _ = as.CopyIn(a, b) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
