package mm

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

// fakePlatform has address spaces that remember what they were told.
type fakePlatform struct{ live atomic.Int32 }

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
	p.live.Add(1)
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
	s.p.live.Add(1)
	n := &fakeSpace{s.p, map[uint64]fakePage{}}
	for k, v := range s.pages {
		n.pages[k] = v
	}
	return n, nil
}

func (s *fakeSpace) Release() { s.p.live.Add(-1) }

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
	if n := testing.AllocsPerRun(100, func() { _, _ = as.CopyIn(a, b) }); n > 0 && !lock.Checking {
		t.Errorf("%v allocations", n)
	}
}

// TestManyThreads has goroutines change, fork and use one address space at the
// same time; each knows what its own mapping must hold.
func TestManyThreads(t *testing.T) {
	as, m, p := newSpace(t)
	var wg sync.WaitGroup
	for id := range byte(4) {
		wg.Go(func() {
			const n = 40
			for round := range byte(20) {
				a, err := as.Map(MapOpts{Length: n * pageSize, Prot: 3}, unlimited)
				if err != nil {
					t.Error(err)
					return
				}
				mark := bytes.Repeat([]byte{id*20 + round + 1}, pageSize+1)
				for i := usermem.Addr(0); i < n-1; i += 3 {
					if _, err := as.CopyOut(a+i*pageSize, mark); err != nil {
						t.Error(err)
					}
				}
				child, err := as.Fork()
				if err != nil {
					t.Error(err)
					return
				}
				_ = as.VMAs(true)
				for _, space := range []*AddressSpace{as, child} {
					got := make([]byte, len(mark))
					if _, err := space.CopyIn(a+3*pageSize, got); err != nil || !bytes.Equal(got, mark) {
						t.Errorf("holds %d, %v; want %d", got[0], err, mark[0])
					}
					_, _ = space.ZeroOut(a, n*pageSize)
				}
				child.DecUsers()
				if err := as.Unmap(a, n*pageSize); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	as.DecUsers()
	if m.Usage() != 0 || p.live.Load() != 0 {
		t.Errorf("%d bytes, %d platform address spaces are left", m.Usage(), p.live.Load())
	}
}
