package netconf

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrPermission is that the caller must not enter the namespace.
var ErrPermission = errors.New("entering a network namespace needs CAP_SYS_ADMIN, and CAP_NET_ADMIN and CAP_NET_RAW in it")

// within calls f on a thread that is in the network namespace at path, with
// netlink sockets of it.
func within(path string, f func(h *netlink.Handle) error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- enter(path, f)
	}()
	return <-done
}

func enter(path string, f func(h *netlink.Handle) error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	err = unix.Setns(fd, unix.CLONE_NEWNET)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("network namespace %s: %w", path, ErrPermission)
	}
	if err != nil {
		return fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network namespace %s: netlink: %w", path, err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	return nil
}

// Within calls f on a thread that is in the network namespace at path: what it
// opens, and whom it starts, is there.
func Within(path string, f func() error) error {
	return within(path, func(*netlink.Handle) error { return f() })
}

// ID identifies a namespace among all of the host.
type ID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// Identify returns what namespace is at path.
func Identify(path string) (ID, error) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	err := unix.Statfs(path, &fs)
	if err == nil {
		err = unix.Stat(path, &st)
	}
	if err != nil {
		return ID{}, fmt.Errorf("network namespace %s: %w", path, err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return ID{}, fmt.Errorf("network namespace %s: is none", path)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ID{}, fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		return ID{}, fmt.Errorf("network namespace %s: is one of another kind", path)
	}
	return ID{st.Dev, st.Ino}, nil
}
