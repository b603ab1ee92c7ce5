// Package pidfd has the files that stand for processes and threads, pidfd_open(2).
//
//   - A file says when what it stands for has ended; what may be done to it by the
//     file is the kernel's and the system calls' affair.
//   - Files of one process are equal by device and inode number, and no other
//     process ever has that number.
package pidfd

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// Flags are those that a pidfd keeps of the ones it was made with, and shows:
// PIDFD_NONBLOCK and PIDFD_THREAD.
const (
	NonBlock = unix.O_NONBLOCK
	Thread   = unix.O_EXCL
)

// File is the open file.
type File struct {
	kernel.PIDRef
}

var _ vfs.FileImpl = (*File)(nil)

// New makes a pidfd of r, for t. flags are NonBlock and Thread.
func New(t *kernel.Task, r kernel.PIDRef, flags uint32) *vfs.File {
	return vfs.Anonymous(t.Kernel().Anon(), &File{PIDRef: r}, "anon_inode:[pidfd]", 0o700, unix.O_RDWR|flags, t.Cred(), true)
}

// Of returns what f stands for; false if it is not a pidfd.
func Of(f *vfs.File) (kernel.PIDRef, bool) {
	p, ok := f.Impl().(*File)
	if !ok {
		return kernel.PIDRef{}, false
	}
	return p.PIDRef, true
}

// InodeNumber implements vfs.Numbered.
func (p *File) InodeNumber() uint64 { return p.Serial() }

// Magic implements vfs.Numbered.
func (*File) Magic() int64 { return unix.PID_FS_MAGIC }

// Read implements vfs.FileImpl.
func (*File) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EINVAL
}

// Write implements vfs.FileImpl.
func (*File) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// Release implements vfs.FileImpl.
func (*File) Release(current.Task, *vfs.File) {}

// FDInfo implements proc.FDInfo: the numbers that the process has for who reads.
func (p *File) FDInfo(ct current.Task, w *bytes.Buffer) {
	t, ok := ct.(*kernel.Task)
	if !ok {
		return
	}
	ids := p.IDs(t.PIDNS())
	if len(ids) == 0 {
		ids = []int32{0}
	}
	fmt.Fprintf(w, "Pid:\t%d\nNSpid:", ids[0])
	for _, id := range ids {
		fmt.Fprintf(w, "\t%d", id)
	}
	w.WriteByte('\n')
}
