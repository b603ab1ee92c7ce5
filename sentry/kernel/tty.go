package kernel

import (
	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/usermem"
)

// Terminal is a terminal as sessions and process groups see it; devpts and
// hosttty implement it.
type Terminal interface {
	// Control returns the terminal's link to its session, always the same one.
	Control() *TerminalControl
	// SessionGone tells that the leader of the terminal's session exited: the
	// terminal hangs up.
	SessionGone()
}

// TerminalControl is the part of a terminal that the kernel keeps: which
// session it controls, and the foreground process group. Guarded by
// Kernel.tasks. The zero value controls nothing.
type TerminalControl struct {
	session    *Session
	foreground *ProcessGroup
}

// leaderGone gives the terminal up when the session's leader exits: SIGHUP and
// SIGCONT go to the foreground process group.
func (s *Session) leaderGone() {
	s.leader = nil
	tty := s.tty
	if tty == nil {
		return
	}
	s.disassociate()
	// The terminal's lock is outer to Kernel.tasks, which is held.
	go tty.SessionGone()
}

func (s *Session) disassociate() {
	c := s.tty.Control()
	if pg := c.foreground; pg != nil {
		for m := range pg.members {
			_ = m.sendSignal(&SignalInfo{Signo: int32(unix.SIGHUP), Code: siKernel})
			_ = m.sendSignal(&SignalInfo{Signo: int32(unix.SIGCONT), Code: siKernel})
		}
	}
	c.session, c.foreground = nil, nil
	s.tty = nil
}

// ControllingTerminal returns the terminal of the caller's session, or nil.
func (t *Task) ControllingTerminal() Terminal {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	return t.group.pgrp.session.tty
}

// SetControllingTerminal is TIOCSCTTY; steal is its argument 1.
func (t *Task) SetControllingTerminal(tty Terminal, steal bool) error {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	s, c := t.group.pgrp.session, tty.Control()
	if s.leader == t.group && s.tty == tty {
		return nil
	}
	if s.leader != t.group || s.tty != nil {
		return unix.EPERM
	}
	if c.session != nil {
		if !steal || !t.has.cred.HasCap(unix.CAP_SYS_ADMIN) {
			return unix.EPERM
		}
		c.session.tty = nil
	}
	s.tty, c.session, c.foreground = tty, s, t.group.pgrp
	return nil
}

// AdoptTerminal is what open(2) of a terminal without O_NOCTTY does: it becomes
// the controlling one of a leader that has none, if it is free.
func (t *Task) AdoptTerminal(tty Terminal) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	s, c := t.group.pgrp.session, tty.Control()
	if s.leader == t.group && s.tty == nil && c.session == nil {
		s.tty, c.session, c.foreground = tty, s, t.group.pgrp
	}
}

// DropTerminal is TIOCNOTTY.
func (t *Task) DropTerminal(tty Terminal) error {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	s := t.group.pgrp.session
	if s.tty == nil || s.tty != tty {
		return unix.ENOTTY
	}
	if s.leader == t.group {
		s.disassociate()
	}
	return nil
}

// ForegroundID is TIOCGPGRP: 0 if the group is not visible to the caller.
func (t *Task) ForegroundID(tty Terminal) (int32, error) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	c := tty.Control()
	if c.session == nil || t.group.pgrp.session != c.session {
		return 0, unix.ENOTTY
	}
	if c.foreground == nil || len(c.foreground.members) == 0 {
		return pidMax, nil // as Linux: a number that nobody has
	}
	return c.foreground.idIn(t.ns), nil
}

// SessionID is TIOCGSID.
func (t *Task) SessionID(tty Terminal) (int32, error) {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	c := tty.Control()
	if c.session == nil || t.group.pgrp.session != c.session {
		return 0, unix.ENOTTY
	}
	return c.session.idIn(t.ns), nil
}

// SetForeground is TIOCSPGRP.
func (t *Task) SetForeground(tty Terminal, pgid int32) error {
	if err := t.CheckTerminal(tty, unix.SIGTTOU); err != nil {
		return err
	}
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	c, s := tty.Control(), t.group.pgrp.session
	if c.session == nil || s != c.session || s.tty != tty {
		return unix.ENOTTY
	}
	if pgid < 0 {
		return unix.EINVAL
	}
	pg := t.ns.pgrps[pgid]
	if pg == nil {
		return unix.ESRCH
	}
	if pg.session != s {
		return unix.EPERM
	}
	c.foreground = pg
	return nil
}

// CheckTerminal is the rule of job control for a caller that reads (SIGTTIN)
// or changes (SIGTTOU) its controlling terminal from the background: nil to go
// on, EIO, or a restart after the signal (tty_check_change).
func (t *Task) CheckTerminal(tty Terminal, signo unix.Signal) error {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	pg, c := t.group.pgrp, tty.Control()
	if pg.session.tty != tty || c.foreground == nil || c.foreground == pg {
		return nil
	}
	if t.blockedOrIgnored(int32(signo)) {
		if signo == unix.SIGTTIN {
			return unix.EIO
		}
		return nil
	}
	if pg.orphaned(nil) {
		return unix.EIO
	}
	for m := range pg.members {
		_ = m.sendSignal(&SignalInfo{Signo: int32(signo), Code: siKernel})
	}
	return abi.ERESTARTSYS
}

// SignalForeground sends a signal to the foreground process group of tty: the
// line discipline's ^C, a new window size. Any goroutine may call it.
func (k *Kernel) SignalForeground(tty Terminal, signo unix.Signal) {
	k.tasks.Lock()
	defer k.tasks.Unlock()
	if pg := tty.Control().foreground; pg != nil {
		for m := range pg.members {
			_ = m.sendSignal(&SignalInfo{Signo: int32(signo), Code: siKernel})
		}
	}
}

// HangUp ends the session of tty: its session leader and foreground group get
// SIGHUP and SIGCONT, and it controls no session any more. Any goroutine may
// call it, with the terminal's lock.
func (k *Kernel) HangUp(tty Terminal) {
	k.tasks.Lock()
	defer k.tasks.Unlock()
	c := tty.Control()
	s := c.session
	if s == nil {
		return
	}
	if l := s.leader; l != nil {
		_ = l.sendSignal(&SignalInfo{Signo: int32(unix.SIGHUP), Code: siKernel})
		_ = l.sendSignal(&SignalInfo{Signo: int32(unix.SIGCONT), Code: siKernel})
	}
	s.disassociate()
}

// TerminalIoctl are the controls of sessions and process groups, the same for
// every terminal. ENOTTY for any other.
func (t *Task) TerminalIoctl(tty Terminal, cmd uint32, addr usermem.Addr) (uintptr, error) {
	var id int32
	var err error
	switch cmd {
	case unix.TIOCSCTTY:
		return 0, t.SetControllingTerminal(tty, addr == 1)
	case unix.TIOCNOTTY:
		return 0, t.DropTerminal(tty)
	case unix.TIOCSPGRP:
		if id, err = usermem.In[int32](t.Mem(), addr); err != nil {
			return 0, err
		}
		return 0, t.SetForeground(tty, id)
	case unix.TIOCGPGRP:
		id, err = t.ForegroundID(tty)
	case unix.TIOCGSID:
		id, err = t.SessionID(tty)
	default:
		return 0, unix.ENOTTY
	}
	if err != nil {
		return 0, err
	}
	return 0, usermem.Out(t.Mem(), addr, &id)
}
