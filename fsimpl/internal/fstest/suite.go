// Package fstest is the suite that every writable file system passes: what a
// program may rely on, whatever is mounted.
//
//   - A file system's test calls Run with how to make an instance; each case gets
//     an empty one of its own, mounted as the root of a namespace.
//   - Cases act through vfs as system calls do, as a caller without a kernel
//     (currenttest), and expect Linux's errnos.
//   - It knows no file system. What one of them cannot do, its Config says.
package fstest

import (
	"errors"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// Config says what is tested.
type Config struct {
	// New makes an empty instance whose root anybody may write to.
	New func(t *testing.T, env *vfs.Environment) (*vfs.Filesystem, *vfs.Inode)

	NoTmpfile  bool // O_TMPFILE is EOPNOTSUPP
	NoExchange bool // RENAME_EXCHANGE is EINVAL
	NoPunch    bool // FALLOC_FL_PUNCH_HOLE is EOPNOTSUPP
	NoHoles    bool // SEEK_HOLE finds the end only
	NoRelatime bool // access times stay
	NoXattrs   bool
	NoDevices  bool // mknod of a device is EPERM
	Slow       bool // a new file takes milliseconds
	NoSetID    bool // whether a write takes set-id bits away is up to somebody else
}

// Run runs all cases as subtests.
func Run(t *testing.T, c Config) {
	for name, test := range cases() {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c)
			test(f)
			f.end()
		})
	}
}

// cases returns the suite by name.
func cases() map[string]func(*Fixture) {
	all := map[string]func(*Fixture){}
	for _, part := range []map[string]func(*Fixture){names(), renames(), data(), attributes(), directories()} {
		for n, f := range part {
			all[n] = f
		}
	}
	return all
}

// Fixture is a mounted instance and who uses it.
type Fixture struct {
	*testing.T
	Config Config
	NS     *vfs.Namespace
	FS     *vfs.Context
	Root   *currenttest.Task // a superuser
	User   *currenttest.Task // uid and gid 1000
	Task   *currenttest.Task // who acts: Root, unless the case says otherwise
}

func newFixture(t *testing.T, c Config) *Fixture {
	env := &vfs.Environment{}
	fs, root := c.New(t, env)
	f := &Fixture{T: t, Config: c, Root: currenttest.New(1 << 16), User: currenttest.NewUser(1000, 1000)}
	f.NS = vfs.NewNamespace(env, fs, root, "test", 0)
	f.FS = vfs.NewContext(f.NS)
	f.FS.SetUmask(0)
	f.Task = f.Root
	return f
}

// end unmounts, which must not hang or panic whatever the case left.
func (f *Fixture) end() {
	f.FS.DecRef()
	f.NS.DecRef()
}

// at is a name as a system call has it.
func (f *Fixture) at(name string) vfs.At { return vfs.At{FS: f.FS, Name: name} }

// ok fails the case if err is not nil.
func (f *Fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// want fails the case if err is not the errno.
func (f *Fixture) want(err error, errno unix.Errno) {
	f.Helper()
	if !errors.Is(err, errno) {
		f.Fatalf("error %v, want %v", err, errno)
	}
}

// try opens a file.
func (f *Fixture) try(name string, flags uint64) (*vfs.File, error) {
	return vfs.Open(f.Task, f.at(name), vfs.OpenHow{Flags: flags, Mode: 0o644})
}

// open opens a file, which is closed with the case.
func (f *Fixture) open(name string, flags uint64) *vfs.File {
	f.Helper()
	x, err := f.try(name, flags)
	f.ok(err)
	return x
}

// file makes a file with the contents.
func (f *Fixture) file(name, content string) {
	f.Helper()
	x := f.open(name, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY)
	defer x.DecRef(f.Task)
	n, err := x.Write(f.Task, usermem.BytesBuffer([]byte(content)))
	if err != nil || int(n) != len(content) {
		f.Fatalf("write of %s: %d, %v", name, n, err)
	}
}

// content returns what is in a file.
func (f *Fixture) content(name string) string {
	f.Helper()
	x := f.open(name, unix.O_RDONLY)
	defer x.DecRef(f.Task)
	return f.rest(x)
}

// rest reads on to the end.
func (f *Fixture) rest(x *vfs.File) string {
	f.Helper()
	var b strings.Builder
	p := make([]byte, 1000)
	for {
		n, err := x.Read(f.Task, usermem.BytesBuffer(p))
		f.ok(err)
		if n == 0 {
			return b.String()
		}
		b.Write(p[:n])
	}
}

// is fails the case if a file has other contents.
func (f *Fixture) is(name, content string) {
	f.Helper()
	if have := f.content(name); have != content {
		f.Fatalf("%s has %.40q (%d bytes), want %.40q (%d)", name, have, len(have), content, len(content))
	}
}

func (f *Fixture) mkdir(name string) { f.Helper(); f.ok(vfs.Mkdir(f.Task, f.at(name), 0o755)) }

// path walks to a name, without following a link at its end.
func (f *Fixture) path(name string) vfs.Path {
	f.Helper()
	p, err := vfs.Walk(f.Task, f.at(name))
	f.ok(err)
	return p
}

// named returns the name of p.
func (f *Fixture) named(p vfs.Path) string {
	root := f.FS.Root()
	defer root.DecRef()
	name, _ := vfs.PathName(p, root)
	return name
}

// stat is lstat(2).
func (f *Fixture) stat(name string) vfs.Stat {
	f.Helper()
	s, err := f.lstat(name)
	f.ok(err)
	return s
}

func (f *Fixture) lstat(name string) (vfs.Stat, error) {
	s, _, err := vfs.StatAt(f.Task, f.at(name))
	return s, err
}

// set changes attributes of a name.
func (f *Fixture) set(name string, s vfs.SetStat) error {
	p, err := vfs.Walk(f.Task, f.at(name))
	if err != nil {
		return err
	}
	defer p.DecRef()
	return vfs.SetStatPath(f.Task, p, s)
}

// list returns the sorted names of a directory, without "." and "..".
func (f *Fixture) list(name string) string {
	f.Helper()
	d := f.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	defer d.DecRef(f.Task)
	var ns []string
	for _, e := range f.entries(d, -1) {
		if e.Name != "." && e.Name != ".." {
			ns = append(ns, e.Name)
		}
	}
	sort.Strings(ns)
	return strings.Join(ns, " ")
}

// entries reads an open directory on, at most most entries.
func (f *Fixture) entries(d *vfs.File, most int) []vfs.Dirent {
	f.Helper()
	var es []vfs.Dirent
	f.ok(d.ReadDir(f.Task, func(e vfs.Dirent) bool {
		if len(es) == most {
			return false
		}
		es = append(es, e)
		return true
	}))
	return es
}

func (f *Fixture) equal(have, want any) {
	f.Helper()
	if have != want {
		f.Fatalf("have %v, want %v", have, want)
	}
}
