// Package lock has the sentry's mutexes. Each carries its rank in its type, and
// the ranks have one order, outer to inner:
//
//	File        an open file description's offset
//	Epoll       an epoll instance's interest list
//	Mount       vfs: the mount tree
//	Rename      vfs: one rename across directories at a time in a file system
//	Dentry      vfs: a directory's children (Linux's i_rwsem of a directory)
//	Inode       a file system's inode: attributes, data; a pipe's buffer
//	Socket      a socket's queues and state
//	TTY         devpts and hosttty: line discipline, foreground group
//	Futex       a futex bucket
//	TaskSet     kernel: the tree of thread groups, process groups, sessions, pids
//	MMMapping   mm: the vmas of an address space
//	MMPages     mm: the pages behind them
//	FileMap     a file's map from offsets to memory; never held over a guest copy
//	FDTable     vfs: a file descriptor table, a task's root and cwd
//	TaskSignal  kernel: signal queues and masks of one thread group
//	WaitQueue   a wait.Queue
//	Leaf        anything that takes no lock while it is held
//
// A lock may be taken while locks of strictly outer ranks are held. Two of the
// same rank need Nested, whose caller names the order that makes it safe
// (parent before child, lower address first).
//
// Built with -tags lockcheck, taking one out of order panics with both names;
// without the tag a Mutex costs what a sync.Mutex costs.
package lock

import "sync"

// Rank is implemented by the rank types below and by nothing else.
type Rank interface {
	rank() int
	name() string
}

// The ranks. They hold nothing.
type (
	File       struct{}
	Epoll      struct{}
	Mount      struct{}
	Rename     struct{}
	Dentry     struct{}
	Inode      struct{}
	Socket     struct{}
	TTY        struct{}
	Futex      struct{}
	TaskSet    struct{}
	MMMapping  struct{}
	MMPages    struct{}
	FileMap    struct{}
	FDTable    struct{}
	TaskSignal struct{}
	WaitQueue  struct{}
	Leaf       struct{}
)

func (File) rank() int       { return 0 }
func (Epoll) rank() int      { return 1 }
func (Mount) rank() int      { return 2 }
func (Rename) rank() int     { return 3 }
func (Dentry) rank() int     { return 4 }
func (Inode) rank() int      { return 5 }
func (Socket) rank() int     { return 6 }
func (TTY) rank() int        { return 7 }
func (Futex) rank() int      { return 8 }
func (TaskSet) rank() int    { return 9 }
func (MMMapping) rank() int  { return 10 }
func (MMPages) rank() int    { return 11 }
func (FileMap) rank() int    { return 12 }
func (FDTable) rank() int    { return 13 }
func (TaskSignal) rank() int { return 14 }
func (WaitQueue) rank() int  { return 15 }
func (Leaf) rank() int       { return 16 }

func (File) name() string       { return "file" }
func (Epoll) name() string      { return "epoll" }
func (Mount) name() string      { return "mount" }
func (Rename) name() string     { return "rename" }
func (Dentry) name() string     { return "dentry" }
func (Inode) name() string      { return "inode" }
func (Socket) name() string     { return "socket" }
func (TTY) name() string        { return "tty" }
func (Futex) name() string      { return "futex" }
func (TaskSet) name() string    { return "task set" }
func (MMMapping) name() string  { return "mm mapping" }
func (MMPages) name() string    { return "mm pages" }
func (FileMap) name() string    { return "file map" }
func (FDTable) name() string    { return "fd table" }
func (TaskSignal) name() string { return "task signal" }
func (WaitQueue) name() string  { return "wait queue" }
func (Leaf) name() string       { return "leaf" }

// Mutex is a mutual exclusion lock of rank R. The zero value is unlocked.
type Mutex[R Rank] struct{ mu sync.Mutex }

// Lock takes m.
func (m *Mutex[R]) Lock() { acquire[R](false); m.mu.Lock() }

// Nested takes m while another lock of the same rank is held.
func (m *Mutex[R]) Nested() { acquire[R](true); m.mu.Lock() }

// TryLock takes m if nobody has it.
func (m *Mutex[R]) TryLock() bool {
	if !m.mu.TryLock() {
		return false
	}
	acquired[R]()
	return true
}

// Unlock gives m up.
func (m *Mutex[R]) Unlock() { m.mu.Unlock(); release[R]() }

// RWMutex is a reader/writer lock of rank R. The zero value is unlocked.
type RWMutex[R Rank] struct{ mu sync.RWMutex }

// Lock takes m for writing.
func (m *RWMutex[R]) Lock() { acquire[R](false); m.mu.Lock() }

// Nested takes m for writing while another lock of the same rank is held.
func (m *RWMutex[R]) Nested() { acquire[R](true); m.mu.Lock() }

// Unlock gives up a write lock.
func (m *RWMutex[R]) Unlock() { m.mu.Unlock(); release[R]() }

// RLock takes m for reading.
func (m *RWMutex[R]) RLock() { acquire[R](false); m.mu.RLock() }

// RNested takes m for reading while another lock of the same rank is held.
func (m *RWMutex[R]) RNested() { acquire[R](true); m.mu.RLock() }

// RUnlock gives up a read lock.
func (m *RWMutex[R]) RUnlock() { m.mu.RUnlock(); release[R]() }
