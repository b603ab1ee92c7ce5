package overlay

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/vfs"
)

// entry is a name in a merged directory.
type entry struct {
	name string
	ino  uint64
	typ  uint8
}

// layerEntries lists a directory of a layer, without "." and "..".
func layerEntries(t current.Task, i *vfs.Inode) ([]vfs.Dirent, error) {
	f, done, err := openLayer(t, i, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer done()
	r, ok := f.Impl().(vfs.DirReader)
	if !ok {
		return nil, unix.ENOTDIR
	}
	var es []vfs.Dirent
	err = r.ReadDir(t, f, 0, func(e vfs.Dirent) bool {
		if e.Name != "." && e.Name != ".." {
			es = append(es, e)
		}
		return true
	})
	return es, err
}

// list merges what the layers have: the upper's names, then the lower's that
// are not hidden.
func (d *dir) list(t current.Task) ([]entry, error) {
	var es []entry
	upper := map[string]int{} // place in es, -1 for a whiteout
	if u := d.upper.Load(); u != nil {
		us, err := layerEntries(t, u)
		if err != nil {
			return nil, err
		}
		for _, e := range us {
			if e.Type == unix.DT_CHR {
				if i, err := dirOf(u).Lookup(t, e.Name); err == nil {
					w := isWhiteout(t, i)
					i.DecRef()
					if w {
						upper[e.Name] = -1
						continue
					}
				}
			}
			upper[e.Name] = len(es)
			es = append(es, entry{e.Name, e.Ino + upperIno, e.Type})
		}
	}
	if d.lower == nil {
		return es, nil
	}
	ls, err := layerEntries(t, d.lower)
	if err != nil {
		return nil, err
	}
	for _, e := range ls {
		at, ok := upper[e.Name]
		switch {
		case !ok:
			es = append(es, entry{e.Name, e.Ino, e.Type})
		case at >= 0 && es[at].typ == e.Type && e.Type == unix.DT_DIR:
			es[at].ino = e.Ino // a merged directory has the lower one's number
		}
	}
	return es, nil
}

// mustBeEmpty is ENOTEMPTY for a directory with names.
func (d *dir) mustBeEmpty(t current.Task) error {
	es, err := d.list(t)
	if err != nil {
		return err
	}
	if len(es) > 0 {
		return unix.ENOTEMPTY
	}
	return nil
}

// clearWhiteouts empties an upper directory that shows as empty.
func clearWhiteouts(t current.Task, u *vfs.Inode) error {
	es, err := layerEntries(t, u)
	if err != nil {
		return err
	}
	for _, e := range es {
		w, err := dirOf(u).Lookup(t, e.Name)
		if err != nil {
			return err
		}
		err = unix.ENOTEMPTY
		if isWhiteout(t, w) {
			err = dirOf(u).Unlink(t, e.Name, w)
		}
		w.DecRef()
		if err != nil {
			return err
		}
	}
	return nil
}

// Open implements vfs.InodeImpl.
func (d *dir) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return &dirFile{d: d}, nil }

// dirFile is an open directory: a list made when reading began, whose places
// are the cookies.
type dirFile struct {
	vfs.OpenDir
	d       *dir
	made    bool    // the file's offset lock guards it and entries
	entries []entry //
}

// ReadDir implements vfs.DirReader.
func (f *dirFile) ReadDir(t current.Task, vf *vfs.File, cookie int64, emit func(vfs.Dirent) bool) error {
	if cookie == 0 || !f.made {
		es, err := f.d.list(t)
		if err != nil {
			return err
		}
		f.entries, f.made = es, true
	}
	if !vfs.EmitDots(vf, f.d.ino, cookie, emit) {
		return nil
	}
	for i := max(cookie-2, 0); i < int64(len(f.entries)); i++ {
		e := &f.entries[i]
		if !emit(vfs.Dirent{Name: e.name, Ino: e.ino, Type: e.typ, Next: i + 3}) {
			return nil
		}
	}
	return nil
}
