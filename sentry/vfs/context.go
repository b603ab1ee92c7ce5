package vfs

import (
	"sync/atomic"

	"hull/sentry/lock"
)

// Context is a task's view: root, working directory, umask (fs_struct). It is
// shared by CLONE_FS.
type Context struct {
	mu        lock.Mutex[lock.FDTable]
	root, cwd Path   // guarded by mu; with references
	umask     uint32 // guarded by mu
	refs      atomic.Int64
}

// NewContext returns a context at the root of ns with umask 022.
func NewContext(ns *Namespace) *Context {
	c := &Context{root: ns.Root(), umask: 022}
	c.cwd = c.root.IncRef()
	c.refs.Store(1)
	return c
}

// Fork returns a copy.
func (c *Context) Fork() *Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &Context{root: c.root.IncRef(), cwd: c.cwd.IncRef(), umask: c.umask}
	n.refs.Store(1)
	return n
}

// IncRef adds a reference (CLONE_FS).
func (c *Context) IncRef() { c.refs.Add(1) }

// Shared reports whether others have the context too.
func (c *Context) Shared() bool { return c.refs.Load() > 1 }

// DecRef drops a reference.
func (c *Context) DecRef() {
	if c.refs.Add(-1) == 0 {
		c.cwd.DecRef()
		c.root.DecRef()
	}
}

// Root returns the root directory, with references.
func (c *Context) Root() Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.root.IncRef()
}

// CWD returns the working directory, with references.
func (c *Context) CWD() Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cwd.IncRef()
}

// SetRoot changes the root directory. It takes p's references over.
func (c *Context) SetRoot(p Path) {
	c.mu.Lock()
	old := c.root
	c.root = p
	c.mu.Unlock()
	old.DecRef()
}

// SetCWD changes the working directory. It takes p's references over.
func (c *Context) SetCWD(p Path) {
	c.mu.Lock()
	old := c.cwd
	c.cwd = p
	c.mu.Unlock()
	old.DecRef()
}

// replace makes root and working directory to if they are from (pivot_root).
func (c *Context) replace(from, to Path) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range []*Path{&c.root, &c.cwd} {
		if *p == from {
			*p = to.IncRef()
			defer from.DecRef()
		}
	}
}

// Umask returns the umask.
func (c *Context) Umask() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.umask
}

// SetUmask replaces the umask and returns the old one.
func (c *Context) SetUmask(m uint32) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.umask
	c.umask = m & 0777
	return old
}

// translate moves root and working directory to copies of their mounts.
func (c *Context) translate(copies map[*Mount]*Mount) {
	move := func(p Path) Path {
		m := copies[p.Mount]
		if m == nil {
			return p
		}
		m.incRef()
		p.Mount.decRef()
		return Path{m, p.Dentry}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.root, c.cwd = move(c.root), move(c.cwd)
}
