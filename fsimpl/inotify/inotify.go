// Package inotify has inotify(7): a queue of what happened to watched files.
//
//   - A watch is a vfs.Watcher of an inode and holds it. vfs may call Event with
//     any of its locks held: nothing but the queue is touched there, and a watch
//     that ends by an event is taken off its inode by the next call instead.
//   - The queue is bounded; what does not fit is one IN_Q_OVERFLOW.
package inotify

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

const (
	maxEvents  = 16384   // /proc/sys/fs/inotify/max_queued_events
	maxWatches = 1 << 16 // /proc/sys/fs/inotify/max_user_watches
	headerSize = 16      // struct inotify_event without its name
)

// Instance is the open file.
type Instance struct {
	q wait.Queue

	mu      lock.Mutex[lock.Leaf] // guards what follows
	watches map[int32]*watch
	byInode map[*vfs.Inode]*watch
	lastWD  int32
	ended   []*watch // ended by an event, still on their inodes
	events  []event
	bytes   int // of events, as read(2) gives them
}

var _ vfs.FileImpl = (*Instance)(nil)

// event is one queued struct inotify_event.
type event struct {
	wd           int32
	mask, cookie uint32
	name         string
}

// size is how long the event is when read: the name is padded with NULs, of
// which there is at least one.
func (e *event) size() int {
	if e.name == "" {
		return headerSize
	}
	return headerSize + (len(e.name)+headerSize)/headerSize*headerSize
}

// watch is one watched inode.
type watch struct {
	in    *Instance  // immutable
	inode *vfs.Inode // immutable; with a reference
	wd    int32      // immutable
	mask  uint32     // guarded by in.mu: events and IN_ONESHOT, IN_EXCL_UNLINK
}

var _ vfs.Watcher = (*watch)(nil)

// New makes an instance. flags are O_NONBLOCK.
func New(anon *vfs.AnonFS, cred *auth.Cred, flags uint32) *vfs.File {
	in := &Instance{watches: map[int32]*watch{}, byInode: map[*vfs.Inode]*watch{}}
	return vfs.Anonymous(anon, in, "anon_inode:inotify", 0600, unix.O_RDONLY|flags, cred, true)
}

// Of returns the instance that f is, or nil.
func Of(f *vfs.File) *Instance {
	in, _ := f.Impl().(*Instance)
	return in
}

// modifiers are the bits of a mask that are no events.
const modifiers = unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK |
	unix.IN_MASK_ADD | unix.IN_MASK_CREATE | unix.IN_ONESHOT

// kept are the bits that a watch keeps.
const kept = unix.IN_ALL_EVENTS | unix.IN_EXCL_UNLINK | unix.IN_ONESHOT

// Add watches an inode or changes its watch, inotify_add_watch(2).
func (in *Instance) Add(i *vfs.Inode, mask uint32) (int32, error) {
	in.sweep()
	in.mu.Lock()
	if w := in.byInode[i]; w != nil {
		defer in.mu.Unlock()
		if mask&unix.IN_MASK_CREATE != 0 {
			return 0, unix.EEXIST
		}
		if mask&unix.IN_MASK_ADD == 0 {
			w.mask = 0
		}
		w.mask |= mask & kept
		return w.wd, nil
	}
	if len(in.watches) >= maxWatches {
		in.mu.Unlock()
		return 0, unix.ENOSPC
	}
	in.lastWD++
	if in.lastWD <= 0 {
		in.lastWD--
		in.mu.Unlock()
		return 0, unix.ENOSPC
	}
	i.IncRef()
	w := &watch{in: in, inode: i, wd: in.lastWD, mask: mask & kept}
	in.watches[w.wd], in.byInode[i] = w, w
	in.mu.Unlock()
	i.AddWatch(w)
	return w.wd, nil
}

// Remove ends a watch, inotify_rm_watch(2).
func (in *Instance) Remove(wd int32) error {
	in.mu.Lock()
	w := in.watches[wd]
	if w == nil {
		in.mu.Unlock()
		return unix.EINVAL
	}
	in.end(w)
	in.mu.Unlock()
	in.q.Notify(wait.In | wait.RdNrm)
	in.sweep()
	return nil
}

// end takes a watch off the tables and tells so. Its inode follows in sweep.
func (in *Instance) end(w *watch) {
	delete(in.watches, w.wd)
	delete(in.byInode, w.inode)
	in.ended = append(in.ended, w)
	in.queue(event{wd: w.wd, mask: unix.IN_IGNORED})
}

// sweep takes watches that ended off their inodes. It is called without locks.
func (in *Instance) sweep() {
	in.mu.Lock()
	l := in.ended
	in.ended = nil
	in.mu.Unlock()
	for _, w := range l {
		w.inode.RemoveWatch(w)
		w.inode.DecRef()
	}
}

// Event implements vfs.Watcher.
func (w *watch) Event(mask, cookie uint32, name string) {
	const always = unix.IN_UNMOUNT | unix.IN_DELETE_SELF
	in := w.in
	in.mu.Lock()
	wanted := mask&w.mask&unix.IN_ALL_EVENTS != 0 || mask&unix.IN_UNMOUNT != 0
	if in.watches[w.wd] != w || !wanted && mask&always == 0 {
		in.mu.Unlock()
		return
	}
	if wanted {
		in.queue(event{w.wd, mask & (unix.IN_ALL_EVENTS | unix.IN_ISDIR | unix.IN_UNMOUNT), cookie, name})
	}
	if mask&always != 0 || w.mask&unix.IN_ONESHOT != 0 {
		in.end(w)
	}
	in.mu.Unlock()
	in.q.Notify(wait.In | wait.RdNrm)
}

// queue adds an event unless it says the same as the last one.
func (in *Instance) queue(e event) {
	if n := len(in.events); n > 0 && in.events[n-1] == e {
		return
	}
	if len(in.events) >= maxEvents {
		if e = (event{wd: -1, mask: unix.IN_Q_OVERFLOW}); in.events[len(in.events)-1] == e {
			return
		}
	}
	in.events = append(in.events, e)
	in.bytes += e.size()
}

// maxRead is the most bytes of events that one read gives.
const maxRead = 32 << 10

// Read implements vfs.FileImpl: as many whole events as fit.
func (in *Instance) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	in.sweep()
	buf, err := in.take(int(min(dst.Len(), maxRead)))
	if err != nil {
		return 0, err
	}
	n, err := dst.CopyOut(buf)
	return int64(n), err
}

// take removes events of at most room bytes from the queue.
func (in *Instance) take(room int) ([]byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return nil, unix.EAGAIN
	}
	var buf []byte
	n := 0
	for n < len(in.events) && len(buf)+in.events[n].size() <= room {
		buf = in.events[n].encode(buf)
		n++
	}
	if n == 0 {
		return nil, unix.EINVAL
	}
	in.bytes -= len(buf)
	if in.events = in.events[n:]; len(in.events) == 0 {
		in.events = nil
	}
	return buf, nil
}

// encode appends the event to b as struct inotify_event.
func (e *event) encode(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, e.size())...)
	h := b[start:]
	binary.NativeEndian.PutUint32(h, uint32(e.wd))
	binary.NativeEndian.PutUint32(h[4:], e.mask)
	binary.NativeEndian.PutUint32(h[8:], e.cookie)
	binary.NativeEndian.PutUint32(h[12:], uint32(len(h)-headerSize))
	copy(h[headerSize:], e.name)
	return b
}

// Write implements vfs.FileImpl.
func (in *Instance) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EBADF
}

// Ioctl implements vfs.FileImpl.
func (in *Instance) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	if cmd != unix.TIOCINQ { // FIONREAD
		return 0, unix.ENOTTY
	}
	in.mu.Lock()
	n := int32(in.bytes)
	in.mu.Unlock()
	return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &n)
}

// Readiness implements wait.Waitable.
func (in *Instance) Readiness(m wait.Mask) wait.Mask {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return 0
	}
	return m & (wait.In | wait.RdNrm)
}

// Register implements wait.Waitable.
func (in *Instance) Register(e *wait.Entry, m wait.Mask) { in.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (in *Instance) Unregister(e *wait.Entry) { in.q.Unregister(e) }

// Release implements vfs.FileImpl.
func (in *Instance) Release(current.Task, *vfs.File) {
	in.mu.Lock()
	for _, w := range in.watches {
		in.ended = append(in.ended, w)
	}
	clear(in.watches)
	clear(in.byInode)
	in.events = nil
	in.mu.Unlock()
	in.sweep()
}

// CheckMask refuses what inotify_add_watch(2) refuses.
func CheckMask(mask uint32) error {
	const told = unix.IN_UNMOUNT | unix.IN_Q_OVERFLOW | unix.IN_IGNORED | unix.IN_ISDIR
	if mask == 0 || mask&^uint32(unix.IN_ALL_EVENTS|modifiers|told) != 0 {
		return unix.EINVAL
	}
	if mask&unix.IN_MASK_ADD != 0 && mask&unix.IN_MASK_CREATE != 0 {
		return unix.EINVAL
	}
	return nil
}
