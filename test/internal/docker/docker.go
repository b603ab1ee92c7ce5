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
	"slices"
	"strings"
	"syscall"
)

// Options says how dockerd is started.
type Options struct {
	Runtimes map[string]string // paths by name; runc is there without
	// RuntimeArgs are arguments of runtimes, by name.
	RuntimeArgs map[string][]string
	// Bridge is an interface that is there, for containers that ask for a
	// network; without one they get none.
	Bridge string
	// OwnBridge lets dockerd make docker0 instead, and its rules of the packet
	// filter.
	OwnBridge bool
	// Config is the file that dockerd has its configuration from; without one it knows
	// Runtimes and nothing else.
	Config string
	// InMemory has both keep their files in memory: they have much written to stable
	// storage.
	InMemory bool
	Command  []string // the words that start dockerd; nil is its name
	Args     []string // more arguments of dockerd
}

// Daemons are a containerd and a dockerd.
type Daemons struct {
	Dir        string // which is gone after Close
	Host       string // of DOCKER_HOST
	Containerd string // the socket of containerd
	Env        []string

	running []*Daemon
}

// Start starts both; the caller is root.
func Start(o Options) (*Daemons, error) {
	newDir := func(name string) (string, error) { return os.MkdirTemp("", name) }
	if o.InMemory {
		newDir = MemoryDir
	}
	dir, err := newDir("hull-docker") // sockets have short names
	if err != nil {
		return nil, err
	}
	d := &Daemons{Dir: dir, Host: "unix://" + filepath.Join(dir, "docker.sock"), Containerd: filepath.Join(dir, "c.sock")}
	d.Env = append(os.Environ(), "DOCKER_HOST="+d.Host, "DOCKER_CONFIG="+dir, "LC_ALL=C", "DOCKER_BUILDKIT=0")
	if err := d.start(o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// MemoryDir makes a directory in memory, which UnmountBelow and removing it end.
func MemoryDir(name string) (string, error) {
	dir, err := os.MkdirTemp("", name)
	if err == nil {
		err = syscall.Mount(name, dir, "tmpfs", 0, "mode=755")
	}
	return dir, err
}

func (d *Daemons) start(o Options) error {
	in := func(name string) string { return filepath.Join(d.Dir, name) }
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n",
		in("croot"), in("cstate"), d.Containerd)
	if err := os.WriteFile(in("config.toml"), []byte(config), 0o644); err != nil {
		return err
	}
	if err := d.run(d.Containerd, "containerd", "--config", in("config.toml")); err != nil {
		return err
	}
	if o.Config == "" {
		o.Config = in("daemon.json")
		if err := o.configure(); err != nil {
			return err
		}
	}
	command := o.Command
	if len(command) == 0 {
		command = []string{"dockerd"}
	}
	args := append(slices.Clone(command[1:]), "--config-file", o.Config, "--data-root", in("data"), "--exec-root", in("exec"),
		"--pidfile", in("docker.pid"), "--host", d.Host, "--containerd", d.Containerd)
	if !o.OwnBridge {
		bridge := o.Bridge
		if bridge == "" {
			bridge = "none"
		}
		args = append(args, "--bridge", bridge, "--iptables=false", "--ip6tables=false")
	}
	return d.run(in("docker.sock"), command[0], append(args, o.Args...)...)
}

// configure makes the configuration file of dockerd.
func (o *Options) configure() error {
	type runtime struct {
		Path string   `json:"path"`
		Args []string `json:"runtimeArgs,omitempty"`
	}
	runtimes := map[string]runtime{}
	for name, path := range o.Runtimes {
		if name != "runc" { // which dockerd knows of itself
			runtimes[name] = runtime{path, o.RuntimeArgs[name]}
		}
	}
	b, err := json.Marshal(map[string]any{"runtimes": runtimes})
	if err != nil {
		return err
	}
	return os.WriteFile(o.Config, b, 0o644)
}

func (d *Daemons) run(socket, name string, args ...string) error {
	p, err := Run(d.Dir, socket, name, args...)
	if err != nil {
		return err
	}
	d.running = append(d.running, p)
	return nil
}

// Log returns what a daemon has said.
func (d *Daemons) Log(name string) string { return readLog(d.Dir, name) }

// Close ends both and removes what they had.
func (d *Daemons) Close() error {
	var err error
	for _, p := range slices.Backward(d.running) {
		err = errors.Join(err, p.Close())
	}
	UnmountBelow(d.Dir) // daemons that were killed leave mounts
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
