package boot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/sentry/kernel"
)

// find returns a container by its id; "" is the first.
func (s *sandbox) find(id string) (*container, error) {
	if id == "" {
		return s.main, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.all[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%s: %s", control.NoContainer, id)
}

// withProcesses returns the container that has the processes of p; nil if it is
// gone.
func (s *sandbox) withProcesses(p *kernel.Container) *container {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		if c.procs == p {
			return c
		}
	}
	return nil
}

// join makes a further container, and says on conn what became of it. The
// descriptors are taken over.
func (s *sandbox) join(conn *control.Conn, fds []int) error {
	if len(fds) < control.JoinFDs {
		closeAll(fds)
		return conn.Send(failed(fmt.Errorf("%d descriptors came with a container, %d are needed", len(fds), control.JoinFDs)))
	}
	c, err := s.joined(fds)
	if err != nil {
		return conn.Send(failed(err))
	}
	err = c.place(conn)
	go c.follow()
	if err != nil {
		_ = s.forget(c) // it is not the sandbox's first
		return conn.Send(failed(err))
	}
	return conn.Send(control.Message{Kind: control.Created})
}

// place has whoever makes the container put what its processes will be copies of
// into its cgroup: the sandbox can do so with nothing.
func (c *container) place(conn *control.Conn) error {
	root, err := c.procs.Divide(c.kept(), 0)
	if err != nil || root == 0 {
		return err
	}
	c.procs.LimitMemory(uint64(max(c.group.Limits().Memory, 0)))
	if err := conn.Send(control.Message{Kind: control.Place, PID: root}); err != nil {
		return err
	}
	m, err := conn.Receive()
	if err == nil && m.Kind != control.Done {
		err = fmt.Errorf("the container's cgroup: %q is no answer", m.Kind)
	}
	return err
}

// kept is how much freed memory of the container's processes waits for its next use,
// in bytes: at most a part of its limit.
func (c *container) kept() uint64 {
	const most, share = 8 << 20, 16
	if l := c.group.Limits().Memory; l > 0 {
		return min(most, uint64(l)/share)
	}
	return most
}

// divide has the guest take its memory itself, where a limit makes it scarce: who
// takes what is not there is killed by the host, and that is not to be the sentry.
func (c *container) divide() error {
	l := c.group.Limits().Memory
	if l <= 0 || c.s.cfg.Pod {
		return nil
	}
	_, err := c.procs.Divide(c.kept(), uint64(l)/2) // it stays in the sandbox's cgroup
	c.procs.LimitMemory(uint64(l))
	c.limitFiles(l)
	return err
}

// limitFiles keeps files in memory from taking all of a container's limit: it is the
// sentry that would find nothing left. Some is for what it has besides.
func (c *container) limitFiles(limit int64) {
	const besides, share = 16 << 20, 4
	l := uint64(limit)
	own := min(besides, l/share)
	c.s.memory.LimitFiles(l - own)
	c.s.memory.LimitPools(l - own*3/4)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// joined makes the container that the descriptors of a Join are about.
func (s *sandbox) joined(fds []int) (*container, error) {
	f := os.NewFile(uintptr(fds[control.JoinConfigFD]), "configuration")
	cfg, err := control.ReadContainer(f)
	_ = f.Close()
	if err == nil && (cfg.ID == "" || cfg.Spec == nil || cfg.Spec.Process == nil || len(cfg.Spec.Process.Args) == 0 ||
		cfg.Spec.Root == nil || cfg.Spec.Linux == nil || len(cfg.Roots) == 0) {
		err = errors.New("configuration: is not complete")
	}
	if err != nil {
		closeAll(fds[control.JoinGofer:])
		return nil, err
	}
	life, err := control.NewConn(fds[control.JoinLife])
	if err != nil {
		closeAll(fds[control.JoinGofer:])
		return nil, err
	}
	own := fds[control.JoinStdin:]
	c := s.newContainer(cfg)
	c.life = life
	s.memory.LimitFiles(0) // what its processes take is not of the first one's limit
	if err := s.enter(c); err != nil {
		closeAll(append(own, fds[control.JoinGofer]))
		_ = life.Close()
		return nil, err
	}
	if err := c.prepare(fds[control.JoinGofer], own); err != nil {
		s.leave(c)
		c.mu.Lock()
		c.end(failureStatus(err))
		c.mu.Unlock()
		_ = life.Close()
		return nil, err
	}
	return c, nil
}

// enter gives c its namespaces, and its place among the sandbox's containers.
func (s *sandbox) enter(c *container) error {
	var with [3]*container // of pid, IPC and UTS namespace
	for i, id := range []string{c.cfg.Share.PID, c.cfg.Share.IPC, c.cfg.Share.UTS} {
		if id == "" {
			continue
		}
		o, err := s.find(id)
		if err != nil {
			return err
		}
		with[i] = o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[c.cfg.ID] != nil {
		return fmt.Errorf("the sandbox has a container %q already", c.cfg.ID)
	}
	if o := with[0]; o != nil {
		c.pids = o.pids
	} else {
		c.pids = s.kernel.NewPIDNamespace()
	}
	if o := with[1]; o != nil {
		c.ipc = o.ipc
		c.ipc.IncRef()
	} else {
		c.ipc = s.kernel.NewIPC()
	}
	if o := with[2]; o != nil {
		c.uts = o.uts
	} else {
		c.uts = s.kernel.NewUTS(c.spec.Hostname, domainname(c.spec))
	}
	s.all[c.cfg.ID] = c
	return nil
}

// leave is the end of enter's place.
func (s *sandbox) leave(c *container) {
	s.mu.Lock()
	delete(s.all, c.cfg.ID)
	s.mu.Unlock()
}

// follow listens to who stands for the container, until one of the two is gone.
func (c *container) follow() {
	for {
		m, err := c.life.Receive()
		if err != nil {
			break
		}
		if m.Kind == control.Signal {
			c.hostSignal(unix.Signal(m.Signo))
		}
	}
	_ = c.kill(unix.SIGKILL) // one that has stopped needs none
	<-c.done
	_ = c.life.Close()
}

// forget takes away a container that joined, and ends what there is of it.
func (s *sandbox) forget(c *container) error {
	if c == s.main {
		return errors.New("the sandbox ends with its first container")
	}
	_ = c.kill(unix.SIGKILL) // one that has stopped needs none
	<-c.done
	s.leave(c)
	return nil
}
