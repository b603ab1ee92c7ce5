package vnet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	Len uint32
	_   [4]byte
}

// recv receives messages and returns how many. It waits for the first one if the
// descriptor is Timed, until a signal comes.
func (e *Endpoint) recv(fd int, msgs []mmsghdr) (int, unix.Errno) {
	switch {
	case e.c.Device:
		return eachMessage(unix.SYS_READV, fd, msgs)
	case e.c.Timed:
		return mmsg(unix.SYS_RECVMMSG, fd, msgs, unix.MSG_WAITFORONE)
	}
	return mmsg(unix.SYS_RECVMMSG, fd, msgs, unix.MSG_DONTWAIT)
}

// send sends messages without waiting, and returns how many.
func (e *Endpoint) send(fd int, msgs []mmsghdr) (int, unix.Errno) {
	if e.c.Device {
		return eachMessage(unix.SYS_WRITEV, fd, msgs)
	}
	return mmsg(unix.SYS_SENDMMSG, fd, msgs, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// mmsg calls recvmmsg or sendmmsg.
func mmsg(call uintptr, fd int, msgs []mmsghdr, flags int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// eachMessage calls readv or writev for each message until one fails. As with
// recvmmsg the error is told only if it is that of the first one.
func eachMessage(call uintptr, fd int, msgs []mmsghdr) (int, unix.Errno) {
	for i := range msgs {
		m := &msgs[i]
		n, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(m.Iov)), uintptr(m.Iovlen))
		if errno != 0 {
			if i > 0 {
				return i, 0
			}
			return 0, errno
		}
		m.Len, m.Controllen, m.Flags = uint32(n), 0, 0
	}
	return len(msgs), 0
}
