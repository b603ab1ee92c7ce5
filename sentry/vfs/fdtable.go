package vfs

import (
	"math/bits"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
)

// FDTable maps descriptors to files: files_struct. It is shared by CLONE_FILES.
type FDTable struct {
	refs atomic.Int64
	mu   struct {
		lock.RWMutex[lock.FDTable]
		// fds has a power of two of slots, 64 or more, as Linux's fdtable has:
		// select(2) lets the guest see how many.
		fds  []descriptor
		used []uint64 // a bit a descriptor that is in use
		low  int      // no descriptor below is free
	}
	locks atomic.Bool // POSIX locks may be held by it
}

// descriptor is one slot; file is nil if it is free.
type descriptor struct {
	file    *File
	cloexec bool
}

// maxFDs is /proc/sys/fs/nr_open.
const maxFDs = 1 << 20

// NewFDTable returns an empty table with one reference.
func NewFDTable() *FDTable {
	ft := &FDTable{}
	ft.refs.Store(1)
	ft.mu.fds, ft.mu.used = make([]descriptor, minSlots), make([]uint64, minSlots/64)
	return ft
}

// minSlots is NR_OPEN_DEFAULT: the slots of a table of few files.
const minSlots = 64

// Slots returns how many numbers the table has room for now. A greater number
// is not in use.
func (ft *FDTable) Slots() int {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	return len(ft.mu.fds)
}

// IncRef adds a reference.
func (ft *FDTable) IncRef() { ft.refs.Add(1) }

// DecRef drops a reference; with the last everything is closed.
func (ft *FDTable) DecRef(t current.Task) {
	if ft.refs.Add(-1) != 0 {
		return
	}
	ft.mu.Lock()
	fds := ft.mu.fds
	ft.mu.fds, ft.mu.used = nil, nil
	ft.mu.Unlock()
	for _, d := range fds {
		if d.file != nil {
			ft.release(t, d.file)
		}
	}
}

// release is what closing a descriptor does to its file.
func (ft *FDTable) release(t current.Task, f *File) {
	if ft.locks.Load() && f.Path.Dentry != nil {
		f.Path.Inode().dropLocks(ft)
	}
	if fl, ok := f.impl.(Flusher); ok && t != nil {
		_ = fl.Flush(t, f) // exec and exit have nobody to tell
	}
	f.DecRef(t)
}

// Fork returns a copy whose files are shared. It has no more slots than the open
// files need.
func (ft *FDTable) Fork() *FDTable {
	n := NewFDTable()
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	slots := len(ft.mu.fds)
	for slots > minSlots && empty(ft.mu.used[slots/2/64:slots/64]) {
		slots /= 2
	}
	n.mu.fds = append([]descriptor(nil), ft.mu.fds[:slots]...)
	n.mu.used = append([]uint64(nil), ft.mu.used[:slots/64]...)
	n.mu.low = min(ft.mu.low, slots)
	for _, d := range n.mu.fds {
		if d.file != nil {
			d.file.IncRef()
		}
	}
	return n
}

func empty(bitmap []uint64) bool {
	for _, w := range bitmap {
		if w != 0 {
			return false
		}
	}
	return true
}

// CloseOnExec closes what has FD_CLOEXEC.
func (ft *FDTable) CloseOnExec(t current.Task) {
	ft.mu.Lock()
	var gone []*File
	for fd, d := range ft.mu.fds {
		if d.file != nil && d.cloexec {
			gone = append(gone, d.file)
			ft.clear(fd)
		}
	}
	ft.mu.Unlock()
	for _, f := range gone {
		ft.release(t, f)
	}
}

// clear empties a slot. mu is held.
func (ft *FDTable) clear(fd int) {
	ft.mu.fds[fd] = descriptor{}
	ft.mu.used[fd/64] &^= 1 << (fd % 64)
	ft.mu.low = min(ft.mu.low, fd)
}

// set fills a slot. mu is held.
func (ft *FDTable) set(fd int, f *File, cloexec bool) {
	for len(ft.mu.fds) <= fd {
		n := max(minSlots, 2*len(ft.mu.fds))
		fds := make([]descriptor, n)
		copy(fds, ft.mu.fds)
		used := make([]uint64, n/64)
		copy(used, ft.mu.used)
		ft.mu.fds, ft.mu.used = fds, used
	}
	ft.mu.fds[fd] = descriptor{f, cloexec}
	ft.mu.used[fd/64] |= 1 << (fd % 64)
}

// lowest returns the lowest free number from min on. mu is held.
func (ft *FDTable) lowest(from int) int {
	fd := max(from, ft.mu.low)
	for fd/64 < len(ft.mu.used) {
		w := ^ft.mu.used[fd/64] >> (fd % 64)
		if w != 0 {
			fd += bits.TrailingZeros64(w)
			break
		}
		fd = (fd/64 + 1) * 64
	}
	if from <= ft.mu.low {
		ft.mu.low = fd
	}
	return fd
}

// Install puts f (whose reference it takes over) at the lowest free number from
// min on that is below limit (RLIMIT_NOFILE). EMFILE; the reference is then
// still the caller's.
func (ft *FDTable) Install(f *File, min int32, cloexec bool, limit uint64) (int32, error) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	if min < 0 || uint64(min) >= limit {
		return -1, unix.EINVAL
	}
	fd := ft.lowest(int(min))
	if uint64(fd) >= limit || fd >= maxFDs {
		return -1, unix.EMFILE
	}
	ft.set(fd, f, cloexec)
	return int32(fd), nil
}

// Full reports whether there is no free number below limit.
func (ft *FDTable) Full(limit uint64) bool {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	fd := ft.lowest(0)
	return uint64(fd) >= limit || fd >= maxFDs
}

// InstallAt puts f at fd, closing what is there: dup2(2). It takes f's
// reference over unless it fails: EBADF for a number beyond limit.
func (ft *FDTable) InstallAt(t current.Task, f *File, fd int32, cloexec bool, limit uint64) error {
	if fd < 0 || uint64(fd) >= limit || fd >= maxFDs {
		return unix.EBADF
	}
	ft.mu.Lock()
	var old *File
	if int(fd) < len(ft.mu.fds) {
		old = ft.mu.fds[fd].file
	}
	ft.set(int(fd), f, cloexec)
	ft.mu.Unlock()
	if old != nil {
		ft.release(t, old)
	}
	return nil
}

// Get returns the file at fd with a reference, or EBADF. O_PATH files are given
// only by GetPath.
func (ft *FDTable) Get(fd int32) (*File, error) {
	f, err := ft.GetPath(fd)
	if err == nil && f.impl == nil {
		f.DecRef(nil)
		return nil, unix.EBADF
	}
	return f, err
}

// GetPath is Get that gives O_PATH files too.
func (ft *FDTable) GetPath(fd int32) (*File, error) {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	if fd < 0 || int(fd) >= len(ft.mu.fds) || ft.mu.fds[fd].file == nil {
		return nil, unix.EBADF
	}
	f := ft.mu.fds[fd].file
	f.IncRef()
	return f, nil
}

// Close removes fd: close(2).
func (ft *FDTable) Close(t current.Task, fd int32) error {
	ft.mu.Lock()
	if fd < 0 || int(fd) >= len(ft.mu.fds) || ft.mu.fds[fd].file == nil {
		ft.mu.Unlock()
		return unix.EBADF
	}
	f := ft.mu.fds[fd].file
	ft.clear(int(fd))
	ft.mu.Unlock()
	if ft.locks.Load() && f.Path.Dentry != nil {
		f.Path.Inode().dropLocks(ft)
	}
	var err error
	if fl, ok := f.impl.(Flusher); ok {
		err = fl.Flush(t, f)
	}
	f.DecRef(t)
	return err
}

// CloseRange is close_range(2): it closes, or marks, all from first to last.
func (ft *FDTable) CloseRange(t current.Task, first, last uint32, cloexec bool) error {
	if first > last {
		return unix.EINVAL
	}
	ft.mu.Lock()
	var gone []*File
	for fd := uint64(first); fd <= uint64(last) && fd < uint64(len(ft.mu.fds)); fd++ {
		d := &ft.mu.fds[fd]
		switch {
		case d.file == nil:
		case cloexec:
			d.cloexec = true
		default:
			gone = append(gone, d.file)
			ft.clear(int(fd))
		}
	}
	ft.mu.Unlock()
	for _, f := range gone {
		ft.release(t, f)
	}
	return nil
}

// FDs returns the numbers in use, in order (/proc/PID/fd).
func (ft *FDTable) FDs() []int32 {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	var fds []int32
	for w, m := range ft.mu.used {
		for ; m != 0; m &= m - 1 {
			fds = append(fds, int32(w*64+bits.TrailingZeros64(m)))
		}
	}
	return fds
}

// Cloexec reports FD_CLOEXEC of fd.
func (ft *FDTable) Cloexec(fd int32) (bool, error) {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	if fd < 0 || int(fd) >= len(ft.mu.fds) || ft.mu.fds[fd].file == nil {
		return false, unix.EBADF
	}
	return ft.mu.fds[fd].cloexec, nil
}

// SetCloexec sets FD_CLOEXEC of fd.
func (ft *FDTable) SetCloexec(fd int32, on bool) error {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	if fd < 0 || int(fd) >= len(ft.mu.fds) || ft.mu.fds[fd].file == nil {
		return unix.EBADF
	}
	ft.mu.fds[fd].cloexec = on
	return nil
}
