package kernel

import "hull/sentry/vfs"

// Anon returns the file system of anonymous files.
func (k *Kernel) Anon() *vfs.AnonFS { return k.cfg.Anon }

// MountNS returns the mount namespace.
func (t *Task) MountNS() *vfs.Namespace { panic("skeleton") }

// Unshare is unshare(2).
func (t *Task) Unshare(flags uint64) error { panic("skeleton") }
