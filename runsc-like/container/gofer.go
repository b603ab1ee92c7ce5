package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// startGofer starts the gofer for the roots of cfg: the first user of a namespace with
// the ids of its files' owners. It is the sentry's with the number sentry.
func startGofer(sentry, cgroup int, cfg *control.Config, p *plumbing) (*jail.Process, error) {
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
		Hold:       p.late,
		Detached:   cfg.Detached,
		TrapDenied: cfg.TrapDenied,
		CPUs:       cfg.CPUs,
		StandIn:    cfg.StandIn,
		Serve:      roots,
	}
	b := birthOf("gofer", append([]*os.File{p.log, p.log, p.log, p.hold, p.goferEnd, nil}, trees...), cfg.Detached)
	// It is no part of the caller's terminal job.
	b.Group, b.Map = !b.Session, ids.write
	// Without ids but the caller's it is the caller, not root.
	b.Confinement = jail.Confinement{Roots: roots, Caps: ids.caps(), FDs: control.GoferFDs, Root: !ids.own}
	if cfg.Detached && !p.late {
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
	showView(b, p.view)
	// The last that is about descriptors: RootFDs counts them.
	if b.Label = labelOf(cfg.Spec.Process); b.Label.NamesPaths() {
		if b.Points, err = placeRoots(cfg.Spec, roots); err != nil {
			return nil, err
		}
		own.RootFDs = b.RootFDs()
	}
	f, err := control.WriteRole(own)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b.Files[control.FDConfig] = f
	if cfg.HostNetwork {
		return startIn(cgroup, b, "gofer") // the sentry's network namespace is more than it may have
	}
	return startBeside(sentry, cgroup, b)
}

// startBeside starts the gofer in the sentry's network namespace, which takes longer to
// make than all others together, if the caller may enter it; else in one of its own. It
// has no use for either: it makes no sockets.
func startBeside(sentry, cgroup int, b *jail.Birth) (p *jail.Process, err error) {
	if os.Geteuid() != 0 {
		return startIn(cgroup, b, "gofer")
	}
	err = inNetwork(fmt.Sprintf("/proc/%d/ns/net", sentry), func(entered bool) (err error) {
		if entered {
			b.Namespaces &^= unix.CLONE_NEWNET
		}
		p, err = startIn(cgroup, b, "gofer")
		return err
	})
	return p, err
}

// inNetwork calls f on this thread in the network namespace at path, if the caller may
// enter it and come back.
func inNetwork(path string, f func(entered bool) error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var ns [2]int // the caller's, the other
	for i, name := range []string{"/proc/thread-self/ns/net", path} {
		if ns[i], err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		defer unix.Close(ns[i])
	}
	// Root of a user namespace may enter the one and not come back to the other: what is
	// tried first changes nothing.
	if unix.Setns(ns[0], unix.CLONE_NEWNET) != nil || unix.Setns(ns[1], unix.CLONE_NEWNET) != nil {
		return f(false)
	}
	err = f(true)
	if back := unix.Setns(ns[0], unix.CLONE_NEWNET); back != nil {
		runtime.LockOSThread() // for good: nobody else may have this thread
		err = errors.Join(err, fmt.Errorf("leave network namespace %s: %w", path, back))
	}
	return err
}
