package usermem

import "golang.org/x/sys/unix"

// Buffer is a cursor over the memory that a read fills or a write empties: one
// range or an iovec. It is passed by value and costs no allocation for one
// range. Copying to or from it moves it forward.
type Buffer struct {
	IO   IO
	one  Range   // the current range
	rest []Range // those after it; not owned
	n    uint64  // bytes left in all
}

// One returns a buffer over [addr, addr+n). n is cut to MaxRW.
func One(io IO, addr Addr, n uint64) Buffer {
	n = min(n, MaxRW)
	return Buffer{IO: io, one: Range{addr, addr + Addr(n)}, n: n}
}

// Vec returns a buffer over rs in order, cut to MaxRW in all. rs must not
// change while the buffer is in use.
func Vec(io IO, rs []Range) Buffer {
	b := Buffer{IO: io}
	for _, r := range rs {
		b.n += r.Len()
	}
	b.n = min(b.n, MaxRW)
	if len(rs) > 0 {
		b.one, b.rest = rs[0], rs[1:]
	}
	return b
}

// Len returns how many bytes are left.
func (b *Buffer) Len() uint64 { return b.n }

// Take returns a buffer over the first n bytes of what is left, without moving
// b.
func (b Buffer) Take(n uint64) Buffer {
	b.n = min(b.n, n)
	return b
}

// Skip moves b forward by n bytes.
func (b *Buffer) Skip(n uint64) {
	n = min(n, b.n)
	b.n -= n
	for n > 0 {
		k := min(n, b.one.Len())
		b.one.Start += Addr(k)
		n -= k
		b.settle()
	}
}

// settle leaves empty ranges behind.
func (b *Buffer) settle() {
	for b.one.Len() == 0 && len(b.rest) > 0 {
		b.one, b.rest = b.rest[0], b.rest[1:]
	}
}

// CopyOut writes src to the buffer and moves it forward. The count is short
// when the buffer ends or with an error.
func (b *Buffer) CopyOut(src []byte) (int, error) {
	return b.each(uint64(len(src)), func(a Addr, off, k uint64) (uint64, error) {
		n, err := b.IO.CopyOut(a, src[off:off+k])
		return uint64(n), err
	})
}

// CopyIn fills dst from the buffer and moves it forward.
func (b *Buffer) CopyIn(dst []byte) (int, error) {
	return b.each(uint64(len(dst)), func(a Addr, off, k uint64) (uint64, error) {
		n, err := b.IO.CopyIn(a, dst[off:off+k])
		return uint64(n), err
	})
}

// ZeroOut writes n zero bytes and moves the buffer forward.
func (b *Buffer) ZeroOut(n uint64) (uint64, error) {
	done, err := b.each(n, func(a Addr, _, k uint64) (uint64, error) { return b.IO.ZeroOut(a, k) })
	return uint64(done), err
}

// each calls f for each piece of the next n bytes, moving forward by what it
// returns.
func (b *Buffer) each(n uint64, f func(a Addr, off, k uint64) (uint64, error)) (int, error) {
	n = min(n, b.n)
	var done uint64
	for done < n {
		b.settle()
		k := min(n-done, b.one.Len())
		m, err := f(b.one.Start, done, k)
		b.one.Start += Addr(m)
		b.n -= m
		done += m
		if err != nil {
			return int(done), err
		}
	}
	return int(done), nil
}

// Direct offers up to max bytes of the buffer to f as host iovecs (see
// IO.Direct) and moves the buffer forward by what f returns.
func (b *Buffer) Direct(max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	b.settle()
	max = min(max, b.n)
	var rs []Range
	if max <= b.one.Len() {
		rs = []Range{{b.one.Start, b.one.Start + Addr(max)}}
	} else {
		rs = append(append(make([]Range, 0, 1+len(b.rest)), b.one), b.rest...)
	}
	n, err := b.IO.Direct(rs, max, write, f)
	b.Skip(n)
	return n, err
}

// Bytes is guest memory that is a Go slice: address 0 is its first byte. The
// sentry uses it to read and write files itself; tests use it as a guest.
type Bytes []byte

// BytesBuffer returns a buffer over all of p.
func BytesBuffer(p []byte) Buffer { return One(Bytes(p), 0, uint64(len(p))) }

func (m Bytes) at(addr Addr, n uint64) ([]byte, error) {
	if uint64(addr) >= uint64(len(m)) {
		if n == 0 {
			return nil, nil
		}
		return nil, unix.EFAULT
	}
	s := m[addr:]
	if uint64(len(s)) < n {
		return s, unix.EFAULT
	}
	return s[:n], nil
}

// CopyIn implements IO.
func (m Bytes) CopyIn(addr Addr, dst []byte) (int, error) {
	s, err := m.at(addr, uint64(len(dst)))
	return copy(dst, s), err
}

// CopyOut implements IO.
func (m Bytes) CopyOut(addr Addr, src []byte) (int, error) {
	s, err := m.at(addr, uint64(len(src)))
	return copy(s, src), err
}

// ZeroOut implements IO.
func (m Bytes) ZeroOut(addr Addr, n uint64) (uint64, error) {
	s, err := m.at(addr, n)
	clear(s)
	return uint64(len(s)), err
}

// Load32 implements IO.
func (m Bytes) Load32(addr Addr) (uint32, error) {
	s, err := m.at(addr, 4)
	if err != nil {
		return 0, err
	}
	return hostOrder.Uint32(s), nil
}

// CompareAndSwap32 implements IO; it is not atomic.
func (m Bytes) CompareAndSwap32(addr Addr, old, new uint32) (uint32, error) {
	s, err := m.at(addr, 4)
	if err != nil {
		return 0, err
	}
	was := hostOrder.Uint32(s)
	if was == old {
		hostOrder.PutUint32(s, new)
	}
	return was, nil
}

// Direct implements IO.
func (m Bytes) Direct(rs []Range, max uint64, _ bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	var iov []unix.Iovec
	for _, r := range rs {
		n := min(r.Len(), max)
		if n == 0 {
			continue
		}
		s, err := m.at(r.Start, n)
		if len(s) > 0 {
			v := unix.Iovec{Base: &s[0]}
			v.SetLen(len(s))
			iov = append(iov, v)
		}
		if err != nil {
			break
		}
		max -= n
	}
	if len(iov) == 0 && max > 0 {
		return 0, unix.EFAULT
	}
	return f(iov)
}
