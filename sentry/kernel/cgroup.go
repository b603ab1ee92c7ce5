package kernel

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/ebpf"
)

// Cgroup is a cgroup, cgroups(7): the one that the processes of a container are born
// in, which stands for the container, or one below it that the guest made. A process
// is in one, with all its threads, and is forked into that of its parent.
//
// Life: Make → processes move in and out → Remove, when nobody is in it. Of what is
// in it the guest's kernel counts tasks, processor time and memory; it bounds the
// tasks, and can stop or kill all.
type Cgroup struct {
	c      *Container   // immutable
	parent *Cgroup      // immutable; nil of the container's own
	name   string       // immutable
	most   atomic.Int64 // pids.max; 0 is no bound

	// Guarded by Kernel.tasks.
	children map[string]*Cgroup
	removed  bool
	frozen   bool
	devices  []*ebpf.Program // that decide about devices
	gone     cpuTimes        // of processes that ended in it
}

// cpuTimes is processor time.
type cpuTimes struct{ user, sys time.Duration }

// maxCgroups bounds the cgroups of a container.
const maxCgroups = 1 << 12

// Cgroup returns the container's own.
func (c *Container) Cgroup() *Cgroup { return c.root }

// Container returns the container that the cgroup is in.
func (g *Cgroup) Container() *Container { return g.c }

// within reports whether g is other, or below it.
func (g *Cgroup) within(other *Cgroup) bool {
	for ; g != nil; g = g.parent {
		if g == other {
			return true
		}
	}
	return false
}

// Make makes a cgroup below g: EEXIST, ENODEV if g was removed, EAGAIN.
func (g *Cgroup) Make(name string) error {
	k := g.c.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	switch {
	case g.removed:
		return unix.ENODEV
	case g.children[name] != nil:
		return unix.EEXIST
	case g.c.cgroups >= maxCgroups:
		return unix.EAGAIN
	}
	if g.children == nil {
		g.children = map[string]*Cgroup{}
	}
	g.children[name] = &Cgroup{c: g.c, parent: g, name: name, frozen: g.frozen}
	g.c.cgroups++
	return nil
}

// Remove removes a cgroup below g: ENOENT, EBUSY if somebody is in it.
func (g *Cgroup) Remove(name string) error {
	k := g.c.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	child := g.children[name]
	if child == nil {
		return unix.ENOENT
	}
	if len(child.children) > 0 || len(child.members(false)) > 0 {
		return unix.EBUSY
	}
	child.removed = true
	k.deviceRules.Add(-int64(len(child.devices)))
	child.devices = nil
	g.gone.user += child.gone.user
	g.gone.sys += child.gone.sys
	delete(g.children, name)
	g.c.cgroups--
	return nil
}

// Child returns a cgroup below g, or nil.
func (g *Cgroup) Child(name string) *Cgroup {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.children[name]
}

// Children returns the names of those below g, sorted.
func (g *Cgroup) Children() []string {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return slices.Sorted(maps.Keys(g.children))
}

// Descendants returns how many there are below g.
func (g *Cgroup) Descendants() int {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.descendants()
}

func (g *Cgroup) descendants() int {
	n := len(g.children)
	for _, c := range g.children {
		n += c.descendants()
	}
	return n
}

// Alive reports whether the cgroup was not removed.
func (g *Cgroup) Alive() bool {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return !g.removed
}

// members returns the processes in g, with all also those below it, that are not
// zombies. Kernel.tasks is held.
func (g *Cgroup) members(all bool) []*ThreadGroup {
	var in []*ThreadGroup
	for tg := range g.c.groups {
		if !tg.zombie && (tg.cgroup == g || all && tg.cgroup.within(g)) {
			in = append(in, tg)
		}
	}
	return in
}

// Groups returns the processes in it, but not those below, in no order.
func (g *Cgroup) Groups() []*ThreadGroup {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.members(false)
}

// TIDs returns the numbers that its threads have in ns, in no order.
func (g *Cgroup) TIDs(ns *PIDNamespace) []int32 {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	var ids []int32
	for _, tg := range g.members(false) {
		for _, t := range tg.tasks {
			if id := t.tidIn(ns); id != 0 {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// count is how many tasks there are in it and below. Kernel.tasks is held.
func (g *Cgroup) count() int {
	if g.parent == nil {
		return g.c.count
	}
	n := 0
	for _, tg := range g.members(true) {
		n += len(tg.tasks)
	}
	return n
}

// Tasks is how many tasks there are in it and below.
func (g *Cgroup) Tasks() int {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.count()
}

// full reports whether no more task may be born in it, by its bound or that of one
// above. Kernel.tasks is held.
func (g *Cgroup) full() bool {
	for ; g != nil && g.parent != nil; g = g.parent {
		if most := g.most.Load(); most > 0 && int64(g.count()) >= most {
			return true
		}
	}
	return false
}

// MaxTasks returns its bound of tasks, 0 for none; SetMaxTasks sets it.
func (g *Cgroup) MaxTasks() int64 { return g.most.Load() }

// SetMaxTasks sets the bound of tasks.
func (g *Cgroup) SetMaxTasks(n int64) { g.most.Store(n) }

// Move moves a process into g: ENODEV if g was removed, EPERM if the process is in
// another container.
func (g *Cgroup) Move(tg *ThreadGroup) error {
	k := g.c.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	switch {
	case tg.container != g.c:
		return unix.EPERM
	case g.removed:
		return unix.ENODEV
	}
	tg.cgroup = g
	g.hold(tg)
	return nil
}

// hold makes a process stop or go on as its cgroup says. Kernel.tasks is held.
func (g *Cgroup) hold(tg *ThreadGroup) {
	if tg.held.Swap(g.frozen) == g.frozen {
		return
	}
	for _, t := range tg.tasks {
		t.wakeup()
	}
}

// SetFrozen stops all tasks in it and below before their next guest instruction, or
// lets them go on, unless one above says otherwise.
func (g *Cgroup) SetFrozen(frozen bool) {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	g.freeze(frozen || g.parent != nil && g.parent.frozen)
	for _, tg := range g.members(true) {
		tg.cgroup.hold(tg)
	}
}

func (g *Cgroup) freeze(frozen bool) {
	g.frozen = frozen
	for _, c := range g.children {
		c.freeze(frozen)
	}
}

// Frozen reports whether its tasks are to be stopped.
func (g *Cgroup) Frozen() bool {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.frozen
}

// KillAll sends SIGKILL to all processes in it and below.
func (g *Cgroup) KillAll() {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	for _, tg := range g.members(true) {
		tg.kill(sigKill, nil)
	}
}

// Times returns the processor time that processes used in it and below, those that
// are gone among them.
func (g *Cgroup) Times() (user, sys time.Duration) {
	if g.parent == nil {
		return g.c.Times()
	}
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	t := g.used()
	for _, tg := range g.members(true) {
		for _, x := range tg.tasks {
			u, s := x.times()
			t.user, t.sys = t.user+u, t.sys+s
		}
	}
	return t.user, t.sys
}

// used is what is gone in it and below. Kernel.tasks is held.
func (g *Cgroup) used() cpuTimes {
	t := g.gone
	for _, c := range g.children {
		u := c.used()
		t.user, t.sys = t.user+u.user, t.sys+u.sys
	}
	return t
}

// RSS returns how much memory the address spaces of its processes have, in bytes.
// What two of them share counts twice.
func (g *Cgroup) RSS() uint64 {
	g.c.k.tasks.Lock()
	var all []*Task
	for _, tg := range g.members(true) {
		all = append(all, tg.tasks...)
	}
	g.c.k.tasks.Unlock()
	return residentOf(all)
}

// Cgroup returns the cgroup that the process is in.
func (tg *ThreadGroup) Cgroup() *Cgroup {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.cgroup
}

// The accesses to a device that its programs are asked about, and its kinds:
// BPF_DEVCG_* of linux/bpf.h.
const (
	DeviceMake  = 1
	DeviceRead  = 2
	DeviceWrite = 4

	deviceBlock = 1
	deviceChar  = 2

	// DeviceWords is the size of struct bpf_cgroup_dev_ctx in words.
	DeviceWords = 3
)

// maxPrograms bounds the programs of a cgroup (BPF_CGROUP_MAX_PROGS).
const maxPrograms = 64

// Programs returns the programs of a cgroup that decide about devices.
func (g *Cgroup) Programs() []*ebpf.Program {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return slices.Clone(g.devices)
}

// SetPrograms has change say which programs a cgroup has from now on, given those that
// it has: E2BIG for too many, ENODEV if the cgroup was removed.
func (g *Cgroup) SetPrograms(change func([]*ebpf.Program) ([]*ebpf.Program, error)) error {
	k := g.c.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	if g.removed {
		return unix.ENODEV
	}
	next, err := change(slices.Clone(g.devices))
	if err != nil {
		return err
	}
	if len(next) > maxPrograms {
		return unix.E2BIG
	}
	k.deviceRules.Add(int64(len(next) - len(g.devices)))
	g.devices = next
	return nil
}

// Program returns the program with a number that a cgroup at or below g has, or nil.
func (g *Cgroup) Program(id uint32) *ebpf.Program {
	g.c.k.tasks.Lock()
	defer g.c.k.tasks.Unlock()
	return g.program(id)
}

func (g *Cgroup) program(id uint32) *ebpf.Program {
	for _, p := range g.devices {
		if p.ID == id {
			return p
		}
	}
	for _, c := range g.children {
		if p := c.program(id); p != nil {
			return p
		}
	}
	return nil
}

// MayUseDevice implements vfs.DeviceUser: the programs of the task's cgroup, and of
// those above, must all allow it. EPERM.
func (t *Task) MayUseDevice(block bool, major, minor, access uint32) error {
	k := t.k
	if k.deviceRules.Load() == 0 {
		return nil
	}
	kind := uint32(deviceChar)
	if block {
		kind = deviceBlock
	}
	ctx := []uint32{access<<16 | kind, major, minor}
	k.tasks.Lock()
	defer k.tasks.Unlock()
	for g := t.group.cgroup; g != nil; g = g.parent {
		for _, p := range g.devices {
			if p.Run(ctx) == 0 {
				return unix.EPERM
			}
		}
	}
	return nil
}

// CgroupNamespace is a cgroup namespace, cgroup_namespaces(7): to who is in it, the
// cgroup that its maker was in is the root.
type CgroupNamespace struct {
	id   uint32  // immutable: in /proc/PID/ns
	root *Cgroup // immutable
}

// newCgroupNS returns a namespace whose root is the task's cgroup.
func (t *Task) newCgroupNS() *CgroupNamespace {
	return &CgroupNamespace{t.k.nextNS(), t.group.Cgroup()}
}

// CgroupRoot returns the cgroup that is the root to the task.
func (t *Task) CgroupRoot() *Cgroup {
	t.has.Lock()
	ns := t.has.cgroups
	t.has.Unlock()
	if ns == nil {
		return t.group.container.root
	}
	return ns.root
}

// PathFrom is the cgroup's path as seen from root: with ".." for each step up.
func (g *Cgroup) PathFrom(root *Cgroup) string {
	up := ""
	for ; root != nil && !g.within(root); root = root.parent {
		up += "/.."
	}
	if root == nil {
		return "/.."
	}
	down := ""
	for ; g != root; g = g.parent {
		down = "/" + g.name + down
	}
	if up+down == "" {
		return "/"
	}
	return up + down
}

// NextProgram returns a number for a program.
func (k *Kernel) NextProgram() uint32 { return k.lastProgram.Add(1) }
