package gofer

import (
	"golang.org/x/sys/unix"

	"hull/gofer/proto"
	"hull/sentry/current"
	"hull/sentry/vfs"
)

// dir is a directory.
type dir struct {
	inode
	// entries are all of them, in an exclusive mount; nil if not known. changes
	// counts the changes of names. mu guards both.
	entries []proto.Dirent
	changes uint64
}

var (
	_ vfs.DirImpl     = (*dir)(nil)
	_ vfs.MultiLookup = (*dir)(nil)
)

// Lookup implements vfs.DirImpl.
func (d *dir) Lookup(t current.Task, name string) (*vfs.Inode, error) {
	is, err := d.LookupMany(t, []string{name})
	if len(is) == 0 {
		if err == nil {
			err = unix.EIO
		}
		return nil, err
	}
	return is[0], nil
}

// LookupMany implements vfs.MultiLookup: one round trip.
func (d *dir) LookupMany(_ current.Task, names []string) ([]*vfs.Inode, error) {
	if len(names) > proto.MaxWalk {
		names = names[:proto.MaxWalk]
	}
	r, _, err := d.fs.c.Call(&proto.Request{Op: proto.Walk, Fid: d.fid, Names: names})
	if r == nil {
		return nil, err
	}
	if len(r.Nodes) > len(names) {
		return nil, unix.EIO
	}
	var is []*vfs.Inode
	for n := range r.Nodes {
		is = append(is, d.fs.inode(&r.Nodes[n]))
	}
	return is, err
}

// made is what every maker of a file answers.
func (d *dir) made(r *proto.Request) (*vfs.Inode, error) {
	if d.fs.opts.ReadOnly {
		return nil, unix.EROFS
	}
	r.Fid = d.fid
	reply, err := call(d.fs.c, r)
	if err != nil {
		return nil, err
	}
	d.touched()
	return d.fs.inode(&reply.Nodes[0]), nil
}

// touched forgets what a change of names made untrue.
func (d *dir) touched() {
	d.mu.Lock()
	d.entries = nil
	d.changes++
	d.mu.Unlock()
	d.changed()
}

// Create implements vfs.DirImpl.
func (d *dir) Create(_ current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	op := proto.Mknod
	if n.Mode&unix.S_IFMT == unix.S_IFREG {
		op = proto.Create
	}
	return d.made(&proto.Request{Op: op, Name: name, Mode: n.Mode, UID: n.UID, GID: n.GID})
}

// Mkdir implements vfs.DirImpl.
func (d *dir) Mkdir(_ current.Task, name string, n vfs.NewInode) (*vfs.Inode, error) {
	return d.made(&proto.Request{Op: proto.Mkdir, Name: name, Mode: n.Mode, UID: n.UID, GID: n.GID})
}

// Symlink implements vfs.DirImpl.
func (d *dir) Symlink(_ current.Task, name, target string, n vfs.NewInode) (*vfs.Inode, error) {
	return d.made(&proto.Request{Op: proto.Symlink, Name: name, Target: target, UID: n.UID, GID: n.GID})
}

// Link implements vfs.DirImpl.
func (d *dir) Link(_ current.Task, name string, target *vfs.Inode) error {
	i, err := d.made(&proto.Request{Op: proto.Link, Name: name, Fid2: target.Impl.(hasBase).base().fid})
	if err == nil {
		i.DecRef()
	}
	return err
}

func (d *dir) unlink(name string, child *vfs.Inode, flags uint32) error {
	if d.fs.opts.ReadOnly {
		return unix.EROFS
	}
	if _, err := call(d.fs.c, &proto.Request{Op: proto.Unlink, Fid: d.fid, Name: name, Flags: flags}); err != nil {
		return err
	}
	d.touched()
	child.Impl.(hasBase).base().changed()
	return nil
}

// Unlink implements vfs.DirImpl.
func (d *dir) Unlink(_ current.Task, name string, child *vfs.Inode) error {
	return d.unlink(name, child, 0)
}

// Rmdir implements vfs.DirImpl.
func (d *dir) Rmdir(_ current.Task, name string, child *vfs.Inode) error {
	return d.unlink(name, child, unix.AT_REMOVEDIR)
}

// Rename implements vfs.DirImpl.
func (d *dir) Rename(_ current.Task, name string, child *vfs.Inode, newDir *vfs.Inode, newName string, target *vfs.Inode, flags uint32) error {
	if d.fs.opts.ReadOnly {
		return unix.EROFS
	}
	to := newDir.Impl.(*dir)
	_, err := call(d.fs.c, &proto.Request{Op: proto.Rename, Fid: d.fid, Name: name, Fid2: to.fid, Name2: newName, Flags: flags})
	if err != nil {
		return err
	}
	d.touched()
	if to != d {
		to.touched()
	}
	child.Impl.(hasBase).base().changed()
	if target != nil {
		target.Impl.(hasBase).base().changed()
	}
	return nil
}

// list returns all entries.
func (d *dir) list() ([]proto.Dirent, error) {
	d.mu.Lock()
	es, changes := d.entries, d.changes
	d.mu.Unlock()
	if es != nil {
		return es, nil
	}
	// A directory may be as large as it likes, but not larger than this.
	const maxEntries = 4 << 20
	es = []proto.Dirent{}
	for at := int64(0); ; {
		r, err := call(d.fs.c, &proto.Request{Op: proto.Readdir, Fid: d.fid, Off: at})
		if err != nil {
			return nil, err
		}
		if len(r.Entries) == 0 {
			break
		}
		for _, e := range r.Entries {
			if !proto.ValidName(e.Name) {
				return nil, unix.EIO
			}
			es = append(es, e)
			at = e.Next
		}
		if len(es) > maxEntries {
			return nil, unix.EIO
		}
	}
	d.mu.Lock()
	if d.fs.opts.Exclusive && d.changes == changes { // a name that came meanwhile may be missing
		d.entries = es
	}
	d.mu.Unlock()
	return es, nil
}

// Open implements vfs.InodeImpl.
func (d *dir) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &dirFile{d: d}, nil }

// dirFile is an open directory. What it lists is what was there when it began:
// its cookies are places in that list.
type dirFile struct {
	vfs.OpenDir
	d       *dir
	entries []proto.Dirent // the file's offset lock guards it
}

// Sync implements vfs.Syncer.
func (f *dirFile) Sync(current.Task, *vfs.File, bool) error {
	_, err := call(f.d.fs.c, &proto.Request{Op: proto.Fsync, Fid: f.d.fid})
	return err
}

// ReadDir implements vfs.DirReader.
func (f *dirFile) ReadDir(_ current.Task, vf *vfs.File, cookie int64, emit func(vfs.Dirent) bool) error {
	if cookie == 0 || f.entries == nil {
		es, err := f.d.list()
		if err != nil {
			return err
		}
		f.entries = es
	}
	if !vfs.EmitDots(vf, f.d.ino, cookie, emit) {
		return nil
	}
	for i := max(cookie-2, 0); i < int64(len(f.entries)); i++ {
		e := &f.entries[i]
		if !emit(vfs.Dirent{Name: e.Name, Ino: e.Ino, Type: e.Type, Next: i + 3}) {
			return nil
		}
	}
	return nil
}
