package pseudo

import (
	"bytes"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// Content is what a file says.
type Content interface {
	// Content writes the whole text. It is asked when a read starts at offset
	// 0, as a seq_file is.
	Content(t current.Task, w *bytes.Buffer) error
}

// Setter is a Content that takes writes. data is one write(2), at most a page.
type Setter interface {
	Content
	Set(t current.Task, data []byte) error
}

// Opener is a Content that decides at open whether the caller may.
type Opener interface {
	Open(t current.Task, flags uint32) error
}

// Polled is a Content of which poll(2) has more to say than that it can be read and
// written.
type Polled interface {
	Content
	// Poll returns what an open file is waited for by. It is released with that.
	Poll() Poll
}

// Poll is the readiness of one open file.
type Poll interface {
	wait.Waitable
	Release()
}

// Static is a text that never changes.
type Static string

// Content implements Content.
func (s Static) Content(_ current.Task, w *bytes.Buffer) error {
	w.WriteString(string(s))
	return nil
}

// Text returns a regular file with content c. owner may be nil.
func (fs *FS) Text(mode uint32, c Content, owner Owner) *vfs.Inode {
	x := &text{attrs: fs.attrs(unix.S_IFREG|mode, owner), content: c}
	return x.inode(x)
}

// SizedText is Text whose stat tells size bytes: sysfs attributes say 4096.
func (fs *FS) SizedText(mode uint32, c Content, size int64) *vfs.Inode {
	x := &text{attrs: fs.attrs(unix.S_IFREG|mode, nil), content: c, size: size}
	return x.inode(x)
}

// Custom returns a file of the type in mode that opens as o says.
func (fs *FS) Custom(mode uint32, o CustomFile, owner Owner) *vfs.Inode {
	x := &custom{attrs: fs.attrs(mode, owner), file: o}
	return x.inode(x)
}

// CustomFile makes open files that are not texts.
type CustomFile interface {
	OpenFile(t current.Task, f *vfs.File) (vfs.FileImpl, error)
}

type custom struct {
	attrs
	file CustomFile // immutable
}

// Stat implements vfs.InodeImpl.
func (c *custom) Stat(current.Task) (vfs.Stat, error) { return c.stat(1, 0), nil }

// Open implements vfs.InodeImpl.
func (c *custom) Open(t current.Task, f *vfs.File) (vfs.FileImpl, error) {
	return c.file.OpenFile(t, f)
}

type text struct {
	attrs
	content Content // immutable
	size    int64   // immutable
}

// Stat implements vfs.InodeImpl.
func (x *text) Stat(current.Task) (vfs.Stat, error) { return x.stat(1, x.size), nil }

// Open implements vfs.InodeImpl.
func (x *text) Open(t current.Task, f *vfs.File) (vfs.FileImpl, error) {
	if o, ok := x.content.(Opener); ok {
		if err := o.Open(t, f.Flags()); err != nil {
			return nil, err
		}
	}
	alive, ok := x.content.(Alive)
	if !ok {
		alive, _ = x.owner.(Alive)
	}
	o := &textFile{content: x.content, alive: alive, fresh: x.fs.Fresh, polled: x.owner == nil}
	if p, ok := x.content.(Polled); ok {
		o.poll, o.polled = p.Poll(), true
	}
	return o, nil
}

// textFile is an open text: what was generated is kept between reads.
type textFile struct {
	vfs.NoIoctl
	content Content
	alive   Alive // whose text it is: ESRCH when that has gone; nil if nobody's
	poll    Poll  // nil if it is always ready
	polled  bool  // epoll(7) takes it
	fresh   bool  // there is news until it is read

	mu   lock.Mutex[lock.Inode]
	text []byte // guarded by mu
	made bool   // guarded by mu: text was generated
}

// Read implements vfs.FileImpl.
func (x *textFile) Read(t current.Task, _ *vfs.File, dst usermem.Buffer, off int64) (int64, error) {
	x.mu.Lock()
	text, made := x.text, x.made
	x.mu.Unlock()
	if off == 0 || !made {
		if x.alive != nil && !x.alive.Alive() {
			return 0, unix.ESRCH
		}
		var w bytes.Buffer
		if err := x.content.Content(t, &w); err != nil {
			return 0, err
		}
		text = w.Bytes()
		x.mu.Lock()
		x.text, x.made = text, true
		x.mu.Unlock()
	}
	if off >= int64(len(text)) {
		return 0, nil
	}
	n, err := dst.CopyOut(text[off:])
	return int64(n), err
}

// Write implements vfs.FileImpl.
func (x *textFile) Write(t current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	s, ok := x.content.(Setter)
	if !ok {
		return 0, off, unix.EIO // what Linux answers for a seq_file without write
	}
	n := int64(min(src.Len(), usermem.PageSize))
	data := make([]byte, n)
	if _, err := src.CopyIn(data); err != nil {
		return 0, off, err
	}
	if err := s.Set(t, data); err != nil {
		return 0, off, err
	}
	return n, off + n, nil
}

// Readiness implements wait.Waitable.
func (x *textFile) Readiness(m wait.Mask) wait.Mask {
	if x.poll != nil {
		return x.poll.Readiness(m)
	}
	r := vfs.AlwaysReady{}.Readiness(m)
	if x.fresh {
		x.mu.Lock()
		if !x.made {
			r |= (wait.Pri | wait.Err) & (m | wait.Err)
		}
		x.mu.Unlock()
	}
	return r
}

// Register implements wait.Waitable.
func (x *textFile) Register(e *wait.Entry, m wait.Mask) {
	if x.poll != nil {
		x.poll.Register(e, m)
	}
}

// Unregister implements wait.Waitable.
func (x *textFile) Unregister(e *wait.Entry) {
	if x.poll != nil {
		x.poll.Unregister(e)
	}
}

// Pollable implements vfs.Pollable: of what belongs to somebody, a process that is, only
// what has something to wait for.
func (x *textFile) Pollable() bool { return x.polled }

// Release implements vfs.FileImpl.
func (x *textFile) Release(current.Task, *vfs.File) {
	if x.poll != nil {
		x.poll.Release()
	}
}
