package container

import (
	"os"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// startGofer starts the gofer for the roots of cfg: the first user of a namespace with
// the ids of its files' owners.
func startGofer(cgroup int, cfg *control.Config, p *plumbing) (*jail.Process, error) {
	roots, trees, err := mappedRoots(cfg, p.dirs)
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
	b := birthOf("gofer", append([]*os.File{p.log, p.log, p.log, p.hold, p.goferEnd, f}, trees...), cfg.Detached)
	// It is no part of the caller's terminal job.
	b.Group, b.Map = !b.Session, ids.write
	// Without ids but the caller's it is the caller, not root.
	b.Confinement = jail.Confinement{Roots: roots, Caps: ids.caps(), FDs: control.GoferFDs, Root: !ids.own}
	if cfg.Detached {
		b.Hold = control.FDControl
	}
	if cfg.StandIn {
		b.Blocked = control.Forwarded() // they are read from a descriptor
	}
	if p.terminal != nil {
		// Once it is the controlling one the descriptor is not needed.
		b.Terminal = len(b.Files)
		b.Files = append(b.Files, p.terminal)
	}
	return startIn(cgroup, b, "gofer")
}
