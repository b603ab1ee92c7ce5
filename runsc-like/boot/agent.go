package boot

import (
	"cmp"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/fsimpl/host"
	"hull/fsimpl/seccompfd"
	"hull/runsc-like/agent"
	"hull/sentry/kernel"
	"hull/sentry/seccomp"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// supervision lets an agent outside decide about the calls of a listener.
type supervision struct {
	l     *seccomp.Listener
	line  *agent.Line
	owner int // see agent.Serve
	wake  chan struct{}
	done  chan struct{} // closed when the agent is gone
	want  atomic.Bool   // the agent waits for a call
}

// supervise begins it. The descriptors, control.AgentFDs, are taken over.
func supervise(l *seccomp.Listener, fds []int) (*supervision, error) {
	line, err := agent.NewLine(fds[0])
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	s := &supervision{l: l, line: line, owner: fds[1], wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.Join() // until it stops: before there is a process, too
	go s.listen()
	go s.pump()
	return s, nil
}

// stop is the container's end.
func (s *supervision) stop() {
	s.l.Leave()
	_ = s.line.Close()
}

// Notify implements wait.Listener.
func (s *supervision) Notify(wait.Mask) {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// listen answers what the agent asks, until it is gone: then calls fail.
func (s *supervision) listen() {
	defer close(s.done)
	defer s.l.Close()
	for {
		r, fd, err := s.line.Asked()
		if err != nil {
			return
		}
		if r.Kind == agent.Give && fd >= 0 {
			if err = s.give(&r, fd); err == nil {
				continue
			}
		} else if fd >= 0 {
			_ = unix.Close(fd)
		}
		switch r.Kind {
		case agent.Receive:
			s.want.Store(true)
			s.Notify(0)
			continue
		case agent.Answer:
			err = s.answer(&r)
		case agent.Valid:
			err = s.l.Valid(r.ID)
		case agent.Give:
			err = cmp.Or(err, error(unix.EBADF))
		default:
			err = unix.EINVAL
		}
		errno, _ := err.(unix.Errno)
		if s.line.Tell(&agent.Reply{Kind: agent.Done, Tag: r.Tag, Errno: int32(errno)}) != nil {
			return
		}
	}
}

// give has a descriptor of the agent's for the process of a call. It is taken over. If
// there is no error, the agent is told once the process has it.
func (s *supervision) give(r *agent.Request, fd int) error {
	a := &seccompfd.Addition{ID: r.ID, Flags: r.Flags, FD: r.FD, FDsFlags: r.FDFlags}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = a.Check()
	}
	taken := false // by the process, whose turn it is until the gift has a result
	g := a.Gift(func(t *kernel.Task) (*vfs.File, error) {
		open := uint32(flags) & (unix.O_ACCMODE | unix.O_APPEND | unix.O_NONBLOCK)
		f, err := host.New(t.Kernel().Anon(), fd, open, t.Cred())
		taken = err == nil
		return f, err
	})
	if err == nil {
		err = s.l.Offer(r.ID, g)
	}
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	go func() {
		n, err := given(g)
		if !taken {
			_ = unix.Close(fd)
		}
		errno, _ := err.(unix.Errno)
		_ = s.line.Tell(&agent.Reply{Kind: agent.Done, Tag: r.Tag, Errno: int32(errno), FD: n}) // unless it has gone
	}()
	return nil
}

// given waits for what becomes of a gift: the process takes it, or ends.
func given(g *seccomp.Gift) (int32, error) {
	woken := make(chan struct{}, 1)
	e := wait.Entry{Listener: notice(woken)}
	g.Register(&e, wait.In)
	defer g.Unregister(&e)
	for {
		if n, err := g.Result(); err != unix.EAGAIN {
			return n, err
		}
		<-woken
	}
}

// notice is a wait.Listener that leaves word.
type notice chan struct{}

// Notify implements wait.Listener.
func (n notice) Notify(wait.Mask) {
	select {
	case n <- struct{}{}:
	default:
	}
}

// answer ends a call, by the rules of seccomp_unotify(2).
func (s *supervision) answer(r *agent.Request) error {
	goOn := r.Flags&unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE != 0
	if r.Flags&^uint32(unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE) != 0 || goOn && (r.Errno != 0 || r.Value != 0) {
		return unix.EINVAL
	}
	return s.l.Answer(r.ID, seccomp.Answer{Value: r.Value, Errno: r.Errno, Continue: goOn})
}

// pump tells the agent of calls, when it wants one, and of what it can wait for.
func (s *supervision) pump() {
	const all = wait.In | wait.RdNrm | wait.Out | wait.WrNrm | wait.Hup
	e := wait.Entry{Listener: s}
	s.l.Register(&e, all)
	defer s.l.Unregister(&e)
	defer unix.Close(s.owner)
	told := wait.Mask(0)
	for {
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
		if s.want.Load() {
			if c, err := s.l.Receive(); err != unix.EAGAIN {
				s.want.Store(false)
				if s.line.Tell(s.received(c, err)) != nil {
					return
				}
			}
		}
		if now := s.l.Readiness(all); now != told {
			told = now
			if s.line.Tell(&agent.Reply{Kind: agent.Ready, Poll: uint32(now)}) != nil {
				return
			}
		}
	}
}

// received is what the agent is told of a call.
func (s *supervision) received(c *seccomp.Call, err error) *agent.Reply {
	r := &agent.Reply{Kind: agent.Received}
	if errno, ok := err.(unix.Errno); ok {
		r.Errno = int32(errno)
		return r
	}
	r.Call = agent.Call{ID: c.ID, Nr: c.Data.Nr, Arch: c.Data.Arch, IP: c.Data.IP, Args: c.Data.Args}
	// The helper knows the owner's number on the host.
	if _, err := unix.FcntlInt(uintptr(s.owner), unix.F_SETOWN, exposed(c)); err != nil {
		_, _ = unix.FcntlInt(uintptr(s.owner), unix.F_SETOWN, 0)
	}
	return r
}

// exposed has the memory that a call's arguments may point to be where the agent can
// read it, and returns the process that it is in; 0 if there is none.
func exposed(c *seccomp.Call) int {
	t, ok := c.Task.(*kernel.Task)
	if !ok {
		return 0
	}
	as := t.PeekMM()
	if as == nil {
		return 0
	}
	defer as.DecUsers()
	var addrs []usermem.Addr
	for _, a := range c.Data.Args {
		addrs = append(addrs, usermem.Addr(a))
	}
	pid, err := as.Expose(addrs...)
	if err != nil {
		return 0
	}
	return pid
}
