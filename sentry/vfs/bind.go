package vfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// clone returns a mount of the same as m, at root.
func (m *Mount) clone(root *Dentry) *Mount {
	m.fs.IncRef()
	root.IncRef()
	if root.fs.Nameless && m.fs != root.fs {
		// From where it is not mounted.
		root.fs.IncRef()
		m.fs.DecRef()
		return m.env.newMount(root.fs, root, "nsfs", 0)
	}
	n := m.env.newMount(m.fs, root, m.source, 0)
	n.flags.Store(m.flags.Load())
	n.prop, n.peers = m.prop, m.peers
	return n
}

// copyStep is one mount of a tree that is to be copied: from, to be put at point
// of the copy that is number on of the steps.
type copyStep struct {
	from  *Mount
	on    int
	point *Dentry
}

// planCopy appends the mounts below m (the copy of which is step number on),
// those that take keeps. A tree is written down before any of it is copied: the
// copies may well come to lie inside it. ns.mu is held.
func planCopy(steps []copyStep, m *Mount, on int, take func(*Mount) bool) []copyStep {
	for _, c := range m.children {
		if c.prop&unix.MS_UNBINDABLE != 0 || take != nil && !take(c) {
			continue
		}
		steps = append(steps, copyStep{c, on, c.point})
		steps = planCopy(steps, c, len(steps)-1, nil)
	}
	return steps
}

// Bind is mount(2) with MS_BIND: dst becomes what src is.
func (ns *Namespace) Bind(_ current.Task, src, dst Path, recursive bool) error {
	if err := mountable(dst, src.Inode().Type == unix.S_IFDIR); err != nil {
		return err
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	switch {
	case src.Mount.ns.Load() != ns && !src.Dentry.fs.Nameless || dst.Mount.ns.Load() != ns, src.Mount.prop&unix.MS_UNBINDABLE != 0:
		return unix.EINVAL
	case src.Dentry.Deleted():
		return unix.ENOENT
	}
	steps := []copyStep{{from: src.Mount}}
	if recursive {
		steps = planCopy(steps, src.Mount, 0, func(c *Mount) bool {
			return c.point == src.Dentry || isBelow(c.point, src.Dentry)
		})
	}
	if ns.mu.count+len(steps) > maxMounts {
		return unix.ENOSPC
	}
	copies := make([]*Mount, len(steps))
	copies[0] = src.Mount.clone(src.Dentry)
	ns.attach(copies[0], dst.IncRef().over(ns))
	for i, s := range steps[1:] {
		copies[i+1] = s.from.clone(s.from.root)
		ns.attach(copies[i+1], Path{copies[s.on], s.point}.IncRef())
	}
	return nil
}

// Remount is mount(2) with MS_REMOUNT: the flags of the mount at p change. EBUSY
// if it shall be read-only and files are open for writing.
func (ns *Namespace) Remount(_ current.Task, p Path, flags uint64) error {
	m := p.Mount
	if p.Dentry != m.root || m.ns.Load() != ns {
		return unix.EINVAL
	}
	const atime = unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME
	if flags&(atime|unix.MS_STRICTATIME) == 0 {
		flags |= m.flags.Load() & atime
	} else {
		flags = withAtime(flags)
	}
	flags &= mountFlags
	// Who opens for writing counts itself first and looks at the flag then.
	old := m.flags.Swap(flags)
	if flags&^old&unix.MS_RDONLY != 0 && m.writers.Load() > 0 {
		m.flags.Store(old)
		return unix.EBUSY
	}
	ns.touch()
	return nil
}

// MoveMount is mount(2) with MS_MOVE.
func (ns *Namespace) MoveMount(_ current.Task, src, dst Path) error {
	if err := mountable(dst, src.Inode().Type == unix.S_IFDIR); err != nil {
		return err
	}
	m := src.Mount
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if m.ns.Load() != ns || dst.Mount.ns.Load() != ns || src.Dentry != m.root || m == ns.mu.root {
		return unix.EINVAL
	}
	for p := dst.Mount; p != nil; p = p.parent {
		if p == m {
			return unix.ELOOP
		}
	}
	parent, point := m.parent, m.point
	ns.unlink(m)
	ns.attach(m, dst.IncRef().over(ns))
	point.mounted.Add(-1)
	point.DecRef()
	parent.decRef() // never the last: it is in the tree
	return nil
}

// SetPropagation is mount(2) with MS_SHARED and its like. Mounts do not
// propagate; the type is kept and shown, and an unbindable one is not bound.
func (ns *Namespace) SetPropagation(_ current.Task, p Path, flags uint64) error {
	if p.Dentry != p.Mount.root || p.Mount.ns.Load() != ns {
		return unix.EINVAL
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ms := []*Mount{p.Mount}
	if flags&unix.MS_REC != 0 {
		ms = p.Mount.subtree(nil)
	}
	for _, m := range ms {
		switch {
		case flags&unix.MS_SHARED != 0:
			if m.prop = unix.MS_SHARED; m.peers == 0 {
				m.peers = ns.env.lastPeers.Add(1)
			}
		case flags&unix.MS_UNBINDABLE != 0:
			m.prop, m.peers = unix.MS_UNBINDABLE, 0
		default: // a slave without a master is private
			m.prop, m.peers = unix.MS_PRIVATE, 0
		}
	}
	return nil
}

// PivotRoot is pivot_root(2): newRoot becomes the root of the namespace, the
// old root goes to putOld. ctx is the caller's, whose root moves with it, and
// its working directory if that is the old root.
func (ns *Namespace) PivotRoot(_ current.Task, ctx *Context, newRoot, putOld Path) error {
	m := newRoot.Mount
	root := ctx.Root()
	defer root.DecRef()
	ns.mu.Lock()
	old := root.Mount
	under := putOld.Mount == m && (putOld.Dentry == newRoot.Dentry || isBelow(putOld.Dentry, newRoot.Dentry))
	for p := putOld.Mount; !under && p != nil && p.parent != nil; p = p.parent {
		under = p.parent == m
	}
	err := error(nil)
	switch {
	case m == old || putOld.Mount == old:
		err = unix.EBUSY
	case m.ns.Load() != ns || newRoot.Dentry != m.root || m.parent == nil || !under || old != ns.mu.root || root.Dentry != old.root:
		err = unix.EINVAL
	}
	if err != nil {
		ns.mu.Unlock()
		return err
	}
	parent, point := m.parent, m.point
	ns.unlink(m)
	ns.setRoot(m)
	ns.attach(old, putOld.IncRef())
	ns.mu.Unlock()
	point.mounted.Add(-1)
	point.DecRef()
	parent.decRef()
	ctx.replace(root, newRoot)
	return nil
}

// Clone returns a copy of ns for CLONE_NEWNS; ctx, the new task's own, is moved
// to the copies of the mounts that it is in.
func (ns *Namespace) Clone(_ current.Task, ctx *Context) (*Namespace, error) {
	n := &Namespace{env: ns.env}
	n.refs.Store(1)
	n.mu.mounts = map[place]*Mount{}
	copies := map[*Mount]*Mount{}
	ns.mu.RLock()
	var copyBelow func(m, c *Mount)
	copyBelow = func(m, c *Mount) {
		copies[m] = c
		for _, x := range m.children {
			y := x.clone(x.root)
			n.attach(y, Path{c, x.point}.IncRef())
			copyBelow(x, y)
		}
	}
	n.setRoot(ns.mu.root.clone(ns.mu.root.root))
	n.mu.count = 1
	n.id = uint32(n.mu.root.ID) + 0xf0000000
	copyBelow(ns.mu.root, n.mu.root)
	ns.mu.RUnlock()
	ctx.translate(copies)
	return n, nil
}
