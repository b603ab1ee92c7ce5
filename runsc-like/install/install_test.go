package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

const binary = "/opt/hull/bin/hull"

func options(def bool) *Options { return &Options{Name: "hull", Binary: binary, Default: def} }

// roundTrip installs into text, checks what is wanted, installs again, and
// uninstalls.
func roundTrip(t *testing.T, e editor, text []byte, def bool, check func(after []byte)) {
	t.Helper()
	o := options(def)
	after, _, err := e.install(text, o)
	if err != nil {
		t.Errorf("install into %q: %v", text, err)
		return
	}
	check(after)
	again, _, err := e.install(after, o)
	if err != nil || !bytes.Equal(again, after) {
		t.Errorf("install into %q a second time: %v\n%s", text, err, again)
	}
	moved := *o
	moved.Binary = "/usr/bin/hull"
	if again, _, err = e.install(after, &moved); err != nil || bytes.Contains(again, []byte(binary)) {
		t.Errorf("install into %q of another binary: %v\n%s", text, err, again)
	}
	back, err := e.uninstall(after, o)
	if err != nil {
		t.Errorf("uninstall from %q: %v", after, err)
		return
	}
	if !bytes.Equal(back, text) || (back == nil) != (text == nil) {
		t.Errorf("after install and uninstall,\n%q is\n%q", text, back)
	}
	// The same by way of a second installation, and of another default.
	if again, _, err = e.install(after, options(!def)); err == nil {
		back, err = e.uninstall(again, o)
	}
	if err != nil || !bytes.Equal(back, text) || (back == nil) != (text == nil) {
		t.Errorf("after two installs and uninstall (%v),\n%q is\n%q", err, text, back)
	}
}

// none is a text for a file that is not there.
const none = "none"

func textOf(s string) []byte {
	if s == none {
		return nil
	}
	return []byte(s)
}

func TestDocker(t *testing.T) {
	for _, text := range []string{
		none, "", "{}", "{}\n", " { }", "{\n}\n", "{\"debug\": true}", "{\n  \"debug\": true\n}\n",
		"{\n\t\"log-opts\": {\"a\": \"}{\\\"\"},\n\t\"hosts\": [\"x\", {\"y\": [1, 2.5e3]}]\n}",
		"{\n    \"runtimes\": {\n        \"other\": {\n            \"path\": \"/x\"\n        }\n    },\n    \"debug\": false\n}\n",
		"{\"runtimes\":{\"other\":{\"path\":\"/x\"}},\"default-runtime\":\"other2\"}",
		"{\n  \"default-runtime\" : \"other2\" ,\n  \"runtimes\": {\"other\": {\"path\": \"/x\"} }}\r\n",
		"{\"runtimes\": {}}", "{\"runtimes\":\n{ }, \"debug\":true}", "{\n \"runtimes\": {\n }\n}",
	} {
		for _, def := range []bool{false, true} {
			roundTrip(t, docker{}, textOf(text), def, func(after []byte) {
				var v struct {
					Debug    *bool
					Default  string `json:"default-runtime"`
					Runtimes map[string]struct{ Path string }
				}
				if err := json.Unmarshal(after, &v); err != nil {
					t.Fatal(err)
				}
				if v.Runtimes["hull"].Path != binary || (v.Default == "hull") != def || strings.Contains(text, `"other"`) && v.Runtimes["other"].Path != "/x" {
					t.Errorf("%q became %s", text, after)
				}
			})
		}
	}
	for _, bad := range []string{"x", "[]", "null", `{"runtimes":[]}`, `{"a":1,"a":2}`} {
		if after, _, err := (docker{}).install([]byte(bad), options(false)); err == nil || !strings.Contains(err.Error(), "line 1: ") {
			t.Errorf("%s became %s: %v", bad, after, err)
		}
	}
	if _, _, err := (docker{}).install([]byte("{\n \"a\": 1,\n \"b\" 2\n}\n"), options(false)); err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
		t.Errorf("the error is %v", err)
	}
}

// An entry that has more than a path keeps it.
func TestDockerArguments(t *testing.T) {
	text := []byte("{\"runtimes\": {\"hull\": {\"path\": \"/old\", \"runtimeArgs\": [\"--debug\"]}}}")
	after, _, err := docker{}.install(text, options(false))
	if err != nil || !bytes.Contains(after, []byte(binary)) || !bytes.Contains(after, []byte(`["--debug"]`)) {
		t.Errorf("%s: %v", after, err)
	}
}

// The looks of what is written.
func TestDockerText(t *testing.T) {
	after, _, err := docker{}.install([]byte("{\n  \"debug\": true\n}\n"), options(true))
	const want = "{\n  \"debug\": true,\n  \"runtimes\": {\n    \"hull\": {\n      \"path\": \"/opt/hull/bin/hull\"\n    }\n  },\n  \"default-runtime\": \"hull\"\n}\n"
	if err != nil || string(after) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, after, want)
	}
}

const containerdV2 = `# A file with comments.
version = 2
root = "/var/lib/containerd" # and one here

[plugins]
  # About the CRI plugin.
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause:3.9"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      snapshotter = "overlayfs"
      default_runtime_name = "runc" # keep

      # The one that is there.
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
          SystemdCgroup = true

# The end.
[debug]
  level = "info"`

func TestContainerd(t *testing.T) {
	v3 := strings.NewReplacer("version = 2", "version = 3", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime").Replace(containerdV2)
	v1 := strings.NewReplacer("version = 2\n", "", `"io.containerd.grpc.v1.cri"`, "cri").Replace(containerdV2)
	for _, tt := range []struct {
		text    string
		plugin  string
		systemd bool
	}{
		{none, "io.containerd.grpc.v1.cri", false},
		{"", "io.containerd.grpc.v1.cri", false},
		{"version = 2", "io.containerd.grpc.v1.cri", false},
		{"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]", "io.containerd.grpc.v1.cri", false},
		{"version = 2\n# the end\n\n\n", "io.containerd.grpc.v1.cri", false},
		{containerdV2, "io.containerd.grpc.v1.cri", true},
		{containerdV2 + "\n", "io.containerd.grpc.v1.cri", true},
		{v3, "io.containerd.cri.v1.runtime", true},
		{v1, "cri", true},
		{"version = 2\ndisabled_plugins = [\"cri\"]\n", "io.containerd.grpc.v1.cri", false},
		{"version = 3\r\n[plugins]\r\n", "io.containerd.cri.v1.runtime", false},
		{"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n# nothing\n", "io.containerd.grpc.v1.cri", false},
		{"version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.other]\nruntime_type = '''\n[x]\n'''\n", "io.containerd.grpc.v1.cri", false},
	} {
		for _, def := range []bool{false, true} {
			roundTrip(t, containerd{}, textOf(tt.text), def, func(after []byte) {
				var v map[string]any
				if err := toml.Unmarshal(after, &v); err != nil {
					t.Fatal(err)
				}
				base := []string{"plugins", tt.plugin, "containerd"}
				path := append(base[:3:3], "runtimes", "hull")
				if typ, _ := at(v, append(path[:5:5], "runtime_type")); typ != shim {
					t.Errorf("%q became %s", tt.text, after)
				}
				if bin, _ := at(v, append(path[:5:5], "options", "BinaryName")); bin != binary {
					t.Errorf("%q became %s", tt.text, after)
				}
				if sys, _ := at(v, append(path[:5:5], "options", systemdKey)); (sys == true) != tt.systemd {
					t.Errorf("SystemdCgroup is %v in %s", sys, after)
				}
				if name, _ := at(v, append(base, defaultName)); (name == "hull") != def {
					t.Errorf("the default is %v in %s", name, after)
				}
				for _, line := range strings.Split(strings.TrimSpace(tt.text), "\n") {
					if tt.text != none && !(def && strings.Contains(line, defaultName)) && !bytes.Contains(after, []byte(line)) {
						t.Errorf("the line %q is gone", line)
					}
				}
			})
		}
	}
	for _, bad := range []string{"=", "version = 9", "version = '2'", "plugins = 1\nversion = 2",
		"version = 2\nplugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes = {hull = {runtime_type = 'x'}}"} {
		if after, _, err := (containerd{}).install([]byte(bad), options(false)); err == nil {
			t.Errorf("%s became %s", bad, after)
		}
	}
	if _, _, err := (containerd{}).install([]byte("version = 2\n\n[a]\nb = \n"), options(false)); err == nil || !strings.HasPrefix(err.Error(), "line 4: ") {
		t.Errorf("the error is %v", err)
	}
}

// What somebody wrote by hand changes its binary alone.
func TestContainerdByHand(t *testing.T) {
	const text = `version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["a.*"]
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull.options]
    BinaryName = '/old' # here
`
	after, _, err := containerd{}.install([]byte(text), options(false))
	if want := strings.Replace(text, "'/old'", `"`+binary+`"`, 1); err != nil || string(after) != want {
		t.Errorf("%v\n%s", err, after)
	}
}

func TestDiff(t *testing.T) {
	lines := func(n int) (s []string) {
		for i := range n {
			s = append(s, fmt.Sprintf("line %d\n", i))
		}
		return s
	}
	before := lines(20)
	after := append(slices.Insert(slices.Clone(before), 3, "new\n"), "end")
	after[16] = "other\n"
	c := Change{File: "f", Before: []byte(strings.Join(before, "")), After: []byte(strings.Join(after, ""))}
	const want = "--- f\n+++ f\n@@ -1,6 +1,7 @@\n line 0\n line 1\n line 2\n+new\n line 3\n line 4\n line 5\n" +
		"@@ -13,8 +14,9 @@\n line 12\n line 13\n line 14\n-line 15\n+other\n line 16\n line 17\n line 18\n line 19\n+end\n\\ No newline at end of file\n"
	if got := c.Diff(); got != want {
		t.Errorf("the diff is\n%s", got)
	}
}

func TestDropIns(t *testing.T) {
	for _, m := range []Manager{Podman, CRIO} {
		for _, def := range []bool{false, true} {
			roundTrip(t, editorOf(m), nil, def, func(after []byte) {
				var v map[string]any
				if err := toml.Unmarshal(after, &v); err != nil {
					t.Fatal(err)
				}
				if m == CRIO {
					if p, _ := at(v, []string{"crio", "runtime", "runtimes", "hull", "runtime_path"}); p != binary {
						t.Errorf("%s", after)
					}
					return
				}
				p, _ := at(v, []string{"engine", "runtimes", "hull"})
				if l, ok := p.([]any); !ok || len(l) != 1 || l[0] != binary {
					t.Errorf("%s", after)
				}
			})
		}
		if _, _, err := editorOf(m).install([]byte("# mine\n"), options(false)); err == nil {
			t.Error("a file of somebody else's was replaced")
		}
		if _, err := editorOf(m).uninstall([]byte("# mine\n"), options(false)); err == nil {
			t.Error("a file of somebody else's was removed")
		}
	}
}

func TestPlanAndApply(t *testing.T) {
	dir := t.TempDir()
	bin, real, link := filepath.Join(dir, "hull"), filepath.Join(dir, "real.json"), filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(bin, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(real, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", link); err != nil {
		t.Fatal(err)
	}
	o := Options{Name: "hull", Binary: bin, Files: map[Manager]string{Docker: link, Podman: filepath.Join(dir, "a/b/hull.conf")}}
	plan, err := Install(o)
	if err != nil || len(plan) != 2 {
		t.Fatal(plan, err)
	}
	if d := plan[0].Diff(); !strings.HasPrefix(d, "--- "+link+"\n+++ "+link+"\n@@ -1,1 +1,") || !strings.Contains(d, "\n-{}\n+{\"runtimes\"") {
		t.Errorf("the diff is\n%s", d)
	}
	if d := plan[1].Diff(); !strings.HasPrefix(d, "--- /dev/null\n+++ "+o.Files[Podman]+"\n@@ -0,0 +1,") {
		t.Errorf("the diff is\n%s", d)
	}
	if b, _ := os.ReadFile(real); string(b) != "{}\n" {
		t.Error("a plan changed something")
	}
	if err := Apply(plan); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(real); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if err := Apply(plan); err == nil {
		t.Error("an old plan was carried out")
	}
	if plan, err = Install(o); err != nil || plan[0].Changed() || plan[1].Changed() {
		t.Errorf("installed twice: %v", err)
	}
	if plan, err = Uninstall(o); err != nil {
		t.Fatal(err)
	}
	if err := Apply(plan); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.Files[Podman]); !os.IsNotExist(err) {
		t.Error("podman's file is still there")
	}
	for _, bad := range []Options{{Name: "a.b", Binary: bin}, {Name: "runc", Binary: bin}, {Name: "hull", Binary: "hull"}, {Name: "hull", Binary: dir}} {
		if _, err := Install(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// manifest reads the YAML that RuntimeClass writes: maps of maps and of texts,
// and lists of maps, by indentation.
func manifest(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var path []string
	var indents []int
	for _, line := range strings.Split(text, "\n") {
		body := strings.TrimLeft(line, " ")
		if body == "" || strings.HasPrefix(body, "#") {
			continue
		}
		indent := len(line) - len(body)
		if rest, ok := strings.CutPrefix(body, "- "); ok {
			indent, body = indent+2, rest
		}
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			indents, path = indents[:len(indents)-1], path[:len(path)-1]
		}
		key, value, ok := strings.Cut(body, ":")
		if !ok || strings.Contains(line, "\t") {
			t.Fatalf("%q is not a line of a manifest", line)
		}
		indents, path = append(indents, indent), append(path, key)
		if value = strings.TrimSpace(value); value != "" {
			out[strings.Join(path, ".")] = value
		}
	}
	return out
}

func TestRuntimeClass(t *testing.T) {
	class, pod, ok := strings.Cut(RuntimeClass("hull2"), "\n---\n")
	if !ok {
		t.Fatal("there are not two documents")
	}
	c, p := manifest(t, class), manifest(t, pod)
	for key, want := range map[string]string{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata.name": "hull2", "handler": "hull2"} {
		if c[key] != want {
			t.Errorf("the class has %s: %q", key, c[key])
		}
	}
	for key, want := range map[string]string{"apiVersion": "v1", "kind": "Pod", "spec.runtimeClassName": "hull2", "spec.containers.image": "busybox"} {
		if p[key] != want {
			t.Errorf("the pod has %s: %q", key, p[key])
		}
	}
}

// Whatever a file says, an edit is right or refused.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(containerdV2), true)
	f.Add([]byte("{\"runtimes\": {\"a\": {}},\n \"x\": [1]}"), false)
	f.Add([]byte("version = 2\n[a]\nb = \"\"\"\n[c]\"\"\"\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, def bool) {
		for _, e := range []editor{docker{}, containerd{}} {
			after, _, err := e.install(b, options(def))
			if err != nil {
				continue
			}
			if _, _, err := e.install(after, options(def)); err != nil {
				t.Errorf("%T: again: %v\n%q\n%q", e, err, b, after)
			}
			back, err := e.uninstall(after, options(def))
			if err != nil && err != errEdit {
				t.Errorf("%T: uninstall: %v\n%q\n%q", e, err, b, after)
			}
			if err == nil && !bytes.Contains(b, []byte("hull")) && !bytes.Equal(back, b) {
				t.Errorf("%T: %q is after install and uninstall\n%q", e, b, back)
			}
		}
	})
}
