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
	defer s.unwatch(conn)
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
		switch m.Kind {
		case control.Exec:
			s.exec(conn, m, fds) // the rest of the conversation is about that process
			return
		case control.Join:
			if s.join(conn, fds) != nil {
				return
			}
			continue
		}
		switch m.Kind {
		case control.Connect:
			err = conn.Send(s.connected(fds))
		case control.Rewire:
			err = conn.Send(s.rewired(fds))
		case control.Forward:
			err = conn.Send(s.dialed(m, fds))
		default:
			closeAll(fds)
			err = s.answer(conn, m)
		}
		if err != nil {
			return
		}
	}
}

// answer answers one question. An error is of the socket.
func (s *sandbox) answer(conn *control.Conn, m control.Message) error {
	c, err := s.find(m.Container)
	if err != nil {
		return conn.Send(failed(err))
	}
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
		return conn.Send(control.Message{Kind: control.Is, Status: status, Code: code, Frozen: c.procs.Frozen(), Tasks: c.procs.Tasks()})
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
		c.changeLimits(m.Resources)
		return conn.Send(control.Message{Kind: control.Done})
	case control.Processes:
		return c.tellProcesses(conn)
	case control.Freeze:
		c.procs.Freeze()
		return conn.Send(control.Message{Kind: control.Done})
	case control.Thaw:
		c.procs.Thaw()
		return conn.Send(control.Message{Kind: control.Done})
	case control.Forget:
		if err := s.forget(c); err != nil {
			return conn.Send(failed(err))
		}
		return conn.Send(control.Message{Kind: control.Done})
	}
	return conn.Send(failed(fmt.Errorf("the sandbox does not know %q", m.Kind)))
}

// unwatch is the end of a conversation that may have asked for the end of a
// container.
func (s *sandbox) unwatch(conn *control.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.unwatch(conn)
	}
}

// changeLimits takes over the limits that r has; others stay.
func (c *container) changeLimits(r *specs.LinuxResources) {
	old, l := c.group.Limits(), groupLimits(r)
	l.Memory, l.Swap = cmp.Or(l.Memory, old.Memory), cmp.Or(l.Swap, old.Swap)
	l.Quota, l.Period = cmp.Or(l.Quota, old.Quota), cmp.Or(l.Period, old.Period)
	l.Weight, l.Tasks = cmp.Or(l.Weight, old.Weight), cmp.Or(l.Tasks, old.Tasks)
	c.group.SetLimits(l)
	if c == c.s.main && l.Memory > 0 && c.s.memory.FilesLimited() {
		c.limitFiles(l.Memory)
	}
	c.procs.LimitMemory(uint64(max(l.Memory, 0)))
	c.procs.SetMaxTasks(maxTasks(&l.Tasks))
}

// exec runs a process that somebody asks for, and stays with it.
func (s *sandbox) exec(conn *control.Conn, m control.Message, fds []int) {
	p := &process{}
	tg, tty, err := s.startExec(conn, m.Container, fds, p)
	if p.release != nil {
		defer p.release()
	}
	switch {
	case errors.Is(err, errUnexecutable):
		_ = conn.Send(control.Message{Kind: control.Started})
		_ = conn.Send(control.Message{Kind: control.Exited, Code: statusUnexecutable})
		return
	case err != nil:
		_ = conn.Send(failed(err))
		return
	}
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

// hold keeps what the container has until letGo; an error says that it has stopped.
func (c *container) hold() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != control.StatusCreated && c.status != control.StatusRunning {
		return errStopped
	}
	c.ns.IncRef()
	c.ipc.IncRef()
	return nil
}

func (c *container) letGo() {
	c.ns.DecRef()
	c.ipc.DecRef()
}

// errUnexecutable is that a process ended before its program began.
var errUnexecutable = errors.New("the program cannot be executed")

// startExec starts the process, which it fills p in for. The descriptors are taken
// over.
func (s *sandbox) startExec(conn *control.Conn, id string, fds []int, p *process) (*kernel.ThreadGroup, kernel.Terminal, error) {
	if len(fds) < control.ExecFDs {
		closeAll(fds)
		return nil, nil, fmt.Errorf("%d descriptors came with a process, %d are needed", len(fds), control.ExecFDs)
	}
	f := os.NewFile(uintptr(fds[control.ExecConfigFD]), "process")
	cfg, err := control.ReadExec(f)
	_ = f.Close()
	p.fds = fds[control.ExecStdin:]
	if err == nil && len(cfg.Process.Args) == 0 {
		err = errors.New("process.args: is empty")
	}
	var c *container
	if err == nil {
		c, err = s.find(id)
	}
	if err == nil {
		err = c.hold()
	}
	if err != nil {
		p.close()
		return nil, nil, err
	}
	defer c.letGo()
	const umask = 0o022 // as other runtimes have it
	p.spec, p.umask, p.terminal, p.hook = &cfg.Process, umask, cfg.Terminal, cfg.Hook
	args, err := c.initArgs(p)
	if err != nil {
		return nil, nil, err
	}
	args.Stopped = func(signo int32) { _ = conn.Send(control.Message{Kind: control.Stopped, Signo: int(signo)}) }
	made, err := s.kernel.Prepare(args)
	if err != nil {
		return nil, nil, err
	}
	tg, err := made.Run()
	if err != nil {
		if errors.Is(err, unix.EAGAIN) {
			err = errStopped // it was killed before it had begun
		} else if c.unexecutable(made, err) {
			err = errUnexecutable
		}
		made.Discard()
	}
	return tg, args.Terminal, err
}
