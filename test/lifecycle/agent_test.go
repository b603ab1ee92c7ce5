package lifecycle

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/test/internal/sandbox"
)

// agent decides about calls of a container (linux.seccomp.listenerPath), as
// seccomp_unotify(2) has it: mkdir fails with what no mkdir fails with, rmdir is
// said to be done, unlink is done.
type agent struct {
	listener *net.UnixListener
	told     specs.ContainerProcessState
	calls    map[int32]int // how often each was asked about
	err      error
	done     chan struct{}
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "agent"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := &agent{listener: l, calls: map[int32]int{}, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = a.serve()
	}()
	return a
}

// accept receives the container's state, and the descriptor.
func (a *agent) accept() (int, error) {
	conn, err := a.listener.AcceptUnix()
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	b, oob := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		return -1, err
	}
	if err := json.Unmarshal(b[:n], &a.told); err != nil {
		return -1, fmt.Errorf("%s: %w", b[:n], err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors, %v", len(fds), err)
	}
	return fds[0], nil
}

func (a *agent) serve() error {
	fd, err := a.accept()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ioctl := func(cmd uintptr, p unsafe.Pointer) error {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(p)); e != 0 {
			return e
		}
		return nil
	}
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return nil // nobody is left to ask about, or the sentry is gone
		}
		const receive, send, valid = 0xc0502100, 0xc0182101, 0x40082102
		var n struct {
			ID         uint64
			PID, Flags uint32
			Nr         int32
			Arch       uint32
			IP         uint64
			Args       [6]uint64
		}
		if err := ioctl(receive, unsafe.Pointer(&n)); err == unix.ENOENT || err == unix.EINTR {
			continue
		} else if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		a.calls[n.Nr]++
		if err := ioctl(valid, unsafe.Pointer(&n.ID)); err != nil {
			return fmt.Errorf("valid: %w", err)
		}
		r := struct {
			ID    uint64
			Value int64
			Errno int32
			Flags uint32
		}{ID: n.ID}
		switch n.Nr {
		case unix.SYS_MKDIR:
			r.Errno = -int32(unix.ENOMEDIUM)
		case unix.SYS_UNLINK:
			r.Flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		if err := ioctl(send, unsafe.Pointer(&r)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
}

// TestAgent has an agent decide about calls of a container: the same with runc and
// with hull.
func TestAgent(t *testing.T) {
	const script = `exec 2>&1; echo text >/tmp/f; mkdir /tmp/d; echo $?; rmdir /nosuch; echo $?; rm /tmp/f; echo $?; ls /tmp`
	type result struct {
		Out   string
		Calls map[int32]int
		Told  specs.ContainerProcessState
	}
	results := map[string]result{}
	for runtime, binary := range map[string]string{"runc": "runc", "hull": sandbox.Binary(t)} {
		a := newAgent(t)
		s := spec(t, script)
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: a.listener.Addr().String(), ListenerMetadata: "of the test",
			Architectures: []specs.Arch{specs.ArchX86_64},
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdir", "rmdir", "unlink"}, Action: specs.ActNotify}},
		}
		dir, state, id := bundle(t, s), filepath.Join(t.TempDir(), "state"), "hull-agent-"+runtime
		c := exec.Command(binary, "--root", state, "run", "--bundle", dir, id)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", runtime, err, out)
		}
		select {
		case <-a.done:
		case <-time.After(time.Minute):
			t.Fatalf("%s: the agent goes on", runtime)
		}
		if a.err != nil {
			t.Errorf("%s: %v", runtime, a.err)
		}
		if a.told.Pid <= 0 || a.told.State.Pid != a.told.Pid || a.told.State.ID != id || a.told.State.Bundle != dir {
			t.Errorf("%s: told %+v", runtime, a.told)
		}
		a.told.Pid, a.told.Version, a.told.State = 0, "", specs.State{Status: a.told.State.Status}
		results[runtime] = result{string(out), a.calls, a.told}
	}
	if !reflect.DeepEqual(results["hull"], results["runc"]) {
		t.Errorf("hull: %+v\nrunc: %+v", results["hull"], results["runc"])
	}
	if n := len(results["hull"].Calls); n != 3 {
		t.Errorf("calls %v", results["hull"].Calls)
	}
}
