package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// join makes the container in its pod's sandbox: a gofer is started, which stands
// for the container on the host, and the sandbox is handed the other ends of its
// sockets. It returns a conversation about the container.
func (c *Container) join(o *CreateOptions, p *pod) (conn *control.Conn, err error) {
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	slave, err := o.makeTerminal()
	if err != nil {
		log.Close()
		return nil, err
	}
	ends := &plumbing{log: log, terminal: slave, dirs: o.trees(), view: o.view}
	defer ends.close()
	cfg, err := configure(o.Options)
	if err != nil {
		return nil, err
	}
	if cfg.Clock.Monotonic != 0 || cfg.Clock.Boottime != 0 {
		return nil, refuse(exTime, exTime)
	}
	cfg.ID, cfg.Share, cfg.Detached, cfg.StandIn = c.ID, p.share, true, true
	if cfg.HostNetwork && !p.sandbox.hostNetwork() {
		return nil, fieldf("--network", "host: the container is one of sandbox %s, which was not created so", p.sandbox.ID)
	}
	cfg.HostNetwork = p.sandbox.hostNetwork()
	cfg.Terminal, cfg.Ignored, cfg.Agent = slave != nil, 0, o.agent != nil
	if ends.goferEnd, ends.sentryEnd, err = socketPair("gofer"); err != nil {
		return nil, err
	}
	if ends.release, ends.hold, err = controlPair(); err != nil {
		return nil, err
	}
	gofer, err := c.startStandIn(o, cfg, ends)
	// What the gofer has of its sockets is its own, so that the sandbox sees its end.
	err = errors.Join(err, ends.goferEnd.Close(), ends.hold.Close())
	ends.goferEnd, ends.hold = nil, nil
	if err == nil {
		err = ends.release.Send(control.Message{Kind: control.Go})
	}
	if err == nil {
		err = gofer.Cover()
	}
	if err == nil {
		if conn, err = c.enter(o, cfg, ends); err == nil {
			return conn, nil
		}
	}
	if gofer != nil {
		gofer.Kill()
		gofer.Wait()
	}
	err = blame(err, gofer)
	var se *StatusError
	if why := logged(c.path(logFile)); why != "" && !errors.As(err, &se) {
		err = fmt.Errorf("%w: %s", err, why)
	}
	return nil, err
}

// startStandIn starts the gofer, in the container's cgroup and known to its
// record, before it does anything.
func (c *Container) startStandIn(o *CreateOptions, cfg *control.Config, ends *plumbing) (gofer *jail.Process, err error) {
	mk, err := c.makeCgroup()
	if err != nil {
		return nil, err
	}
	err = mk.within(func(cgroup int) (err error) {
		gofer, err = startGofer(c.Sentry.PID, cgroup, cfg, ends)
		return err
	})
	if err != nil {
		return gofer, errors.Join(err, mk.wait()) // it is taken away when all of it is there
	}
	pid := gofer.Pid
	if c.Gofer, err = processOf(pid); err == nil {
		err = c.save()
	}
	if err = errors.Join(err, mk.enter(pid)); err == nil {
		err = c.prepareHooks(o.Spec)
	}
	if err == nil {
		err = setOOMScore(o.Spec.Process.OOMScoreAdj, o.Rootless, pid)
	}
	return gofer, err
}

// place puts the process that all others of the container's are copies of, which
// the sandbox numbers root, into the container's cgroup. Only a process of the
// sandbox's can be meant.
func (c *Container) place(o *CreateOptions, root int) error {
	m, err := c.manager()
	if err != nil {
		return err
	}
	pid := 0
	// The host's list of children can lack some while others end.
	for try := 0; pid == 0; try++ {
		const tries, pause = 20, 5 * time.Millisecond
		if pid = c.stubs()[root]; pid == 0 && try == tries {
			return fmt.Errorf("the sandbox has no process %d", root)
		}
		if pid == 0 {
			time.Sleep(pause)
		}
	}
	if err := setOOMScore(o.Spec.Process.OOMScoreAdj, o.Rootless, pid); err != nil || m == nil {
		return err
	}
	return m.AddThread(pid)
}

// enter hands the container to the sandbox, and waits until it is made there.
func (c *Container) enter(o *CreateOptions, cfg *control.Config, ends *plumbing) (*control.Conn, error) {
	f, err := control.WriteContainer(&cfg.Container)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	life, err := ends.release.File()
	if err != nil {
		return nil, err
	}
	defer life.Close()
	conn, err := c.dial()
	if err != nil {
		return nil, fmt.Errorf("sandbox %s: %w", c.Sandbox, err)
	}
	fds := make([]int, control.JoinFDs)
	for i, f := range map[int]*os.File{
		control.JoinConfigFD: f, control.JoinGofer: ends.sentryEnd, control.JoinLife: life,
		control.JoinStdin: o.Stdin, control.JoinStdout: o.Stdout, control.JoinStderr: o.Stderr,
	} {
		fds[i] = int(f.Fd())
	}
	for _, f := range slices.Concat(o.Extra, o.agent.files()) {
		fds = append(fds, int(f.Fd()))
	}
	var m control.Message
	if err = conn.Send(control.Message{Kind: control.Join}, fds...); err == nil {
		m, err = conn.Answer()
	}
	if err == nil && m.Kind == control.Place {
		if err = c.place(o, m.PID); err == nil {
			err = conn.Send(control.Message{Kind: control.Done})
		}
		if err == nil {
			m, err = conn.Answer()
		}
	}
	if err != nil && isLost(err) {
		err = lost(conn, err)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("sandbox %s: %w", c.Sandbox, err)
	case m.Kind == control.Created:
		return conn, nil
	case m.Kind == control.Failed:
		err = &StatusError{m.Code, errors.New(runtimeText(m, o.Spec))}
	default:
		err = unexpected(m)
	}
	conn.Close()
	return nil, err
}
