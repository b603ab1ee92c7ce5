package vfs_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/pipe"
	"hull/fsimpl/tmpfs"
	"hull/sentry/current/currenttest"
	"hull/sentry/mem"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// fixture is a namespace whose root is a tmpfs, and a superuser in it.
type fixture struct {
	*testing.T
	memory *mem.File
	env    *vfs.Environment
	ns     *vfs.Namespace
	fs     *vfs.Context
	task   *currenttest.Task
	made   []vfs.FilesystemImpl // every tmpfs of the test
}

// newFixture makes one. At the end all memory and all inodes must have been
// given back.
func newFixture(t *testing.T) *fixture {
	m, err := mem.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, memory: m, env: &vfs.Environment{FIFO: pipe.FIFOs{}}, task: currenttest.New(1 << 12)}
	fs, root := f.tmpfs()
	f.ns = vfs.NewNamespace(f.env, fs, root, "test", 0)
	f.fs = vfs.NewContext(f.ns)
	t.Cleanup(func() {
		f.fs.DecRef()
		f.ns.DecRef()
		for end := time.Now().Add(20 * time.Second); m.Usage() != 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			// a file that was mapped is released by a goroutine
		}
		if n := m.Usage(); n != 0 {
			t.Errorf("%d bytes of memory were not given back", n)
		}
		for i, impl := range f.made {
			s, err := impl.StatFS(f.task)
			if err != nil || s.Files != s.Ffree {
				t.Errorf("file system %d: %d inodes were not given back, %v", i, s.Files-s.Ffree, err)
			}
		}
		m.Release()
	})
	return f
}

func (f *fixture) tmpfs() (*vfs.Filesystem, *vfs.Inode) {
	fs, root := tmpfs.New(f.memory, f.env.AnonDev(), tmpfs.Options{Mode: 0o777, Inodes: 1 << 16})
	f.made = append(f.made, fs.Impl)
	return fs, root
}

func (f *fixture) at(name string) vfs.At { return vfs.At{FS: f.fs, Name: name} }

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) want(err error, errno unix.Errno) {
	f.Helper()
	if !errors.Is(err, errno) {
		f.Fatalf("error %v, want %v", err, errno)
	}
}

func (f *fixture) equal(have, want any) {
	f.Helper()
	if have != want {
		f.Fatalf("have %v, want %v", have, want)
	}
}

func (f *fixture) mkdir(names ...string) {
	f.Helper()
	for _, n := range names {
		f.ok(vfs.Mkdir(f.task, f.at(n), 0o755))
	}
}

func (f *fixture) open(name string, flags uint64) *vfs.File {
	f.Helper()
	x, err := vfs.Open(f.task, f.at(name), vfs.OpenHow{Flags: flags, Mode: 0o666})
	f.ok(err)
	return x
}

// file makes a file with the contents.
func (f *fixture) file(name, content string) {
	f.Helper()
	x := f.open(name, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY)
	defer x.DecRef(f.task)
	_, err := x.Write(f.task, usermem.BytesBuffer([]byte(content)))
	f.ok(err)
}

// content returns a file's first bytes, or the error in words.
func (f *fixture) content(name string) string {
	x, err := vfs.Open(f.task, f.at(name), vfs.OpenHow{})
	if err != nil {
		return err.Error()
	}
	defer x.DecRef(f.task)
	b := make([]byte, 100)
	n, err := x.Read(f.task, usermem.BytesBuffer(b))
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

// on calls do with the path of a name.
func (f *fixture) on(name string, do func(p vfs.Path) error) error {
	f.Helper()
	p, err := vfs.Walk(f.task, f.at(name))
	f.ok(err)
	defer p.DecRef()
	return do(p)
}
