package kernel

import (
	"sync/atomic"
	"time"

	"hull/platform"
	"hull/sentry/mem"
	"hull/sentry/mm"
)

// Container is a set of processes that are limited, stopped and ended together:
// what boot starts in it, and all that those fork. Nobody leaves it. A kernel
// has several when its sandbox is a pod; which namespaces they share is another
// matter.
//
// Life: New → processes come and go → Kill. After that nothing is born in it.
type Container struct {
	k        *Kernel           // immutable
	host     platform.Platform `snapshot:"-"` // immutable once there are processes: of their address spaces
	pool     *mem.Pool         // likewise; nil for what all have
	label    Label             // likewise
	maxTasks atomic.Int64
	frozen   atomic.Bool

	// Guarded by Kernel.tasks.
	groups map[*ThreadGroup]struct{} // those that are not reaped
	count  int                       // tasks, with those that boot prepares
	ended  bool
	empty  chan struct{} `snapshot:"-"` // closed when it has ended and no task is left
	gone   cpuTimes
	// cgroups is how many there are below root.
	cgroups int

	root *Cgroup // immutable: where its processes are born
}

// Label is what a security module of the host knows a container by: the text is that
// of attr/current in /proc/PID. The zero one is that there is none.
type Label struct {
	Text     string
	AppArmor bool
}

// SetLabel says what the label is, before there are processes.
func (c *Container) SetLabel(l Label) { c.label = l }

// Label returns what SetLabel said.
func (c *Container) Label() Label { return c.label }

// NewContainer returns a container without processes that may have maxTasks
// tasks at a time, 0 for as many as the kernel.
func (k *Kernel) NewContainer(maxTasks int) *Container {
	c := &Container{k: k, host: k.cfg.Platform, groups: map[*ThreadGroup]struct{}{}, empty: make(chan struct{})}
	c.root = &Cgroup{c: c}
	c.SetMaxTasks(maxTasks)
	return c
}

// Divide has the host count and limit what the processes' code uses apart from
// the rest of the sandbox, where the platform can do so. It returns the number of
// the process, in the sentry's pid namespace, that is to be put where that is
// counted before there are processes; 0 for none.
//
// kept is how much memory that its processes freed may wait for its next use, and
// scarce from how much memory in use on the host is to know whose it is, in bytes.
func (c *Container) Divide(kept, scarce uint64) (root int, err error) {
	d, ok := c.host.(platform.Divider)
	if !ok {
		return 0, nil
	}
	part, root, err := d.Divide()
	if err == nil {
		c.host, c.pool = part, c.k.cfg.Memory.NewPool(kept, scarce)
		c.pool.OnHunger(c.lookForLost)
	}
	return root, err
}

// LimitMemory says how much memory the host lets the container's processes have, in
// bytes; 0 is no limit.
func (c *Container) LimitMemory(n uint64) {
	if c.pool != nil {
		c.pool.SetLimit(n)
	}
}

// relieve gives the host what is in reserve: it has killed somebody, perhaps for want of
// memory.
func (c *Container) relieve() {
	if c.pool != nil {
		c.pool.Relieve()
	}
}

// lookForLost has those that sleep look if the host has killed what they run in:
// who runs finds out.
func (c *Container) lookForLost() {
	for _, t := range c.tasks() {
		if !t.guest.Load() {
			t.doubted.Store(true)
			t.token()
		}
	}
}

// newSpace returns an address space for a process of the container's.
func (c *Container) newSpace(personality uint32, stack uint64) (*mm.AddressSpace, error) {
	as, err := mm.New(c.k.cfg.Memory, c.host, personality, stack)
	if err == nil && c.pool != nil {
		as.SetPool(c.pool)
	}
	return as, err
}

// SetMaxTasks says how many tasks there may be from now on, 0 for as many as the
// kernel.
func (c *Container) SetMaxTasks(n int) { c.maxTasks.Store(int64(n)) }

// full reports whether no more task may be born in the container. Kernel.tasks
// is held.
func (c *Container) full() bool {
	most := c.maxTasks.Load()
	return c.ended || most > 0 && int64(c.count) >= most
}

// add and remove count a task. Kernel.tasks is held.
func (c *Container) add() { c.count++ }

func (c *Container) remove() {
	if c.count--; c.count == 0 && c.ended {
		close(c.empty)
	}
}

// Kill sends SIGKILL to all processes and waits until their tasks are gone. It is
// called once.
func (c *Container) Kill() {
	c.k.tasks.Lock()
	c.ended = true
	for tg := range c.groups {
		if !tg.zombie {
			tg.kill(sigKill, nil)
		}
	}
	if c.count == 0 {
		close(c.empty)
	}
	c.k.tasks.Unlock()
	<-c.empty
	if c.pool != nil {
		c.host.Release()
		c.pool.Close()
	}
}

// Groups returns the processes, in no order.
func (c *Container) Groups() []*ThreadGroup {
	c.k.tasks.Lock()
	defer c.k.tasks.Unlock()
	gs := make([]*ThreadGroup, 0, len(c.groups))
	for tg := range c.groups {
		gs = append(gs, tg)
	}
	return gs
}

// TIDs returns the numbers that the threads have in ns, in no order.
func (c *Container) TIDs(ns *PIDNamespace) []int32 {
	c.k.tasks.Lock()
	defer c.k.tasks.Unlock()
	var ids []int32
	for tg := range c.groups {
		for _, t := range tg.tasks {
			if id := t.tidIn(ns); id != 0 {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Tasks returns how many tasks there are.
func (c *Container) Tasks() int {
	c.k.tasks.Lock()
	defer c.k.tasks.Unlock()
	return c.count
}

// Times returns the processor time that all processes used, those that are gone
// among them.
func (c *Container) Times() (user, sys time.Duration) {
	c.k.tasks.Lock()
	defer c.k.tasks.Unlock()
	user, sys = c.gone.user, c.gone.sys
	for tg := range c.groups {
		for _, t := range tg.tasks {
			u, s := t.times()
			user, sys = user+u, sys+s
		}
	}
	return user, sys
}

// RSS returns how much memory the address spaces of the processes have, in
// bytes. What two of them share counts twice.
func (c *Container) RSS() uint64 { return residentOf(c.tasks()) }

// residentOf is the memory of the address spaces of tasks, in bytes.
func residentOf(tasks []*Task) uint64 {
	seen := map[*mm.AddressSpace]bool{}
	var sum uint64
	for _, t := range tasks {
		m := t.PeekMM()
		if m == nil {
			continue
		}
		if !seen[m] {
			seen[m] = true
			sum += m.Usage().RSS
		}
		m.DecUsers()
	}
	return sum
}

// Freeze stops all tasks before their next guest instruction, until Thaw. One
// that sleeps in a system call goes on sleeping, and stops when that is done. It
// returns when no guest code runs any more.
func (c *Container) Freeze() {
	c.frozen.Store(true)
	for _, t := range c.tasks() {
		t.wakeup()
	}
	const look = time.Millisecond
	for {
		busy := false
		for _, t := range c.tasks() {
			busy = busy || t.guest.Load()
		}
		if !busy {
			return
		}
		time.Sleep(look)
	}
}

// Thaw is the end of Freeze.
func (c *Container) Thaw() {
	c.frozen.Store(false)
	for _, t := range c.tasks() {
		t.wakeup()
	}
}

// Frozen reports whether Freeze was called, and not Thaw.
func (c *Container) Frozen() bool { return c.frozen.Load() }

func (c *Container) tasks() []*Task {
	c.k.tasks.Lock()
	defer c.k.tasks.Unlock()
	var all []*Task
	for tg := range c.groups {
		all = append(all, tg.tasks...)
	}
	return all
}

// frozen reports whether the task is to stop, with its container or its cgroup.
func (t *Task) frozen() bool { return t.group.container.frozen.Load() || t.group.held.Load() }

// freeze sleeps until the container is thawed, or the task is to be killed.
func (t *Task) freeze() {
	start := t.k.now()
	t.state.Store(stateDisk)
	for t.frozen() && !t.killed.Load() {
		t.rest(time.Time{})
	}
	t.state.Store(stateRunning)
	t.cpu.slept(t.k.now() - start)
}

// Container returns the container that the process is in.
func (tg *ThreadGroup) Container() *Container { return tg.container }
