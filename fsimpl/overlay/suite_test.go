package overlay

import (
	"testing"

	"hull/fsimpl/internal/fstest"
	"hull/fsimpl/tmpfs"
	"hull/sentry/current/currenttest"
	"hull/sentry/mem"
	"hull/sentry/vfs"
)

// layers returns two empty layers in a memory of their own, which must be empty
// again at the end.
func layers(t *testing.T, env *vfs.Environment) (upper, lower Layer) {
	m, err := mem.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := m.Usage(); n != 0 {
			t.Errorf("%d bytes of memory were not given back", n)
		}
		m.Release()
	})
	layer := func() Layer {
		fs, root := tmpfs.New(m, env.AnonDev(), tmpfs.Options{Mode: 0o777})
		return Layer{fs, root}
	}
	return layer(), layer()
}

func TestSuite(t *testing.T) {
	fstest.Run(t, fstest.Config{New: func(t *testing.T, env *vfs.Environment) (*vfs.Filesystem, *vfs.Inode) {
		up, low := layers(t, env)
		fs, root, err := New(currenttest.New(0), Options{Dev: env.AnonDev(), Upper: up, Lower: low})
		if err != nil {
			t.Fatal(err)
		}
		return fs, root
	}})
}
