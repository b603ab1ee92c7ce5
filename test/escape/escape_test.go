// Package escape runs programs in hull that try to get out of it, or to break
// it. Nothing may be reached that is the host's, and the sandbox must not die.
package escape

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func hull(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("HULL_BIN")
	if bin == "" {
		bin = "../../bin/hull"
	}
	abs, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return abs
}

// count is how often something is done: a number of the environment, or few.
func count(t *testing.T, name string, few int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return few
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// root makes a root with one program in it.
func root(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"proc", "dev", "sys", "tmp", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	compile(t, program, filepath.Join(dir, "bin", "prog"))
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o5 != 0o5 {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func compile(t *testing.T, program, to string) {
	t.Helper()
	c := exec.Command("gcc", "-O1", "-w", "-static", "-pthread", "-o", to, filepath.Join("testdata", program+".c"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
}

// inside runs the program of a root, and returns what it says.
func inside(t *testing.T, root string, limit time.Duration, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, hull(t), append([]string{"do", "--root", root, "--cwd", "/", "--", "/bin/prog"}, args...)...)
	c.WaitDelay = 5 * time.Second // what it left running may hold its output
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("%v (%v)\n%s", err, ctx.Err(), out.String())
	}
	return out.String()
}

func TestEscapes(t *testing.T) {
	dir := root(t, "escape")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("host secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("hull-escape-%d", os.Getpid())
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	port := strconv.Itoa(served.Addr().(*net.TCPAddr).Port)
	out := inside(t, dir, 5*time.Minute, secret, strconv.Itoa(os.Getpid()), name, port)
	allRefused(t, out, 26)
	if strings.Contains(out, "no tunnel was made") {
		t.Error("/dev/net/tun did not make an interface: what does this show?")
	}
	if i, err := net.InterfaceByName("hullescape"); err == nil {
		t.Errorf("an interface of the guest's is the host's: %v", i)
	}
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("left on the host: %v %v", left, err)
	}
}

// TestMachine tries what needs no system call of hull's: other modes of the
// processor, the places where a platform keeps its own code, forged frames.
func TestMachine(t *testing.T) {
	allRefused(t, inside(t, root(t, "machine"), 5*time.Minute), 28)
}

// allRefused reads the lines of a program that tries to get out; there have to
// be some.
func allRefused(t *testing.T, out string, least int) {
	t.Helper()
	if !strings.Contains(out, "all tried") {
		t.Errorf("it did not come to the end")
	}
	refused := 0
	for _, line := range strings.Split(out, "\n") {
		switch {
		case strings.HasSuffix(line, ": refused"):
			refused++
		case strings.HasPrefix(line, "hull: network: the guest was kept from"): // told once
		case line != "" && line != "all tried":
			t.Errorf("%s", line)
		}
	}
	if refused < least {
		t.Errorf("only %d attempts were refused:\n%s", refused, out)
	}
}

// TestRandomCalls makes system calls at random, HULL_FUZZ_CALLS of them: with any
// arguments, and with those that get far.
func TestRandomCalls(t *testing.T) {
	n := count(t, "HULL_FUZZ_CALLS", 3000)
	seed := count(t, "HULL_FUZZ_SEED", 1)
	for _, program := range []string{"fuzz", "aimed"} {
		if out := inside(t, root(t, program), time.Hour, strconv.Itoa(seed), strconv.Itoa(n)); !strings.Contains(out, "all called") {
			t.Errorf("%s: %s", program, out)
		}
	}
}

// TestMutatedPrograms executes mutated ELF files: HULL_FUZZ_ELF of them.
func TestMutatedPrograms(t *testing.T) {
	dir := root(t, "mutate")
	small := filepath.Join(dir, "bin", "small")
	c := exec.Command("gcc", "-static", "-nostdlib", "-o", small, "-x", "c", "-")
	c.Stdin = strings.NewReader(`void _start(void) { __asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall"); }`)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	n := count(t, "HULL_FUZZ_ELF", 500)
	for _, file := range []string{"/bin/small", "/bin/prog"} {
		if out := inside(t, dir, time.Hour, file, "1", strconv.Itoa(n/2)); !strings.Contains(out, "all executed") {
			t.Errorf("%s: %s", file, out)
		}
	}
}
