package kernel

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// wclone is __WCLONE as an int has it.
const wclone = -1 << 31

func TestForkWaitExit(t *testing.T) {
	w := newWorld(t, 4)
	release := make(chan struct{})
	status := w.run(steps{
		func(t *Task) error {
			pid := w.fork(t, steps{sleep(release), exit(7)})
			if pid != 2 {
				w.Errorf("the first child is %d", pid)
			}
			r, err := t.Wait(WaitOpts{Options: unix.WEXITED | unix.WNOHANG})
			if err != nil || r.PID != 0 {
				w.Errorf("nothing to report: %+v, %v", r, err)
			}
			_, err = t.Wait(WaitOpts{PID: 99, Options: unix.WEXITED | unix.WNOHANG})
			w.want("wait for a stranger", err, unix.ECHILD)
			_, err = t.Wait(WaitOpts{PGID: 99, Options: unix.WEXITED | unix.WNOHANG})
			w.want("wait for a strange group", err, unix.ECHILD)
			_, err = t.Wait(WaitOpts{Options: unix.WEXITED | wclone})
			w.want("wait for clones only", err, unix.ECHILD)
			close(release)
			if r := w.waitFor(t, pid, unix.WNOWAIT, 7<<8); r.Code != cldExited || r.Value != 7 {
				w.Errorf("waitid: %+v", r)
			}
			w.waitFor(t, pid, 0, 7<<8)
			_, err = t.Wait(WaitOpts{Options: unix.WEXITED})
			w.want("wait without children", err, unix.ECHILD)
			return nil
		},
		exit(3),
	})
	if !status.Exited() || status.ExitStatus() != 3 {
		t.Errorf("status %#x", status)
	}
}

func TestKilledStatus(t *testing.T) {
	w := newWorld(t, 5)
	w.run(steps{func(t *Task) error {
		for _, sig := range []int32{9, 15, 1, 34} {
			pid := w.fork(t, steps{pause})
			w.want("kill", t.Kill(pid, sig), nil)
			if r := w.waitFor(t, pid, 0, sig); r.Code != cldKilled || r.Value != sig {
				w.Errorf("waitid: %+v", r)
			}
			w.want("kill of a reaped child", t.Kill(pid, sig), unix.ESRCH)
		}
		w.want("signal 65", t.Kill(1, 65), unix.EINVAL)
		w.want("signal -1", t.Kill(1, -1), unix.EINVAL)
		// An init without a handler is safe from itself.
		w.want("kill of init", t.Kill(1, int32(unix.SIGTERM)), nil)
		w.want("kill of init", t.Kill(1, sigKill), nil)
		return nil
	}, exit(0)})
}

// TestIgnoredChildren: with SIGCHLD ignored children are never zombies.
func TestIgnoredChildren(t *testing.T) {
	w := newWorld(t, 3)
	w.run(steps{func(t *Task) error {
		if _, err := t.SigAction(int32(unix.SIGCHLD), &SigAction{Handler: sigIgnore}); err != nil {
			w.Errorf("sigaction: %v", err)
		}
		w.fork(t, steps{exit(1)})
		w.fork(t, steps{exit(2)})
		_, err := t.Wait(WaitOpts{Options: unix.WEXITED})
		for err != nil && isRestart(err) {
			_, err = t.Wait(WaitOpts{Options: unix.WEXITED})
		}
		w.want("wait", err, unix.ECHILD)
		if now, ever := t.Kernel().Counts(); now != 1 || ever != 3 {
			w.Errorf("%d tasks of %d", now, ever)
		}
		return nil
	}})
}

func TestStopAndContinue(t *testing.T) {
	w := newWorld(t, 2)
	w.run(steps{func(t *Task) error {
		pid := w.fork(t, steps{pause})
		w.want("stop", t.Kill(pid, int32(unix.SIGSTOP)), nil)
		if r := w.waitFor(t, pid, unix.WUNTRACED, int32(unix.SIGSTOP)<<8|0x7f); r.Code != cldStopped {
			w.Errorf("waitid: %+v", r)
		}
		r, err := t.Wait(WaitOpts{PID: pid, Options: unix.WEXITED | unix.WUNTRACED | unix.WNOHANG})
		if err != nil || r.PID != 0 {
			w.Errorf("the stop is seen twice: %+v, %v", r, err)
		}
		w.want("continue", t.Kill(pid, int32(unix.SIGCONT)), nil)
		w.waitFor(t, pid, unix.WCONTINUED, continuedStatus)
		w.want("stop again", t.Kill(pid, int32(unix.SIGSTOP)), nil)
		w.waitFor(t, pid, unix.WUNTRACED, int32(unix.SIGSTOP)<<8|0x7f)
		w.want("kill while it is stopped", t.Kill(pid, sigKill), nil)
		w.waitFor(t, pid, 0, sigKill)
		return nil
	}})
}

func TestProcessGroups(t *testing.T) {
	w := newWorld(t, 5)
	release := make(chan struct{})
	w.run(steps{func(t *Task) error {
		w.want("setpgid of a session leader", t.SetPGID(0, 0), unix.EPERM)
		w.want("setpgid to a negative group", t.SetPGID(0, -1), unix.EINVAL)
		w.want("setpgid of a stranger", t.SetPGID(99, 0), unix.ESRCH)
		_, err := t.SetSID()
		w.want("setsid of a group leader", err, unix.EPERM)
		_, err = t.PGID(99, false)
		w.want("getpgid of a stranger", err, unix.ESRCH)

		a := w.fork(t, steps{pause})
		b := w.fork(t, steps{pause})
		w.want("setpgid of a child", t.SetPGID(a, a), nil)
		w.want("setpgid into a sibling's group", t.SetPGID(b, a), nil)
		w.want("setpgid into no group", t.SetPGID(b, 99), unix.EPERM)
		for _, pid := range []int32{a, b} {
			if g, err := t.PGID(pid, false); g != a || err != nil {
				w.Errorf("%d is in group %d, %v", pid, g, err)
			}
			if s, err := t.PGID(pid, true); s != 1 || err != nil {
				w.Errorf("%d is in session %d, %v", pid, s, err)
			}
		}
		w.want("kill of no group", t.Kill(-99, 9), unix.ESRCH)
		w.want("kill of a group", t.Kill(-a, 9), nil)
		r, err := t.Wait(WaitOpts{PGID: a, Options: unix.WEXITED})
		if err != nil || r.PID != a && r.PID != b {
			w.Errorf("wait for a member: %+v, %v", r, err)
		}
		w.waitFor(t, a+b-r.PID, 0, 9)
		w.want("kill of the group that was", t.Kill(-a, 0), unix.ESRCH)

		ready := make(chan struct{})
		c := w.fork(t, steps{
			func(t *Task) error { return exec(t, "/prog") },
			func(*Task) error { close(ready); return nil },
			sleep(release),
			func(t *Task) error {
				sid, err := t.SetSID()
				if err != nil || sid != t.TID() {
					w.Errorf("setsid: %d, %v", sid, err)
				}
				d := w.fork(t, steps{exit(0)})
				w.waitFor(t, d, 0, 0)
				return nil
			},
			exit(4),
		})
		<-ready
		w.want("setpgid after exec", t.SetPGID(c, c), unix.EACCES)
		close(release)
		w.waitFor(t, c, 0, 4<<8)
		return nil
	}})
}

// TestReparent: orphans go to init, or to the nearest subreaper.
func TestReparent(t *testing.T) {
	for _, sub := range []bool{false, true} {
		w := newWorld(t, 5)
		release := make(chan struct{})
		var reaped atomic.Int32
		child := steps{
			func(t *Task) error {
				t.ThreadGroup().SetSubreaper(sub)
				gone := make(chan struct{})
				middle := w.fork(t, steps{func(t *Task) error {
					own := t.TID()
					w.fork(t, steps{sleep(gone), func(t *Task) error {
						tg := t.ThreadGroup()
						want := int32(1)
						if sub {
							want = own - 1
						}
						if p := tg.ParentIDIn(t.PIDNS()); p != want {
							w.Errorf("subreaper %v: the orphan's parent is %d, want %d", sub, p, want)
						}
						return nil
					}, sleep(release), exit(9)})
					return nil
				}, exit(0)})
				w.waitFor(t, middle, 0, 0)
				close(gone)
				if !sub {
					_, err := t.Wait(WaitOpts{Options: unix.WEXITED})
					w.want("a grandparent's wait", err, unix.ECHILD)
					return nil
				}
				close(release)
				reaped.Store(w.waitFor(t, 0, 0, 9<<8).PID)
				return nil
			},
			exit(0),
		}
		w.run(steps{func(t *Task) error {
			pid := w.fork(t, child)
			w.waitFor(t, pid, 0, 0)
			if !sub {
				close(release)
				reaped.Store(w.waitFor(t, 0, 0, 9<<8).PID)
			}
			return nil
		}})
		if reaped.Load() != 4 {
			t.Errorf("subreaper %v: reaped %d", sub, reaped.Load())
		}
	}
}

// TestInheritedZombie: a zombie whose parent never waited goes to init.
func TestInheritedZombie(t *testing.T) {
	w := newWorld(t, 3)
	w.run(steps{func(t *Task) error {
		middle := w.fork(t, steps{func(t *Task) error {
			pid := w.fork(t, steps{exit(5)})
			w.waitFor(t, pid, unix.WNOWAIT, 5<<8)
			return nil
		}, exit(0)})
		w.waitFor(t, middle, 0, 0)
		w.waitFor(t, middle+1, 0, 5<<8)
		return nil
	}})
}

// TestOrphanedGroup: a stopped group that nobody can continue any more gets
// SIGHUP, and SIGCONT so that it takes it.
func TestOrphanedGroup(t *testing.T) {
	w := newWorld(t, 3)
	w.run(steps{func(t *Task) error {
		middle := w.fork(t, steps{func(t *Task) error {
			if _, err := t.SetSID(); err != nil {
				w.Errorf("setsid: %v", err)
			}
			pid := w.fork(t, steps{pause})
			w.want("setpgid", t.SetPGID(pid, pid), nil)
			w.want("stop", t.Kill(pid, int32(unix.SIGTSTP)), nil)
			w.waitFor(t, pid, unix.WUNTRACED, int32(unix.SIGTSTP)<<8|0x7f)
			return nil
		}, exit(0)})
		w.waitFor(t, middle, 0, 0)
		w.waitFor(t, middle+1, 0, int32(unix.SIGHUP))
		return nil
	}})
}

func TestTooMany(t *testing.T) {
	w := newWorld(t, 10)
	w.k.SetMaxTasks(2)
	w.run(steps{func(t *Task) error {
		pid := w.fork(t, steps{pause})
		for range 3 {
			_, err := w.clone(t, CloneArgs{ExitSignal: 17}, steps{exit(0)})
			w.want("fork beyond the limit", err, unix.EAGAIN)
			_, err = w.clone(t, CloneArgs{Flags: threadFlags}, steps{exit(0)})
			w.want("a thread beyond the limit", err, unix.EAGAIN)
		}
		w.want("kill", t.Kill(pid, 9), nil)
		w.waitFor(t, pid, 0, 9)
		return nil
	}})
}

func TestCloneRefuses(t *testing.T) {
	w := newWorld(t, 12)
	w.run(steps{func(t *Task) error {
		for _, f := range []uint64{
			unix.CLONE_THREAD, unix.CLONE_SIGHAND, unix.CLONE_THREAD | unix.CLONE_VM,
			unix.CLONE_NEWNS | unix.CLONE_FS, threadFlags | unix.CLONE_NEWPID, unix.CLONE_PARENT, unix.CLONE_NEWUSER,
		} {
			_, err := w.clone(t, CloneArgs{Flags: f}, steps{exit(0)})
			w.want("clone", err, unix.EINVAL)
		}
		for want, ids := range map[unix.Errno][]int32{unix.EEXIST: {1}, unix.EINVAL: {0}} {
			_, err := w.clone(t, CloneArgs{SetTID: ids, ExitSignal: 17}, steps{exit(0)})
			w.want("set_tid", err, want)
		}
		pid, err := w.clone(t, CloneArgs{SetTID: []int32{77}, ExitSignal: 17}, steps{exit(0)})
		if pid != 77 || err != nil {
			w.Errorf("set_tid: %d, %v", pid, err)
		}
		w.waitFor(t, 77, 0, 0)
		return nil
	}})
}

// TestPIDNamespace: who is 1 in there, and what its end means.
func TestPIDNamespace(t *testing.T) {
	w := newWorld(t, 4)
	w.run(steps{func(t *Task) error {
		ready := make(chan struct{})
		pid, err := w.clone(t, CloneArgs{Flags: unix.CLONE_NEWPID, ExitSignal: 17}, steps{
			func(t *Task) error {
				if t.TID() != 1 || t.ThreadGroup().ParentIDIn(t.PIDNS()) != 0 {
					w.Errorf("it is %d, its parent %d", t.TID(), t.ThreadGroup().ParentIDIn(t.PIDNS()))
				}
				if pid := w.fork(t, steps{pause}); pid != 2 {
					w.Errorf("its child is %d", pid)
				}
				close(ready)
				return nil
			},
			pause,
		})
		if err != nil || pid != 2 {
			w.Errorf("clone: %d, %v", pid, err)
		}
		<-ready
		inner := t.PIDNS().Task(3)
		if inner == nil || inner.TID() != 2 {
			w.Error("the inner child is not 3 outside")
		}
		w.want("kill of the inner init", t.Kill(pid, sigKill), nil)
		w.waitFor(t, pid, 0, sigKill)
		w.eventually("the inner child lives on", func() bool { return t.PIDNS().Task(3) == nil })
		return nil
	}})
}

// TestKill ends tasks wherever they are.
func TestKill(t *testing.T) {
	w := newWorld(t, 6)
	forever := make(chan struct{})
	ready := make(chan struct{})
	tg := w.start(steps{func(t *Task) error {
		w.fork(t, steps{pause})
		w.fork(t, steps{sleep(forever)})
		stopped := w.fork(t, steps{pause})
		w.want("stop", t.Kill(stopped, int32(unix.SIGSTOP)), nil)
		w.waitFor(t, stopped, unix.WUNTRACED, int32(unix.SIGSTOP)<<8|0x7f)
		w.thread(t, steps{pause})
		close(ready)
		_, err := t.Wait(WaitOpts{Options: unix.WEXITED})
		return err
	}})
	w.await("the processes", ready)
	w.k.Kill()
	w.await("the end", tg.Done())
	if s := tg.Status(); s.Signal() != unix.SIGKILL {
		t.Errorf("status %#x", s)
	}
}

// TestNothingLeft runs many short processes; newWorld's cleanup counts what
// stays.
func TestNothingLeft(t *testing.T) {
	const n = 300
	w := newWorld(t, 2*n+1)
	all := steps{}
	for range 10 {
		all = append(all, func(t *Task) error {
			for range n / 10 {
				pid := w.fork(t, steps{
					func(t *Task) error { return exec(t, "/prog", "argument") },
					func(t *Task) error {
						w.thread(t, steps{func(t *Task) error { t.Exit(0); return nil }})
						return nil
					},
					exit(1),
				})
				w.waitFor(t, pid, 0, 1<<8)
			}
			return nil
		})
	}
	w.run(all)
	if now, ever := w.k.Counts(); now != 0 || ever != 2*n+1 {
		t.Errorf("%d tasks of %d", now, ever)
	}
}
