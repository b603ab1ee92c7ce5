package mm

import (
	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mem"
)

// Fork returns a copy for fork(2): private memory is shared until written.
func (as *AddressSpace) Fork() (*AddressSpace, error) {
	n := &AddressSpace{mem: as.mem, plat: as.plat, pool: as.pool, layout: as.layout}
	n.users.Store(1)
	as.mapping.Lock()
	defer as.mapping.Unlock()
	n.mapping.Nested() // nobody else has it yet
	defer n.mapping.Unlock()
	if err := as.forkVMAs(n); err != nil {
		n.abandon()
		return nil, err
	}
	as.pages.Lock()
	as.forkPages(n)
	err := as.forkHost(n)
	as.pages.Unlock()
	if err != nil {
		n.abandon()
		return nil, hostError(err)
	}
	return n, nil
}

// forkVMAs copies the vmas to n. Both are locked.
func (as *AddressSpace) forkVMAs(n *AddressSpace) error {
	for i := range as.mapping.vmas.Len() {
		s := *as.mapping.vmas.At(i)
		if s.Val.dontFork {
			continue
		}
		v := *s.Val
		v.lock = unlocked // memory locks are not inherited
		s.Val = &v
		if v.file != nil {
			if err := v.file.AddMapping(n, rangeOf(&s), v.off, v.shared && v.max&unix.PROT_WRITE != 0); err != nil {
				return err
			}
		}
		if v.name != nil {
			v.name.IncRef()
		}
		n.mapping.vmas.Insert(s)
		n.account(&v, s.End-s.Start, +1)
	}
	n.mapping.brkBase, n.mapping.brk, n.mapping.info = as.mapping.brkBase, as.mapping.brk, as.mapping.info
	if e := n.mapping.info.Exe; e != nil {
		e.IncRef()
	}
	return nil
}

// forkPages gives n the pages. Private ones become copy-on-write in both, and
// the platform is told to allow no more writes. as is locked, n nobody's yet.
func (as *AddressSpace) forkPages(n *AddressSpace) {
	var from, to uint64
	var prot platform.Prot
	flush := func() {
		if from < to {
			_ = as.host.Protect(from, to-from, prot) // a failure is Switch's to report
		}
		from, to = 0, 0
	}
	m := &as.pages.pmas
	for i := range as.mapping.vmas.Len() {
		if s := as.mapping.vmas.At(i); s.Val.dontFork || s.Val.wipeFork {
			m.SplitAt(s.Start, splitPMA)
			m.SplitAt(s.End, splitPMA)
		}
	}
	for i := range m.Len() {
		s := m.At(i)
		v := n.mapping.vmas.Find(s.Start)
		if v == nil || v.Val.wipeFork {
			continue // MADV_DONTFORK, MADV_WIPEONFORK
		}
		if s.Val.anon {
			s.Val.cow = true
			if s.Val.host != noHost && s.Val.host&unix.PROT_WRITE != 0 {
				s.Val.host &^= unix.PROT_WRITE
				if to != s.Start || prot != s.Val.host {
					flush()
					from, prot = s.Start, s.Val.host
				}
				to = s.End
			}
		}
		if s.Val.mem {
			as.mem.IncRef(mem.Range{Start: s.Val.pos, End: s.Val.pos + s.End - s.Start})
		}
		n.pages.pmas.Insert(*s)
		n.pages.rss[s.Val.kind()] += s.End - s.Start
	}
	flush()
	n.pages.peak = n.pages.rss[0] + n.pages.rss[1] + n.pages.rss[2]
}

// forkHost makes n's host side: a copy of as's where the platform can, else an
// empty one.
func (as *AddressSpace) forkHost(n *AddressSpace) error {
	f, ok := as.host.(platform.Forker)
	var err error
	if ok {
		n.host, err = f.Fork()
	} else {
		n.host, err = as.plat.NewAddressSpace()
	}
	if err != nil {
		return err
	}
	if !ok {
		for i := range n.pages.pmas.Len() {
			n.pages.pmas.At(i).Val.host = noHost
		}
		return nil
	}
	// What the copy has that n has not.
	m := &as.pages.pmas
	for i := range m.Len() {
		s := m.At(i)
		if s.Val.host != noHost && n.pages.pmas.Find(s.Start) == nil {
			if err := n.host.Unmap(s.Start, s.End-s.Start); err != nil {
				return err
			}
		}
	}
	return nil
}

// abandon takes back what a fork that failed did to n.
func (as *AddressSpace) abandon() {
	as.release()
	if e := as.mapping.info.Exe; e != nil {
		e.DecRef()
	}
}
