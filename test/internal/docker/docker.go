// Package docker starts a containerd and a dockerd of a caller's own, which know
// other OCI runtimes by name, and ends them without leaving anything.
//
// It is for tests and for the benchmark, and so knows nothing of package testing.
package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options says how dockerd is started.
type Options struct {
	Runtimes map[string]string // paths by name
	// Bridge is an interface that is there, for containers that ask for a
	// network; without one they get none.
	Bridge string
	Args   []string // more arguments of dockerd
}

// Daemons are a containerd and a dockerd.
type Daemons struct {
	Dir  string // which is gone after Close
	Host string // of DOCKER_HOST
	Env  []string

	running []*daemon
}

type daemon struct {
	name  string
	cmd   *exec.Cmd
	ended chan error
}

// Start starts both; the caller is root.
func Start(o Options) (*Daemons, error) {
	// Sockets have short names.
	dir, err := os.MkdirTemp("", "hull-docker")
	if err != nil {
		return nil, err
	}
	d := &Daemons{Dir: dir, Host: "unix://" + filepath.Join(dir, "docker.sock")}
	d.Env = append(os.Environ(), "DOCKER_HOST="+d.Host, "DOCKER_CONFIG="+dir, "LC_ALL=C", "DOCKER_BUILDKIT=0")
	if err := d.start(o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Daemons) start(o Options) error {
	in := func(name string) string { return filepath.Join(d.Dir, name) }
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n",
		in("croot"), in("cstate"), in("c.sock"))
	if err := os.WriteFile(in("config.toml"), []byte(config), 0o644); err != nil {
		return err
	}
	if err := d.run(in("c.sock"), "containerd", "--config", in("config.toml")); err != nil {
		return err
	}
	runtimes := map[string]any{}
	for name, path := range o.Runtimes {
		runtimes[name] = map[string]string{"path": path}
	}
	b, err := json.Marshal(map[string]any{"runtimes": runtimes})
	if err != nil {
		return err
	}
	if err := os.WriteFile(in("daemon.json"), b, 0o644); err != nil {
		return err
	}
	bridge := o.Bridge
	if bridge == "" {
		bridge = "none"
	}
	args := []string{"--config-file", in("daemon.json"), "--data-root", in("data"), "--exec-root", in("exec"), "--pidfile", in("docker.pid"),
		"--host", d.Host, "--containerd", in("c.sock"), "--bridge", bridge}
	if len(o.Args) == 0 {
		args = append(args, "--iptables=false", "--ip6tables=false")
	}
	return d.run(in("docker.sock"), "dockerd", append(args, o.Args...)...)
}

// run starts a daemon and waits until it answers at its socket.
func (d *Daemons) run(socket, name string, args ...string) error {
	log, err := os.Create(filepath.Join(d.Dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return err
	}
	p := &daemon{name, c, make(chan error, 1)}
	go func() { p.ended <- c.Wait() }()
	d.running = append(d.running, p)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil && answers(name, socket) {
			return nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended: %v\n%s", name, err, d.Log(name))
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not come up:\n%s", name, d.Log(name))
		}
	}
}

// answers asks a daemon for its version.
func answers(name, socket string) bool {
	if name == "containerd" {
		return exec.Command("ctr", "--address", socket, "version").Run() == nil
	}
	return exec.Command("docker", "--host", "unix://"+socket, "version").Run() == nil
}

// Log returns what a daemon has said.
func (d *Daemons) Log(name string) string {
	b, err := os.ReadFile(filepath.Join(d.Dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Close ends both and removes what they had.
func (d *Daemons) Close() error {
	var err error
	for i := len(d.running) - 1; i >= 0; i-- {
		p := d.running[i]
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			err = errors.Join(err, fmt.Errorf("%s did not end", p.name))
		}
	}
	// Daemons that were killed leave mounts.
	b, _ := os.ReadFile("/proc/self/mountinfo")
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 4 && strings.HasPrefix(f[4], d.Dir) {
			_ = syscall.Unmount(f[4], syscall.MNT_DETACH)
		}
	}
	return errors.Join(err, os.RemoveAll(d.Dir))
}

// Docker runs the client and returns its standard output without the last line
// feed.
func (d *Daemons) Docker(args ...string) (string, error) { return d.DockerIn(nil, args...) }

// DockerIn is Docker with a standard input.
func (d *Daemons) DockerIn(in io.Reader, args ...string) (string, error) {
	c := exec.Command("docker", args...)
	c.Env, c.Stdin = d.Env, in
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// File is a file of an image: a symbolic link if Link is set, a directory if
// the name ends in a slash.
type File struct {
	Name, Link, Text string
	Mode             int64
}

// HostImage makes an image that has next to nothing of its own: a container of it
// shows the host's programs, when it is run with HostMounts.
func (d *Daemons) HostImage(name string, files ...File) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	all := []File{
		{Name: "bin", Link: "usr/bin"}, {Name: "sbin", Link: "usr/sbin"}, {Name: "lib", Link: "usr/lib"}, {Name: "lib64", Link: "usr/lib64"},
		{Name: "usr/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}, {Name: "root/", Mode: 0o700}, {Name: "etc/", Mode: 0o755}, {Name: "var/", Mode: 0o755},
		{Name: "etc/passwd", Text: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", Mode: 0o644},
		{Name: "etc/group", Text: "root:x:0:\nnogroup:x:65534:\n", Mode: 0o644},
	}
	for _, f := range append(all, files...) {
		h := &tar.Header{Name: f.Name, Linkname: f.Link, Mode: f.Mode, Size: int64(len(f.Text)), Typeflag: tar.TypeReg}
		switch {
		case f.Link != "":
			h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		case strings.HasSuffix(f.Name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.WriteString(w, f.Text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := d.DockerIn(&b, "import", "-c", "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin", "-", name)
	return err
}

// HostMounts are the arguments of `docker run` that HostImage wants.
func HostMounts() []string {
	args := []string{"-v", "/usr:/usr:ro"}
	if _, err := os.Stat("/etc/alternatives"); err == nil {
		args = append(args, "-v", "/etc/alternatives:/etc/alternatives:ro")
	}
	return args
}
