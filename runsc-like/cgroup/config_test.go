package cgroup

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		path    string
		o       Options
		want    cgroups.Cgroup
		wantErr string
	}{
		{path: "", want: cgroups.Cgroup{Name: "web"}},
		{path: "/docker/ab", want: cgroups.Cgroup{Path: "/docker/ab"}},
		{path: "/a/../../b", want: cgroups.Cgroup{Path: "/b"}},
		{path: "../../etc", want: cgroups.Cgroup{Path: "etc"}},
		{path: "/", wantErr: "root of the hierarchy"},
		{path: "a/..", wantErr: "root of the hierarchy"},
		{path: "a\x00", wantErr: "zero byte"},
		{path: "", o: Options{Systemd: true}, want: cgroups.Cgroup{Parent: "system.slice", ScopePrefix: "hull", Name: "web"}},
		{path: "", o: Options{Systemd: true, Rootless: true}, want: cgroups.Cgroup{Parent: "user.slice", ScopePrefix: "hull", Name: "web"}},
		{path: "machine.slice:libpod:ab", o: Options{Systemd: true}, want: cgroups.Cgroup{Parent: "machine.slice", ScopePrefix: "libpod", Name: "ab"}},
		{path: ":docker:ab", o: Options{Systemd: true}, want: cgroups.Cgroup{Parent: "system.slice", ScopePrefix: "docker", Name: "ab"}},
		{path: "/docker/ab", o: Options{Systemd: true}, wantErr: "SLICE:PREFIX:NAME"},
		{path: "a:b:c/d", o: Options{Systemd: true}, wantErr: "without /"},
		{path: "machine:b:c", o: Options{Systemd: true}, wantErr: "ends in .slice"},
	} {
		got := cgroups.Cgroup{Systemd: tt.o.Systemd, Rootless: tt.o.Rootless}
		err := place(&got, tt.path, "web")
		if tt.wantErr != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "linux.cgroupsPath: ") || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%q: error %v, want %q", tt.path, err, tt.wantErr)
			}
			continue
		}
		if err != nil || got.Name != tt.want.Name || got.Parent != tt.want.Parent || got.Path != tt.want.Path || got.ScopePrefix != tt.want.ScopePrefix {
			t.Errorf("%q: %+v, %v, want %+v", tt.path, got, err, tt.want)
		}
	}
}

// Each field of the specification that the host's kernel can set arrives.
func TestOverlay(t *testing.T) {
	var r specs.LinuxResources
	err := json.Unmarshal([]byte(`{
		"memory": {"limit": 1, "reservation": 2, "swap": 3, "swappiness": 4, "disableOOMKiller": true, "checkBeforeUpdate": true},
		"cpu": {"shares": 1024, "quota": 50, "burst": 6, "period": 7, "realtimeRuntime": 8, "realtimePeriod": 9, "cpus": "0", "mems": "1", "idle": 1},
		"pids": {"limit": 10},
		"blockIO": {"weight": 11, "leafWeight": 12, "weightDevice": [{"major": 8, "minor": 0, "weight": 13, "leafWeight": 14}],
			"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 15}], "throttleWriteBpsDevice": [{"major": 8, "minor": 2, "rate": 16}],
			"throttleReadIOPSDevice": [{"major": 8, "minor": 3, "rate": 17}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 4, "rate": 18}]},
		"hugepageLimits": [{"pageSize": "2MB", "limit": 19}],
		"network": {"classID": 20, "priorities": [{"name": "eth0", "priority": 21}]},
		"rdma": {"mlx": {"hcaHandles": 22}},
		"unified": {"memory.high": "23"}
	}`), &r)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(&r); err != nil {
		t.Fatal(err)
	}
	var got cgroups.Resources
	overlay(&got, &r)
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"memory":1,"memory_reservation":2,"memory_swap":3,"cpu_shares":1024,"cpu_quota":50,"cpu_burst":6,"cpu_period":7,` +
		`"cpu_rt_quota":8,"cpu_rt_period":9,"cpuset_cpus":"0","cpuset_mems":"1","cpu_idle":1,"pids_limit":10,"blkio_weight":11,"blkio_leaf_weight":12,` +
		`"blkio_weight_device":[{"major":8,"minor":0,"weight":13,"leafWeight":14}],` +
		`"blkio_throttle_read_bps_device":[{"major":8,"minor":1,"rate":15}],"blkio_throttle_write_bps_device":[{"major":8,"minor":2,"rate":16}],` +
		`"blkio_throttle_read_iops_device":[{"major":8,"minor":3,"rate":17}],"blkio_throttle_write_iops_device":[{"major":8,"minor":4,"rate":18}],` +
		`"hugetlb_limit":[{"page_size":"2MB","limit":19}],"oom_kill_disable":true,"memory_swappiness":4,` +
		`"net_prio_ifpriomap":[{"interface":"eth0","priority":21}],"net_cls_classid_u":20,"rdma":{"mlx":{"hca_handles":22}},` +
		`"cpu_weight":100,"unified":{"memory.high":"23"},"memory_check_before_update":true}`
	if string(b) != want {
		t.Errorf("resources are\n%s, want\n%s", b, want)
	}

	// A second one replaces what it names.
	before := got.HugetlbLimit
	overlay(&got, &specs.LinuxResources{
		Memory:         &specs.LinuxMemory{Limit: ptr(int64(-1))},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 1}, {Pagesize: "1GB", Limit: 2}},
	})
	if got.Memory != -1 || got.MemorySwap != -1 || got.MemoryReservation != 2 {
		t.Errorf("memory %d, with swap %d, reserved %d", got.Memory, got.MemorySwap, got.MemoryReservation)
	}
	if len(got.HugetlbLimit) != 2 || got.HugetlbLimit[0].Limit != 1 || before[0].Limit != 19 {
		t.Errorf("limits of huge pages: %v, before %v", got.HugetlbLimit, before)
	}
}

func TestCheck(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                                                         "",
		`{"memory":{"limit":-2}}`:                                    "linux.resources.memory.limit",
		`{"memory":{"limit":8,"swap":7}}`:                            "linux.resources.memory.swap",
		`{"memory":{"limit":-1,"swap":7}}`:                           "linux.resources.memory.swap",
		`{"memory":{"swappiness":101}}`:                              "linux.resources.memory.swappiness",
		`{"cpu":{"idle":2}}`:                                         "linux.resources.cpu.idle",
		`{"cpu":{"cpus":"0-"}}`:                                      "linux.resources.cpu.cpus",
		`{"cpu":{"cpus":"0-3, 5"}}`:                                  "",
		`{"cpu":{"mems":"3-1"}}`:                                     "linux.resources.cpu.mems",
		`{"cpu":{"quota":5,"burst":6}}`:                              "linux.resources.cpu.burst",
		`{"pids":{"limit":4194305}}`:                                 "linux.resources.pids.limit",
		`{"pids":{"limit":-2}}`:                                      "linux.resources.pids.limit",
		`{"blockIO":{"weight":9}}`:                                   "linux.resources.blockIO.weight",
		`{"blockIO":{"weightDevice":[{"leafWeight":1001}]}}`:         "linux.resources.blockIO.weightDevice[0].leafWeight",
		`{"blockIO":{"throttleReadBpsDevice":[{"major":-1}]}}`:       "linux.resources.blockIO.throttleReadBpsDevice[0]",
		`{"hugepageLimits":[{"pageSize":"2"}]}`:                      "linux.resources.hugepageLimits[0].pageSize",
		`{"hugepageLimits":[{"pageSize":"MB"}]}`:                     "linux.resources.hugepageLimits[0].pageSize",
		`{"hugepageLimits":[{"pageSize":"2MB"},{"pageSize":"2MB"}]}`: "linux.resources.hugepageLimits[1].pageSize",
		`{"network":{"priorities":[{"name":"a/b"}]}}`:                "linux.resources.network.priorities[0].name",
		`{"unified":{"memory":"1"}}`:                                 `linux.resources.unified["memory"]`,
		`{"unified":{"../x.y":"1"}}`:                                 `linux.resources.unified["../x.y"]`,
		`{"unified":{"cgroup.procs":"1"}}`:                           `linux.resources.unified["cgroup.procs"]`,
		`{"devices":[{"type":"x"}]}`:                                 "linux.resources.devices[0].type",
		`{"devices":[{"type":"c","access":"rx"}]}`:                   "linux.resources.devices[0].access",
		`{"devices":[{"type":"c","major":-2}]}`:                      "linux.resources.devices[0].major",
		`{"devices":[{"major":1,"allow":true}]}`:                     "linux.resources.devices[0].type",
	} {
		var r specs.LinuxResources
		if err := json.Unmarshal([]byte(in), &r); err != nil {
			t.Fatal(in, err)
		}
		err := Check(&r)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want+": ")) {
			t.Errorf("%s: %v, want an error of %s", in, err, want)
		}
	}
}

func TestProperties(t *testing.T) {
	list, err := properties(map[string]string{
		"org.systemd.property.CollectMode": "'inactive-or-failed'", "org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.TimeoutStartUSec": "uint64 7",
		"org.systemd.property.DefaultDependencies": "false", "other": "x",
	})
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	for i, want := range []string{`CollectMode "inactive-or-failed"`, "DefaultDependencies false", "TimeoutStartUSec @t 7", "TimeoutStopUSec @t 7000000"} {
		if got := list[i].Name + " " + list[i].Value.String(); got != want {
			t.Errorf("property %d is %s, want %s", i, got, want)
		}
	}
	for key, value := range map[string]string{"a b": "1", "Description": "'", "TimeoutStopSec": "'x'", "RuntimeMaxSec": "-1", "": "1"} {
		if _, err := properties(map[string]string{propertyPrefix + key: value}); err == nil || !strings.HasPrefix(err.Error(), "annotations[") {
			t.Errorf("%q=%q: %v", key, value, err)
		}
	}
}

func TestLacking(t *testing.T) {
	if got := strings.Join(lacking(0, limiting), " "); got != "CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_BPF CAP_NET_ADMIN CAP_SYS_RESOURCE" {
		t.Error(got)
	}
	if got := lacking(^uint64(0), moving); got != nil {
		t.Error(got)
	}
}

// A damaged state must not make a container's end that of others.
func TestCheckState(t *testing.T) {
	cfg := func(f func(*cgroups.Cgroup)) *cgroups.Cgroup {
		c := &cgroups.Cgroup{Path: "/docker/ab"}
		f(c)
		return c
	}
	ok := func(*cgroups.Cgroup) {}
	systemd := func(c *cgroups.Cgroup) {
		*c = cgroups.Cgroup{Systemd: true, Parent: "system.slice", ScopePrefix: "docker", Name: "ab"}
	}
	for _, tt := range []struct {
		change func(*cgroups.Cgroup)
		path   string
		want   string
	}{
		{ok, "/sys/fs/cgroup/memory/docker/ab", ""},
		{ok, "/sys/fs/cgroup/memory/self/docker/ab", ""},
		{ok, "", ""},
		{systemd, "/sys/fs/cgroup/system.slice/docker-ab.scope", ""},
		{systemd, "/sys/fs/cgroup/system.slice", "is not that of /docker-ab.scope"},
		{ok, "/sys/fs/cgroup/memory", "is not that of /docker/ab"},
		{ok, "/sys/fs/cgroup/memory/docker", "is not that of"},
		{ok, "docker/ab", "absolute"},
		{ok, "/x/../docker/ab", "absolute"},
		{func(c *cgroups.Cgroup) { c.Path = "/usr/bin" }, "/usr/bin", "not in a cgroup file system"},
		{func(c *cgroups.Cgroup) { c.Path = "/" }, "/sys/fs/cgroup", "no name"},
		{func(c *cgroups.Cgroup) { c.Path = "" }, "/sys/fs/cgroup/x", "no name"},
	} {
		err := CheckState(State{Config: cfg(tt.change), Paths: map[string]string{"memory": tt.path}})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.path, err, tt.want)
		}
	}
	if isCgroup("/sys/fs/cgroup/memory", unix.CGROUP_SUPER_MAGIC) {
		c := &cgroups.Cgroup{Path: "/memory"}
		if err := CheckState(State{Config: c, Paths: map[string]string{"memory": "/sys/fs/cgroup/memory"}}); err == nil {
			t.Error("the root of a hierarchy is accepted")
		}
	}
}

// A configuration in any shape gives a manager or an error.
func FuzzConfigure(f *testing.F) {
	f.Add([]byte(`{"linux":{"cgroupsPath":"/a/b","resources":{"devices":[{"allow":true}],"cpu":{"cpus":"0-1"}}}}`), false)
	f.Add([]byte(`{"annotations":{"org.systemd.property.TimeoutStopSec":"7"},"linux":{"cgroupsPath":"a.slice:b:c"}}`), true)
	f.Fuzz(func(t *testing.T, b []byte, systemd bool) {
		var s specs.Spec
		if json.Unmarshal(b, &s) != nil {
			return
		}
		cfg, err := configure(&s, "id", Options{Systemd: systemd})
		if err != nil {
			return
		}
		if !systemd && (strings.Contains("/"+cfg.Path+"/", "/../") || cfg.Path == "/") {
			t.Errorf("the path is %q", cfg.Path)
		}
	})
}
