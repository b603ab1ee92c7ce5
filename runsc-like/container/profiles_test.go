package container

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A profile is compiled once; what is kept of it is used only from a directory that
// is the caller's alone, and only if it is whole.
func TestProfiles(t *testing.T) {
	d := profiles{filepath.Join(t.TempDir(), "p")}
	one := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActErrno}}}
	want, err := d.compile(one)
	if err != nil {
		t.Fatal(err)
	}
	name, err := d.name(one)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.load(name); !reflect.DeepEqual(got, want) {
		t.Errorf("kept is %+v, want %+v", got, want)
	}
	two := *one
	two.DefaultAction = specs.ActLog
	if other, err := d.name(&two); err != nil || other == name {
		t.Errorf("another profile has the same name (%v)", err)
	}
	if err := os.WriteFile(name, []byte(`{"code":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.load(name); got != nil {
		t.Errorf("half a file is %+v", got)
	}
	if got, err := d.compile(one); err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(d.load(name), want) {
		t.Errorf("compiled again it is %+v, %v", got, err)
	}
	if err := os.Chmod(d.dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if got := d.load(name); got != nil {
		t.Error("a directory that others write to is used")
	}
	if got, err := d.compile(one); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("without a directory it is %+v, %v", got, err)
	}
	if _, err := d.compile(&specs.LinuxSeccomp{DefaultAction: "nothing"}); err == nil {
		t.Error("what is no profile is compiled")
	}
}

func TestProfilesAreFew(t *testing.T) {
	d := profiles{t.TempDir()}
	if err := os.Chmod(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for errno := range uint(maxProfiles + 3) {
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &errno}
		if _, err := d.compile(p); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(d.dir); err != nil || len(entries) == 0 || len(entries) > maxProfiles {
		t.Errorf("%d are kept (%v)", len(entries), err)
	}
}
