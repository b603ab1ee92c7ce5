package fstest

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func attributes() map[string]func(*Fixture) {
	return map[string]func(*Fixture){
		"chmod":       testChmod,
		"chown":       testChown,
		"set-id":      testSetID,
		"times":       testTimes,
		"permission":  testPermission,
		"sticky":      testSticky,
		"setgid dirs": testSetgidDirs,
		"xattrs":      testXattrs,
		"statfs":      testStatFS,
	}
}

func mode(m uint32) vfs.SetStat { return vfs.SetStat{Mask: vfs.SetMode, Mode: m} }

func owner(uid, gid uint32) vfs.SetStat {
	return vfs.SetStat{Mask: vfs.SetUID | vfs.SetGID, UID: uid, GID: gid}
}

func testChmod(f *Fixture) {
	f.file("/a", "")
	f.ok(f.set("/a", mode(0o4751)))
	f.equal(f.stat("/a").Mode, uint32(unix.S_IFREG|0o4751))
	f.Task = f.User
	f.want(f.set("/a", mode(0o777)), unix.EPERM)
	f.file("/mine", "")
	f.ok(f.set("/mine", mode(0o600)))
	f.equal(f.stat("/mine").Mode, uint32(unix.S_IFREG|0o600))
}

func testChown(f *Fixture) {
	f.file("/a", "")
	f.ok(f.set("/a", owner(1000, 1000)))
	s := f.stat("/a")
	f.equal([2]uint32{s.UID, s.GID}, [2]uint32{1000, 1000})
	f.Task = f.User
	f.want(f.set("/a", owner(1001, 1000)), unix.EPERM)
	f.want(f.set("/a", owner(1000, 1001)), unix.EPERM)
	f.ok(f.set("/a", owner(1000, 1000)))
	f.ok(vfs.Symlink(f.Task, "a", f.at("/l")))
	f.Task = f.Root
	f.ok(f.set("/l", owner(7, 8)))
	f.equal(f.stat("/l").UID, uint32(7))
	f.equal(f.stat("/a").UID, uint32(1000))
}

// testSetID checks when set-id bits go away.
func testSetID(f *Fixture) {
	if f.Config.NoSetID {
		f.Skip("set-id bits are somebody else's")
	}
	f.Task = f.User
	f.file("/a", "x")
	f.ok(f.set("/a", mode(0o6755)))
	x := f.open("/a", unix.O_WRONLY)
	defer x.DecRef(f.Task)
	_, err := x.Write(f.Task, usermem.BytesBuffer([]byte("y")))
	f.ok(err)
	f.equal(f.stat("/a").Mode&0o7777, uint32(0o755))
	f.ok(f.set("/a", mode(0o6755)))
	f.ok(x.Truncate(f.Task, 0))
	f.equal(f.stat("/a").Mode&0o7777, uint32(0o755))
	f.ok(f.set("/a", mode(0o6745))) // without group execution S_ISGID is no set-id bit
	f.Task = f.Root
	f.ok(f.set("/a", owner(0, 0)))
	f.equal(f.stat("/a").Mode&0o7777, uint32(0o2745))
}

func testTimes(f *Fixture) {
	f.file("/a", "x")
	old := vfs.Time{Sec: 1000, Nsec: 5}
	f.ok(f.set("/a", vfs.SetStat{Mask: vfs.SetAtime | vfs.SetMtime, Atime: old, Mtime: vfs.Time{Sec: 2000}}))
	s := f.stat("/a")
	f.equal(s.Atime, old)
	f.equal(s.Mtime, vfs.Time{Sec: 2000})
	if s.Ctime.Sec < 1_000_000 {
		f.Error("ctime was set too")
	}
	f.content("/a")
	if s := f.stat("/a"); s.Atime == old && !f.Config.NoRelatime {
		f.Error("a read did not change atime")
	}
	x := f.open("/a", unix.O_WRONLY)
	_, err := x.Write(f.Task, usermem.BytesBuffer([]byte("y")))
	f.ok(err)
	x.DecRef(f.Task)
	if f.stat("/a").Mtime.Sec == 2000 {
		f.Error("a write did not change mtime")
	}
	f.ok(f.set("/", vfs.SetStat{Mask: vfs.SetMtime, Mtime: old}))
	f.file("/b", "")
	if f.stat("/").Mtime == old {
		f.Error("a new name did not change the directory's mtime")
	}
	f.ok(f.set("/a", mode(0o666)))
	f.Task = f.User
	f.want(f.set("/a", vfs.SetStat{Mask: vfs.SetMtime, Mtime: old}), unix.EPERM)
	f.ok(f.set("/a", vfs.SetStat{Mask: vfs.SetMtime | vfs.SetMtimeNow}))
	f.want(f.set("/b", vfs.SetStat{Mask: vfs.SetMtime | vfs.SetMtimeNow}), unix.EACCES)
}

func testPermission(f *Fixture) {
	f.file("/a", "")
	for _, c := range []struct {
		mode       uint32
		uid, gid   uint32
		may        uint32
		user, root bool
	}{
		{0o600, 1000, 0, vfs.MayRead | vfs.MayWrite, true, true},
		{0o600, 0, 0, vfs.MayRead, false, true},
		{0o060, 0, 1000, vfs.MayRead | vfs.MayWrite, true, true},
		{0o060, 1000, 1000, vfs.MayRead, false, true}, // the owner's bits count
		{0o604, 0, 0, vfs.MayRead, true, true},
		{0o604, 0, 1000, vfs.MayRead, false, true},
		{0o000, 1000, 1000, vfs.MayRead | vfs.MayWrite, false, true},
		{0o666, 1000, 1000, vfs.MayExec, false, false},
		{0o001, 0, 0, vfs.MayExec, true, true},
		{0o100, 0, 0, vfs.MayExec, false, true},
	} {
		f.ok(f.set("/a", owner(c.uid, c.gid)))
		f.ok(f.set("/a", mode(c.mode)))
		p := f.path("/a")
		for who, want := range map[bool]bool{false: c.user, true: c.root} {
			task := f.User
			if who {
				task = f.Root
			}
			if err := vfs.Access(task, p, c.may, false); (err == nil) != want || err != nil && err != unix.EACCES {
				f.Errorf("mode %o of %d:%d, asked for %d, superuser %v: %v", c.mode, c.uid, c.gid, c.may, who, err)
			}
		}
		p.DecRef()
	}
}

func testSticky(f *Fixture) {
	f.mkdir("/t")
	f.ok(f.set("/t", mode(0o1777)))
	f.file("/t/root", "")
	f.Task = f.User
	f.file("/t/mine", "")
	f.want(vfs.Unlink(f.Task, f.at("/t/root"), false), unix.EPERM)
	f.want(f.rename("/t/root", "/t/x", 0), unix.EPERM)
	f.want(f.rename("/t/mine", "/t/root", 0), unix.EPERM)
	f.ok(f.rename("/t/mine", "/t/x", 0))
	f.ok(vfs.Unlink(f.Task, f.at("/t/x"), false))
}

func testSetgidDirs(f *Fixture) {
	f.mkdir("/g")
	f.ok(f.set("/g", owner(0, 50)))
	f.ok(f.set("/g", mode(0o2777)))
	f.Task = f.User
	f.file("/g/f", "")
	f.mkdir("/g/d")
	f.equal(f.stat("/g/f").GID, uint32(50))
	f.equal(f.stat("/g/d").GID, uint32(50))
	f.equal(f.stat("/g/d").Mode&0o7777, uint32(0o2755))
	x, err := vfs.Open(f.Task, f.at("/g/s"), vfs.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o2775})
	f.ok(err)
	x.DecRef(f.Task)
	f.equal(f.stat("/g/s").Mode&0o7777, uint32(0o775)) // 1000 is not in group 50
}

func testXattrs(f *Fixture) {
	if f.Config.NoXattrs {
		f.Skip("there are none")
	}
	f.file("/a", "")
	p := f.path("/a")
	defer p.DecRef()
	f.ok(vfs.SetXattr(f.Task, p, "user.x", []byte("1"), 0))
	f.want(vfs.SetXattr(f.Task, p, "user.x", nil, unix.XATTR_CREATE), unix.EEXIST)
	f.want(vfs.SetXattr(f.Task, p, "user.y", nil, unix.XATTR_REPLACE), unix.ENODATA)
	f.ok(vfs.SetXattr(f.Task, p, "user.x", []byte("22"), unix.XATTR_REPLACE))
	f.ok(vfs.SetXattr(f.Task, p, "trusted.t", []byte("t"), 0))
	v, err := vfs.GetXattr(f.Task, p, "user.x")
	f.ok(err)
	f.equal(string(v), "22")
	_, err = vfs.GetXattr(f.Task, p, "user.none")
	f.want(err, unix.ENODATA)
	f.want(vfs.SetXattr(f.Task, p, "nonsense", nil, 0), unix.EOPNOTSUPP)
	f.want(vfs.SetXattr(f.Task, p, "user."+strings.Repeat("x", 255), nil, 0), unix.ERANGE)
	f.want(vfs.SetXattr(f.Task, p, "user.big", make([]byte, 1<<16+1), 0), unix.E2BIG)
	all, err := vfs.ListXattr(f.Task, p)
	f.ok(err)
	slices.Sort(all)
	f.equal(strings.Join(all, " "), "trusted.t user.x")
	all, err = vfs.ListXattr(f.User, p)
	f.ok(err)
	f.equal(strings.Join(all, " "), "user.x")
	f.want(vfs.SetXattr(f.User, p, "user.x", nil, 0), unix.EACCES)
	f.want(vfs.SetXattr(f.User, p, "trusted.t", nil, 0), unix.EPERM)
	f.ok(vfs.RemoveXattr(f.Task, p, "user.x"))
	f.want(vfs.RemoveXattr(f.Task, p, "user.x"), unix.ENODATA)
}

func testStatFS(f *Fixture) {
	p := f.path("/")
	defer p.DecRef()
	s, err := vfs.StatFS(f.Task, p)
	f.ok(err)
	if s.Type == 0 || s.Bsize == 0 || s.Namelen != 255 {
		f.Errorf("statfs: %+v", s)
	}
}
