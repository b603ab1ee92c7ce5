package kernel

import (
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Cgroups below a container's own: who is in them, what they bound, and their end.
func TestCgroups(t *testing.T) {
	w := newWorld(t, 8)
	var born atomic.Int32
	w.add(steps{func(t *Task) error {
		root := t.ThreadGroup().Container().Cgroup()
		w.want("make", root.Make("a"), nil)
		w.want("make again", root.Make("a"), unix.EEXIST)
		a := root.Child("a")
		w.want("make below", a.Make("b"), nil)
		b := a.Child("b")
		w.want("move", b.Move(t.ThreadGroup()), nil)
		w.want("remove one with a process", a.Remove("b"), unix.EBUSY)
		w.want("remove one with another below", root.Remove("a"), unix.EBUSY)
		a.SetMaxTasks(2)
		w.fork(t, steps{pause})
		_, err := w.clone(t, CloneArgs{ExitSignal: 17}, steps{pause})
		w.want("a third task", err, unix.EAGAIN)
		if a.Tasks() != 2 || len(b.Groups()) != 2 || len(a.Groups()) != 0 || root.Descendants() != 2 {
			w.Errorf("%d tasks, %d and %d processes, %d descendants", a.Tasks(), len(b.Groups()), len(a.Groups()), root.Descendants())
		}
		if p, q := b.PathFrom(root), root.PathFrom(a); p != "/a/b" || q != "/.." {
			w.Errorf("paths %s and %s", p, q)
		}
		w.want("move out", root.Move(t.ThreadGroup()), nil)
		a.SetMaxTasks(0)
		w.want("unshare", t.Unshare(unix.CLONE_NEWCGROUP), nil)
		if t.CgroupRoot() != root || t.NamespaceIDs()["cgroup"] == firstNS-4 {
			w.Errorf("the new namespace")
		}
		born.Add(1)
		return nil
	}, pause})
	c := w.k.NewContainer(0)
	w.startIn(c, w.k.NewPIDNamespace(), nil)
	w.eventually("all is made", func() bool { return born.Load() == 1 })
	a := c.Cgroup().Child("a")
	a.SetFrozen(true)
	if !a.Child("b").Frozen() || c.Cgroup().Frozen() {
		t.Error("what is below is frozen with it, and nothing above")
	}
	a.KillAll()
	w.eventually("its process is killed, frozen as it is", func() bool { return a.Tasks() == 0 })
	if n := len(c.Groups()); n < 1 {
		t.Errorf("%d processes are left", n)
	}
	w.want("remove", a.Remove("b"), nil)
	w.want("remove what was above", c.Cgroup().Remove("a"), nil)
	w.want("make in one that was removed", a.Make("x"), unix.ENODEV)
	if names := c.Cgroup().Children(); !slices.Equal(names, nil) {
		t.Errorf("left: %v", names)
	}
	c.Kill()
}
