package boot

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hull/fsimpl/mqueue"
	"hull/fsimpl/nsfs"
	"hull/fsimpl/tmpfs"
	"hull/netstack/link/pcap"
	"hull/platform"
	"hull/runsc-like/control"
	"hull/sentry/auth"
	"hull/sentry/clock"
	"hull/sentry/ipc"
	"hull/sentry/kernel"
	"hull/sentry/klog"
	"hull/sentry/loader"
	"hull/sentry/mem"
	"hull/sentry/vfs"
	"hull/syscalls"
	"hull/syscalls/strace"
)

// sandbox is one that is being put together, and then runs.
type sandbox struct {
	spaces   *nsfs.FS
	cfg      *control.Config
	platform platform.Platform
	memory   *mem.File
	kernel   *kernel.Kernel
	types    vfs.FilesystemTypes
	options  map[string]control.MountOption // immutable
	env      *vfs.Environment
	main     *container // the first one: the sandbox ends when it does
	networks *networks

	mu  sync.Mutex
	all map[string]*container // by id, guarded by mu
	// pcap is where what passes interfaces is written, nil if nowhere; guarded by mu.
	pcap *pcap.Writer
}

// Run runs the sandbox of cfg to its end and returns the exit status of its
// first process. An error is a failure of hull's own; that the first process cannot
// be started is told on conn. When there was much to do, and now is not, rest is
// called: first when the sandbox is made.
func Run(cfg *control.Config, early *Early, conn *control.Conn, rest func()) (status int, err error) {
	s := &sandbox{cfg: cfg, types: vfs.FilesystemTypes{}, options: control.MountOptions(), all: map[string]*container{}}
	p, f := <-early.platform, <-early.filter
	if err := errors.Join(p.err, f.err); err != nil {
		return 0, err
	}
	s.platform = p.it
	if s.memory, err = mem.New(0); err != nil {
		return 0, err
	}
	// The heap may grow to several times what lives in it while the guest
	// works, and goes back when it rests.
	debug.SetGCPercent(workGC)
	var ready atomic.Bool
	s.memory.OnQuiet(func() {
		if ready.Load() {
			rest()
		}
	})
	var signals *control.Signals
	if cfg.Detached {
		if signals, err = control.OpenSignals(); err != nil {
			return 0, err
		}
	}
	if err := f.it.Seal(); err != nil {
		return 0, err
	}
	if err := s.newKernel((<-early.clocks).it, early.files); err != nil {
		return 0, err
	}
	if err := s.newMain(); err != nil {
		return failureStatus(err), conn.Send(failed(err))
	}
	// More than processors, when there are tasks: one that waits in a host call may
	// hold one. Making the sandbox needs no more, and each costs a thread.
	runtime.GOMAXPROCS(2*cfg.CPUs + 2)
	ready.Store(true)
	rest()
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
func (s *sandbox) rest(conn *control.Conn, signals *control.Signals) error {
	if err := conn.Send(control.Message{Kind: control.Created}); err != nil {
		return err
	}
	go signals.Take(s.main.hostSignal)
	go s.converse(conn)
	go s.listen()
	return nil
}

// workGC is GOGC of a sentry at work.
const workGC = 500

// newKernel makes a kernel without tasks. files, if not 0, is for a network of mode
// host.
func (s *sandbox) newKernel(clocks *clock.Clocks, files uint64) error {
	vdso, err := loader.NewVDSO(s.memory, clocks, s.cfg.CPUs)
	if err != nil {
		return fmt.Errorf("vDSO: %w", err)
	}
	s.env = newEnvironment(console{s})
	table := syscalls.Table()
	messages := klog.New(func() time.Duration { return time.Duration(s.networks.now()) })
	s.networks = newNetworks(s.memory, messages, files)
	memfds, root := tmpfs.New(s.memory, s.env.AnonDev(), tmpfs.Options{Mode: 0o777})
	root.DecRef() // they have no names
	queues := mqueue.NewBudget()
	anon := vfs.NewAnonFS(s.env)
	s.spaces = nsfs.New(anon, s.env.AnonDev())
	cfg := kernel.Config{
		Platform: s.platform,
		Memory:   s.memory,
		Table:    table,
		Anon:     anon,
		Spaces:   s.spaces,
		Memfds:   memfds,
		NewIPC: func() kernel.IPC {
			l := ipc.NewQueueLimits()
			return kernel.IPC{Queues: mqueue.New(l, queues, s.env.AnonDev()).VFS(), QueueLimits: l}
		},
		User:        auth.NewMappedNamespace(idRanges(s.cfg.UIDs), idRanges(s.cfg.GIDs)),
		Types:       s.types,
		Networks:    s.networks,
		Clocks:      clocks,
		Messages:    messages,
		VDSO:        vdso,
		Hostname:    s.cfg.Spec.Hostname,
		Domain:      domainname(s.cfg.Spec),
		CPUs:        s.cfg.CPUs,
		MemoryTotal: s.cfg.MemoryTotal,
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
	s.addTypes()
	return nil
}

// maxTasks is how many tasks a limit allows.
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
