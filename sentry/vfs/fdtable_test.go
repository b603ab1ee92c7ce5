package vfs_test

import (
	"math/rand"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// TestFDTable compares with a map.
func TestFDTable(t *testing.T) {
	f := newFixture(t)
	ft := vfs.NewFDTable()
	model := map[int32]bool{}
	r := rand.New(rand.NewSource(3))
	const limit = 300
	for range 5000 {
		fd := int32(r.Intn(limit))
		switch r.Intn(5) {
		case 0, 1:
			x := f.open("/", unix.O_RDONLY)
			from := int32(0)
			if r.Intn(2) == 0 {
				from = fd
			}
			want := from
			for model[want] {
				want++
			}
			have, err := ft.Install(x, from, false, limit)
			if want >= limit {
				f.want(err, unix.EMFILE)
				x.DecRef(f.task)
				break
			}
			f.ok(err)
			f.equal(have, want)
			model[want] = true
		case 2:
			f.ok(ft.InstallAt(f.task, f.open("/", unix.O_RDONLY), fd, false, limit))
			model[fd] = true
		case 3:
			if err := ft.Close(f.task, fd); (err == nil) != model[fd] {
				t.Fatalf("close %d: %v", fd, err)
			}
			delete(model, fd)
		case 4:
			last := uint32(fd) + uint32(r.Intn(20))
			f.ok(ft.CloseRange(f.task, uint32(fd), last, false))
			for i := fd; i <= int32(last); i++ {
				delete(model, i)
			}
		}
	}
	var want []int32
	for fd := range model {
		want = append(want, fd)
	}
	slices.Sort(want)
	if have := ft.FDs(); !slices.Equal(have, want) {
		t.Errorf("have %v, want %v", have, want)
	}
	ft.DecRef(f.task)
}

func TestFDTableErrors(t *testing.T) {
	f := newFixture(t)
	ft := vfs.NewFDTable()
	defer ft.DecRef(f.task)
	x := f.open("/", unix.O_PATH)
	fd, err := ft.Install(x, 3, true, 4)
	f.ok(err)
	f.equal(fd, int32(3))
	_, err = ft.Install(x, 0, false, 0)
	f.want(err, unix.EINVAL)
	_, err = ft.Install(x, 3, false, 4)
	f.want(err, unix.EMFILE)
	f.want(ft.InstallAt(f.task, x, -1, false, 10), unix.EBADF)
	f.want(ft.InstallAt(f.task, x, 10, false, 10), unix.EBADF)
	f.want(ft.InstallAt(f.task, x, 1<<20, false, 1<<40), unix.EBADF)
	_, err = ft.Get(3)
	f.want(err, unix.EBADF) // O_PATH
	y, err := ft.GetPath(3)
	f.ok(err)
	y.DecRef(f.task)
	for _, bad := range []int32{-1, 2, 4, 1 << 30} {
		_, err = ft.Get(bad)
		f.want(err, unix.EBADF)
		f.want(ft.Close(f.task, bad), unix.EBADF)
	}
	f.want(ft.CloseRange(f.task, 2, 1, false), unix.EINVAL)
	f.ok(ft.CloseRange(f.task, 0, 1<<32-1, true))
	n := ft.Fork()
	n.CloseOnExec(f.task)
	f.equal(len(n.FDs()), 0)
	n.DecRef(f.task)
	f.equal(len(ft.FDs()), 1)
}

// A small read allocates nothing, from the descriptor down to the page.
func TestReadAllocates(t *testing.T) {
	if lock.Checking {
		t.Skip("checking the order of locks allocates")
	}
	f := newFixture(t)
	f.file("/f", "0123456789")
	ft := vfs.NewFDTable()
	defer ft.DecRef(f.task)
	fd, err := ft.Install(f.open("/f", unix.O_RDWR), 0, false, 10)
	f.ok(err)
	n := testing.AllocsPerRun(100, func() {
		x, err := ft.Get(fd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.ReadAt(f.task, usermem.One(f.task.Memory, 0, 8), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := x.WriteAt(f.task, usermem.One(f.task.Memory, 0, 8), 0); err != nil {
			t.Fatal(err)
		}
		x.DecRef(f.task)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
