package cmd

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"hull/runsc-like/container"
	"hull/runsc-like/control"
)

// firstFD is the number of the first descriptor after the standard streams.
const firstFD = 3

// preserved returns the caller's n descriptors from number first on, for a process
// of a guest, and sees to it that no program that is executed gets any that is not
// handed to it. Directories are for a container's first process alone.
func preserved(first, n int, dirs bool) ([]*os.File, error) {
	refuse := func(format string, args ...any) error {
		return &container.FieldError{Field: "--preserve-fds", Why: fmt.Sprintf(format, args...)}
	}
	if n < 0 || n > control.MaxExtra {
		return nil, refuse("%d is not between 0 and %d", n, control.MaxExtra)
	}
	for fd := first; fd < first+n; fd++ {
		var st unix.Stat_t
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		switch {
		case err != nil:
			return nil, refuse("descriptor %d (of %d): %v", fd, n, err)
		case flags&unix.FD_CLOEXEC != 0: // one of hull's own, which took a number that was free
			return nil, refuse("descriptor %d (of %d): %v", fd, n, unix.EBADF)
		case st.Mode&unix.S_IFMT == unix.S_IFDIR && !dirs:
			return nil, refuse("descriptor %d is a directory, which has to be served from the container's start on", fd)
		}
	}
	if err := unix.CloseRange(firstFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("close_range: %w", err)
	}
	var files []*os.File
	for fd := first; fd < first+n; fd++ {
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d of the caller", fd)))
	}
	return files, nil
}

// activated is how many sockets the caller hands over by sd_listen_fds(3); they
// come before those of --preserve-fds.
func activated() int {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return n
}
