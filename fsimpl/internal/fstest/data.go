package fstest

import (
	"bytes"
	"math/rand"
	"strings"

	"golang.org/x/sys/unix"

	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func data() map[string]func(*Fixture) {
	return map[string]func(*Fixture){
		"read and write":  testReadWrite,
		"append":          testAppend,
		"holes":           testHoles,
		"truncate":        testTruncate,
		"seek":            testSeek,
		"random writes":   testRandomWrites,
		"allocate":        testAllocate,
		"punch":           testPunch,
		"file size limit": testSizeLimit,
		"access modes":    testAccessModes,
	}
}

func (f *Fixture) pwrite(x *vfs.File, off int64, s string) {
	f.Helper()
	n, err := x.WriteAt(f.Task, usermem.BytesBuffer([]byte(s)), off)
	if err != nil || int(n) != len(s) {
		f.Fatalf("write of %d bytes at %d: %d, %v", len(s), off, n, err)
	}
}

func (f *Fixture) pread(x *vfs.File, off int64, n int) string {
	f.Helper()
	b := make([]byte, n)
	k, err := x.ReadAt(f.Task, usermem.BytesBuffer(b), off)
	f.ok(err)
	return string(b[:k])
}

func testReadWrite(f *Fixture) {
	x := f.open("/a", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.Task)
	n, err := x.Write(f.Task, usermem.BytesBuffer([]byte("0123456789")))
	f.ok(err)
	f.equal(n, int64(10))
	f.equal(x.Offset(), int64(10))
	f.equal(f.rest(x), "")
	f.equal(f.pread(x, 3, 4), "3456")
	f.equal(f.pread(x, 8, 100), "89")
	f.equal(f.pread(x, 10, 1), "")
	f.equal(f.pread(x, 1<<40, 1), "")
	f.pwrite(x, 4, "xy")
	f.equal(x.Offset(), int64(10))
	f.is("/a", "0123xy6789")
	_, err = x.ReadAt(f.Task, usermem.BytesBuffer(make([]byte, 1)), -1)
	f.want(err, unix.EINVAL)
	_, err = x.WriteAt(f.Task, usermem.BytesBuffer(make([]byte, 2)), 1<<63-1)
	f.want(err, unix.EINVAL)
}

func testAppend(f *Fixture) {
	f.file("/a", "one")
	x := f.open("/a", unix.O_WRONLY|unix.O_APPEND)
	y := f.open("/a", unix.O_WRONLY|unix.O_APPEND)
	defer x.DecRef(f.Task)
	defer y.DecRef(f.Task)
	for _, w := range []*vfs.File{x, y, x} {
		_, err := w.Write(f.Task, usermem.BytesBuffer([]byte(" two")))
		f.ok(err)
	}
	f.is("/a", "one two two two")
	f.equal(x.Offset(), int64(15))
	f.pwrite(x, 0, "!") // Linux appends
	f.is("/a", "one two two two!")
}

func testHoles(f *Fixture) {
	x := f.open("/a", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.Task)
	f.pwrite(x, 100_000, "end")
	s := f.stat("/a")
	f.equal(s.Size, int64(100_003))
	if !f.Config.NoHoles && s.Blocks > 100_000/512 {
		f.Errorf("%d blocks for a hole", s.Blocks)
	}
	f.equal(f.content("/a"), strings.Repeat("\x00", 100_000)+"end")
	data, err := x.Seek(f.Task, 0, unix.SEEK_DATA)
	f.ok(err)
	hole, err := x.Seek(f.Task, data, unix.SEEK_HOLE)
	f.ok(err)
	f.equal(hole, int64(100_003))
	if !f.Config.NoHoles && (data == 0 || data > 100_000) {
		f.Errorf("SEEK_DATA found %d", data)
	}
	_, err = x.Seek(f.Task, 100_003, unix.SEEK_DATA)
	f.want(err, unix.ENXIO)
	_, err = x.Seek(f.Task, -1, unix.SEEK_HOLE)
	f.want(err, unix.ENXIO)
}

func testTruncate(f *Fixture) {
	f.file("/a", strings.Repeat("x", 10_000))
	x := f.open("/a", unix.O_RDWR)
	defer x.DecRef(f.Task)
	f.ok(x.Truncate(f.Task, 5000))
	f.ok(x.Truncate(f.Task, 9000))
	f.is("/a", strings.Repeat("x", 5000)+strings.Repeat("\x00", 4000))
	f.want(x.Truncate(f.Task, -1), unix.EINVAL)
	r := f.open("/a", unix.O_RDONLY)
	defer r.DecRef(f.Task)
	f.want(r.Truncate(f.Task, 1), unix.EINVAL)
	f.mkdir("/d")
	p := f.path("/d")
	defer p.DecRef()
	f.want(vfs.Truncate(f.Task, p, 0), unix.EISDIR)
	f.ok(vfs.Truncate(f.Task, x.Path, 0))
	f.is("/a", "")
	f.equal(f.stat("/a").Blocks, uint64(0))
}

func testSeek(f *Fixture) {
	f.file("/a", "0123456789")
	x := f.open("/a", unix.O_RDONLY)
	defer x.DecRef(f.Task)
	for _, c := range []struct {
		off    int64
		whence int32
		to     int64
		errno  error
	}{
		{4, unix.SEEK_SET, 4, nil},
		{2, unix.SEEK_CUR, 6, nil},
		{-7, unix.SEEK_CUR, 0, unix.EINVAL},
		{-3, unix.SEEK_END, 7, nil},
		{100, unix.SEEK_END, 110, nil},
		{-1, unix.SEEK_SET, 0, unix.EINVAL},
		{0, 17, 0, unix.EINVAL},
	} {
		to, err := x.Seek(f.Task, c.off, c.whence)
		if err != c.errno || to != c.to {
			f.Errorf("seek %d from %d: %d, %v, want %d, %v", c.off, c.whence, to, err, c.to, c.errno)
		}
	}
	f.equal(x.Offset(), int64(110))
	f.equal(f.rest(x), "")
}

// testRandomWrites compares with a slice.
func testRandomWrites(f *Fixture) {
	const most = 300_000
	r := rand.New(rand.NewSource(1))
	model := []byte{}
	x := f.open("/a", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.Task)
	for range 200 {
		if r.Intn(8) == 0 {
			n := r.Intn(most)
			f.ok(x.Truncate(f.Task, int64(n)))
			model = append(model, make([]byte, max(0, n-len(model)))...)[:n]
			continue
		}
		b := bytes.Repeat([]byte{byte(1 + r.Intn(255))}, 1+r.Intn(20_000))
		off := r.Intn(most)
		f.pwrite(x, int64(off), string(b))
		if end := off + len(b); end > len(model) {
			model = append(model, make([]byte, end-len(model))...)
		}
		copy(model[off:], b)
		at, n := r.Intn(most), r.Intn(40_000)
		want := model[min(at, len(model)):min(at+n, len(model))]
		if have := f.pread(x, int64(at), n); have != string(want) {
			f.Fatalf("%d bytes at %d differ", n, at)
		}
	}
	f.is("/a", string(model))
}

func testAllocate(f *Fixture) {
	x := f.open("/a", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.Task)
	f.want(x.Allocate(f.Task, 0, 0, 0), unix.EINVAL)
	f.want(x.Allocate(f.Task, 0, -1, 1), unix.EINVAL)
	err := x.Allocate(f.Task, unix.FALLOC_FL_KEEP_SIZE, 0, 10_000)
	if err == unix.EOPNOTSUPP {
		return
	}
	f.ok(err)
	f.equal(f.stat("/a").Size, int64(0))
	f.ok(x.Allocate(f.Task, 0, 0, 10_000))
	f.equal(f.stat("/a").Size, int64(10_000))
	f.is("/a", strings.Repeat("\x00", 10_000))
	f.want(x.Allocate(f.Task, 0, 1<<62, 1<<62), unix.EFBIG)
	r := f.open("/a", unix.O_RDONLY)
	defer r.DecRef(f.Task)
	f.want(r.Allocate(f.Task, 0, 0, 1), unix.EBADF)
}

func testPunch(f *Fixture) {
	const size = 50_000
	f.file("/a", strings.Repeat("x", size))
	x := f.open("/a", unix.O_RDWR)
	defer x.DecRef(f.Task)
	punch := func(off, n int64) error {
		return x.Allocate(f.Task, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	model := []byte(strings.Repeat("x", size))
	for _, r := range [][2]int64{{100, 200}, {4000, 10_000}, {20_000, 1}, {40_960, 4096}, {49_000, 5000}} {
		err := punch(r[0], r[1])
		if f.Config.NoPunch {
			f.want(err, unix.EOPNOTSUPP)
			return
		}
		f.ok(err)
		clear(model[r[0]:min(r[0]+r[1], size)])
		f.is("/a", string(model))
	}
	if n := f.stat("/a").Blocks; n >= size/512 {
		f.Errorf("%d blocks after punching", n)
	}
}

func testSizeLimit(f *Fixture) {
	_, err := f.Task.Rlimits.Set(unix.RLIMIT_FSIZE, limits.Limit{Cur: 10, Max: 10}, true)
	f.ok(err)
	x := f.open("/a", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.Task)
	n, err := x.Write(f.Task, usermem.BytesBuffer(make([]byte, 15)))
	f.ok(err)
	f.equal(n, int64(10))
	_, err = x.Write(f.Task, usermem.BytesBuffer(make([]byte, 1)))
	f.want(err, unix.EFBIG)
	f.want(x.Truncate(f.Task, 11), unix.EFBIG)
	f.want(vfs.Truncate(f.Task, x.Path, 11), unix.EFBIG)
	f.equal(len(f.Task.Signals), 3)
	f.ok(x.Truncate(f.Task, 3))
}

func testAccessModes(f *Fixture) {
	f.file("/a", "x")
	b := usermem.BytesBuffer(make([]byte, 1))
	r := f.open("/a", unix.O_RDONLY)
	defer r.DecRef(f.Task)
	_, err := r.Write(f.Task, b)
	f.want(err, unix.EBADF)
	_, err = r.WriteAt(f.Task, b, 0)
	f.want(err, unix.EBADF)
	w := f.open("/a", unix.O_WRONLY)
	defer w.DecRef(f.Task)
	_, err = w.Read(f.Task, b)
	f.want(err, unix.EBADF)
	_, err = w.ReadAt(f.Task, b, 0)
	f.want(err, unix.EBADF)
	p := f.open("/a", unix.O_PATH)
	defer p.DecRef(f.Task)
	_, err = p.Read(f.Task, b)
	f.want(err, unix.EBADF)
	f.mkdir("/d")
	d := f.open("/d", unix.O_RDONLY)
	defer d.DecRef(f.Task)
	_, err = d.Read(f.Task, b)
	f.want(err, unix.EISDIR)
	f.want(r.ReadDir(f.Task, func(vfs.Dirent) bool { return true }), unix.ENOTDIR)
}
