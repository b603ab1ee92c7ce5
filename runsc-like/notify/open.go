package notify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the host's kernel may take to open the file.
const patience = 10 * time.Second

// Open makes the file for an agent, and the device whose requests Serve answers.
// It needs /dev/fuse and CAP_SYS_ADMIN in the user namespace of the caller's mount
// namespace. Until Serve runs, whoever uses the file waits.
func Open() (agent, dev *os.File, err error) {
	if dev, err = open("/dev/fuse"); err != nil {
		return nil, nil, err
	}
	root, err := mount(dev)
	if err != nil {
		dev.Close()
		return nil, nil, err
	}
	defer unix.Close(root)
	if agent, err = openRoot(int(dev.Fd()), root); err != nil {
		dev.Close()
		return nil, nil, err
	}
	return agent, dev, nil
}

// open opens a file that Go's poller is not to know: asked by epoll, the file
// would ask its server, which would be waiting for the poller.
func open(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// mount makes the file system, whose root is the file, without a place in any
// mount namespace.
func mount(dev *os.File) (root int, err error) {
	ctx, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen fuse: %w", err)
	}
	defer unix.Close(ctx)
	for _, o := range [][2]string{
		{"source", "hull"}, {"fd", strconv.Itoa(int(dev.Fd()))}, {"rootmode", strconv.FormatUint(rootMode, 8)},
		{"user_id", strconv.Itoa(os.Geteuid())}, {"group_id", strconv.Itoa(os.Getegid())},
	} {
		if err := unix.FsconfigSetString(ctx, o[0], o[1]); err != nil {
			return -1, fmt.Errorf("fuse: option %s=%s: %w", o[0], o[1], err)
		}
	}
	// The agent may be somebody else.
	if err := unix.FsconfigSetFlag(ctx, "allow_other"); err != nil {
		return -1, fmt.Errorf("fuse: option allow_other: %w", err)
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("fuse: %w", err)
	}
	root, err = unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsmount fuse: %w", err)
	}
	return root, nil
}

// openRoot opens the file, and answers meanwhile what that asks of the server.
func openRoot(dev, root int) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := open("/proc/self/fd/" + strconv.Itoa(root))
		done <- opened{f, err}
	}()
	d := &device{fd: dev}
	for end := time.Now().Add(patience); ; {
		select {
		case o := <-done:
			return o.f, o.err
		default:
		}
		const tick = 20 // milliseconds
		fds := []unix.PollFd{{Fd: int32(dev), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, tick); err != nil && err != unix.EINTR {
			return nil, fmt.Errorf("fuse: %w", err)
		} else if n <= 0 {
			if time.Now().After(end) {
				return nil, errors.New("fuse: the host's kernel does not open the file")
			}
			continue
		}
		r, err := d.next()
		if err == nil {
			var known bool
			if known, err = d.common(r); err == nil && !known {
				err = d.reply(r.unique, unix.EIO)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}
