package boot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/sentry/kernel"
)

// listen takes new conversations for ever.
func (s *sandbox) listen() {
	l := control.NewListener(control.FDListen)
	for {
		conn, err := l.Accept()
		if err != nil {
			fmt.Fprintf(os.Stderr, "control socket: %v\n", err)
			return
		}
		go func() {
			s.converse(conn)
			_ = conn.Close()
		}()
	}
}

// converse answers what is asked on conn until the other side is gone.
func (s *sandbox) converse(conn *control.Conn) {
	defer s.main.unwatch(conn)
	for {
		m, fds, err := conn.ReceiveFDs()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "control socket: %v\n", err)
			if err := conn.Send(failed(err)); err != nil {
				return
			}
			continue
		}
		if m.Kind == control.Exec {
			s.exec(conn, m, fds) // the rest of the conversation is about that process
			return
		}
		switch m.Kind {
		case control.Connect:
			err = conn.Send(s.connected(fds))
		case control.Forward:
			err = conn.Send(s.dialed(m, fds))
		default:
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			err = s.answer(conn, m)
		}
		if err != nil {
			return
		}
	}
}

// answer answers one question. An error is of the socket.
func (s *sandbox) answer(conn *control.Conn, m control.Message) error {
	c := s.main
	switch m.Kind {
	case control.Signal: // without an answer
		sig := unix.Signal(m.Signo)
		if m.Foreground && c.tty != nil {
			s.kernel.SignalForeground(c.tty, sig)
		} else if err := c.kill(sig); err != nil && !errors.Is(err, errStopped) {
			fmt.Fprintf(os.Stderr, "signal %d: %v\n", m.Signo, err)
		}
		return nil
	case control.Ask:
		c.mu.Lock()
		status, code := c.status, c.code
		c.mu.Unlock()
		return conn.Send(control.Message{Kind: control.Is, Status: status, Code: code})
	case control.Start:
		_ = c.start(conn) // what became of it was told
		return nil
	case control.Kill:
		kill := c.kill
		if m.All {
			kill = c.killEach
		}
		if err := kill(unix.Signal(m.Signo)); err != nil {
			return conn.Send(failed(err))
		}
		return conn.Send(control.Message{Kind: control.Done})
	case control.Wait:
		c.watch(conn)
		return nil
	case control.Limit:
		s.changeLimits(m.Resources)
		return conn.Send(control.Message{Kind: control.Done})
	case control.Processes:
		return s.tellProcesses(conn)
	}
	return conn.Send(failed(fmt.Errorf("the sandbox does not know %q", m.Kind)))
}

// changeLimits takes over the limits that r has; others stay.
func (s *sandbox) changeLimits(r *specs.LinuxResources) {
	old, l := s.cgroup.Limits(), groupLimits(r)
	l.Memory, l.Swap = cmp.Or(l.Memory, old.Memory), cmp.Or(l.Swap, old.Swap)
	l.Quota, l.Period = cmp.Or(l.Quota, old.Quota), cmp.Or(l.Period, old.Period)
	l.Weight, l.Tasks = cmp.Or(l.Weight, old.Weight), cmp.Or(l.Tasks, old.Tasks)
	s.cgroup.SetLimits(l)
	s.kernel.SetMaxTasks(maxTasks(&l.Tasks))
}

// exec runs a process that somebody asks for, and stays with it.
func (s *sandbox) exec(conn *control.Conn, m control.Message, fds []int) {
	p := &process{release: func() {}}
	tg, tty, err := s.startExec(conn, fds, p)
	if err != nil {
		p.release()
		_ = conn.Send(failed(err))
		return
	}
	defer p.release()
	if err := conn.Send(control.Message{Kind: control.Started, PID: int(tg.ID())}); err == nil {
		go func() {
			<-tg.Done()
			_ = conn.Send(control.Message{Kind: control.Exited, Code: exitCode(tg.Status())})
		}()
	}
	for {
		m, err := conn.Receive()
		if err != nil {
			break
		}
		switch sig := unix.Signal(m.Signo); {
		case m.Kind != control.Signal:
		case m.Foreground && tty != nil:
			s.kernel.SignalForeground(tty, sig)
		default:
			_ = tg.SendSignal(&kernel.SignalInfo{Signo: int32(sig)}) // a process that is gone needs none
		}
	}
	// Who asked for the process is gone: so is its reason to be.
	_ = tg.SendSignal(&kernel.SignalInfo{Signo: int32(unix.SIGKILL)})
}

// startExec starts the process, which it fills p in for. The descriptors are taken
// over.
func (s *sandbox) startExec(conn *control.Conn, fds []int, p *process) (*kernel.ThreadGroup, kernel.Terminal, error) {
	if len(fds) != control.ExecFDs {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return nil, nil, fmt.Errorf("%d descriptors came with a process, not %d", len(fds), control.ExecFDs)
	}
	f := os.NewFile(uintptr(fds[control.ExecConfigFD]), "process")
	cfg, err := control.ReadExec(f)
	_ = f.Close()
	streams := [3]int{fds[control.ExecStdin], fds[control.ExecStdout], fds[control.ExecStderr]}
	if err == nil && len(cfg.Process.Args) == 0 {
		err = errors.New("process.args: is empty")
	}
	if err != nil {
		for _, fd := range streams {
			_ = unix.Close(fd)
		}
		return nil, nil, err
	}
	c := s.main
	c.mu.Lock()
	status := c.status
	c.mu.Unlock()
	if status == control.StatusStopped {
		return nil, nil, errStopped
	}
	const umask = 0o022 // as other runtimes have it
	p.spec, p.umask, p.terminal, p.stdio = &cfg.Process, umask, cfg.Terminal, streams
	args, err := c.initArgs(p)
	if err != nil {
		if p.release == nil {
			p.release = func() {}
		}
		return nil, nil, err
	}
	args.Stopped = func(signo int32) { _ = conn.Send(control.Message{Kind: control.Stopped, Signo: int(signo)}) }
	tg, err := s.kernel.Start(args)
	return tg, args.Terminal, err
}
