package boot

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/profile"
	"hull/sentry/kernel"
	"hull/sentry/seccomp"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// process is one that is to be started from outside: a container's first, or
// another one beside it.
type process struct {
	spec     *specs.Process
	umask    uint32
	ignored  kernel.SignalSet
	direct   bool   // see kernel.InitArgs
	fds      []int  // descriptors of the host, for those from 0 on; taken over
	terminal bool   // the first of them is a terminal, the controlling one
	main     bool   // the container's first: its terminal is the console
	hook     string // the program of a hook; "" for other processes
	release  func() // takes back what initArgs gave, when the process has ended; nil for nothing
}

// close closes the descriptors of a process that is not to be.
func (p *process) close() {
	closeAll(p.fds)
	p.fds = nil
}

// initArgs prepares what the kernel is to be told of p.
func (c *container) initArgs(p *process) (a kernel.InitArgs, err error) {
	streams := false
	defer func() {
		if err == nil {
			return
		}
		if !streams {
			p.close()
		}
		if a.FS != nil {
			a.FS.DecRef()
		}
	}()
	a = kernel.InitArgs{Seccomp: c.filter, Args: p.spec.Args, Program: p.hook, Namespace: c.ns, Ignored: p.ignored, Direct: p.direct,
		Container: c.procs, PIDs: c.pids, UTS: c.uts, IPC: c.ipc}
	setAttributes(&a, p.spec, c.spec.Linux)
	if a.Cred, err = credOf(p.spec, c.s.kernel.UserNS()); err != nil {
		return a, err
	}
	if a.Limits, err = limitsOf(p.spec); err != nil {
		return a, err
	}
	a.FS = vfs.NewContext(c.ns)
	if a.Env = p.spec.Env; !p.direct && p.hook == "" {
		a.Env = withHome(a.Env, func() string { return c.homeOf(a.FS, p.spec.User.UID) })
	}
	if err := c.enterCwd(a.FS, p.spec.Cwd, p.main); err != nil {
		return a, err
	}
	a.FS.SetUmask(p.umask)
	if p.spec.User.Umask != nil {
		a.FS.SetUmask(*p.spec.User.Umask)
	}
	streams = true
	if a.Files, a.Terminal, p.release, err = c.streams(a.FS, a.Cred, p); err != nil {
		return a, err
	}
	return a, nil
}

// withHome adds HOME to env if it is not set, or empty.
func withHome(env []string, home func() string) []string {
	const name = "HOME="
	at := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, name) })
	switch {
	case at < 0:
		return append(slices.Clone(env), name+home())
	case env[at] == name:
		env = slices.Clone(env)
		env[at] += home()
	}
	return env
}

// homeOf returns the home directory of a user, as the guest's /etc/passwd says.
func (c *container) homeOf(ctx *vfs.Context, uid uint32) string {
	const most = 1 << 20
	b, err := c.readFile(ctx, "/etc/passwd", most)
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= 6 && f[2] == fmt.Sprint(uid) && strings.HasPrefix(f[5], "/") {
			return f[5]
		}
	}
	return "/"
}

// readFile reads the first bytes of a file of the guest.
func (c *container) readFile(ctx *vfs.Context, name string, most int) ([]byte, error) {
	f, err := vfs.Open(c.boot, vfs.At{FS: ctx, Name: name, Follow: true}, vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK})
	if err != nil {
		return nil, err
	}
	defer f.DecRef(c.boot)
	b := make([]byte, most)
	n := 0
	for n < most {
		k, err := f.ReadAt(c.boot, usermem.One(usermem.Bytes(b[n:]), 0, uint64(most-n)), int64(n))
		if err != nil {
			return nil, err
		}
		if k <= 0 {
			break
		}
		n += int(k)
	}
	return b[:n], nil
}

// filterOf returns the filter of a configuration, which is checked as one of a
// guest, and who decides about calls that it hands over. line is taken over.
func filterOf(p *profile.Program, line []int) (*seccomp.Filter, *supervision, error) {
	f, l, err := compiled(p)
	if err != nil || l == nil || len(line) != control.AgentFDs {
		closeAll(line)
		if l != nil {
			l.Close()
		}
		return f, nil, err
	}
	s, err := supervise(l, line)
	return f, s, err
}

// compiled returns the filter, and its listener if it has one.
func compiled(p *profile.Program) (*seccomp.Filter, *seccomp.Listener, error) {
	if p == nil {
		return nil, nil, nil
	}
	n := len(p.Code) / seccomp.InstructionSize
	program, err := seccomp.Parse(p.Code)
	if err != nil {
		return nil, nil, fmt.Errorf("linux.seccomp: %d instructions: %w", n, err)
	}
	var none *seccomp.Filter
	var l *seccomp.Listener
	if p.Listener {
		l = seccomp.NewListener(p.Killable)
	}
	f, err := none.Add(program, p.Log, l)
	if err != nil {
		return nil, nil, fmt.Errorf("linux.seccomp: %d instructions: %w", n, err)
	}
	return f, l, nil
}
