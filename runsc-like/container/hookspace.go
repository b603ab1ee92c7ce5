package container

import (
	"fmt"
	"os"
	"path"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// createContainer hooks are programs of the host that see what the container has. Its
// namespaces are the guest's kernel's; of the host's there are those of the sentry, with
// the container's interfaces in its network, and for what else a hook looks for new ones:
// a mount namespace with the container's root and bind mounts where the root is, a UTS
// namespace that has no names of its own yet, as with other runtimes.

// inNamespaces calls f on a thread in those namespaces. A caller without the right to
// have them, an ordinary user, has f called where it is.
func (c *Container) inNamespaces(s *specs.Spec, f func() error) (err error) {
	ran := false
	onThreadOfItsOwn(func() {
		flags := unix.CLONE_NEWNS
		if slices.ContainsFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UTSNamespace }) {
			flags |= unix.CLONE_NEWUTS
		}
		if unix.Unshare(flags) != nil {
			return
		}
		ran = true
		if err = c.enterNamespaces(s); err == nil {
			err = f()
		}
	})
	if !ran {
		return f()
	}
	return err
}

// enterNamespaces makes a new mount namespace that of the container, and enters the
// others.
func (c *Container) enterNamespaces(s *specs.Spec) error {
	// What is mounted on the host later is to be seen, and not the other way round.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("namespaces: make mounts slaves: %w", err)
	}
	tree, err := layOut(s, 0, hookTree)
	if err != nil {
		return fmt.Errorf("namespaces: mount the root: %w", err)
	}
	tree.Close()
	for kind, name := range map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc"} {
		i := slices.IndexFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == kind })
		if i < 0 {
			continue // it is to be the host's
		}
		file := s.Linux.Namespaces[i].Path
		if file == "" {
			file = path.Join("/proc", fmt.Sprint(c.Sentry.PID), "ns", name)
		}
		if err := enterNamespace(file); err != nil {
			return fmt.Errorf("namespaces: enter %s: %w", file, err)
		}
	}
	return nil
}

func enterNamespace(file string) error {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, 0)
}

// hookTree is what a hook finds for a file system of the guest's: what it writes to one in
// memory is the hook's alone, others are empty.
func hookTree(m specs.Mount) (*os.File, error) {
	if m.Type == "tmpfs" {
		return memoryTree("64m", "1777", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	}
	return emptyTree()
}
