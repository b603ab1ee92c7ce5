package container

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// namespaces are those that each process of a sandbox gets for itself.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// nobody is who a sentry is on the host when root starts it.
const nobody = 65534

// plumbing is what connects the processes of a sandbox that is being started:
// their ends, which are closed here once they have them.
type plumbing struct {
	log, control, goferEnd, sentryEnd, config *os.File
	// hold is where a gofer that is held waits, release the other end. It waits before
	// it has its roots, unless it is late.
	hold    *os.File
	late    bool
	release *control.Conn
	// terminal is the controlling one of a gofer that stands for its container.
	terminal *os.File
	dirs     []*os.File // see handedDir
	view     *os.File   // of the mount namespace of a gofer that stands for its container
}

func (p *plumbing) close() {
	for _, f := range []*os.File{p.log, p.control, p.goferEnd, p.sentryEnd, p.config, p.hold, p.terminal} {
		if f != nil {
			f.Close()
		}
	}
	if p.release != nil {
		p.release.Close()
	}
}

// handed closes the ends of the socket between sentry and gofer: either sees it end
// when the other one does.
func (p *plumbing) handed() {
	for _, f := range []*os.File{p.goferEnd, p.sentryEnd} {
		f.Close()
	}
	p.goferEnd, p.sentryEnd = nil, nil
}

// plumb makes the plumbing, and s.conn.
func (s *sandbox) plumb(o Options, d *detachment) (p *plumbing, err error) {
	p = &plumbing{dirs: o.trees()}
	if s.conn, p.control, err = controlPair(); err != nil {
		return p, err
	}
	if p.goferEnd, p.sentryEnd, err = socketPair("gofer"); err != nil {
		return p, err
	}
	if p.config, err = control.WriteConfig(s.cfg); err != nil {
		return p, err
	}
	if d == nil {
		if p.log, err = s.openLog(o); err != nil {
			return p, err
		}
		// Nobody waits there: the number just has to be in use.
		p.hold, err = os.OpenFile(os.DevNull, os.O_RDONLY, 0)
		return p, err
	}
	p.log = d.log
	p.release, p.hold, err = controlPair()
	return p, err
}

// controlPair returns the two ends of a control socket, the first for here.
func controlPair() (*control.Conn, *os.File, error) {
	near, far, err := socketPair("control")
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.FcntlInt(near.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	near.Close()
	if err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	conn, err := control.NewConn(fd)
	if err != nil {
		far.Close()
		return nil, nil, err
	}
	return conn, far, nil
}

// birthOf describes a process of a sandbox: the binary in a role, with fds at 0, 1, 2
// and so on. It is the first user of its user namespace.
func birthOf(role string, fds []*os.File, detached bool) *jail.Birth {
	return &jail.Birth{
		Role: role, Files: fds, Namespaces: namespaces, Cgroup: -1, Session: detached, Mortal: !detached,
		Confinement: jail.Confinement{FDs: len(fds), Root: true},
	}
}

// sentryBirth describes the process that will be the sentry: root of a user
// namespace that holds one id, and that is nobody's if the caller is root.
func sentryBirth(role string, fds []*os.File, detached bool) (*jail.Birth, error) {
	b := birthOf(role, fds, detached)
	uid, gid := os.Geteuid(), os.Getegid()
	groups := uid == 0
	if uid == 0 {
		uids, err := idMap("/proc/self/uid_map")
		if err != nil {
			return nil, err
		}
		gids, err := idMap("/proc/self/gid_map")
		if err != nil {
			return nil, err
		}
		if hasID(uids, nobody) && hasID(gids, nobody) {
			uid, gid = nobody, nobody
		}
	}
	one := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	b.Map = func(pid int) error { return writeMaps(pid, one(uid), one(gid), groups) }
	return b, nil
}

// startIn has a process born, in the cgroup of v2 that the descriptor is of, if it is
// not -1, and says what may help if the host refuses.
func startIn(cgroup int, b *jail.Birth, role string) (*jail.Process, error) {
	b.Cgroup = cgroup
	p, err := b.Start()
	if err == nil {
		return p, nil
	}
	hint := ""
	if os.Geteuid() != 0 && (isErrno(err, unix.EPERM) || isErrno(err, unix.EACCES) || isErrno(err, unix.ENOSPC)) {
		hint = " (does the host allow user namespaces to users? see user.max_user_namespaces)"
	}
	return nil, fmt.Errorf("start the %s: %w%s", role, err, hint)
}

// socketPair returns the two ends of a socket for packets.
func socketPair(name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// cause says how a process ended, for the line that reports a failure.
func cause(ws unix.WaitStatus) string {
	switch {
	case ws.Signaled() && ws.Signal() == unix.SIGSYS:
		return "killed: it made a host call that its seccomp filter denies"
	case ws.Signaled():
		return fmt.Sprintf("killed by signal %d (%v)", int(ws.Signal()), ws.Signal())
	default:
		return fmt.Sprintf("exit status %d", ws.ExitStatus())
	}
}
