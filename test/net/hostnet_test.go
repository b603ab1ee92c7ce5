package net

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/test/internal/netns"
	"hull/test/internal/sandbox"
)

// With --network=host a guest's sockets are those of the namespace that the sandbox
// is started in. Those here are of the test's own.

// hostWorld is a namespace with a loopback interface, in which everybody may have
// small ports and send echoes: the sentry is nobody.
type hostWorld struct {
	*testing.T
	in func(func())
}

func newHostWorld(t *testing.T) *hostWorld {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make network namespaces")
	}
	w := &hostWorld{t, netns.New(t)}
	w.in(func() {
		ip(t, "link set lo up")
		for path, value := range map[string]string{"ip_unprivileged_port_start": "0", "ping_group_range": "0 2147483647"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+path, []byte(value), 0); err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

// command is a command in the namespace, which ends with the test.
func (w *hostWorld) command(argv ...string) *exec.Cmd {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	w.Cleanup(cancel)
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.WaitDelay = time.Second
	return c
}

// run runs a command in the namespace to its end.
func (w *hostWorld) run(c *exec.Cmd) (string, error) {
	var out bytes.Buffer
	var err error
	c.Stdout, c.Stderr = &out, &out
	w.in(func() { err = c.Start() })
	if err == nil {
		err = c.Wait()
	}
	return out.String(), err
}

// start starts a command in the namespace, which is killed with the test.
func (w *hostWorld) start(c *exec.Cmd) *exec.Cmd {
	w.Helper()
	var err error
	w.in(func() { err = c.Start() })
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	})
	return c
}

// hull is a command in a sandbox.
func (w *hostWorld) hull(argv ...string) []string {
	return append([]string{sandbox.Binary(w.T), "--network=host", "do", "--"}, argv...)
}

// serves waits until somebody listens at a port.
func (w *hostWorld) serves(port string) {
	w.Helper()
	end := time.Now().Add(time.Minute)
	for {
		var c net.Conn
		var err error
		w.in(func() { c, err = net.Dial("tcp", "127.0.0.1:"+port) })
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			w.Fatalf("nobody listens at %s: %v", port, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The programs about sockets do as they do on the host: those of test/parity that
// need no capability of the namespace.
func TestHostNetworkParity(t *testing.T) {
	for _, name := range []string{
		"net_control", "net_dual", "net_epoll", "net_messages", "net_multicast", "net_nonblock_connect", "net_tcp_errors", "net_tcp_states", "net_udp",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := sandbox.Compile(t, filepath.Join("..", "parity", "testdata", name+".c"), "-static")
			run := func(argv ...string) string {
				w := newHostWorld(t)
				c := w.command(argv...)
				c.Dir, c.Env = t.TempDir(), []string{"NET_IS_FRESH=1"}
				out, err := w.run(c)
				if err != nil {
					out += err.Error()
				}
				return out
			}
			const attempts = 3 // as those of test/parity have
			for try := 1; ; try++ {
				want := run(program)
				got := run(sandbox.Binary(t), "--network=host", "do", "--env", "NET_IS_FRESH=1", "--", program)
				if want == got {
					return
				}
				if try == attempts {
					t.Fatalf("on the host:\n%s\nin hull:\n%s", want, got)
				}
				t.Logf("attempt %d differs", try)
			}
		})
	}
}

// iperf has a client of a server in the sandbox move bytes for a second, and returns
// how many arrived. The server does not listen while it begins, and between two.
func (w *hostWorld) iperf(args []string) (out string, bytes float64, err error) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err = w.run(w.command(append([]string{"iperf3", "-c", "127.0.0.1", "-p", "5201", "-t", "1", "-J"}, args...)...))
		var r struct {
			Error string
			End   struct {
				Received struct {
					Bytes float64
				} `json:"sum_received"`
				Sum struct{ Bytes float64 }
			}
		}
		if e := json.Unmarshal([]byte(out), &r); e != nil {
			return out, 0, e
		}
		if r.Error == "" || time.Now().After(end) {
			return out, max(r.End.Received.Bytes, r.End.Sum.Bytes), err
		}
	}
}

func TestHostNetworkSoftware(t *testing.T) {
	w := newHostWorld(t)
	t.Run("iperf3", func(t *testing.T) {
		w := &hostWorld{t, w.in}
		w.start(w.command(w.hull("iperf3", "-s", "-p", "5201")...))
		for _, args := range [][]string{{}, {"-R"}, {"-u", "-b", "200M"}} {
			out, n, err := w.iperf(args)
			if err != nil || n < 1<<20 {
				t.Errorf("iperf3 %q: %v, %.0f bytes\n%.2000s", args, err, n, out)
			}
		}
	})
	t.Run("curl", func(t *testing.T) {
		w := &hostWorld{t, w.in}
		var l net.Listener
		var err error
		w.in(func() { l, err = net.Listen("tcp", "127.0.0.1:0") })
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("0123456789abcdef"), 1<<20))
		})}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { s.Close() })
		out, err := w.run(w.command(w.hull("curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", "http://"+l.Addr().String())...))
		if out != "16777216" || err != nil {
			t.Errorf("curl: %q, %v", out, err)
		}
	})
	t.Run("redis", func(t *testing.T) {
		w := &hostWorld{t, w.in}
		w.start(w.command(w.hull("redis-server", "--port", "6379", "--save", "", "--dir", "/tmp")...))
		w.serves("6379")
		out, err := w.run(w.command("redis-benchmark", "-t", "set,get", "-n", "2000", "-c", "20", "-q"))
		if strings.Count(out, "requests per second") != 2 || err != nil {
			t.Errorf("redis-benchmark: %v\n%s", err, out)
		}
	})
	t.Run("view", func(t *testing.T) {
		w := &hostWorld{t, w.in}
		w.in(func() {
			ip(t, "link add seen0 mtu 1410 type veth peer name seen1")
			ip(t, "addr add 10.77.0.1/24 dev seen0")
			ip(t, "link set seen0 up")
			ip(t, "link set seen1 up")
		})
		out, err := w.run(w.command(w.hull("sh", "-c", `ip -br addr show dev seen0 && ip route && cat /sys/class/net/seen0/mtu
			ip link set seen0 down; ip addr add 10.88.0.1/24 dev lo
			busybox nc -l -p 4567 &
			for i in $(seq 200); do ss -Htln | grep LISTEN && break; sleep 0.1; done
			ping -c 1 -W 10 10.77.0.1`)...))
		for _, want := range []string{"10.77.0.1/24", "10.77.0.0/24 dev seen0", "\n1410\n", "RTNETLINK answers: Operation not permitted", "1 received", "LISTEN"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s\n%v", want, out, err)
			}
		}
	})
}

// A container's sentry is in the namespace that its configuration names, or in one
// of its own, and nobody else of the sandbox is.
func TestHostNetworkContainer(t *testing.T) {
	w := newHostWorld(t)
	path := ""
	w.in(func() { path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()) })
	there, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("named", func(t *testing.T) {
		c := newHostContainer(t, &specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: path}, nil)
		c.serve(t)
		w := &hostWorld{t, w.in}
		if got := c.network(t, c.pid(t)); got != there {
			t.Errorf("the sentry is in %s, not in %s", got, there)
		}
		w.serves("80")
	})
	t.Run("own", func(t *testing.T) {
		// The groups are more than the sentry's user namespace has.
		c := newHostContainer(t, &specs.LinuxNamespace{Type: specs.NetworkNamespace},
			map[string]string{"net.ipv4.ip_unprivileged_port_start": "80", "net.ipv4.ping_group_range": "0 2147483647"})
		c.serve(t)
		here, err := os.Readlink("/proc/self/ns/net")
		if got := c.network(t, c.pid(t)); err != nil || got == here || got == there {
			t.Errorf("the sentry is in %s, %v", got, err)
		}
		out, err := exec.Command("nsenter", "-t", fmt.Sprint(c.pid(t)), "-n", "ip", "-br", "link", "show", "dev", "lo").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "UP") {
			t.Errorf("its loopback interface: %s, %v", out, err)
		}
		out, err = exec.Command("nsenter", "-t", fmt.Sprint(c.pid(t)), "-n", "cat", "/proc/sys/net/ipv4/ping_group_range").CombinedOutput()
		if err != nil || strings.Join(strings.Fields(string(out)), " ") != "0 2147483647" {
			t.Errorf("who may ping: %s, %v", out, err)
		}
	})
	t.Run("a user's own", testHostNetworkOfUser)
	t.Run("refused", func(t *testing.T) {
		c := newHostContainer(t, nil, map[string]string{"net.ipv4.ip_forward": "0"})
		out, err := c.command("create", "--bundle", c.dir, c.id).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "linux.sysctl: net.ipv4.ip_forward: is of the host's own network") {
			t.Errorf("a parameter of the host's own namespace: %v: %s", err, out)
		}
	})
}

// A user has no way into a new namespace, but his container has its loopback interface,
// and its parameters.
func testHostNetworkOfUser(t *testing.T) {
	const nobody = 65534
	c := newHostContainer(t, &specs.LinuxNamespace{Type: specs.NetworkNamespace}, map[string]string{"net.ipv4.ip_unprivileged_port_start": "80"})
	own := []specs.LinuxIDMapping{{HostID: nobody, Size: 1}}
	c.change(t, func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings, s.Linux.GIDMappings = own, own
		s.Process.Args = []string{"/busybox", "sh", "-c", "/busybox httpd -p 80 -h / && /busybox wget -qO- http://127.0.0.1/hello"}
	})
	// The binary may be where only root reaches it.
	bin := filepath.Join(c.dir, "hull")
	b, err := os.ReadFile(sandbox.Binary(t))
	if err == nil {
		err = errors.Join(os.Chmod(filepath.Dir(c.dir), 0o755), os.WriteFile(bin, b, 0o755), os.WriteFile(filepath.Join(c.dir, "rootfs", "hello"), []byte("from the guest"), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", strconv.Itoa(nobody), c.dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	run := func() (string, error) {
		cmd := c.command("run", "--bundle", c.dir, c.id)
		cmd.Path, cmd.Args[0], cmd.Dir = bin, bin, c.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil || out != "from the guest" {
		t.Errorf("%v: %s", err, out)
	}
	c.change(t, func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.nosuch": "1"} })
	if out, err := run(); err == nil || !strings.Contains(out, "linux.sysctl: net.ipv4.nosuch: no such file or directory") {
		t.Errorf("a parameter that there is not: %v: %s", err, out)
	}
}

// change changes the configuration.
func (c *hostContainer) change(t *testing.T, f func(*specs.Spec)) {
	t.Helper()
	name := filepath.Join(c.dir, "config.json")
	var s specs.Spec
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil {
		f(&s)
		b, err = json.Marshal(&s)
	}
	if err == nil {
		err = os.WriteFile(name, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hostContainer is a container with --network=host.
type hostContainer struct{ dir, id string }

func newHostContainer(t *testing.T, ns *specs.LinuxNamespace, sysctl map[string]string) *hostContainer {
	t.Helper()
	c := &hostContainer{t.TempDir(), fmt.Sprintf("hostnet-%d", os.Getpid())}
	root := filepath.Join(c.dir, "rootfs")
	for _, d := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "dev")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	box, err := os.ReadFile("/bin/busybox")
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "busybox"), box, 0o755)
	}
	s := &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: root, Readonly: true},
		Process: &specs.Process{Args: []string{"/busybox", "httpd", "-f", "-p", "80", "-h", "/"}, Cwd: "/"},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux:   &specs.Linux{Sysctl: sysctl, Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}}},
	}
	if ns != nil {
		s.Linux.Namespaces = append(s.Linux.Namespaces, *ns)
	}
	b, err2 := json.Marshal(s)
	if err == nil && err2 == nil {
		err = os.WriteFile(filepath.Join(c.dir, "config.json"), b, 0o644)
	}
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return c
}

func (c *hostContainer) command(args ...string) *exec.Cmd {
	bin := os.Getenv("HULL_BIN")
	if bin == "" {
		bin = filepath.Join(sandbox.Repository(), "bin", "hull")
	}
	return exec.Command(bin, append([]string{"--root", filepath.Join(c.dir, "state"), "--log", filepath.Join(c.dir, "log"), "--network=host"}, args...)...)
}

// serve runs the container, which listens at port 80.
func (c *hostContainer) serve(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { _ = c.command("delete", "--force", c.id).Run() })
	for _, args := range [][]string{{"create", "--bundle", c.dir, c.id}, {"start", c.id}} {
		cmd := c.command(args...)
		errs, err := os.Create(filepath.Join(c.dir, "errors"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = errs // no pipe: the container has it too
		err = cmd.Run()
		errs.Close()
		if err != nil {
			b, _ := os.ReadFile(errs.Name())
			t.Fatalf("hull %q: %v: %s", args, err, b)
		}
	}
	b, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil || !strings.Contains(string(b), "isolation is reduced") {
		t.Errorf("the log has no warning: %s, %v", b, err)
	}
}

// pid is the sentry.
func (c *hostContainer) pid(t *testing.T) int {
	t.Helper()
	var s specs.State
	out, err := c.command("state", c.id).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil || s.Pid == 0 {
		t.Fatalf("hull state: %v: %s", err, out)
	}
	return s.Pid
}

// network is the network namespace of a process.
func (c *hostContainer) network(t *testing.T, pid int) string {
	t.Helper()
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Error(err)
	}
	return ns
}
