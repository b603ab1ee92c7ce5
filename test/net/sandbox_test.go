package net

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/test/internal/netns"
	"hull/test/internal/sandbox"
)

// The addresses of a guest, and of the host beside it. Everything else is behind
// the host, which forwards nothing.
const (
	guest4, host4 = "10.66.0.2", "10.66.0.1"
	guest6, host6 = "fd66::2", "fd66::1"
)

var guestHW, hostHW = [6]byte{2, 0, 0, 0, 66, 2}, [6]byte{2, 0, 0, 0, 66, 1}

// guest is a sandbox with the program of testdata/guest in it, at the other end of a veth.
type guest struct {
	linux  func(func()) // see world
	wire   int          // an AF_PACKET socket that sends from the host's end
	sentry int
	// witness is the end of the connection that is watched (see watch).
	witness netip.AddrPort
}

// startGuest makes a sandbox, which ends with the test.
func startGuest(t *testing.T) *guest {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make network namespaces")
	}
	g := &guest{linux: netns.New(t)}
	inside := netns.New(t)
	path := ""
	inside(func() { path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()) })
	g.linux(func() {
		ip(t, "link add host address 02:00:00:00:42:01 type veth peer name eth0 address 02:00:00:00:42:02 netns "+path)
		ip(t, "addr add "+host4+"/16 dev host")
		ip(t, "-6 addr add "+host6+"/64 dev host nodad")
		ip(t, "link set host up")
		ip(t, "link set lo up")
	})
	inside(func() {
		ip(t, "addr add "+guest4+"/16 dev eth0")
		ip(t, "-6 addr add "+guest6+"/64 dev eth0 nodad")
		ip(t, "link set eth0 up")
		ip(t, "link set lo up")
		ip(t, "route add default via "+host4)
		ip(t, "-6 route add default via "+host6)
	})
	g.run(t, path)
	g.linux(func() {
		i, err := net.InterfaceByName("host")
		if err == nil {
			if g.wire, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
				err = unix.Bind(g.wire, &unix.SockaddrLinklayer{Protocol: 0, Ifindex: i.Index})
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() { _ = unix.Close(g.wire) })
	return g
}

// run starts the sandbox in the network namespace at path.
func (g *guest) run(t *testing.T, path string) {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	for _, d := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "dev")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "guest"), "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	caps := []string{"CAP_NET_BIND_SERVICE"}
	b, err := json.Marshal(&specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: root, Readonly: true},
		Process: &specs.Process{
			Args: []string{"/guest"}, Cwd: "/", Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 20000, Hard: 20000}},
		},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux:  &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "network", Path: path}}},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	id, state := fmt.Sprintf("flooded-%d", os.Getpid()), filepath.Join(dir, "state")
	hull := func(args ...string) *exec.Cmd {
		return exec.Command(sandbox.Binary(t), append([]string{"--root", state}, args...)...)
	}
	c := hull("run", "--bundle", dir, id)
	ready := &firstLine{got: make(chan string, 1)}
	var errs bytes.Buffer
	c.Stdout, c.Stderr = ready, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hull("delete", "--force", id).Run()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("hull said: %s", errs.String())
		}
	})
	select {
	case <-ready.got:
	case <-time.After(time.Minute):
		t.Fatalf("the sandbox does not start: %s", errs.String())
	}
	out, err := hull("state", id).Output()
	var s specs.State
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil || s.Pid == 0 {
		t.Fatalf("hull state: %v: %s", err, out)
	}
	g.sentry = s.Pid
}

// firstLine is a writer that tells when it has got a line.
type firstLine struct {
	b   bytes.Buffer
	got chan string
}

func (f *firstLine) Write(p []byte) (int, error) {
	if had := bytes.IndexByte(f.b.Bytes(), '\n') >= 0; !had {
		f.b.Write(p)
		if l, _, ok := strings.Cut(f.b.String(), "\n"); ok {
			f.got <- l
		}
	}
	return len(p), nil
}

// memory is what the sentry itself takes of the host's memory, in MiB: the guest's
// pages, which are shared with its stubs, are not counted.
func (g *guest) memory() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.sentry))
	if err != nil {
		return 0, fmt.Errorf("the sentry is gone: %w", err)
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == "RssAnon:" {
			n, err := strconv.Atoi(f[1])
			return n >> 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no memory: it ended", g.sentry)
}

// dial connects to a port of the guest.
func (g *guest) dial(network, addr string, port int) (c net.Conn, err error) {
	g.linux(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		var d net.Dialer
		c, err = d.DialContext(ctx, network, net.JoinHostPort(addr, strconv.Itoa(port)))
	})
	return c, err
}

// file is what a file of the guest's has in it.
func (g *guest) file(t *testing.T, name string) string {
	t.Helper()
	c, err := g.dial("tcp", guest4, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintln(c, name)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// counters are those of /proc/net/snmp and netstat, as "Tcp.InSegs", and of snmp6.
func (g *guest) counters(t *testing.T) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	var names []string
	for l := range strings.Lines(g.file(t, "/proc/net/snmp") + g.file(t, "/proc/net/netstat")) {
		f := strings.Fields(l)
		if len(f) == 0 {
			continue
		}
		if len(names) == len(f) && names[0] == f[0] {
			for i, v := range f[1:] {
				all[strings.TrimSuffix(f[0], ":")+"."+names[i+1]], _ = strconv.ParseInt(v, 10, 64)
			}
			names = nil
		} else {
			names = f
		}
	}
	for l := range strings.Lines(g.file(t, "/proc/net/snmp6")) {
		if f := strings.Fields(l); len(f) == 2 {
			all[f[0]], _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return all
}
