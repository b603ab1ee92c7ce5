package epoll

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/current/currenttest"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// source is a file whose readiness the test sets.
type source struct {
	vfs.NoIoctl
	q     wait.Queue
	mu    sync.Mutex
	ready wait.Mask
	asked int // how often Readiness was called
}

func (s *source) set(m wait.Mask) {
	s.mu.Lock()
	s.ready = m
	s.mu.Unlock()
	s.q.Notify(m)
}

func (s *source) Readiness(m wait.Mask) wait.Mask {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.ready & m
}
func (s *source) Register(e *wait.Entry, m wait.Mask) { s.q.Register(e, m) }
func (s *source) Unregister(e *wait.Entry)            { s.q.Unregister(e) }
func (s *source) Release(current.Task, *vfs.File)     {}
func (s *source) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EAGAIN
}
func (s *source) Write(current.Task, *vfs.File, usermem.Buffer, int64) (int64, int64, error) {
	return 0, 0, unix.EAGAIN
}

var testCred = auth.NewRoot(auth.NewRootNamespace(), auth.AllCaps)

func file(impl vfs.FileImpl) *vfs.File {
	return vfs.NewFile(impl, vfs.Path{}, unix.O_RDWR, testCred, true)
}

func newSet() (*Set, *vfs.File) {
	s := &Set{items: map[key]*item{}, parents: map[*Set]int{}}
	return s, file(s)
}

// collect returns what the set reports, as data:events.
func collect(t *testing.T, s *Set, n int) string {
	t.Helper()
	out := ""
	if _, err := s.Collect(n, func(ev uint32, data uint64) error {
		out += fmt.Sprintf("%d:%x ", data, ev)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func want(t *testing.T, what, have, want string) {
	t.Helper()
	if have != want {
		t.Errorf("%s: %q, want %q", what, have, want)
	}
}

func TestLevel(t *testing.T) {
	s, _ := newSet()
	a := &source{}
	if err := s.Add(file(a), 3, unix.EPOLLIN, 7); err != nil {
		t.Fatal(err)
	}
	want(t, "nothing ready", collect(t, s, 9), "")
	a.set(wait.In | wait.Out)
	want(t, "ready", collect(t, s, 9), "7:1 ")
	want(t, "still ready", collect(t, s, 9), "7:1 ")
	a.set(0)
	want(t, "no longer", collect(t, s, 9), "")
}

func TestEdge(t *testing.T) {
	s, _ := newSet()
	a := &source{ready: wait.In}
	f := file(a)
	if err := s.Add(f, 3, unix.EPOLLIN|unix.EPOLLET, 7); err != nil {
		t.Fatal(err)
	}
	want(t, "ready when added", collect(t, s, 9), "7:1 ")
	want(t, "no new edge", collect(t, s, 9), "")
	a.set(wait.In)
	want(t, "new edge", collect(t, s, 9), "7:1 ")
	if err := s.Modify(f, 3, unix.EPOLLIN|unix.EPOLLET, 8); err != nil {
		t.Fatal(err)
	}
	want(t, "modified", collect(t, s, 9), "8:1 ")
}

func TestOneShot(t *testing.T) {
	s, _ := newSet()
	a := &source{ready: wait.In}
	f := file(a)
	if err := s.Add(f, 3, unix.EPOLLIN|unix.EPOLLONESHOT, 1); err != nil {
		t.Fatal(err)
	}
	want(t, "once", collect(t, s, 9), "1:1 ")
	a.set(wait.In | wait.Hup)
	want(t, "disabled", collect(t, s, 9), "")
	if err := s.Modify(f, 3, unix.EPOLLIN|unix.EPOLLONESHOT, 1); err != nil {
		t.Fatal(err)
	}
	want(t, "armed again", collect(t, s, 9), "1:11 ")
}

func TestControlErrors(t *testing.T) {
	s, _ := newSet()
	f := file(&source{})
	inner, innerFile := newSet()
	_ = inner
	for _, c := range []struct {
		what string
		err  error
		want error
	}{
		{"modify what is not there", s.Modify(f, 3, unix.EPOLLIN, 0), unix.ENOENT},
		{"delete what is not there", s.Delete(f, 3), unix.ENOENT},
		{"add", s.Add(f, 3, unix.EPOLLIN, 0), nil},
		{"add again", s.Add(f, 3, unix.EPOLLIN, 0), unix.EEXIST},
		{"add another descriptor of it", s.Add(f, 4, unix.EPOLLIN, 0), nil},
		{"exclusive with oneshot", s.Add(f, 5, unix.EPOLLEXCLUSIVE|unix.EPOLLONESHOT, 0), unix.EINVAL},
		{"exclusive set", s.Add(innerFile, 6, unix.EPOLLEXCLUSIVE|unix.EPOLLIN, 0), unix.EINVAL},
		{"exclusive", s.Add(f, 5, unix.EPOLLEXCLUSIVE|unix.EPOLLIN, 0), nil},
		{"modify an exclusive one", s.Modify(f, 5, unix.EPOLLIN, 0), unix.EINVAL},
		{"delete", s.Delete(f, 3), nil},
		{"delete again", s.Delete(f, 3), unix.ENOENT},
	} {
		if c.err != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
}

func TestReleasedFileIsForgotten(t *testing.T) {
	task := currenttest.New(0)
	s, sf := newSet()
	a, b := &source{ready: wait.In}, &source{ready: wait.In}
	fa, fb := file(a), file(b)
	for i, f := range []*vfs.File{fa, fb} {
		if err := s.Add(f, int32(i), unix.EPOLLIN, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	fa.DecRef(task)
	want(t, "one is closed", collect(t, s, 9), "1:1 ")
	if !a.q.Empty() {
		t.Error("still registered with the closed file")
	}
	sf.DecRef(task)
	if !b.q.Empty() {
		t.Error("still registered after the set is closed")
	}
	fb.DecRef(task)
}

func TestNested(t *testing.T) {
	inner, fi := newSet()
	outer, fo := newSet()
	a := &source{}
	if err := inner.Add(file(a), 1, unix.EPOLLIN, 1); err != nil {
		t.Fatal(err)
	}
	if err := outer.Add(fi, 2, unix.EPOLLIN, 2); err != nil {
		t.Fatal(err)
	}
	a.set(wait.In)
	want(t, "outer", collect(t, outer, 9), "2:1 ")
	want(t, "inner", collect(t, inner, 9), "1:1 ")
	a.set(0)
	want(t, "outer, nothing", collect(t, outer, 9), "")
	if err := inner.Add(fo, 3, unix.EPOLLIN, 0); err != unix.ELOOP {
		t.Errorf("circle: %v", err)
	}
	want(t, "after a refused circle", collect(t, outer, 9), "")
}

func TestNestingDepth(t *testing.T) {
	for _, order := range []string{"from inside", "from outside"} {
		var sets []*Set
		var files []*vfs.File
		for range maxNests + 2 {
			s, f := newSet()
			sets, files = append(sets, s), append(files, f)
		}
		var err error
		for i := range maxNests + 1 {
			k := i // sets[k] goes into sets[k+1]
			if order == "from outside" {
				k = maxNests - i
			}
			if err = sets[k+1].Add(files[k], 0, unix.EPOLLIN, 0); err != nil && i < maxNests {
				t.Errorf("%s, %d deep: %v", order, i+1, err)
			}
		}
		if err != unix.ELOOP {
			t.Errorf("%s, too deep: %v", order, err)
		}
	}
}

func TestOnlyReadyFilesAreAsked(t *testing.T) {
	s, _ := newSet()
	var all []*source
	for i := range 100 {
		a := &source{}
		if err := s.Add(file(a), int32(i), unix.EPOLLIN, uint64(i)); err != nil {
			t.Fatal(err)
		}
		a.asked = 0
		all = append(all, a)
	}
	all[42].set(wait.In)
	want(t, "one of many", collect(t, s, 9), "42:1 ")
	for i, a := range all {
		if i != 42 && a.asked > 0 {
			t.Errorf("file %d was asked", i)
		}
	}
}

func TestFairness(t *testing.T) {
	s, _ := newSet()
	for i := range 4 {
		if err := s.Add(file(&source{ready: wait.In}), int32(i), unix.EPOLLIN, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "first", collect(t, s, 2), "0:1 1:1 ")
	want(t, "second", collect(t, s, 2), "2:1 3:1 ")
	want(t, "third", collect(t, s, 2), "0:1 1:1 ")
}

func TestWaits(t *testing.T) {
	s, _ := newSet()
	a := &source{}
	if err := s.Add(file(a), 0, unix.EPOLLIN, 5); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		got <- current.Retry(currenttest.New(0), s, wait.In, time.Now().Add(10*time.Second), func() error {
			n, err := s.Collect(1, func(uint32, uint64) error { return nil })
			if n == 0 && err == nil {
				return unix.EAGAIN
			}
			return err
		})
	}()
	time.Sleep(5 * time.Millisecond)
	a.set(wait.In)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
