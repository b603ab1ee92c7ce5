package mm

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/rangemap"
	"hull/sentry/usermem"
)

// AddressSpace is what a thread group sees as memory. It implements
// usermem.IO and Space.
//
// Its vmas say what the guest asked for; its pmas say which pages there are.
// Guest code sees a third thing, what the platform has been told to map: never
// more than the pmas allow, and any part of it may be missing.
type AddressSpace struct {
	mem  *mem.File
	plat platform.Platform     `snapshot:"-"`
	host platform.AddressSpace `snapshot:"-"`
	pool *mem.Pool             // immutable once there are pages: what its memory is of; nil for what all share

	users  atomic.Int64
	layout layout // immutable but in SetBrk's and Brk's own fields

	// mapping guards the vmas. It is outer to pages.
	mapping struct {
		lock.RWMutex[lock.MMMapping]
		vmas         rangemap.Map[*vma]
		total        uint64 // bytes mapped
		peak         uint64
		data         uint64 // bytes of private writable memory that is no stack
		locked       uint64
		defLocked    lockMode // mlockall(MCL_FUTURE)
		brkBase, brk usermem.Addr
		info         Info
	}

	// pages guards the pmas and everything that is told to the platform.
	pages struct {
		lock.RWMutex[lock.MMPages]
		pmas   rangemap.Map[pma]
		rss    [3]uint64 // bytes by kind of pma
		peak   uint64
		fresh  window // of anonymous memory
		copies window // of copies on write
		own    bool   // while a fault is served: it is the sentry's
		tell   bool   // and the host is to count what it got for the guest
	}
}

// The kinds of resident memory, as /proc/PID/status tells them apart.
const (
	rssAnon = iota
	rssFile
	rssShmem
)

// vma is a mapping: vm_area_struct. Its fields change under mapping.Lock only;
// start and end are those of its segment.
type vma struct {
	prot, max platform.Prot
	shared    bool
	growsDown bool
	lock      lockMode
	noReserve bool
	stack     bool
	dontFork  bool
	wipeFork  bool
	dontDump  bool

	file  Mappable // nil: private anonymous
	off   uint64   // in file, of the first byte
	name  Named    // with a reference; nil if none
	label string
}

// lockMode is what mlock(2) asked for.
type lockMode uint8

const (
	unlocked lockMode = iota
	lockedOnFault
	locked
)

// pma is a run of pages that the address space has.
type pma struct {
	// pos is where the first page lies: in sandbox memory if mem, each page
	// with a reference of the pma's own; else in the host file fd.
	pos uint64
	fd  int
	mem bool
	// anon pages belong to this address space and those it was forked with;
	// others belong to the file of the vma.
	anon bool
	// cow pages may have other owners and are copied before they are written.
	cow bool
	// max is the most that a shared mapping of file pages may allow.
	max platform.Prot
	// host is what the platform was told to allow; noHost if nothing is mapped.
	host platform.Prot
}

// noHost in pma.host says that the platform has no mapping of it.
const noHost platform.Prot = 0x80

type (
	vmaSeg = rangemap.Segment[*vma]
	pmaSeg = rangemap.Segment[pma]
)

// New returns an empty address space with a fresh random layout and one user.
// personality is personality(2)'s; stackLimit is RLIMIT_STACK's soft limit, as
// mmap_base depends on it.
func New(m *mem.File, p platform.Platform, personality uint32, stackLimit uint64) (*AddressSpace, error) {
	host, err := p.NewAddressSpace()
	if err != nil {
		return nil, hostError(err)
	}
	as := &AddressSpace{mem: m, plat: p, host: host, layout: newLayout(p.MaxAddress(), personality, stackLimit)}
	as.users.Store(1)
	return as, nil
}

// SetPool has the address space, which has no pages yet, and those that it is
// forked to, take memory from a pool.
func (as *AddressSpace) SetPool(p *mem.Pool) { as.pool = p }

// hostError is the errno in an error of the platform that says that the host has
// no room for an address space; other errors stay what they are.
func hostError(err error) error {
	for _, errno := range [...]unix.Errno{unix.ENOMEM, unix.EAGAIN} {
		if errors.Is(err, errno) {
			return errno
		}
	}
	return err
}

// IncUsers adds a user: a task that runs in the address space (CLONE_VM), or
// one that looks into it for a while (/proc). It is false when the last one is
// gone already.
func (as *AddressSpace) IncUsers() bool {
	for {
		n := as.users.Load()
		if n == 0 {
			return false
		}
		if as.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// DecUsers drops a user; with the last one everything is unmapped.
func (as *AddressSpace) DecUsers() {
	if as.users.Add(-1) != 0 {
		return
	}
	as.mapping.Lock()
	as.release()
	exe := as.mapping.info.Exe
	as.mapping.info.Exe = nil
	as.mapping.Unlock()
	if exe != nil {
		exe.DecRef()
	}
}

// release gives up everything: first what guest code could reach, then what it
// was. mapping is locked.
func (as *AddressSpace) release() {
	as.pages.Lock()
	if as.host != nil {
		as.host.Release()
	}
	for i := range as.pages.pmas.Len() {
		as.dropPages(as.pages.pmas.At(i))
	}
	as.pages.pmas.Clear()
	as.pages.Unlock()
	for i := range as.mapping.vmas.Len() {
		as.closeVMA(as.mapping.vmas.At(i))
	}
	as.mapping.vmas.Clear()
}

// Host returns what the platform's contexts switch to.
func (as *AddressSpace) Host() platform.AddressSpace { return as.host }

// Info returns a copy of the layout.
func (as *AddressSpace) Info() Info {
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	return as.mapping.info
}

// SetInfo replaces the layout. It takes a reference of its own on i.Exe.
func (as *AddressSpace) SetInfo(i Info) {
	if i.Exe != nil {
		i.Exe.IncRef()
	}
	as.mapping.Lock()
	old := as.mapping.info.Exe
	as.mapping.info = i
	as.mapping.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// splitVMA is rangemap's splitter of vmas.
func splitVMA(v **vma, by uint64) *vma {
	tail := **v
	if tail.file != nil {
		tail.off += by
	}
	if tail.name != nil {
		tail.name.IncRef()
	}
	return &tail
}

// splitPMA is rangemap's splitter of pmas.
func splitPMA(p *pma, by uint64) pma {
	tail := *p
	tail.pos += by
	return tail
}

// closeVMA gives up what a vma holds. mapping is locked.
func (as *AddressSpace) closeVMA(s *vmaSeg) {
	v := s.Val
	if v.file != nil {
		v.file.RemoveMapping(as, rangeOf(s), v.off, v.shared && v.max&unix.PROT_WRITE != 0)
	}
	if v.name != nil {
		v.name.DecRef()
	}
}

func rangeOf(s *vmaSeg) usermem.Range {
	return usermem.Range{Start: usermem.Addr(s.Start), End: usermem.Addr(s.End)}
}

// dropPages gives up the pages of a pma and takes them out of the counts.
// pages is locked; the platform's mapping is the caller's to remove.
func (as *AddressSpace) dropPages(s *pmaSeg) {
	n := s.End - s.Start
	as.pages.rss[s.Val.kind()] -= n
	if s.Val.mem {
		as.decRef(mem.Range{Start: s.Val.pos, End: s.Val.pos + n})
	}
}

func (p *pma) kind() int {
	switch {
	case p.anon:
		return rssAnon
	case p.mem:
		return rssShmem
	}
	return rssFile
}

// removePages drops the pmas in [start, end), and the platform's mapping of
// them. pages is locked.
func (as *AddressSpace) removePages(start, end uint64) {
	m := &as.pages.pmas
	m.SplitAt(start, splitPMA)
	m.SplitAt(end, splitPMA)
	i, j := m.Between(start, end)
	if i == j {
		return
	}
	// Guest code must lose the pages before somebody else may get them.
	for k := i; k < j; {
		for k < j && m.At(k).Val.host == noHost {
			k++
		}
		from := k
		for k < j && m.At(k).Val.host != noHost && (k == from || m.At(k-1).End == m.At(k).Start) {
			k++
		}
		if from < k {
			_ = as.host.Unmap(m.At(from).Start, m.At(k-1).End-m.At(from).Start) // a failure is Switch's to report
		}
	}
	for k := i; k < j; k++ {
		as.dropPages(m.At(k))
	}
	m.RemoveAt(i, j)
}
