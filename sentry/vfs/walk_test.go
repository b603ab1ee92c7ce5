package vfs_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

func TestResolve(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/d", "/d/e", "/d/m")
	f.file("/f", "outside")
	f.file("/d/f", "inside")
	for target, name := range map[string]string{"/f": "/d/abs", "../f": "/d/up", "e/../f": "/d/in", "m": "/d/mlink"} {
		f.ok(vfs.Symlink(f.task, target, f.at(name)))
	}
	f.mount("/d/m")
	dir, err := vfs.Walk(f.task, f.at("/d"))
	f.ok(err)
	defer dir.DecRef()
	const (
		beneath = unix.RESOLVE_BENEATH
		inRoot  = unix.RESOLVE_IN_ROOT
		noLinks = unix.RESOLVE_NO_SYMLINKS
		noXdev  = unix.RESOLVE_NO_XDEV
	)
	for _, c := range []struct {
		name    string
		resolve uint64
		want    error
	}{
		{"f", beneath, nil},
		{"in", beneath, nil},
		{"e/../f", beneath, nil},
		{"../f", beneath, unix.EXDEV},
		{"..", beneath, unix.EXDEV},
		{"/f", beneath, unix.EXDEV},
		{"abs", beneath, unix.EXDEV},
		{"up", beneath, unix.EXDEV},
		{"abs", inRoot, nil}, // /d/f
		{"../../f", inRoot, nil},
		{"/e/..", inRoot, nil},
		{"in", noLinks, unix.ELOOP},
		{"e/../f", noLinks, nil},
		{"m", noXdev, unix.EXDEV},
		{"mlink", noXdev, unix.EXDEV},
		{"../d/f", noXdev, nil},
	} {
		p, err := vfs.Walk(f.task, vfs.At{FS: f.fs, Dir: dir, Name: c.name, Follow: true, Resolve: c.resolve})
		p.DecRef()
		if err != c.want {
			t.Errorf("%s with %#x: %v, want %v", c.name, c.resolve, err, c.want)
		}
	}
}

// Nobody comes out of a root, by whatever name.
func TestChroot(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/jail", "/jail/d")
	f.file("/secret", "secret")
	f.ok(vfs.Symlink(f.task, "/secret", f.at("/jail/abs")))
	f.ok(vfs.Symlink(f.task, "../../secret", f.at("/jail/d/up")))
	p, err := vfs.Walk(f.task, f.at("/jail"))
	f.ok(err)
	f.fs.SetRoot(p.IncRef())
	f.fs.SetCWD(p)
	for _, n := range []string{"/secret", "../secret", "/../secret", "d/../../secret", "abs", "d/up", "/d/../../../secret"} {
		f.equal(f.content(n), unix.ENOENT.Error())
	}
}

// The walk follows forty links and no more.
func TestLinkDepth(t *testing.T) {
	f := newFixture(t)
	f.file("/l0", "end")
	name := func(i int) string { return "/l" + string(rune('0'+i/10)) + string(rune('0'+i%10)) }
	f.ok(vfs.Symlink(f.task, "l0", f.at(name(1))))
	for i := 2; i <= 41; i++ {
		f.ok(vfs.Symlink(f.task, name(i-1), f.at(name(i))))
	}
	f.equal(f.content(name(40)), "end")
	f.equal(f.content(name(41)), unix.ELOOP.Error())
}

func FuzzWalk(f *testing.F) {
	for _, s := range []string{"/d/e", "l/../f", "d/./e//..", "l/l/l", "/", "", "....", "d/m/../../x/"} {
		f.Add(s, uint64(0))
	}
	f.Fuzz(func(t *testing.T, name string, resolve uint64) {
		x := newFixture(t)
		x.mkdir("/d", "/d/e", "/d/m")
		x.mount("/d/m")
		_ = vfs.Symlink(x.task, "d/..", x.at("/l"))
		a := x.at(name)
		a.Follow, a.Resolve = true, resolve
		p, err := vfs.Walk(x.task, a)
		if err == nil && p.Inode() == nil {
			t.Error("a walk led to nothing")
		}
		p.DecRef()
	})
}
