package vfs_test

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current/currenttest"
	"hull/sentry/vfs"
)

func (f *fixture) lock(x *vfs.File, owner any, cmd int32, typ int16, start, n int64) error {
	return x.PosixLock(f.task, cmd, &unix.Flock_t{Type: typ, Start: start, Len: n}, owner)
}

// TestPosixLocks compares with a table that has the lock of each byte.
func TestPosixLocks(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.task)
	owners := []*vfs.FDTable{vfs.NewFDTable(), vfs.NewFDTable(), vfs.NewFDTable()}
	const size = 40
	var model [3][size]int16 // by owner: F_UNLCK, F_RDLCK, F_WRLCK
	for o := range model {
		for i := range model[o] {
			model[o][i] = unix.F_UNLCK
		}
	}
	free := func(who int, typ int16, i int) bool {
		for o := range model {
			if o != who && model[o][i] != unix.F_UNLCK && (typ == unix.F_WRLCK || model[o][i] == unix.F_WRLCK) {
				return false
			}
		}
		return true
	}
	r := rand.New(rand.NewSource(2))
	for range 3000 {
		who, typ := r.Intn(3), []int16{unix.F_RDLCK, unix.F_WRLCK, unix.F_UNLCK}[r.Intn(3)]
		start := r.Intn(size)
		n := 1 + r.Intn(size-start)
		want := error(nil)
		for i := start; i < start+n && typ != unix.F_UNLCK; i++ {
			if !free(who, typ, i) {
				want = unix.EAGAIN
			}
		}
		if want == nil {
			for i := start; i < start+n; i++ {
				model[who][i] = typ
			}
		}
		if err := f.lock(x, owners[who], unix.F_SETLK, typ, int64(start), int64(n)); err != want {
			t.Fatalf("owner %d, type %d, [%d,%d): %v, want %v", who, typ, start, start+n, err, want)
		}
		at := r.Intn(size)
		fl := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(at), Len: 1}
		f.ok(x.PosixLock(f.task, unix.F_GETLK, &fl, owners[who]))
		if free(who, unix.F_WRLCK, at) != (fl.Type == unix.F_UNLCK) {
			t.Fatalf("byte %d as seen by %d: %+v", at, who, fl)
		}
	}
}

func TestLockRanges(t *testing.T) {
	f := newFixture(t)
	f.file("/f", "0123456789")
	x := f.open("/f", unix.O_RDWR)
	defer x.DecRef(f.task)
	_, err := x.Seek(f.task, 4, unix.SEEK_SET)
	f.ok(err)
	a, b := vfs.NewFDTable(), vfs.NewFDTable()
	for _, c := range []struct {
		fl    unix.Flock_t
		start int64
		n     int64
		err   error
	}{
		{unix.Flock_t{Whence: unix.SEEK_CUR, Start: 1, Len: 2}, 5, 2, nil},
		{unix.Flock_t{Whence: unix.SEEK_END, Start: -1, Len: 0}, 9, 0, nil},
		{unix.Flock_t{Start: 8, Len: -3}, 5, 3, nil},
		{unix.Flock_t{Start: -1, Len: 1}, 0, 0, unix.EINVAL},
		{unix.Flock_t{Start: 2, Len: -3}, 0, 0, unix.EINVAL},
		{unix.Flock_t{Start: 1<<63 - 1, Len: 2}, 0, 0, unix.EOVERFLOW},
		{unix.Flock_t{Whence: unix.SEEK_END, Start: 1<<63 - 1, Len: 1}, 0, 0, unix.EOVERFLOW},
		{unix.Flock_t{Whence: 9}, 0, 0, unix.EINVAL},
	} {
		c.fl.Type = unix.F_WRLCK
		if err := x.PosixLock(f.task, unix.F_SETLK, &c.fl, a); err != c.err {
			t.Errorf("%+v: %v, want %v", c.fl, err, c.err)
			continue
		}
		if c.err != nil {
			continue
		}
		fl := unix.Flock_t{Type: unix.F_WRLCK}
		f.ok(x.PosixLock(f.task, unix.F_GETLK, &fl, b))
		if fl.Start != c.start || fl.Len != c.n {
			t.Errorf("%+v locks %d+%d, want %d+%d", c.fl, fl.Start, fl.Len, c.start, c.n)
		}
		f.ok(f.lock(x, a, unix.F_SETLK, unix.F_UNLCK, 0, 0))
	}
	r := f.open("/f", unix.O_RDONLY)
	defer r.DecRef(f.task)
	f.want(f.lock(r, a, unix.F_SETLK, unix.F_WRLCK, 0, 1), unix.EBADF)
	f.want(f.lock(r, a, unix.F_SETLK, 77, 0, 1), unix.EINVAL)
}

// wait calls do elsewhere, as a task of its own.
func (f *fixture) wait(do func(t *currenttest.Task) error) (*currenttest.Task, chan error) {
	task, done := currenttest.New(0), make(chan error, 1)
	go func() { done <- do(task) }()
	return task, done
}

// asleep fails the test if done delivers soon.
func (f *fixture) asleep(done chan error) {
	f.Helper()
	select {
	case err := <-done:
		f.Fatalf("did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestLockDeadlock(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	y := f.open("/g", unix.O_CREAT|unix.O_RDWR)
	defer x.DecRef(f.task)
	defer y.DecRef(f.task)
	a, b, c := vfs.NewFDTable(), vfs.NewFDTable(), vfs.NewFDTable()
	f.ok(f.lock(x, a, unix.F_SETLK, unix.F_WRLCK, 0, 1))
	f.ok(f.lock(y, b, unix.F_SETLK, unix.F_WRLCK, 0, 1))
	f.ok(f.lock(x, c, unix.F_SETLK, unix.F_WRLCK, 5, 1))
	setlkw := func(x *vfs.File, owner any, start int64) func(*currenttest.Task) error {
		return func(t *currenttest.Task) error {
			return x.PosixLock(t, unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: 1}, owner)
		}
	}
	_, aWaits := f.wait(setlkw(y, a, 0)) // a waits for b
	f.asleep(aWaits)
	_, bWaits := f.wait(setlkw(x, b, 5)) // b waits for c
	f.asleep(bWaits)
	f.want(setlkw(x, c, 0)(f.task), unix.EDEADLK) // c would wait for a
	f.ok(f.lock(x, c, unix.F_SETLK, unix.F_UNLCK, 5, 1))
	f.ok(<-bWaits)
	f.ok(f.lock(y, b, unix.F_SETLK, unix.F_UNLCK, 0, 1))
	f.ok(<-aWaits)
	// Who waited is forgotten.
	_, cWaits := f.wait(setlkw(x, c, 0))
	f.asleep(cWaits)
	f.ok(f.lock(x, a, unix.F_SETLK, unix.F_UNLCK, 0, 1))
	f.ok(<-cWaits)
}

func TestLockInterrupted(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	y := f.open("/f", unix.O_RDWR)
	defer x.DecRef(f.task)
	defer y.DecRef(f.task)
	f.ok(x.Flock(f.task, unix.LOCK_EX))
	task, done := f.wait(func(t *currenttest.Task) error { return y.Flock(t, unix.LOCK_SH) })
	f.asleep(done)
	task.Interrupt()
	if err := <-done; err != abi.ERESTARTSYS {
		t.Errorf("interrupted flock: %v", err)
	}
}

func TestFlock(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	y := f.open("/f", unix.O_RDONLY)
	defer y.DecRef(f.task)
	f.ok(x.Flock(f.task, unix.LOCK_SH))
	f.ok(y.Flock(f.task, unix.LOCK_SH|unix.LOCK_NB))
	f.want(y.Flock(f.task, unix.LOCK_EX|unix.LOCK_NB), unix.EAGAIN)
	f.want(x.Flock(f.task, unix.LOCK_EX|unix.LOCK_SH), unix.EINVAL)
	f.ok(y.Flock(f.task, unix.LOCK_UN))
	f.ok(x.Flock(f.task, unix.LOCK_EX|unix.LOCK_NB))
	_, done := f.wait(func(t *currenttest.Task) error { return y.Flock(t, unix.LOCK_EX) })
	f.asleep(done)
	x.DecRef(f.task) // the last reference lets the lock go
	f.ok(<-done)
}

// A process's locks go when it closes any descriptor of the file; those of a
// description with the description.
func TestLocksOfClosed(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	other := vfs.NewFDTable()
	ft := vfs.NewFDTable()
	fd, err := ft.Install(f.open("/f", unix.O_RDONLY), 0, false, 10)
	f.ok(err)
	f.ok(f.lock(x, ft, unix.F_SETLK, unix.F_WRLCK, 0, 1))
	f.want(f.lock(x, other, unix.F_SETLK, unix.F_WRLCK, 0, 1), unix.EAGAIN)
	f.ok(ft.Close(f.task, fd))
	f.ok(f.lock(x, other, unix.F_SETLK, unix.F_WRLCK, 0, 1))
	f.ok(f.lock(x, x, unix.F_SETLK, unix.F_WRLCK, 7, 1))
	y := f.open("/f", unix.O_RDWR)
	defer y.DecRef(f.task)
	fl := unix.Flock_t{Type: unix.F_WRLCK, Start: 7, Len: 1}
	f.ok(y.PosixLock(f.task, unix.F_GETLK, &fl, ft))
	f.equal(fmt.Sprint(fl.Type, fl.Pid), fmt.Sprint(unix.F_WRLCK, -1))
	x.DecRef(f.task)
	f.ok(f.lock(y, y, unix.F_SETLK, unix.F_WRLCK, 7, 1))
}
