package mm

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/mem"
	"hull/sentry/usermem"
)

var _ usermem.IO = (*AddressSpace)(nil)

// access is how the sentry itself touches guest memory: with the rights of
// guest code, or a debugger's.
type access struct {
	as    *AddressSpace
	force bool
}

// IgnorePerm returns the same memory as a debugger sees it: reads and writes
// that ignore vma protection as ptrace(2) and /proc/PID/mem do.
func (as *AddressSpace) IgnorePerm() usermem.IO { return access{as, true} }

// CopyIn implements usermem.IO.
func (as *AddressSpace) CopyIn(addr usermem.Addr, dst []byte) (int, error) {
	return access{as, false}.CopyIn(addr, dst)
}

// CopyOut implements usermem.IO.
func (as *AddressSpace) CopyOut(addr usermem.Addr, src []byte) (int, error) {
	return access{as, false}.CopyOut(addr, src)
}

// ZeroOut implements usermem.IO.
func (as *AddressSpace) ZeroOut(addr usermem.Addr, n uint64) (uint64, error) {
	return access{as, false}.ZeroOut(addr, n)
}

// Load32 implements usermem.IO.
func (as *AddressSpace) Load32(addr usermem.Addr) (uint32, error) {
	return access{as, false}.Load32(addr)
}

// CompareAndSwap32 implements usermem.IO.
func (as *AddressSpace) CompareAndSwap32(addr usermem.Addr, old, new uint32) (uint32, error) {
	return access{as, false}.CompareAndSwap32(addr, old, new)
}

// Direct implements usermem.IO.
func (as *AddressSpace) Direct(rs []usermem.Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	return access{as, false}.Direct(rs, max, write, f)
}

// piece is a run of pages that may be touched while pages is locked for
// reading.
type piece struct {
	pma
	pos uint64 // of the first byte asked for
	len uint64 // how many bytes from there
}

// at returns the piece that begins at addr, at most n bytes of it, with
// pages.RLock held if there is no error. It faults the pages in first.
func (a access) at(addr usermem.Addr, n uint64, write bool) (piece, error) {
	as := a.as
	for {
		as.pages.RLock()
		if s := as.pages.pmas.Find(uint64(addr)); s != nil && allowed(&s.Val, write) {
			off := uint64(addr) - s.Start
			return piece{pma: s.Val, pos: s.Val.pos + off, len: min(n, s.End-uint64(addr))}, nil
		}
		as.pages.RUnlock()
		if err := a.faultIn(addr, write); err != nil {
			return piece{}, err
		}
	}
}

// allowed reports whether a pma's pages may be touched as they are. What guest
// code may do by itself, the sentry may do for it; anything else is asked of
// the vma by faultIn, which leaves a note in the pma.
func allowed(p *pma, write bool) bool {
	switch {
	case p.host == noHost:
		return false
	case write:
		return p.host&unix.PROT_WRITE != 0
	}
	return p.host&unix.PROT_READ != 0
}

// faultIn makes the page at addr accessible, as a fault of guest code would.
func (a access) faultIn(addr usermem.Addr, write bool) error {
	if a.force {
		return unix.EFAULT
	}
	err := a.as.handleFault(addr, platform.Access{Read: !write, Write: write}, true)
	if err == nil || err == unix.ENOMEM {
		return err
	}
	return unix.EFAULT
}

// CopyIn implements usermem.IO.
func (a access) CopyIn(addr usermem.Addr, dst []byte) (int, error) {
	if a.force {
		return a.forced(addr, dst, false)
	}
	done := 0
	for done < len(dst) {
		p, err := a.at(addr+usermem.Addr(done), uint64(len(dst)-done), false)
		if err != nil {
			return done, err
		}
		n, err := a.as.load(&p, dst[done:done+int(p.len)])
		a.as.pages.RUnlock()
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// load copies from a piece.
func (as *AddressSpace) load(p *piece, dst []byte) (int, error) {
	if p.mem {
		n := 0
		for n < len(dst) {
			n += copy(dst[n:], as.mem.Slice(mem.Range{Start: p.pos + uint64(n), End: p.pos + uint64(len(dst))}))
		}
		return n, nil
	}
	n, err := readFull(p.fd, dst, int64(p.pos))
	if n < len(dst) && err == nil {
		// The rest of the last page is zero; beyond it is SIGBUS, which to a
		// system call is EFAULT.
		end := min(len(dst), n+int((pageSize-(p.pos+uint64(n))%pageSize)%pageSize))
		clear(dst[n:end])
		n = end
	}
	if n < len(dst) {
		return n, unix.EFAULT
	}
	return n, nil
}

// CopyOut implements usermem.IO.
func (a access) CopyOut(addr usermem.Addr, src []byte) (int, error) {
	if a.force {
		return a.forced(addr, src, true)
	}
	done := 0
	for done < len(src) {
		p, err := a.at(addr+usermem.Addr(done), uint64(len(src)-done), true)
		if err != nil {
			return done, err
		}
		n, err := a.as.store(&p, src[done:done+int(p.len)])
		a.as.pages.RUnlock()
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// store copies to a piece.
func (as *AddressSpace) store(p *piece, src []byte) (int, error) {
	if p.mem {
		n := 0
		for n < len(src) {
			n += copy(as.mem.Slice(mem.Range{Start: p.pos + uint64(n), End: p.pos + uint64(len(src))}), src[n:])
		}
		return n, nil
	}
	n := 0
	for n < len(src) {
		k, err := unix.Pwrite(p.fd, src[n:], int64(p.pos)+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, unix.EFAULT
		}
		n += k
	}
	return n, nil
}

// ZeroOut implements usermem.IO.
func (a access) ZeroOut(addr usermem.Addr, n uint64) (uint64, error) {
	var done uint64
	for done < n {
		p, err := a.at(addr+usermem.Addr(done), n-done, true)
		if err != nil {
			return done, err
		}
		k := p.len
		if p.mem {
			a.as.mem.Zero(mem.Range{Start: p.pos, End: p.pos + p.len})
		} else {
			k, err = a.as.zeroFile(&p)
		}
		a.as.pages.RUnlock()
		done += k
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// zeroFile clears the first bytes of a piece of a host file.
func (as *AddressSpace) zeroFile(p *piece) (uint64, error) {
	var zero [pageSize]byte
	n, err := as.store(p, zero[:min(p.len, pageSize)])
	return uint64(n), err
}

// forced copies as a debugger does, page by page.
func (a access) forced(addr usermem.Addr, b []byte, write bool) (int, error) {
	as := a.as
	as.mapping.RLock()
	defer as.mapping.RUnlock()
	as.pages.Lock()
	defer as.pages.Unlock()
	done := 0
	for done < len(b) {
		at := addr + usermem.Addr(done)
		s := as.mapping.vmas.Find(uint64(at))
		if s == nil || write && s.Val.shared && s.Val.prot&unix.PROT_WRITE == 0 {
			return done, unix.EFAULT
		}
		if _, err := as.ensure(s, uint64(at.RoundDown()), write); err != nil {
			return done, unix.EFAULT
		}
		q := as.pages.pmas.Find(uint64(at))
		off := uint64(at) - q.Start
		p := piece{pma: q.Val, pos: q.Val.pos + off, len: min(uint64(len(b)-done), q.End-uint64(at), s.End-uint64(at))}
		if write {
			// A copy-on-write break goes no further than its window.
			p.len = min(p.len, pageSize-uint64(at)%pageSize)
		}
		var n int
		var err error
		if write {
			n, err = as.store(&p, b[done:done+int(p.len)])
		} else {
			n, err = as.load(&p, b[done:done+int(p.len)])
		}
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// word reads the aligned word at addr and, if change and it is old, stores new
// there.
func (a access) word(addr usermem.Addr, change bool, old, new uint32) (uint32, error) {
	if addr%4 != 0 {
		return 0, unix.EINVAL
	}
	p, err := a.at(addr, 4, change)
	if err != nil {
		return 0, err
	}
	defer a.as.pages.RUnlock()
	if !p.mem {
		return a.as.wordOfFile(&p, change, old, new)
	}
	w := (*uint32)(unsafe.Pointer(unsafe.SliceData(a.as.mem.Slice(mem.Range{Start: p.pos, End: p.pos + 4}))))
	for {
		was := atomic.LoadUint32(w)
		if !change || was != old || atomic.CompareAndSwapUint32(w, old, new) {
			return was, nil
		}
	}
}

// wordOfFile is word in a host file: not atomic against other writers of the
// file.
func (as *AddressSpace) wordOfFile(p *piece, change bool, old, new uint32) (uint32, error) {
	var was uint32
	_, err := as.load(p, usermem.BytesOf(&was))
	if err != nil || !change || was != old {
		return was, err
	}
	_, err = as.store(p, usermem.BytesOf(&new))
	return was, err
}

// Load32 implements usermem.IO.
func (a access) Load32(addr usermem.Addr) (uint32, error) { return a.word(addr, false, 0, 0) }

// CompareAndSwap32 implements usermem.IO.
func (a access) CompareAndSwap32(addr usermem.Addr, old, new uint32) (uint32, error) {
	return a.word(addr, true, old, new)
}

// bounceSize bounds the buffer that stands for pages of host files, in bytes.
const bounceSize = 64 << 10

// Direct implements usermem.IO. Pages are pinned by references for as long as f
// runs: unmapping them meanwhile does not give them to somebody else.
func (a access) Direct(rs []usermem.Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	var pins pinned
	defer pins.release(a.as.mem)
	var fail error
	for _, r := range rs {
		for at := r.Start; at < r.End && max > 0 && fail == nil && !pins.full(); {
			var p piece
			if p, fail = a.at(at, min(uint64(r.End-at), max), write); fail != nil {
				break
			}
			if p.mem {
				pins.add(a.as.mem, p.pos, p.len)
				at += usermem.Addr(p.len)
				max -= p.len
			} else {
				fail = errBounce
			}
			a.as.pages.RUnlock()
		}
		if max == 0 || fail != nil || pins.full() {
			break
		}
	}
	if len(pins.iov) > 0 || fail == nil {
		return f(pins.iov)
	}
	if fail == errBounce {
		return a.bounce(rs, max, write, f)
	}
	return 0, fail
}

// errBounce says that memory is of a host file.
var errBounce = unix.ESTALE

// pinned are pages with a reference each, and iovecs over them.
type pinned struct {
	iov    []unix.Iovec
	ranges []mem.Range
}

func (p *pinned) full() bool { return len(p.iov) >= usermem.MaxIovecs-1 }

func (p *pinned) add(m *mem.File, pos, n uint64) {
	r := mem.Range{Start: pos &^ (pageSize - 1), End: (pos + n + pageSize - 1) &^ (pageSize - 1)}
	m.IncRef(r)
	p.ranges = append(p.ranges, r)
	m.Each(mem.Range{Start: pos, End: pos + n}, func(b []byte) bool {
		v := unix.Iovec{Base: &b[0]}
		v.SetLen(len(b))
		p.iov = append(p.iov, v)
		return true
	})
}

func (p *pinned) release(m *mem.File) {
	for _, r := range p.ranges {
		m.DecRef(r)
	}
}

// bounce serves Direct with a buffer: the first range begins in a host file's
// pages.
func (a access) bounce(rs []usermem.Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	buf := make([]byte, min(max, bounceSize))
	b := usermem.Vec(a, rs)
	if !write {
		n, err := b.CopyIn(buf)
		if n == 0 && err != nil {
			return 0, err
		}
		buf = buf[:n]
	}
	v := unix.Iovec{Base: &buf[0]}
	v.SetLen(len(buf))
	n, err := f([]unix.Iovec{v})
	if write && n > 0 {
		k, cerr := b.CopyOut(buf[:min(n, uint64(len(buf)))])
		if uint64(k) < n {
			return uint64(k), cerr
		}
	}
	return n, err
}
