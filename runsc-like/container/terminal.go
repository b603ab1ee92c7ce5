package container

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// pty is a pseudoterminal of the host for a process of the guest: the guest has
// the slave, the caller the master.
type pty struct{ master, slave *os.File }

// newPTY makes a pseudoterminal, owned by uid if that is possible.
func newPTY(size *specs.Box, uid uint32) (*pty, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pseudoterminal: %w", err)
	}
	fail := func(err error) (*pty, error) {
		master.Close()
		return nil, fmt.Errorf("pseudoterminal: %w", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return fail(err)
	}
	// The request takes the flags of the new descriptor by value.
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return fail(errno)
	}
	fd := int(n)
	slave := os.NewFile(uintptr(fd), "slave")
	if size != nil && (size.Width != 0 || size.Height != 0) {
		w := unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &w); err != nil {
			slave.Close()
			return fail(err)
		}
	}
	// Without privileges it stays the caller's.
	_ = unix.Fchown(fd, int(uid), -1)
	return &pty{master, slave}, nil
}

// hand sends the master to who listens at path, with its name as the data, and
// closes it here.
func (p *pty) hand(path string) error {
	defer p.master.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fieldf("--console-socket", "%v", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fieldf("--console-socket", "connect to %s: %v", path, err)
	}
	if err := unix.Sendmsg(fd, []byte(p.master.Name()), unix.UnixRights(int(p.master.Fd())), nil, unix.MSG_NOSIGNAL); err != nil {
		return fieldf("--console-socket", "%s: %v", path, err)
	}
	return nil
}
