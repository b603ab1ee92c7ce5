package kernel

import (
	"hull/sentry/ipc"
	"hull/sentry/ipc/shm"
	"hull/sentry/vfs"
)

// IPC is what processes share by name or key, ipc_namespaces(7). There is one a
// kernel.
type IPC struct {
	Queues      *vfs.Filesystem  // POSIX message queues; nil for none
	QueueLimits *ipc.QueueLimits // theirs
	Shared      *shm.Registry    // System V shared memory
}

// IPC returns the kernel's inter-process communication.
func (k *Kernel) IPC() *IPC { return &k.cfg.IPC }
