// Package auth has credentials: who a task is, and what it may do.
//
//   - A Cred is immutable. A task changes identity by swapping its pointer for
//     a changed copy, so whoever holds one (an open file, a signal under way)
//     keeps what was true when it took it.
//   - It knows no task and no file; permission checks on files are in vfs.
package auth

import (
	"slices"

	"golang.org/x/sys/unix"
)

// CapSet is a set of capabilities, bit n for CAP number n (capabilities(7)).
type CapSet uint64

// LastCap is the highest capability known, as /proc/sys/kernel/cap_last_cap.
const LastCap = unix.CAP_LAST_CAP

// AllCaps has every capability.
const AllCaps CapSet = 1<<(LastCap+1) - 1

// Has reports whether c is in the set.
func (s CapSet) Has(c int) bool { return s&(1<<uint(c)) != 0 }

// Cred is the identity of a task: cred in Linux, credentials(7). Ids are those
// of Cred.UserNS.
type Cred struct {
	RUID, EUID, SUID, FSUID uint32
	RGID, EGID, SGID, FSGID uint32
	Groups                  []uint32 // sorted; never changed in place
	Permitted               CapSet
	Effective               CapSet
	Inheritable             CapSet
	Bounding                CapSet
	Ambient                 CapSet
	SecureBits              uint32
	NoNewPrivs              bool
	UserNS                  *UserNamespace
}

// NewRoot returns the credentials of a superuser of ns with the given bounding
// set.
func NewRoot(ns *UserNamespace, caps CapSet) *Cred {
	return &Cred{Permitted: caps, Effective: caps, Bounding: caps, UserNS: ns}
}

// Clone returns a copy that the caller may change until it publishes it.
func (c *Cred) Clone() *Cred {
	n := *c
	return &n
}

// HasCap reports whether c has capability cp effective in its own namespace.
func (c *Cred) HasCap(cp int) bool { return c.Effective.Has(cp) }

// HasCapIn reports whether c has capability cp effective towards objects that
// ns owns: capable if ns is its own namespace or a descendant, and all-capable
// towards the namespaces that its own effective user created.
func (c *Cred) HasCapIn(ns *UserNamespace, cp int) bool {
	for n := ns; n != nil; n = n.Parent {
		if n == c.UserNS {
			return c.HasCap(cp)
		}
		if n.Parent == c.UserNS && n.OwnerUID == c.EUID {
			return true
		}
	}
	return false
}

// InGroup reports whether gid is the file system group or a supplementary one.
func (c *Cred) InGroup(gid uint32) bool {
	if c.FSGID == gid {
		return true
	}
	return c.hasSupplementary(gid)
}

// InEGroup is InGroup with the effective group, as access to non-file objects
// asks.
func (c *Cred) InEGroup(gid uint32) bool { return c.EGID == gid || c.hasSupplementary(gid) }

func (c *Cred) hasSupplementary(gid uint32) bool {
	lo, hi := 0, len(c.Groups)
	for lo < hi {
		m := (lo + hi) / 2
		switch {
		case c.Groups[m] < gid:
			lo = m + 1
		case c.Groups[m] > gid:
			hi = m
		default:
			return true
		}
	}
	return false
}

// UserNamespace is a user namespace, user_namespaces(7). Ids inside the sandbox
// are kept as those of the namespace that they were set in; the root namespace
// is the container's.
type UserNamespace struct {
	Parent   *UserNamespace // immutable; nil for the root
	OwnerUID uint32         // immutable: effective user of the creator
	OwnerGID uint32         // immutable
	Level    int            // immutable: 0 for the root
	// UIDs and GIDs are its maps; without lines one maps every id. Immutable.
	UIDs, GIDs []IDRange
}

// HasUID reports whether a user id is one of the namespace's: others can neither be
// taken nor given to a file.
func (ns *UserNamespace) HasUID(id uint32) bool { return ns == nil || maps(ns.UIDs, id) }

// HasGID is HasUID for group ids.
func (ns *UserNamespace) HasGID(id uint32) bool { return ns == nil || maps(ns.GIDs, id) }

func maps(list []IDRange, id uint32) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(r IDRange) bool { return id >= r.First && id-r.First < r.Count })
}

// IDRange is a line of an id map: Count ids from First on are those from Parent on
// in the namespace above.
type IDRange struct{ First, Parent, Count uint32 }

// NewRootNamespace returns the container's initial user namespace.
func NewRootNamespace() *UserNamespace {
	return NewMappedNamespace([]IDRange{{Count: 1<<32 - 1}}, []IDRange{{Count: 1<<32 - 1}})
}

// NewMappedNamespace is NewRootNamespace for a container that is told of other ids
// outside.
func NewMappedNamespace(uids, gids []IDRange) *UserNamespace {
	return &UserNamespace{UIDs: uids, GIDs: gids}
}
