package kernel

import "hull/sentry/vfs"

// Types returns the types of file systems that guests may mount.
func (k *Kernel) Types() vfs.FilesystemTypes { return k.cfg.Types }
