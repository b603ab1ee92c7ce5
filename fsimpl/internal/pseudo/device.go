package pseudo

import (
	"hull/sentry/current"
	"hull/sentry/vfs"
)

// Attributes are owner and mode of a file whose object keeps them.
type Attributes interface {
	Attributes() (uid, gid, perm uint32)
	SetAttributes(uid, gid, perm uint32)
}

// Device returns a device node that opens as o says, whatever driver its
// number has elsewhere. a may be nil.
func (fs *FS) Device(mode uint32, rdev vfs.Dev, o CustomFile, a Attributes) *vfs.Inode {
	return fs.DeviceIno(mode, rdev, o, a, fs.NextIno())
}

// DeviceIno is Device with a given inode number, for a node that is looked up
// more than once.
func (fs *FS) DeviceIno(mode uint32, rdev vfs.Dev, o CustomFile, a Attributes, ino uint64) *vfs.Inode {
	d := &device{custom: custom{attrs: fs.attrsIno(mode, nil, ino), file: o}, rdev: rdev, kept: a}
	return d.inode(d)
}

type device struct {
	custom
	rdev vfs.Dev    // immutable
	kept Attributes // immutable; nil if the inode keeps its own
}

// Stat implements vfs.InodeImpl.
func (d *device) Stat(current.Task) (vfs.Stat, error) {
	s := d.stat(1, 0)
	s.Rdev = d.rdev
	if d.kept != nil {
		var perm uint32
		s.UID, s.GID, perm = d.kept.Attributes()
		s.Mode = d.typ | perm
	}
	return s, nil
}

// SetStat implements vfs.InodeImpl.
func (d *device) SetStat(t current.Task, s vfs.SetStat) error {
	if d.kept != nil {
		uid, gid, perm := d.kept.Attributes()
		if s.Mask&vfs.SetMode != 0 {
			perm = s.Mode & 07777
		}
		if s.Mask&vfs.SetUID != 0 {
			uid = s.UID
		}
		if s.Mask&vfs.SetGID != 0 {
			gid = s.GID
		}
		d.kept.SetAttributes(uid, gid, perm)
		return nil
	}
	return d.custom.SetStat(t, s)
}

// SelfOpening is an inode of a device that needs no driver: vfs opens it as any
// other file.
func (d *device) SelfOpening() {}
