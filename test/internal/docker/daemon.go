package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Daemon is a containerd, or a dockerd, that runs.
type Daemon struct {
	name  string
	cmd   *exec.Cmd
	ended chan error
}

// Run starts a daemon and waits until it answers at its socket: containerd, or
// what starts dockerd. Its log is in dir.
func Run(dir, socket, name string, args ...string) (*Daemon, error) {
	log, err := os.Create(logName(dir, name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return nil, err
	}
	d := &Daemon{name, c, make(chan error, 1)}
	go func() { d.ended <- c.Wait() }()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil && answers(name, socket) {
			return d, nil
		}
		select {
		case err := <-d.ended:
			return nil, fmt.Errorf("%s ended: %v\n%s", name, err, readLog(dir, name))
		default:
		}
		if time.Now().After(deadline) {
			_ = d.Close()
			return nil, fmt.Errorf("%s does not come up:\n%s", name, readLog(dir, name))
		}
	}
}

// Close ends the daemon. One that does not end is killed, and an error.
func (d *Daemon) Close() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.ended:
		return nil
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-d.ended
		return fmt.Errorf("%s did not end", d.name)
	}
}

// answers asks a daemon for its version.
func answers(name, socket string) bool {
	if name == "containerd" {
		return exec.Command("ctr", "--address", socket, "version").Run() == nil
	}
	return exec.Command("docker", "--host", "unix://"+socket, "version").Run() == nil
}

func logName(dir, daemon string) string { return filepath.Join(dir, daemon+".log") }

func readLog(dir, daemon string) string {
	b, err := os.ReadFile(logName(dir, daemon))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// UnmountBelow takes away what is mounted at a directory and below.
func UnmountBelow(dir string) {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	for _, line := range slices.Backward(strings.Split(string(b), "\n")) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			_ = syscall.Unmount(f[4], syscall.MNT_DETACH) // who removes dir says what is left
		}
	}
}
