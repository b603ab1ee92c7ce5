package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// CreateOptions is what Create makes.
type CreateOptions struct {
	Options
	ID, Bundle    string
	ConsoleSocket string // who gets the terminal's master
	PidFile       string
	SystemdCgroup bool
	Rootless      bool // a cgroup that the host refuses is no error
	// Relay connects the terminal's master with the caller's own streams instead.
	Relay bool

	master              *os.File // with Relay
	callerIn, callerOut *os.File
	agent               *agentLink // nil if there is none
	view                *os.File   // nil if there is none
}

// Create makes a container whose process Start will start. It stays when the
// caller ends.
func (r Root) Create(o CreateOptions) error {
	c, conn, err := r.create(&o)
	if err != nil {
		return err
	}
	defer c.Close()
	return conn.Close()
}

// create is Create; the container is locked, and conn its first conversation.
func (r Root) create(o *CreateOptions) (c *Container, conn *control.Conn, err error) {
	if !o.Relay {
		if err := checkConsole(o.Spec.Process.Terminal, o.ConsoleSocket); err != nil {
			return nil, nil, err
		}
	}
	if o.Bundle, err = filepath.Abs(o.Bundle); err != nil {
		return nil, nil, err
	}
	pod, err := r.podOf(o.Spec)
	if err != nil {
		return nil, nil, err
	}
	if c, err = r.make(o.ID); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.destroy())
		}
	}()
	c.Bundle, c.Created, c.Owner = o.Bundle, time.Now().UTC(), os.Geteuid()
	c.setSpec(o.Spec)
	if pod != nil {
		c.Sandbox, c.Sentry = pod.sandbox.ID, pod.sandbox.Sentry
	} else if err := c.planNetwork(o.Spec, o.Network, o.Pcap, o.User); err != nil {
		return c, nil, err
	}
	if err := c.planCgroup(o); err != nil {
		return c, nil, err
	}
	if err := c.save(); err != nil {
		return c, nil, err
	}
	defer func() { closeFiles(o.trees()) }()
	if err := o.takeDirs(); err != nil {
		return c, nil, err
	}
	if o.view = viewFor(o.Spec); o.view != nil {
		defer o.view.Close()
	}
	if o.agent, err = c.startAgent(o); err != nil {
		return c, nil, err
	}
	defer o.agent.close()
	if pod != nil {
		conn, err = c.join(o, pod)
	} else {
		conn, err = c.launch(o)
	}
	closeFiles(o.Extra)
	if err != nil {
		return c, nil, err
	}
	if o.agent != nil {
		if err := o.agent.hand(c, o.Spec.Linux.Seccomp.ListenerMetadata); err != nil {
			conn.Close()
			return c, nil, err
		}
	}
	if o.PidFile != "" {
		if err := writePid(o.PidFile, c.first().PID); err != nil {
			conn.Close()
			return c, nil, err
		}
	}
	return c, conn, nil
}

// launch starts the sandbox and waits until it is ready.
func (c *Container) launch(o *CreateOptions) (*control.Conn, error) {
	listen, err := control.Listen(c.path(controlFile))
	if err != nil {
		return nil, err
	}
	defer listen.Close()
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	slave, err := o.makeTerminal()
	if err != nil {
		return nil, err
	}
	if slave != nil {
		defer slave.Close()
	}
	mk, err := c.makeCgroup()
	if err != nil {
		return nil, err
	}
	made := false
	s, err := newSandbox(o.Options, &detachment{id: c.ID, listen: listen, log: log, agent: o.agent.files(), view: o.view, within: mk.within, record: func(sentry, gofer int) error {
		made = true
		if err := c.record(mk, o.Spec, sentry, gofer); err != nil {
			return err
		}
		if err := c.prepareHostNetwork(o.Spec); err != nil {
			return err
		}
		return setOOMScore(o.Spec.Process.OOMScoreAdj, o.Rootless, sentry, gofer)
	}})
	if !made {
		err = errors.Join(err, mk.wait()) // it is taken away when all of it is there
	}
	if err == nil {
		var m control.Message
		if m, err = s.conn.Receive(); err == nil {
			switch m.Kind {
			case control.Created:
				s.conn.Watch(c.unanswered)
				return s.conn, nil
			case control.Failed:
				err = &StatusError{m.Code, errors.New(runtimeText(m, o.Spec))}
			default:
				err = unexpected(m)
			}
		} else {
			err = errDied
		}
	}
	if s == nil {
		return nil, err
	}
	s.kill()
	if why := s.sentry.Failure(); why != nil && errors.Is(err, errDied) {
		err = fmt.Errorf("%w: %w", err, why)
	}
	err = blame(err, s.gofer)
	var se *StatusError
	// What the sentry says of a gofer that never was is of no interest.
	if why := logged(c.path(logFile)); why != "" && !errors.As(err, &se) && s.gofer.Failure() == nil {
		err = fmt.Errorf("%w: %s", err, why)
	}
	return nil, err
}

func closeFiles(list []*os.File) {
	for _, f := range list {
		f.Close()
	}
}

// makeTerminal makes the terminal of the first process, if it is to have one, and
// its slave the standard streams. The caller closes it.
func (o *CreateOptions) makeTerminal() (slave *os.File, err error) {
	p := o.Spec.Process
	if !p.Terminal {
		return nil, nil
	}
	t, err := newPTY(p.ConsoleSize, p.User.UID)
	if err != nil {
		return nil, err
	}
	if o.Relay {
		o.master, o.callerIn, o.callerOut = t.master, o.Stdin, o.Stdout
	} else if err := t.hand(o.ConsoleSocket); err != nil {
		t.slave.Close()
		return nil, err
	}
	o.Stdin, o.Stdout, o.Stderr = t.slave, t.slave, t.slave
	return t.slave, nil
}

// runtimeText words a failure as the callers of container runtimes, which look
// for it, know it.
func runtimeText(m control.Message, s *specs.Spec) string {
	if m.Errno == 0 {
		return m.Text
	}
	name, why := s.Process.Args[0], unix.Errno(m.Errno).Error()
	switch {
	case !strings.Contains(name, "/"):
		why = "executable file not found in $PATH"
	case m.Stat:
		why = "stat " + name + ": " + why
	}
	return fmt.Sprintf("unable to start container process: exec: %q: %s", name, why)
}

// record notes the processes, sees to their cgroup, and lets the hooks that
// prepare a container see them: all before they do anything.
func (c *Container) record(mk *making, spec *specs.Spec, sentry, gofer int) (err error) {
	if c.Sentry, err = processOf(sentry); err != nil {
		return err
	}
	if c.Gofer, err = processOf(gofer); err != nil {
		return err
	}
	if err := c.save(); err != nil {
		return err
	}
	if err := mk.enter(sentry, gofer); err != nil {
		return err
	}
	return c.prepareHooks(spec)
}

// logged returns the line of a sandbox's log that says why it ended.
func logged(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	l := &logReader{done: make(chan struct{})}
	l.drain(f, discard{})
	return l.reason()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// checkConsole checks that there is somebody for the terminal of a detached
// process, if it has one.
func checkConsole(terminal bool, socket string) error {
	switch {
	case terminal && socket == "":
		return fieldf("--console-socket", "cannot allocate tty if hull will detach without setting console socket")
	case !terminal && socket != "":
		return fieldf("--console-socket", "cannot use console socket if hull will not detach or allocate tty")
	}
	return nil
}

// writePid writes a pid file.
func writePid(name string, pid int) error {
	if err := writeFile(name, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fieldf("--pid-file", "%v", err)
	}
	return nil
}
