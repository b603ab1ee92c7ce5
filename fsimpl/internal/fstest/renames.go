package fstest

import (
	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

func renames() map[string]func(*Fixture) {
	return map[string]func(*Fixture){
		"rename":             testRename,
		"rename directories": testRenameDirs,
		"rename errors":      testRenameErrors,
		"rename exchange":    testRenameExchange,
		"rename same file":   testRenameSame,
	}
}

func (f *Fixture) rename(from, to string, flags uint32) error {
	return vfs.Rename(f.Task, f.at(from), f.at(to), flags)
}

func testRename(f *Fixture) {
	f.file("/a", "a")
	f.file("/b", "b")
	f.mkdir("/d")
	f.ok(f.rename("/a", "/c", 0))
	f.is("/c", "a")
	_, err := f.lstat("/a")
	f.want(err, unix.ENOENT)
	f.ok(f.rename("/c", "/b", 0)) // replaces
	f.is("/b", "a")
	x := f.open("/b", unix.O_RDONLY)
	f.ok(f.rename("/b", "/d/b", 0))
	f.equal(f.named(x.Path), "/d/b")
	x.DecRef(f.Task)
	f.equal(f.list("/"), "d")
	f.equal(f.list("/d"), "b")
	f.file("/b", "new")
	f.want(f.rename("/b", "/d/b", unix.RENAME_NOREPLACE), unix.EEXIST)
	f.ok(f.rename("/b", "/d/c", unix.RENAME_NOREPLACE))
	f.is("/d/c", "new")
}

func testRenameDirs(f *Fixture) {
	f.mkdir("/a")
	f.mkdir("/a/sub")
	f.file("/a/sub/f", "deep")
	f.mkdir("/b")
	links := f.stat("/b").Nlink
	f.ok(f.rename("/a/sub", "/b/sub", 0))
	f.is("/b/sub/f", "deep")
	if links > 1 {
		f.equal(f.stat("/b").Nlink, links+1)
		f.equal(f.stat("/a").Nlink, links)
	}
	f.FS.SetCWD(f.path("/b/sub"))
	f.is("../sub/f", "deep")
	f.ok(f.rename("/b/sub", "/a/moved", 0))
	f.is("../moved/f", "deep")
	f.equal(f.list(".."), "moved")
	f.ok(f.rename("/b", "/a/b", 0))
	f.mkdir("/empty")
	f.ok(f.rename("/a", "/empty", 0)) // an empty directory is replaced
	f.is("/empty/moved/f", "deep")
	f.equal(f.list("/"), "empty")
}

func testRenameErrors(f *Fixture) {
	f.file("/f", "")
	f.mkdir("/d")
	f.mkdir("/d/e")
	f.mkdir("/x")
	for _, c := range []struct {
		from, to string
		flags    uint32
		errno    unix.Errno
	}{
		{"/none", "/y", 0, unix.ENOENT},
		{"/f", "/none/y", 0, unix.ENOENT},
		{"/f", "/d", 0, unix.EISDIR},
		{"/d", "/f", 0, unix.ENOTDIR},
		{"/x", "/d", 0, unix.ENOTEMPTY},
		{"/d", "/d/e/y", 0, unix.EINVAL},
		{"/d", "/d/e", 0, unix.EINVAL},
		{"/d/e", "/d", 0, unix.ENOTEMPTY},
		{"/f", "/y/", 0, unix.ENOTDIR},
		{"/f/", "/y", 0, unix.ENOTDIR},
		{"/d/.", "/y", 0, unix.EBUSY},
		{"/d", "/x/..", 0, unix.EBUSY},
		{"/f", "/", unix.RENAME_NOREPLACE, unix.EEXIST},
		{"/f", "/y", unix.RENAME_EXCHANGE, unix.ENOENT},
		{"/f", "/d", unix.RENAME_EXCHANGE | unix.RENAME_NOREPLACE, unix.EINVAL},
		{"/f", "/y", 1 << 10, unix.EINVAL},
	} {
		if err := f.rename(c.from, c.to, c.flags); err != c.errno {
			f.Errorf("rename %s to %s with %#x: %v, want %v", c.from, c.to, c.flags, err, c.errno)
		}
	}
	f.Task = f.User
	f.want(f.rename("/d/e", "/x/e", 0), unix.EACCES)
	f.Task = f.Root
	f.equal(f.list("/"), "d f x")
}

func testRenameExchange(f *Fixture) {
	f.mkdir("/p")
	f.mkdir("/q")
	f.mkdir("/p/dir")
	f.file("/p/dir/f", "in dir")
	f.file("/q/file", "file")
	links := f.stat("/p").Nlink
	err := f.rename("/p/dir", "/q/file", unix.RENAME_EXCHANGE)
	if f.Config.NoExchange {
		f.want(err, unix.EINVAL)
		return
	}
	f.ok(err)
	f.is("/p/dir", "file")
	f.is("/q/file/f", "in dir")
	if links > 1 {
		f.equal(f.stat("/p").Nlink, links-1)
		f.equal(f.stat("/q").Nlink, links)
	}
	f.equal(f.list("/p"), "dir")
	f.equal(f.list("/q"), "file")
	f.want(f.rename("/q", "/q/file", unix.RENAME_EXCHANGE), unix.EINVAL)
}

func testRenameSame(f *Fixture) {
	f.file("/a", "x")
	f.ok(vfs.Link(f.Task, f.at("/a"), f.at("/b")))
	f.ok(f.rename("/a", "/b", 0)) // nothing happens
	f.equal(f.list("/"), "a b")
	f.ok(f.rename("/a", "/a", 0))
	f.equal(f.stat("/a").Nlink, uint32(2))
}
