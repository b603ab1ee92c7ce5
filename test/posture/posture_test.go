// Package posture looks at a live sandbox from the host and compares what it
// finds with the table of what each process may be: ids, capabilities,
// namespaces, mounts, descriptors, environment, seccomp mode. Exactly: what is
// not in the table is a failure, and every thread must be like the others.
package posture

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// posture is what a process looks like from the host.
type posture struct {
	uid, gid   string // real, effective, saved, file system
	groups     string
	caps       string // inheritable, permitted, effective, bounding, ambient
	noNewPrivs string
	hugePages  string // whether it is given some unasked
	seccomp    string // 2 is a filter
	filters    string // how many
	namespaces map[string]bool
	mounts     []string
	fds        []string // their kinds, sorted; those that come and go left out
	environ    string
	cmdline    string
}

const (
	noCaps = "0 0 0 0 0"
	// chown, dac_override, dac_read_search, fowner, fsetid
	fileCaps = "0 1f 1f 1f 0"
	nobody   = "65534 65534 65534 65534"
	root     = "0 0 0 0"
)

// own are the namespaces that a process has to itself.
func own(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func allOwn() map[string]bool { return own("user", "mnt", "pid", "net", "ipc", "uts", "cgroup") }

const emptyRoot = "/ tmpfs ro"

// expectation is the table for one kind of caller.
type expectation struct {
	sentry, gofer, proxy posture
}

// common is what sentry and gofer have in common.
func common(id, role string) posture {
	return posture{
		uid: id, gid: id, caps: noCaps, noNewPrivs: "1", hugePages: "0", seccomp: "2", filters: "1",
		namespaces: allOwn(), cmdline: "hull " + role,
	}
}

func expect(gofer, groups, caps string) expectation {
	e := expectation{common(nobody, "sentry"), common(gofer, "gofer"), common(nobody, "netproxy")}
	e.sentry.mounts = []string{emptyRoot}
	e.sentry.fds = []string{
		"log", "log", "log", // 0, 1, 2
		"socket", "socket", "socket", // control, gofer, network proxy
		"stdin", "stdout", "stderr",
	}
	e.gofer.mounts = []string{emptyRoot, "/0"}
	e.gofer.fds = []string{"log", "log", "log", "null", "socket", "root"}
	e.gofer.caps = caps
	// The proxy makes the guest's connections: its network is the host's.
	e.proxy.mounts = []string{emptyRoot}
	delete(e.proxy.namespaces, "net")
	e.proxy.fds = []string{"null", "log", "stderr", "null", "socket"}
	e.sentry.groups, e.gofer.groups, e.proxy.groups = groups, groups, groups
	return e
}

func TestPostureOfRoot(t *testing.T) {
	testPosture(t, startSandbox(t, nil), expect(root, "", fileCaps))
}

// Started by a user: no privilege anywhere.
func TestPostureOfUser(t *testing.T) {
	user := &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{65534}}
	testPosture(t, startSandbox(t, user), expect(nobody, "65534", noCaps))
}

func testPosture(t *testing.T, s *sandbox, want expectation) {
	t.Run("sentry", func(t *testing.T) { s.check(t, s.sentry, want.sentry) })
	t.Run("gofer", func(t *testing.T) { s.check(t, s.gofer, want.gofer) })
	if s.proxy != 0 {
		t.Run("proxy", func(t *testing.T) { s.check(t, s.proxy, want.proxy) })
	}
	looked := 0
	for _, pid := range s.stubs {
		// One that was about to end when the sandbox was ready is gone by now.
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); errors.Is(err, os.ErrNotExist) {
			continue
		}
		t.Run("stub", func(t *testing.T) {
			p, err := s.look(t, pid)
			if went(err) {
				return // now
			}
			if err != nil {
				t.Fatal(err)
			}
			looked++
			w := want.sentry
			if p.uid != w.uid || p.gid != w.gid || p.caps != noCaps || p.noNewPrivs != "1" || p.hugePages != "0" || p.seccomp != "2" || p.environ != "" {
				t.Errorf("stub is %+v", p)
			}
			if !maps.Equal(p.namespaces, w.namespaces) {
				t.Errorf("namespaces %v", p.namespaces)
			}
		})
	}
	if looked == 0 {
		t.Error("no stub process: the test looks at nothing")
	}
	// Killed, the command line leaves nothing behind.
	s.kill(t, s.cmd.Process.Pid)
	_ = s.cmd.Wait() // killed
	s.gone(t)
}

// The sentry dying is one line, status 125, and nothing left.
func TestSentryDies(t *testing.T) {
	s := startSandbox(t, nil)
	s.kill(t, s.sentry)
	var ee *exec.ExitError
	if err := s.cmd.Wait(); !errors.As(err, &ee) || ee.ExitCode() != 125 {
		t.Errorf("the command line ended with %v, want status 125", err)
	}
	b, err := os.ReadFile(s.stderr)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^hull: the sandbox died: .*\n$`).Match(b) {
		t.Errorf("standard error is %q, want one line", b)
	}
	s.gone(t)
}

// check compares a live process with the table.
func (s *sandbox) check(t *testing.T, pid int, want posture) {
	got := s.read(t, pid)
	for _, f := range []struct{ name, got, want string }{
		{"uid", got.uid, want.uid}, {"gid", got.gid, want.gid}, {"groups", got.groups, want.groups},
		{"capabilities", got.caps, want.caps}, {"no_new_privs", got.noNewPrivs, want.noNewPrivs}, {"huge pages", got.hugePages, want.hugePages},
		{"seccomp mode", got.seccomp, want.seccomp}, {"seccomp filters", got.filters, want.filters},
		{"environment", got.environ, want.environ}, {"command line", got.cmdline, want.cmdline},
	} {
		if f.got != f.want {
			t.Errorf("%s is %q, want %q", f.name, f.got, f.want)
		}
	}
	if !maps.Equal(got.namespaces, want.namespaces) {
		t.Errorf("own namespaces are %v, want %v", got.namespaces, want.namespaces)
	}
	checkMounts(t, got.mounts, want.mounts)
	checkFDs(t, got.fds, want.fds)
}

// checkMounts compares what is mounted; below a root of the gofer there is what
// the host has there, but nothing of a kernel file system's.
func checkMounts(t *testing.T, got, want []string) {
	if !slices.Contains(got, want[0]) {
		t.Errorf("no mount %q in %q", want[0], got)
	}
	covered := map[string]bool{}
	for _, m := range slices.Backward(got) { // what was mounted last is on top
		point, rest, _ := strings.Cut(m, " ")
		if m == want[0] || covered[point] {
			continue
		}
		if strings.HasPrefix(rest, "tmpfs ro") {
			covered[point] = true
		}
		known := slices.ContainsFunc(want[1:], func(w string) bool { return point == w || strings.HasPrefix(point, w+"/") })
		hidden := false
		for dir := filepath.Dir(point); dir != "/"; dir = filepath.Dir(dir) {
			hidden = hidden || covered[dir]
		}
		if !known {
			t.Errorf("unexpected mount %q", m)
		} else if !hidden && regexp.MustCompile(`^(proc|sysfs|cgroup2?|devpts|devtmpfs|debugfs|tracefs|mqueue) `).MatchString(rest) {
			t.Errorf("a file system of the host's kernel is visible: %q", m)
		}
	}
}

// checkFDs compares the kinds of descriptors. Those that a role opens by the
// number (memory, donated files, polling, what the gofer holds beneath its root)
// may be there too.
func checkFDs(t *testing.T, got, want []string) {
	got = slices.DeleteFunc(slices.Clone(got), func(k string) bool {
		return k == "anon_inode:[eventpoll]" || k == "anon_inode:[eventfd]" || k == "memfd" || k == "file" || strings.HasPrefix(k, "/0/")
	})
	want = slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("descriptors are %q, want %q", got, want)
	}
}
