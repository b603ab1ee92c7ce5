package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
	"hull/runsc-like/profile"
)

// Options is what Run runs.
type Options struct {
	Spec *specs.Spec
	// Direct says that it is a command of the caller's, who has no container.
	Direct bool
	// Overlay keeps writes to the root in memory, and drops them at the end.
	Overlay    bool
	Platform   string
	Strace     bool   // the guest's system calls go to Log
	TrapDenied bool   // see jail.Trap
	Network    string // control.NetworkSandbox and so on
	User       UserNetwork
	Pcap       string // a file that the guest's packets are written to; "" is none
	// Told receives what a network proxy has to say; nil is Log.
	Told  *os.File
	Umask uint32

	Stdin, Stdout, Stderr *os.File
	// Extra are what the first process has from descriptor 3 on. They are closed once
	// it has them.
	Extra []*os.File
	dirs  []handedDir // which Extra has no more
	// Log receives hull's own lines; nil drops them. Those of a sandbox that
	// dies are part of Run's error in any case.
	Log io.Writer
}

// Run runs a sandbox from start to end and returns the exit status of its first
// process. An error is a *StatusError.
func Run(o Options) (int, error) {
	s, err := newSandbox(o, nil)
	if err == nil {
		var status int
		if status, err = s.run(); err == nil {
			return status, nil
		}
	}
	var se *StatusError
	if errors.As(err, &se) {
		return se.Status, se
	}
	return StatusFailed, &StatusError{StatusFailed, err}
}

// sandbox is one that runs, as its parent sees it.
type sandbox struct {
	cfg    *control.Config
	conn   *control.Conn
	log    *logReader
	sentry *jail.Process
	gofer  *jail.Process
	proxy  *jail.Process // of a network of mode user; nil if there is none
}

// detachment is what a sandbox has that outlives the command that makes it.
type detachment struct {
	id     string
	listen *os.File // the socket for later commands
	log    *os.File
	agent  []*os.File // after all others: control.Container.Agent
	view   *os.File   // of the sentry's mount namespace; nil is none
	// within calls start where the processes belong, with what startIn needs.
	within func(start func(cgroup int) error) error
	// record is told of the two processes before they do anything.
	record func(sentry, gofer int) error
}

// newSandbox starts the processes; d is nil for a sandbox that ends with the
// caller.
func newSandbox(o Options, d *detachment) (s *sandbox, err error) {
	cfg, err := configure(o)
	if err != nil {
		return nil, err
	}
	if d != nil {
		cfg.ID, cfg.Hold, cfg.Detached, cfg.Ignored = d.id, true, true, 0
		cfg.Terminal = o.Spec.Process.Terminal
		cfg.Extra, cfg.Agent = len(o.Extra), len(d.agent) > 0
	}
	s = &sandbox{cfg: cfg}
	if d == nil && o.Network == control.NetworkUser && o.Direct {
		cfg.Files = userFiles()
	}
	cfg.Await = d == nil && (o.Network == control.NetworkUser || cfg.HostNetwork)
	defer func() {
		if err != nil {
			s.kill()
			err = s.explain(err)
		}
	}()
	p, err := s.plumb(o, d)
	defer p.close()
	if err != nil {
		return s, err
	}
	p.late = d != nil && o.Spec.Hooks == nil // hooks may change what is at its roots
	fds := []*os.File{p.log, p.log, p.log, p.control, p.sentryEnd, p.config, o.Stdin, o.Stdout, o.Stderr}
	within := func(start func(int) error) error { return start(-1) }
	if d != nil {
		fds, within = slices.Concat(fds, []*os.File{d.listen}, o.Extra, d.agent), d.within
	}
	b, err := sentryBirth("sentry", fds, d != nil)
	if err != nil {
		return s, err
	}
	if d != nil {
		b.Blocked = control.Forwarded() // they are read from a descriptor
		showView(b, d.view)
		if cfg.Terminal {
			b.Terminal = control.FDStdin
		}
	}
	err = within(func(cgroup int) (err error) {
		if s.sentry, err = startSentry(cgroup, b, o.Spec, cfg.HostNetwork); err != nil {
			return err
		}
		s.gofer, err = startGofer(s.sentry.Pid, cgroup, cfg, p)
		return err
	})
	p.handed()
	covered := make(chan error, 1)
	if err == nil {
		go func() { covered <- s.gofer.Cover() }()
	}
	if err == nil && d == nil {
		err = <-covered
	}
	switch {
	case err != nil || !cfg.Await:
	case cfg.HostNetwork:
		err = s.connectHost()
	default:
		err = s.connectUser(&o, p)
	}
	if err != nil || d == nil {
		return s, err
	}
	if err := d.record(s.sentry.Pid, s.gofer.Pid); err != nil {
		return s, err
	}
	for _, conn := range []*control.Conn{s.conn, p.release} {
		if err := conn.Send(control.Message{Kind: control.Go}); err != nil {
			return s, fmt.Errorf("control socket: %w", err)
		}
	}
	return s, <-covered
}

// configure makes the configuration of o.
func configure(o Options) (*control.Config, error) {
	roots, err := rootsOf(o.Spec, o.Overlay)
	if err != nil {
		return nil, err
	}
	roots, dirs := o.dirRoots(roots)
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, fmt.Errorf("sysinfo: %w", err)
	}
	var filter *profile.Program
	if sc := o.Spec.Linux.Seccomp; sc != nil {
		if filter, err = compiledProfiles().compile(sc); err != nil {
			return nil, fmt.Errorf("linux.seccomp.%w", err)
		}
	}
	uids, gids, err := shownMaps(o.Spec.Linux)
	if err != nil {
		return nil, err
	}
	told := *o.Spec // without what is large and no business of the sentry's
	l := *told.Linux
	told.Hooks, told.Linux, l.Seccomp = nil, &l, nil
	cfg := &control.Config{
		UIDs: uids, GIDs: gids,
		Role: control.Role{
			TrapDenied:  o.TrapDenied,
			CPUs:        processors(o.Spec),
			Platform:    o.Platform,
			HostNetwork: o.Network == control.NetworkHost,
		},
		Strace:      o.Strace,
		MemoryTotal: info.Totalram * uint64(info.Unit),
		Pod:         podRole(o.Spec.Annotations) == roleSandbox,
		Container: control.Container{
			Spec:     &told,
			Direct:   o.Direct,
			Overlay:  o.Overlay,
			Terminal: isTerminal(o.Stdin),
			Seccomp:  filter,
			Roots:    roots,
			Dirs:     dirs,
			Umask:    o.Umask,
			Label:    shownLabel(labelOf(o.Spec.Process)),
			Ignored:  ignored(),
		},
	}
	if cfg.Clock.Monotonic, err = clockOffset(o.Spec.Linux, "monotonic", unix.CLOCK_MONOTONIC); err != nil {
		return nil, err
	}
	cfg.Clock.Boottime, err = clockOffset(o.Spec.Linux, "boottime", unix.CLOCK_BOOTTIME)
	return cfg, err
}

// rootsOf lists what the gofer is to serve: the root, then the bind mounts.
func rootsOf(s *specs.Spec, overlay bool) ([]jail.Root, error) {
	known := control.MountOptions()
	roots := []jail.Root{{Path: s.Root.Path, ReadOnly: overlay || s.Root.Readonly}}
	for i, m := range s.Mounts {
		if m.Type != "bind" {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			return nil, fieldf(fmt.Sprintf("mounts[%d].source", i), "%v", err)
		}
		roots = append(roots, jail.Root{Path: m.Source, ReadOnly: isReadOnly(m, known)})
	}
	return roots, nil
}

// isReadOnly reports what the options of a mount say last of it.
func isReadOnly(m specs.Mount, known map[string]control.MountOption) bool {
	ro := false
	for _, name := range m.Options {
		if o := known[name]; o.Flag == unix.MS_RDONLY {
			ro = !o.Clear
		}
	}
	return ro
}

// mappedRoots are the roots for the gofer; those with other ids, those without what is
// mounted beneath, and dirs, the last, as trees that it is handed.
func mappedRoots(cfg *control.Config, dirs []*os.File) (roots []jail.Root, trees []*os.File, err error) {
	roots = slices.Clone(cfg.Roots)
	n := 0
	for i, m := range cfg.Spec.Mounts {
		if m.Type != "bind" {
			continue
		}
		n++ // the root of the container is the first
		var t *os.File
		if idMapped(m) {
			if t, err = mappedTree(m, cfg.Spec.Linux); err != nil {
				return nil, trees, fieldf(fmt.Sprintf("mounts[%d].uidMappings", i), "%v", err)
			}
		} else if t = bareTree(m); t == nil {
			continue
		}
		roots[n].Tree = control.GoferFDs + len(trees)
		trees = append(trees, t)
	}
	for i, t := range dirs {
		roots[len(roots)-len(dirs)+i].Tree = control.GoferFDs + len(trees)
		trees = append(trees, t)
	}
	return roots, trees, nil
}

// bareTree returns a copy of the source of a bind mount that is to show nothing of what
// is mounted beneath. It is nil if there is nothing to leave out, or the caller may not:
// then the gofer, from which the host hides nothing that covers something, has all.
func bareTree(m specs.Mount) *os.File {
	if !hasOption(m, control.OptionBind) || hasOption(m, control.OptionRBind) {
		return nil
	}
	if st, err := os.Stat(m.Source); err != nil || !st.IsDir() {
		return nil
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), m.Source)
}

func hasOption(m specs.Mount, name string) bool {
	for _, o := range m.Options {
		if o == name {
			return true
		}
	}
	return false
}

// run stays with the sandbox until it ends.
func (s *sandbox) run() (int, error) {
	forward := forwardSignals(s.conn, s.cfg.Terminal, s.cfg.Ignored)
	defer forward.stop()
	status, err := follow(s.conn, forward)
	if err != nil {
		s.kill()
		return 0, s.explain(err)
	}
	s.reap()
	return status, nil
}

// errDied is that the control socket ended without a word.
var errDied = errors.New("the sandbox died")

// follow handles messages about a process until it has ended, and returns its
// exit status.
func follow(conn *control.Conn, forward *forwarder) (int, error) {
	for {
		m, err := conn.Receive()
		if errors.Is(err, io.EOF) {
			return 0, errDied
		}
		if err != nil {
			return 0, fmt.Errorf("control socket: %w", err)
		}
		switch m.Kind {
		case control.Started:
			forward.ready()
		case control.Failed:
			return 0, &StatusError{m.Code, errors.New(m.Text)}
		case control.Stopped:
			forward.suspend()
		case control.Exited:
			return m.Code, nil
		default:
			return 0, unexpected(m)
		}
	}
}

// patience is how long processes that have nothing left to do may take.
const patience = 2 * time.Second

// reap waits for the processes, which end by themselves; the gofer when the
// sentry's end of its socket closes.
func (s *sandbox) reap() {
	s.conn.Close()
	for _, p := range []*jail.Process{s.sentry, s.gofer, s.proxy} {
		if p == nil {
			continue
		}
		t := time.AfterFunc(patience, p.Kill)
		p.Wait()
		t.Stop()
	}
	s.log.wait()
}

// kill ends the processes. Each is the first of its pid namespace: nothing
// outlives it.
func (s *sandbox) kill() {
	if s.conn != nil {
		s.conn.Close()
	}
	for _, p := range []*jail.Process{s.sentry, s.gofer, s.proxy} {
		if p == nil {
			continue
		}
		// One that is dying is left the time to say why.
		t := time.AfterFunc(patience/10, p.Kill)
		p.Wait()
		t.Stop()
	}
	s.log.wait()
}

// blame adds to a failure why a process, if it is not nil, never had its role.
func blame(err error, p *jail.Process) error {
	if why := p.Failure(); why != nil && !errors.Is(err, why) && !errors.Is(why, jail.ErrLeft) {
		return fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// explain adds what is known to a failure of the sandbox. What the guest's own
// failure to start says is left as it is.
func (s *sandbox) explain(err error) error {
	var se *StatusError
	if errors.As(err, &se) {
		return err
	}
	if line := s.log.reason(); line != "" {
		return fmt.Errorf("%w: %s", err, line)
	}
	for _, p := range []*jail.Process{s.sentry, s.gofer, s.proxy} {
		if because := blame(err, p); because != err {
			return because
		}
	}
	if errors.Is(err, errDied) && s.sentry != nil && s.sentry.Status() != nil {
		return fmt.Errorf("%w: sentry %s", err, cause(*s.sentry.Status()))
	}
	return err
}

func isErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// processors returns how many the guest sees: those of the host, or as many of them
// as linux.resources.cpu.cpus lists. They are numbered from 0.
func processors(s *specs.Spec) int {
	all := runtime.NumCPU()
	if s.Linux == nil || s.Linux.Resources == nil || s.Linux.Resources.CPU == nil || s.Linux.Resources.CPU.Cpus == "" {
		return all
	}
	n := 0
	for part := range strings.SplitSeq(s.Linux.Resources.CPU.Cpus, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			return all // the host's kernel will say what is wrong with it
		}
		n += max(0, min(last, all-1)-first+1)
	}
	return max(1, min(n, all))
}
