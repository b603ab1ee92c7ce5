package vfs_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/vfs"
)

func (f *fixture) mount(name string) {
	f.Helper()
	fs, root := f.tmpfs()
	f.ok(f.on(name, func(p vfs.Path) error {
		_, err := f.ns.Mount(f.task, p, fs, root, "tmp", unix.MS_NOSUID)
		return err
	}))
}

func (f *fixture) bind(src, dst string, recursive bool) error {
	f.Helper()
	return f.on(src, func(s vfs.Path) error {
		return f.on(dst, func(d vfs.Path) error { return f.ns.Bind(f.task, s, d, recursive) })
	})
}

func (f *fixture) umount(name string, flags uint32) error {
	f.Helper()
	return f.on(name, func(p vfs.Path) error { return f.ns.Umount(f.task, p, flags) })
}

// points are where something is mounted, in order.
func (f *fixture) points() string {
	root := f.fs.Root()
	defer root.DecRef()
	var ps []string
	for _, m := range f.ns.Mounts(root) {
		ps = append(ps, m.Point)
	}
	return strings.Join(ps, " ")
}

func TestMount(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/m", "/m/hidden")
	f.file("/file", "x")
	f.mount("/m")
	f.equal(f.content("/m/hidden"), unix.ENOENT.Error())
	f.file("/m/f", "mounted")
	f.equal(f.content("/m/../m/f"), "mounted")
	f.want(vfs.Unlink(f.task, f.at("/m"), true), unix.EBUSY)
	f.want(vfs.Rename(f.task, f.at("/m"), f.at("/n"), 0), unix.EBUSY)
	f.want(vfs.Rename(f.task, f.at("/m/f"), f.at("/f"), 0), unix.EXDEV)
	f.want(vfs.Link(f.task, f.at("/m/f"), f.at("/f")), unix.EXDEV)
	fs, root := f.tmpfs()
	f.want(f.on("/file", func(p vfs.Path) error {
		_, err := f.ns.Mount(f.task, p, fs, root, "", 0)
		return err
	}), unix.ENOTDIR)
	f.mount("/m") // over the other
	f.equal(f.content("/m/f"), unix.ENOENT.Error())
	f.ok(f.umount("/m", 0))
	f.equal(f.content("/m/f"), "mounted")
	x := f.open("/m/f", unix.O_RDONLY)
	f.want(f.umount("/m", 0), unix.EBUSY)
	f.want(f.umount("/m/f", 0), unix.EINVAL)
	f.want(f.umount("/", 0), unix.EBUSY)
	f.want(f.umount("/m", unix.MNT_EXPIRE|unix.MNT_DETACH), unix.EINVAL)
	f.ok(f.umount("/m", unix.MNT_DETACH))
	f.want(f.umount("/m", 0), unix.EINVAL)
	f.equal(f.content("/m/hidden"), unix.EISDIR.Error())
	x.DecRef(f.task)
}

func TestBind(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/a", "/a/sub", "/b", "/c")
	f.file("/a/f", "a")
	f.mount("/a/sub")
	f.file("/a/sub/g", "sub")
	f.ok(f.bind("/a", "/b", false))
	f.equal(f.content("/b/f"), "a")
	f.equal(f.content("/b/sub/g"), unix.ENOENT.Error())
	f.ok(f.bind("/a", "/c", true))
	f.equal(f.content("/c/sub/g"), "sub")
	f.equal(f.content("/c/sub/../f"), "a")
	f.equal(f.content("/c/../a/f"), "a")
	f.file("/e", "")
	f.ok(f.bind("/a/f", "/e", false)) // a file over a file
	f.equal(f.content("/e"), "a")
	f.want(f.bind("/a/f", "/b", false), unix.ENOTDIR)
	f.equal(f.points(), "/ /a/sub /b /c /c/sub /e")
	f.want(f.umount("/c", 0), unix.EBUSY)
	f.ok(f.umount("/c", unix.MNT_DETACH))
	f.equal(f.points(), "/ /a/sub /b /e")
}

// A tree that is bound into itself is copied as it was, once.
func TestBindIntoItself(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/m")
	f.mount("/m")
	f.mkdir("/m/d")
	f.ok(f.bind("/", "/m/d", true))
	f.equal(f.points(), "/ /m /m/d /m/d/m")
	f.ok(f.bind("/", "/m/d", true))
	f.equal(f.points(), "/ /m /m/d /m/d/m /m/d /m/d/m /m/d/m/d /m/d/m/d/m")
	if lock.Checking {
		return // too many locks
	}
	// It doubles, up to a bound.
	for range 30 {
		if err := f.bind("/", "/m/d", true); err != nil {
			f.want(err, unix.ENOSPC)
			return
		}
	}
	t.Error("there is no bound")
}

func TestMoveMount(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/a", "/b")
	f.mount("/a")
	f.mkdir("/a/d")
	f.file("/a/f", "x")
	move := func(src, dst string) error {
		return f.on(src, func(s vfs.Path) error {
			return f.on(dst, func(d vfs.Path) error { return f.ns.MoveMount(f.task, s, d) })
		})
	}
	f.want(move("/a", "/a/d"), unix.ELOOP)
	f.want(move("/a/d", "/b"), unix.EINVAL)
	f.ok(move("/a", "/b"))
	f.equal(f.content("/b/f"), "x")
	f.equal(f.content("/a/f"), unix.ENOENT.Error())
	f.ok(vfs.Unlink(f.task, f.at("/a"), true))
	f.ok(f.umount("/b", 0))
}

// What container runtimes do: pivot_root(".", "."), then umount(".").
func TestPivotRoot(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/new")
	f.file("/old", "old")
	f.mount("/new")
	f.file("/new/f", "new")
	pivot := func(root, old string) error {
		return f.on(root, func(r vfs.Path) error {
			return f.on(old, func(o vfs.Path) error { return f.ns.PivotRoot(f.task, f.fs, r, o) })
		})
	}
	f.want(pivot("/new", "/"), unix.EBUSY)
	p, err := vfs.Walk(f.task, f.at("/new"))
	f.ok(err)
	f.fs.SetCWD(p)
	f.ok(pivot(".", "."))
	f.equal(f.content("/f"), "new")
	f.ok(f.umount(".", unix.MNT_DETACH))
	f.equal(f.points(), "/")
	f.equal(f.content("/old"), unix.ENOENT.Error())
	f.equal(f.content("../../f"), "new")
}

func TestCloneNamespace(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/m")
	f.mount("/m")
	f.file("/m/f", "x")
	p, err := vfs.Walk(f.task, f.at("/m"))
	f.ok(err)
	f.fs.SetCWD(p)
	fs := f.fs.Fork()
	ns, err := f.ns.Clone(f.task, fs)
	f.ok(err)
	f.fs.SetCWD(f.fs.Root())
	f.ok(f.umount("/m", 0)) // the copy does not keep it
	_, _, err = vfs.StatAt(f.task, vfs.At{FS: fs, Name: "f"})
	f.ok(err)
	_, _, err = vfs.StatAt(f.task, vfs.At{FS: fs, Name: "../m/f"})
	f.ok(err)
	fs.DecRef()
	ns.DecRef()
}

func TestMountInfo(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/m", "/d", "/d/e", "/t")
	f.mount("/m")
	f.ok(f.bind("/d/e", "/t", false))
	set := func(name string, flags uint64) {
		f.ok(f.on(name, func(p vfs.Path) error { return f.ns.SetPropagation(f.task, p, flags) }))
	}
	set("/m", unix.MS_SHARED)
	set("/t", unix.MS_UNBINDABLE)
	f.want(f.bind("/t", "/d", false), unix.EINVAL)
	f.ok(f.on("/t", func(p vfs.Path) error { return f.ns.Remount(f.task, p, unix.MS_RDONLY|unix.MS_NOEXEC) }))
	root := f.fs.Root()
	defer root.DecRef()
	have := ""
	for _, m := range f.ns.Mounts(root) {
		have += fmt.Sprintf("%s on %s from %s, %#x, shared %v, unbindable %v\n", m.FSType, m.Point, m.Root, m.Flags, m.Peers > 0, m.Unbindable)
	}
	const atime = unix.MS_RELATIME
	f.equal(have, fmt.Sprintf(`tmpfs on / from /, %#x, shared false, unbindable false
tmpfs on /m from /, %#x, shared true, unbindable false
tmpfs on /t from /d/e, %#x, shared false, unbindable true
`, atime, unix.MS_NOSUID|atime, unix.MS_RDONLY|unix.MS_NOEXEC|atime))
}

// Names that were looked up do not keep what an unmounted file system held.
func TestUnmountFrees(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/m")
	before := f.memory.Usage()
	f.mount("/m")
	for i := range 10_000 {
		n := fmt.Sprintf("/m/%d", i)
		f.mkdir(n)
		f.equal(f.content(n+"/none"), unix.ENOENT.Error())
	}
	f.file("/m/f", "x")
	f.ok(f.umount("/m", 0))
	f.equal(f.memory.Usage(), before)
}
