package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/test/internal/sandbox"
)

// The ioctls of seccomp_unotify(2), and its structures.
const (
	notifReceive = 0xc0502100
	notifSend    = 0xc0182101
	notifValid   = 0x40082102
	notifAddFD   = 0x40182103
)

type notification struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

type response struct {
	ID    uint64
	Value int64
	Errno int32
	Flags uint32
}

type addition struct {
	ID                         uint64
	Flags, Source, FD, FDFlags uint32
}

// agent decides about mkdir(2) and chdir(2) of containers.
type agent struct {
	t      *testing.T
	socket *net.UnixListener
	work   sync.WaitGroup

	mu    sync.Mutex
	seen  []string // what was asked, and of whom
	given string   // the last file of "set"
}

func newAgent(t *testing.T, path string) *agent {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, socket: l}
	a.work.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			a.work.Go(func() { a.serve(c) })
		}
	})
	return a
}

// serve takes a listener, and answers what comes.
func (a *agent) serve(c *net.UnixConn) {
	defer c.Close()
	b, oob := make([]byte, 64<<10), make([]byte, 64)
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		a.t.Error(err)
		return
	}
	var state specs.ContainerProcessState
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err = errors.Join(err, json.Unmarshal(b[:n], &state)); err != nil || len(msgs) != 1 {
		a.t.Error(err, len(msgs))
		return
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 || !slices.Equal(state.Fds, []string{specs.SeccompFdName}) || state.Metadata != "for the agent" || state.State.Bundle == "" || state.Pid == 0 {
		a.t.Errorf("%v %v %+v", err, fds, state)
		return
	}
	fd := fds[0]
	defer unix.Close(fd)
	for a.answer(fd) {
	}
}

func ioctl[T any](fd int, cmd uintptr, arg *T) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(arg)))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// answer answers the next call; it is false when there will be none.
func (a *agent) answer(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, -1); err == unix.EINTR {
		return true
	}
	if p[0].Revents&unix.POLLIN == 0 {
		return false
	}
	var n notification
	if err := ioctl(fd, notifReceive, &n); err != nil {
		return err == unix.ENOENT && p[0].Revents&unix.POLLHUP == 0 // the call was taken back
	}
	path := a.text(n.PID, n.Args[0])
	id := n.ID
	if err := ioctl(fd, notifValid, &id); err != nil {
		a.t.Errorf("%s does not wait: %v", path, err)
	}
	other := n.ID + 12345
	if err := ioctl(fd, notifValid, &other); err != unix.ENOENT {
		a.t.Errorf("a call that there is not is said to wait: %v", err)
	}
	a.mu.Lock()
	a.seen = append(a.seen, fmt.Sprintf("%d %#x %s", n.Nr, n.Args[1], path))
	a.mu.Unlock()
	r := response{ID: n.ID}
	if strings.HasPrefix(path, "/given/") {
		return a.give(fd, n.ID, path)
	}
	switch {
	case strings.HasSuffix(path, "denied"):
		r.Errno = -int32(unix.ENOSPC)
	case strings.HasSuffix(path, "pretended"):
	default:
		r.Flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	if err := ioctl(fd, notifSend, &r); err != nil {
		a.t.Errorf("%s: answer: %v", path, err)
	}
	if err := ioctl(fd, notifSend, &r); err == nil {
		a.t.Errorf("%s: a second answer", path)
	}
	return true
}

// give has a file of the agent's for who calls, who is told by the name which.
func (a *agent) give(fd int, id uint64, name string) bool {
	const set, send = 1, 2
	f, err := os.OpenFile(filepath.Join(a.t.TempDir(), "file"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		a.t.Error(err)
		return false
	}
	defer f.Close()
	_, err = f.WriteString(name + "\n")
	if _, err2 := f.Seek(0, 0); err != nil || err2 != nil {
		a.t.Error(err, err2)
	}
	give := func(v addition) int {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), notifAddFD, uintptr(unsafe.Pointer(&v)))
		if errno != 0 {
			return -int(errno)
		}
		return int(n)
	}
	r, w, err := os.Pipe()
	if err != nil {
		a.t.Error(err)
		return false
	}
	defer r.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	source := uint32(f.Fd())
	var got []int
	switch filepath.Base(name) {
	case "set":
		got = append(got, give(addition{ID: id, Flags: set, Source: source, FD: 8}), give(addition{ID: id, Flags: set, Source: uint32(r.Fd()), FD: 9}),
			give(addition{ID: id + 1, Source: source}), give(addition{ID: id, Source: 1 << 20}), give(addition{ID: id, Flags: set, Source: source, FD: 1 << 30}),
			give(addition{ID: id, Flags: 1 << 7, Source: source}), give(addition{ID: id, Source: source, FD: 7}))
		a.given = f.Name()
	case "closed":
		b, _ := os.ReadFile(a.given)
		a.seen = append(a.seen, fmt.Sprintf("the guest made of it %q", b))
		got = append(got, give(addition{ID: id, Flags: set, Source: source, FD: 7, FDFlags: unix.O_CLOEXEC}))
	case "sent":
		got = append(got, give(addition{ID: id, Flags: set | send, Source: source, FD: 6}), give(addition{ID: id, Flags: send, Source: source}))
	}
	a.seen = append(a.seen, fmt.Sprintf("%s: %d", name, got))
	_, err = w.WriteString("by a pipe\n")
	err = errors.Join(err, w.Close())
	if answer := (response{ID: id}); filepath.Base(name) != "sent" {
		err = errors.Join(err, ioctl(fd, notifSend, &answer))
	}
	if err != nil {
		a.t.Errorf("%s: %v", name, err)
	}
	return true
}

// text reads a string of a process.
func (a *agent) text(pid uint32, addr uint64) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		a.t.Error(err)
		return ""
	}
	defer f.Close()
	b := make([]byte, 256)
	n, err := f.ReadAt(b, int64(addr))
	if n == 0 {
		a.t.Errorf("memory of process %d at %#x: %v", pid, addr, err)
	}
	text, _, _ := strings.Cut(string(b[:n]), "\x00")
	return text
}

// An agent outside decides about calls of a container, with hull as with runc.
func TestSeccompAgent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	dir := t.TempDir()
	sp := spec(t, `mkdir /tmp/made; echo $?; mkdir -m 700 /tmp/pretended; echo $?; mkdir /tmp/denied; echo $?; ls /tmp; cd /given/set; cat <&9; cat <&8; echo written >&8; cd /given/closed; cat <&7; sh -c "cat <&7" 2>/dev/null; echo $?; cd /given/sent 2>/dev/null; cat <&6; cd /tmp; echo up; while :; do sleep 0.05; done`)
	sp.Process.Env = append(sp.Process.Env, "LC_ALL=C")
	run := func(runtime, name string) (string, []string) {
		socket := filepath.Join(dir, name+".sock")
		a := newAgent(t, socket)
		s := *sp
		l := *sp.Linux
		l.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: socket, ListenerMetadata: "for the agent",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "chdir"}, Action: specs.ActNotify}},
		}
		s.Linux = &l
		const script = `$R run -d --bundle $B $C >out 2>&1 </dev/null; i=0; until grep -q up out || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done; cat out
			p=$(sed -n 's/.*"agent":{"pid":\([0-9]*\).*/\1/p' state/$C/state.json); [ -z "$p" ] || grep -E '^(Uid|Cap(Inh|Prm|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/$p/status >helper
			$R exec $C sh -c 'mkdir /tmp/later /tmp/denied; echo $?; for i in 1 2 3 4 5 6 7 8; do mkdir /tmp/$i & done; wait; ls /tmp' 2>/dev/null
			$R kill $C KILL; i=0; until $R delete $C 2>/dev/null || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done; $R list -q`
		c := exec.Command("sh", "-c", script)
		c.Dir = filepath.Join(dir, name)
		if err := os.Mkdir(c.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "R=" + runtime + " --root " + filepath.Join(c.Dir, "state"), "C=hull-agent-" + name, "B=" + bundle(t, &s)}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		a.socket.Close()
		a.work.Wait() // the listeners end with the container
		slices.Sort(a.seen)
		return string(out), a.seen
	}
	want, asked := run("runc", "runc")
	got, hullAsked := run(sandbox.Binary(t), "hull")
	if got != want || !strings.Contains(want, "up\n") {
		t.Errorf("with hull:\n%s\nwith runc:\n%s", got, want)
	}
	// It gets files from other processes of the host, and can do nothing else to them.
	const posture = "Uid:\t0\t0\t0\t0\nCapInh:\t0\nCapPrm:\t80000\nCapBnd:\t80000\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\n"
	b, err := os.ReadFile(filepath.Join(dir, "hull", "helper"))
	if is := regexp.MustCompile(`\t0+`).ReplaceAllString(string(b), "\t"); err != nil || is != strings.ReplaceAll(posture, "\t0", "\t") {
		t.Errorf("the helper is %q, %v", is, err)
	}
	if !slices.Equal(asked, hullAsked) || len(asked) < 10 {
		t.Errorf("hull's agent was asked\n%s\nrunc's\n%s", strings.Join(hullAsked, "\n"), strings.Join(asked, "\n"))
	}
}
