package cmd

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"hull/gofer/server"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// gofer is the file server, inside its jail.
func gofer(cfg *control.Role) (int, error) {
	if cfg.Hold {
		await()
	}
	dir, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open the gofer's own root: %w", err)
	}
	var roots []server.Root
	for i, r := range cfg.Serve {
		if cfg.RootFDs != 0 {
			roots = append(roots, placed(cfg.RootFDs, i, r))
			continue
		}
		fd, err := unix.Open(jail.RootPath(i), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("open root %s: %w", r.Path, err)
		}
		roots = append(roots, server.Root{FD: fd, ReadOnly: r.ReadOnly, Dir: dir, Name: path.Base(jail.RootPath(i))})
	}
	var life *control.Conn
	if cfg.StandIn {
		if life, err = control.NewConn(control.FDControl); err != nil {
			return 0, err
		}
		// Before the seal, which leaves no say in signals.
		signals, err := control.OpenSignals()
		if err != nil {
			return 0, err
		}
		go signals.Take(func(sig unix.Signal) {
			_ = life.Send(control.Message{Kind: control.Signal, Signo: int(sig)}) // the end is seen in stand
		})
	}
	unix.Umask(0) // modes come from the sentry, its umask applied
	if err := jail.Seal(jail.GoferRules(), denied(cfg)); err != nil {
		return 0, err
	}
	if life == nil {
		return 0, server.Serve(control.FDGofer, roots)
	}
	go func() { _ = server.Serve(control.FDGofer, roots) }() // the container's end is what counts
	return stand(life), nil
}

// placed returns root i of those that are descriptors from first on.
func placed(first, i int, r jail.Root) server.Root {
	root := server.Root{ReadOnly: r.ReadOnly}
	root.FD, root.Dir = jail.RootFD(first, i)
	switch r.At {
	case "/": // it is in no directory
	case "":
		root.Name = path.Base(jail.RootPath(i))
	default:
		root.Name = path.Base(r.At)
	}
	return root
}

// stand waits for the end of the container, and returns its exit status. One whose
// sandbox goes away was killed.
func stand(life *control.Conn) int {
	for {
		m, err := life.Receive()
		if err != nil {
			return 128 + int(unix.SIGKILL)
		}
		if m.Kind == control.Exited {
			return m.Code
		}
	}
}
