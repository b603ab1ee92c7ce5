package jail

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Birth is a process of a sandbox that is to be: this binary, executed in a role
// once it is locked in.
type Birth struct {
	Role string
	// Files are its descriptors from 0 on. Of those from Confinement.FDs on the role
	// knows nothing.
	Files []*os.File
	// Namespaces are the flags (CLONE_NEWNS and so on) of those that it gets for
	// itself, a user namespace among them, whose maps of ids Map writes.
	Namespaces uintptr
	Map        func(pid int) error
	Cgroup     int // a descriptor of the directory of v2 that it is born in, or -1
	// Session makes it the leader of a session, else Group of a process group. The
	// file whose index Terminal is, if not 0, is the session's controlling terminal.
	Session, Group bool
	Terminal       int
	Mortal         bool          // it dies with the thread that calls Start
	Blocked        []unix.Signal // pending until the role takes them
	// Hold is a descriptor of its own, at which it waits for a message before it locks
	// itself in. If there comes none, it ends. 0 is none.
	Hold int
	// View is the index of a file that is a detached tree, which the process's mount
	// namespace shows to who enters it instead of what the process has. 0 is none.
	View int
	// Label is what it is to the security modules of the host's kernel. The roots of
	// one that has a profile of AppArmor are found by RootFDs.
	Label Label
	// Network sets up the network namespace that is among Namespaces; nil leaves it
	// as it is.
	Network *NewNetwork
	// Points are made before it has the label.
	Points []Point
	Confinement

	attributes string // instead of attributes, for tests
}

// Process is a child of this one that was born. It is no os.Process, which would
// try out first whether the host has descriptors of processes, with one that it
// makes for that.
type Process struct {
	Pid   int
	birth *Birth
	plan  *plan
	gate  *os.File
	self  int // its descriptor of this binary

	mu     sync.Mutex
	status *unix.WaitStatus // once it was waited for; guarded by mu
}

// Start has the process born. One that has roots waits for Cover, after Hold.
func (b *Birth) Start() (_ *Process, err error) {
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer self.Close()
	near, far, err := gates()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	const usual, perRoot, perPoint = 128 << 10, 16 << 10, 16 << 10
	p := &Process{birth: b, gate: near, self: len(b.Files) + 1}
	defer func() {
		if err != nil {
			p.abort()
		}
	}()
	if p.plan, err = newPlan(usual + perRoot*len(b.Roots) + perPoint*len(b.Points)); err != nil {
		return nil, err
	}
	if err := p.write(far, self); err != nil {
		return nil, err
	}
	p.Pid, err = p.plan.start(b.Namespaces, b.Cgroup)
	runtime.KeepAlive(b.Files)
	if err != nil {
		return nil, err
	}
	if err := b.Map(p.Pid); err != nil {
		return nil, err
	}
	return p, p.open()
}

// gates returns the two ends of the socket by which a child and its parent wait for
// each other.
func gates() (near, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "gate"), os.NewFile(uintptr(fds[1]), "gate"), nil
}

// write writes down what the process does.
func (p *Process) write(far, self *os.File) error {
	b, l := p.birth, p.plan
	gate := len(b.Files)
	l.descriptors(append(append([]*os.File{}, b.Files...), far, self))
	l.meet(gate) // the ids are mapped
	switch {
	case b.Session:
		l.do("setsid", unix.SYS_SETSID)
	case b.Group:
		l.do("setpgid", unix.SYS_SETPGID, 0, 0)
	}
	if b.Terminal != 0 {
		l.do("take the terminal", unix.SYS_IOCTL, uint64(b.Terminal), unix.TIOCSCTTY, 0)
	}
	if b.Root {
		l.becomeRoot()
	}
	if b.Hold != 0 {
		l.meet(b.Hold)
	}
	if b.Network != nil {
		b.Network.setUp(l, p.self+1)
	}
	if b.Label != (Label{}) {
		dir := attributes
		if b.attributes != "" {
			dir = b.attributes
		}
		if err := l.label(b.Label, dir, p.self+1); err != nil {
			return err
		}
	}
	l.do("set the host name", unix.SYS_SETHOSTNAME, l.text("hull"), 4)
	if err := l.layRoots(b.Roots, p.self+1); err != nil {
		return err
	}
	if len(b.Roots) == 0 {
		return p.finish()
	}
	l.do("tell the creator", unix.SYS_WRITE, uint64(gate), l.bytes([]byte{0}), 1)
	l.meet(gate)
	return l.err
}

// finish writes down the rest, from the new root on.
func (p *Process) finish() error {
	b, l := p.birth, p.plan
	l.pivot(stage)
	if b.View != 0 {
		l.layView(b.View, len(b.Roots) > 0)
	}
	l.do("close_range", unix.SYS_CLOSE_RANGE, uint64(b.FDs), uint64(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	if err := l.limit(); err != nil {
		return err
	}
	if first := b.RootFDs(); first != 0 {
		l.place(b.Roots, b.Points, p.self+1, first)
	}
	l.dropCaps(b.Caps)
	if b.Mortal {
		l.do("PR_SET_PDEATHSIG", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	var blocked uint64
	for _, s := range b.Blocked {
		blocked |= 1 << (s - 1)
	}
	l.do("signal mask", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, l.bytes(bytesOf(&blocked)), 0, 8)
	l.do("execute hull", unix.SYS_EXECVEAT, uint64(p.self), l.text(""), l.texts("hull", b.Role), l.texts(), unix.AT_EMPTY_PATH)
	return l.err
}

// open lets the process go on that waits at the gate.
func (p *Process) open() error {
	if _, err := p.gate.Write([]byte{0}); err != nil {
		return fmt.Errorf("start a process: %w", err)
	}
	return nil
}

// Cover waits until the process, which is no longer held, has its roots, sees to it
// that there is no file system of the host's kernel beneath them, and lets it go on.
func (p *Process) Cover() error {
	if len(p.birth.Roots) == 0 {
		return nil
	}
	if _, err := io.ReadFull(p.gate, make([]byte, 1)); err != nil {
		if err := p.Failure(); err != nil {
			return err
		}
		return fmt.Errorf("the process that was to serve files is gone: %w", err)
	}
	if err := p.cover(); err != nil {
		return err
	}
	return p.open()
}

func (p *Process) cover() error {
	info, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", p.Pid))
	if err != nil {
		return err
	}
	defer info.Close()
	if err := p.plan.coverKernelMounts(info); err != nil {
		return err
	}
	return p.finish()
}

// Failure returns why the process ended before it had its role; nil if it did not, or
// if there is none.
func (p *Process) Failure() error {
	if p == nil {
		return nil
	}
	return p.plan.failure()
}

// Kill ends the process, if it was not waited for.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == nil {
		_ = unix.Kill(p.Pid, unix.SIGKILL) // as long as nobody has waited, the number is its own
	}
}

// Wait waits for the end of the process.
func (p *Process) Wait() {
	var info unix.Siginfo
	for unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == nil {
		p.status = new(unix.WaitStatus)
		_, _ = unix.Wait4(p.Pid, p.status, 0, nil) // it has ended
	}
}

// Status is how the process ended; nil if it was not waited for.
func (p *Process) Status() *unix.WaitStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// abort ends what there is of a process.
func (p *Process) abort() {
	if p.Pid > 0 {
		p.Kill()
		p.Wait()
	}
	p.gate.Close()
	if p.plan != nil {
		p.plan.close()
	}
}
