package container

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"golang.org/x/sys/unix"
)

func valid() *specs.Spec {
	return &specs.Spec{
		Version: "1.2.0",
		Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/", Env: []string{"A=b"}},
		Root:    &specs.Root{Path: "rootfs"},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc"}},
	}
}

func TestBundleErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*specs.Spec)
		field  string // "" is valid
	}{
		{"valid", func(*specs.Spec) {}, ""},
		{"no version", func(s *specs.Spec) { s.Version = "" }, "ociVersion"},
		{"hooks", func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "x"}}} }, "hooks.poststop[0].path"},
		{"no process", func(s *specs.Spec) { s.Process = nil }, "process"},
		{"no args", func(s *specs.Spec) { s.Process.Args = nil }, "process.args"},
		{"zero byte", func(s *specs.Spec) { s.Process.Args = []string{"a", "b\x00"} }, "process.args[1]"},
		{"relative cwd", func(s *specs.Spec) { s.Process.Cwd = "x" }, "process.cwd"},
		{"bad env", func(s *specs.Spec) { s.Process.Env = []string{"A=1", "B"} }, "process.env[1]"},
		{"bad rlimit", func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "X"}} }, "process.rlimits[0].type"},
		{"rlimit order", func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CPU", Soft: 2, Hard: 1}}
		}, "process.rlimits[0]"},
		{"no root", func(s *specs.Spec) { s.Root.Path = "" }, "root.path"},
		{"missing root", func(s *specs.Spec) { s.Root.Path = "nosuch" }, "root.path"},
		{"mount type", func(s *specs.Spec) { s.Mounts[0].Type = "xfs" }, "mounts[0].type"},
		{"mount destination", func(s *specs.Spec) { s.Mounts[0].Destination = "" }, "mounts[0].destination"},
		{"bind source", func(s *specs.Spec) { s.Mounts[0] = specs.Mount{Destination: "/a", Type: "bind", Source: "/nosuch"} }, "mounts[0].source"},
		{"seccomp", func(s *specs.Spec) { s.Linux = &specs.Linux{Seccomp: &specs.LinuxSeccomp{}} }, "linux.seccomp.defaultAction"},
		{"masked", func(s *specs.Spec) { s.Linux = &specs.Linux{MaskedPaths: []string{"/a", "b"}} }, "linux.maskedPaths[1]"},
		{"read-only", func(s *specs.Spec) {
			s.Linux = &specs.Linux{MaskedPaths: []string{"/a"}, ReadonlyPaths: []string{"b"}}
		}, "linux.readonlyPaths[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
				t.Fatal(err)
			}
			s := valid()
			tt.change(s)
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, err = LoadBundle(dir)
			var fe *FieldError
			switch {
			case tt.field == "" && err != nil:
				t.Errorf("unexpected: %v", err)
			case tt.field != "" && (!errors.As(err, &fe) || fe.Field != tt.field):
				t.Errorf("error %v; want one of field %s", err, tt.field)
			}
		})
	}
}

func TestBundleSyntax(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadBundle(dir); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("no config.json: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"process":{"args":"ls"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadBundle(dir); err == nil || !strings.Contains(err.Error(), "process.args") {
		t.Errorf("args of the wrong type: %v", err)
	}
}

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{"a": true, "a.b-c_1+": true, "": false, "..": false, "a/b": false, "-x": false} {
		if err := CheckID(id); (err == nil) != ok {
			t.Errorf("CheckID(%q) = %v", id, err)
		}
	}
}

func TestVolume(t *testing.T) {
	dir := t.TempDir()
	for v, ok := range map[string]bool{
		dir + ":/x": true, dir + ":/x:ro": true, dir + ":/x:rw": true,
		dir: false, dir + ":x": false, dir + ":/x:zz": false, ":/x": false, "/nosuch:/x": false, dir + ":/x:ro:": false,
	} {
		m, err := volume(v)
		if (err == nil) != ok {
			t.Errorf("volume(%q) = %v, %v", v, m, err)
		}
		if err == nil && hasOption(m, "ro") != strings.HasSuffix(v, ":ro") {
			t.Errorf("volume(%q) = %v", v, m)
		}
	}
}

func TestDoSpec(t *testing.T) {
	t.Setenv("KEEP", "1")
	t.Setenv("CHANGE", "old")
	d := Do{Args: []string{"ls"}, Env: []string{"CHANGE=new", "NOSUCHVAR"}, User: "7:8", Cwd: "/usr/"}
	s, writable, err := d.Spec()
	if err != nil || writable {
		t.Fatal(err, writable)
	}
	env := "\n" + strings.Join(s.Process.Env, "\n") + "\n"
	for want, n := range map[string]int{"\nKEEP=1\n": 1, "\nCHANGE=new\n": 1, "\nCHANGE=old\n": 0, "NOSUCHVAR": 0} {
		if strings.Count(env, want) != n {
			t.Errorf("environment has not %d times %q", n, want)
		}
	}
	if u := s.Process.User; u.UID != 7 || u.GID != 8 {
		t.Errorf("user %+v", u)
	}
	if len(s.Process.Capabilities.Permitted) != 0 {
		t.Error("capabilities for an unprivileged user")
	}
	if s.Process.Cwd != "/usr" {
		t.Errorf("cwd %q", s.Process.Cwd)
	}
	for _, bad := range []Do{{User: "no such user"}, {Root: "/nosuch"}, {Cwd: "x"}, {Writable: []string{"/etc/passwd"}},
		{Root: "/usr", Writable: []string{"/"}}, {Volumes: []string{"/usr:/"}}, {Writable: []string{"/dev"}}, {Writable: []string{"/proc/self"}}} {
		var fe *FieldError
		if _, _, err := bad.Spec(); !errors.As(err, &fe) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	dir := t.TempDir()
	for _, d := range []Do{{Writable: []string{"/"}}, {Root: dir, Writable: []string{"/usr", dir + "/"}}} {
		if s, writable, err := d.Spec(); err != nil || !writable || slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == dir }) {
			t.Errorf("%+v: %v, %v", d, writable, err)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]unix.Signal{
		"9": 9, "0": 0, "64": 64, "kill": 9, "SIGKILL": 9, "sigUsr1": 10, "IO": 29, "RTMIN": 34, "SIGRTMIN+3": 37, "rtmax": 64, "RTMAX-30": 34,
		"": -1, "-1": -1, "65": -1, "SIG": -1, "SIGSIGKILL": -1, "RTMIN+31": -1, "RTMIN-1": -1, "RTMAX+1": -1, "RTMIN5": -1, "RTMIN+": -1, "RTMIN+99999999999999999999": -1,
	} {
		n, err := ParseSignal(s)
		if want < 0 && err == nil || want >= 0 && (err != nil || n != want) {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
}
