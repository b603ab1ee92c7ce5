package boot

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"hull/fsimpl/host"
	"hull/fsimpl/hosttty"
	"hull/runsc-like/control"
	"hull/sentry/auth"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// streams makes the descriptor table of a process that is started from outside:
// standard input, output and error, and what else it is to have, are the caller's
// own descriptors, so that offset and end of file are shared with whoever else has
// them. Those that are the host's terminal are one terminal of the guest, which
// becomes the controlling one if p.terminal says so. release takes
// its name back, and lets go of it.
func (c *container) streams(ctx *vfs.Context, cred *auth.Cred, p *process) (files *vfs.FDTable, tty kernel.Terminal, release func(), err error) {
	o := opener{c: c, ctx: ctx, cred: cred, p: p, release: func() {}}
	files = vfs.NewFDTable()
	for n, fd := range p.fds {
		f, err := o.openNumber(n, fd)
		if err == nil {
			_, err = files.Install(f, int32(n), false, uint64(n)+1)
			fd = -1 // the file's
		}
		if err != nil {
			o.release()
			closeAll(append(p.fds[n+1:len(p.fds):len(p.fds)], fd))
			files.DecRef(c.boot)
			return nil, nil, nil, fmt.Errorf("descriptor %d of the caller: %w", n, err)
		}
	}
	if o.tty != nil && p.terminal {
		tty = o.tty
	}
	return files, tty, o.release, nil
}

// opener makes files of the host's descriptors of one process.
type opener struct {
	c       *container
	ctx     *vfs.Context
	cred    *auth.Cred
	p       *process
	tty     *hosttty.TTY // once one of them was a terminal
	name    string       // its name in the guest, or ""
	release func()
}

// openNumber opens number n of the process, for which the host's fd is.
func (o *opener) openNumber(n, fd int) (*vfs.File, error) {
	i := slices.IndexFunc(o.c.cfg.Dirs, func(d control.Dir) bool { return d.FD == n })
	if !o.p.main || i < 0 {
		return o.open(fd)
	}
	f, err := o.c.openRoot(o.c.cfg.Dirs[i].Root)
	if err == nil {
		_ = unix.Close(fd) // it kept the number
	}
	return f, err
}

func (o *opener) open(fd int) (*vfs.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	open := uint32(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK)
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return host.New(o.c.s.kernel.Anon(), fd, open, o.cred)
	}
	if o.tty == nil {
		if o.tty, err = hosttty.New(o.c.s.kernel, fd); err != nil {
			return nil, err
		}
		o.release = o.tty.Close
		o.nameTerminal()
	}
	return o.openTerminal(fd, open)
}

// nameTerminal gives the terminal a name. That of a process that stands for one
// outside is the console's only; a container's has a number in /dev/pts, as its
// callers expect.
func (o *opener) nameTerminal() {
	if o.p.main {
		o.c.console, o.name = o.tty, "/dev/console"
	}
	if o.p.direct {
		return
	}
	if name, release := o.c.nameTerminal(o.ctx, o.tty, o.cred); release != nil {
		o.name, o.release = name, func() { release(); o.tty.Close() }
	}
}

// openTerminal opens the host's terminal for a stream whose descriptor is fd, by
// its name if it has one, so that ttyname(3) finds it.
func (o *opener) openTerminal(fd int, flags uint32) (*vfs.File, error) {
	c := o.c
	if o.name == "" {
		return o.tty.File(fd, flags, o.cred)
	}
	p, err := vfs.Walk(c.boot, vfs.At{FS: o.ctx, Name: o.name})
	if err != nil {
		return o.tty.File(fd, flags, o.cred)
	}
	defer p.DecRef()
	st, err := vfs.StatPath(c.boot, p)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || o.name == "/dev/console" && st.Rdev != consoleDev {
		return o.tty.File(fd, flags, o.cred)
	}
	if err := vfs.SetStatPath(c.boot, p, vfs.SetStat{Mask: vfs.SetUID, UID: o.cred.EUID}); err != nil {
		return nil, err
	}
	f, err := vfs.OpenPath(c.boot, p, vfs.OpenHow{Flags: uint64(flags | unix.O_NOCTTY)})
	if err != nil {
		return nil, err
	}
	return f, unix.Close(fd)
}
