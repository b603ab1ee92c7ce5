package container

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
)

// bundleDir makes a bundle without a configuration.
func bundleDir(t testing.TB) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// merge puts patch over a configuration that is right.
func merge(t testing.TB, patch string) []byte {
	var base, over map[string]any
	for _, v := range []struct {
		text string
		to   *map[string]any
	}{
		{`{"ociVersion":"1.3.0","process":{"args":["true"],"cwd":"/","user":{}},"root":{"path":"rootfs"},
		  "linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}]}}`, &base}, {patch, &over},
	} {
		if err := json.Unmarshal([]byte(v.text), v.to); err != nil {
			t.Fatalf("%s: %v", v.text, err)
		}
	}
	b, err := json.Marshal(mergeMaps(base, over))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mergeMaps(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range over {
		a, ok1 := out[k].(map[string]any)
		b, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			v = mergeMaps(a, b)
		}
		out[k] = v
	}
	return out
}

// What is wrong in a configuration is named.
func TestConfigErrors(t *testing.T) {
	dir := bundleDir(t)
	for patch, field := range map[string]string{
		`{"proces":{}}`: "proces",
		`{"linux":{"namespaces":[{"tipe":"pid"}]}}`:                                                                   "linux.namespaces[0].tipe",
		`{"linux":{"resources":{"cpu":{"Shares":1}}}}`:                                                                "linux.resources.cpu.Shares",
		`{"linux":{"resources":{"blockIO":{"throttleReadBpsDevice":[{"major":1,"minor":2,"rates":3}]}}}}`:             "linux.resources.blockIO.throttleReadBpsDevice[0].rates",
		`{"ociVersion":"2.0.0"}`:                                                                                      "ociVersion",
		`{"ociVersion":"one"}`:                                                                                        "ociVersion",
		`{"windows":{}}`:                                                                                              "windows",
		`{"process":{"user":{"username":"joe"}}}`:                                                                     "process.user.username",
		`{"process":{"user":{"uid":4294967295}}}`:                                                                     "process.user.uid",
		`{"process":{"user":{"umask":512}}}`:                                                                          "process.user.umask",
		`{"process":{"oomScoreAdj":1001}}`:                                                                            "process.oomScoreAdj",
		`{"process":{"consoleSize":{"height":1,"width":70000}}}`:                                                      "process.consoleSize",
		`{"process":{"scheduler":{"policy":"SCHED_DEADLINE"}}}`:                                                       "process.scheduler.policy",
		`{"process":{"scheduler":{"policy":"SCHED_FIFO"}}}`:                                                           "process.scheduler.priority",
		`{"process":{"scheduler":{"policy":"SCHED_OTHER","nice":20}}}`:                                                "process.scheduler.nice",
		`{"process":{"scheduler":{"policy":"SCHED_OTHER","runtime":20}}}`:                                             "process.scheduler.runtime",
		`{"process":{"scheduler":{"policy":"SCHED_OTHER","flags":["X"]}}}`:                                            "process.scheduler.flags[0]",
		`{"process":{"ioPriority":{"class":"X","priority":1}}}`:                                                       "process.ioPriority.class",
		`{"process":{"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":8}}}`:                                         "process.ioPriority.priority",
		`{"process":{"execCPUAffinity":{"initial":"x"}}}`:                                                             "process.execCPUAffinity.initial",
		`{"process":{"cwd":"/\u0000"}}`:                                                                               "process.cwd",
		`{"hostname":"` + strings.Repeat("x", 65) + `"}`:                                                              "hostname",
		`{"hooks":{"prestart":[{"path":"/x","timeout":-1}]}}`:                                                         "hooks.prestart[0].timeout",
		`{"mounts":[{"destination":"/","type":"tmpfs"}]}`:                                                             "mounts[0].destination",
		`{"mounts":[{"destination":"/a"}]}`:                                                                           "mounts[0].type",
		`{"mounts":[{"destination":"/a","type":"bind"}]}`:                                                             "mounts[0].source",
		`{"mounts":[{"destination":"/a","source":"/","options":["bind","norecurse"]}]}`:                               "mounts[0].options[1]",
		`{"mounts":[{"destination":"/a","type":"proc","options":["tmpcopyup"]}]}`:                                     "mounts[0].options[0]",
		`{"mounts":[{"destination":"/a","source":"/","options":["bind","idmap"]}]}`:                                   "mounts[0].uidMappings",
		`{"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]}}`:                                                    "linux.namespaces[1].type",
		`{"linux":{"namespaces":[{"type":"x"}]}}`:                                                                     "linux.namespaces[0].type",
		`{"linux":{"namespaces":[{"type":"pid","path":"/run/ns/pid"}]}}`:                                              "linux.namespaces[0].path",
		`{"linux":{"namespaces":[{"type":"network","path":"x"}]}}`:                                                    "linux.namespaces[0].path",
		`{"linux":{"uidMappings":[{"size":1}]}}`:                                                                      "linux.uidMappings",
		`{"linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"size":1}]}}`:                                       "linux.gidMappings",
		`{"linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"size":0}]}}`:                                       "linux.uidMappings[0].size",
		`{"linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"size":9},{"hostID":9,"containerID":8,"size":1}]}}`: "linux.uidMappings[1]",
		`{"linux":{"devices":[{"path":"dev/x","type":"c"}]}}`:                                                         "linux.devices[0].path",
		`{"linux":{"devices":[{"path":"/dev/x","type":"z"}]}}`:                                                        "linux.devices[0].type",
		`{"linux":{"devices":[{"path":"/dev/x","type":"c","major":-1}]}}`:                                             "linux.devices[0].major",
		`{"linux":{"devices":[{"path":"/dev/x","type":"p"},{"path":"/dev//x","type":"p"}]}}`:                          "linux.devices[1].path",
		`{"linux":{"sysctl":{"kernel.hostname":"x"}}}`:                                                                `linux.sysctl["kernel.hostname"]`,
		`{"linux":{"sysctl":{"vm.swappiness":"1"}}}`:                                                                  `linux.sysctl["vm.swappiness"]`,
		`{"linux":{"sysctl":{"net..x":"1"}}}`:                                                                         `linux.sysctl["net..x"]`,
		`{"linux":{"resources":{"memory":{"limit":-5}}}}`:                                                             "linux.resources.memory.limit",
		`{"linux":{"readonlyPaths":["a"]}}`:                                                                           "linux.readonlyPaths[0]",
		`{"linux":{"rootfsPropagation":"x"}}`:                                                                         "linux.rootfsPropagation",
		`{"linux":{"personality":{"domain":"BSD"}}}`:                                                                  "linux.personality.domain",
		`{"linux":{"personality":{"domain":"LINUX","flags":["X"]}}}`:                                                  "linux.personality.flags",
		`{"linux":{"timeOffsets":{"monotonic":{"secs":1}}}}`:                                                          `linux.timeOffsets`,
		`{"linux":{"timeOffsets":{"realtime":{"secs":1}}}}`:                                                           `linux.timeOffsets["realtime"]`,
		`{"linux":{"timeOffsets":{"boottime":{"nanosecs":1000000000}}}}`:                                              `linux.timeOffsets["boottime"].nanosecs`,
		`{"linux":{"timeOffsets":{"boottime":{"secs":-4294967297}}}}`:                                                 `linux.timeOffsets["boottime"].secs`,
		`{"linux":{"intelRdt":{}}}`:                                                                                   "linux.intelRdt",
		`{"linux":{"memoryPolicy":{"mode":"MPOL_LOCAL","nodes":""}}}`:                                                 "linux.memoryPolicy",
		`{"linux":{"netDevices":{"eth0":{}}}}`:                                                                        "linux.netDevices",
	} {
		_, _, err := ParseConfig(merge(t, patch), dir)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != field {
			t.Errorf("%s: %v, want an error of %s", patch, err, field)
		}
	}
}

// What is accepted and not done is said.
func TestConfigWarnings(t *testing.T) {
	dir := bundleDir(t)
	for patch, want := range map[string]string{
		`{}`:                                   "",
		`{"ociVersion":"1.9.0","newThing":{}}`: "newThing: is of a later version",
		`{"process":{"capabilities":{"bounding":["CAP_CHOWN","CAP_FLY"]}}}`:                            "process.capabilities.bounding[1]: ",
		`{"process":{"apparmorProfile":"unconfined"}}`:                                                 "",
		`{"mounts":[{"destination":"a","type":"tmpfs"}]}`:                                              "mounts[0].destination: ",
		`{"mounts":[{"destination":"/a","source":"/","options":["rbind","rslave","rro"]}]}`:            "mounts[0].options[1]: ",
		`{"mounts":[{"destination":"/a","source":"/","options":["rbind","mode=755"]}]}`:                "mounts[0].options[1]: ",
		`{"linux":{"rootfsPropagation":"rslave"}}`:                                                     "linux.rootfsPropagation: ",
		`{"linux":{"mountLabel":"u:r:t:s0:c1,c2"}}`:                                                    "linux.mountLabel: ",
		`{"linux":{"namespaces":[{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}]}}`: "linux.namespaces: no pid: the container gets one of its own",
		`{"linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}]}}`:     "linux.namespaces[network]: has no effect: the host's own network",
		`{"linux":{"resources":{"memory":{"kernel":1}}}}`:                                              "linux.resources.memory.kernel: ",
	} {
		_, got, err := ParseConfig(merge(t, patch), dir)
		switch {
		case err != nil:
			t.Errorf("%s: %v", patch, err)
		case want == "" && len(got) != 0, want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], want)):
			t.Errorf("%s: warnings %q, want %q", patch, got, want)
		}
	}
}

func TestConfigCompletes(t *testing.T) {
	dir := bundleDir(t)
	if err := os.Symlink("rootfs", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s, _, err := ParseConfig(merge(t, `{"root":{"path":"link"},
		"process":{"capabilities":{"bounding":["CAP_CHOWN","CAP_FLY"]}},
		"mounts":[{"destination":"/a/../b","source":"link","options":["bind"]}]}`), dir)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "rootfs")
	if s.Root.Path != root || s.Mounts[0].Source != root || s.Mounts[0].Destination != "/b" || s.Mounts[0].Type != "bind" {
		t.Errorf("root %q, mount %+v", s.Root.Path, s.Mounts[0])
	}
	if !slices.Equal(s.Process.Capabilities.Bounding, []string{"CAP_CHOWN"}) {
		t.Errorf("capabilities %q", s.Process.Capabilities.Bounding)
	}
	if host, _ := os.Hostname(); s.Hostname != host {
		t.Errorf("hostname %q", s.Hostname)
	}
}

// The template, and the host's own proc and sys, are what a container can have.
func TestTemplate(t *testing.T) {
	dir := bundleDir(t)
	for _, rootless := range []bool{false, true} {
		os.Remove(filepath.Join(dir, "config.json"))
		if err := WriteTemplate(dir, rootless); err != nil {
			t.Fatal(err)
		}
		if err := WriteTemplate(dir, rootless); err == nil {
			t.Error("a second one replaced the first")
		}
		s, warnings, err := LoadBundle(dir)
		if err != nil || len(warnings) != 0 {
			t.Errorf("rootless %v: %v, warnings %q", rootless, err, warnings)
			continue
		}
		i := slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/sys" })
		if m := s.Mounts[i]; m.Type != "sysfs" || slices.Contains(m.Options, "rbind") {
			t.Errorf("rootless %v: /sys is %+v", rootless, m)
		}
	}
}

func TestConfigSyntax(t *testing.T) {
	dir := bundleDir(t)
	for in, want := range map[string]string{
		"": "EOF", "[]": "not an object", "{": "EOF", `{"a" 1}`: "byte 6", `{"ociVersion":"1.0.0"}x`: "after the end",
		`{"ociVersion":1}`: "ociVersion", `{"process":{"args":"x"}}`: "process.args",
	} {
		if _, _, err := ParseConfig([]byte(in), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func TestMountOptionNames(t *testing.T) {
	names := control.MountOptionNames()
	for _, name := range names {
		if strings.HasPrefix(name, "rr") && !slices.Contains([]string{"rro", "rrw", "rrelatime"}, name) {
			t.Errorf("there is an option %s", name)
		}
	}
	for _, want := range []string{"ro", "rro", "rbind", "tmpcopyup", "rslave", "nosymfollow"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// A configuration that is accepted is accepted again as it was completed, and an
// error says where.
func FuzzParseConfig(f *testing.F) {
	for _, patch := range []string{
		`{}`, `{"linux":{"resources":{"cpu":{"cpus":"0"}},"devices":[{"path":"/dev/x","type":"c"}]}}`,
		`{"mounts":[{"destination":"/a","source":"/","options":["bind"]}]}`, `{"linux":{"sysctl":{"net.a":"b"}}}`,
	} {
		f.Add(merge(f, patch))
	}
	dir := bundleDir(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := ParseConfig(b, dir)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if s.Process == nil || s.Root == nil || s.Linux == nil || len(s.Process.Args) == 0 {
			t.Errorf("accepted: %s", b)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ParseConfig(again, dir); err != nil && s.Version <= specs.Version {
			t.Errorf("not accepted again: %v: %s", err, again)
		}
	})
}

// TestUnknownProperties: what the specification does not have is an error that names it.
func TestUnknownProperties(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"memory":{"limit":5,"limitt":5}}`, "linux.resources.memory.limitt"}, {`{"nosuch":1}`, "linux.resources.nosuch"},
		{`{"memory":{"limit":"x"}}`, "memory.limit"}, {`{`, "EOF"}, {`{} {}`, "byte"}, {`[]`, "not an object"},
	} {
		if _, err := ReadResources(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, which does not name %s", tt.text, err, tt.want)
		}
	}
	name := filepath.Join(t.TempDir(), "process.json")
	for _, tt := range []struct{ text, want string }{
		{`{"args":["true"],"cwd":"/","user":{"uid":0,"gid":0,"name":"x"}}`, "process.user.name"}, {`{"argv":["true"],"cwd":"/"}`, "process.argv"},
		{`{"args":"true"}`, "args"}, {`{`, "EOF"},
	} {
		if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readProcess(name); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, which does not name %s", tt.text, err, tt.want)
		}
	}
}
