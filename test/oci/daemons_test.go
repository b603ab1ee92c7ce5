package oci

import (
	"os"
	"path/filepath"
	"testing"

	"hull/test/internal/docker"
)

// daemons are a containerd and a dockerd of the tests' own.
type daemons struct {
	dir    string
	config string   // dockerd's file
	sock   string   // of containerd
	env    []string // of clients
}

// start starts both, and ends them with the test. Containers have no network.
func start(t *testing.T) *daemons {
	t.Helper()
	return startWith(t, docker.Options{})
}

// startWith is start with options.
func startWith(t *testing.T, o docker.Options) *daemons {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can start dockerd")
	}
	o.InMemory = true
	o.Config = filepath.Join(t.TempDir(), "daemon.json")
	installed(t, "docker", o.Config, "{ \"default-runtime\":\"runc\" ,\n\t\"labels\" : [\"a={\"] }")
	both, err := docker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := both.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &daemons{dir: both.Dir, config: o.Config, sock: both.Containerd, env: both.Env}
	makeImage(t, d.archive())
	in, err := os.Open(d.archive())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := both.DockerIn(in, "load"); err != nil {
		t.Fatal(err)
	}
	return d
}

// memoryDir makes a directory that is gone with the test, in memory.
func memoryDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := docker.MemoryDir(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		docker.UnmountBelow(dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// archive is the file that has the image.
func (d *daemons) archive() string { return filepath.Join(d.dir, "image.tar") }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
