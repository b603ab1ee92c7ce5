package oci

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemons are a containerd and a dockerd of the tests' own.
type daemons struct {
	dir  string
	host string   // of DOCKER_HOST
	sock string   // of containerd
	env  []string // of clients
}

// start starts both, and ends them with the test. Containers have no network.
func start(t *testing.T) *daemons {
	t.Helper()
	return startWith(t, []string{"dockerd"}, "--bridge", "none", "--iptables=false", "--ip6tables=false")
}

// startWith starts dockerd by the words of a command, with more arguments.
func startWith(t *testing.T, dockerd []string, more ...string) *daemons {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can start dockerd")
	}
	dir := memoryDir(t, "hull-oci")
	d := &daemons{dir: dir, host: "unix://" + filepath.Join(dir, "docker.sock")}
	d.env = append(os.Environ(), "DOCKER_HOST="+d.host, "DOCKER_CONFIG="+dir, "LC_ALL=C", "DOCKER_BUILDKIT=0")
	d.sock = filepath.Join(dir, "c.sock")
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n",
		filepath.Join(dir, "croot"), filepath.Join(dir, "cstate"), d.sock)
	write(t, filepath.Join(dir, "config.toml"), config)
	daemon(t, dir, d.sock, "containerd", "--config", filepath.Join(dir, "config.toml"))
	installed(t, "docker", d.config(), "{ \"default-runtime\":\"runc\" ,\n\t\"labels\" : [\"a={\"] }")
	args := append(dockerd[1:], "--config-file", d.config(),
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "docker.pid"),
		"--host", d.host, "--containerd", d.sock)
	daemon(t, dir, filepath.Join(dir, "docker.sock"), dockerd[0], append(args, more...)...)
	makeImage(t, d.archive())
	in, err := os.Open(d.archive())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := exec.Command("docker", "load")
	c.Env, c.Stdin = d.env, in
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("docker load: %v\n%s", err, out)
	}
	return d
}

// memoryDir makes a directory that is gone with the test, in memory: daemons have
// much written to stable storage. Its name is short, as those of sockets are.
func memoryDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", name)
	if err == nil {
		err = syscall.Mount(name, dir, "tmpfs", 0, "mode=755")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmountBelow(dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// archive is the file that has the image.
func (d *daemons) archive() string { return filepath.Join(d.dir, "image.tar") }

// config is dockerd's configuration file.
func (d *daemons) config() string { return filepath.Join(d.dir, "daemon.json") }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// daemon starts a program and waits until it has made its socket.
func daemon(t *testing.T, dir, socket, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			t.Errorf("%s did not end", name)
		}
	})
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil && answers(name, socket) {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			b, _ := os.ReadFile(log.Name())
			t.Fatalf("%s: %v\n%s", name, err, b)
		default:
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not come up:\n%s", name, b)
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

// unmountBelow takes away what daemons that were killed left mounted.
func unmountBelow(dir string) {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 4 && strings.HasPrefix(f[4], dir) {
			_ = syscall.Unmount(f[4], syscall.MNT_DETACH)
		}
	}
}
