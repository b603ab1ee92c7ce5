package ptrace

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// stubs returns the process IDs of the children of pid named like stubs.
func stubs(t *testing.T, pid int) []string {
	t.Helper()
	var found []string
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		var id, parent int
		var state string
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		if open < 0 || end < 0 {
			continue
		}
		if _, err := fmt.Sscan(string(stat[:open]), &id); err != nil {
			continue
		}
		if _, err := fmt.Sscan(string(stat[end+1:]), &state, &parent); err != nil {
			continue
		}
		if parent == pid {
			found = append(found, fmt.Sprint(id))
		}
	}
	return found
}

// since are the child processes that were not there before. Of those that were, some
// may have been about to end.
func since(t *testing.T, before []string) []string {
	t.Helper()
	return slices.DeleteFunc(stubs(t, os.Getpid()), func(pid string) bool { return slices.Contains(before, pid) })
}

// onlyTemplate checks that one is left of them, a platform's template.
func onlyTemplate(t *testing.T, before []string) {
	t.Helper()
	if left := since(t, before); len(left) != 1 {
		t.Errorf("processes %v are there, want the template only", left)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(dir)
}

// runOne makes a task in as, lets it make one call and ends it.
func runOne(p *Platform, as platform.AddressSpace) error {
	ctx := p.NewContext()
	defer ctx.Release()
	var ac arch.Context
	ac.Regs.Rip = codeAddr
	ev, err := ctx.Switch(as, &ac)
	if err == nil && ev.Kind != platform.Syscall {
		err = fmt.Errorf("event %+v", ev)
	}
	return err
}

func TestNothingIsLeftBehind(t *testing.T) {
	fd, mem := memory(t)
	copy(mem, code(insSyscall))
	before, beforeFDs := stubs(t, os.Getpid()), openFDs(t)
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	inUse := openFDs(t)
	for range 50 {
		as, err := p.NewAddressSpace()
		if err != nil {
			t.Fatal(err)
		}
		if err := as.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
			t.Fatal(err)
		}
		if err := runOne(p, as); err != nil {
			t.Fatal(err)
		}
		var children []platform.AddressSpace
		for range 3 {
			child, err := as.(platform.Forker).Fork()
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
		as.Release()
		as.Release() // harmless
		for _, child := range children {
			if err := runOne(p, child); err != nil {
				t.Fatal(err)
			}
			child.Release()
		}
		p.reaping.Wait() // what was released is reaped in its own time
	}
	onlyTemplate(t, before)
	if n := openFDs(t); n > inUse {
		t.Errorf("%d descriptors, want %d", n, inUse)
	}
	if p.slots.next > 16 {
		t.Errorf("%d slots were used for a few address spaces at a time", p.slots.next)
	}
	p.Release()
	if left := since(t, before); len(left) != 0 {
		t.Errorf("processes %v are there after Release", left)
	}
	if n := openFDs(t); n > beforeFDs {
		t.Errorf("%d descriptors after Release, want %d", n, beforeFDs)
	}
}

// TestManyTasks has tasks of several address spaces run, fork, change mappings
// and be interrupted at the same time.
func TestManyTasks(t *testing.T) {
	p := newPlatform(t)
	fd, mem := memory(t)
	copy(mem, code(insSyscall, []byte{0xeb, 0xfc})) // loop: syscall; jmp loop
	copy(mem[0x100:], insJmpSelf)
	as, err := p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	defer as.Release()
	if err := as.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var failed atomic.Value
	for task := range 8 {
		wg.Go(func() {
			runtime.LockOSThread() // and let the thread die, as a task's does
			ctx := p.NewContext()
			defer ctx.Release()
			var ac arch.Context
			ac.Regs.Rip = codeAddr
			for i := range 60 {
				mine := uint64(dataPage + task*pageSize)
				if err := as.Map(mine, pageSize, fd, pageSize, protRead); err != nil {
					failed.Store(err)
				}
				if ev, err := ctx.Switch(as, &ac); err != nil || ev.Kind != platform.Syscall {
					failed.Store(fmt.Errorf("task %d: %+v, %v", task, ev, err))
					return
				}
				ac.SetReturn(0)
				if err := as.Unmap(mine, pageSize); err != nil {
					failed.Store(err)
				}
				switch {
				case i%20 == task:
					child, err := as.(platform.Forker).Fork()
					if err != nil {
						failed.Store(err)
						return
					}
					if err := runOne(p, child); err != nil {
						failed.Store(err)
					}
					child.Release()
				case i%20 == task+8:
					runtime.GC() // stops the world while guests run
				case i%4 == 0:
					back := ac.Regs.Rip
					ac.Regs.Rip = codeAddr + 0x100
					time.AfterFunc(time.Millisecond, ctx.Interrupt)
					if ev, err := ctx.Switch(as, &ac); err != nil || ev.Kind != platform.Interrupted {
						failed.Store(fmt.Errorf("task %d: %+v, %v", task, ev, err))
						return
					}
					ac.Regs.Rip = back
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Error(err)
	}
}

// TestMoveBetweenAddressSpaces is what execve and vfork do with a context.
func TestMoveBetweenAddressSpaces(t *testing.T) {
	// mov %rax, %fs:0 would need memory; the xmm state shows the move instead:
	// movdqu (%rbx), %xmm1; syscall; movdqu %xmm1, (%rbx); syscall
	g := newGuest(t, newPlatform(t), code(
		[]byte{0xf3, 0x0f, 0x6f, 0x0b}, insSyscall,
		[]byte{0xf3, 0x0f, 0x7f, 0x0b}, insSyscall)...)
	g.mapPage(dataPage, pageSize, protRead|protWrite)
	copy(g.mem[pageSize:], "the state moves.")
	g.ac.Regs.Rbx = dataPage
	g.run()
	old := g.as
	var err error
	if g.as, err = g.p.NewAddressSpace(); err != nil {
		t.Fatal(err)
	}
	defer g.as.Release()
	g.mapPage(codeAddr, 0, protRead|protExec)
	g.mapPage(dataPage, 2*pageSize, protRead|protWrite)
	g.run()
	if got := string(g.mem[2*pageSize:][:16]); got != "the state moves." {
		t.Errorf("in the new address space: %q", got)
	}
	if n := len(old.(*addressSpace).workers); n != 0 {
		t.Errorf("%d workers are left in the old address space", n)
	}
	// With the old one gone the state is lost and the task goes on.
	g.as.Release()
	g.ac.FPU = arch.FPU{}
	g.as = old
	g.ac.Regs.Rip = codeAddr
	g.run()
}

// TestComputingThreadsAreLetGo has two guests that never trap on one processor.
func TestComputingThreadsAreLetGo(t *testing.T) {
	p := newPlatform(t)
	if len(p.cpus.cpus) == 1 {
		t.Skip("one processor")
	}
	fd, mem := memory(t)
	copy(mem, insJmpSelf)
	as, err := p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	defer as.Release()
	if err := as.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var all []*context
	for range 2 {
		ctx := p.NewContext().(*context)
		ctx.at.home = 0
		all = append(all, ctx)
		wg.Go(func() {
			defer ctx.Release()
			var ac arch.Context
			ac.Regs.Rip = codeAddr
			for range 2 {
				if ev, err := ctx.Switch(as, &ac); err != nil || ev.Kind != platform.Interrupted {
					t.Error(ev, err)
				}
				if !ctx.at.loose.Load() {
					t.Error("a thread that computes was not let go")
				}
			}
		})
	}
	for turn := range uint64(2) {
		for _, ctx := range all {
			eventually(t, "a thread that computes was not let go", func() bool {
				return ctx.turns.Load() == turn+1 && ctx.inGuest.Load() != 0 && ctx.at.loose.Load()
			})
		}
		for _, ctx := range all {
			ctx.Interrupt()
		}
	}
	wg.Wait()
	eventually(t, "the balancer ticks though nothing runs", p.balance.asleep.Load)
}

// eventually waits until is holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(patience / 10) {
		if time.Now().After(end) {
			t.Error(what)
			return
		}
	}
}

// TestComputingThreadIsHeldUp has a thread come to its guest so late that the balancer
// has looked for it, and sleeps.
func TestComputingThreadIsHeldUp(t *testing.T) {
	p := newPlatform(t)
	if len(p.cpus.cpus) == 1 {
		t.Skip("one processor")
	}
	g := newGuest(t, p, code(insSyscall, insJmpSelf)...)
	g.run()
	g.mapPage(dataPage, pageSize, protRead) // by the next Switch, if it gets the lock
	ctx, as := g.ctx.(*context), g.as.(*addressSpace)
	locked := make(chan struct{})
	go func() { // a goroutine of its own holds the lock: Switch takes others of its rank
		as.mu.Lock()
		close(locked)
		eventually(t, "no second Switch", func() bool { return ctx.turns.Load() == 2 })
		for asleep := 0; asleep < 4; time.Sleep(patience) { // it does not tick any more
			if asleep++; !p.balance.asleep.Load() {
				asleep = 0
			}
		}
		as.mu.Unlock()
		eventually(t, "it was not let go", ctx.at.loose.Load)
		ctx.Interrupt()
	}()
	<-locked
	g.want(platform.Event{Kind: platform.Interrupted})
}

// childEnv makes the test binary a sentry that waits to be killed.
const childEnv = "HULL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := victim(mode == "jailed"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// victim has a spinning guest, a stopped one and address spaces without
// threads, says so and waits. A jailed one gives up what the sentry gives up
// once it has its platform.
func victim(jailed bool) error {
	p, err := New()
	if err != nil {
		return err
	}
	if jailed {
		if err := giveUp(); err != nil {
			return err
		}
	}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, append(code(insSyscall, insJmpSelf), make([]byte, pageSize)...)); err != nil {
		return err
	}
	for i := range 4 {
		as, err := p.NewAddressSpace()
		if err != nil {
			return err
		}
		if err := as.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
			return err
		}
		if i < 2 {
			ready := make(chan error)
			go func() {
				ctx := p.NewContext()
				var ac arch.Context
				ac.Regs.Rip = codeAddr
				_, err := ctx.Switch(as, &ac)
				ready <- err
				if i == 0 {
					_, _ = ctx.Switch(as, &ac)
				}
				select {}
			}()
			if err := <-ready; err != nil {
				return err
			}
		}
	}
	fmt.Println("ready")
	select {}
}

// giveUp makes the process one that nobody may trace, without capabilities.
func giveUp() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno != 0 {
		return errno
	}
	_, _, errno = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func TestDeathOfTheSentryLeavesNoStub(t *testing.T) {
	namespaces := &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, tt := range []struct {
		name, mode string
		attr       *syscall.SysProcAttr
	}{
		{"as this user", "free", nil},
		{"jailed", "jailed", nil},
		{"jailed in namespaces", "jailed", namespaces},
		{"unprivileged", "free", nobody},
		{"unprivileged and jailed", "jailed", nobody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), childEnv+"="+tt.mode)
			cmd.SysProcAttr = tt.attr
			if tt.attr == nobody && os.Getuid() != 0 {
				t.Skip("not root")
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				if tt.attr == namespaces {
					t.Skip("no user namespaces here: ", err)
				}
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }()
			line, err := bufio.NewReader(out).ReadString('\n')
			if line == unix.ENOTSUP.Error()+"\n" {
				t.Skip("a cgo program cannot make a system call on all threads")
			}
			if line != "ready\n" {
				t.Fatalf("victim: %q, %v", line, err)
			}
			ids := stubs(t, cmd.Process.Pid)
			if len(ids) != 5 {
				t.Errorf("%d stubs, want 4 and the template", len(ids))
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // reports the kill
			deadline := time.Now().Add(time.Minute)
			for _, id := range ids {
				for alive(id) {
					if time.Now().After(deadline) {
						t.Fatalf("stub %s lives on", id)
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// alive reports whether a process exists and is not a zombie.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	return !strings.HasPrefix(rest, " Z") && !strings.HasPrefix(rest, " X")
}
