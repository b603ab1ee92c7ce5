package fstest

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/vfs"
)

func directories() map[string]func(*Fixture) {
	return map[string]func(*Fixture){
		"readdir":            testReadDir,
		"readdir and change": testReadDirChange,
		"many names":         testManyNames,
		"at the same time":   testConcurrent,
	}
}

func testReadDir(f *Fixture) {
	f.mkdir("/d")
	f.mkdir("/d/dir")
	f.file("/d/file", "")
	f.ok(vfs.Symlink(f.Task, "x", f.at("/d/link")))
	f.ok(vfs.Mknod(f.Task, f.at("/d/fifo"), unix.S_IFIFO|0o600, 0))
	want := map[string]uint8{".": unix.DT_DIR, "..": unix.DT_DIR, "dir": unix.DT_DIR, "file": unix.DT_REG,
		"link": unix.DT_LNK, "fifo": unix.DT_FIFO}
	d := f.open("/d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer d.DecRef(f.Task)
	all := f.entries(d, -1)
	f.equal(len(all), len(want))
	for _, e := range all {
		if want[e.Name] != e.Type {
			f.Errorf("%s has type %d, want %d", e.Name, e.Type, want[e.Name])
		}
		if s := f.stat("/d/" + e.Name); s.Ino != e.Ino {
			f.Errorf("%s has inode %d in its directory, %d itself", e.Name, e.Ino, s.Ino)
		}
	}
	f.equal(len(f.entries(d, -1)), 0)
	_, err := d.Seek(f.Task, 0, unix.SEEK_SET)
	f.ok(err)
	one := f.entries(d, 1)
	f.equal(one[0].Name, all[0].Name)
	f.equal(f.entries(d, 1)[0].Name, all[1].Name)
	_, err = d.Seek(f.Task, one[0].Next, unix.SEEK_SET)
	f.ok(err)
	f.equal(f.entries(d, 1)[0].Name, all[1].Name)
}

// testReadDirChange removes what was read, as rm -r does: nothing may be left
// out.
func testReadDirChange(f *Fixture) {
	const n = 300
	f.mkdir("/d")
	for i := range n {
		f.file(fmt.Sprintf("/d/%d", i), "")
	}
	d := f.open("/d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer d.DecRef(f.Task)
	for {
		es := f.entries(d, 7)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			if e.Name != "." && e.Name != ".." {
				f.ok(vfs.Unlink(f.Task, f.at("/d/"+e.Name), false))
			}
		}
	}
	f.ok(vfs.Unlink(f.Task, f.at("/d"), true))
}

func testManyNames(f *Fixture) {
	n := 2000
	if f.Config.Slow {
		n = 200
	}
	f.mkdir("/d")
	for i := range n {
		f.file(fmt.Sprintf("/d/%d", i), "")
	}
	d := f.open("/d", unix.O_RDONLY|unix.O_DIRECTORY)
	defer d.DecRef(f.Task)
	seen := map[string]bool{}
	for _, e := range f.entries(d, -1) {
		if seen[e.Name] {
			f.Errorf("%s twice", e.Name)
		}
		seen[e.Name] = true
	}
	f.equal(len(seen), n+2)
	f.want(vfs.Unlink(f.Task, f.at("/d"), true), unix.ENOTEMPTY)
}

// testConcurrent lets several callers change the same few names. What each call
// says is not known; that all end, and that what is left is whole, is.
func testConcurrent(f *Fixture) {
	for _, d := range []string{"/p", "/p/q", "/r"} {
		f.mkdir(d)
	}
	dirs := []string{"/", "/p/", "/p/q/", "/r/"}
	var wg sync.WaitGroup
	for who := range 4 {
		wg.Go(func() {
			task := currenttest.New(0)
			for i := range 300 {
				a := f.at(dirs[(i+who)%len(dirs)] + fmt.Sprint("n", i%3))
				b := f.at(dirs[(i*7+who)%len(dirs)] + fmt.Sprint("n", (i+who)%3))
				switch i % 6 {
				case 0:
					if x, err := vfs.Open(task, a, vfs.OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Mode: 0o644}); err == nil {
						x.DecRef(task)
					}
				case 1:
					_ = vfs.Rename(task, a, b, 0)
				case 2:
					_ = vfs.Mkdir(task, a, 0o755)
				case 3:
					_ = vfs.Link(task, a, b)
				case 4:
					_ = vfs.Unlink(task, a, i%4 == 0)
				case 5:
					_, _, _ = vfs.StatAt(task, b)
				}
			}
		})
	}
	wg.Wait()
	for _, d := range dirs {
		x, err := f.try(d, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			continue // it was moved
		}
		for _, e := range f.entries(x, -1) {
			if _, err := f.lstat(d + e.Name); err != nil {
				f.Errorf("%s is in its directory, but lstat says %v", d+e.Name, err)
			}
		}
		x.DecRef(f.Task)
	}
}
