package tmpfs

import (
	"testing"

	"hull/fsimpl/internal/fstest"
	"hull/sentry/mem"
	"hull/sentry/vfs"
)

// memory returns a sandbox memory that must be empty again at the end.
func memory(t *testing.T) *mem.File {
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
	return m
}

func TestSuite(t *testing.T) {
	fstest.Run(t, fstest.Config{New: func(t *testing.T, env *vfs.Environment) (*vfs.Filesystem, *vfs.Inode) {
		fs, root := New(memory(t), env.AnonDev(), Options{Mode: 0o777})
		t.Cleanup(func() {
			if n := fs.Impl.(*FS).inodes.Load(); n != 0 {
				t.Errorf("%d inodes are left", n)
			}
			if n := fs.Impl.(*FS).pages.Load(); n != 0 {
				t.Errorf("%d pages are left", n)
			}
		})
		return fs, root
	}})
}
