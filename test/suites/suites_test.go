// Package suites runs the test suites of Go's standard library and of Python on
// the host and in hull: what passes on the host has to pass in hull.
//
// It takes minutes, and is started by `make suites`. testdata/differ.txt has the
// tests that differ and why; one there that does not differ is an error too.
package suites

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hull/test/internal/sandbox"
)

// goPackages are those whose tests ask much of a kernel.
func goPackages() []string {
	return []string{"net", "net/http", "os", "os/exec", "os/signal", "os/user", "syscall", "internal/poll", "io/fs", "path/filepath", "time", "runtime/pprof"}
}

// pythonTests likewise.
func pythonTests() []string {
	return []string{"test_socket", "test_select", "test_poll", "test_epoll", "test_selectors", "test_asyncio", "test_ssl", "test_socketserver",
		"test_os", "test_posix", "test_signal", "test_mmap", "test_fcntl", "test_io", "test_time", "test_resource", "test_shutil",
		"test_tempfile", "test_mailbox", "test_urllib2_localnet"}
}

func TestGo(t *testing.T) {
	differ := differences(t)
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(strings.TrimSpace(string(out)), "src")
	verdict := regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`)
	for _, pkg := range goPackages() {
		t.Run(pkg, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "suite.test")
			if out, err := exec.Command("go", "test", "-c", "-o", program, pkg).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			compare(t, differ, "go "+pkg, filepath.Join(src, pkg), program+" -test.short -test.v",
				func(out string) map[string]string {
					all := map[string]string{}
					for _, m := range verdict.FindAllStringSubmatch(out, -1) {
						all[m[2]] = m[1]
					}
					return all
				})
		})
	}
}

func TestPython(t *testing.T) {
	differ := differences(t)
	verdict := regexp.MustCompile(`(?m)^(\w+) \(([\w.]+)\).* \.\.\. (ok|FAIL|ERROR|skipped)`)
	for _, module := range pythonTests() {
		t.Run(module, func(t *testing.T) {
			// AF_VSOCK is not hull's, and on some hosts its tests do not end.
			compare(t, differ, "python "+module, "/tmp", "/usr/bin/python3 -m test -v -u network -i '*VSOCK*' "+module,
				func(out string) map[string]string {
					all := map[string]string{}
					for _, m := range verdict.FindAllStringSubmatch(out, -1) {
						state := map[string]string{"ok": "PASS", "skipped": "SKIP"}[m[3]]
						if state == "" {
							state = "FAIL"
						}
						name := m[2]
						if !strings.HasSuffix(name, "."+m[1]) {
							name += "." + m[1]
						}
						all[name] = state
					}
					return all
				})
		})
	}
}

// compare runs a command in dir on the host, in a network namespace with a
// loopback interface, and in hull, and demands of hull what passed on the host.
func compare(t *testing.T, differ map[string]bool, suite, dir, command string, verdicts func(string) map[string]string) {
	const most = "timeout -k 5 600 "
	host := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; "+most+command)
	host.Dir = dir
	hostOut, _ := host.CombinedOutput()
	guest := exec.Command(sandbox.Binary(t), "do", "--network=none", "--cwd", dir, "--", "sh", "-c", most+command+"; exit $?")
	guestOut, guestErr := guest.CombinedOutput()
	want, got := verdicts(string(hostOut)), verdicts(string(guestOut))
	passed := 0
	for _, name := range sorted(want) {
		if want[name] != "PASS" {
			continue
		}
		passed++
		key := suite + " " + name
		switch known := differ[key]; {
		case got[name] == "" && guestErr == nil: // other words came between those of the verdict
		case got[name] == "PASS" && known:
			t.Errorf("%s passes: testdata/differ.txt says that it does not", key)
		case got[name] != "PASS" && !known:
			t.Errorf("%s passes on the host, and in hull: %q", key, got[name])
		}
	}
	if passed == 0 {
		t.Errorf("nothing passed on the host: %s", tail(string(hostOut)))
	}
	if t.Failed() {
		t.Logf("in hull: %s", tail(string(guestOut)))
	}
	t.Logf("%s: %d tests pass on the host", suite, passed)
}

// differences reads testdata/differ.txt: a suite and a test a line, the reason
// behind a #.
func differences(t *testing.T) map[string]bool {
	f, err := os.Open("testdata/differ.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		test, why, found := strings.Cut(s.Text(), " # ")
		if test = strings.TrimSpace(test); test == "" {
			continue
		}
		if !found || why == "" {
			t.Fatalf("testdata/differ.txt: no reason for %q", test)
		}
		all[test] = true
	}
	return all
}

func sorted(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// tail is the end of an output.
func tail(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("…%s", s[len(s)-most:])
}
