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
	dir, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open the gofer's own root: %w", err)
	}
	var roots []server.Root
	for i, r := range cfg.Roots {
		fd, err := unix.Open(jail.RootPath(i), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("open root %s: %w", r.Path, err)
		}
		roots = append(roots, server.Root{FD: fd, ReadOnly: r.ReadOnly, Dir: dir, Name: path.Base(jail.RootPath(i))})
	}
	unix.Umask(0) // modes come from the sentry, its umask applied
	if err := jail.Seal(jail.GoferRules(), denied(cfg)); err != nil {
		return 0, err
	}
	return 0, server.Serve(control.FDGofer, roots)
}
