package hostinet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The host's calls, with addresses and values as bytes. None of them blocks: the
// descriptors do not, and what a signal interrupts is called again.

// maxAddr is the size of the largest address of the families, struct sockaddr_in6.
const maxAddr = unix.SizeofSockaddrInet6

func call6(nr uintptr, fd int, a, b, c, d uintptr) (int, error) {
	for {
		n, _, e := unix.Syscall6(nr, uintptr(fd), a, b, c, d, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, e
	}
}

// hostName is connect(2) or bind(2).
func hostName(nr uintptr, fd int, addr []byte) error {
	var b [maxAddr]byte
	n := copy(b[:], addr)
	_, err := call6(nr, fd, uintptr(unsafe.Pointer(&b)), uintptr(n), 0, 0)
	return err
}

// hostNames is getsockname(2) or getpeername(2).
func hostNames(nr uintptr, fd int) ([]byte, error) {
	var b [maxAddr]byte
	n := uint32(len(b))
	if _, err := call6(nr, fd, uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&n)), 0, 0); err != nil {
		return nil, err
	}
	return b[:min(int(n), len(b))], nil
}

// hostAccept is accept4(2).
func hostAccept(fd int) (int, []byte, error) {
	var b [maxAddr]byte
	n := uint32(len(b))
	c, err := call6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&n)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	return c, b[:min(int(n), len(b))], nil
}

// hostMessage is sendmsg(2) or recvmsg(2).
func hostMessage(nr uintptr, fd int, h *unix.Msghdr, flags int32) (int, error) {
	return call6(nr, fd, uintptr(unsafe.Pointer(h)), uintptr(uint32(flags)), 0, 0)
}

// hostSet is setsockopt(2).
func hostSet(fd int, level, name int32, value []byte) error {
	_, err := call6(unix.SYS_SETSOCKOPT, fd, uintptr(level), uintptr(name), uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)))
	return err
}

// hostGet is getsockopt(2) into room, and returns what of it was filled.
func hostGet(fd int, level, name int32, room []byte) ([]byte, error) {
	n := uint32(len(room))
	_, err := call6(unix.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(name), uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(unsafe.Pointer(&n)))
	if err != nil {
		return nil, err
	}
	return room[:min(int(n), len(room))], nil
}

// hostIoctl is an ioctl(2) that fills room.
func hostIoctl(fd int, cmd uint32, room []byte) error {
	_, err := call6(unix.SYS_IOCTL, fd, uintptr(cmd), uintptr(unsafe.Pointer(unsafe.SliceData(room))), 0, 0)
	return err
}

// hostPoll asks what is ready now.
func hostPoll(fd int) uint32 {
	const events = inEvents | outEvents
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		n, err := unix.Ppoll(p, new(unix.Timespec), nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return unix.POLLERR
		case n == 0:
			return 0
		}
		return uint32(uint16(p[0].Revents))
	}
}
