package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/control"
	"hull/runsc-like/leanjson"
)

// The statuses of a container (runtime.md of the OCI specification, and paused,
// which runc adds).
const (
	StatusCreating = control.StatusCreating
	StatusCreated  = control.StatusCreated
	StatusRunning  = control.StatusRunning
	StatusStopped  = control.StatusStopped
	StatusPaused   = "paused"
)

// Record is what is on disk of a container: what cannot be found out otherwise.
// Whether it runs is not among it.
type Record struct {
	ID      string    `json:"id"`
	Bundle  string    `json:"bundle"`
	Created time.Time `json:"created"`
	Owner   int       `json:"owner"` // user id
	// What later verbs need of the configuration.
	Rootfs      string            `json:"rootfs"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"`
	Process     *specs.Process    `json:"process"`
	Resolver    string            `json:"resolver,omitempty"` // what the guest's /etc/resolv.conf is on the host
	// Sandbox is the id of the container whose sandbox it joined; "" if it has one
	// of its own.
	Sandbox string `json:"sandbox,omitempty"`
	// The processes, once they have been started. The sentry of a container that
	// joined is its sandbox's.
	Sentry  Process       `json:"sentry"`
	Gofer   Process       `json:"gofer"`
	Proxy   Process       `json:"proxy,omitzero"`   // of a network of mode user
	Relay   Process       `json:"relay,omitzero"`   // to name servers on the loopback interface of its namespace
	Watcher Process       `json:"watcher,omitzero"` // of the network, see Watch
	Agent   Process       `json:"agent,omitzero"`   // serves the listener of a seccomp agent
	Network *NetworkState `json:"network,omitempty"`
	// Paused are the guest's processes when the container was paused.
	Paused []control.ProcessInfo `json:"paused,omitempty"`
	// Cgroup is where they are.
	Cgroup *cgroup.State `json:"cgroup,omitempty"`
}

// Root is a directory that has a directory for each container.
type Root struct{ Dir string }

// The files of a container's directory.
const (
	recordFile  = "state.json"
	lockFile    = "lock"
	controlFile = "control.sock"
	logFile     = "log"
)

// maxRecord bounds the record that is read, in bytes.
const maxRecord = 64 << 20

// DefaultRoot is where containers are if nobody says.
func DefaultRoot() string {
	// An ordinary user may be root of a user namespace: as which USER knows better.
	rootless := func() bool { return os.Geteuid() != 0 || Rootless() && os.Getenv("USER") != "root" }
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && rootless() {
		return filepath.Join(dir, "hull")
	}
	return "/run/hull"
}

// Container is one that has a directory. Who changes it holds its lock.
type Container struct {
	Record
	dir  string
	lock *os.File // nil if it was only looked at
	// cgroup is the container's, once somebody asked for it.
	cgroup *cgroup.Manager
}

// setSpec puts what is needed of a configuration into the record.
func (c *Container) setSpec(s *specs.Spec) {
	c.Rootfs, c.Annotations, c.Hooks, c.Process = s.Root.Path, s.Annotations, s.Hooks, s.Process
	for _, m := range s.Mounts {
		if m.Type == "bind" && filepath.Clean(m.Destination) == "/etc/resolv.conf" {
			c.Resolver = m.Source
		}
	}
}

// ErrNotFound is that there is no such container.
var ErrNotFound = errors.New("container does not exist")

// make makes the directory of a new container, locked.
func (r Root) make(id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Dir, 0o711); err != nil {
		return nil, fieldf("--root", "%v", err)
	}
	c := &Container{Record: Record{ID: id}, dir: filepath.Join(r.Dir, id)}
	err := os.Mkdir(c.dir, 0o711)
	if errors.Is(err, fs.ErrExist) {
		return nil, errors.New("container with given ID already exists")
	}
	if err != nil {
		return nil, fieldf("--root", "%v", err)
	}
	if err := c.take(os.O_CREATE); err != nil {
		_ = os.RemoveAll(c.dir)
		return nil, err
	}
	return c, nil
}

// Look reads a container without locking it.
func (r Root) Look(id string) (*Container, error) {
	return r.find(id, func(*Container) error { return nil })
}

// Open locks a container and reads it. The caller closes it.
func (r Root) Open(id string) (*Container, error) {
	return r.find(id, func(c *Container) error { return c.take(0) })
}

// find reads a container, once take has succeeded.
func (r Root) find(id string, take func(*Container) error) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	// Who makes a container makes its directory, then its lock, then its record.
	const tries, pause = 10, 10 * time.Millisecond
	for try := 0; ; try++ {
		c := &Container{Record: Record{ID: id}, dir: filepath.Join(r.Dir, id)}
		err := take(c)
		if err == nil {
			err = c.load()
		}
		if err == nil {
			return c, nil
		}
		c.Close()
		if !errors.Is(err, errNoRecord) || try == tries {
			return nil, err
		}
		time.Sleep(pause)
	}
}

// errNoRecord is that somebody did not come to writing a container's record.
var errNoRecord = errors.New("is missing")

// take locks the container: waits until nobody else changes it. With os.O_CREATE the
// lock is made if it is not there.
func (c *Container) take(create int) error {
	f, err := os.OpenFile(filepath.Join(c.dir, lockFile), create|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(c.dir); err == nil {
			return &CorruptError{filepath.Join(c.dir, recordFile), errNoRecord}
		}
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	// It may have been deleted while this one waited.
	var locked, there unix.Stat_t
	if err == nil {
		err = errors.Join(unix.Fstat(int(f.Fd()), &locked), unix.Stat(f.Name(), &there))
	}
	if err != nil || locked.Ino != there.Ino || locked.Dev != there.Dev {
		f.Close()
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		return ErrNotFound
	}
	c.lock = f
	return nil
}

// takeSoon locks the container for who only looked at it, unless somebody keeps the lock
// for long. The function that it returns gives it back.
func (c *Container) takeSoon() (giveBack func()) {
	const step = 5 * time.Millisecond
	giveBack = func() {}
	if c.lock != nil {
		return giveBack
	}
	f, err := os.OpenFile(c.path(lockFile), os.O_RDWR, 0)
	if err != nil {
		return giveBack // it is being deleted
	}
	for end := time.Now().Add(patience); unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil; time.Sleep(step) {
		if time.Now().After(end) {
			break
		}
	}
	return func() { f.Close() }
}

// Close gives the lock back.
func (c *Container) Close() {
	if c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// load reads the record. The id is that of the directory, whatever it says.
func (c *Container) load() error {
	name := filepath.Join(c.dir, recordFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		// Who has the lock makes it, or takes it away; else its creator died.
		if _, err := os.Stat(filepath.Join(c.dir, lockFile)); err == nil && (c.lock != nil || !c.busy()) {
			return &CorruptError{name, errNoRecord}
		}
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && st.Size() > maxRecord {
		err = fmt.Errorf("has %d bytes", st.Size())
	}
	if err == nil {
		var b []byte
		if b, err = io.ReadAll(f); err == nil {
			err = leanjson.Unmarshal(b, &c.Record)
		}
	}
	switch {
	case err != nil:
	case c.ID != filepath.Base(c.dir):
		err = fmt.Errorf("id: is %q", c.ID)
	case c.Process == nil:
		err = errors.New("process: is missing")
	case !c.Sentry.possible() || !c.Gofer.possible() || !c.Proxy.possible() || !c.Relay.possible() || !c.Watcher.possible() || !c.Agent.possible():
		err = errors.New("sentry.pid, gofer.pid, proxy.pid, relay.pid, watcher.pid or agent.pid: is no process number")
	case c.Network != nil && c.Network.Taken != nil && c.Network.Taken.Check() != nil:
		err = errors.New("network.taken: is none")
	case c.Cgroup != nil:
		err = cgroup.CheckState(*c.Cgroup)
	}
	if err != nil {
		c.ID = filepath.Base(c.dir)
		return &CorruptError{name, err}
	}
	return nil
}

// CorruptError is that a container's record cannot be used.
type CorruptError struct {
	Name string
	Why  error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Why) }

// Unwrap returns the reason.
func (e *CorruptError) Unwrap() error { return e.Why }

// save writes the record: all of it or nothing.
func (c *Container) save() error {
	b, err := leanjson.Marshal(&c.Record)
	if err != nil {
		return err
	}
	name := filepath.Join(c.dir, recordFile)
	return writeFile(name, b, 0o600)
}

// writeFile replaces a file so that who reads it sees the old or the new one. It
// is not made to reach the disk: when the host dies, the container does too.
func writeFile(name string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// rootDir is the directory that the container's is in.
func (c *Container) rootDir() string { return filepath.Dir(c.dir) }

// path is a file of the container's directory.
func (c *Container) path(name string) string { return filepath.Join(c.dir, name) }

// Status finds out what the container does.
func (c *Container) Status() (string, error) {
	status, conn, err := c.askStatus()
	if conn != nil {
		conn.Close()
	}
	return status, err
}

// askStatus is Status, with the conversation in which it was asked, if there was
// one.
func (c *Container) askStatus() (string, *control.Conn, error) {
	if c.first().PID == 0 {
		if c.lock == nil && c.busy() {
			return StatusCreating, nil, nil
		}
		return StatusStopped, nil, nil
	}
	if !c.alive() {
		return StatusStopped, nil, nil
	}
	if still, err := c.still(); err != nil || still {
		return StatusPaused, nil, err // whoever is asked would not answer
	}
	conn, err := c.dial()
	if err != nil {
		if !c.alive() {
			return StatusStopped, nil, nil
		}
		return "", nil, err
	}
	m, err := ask(conn, control.Message{Kind: control.Ask})
	switch {
	case errors.Is(err, errPaused):
		return StatusPaused, conn, nil
	case isUnknown(err) && c.lock == nil && c.busy():
		return StatusCreating, conn, nil
	case err != nil && (isUnknown(err) || !c.alive()):
		return StatusStopped, conn, nil
	}
	if err == nil && m.Kind != control.Is {
		err = unexpected(m)
	}
	if m.Frozen && m.Status != StatusStopped {
		m.Status = StatusPaused
	}
	return m.Status, conn, err
}

// busy reports whether somebody has the lock.
func (c *Container) busy() bool {
	f, err := os.Open(c.path(lockFile))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// ask sends a question and returns the answer; what failed is an error.
func ask(conn *control.Conn, q control.Message) (control.Message, error) {
	if err := conn.Send(q); err != nil {
		return control.Message{}, lost(conn, err)
	}
	return answer(conn)
}

// lost explains why a conversation failed: its sandbox has ended, or is about to.
func lost(conn *control.Conn, err error) error {
	if errors.Is(err, errPaused) || errors.Is(err, ErrNotRunning) {
		return err
	}
	if conn.Watched() && isLost(err) && ends(conn.Check) {
		return ErrNotRunning
	}
	return fmt.Errorf("control socket: %w", err)
}

// isLost reports whether err is that there is nobody on the other side.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || isErrno(err, unix.EPIPE) || isErrno(err, unix.ECONNRESET) || isErrno(err, unix.ECONNREFUSED)
}

// ends reports whether check says that the container does not run, or soon will.
func ends(check func() error) bool {
	const step = 5 * time.Millisecond
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(step) {
		if errors.Is(check(), ErrNotRunning) {
			return true
		}
	}
	return false
}

// answer reads an answer; what failed is an error.
func answer(conn *control.Conn) (control.Message, error) {
	m, err := conn.Answer()
	if err != nil {
		return m, lost(conn, err)
	}
	if m.Kind == control.Failed {
		return m, &StatusError{m.Code, errors.New(m.Text)}
	}
	return m, nil
}

func unexpected(m control.Message) error {
	return fmt.Errorf("the sandbox sent an unexpected message %q", m.Kind)
}
