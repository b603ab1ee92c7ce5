package kernel

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/clock"
	"hull/sentry/futex"
	"hull/sentry/ipc"
	"hull/sentry/klog"
	"hull/sentry/lock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// Config is what boot gives to a kernel.
type Config struct {
	Platform platform.Platform
	Memory   *mem.File
	Table    *Table
	Types    vfs.FilesystemTypes
	Hooks    []Hook
	Anon     *vfs.AnonFS
	// Spaces makes the files of namespaces, for ioctls of pidfds; nil for none.
	Spaces NamespaceFiles
	// Memfds is the file system that memfds are files of.
	Memfds *vfs.Filesystem
	// User is the container's user namespace; nil for one that has all ids.
	User *auth.UserNamespace
	// NewIPC makes what an IPC namespace has; nil for nothing.
	NewIPC   func() IPC
	Networks socket.Networks
	Clocks   *clock.Clocks
	Messages *klog.Log // what syslog(2) reads; nil for an empty one
	VDSO     VDSO
	Hostname string
	Domain   string
	CPUs     int // what sched_getaffinity and /proc/cpuinfo show
	// MemoryTotal is what sysinfo(2) and /proc/meminfo show, in bytes.
	MemoryTotal uint64
	MaxTasks    int // how many tasks there may be; 0 is DefaultMaxTasks

	// Log takes one line about hull itself (a missing system call, once a
	// number); never what the guest can make long.
	Log func(line string)
	// Crash is told of a failure of hull's own, a panic among them. It does
	// not return.
	Crash func(reason any, stack []byte)
}

// DefaultMaxTasks bounds the tasks of a sandbox: each holds two host threads.
const DefaultMaxTasks = 4096

// NamespaceFiles is the file system of namespaces' files.
type NamespaceFiles interface {
	// Path leads to n's file, which takes n over.
	Path(n *Namespace) vfs.Path
}

// VDSO is the vDSO image that exec maps, made by package loader.
type VDSO interface {
	// Map maps it and returns where its ELF header lies (AT_SYSINFO_EHDR).
	Map(as *mm.AddressSpace) (usermem.Addr, error)
}

// Kernel is one sandbox's kernel.
type Kernel struct {
	cfg    Config `snapshot:"-"`
	booted time.Time

	// tasks guards the tree: tasks, thread groups, process groups, sessions,
	// pid namespaces, and what is said to be so beside their fields.
	tasks struct {
		lock.Mutex[lock.TaskSet]
		root     *PIDNamespace
		count    int
		total    uint64 // tasks ever made
		departed departed
		idle     sync.WaitGroup `snapshot:"-"` // running task goroutines
	}
	initUser *auth.UserNamespace // immutable
	sysv     *ipc.Budget         // immutable: of semaphores and messages
	uts      *UTSNamespace       // immutable: the initial one
	ipc      *IPCNamespace       // immutable: the initial one
	first    *Container          // immutable: of what boot starts in no other
	net      *socket.NetNS       // immutable: the initial one; the kernel holds a reference
	futexes  *futex.Table        // immutable
	signals  signalQuota
	logged   [maxSyscall]atomic.Bool
	denied   [maxSyscall]atomic.Bool // by a filter, and logged
	lastNS   atomic.Uint32
	// deviceRules is how many programs about devices cgroups have.
	deviceRules atomic.Int64
	lastProgram atomic.Uint32
	ended       atomic.Bool // Kill was called: nothing more is born
	maxTasks    atomic.Int64
	pipeMax     atomic.Uint32 // 0 is DefaultPipeMax
}

const maxSyscall = 1024

// maxSystemV is how much of the sentry's memory System V semaphores and messages
// may take, in bytes.
const maxSystemV = 64 << 20

// New returns a kernel without tasks.
func New(c Config) (*Kernel, error) {
	k := &Kernel{cfg: c, booted: booted(c.Clocks), initUser: c.User, futexes: futex.NewTable(), sysv: ipc.NewBudget(maxSystemV)}
	if k.initUser == nil {
		k.initUser = auth.NewRootNamespace()
	}
	if k.cfg.Messages == nil {
		k.cfg.Messages = klog.New(k.now)
	}
	if k.SetMaxTasks(c.MaxTasks); c.MaxTasks == 0 {
		k.SetMaxTasks(DefaultMaxTasks)
	}
	k.uts = &UTSNamespace{id: firstNS - 1, host: c.Hostname, domain: c.Domain, User: k.initUser}
	k.ipc = k.newIPC(firstNS)
	k.first = k.NewContainer(0)
	k.tasks.root = k.newPIDNamespace(nil)
	k.net = socket.NewNetNS(k.initUser, firstNet)
	if c.Networks != nil {
		if err := c.Networks.Fill(k.net); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// DefaultPipeMax is fs.pipe-max-size until somebody changes it.
const DefaultPipeMax = 1 << 20

// PipeMax returns the largest capacity of a pipe in bytes that those without
// CAP_SYS_RESOURCE may ask for.
func (k *Kernel) PipeMax() uint32 {
	if n := k.pipeMax.Load(); n != 0 {
		return n
	}
	return DefaultPipeMax
}

// SetPipeMax sets it, which is not 0.
func (k *Kernel) SetPipeMax(n uint32) { k.pipeMax.Store(n) }

// SetMaxTasks says how many tasks there may be from now on.
func (k *Kernel) SetMaxTasks(n int) { k.maxTasks.Store(int64(n)) }

// now is the time since the kernel was made, for accounting.
// booted is the time at which a machine that has just started, and whose
// CLOCK_BOOTTIME is some time ahead, says that it started.
func booted(c *clock.Clocks) time.Time {
	if c == nil {
		return time.Now()
	}
	return time.Now().Add(-time.Duration(max(c.Offsets().Boottime, 0)))
}

func (k *Kernel) now() time.Duration { return time.Since(k.booted) }

// Uptime is how long the kernel has been running.
func (k *Kernel) Uptime() time.Duration { return k.now() }

// Booted is when the kernel was made.
func (k *Kernel) Booted() time.Time { return k.booted }

// Memory returns the sandbox's physical memory.
func (k *Kernel) Memory() *mem.File { return k.cfg.Memory }

// Platform returns what runs guest code.
func (k *Kernel) Platform() platform.Platform { return k.cfg.Platform }

// Anon returns the file system of files without a name.
func (k *Kernel) Anon() *vfs.AnonFS { return k.cfg.Anon }

// MemfdFS returns the file system that memfds are files of.
func (k *Kernel) MemfdFS() *vfs.Filesystem { return k.cfg.Memfds }

// NetNS returns the initial network namespace.
func (k *Kernel) NetNS() *socket.NetNS { return k.net }

// Clocks returns the clocks.
func (k *Kernel) Clocks() *clock.Clocks { return k.cfg.Clocks }

// Messages returns the log that syslog(2) reads.
func (k *Kernel) Messages() *klog.Log { return k.cfg.Messages }

// Futexes returns the futex table.
func (k *Kernel) Futexes() *futex.Table { return k.futexes }

// CPUs returns how many processors the guest sees.
func (k *Kernel) CPUs() int { return k.cfg.CPUs }

// UserNS returns the initial user namespace.
func (k *Kernel) UserNS() *auth.UserNamespace { return k.initUser }

// RootPIDNS returns the initial pid namespace.
func (k *Kernel) RootPIDNS() *PIDNamespace { return k.tasks.root }

// Counts returns how many tasks there are, and how many there ever were.
func (k *Kernel) Counts() (now int, ever uint64) {
	k.tasks.Lock()
	defer k.tasks.Unlock()
	return k.tasks.count, k.tasks.total
}

// Kill sends SIGKILL to everything and waits until all tasks are gone.
func (k *Kernel) Kill() {
	k.ended.Store(true)
	k.tasks.Lock()
	for _, t := range k.tasks.root.tasks {
		if !t.exited {
			t.group.kill(sigKill, nil)
		}
	}
	k.tasks.Unlock()
	k.tasks.idle.Wait()
}

// crash ends the sandbox after a failure of hull's own.
func (k *Kernel) crash(reason any) { k.cfg.Crash(reason, debug.Stack()) }

// log writes a line on hull's log.
func (k *Kernel) log(line string) {
	if k.cfg.Log != nil {
		k.cfg.Log(line)
	}
}

// Types returns the types of file systems that guests may mount.
func (k *Kernel) Types() vfs.FilesystemTypes { return k.cfg.Types }

// What uname(2) and /proc/version say. The release is that of the Linux whose
// behaviour hull follows; the suffix tells that it is not that kernel.
const (
	SysName = "Linux"
	Release = "6.12.0-hull"
	Version = "#1 SMP hull"
	Machine = "x86_64"
)

// Func is a system call. It returns the value for the guest, or an error that is
// a unix.Errno (an abi restart code among them); any other error ends the
// sandbox as hull's own failure.
type Func func(t *Task, a arch.Args) (uintptr, error)

// Row is a line of a system call table.
type Row struct {
	Name string
	Func Func
	// Missing says in words what is not there, "" if nothing; with a nil Func the
	// call answers ENOSYS. The README's table is made of it.
	Missing string
}

// Table is the system calls by number. It is not changed once a kernel has it.
type Table struct {
	rows []Row
}

// NewTable returns a table of the given rows. A number above 1023 panics: the
// table is written by hand.
func NewTable(rows map[uintptr]Row) *Table {
	t := &Table{}
	for nr, r := range rows {
		if nr > 1023 {
			panic("kernel: system call number out of range: " + r.Name)
		}
		for uintptr(len(t.rows)) <= nr {
			t.rows = append(t.rows, Row{})
		}
		t.rows[nr] = r
	}
	return t
}

// Lookup returns the row of nr; its Func is nil for an unknown call.
func (t *Table) Lookup(nr uintptr) Row {
	if nr >= uintptr(len(t.rows)) {
		return Row{}
	}
	return t.rows[nr]
}

// Hook sees every system call where it enters and leaves: strace, trace points,
// policy. It runs on the task's goroutine.
type Hook interface {
	// Enter may refuse the call: with an error other than nil the call is not
	// made and that error is its result.
	Enter(t *Task, nr uintptr, a arch.Args) error
	// Exit sees the result. why is what the call noted of its error, or "".
	Exit(t *Task, nr uintptr, a arch.Args, ret uintptr, err error, why string)
}
