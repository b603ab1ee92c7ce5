package shm

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/ipc"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// memory counts what is done with it.
type memory struct{ maps, released int }

func (*memory) Translate(off, length uint64, write bool) (mm.Segment, error) {
	return mm.Segment{Off: off, Len: length}, nil
}
func (m *memory) AddMapping(mm.Space, usermem.Range, uint64, bool) error { m.maps++; return nil }
func (m *memory) RemoveMapping(mm.Space, usermem.Range, uint64, bool)    { m.maps-- }
func (m *memory) Resident() uint64                                       { return 0 }
func (m *memory) Release()                                               { m.released++ }

type space struct{}

func (*space) Invalidate(usermem.Range, bool) {}

func TestLife(t *testing.T) {
	task := currenttest.New(0)
	r := New(task.Creds.UserNS, ipc.NewSystemV())
	var m memory
	get := func(key int32, size uint64, flags uint32) (int32, error) {
		return r.Get(task, key, size, flags, func(uint64) (Memory, error) { return &m, nil })
	}
	if _, err := get(7, 100, 0o600); err != unix.ENOENT {
		t.Fatal(err)
	}
	id, err := get(7, 5000, ipc.Create|0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size  uint64
		flags uint32
		want  error
	}{{5000, 0o600, nil}, {0, 0, nil}, {5001, 0o600, unix.EINVAL}, {5000, ipc.Create | ipc.Excl, unix.EEXIST}} {
		if got, err := get(7, c.size, c.flags); err != c.want || err == nil && got != id {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}
	s, err := r.Attach(task, id, true, false)
	if err != nil {
		t.Fatal(err)
	}
	sp := new(space)
	if err := s.AddMapping(sp, usermem.Range{Start: 0x10000, End: 0x12000}, 0, true); err != nil {
		t.Fatal(err)
	}
	if i, _, _ := r.Stat(task, id, false, false); i.Attaches != 1 {
		t.Errorf("%d attaches", i.Attaches)
	}
	if err := r.Remove(task, id); err != nil || m.released != 0 {
		t.Fatalf("%v, released %d", err, m.released)
	}
	if _, err := get(7, 1, 0); err != unix.ENOENT {
		t.Errorf("the key of what was removed: %v", err)
	}
	s.RemoveMapping(sp, usermem.Range{Start: 0x10000, End: 0x11000}, 0, true)
	if m.released != 0 {
		t.Error("released with a page mapped")
	}
	s.RemoveMapping(sp, usermem.Range{Start: 0x11000, End: 0x12000}, 0x1000, true)
	if m.released != 1 {
		t.Errorf("released %d times", m.released)
	}
	if _, err := r.Attach(task, id, false, false); err != unix.EINVAL {
		t.Error(err)
	}
	if n, _, _ := r.Usage(); n != 0 {
		t.Errorf("%d segments are left", n)
	}
}

func TestBoundsAndStrangers(t *testing.T) {
	task := currenttest.New(0)
	r := New(task.Creds.UserNS, ipc.NewSystemV())
	make1 := func(uint64) (Memory, error) { return new(memory), nil }
	var first int32
	for i := range 4096 {
		id, err := r.Get(task, ipc.Private, 1, 0o640, make1)
		if err != nil {
			t.Fatal(i, err)
		}
		if i == 0 {
			first = id
		}
	}
	if _, err := r.Get(task, ipc.Private, 1, 0o600, make1); err != unix.ENOSPC {
		t.Error(err)
	}
	for _, l := range []struct {
		limit *ipc.Tunable
		n     int64
		size  uint64
		want  error
	}{
		{&r.limits.Segments, 5000, 1, nil}, {&r.limits.SegmentPages, 4099, 8193, unix.ENOSPC}, {&r.limits.SegmentPages, 4099, 8192, nil},
		{&r.limits.SegmentPages, 4099, 1, unix.ENOSPC}, {&r.limits.SegmentSize, 100, 101, unix.EINVAL},
	} {
		if err := l.limit.Set(l.n); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(task, ipc.Private, l.size, 0o600, make1); err != l.want {
			t.Errorf("%d bytes: %v, not %v", l.size, err, l.want)
		}
	}
	stranger := currenttest.NewUser(1000, 1000)
	stranger.Creds.UserNS = task.Creds.UserNS
	if _, err := r.Attach(stranger, first, false, false); err != unix.EACCES {
		t.Error(err)
	}
	if err := r.Remove(stranger, first); err != unix.EPERM {
		t.Error(err)
	}
	stranger.Creds.EGID = 0
	if _, err := r.Attach(stranger, first, false, false); err != nil {
		t.Errorf("of the group: %v", err)
	}
	if _, err := r.Attach(stranger, first, true, false); err != unix.EACCES {
		t.Error(err)
	}
	if err := r.Remove(task, first); err != nil {
		t.Error(err)
	}
	// The slot is used again, the identifier is not.
	id, err := r.Get(task, ipc.Private, 1, 0o600, make1)
	if err != nil || id == first {
		t.Errorf("%d, %v", id, err)
	}
	r.Close()
	if n, _, _ := r.Usage(); n != 0 {
		t.Errorf("%d segments are left", n)
	}
}
