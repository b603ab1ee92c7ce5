// Package hosttty is the host's terminal as the guest's: what hull was started
// on is the controlling terminal of the first process.
//
//   - Characters, modes and size are the host's: reads, writes and terminal
//     controls go to its descriptor.
//   - Who is in the foreground among the guest's process groups is the guest's
//     kernel's (kernel.TerminalControl): the host knows hull as one group.
//   - What the host's line discipline makes of ^C reaches the command line,
//     which hands it in (kernel.SignalForeground).
package hosttty

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/fsimpl/host"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// TTY is the terminal.
type TTY struct {
	k       *kernel.Kernel
	control kernel.TerminalControl
	number  atomic.Int32

	mu  lock.Mutex[lock.Leaf]
	own *host.File // guarded by mu: a descriptor of its own, which /dev/tty is opened on; nil after Close
}

var _ kernel.Terminal = (*TTY)(nil)

// New returns the terminal that fd is open on. fd stays the caller's.
func New(k *kernel.Kernel, fd int) (*TTY, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	h, err := host.Wrap(own)
	if err != nil {
		_ = unix.Close(own)
		return nil, err
	}
	return &TTY{k: k, own: h}, nil
}

// Close gives the terminal's own descriptor up: who it was for has ended. Files that
// are open stay so; it cannot be opened anew.
func (t *TTY) Close() {
	t.mu.Lock()
	own := t.own
	t.own = nil
	t.mu.Unlock()
	if own != nil {
		own.Release(nil, nil)
	}
}

// Control implements kernel.Terminal.
func (t *TTY) Control() *kernel.TerminalControl { return &t.control }

// SetNumber says which device number the terminal's node has: tty_nr of
// proc_pid_stat(5). 0 is none.
func (t *TTY) SetNumber(n int32) { t.number.Store(n) }

// Number returns it.
func (t *TTY) Number() int32 { return t.number.Load() }

// SessionGone implements kernel.Terminal: the host's terminal stays.
func (t *TTY) SessionGone() {}

// File makes a description of fd, which is open on the terminal and is taken
// over unless there is an error.
func (t *TTY) File(fd int, flags uint32, cred *auth.Cred) (*vfs.File, error) {
	h, err := host.Wrap(fd)
	if err != nil {
		return nil, err
	}
	return vfs.Anonymous(t.k.Anon(), &file{File: h, t: t}, "/dev/console", unix.S_IFCHR|0620, flags, cred, true), nil
}

// OpenFile implements what /dev/tty asks of a terminal: EIO once it was closed.
func (t *TTY) OpenFile(current.Task, *vfs.File) (vfs.FileImpl, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own == nil {
		return nil, unix.EIO
	}
	return &file{File: t.own.Share(), t: t}, nil
}

// file is an open file on the terminal.
type file struct {
	*host.File
	t *TTY
}

// Reopen implements vfs.Reopener.
func (f *file) Reopen(t current.Task, vf *vfs.File) (vfs.FileImpl, error) { return f.t.OpenFile(t, vf) }

func (f *file) check(t current.Task, sig unix.Signal) error {
	if kt, ok := t.(*kernel.Task); ok {
		return kt.CheckTerminal(f.t, sig)
	}
	return nil
}

// ReadNext implements vfs.Positioned.
func (f *file) ReadNext(t current.Task, vf *vfs.File, dst usermem.Buffer) (int64, error) {
	if err := f.check(t, unix.SIGTTIN); err != nil {
		return 0, err
	}
	return f.File.ReadNext(t, vf, dst)
}

// Read implements vfs.FileImpl.
func (f *file) Read(t current.Task, vf *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	return f.ReadNext(t, vf, dst)
}

// Write implements vfs.FileImpl.
func (f *file) Write(t current.Task, vf *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	if m, err := unix.IoctlGetTermios(f.FD(), unix.TCGETS); err == nil && m.Lflag&unix.TOSTOP != 0 {
		if err := f.check(t, unix.SIGTTOU); err != nil {
			return 0, off, err
		}
	}
	n, err := f.File.WriteNext(t, vf, src)
	return n, off, err
}

// kernelTermios is struct termios as ioctl(2) has it.
type kernelTermios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       byte
	Cc                         [19]byte
}

// Ioctl implements vfs.FileImpl.
func (f *file) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	addr, mem := usermem.Addr(arg), t.Mem()
	switch cmd {
	case unix.TCGETS:
		m, err := unix.IoctlGetTermios(f.FD(), unix.TCGETS)
		if err != nil {
			return 0, err
		}
		k := kernelTermios{m.Iflag, m.Oflag, m.Cflag, m.Lflag, m.Line, m.Cc}
		return 0, usermem.Out(mem, addr, &k)
	case unix.TCSETS, unix.TCSETSW, unix.TCSETSF:
		k, err := usermem.In[kernelTermios](mem, addr)
		if err != nil {
			return 0, err
		}
		if err := f.check(t, unix.SIGTTOU); err != nil {
			return 0, err
		}
		return 0, unix.IoctlSetTermios(f.FD(), uint(cmd), &unix.Termios{Iflag: k.Iflag, Oflag: k.Oflag, Cflag: k.Cflag, Lflag: k.Lflag, Line: k.Line, Cc: k.Cc})
	case unix.TIOCGWINSZ:
		w, err := unix.IoctlGetWinsize(f.FD(), unix.TIOCGWINSZ)
		if err != nil {
			return 0, err
		}
		return 0, usermem.Out(mem, addr, w)
	case unix.TIOCSWINSZ:
		w, err := usermem.In[unix.Winsize](mem, addr)
		if err != nil {
			return 0, err
		}
		return 0, unix.IoctlSetWinsize(f.FD(), unix.TIOCSWINSZ, &w)
	case unix.TIOCINQ, unix.TIOCOUTQ:
		n, err := unix.IoctlGetInt(f.FD(), uint(cmd))
		if err != nil {
			return 0, err
		}
		v := int32(n)
		return 0, usermem.Out(mem, addr, &v)
	case unix.TCFLSH, unix.TCSBRK, unix.TCXONC:
		if err := f.check(t, unix.SIGTTOU); err != nil {
			return 0, err
		}
		return 0, unix.IoctlSetInt(f.FD(), uint(cmd), int(arg))
	}
	kt, ok := t.(*kernel.Task)
	if !ok {
		return 0, unix.ENOTTY
	}
	return kt.TerminalIoctl(f.t, cmd, addr)
}
