package kernel

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/tmpfs"
	"hull/platform/scripted"
	"hull/sentry/abi"
	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/clock"
	"hull/sentry/limits"
	"hull/sentry/mem"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// A guest of these tests is a program: Go functions that run one after another
// as the system calls of a task, on its goroutine. Which program a task runs,
// and how far it is, it keeps in two registers, so that fork copies it and a
// restarted call is made again. A program that ends exits with 0.

// step is one system call. Its error is the call's.
type step func(t *Task) error

// steps are the program of one task.
type steps []step

const (
	callStep = 500 // the system call that makes the next step
	maxCalls = 64  // how many a task can make
)

// world is a kernel with a tmpfs as its root, for one test.
type world struct {
	*testing.T
	k   *Kernel
	m   *mem.File
	ns  *vfs.Namespace
	top *limits.Set // of the first process
	// used is how much memory files take.
	used uint64

	mu       sync.Mutex
	programs []steps // guarded by mu
}

// newWorld returns a kernel that can run as many tasks as given. At the test's
// end everything is killed, and it fails if something was left behind.
func newWorld(t *testing.T, tasks int) *world {
	t.Helper()
	w := &world{T: t, top: limits.NewSet()}
	before := runtime.NumGoroutine()
	m, err := mem.New(0)
	if err != nil {
		t.Fatal(err)
	}
	w.m = m
	calls := make([]scripted.Step, maxCalls)
	for i := range calls {
		calls[i] = scripted.Call(callStep)
	}
	scripts := make([][]scripted.Step, tasks)
	for i := range scripts {
		scripts[i] = calls
	}
	env := &vfs.Environment{}
	fs, root := tmpfs.New(m, env.AnonDev(), tmpfs.Options{Mode: 0755})
	w.ns = vfs.NewNamespace(env, fs, root, "root", 0)
	w.k, err = New(Config{
		Platform: scripted.New(scripts...), Memory: m, Anon: vfs.NewAnonFS(env), Clocks: clock.New(clock.Offsets{}), CPUs: 2,
		Table: NewTable(map[uintptr]Row{callStep: {Name: "step", Func: w.call}}),
		Log:   func(line string) { t.Log(line) },
		Crash: func(reason any, _ []byte) { panic(t.Name() + ": " + fmt.Sprint(reason)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.file("/prog", 0755, tinyELF())
	t.Cleanup(func() {
		w.k.Kill()
		w.checkGone(before)
		w.ns.DecRef()
		w.eventually("the files' memory is still in use", func() bool { return m.Usage() == 0 })
		m.Release()
	})
	return w
}

// call makes the next step of the calling task.
func (w *world) call(t *Task, _ arch.Args) (uintptr, error) {
	id, pc := t.Arch().Regs.R12, t.Arch().Regs.R13
	w.mu.Lock()
	p := w.programs[id]
	w.mu.Unlock()
	if pc >= uint64(len(p)) {
		t.ExitGroup(0)
		return 0, nil
	}
	err := p[pc](t)
	if err == nil || !isRestart(err) {
		pc++
	}
	t.Arch().Regs.R12, t.Arch().Regs.R13 = id, pc
	return 0, err
}

func (w *world) add(p steps) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.programs = append(w.programs, p)
	return uint64(len(w.programs) - 1)
}

// start runs p as the first process.
func (w *world) start(p steps) *ThreadGroup {
	w.Helper()
	if id := w.add(p); id != 0 {
		w.Fatal("a second first process")
	}
	w.ns.IncRef()
	defer w.ns.DecRef()
	tg, err := w.k.Start(InitArgs{Args: []string{"/prog"}, Cred: auth.NewRoot(w.k.UserNS(), auth.AllCaps),
		Limits: w.top, FS: vfs.NewContext(w.ns), Files: vfs.NewFDTable(), Namespace: w.ns})
	if err != nil {
		w.Fatal(err)
	}
	return tg
}

// run runs p as the first process to its end and returns its status.
func (w *world) run(p steps) unix.WaitStatus {
	w.Helper()
	tg := w.start(p)
	w.await("the first process's end", tg.Done())
	return tg.Status()
}

// await waits for something that takes no time unless it never comes.
func (w *world) await(what string, ch <-chan struct{}) {
	w.Helper()
	select {
	case <-ch:
	case <-time.After(20 * time.Second):
		var stacks [1 << 16]byte
		w.Fatalf("waited too long for %s\n%s", what, stacks[:runtime.Stack(stacks[:], true)])
	}
}

// eventually waits until is holds.
func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.Errorf("waited too long: %s", what)
}

// checkGone checks that nothing is left of the tasks.
func (w *world) checkGone(goroutines int) {
	w.Helper()
	w.eventually("memory is still in use", func() bool { return w.m.Usage() == w.used })
	w.eventually("goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines })
	k := w.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	root := k.tasks.root
	if k.tasks.count != 0 || len(root.tasks) > 0 || len(root.pgrps) > 0 || len(root.sessions) > 0 {
		w.Errorf("left: %d running, %d tasks, %d process groups, %d sessions",
			k.tasks.count, len(root.tasks), len(root.pgrps), len(root.sessions))
	}
}

// as gives a path relative to the caller's root.
func as(t *Task, name string) vfs.At { return vfs.At{FS: t.FS(), Name: name, Follow: true} }

// file writes a file from outside of all tasks.
func (w *world) file(name string, mode uint32, content string) {
	w.Helper()
	ctx := vfs.NewContext(w.ns)
	defer ctx.DecRef()
	t := &Task{k: w.k}
	t.group = &ThreadGroup{k: w.k, limits: limits.NewSet()}
	t.has.cred = auth.NewRoot(w.k.UserNS(), auth.AllCaps)
	f, err := vfs.Open(t, vfs.At{FS: ctx, Name: name}, vfs.OpenHow{Flags: unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY, Mode: mode})
	if err != nil {
		w.Fatal(err)
	}
	defer f.DecRef(t)
	if _, err := f.Write(t, usermem.BytesBuffer([]byte(content))); err != nil {
		w.Fatal(err)
	}
	w.used = w.m.Usage()
}

// clone makes a task that runs p.
func (w *world) clone(t *Task, a CloneArgs, p steps) (int32, error) {
	r := &t.Arch().Regs
	id, pc := r.R12, r.R13
	r.R12, r.R13 = w.add(p), 0
	tid, err := t.Clone(a)
	r.R12, r.R13 = id, pc
	return tid, err
}

// fork is clone as fork(2) does it; an error fails the test.
func (w *world) fork(t *Task, p steps) int32 {
	pid, err := w.clone(t, CloneArgs{ExitSignal: int32(unix.SIGCHLD)}, p)
	if err != nil {
		w.Errorf("fork: %v", err)
	}
	return pid
}

const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD

// thread makes a thread that runs p.
func (w *world) thread(t *Task, p steps) int32 {
	tid, err := w.clone(t, CloneArgs{Flags: threadFlags}, p)
	if err != nil {
		w.Errorf("clone of a thread: %v", err)
	}
	return tid
}

// exec becomes the program at name, and goes on with its steps.
func exec(t *Task, name string, argv ...string) error {
	return t.Exec(ExecArgs{At: as(t, name), Argv: append([]string{name}, argv...), Name: name})
}

// waitFor waits for pid, 0 for any child, and checks the status.
func (w *world) waitFor(t *Task, pid int32, options int32, status int32) WaitResult {
	r, err := t.Wait(WaitOpts{PID: pid, Options: options | unix.WEXITED})
	for err != nil && isRestart(err) && !t.killed.Load() {
		r, err = t.Wait(WaitOpts{PID: pid, Options: options | unix.WEXITED})
	}
	if err != nil {
		w.Errorf("wait for %d: %v", pid, err)
	} else if pid != 0 && r.PID != pid || r.Status != status {
		w.Errorf("wait for %d: found %d with status %#x, want %#x", pid, r.PID, r.Status, status)
	}
	return r
}

// want fails the test unless got is the error that is wanted.
func (w *world) want(what string, got, want error) {
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}

// exit is a step that ends the process.
func exit(code int32) step {
	return func(t *Task) error {
		t.ExitGroup(code)
		return nil
	}
}

// sleep is a step that waits for ch.
func sleep(ch <-chan struct{}) step {
	return func(t *Task) error {
		for {
			select {
			case <-ch:
				return nil
			default:
			}
			if err := t.Block(ch, time.Time{}); err != nil {
				return err
			}
		}
	}
}

// pause is a step that waits for a signal that ends the task.
func pause(t *Task) error {
	_ = t.Pause()
	return abi.ERESTARTSYS // once more after a stop
}

// tinyELF is a program of one page, which nobody executes here.
func tinyELF() string {
	var b []byte
	le := binary.LittleEndian
	b = append(b, "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	b = le.AppendUint16(b, 2)  // ET_EXEC
	b = le.AppendUint16(b, 62) // x86-64
	b = le.AppendUint32(b, 1)
	for _, v := range []uint64{0x400078, 64, 0} { // entry, program headers, no sections
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // read, execute
	for _, v := range []uint64{0, 0x400000, 0x400000, 0x100, 0x100, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	return string(b) + strings.Repeat("\x90", 0x100-len(b))
}
