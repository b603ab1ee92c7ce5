package kernel

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func TestExecErrors(t *testing.T) {
	w := newWorld(t, 2)
	w.file("/plain", 0644, tinyELF())
	w.file("/text", 0755, "echo\n")
	w.file("/empty", 0755, "")
	w.file("/short", 0755, "\x7fELF")
	w.file("/noname", 0755, "#! \n")
	w.file("/missing", 0755, "#!/nowhere\n")
	w.file("/dirscript", 0755, "#!/dir\n")
	w.file("/plainscript", 0755, "#!/plain\n")
	w.file("/loop", 0755, "#!/loop\n")
	w.file("/s1", 0755, "#!/prog\n")
	for _, n := range []string{"2", "3", "4", "5", "6"} {
		w.file("/s"+n, 0755, "#!/s"+string(n[0]-1)+"\n")
	}
	broken := []byte(tinyELF())
	broken[64+16+7] = 0xff // the segment's address
	w.file("/broken", 0755, string(broken))
	w.run(steps{func(t *Task) error {
		w.want("mkdir", vfs.Mkdir(t, as(t, "/dir"), 0755), nil)
		w.want("symlink", vfs.Symlink(t, "circle", as(t, "/circle")), nil)
		before := t.MM()
		for name, want := range map[string]unix.Errno{
			"/nowhere": unix.ENOENT, "": unix.ENOENT, "/plain": unix.EACCES, "/dir": unix.EACCES, "/prog/x": unix.ENOTDIR,
			"/text": unix.ENOEXEC, "/empty": unix.ENOEXEC, "/short": unix.ENOEXEC, "/noname": unix.ENOEXEC,
			"/missing": unix.ENOENT, "/dirscript": unix.EACCES, "/plainscript": unix.EACCES, "/loop": unix.ELOOP,
			"/circle": unix.ELOOP, "/s6": unix.ELOOP, "/broken": unix.ENOMEM, "/" + strings.Repeat("x", 256): unix.ENAMETOOLONG,
		} {
			err := t.Exec(ExecArgs{At: as(t, name), Argv: []string{name}, Name: name})
			if err != want {
				w.Errorf("exec %.20q: %v, want %v", name, err, want)
			}
			if t.MM() != before {
				w.Errorf("exec %.20q changed the program", name)
			}
		}
		err := t.Exec(ExecArgs{At: as(t, "/prog"), Argv: []string{strings.Repeat("x", 8<<20)}, Name: "/prog"})
		w.want("exec with long arguments", err, unix.E2BIG)
		err = t.Exec(ExecArgs{At: as(t, "/s1"), Argv: []string{"/s1"}, Name: "/s1", Cloexec: true})
		w.want("exec of a script through a descriptor", err, unix.ENOENT)
		return nil
	}, func(t *Task) error { return exec(t, "/s5") }, exit(0)})
}

func TestStartErrors(t *testing.T) {
	w := newWorld(t, 8)
	w.file("/text", 0755, "echo\n")
	for name, want := range map[string]unix.Errno{"/nowhere": unix.ENOENT, "nowhere": unix.ENOENT, "/text": unix.ENOEXEC} {
		_, err := w.k.Start(InitArgs{Args: []string{name}, Cred: auth.NewRoot(w.k.UserNS(), auth.AllCaps),
			Limits: limits.NewSet(), FS: vfs.NewContext(w.ns), Files: vfs.NewFDTable(), Namespace: w.ns})
		var se *StartError
		if !errors.As(err, &se) || se.Errno != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.run(steps{exit(0)}) // the failures are not in its way
}

func TestExec(t *testing.T) {
	w := newWorld(t, 2)
	w.file("/script", 0755, "#! /prog -e\n")
	w.run(steps{
		func(t *Task) error {
			for fd := range int32(3) {
				f, err := vfs.Open(t, as(t, "/prog"), vfs.OpenHow{Flags: unix.O_RDONLY})
				if err != nil {
					return err
				}
				if _, err := t.Files().Install(f, 0, fd == 1, 100); err != nil {
					w.Errorf("install: %v", err)
				}
			}
			t.SetClearTID(0x400000)
			return t.Exec(ExecArgs{At: as(t, "/script"), Argv: []string{"zero", "one"}, Name: "/script"})
		},
		func(t *Task) error {
			if fds := t.Files().FDs(); len(fds) != 2 || fds[0] != 0 || fds[1] != 2 {
				w.Errorf("open: %v", fds)
			}
			info := t.MM().Info()
			args := make([]byte, info.ArgEnd-info.ArgStart)
			if _, err := t.Mem().CopyIn(info.ArgStart, args); err != nil || string(args) != "/prog\x00-e\x00/script\x00one\x00" {
				w.Errorf("arguments %q, %v", args, err)
			}
			if t.Comm() != "script" {
				w.Errorf("its name is %q", t.Comm())
			}
			if t.ClearTID() != 0 {
				w.Error("the thread id word of the old program is cleared in the new")
			}
			if _, err := usermem.In[uint64](t.Mem(), usermem.Addr(t.Arch().SP())); err != nil {
				w.Errorf("the stack: %v", err)
			}
			return nil
		},
	})
}

// TestExecEndsThreads: exec by a thread that is not the first ends all others
// and makes it the process.
func TestExecEndsThreads(t *testing.T) {
	w := newWorld(t, 6)
	w.run(steps{func(t *Task) error {
		pid := w.fork(t, steps{
			func(t *Task) error {
				old := t.TID()
				w.thread(t, steps{pause})
				w.thread(t, steps{
					func(t *Task) error { return exec(t, "/prog") },
					func(t *Task) error {
						if t.TID() != old || t.ThreadGroup().Leader() != t || len(t.ThreadGroup().Tasks()) != 1 {
							w.Errorf("it is %d of %d threads, not %d", t.TID(), len(t.ThreadGroup().Tasks()), old)
						}
						if t.PIDNS().Task(old) != t {
							w.Error("the process's number leads elsewhere")
						}
						return nil
					},
					exit(6),
				})
				return nil
			},
			pause,
		})
		w.waitFor(t, pid, 0, 6<<8)
		return nil
	}})
}

// TestThreads: a process lasts as long as its last thread; exit_group ends all.
func TestThreads(t *testing.T) {
	w := newWorld(t, 10)
	w.run(steps{func(t *Task) error {
		release := make(chan struct{})
		var ran atomic.Int32
		pid := w.fork(t, steps{
			func(t *Task) error {
				for range 2 {
					w.thread(t, steps{sleep(release), func(t *Task) error {
						ran.Add(1)
						t.Exit(1)
						return nil
					}})
				}
				t.Exit(2)
				return nil
			},
		})
		w.eventually("the leader did not exit", func() bool {
			tg := t.PIDNS().Group(pid)
			return tg != nil && tg.Leader().state.Load() == stateZombie
		})
		r, err := t.Wait(WaitOpts{PID: pid, Options: unix.WEXITED | unix.WNOHANG})
		if err != nil || r.PID != 0 {
			w.Errorf("reported with threads left: %+v, %v", r, err)
		}
		close(release)
		w.waitFor(t, pid, 0, 1<<8) // the status of who ends last is the process's
		if ran.Load() != 2 {
			w.Errorf("%d threads ran to their end", ran.Load())
		}
		pid = w.fork(t, steps{
			func(t *Task) error {
				w.thread(t, steps{pause})
				w.thread(t, steps{exit(8)})
				return nil
			},
			pause,
		})
		w.waitFor(t, pid, 0, 8<<8)
		return nil
	}})
}

// TestVfork: the parent goes on when the child has another program, or none.
func TestVfork(t *testing.T) {
	w := newWorld(t, 4)
	w.run(steps{func(t *Task) error {
		flags := uint64(unix.CLONE_VM | unix.CLONE_VFORK)
		var execed, exited atomic.Bool
		later := make(chan struct{})
		a, err := w.clone(t, CloneArgs{Flags: flags, ExitSignal: 17}, steps{
			func(t *Task) error {
				execed.Store(true)
				return exec(t, "/prog")
			},
			sleep(later), exit(1),
		})
		if err != nil || !execed.Load() {
			w.Errorf("back before the exec: %v", err)
		}
		b, err := w.clone(t, CloneArgs{Flags: flags, ExitSignal: 17}, steps{
			func(*Task) error { exited.Store(true); return nil }, exit(2)})
		if err != nil || !exited.Load() {
			w.Errorf("back before the exit: %v", err)
		}
		close(later)
		w.waitFor(t, a, 0, 1<<8)
		w.waitFor(t, b, 0, 2<<8)
		return nil
	}})
}
