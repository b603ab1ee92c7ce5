package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/control"
	"hull/runsc-like/leanjson"
)

// planCgroup decides where the container's processes will be. Nothing is made.
func (c *Container) planCgroup(o *CreateOptions) error {
	s := *o.Spec
	l := *s.Linux
	l.Resources = hostResources(l.Resources)
	s.Linux = &l
	m, err := cgroup.New(&s, c.ID, cgroup.Options{Systemd: o.SystemdCgroup, Rootless: o.Rootless})
	if err != nil {
		return err
	}
	state := m.State()
	c.Cgroup, c.cgroup = &state, m
	return nil
}

// hostResources are the limits for hull's own processes. That of tasks the
// sentry enforces among the guest's; on the host two threads stand for each, and
// sentry and gofer have some of their own.
func hostResources(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || r.Pids == nil || r.Pids.Limit == nil || *r.Pids.Limit <= 0 {
		return r
	}
	limit := min(*r.Pids.Limit, cgroup.MaxPids)
	limit = min(limit*hostTasks+ownTasks, cgroup.MaxPids)
	more := *r
	more.Pids = &specs.LinuxPids{Limit: &limit}
	return &more
}

// How many tasks of the host stand for one of the guest's, and how many sentry and
// gofer may have besides.
const hostTasks, ownTasks = 2, 128

// guestPids are the tasks that the guest has, and how many it may have: the cgroup's
// numbers are the host's. Of a paused container nobody can be asked how many there
// are: it has 0.
func (c *Container) guestPids(host cgroup.Pids) (cgroup.Pids, error) {
	var p cgroup.Pids
	if host.Limit > ownTasks {
		p.Limit = (host.Limit - ownTasks) / hostTasks
	}
	if still, err := c.still(); err != nil || still {
		return p, err
	}
	conn, err := c.dial()
	if err != nil {
		return p, err
	}
	defer conn.Close()
	m, err := ask(conn, control.Message{Kind: control.Ask})
	if errors.Is(err, errPaused) {
		return p, nil
	}
	p.Current = uint64(max(m.Tasks, 0))
	return p, err
}

// manager returns the container's cgroup; nil if it has none.
func (c *Container) manager() (m *cgroup.Manager, err error) {
	if c.Cgroup != nil && c.cgroup == nil {
		c.cgroup, err = cgroup.Open(*c.Cgroup)
	}
	return c.cgroup, err
}

// making is a cgroup that is being made beside other work: first it, then its
// limits. A nil one is none.
type making struct {
	m      *cgroup.Manager
	made   chan error // that processes can be born in it
	limits chan error // that it is all there
	inside bool       // they were
}

// makeCgroup starts making the cgroup: on a host with many controllers it takes
// about as long as starting the processes.
func (c *Container) makeCgroup() (*making, error) {
	m, err := c.manager()
	if err != nil || m == nil {
		return nil, err
	}
	mk := &making{m: m, made: make(chan error, 1), limits: make(chan error, 1)}
	go func() {
		var err error
		if m.Early() {
			err = m.Make()
		}
		mk.made <- err
		if err == nil && m.Early() {
			err = m.Limit()
		}
		mk.limits <- err
	}()
	return mk, nil
}

// within calls start, whose processes are born in the cgroup if that can be.
func (mk *making) within(start func(cgroup int) error) (err error) {
	if mk == nil {
		return start(-1)
	}
	if err := <-mk.made; err != nil {
		return err
	}
	mk.inside, err = mk.m.Within(start)
	return err
}

// enter sees to it that the processes are in the cgroup, and that it is complete.
func (mk *making) enter(pids ...int) error {
	if mk == nil {
		return nil
	}
	if err := mk.wait(); err != nil {
		return err
	}
	if !mk.m.Early() {
		return mk.m.Apply(pids...)
	}
	for _, pid := range pids {
		if mk.inside {
			break
		}
		if err := mk.m.Add(pid); err != nil {
			return err
		}
	}
	return nil
}

// wait ends what makeCgroup began, and is called once.
func (mk *making) wait() error {
	if mk == nil {
		return nil
	}
	return <-mk.limits
}

// leaveCgroup kills what is in the cgroup and removes it.
func (c *Container) leaveCgroup() error {
	m, err := c.manager()
	if err != nil || m == nil {
		return err
	}
	if m.Vanish() {
		return nil
	}
	// Whether it exists is not asked: of one that was being made there is a part.
	ctx, cancel := context.WithTimeout(context.Background(), deathPatience)
	defer cancel()
	return errors.Join(m.Kill(ctx), m.Destroy())
}

// frozen reports whether the container is paused.
func (c *Container) frozen() (bool, error) {
	if still, err := c.still(); err != nil || still {
		return still, err
	}
	status, err := c.Status()
	return status == StatusPaused, err
}

// still reports whether the container's processes on the host are frozen: those
// of its sandbox, if it joined one.
func (c *Container) still() (bool, error) {
	if c.Sandbox != "" {
		s, err := c.root().Look(c.Sandbox)
		if err != nil {
			return false, nil // one without a record has no cgroup
		}
		return s.still()
	}
	m, err := c.manager()
	if err != nil || m == nil || !m.Exists() {
		return false, err
	}
	return m.Frozen()
}

// Pause stops all processes of a running container where they are.
func (r Root) Pause(id string) error {
	may := func(status string) error {
		if status != StatusRunning && status != StatusCreated {
			return fmt.Errorf("container not running or created: %s", status)
		}
		return nil
	}
	return r.withCgroup(id, may, func(c *Container, m *cgroup.Manager) error {
		if c.inPod() {
			return c.order(control.Freeze) // the processes that run its code run others'
		}
		if err := c.notePaused(); err != nil {
			return err
		}
		return c.freeze(m)
	})
}

// freeze stops the container's processes on the host. Who kills a container that is
// paused thaws it: then it is tried again, unless that was its end.
func (c *Container) freeze(m *cgroup.Manager) error {
	const tries, pause = 10, 20 * time.Millisecond
	for try := 1; ; try++ {
		err := m.Freeze()
		switch {
		case err == nil:
			return nil
		case !c.alive():
			return fmt.Errorf("container not running or created: %s", StatusStopped)
		case try == tries:
			return err
		}
		time.Sleep(pause)
	}
}

// Resume is the end of Pause.
func (r Root) Resume(id string) error {
	may := func(status string) error {
		if status != StatusPaused {
			return errors.New("container not paused")
		}
		return nil
	}
	return r.withCgroup(id, may, func(c *Container, m *cgroup.Manager) error {
		switch still, err := c.still(); {
		case err != nil:
			return err
		case still && c.Sandbox == "":
			c.Paused = nil
			return errors.Join(c.save(), m.Thaw())
		}
		return c.order(control.Thaw)
	})
}

// Update changes the limits of a container.
func (r Root) Update(id string, res *specs.LinuxResources) error {
	if err := asField(cgroup.Check(res)); err != nil {
		return err
	}
	paused := false
	may := func(status string) error {
		if status == StatusStopped {
			return ErrNotRunning
		}
		paused = status == StatusPaused
		return nil
	}
	return r.withCgroup(id, may, func(c *Container, m *cgroup.Manager) error {
		if err := m.Update(hostResources(res)); err != nil {
			return err
		}
		state := m.State()
		c.Cgroup = &state
		if paused {
			return c.save() // nobody can be told now
		}
		conn, err := c.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := ask(conn, control.Message{Kind: control.Limit, Resources: visible(res)}); err != nil {
			return err
		}
		return c.save()
	})
}

// ReadResources reads limits to set.
func ReadResources(in io.Reader) (*specs.LinuxResources, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxConfig))
	if err != nil {
		return nil, err
	}
	r := &specs.LinuxResources{}
	unknown, err := leanjson.Decode(b, r)
	if err != nil {
		return nil, jsonError(err)
	}
	if len(unknown) > 0 {
		return nil, fieldf("linux.resources."+unknown[0], "is no property of version %s of the specification", specs.Version)
	}
	return r, nil
}

// visible is the part of r that the guest sees.
func visible(r *specs.LinuxResources) *specs.LinuxResources {
	return &specs.LinuxResources{Memory: r.Memory, CPU: r.CPU, Pids: r.Pids}
}

// withCgroup calls f with the lock of a container that has a cgroup, if its status is
// one that it may have.
func (r Root) withCgroup(id string, may func(status string) error, f func(*Container, *cgroup.Manager) error) error {
	c, err := r.Open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status()
	if err == nil {
		err = may(status)
	}
	if err != nil {
		return err
	}
	m, err := c.manager()
	if err != nil {
		return err
	}
	if m == nil || !m.Exists() {
		return errors.New("the container has no cgroup")
	}
	return f(c, m)
}

// Event is a line of `hull events`.
type Event struct {
	Type string `json:"type"` // stats, oom
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

// Stats returns what the container uses now.
func (r Root) Stats(id string) (*Event, error) {
	c, err := r.Look(id)
	if err != nil {
		return nil, err
	}
	return c.stats()
}

func (c *Container) stats() (*Event, error) {
	m, err := c.manager()
	if err != nil {
		return nil, err
	}
	if m == nil || !c.alive() {
		return nil, fmt.Errorf("container with id %s is not running", c.ID)
	}
	s, err := m.Stats()
	if err != nil {
		return nil, err
	}
	if s.Pids, err = c.guestPids(s.Pids); err != nil {
		return nil, err
	}
	return &Event{Type: "stats", ID: c.ID, Data: s}, nil
}

// Events tells emit of the container's use of resources each interval, and of
// want of memory at once, until the container stops.
func (r Root) Events(ctx context.Context, id string, interval time.Duration, emit func(*Event) error) error {
	c, err := r.Look(id)
	if err != nil {
		return err
	}
	m, err := c.manager()
	if err != nil {
		return err
	}
	if m == nil || !c.alive() {
		return fmt.Errorf("container with id %s is not running", id)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	oom, err := m.OOM(ctx)
	if err != nil {
		oom = nil // a host without that controller tells of nothing
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-oom:
			if !ok && !c.alive() {
				return nil // with the cgroup
			}
			if !ok {
				oom = nil
				continue
			}
			if err := emit(&Event{Type: "oom", ID: id}); err != nil {
				return err
			}
		case <-tick.C:
			e, err := c.stats()
			if !c.alive() {
				return nil
			}
			if err == nil {
				err = emit(e)
			}
			if err != nil {
				return err
			}
		}
	}
}
