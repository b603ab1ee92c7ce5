package tmpfs

import (
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/mem"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The host is the oracle: the same random calls are made here and in a tmpfs of
// the host, and must say the same.

// side is one of the two that are compared. Each method says what came of it.
type side interface {
	open(name string, flags int, data string) string
	mkdir(name string) string
	mknod(name string) string
	symlink(target, name string) string
	readlink(name string) string
	link(old, new string, flags int) string
	unlink(name string, flags int) string
	rename(old, new string, flags uint) string
	truncate(name string, size int64) string
	stat(name string, flags int) string
	list(name string) string
}

func say(err error) string {
	if err == nil {
		return "ok"
	}
	if e, is := err.(unix.Errno); is {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// hostSide makes the calls of the host, beneath a directory.
type hostSide struct{ dir int }

func (h hostSide) open(name string, flags int, data string) string {
	fd, err := unix.Openat(h.dir, name, flags|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return say(err)
	}
	defer unix.Close(fd)
	n, werr := unix.Write(fd, []byte(data))
	b := make([]byte, 64)
	k, rerr := unix.Pread(fd, b, 0)
	return fmt.Sprintf("write %d %s, read %q %s", max(n, 0), say(werr), b[:max(k, 0)], say(rerr))
}

func (h hostSide) mkdir(name string) string { return say(unix.Mkdirat(h.dir, name, 0o755)) }
func (h hostSide) mknod(name string) string {
	return say(unix.Mknodat(h.dir, name, unix.S_IFSOCK|0o600, 0))
}
func (h hostSide) symlink(target, name string) string {
	return say(unix.Symlinkat(target, h.dir, name))
}

func (h hostSide) readlink(name string) string {
	b := make([]byte, 256)
	n, err := unix.Readlinkat(h.dir, name, b)
	return string(b[:max(n, 0)]) + say(err)
}

func (h hostSide) link(old, new string, flags int) string {
	return say(unix.Linkat(h.dir, old, h.dir, new, flags))
}

func (h hostSide) unlink(name string, flags int) string {
	return say(unix.Unlinkat(h.dir, name, flags))
}

func (h hostSide) rename(old, new string, flags uint) string {
	return say(unix.Renameat2(h.dir, old, h.dir, new, flags))
}

func (h hostSide) truncate(name string, size int64) string {
	return say(unix.Truncate(fmt.Sprintf("/proc/self/fd/%d/%s", h.dir, name), size))
}

func (h hostSide) stat(name string, flags int) string {
	var s unix.Stat_t
	if err := unix.Fstatat(h.dir, name, &s, flags); err != nil {
		return say(err)
	}
	if s.Mode&unix.S_IFMT == unix.S_IFDIR {
		s.Size = 0
	}
	return fmt.Sprintf("%o, %d links, %d bytes", s.Mode, s.Nlink, s.Size)
}

func (h hostSide) list(name string) string {
	fd, err := unix.Openat(h.dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return say(err)
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	ns, err := d.Readdirnames(-1)
	sort.Strings(ns)
	return strings.Join(ns, " ") + say(err)
}

// ourSide makes them of vfs.
type ourSide struct {
	t   *currenttest.Task
	fs  *vfs.Context
	dir vfs.Path
}

func (o ourSide) at(name string, follow bool) vfs.At {
	return vfs.At{FS: o.fs, Dir: o.dir, Name: name, Follow: follow}
}

func (o ourSide) open(name string, flags int, data string) string {
	f, err := vfs.Open(o.t, o.at(name, true), vfs.OpenHow{Flags: uint64(flags), Mode: 0o644})
	if err != nil {
		return say(err)
	}
	defer f.DecRef(o.t)
	n, werr := f.Write(o.t, usermem.BytesBuffer([]byte(data)))
	b := make([]byte, 64)
	k, rerr := f.ReadAt(o.t, usermem.BytesBuffer(b), 0)
	return fmt.Sprintf("write %d %s, read %q %s", n, say(werr), b[:k], say(rerr))
}

func (o ourSide) mkdir(name string) string { return say(vfs.Mkdir(o.t, o.at(name, false), 0o755)) }
func (o ourSide) mknod(name string) string {
	return say(vfs.Mknod(o.t, o.at(name, false), unix.S_IFSOCK|0o600, 0))
}
func (o ourSide) symlink(target, name string) string {
	return say(vfs.Symlink(o.t, target, o.at(name, false)))
}

// on calls do with the path of a name.
func (o ourSide) on(name string, follow bool, do func(p vfs.Path) string) string {
	p, err := vfs.Walk(o.t, o.at(name, follow))
	if err != nil {
		return say(err)
	}
	defer p.DecRef()
	return do(p)
}

func (o ourSide) readlink(name string) string {
	return o.on(name, false, func(p vfs.Path) string {
		s, err := vfs.Readlink(o.t, p)
		return s + say(err)
	})
}

func (o ourSide) link(old, new string, flags int) string {
	return say(vfs.Link(o.t, o.at(old, flags&unix.AT_SYMLINK_FOLLOW != 0), o.at(new, false)))
}

func (o ourSide) unlink(name string, flags int) string {
	return say(vfs.Unlink(o.t, o.at(name, false), flags&unix.AT_REMOVEDIR != 0))
}

func (o ourSide) rename(old, new string, flags uint) string {
	return say(vfs.Rename(o.t, o.at(old, false), o.at(new, false), uint32(flags)))
}

func (o ourSide) truncate(name string, size int64) string {
	return o.on("./"+name, true, func(p vfs.Path) string { return say(vfs.Truncate(o.t, p, size)) })
}

func (o ourSide) stat(name string, flags int) string {
	s, _, err := vfs.StatAt(o.t, o.at(name, flags&unix.AT_SYMLINK_NOFOLLOW == 0))
	if err != nil {
		return say(err)
	}
	if s.IsDir() {
		s.Size = 0
	}
	return fmt.Sprintf("%o, %d links, %d bytes", s.Mode, s.Nlink, s.Size)
}

func (o ourSide) list(name string) string {
	f, err := vfs.Open(o.t, o.at(name, true), vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY})
	if err != nil {
		return say(err)
	}
	defer f.DecRef(o.t)
	var ns []string
	err = f.ReadDir(o.t, func(e vfs.Dirent) bool {
		if e.Name != "." && e.Name != ".." {
			ns = append(ns, e.Name)
		}
		return true
	})
	sort.Strings(ns)
	return strings.Join(ns, " ") + say(err)
}

// deep is where both sides begin: so far down that no ".." leaves the tree.
const deep = "d/d/d/d/d/d/d/d/d/d/d/d"

// sides makes the two. The test is skipped if the host has no tmpfs to compare
// with.
func sides(t testing.TB) (hostSide, ourSide) {
	var s unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &s); err != nil || s.Type != unix.TMPFS_MAGIC {
		t.Skip("no tmpfs at /dev/shm")
	}
	top, err := os.MkdirTemp("/dev/shm", "hull-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	old := unix.Umask(0o022)
	t.Cleanup(func() { unix.Umask(old) })
	if err := os.MkdirAll(top+"/"+deep, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(top+"/"+deep, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(dir) })

	m, err := mem.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Release)
	env := &vfs.Environment{}
	fs, root := New(m, env.AnonDev(), Options{Mode: 0o777})
	ns := vfs.NewNamespace(env, fs, root, "test", 0)
	t.Cleanup(ns.DecRef)
	o := ourSide{t: currenttest.New(0), fs: vfs.NewContext(ns)}
	t.Cleanup(o.fs.DecRef)
	if uid := os.Getuid(); uid != 0 {
		o.t = currenttest.NewUser(uint32(uid), uint32(os.Getgid()))
	}
	for i := 1; i <= len(deep); i += 2 {
		if err := vfs.Mkdir(o.t, vfs.At{FS: o.fs, Name: deep[:i]}, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if o.dir, err = vfs.Walk(o.t, vfs.At{FS: o.fs, Name: deep}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.dir.DecRef)
	return hostSide{dir}, o
}

// script makes calls of random bytes.
type script struct{ b []byte }

// pick returns a number below n, 0 at the end of the script.
func (s *script) pick(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	x := int(s.b[0]) % n
	s.b = s.b[1:]
	return x
}

func (s *script) name() string {
	parts := []string{"a", "b", "c", "a", "b", "..", "."}
	n := parts[s.pick(5)]
	for s.pick(3) > 0 && len(n) < 8 {
		n += "/" + parts[s.pick(len(parts))]
	}
	switch s.pick(12) {
	case 0:
		n += "/"
	case 1:
		n += "/."
	}
	return n
}

// call makes one random call on both sides.
func (s *script) call(h, o side) (what, host, ours string) {
	on := func(format string, do func(x side) string, a ...any) (string, string, string) {
		return fmt.Sprintf(format, a...), do(h), do(o)
	}
	switch s.pick(12) {
	case 0, 1:
		flags := []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR}[s.pick(3)]
		for i, f := range []int{unix.O_CREAT, unix.O_CREAT, unix.O_EXCL, unix.O_TRUNC, unix.O_DIRECTORY, unix.O_NOFOLLOW, unix.O_APPEND} {
			if s.pick(2+i/2) == 1 {
				flags |= f
			}
		}
		if flags&unix.O_CREAT != 0 {
			flags &^= unix.O_DIRECTORY // kernels differ
		}
		n, data := s.name(), strings.Repeat("x", s.pick(20))
		return on("open(%q, %#o) and write %d", func(x side) string { return x.open(n, flags, data) }, n, flags, len(data))
	case 2, 3:
		n := s.name()
		return on("mkdir(%q)", func(x side) string { return x.mkdir(n) }, n)
	case 4:
		n := s.name()
		if s.pick(2) == 0 {
			return on("mknod(%q)", func(x side) string { return x.mknod(n) }, n)
		}
		return on("readlink(%q)", func(x side) string { return x.readlink(n) }, n)
	case 5:
		to, n := s.name(), s.name()
		return on("symlink(%q, %q)", func(x side) string { return x.symlink(to, n) }, to, n)
	case 6:
		a, b, flags := s.name(), s.name(), []int{0, unix.AT_SYMLINK_FOLLOW}[s.pick(2)]
		return on("link(%q, %q, %#x)", func(x side) string { return x.link(a, b, flags) }, a, b, flags)
	case 7:
		n, flags := s.name(), []int{0, unix.AT_REMOVEDIR}[s.pick(2)]
		return on("unlink(%q, %#x)", func(x side) string { return x.unlink(n, flags) }, n, flags)
	case 8, 9:
		a, b := s.name(), s.name()
		flags := []uint{0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE}[s.pick(4)]
		return on("rename(%q, %q, %#x)", func(x side) string { return x.rename(a, b, flags) }, a, b, flags)
	case 10:
		n, size := s.name(), int64(s.pick(40))
		return on("truncate(%q, %d)", func(x side) string { return x.truncate(n, size) }, n, size)
	}
	n := s.name()
	if s.pick(2) == 0 {
		return on("readdir(%q)", func(x side) string { return x.list(n) }, n)
	}
	flags := []int{0, unix.AT_SYMLINK_NOFOLLOW}[s.pick(2)]
	return on("stat(%q, %#x)", func(x side) string { return x.stat(n, flags) }, n, flags)
}

// compare runs a script on fresh sides.
func compare(t *testing.T, b []byte) {
	h, o := sides(t)
	var log []string
	for s := (&script{b}); len(s.b) > 0; {
		what, host, ours := s.call(h, o)
		log = append(log, what+": "+host)
		if host != ours {
			t.Fatalf("%s\n\t%s here, %s on the host; after\n\t%s", what, ours, host, strings.Join(log[max(0, len(log)-40):], "\n\t"))
		}
	}
}

func TestAgainstHost(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		b := make([]byte, 4000)
		r.Read(b)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compare(t, b) })
	}
}

func FuzzAgainstHost(f *testing.F) {
	f.Add([]byte("0123456789"))
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b[:min(len(b), 4000)]) })
}
