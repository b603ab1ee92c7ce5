package boot

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

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
	"hull/sentry/socket"
	unixsock "hull/sentry/socket/unix"
	"hull/sentry/vfs"
	"hull/syscalls"
	"hull/syscalls/strace"
)

// The exit statuses of a first process that could not be started, as a shell
// has them.
const (
	statusFailed        = 125
	statusNotExecutable = 126
	statusNotFound      = 127
)

// sandbox is one that is being put together, and then runs.
type sandbox struct {
	cfg      *control.Config
	conn     *control.Conn
	platform platform.Platform
	memory   *mem.File
	kernel   *kernel.Kernel
	types    vfs.FilesystemTypes
	env      *vfs.Environment
	queues   *mqueue.FS
	boot     *caller
	terminal kernel.Terminal // the host's, or nil
	console  console
	init     *kernel.ThreadGroup
}

// Run runs the sandbox of cfg to its end. An error is a failure of hull's own;
// that the first process cannot be started is told on conn.
func Run(cfg *control.Config, conn *control.Conn) error {
	s := &sandbox{cfg: cfg, conn: conn, types: vfs.FilesystemTypes{}}
	var err error
	if s.platform, err = newPlatform(cfg.Platform); err != nil {
		return err
	}
	if s.memory, err = mem.New(0); err != nil {
		return err
	}
	// The heap may grow to several times what lives in it while the guest
	// works, and goes back when it rests.
	debug.SetGCPercent(workGC)
	s.memory.OnQuiet(debug.FreeOSMemory)
	denied := jail.Kill
	if cfg.TrapDenied {
		denied = jail.Trap
	}
	if err := jail.Seal(jail.SentryRules(cfg.Platform), denied); err != nil {
		return err
	}
	if err := s.newKernel(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return s.tellFailure(err)
	}
	if err := conn.Send(control.Message{Kind: control.Started}); err != nil {
		return err
	}
	go s.serve()
	<-s.init.Done()
	status := s.init.Status()
	s.kernel.Kill() // what the first process left behind
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return conn.Send(control.Message{Kind: control.Exited, Code: code})
}

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
		Sockets:     socket.Table{unix.AF_UNIX: unixsock.NewNamespace()},
		Clocks:      clocks,
		VDSO:        vdso,
		Hostname:    s.cfg.Spec.Hostname,
		Domain:      s.cfg.Spec.Domainname,
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
	s.boot.cred.UserNS = s.kernel.UserNS()
	s.addTypes()
	return nil
}

// crash ends the sandbox after a failure of hull's own.
func crash(reason any, stack []byte) {
	fmt.Fprintf(os.Stderr, "fatal: the sentry failed: %v\n%s", reason, stack)
	os.Exit(statusFailed)
}

// start starts the first process.
func (s *sandbox) start() error {
	p := s.cfg.Spec.Process
	ns, err := s.mountAll()
	if err != nil {
		return err
	}
	cred, err := credOf(p, s.kernel.UserNS())
	if err != nil {
		return err
	}
	limits, err := limitsOf(p)
	if err != nil {
		return err
	}
	ctx := vfs.NewContext(ns)
	if err := s.enterCwd(ctx, p.Cwd); err != nil {
		return err
	}
	ctx.SetUmask(s.cfg.Umask)
	if p.User.Umask != nil {
		ctx.SetUmask(*p.User.Umask)
	}
	files, err := s.streams(ctx, cred)
	if err != nil {
		return err
	}
	s.init, err = s.kernel.Start(kernel.InitArgs{
		Args: p.Args, Env: p.Env, Cred: cred, Limits: limits, FS: ctx, Files: files, Namespace: ns, Terminal: s.terminal,
		Ignored: kernel.SignalSet(s.cfg.Ignored), Direct: s.cfg.Overlay, Stopped: s.stopped,
	})
	return err
}

// tellFailure says on the control socket why the first process is not there.
func (s *sandbox) tellFailure(err error) error {
	m := control.Message{Kind: control.Failed, Code: statusFailed, Text: err.Error()}
	var se *kernel.StartError
	if errors.As(err, &se) {
		switch se.Errno {
		case unix.ENOENT, unix.ENOTDIR:
			m.Code = statusNotFound
		default:
			m.Code = statusNotExecutable
		}
	}
	return s.conn.Send(m)
}
