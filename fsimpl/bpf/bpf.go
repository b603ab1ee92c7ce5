// Package bpf has the files that stand for programs of bpf(2). What the programs do
// is sentry/ebpf's; who runs them, the kernel's.
package bpf

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/ebpf"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// file is an open one.
type file struct {
	vfs.AlwaysReady
	vfs.NoIoctl
	p *ebpf.Program // immutable
}

var _ vfs.FileImpl = (*file)(nil)

// New returns a file of a program.
func New(anon *vfs.AnonFS, cred *auth.Cred, p *ebpf.Program) *vfs.File {
	return vfs.Anonymous(anon, &file{p: p}, "anon_inode:bpf-prog", 0o600, unix.O_RDWR, cred, true)
}

// Of returns the program that an open file stands for, or nil.
func Of(f *vfs.File) *ebpf.Program {
	if x, ok := f.Impl().(*file); ok {
		return x.p
	}
	return nil
}

// Read implements vfs.FileImpl.
func (*file) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EINVAL
}

// Write implements vfs.FileImpl.
func (*file) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// Release implements vfs.FileImpl.
func (*file) Release(current.Task, *vfs.File) {}
