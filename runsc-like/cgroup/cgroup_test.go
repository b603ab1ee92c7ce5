package cgroup

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

// The tests with real cgroups run in each layout that the host's kernel can
// show: as it is, and, in mount namespaces of their own, v1 alone and v2 alone.
const layoutEnv = "HULL_CGROUP_TEST_LAYOUT"

// cannotEnter is what a test process says that could not make its layout.
const cannotEnter = "the layout cannot be mounted:"

// TestMain mounts what is asked for, in the namespace that TestLayouts made, and
// begins again: the library looks at the host when a program starts.
func TestMain(m *testing.M) {
	layout := os.Getenv(layoutEnv)
	if layout == "" || layout == "entered" {
		os.Exit(m.Run())
	}
	mount := func() error { return mountLayout(layout) }
	if layout == "systemd" {
		mount = mountSystemd
	}
	err := mount()
	if err == nil {
		err = os.Setenv(layoutEnv, "entered")
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Println(cannotEnter, err)
	os.Exit(0)
}

func mountLayout(name string) error {
	const root = "/sys/fs/cgroup"
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if name == "v2" {
		return unix.Mount("cgroup2", root, "cgroup2", 0, "")
	}
	err := unix.Unmount(root+"/unified", unix.MNT_DETACH)
	if err == unix.EINVAL || err == unix.ENOENT {
		return nil // there was none
	}
	return err
}

func TestLayouts(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(layoutEnv) != "" {
		t.Skip("for root, and once")
	}
	for _, layout := range []string{"v1", "v2"} {
		t.Run(layout, func(t *testing.T) {
			if layout == "v1" && isCgroup("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC) {
				t.Skip("the host has v2 only")
			}
			c := exec.Command("/proc/self/exe", "-test.run=^TestReal", "-test.v")
			c.Env = append(os.Environ(), layoutEnv+"="+layout)
			c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
			out, err := c.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(out), cannotEnter) {
				t.Skip("the host does not allow to mount it")
			}
		})
	}
}

// testManager returns a cgroup that is gone at the end, whatever happens.
func testManager(t *testing.T, spec *specs.Spec) *Manager {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make cgroups here")
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	id := fmt.Sprintf("hull-test-%d", os.Getpid())
	if spec.Linux.CgroupsPath == "" {
		spec.Linux.CgroupsPath = "/" + id + "/" + strings.ReplaceAll(t.Name(), "/", "-")
	}
	m, err := New(spec, id, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Kill(ctx); err != nil {
			t.Error(err)
		}
		for _, dir := range m.Paths() {
			defer os.Remove(filepath.Dir(dir))
		}
		if err := m.Destroy(); err != nil {
			t.Error(err)
		}
		for name, dir := range m.State().Paths {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s: %s was left", name, dir)
			}
		}
	})
	return m
}

// child starts a shell that has n children, and returns it.
func child(t *testing.T, n int) *exec.Cmd {
	t.Helper()
	c := exec.Command("sh", "-c", "read x; for i in `seq $0`; do sleep 1000 & done; echo; wait", strconv.Itoa(n))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	c.Cancel = func() error { // lets it fork, and waits until it has
		fmt.Fprintln(in)
		_, err := bufio.NewReader(out).ReadString('\n')
		return err
	}
	return c
}

func TestRealLife(t *testing.T) {
	m := testManager(t, &specs.Spec{})
	if m.Exists() {
		t.Error("it is there before Apply")
	}
	if pids, err := m.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("Pids before Apply = %v, %v", pids, err)
	}
	a, b := child(t, 3), child(t, 0)
	if err := m.Apply(a.Process.Pid, b.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := a.Cancel(); err != nil {
		t.Fatal(err)
	}
	pids, err := m.Pids()
	if err != nil || len(pids) != 5 || !slices.Contains(pids, a.Process.Pid) || !slices.Contains(pids, b.Process.Pid) {
		t.Errorf("Pids = %v, %v, want %d, %d and 3 more", pids, err, a.Process.Pid, b.Process.Pid)
	}

	// Another process of hull finds it again by its state.
	state, err := json.Marshal(m.State())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(state, &s); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Apply(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("Apply of a cgroup in use = %v", err)
	}
	if err := again.Freeze(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := m.Frozen(); !frozen || err != nil {
		t.Errorf("Frozen = %v, %v", frozen, err)
	}
	if st := stateOf(a.Process.Pid); st != "D" && st != "S" {
		t.Errorf("a frozen process is in state %s", st)
	}
	// Frozen or not, it dies.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	reaped := make(chan struct{})
	go func() { _, _ = a.Process.Wait(); _, _ = b.Process.Wait(); close(reaped) }()
	if err := again.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	<-reaped
	if pids, err := m.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("Pids after Kill = %v, %v", pids, err)
	}
	if err := again.Destroy(); err != nil {
		t.Fatal(err)
	}
	if m.Exists() {
		t.Error("it is there after Destroy")
	}
	if err := again.Destroy(); err != nil {
		t.Errorf("Destroy for the second time: %v", err)
	}
}

func stateOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err.Error()
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:1]
}

// file returns what a v1 controller's file says.
func file(t *testing.T, m *Manager, controller, name string) string {
	t.Helper()
	dir := m.Paths()[controller]
	if dir == "" || !isCgroup(dir, unix.CGROUP_SUPER_MAGIC) {
		t.Skip("the host has no v1 controller " + controller)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestRealLimits(t *testing.T) {
	m := testManager(t, &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))},
		CPU:    &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000)), Cpus: "0"},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(7))},
	}}})
	if isCgroup("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC) {
		t.Skip("the controllers of this kernel are with v1")
	}
	if err := m.Apply(); err != nil {
		t.Fatal(err)
	}
	check := func(want map[[2]string]string) {
		t.Helper()
		for f, w := range want {
			if got := file(t, m, f[0], f[1]); got != w {
				t.Errorf("%s = %q, want %q", f[1], got, w)
			}
		}
	}
	want := map[[2]string]string{
		{"memory", "memory.limit_in_bytes"}: "67108864",
		{"cpu", "cpu.shares"}:               "512", {"cpu", "cpu.cfs_quota_us"}: "50000",
		{"cpuset", "cpuset.cpus"}: "0", {"pids", "pids.max"}: "7",
	}
	check(want)
	// An update changes what it names, and nothing else.
	if err := m.Update(&specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(32 << 20))}, Pids: &specs.LinuxPids{Limit: ptr(int64(-1))},
	}); err != nil {
		t.Fatal(err)
	}
	want[[2]string{"memory", "memory.limit_in_bytes"}] = "33554432"
	want[[2]string{"pids", "pids.max"}] = "max"
	check(want)
	// One that fails leaves what was.
	if err := m.Update(&specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(16 << 20))}, CPU: &specs.LinuxCPU{Cpus: "4000"},
	}); err == nil {
		t.Error("an update to a CPU that does not exist went well")
	}
	check(want)
	s, err := m.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Memory.Usage.Limit != 32<<20 {
		t.Errorf("Stats: the limit of memory is %d", s.Memory.Usage.Limit)
	}
}

func TestRealDevices(t *testing.T) {
	m := testManager(t, &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: ptr(int64(1)), Minor: ptr(int64(11)), Access: "r"}},
	}}})
	err := m.Apply()
	if err != nil && isCgroup("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC) && strings.Contains(err.Error(), "CAP_") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", "read x; exec 3</dev/null && echo null; mknod $0/loop b 7 0 && echo made; exec 4<$0/loop; echo never", t.TempDir())
	in, _ := c.StdinPipe()
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(c.Process.Pid); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(in)
	_ = c.Wait()
	if s := out.String(); !strings.HasPrefix(s, "null\nmade\n") || strings.Contains(s, "never") || !strings.Contains(s, "not permitted") {
		t.Errorf("a process under device rules said %q", s)
	}
}

// A guest that takes more memory than it may is killed, and watchers are told.
func TestRealOOM(t *testing.T) {
	m := testManager(t, &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(16 << 20)), Swap: ptr(int64(16 << 20))},
	}}})
	if isCgroup("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC) {
		t.Skip("the controllers of this kernel are with v1")
	}
	if err := m.Apply(); err != nil {
		if strings.Contains(err.Error(), "memsw") {
			t.Skip("this kernel does not count swap")
		}
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	oom, err := m.OOM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", "read x; exec tail /dev/zero")
	in, _ := c.StdinPipe()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(c.Process.Pid); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(in)
	_ = c.Wait()
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v", c.ProcessState)
	}
	select {
	case <-oom:
	case <-time.After(10 * time.Second):
		t.Error("nothing was told")
	}
	if n, err := m.OOMKills(); err != nil || n == 0 {
		t.Errorf("OOMKills = %d, %v", n, err)
	}
	cancel()
	for range oom {
	}
}
