package container

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
)

// A pod is found by annotations and by namespaces, and what is shared follows
// from the namespaces.
func TestPodOf(t *testing.T) {
	r := Root{t.TempDir()}
	self, err := processOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	put := func(rec Record) {
		rec.Process = &specs.Process{}
		b, err := json.Marshal(&rec)
		if err == nil {
			err = os.Mkdir(filepath.Join(r.Dir, rec.ID), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(r.Dir, rec.ID, recordFile), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	parent, err := processOf(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	put(Record{ID: "sandbox", Sentry: self})
	put(Record{ID: "member", Sandbox: "sandbox", Sentry: self, Gofer: parent})
	put(Record{ID: "ended", Sentry: Process{PID: self.PID, Start: 1}})

	path := func(p Process, kind string) string { return "/proc/" + strconv.Itoa(p.PID) + "/ns/" + kind }
	own := specs.LinuxNamespace{Type: specs.PIDNamespace}
	cri := func(id string) map[string]string {
		return map[string]string{"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": id}
	}
	for _, c := range []struct {
		name        string
		annotations map[string]string
		namespaces  []specs.LinuxNamespace
		share       *control.Share
		err         string
	}{
		{name: "alone", namespaces: []specs.LinuxNamespace{own}},
		{name: "a sandbox", annotations: map[string]string{"io.kubernetes.cri.container-type": "sandbox"}},
		{name: "CRI", annotations: cri("sandbox"),
			namespaces: []specs.LinuxNamespace{own, {Type: specs.IPCNamespace, Path: path(self, "ipc")}},
			share:      &control.Share{IPC: "sandbox", UTS: "sandbox"}},
		{name: "CRI-O", annotations: map[string]string{"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "sandbox"},
			namespaces: []specs.LinuxNamespace{{Type: specs.UTSNamespace}, {Type: specs.PIDNamespace, Path: path(self, "pid")}},
			share:      &control.Share{PID: "sandbox", IPC: "sandbox"}},
		{name: "another container's processes", annotations: cri("sandbox"),
			namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: path(parent, "pid")}},
			share:      &control.Share{PID: "member", IPC: "sandbox", UTS: "sandbox"}},
		{name: "by a namespace", namespaces: []specs.LinuxNamespace{own, {Type: specs.UTSNamespace}, {Type: specs.IPCNamespace, Path: path(parent, "ipc")}},
			share: &control.Share{IPC: "member"}},
		{name: "a network elsewhere", namespaces: []specs.LinuxNamespace{own, {Type: specs.NetworkNamespace, Path: "/proc/1/ns/net"}}},
		{name: "no sandbox", annotations: cri("other"), err: "other"},
		{name: "no id", annotations: cri(""), err: "annotations"},
		{name: "outside", annotations: cri("../x"), err: "annotations"},
		{name: "not a sandbox's own", annotations: cri("member"), err: "member"},
		{name: "one that has ended", annotations: cri("ended"), err: "not running"},
		{name: "nobody's", namespaces: []specs.LinuxNamespace{{Type: specs.IPCNamespace, Path: "/proc/1/ns/ipc"}}, err: "linux.namespaces[0].path"},
	} {
		s := &specs.Spec{Annotations: c.annotations, Linux: &specs.Linux{Namespaces: c.namespaces}}
		p, err := r.podOf(s)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want one about %q", c.name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case (p == nil) != (c.share == nil), p != nil && (p.share != *c.share || p.sandbox.ID != "sandbox"):
			t.Errorf("%s: %+v, want %+v", c.name, p, c.share)
		}
	}
	var fe *FieldError
	if _, err := r.podOf(&specs.Spec{Annotations: cri("other"), Linux: &specs.Linux{}}); !errors.As(err, &fe) {
		t.Errorf("%v names no field", err)
	}
}

func TestNamespaceOwner(t *testing.T) {
	for path, want := range map[string]int{
		"/proc/12/ns/pid": 12, "/proc/12/ns": 0, "/proc/12/ns/pid/x": 0, "/proc/self/ns/pid": 0, "/proc/-1/ns/pid": 0,
		"proc/12/ns/pid": 0, "/run/12/ns/pid": 0, "/proc/12/root/pid": 0, "/proc//12/./ns/net": 12, "": 0,
	} {
		if n := namespaceOwner(path); n != want {
			t.Errorf("%q is of %d, want %d", path, n, want)
		}
	}
}
