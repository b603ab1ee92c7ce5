// Package cgroup is /sys/fs/cgroup as a container sees it: a cgroup of version 2
// that holds all processes, with the limits that the container was given
// (Documentation/admin-guide/cgroup-v2.rst).
//
//   - It shows limits and use; who enforces the limits is the kernel (pids) and
//     the host (memory, processor time).
//   - Below it the guest can make others: tree.go. The container's own cannot be
//     changed.
package cgroup

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// Limits are the container's. 0 is no limit.
type Limits struct {
	Memory, Swap int64 // bytes; Swap is without the memory
	Quota        int64 // of processor time each Period, microseconds
	Period       uint64
	Weight       uint64 // 1 to 10000
	Tasks        int64
}

// Group is what an instance shows: one a container.
type Group struct {
	k      *kernel.Kernel    // immutable
	c      *kernel.Container // immutable: its processes
	alone  bool              // immutable: all memory of k is theirs
	limits atomic.Pointer[Limits]
}

// NewGroup returns the group of the processes of c. That they are alone means
// that files in memory are theirs too.
func NewGroup(k *kernel.Kernel, c *kernel.Container, alone bool, l Limits) *Group {
	g := &Group{k: k, c: c, alone: alone}
	g.limits.Store(&l)
	return g
}

// Memory returns how much memory the group has, in bytes.
func (g *Group) Memory() uint64 {
	if g.alone {
		return g.k.Memory().Usage()
	}
	return g.c.RSS()
}

// SetLimits says what the limits are from now on.
func (g *Group) SetLimits(l Limits) { g.limits.Store(&l) }

// Limits returns them.
func (g *Group) Limits() Limits { return *g.limits.Load() }

// Root returns the cgroup of the container.
func (g *Group) Root() *kernel.Cgroup { return g.c.Cgroup() }

// New returns an instance that shows at, which is g's or one below it, and those below
// it, and its root inode with a reference.
func New(g *Group, at *kernel.Cgroup, dev vfs.Dev) (*vfs.Filesystem, *vfs.Inode) {
	fs := pseudo.New("cgroup2", unix.CGROUP2_SUPER_MAGIC, dev, false, "nsdelegate")
	fs.Fresh = true
	d := dir{g, at, fs}
	if at != g.Root() {
		return fs.VFS, d.inode(d.files())
	}
	return fs.VFS, d.inode(g.files())
}

// writable reports whether Linux shows the file as one that root may write.
// Here a write is refused.
func writable(name string) bool {
	switch name {
	case "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cpu.max", "cpu.weight", "memory.max", "memory.swap.max", "pids.max":
		return true
	}
	return false
}

// text is a file whose content is made when it is read.
type text func(g *Group, t current.Task, w *bytes.Buffer)

type file struct {
	g *Group
	f text
}

// Content implements pseudo.Content.
func (f file) Content(t current.Task, w *bytes.Buffer) error {
	f.f(f.g, t, w)
	return nil
}

// Set implements pseudo.Setter: the limits are not the guest's to change.
func (f file) Set(current.Task, []byte) error { return unix.EPERM }

func (g *Group) files() map[string]pseudo.Content {
	fs := map[string]pseudo.Content{
		"cgroup.controllers":     pseudo.Static("cpu memory pids\n"),
		"cgroup.subtree_control": subtree{},
		"cgroup.procs":           procs{g, g.c.Cgroup()},
		"cgroup.type":            pseudo.Static("domain\n"),
		"cgroup.max.depth":       pseudo.Static("max\n"),
		"cgroup.max.descendants": pseudo.Static("max\n"),
		"cgroup.stat":            count{g.c.Cgroup()},
		"memory.events":          pseudo.Static(noEvents),
		"memory.min":             pseudo.Static("0\n"),
		"memory.low":             pseudo.Static("0\n"),
		"memory.high":            pseudo.Static("max\n"),
		"memory.swap.current":    pseudo.Static("0\n"), // the guest's memory is not swapped by the guest's kernel
	}
	for name, f := range map[string]text{
		"cgroup.threads": (*Group).threads, "cgroup.events": (*Group).events,
		"cgroup.freeze": func(g *Group, _ current.Task, w *bytes.Buffer) { fmt.Fprintln(w, bit(g.c.Frozen())) },
		"cpu.max":       (*Group).cpuMax, "cpu.weight": (*Group).cpuWeight, "cpu.stat": (*Group).cpuStat,
		"memory.max":      func(g *Group, _ current.Task, w *bytes.Buffer) { number(w, g.Limits().Memory) },
		"memory.swap.max": func(g *Group, _ current.Task, w *bytes.Buffer) { number(w, g.Limits().Swap) },
		"memory.current":  func(g *Group, _ current.Task, w *bytes.Buffer) { fmt.Fprintln(w, g.Memory()) },
		"pids.max":        func(g *Group, _ current.Task, w *bytes.Buffer) { number(w, g.Limits().Tasks) },
		"pids.current": func(g *Group, _ current.Task, w *bytes.Buffer) {
			fmt.Fprintln(w, g.c.Tasks())
		},
	} {
		fs[name] = file{g, f}
	}
	return fs
}

// number writes a limit.
func number(w *bytes.Buffer, n int64) {
	if n <= 0 {
		w.WriteString("max\n")
		return
	}
	fmt.Fprintln(w, n)
}

func (g *Group) cpuMax(_ current.Task, w *bytes.Buffer) {
	const defaultPeriod = 100000
	l := g.Limits()
	quota, period := "max", l.Period
	if l.Quota > 0 {
		quota = strconv.FormatInt(l.Quota, 10)
	}
	if period == 0 {
		period = defaultPeriod
	}
	fmt.Fprintln(w, quota, period)
}

func (g *Group) cpuWeight(_ current.Task, w *bytes.Buffer) {
	const defaultWeight = 100
	n := g.Limits().Weight
	if n == 0 {
		n = defaultWeight
	}
	fmt.Fprintln(w, n)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (g *Group) events(_ current.Task, w *bytes.Buffer) {
	fmt.Fprintf(w, "populated %d\nfrozen %d\n", bit(g.c.Tasks() > 0), bit(g.c.Frozen()))
}

func (g *Group) cpuStat(_ current.Task, w *bytes.Buffer) {
	user, sys := g.c.Times()
	fmt.Fprintf(w, "usage_usec %d\nuser_usec %d\nsystem_usec %d\n", (user + sys).Microseconds(), user.Microseconds(), sys.Microseconds())
}

// pidNS is the pid namespace whose numbers the reader sees.
func (g *Group) pidNS(t current.Task) *kernel.PIDNamespace {
	if kt, ok := t.(*kernel.Task); ok {
		return kt.PIDNS()
	}
	return g.k.RootPIDNS()
}

func (g *Group) threads(t current.Task, w *bytes.Buffer) { lines(w, g.c.Cgroup().TIDs(g.pidNS(t))) }

func lines(w *bytes.Buffer, ids []int32) {
	slices.Sort(ids)
	for _, id := range ids {
		fmt.Fprintln(w, id)
	}
}
