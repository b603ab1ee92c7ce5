package cgroup

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// The cgroups that a guest makes are the kernel's (kernel.Cgroup); what is here is
// their files. They count and bound tasks, and stop and kill them. Processor time and
// memory are counted; their limits are the host's, which knows no part of a container:
// they can only be set to what they are.

// dir is the directory of a cgroup: its files, and the cgroups below.
type dir struct {
	g  *Group
	at *kernel.Cgroup
	fs *pseudo.FS
}

var (
	_ pseudo.Lister = dir{}
	_ pseudo.Alive  = dir{}
	_ pseudo.Maker  = dir{}
)

// inode returns the directory with files.
func (d dir) inode(files map[string]pseudo.Content) *vfs.Inode {
	var es []pseudo.Entry
	for name, c := range files {
		mode := uint32(0o444)
		if _, fixed := c.(pseudo.Static); !fixed && (writable(name) || d.at != d.g.c.Cgroup() && ownWritable(c)) {
			mode = 0o644
		}
		es = append(es, pseudo.Entry{Name: name, Inode: d.fs.Text(mode, c, nil)})
	}
	slices.SortFunc(es, func(a, b pseudo.Entry) int { return strings.Compare(a.Name, b.Name) })
	return d.fs.Dynamic(0o755, d, nil, es...)
}

// ownWritable reports whether a file of a cgroup that the guest made can be written.
func ownWritable(c pseudo.Content) bool {
	_, ok := c.(pseudo.Setter)
	return ok
}

// Alive implements pseudo.Alive.
func (d dir) Alive() bool { return d.at.Alive() }

// Lookup implements pseudo.Lister.
func (d dir) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	c := d.at.Child(name)
	if c == nil {
		return nil, unix.ENOENT
	}
	below := dir{d.g, c, d.fs}
	return below.inode(below.files()), nil
}

// List implements pseudo.Lister.
func (d dir) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	var es []vfs.Dirent
	for i, name := range d.at.Children() {
		if next := int64(i) + 1; next > cookie {
			es = append(es, vfs.Dirent{Name: name, Ino: uint64(i) + 2, Type: unix.DT_DIR, Next: next})
		}
	}
	return es, nil
}

// Mkdir implements pseudo.Maker: EINVAL for a name that would be a file's.
func (d dir) Mkdir(_ current.Task, name string) error {
	if strings.ContainsRune(name, '\n') {
		return unix.EINVAL
	}
	return d.at.Make(name)
}

// Rmdir implements pseudo.Maker.
func (d dir) Rmdir(_ current.Task, name string) error { return d.at.Remove(name) }

const noEvents = "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"

// files are those of a cgroup that the guest made.
func (d dir) files() map[string]pseudo.Content {
	c := d.at
	show := func(f func() any) pseudo.Content { return shown(f) }
	return map[string]pseudo.Content{
		"cgroup.controllers":     pseudo.Static("cpu memory pids\n"),
		"cgroup.subtree_control": subtree{},
		"cgroup.type":            pseudo.Static("domain\n"),
		"cgroup.max.depth":       pseudo.Static("max\n"),
		"cgroup.max.descendants": pseudo.Static("max\n"),
		"cgroup.stat":            count{c},
		"cgroup.procs":           procs{d.g, c},
		"cgroup.threads":         threads{d.g, c},
		"cgroup.events":          show(func() any { return fmt.Sprintf("populated %d\nfrozen %d", bit(c.Tasks() > 0), bit(c.Frozen())) }),
		"cgroup.freeze":          freeze{c},
		"cgroup.kill":            kill{c},
		"cpu.max":                fixed("max 100000"),
		"cpu.weight":             fixed("100"),
		"cpu.stat": show(func() any {
			user, sys := c.Times()
			return fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d", (user + sys).Microseconds(), user.Microseconds(), sys.Microseconds())
		}),
		"memory.current":      show(func() any { return c.RSS() }),
		"memory.events":       pseudo.Static(noEvents),
		"memory.stat":         show(func() any { return fmt.Sprintf("anon %d\nfile 0", c.RSS()) }),
		"memory.min":          fixed("0"),
		"memory.low":          fixed("0"),
		"memory.high":         fixed("max"),
		"memory.max":          fixed("max"),
		"memory.swap.max":     fixed("max"),
		"memory.swap.current": pseudo.Static("0\n"),
		"pids.current":        show(func() any { return c.Tasks() }),
		"pids.max":            pids{c},
		"pids.events":         pseudo.Static("max 0\n"),
	}
}

// shown is a file that only shows something.
type shown func() any

// Content implements pseudo.Content.
func (f shown) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, f())
	return nil
}

// fixed is a limit that can be set to nothing else.
type fixed string

// Content implements pseudo.Content.
func (f fixed) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, string(f))
	return nil
}

// Set implements pseudo.Setter.
func (f fixed) Set(t current.Task, b []byte) error {
	have, _, _ := strings.Cut(string(f), " ")
	if v := strings.TrimSpace(string(b)); v == string(f) || v == have {
		return nil
	}
	t.Note("hull divides no memory and no processor time between a container's cgroups")
	return unix.EOPNOTSUPP
}

// subtree is cgroup.subtree_control: all controllers are for those below, too.
type subtree struct{}

// Content implements pseudo.Content.
func (subtree) Content(_ current.Task, w *bytes.Buffer) error {
	w.WriteString("cpu memory pids\n")
	return nil
}

// Set implements pseudo.Setter: EINVAL for a controller that is not there, and
// EBUSY, as if somebody below used it, for taking one away.
func (subtree) Set(_ current.Task, b []byte) error {
	for _, word := range strings.Fields(string(b)) {
		switch word {
		case "+cpu", "+memory", "+pids":
		case "-cpu", "-memory", "-pids":
			return unix.EBUSY
		default:
			return unix.EINVAL
		}
	}
	return nil
}

// count is cgroup.stat.
type count struct{ c *kernel.Cgroup }

// Content implements pseudo.Content.
func (f count) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintf(w, "nr_descendants %d\nnr_dying_descendants 0\n", f.c.Descendants())
	return nil
}

// procs is cgroup.procs: the processes, and who is written into it becomes one.
type procs struct {
	g *Group
	c *kernel.Cgroup
}

// Content implements pseudo.Content.
func (f procs) Content(t current.Task, w *bytes.Buffer) error {
	ns := f.g.pidNS(t)
	var ids []int32
	for _, tg := range f.c.Groups() {
		ids = append(ids, tg.IDIn(ns))
	}
	lines(w, ids)
	return nil
}

// Set implements pseudo.Setter: EINVAL, ESRCH, ENODEV.
func (f procs) Set(t current.Task, b []byte) error {
	id, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32)
	if err != nil || id < 0 {
		return unix.EINVAL
	}
	kt, ok := t.(*kernel.Task)
	if !ok {
		return unix.EINVAL
	}
	if id != 0 {
		if kt = kt.PIDNS().Task(int32(id)); kt == nil {
			return unix.ESRCH
		}
	}
	return f.c.Move(kt.ThreadGroup())
}

// threads is cgroup.threads. Threads are where their process is.
type threads procs

// Content implements pseudo.Content.
func (f threads) Content(t current.Task, w *bytes.Buffer) error {
	lines(w, f.c.TIDs(f.g.pidNS(t)))
	return nil
}

// Set implements pseudo.Setter: as in a domain that is not threaded.
func (f threads) Set(current.Task, []byte) error { return unix.EOPNOTSUPP }

// flag reads the 0 or 1 that is written to a file: EINVAL, ERANGE.
func flag(b []byte) (bool, error) {
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil:
		return false, unix.EINVAL
	case n < 0 || n > 1:
		return false, unix.ERANGE
	}
	return n == 1, nil
}

// freeze is cgroup.freeze.
type freeze struct{ c *kernel.Cgroup }

// Content implements pseudo.Content.
func (f freeze) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, bit(f.c.Frozen()))
	return nil
}

// Set implements pseudo.Setter.
func (f freeze) Set(_ current.Task, b []byte) error {
	on, err := flag(b)
	if err == nil {
		f.c.SetFrozen(on)
	}
	return err
}

// kill is cgroup.kill.
type kill struct{ c *kernel.Cgroup }

// Content implements pseudo.Content.
func (kill) Content(current.Task, *bytes.Buffer) error { return nil }

// Set implements pseudo.Setter.
func (f kill) Set(_ current.Task, b []byte) error {
	on, err := flag(b)
	if err == nil && !on {
		err = unix.ERANGE
	}
	if err == nil {
		f.c.KillAll()
	}
	return err
}

// pids is pids.max.
type pids struct{ c *kernel.Cgroup }

// Content implements pseudo.Content.
func (f pids) Content(_ current.Task, w *bytes.Buffer) error {
	number(w, f.c.MaxTasks())
	return nil
}

// Set implements pseudo.Setter: EINVAL.
func (f pids) Set(_ current.Task, b []byte) error {
	v := strings.TrimSpace(string(b))
	if v == "max" {
		f.c.SetMaxTasks(0)
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n <= 0 {
		return unix.EINVAL
	}
	f.c.SetMaxTasks(n)
	return nil
}

// Of returns the cgroup whose directory an open file is, or nil.
func Of(f *vfs.File) *kernel.Cgroup {
	i := f.Path.Inode()
	if i == nil {
		return nil
	}
	if d, ok := pseudo.ListerOf(i).(dir); ok {
		return d.at
	}
	return nil
}
