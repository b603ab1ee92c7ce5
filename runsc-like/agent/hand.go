package agent

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// addition is struct seccomp_notif_addfd.
type addition struct {
	ID                         uint64
	Flags, Source, FD, FDFlags uint32
}

// The flags of an addition.
const (
	addSet  = 1 << iota // FD is the number that it gets
	addSend             // it is the call's result, too
)

// check is what the kernel says of an addition before it looks for the descriptor.
func (a *addition) check() unix.Errno {
	if a.FDFlags&^unix.O_CLOEXEC != 0 || a.Flags&^(addSet|addSend) != 0 || a.FD != 0 && a.Flags&addSet == 0 {
		return unix.EINVAL
	}
	return 0
}

// hand handles an ioctl by which the agent gives a descriptor of its own to the guest.
// mu is held.
func (h *helper) hand(req *request, in []byte) unix.Errno {
	const most = 4096
	var a addition
	n, err := binary.Decode(in, binary.NativeEndian, &a)
	switch {
	case err != nil || len(in) >= most:
		return unix.EINVAL
	case slices.ContainsFunc(in[n:], func(b byte) bool { return b != 0 }):
		return unix.E2BIG
	}
	if errno := a.check(); errno != 0 {
		return errno
	}
	fd, errno := h.take(int(req.header.PID), int(a.Source))
	if errno != 0 {
		return errno
	}
	defer unix.Close(fd) // the sentry has it, too
	r := &Request{Kind: Give, Tag: req.header.Unique, ID: a.ID, Flags: a.Flags, FD: a.FD, FDFlags: a.FDFlags}
	return h.forwardBy(r, func(r *Request) error { return h.line.AskWith(r, fd) })
}

// take returns a copy of descriptor n of the thread tid, which is in an ioctl.
func (h *helper) take(tid, n int) (int, unix.Errno) {
	const unknown = 0 // it is in another pid namespace
	if tid == unknown {
		return -1, unix.EPERM
	}
	pid, err := h.pidfd(tid)
	if err != nil {
		return -1, errnoFrom(err)
	}
	defer unix.Close(pid)
	fd, err := unix.PidfdGetfd(pid, n, 0)
	if err != nil {
		return -1, errnoFrom(err)
	}
	if !handable(fd) {
		unix.Close(fd)
		return -1, unix.EOPNOTSUPP
	}
	return fd, 0
}

// pidfd returns a descriptor of a thread; where the host is too old for that, of its
// process, which has the same descriptors unless it went out of its way.
func (h *helper) pidfd(tid int) (int, error) {
	const thread = unix.O_EXCL // PIDFD_THREAD
	fd, err := unix.PidfdOpen(tid, thread)
	if err != unix.EINVAL {
		return fd, err
	}
	pid, err := h.leader(tid)
	if err != nil {
		return -1, err
	}
	return unix.PidfdOpen(pid, 0)
}

// leader is the process that a thread is of.
func (h *helper) leader(tid int) (int, error) {
	fd, err := unix.Openat(h.proc, strconv.Itoa(tid)+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return -1, err
	}
	for line := range strings.Lines(string(b[:n])) {
		if id, ok := strings.CutPrefix(line, "Tgid:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
	}
	return -1, unix.ESRCH
}

// handable reports whether a guest may have the file: what can be read and written,
// and not what leads to others.
func handable(fd int) bool {
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_PATH != 0 || unix.Fstat(fd, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR:
		return true
	}
	return false
}

// errnoFrom is the errno of a host call that failed.
func errnoFrom(err error) unix.Errno {
	if errno, ok := err.(unix.Errno); ok {
		return errno
	}
	return unix.EIO
}
