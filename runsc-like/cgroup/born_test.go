package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Processes that are started within the cgroup are in all of it, in each layout,
// and the one that started them is not.
func TestRealWithin(t *testing.T) {
	m := testManager(t, &specs.Spec{})
	if err := m.Make(); err != nil {
		t.Fatal(err)
	}
	var children []*exec.Cmd
	inside, err := m.Within(func(fd int) error {
		for range 2 {
			c := exec.Command("sleep", "100")
			c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: fd != -1, CgroupFD: fd}
			if err := c.Start(); err != nil {
				return err
			}
			children = append(children, c)
		}
		return nil
	})
	defer func() {
		for _, c := range children {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	if !inside {
		t.Fatal("not born inside, with all the rights there are")
	}
	if err := m.Limit(); err != nil {
		t.Fatal(err)
	}
	dirs := m.processDirs()
	if len(dirs) == 0 {
		t.Fatal("no directories")
	}
	for _, dir := range dirs {
		pids, err := cgroups.GetPids(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range children {
			if !slices.Contains(pids, c.Process.Pid) {
				t.Errorf("%s: process %d is not there, but %v", dir, c.Process.Pid, pids)
			}
		}
		if slices.Contains(pids, os.Getpid()) {
			t.Errorf("%s: who started them is there", dir)
		}
	}
}

// What start says comes back, and then nothing is in the cgroup.
func TestRealWithinFails(t *testing.T) {
	m := testManager(t, &specs.Spec{})
	if err := m.Make(); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("not started")
	if _, err := m.Within(func(int) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("Within: %v", err)
	}
	if pids, err := m.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("left in the cgroup: %v, %v", pids, err)
	}
}
