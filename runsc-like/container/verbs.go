package container

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/control"
)

// dial starts a conversation with the container's sandbox.
func (c *Container) dial() (*control.Conn, error) {
	if !c.alive() {
		return nil, ErrNotRunning
	}
	if c.Sandbox != "" {
		if still, err := c.still(); err != nil || still {
			return nil, errors.Join(err, fmt.Errorf("sandbox %s is paused", c.Sandbox))
		}
	}
	conn, err := control.Dial(c.controlPath())
	if err != nil && (!c.alive() || isLost(err) && ends(c.unanswered)) {
		return nil, ErrNotRunning
	}
	if err == nil {
		conn.About(c.about())
		conn.Watch(c.unanswered)
	}
	return conn, err
}

// unanswered says why there may come no answer of the container's sandbox.
func (c *Container) unanswered() error {
	if still, err := c.still(); err == nil && still {
		return errPaused
	}
	if !c.alive() {
		return ErrNotRunning
	}
	return nil
}

// errPaused is that a container was paused while it was to answer.
var errPaused = errors.New("the container was paused meanwhile")

// ErrNotRunning is that the container's process has ended.
var ErrNotRunning = errors.New("container not running")

// Start starts the process of a container that was created.
func (r Root) Start(id string) error {
	c, err := r.Open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	status, conn, err := c.askStatus()
	if conn != nil {
		defer conn.Close()
	}
	switch {
	case err != nil:
		return err
	case status == StatusStopped:
		return errors.New("cannot start a container that has stopped")
	case status == StatusRunning:
		return errors.New("cannot start an already running container")
	case status != StatusCreated:
		return fmt.Errorf("cannot start a container in the %s state", status)
	}
	return c.startOver(conn)
}

// startOver starts the process over conn.
func (c *Container) startOver(conn *control.Conn) error {
	if err := c.connect(conn); err != nil {
		return err
	}
	if err := c.startHooks(); err != nil {
		return err
	}
	m, err := ask(conn, control.Message{Kind: control.Start})
	if err == nil && m.Kind != control.Started {
		err = unexpected(m)
	}
	if err != nil {
		return err
	}
	return c.startedHooks()
}

// Kill sends a signal to the first process of a container, or to all.
func (r Root) Kill(id string, signo unix.Signal, all bool) error {
	c, err := r.Look(id)
	if err != nil {
		return err
	}
	err = c.signal(signo, all)
	if all && errors.Is(err, ErrNotRunning) {
		return nil // nobody is left, as runc has it
	}
	return err
}

func (c *Container) signal(signo unix.Signal, all bool) error {
	if still, err := c.still(); err == nil && still {
		return c.signalFrozen(signo)
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if signo == 0 {
		return nil // it is there
	}
	m, err := ask(conn, control.Message{Kind: control.Kill, Signo: int(signo), All: all})
	switch {
	case errors.Is(err, errPaused) && signo == unix.SIGKILL:
		return c.signalFrozen(signo)
	case errors.Is(err, errPaused):
		return nil // it comes when the container goes on
	case err != nil && isUnknown(err):
		return ErrNotRunning
	case err != nil && !c.alive():
		return nil // it was there when it was told, and ended before it could say so
	case err != nil && err.Error() == ErrNotRunning.Error():
		return ErrNotRunning // it is just ending
	case err == nil && m.Kind != control.Done:
		return unexpected(m)
	}
	return err
}

// signalFrozen sends a signal to a container that is paused, where nobody
// listens: SIGKILL ends it as it is, others wait until it goes on.
func (c *Container) signalFrozen(signo unix.Signal) error {
	fd, err := c.first().open()
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signo, nil, 0); err != nil || signo != unix.SIGKILL || c.Sandbox != "" {
		return err
	}
	m, err := c.manager()
	if err != nil {
		return err
	}
	// A frozen process of cgroup v1 dies when it thaws: until it has, nobody is to freeze
	// it again.
	defer c.takeSoon()()
	if err := m.Thaw(); err != nil {
		return err
	}
	waitEnd(fd, deathPatience) // what takes longer dies later
	return nil
}

// ParseSignal reads a signal's number or name, with or without SIG. Real-time
// signals are RTMIN+n and RTMAX-n, as signal(7) has them.
func ParseSignal(s string) (unix.Signal, error) {
	const first, last = 34, 64 // real-time signals, but for those of the C library
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > last {
			return 0, fieldf("SIGNAL", "%q is no signal", s)
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n := unix.SignalNum("SIG" + name); n != 0 {
		return n, nil
	}
	for _, base := range []struct {
		name string
		n    int
	}{{"RTMIN", first}, {"RTMAX", last}} {
		if by, ok := strings.CutPrefix(name, base.name); ok {
			n, err := strconv.Atoi(cmp.Or(by, "0"))
			if n += base.n; err == nil && n >= first && n <= last && (by == "" || by[0] == '+' || by[0] == '-') {
				return unix.Signal(n), nil
			}
		}
	}
	return 0, fieldf("SIGNAL", "%q is no signal", s)
}

// Delete removes a container that has stopped, or was never started; with force
// any. With force one that does not exist is no error.
func (r Root) Delete(id string, force bool) error {
	c, err := r.Open(id)
	var corrupt *CorruptError
	switch {
	case errors.Is(err, ErrNotFound) && force:
		return nil
	case errors.As(err, &corrupt) && force:
		return r.remove(id)
	case err != nil:
		return err
	}
	defer c.Close()
	if !force {
		switch status, err := c.Status(); {
		case err != nil:
			return err
		case status != StatusStopped && status != StatusCreated:
			return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
		}
	}
	return c.destroy()
}

// remove takes away the directory of a container whose record is damaged, and
// ends what can be known from it.
func (r Root) remove(id string) error {
	c := &Container{Record: Record{ID: id}, dir: filepath.Join(r.Dir, id)}
	err := c.take(os.O_CREATE)
	if errors.Is(err, ErrNotFound) {
		return nil // somebody else did
	}
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.load() // what it says was told before
	if !c.Sentry.possible() {
		c.Sentry = Process{}
	}
	if !c.Gofer.possible() {
		c.Gofer = Process{}
	}
	for _, p := range []*Process{&c.Proxy, &c.Relay, &c.Watcher, &c.Agent} {
		if !p.possible() {
			*p = Process{}
		}
	}
	err = c.endProcesses()
	if c.Cgroup != nil && cgroup.CheckState(*c.Cgroup) == nil {
		err = errors.Join(err, c.leaveCgroup())
	}
	if err != nil {
		return err
	}
	return c.removeDir()
}

// destroy ends what there is of a container, and takes its directory away. The
// directory goes last: what could not be ended can be tried again.
func (c *Container) destroy() error {
	// The gofer ends when the sentry has, but need not be waited for then. What is
	// frozen dies when it thaws.
	thaw := func() error { return nil }
	if still, err := c.still(); err == nil && still && c.Sandbox == "" {
		thaw = c.leaveCgroup
	}
	if err := errors.Join(thaw(), c.endProcesses(), c.leaveCgroup()); err != nil {
		return err
	}
	c.disconnect()
	c.stoppedHooks()
	return c.removeDir()
}

// removeDir takes the directory away. Others may make a file in it as long as it is
// there.
func (c *Container) removeDir() (err error) {
	const tries = 5
	for range tries {
		if err = os.RemoveAll(c.dir); !errors.Is(err, unix.ENOTEMPTY) {
			break
		}
	}
	return err
}

// StateOf returns what `hull state` prints.
func (r Root) StateOf(id string) (*Status, error) {
	c, err := r.Look(id)
	if err != nil {
		return nil, err
	}
	return c.describe()
}

// Status is a container as `hull state` and `hull list` print it, with runc's
// names.
type Status struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	PID         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"` // its name; only list tells it
	owner       int               // its number
}

func (c *Container) describe() (*Status, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	s := &Status{
		Version: specs.Version, ID: c.ID, PID: c.first().PID, Status: status, Bundle: c.Bundle,
		Rootfs: c.Rootfs, Created: c.Created, Annotations: c.Annotations, owner: c.Owner,
	}
	if status == StatusStopped {
		s.PID = 0
	}
	return s, nil
}

// OwnerName is the name of the owner, or its number.
func (s *Status) OwnerName() string {
	id := strconv.Itoa(s.owner)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}

// ids lists what may be containers.
func (r Root) ids() ([]string, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fieldf("--root", "%v", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// List describes all containers, by name. Those that cannot be read are told of
// in the error, beside the others.
func (r Root) List() ([]*Status, error) {
	ids, err := r.ids()
	if err != nil {
		return nil, err
	}
	var all []*Status
	var errs []error
	for _, id := range ids {
		s, err := r.StateOf(id)
		switch {
		case errors.Is(err, ErrNotFound): // deleted meanwhile
		case err != nil:
			errs = append(errs, fmt.Errorf("container %s: %w", id, err))
		default:
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Status) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all, errors.Join(errs...)
}
