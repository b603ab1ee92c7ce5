package container

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
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

// command returns the binary itself as role, with fds at 0, 1, 2 and so on.
func command(role string, fds []*os.File) *exec.Cmd {
	c := exec.Command("/proc/self/exe", role)
	c.Args[0] = "hull"
	c.Env = []string{}
	c.Stdin, c.Stdout, c.Stderr = fds[0], fds[1], fds[2]
	c.ExtraFiles = fds[3:]
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: unix.SIGKILL}
	return c
}

// sentryCommand returns the process that will be the sentry: root of a user
// namespace that holds one id, and that is nobody's if the caller is root.
func sentryCommand(fds []*os.File) (*exec.Cmd, error) {
	c := command("sentry", fds)
	uid, gid := os.Geteuid(), os.Getegid()
	a := c.SysProcAttr
	a.Credential = &syscall.Credential{NoSetGroups: true}
	if uid == 0 {
		uids, err := idMap("/proc/self/uid_map")
		if err != nil {
			return nil, err
		}
		gids, err := idMap("/proc/self/gid_map")
		if err != nil {
			return nil, err
		}
		if maps(uids, nobody) && maps(gids, nobody) {
			uid, gid = nobody, nobody
		}
		a.GidMappingsEnableSetgroups = true
		a.Credential.NoSetGroups = false
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	return c, nil
}

// goferCommand returns the process that will be the gofer. Started by root it
// has all ids as they are, and keeps the capabilities for files; else it is the
// caller and nobody else. It is no part of the caller's terminal job.
func goferCommand(fds []*os.File) (*exec.Cmd, error) {
	c := command("gofer", fds)
	a := c.SysProcAttr
	a.Setpgid = true
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		// Not root in its namespace, it would lose these when it executes.
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
		return c, nil
	}
	var err error
	if a.UidMappings, err = idMap("/proc/self/uid_map"); err != nil {
		return nil, err
	}
	if a.GidMappings, err = idMap("/proc/self/gid_map"); err != nil {
		return nil, err
	}
	a.GidMappingsEnableSetgroups = true
	a.Credential = &syscall.Credential{}
	return c, nil
}

// goferCaps returns what the gofer keeps.
func goferCaps() []int {
	if os.Geteuid() == 0 {
		return jail.FileCaps()
	}
	return nil
}

// idMap reads the ids that the caller's own user namespace has, each mapped to
// itself.
func idMap(name string) ([]syscall.SysProcIDMap, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m []syscall.SysProcIDMap
	for s := bufio.NewScanner(f); s.Scan(); {
		var inside, outside, size int
		if _, err := fmt.Sscan(s.Text(), &inside, &outside, &size); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, s.Text(), err)
		}
		m = append(m, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	if len(m) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return m, nil
}

func maps(m []syscall.SysProcIDMap, id int) bool {
	for _, e := range m {
		if id >= e.ContainerID && id-e.ContainerID < e.Size {
			return true
		}
	}
	return false
}

// start starts c, and says what may help if the host refuses.
func start(c *exec.Cmd, role string) error {
	err := c.Start()
	if err == nil {
		return nil
	}
	hint := ""
	if os.Geteuid() != 0 && (isErrno(err, unix.EPERM) || isErrno(err, unix.EACCES) || isErrno(err, unix.ENOSPC)) {
		hint = " (does the host allow user namespaces to users? see user.max_user_namespaces)"
	}
	return fmt.Errorf("start the %s: %w%s", role, err, hint)
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
func cause(s *os.ProcessState) string {
	ws, ok := s.Sys().(syscall.WaitStatus)
	switch {
	case ok && ws.Signaled() && ws.Signal() == unix.SIGSYS:
		return "killed: it made a host call that its seccomp filter denies"
	case ok && ws.Signaled():
		return fmt.Sprintf("killed by signal %d (%v)", int(ws.Signal()), ws.Signal())
	default:
		return strings.TrimSpace(s.String())
	}
}

// gofer starts the gofer for the roots of cfg.
func startGofer(cfg *control.Config, conn, log *os.File) (*exec.Cmd, error) {
	own := &control.Config{
		Jail:       jail.Confinement{Roots: cfg.Roots, Caps: goferCaps(), FDs: control.GoferFDs},
		TrapDenied: cfg.TrapDenied,
		CPUs:       cfg.CPUs,
		Roots:      cfg.Roots,
	}
	f, err := control.WriteConfig(own)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	life, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer life.Close()
	c, err := goferCommand([]*os.File{log, log, log, life, conn, f})
	if err != nil {
		return nil, err
	}
	return c, start(c, "gofer")
}
