package proc

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The kinds of the maps files.
const (
	mapsPlain = iota
	mapsFull
	mapsRollup
)

type maps struct {
	p    pid
	kind int
}

// Content implements pseudo.Content.
func (f maps) Content(t current.Task, w *bytes.Buffer) error {
	if err := f.p.may(t); err != nil {
		return err
	}
	m := f.p.t.PeekMM()
	if m == nil {
		return nil
	}
	defer m.DecUsers()
	vmas := m.VMAs(f.kind != mapsPlain)
	if f.kind == mapsRollup {
		var sum mm.VMA
		for i := range vmas {
			v := &vmas[i]
			sum.RSS, sum.Private, sum.SharedRSS, sum.AnonRSS = sum.RSS+v.RSS, sum.Private+v.Private, sum.SharedRSS+v.SharedRSS, sum.AnonRSS+v.AnonRSS
		}
		if len(vmas) > 0 {
			fmt.Fprintf(w, "%08x-%08x ---p 00000000 00:00 0                                  [rollup]\n",
				uint64(vmas[0].Range.Start), uint64(vmas[len(vmas)-1].Range.End))
		}
		usageLines(w, &sum)
		return nil
	}
	for i := range vmas {
		mapLine(w, &vmas[i])
		if f.kind == mapsFull {
			v := &vmas[i]
			fmt.Fprintf(w, "Size:           %8d kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n", v.Range.Len()/1024)
			usageLines(w, v)
			fmt.Fprintf(w, "THPeligible:           0\nVmFlags: %s\n", vmFlags(v))
		}
	}
	return nil
}

func mapLine(w *bytes.Buffer, v *mm.VMA) {
	perms := []byte("---p")
	for i, b := range []struct {
		bit uint8
		c   byte
	}{{unix.PROT_READ, 'r'}, {unix.PROT_WRITE, 'w'}, {unix.PROT_EXEC, 'x'}} {
		if uint8(v.Prot)&b.bit != 0 {
			perms[i] = b.c
		}
	}
	if v.Shared {
		perms[3] = 's'
	}
	start := w.Len()
	fmt.Fprintf(w, "%08x-%08x %s %08x %02x:%02x %d", uint64(v.Range.Start), uint64(v.Range.End), perms, v.Offset,
		unix.Major(v.Dev), unix.Minor(v.Dev), v.Ino)
	if v.Path != "" {
		const column = 73
		for w.Len()-start < column-1 {
			w.WriteByte(' ')
		}
		w.WriteByte(' ')
		w.WriteString(escape(v.Path, "\n"))
	}
	w.WriteByte('\n')
}

// escape writes the characters of set in s as \ooo, as seq_path does.
func escape(s, set string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; bytes.IndexByte([]byte(set), c) >= 0 {
			b = fmt.Appendf(b, "\\%03o", c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func usageLines(w *bytes.Buffer, v *mm.VMA) {
	line := func(name string, n uint64) { fmt.Fprintf(w, "%-15s %8d kB\n", name+":", n/1024) }
	line("Rss", v.RSS)
	line("Pss", v.Private+v.SharedRSS/2)
	line("Shared_Clean", v.SharedRSS)
	line("Shared_Dirty", 0)
	line("Private_Clean", 0)
	line("Private_Dirty", v.Private)
	line("Referenced", v.RSS)
	line("Anonymous", v.AnonRSS)
	for _, n := range []string{"LazyFree", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss"} {
		line(n, 0)
	}
	locked := uint64(0)
	if v.Locked {
		locked = v.RSS
	}
	line("Locked", locked)
}

func vmFlags(v *mm.VMA) string {
	s := ""
	add := func(on bool, f string) {
		if on {
			s += f + " "
		}
	}
	add(v.Prot&unix.PROT_READ != 0, "rd")
	add(v.Prot&unix.PROT_WRITE != 0, "wr")
	add(v.Prot&unix.PROT_EXEC != 0, "ex")
	add(v.Shared, "sh")
	add(v.MaxProt&unix.PROT_READ != 0, "mr")
	add(v.MaxProt&unix.PROT_WRITE != 0, "mw")
	add(v.MaxProt&unix.PROT_EXEC != 0, "me")
	add(v.Shared, "ms")
	add(v.GrowsDown, "gd")
	add(v.Locked, "lo")
	return s
}

// mem is /proc/PID/mem.
type mem struct{ p pid }

// OpenFile implements pseudo.CustomFile.
func (m mem) OpenFile(t current.Task, _ *vfs.File) (vfs.FileImpl, error) {
	kt := task(t)
	if kt == nil || kt.MayAccess(m.p.t, true) != nil {
		return nil, unix.EACCES
	}
	space := m.p.t.PeekMM()
	if space == nil {
		return &memFile{}, nil
	}
	return &memFile{space: space}, nil
}

// memFile is an open /proc/PID/mem: it stays with the memory that it was opened
// on, whatever the process executes since.
type memFile struct {
	vfs.AlwaysReady
	vfs.NoIoctl
	space *mm.AddressSpace // with a user; nil of a process without memory
}

// chunk is how much is moved at a time.
const chunk = 64 << 10

// move copies up to n bytes at off through a buffer: get fills it, put takes it.
func (m *memFile) move(n uint64, off int64, step func(at usermem.Addr, b []byte) (int, error)) (int64, error) {
	if m.space == nil {
		return 0, nil
	}
	buf := make([]byte, min(n, chunk))
	var done int64
	for uint64(done) < n {
		k, err := step(usermem.Addr(off+done), buf[:min(uint64(len(buf)), n-uint64(done))])
		done += int64(k)
		if err != nil || k == 0 {
			if done > 0 {
				return done, nil
			}
			if err == unix.EFAULT {
				err = unix.EIO
			}
			return 0, err
		}
	}
	return done, nil
}

// Read implements vfs.FileImpl.
func (m *memFile) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	return m.move(dst.Len(), off, func(at usermem.Addr, b []byte) (int, error) {
		n, err := m.space.IgnorePerm().CopyIn(at, b)
		if n == 0 {
			return 0, err
		}
		return dst.CopyOut(b[:n])
	})
}

// Write implements vfs.FileImpl.
func (m *memFile) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	n, err := m.move(src.Len(), off, func(at usermem.Addr, b []byte) (int, error) {
		k, err := src.CopyIn(b)
		if k == 0 {
			return 0, err
		}
		return m.space.IgnorePerm().CopyOut(at, b[:k])
	})
	return n, off + n, err
}

// Seek implements vfs.Seeker: addresses above the middle are negative offsets.
func (m *memFile) Seek(_ current.Task, f *vfs.File, off int64, whence int32) (int64, error) {
	switch whence {
	case unix.SEEK_SET:
		return off, nil
	case unix.SEEK_CUR:
		return f.Offset() + off, nil
	}
	return 0, unix.EINVAL
}

// Release implements vfs.FileImpl.
func (m *memFile) Release(current.Task, *vfs.File) {
	if m.space != nil {
		m.space.DecUsers()
	}
}
