package tmpfs

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// NewMemfd returns the inode of a memfd with a reference: a regular file of fs
// that has no name. sealable is MFD_ALLOW_SEALING.
func NewMemfd(fs *vfs.Filesystem, t current.Task, mode uint32, sealable bool) (*vfs.Inode, error) {
	x := fs.Impl.(*FS)
	if err := x.chargeInode(); err != nil {
		return nil, err
	}
	c := t.Cred()
	r := x.newRegular(vfs.NewInode{Mode: unix.S_IFREG | mode, UID: c.FSUID, GID: c.FSGID})
	r.mu.nlink, r.memfd = 0, true
	if sealable {
		r.pages.seals = 0
	}
	return r.node, nil
}

// Seals returns the file's seals, F_GET_SEALS. Seen through an overlay it is a
// file that has none.
func (f *file) Seals(vf *vfs.File) (uint32, error) {
	if vf.Path.Inode() != f.r.node {
		return 0, unix.EINVAL
	}
	f.r.pages.Lock()
	defer f.r.pages.Unlock()
	return f.r.pages.seals, nil
}

// AddSeals is F_ADD_SEALS.
func (f *file) AddSeals(_ current.Task, vf *vfs.File, seals uint32) error {
	if vf.Path.Inode() != f.r.node {
		return unix.EINVAL
	}
	const known = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_FUTURE_WRITE
	if vf.Flags()&unix.O_ACCMODE == unix.O_RDONLY {
		return unix.EPERM
	}
	if seals&^known != 0 {
		return unix.EINVAL
	}
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	f.r.pages.Lock()
	defer f.r.pages.Unlock()
	if f.r.pages.seals&unix.F_SEAL_SEAL != 0 {
		return unix.EPERM
	}
	if seals&unix.F_SEAL_WRITE != 0 && f.r.pages.seals&unix.F_SEAL_WRITE == 0 {
		for _, m := range f.r.pages.maps {
			if m.writable {
				return unix.EBUSY
			}
		}
	}
	f.r.pages.seals |= seals
	return nil
}
