package proto

import (
	"io"

	"golang.org/x/sys/unix"
)

// Send sends one packet, with the descriptor pass if it is not negative.
func Send(fd int, b []byte, pass int) error {
	var oob []byte
	if pass >= 0 {
		oob = unix.UnixRights(pass)
	}
	for {
		err := unix.Sendmsg(fd, b, oob, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// Recv receives one packet into b, which has room for MaxMessage bytes, and the
// descriptor that came with it, or -1. The end is io.EOF. A packet that is too
// long or brings more than one descriptor is ErrInvalid.
func Recv(fd int, b []byte) (n, got int, err error) {
	var oob [64]byte
	var oobn, flags int
	for {
		n, oobn, flags, _, err = unix.Recvmsg(fd, b, oob[:], unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, -1, err
	}
	fds := received(oob[:oobn])
	if n == 0 && len(fds) == 0 {
		return 0, -1, io.EOF
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(fds) > 1 {
		for _, f := range fds {
			_ = unix.Close(f)
		}
		return 0, -1, ErrInvalid
	}
	if len(fds) == 1 {
		return n, fds[0], nil
	}
	return n, -1, nil
}

func received(oob []byte) []int {
	ms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var all []int
	for i := range ms {
		if fds, err := unix.ParseUnixRights(&ms[i]); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}
