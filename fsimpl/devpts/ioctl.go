package devpts

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// kernelTermios is struct termios as ioctl(2) has it: 19 control characters and
// no speeds. unix.Termios is that with the fields of termios2 behind.
type kernelTermios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       byte
	Cc                         [19]byte
}

func (k kernelTermios) apply(t Termios) Termios {
	t.Iflag, t.Oflag, t.Cflag, t.Lflag, t.Line = k.Iflag, k.Oflag, k.Cflag, k.Lflag, k.Line
	copy(t.Cc[:], k.Cc[:])
	return t
}

func fromTermios(t *Termios) kernelTermios {
	k := kernelTermios{Iflag: t.Iflag, Oflag: t.Oflag, Cflag: t.Cflag, Lflag: t.Lflag, Line: t.Line}
	copy(k.Cc[:], t.Cc[:])
	return k
}

// common are the controls that both sides have.
func (t *tty) common(ct current.Task, cmd uint32, arg uintptr, isMaster bool) (uintptr, error) {
	addr, mem := usermem.Addr(arg), ct.Mem()
	switch cmd {
	case unix.TCGETS:
		t.mu.Lock()
		k := fromTermios(&t.mu.ld.t)
		t.mu.Unlock()
		return 0, usermem.Out(mem, addr, &k)
	case unix.TCSETS, unix.TCSETSW, unix.TCSETSF:
		k, err := usermem.In[kernelTermios](mem, addr)
		if err != nil {
			return 0, err
		}
		if !isMaster {
			if err := jobControl(ct, t, unix.SIGTTOU); err != nil {
				return 0, err
			}
		}
		t.mu.Lock()
		if cmd == unix.TCSETSF {
			t.flushInput()
		}
		t.mu.ld.setTermios(k.apply(t.mu.ld.t))
		if t.mu.ld.t.Iflag&unix.IXON == 0 {
			t.mu.ld.paused = false
		}
		t.mu.Unlock()
		t.refill()
		t.notify()
		return 0, nil
	case unix.TIOCGWINSZ:
		t.mu.Lock()
		w := t.mu.size
		t.mu.Unlock()
		return 0, usermem.Out(mem, addr, &w)
	case unix.TIOCSWINSZ:
		w, err := usermem.In[unix.Winsize](mem, addr)
		if err != nil {
			return 0, err
		}
		t.mu.Lock()
		changed := t.mu.size != w
		t.mu.size = w
		t.mu.Unlock()
		if changed {
			t.fs.k.SignalForeground(t, unix.SIGWINCH)
		}
		return 0, nil
	case unix.TCFLSH:
		return 0, t.flush(ct, arg, isMaster)
	case unix.TCSBRK, unix.TCSBRKP, unix.TIOCSBRK, unix.TIOCCBRK:
		return 0, nil // a pty has no line to break, and nothing to drain
	case unix.TCXONC:
		return 0, t.flow(arg)
	case unix.TIOCOUTQ, unix.TIOCINQ:
		t.mu.Lock()
		n, _ := t.mu.ld.readable()
		if (cmd == unix.TIOCOUTQ) != isMaster {
			n = len(t.pending())
		}
		t.mu.Unlock()
		v := int32(n)
		return 0, usermem.Out(mem, addr, &v)
	case unix.TIOCEXCL, unix.TIOCNXCL:
		t.mu.Lock()
		t.mu.exclusive = cmd == unix.TIOCEXCL
		t.mu.Unlock()
		return 0, nil
	case unix.TIOCGEXCL:
		t.mu.Lock()
		v := int32(0)
		if t.mu.exclusive {
			v = 1
		}
		t.mu.Unlock()
		return 0, usermem.Out(mem, addr, &v)
	case unix.TIOCGETD:
		v := int32(0) // N_TTY
		return 0, usermem.Out(mem, addr, &v)
	case unix.TIOCSTI:
		return 0, unix.EIO // as with dev.tty.legacy_tiocsti=0
	}
	kt, ok := ct.(*kernel.Task)
	if !ok {
		return 0, unix.ENOTTY
	}
	return kt.TerminalIoctl(t, cmd, addr)
}

func (t *tty) flush(ct current.Task, what uintptr, isMaster bool) error {
	if what > unix.TCIOFLUSH {
		return unix.EINVAL
	}
	if !isMaster {
		if err := jobControl(ct, t, unix.SIGTTOU); err != nil {
			return err
		}
	}
	in, out := what != unix.TCOFLUSH, what != unix.TCIFLUSH
	if isMaster {
		in, out = out, in
	}
	t.mu.Lock()
	if in {
		t.flushInput()
		t.setStatus(unix.TIOCPKT_FLUSHREAD)
	}
	if out {
		t.mu.out, t.mu.ld.echo = t.mu.out[:0], t.mu.ld.echo[:0]
		t.setStatus(unix.TIOCPKT_FLUSHWRITE)
	}
	t.mu.Unlock()
	t.notify()
	return nil
}

// flushInput drops what the master wrote and the slave has not read. The lock is
// held.
func (t *tty) flushInput() {
	t.mu.ld.flushInput()
	t.mu.held = nil
}

// flow is tcflow(3): suspend and restart output. The input side has nobody to
// send STOP and START to.
func (t *tty) flow(arg uintptr) error {
	const suspend, resume, inputOff, inputOn = 0, 1, 2, 3
	switch arg {
	case suspend, resume:
		t.mu.Lock()
		t.mu.ld.paused = arg == suspend
		t.mu.Unlock()
		t.notify()
	case inputOff, inputOn:
	default:
		return unix.EINVAL
	}
	return nil
}

// Ioctl implements vfs.FileImpl.
func (s *slave) Ioctl(ct current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	s.t.mu.Lock()
	hungUp := s.hungUp()
	s.t.mu.Unlock()
	if hungUp {
		if cmd == unix.TIOCSPGRP {
			return 0, unix.ENOTTY
		}
		return 0, unix.EIO
	}
	return s.t.common(ct, cmd, arg, false)
}

// Ioctl implements vfs.FileImpl.
func (m *master) Ioctl(ct current.Task, f *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	t, addr, mem := m.t, usermem.Addr(arg), ct.Mem()
	var v int32
	switch cmd {
	case unix.TIOCGPTN:
		v = int32(t.index)
	case unix.TIOCSPTLCK:
		on, err := usermem.In[int32](mem, addr)
		if err != nil {
			return 0, err
		}
		t.mu.Lock()
		t.mu.locked = on != 0
		t.mu.Unlock()
		return 0, nil
	case unix.TIOCGPTLCK:
		t.mu.Lock()
		if t.mu.locked {
			v = 1
		}
		t.mu.Unlock()
	case unix.TIOCPKT:
		on, err := usermem.In[int32](mem, addr)
		if err != nil {
			return 0, err
		}
		t.mu.Lock()
		t.mu.packet, t.mu.status = on != 0, 0
		t.mu.Unlock()
		return 0, nil
	case unix.TIOCGPKT:
		t.mu.Lock()
		if t.mu.packet {
			v = 1
		}
		t.mu.Unlock()
	case unix.TIOCSIG:
		if arg < 1 || arg > 64 {
			return 0, unix.EINVAL
		}
		t.fs.k.SignalForeground(t, unix.Signal(arg))
		return 0, nil
	case unix.TIOCGPTPEER:
		kt, ok := ct.(*kernel.Task)
		if !ok {
			return 0, unix.ENOTTY
		}
		return t.fs.openPeer(kt, f, t, uint32(arg))
	default:
		return t.common(ct, cmd, arg, true)
	}
	return 0, usermem.Out(mem, addr, &v)
}
