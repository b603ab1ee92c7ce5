package cgroup

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// There is no systemd on most machines that test. What the driver asks of it is
// seen by one of the tests' own, on a bus of its own, which keeps the processes of
// units in its hierarchy, and leaves the controllers of v1 to the driver.

// mountSystemd makes the host look as if systemd had booted it, with v1.
func mountSystemd() error {
	if err := mountLayout("v1"); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	return os.MkdirAll("/run/systemd/system", 0o755)
}

func TestSystemd(t *testing.T) {
	switch {
	case os.Geteuid() != 0 || os.Getenv(layoutEnv) != "":
		t.Skip("for root, and once")
	case isCgroup("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC):
		t.Skip("the host has v2 only")
	}
	c := exec.Command("/proc/self/exe", "-test.run=^TestBus", "-test.v")
	c.Env = append(os.Environ(), layoutEnv+"=systemd")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestBus") {
		t.Fatal(err)
	}
}

// request is a call of the manager's.
type request struct {
	method, unit string
	props        map[string]any
	pids         []uint32
}

// fakeSystemd is org.freedesktop.systemd1.
type fakeSystemd struct {
	conn *dbus.Conn
	mu   sync.Mutex // guards what follows
	jobs uint32
	seen []request
	dirs map[string]string // of units, in the hierarchy name=systemd
}

// hold puts processes into the directory of a unit.
func (f *fakeSystemd) hold(unit string, pids []uint32) *dbus.Error {
	f.mu.Lock()
	dir := f.dirs[unit]
	f.mu.Unlock()
	err := os.MkdirAll(dir, 0o755)
	for _, pid := range pids {
		if err == nil {
			err = cgroups.WriteCgroupProc(dir, int(pid))
		}
	}
	if err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}

// property is a property of a unit as it is sent.
type property struct {
	Name  string
	Value dbus.Variant
}

// auxiliary is a further unit of a call.
type auxiliary struct {
	Name  string
	Props []property
}

func (f *fakeSystemd) note(r request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r)
}

// job says that a job was done, as its caller waits for.
func (f *fakeSystemd) job(unit string) dbus.ObjectPath {
	f.mu.Lock()
	f.jobs++
	id := f.jobs
	f.mu.Unlock()
	path := dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", id))
	_ = f.conn.Emit("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager.JobRemoved", id, path, unit, "done")
	return path
}

func values(props []property) map[string]any {
	m := map[string]any{}
	for _, p := range props {
		m[p.Name] = p.Value.Value()
	}
	return m
}

func (f *fakeSystemd) Subscribe() *dbus.Error { return nil }

func (f *fakeSystemd) StartTransientUnit(unit, _ string, props []property, _ []auxiliary) (dbus.ObjectPath, *dbus.Error) {
	r := request{"StartTransientUnit", unit, values(props), nil}
	r.pids, _ = r.props["PIDs"].([]uint32)
	f.note(r)
	if len(r.pids) == 0 {
		return "", dbus.MakeFailedError(fmt.Errorf("a scope without processes"))
	}
	slice, _ := r.props["Slice"].(string)
	f.mu.Lock()
	f.dirs[unit] = filepath.Join("/sys/fs/cgroup/systemd", slice, unit)
	f.mu.Unlock()
	if err := f.hold(unit, r.pids); err != nil {
		return "", err
	}
	return f.job(unit), nil
}

func (f *fakeSystemd) StopUnit(unit, _ string) (dbus.ObjectPath, *dbus.Error) {
	f.note(request{"StopUnit", unit, nil, nil})
	return f.job(unit), nil
}

func (f *fakeSystemd) ResetFailedUnit(unit string) *dbus.Error {
	f.note(request{"ResetFailedUnit", unit, nil, nil})
	return nil
}

func (f *fakeSystemd) SetUnitProperties(unit string, _ bool, props []property) *dbus.Error {
	f.note(request{"SetUnitProperties", unit, values(props), nil})
	return nil
}

func (f *fakeSystemd) AttachProcessesToUnit(unit, _ string, pids []uint32) *dbus.Error {
	f.note(request{"AttachProcessesToUnit", unit, nil, pids})
	return f.hold(unit, pids)
}

// Get is of org.freedesktop.DBus.Properties, for the manager and its units.
func (f *fakeSystemd) Get(_, name string) (dbus.Variant, *dbus.Error) {
	switch name {
	case "Version":
		return dbus.MakeVariant("252"), nil
	case "DevicePolicy":
		return dbus.MakeVariant("auto"), nil
	case "DeviceAllow":
		return dbus.MakeVariant([][]any{}), nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", nil)
}

// take returns the calls of one method since the last time.
func (f *fakeSystemd) take(method string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []request
	f.seen = slices.DeleteFunc(f.seen, func(r request) bool {
		if r.method == method {
			got = append(got, r)
		}
		return r.method == method
	})
	return got
}

// startSystemd starts a bus, and systemd on it.
func startSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "hull-bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := "unix:path=" + filepath.Join(dir, "bus")
	config := `<busconfig><type>system</type><listen>` + address + `</listen><auth>EXTERNAL</auth><policy context="default">` +
		`<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	name := filepath.Join(dir, "config")
	if err := os.WriteFile(name, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file", name)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	f := &fakeSystemd{dirs: map[string]string{}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if f.conn, err = dbus.Connect(address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { f.conn.Close() })
	const manager, properties = "org.freedesktop.systemd1.Manager", "org.freedesktop.DBus.Properties"
	for _, err := range []error{
		f.conn.Export(f, "/org/freedesktop/systemd1", manager),
		f.conn.Export(f, "/org/freedesktop/systemd1", properties),
		f.conn.ExportSubtree(f, "/org/freedesktop/systemd1/unit", properties),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := f.conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own the name: %v, %v", reply, err)
	}
	return f
}

// has reports what of want the properties have otherwise.
func has(t *testing.T, what string, props, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if got := props[name]; !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %s is %v (%T), want %v (%T)", what, name, got, got, v, v)
		}
	}
}

// The life of a scope: made around the first process, joined by the second, its
// limits set, changed, stopped.
func TestBus(t *testing.T) {
	if os.Getenv(layoutEnv) != "entered" {
		t.Skip("part of TestSystemd")
	}
	systemd := startSystemd(t)
	t.Cleanup(func() { // systemd would
		slices, _ := filepath.Glob("/sys/fs/cgroup/*/hulltest.slice") // the pattern is well-formed
		for _, dir := range slices {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	id := fmt.Sprintf("bus-%d", os.Getpid())
	spec := &specs.Spec{
		Annotations: map[string]string{propertyPrefix + "TimeoutStopSec": "uint64 7", propertyPrefix + "CollectMode": "'inactive-or-failed'"},
		Linux: &specs.Linux{
			CgroupsPath: "hulltest.slice:test:" + id,
			Resources: &specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))},
				CPU:    &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))},
				Pids:   &specs.LinuxPids{Limit: ptr(int64(77))},
			},
		},
	}
	m, err := New(spec, id, Options{Systemd: true})
	if err != nil {
		t.Fatal(err)
	}
	if m.Early() {
		t.Error("a scope is to be made before it has processes")
	}
	var pids []int
	for range 2 {
		c := exec.Command("sleep", "100")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
		pids = append(pids, c.Process.Pid)
	}
	inside, err := m.Within(func(fd int) error {
		if fd != -1 {
			t.Error("start is told of a cgroup")
		}
		return nil
	})
	if inside || err != nil {
		t.Errorf("Within: %v, %v", inside, err)
	}
	if err := m.Apply(pids...); err != nil {
		t.Fatal(err)
	}
	unit := "test-" + id + ".scope"
	started := systemd.take("StartTransientUnit")
	if len(started) != 1 || started[0].unit != unit {
		t.Fatalf("started %+v, want %s", started, unit)
	}
	has(t, "start", started[0].props, map[string]any{
		"Slice": "hulltest.slice", "Delegate": true, "DefaultDependencies": false, "PIDs": []uint32{uint32(pids[0])},
		"MemoryAccounting": true, "CPUAccounting": true, "TasksAccounting": true,
		"TimeoutStopUSec": uint64(7e6), "CollectMode": "inactive-or-failed",
	})
	attached := systemd.take("AttachProcessesToUnit")
	if len(attached) != 1 || attached[0].unit != unit || !slices.Equal(attached[0].pids, []uint32{uint32(pids[1])}) {
		t.Errorf("attached %+v, want process %d", attached, pids[1])
	}
	set := systemd.take("SetUnitProperties")
	if len(set) != 1 || set[0].unit != unit {
		t.Fatalf("set %+v", set)
	}
	has(t, "limits", set[0].props, map[string]any{
		"MemoryLimit": uint64(64 << 20), "CPUShares": uint64(512), "CPUQuotaPerSecUSec": uint64(500000), "TasksMax": uint64(77),
	})
	there, err := m.Pids()
	if slices.Sort(pids); err != nil || !slices.Equal(there, pids) {
		t.Errorf("in the cgroup: %v, %v; want %v", there, err, pids)
	}
	if dir := m.Paths()["memory"]; !strings.HasSuffix(dir, "/hulltest.slice/"+unit) {
		t.Errorf("the cgroup is %s", dir)
	}

	if err := m.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(-1))}}); err != nil {
		t.Fatal(err)
	}
	if set = systemd.take("SetUnitProperties"); len(set) != 1 {
		t.Fatalf("set %+v", set)
	}
	has(t, "update", set[0].props, map[string]any{"TasksMax": uint64(math.MaxUint64), "MemoryLimit": uint64(64 << 20)})

	again, err := Open(m.State())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go func() { // they are children of this process
		for _, pid := range pids {
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}()
	if err := again.Kill(ctx); err != nil {
		t.Error(err)
	}
	if err := again.Destroy(); err != nil {
		t.Error(err)
	}
	if stopped := systemd.take("StopUnit"); len(stopped) != 1 || stopped[0].unit != unit {
		t.Errorf("stopped %+v", stopped)
	}
	for _, dir := range again.Paths() {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was left", dir)
		}
		_ = os.Remove(filepath.Dir(dir)) // the slice, which the driver made
	}
}
