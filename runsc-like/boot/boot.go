package boot

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/fsimpl/cgroup"
	"hull/fsimpl/mqueue"
	"hull/fsimpl/tmpfs"
	"hull/platform"
	"hull/platform/ptrace"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
	"hull/sentry/clock"
	"hull/sentry/ipc"
	"hull/sentry/kernel"
	"hull/sentry/loader"
	"hull/sentry/mem"
	"hull/sentry/vfs"
	"hull/syscalls"
	"hull/syscalls/strace"
)

// sandbox is one that is being put together, and then runs.
type sandbox struct {
	cfg      *control.Config
	platform platform.Platform
	memory   *mem.File
	kernel   *kernel.Kernel
	types    vfs.FilesystemTypes
	env      *vfs.Environment
	queues   *mqueue.FS
	networks *networks
	boot     *caller
	console  console
	main     *container // the first one

	terminals terminals
	cgroup    *cgroup.Group
}

// Run runs the sandbox of cfg to its end and returns the exit status of its
// first process. An error is a failure of hull's own; that the first process
// cannot be started is told on conn.
func Run(cfg *control.Config, conn *control.Conn) (status int, err error) {
	s := &sandbox{cfg: cfg, types: vfs.FilesystemTypes{}}
	if s.platform, err = newPlatform(cfg.Platform); err != nil {
		return 0, err
	}
	if s.memory, err = mem.New(0); err != nil {
		return 0, err
	}
	// The heap may grow to several times what lives in it while the guest
	// works, and goes back when it rests.
	debug.SetGCPercent(workGC)
	s.memory.OnQuiet(debug.FreeOSMemory)
	var signals chan os.Signal
	if cfg.Detached {
		signals = make(chan os.Signal, 64)
		signal.Notify(signals, control.Forwarded()...)
	}
	denied := jail.Kill
	if cfg.TrapDenied {
		denied = jail.Trap
	}
	if err := jail.Seal(jail.SentryRules(cfg.Platform), denied); err != nil {
		return 0, err
	}
	if err := s.newKernel(); err != nil {
		return 0, err
	}
	if s.main, err = s.newContainer(); err != nil {
		return failureStatus(err), conn.Send(failed(err))
	}
	if cfg.Detached {
		err = s.rest(conn, signals)
	} else {
		err = s.attend(conn)
	}
	if err != nil {
		return 0, err
	}
	<-s.main.done
	return s.main.code, nil
}

// attend starts the first process for a parent that stays.
func (s *sandbox) attend(conn *control.Conn) error {
	s.main.watch(conn)
	if s.cfg.Await {
		m, fds, err := conn.ReceiveFDs()
		if err != nil || m.Kind != control.Connect {
			return fmt.Errorf("control socket: %q instead of the network: %w", m.Kind, err)
		}
		if err := conn.Send(s.connected(fds)); err != nil {
			return err
		}
	}
	if err := s.main.start(conn); err != nil {
		return nil // it was told
	}
	go func() {
		s.converse(conn)
		os.Exit(statusFailed) // without a parent it has no reason to be
	}()
	return nil
}

// rest leaves the first process to be started by somebody who asks.
func (s *sandbox) rest(conn *control.Conn, signals <-chan os.Signal) error {
	if err := conn.Send(control.Message{Kind: control.Created}); err != nil {
		return err
	}
	go func() {
		for sig := range signals {
			s.main.hostSignal(sig.(unix.Signal))
		}
	}()
	go s.converse(conn)
	go s.listen()
	return nil
}

// killAll ends all processes of the guest.
func (s *sandbox) killAll() { s.kernel.Kill() }

// workGC is GOGC of a sentry at work.
const workGC = 500

// newPlatform makes what runs guest code. It is made before the jail is sealed.
func newPlatform(name string) (platform.Platform, error) {
	switch name {
	case "ptrace":
		return ptrace.New()
	}
	return nil, fmt.Errorf("no platform %q", name)
}

// newKernel makes a kernel without tasks.
func (s *sandbox) newKernel() error {
	clocks := clock.New()
	vdso, err := loader.NewVDSO(s.memory, clocks, s.cfg.CPUs)
	if err != nil {
		return fmt.Errorf("vDSO: %w", err)
	}
	s.boot, s.env = newCaller(), newEnvironment(&s.console)
	table := syscalls.Table()
	s.networks = newNetworks()
	memfds, root := tmpfs.New(s.memory, s.env.AnonDev(), tmpfs.Options{Mode: 0o777})
	root.DecRef() // they have no names
	queueLimits := ipc.NewQueueLimits()
	s.queues = mqueue.New(queueLimits, s.env.AnonDev())
	cfg := kernel.Config{
		Platform:    s.platform,
		Memory:      s.memory,
		Table:       table,
		Anon:        vfs.NewAnonFS(s.env),
		Memfds:      memfds,
		IPC:         kernel.IPC{Queues: s.queues.VFS(), QueueLimits: queueLimits},
		Types:       s.types,
		Networks:    s.networks,
		Clocks:      clocks,
		VDSO:        vdso,
		Hostname:    s.cfg.Spec.Hostname,
		Domain:      s.domainname(),
		CPUs:        s.cfg.CPUs,
		MemoryTotal: s.cfg.MemoryTotal,
		MaxTasks:    specMaxTasks(s.cfg.Spec),
		Log:         func(line string) { fmt.Fprintf(os.Stderr, "%s\n", line) },
		Crash:       crash,
	}
	if s.cfg.Strace {
		cfg.Hooks = []kernel.Hook{strace.New(os.Stderr, table)}
	}
	if s.kernel, err = kernel.New(cfg); err != nil {
		return err
	}
	if err := loopbackUp(stackOf(s.kernel.NetNS())); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	var resources *specs.LinuxResources
	if l := s.cfg.Spec.Linux; l != nil {
		resources = l.Resources
	}
	s.cgroup = cgroup.NewGroup(s.kernel, groupLimits(resources))
	s.boot.cred.UserNS = s.kernel.UserNS()
	s.addTypes()
	return nil
}

// specMaxTasks is how many tasks a specification allows.
func specMaxTasks(s *specs.Spec) int {
	if s.Linux == nil || s.Linux.Resources == nil || s.Linux.Resources.Pids == nil {
		return kernel.DefaultMaxTasks
	}
	return maxTasks(s.Linux.Resources.Pids.Limit)
}

func maxTasks(limit *int64) int {
	if limit == nil || *limit <= 0 {
		return kernel.DefaultMaxTasks
	}
	return int(min(*limit, kernel.DefaultMaxTasks))
}

// crash ends the sandbox after a failure of hull's own.
func crash(reason any, stack []byte) {
	fmt.Fprintf(os.Stderr, "fatal: the sentry failed: %v\n%s", reason, stack)
	os.Exit(statusFailed)
}
