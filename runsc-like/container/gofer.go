package container

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// startGofer starts the gofer for the roots of cfg. What it returns with an error,
// if anything, is to be killed.
func startGofer(cgroup int, cfg *control.Config, p *plumbing) (*exec.Cmd, error) {
	roots, trees, err := mappedRoots(cfg)
	defer func() {
		for _, t := range trees {
			t.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	ids, err := fileIDs(cfg.Spec.Linux)
	if err != nil {
		return nil, err
	}
	own := &control.Role{
		Jail:       jail.Confinement{Roots: roots, Caps: ids.caps(), FDs: control.GoferFDs, Root: ids.late},
		Hold:       cfg.Hold,
		Detached:   cfg.Detached,
		TrapDenied: cfg.TrapDenied,
		CPUs:       cfg.CPUs,
		StandIn:    cfg.StandIn,
		Serve:      cfg.Roots,
	}
	f, err := control.WriteRole(own)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fds := append([]*os.File{p.log, p.log, p.log, p.hold, p.goferEnd, f}, trees...)
	c := goferCommand(fds, cfg.Detached, ids)
	if p.terminal != nil {
		// Once it is the controlling one the descriptor is not needed.
		c.SysProcAttr.Setctty, c.SysProcAttr.Ctty = true, 3+len(c.ExtraFiles)
		c.ExtraFiles = append(c.ExtraFiles, p.terminal)
	}
	if err := startIn(cgroup, c, "gofer"); err != nil {
		return nil, err
	}
	return c, ids.write(c.Process.Pid)
}

// goferCommand returns the process that will be the gofer: the first user of a
// namespace with the ids, or, without any, the caller and nobody else. It is no
// part of the caller's terminal job.
func goferCommand(fds []*os.File, detached bool, ids *ownership) *exec.Cmd {
	c := command("gofer", fds, detached)
	a := c.SysProcAttr
	a.Setpgid = !a.Setsid
	// Who is not root in the namespace loses what it needs to lock itself in when it
	// executes.
	confine := []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	switch {
	case ids.late:
		a.AmbientCaps = append(confine, unix.CAP_SETUID, unix.CAP_SETGID)
		for _, c := range ids.caps() {
			a.AmbientCaps = append(a.AmbientCaps, uintptr(c))
		}
	case ids.own:
		a.UidMappings, a.GidMappings, a.AmbientCaps = ids.uids, ids.gids, confine
	default:
		a.UidMappings, a.GidMappings = ids.uids, ids.gids
		a.GidMappingsEnableSetgroups = os.Geteuid() == 0
		a.Credential = &syscall.Credential{NoSetGroups: !a.GidMappingsEnableSetgroups}
	}
	return c
}
