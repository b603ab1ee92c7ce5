package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a command on a pseudo-terminal.
type terminal struct {
	t    *testing.T
	m    *os.File
	cmd  *exec.Cmd
	seen strings.Builder
	from int // what of seen was expected already
	in   chan []byte
}

func openTerminal(t *testing.T, rows, cols uint16, name string, args ...string) *terminal {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(m.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		t.Fatal(err)
	}
	s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := exec.Command(name, args...)
	c.Stdin, c.Stdout, c.Stderr = s, s, s
	c.Env = []string{"PATH=/usr/bin:/bin", "TERM=dumb", "PS1=$ ", "LC_ALL=C"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, m: m, cmd: c, in: make(chan []byte, 64)}
	go func() {
		defer close(term.in)
		for {
			b := make([]byte, 4096)
			k, err := m.Read(b)
			if err != nil {
				return
			}
			term.in <- b[:k]
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		_ = m.Close()
	})
	return term
}

func (x *terminal) send(s string) {
	x.t.Helper()
	if _, err := x.m.WriteString(s); err != nil {
		x.t.Fatal(err)
	}
}

// expect waits until the terminal shows s, after what was expected before.
func (x *terminal) expect(s string) {
	x.t.Helper()
	late := time.After(time.Minute)
	for {
		if i := strings.Index(x.seen.String()[x.from:], s); i >= 0 {
			x.from += i + len(s)
			return
		}
		select {
		case b, ok := <-x.in:
			if !ok {
				x.t.Fatalf("the terminal closed before %q; it showed %q", s, x.seen.String())
			}
			x.seen.Write(b)
		case <-late:
			x.t.Fatalf("no %q; the terminal shows %q", s, x.seen.String())
		}
	}
}

// status waits for the end.
func (x *terminal) status() int {
	_ = x.cmd.Wait() // the status says how
	return x.cmd.ProcessState.ExitCode()
}

func TestJobControl(t *testing.T) {
	x := openTerminal(t, 33, 99, hull(t), "do", "--", "bash", "--norc", "-i")
	x.expect("$ ")
	x.send("stty size\n")
	x.expect("33 99")
	// A program that says so when it runs: the quotes are not of what it says.
	runs := func(what string) {
		x.send(`sh -c 'echo run""ning; exec ` + what + "'\n")
		x.expect("running\r\n")
	}
	runs("sleep 100")
	x.send("\x03")
	x.expect("$ ")
	x.send("echo rc $?\n")
	x.expect("rc 130")
	runs("sleep 101")
	x.send("\x1a")
	x.expect("Stopped")
	x.send("bg; jobs\n")
	x.expect("Running")
	x.send("kill %1; wait; echo over\n")
	x.expect("over\r\n")
	runs("cat")
	x.send("typed\n")
	x.expect("typed\r\ntyped")
	x.send("\x04")
	x.expect("$ ")
	x.send(`python3 -c "import signal,os,time; seen=[]; signal.signal(signal.SIGWINCH, lambda *a: seen.append(1)); print('re' + 'ady', flush=True)
while not seen: time.sleep(0.05)
print('win' + 'ch', *os.get_terminal_size())"` + "\n")
	x.expect("ready")
	if err := unix.IoctlSetWinsize(int(x.m.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 20}); err != nil {
		t.Fatal(err)
	}
	x.expect("winch 20 10")
	x.expect("$ ")
	x.send("exit 9\n")
	if s := x.status(); s != 9 {
		t.Errorf("status %d, want 9", s)
	}
}

// TestTerminalName: the terminal has a name, which opens it.
func TestTerminalName(t *testing.T) {
	x := openTerminal(t, 24, 80, hull(t), "do", "--", "sh", "-c", "tty; echo into it >`tty`; stty size </dev/console; echo done")
	x.expect("/dev/console\r\n")
	x.expect("into it\r\n")
	x.expect("24 80\r\n")
	x.expect("done\r\n")
}

func TestInterrupt(t *testing.T) {
	x := openTerminal(t, 24, 80, hull(t), "do", "--", "sh", "-c", "echo ready; sleep 100")
	x.expect("ready")
	time.Sleep(300 * time.Millisecond)
	x.send("\x03")
	if s := x.status(); s != 130 {
		t.Errorf("status %d, want 130", s)
	}
}

// TestInnerTerminal uses a pseudo-terminal made inside.
func TestInnerTerminal(t *testing.T) {
	got := run(t, "", hull(t), "do", "--", "python3", "-c", `
import pty, os, sys
def read(fd):
    d = os.read(fd, 1024); return d
pid, fd = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "tty; test -t 0 && echo yes; stty -a | head -1 | cut -c1-12"])
out = b""
while True:
    try: d = os.read(fd, 1024)
    except OSError: break
    if not d: break
    out += d
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out)
`)
	const want = "0 b'/dev/pts/0\\r\\nyes\\r\\nspeed 38400 \\r\\n'\n"
	if got.out != want {
		t.Errorf("%+v, want %q", got, want)
	}
}
