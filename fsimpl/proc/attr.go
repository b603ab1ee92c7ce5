package proc

import (
	"bytes"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/vfs"
)

// attrDir is /proc/PID/attr: what the host's security modules know the process's
// container by. apparmor is where libapparmor looks first.
func (p pid) attrDir() *vfs.Inode {
	ps := p.fs.ps
	own := func() pseudo.Entry { return pseudo.Entry{Name: "current", Inode: ps.Text(0444, label{p}, p)} }
	entries := []pseudo.Entry{own()}
	if p.t.ThreadGroup().Container().Label().AppArmor {
		entries = append(entries, pseudo.Entry{Name: "apparmor", Inode: ps.Dir(0555, own())})
	}
	return ps.Dir(0555, entries...)
}

// label is attr/current.
type label struct{ p pid }

// Content implements pseudo.Content.
func (l label) Content(_ current.Task, w *bytes.Buffer) error {
	w.WriteString(l.p.t.ThreadGroup().Container().Label().Text)
	return nil
}
