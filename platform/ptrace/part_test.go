package ptrace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/platform"
)

// What a part of the platform runs is copies of its root, and so in the root's
// cgroup.
func TestDivide(t *testing.T) {
	p := newPlatform(t)
	part, root, err := p.Divide()
	if err != nil {
		t.Fatal(err)
	}
	where := func(pid int32) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	dir := filepath.Join("/sys/fs/cgroup/pids", "hull-part-"+fmt.Sprint(os.Getpid()))
	moved := os.Mkdir(dir, 0o755) == nil // by root, on a host with cgroup v1
	if moved {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), []byte(fmt.Sprint(root)), 0); err != nil {
			t.Fatal(err)
		}
		defer func() {
			for range 100 {
				if err = unix.Rmdir(dir); err == nil {
					return
				}
				time.Sleep(50 * time.Millisecond) // what was killed is still going
			}
			t.Error(err)
		}()
	}
	as, err := part.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	child, err := as.(platform.Forker).Fork()
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	here := where(int32(os.Getpid()))
	for _, s := range []platform.AddressSpace{as, child} {
		if got := where(s.(*addressSpace).leader.tgid); got != where(int32(root)) || moved && got == here {
			t.Errorf("of the part: %s", got)
		}
	}
	if got := where(other.(*addressSpace).leader.tgid); got != here {
		t.Errorf("of the platform: %s", got)
	}
	fd, _ := memory(t)
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	for i, s := range []platform.AddressSpace{other, child, as} {
		before := blocks()
		if err := s.(platform.Charger).Charge(fd, int64(i)*2*pageSize, 2*pageSize); err != nil {
			t.Error(err)
		}
		if more := blocks() - before; more != 2*pageSize {
			t.Errorf("space %d: %d bytes were allocated", i, more)
		}
	}
	if err := as.Map(dataPage, pageSize, fd, 8*pageSize, protRead|protWrite|platform.Commit); err != nil {
		t.Fatal(err)
	}
	before := blocks()
	if err := as.(platform.Charger).Commit(); err != nil || blocks() != before+pageSize {
		t.Errorf("Commit: %v, %d bytes", err, blocks()-before)
	}
	if err := as.(platform.Charger).Charge(-1, 0, pageSize); err != unix.EBADF {
		t.Error(err)
	}
	part.Release()
	if _, err := part.NewAddressSpace(); err == nil {
		t.Error("a part that was released makes address spaces")
	}
	for _, s := range []platform.AddressSpace{as, child, other} {
		s.Release()
	}
}

// A stub of a part that somebody kills is there, with its memory, until its address
// space is released and its context too: at work, at rest, and as it makes calls.
func TestPartIsKilled(t *testing.T) {
	before := stubs(t, os.Getpid()) // of other tests
	p := newPlatform(t)
	part, _, err := p.Divide()
	if err != nil {
		t.Fatal(err)
	}
	state := func(pid int32) string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, pid)) // it may be gone
		if _, rest, ok := strings.Cut(string(b), ") "); ok {
			return rest[:1]
		}
		return ""
	}
	for _, c := range []struct {
		name string
		kill func(g *guest, pid int32)
	}{
		{"at work", func(g *guest, pid int32) {
			time.AfterFunc(20*time.Millisecond, func() { kill(pid, unix.SIGKILL) })
			if _, err := g.ctx.Switch(g.as, &g.ac); !errors.Is(err, platform.ErrGone) {
				t.Errorf("Switch: %v", err)
			}
		}},
		{"at rest", func(g *guest, pid int32) {
			if g.ctx.(platform.Mortal).Gone() {
				t.Error("gone before it was killed")
			}
			kill(pid, unix.SIGKILL)
		}},
		{"making calls", func(g *guest, pid int32) {
			kill(pid, unix.SIGKILL)
			if err := g.as.(platform.Charger).Charge(g.fd, 0, pageSize); !errors.Is(err, platform.ErrGone) {
				t.Errorf("Charge: %v", err)
			}
			if _, err := g.as.(platform.Forker).Fork(); !errors.Is(err, platform.ErrGone) {
				t.Errorf("Fork: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuestOf(t, p, part, code(insSyscall, insJmpSelf)...)
			g.run()
			as := g.as.(*addressSpace)
			c.kill(g, as.leader.tgid)
			for i := 0; !g.ctx.(platform.Mortal).Gone(); i++ {
				if i == 1000 {
					t.Fatal("never gone")
				}
				time.Sleep(10 * time.Millisecond)
			}
			if c.name != "making calls" { // those that are made let it go
				for tid := range as.workers {
					if s := state(tid); s != "t" {
						t.Errorf("the worker's state is %q", s)
					}
				}
			}
			if _, err := g.ctx.Switch(g.as, &g.ac); !errors.Is(err, platform.ErrGone) {
				t.Errorf("the next Switch: %v", err)
			}
			g.as.Release() // before the context, as a kernel does
			other := newGuestOf(t, p, part, code(movEAX(7), insSyscall)...)
			other.wantSyscall(7)
		})
	}
	part.Release()
	p.reaping.Wait()
	onlyTemplate(t, before)
}

// A stub that somebody kills, at work or at rest, is the end of its own address
// space and of nothing else.
func TestStubIsKilled(t *testing.T) {
	before := stubs(t, os.Getpid()) // of other tests
	p := newPlatform(t)
	for _, c := range []struct {
		name string
		kill func(g *guest)
	}{
		{"at work", func(g *guest) {
			pid := g.as.(*addressSpace).leader.tgid
			time.AfterFunc(20*time.Millisecond, func() { kill(pid, unix.SIGKILL) })
		}},
		{"between two calls", func(g *guest) { kill(g.as.(*addressSpace).leader.tgid, unix.SIGKILL) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t, p, code(insSyscall, insJmpSelf)...)
			g.run()
			c.kill(g)
			if _, err := g.ctx.Switch(g.as, &g.ac); !errors.Is(err, platform.ErrGone) {
				t.Fatalf("Switch: %v", err)
			}
			if _, err := g.as.(platform.Forker).Fork(); !errors.Is(err, platform.ErrGone) {
				t.Errorf("Fork: %v", err)
			}
			if err := g.ctx.SaveFPU(&g.ac); g.ac.FPU.Dirty == false && err != nil && !errors.Is(err, platform.ErrGone) {
				t.Errorf("SaveFPU: %v", err)
			}
			_ = g.as.Map(dataPage, pageSize, g.fd, 0, protRead) // what is to be seen is that it returns
			_ = g.as.Unmap(codeAddr, pageSize)
			if _, err := g.ctx.Switch(g.as, &g.ac); !errors.Is(err, platform.ErrGone) {
				t.Errorf("the next Switch: %v", err)
			}
			other := newGuest(t, p, code(movEAX(7), insSyscall)...)
			other.wantSyscall(7)
		})
	}
	p.reaping.Wait()
	onlyTemplate(t, before)
}
