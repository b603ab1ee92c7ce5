package server

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// sentry is a connection to a gofer, as one that was taken over has it: it may
// send anything.
type sentry struct {
	testing.TB
	fd  int
	tag uint32
}

// serving starts a gofer for a directory that may be changed, root 0, the same
// read-only, root 1, and the file in it, root 2.
func serving(t testing.TB, dir, file string) (*sentry, <-chan error) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	one, err := unix.Open(filepath.Join(dir, file), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() {
		over <- Serve(ends[1], []Root{{FD: fd}, {FD: fd, ReadOnly: true}, {FD: one, Dir: fd, Name: file}})
		for _, fd := range []int{ends[1], fd, one} {
			_ = unix.Close(fd)
		}
	}()
	s := &sentry{TB: t, fd: ends[0]}
	t.Cleanup(func() { _ = unix.Close(s.fd) })
	return s, over
}

// ask sends a request and returns the answer, and the descriptor with it or -1.
func (s *sentry) ask(r proto.Request) (*proto.Reply, int) {
	s.Helper()
	s.tag++
	r.Tag = s.tag
	b, err := r.Encode(nil)
	if err != nil {
		s.Fatal(err)
	}
	if err := proto.Send(s.fd, b, -1); err != nil {
		s.Fatal(err)
	}
	in := make([]byte, proto.MaxMessage)
	n, fd, err := proto.Recv(s.fd, in)
	if err != nil {
		s.Fatal(err)
	}
	reply, err := proto.DecodeReply(in[:n])
	if err != nil || reply.Tag != r.Tag || reply.Op != r.Op {
		s.Fatalf("%+v, %v", reply, err)
	}
	return reply, fd
}

// refused asks for what must fail with the errno.
func (s *sentry) refused(what string, errno unix.Errno, r proto.Request) {
	s.Helper()
	if reply, fd := s.ask(r); unix.Errno(reply.Errno) != errno || fd >= 0 {
		s.Errorf("%s: %v, descriptor %d; want %v", what, unix.Errno(reply.Errno), fd, errno)
	}
}

// root attaches to a root.
func (s *sentry) root(i uint32) uint32 {
	s.Helper()
	r, _ := s.ask(proto.Request{Op: proto.Attach, Fid: i})
	if r.Errno != 0 || len(r.Nodes) != 1 {
		s.Fatalf("root %d: %+v", i, r)
	}
	return r.Nodes[0].Fid
}

// found walks to a name.
func (s *sentry) found(dir uint32, name string) uint32 {
	s.Helper()
	r, _ := s.ask(proto.Request{Op: proto.Walk, Fid: dir, Names: []string{name}})
	if r.Errno != 0 || len(r.Nodes) != 1 {
		s.Fatalf("%s: %+v", name, r)
	}
	return r.Nodes[0].Fid
}

// world makes a directory to be served, and a file beside it that must stay as it
// is.
func world(t testing.TB) (dir, secret string) {
	t.Helper()
	top := t.TempDir()
	dir, secret = filepath.Join(top, "served"), filepath.Join(top, "secret")
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(dir, 0o755))
	check(os.WriteFile(secret, []byte("secret"), 0o600))
	check(os.WriteFile(filepath.Join(dir, "file"), []byte("data"), 0o644))
	check(os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	check(os.Symlink(secret, filepath.Join(dir, "out")))
	check(os.Symlink("..", filepath.Join(dir, "up")))
	check(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	t.Cleanup(func() {
		b, err := os.ReadFile(secret)
		if st, serr := os.Stat(secret); err != nil || serr != nil || string(b) != "secret" || st.Mode() != 0o600 {
			t.Errorf("the secret was touched: %q, %v", b, err)
		}
		if es, err := os.ReadDir(top); err != nil || len(es) != 2 {
			t.Errorf("beside it: %v, %v", es, err)
		}
	})
	return dir, secret
}

func TestRefused(t *testing.T) {
	dir, _ := world(t)
	s, _ := serving(t, dir, "file")
	root, fixed := s.root(0), s.root(1)
	out, up, fifo, file := s.found(root, "out"), s.found(root, "up"), s.found(root, "fifo"), s.found(root, "file")

	s.refused("no such root", unix.ENOENT, proto.Request{Op: proto.Attach, Fid: 3})
	s.refused("no such file", unix.EBADF, proto.Request{Op: proto.Getattr, Fid: 99})
	if r, _ := s.ask(proto.Request{Op: proto.Walk, Fid: root, Names: []string{"up", "secret"}}); len(r.Nodes) != 1 || r.Nodes[0].Attr.Mode&unix.S_IFMT != unix.S_IFLNK {
		t.Errorf("through a link: %+v", r)
	}
	s.refused("beneath a link", unix.ENOTDIR, proto.Request{Op: proto.Walk, Fid: up, Names: []string{"secret"}})
	s.refused("a link's file", unix.ENXIO, proto.Request{Op: proto.Open, Fid: out})
	s.refused("a FIFO", unix.ENXIO, proto.Request{Op: proto.Open, Fid: fifo})
	s.refused("flags", unix.EINVAL, proto.Request{Op: proto.Open, Fid: file, Flags: unix.O_RDWR | unix.O_TRUNC})
	s.refused("the size of a link's file", unix.EINVAL, proto.Request{Op: proto.Setattr, Fid: out, Mask: proto.SetSize})
	s.refused("the mode of a link's file", unix.EOPNOTSUPP, proto.Request{Op: proto.Setattr, Fid: out, Mask: proto.SetMode, Mode: 0o777})
	s.refused("a file in a link", unix.ENOTDIR, proto.Request{Op: proto.Create, Fid: up, Name: "new"})
	s.refused("a file over a link", unix.EEXIST, proto.Request{Op: proto.Create, Fid: root, Name: "out"})
	s.refused("a directory beneath a link", unix.ENOTDIR, proto.Request{Op: proto.Mkdir, Fid: up, Name: "new"})
	s.refused("a name beneath a link", unix.ENOTDIR, proto.Request{Op: proto.Unlink, Fid: up, Name: "secret"})
	s.refused("a move to beneath a link", unix.ENOTDIR, proto.Request{Op: proto.Rename, Fid: root, Name: "file", Fid2: up, Name2: "moved"})
	s.refused("flags of a move", unix.EINVAL, proto.Request{Op: proto.Rename, Fid: root, Name: "file", Fid2: root, Name2: "x", Flags: unix.RENAME_WHITEOUT})
	s.refused("flags of an unlink", unix.EINVAL, proto.Request{Op: proto.Unlink, Fid: root, Name: "file", Flags: unix.AT_SYMLINK_FOLLOW})
	for _, mode := range []uint32{unix.S_IFCHR, unix.S_IFBLK, unix.S_IFREG, unix.S_IFDIR, 0} {
		s.refused("a device", unix.EPERM, proto.Request{Op: proto.Mknod, Fid: root, Name: "dev", Mode: mode | 0o666})
	}

	inFixed := s.found(fixed, "file")
	s.refused("read-only: open", unix.EROFS, proto.Request{Op: proto.Open, Fid: inFixed, Flags: unix.O_RDWR})
	s.refused("read-only: to its other side", unix.EROFS, proto.Request{Op: proto.Link, Fid: fixed, Name: "l", Fid2: file})
	s.refused("read-only: from its other side", unix.EROFS, proto.Request{Op: proto.Link, Fid: root, Name: "l", Fid2: inFixed})
	s.refused("read-only: move out", unix.EROFS, proto.Request{Op: proto.Rename, Fid: fixed, Name: "file", Fid2: root, Name2: "x"})
	s.refused("read-only: move in", unix.EROFS, proto.Request{Op: proto.Rename, Fid: root, Name: "file", Fid2: fixed, Name2: "x"})
	for _, op := range []proto.Op{proto.Setattr, proto.Create, proto.Mkdir, proto.Mknod, proto.Symlink, proto.Unlink, proto.SetXattr, proto.RemoveXattr} {
		r := proto.Request{Op: op, Fid: fixed, Name: "x", Target: "x", Mask: proto.SetMode}
		s.refused("read-only", unix.EROFS, r)
	}

	one := s.root(2)
	s.refused("beside a file", unix.ENOTDIR, proto.Request{Op: proto.Walk, Fid: one, Names: []string{"sub"}})
	r, fd := s.ask(proto.Request{Op: proto.Open, Fid: one, Flags: unix.O_RDONLY})
	if r.Errno != 0 || fd < 0 {
		t.Fatalf("the root that is a file: %+v", r)
	}
	_ = unix.Close(fd)
}

// TestReplaced: a name that leads to another file by now is not opened for the one
// that was there.
func TestReplaced(t *testing.T) {
	dir, secret := world(t)
	s, _ := serving(t, dir, "file")
	root := s.root(0)
	file := s.found(root, "file")
	name := filepath.Join(dir, "file")
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	s.refused("gone", unix.ENOENT, proto.Request{Op: proto.Open, Fid: file})
	if err := os.Symlink(secret, name); err != nil {
		t.Fatal(err)
	}
	s.refused("a link by now", unix.ELOOP, proto.Request{Op: proto.Open, Fid: file})
	s.refused("a link by now: its name", unix.ESTALE, proto.Request{Op: proto.Link, Fid: root, Name: "l", Fid2: file})
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.refused("another file by now", unix.ESTALE, proto.Request{Op: proto.Open, Fid: file})
}

// TestInvalid: what is no request ends the connection, and the gofer with it.
func TestInvalid(t *testing.T) {
	walk := proto.Request{Op: proto.Walk, Fid: 1, Names: []string{"name"}}
	good, err := walk.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cut": good[:len(good)-1], "longer": append(good[:len(good):len(good)], 0), "unknown": {255, 0, 0, 0, 0},
		"two components": append(good[:len(good)-4:len(good)], "a/bc"...), "up": append(good[:len(good)-6:len(good)], 2, 0, '.', '.')} {
		t.Run(name, func(t *testing.T) {
			dir, _ := world(t)
			s, over := serving(t, dir, "file")
			if err := proto.Send(s.fd, b, -1); err != nil {
				t.Fatal(err)
			}
			if err := <-over; err != proto.ErrInvalid {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// TestRandomRequests asks for anything, in any order. Nothing outside may change,
// and nothing may be left open.
func TestRandomRequests(t *testing.T) {
	dir, secret := world(t)
	before := open(t)
	s, over := serving(t, dir, "file")
	r := rand.New(rand.NewPCG(5, 6))
	names := []string{"file", "sub", "out", "up", "fifo", "a", "b", "secret", "served"}
	name := func() string { return names[r.IntN(len(names))] }
	fid := func() uint32 { return r.Uint32N(s.tag/4 + 4) }
	s.root(0)
	for range 20000 {
		q := proto.Request{Op: proto.Op(1 + r.IntN(int(proto.RemoveXattr))), Fid: fid(), Fid2: fid(), Name: name(), Name2: name(), Names: []string{name(), name()},
			Fids: []uint32{fid()}, Target: "../" + name(), Flags: r.Uint32() >> r.IntN(32), Mode: r.Uint32() >> r.IntN(32), Mask: r.Uint32N(256),
			UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Size: int64(r.IntN(1 << 20)), Off: int64(r.IntN(4))}
		if q.Op == proto.Attach {
			q.Fid = r.Uint32N(4)
		}
		if q.Op == proto.SetXattr || q.Op == proto.RemoveXattr || q.Op == proto.GetXattr {
			q.Name = "user." + q.Name
		}
		if q.Op == proto.Fsync {
			continue // a disk takes its time
		}
		if _, fd := s.ask(q); fd >= 0 {
			if q.Op != proto.Open {
				t.Fatalf("a descriptor with the answer to %+v", q)
			}
			var st, theirs unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				t.Fatalf("a descriptor of %#o, %v", st.Mode, err)
			}
			if err := unix.Stat(secret, &theirs); err != nil || theirs.Ino == st.Ino {
				t.Fatalf("the secret's descriptor, %v", err)
			}
			_ = unix.Close(fd)
		}
	}
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	if err := <-over; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if after := open(t); after > before+4 { // the test's own: its end, and those that Serve's goroutine closes
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// open is how many descriptors this process has.
func open(t testing.TB) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}
