package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// docker is a dockerd of the benchmark's own, started when it is needed.
type docker struct {
	dir      string
	runtimes []*ociRuntime
	state    string // where it lives, once it is started
	daemon   *exec.Cmd
	ended    chan error
	failed   error // why there is none
}

const benchImage = "hull-bench:1"

// run takes the time of `docker run` of `true`.
func (d *docker) run(r *ociRuntime) (figures, error) {
	if d.daemon == nil && d.failed == nil {
		d.failed = d.start()
	}
	if d.failed != nil {
		return nil, d.failed
	}
	begin := time.Now()
	out, err := d.client("run", "--rm", "--network", "none", "--runtime", d.runtime(r), benchImage, "true").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("docker run: %w: %s", err, out)
	}
	return figures{"docker run true (ms)": ms(time.Since(begin))}, nil
}

// runtime is the name by which dockerd knows r.
func (d *docker) runtime(r *ociRuntime) string {
	if r.name == "runc" {
		return r.name // of itself
	}
	return "bench-" + r.name
}

func (d *docker) client(args ...string) *exec.Cmd {
	c := exec.Command("docker", args...)
	c.Env = append(os.Environ(), "DOCKER_HOST=unix://"+filepath.Join(d.state, "docker.sock"), "DOCKER_CONFIG="+d.state)
	return c
}

// start starts dockerd, which starts a containerd, and makes the image.
func (d *docker) start() (err error) {
	// Sockets have short names.
	if d.state, err = os.MkdirTemp("", "hull-bd"); err != nil {
		return err
	}
	list := map[string]any{}
	for _, r := range d.runtimes {
		if name := d.runtime(r); name != r.name {
			list[name] = map[string]string{"path": r.path}
		}
	}
	text, err := json.Marshal(map[string]any{"runtimes": list})
	if err != nil {
		return err
	}
	config := filepath.Join(d.state, "daemon.json")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(d.state, "log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	d.daemon = exec.Command("dockerd", "--config-file", config, "--data-root", filepath.Join(d.state, "data"),
		"--exec-root", filepath.Join(d.state, "exec"), "--pidfile", filepath.Join(d.state, "pid"),
		"--host", "unix://"+filepath.Join(d.state, "docker.sock"), "--bridge", "none", "--iptables=false", "--ip6tables=false")
	d.daemon.Stdout, d.daemon.Stderr = logFile, logFile
	d.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.daemon.Start(); err != nil {
		d.daemon = nil
		return err
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.daemon.Wait() }()
	for deadline := time.Now().Add(time.Minute); d.client("version").Run() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(logFile.Name())
			return fmt.Errorf("dockerd does not answer:\n%s", b)
		}
	}
	script := `tar -C "$0" -c . | docker import --change 'ENV PATH=/bin' - ` + benchImage
	c := d.client()
	c = &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script, filepath.Join(d.dir, "busybox")}, Env: c.Env}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, out)
	}
	return nil
}

// stop ends dockerd and takes away what it made.
func (d *docker) stop() {
	if d.daemon != nil {
		_ = d.daemon.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-d.ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-d.daemon.Process.Pid, syscall.SIGKILL)
			<-d.ended
		}
	}
	if d.state == "" {
		return
	}
	b, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], d.state+"/") {
			_ = syscall.Unmount(f[4], syscall.MNT_DETACH) // RemoveAll says what is left
		}
	}
	if err := os.RemoveAll(d.state); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, err)
	}
}
