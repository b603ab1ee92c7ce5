package vfs

import (
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
)

// MountInfo is a line of /proc/PID/mountinfo.
type MountInfo struct {
	ID, Parent   int32
	Dev          Dev
	Root, Point  string // the subtree that is mounted, and where
	Flags        uint64 // MS_*
	Peers        int32  // the peer group of a shared mount, or 0
	Unbindable   bool
	FSType       string
	Source       string
	SuperOptions string
}

// Mounts returns the mounts that can be seen from root, in order of mounting.
func (ns *Namespace) Mounts(root Path) []MountInfo {
	type at struct {
		point Path // the root of the mount, with references
		info  MountInfo
	}
	var list []at
	ns.mu.RLock()
	for _, m := range ns.mu.root.subtree(nil) {
		i := MountInfo{ID: m.ID, Dev: m.fs.Dev, Flags: m.flags.Load(), Peers: m.peers, Unbindable: m.prop&unix.MS_UNBINDABLE != 0,
			FSType: m.fs.Type, Source: m.source}
		if m.parent != nil {
			i.Parent = m.parent.ID
		}
		list = append(list, at{Path{m, m.root}.IncRef(), i})
	}
	ns.mu.RUnlock()
	var infos []MountInfo
	for _, a := range list {
		if name, ok := PathName(a.point, root); ok {
			a.info.Point = name
			a.info.Root, _ = a.point.Dentry.path(nil)
			a.info.Root = path.Join(a.point.Mount.fs.Above, a.info.Root)
			a.info.SuperOptions = a.point.Mount.fs.Impl.Options()
			infos = append(infos, a.info)
		}
		a.point.DecRef()
	}
	slices.SortStableFunc(infos, func(a, b MountInfo) int { return int(a.ID - b.ID) })
	return infos
}

// Sync writes every file system of the namespace back, sync(2).
func (ns *Namespace) Sync(t current.Task) {
	ns.mu.RLock()
	seen := map[*Filesystem]bool{}
	var list []*Filesystem
	for _, m := range ns.mu.root.subtree(nil) {
		if !seen[m.fs] {
			seen[m.fs] = true
			m.fs.IncRef()
			list = append(list, m.fs)
		}
	}
	ns.mu.RUnlock()
	for _, fs := range list {
		_ = fs.Impl.Sync(t) // sync(2) tells nobody
		fs.DecRef()
	}
}
