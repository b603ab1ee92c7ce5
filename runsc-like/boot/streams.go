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
func (s *sandbox) streams(ctx *vfs.Context, cred *auth.Cred) (*vfs.FDTable, error) {
	files := vfs.NewFDTable()
	for n, fd := range []int{control.FDStdin, control.FDStdout, control.FDStderr} {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
		open := uint32(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK)
		var f *vfs.File
		if _, ioctl := unix.IoctlGetTermios(fd, unix.TCGETS); ioctl == nil {
			f, err = s.openTerminal(ctx, fd, open, cred)
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
	if s.console.tty != nil && s.cfg.Terminal {
		s.terminal = s.console.tty
	}
	return files, nil
}

// openTerminal opens the host's terminal for a stream whose descriptor is fd: as
// /dev/console, which is then its name (ttyname(3)), if there is such a node.
func (s *sandbox) openTerminal(ctx *vfs.Context, fd int, flags uint32, cred *auth.Cred) (*vfs.File, error) {
	if s.console.tty == nil {
		tty, err := hosttty.New(s.kernel, fd)
		if err != nil {
			return nil, err
		}
		s.console.tty = tty
	}
	at := vfs.At{FS: ctx, Name: "/dev/console"}
	p, err := vfs.Walk(s.boot, at)
	if err != nil {
		return s.console.tty.File(fd, flags, cred)
	}
	defer p.DecRef()
	if st, err := vfs.StatPath(s.boot, p); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != consoleDev {
		return s.console.tty.File(fd, flags, cred)
	}
	if err := vfs.SetStatPath(s.boot, p, vfs.SetStat{Mask: vfs.SetUID, UID: cred.EUID}); err != nil {
		return nil, err
	}
	f, err := vfs.OpenPath(s.boot, p, vfs.OpenHow{Flags: uint64(flags | unix.O_NOCTTY)})
	if err != nil {
		return nil, err
	}
	return f, unix.Close(fd)
}
