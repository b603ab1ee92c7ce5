package tmpfs

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		data string
		want Options
		bad  bool
	}{
		{"", Options{Mode: 0o1777}, false},
		{"size=64k,mode=755,uid=5,gid=6", Options{Size: 64 << 10, Mode: 0o755, UID: 5, GID: 6}, false},
		{"size=1G,nr_inodes=10k", Options{Size: 1 << 30, Inodes: 10 << 10, Mode: 0o1777}, false},
		{"nr_blocks=3", Options{Size: 3 * pageSize, Mode: 0o1777}, false},
		{"size=50%", Options{Mode: 0o1777}, false},
		{"size=99999999999999999999", Options{}, true},
		{"size=18446744073709551615k", Options{Size: 1 << 62, Mode: 0o1777}, false},
		{"nr_blocks=18446744073709551615", Options{Size: 1 << 62, Mode: 0o1777}, false},
		{"mode=9", Options{}, true},
		{"uid=-1", Options{}, true},
		{"nonsense=1", Options{}, true},
	} {
		have, err := ParseOptions(c.data)
		if (err != nil) != c.bad || err == nil && have != c.want {
			t.Errorf("%q: %+v, %v", c.data, have, err)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add("size=10m,mode=1777,nr_inodes=5")
	f.Fuzz(func(t *testing.T, data string) {
		if o, err := ParseOptions(data); err == nil && (o.Size > 1<<62 || o.Mode > 0o7777) {
			t.Errorf("%q: %+v", data, o)
		}
	})
}

// instance is a mounted tmpfs.
type instance struct {
	*testing.T
	fs   *FS
	ctx  *vfs.Context
	task *currenttest.Task
}

func mounted(t *testing.T, o Options) *instance {
	env := &vfs.Environment{}
	fs, root := New(memory(t), env.AnonDev(), o)
	ns := vfs.NewNamespace(env, fs, root, "test", 0)
	i := &instance{T: t, fs: fs.Impl.(*FS), ctx: vfs.NewContext(ns), task: currenttest.New(0)}
	t.Cleanup(func() {
		i.ctx.DecRef()
		ns.DecRef()
	})
	return i
}

func (i *instance) open(name string, flags uint64) (*vfs.File, error) {
	return vfs.Open(i.task, vfs.At{FS: i.ctx, Name: name}, vfs.OpenHow{Flags: flags, Mode: 0o644})
}

// file opens a new file until the test ends.
func (i *instance) file(name string) *vfs.File {
	i.Helper()
	f, err := i.open(name, unix.O_CREAT|unix.O_RDWR)
	if err != nil {
		i.Fatal(err)
	}
	i.Cleanup(func() { f.DecRef(i.task) })
	return f
}

func (i *instance) write(f *vfs.File, n int, off int64) (int64, error) {
	return f.WriteAt(i.task, usermem.BytesBuffer(bytes.Repeat([]byte("x"), n)), off)
}

func (i *instance) want(err error, want error) {
	i.Helper()
	if err != want {
		i.Fatalf("error %v, want %v", err, want)
	}
}

func TestSizeLimit(t *testing.T) {
	i := mounted(t, Options{Mode: 0o777, Size: 4 * pageSize})
	f := i.file("/f")
	n, err := i.write(f, 6*pageSize, 0)
	i.want(err, nil)
	if n != 4*pageSize {
		t.Errorf("%d bytes fit", n)
	}
	_, err = i.write(f, 1, 10*pageSize)
	i.want(err, unix.ENOSPC)
	i.want(f.Allocate(i.task, 0, 0, 5*pageSize), unix.ENOSPC)
	s, err := i.fs.StatFS(i.task)
	i.want(err, nil)
	if s.Blocks != 4 || s.Bfree != 0 {
		t.Errorf("%d blocks, %d free", s.Blocks, s.Bfree)
	}
	i.want(f.Truncate(i.task, pageSize), nil)
	if _, err = i.write(f, 3*pageSize, 8*pageSize); err != nil {
		t.Error(err)
	}
}

func TestInodeLimit(t *testing.T) {
	i := mounted(t, Options{Mode: 0o777, Inodes: 3})
	at := func(n string) vfs.At { return vfs.At{FS: i.ctx, Name: n} }
	i.want(vfs.Mkdir(i.task, at("/a"), 0o755), nil)
	i.want(vfs.Symlink(i.task, "x", at("/b")), nil)
	for range 3 {
		i.want(vfs.Mkdir(i.task, at("/c"), 0o755), unix.ENOSPC)
		i.want(vfs.Symlink(i.task, "x", at("/c")), unix.ENOSPC)
		_, err := i.open("/c", unix.O_CREAT|unix.O_WRONLY)
		i.want(err, unix.ENOSPC)
		_, err = i.open("/", unix.O_TMPFILE|unix.O_RDWR)
		i.want(err, unix.ENOSPC)
	}
	i.want(vfs.Unlink(i.task, at("/b"), false), nil)
	i.want(vfs.Mkdir(i.task, at("/c"), 0o755), nil)
}

// space is an address space that writes down what is invalidated.
type space struct{ got []string }

func (s *space) Invalidate(r usermem.Range, private bool) {
	what := "shared"
	if private {
		what = "all"
	}
	s.got = append(s.got, what+" "+hex(r.Start)+"-"+hex(r.End))
}

func hex(a usermem.Addr) string {
	const digits = "0123456789abcdef"
	if a < 16 {
		return digits[a : a+1]
	}
	return hex(a/16) + digits[a%16:a%16+1]
}

func (s *space) take() string {
	defer func() { s.got = nil }()
	return strings.Join(s.got, ", ")
}

func TestMappings(t *testing.T) {
	i := mounted(t, Options{Mode: 0o777})
	f := i.file("/f")
	_, err := i.write(f, 4*pageSize, 0)
	i.want(err, nil)
	m, err := f.Map(i.task, &mm.MapOpts{Shared: true, Prot: unix.PROT_READ | unix.PROT_WRITE})
	i.want(err, nil)
	s := &space{}
	const base = 0x10000
	whole := usermem.Range{Start: base, End: base + 4*pageSize}
	i.want(m.AddMapping(s, whole, 0, true), nil)

	g, err := m.Translate(pageSize, pageSize, true)
	i.want(err, nil)
	if !g.Mem || g.Off != pageSize || g.Len < pageSize {
		t.Errorf("translated to %+v", g)
	}
	r := pagesAt(g)
	i.fs.mem.Slice(r)[0] = 'm' // a store by the guest
	b := make([]byte, 1)
	if _, err := f.ReadAt(i.task, usermem.BytesBuffer(b), pageSize); err != nil || b[0] != 'm' {
		t.Errorf("read %q, %v", b, err)
	}
	i.fs.mem.DecRef(r)
	_, err = m.Translate(4*pageSize, pageSize, false)
	if err == nil {
		t.Error("a page beyond the end was translated")
	}

	i.want(f.Truncate(i.task, pageSize+1), nil)
	if have := s.take(); have != "all 12000-14000" {
		t.Errorf("truncation invalidated %s", have)
	}
	i.want(f.Truncate(i.task, 4*pageSize), nil)
	i.want(f.Allocate(i.task, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, pageSize+1), nil)
	if have := s.take(); have != "shared 10000-11000" {
		t.Errorf("punching invalidated %s", have)
	}
	m.RemoveMapping(s, usermem.Range{Start: base + pageSize, End: base + 2*pageSize}, pageSize, true)
	i.want(f.Truncate(i.task, 0), nil)
	if have := s.take(); have != "all 10000-11000, all 12000-14000" {
		t.Errorf("truncation invalidated %s", have)
	}
	m.RemoveMapping(s, whole, 0, true)
	i.want(f.Truncate(i.task, 4*pageSize), nil)
	i.want(f.Truncate(i.task, 0), nil)
	if have := s.take(); have != "" {
		t.Errorf("nothing is mapped, but %s was invalidated", have)
	}
}

func TestSeals(t *testing.T) {
	i := mounted(t, Options{Mode: 0o777})
	anon := vfs.NewAnonFS(&vfs.Environment{})
	memfd := func(sealable bool) (*vfs.File, *file) {
		node, err := NewMemfd(i.fs.vfs, i.task, 0o777, sealable)
		i.want(err, nil)
		p := anon.PathOf(node, "/memfd:test")
		f, err := vfs.OpenPath(i.task, p, vfs.OpenHow{Flags: unix.O_RDWR})
		i.want(err, nil)
		p.DecRef()
		t.Cleanup(func() { f.DecRef(i.task) })
		return f, f.Impl().(*file)
	}
	f, x := memfd(false)
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_GROW), unix.EPERM)
	f, x = memfd(true)
	_, err := i.write(f, 100, 0)
	i.want(err, nil)
	i.want(x.AddSeals(i.task, f, 1<<20), unix.EINVAL)
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_GROW), nil)
	n, err := i.write(f, 100, 50)
	if n != 50 || err != nil {
		t.Errorf("a write across the sealed end: %d, %v", n, err)
	}
	_, err = i.write(f, 1, 100)
	i.want(err, unix.EPERM)
	i.want(f.Truncate(i.task, 101), unix.EPERM)
	i.want(f.Truncate(i.task, 90), nil)
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_SHRINK), nil)
	i.want(f.Truncate(i.task, 80), unix.EPERM)

	m, err := f.Map(i.task, &mm.MapOpts{Shared: true, Prot: unix.PROT_WRITE})
	i.want(err, nil)
	s, r := &space{}, usermem.Range{Start: 0, End: pageSize}
	i.want(m.AddMapping(s, r, 0, true), nil)
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_WRITE), unix.EBUSY)
	m.RemoveMapping(s, r, 0, true)
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_WRITE|unix.F_SEAL_SEAL), nil)
	_, err = i.write(f, 1, 0)
	i.want(err, unix.EPERM)
	i.want(f.Allocate(i.task, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 1), unix.EPERM)
	_, err = f.Map(i.task, &mm.MapOpts{Shared: true, Prot: unix.PROT_WRITE})
	i.want(err, unix.EPERM)
	o := mm.MapOpts{Shared: true, Prot: unix.PROT_READ}
	if _, err = f.Map(i.task, &o); err != nil || o.MaxProt&unix.PROT_WRITE != 0 {
		t.Errorf("mapped for reading: %v, at most %#x", err, o.MaxProt)
	}
	i.want(x.AddSeals(i.task, f, unix.F_SEAL_GROW), unix.EPERM)
}

func pagesAt(g mm.Segment) mem.Range { return mem.Range{Start: g.Pos, End: g.Pos + g.Len} }
