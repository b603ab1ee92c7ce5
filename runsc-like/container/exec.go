package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// ExecOptions is a process to run in a container beside its first.
type ExecOptions struct {
	Process       specs.Process
	Detach        bool
	ConsoleSocket string
	PidFile       string
	IgnorePaused  bool

	Stdin, Stdout, Stderr *os.File
	// Extra are what the process has from descriptor 3 on. They are closed once it has
	// them.
	Extra []*os.File
}

// Exec runs a process in a container and returns its exit status; 0 for one that
// is detached, once it runs.
//
// A process of the host stands for it, whose number the caller is told: it
// passes signals on, has the terminal, and ends with its exit status. It is
// this one, or a monitor if the process is detached or has a terminal.
func (r Root) Exec(id string, o ExecOptions) (int, error) {
	if o.Detach || o.ConsoleSocket != "" {
		if err := checkConsole(o.Process.Terminal, o.ConsoleSocket); err != nil {
			return StatusFailed, err
		}
	}
	c, err := r.Look(id)
	if err != nil {
		return StatusFailed, err
	}
	status, err := c.exec(&o)
	switch {
	case err == nil:
	case errors.Is(err, errPaused):
		err = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	case errors.Is(err, ErrNotRunning), err.Error() == ErrNotRunning.Error(), isUnknown(err):
		err = errors.New("cannot exec in a stopped container")
	}
	return status, err
}

func (c *Container) exec(o *ExecOptions) (int, error) {
	if frozen, err := c.frozen(); err != nil || frozen && !o.IgnorePaused {
		if err == nil {
			err = errPaused
		}
		return StatusFailed, err
	}
	conn, err := c.dial()
	if err != nil {
		return StatusFailed, err
	}
	defer conn.Close()
	if o.IgnorePaused {
		conn.Watch(func() error {
			if err := c.unanswered(); !errors.Is(err, errPaused) {
				return err
			}
			return nil
		})
	}
	cfg, err := control.WriteExec(&control.ExecConfig{Container: c.about(), Process: o.Process, Terminal: o.Process.Terminal, Extra: len(o.Extra)})
	if err != nil {
		return StatusFailed, err
	}
	defer cfg.Close()
	if o.Detach || o.Process.Terminal {
		return execMonitored(conn, cfg, o)
	}
	files := append([]*os.File{cfg, o.Stdin, o.Stdout, o.Stderr}, o.Extra...)
	if err := execStart(conn, files, &o.Process); err != nil {
		return status(err), err
	}
	closeFiles(o.Extra)
	if o.PidFile != "" {
		if err := writePid(o.PidFile, os.Getpid()); err != nil {
			return StatusFailed, err
		}
	}
	return execFollow(conn, false)
}

// status is the exit status that goes with an error.
func status(err error) int {
	var se *StatusError
	if errors.As(err, &se) {
		return se.Status
	}
	return StatusFailed
}

// execStart has the process started that the files describe: those of
// control.ExecFDs, in order, then those that it has beside its standard streams.
func execStart(conn *control.Conn, files []*os.File, p *specs.Process) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	if err := conn.Send(control.Message{Kind: control.Exec}, fds...); err != nil {
		return lost(conn, err)
	}
	m, err := answer(conn)
	switch {
	case m.Kind == control.Failed:
		return &StatusError{m.Code, errors.New(runtimeText(m, &specs.Spec{Process: p}))}
	case err != nil:
		return err
	case m.Kind != control.Started:
		return unexpected(m)
	}
	return nil
}

// execFollow stays with the process until it has ended. One whose sandbox goes
// away was killed.
func execFollow(conn *control.Conn, terminal bool) (int, error) {
	forward := forwardSignals(conn, terminal, 0)
	defer forward.stop()
	forward.ready()
	code, err := follow(conn, forward)
	if errors.Is(err, errDied) {
		return 128 + int(unix.SIGKILL), nil
	}
	return code, err
}

// The descriptors of a monitor, after the process's standard streams.
const (
	monitorControl = 3 + iota // the conversation in which the process is started
	monitorConfig             // a control.ExecConfig
	monitorReport             // where it says whether the process runs
	monitorExtra              // what else the process has
)

// execMonitored starts a monitor for the process.
func execMonitored(conn *control.Conn, cfg *os.File, o *ExecOptions) (int, error) {
	var master *os.File
	streams := []*os.File{o.Stdin, o.Stdout, o.Stderr}
	if o.Process.Terminal {
		t, err := newPTY(o.Process.ConsoleSize, o.Process.User.UID)
		if err != nil {
			return StatusFailed, err
		}
		defer t.slave.Close()
		if o.ConsoleSocket != "" {
			if err := t.hand(o.ConsoleSocket); err != nil {
				return StatusFailed, err
			}
		} else {
			master = t.master
		}
		streams = []*os.File{t.slave, t.slave, t.slave}
	}
	near, far, err := controlPair()
	if err != nil {
		return StatusFailed, err
	}
	defer near.Close()
	talk, err := conn.File()
	if err != nil {
		far.Close()
		return StatusFailed, err
	}
	c := exec.Command("/proc/self/exe", MonitorRole)
	c.Args[0], c.Env = "hull", []string{}
	c.Stdin, c.Stdout, c.Stderr = streams[0], streams[1], streams[2]
	c.ExtraFiles = append([]*os.File{talk, cfg, far}, o.Extra...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: o.Process.Terminal}
	err = c.Start()
	talk.Close()
	far.Close()
	closeFiles(o.Extra)
	if err != nil {
		return StatusFailed, err
	}
	near.Watch(conn.Check)
	if _, err := answer(near); err != nil {
		_ = c.Process.Kill()
		_ = c.Wait() // its status says nothing more
		return status(err), err
	}
	if o.PidFile != "" {
		if err := writePid(o.PidFile, c.Process.Pid); err != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
			return StatusFailed, err
		}
	}
	if o.Detach {
		return 0, c.Process.Release()
	}
	if master != nil {
		rl := startRelay(master, o.Stdin, o.Stdout)
		defer rl.stop()
	}
	err = c.Wait()
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() >= 0 {
		return ee.ExitCode(), nil
	}
	if err != nil {
		return StatusFailed, fmt.Errorf("monitor of the process: %w", err)
	}
	return 0, nil
}

// MonitorRole is the word by which the binary is started as a monitor.
const MonitorRole = "exec-monitor"

// Monitor stands for a process of a container on the host. It is what
// execMonitored starts, and returns the exit status.
func Monitor() int {
	report, err := control.NewConn(monitorReport)
	if err != nil {
		return StatusFailed
	}
	fail := func(err error) int {
		if isLost(err) {
			err = ErrNotRunning
		}
		_ = report.Send(control.Message{Kind: control.Failed, Code: status(err), Text: err.Error()}) // who asked may be gone
		return status(err)
	}
	conn, err := control.NewConn(monitorControl)
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(monitorConfig, "process")
	cfg, err := control.ReadExec(f)
	if err != nil {
		return fail(err)
	}
	conn.About(cfg.Container)
	files := []*os.File{f, os.Stdin, os.Stdout, os.Stderr}
	for i := range cfg.Extra {
		files = append(files, os.NewFile(uintptr(monitorExtra+i), "extra"))
	}
	if err := execStart(conn, files, &cfg.Process); err != nil {
		return fail(err)
	}
	f.Close()
	closeFiles(files[control.ExecFDs:])
	// The streams are the process's alone: who reads them waits for their end.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fail(err)
		}
	}
	null.Close()
	_ = report.Send(control.Message{Kind: control.Started})
	report.Close()
	code, err := execFollow(conn, cfg.Terminal)
	if err != nil {
		return StatusFailed
	}
	return code
}
