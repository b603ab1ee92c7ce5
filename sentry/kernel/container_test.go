package kernel

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/vfs"
)

// startIn runs program 0, the only one that processes from outside run, in c.
func (w *world) startIn(c *Container, pids *PIDNamespace, ipc *IPCNamespace) *ThreadGroup {
	w.Helper()
	tg, err := w.k.Start(InitArgs{Args: []string{"/prog"}, Cred: auth.NewRoot(w.k.UserNS(), auth.AllCaps), Limits: w.top,
		FS: vfs.NewContext(w.ns), Files: vfs.NewFDTable(), Namespace: w.ns, Container: c, PIDs: pids, IPC: ipc})
	if err != nil {
		w.Fatal(err)
	}
	return tg
}

func (w *world) dead(tg *ThreadGroup) bool {
	select {
	case <-tg.Done():
		return true
	default:
		return false
	}
}

// The processes of a container are counted, limited and killed, and nobody
// else's.
func TestContainersApart(t *testing.T) {
	w := newWorld(t, 8)
	var ready atomic.Int32
	w.add(steps{func(t *Task) error {
		w.fork(t, steps{pause})
		_, err := w.clone(t, CloneArgs{ExitSignal: 17}, steps{pause})
		w.want("a third task", err, unix.EAGAIN)
		if id := t.TID(); id != 1 {
			w.Errorf("the first process is number %d", id)
		}
		ready.Add(1)
		return nil
	}, pause})
	a, b := w.k.NewContainer(2), w.k.NewContainer(2)
	one, two := w.startIn(a, w.k.NewPIDNamespace(), nil), w.startIn(b, w.k.NewPIDNamespace(), nil)
	w.eventually("both have forked", func() bool { return ready.Load() == 2 })
	for _, c := range []*Container{a, b} {
		if n := c.Tasks(); n != 2 || len(c.Groups()) != 2 {
			t.Errorf("%d tasks, %d processes", n, len(c.Groups()))
		}
	}
	ids := a.TIDs(one.PIDNS())
	if slices.Sort(ids); !slices.Equal(ids, []int32{1, 2}) {
		t.Errorf("numbers %v", ids)
	}
	if ids := a.TIDs(two.PIDNS()); len(ids) != 0 {
		t.Errorf("numbers %v in the other container's namespace", ids)
	}
	if id := one.IDIn(w.k.RootPIDNS()); id == two.IDIn(w.k.RootPIDNS()) || id == 0 {
		t.Errorf("both are number %d in the initial namespace", id)
	}
	a.Kill()
	if !w.dead(one) || a.Tasks() != 0 {
		t.Errorf("killed: %v, with %d tasks", w.dead(one), a.Tasks())
	}
	if w.dead(two) || b.Tasks() != 2 {
		t.Errorf("the other one ended: %v, with %d tasks", w.dead(two), b.Tasks())
	}
	_, err := w.k.Start(InitArgs{Args: []string{"/prog"}, Cred: auth.NewRoot(w.k.UserNS(), auth.AllCaps), Limits: w.top,
		FS: vfs.NewContext(w.ns), Files: vfs.NewFDTable(), Namespace: w.ns, Container: a, PIDs: two.PIDNS()})
	w.want("a process in a container that has ended", err, unix.EAGAIN)
	b.Kill()
}

// Containers may share a pid namespace: the end of one is not that of its init's
// children, nor of the other container.
func TestContainersTogether(t *testing.T) {
	w := newWorld(t, 8)
	var born atomic.Int32
	w.add(steps{func(t *Task) error {
		w.fork(t, steps{pause})
		born.Add(1)
		return nil
	}, pause})
	pids := w.k.NewPIDNamespace()
	a, b := w.k.NewContainer(0), w.k.NewContainer(0)
	one := w.startIn(a, pids, nil)
	w.eventually("the first has forked", func() bool { return born.Load() == 1 })
	two := w.startIn(b, pids, nil)
	w.eventually("the second has forked", func() bool { return born.Load() == 2 })
	if one.ID() != 1 || two.ID() != 3 {
		t.Errorf("numbers %d and %d", one.ID(), two.ID())
	}
	w.want("kill", two.SendSignal(&SignalInfo{Signo: int32(unix.SIGKILL)}), nil)
	w.await("the second's end", two.Done())
	if n := b.Tasks(); n != 1 {
		t.Errorf("%d tasks of the second, its child lives", n)
	}
	b.Kill()
	if w.dead(one) || a.Tasks() != 2 {
		t.Errorf("the first ended: %v, with %d tasks", w.dead(one), a.Tasks())
	}
	if user, sys := b.Times(); user+sys <= 0 {
		t.Error("the second has used no time")
	}
	// The end of the namespace's init is the end of all in it.
	born.Store(0)
	c := w.k.NewContainer(0)
	three := w.startIn(c, pids, nil)
	w.eventually("the third has forked", func() bool { return born.Load() == 1 })
	a.Kill()
	w.await("the third's end", three.Done())
	c.Kill()
}

// A frozen container makes no step; a killed one ends frozen as it is.
func TestFreeze(t *testing.T) {
	w := newWorld(t, 4)
	var made atomic.Int64
	w.add(slices.Repeat(steps{func(*Task) error {
		made.Add(1)
		time.Sleep(10 * time.Millisecond)
		return nil
	}}, maxCalls-1))
	c := w.k.NewContainer(0)
	tg := w.startIn(c, nil, nil)
	w.eventually("it runs", func() bool { return made.Load() > 1 })
	c.Freeze()
	var n int64
	w.eventually("it stands still", func() bool {
		n = made.Load()
		time.Sleep(30 * time.Millisecond)
		return made.Load() == n
	})
	time.Sleep(50 * time.Millisecond)
	if made.Load() != n {
		t.Errorf("%d steps while frozen", made.Load()-n)
	}
	c.Thaw()
	w.eventually("it goes on", func() bool { return made.Load() > n+1 })
	c.Freeze()
	c.Kill()
	if !w.dead(tg) {
		t.Error("it lives")
	}
}

// Each IPC namespace is made by the function that boot gives, and is what its
// tasks see until the last is gone.
func TestIPCNamespaces(t *testing.T) {
	w := newWorld(t, 6)
	done := make(chan struct{})
	w.add(steps{func(t *Task) error {
		mine := t.IPC()
		w.want("unshare", t.Unshare(unix.CLONE_NEWIPC), nil)
		if t.IPC() == mine || t.NamespaceIDs()["ipc"] == mine.id {
			w.Error("unshare made no namespace")
		}
		if n := mine.refs.Load(); n != 1 {
			w.Errorf("%d references to the one that was left", n)
		}
		mine = t.IPC()
		w.fork(t, steps{func(t *Task) error {
			if t.IPC() != mine {
				w.Error("a child has another namespace")
			}
			return nil
		}})
		w.waitFor(t, 0, 0, 0)
		_, err := w.clone(t, CloneArgs{Flags: unix.CLONE_NEWIPC, ExitSignal: 17}, steps{func(t *Task) error {
			if t.IPC() == mine {
				w.Error("a child has its parent's namespace")
			}
			return nil
		}})
		w.want("clone", err, nil)
		w.waitFor(t, 0, 0, 0)
		if n := mine.refs.Load(); n != 1 {
			w.Errorf("%d references to the caller's own", n)
		}
		close(done)
		return nil
	}})
	ipc := w.k.NewIPC()
	tg := w.startIn(w.k.NewContainer(0), nil, ipc)
	w.await("the end", done)
	w.await("the process", tg.Done())
	if n := ipc.refs.Load(); n != 1 {
		t.Errorf("%d references", n)
	}
}
