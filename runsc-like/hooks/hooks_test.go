package hooks

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

func sh(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	state := specs.State{Version: specs.Version, ID: "web", Status: specs.StateCreating, Pid: 7, Bundle: dir}
	h := sh(`cat >state; echo "$0 $A $HOME" >env`)
	h.Env = append(h.Env, "A=b")
	if err := Run(context.Background(), []specs.Hook{h, sh("test -s state && echo second >>env")}, state, ""); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	var got specs.State
	if err := json.Unmarshal(b, &got); err != nil || got.ID != "web" || got.Pid != 7 || got.Status != specs.StateCreating {
		t.Errorf("the hook read %s: %v", b, err)
	}
	// Arguments, and nothing of the caller's environment.
	if b, err := os.ReadFile(filepath.Join(dir, "env")); err != nil || string(b) != "sh b \nsecond\n" {
		t.Errorf("the hooks wrote %q, %v", b, err)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	slow := sh("echo begun; sleep 100 & wait")
	slow.Timeout = ptr(1)
	for _, tt := range []struct {
		name string
		hook specs.Hook
		want string // in the error; none if ""
	}{
		{"status", sh("echo why; exit 3"), "/bin/sh: exit status 3: why"},
		{"signal", sh("kill -9 $$"), "signal: killed"},
		{"timeout", slow, "/bin/sh: did not end within 1 seconds: begun"},
		{"missing", specs.Hook{Path: "/no/such"}, "/no/such"},
		{"relative", specs.Hook{Path: "bin/sh"}, "not an absolute path"},
		{"much output", sh("head -c 1000000 /dev/zero | tr '\\0' x; exit 1"), "exit status 1"},
		{"unread", sh("exec <&-; exit 0"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			err := Run(context.Background(), []specs.Hook{tt.hook, sh("echo next >>" + dir + "/" + strings.ReplaceAll(tt.name, " ", ""))}, specs.State{Bundle: "/gone"}, "")
			_, next := os.Stat(dir + "/" + strings.ReplaceAll(tt.name, " ", ""))
			if tt.want == "" {
				if err != nil || next != nil {
					t.Errorf("Run = %v, %v", err, next)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 2*lastOutput {
				t.Errorf("Run = %v, want %q", err, tt.want)
			}
			if next == nil {
				t.Error("the next hook ran")
			}
			if d := time.Since(begin); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestRunAll(t *testing.T) {
	dir := t.TempDir()
	err := RunAll(context.Background(), []specs.Hook{sh("exit 1"), sh("echo >ran"), sh("exit 2")}, specs.State{Bundle: dir})
	if err == nil || !strings.Contains(err.Error(), "hook 0") || !strings.Contains(err.Error(), "hook 2") {
		t.Errorf("RunAll = %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		hooks *specs.Hooks
		want  string
	}{
		{nil, ""},
		{&specs.Hooks{Poststop: []specs.Hook{{Path: "/x"}, {Path: "y"}}}, "hooks.poststop[1].path"},
		{&specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/x", Timeout: ptr(0)}}}, "hooks.createRuntime[0].timeout"},
		{&specs.Hooks{StartContainer: []specs.Hook{{Path: "/x", Env: []string{"=a"}}}}, "hooks.startContainer[0].env[0]"},
	} {
		err := Check(tt.hooks)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want+":")) {
			t.Errorf("Check = %v, want %s", err, tt.want)
		}
	}
}
