package gofer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/fstest"
	"hull/gofer/client"
	"hull/gofer/server"
	"hull/sentry/current/currenttest"
	"hull/sentry/vfs"
)

// served starts a gofer for dir in this process, and connects to it. Both have to
// end, and to have no descriptor left, with the test.
func served(t *testing.T, dir string) *client.Client {
	t.Helper()
	before := descriptors(t)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error)
	go func() { over <- server.Serve(ends[1], []server.Root{{FD: root}}) }()
	c, err := client.New(ends[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := <-over; err != nil {
			t.Errorf("the gofer: %v", err)
		}
		_ = unix.Close(root)
		_ = unix.Close(ends[1])
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors, then %d", before, after)
		}
	})
	return c
}

// descriptors is how many this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

// directory is an empty one that anybody may write to.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSuite(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root: a gofer that is not gives files to nobody else")
	}
	unix.Umask(0) // as a gofer has it
	for name, exclusive := range map[string]bool{"exclusive": true, "shared": false} {
		t.Run(name, func(t *testing.T) {
			fstest.Run(t, fstest.Config{
				NoTmpfile: true, NoRelatime: true, NoDevices: true, Slow: true,
				NoSetID: true, // the host does it, to a process that is not root
				New: func(t *testing.T, env *vfs.Environment) (*vfs.Filesystem, *vfs.Inode) {
					fs, root, err := New(currenttest.New(0), served(t, directory(t)), Options{Exclusive: exclusive, Dev: env.AnonDev()})
					if err != nil {
						t.Fatal(err)
					}
					return fs, root
				},
			})
		})
	}
}

// TestListing: what is made while somebody lists a directory is seen by whoever
// lists it afterwards.
func TestListing(t *testing.T) {
	host := directory(t)
	for i := range 3000 { // more than come in one answer
		if err := os.WriteFile(filepath.Join(host, fmt.Sprint("old", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := &vfs.Environment{}
	task := currenttest.New(1 << 16)
	_, root, err := New(task, served(t, host), Options{Exclusive: true, Dev: env.AnonDev()})
	if err != nil {
		t.Fatal(err)
	}
	defer root.DecRef()
	d := root.Impl.(*dir)
	made := 0
	for round := range 8 {
		over := make(chan error, 1)
		go func() {
			_, err := d.list()
			over <- err
		}()
		// Until the listing is over: the last ones come when most has been read.
		for len(over) == 0 {
			i, err := d.Mkdir(task, fmt.Sprint("new", made), vfs.NewInode{Mode: unix.S_IFDIR | 0o755})
			if err != nil {
				t.Fatal(err)
			}
			i.DecRef()
			made++
		}
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		es, err := d.list()
		if err != nil {
			t.Fatal(err)
		}
		if len(es) != 3000+made {
			t.Fatalf("round %d: %d entries of %d are listed", round, len(es), 3000+made)
		}
	}
}
