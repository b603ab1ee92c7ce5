package tmpfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// maxFile is the longest file, in bytes.
const maxFile = 1<<63 - pageSize

// file is an open regular file.
type file struct {
	vfs.AlwaysReady
	vfs.NoIoctl
	r *regular
}

// Open implements vfs.InodeImpl.
func (r *regular) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &file{r: r}, nil }

var (
	_ vfs.Mapper    = (*file)(nil)
	_ vfs.Seeker    = (*file)(nil)
	_ vfs.Allocater = (*file)(nil)
)

// size returns the file's length in bytes.
func (r *regular) size() int64 {
	r.pages.Lock()
	defer r.pages.Unlock()
	return r.pages.size
}

// Read implements vfs.FileImpl.
func (f *file) Read(_ current.Task, vf *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	r := f.r
	defer r.accessed(vf)
	var done int64
	for dst.Len() > 0 {
		size := r.size()
		if off >= size {
			break
		}
		n := min(dst.Len(), uint64(size-off))
		rg, ok := r.pin(uint64(off), n)
		var k int
		var err error
		if !ok {
			var z uint64
			z, err = dst.ZeroOut(min(n, pageSize-uint64(off)%pageSize))
			k = int(z)
		} else {
			r.fs.mem.Each(rg, func(b []byte) bool {
				var m int
				m, err = dst.CopyOut(b)
				k += m
				return err == nil
			})
			r.unpin(rg)
		}
		done += int64(k)
		off += int64(k)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
	}
	return done, nil
}

// Write implements vfs.FileImpl.
func (f *file) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	r := f.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages.Lock()
	size, seals := r.pages.size, r.pages.seals
	r.pages.Unlock()
	if off == vfs.Append {
		off = size
	}
	n := src.Len()
	switch {
	case n == 0:
		return 0, off, nil
	case seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0:
		return 0, off, unix.EPERM
	case off >= maxFile:
		return 0, off, unix.EFBIG
	case seals&unix.F_SEAL_GROW != 0 && uint64(off)+n > uint64(size):
		if off >= size {
			return 0, off, unix.EPERM
		}
		n = uint64(size - off)
	}
	n = min(n, uint64(maxFile-off))
	var done int64
	var err error
	for uint64(done) < n && err == nil {
		at := uint64(off + done)
		if err = r.fill(at, uint64(off)+n); err != nil {
			break
		}
		rg, ok := r.pin(at, n-uint64(done))
		if !ok {
			continue
		}
		r.fs.mem.Each(rg, func(b []byte) bool {
			var k int
			k, err = src.CopyIn(b)
			done += int64(k)
			return err == nil
		})
		r.unpin(rg)
	}
	if done == 0 {
		return 0, off, err
	}
	end := off + done
	r.pages.Lock()
	r.pages.size = max(r.pages.size, end)
	r.pages.Unlock()
	changed := now()
	r.mu.mtime, r.mu.ctime = changed, changed
	r.dropCaps()
	if r.mu.perm&(unix.S_ISUID|unix.S_ISGID) != 0 && !t.Cred().HasCap(unix.CAP_FSETID) {
		r.mu.perm &^= setIDs(r.mu.perm)
	}
	return done, end, nil
}

// setIDs are the bits that a write takes away.
func setIDs(perm uint32) uint32 {
	drop := perm & unix.S_ISUID
	if perm&unix.S_IXGRP != 0 {
		drop |= perm & unix.S_ISGID
	}
	return drop
}

// Map implements vfs.Mapper.
func (f *file) Map(_ current.Task, _ *vfs.File, o *mm.MapOpts) (mm.Mappable, error) {
	f.r.pages.Lock()
	seals := f.r.pages.seals
	f.r.pages.Unlock()
	if o.Shared && seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0 {
		if o.Prot&unix.PROT_WRITE != 0 {
			return nil, unix.EPERM
		}
		if o.MaxProt == 0 {
			o.MaxProt = unix.PROT_READ | unix.PROT_EXEC
		}
		o.MaxProt &^= unix.PROT_WRITE
	}
	return f.r, nil
}

// Seek implements vfs.Seeker: it knows holes.
func (f *file) Seek(_ current.Task, _ *vfs.File, off int64, whence int32) (int64, error) {
	r := f.r
	r.pages.Lock()
	defer r.pages.Unlock()
	size := r.pages.size
	switch whence {
	case unix.SEEK_SET:
	case unix.SEEK_END:
		off += size
	case unix.SEEK_DATA, unix.SEEK_HOLE:
		if off < 0 || off >= size {
			return 0, unix.ENXIO
		}
		return r.seekData(off, size, whence == unix.SEEK_DATA)
	default:
		return 0, unix.EINVAL
	}
	if off < 0 {
		return 0, unix.EINVAL
	}
	return off, nil
}

// seekData finds the next byte in a page run, or out of any. pages is locked.
func (r *regular) seekData(off, size int64, data bool) (int64, error) {
	m := &r.pages.m
	i := m.Search(uint64(off))
	if data {
		if i == m.Len() || int64(m.At(i).Start) >= size {
			return 0, unix.ENXIO
		}
		return max(off, int64(m.At(i).Start)), nil
	}
	for ; i < m.Len() && m.At(i).Start <= uint64(off); i++ {
		off = int64(m.At(i).End)
	}
	return min(off, size), nil
}

// Allocate implements vfs.Allocater.
func (f *file) Allocate(_ current.Task, _ *vfs.File, mode uint32, off, length int64) error {
	r := f.r
	const keep, punch = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE
	switch mode {
	case keep | punch:
		return r.PunchHole(uint64(off), uint64(length))
	case 0, keep:
	default:
		return unix.EOPNOTSUPP
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	end := off + length
	if end > maxFile {
		return unix.EFBIG
	}
	r.pages.Lock()
	seals, size := r.pages.seals, r.pages.size
	r.pages.Unlock()
	if mode&keep == 0 && end > size && seals&unix.F_SEAL_GROW != 0 {
		return unix.EPERM
	}
	for at := uint64(off); at < uint64(end); {
		if err := r.fill(at, uint64(end)); err != nil {
			return err
		}
		r.pages.Lock()
		at = r.pages.m.Find(at).End
		r.pages.Unlock()
	}
	if mode&keep == 0 {
		r.pages.Lock()
		r.pages.size = max(r.pages.size, end)
		r.pages.Unlock()
	}
	t := now()
	r.mu.mtime, r.mu.ctime = t, t
	return nil
}

// Sync implements vfs.Syncer.
func (*file) Sync(current.Task, *vfs.File, bool) error { return nil }

// Release implements vfs.FileImpl.
func (*file) Release(current.Task, *vfs.File) {}
