package jail

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// birth describes a process of the caller's own in namespaces of its own.
func birth(t *testing.T, files ...*os.File) *Birth {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return &Birth{
		Role: "none", Files: append([]*os.File{null, null, null}, files...), Cgroup: -1,
		Namespaces:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
		Map:         func(int) error { return nil },
		Confinement: Confinement{FDs: 3 + len(files)},
	}
}

// start starts one, unless the host has no user namespaces for this user.
func (b *Birth) start(t *testing.T) *Process {
	t.Helper()
	p, err := b.Start()
	if err != nil {
		t.Fatalf("no process in namespaces of its own: %v", err)
	}
	return p
}

// What a process fails in before it is anything is told.
func TestBirthFails(t *testing.T) {
	b := birth(t)
	b.Session, b.Terminal = true, 1
	p := b.start(t)
	p.Wait()
	if err := p.Failure(); err == nil || !strings.HasPrefix(err.Error(), "take the terminal: ") {
		t.Errorf("the failure is %v", err)
	}
	if ws := p.Status(); ws == nil || ws.ExitStatus() != 125 {
		t.Errorf("it ended with %v", ws)
	}
	p.Kill() // which is nobody any more
}

// A process whose creator goes before it lets it go on ends; all that time it has
// nothing of the creator's but what it was given.
func TestBirthHeld(t *testing.T) {
	near, far, err := gates()
	if err != nil {
		t.Fatal(err)
	}
	b := birth(t, far)
	b.Hold = 3
	p := b.start(t)
	far.Close()
	if p.Status() != nil || p.Failure() != nil {
		t.Errorf("it did not wait: %v", p.Failure())
	}
	near.Close()
	p.Wait()
	if err := p.Failure(); err == nil || err.Error() != "wait for the creator: it is gone" {
		t.Errorf("the failure is %v", err)
	}
}

// A process that was born and killed is no failure.
func TestBirthKilled(t *testing.T) {
	near, far, err := gates()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	b := birth(t, far)
	b.Hold = 3
	p := b.start(t)
	far.Close()
	p.Kill()
	p.Wait()
	if ws := p.Status(); p.Failure() != nil || ws == nil || !ws.Signaled() || ws.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v, %v", ws, p.Failure())
	}
}

func TestPlanIsFull(t *testing.T) {
	p, err := newPlan(4096)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for range 100 {
		p.do("nothing", unix.SYS_GETPID, p.text("text"))
	}
	if _, err := p.start(0, -1); err != errFull {
		t.Errorf("started with %v", err)
	}
}
