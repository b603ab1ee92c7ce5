package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// What the library writes on v2 of what a configuration says, on a directory
// that stands for a cgroup: no host here has controllers of both versions.
func TestLimitsV2(t *testing.T) {
	cgroups.TestMode = true
	defer func() { cgroups.TestMode = false }()
	dir := t.TempDir()
	const controllers = "cpuset cpu io memory hugetlb pids rdma"
	for name, text := range map[string]string{
		"cgroup.controllers": controllers, "memory.max": "max", "memory.low": "0", "memory.swap.max": "max", "cpu.max": "max 100000",
		"cpu.weight": "100", "cpu.max.burst": "0", "cpu.idle": "0", "cpuset.cpus": "", "cpuset.mems": "", "pids.max": "max", "io.weight": "", "io.max": "",
		"io.bfq.weight": "", "hugetlb.2MB.max": "max", "rdma.max": "", "memory.high": "max", "cgroup.freeze": "0",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := configure(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/x", Resources: &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(100 << 20)), Swap: ptr(int64(150 << 20)), Reservation: ptr(int64(50 << 20))},
		CPU: &specs.LinuxCPU{
			Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(200000)), Burst: ptr(uint64(1000)),
			Cpus: "0-1", Mems: "0",
		},
		Pids:           &specs.LinuxPids{Limit: ptr(int64(42))},
		BlockIO:        &specs.LinuxBlockIO{Weight: ptr(uint16(500)), ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttle(8, 0, 1000)}},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}},
		Unified:        map[string]string{"memory.high": "90000000"},
	}}}, "x", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Resources.SkipDevices = true
	m, err := fs2.NewManager(cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set(cfg.Resources); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"memory.max": "104857600", "memory.swap.max": "52428800", "memory.low": "52428800", "memory.high": "90000000",
		"cpu.max": "50000 200000", "cpu.max.burst": "1000", "cpuset.cpus": "0-1", "cpuset.mems": "0", "pids.max": "42",
		"io.max": "8:0 rbps=1000", "io.bfq.weight": "500", "hugetlb.2MB.max": "4194304",
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s = %q, %v, want %q", name, b, err, want)
		}
	}
	// runc and the kernel disagree on how shares become a weight; it is below
	// the usual 100 as 512 is below 1024.
	if w, err := os.ReadFile(filepath.Join(dir, "cpu.weight")); err != nil || len(w) != 2 {
		t.Errorf("cpu.weight = %q, %v", w, err)
	}
}

func throttle(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return d
}

// A host without systemd says so.
func TestSystemdMissing(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("the host has systemd")
	}
	_, err := New(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "a.slice:b:c"}}, "x", Options{Systemd: true})
	if err == nil || !strings.Contains(err.Error(), "systemd not running") {
		t.Error(err)
	}
}
