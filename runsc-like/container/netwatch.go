package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"hull/runsc-like/control"
	"hull/runsc-like/netconf"
)

// A container whose interfaces are those of a namespace has a watcher: a process in
// the namespace that tells the sandbox of what changes there, and hands it what
// comes: `docker network connect`. It has the rights of who started the container
// and a conversation with its sandbox, and ends with that.

// WatchRole is the word by which the binary is started as a watcher.
const WatchRole = "netwatch"

// The descriptors of a watcher, after its log on 2.
const (
	watchControl = 3 + iota // the conversation
	watchConfig             // a watchedContainer
)

// watchedContainer is what a watcher is told: the container, and its network as the
// sandbox has it.
type watchedContainer struct {
	Root    string           `json:"root"`
	ID      string           `json:"id"`
	Network *control.Network `json:"network"`
}

// startWatch starts the watcher of a container that has the network n.
func (c *Container) startWatch(n *control.Network) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	talk, err := conn.File()
	if err != nil {
		return err
	}
	defer talk.Close()
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cfg, err := control.WriteJSON(&watchedContainer{c.rootDir(), c.ID, n})
	if err != nil {
		return err
	}
	defer cfg.Close()
	w := exec.Command("/proc/self/exe", WatchRole)
	w.Args[0], w.Env = "hull", []string{}
	w.Stderr, w.ExtraFiles = log, []*os.File{talk, cfg}
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := netconf.Within(c.networkPath(), func() error { return w.Start() }); err != nil {
		return fmt.Errorf("watcher of the network: %w", err)
	}
	if c.Watcher, err = processOf(w.Process.Pid); err == nil {
		if err = c.save(); err == nil {
			err = c.enterLater(c.Watcher.PID)
		}
	}
	if err != nil {
		_ = w.Process.Kill()
		_ = w.Wait() // it was killed
		return fmt.Errorf("watcher of the network: %w", err)
	}
	return w.Process.Release()
}

// Watch is what a watcher does. It returns the exit status.
func Watch() int {
	if err := watch(); err != nil {
		fmt.Fprintf(os.Stderr, "watcher of the network: %v\n", err)
		return StatusFailed
	}
	return 0
}

// watcher is the process.
type watcher struct {
	watchedContainer
	conn    *control.Conn
	answers chan control.Message // of the sandbox; closed with its end
	over    chan struct{}        // closed with the sandbox's end
}

func watch() error {
	f := os.NewFile(watchConfig, "container")
	w := &watcher{answers: make(chan control.Message, 1), over: make(chan struct{})}
	err := control.ReadJSON(f, &w.watchedContainer)
	f.Close()
	if err != nil {
		return err
	}
	if w.conn, err = control.NewConn(watchControl); err != nil {
		return err
	}
	go w.listen()
	n, err := netconf.Watch()
	if err != nil {
		return err
	}
	// What changed before is looked for at once.
	for more := true; more; {
		if err := w.look(); err != nil {
			fmt.Fprintf(os.Stderr, "network: %v\n", err) // of this change
		}
		if more, err = n.Wait(w.over); err != nil {
			return err
		}
	}
	return nil
}

// listen takes the sandbox's answers, one to each message.
func (w *watcher) listen() {
	defer close(w.over)
	for {
		m, err := w.conn.Receive()
		if err != nil {
			return
		}
		select {
		case w.answers <- m:
		default: // nobody has asked for it
			return
		}
	}
}

// tell sends a message and waits for what becomes of it.
func (w *watcher) tell(kind control.Kind, fds ...int) error {
	if err := w.conn.Send(control.Message{Kind: kind}, fds...); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	select {
	case m := <-w.answers:
		if m.Kind != control.Done {
			return fmt.Errorf("the sandbox refuses: %s", m.Text)
		}
		return nil
	case <-w.over:
		return errDied
	}
}

// look finds out what has changed and tells the sandbox.
func (w *watcher) look() error {
	known := func(index int) bool {
		return slices.ContainsFunc(w.Network.Links, func(l control.Link) bool { return l.Index == index })
	}
	now, fresh, err := netconf.ReadAgain("/proc/self/ns/net", known)
	if err != nil {
		return err
	}
	defer now.Close()
	if c := netconf.Compare(w.Network, &now.Network); !c.Empty() {
		// Routes by new interfaces come with those.
		part := now.Part(fresh)
		c.Routes = slices.DeleteFunc(c.Routes, func(r control.Route) bool { return contains(part.Routes, r) })
		if !c.Empty() {
			err = w.tellChanges(c)
		}
	}
	if len(fresh) > 0 {
		err = errors.Join(err, w.hand(now, fresh))
	}
	now.Links = append(now.Links, fresh...)
	w.Network = &now.Network
	return err
}

func contains(routes []control.Route, r control.Route) bool {
	return slices.ContainsFunc(routes, func(o control.Route) bool { return netconf.SameRoute(o, r) })
}

func (w *watcher) tellChanges(c *control.Changes) error {
	f, err := control.WriteChanges(c)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.tell(control.Rewire, int(f.Fd()))
}

// hand hands new interfaces over, and a relay to docker's name server if the
// container has got to use it.
func (w *watcher) hand(now *netconf.Network, fresh []control.Link) error {
	part, links := now.Part(fresh), slices.Clone(now.Sockets)
	line, err := w.relay(part)
	if err != nil {
		fmt.Fprintf(os.Stderr, "network: %v\n", err) // the interfaces are of use without
	}
	if line != nil {
		defer line.Close()
		links = append(links, line)
	}
	f, err := control.WriteNetwork(part)
	if err != nil {
		return err
	}
	defer f.Close()
	fds := []int{int(f.Fd())}
	for _, l := range links {
		fds = append(fds, int(l.Fd()))
	}
	return w.tell(control.Connect, fds...)
}

// relay starts the relay that the container needs and does not have; nil is none.
func (w *watcher) relay(part *control.Network) (*os.File, error) {
	c, err := Root{Dir: w.Root}.Open(w.ID)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	servers := loopbackServers(c.Resolver)
	if len(servers) == 0 || c.Relay.PID != 0 {
		return nil, nil
	}
	line, err := c.startDNSRelay(servers)
	if err == nil {
		part.Servers = servers
	}
	return line, err
}
