package posture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sandbox is a live one.
type sandbox struct {
	cmd                  *exec.Cmd
	sentry, gofer, proxy int // proxy is 0 if there is none
	stubs                []int
	streams              map[string]string // what a stream of the caller is, and its name
	stderr               string            // the file behind standard error
}

// startSandbox starts one that stays until its standard input ends, as root or
// as another user, with flags of hull's own.
func startSandbox(t *testing.T, user *syscall.Credential, flags ...string) *sandbox {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("looking into the processes needs root")
	}
	bin := os.Getenv("HULL_BIN")
	if bin == "" {
		bin = "../../bin/hull"
	}
	bin, err := filepath.Abs(bin)
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		t.Fatalf("%v: make build makes it", err)
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(dir, "err"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{cmd: exec.Command(bin, append(flags, "do", "--", "cat")...), streams: map[string]string{}}
	s.stderr = stderr.Name()
	s.cmd.Dir = "/"
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = in, out, stderr
	s.cmd.Env = append(os.Environ(), "SECRET=of the host")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{"stdin": in, "stdout": out, "stderr": stderr} {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		s.streams[target] = name
		f.Close()
	}
	t.Cleanup(func() {
		w.Close()
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	// The guest runs when what goes in comes out.
	if _, err := w.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	wait(t, "the guest's answer", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "out"))
		return err == nil && string(b) == "hello\n"
	})
	for _, pid := range children(t, s.cmd.Process.Pid) {
		args, err := cmdline(pid)
		if err != nil {
			t.Fatal(err)
		}
		switch args {
		case "hull sentry":
			s.sentry = pid
		case "hull gofer":
			s.gofer = pid
		case "hull netproxy":
			s.proxy = pid
		default:
			t.Errorf("unexpected child %d: %q", pid, args)
		}
	}
	hasProxy := !slices.Contains(flags, hostNetwork)
	if s.sentry == 0 || s.gofer == 0 || (s.proxy != 0) != hasProxy {
		t.Fatal("no sentry, no gofer or no network proxy among the children, or one too many")
	}
	// The guest does not wait for the proxy, which reads nothing before it is sealed.
	wait(t, "the proxy's filter", func() bool {
		if !hasProxy {
			return true
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proxy))
		return err == nil && strings.Contains(string(b), "\nSeccomp:\t2\n")
	})
	for _, pid := range []int{s.gofer, s.proxy} {
		if pid == 0 {
			continue
		}
		if c := children(t, pid); len(c) != 0 {
			args, _ := cmdline(pid)
			t.Errorf("%s has children %v", args, c)
		}
	}
	s.stubs = children(t, s.sentry)
	return s
}

func (s *sandbox) kill(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// gone waits until nothing of the sandbox is left.
func (s *sandbox) gone(t *testing.T) {
	t.Helper()
	for _, pid := range append([]int{s.sentry, s.gofer, s.proxy}, s.stubs...) {
		if pid == 0 {
			continue
		}
		wait(t, fmt.Sprintf("process %d to be gone", pid), func() bool {
			return errors.Is(unix.Kill(pid, 0), unix.ESRCH)
		})
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// children lists the children of all threads of a process.
func children(t *testing.T, pid int) []int {
	t.Helper()
	var pids []int
	for _, dir := range tasks(t, pid) {
		b, err := os.ReadFile(filepath.Join(dir, "children"))
		if went(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

// went reports whether reading of a process or thread in /proc failed because it had
// ended, before its file was opened or after that.
func went(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

func tasks(t *testing.T, pid int) []string {
	t.Helper()
	dirs, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no threads of %d (%v)", pid, err)
	}
	return dirs
}

func cmdline(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " ")), err
}

// read looks at a process that is there.
func (s *sandbox) read(t *testing.T, pid int) posture {
	t.Helper()
	p, err := s.look(t, pid)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	return p
}

// look looks at a process, which may end meanwhile (see went), and sees that its
// threads are alike.
func (s *sandbox) look(t *testing.T, pid int) (posture, error) {
	t.Helper()
	var p posture
	looked := 0
	for _, dir := range tasks(t, pid) {
		th, err := readThread(dir)
		if went(err) {
			continue
		}
		if err != nil {
			return p, err
		}
		if looked++; looked == 1 {
			p = th
			continue
		}
		if fmt.Sprint(th) != fmt.Sprint(p) {
			t.Errorf("thread %s is %+v, another one %+v", dir, th, p)
		}
	}
	if looked == 0 {
		return p, fs.ErrNotExist
	}
	args, err1 := cmdline(pid)
	env, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	points, err3 := mounts(pid)
	fds, err4 := s.descriptors(pid)
	p.cmdline, p.environ, p.mounts, p.fds = args, string(env), points, fds
	return p, errors.Join(err1, err2, err3, err4)
}

// readThread looks at a thread, which may end meanwhile: see went.
func readThread(dir string) (posture, error) {
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return posture{}, err
	}
	status := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	var caps []string
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		n, err := strconv.ParseUint(status[set], 16, 64)
		if err != nil {
			return posture{}, err
		}
		caps = append(caps, strconv.FormatUint(n, 16))
	}
	p := posture{
		uid: status["Uid"], gid: status["Gid"], groups: status["Groups"], caps: strings.Join(caps, " "),
		noNewPrivs: status["NoNewPrivs"], hugePages: status["THP_enabled"], seccomp: status["Seccomp"], filters: status["Seccomp_filters"],
		namespaces: map[string]bool{},
	}
	for _, ns := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"} {
		mine, err1 := os.Readlink("/proc/self/ns/" + ns)
		theirs, err2 := os.Readlink(filepath.Join(dir, "ns", ns))
		if err := errors.Join(err1, err2); err != nil {
			return posture{}, err
		}
		if mine != theirs {
			p.namespaces[ns] = true
		}
	}
	return p, nil
}

// mounts lists mount point, type and ro or rw.
func mounts(pid int) (list []string, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	for line := range strings.Lines(string(b)) {
		head, tail, _ := strings.Cut(line, " - ")
		h, f := strings.Fields(head), strings.Fields(tail)
		mode, _, _ := strings.Cut(h[5], ",")
		list = append(list, h[4]+" "+f[0]+" "+mode)
	}
	return list, err
}

// descriptors lists what the open descriptors are.
func (s *sandbox) descriptors(pid int) (list []string, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		target, err := os.Readlink(name)
		if err != nil {
			continue // closed meanwhile
		}
		var st syscall.Stat_t
		if err := syscall.Stat(name, &st); went(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, s.kind(target, st.Mode&syscall.S_IFMT))
	}
	return list, nil
}

func (s *sandbox) kind(target string, typ uint32) string {
	if name, ok := s.streams[target]; ok {
		return name
	}
	switch {
	case strings.HasPrefix(target, "/memfd:"):
		return "memfd"
	case target == "/dev/null":
		return "null"
	case typ == syscall.S_IFIFO:
		return "log"
	case typ == syscall.S_IFSOCK:
		return "socket"
	case typ == syscall.S_IFDIR && target == "/0":
		return "root"
	case typ == syscall.S_IFREG, typ == syscall.S_IFDIR:
		return "file"
	}
	return target
}
