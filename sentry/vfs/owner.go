package vfs

import (
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Owner is a task, process or process group that is told of a file's readiness
// by a signal, F_SETOWN. The kernel implements it.
type Owner interface {
	// IOReady sends the signal signo, or SIGIO for 0, if whoever set the owner
	// may still do so. It is called without locks.
	IOReady(signo int32, fd int32, ready wait.Mask)
}

// Ownership is what F_SETOWN_EX, F_SETOWN and F_SETSIG set.
type Ownership struct {
	Who    Owner // nil: nobody
	Kind   int32 // F_OWNER_*
	ID     int32 // as it was given
	Signal int32 // 0: SIGIO
	FD     int32 // the descriptor by which O_ASYNC was set
}

// fileOwner is the owner of a file and, while O_ASYNC is set, what tells it.
type fileOwner struct {
	mu    lock.Mutex[lock.Leaf]
	set   Ownership   // guarded by mu
	async *asyncEntry // guarded by mu: registered with the file
}

// Ownership returns who is told.
func (f *File) Ownership() Ownership {
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	return f.owner.set
}

// SetOwnership changes who is told.
func (f *File) SetOwnership(o Ownership) {
	f.owner.mu.Lock()
	f.owner.set = o
	f.owner.mu.Unlock()
}

// SetAsync starts or ends telling, as O_ASYNC says. fd is the descriptor that
// it was set by.
func (f *File) SetAsync(on bool, fd int32) {
	f.owner.mu.Lock()
	old := f.owner.async
	if on == (old != nil) {
		f.owner.mu.Unlock()
		return
	}
	var e *asyncEntry
	if on {
		e = &asyncEntry{file: f}
		e.entry.Listener = e
		f.owner.set.FD = fd
	}
	f.owner.async = e
	f.owner.mu.Unlock()
	if on {
		f.Register(&e.entry, wait.In|wait.Out|wait.Pri)
	} else {
		f.Unregister(&old.entry)
	}
}

// asyncEntry is a file's registration with itself.
type asyncEntry struct {
	file  *File
	entry wait.Entry
}

// Notify implements wait.Listener. It runs under the lock of a wait queue, which
// is inner to those that a signal takes, so the telling is left to a goroutine.
func (e *asyncEntry) Notify(m wait.Mask) {
	go func() {
		if o := e.file.Ownership(); o.Who != nil {
			o.Who.IOReady(o.Signal, o.FD, m)
		}
	}()
}
