package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// pid is a process's directory /proc/PID, or a thread's /proc/PID/task/TID.
type pid struct {
	fs     *FS
	t      *kernel.Task
	thread bool
}

// pidDir returns the directory of t.
func (fs *FS) pidDir(t *kernel.Task, thread bool) *vfs.Inode {
	p := pid{fs, t, thread}
	return fs.ps.Dynamic(0555, p, p)
}

// Owner implements pseudo.Owner: the effective ids, or root's of a process that
// others may not look into.
func (p pid) Owner() (uid, gid uint32) {
	if m := p.t.PeekMM(); m != nil {
		dumpable := m.Info().Dumpable
		m.DecUsers()
		if dumpable != 1 {
			return 0, 0
		}
	}
	c := p.t.CredOf()
	return c.EUID, c.EGID
}

// Alive implements pseudo.Alive.
func (p pid) Alive() bool { return p.t.TIDIn(p.fs.ns) != 0 && p.fs.ns.Task(p.t.TIDIn(p.fs.ns)) == p.t }

// idMap is the text of uid_map and gid_map (user_namespaces(7)).
func idMap(ranges []auth.IDRange) pseudo.Static {
	var b strings.Builder
	for _, r := range ranges {
		fmt.Fprintf(&b, "%10d %10d %10d\n", r.First, r.Parent, r.Count)
	}
	return pseudo.Static(b.String())
}

// pidNames are the names in /proc/PID; task is left out in a thread's.
func pidNames() []string {
	return []string{"auxv", "cgroup", "cmdline", "comm", "coredump_filter", "cwd", "environ", "exe", "fd", "fdinfo",
		"gid_map", "io", "limits", "maps", "mem", "mountinfo", "mounts", "net", "ns", "oom_score", "oom_score_adj",
		"personality", "root", "schedstat", "setgroups", "smaps", "smaps_rollup", "stat", "statm", "status", "syscall",
		"timens_offsets", "timerslack_ns", "uid_map", "wchan", "task"}
}

func pidType(name string) uint8 {
	switch name {
	case "cwd", "exe", "root":
		return unix.DT_LNK
	case "attr", "fd", "fdinfo", "net", "ns", "task":
		return unix.DT_DIR
	}
	return unix.DT_REG
}

// List implements pseudo.Lister.
func (p pid) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	if !p.Alive() {
		return nil, unix.ENOENT
	}
	ns := pidNames()
	if p.thread {
		ns = ns[:len(ns)-1]
	}
	if p.t.ThreadGroup().Container().Label() != (kernel.Label{}) {
		ns = append([]string{"attr"}, ns...)
	}
	return names(ns, pidType, cookie), nil
}

// Lookup implements pseudo.Lister.
func (p pid) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	if !p.Alive() {
		return nil, unix.ENOENT
	}
	ps := p.fs.ps
	text := func(mode uint32, c pseudo.Content) (*vfs.Inode, error) { return ps.Text(mode, c, p), nil }
	switch name {
	case "attr": // as on a host that has no such module, there is none without a label
		if p.t.ThreadGroup().Container().Label() != (kernel.Label{}) {
			return p.attrDir(), nil
		}
	case "auxv":
		return text(0400, auxv{p})
	case "cgroup":
		return text(0444, cgroupOf{p})
	case "cmdline":
		return text(0444, area{p, false})
	case "comm":
		return text(0644, comm{p})
	case "coredump_filter":
		return text(0644, pseudo.Static("00000033\n"))
	case "cwd":
		return ps.Link(place{p, "cwd"}, p), nil
	case "environ":
		return text(0400, area{p, true})
	case "exe":
		return ps.Link(place{p, "exe"}, p), nil
	case "root":
		return ps.Link(place{p, "root"}, p), nil
	case "fd":
		return ps.Dynamic(0500, fds{p, false}, p), nil
	case "fdinfo":
		return ps.Dynamic(0500, fds{p, true}, p), nil
	case "gid_map":
		return text(0644, idMap(p.t.Cred().UserNS.GIDs))
	case "uid_map":
		return text(0644, idMap(p.t.Cred().UserNS.UIDs))
	case "io":
		return text(0400, pseudo.Static("rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"))
	case "limits":
		return text(0444, limitsFile{p})
	case "maps":
		return text(0444, maps{p, mapsPlain})
	case "smaps":
		return text(0444, maps{p, mapsFull})
	case "smaps_rollup":
		return text(0444, maps{p, mapsRollup})
	case "mem":
		return ps.Custom(unix.S_IFREG|0600, mem{p}, p), nil
	case "mountinfo":
		return text(0444, mountinfo{p})
	case "mounts":
		return text(0444, mounts{p})
	case "net":
		return p.fs.netDir(p), nil
	case "ns":
		return p.nsDir(), nil
	case "oom_score":
		return text(0444, pseudo.Static("0\n"))
	case "oom_score_adj":
		return text(0644, oomAdj{p})
	case "personality":
		return text(0400, personality{p})
	case "schedstat":
		return text(0444, schedstat{p})
	case "setgroups":
		return text(0644, pseudo.Static("allow\n"))
	case "stat":
		return text(0444, pidStat{p})
	case "statm":
		return text(0444, statm{p})
	case "status":
		return text(0444, status{p})
	case "syscall":
		return text(0400, pseudo.Static("running\n"))
	case "timens_offsets":
		return text(0644, timeOffsets{p})
	case "timerslack_ns":
		return text(0644, pseudo.Static("50000\n"))
	case "wchan":
		return text(0444, pseudo.Static("0"))
	case "task":
		if !p.thread {
			return ps.Dynamic(0555, threads{p}, p), nil
		}
	}
	return nil, unix.ENOENT
}

// threads is /proc/PID/task.
type threads struct{ p pid }

// Alive implements pseudo.Alive.
func (l threads) Alive() bool { return l.p.Alive() }

// Lookup implements pseudo.Lister.
func (l threads) Lookup(_ current.Task, name string) (*vfs.Inode, error) {
	id, ok := number(name)
	if !ok {
		return nil, unix.ENOENT
	}
	t := l.p.fs.ns.Task(id)
	if t == nil || t.ThreadGroup() != l.p.t.ThreadGroup() {
		return nil, unix.ENOENT
	}
	return l.p.fs.pidDir(t, true), nil
}

// List implements pseudo.Lister.
func (l threads) List(_ current.Task, cookie int64) ([]vfs.Dirent, error) {
	var ids []int32
	for _, t := range l.p.t.ThreadGroup().Tasks() {
		ids = append(ids, t.TIDIn(l.p.fs.ns))
	}
	return dirents(ids, cookie, unix.DT_DIR), nil
}

// may reports whether the caller may look into p: EACCES as proc says it.
func (p pid) may(t current.Task) error {
	kt := task(t)
	if kt == nil || kt.MayAccess(p.t, false) != nil {
		return unix.EACCES
	}
	return nil
}

// place is cwd, root and exe: links to an object.
type place struct {
	p    pid
	what string
}

var _ vfs.MagicLink = place{}

// Follow implements vfs.MagicLink.
func (l place) Follow(t current.Task) (vfs.Path, error) {
	if err := l.p.may(t); err != nil {
		return vfs.Path{}, err
	}
	if l.what == "exe" {
		m := l.p.t.PeekMM()
		if m == nil {
			return vfs.Path{}, unix.ENOENT
		}
		defer m.DecUsers()
		if e, ok := m.Info().Exe.(interface{ VFSPath() vfs.Path }); ok {
			return e.VFSPath().IncRef(), nil
		}
		return vfs.Path{}, unix.ENOENT
	}
	fs, _ := l.p.t.PeekFS()
	if fs == nil {
		return vfs.Path{}, unix.ENOENT
	}
	defer fs.DecRef()
	if l.what == "cwd" {
		return fs.CWD(), nil
	}
	return fs.Root(), nil
}

// Readlink implements vfs.Readlinker.
func (l place) Readlink(t current.Task) (string, error) {
	path, err := l.Follow(t)
	if err != nil {
		return "", err
	}
	defer path.DecRef()
	return nameFor(t, path), nil
}

// nameFor is a path as the caller's root sees it.
func nameFor(t current.Task, p vfs.Path) string {
	kt := task(t)
	root := kt.FS().Root()
	defer root.DecRef()
	name, ok := vfs.PathName(p, root)
	if !ok {
		return "(unreachable)" + name
	}
	return name
}

// area is cmdline or environ: the strings in the process's own memory.
type area struct {
	p   pid
	env bool
}

// maxArea bounds what is shown of them, in bytes.
const maxArea = 1 << 20

// Alive implements pseudo.Alive: an open environ is of the memory, which can be
// empty, not of the task.
func (a area) Alive() bool { return a.env || a.p.Alive() }

// Content implements pseudo.Content.
func (a area) Content(t current.Task, w *bytes.Buffer) error {
	if a.env {
		if err := a.p.may(t); err != nil {
			return err
		}
	}
	w.Write(readArea(a.p.t, a.env))
	return nil
}

// CommandLine returns the arguments of a process as they are in its memory now,
// each ended by a zero byte.
func CommandLine(t *kernel.Task) []byte { return readArea(t, false) }

func readArea(t *kernel.Task, env bool) []byte {
	m := t.PeekMM()
	if m == nil {
		return nil
	}
	defer m.DecUsers()
	i := m.Info()
	start, end := i.ArgStart, i.ArgEnd
	if env {
		start, end = i.EnvStart, i.EnvEnd
	}
	if start >= end || end-start > maxArea {
		return nil
	}
	b := make([]byte, end-start)
	n, _ := m.IgnorePerm().CopyIn(start, b)
	b = b[:n]
	if !env && n > 0 && b[n-1] != 0 && i.EnvEnd > i.EnvStart {
		// The program wrote over its arguments (setproctitle): one string.
		if z := bytes.IndexByte(b, 0); z >= 0 {
			b = b[:z+1]
		}
	}
	return b
}

type auxv struct{ p pid }

// Content implements pseudo.Content.
func (a auxv) Content(t current.Task, w *bytes.Buffer) error {
	if err := a.p.may(t); err != nil {
		return err
	}
	m := a.p.t.PeekMM()
	if m == nil {
		return nil
	}
	defer m.DecUsers()
	for _, v := range m.Info().Auxv {
		w.Write(usermem.BytesOf(&v))
	}
	return nil
}

type comm struct{ p pid }

// Content implements pseudo.Content.
func (c comm) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, c.p.t.Comm())
	return nil
}

// Set implements pseudo.Setter: for threads of the caller's own process.
func (c comm) Set(t current.Task, data []byte) error {
	kt := task(t)
	if kt == nil || kt.ThreadGroup() != c.p.t.ThreadGroup() {
		return unix.EINVAL
	}
	c.p.t.SetComm(strings.TrimRight(string(data), "\n\x00"))
	return nil
}

type oomAdj struct{ p pid }

// Content implements pseudo.Content.
func (o oomAdj) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, o.p.t.ThreadGroup().OOMScoreAdj())
	return nil
}

// Set implements pseudo.Setter.
func (o oomAdj) Set(t current.Task, data []byte) error {
	s, _, _ := strings.Cut(string(data), "\x00") // as a C program writes a string
	v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if err != nil || v < -1000 || v > 1000 {
		return unix.EINVAL
	}
	if int32(v) < o.p.t.ThreadGroup().OOMScoreAdj() && !t.Cred().HasCap(unix.CAP_SYS_RESOURCE) {
		return unix.EACCES
	}
	o.p.t.ThreadGroup().SetOOMScoreAdj(int32(v))
	return nil
}

type personality struct{ p pid }

// Content implements pseudo.Content.
func (x personality) Content(t current.Task, w *bytes.Buffer) error {
	if err := x.p.may(t); err != nil {
		return err
	}
	fmt.Fprintf(w, "%08x\n", x.p.t.Personality())
	return nil
}

type schedstat struct{ p pid }

// Content implements pseudo.Content.
func (s schedstat) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintf(w, "%d 0 0\n", s.p.t.CPUTime().Nanoseconds())
	return nil
}

// TaskOf returns the task whose directory /proc/PID the open file f is, or nil.
func TaskOf(f *vfs.File) *kernel.Task {
	i := f.Path.Inode()
	if i == nil {
		return nil
	}
	if p, ok := pseudo.ListerOf(i).(pid); ok && !p.thread {
		return p.t
	}
	return nil
}
