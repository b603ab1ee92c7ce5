package vfs

import "hull/sentry/current"

// FilesystemType is a kind of file system that mount(2) can make an instance of.
type FilesystemType interface {
	// New makes or finds an instance for source with the options in data, and
	// returns it and its root, with references for the caller. EINVAL for options
	// that it does not know.
	New(t current.Task, source, data string) (*Filesystem, *Inode, error)
	// NoDev reports whether the type needs no block device, as
	// /proc/filesystems says.
	NoDev() bool
}

// FilesystemTypes are the types by name. boot fills it in; it is not changed
// afterwards.
type FilesystemTypes map[string]FilesystemType
