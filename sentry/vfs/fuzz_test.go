package vfs_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// FuzzTree makes random calls on a small tree: nothing panics, and when all is
// over every inode and every page was given back, which the fixture checks. The
// bytes are the calls: what to do, and with which of a few names.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 0, 2, 1, 3, 3, 1, 2})
	f.Add([]byte{0, 0, 0, 8, 0, 0, 9, 0, 0, 10, 0, 0, 1, 0, 1})
	f.Add([]byte{1, 4, 0, 3, 4, 5, 4, 4, 5, 5, 5, 4, 2, 4, 0, 7, 5, 0})
	f.Fuzz(func(t *testing.T, calls []byte) {
		x := newFixture(t)
		x.mkdir("/d")
		c := caller{x: x}
		for i := 0; i+3 <= len(calls) && i < 3*64; i += 3 {
			c.call(calls[i], calls[i+1], calls[i+2])
		}
		for _, o := range c.open {
			o.DecRef(x.task)
		}
	})
}

// caller makes the calls of FuzzTree.
type caller struct {
	x    *fixture
	open []*vfs.File
}

// name is one of few, so that calls meet.
func (c *caller) name(n byte) string {
	names := []string{"/d", "/d/a", "/d/b", "/a", "/b", "/b/c", "/d/../a", "/l", "/l/a", "/d/.", "/d/..", "/", "/a/", "/d/b/c", "b", "../b"}
	return names[int(n)%len(names)]
}

// call makes one; every error is as good as success.
func (c *caller) call(what, one, other byte) {
	x, t := c.x, c.x.task
	a, b := x.at(c.name(one)), x.at(c.name(other))
	switch what % 14 {
	case 0:
		_ = vfs.Mkdir(t, a, 0o777)
	case 1:
		c.openAt(a, unix.O_CREAT|unix.O_RDWR|uint64(other)&(unix.O_EXCL|unix.O_TRUNC))
	case 2:
		_ = vfs.Unlink(t, a, other%2 == 0)
	case 3:
		_ = vfs.Rename(t, a, b, uint32(what/14)%4)
	case 4:
		_ = vfs.Link(t, a, b)
	case 5:
		_ = vfs.Symlink(t, c.name(other), a)
	case 6:
		c.openAt(a, uint64(other)%2*unix.O_PATH)
	case 7:
		c.openAt(a, unix.O_TMPFILE|unix.O_RDWR)
	case 8:
		c.at(a, func(p vfs.Path) {
			fs, root := x.tmpfs()
			_, _ = x.ns.Mount(t, p, fs, root, "fuzz", 0)
		})
	case 9:
		a.Follow = true
		c.at(a, func(p vfs.Path) { _ = x.ns.Umount(t, p, uint32(other)%2*unix.MNT_DETACH) })
	case 10:
		c.at(a, func(p vfs.Path) { c.at(b, func(q vfs.Path) { _ = x.ns.Bind(t, p, q, what >= 128) }) })
	case 11:
		c.at(a, func(p vfs.Path) { c.at(b, func(q vfs.Path) { _ = x.ns.MoveMount(t, p, q) }) })
	case 12:
		c.at(a, func(p vfs.Path) {
			if vfs.MayEnter(t, p) == nil {
				x.fs.SetCWD(p.IncRef())
			}
		})
	case 13:
		if n := len(c.open); n > 0 {
			c.open[int(one)%n].DecRef(t)
			c.open = append(c.open[:int(one)%n], c.open[int(one)%n+1:]...)
		}
	}
}

// openAt opens a name, writes a byte if it can, and keeps the file.
func (c *caller) openAt(a vfs.At, flags uint64) {
	f, err := vfs.Open(c.x.task, a, vfs.OpenHow{Flags: flags, Mode: 0o666})
	if err != nil {
		return
	}
	_, _ = f.Write(c.x.task, usermem.BytesBuffer([]byte{1}))
	c.open = append(c.open, f)
}

// at calls do with the path of a name, if it leads somewhere.
func (c *caller) at(a vfs.At, do func(p vfs.Path)) {
	if p, err := vfs.Walk(c.x.task, a); err == nil {
		do(p)
		p.DecRef()
	}
}
