package boot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/fsimpl/host"
	"hull/fsimpl/hosttty"
	"hull/runsc-like/control"
	"hull/sentry/auth"
	"hull/sentry/vfs"
)

// streams makes the descriptor table of the first process: standard input,
// output and error are the caller's own descriptors, so that offset and
// end of file are shared with whoever else has them. Those that are the host's
// terminal are one terminal of the guest, which becomes the controlling one.
func (s *sandbox) streams(cred *auth.Cred) (*vfs.FDTable, error) {
	files := vfs.NewFDTable()
	var tty *hosttty.TTY
	for n, fd := range []int{control.FDStdin, control.FDStdout, control.FDStderr} {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
		open := uint32(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK)
		var f *vfs.File
		if _, ioctl := unix.IoctlGetTermios(fd, unix.TCGETS); ioctl == nil {
			if tty == nil {
				tty, err = hosttty.New(s.kernel, fd)
			}
			if err == nil {
				f, err = tty.File(fd, open, cred)
			}
		} else {
			f, err = host.New(s.kernel.Anon(), fd, open, cred)
		}
		if err != nil {
			return nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
		if _, err := files.Install(f, int32(n), false, uint64(n)+1); err != nil {
			return nil, fmt.Errorf("descriptor %d of the guest: %w", n, err)
		}
	}
	if tty != nil && s.cfg.Terminal {
		s.terminal = tty
	}
	return files, nil
}
