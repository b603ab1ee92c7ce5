package boot

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/fsimpl/cgroup"
	"hull/fsimpl/hosttty"
	"hull/gofer/client"
	"hull/runsc-like/control"
	"hull/sentry/kernel"
	"hull/sentry/seccomp"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// container is one of the sandbox: its files, its namespaces, its first process.
//
// Life: creating → created (the process is prepared) → running → stopped. A signal that
// would end the process before it was started takes it straight to stopped. What
// a container that joined the sandbox has is given back when it stops; the
// sandbox itself ends with its first container.
type container struct {
	s    *sandbox
	cfg  *control.Container // immutable
	spec *specs.Spec        // immutable: cfg's
	boot *caller            // immutable: who prepares it

	// Immutable once it is made.
	gofer     *client.Client
	ns        *vfs.Namespace
	pids      *kernel.PIDNamespace
	uts       *kernel.UTSNamespace
	ipc       *kernel.IPCNamespace // with a reference
	procs     *kernel.Container
	group     *cgroup.Group
	terminals terminals
	console   *hosttty.TTY    // what /dev/console is, or nil
	tty       kernel.Terminal // the host's, or nil
	stdin     int             // the host's descriptor, if tty is not nil
	filter    *seccomp.Filter // of each of its processes
	agent     *supervision    // of the filter, from outside, or nil
	life      *control.Conn   // with who stands for it; nil for the first

	done chan struct{}       // closed when it is stopped
	mu   sync.Mutex          // guards what follows
	made *kernel.Prepared    // until it is started
	init *kernel.ThreadGroup // nil before it is started
	// status is one of control.StatusCreated and so on, code the exit status of
	// one that is stopped.
	status string
	code   int
	// watchers are told of the first process: that it was stopped, that it ended.
	watchers []*control.Conn
}

// newContainer returns a container without namespaces, files and processes.
func (s *sandbox) newContainer(cfg *control.Container) *container {
	c := &container{s: s, cfg: cfg, spec: cfg.Spec, status: control.StatusCreating, done: make(chan struct{})}
	c.boot = newCaller(c)
	c.boot.cred.UserNS = s.kernel.UserNS()
	l := groupLimits(c.spec.Linux.Resources)
	c.procs = s.kernel.NewContainer(maxTasks(&l.Tasks))
	c.procs.SetLabel(kernel.Label{Text: cfg.Label, AppArmor: cfg.Label != "" && c.spec.Process.ApparmorProfile != ""})
	c.group = cgroup.NewGroup(s.kernel, c.procs, !s.cfg.Pod && s.main == nil, l)
	return c
}

// newMain makes the first container.
func (s *sandbox) newMain() error {
	c := s.newContainer(&s.cfg.Container)
	// A pid namespace of its own, so that it does not see the processes of who may
	// join: all are in the kernel's first one, too.
	c.pids, c.uts, c.ipc = s.kernel.NewPIDNamespace(), s.kernel.InitUTS(), s.kernel.InitIPC()
	s.main = c
	s.mu.Lock()
	s.all[c.cfg.ID] = c
	s.mu.Unlock()
	if err := c.divide(); err != nil {
		return err
	}
	fds := []int{control.FDStdin, control.FDStdout, control.FDStderr}
	extra := c.cfg.Extra
	if c.cfg.Agent {
		extra += control.AgentFDs
	}
	for i := range extra {
		fds = append(fds, control.FDListen+1+i)
	}
	return c.prepare(control.FDGofer, fds)
}

// prepare makes the container's files and its first process, ready to be
// started. The descriptors are taken over.
func (c *container) prepare(gofer int, fds []int) error {
	p := process{
		spec: c.spec.Process, umask: c.cfg.Umask, ignored: kernel.SignalSet(c.cfg.Ignored), direct: c.cfg.Direct,
		terminal: c.cfg.Terminal, fds: fds, main: true,
	}
	var line []int
	if c.cfg.Agent && len(fds) >= control.AgentFDs {
		n := len(fds) - control.AgentFDs
		p.fds, line = fds[:n], fds[n:]
	}
	err := c.open(gofer, line)
	if err != nil {
		p.close()
		return err
	}
	args, err := c.initArgs(&p)
	if err != nil {
		return err
	}
	args.Stopped = c.tellStopped
	c.tty, c.stdin = args.Terminal, fds[0]
	made, err := c.s.kernel.Prepare(args)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made, c.status = made, control.StatusCreated
	return nil
}

// open connects the gofer and makes the container's mount namespace. line is for an
// agent who decides about calls. The descriptors are taken over.
func (c *container) open(gofer int, line []int) (err error) {
	if c.gofer, err = client.New(gofer); err != nil {
		closeAll(line)
		return fmt.Errorf("gofer: %w", err)
	}
	if c.filter, c.agent, err = filterOf(c.cfg.Seccomp, line); err != nil {
		return err
	}
	c.ns, err = c.mountAll()
	return err
}

// start runs the first process, and says on conn what became of it before it can
// end.
func (c *container) start(conn *control.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		err := fmt.Errorf("cannot start a container in the %s state", c.status)
		_ = conn.Send(failed(err))
		return err
	}
	p := c.made
	c.made = nil
	init, err := p.Run()
	if err != nil {
		unexecutable := c.unexecutable(p, err)
		p.Discard() // the end waits until there are no tasks
		if unexecutable {
			_ = conn.Send(control.Message{Kind: control.Started})
			c.end(statusUnexecutable)
			return nil
		}
		c.watchers = slices.DeleteFunc(c.watchers, func(w *control.Conn) bool { return w == conn })
		_ = conn.Send(failed(err))
		c.end(failureStatus(err))
		return err
	}
	c.init, c.status = init, control.StatusRunning
	_ = conn.Send(control.Message{Kind: control.Started}) // who is gone will not miss it
	go c.await(init)
	return nil
}

// await waits for the end of the first process.
func (c *container) await(init *kernel.ThreadGroup) {
	<-init.Done()
	code := exitCode(init.Status())
	if c == c.s.main {
		c.s.kernel.Kill() // what the first process left behind, and all other containers
	}
	c.mu.Lock()
	c.end(code)
	c.mu.Unlock()
}

// end makes the container a stopped one. mu is held.
func (c *container) end(code int) {
	if c != c.s.main {
		c.release()
	}
	if c.agent != nil {
		c.agent.stop()
	}
	c.status, c.code = control.StatusStopped, code
	for _, w := range c.watchers {
		_ = w.Send(control.Message{Kind: control.Exited, Code: code}) // one that is gone needs no answer
	}
	if c.life != nil {
		_ = c.life.Send(control.Message{Kind: control.Exited, Code: code}) // it ends when this one does
	}
	close(c.done)
}

// release ends the processes of a container that joined, and gives back what it
// has.
func (c *container) release() {
	c.procs.Kill()
	if c.ns != nil {
		c.ns.DecRef()
	}
	c.ipc.DecRef()
	if c.gofer != nil {
		c.gofer.Close()
	}
}

// watch tells conn of the end of the first process, now or later.
func (c *container) watch(conn *control.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == control.StatusStopped {
		_ = conn.Send(control.Message{Kind: control.Exited, Code: c.code})
		return
	}
	c.watchers = append(c.watchers, conn)
}

// unwatch undoes watch.
func (c *container) unwatch(conn *control.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = slices.DeleteFunc(c.watchers, func(w *control.Conn) bool { return w == conn })
}

// tellStopped says that the first process was stopped by a signal.
func (c *container) tellStopped(signo int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watchers {
		_ = w.Send(control.Message{Kind: control.Stopped, Signo: int(signo)})
	}
}

// errStopped is that there is nobody to send a signal to.
var errStopped = errors.New("container not running")

// kill sends a signal to the first process.
func (c *container) kill(signo unix.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.status {
	case control.StatusStopped, control.StatusCreating:
		return errStopped
	case control.StatusCreated:
		// Nobody is there to handle it: what is not ignored by default ends it.
		switch signo {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			return nil
		}
		c.made.Discard()
		c.made = nil
		c.end(128 + int(signo))
		return nil
	}
	return c.init.SendSignal(&kernel.SignalInfo{Signo: int32(signo)})
}

// killEach sends a signal to every process.
func (c *container) killEach(signo unix.Signal) error {
	c.mu.Lock()
	running := c.status == control.StatusRunning
	c.mu.Unlock()
	if !running {
		return c.kill(signo)
	}
	var err error
	for _, tg := range c.procs.Groups() {
		err = errors.Join(err, tg.SendSignal(&kernel.SignalInfo{Signo: int32(signo)}))
	}
	return err
}

// hostSignal is a signal that somebody on the host sent to the sandbox's
// process, or that the host's terminal makes.
func (c *container) hostSignal(signo unix.Signal) {
	var err error
	switch {
	case c.tty != nil && isTerminalSignal(signo):
		c.s.kernel.SignalForeground(c.tty, signo)
	case c.tty != nil && signo == unix.SIGHUP && hungUp(c.stdin):
		c.s.kernel.HangUp(c.tty)
	default:
		err = c.kill(signo)
	}
	if err != nil && !errors.Is(err, errStopped) {
		fmt.Fprintf(os.Stderr, "signal %d: %v\n", signo, err)
	}
}

// isTerminalSignal reports whether a line discipline makes the signal, for the
// foreground process group.
func isTerminalSignal(signo unix.Signal) bool {
	return signo == unix.SIGINT || signo == unix.SIGQUIT || signo == unix.SIGTSTP || signo == unix.SIGWINCH
}

// hungUp reports whether the terminal that fd is open on has lost its other end.
func hungUp(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return errors.Is(err, unix.EIO)
}

// exitCode is a wait status as a shell has it.
func exitCode(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// The exit statuses of a first process that could not be started, as a shell
// has them.
const (
	statusFailed        = 125
	statusNotExecutable = 126
	statusNotFound      = 127
)

// statusUnexecutable is the exit status of a container's process that was there and
// could not be executed, as other runtimes have it.
const statusUnexecutable = 1

// unexecutable reports whether err is that the program was found and could not be
// executed. Then the process was started as far as a container's caller is told, and
// says so itself. One that stands for a process outside was not.
func (c *container) unexecutable(p *kernel.Prepared, err error) bool {
	var se *kernel.StartError
	if c.cfg.Direct || !errors.As(err, &se) || se.Path == "" {
		return false
	}
	const stderr = 2
	if f, err := p.Files().Get(stderr); err == nil {
		b := fmt.Appendf(nil, "exec %s: %v\n", se.Path, se.Errno)
		_, _ = f.Write(hasty{c.boot}, usermem.One(usermem.Bytes(b), 0, uint64(len(b)))) // nobody else is there to be told
		f.DecRef(c.boot)
	}
	return true
}

// failureStatus is the exit status that goes with an error of a start.
func failureStatus(err error) int {
	var se *kernel.StartError
	switch {
	case !errors.As(err, &se):
		return statusFailed
	case se.Errno == unix.ENOENT || se.Errno == unix.ENOTDIR:
		return statusNotFound
	default:
		return statusNotExecutable
	}
}

// failed is what is said of an error.
func failed(err error) control.Message {
	m := control.Message{Kind: control.Failed, Code: failureStatus(err), Text: err.Error()}
	var se *kernel.StartError
	if errors.As(err, &se) {
		m.Errno, m.Stat = int(se.Errno), se.Stat
	}
	return m
}
