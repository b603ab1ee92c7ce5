package ipc

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
)

type object struct{ perm Perm }

func (o *object) Permissions() *Perm { return &o.perm }

func TestTable(t *testing.T) {
	task := currenttest.New(0)
	ns := task.Creds.UserNS
	var tab Table[*object]
	open := func(key int32, flags uint32) (int32, error) {
		return tab.Open(task, ns, key, flags, 3, func(*object) error { return nil }, func(p Perm) (*object, error) { return &object{p}, nil })
	}
	var ids []int32
	for _, c := range []struct {
		key   int32
		flags uint32
		want  error
	}{{7, 0, unix.ENOENT}, {7, Create | 0o600, nil}, {7, Create | Excl, unix.EEXIST}, {Private, 0, nil}, {Private, 0, nil}, {8, Create, unix.ENOSPC}} {
		id, err := open(c.key, c.flags)
		if err != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			ids = append(ids, id)
		}
	}
	if id, err := open(7, 0); err != nil || id != ids[0] {
		t.Errorf("found %d, %v", id, err)
	}
	if n, highest := tab.Usage(); n != 3 || highest != 2 {
		t.Errorf("%d objects up to slot %d", n, highest)
	}
	for _, id := range []int32{-1, 3, ids[0] + MaxObjects} {
		if _, err := tab.Get(id); err != unix.EINVAL {
			t.Errorf("object %d: %v", id, err)
		}
	}
	seen := map[int32]bool{}
	for range 100 { // identifiers are not used again soon
		id := ids[0]
		if seen[id] {
			t.Fatalf("identifier %d came back", id)
		}
		seen[id] = true
		tab.Remove(id)
		if _, err := tab.Get(id); err != unix.EINVAL {
			t.Fatal(err)
		}
		var err error
		if ids[0], err = open(7, Create); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for id, o := range tab.All() {
		if got, err := tab.Get(id); err != nil || got != o {
			t.Errorf("object %d: %v", id, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d objects are listed", n)
	}
	stranger := currenttest.NewUser(1000, 1000)
	stranger.Creds.UserNS = ns
	if _, _, err := tab.Look(stranger, ns, ids[0], false, false); err != unix.EACCES {
		t.Error(err)
	}
	if _, _, err := tab.Look(stranger, ns, 0, true, true); err != nil {
		t.Error(err)
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(10)
	if err := b.Take(7); err != nil {
		t.Error(err)
	}
	if err := b.Take(4); err != unix.ENOMEM {
		t.Error(err)
	}
	b.Give(1)
	if err := b.Take(4); err != nil {
		t.Error(err)
	}
}
