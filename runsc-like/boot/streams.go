package boot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/fsimpl/host"
	"hull/fsimpl/hosttty"
	"hull/sentry/auth"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// streams makes the descriptor table of a process that is started from outside:
// standard input, output and error are the caller's own descriptors, so that
// offset and end of file are shared with whoever else has them. Those that are
// the host's terminal are one terminal of the guest, which becomes the
// controlling one if p.terminal says so.
func (s *sandbox) streams(ctx *vfs.Context, cred *auth.Cred, p *process) (*vfs.FDTable, kernel.Terminal, error) {
	files := vfs.NewFDTable()
	var tty *hosttty.TTY
	for n, fd := range p.stdio {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
		open := uint32(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK)
		var f *vfs.File
		if _, ioctl := unix.IoctlGetTermios(fd, unix.TCGETS); ioctl == nil {
			if tty == nil {
				if tty, err = hosttty.New(s.kernel, fd); err != nil {
					return nil, nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
				}
				if p.main {
					s.console.tty = tty
				}
			}
			f, err = s.openTerminal(ctx, tty, fd, open, cred)
		} else {
			f, err = host.New(s.kernel.Anon(), fd, open, cred)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
		if _, err := files.Install(f, int32(n), false, uint64(n)+1); err != nil {
			return nil, nil, fmt.Errorf("descriptor %d of the guest: %w", n, err)
		}
	}
	if tty == nil || !p.terminal {
		return files, nil, nil
	}
	return files, tty, nil
}

// openTerminal opens the host's terminal for a stream whose descriptor is fd. If
// it is the console and there is such a node it is opened as /dev/console, which
// is then its name (ttyname(3)).
func (s *sandbox) openTerminal(ctx *vfs.Context, tty *hosttty.TTY, fd int, flags uint32, cred *auth.Cred) (*vfs.File, error) {
	if tty != s.console.tty {
		return tty.File(fd, flags, cred)
	}
	at := vfs.At{FS: ctx, Name: "/dev/console"}
	p, err := vfs.Walk(s.boot, at)
	if err != nil {
		return tty.File(fd, flags, cred)
	}
	defer p.DecRef()
	if st, err := vfs.StatPath(s.boot, p); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != consoleDev {
		return tty.File(fd, flags, cred)
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
