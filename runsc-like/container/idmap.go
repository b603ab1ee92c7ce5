package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// idMapped reports whether a mount shows other ids than its files have.
func idMapped(m specs.Mount) bool {
	return len(m.UIDMappings) > 0 || hasOption(m, control.OptionIDMap) || hasOption(m, control.OptionRecIDMap)
}

// mappedTree returns a copy of a bind mount's source, mounted nowhere, that shows
// the ids of m, or without any those of the container's user namespace. Only who
// may mount the file system itself can make one: not the gofer, which is handed
// it.
func mappedTree(m specs.Mount, l *specs.Linux) (*os.File, error) {
	uids, gids := m.UIDMappings, m.GIDMappings
	if len(uids) == 0 {
		uids, gids = l.UIDMappings, l.GIDMappings
	}
	ns, err := userNamespace(sysMap(uids), sysMap(gids))
	if err != nil {
		return nil, fmt.Errorf("user namespace: %w", err)
	}
	defer ns.Close()
	var recursive uint
	if hasOption(m, control.OptionRecIDMap) {
		recursive = unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, fmt.Errorf("open_tree %s: %w", m.Source, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|recursive, &attr)
	if err == nil {
		return os.NewFile(uintptr(fd), m.Source), nil
	}
	unix.Close(fd)
	switch {
	case errors.Is(err, unix.EINVAL):
		err = fmt.Errorf("the file system of %s does not support it (%w)", m.Source, err)
	case errors.Is(err, unix.EPERM):
		err = fmt.Errorf("it needs CAP_SYS_ADMIN where the file system of %s was mounted (%w)", m.Source, err)
	}
	return nil, err
}

// HolderRole is the word by which the binary is started to be in a namespace
// until its standard input ends.
const HolderRole = "holder"

// Hold is what a holder does.
func Hold() int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// userNamespace makes a user namespace with the ids.
func userNamespace(uids, gids []syscall.SysProcIDMap) (*os.File, error) {
	c := exec.Command("/proc/self/exe", HolderRole)
	c.Args[0], c.Env = "hull", []string{}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: uids, GidMappings: gids, GidMappingsEnableSetgroups: true,
		Pdeathsig: unix.SIGKILL,
	}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", c.Process.Pid))
	in.Close()
	return ns, errors.Join(err, c.Wait())
}
