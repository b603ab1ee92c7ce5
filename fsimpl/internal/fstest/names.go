package fstest

import (
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func names() map[string]func(*Fixture) {
	return map[string]func(*Fixture){
		"create":         testCreate,
		"create errors":  testCreateErrors,
		"walk":           testWalk,
		"symlinks":       testSymlinks,
		"links":          testLinks,
		"unlink":         testUnlink,
		"unlinked open":  testUnlinkedOpen,
		"rmdir":          testRmdir,
		"removed dir":    testRemovedDir,
		"special files":  testSpecialFiles,
		"tmpfile":        testTmpfile,
		"read-only":      testReadOnly,
		"long names":     testLongNames,
		"negative names": testNegativeNames,
	}
}

func testCreate(f *Fixture) {
	f.file("/a", "hello")
	f.is("/a", "hello")
	s := f.stat("/a")
	f.equal(s.Mode, uint32(unix.S_IFREG|0o644))
	f.equal(s.Size, int64(5))
	f.equal(s.Nlink, uint32(1))
	f.FS.SetUmask(0o27)
	f.mkdir("/d")
	f.equal(f.stat("/d").Mode, uint32(unix.S_IFDIR|0o750))
	f.equal(f.stat("/d").Nlink, uint32(2))
	_, err := f.try("/a", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	f.want(err, unix.EEXIST)
	x := f.open("/a", unix.O_CREAT|unix.O_TRUNC|unix.O_RDWR)
	x.DecRef(f.Task)
	f.is("/a", "")
	f.equal(f.list("/"), "a d")
}

func testCreateErrors(f *Fixture) {
	f.file("/a", "")
	f.mkdir("/d")
	for _, c := range []struct {
		name  string
		flags uint64
		errno unix.Errno
	}{
		{"", unix.O_RDONLY, unix.ENOENT},
		{"/x", unix.O_RDONLY, unix.ENOENT},
		{"/x/y", unix.O_CREAT | unix.O_WRONLY, unix.ENOENT},
		{"/a/y", unix.O_CREAT | unix.O_WRONLY, unix.ENOTDIR},
		{"/a/", unix.O_RDONLY, unix.ENOTDIR},
		{"/x/", unix.O_CREAT | unix.O_WRONLY, unix.EISDIR},
		{"/d", unix.O_CREAT | unix.O_RDONLY, unix.EISDIR},
		{"/d", unix.O_WRONLY, unix.EISDIR},
		{"/a", unix.O_DIRECTORY, unix.ENOTDIR},
		{"/d/.", unix.O_CREAT | unix.O_WRONLY, unix.EISDIR},
	} {
		_, err := f.try(c.name, c.flags)
		if err != c.errno {
			f.Errorf("open %q with %#o: %v, want %v", c.name, c.flags, err, c.errno)
		}
	}
	f.want(vfs.Mkdir(f.Task, f.at("/a"), 0o755), unix.EEXIST)
	f.want(vfs.Mkdir(f.Task, f.at("/"), 0o755), unix.EEXIST)
	f.want(vfs.Mkdir(f.Task, f.at("/d/."), 0o755), unix.EEXIST)
	f.want(vfs.Mkdir(f.Task, f.at("/x/y"), 0o755), unix.ENOENT)
	f.ok(vfs.Mkdir(f.Task, f.at("/e//"), 0o755))
	f.want(vfs.Symlink(f.Task, "t", f.at("/l/")), unix.ENOENT)
	f.want(vfs.Symlink(f.Task, "", f.at("/l")), unix.ENOENT)
	f.want(vfs.Mknod(f.Task, f.at("/n"), unix.S_IFLNK, 0), unix.EINVAL)
	f.want(vfs.Mknod(f.Task, f.at("/n"), unix.S_IFDIR, 0), unix.EPERM)
	f.Task = f.User
	f.want(vfs.Mkdir(f.Task, f.at("/d/x"), 0o755), unix.EACCES)
	_, err := f.try("/d/x", unix.O_CREAT|unix.O_WRONLY)
	f.want(err, unix.EACCES)
	f.want(vfs.Mknod(f.Task, f.at("/n"), unix.S_IFCHR|0o666, 0), unix.EPERM)
}

func testWalk(f *Fixture) {
	f.mkdir("/d")
	f.mkdir("/d/e")
	f.file("/d/e/f", "x")
	for _, n := range []string{"/d/e/f", "d/e/f", "//d///e/./f", "/d/../d/e/../e/f", "/../../d/e/f", "./d/e/f"} {
		f.is(n, "x")
	}
	_, err := f.lstat("/d/e/f/")
	f.want(err, unix.ENOTDIR)
	_, err = f.lstat("/d/e/f/.")
	f.want(err, unix.ENOTDIR)
	_, err = f.lstat("/d/x/../e")
	f.want(err, unix.ENOENT)
	f.equal(f.stat("/d/").Ino, f.stat("/d").Ino)
	p := f.path("/d/e")
	f.equal(f.named(p), "/d/e")
	f.FS.SetCWD(p)
	f.is("f", "x")
	f.is("../e/f", "x")
	f.ok(f.set("/d", vfs.SetStat{Mask: vfs.SetMode, Mode: 0o700}))
	f.Task = f.User
	_, err = f.lstat("/d/e/f")
	f.want(err, unix.EACCES)
	f.is("f", "x") // the working directory is inside
}

func testSymlinks(f *Fixture) {
	f.mkdir("/d")
	f.file("/d/f", "x")
	link := func(target, name string) { f.Helper(); f.ok(vfs.Symlink(f.Task, target, f.at(name))) }
	link("/d/f", "/abs")
	link("f", "/d/rel")
	link("d", "/dir")
	link("loop", "/loop")
	link("nowhere", "/dangling")
	f.is("/abs", "x")
	f.is("/d/rel", "x")
	f.is("/dir/rel", "x")
	s := f.stat("/abs")
	f.equal(s.Mode, uint32(unix.S_IFLNK|0o777))
	f.equal(s.Size, int64(4))
	p := f.path("/abs")
	target, err := vfs.Readlink(f.Task, p)
	p.DecRef()
	f.ok(err)
	f.equal(target, "/d/f")
	_, err = f.try("/loop", unix.O_RDONLY)
	f.want(err, unix.ELOOP)
	_, err = f.try("/abs", unix.O_RDONLY|unix.O_NOFOLLOW)
	f.want(err, unix.ELOOP)
	_, err = f.try("/dangling", unix.O_RDONLY)
	f.want(err, unix.ENOENT)
	_, err = f.try("/dangling", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	f.want(err, unix.EEXIST)
	f.file("/dangling", "made")
	f.is("/nowhere", "made")
	f.want(vfs.Mkdir(f.Task, f.at("/dir/"), 0o755), unix.EEXIST)
	f.equal(f.stat("/dir/").Mode&unix.S_IFMT, uint32(unix.S_IFDIR))
	f.ok(vfs.Unlink(f.Task, f.at("/dir"), false))
	f.is("/d/f", "x")
}

func testLinks(f *Fixture) {
	f.file("/a", "x")
	f.mkdir("/d")
	f.ok(vfs.Link(f.Task, f.at("/a"), f.at("/d/b")))
	f.equal(f.stat("/a").Nlink, uint32(2))
	f.equal(f.stat("/a").Ino, f.stat("/d/b").Ino)
	f.file("/d/b", "changed")
	f.is("/a", "changed")
	f.want(vfs.Link(f.Task, f.at("/a"), f.at("/d/b")), unix.EEXIST)
	f.want(vfs.Link(f.Task, f.at("/d"), f.at("/e")), unix.EPERM)
	f.want(vfs.Link(f.Task, f.at("/x"), f.at("/e")), unix.ENOENT)
	f.ok(vfs.Unlink(f.Task, f.at("/a"), false))
	f.equal(f.stat("/d/b").Nlink, uint32(1))
	f.is("/d/b", "changed")
}

func testUnlink(f *Fixture) {
	f.file("/a", "")
	f.mkdir("/d")
	f.want(vfs.Unlink(f.Task, f.at("/x"), false), unix.ENOENT)
	f.want(vfs.Unlink(f.Task, f.at("/d"), false), unix.EISDIR)
	f.want(vfs.Unlink(f.Task, f.at("/a/"), false), unix.ENOTDIR)
	f.want(vfs.Unlink(f.Task, f.at("/d/."), false), unix.EISDIR)
	f.ok(vfs.Unlink(f.Task, f.at("/a"), false))
	f.want(vfs.Unlink(f.Task, f.at("/a"), false), unix.ENOENT)
	f.equal(f.list("/"), "d")
	f.file("/a", "again")
	f.is("/a", "again")
}

func testUnlinkedOpen(f *Fixture) {
	f.file("/a", "kept")
	x := f.open("/a", unix.O_RDWR)
	defer x.DecRef(f.Task)
	f.ok(vfs.Unlink(f.Task, f.at("/a"), false))
	s, err := x.Stat(f.Task)
	f.ok(err)
	f.equal(s.Nlink, uint32(0))
	f.equal(f.rest(x), "kept")
	_, err = x.Write(f.Task, usermem.BytesBuffer([]byte("!")))
	f.ok(err)
	f.equal(x.Path.Dentry.Deleted(), true)
	f.want(vfs.LinkPath(f.Task, x.Path, f.at("/b")), unix.ENOENT)
}

func testRmdir(f *Fixture) {
	f.mkdir("/d")
	f.mkdir("/d/e")
	f.file("/a", "")
	links := f.stat("/").Nlink
	f.want(vfs.Unlink(f.Task, f.at("/d"), true), unix.ENOTEMPTY)
	f.want(vfs.Unlink(f.Task, f.at("/a"), true), unix.ENOTDIR)
	f.want(vfs.Unlink(f.Task, f.at("/d/."), true), unix.EINVAL)
	f.want(vfs.Unlink(f.Task, f.at("/d/e/.."), true), unix.ENOTEMPTY)
	f.want(vfs.Unlink(f.Task, f.at("/"), true), unix.EBUSY)
	f.ok(vfs.Unlink(f.Task, f.at("/d/e/"), true))
	f.ok(vfs.Unlink(f.Task, f.at("/d"), true))
	f.equal(f.list("/"), "a")
	if links > 1 { // 1 is that of a file system that does not count
		f.equal(f.stat("/").Nlink, links-1)
	}
}

func testRemovedDir(f *Fixture) {
	f.mkdir("/d")
	_, err := f.lstat("/d/negative")
	f.want(err, unix.ENOENT)
	d := f.open("/d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer d.DecRef(f.Task)
	f.FS.SetCWD(f.path("/d"))
	f.ok(vfs.Unlink(f.Task, f.at("/d"), true))
	_, err = f.try("x", unix.O_CREAT|unix.O_WRONLY)
	f.want(err, unix.ENOENT)
	f.want(vfs.Mkdir(f.Task, f.at("x"), 0o755), unix.ENOENT)
	f.want(d.ReadDir(f.Task, func(vfs.Dirent) bool { return true }), unix.ENOENT)
	_, err = f.lstat(".")
	f.ok(err)
	f.mkdir("/d")
	f.equal(f.list("/d"), "")
}

func testSpecialFiles(f *Fixture) {
	f.ok(vfs.Mknod(f.Task, f.at("/fifo"), unix.S_IFIFO|0o600, 0))
	f.ok(vfs.Mknod(f.Task, f.at("/sock"), unix.S_IFSOCK|0o600, 0))
	f.ok(vfs.Mknod(f.Task, f.at("/plain"), 0o640, 0))
	f.equal(f.stat("/fifo").Mode, uint32(unix.S_IFIFO|0o600))
	f.equal(f.stat("/sock").Mode, uint32(unix.S_IFSOCK|0o600))
	f.equal(f.stat("/plain").Mode, uint32(unix.S_IFREG|0o640))
	_, err := f.try("/sock", unix.O_RDONLY)
	f.want(err, unix.ENXIO)
	dev := vfs.Dev(unix.Mkdev(1, 77))
	err = vfs.Mknod(f.Task, f.at("/dev"), unix.S_IFCHR|0o600, dev)
	if f.Config.NoDevices {
		f.want(err, unix.EPERM)
		f.equal(f.list("/"), "fifo plain sock")
		return
	}
	f.ok(err)
	f.equal(f.stat("/dev").Rdev, dev)
	_, err = f.try("/dev", unix.O_RDONLY)
	f.want(err, unix.ENXIO)
	f.equal(f.list("/"), "dev fifo plain sock")
}

func testTmpfile(f *Fixture) {
	f.mkdir("/d")
	x, err := f.try("/d", unix.O_TMPFILE|unix.O_RDWR)
	if f.Config.NoTmpfile {
		f.want(err, unix.EOPNOTSUPP)
		return
	}
	f.ok(err)
	_, err = x.Write(f.Task, usermem.BytesBuffer([]byte("late")))
	f.ok(err)
	f.equal(f.list("/d"), "")
	f.ok(vfs.LinkPath(f.Task, x.Path, f.at("/d/named")))
	x.DecRef(f.Task)
	f.is("/d/named", "late")
	_, err = f.try("/d", unix.O_TMPFILE|unix.O_RDONLY)
	f.want(err, unix.EINVAL)
	x, err = f.try("/d", unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR)
	f.ok(err)
	f.want(vfs.LinkPath(f.Task, x.Path, f.at("/d/other")), unix.ENOENT)
	x.DecRef(f.Task)
}

func testReadOnly(f *Fixture) {
	f.file("/a", "x")
	f.mkdir("/d")
	root := f.path("/")
	defer root.DecRef()
	w := f.open("/a", unix.O_WRONLY)
	f.want(f.NS.Remount(f.Task, root, unix.MS_RDONLY), unix.EBUSY)
	w.DecRef(f.Task)
	f.ok(f.NS.Remount(f.Task, root, unix.MS_RDONLY))
	for _, flags := range []uint64{unix.O_WRONLY, unix.O_RDONLY | unix.O_TRUNC} {
		_, err := f.try("/a", flags)
		f.want(err, unix.EROFS)
	}
	_, err := f.try("/new", unix.O_CREAT|unix.O_WRONLY)
	f.want(err, unix.EROFS)
	f.want(vfs.Mkdir(f.Task, f.at("/new"), 0o755), unix.EROFS)
	f.want(vfs.Mkdir(f.Task, f.at("/d"), 0o755), unix.EEXIST)
	f.want(vfs.Unlink(f.Task, f.at("/nothing"), false), unix.EROFS)
	f.want(vfs.Rename(f.Task, f.at("/a"), f.at("/b"), 0), unix.EROFS)
	f.want(f.set("/a", vfs.SetStat{Mask: vfs.SetMode}), unix.EROFS)
	f.is("/a", "x")
	x := f.open("/a", unix.O_CREAT|unix.O_RDONLY)
	x.DecRef(f.Task)
	f.ok(f.NS.Remount(f.Task, root, 0))
	f.file("/a", "y")
}

func testLongNames(f *Fixture) {
	most := strings.Repeat("n", 255)
	f.file("/"+most, "long")
	f.is("/"+most, "long")
	_, err := f.try("/"+most+"n", unix.O_CREAT|unix.O_WRONLY)
	f.want(err, unix.ENAMETOOLONG)
	_, err = f.lstat("/" + most + "n/x")
	f.want(err, unix.ENAMETOOLONG)
	_, err = f.lstat("/" + strings.Repeat("./", 2048))
	f.want(err, unix.ENAMETOOLONG)
}

// testNegativeNames checks that a name that was found missing is found once it
// is there, however it came.
func testNegativeNames(f *Fixture) {
	miss := func(name string) { f.Helper(); _, err := f.lstat(name); f.want(err, unix.ENOENT) }
	f.file("/a", "")
	miss("/b")
	f.ok(vfs.Link(f.Task, f.at("/a"), f.at("/b")))
	f.stat("/b")
	miss("/c")
	f.ok(vfs.Rename(f.Task, f.at("/b"), f.at("/c"), 0))
	f.stat("/c")
	miss("/b")
	miss("/d/e")
	f.mkdir("/d")
	miss("/d/e")
	f.mkdir("/d/e")
	f.stat("/d/e")
	f.ok(vfs.Rename(f.Task, f.at("/d"), f.at("/x"), 0))
	miss("/d/e")
	f.stat("/x/e")
}
