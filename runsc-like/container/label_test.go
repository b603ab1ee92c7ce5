package container

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/jail"
)

// Where a mount is in the guest, and what of its mount point is missing.
func TestPlaceRoots(t *testing.T) {
	dir := t.TempDir()
	root, vol, file := filepath.Join(dir, "root"), filepath.Join(dir, "vol"), filepath.Join(dir, "file")
	for _, d := range []string{"root/run", "root/var", "root/data", "vol/there"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"root/var/run": "/run", "root/up": "../../../data", "root/gone": "/nowhere", "vol/link": "/etc"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	bind := func(at, from string) specs.Mount { return specs.Mount{Destination: at, Type: "bind", Source: from} }
	s := &specs.Spec{Root: &specs.Root{Path: root}, Mounts: []specs.Mount{
		{Destination: "/proc", Type: "proc"},
		bind("/proc/one", file),   // in what is the guest's own
		bind("/var/run/a/b", vol), // a link on the way
		bind("/up", vol),          // one that leaves the root elsewhere
		bind("/data/there", vol),
		bind("/data/new", file),
		bind("/data/link/x", vol),
		bind("/gone", vol),
		{Destination: "/tmp", Type: "tmpfs"},
		bind("/tmp/x/y", vol),
	}}
	roots := make([]jail.Root, 1+8)
	roots[0].Path = root
	for i, n := 0, 1; i < len(s.Mounts); i++ {
		if s.Mounts[i].Type == "bind" {
			roots[n].Path = s.Mounts[i].Source
			n++
		}
	}
	points, err := placeRoots(s, roots)
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for _, r := range roots {
		at = append(at, r.At)
	}
	if want := []string{"/", "/proc/one", "/run/a/b", "/data", "/data/there", "/data/new", "/data/link/x", "/gone", "/tmp/x/y"}; !reflect.DeepEqual(at, want) {
		t.Errorf("the roots are at %q, want %q", at, want)
	}
	want := []jail.Point{{Root: 0, Path: "/proc"}, {Root: 0, Path: "/run/a"}, {Root: 0, Path: "/run/a/b"}, {Root: 3, Path: "/new", File: true}, {Root: 0, Path: "/tmp"}}
	if !reflect.DeepEqual(points, want) {
		t.Errorf("missing are %v, want %v", points, want)
	}
	s.Mounts = []specs.Mount{bind("/var/..", vol)}
	if _, err := placeRoots(s, roots[:2]); err == nil {
		t.Error("a mount over the root is accepted")
	}
}

// A label that the host cannot apply is an error that names it; none is not.
func TestConfinement(t *testing.T) {
	dir := bundleDir(t)
	for _, c := range []struct {
		field string
		has   bool
	}{{"apparmorProfile", jail.HasAppArmor()}, {"selinuxLabel", jail.HasSELinux()}} {
		for value, refused := range map[string]bool{`"` + jail.Unconfined + `"`: false, `""`: false, `"a:b:c:s0"`: !c.has, `"a\u0000b"`: true, `"a\nb"`: true} {
			_, warnings, err := ParseConfig(merge(t, `{"process":{"`+c.field+`":`+value+`}}`), dir)
			var fe *FieldError
			if refused != (err != nil) || len(warnings) > 0 || refused && (!errors.As(err, &fe) || fe.Field != "process."+c.field) {
				t.Errorf("%s %s: %v, %v", c.field, value, err, warnings)
			}
		}
	}
}

// What exec adds has its container's label, or names none.
func TestSameLabel(t *testing.T) {
	for _, c := range []struct {
		own, more specs.Process
		ok        bool
	}{
		{specs.Process{ApparmorProfile: "p"}, specs.Process{}, true},
		{specs.Process{ApparmorProfile: "p"}, specs.Process{ApparmorProfile: "p"}, true},
		{specs.Process{}, specs.Process{ApparmorProfile: jail.Unconfined}, true},
		{specs.Process{ApparmorProfile: jail.Unconfined}, specs.Process{ApparmorProfile: jail.Unconfined}, true},
		{specs.Process{ApparmorProfile: "p"}, specs.Process{ApparmorProfile: jail.Unconfined}, false},
		{specs.Process{}, specs.Process{ApparmorProfile: "p"}, false},
		{specs.Process{SelinuxLabel: "l"}, specs.Process{SelinuxLabel: "l"}, true},
		{specs.Process{SelinuxLabel: "l"}, specs.Process{SelinuxLabel: "m"}, false},
	} {
		if err := checkSameLabel(&c.own, &c.more); (err == nil) != c.ok {
			t.Errorf("%v and %v: %v", c.own, c.more, err)
		}
	}
}

func TestShownLabel(t *testing.T) {
	const list = "p//q (complain)\np (kill)\nother (enforce)\n"
	for profile, want := range map[string]string{"p": "p (kill)\n", "p//q": "p//q (complain)\n", "q": "q (enforce)\n"} {
		if got := modeOf(profile, list); got != want {
			t.Errorf("%s is shown as %q, want %q", profile, got, want)
		}
	}
	if got := shownLabel(jail.Label{SELinux: "u:r:t:s0"}); got != "u:r:t:s0\x00" {
		t.Errorf("a label of SELinux is shown as %q", got)
	}
	if got := shownLabel(jail.Label{}) + shownLabel(jail.Label{AppArmor: jail.Unconfined}); got != "unconfined\n" {
		t.Errorf("no profile is shown as %q", got)
	}
}
