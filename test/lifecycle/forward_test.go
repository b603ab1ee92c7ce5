package lifecycle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/test/internal/sandbox"
)

// forwarded is a container without a network, and the command that forwards ports
// of the host to it.
type forwarded struct {
	testing.TB
	state, id string
}

func (f *forwarded) command(args ...string) *exec.Cmd {
	return exec.Command(sandbox.Binary(f), append([]string{"--root", f.state}, args...)...)
}

// run fails the test if the command does.
func (f *forwarded) run(args ...string) {
	f.Helper()
	c := f.command(args...)
	errs, err := os.Create(filepath.Join(f.TempDir(), "errors"))
	if err != nil {
		f.Fatal(err)
	}
	defer errs.Close()
	c.Stderr = errs // no pipe: the container has it too
	if err := c.Run(); err != nil {
		b, _ := os.ReadFile(errs.Name())
		f.Fatalf("hull %s: %v, %s", args, err, b)
	}
}

// forward starts the command, and tells where on the host each port is.
func (f *forwarded) forward(ports ...int) (at []string, c *exec.Cmd, errs *bytes.Buffer) {
	f.Helper()
	args := []string{"port-forward", f.id}
	for _, p := range ports {
		args = append(args, fmt.Sprintf("127.0.0.1:0:%d", p))
	}
	c, errs = f.command(args...), new(bytes.Buffer)
	c.Stderr = errs
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Process.Kill() })
	lines := bufio.NewScanner(out)
	for _, p := range ports {
		var host string
		var guest int
		if !lines.Scan() {
			f.Fatalf("port-forward ended: %v, %s", c.Wait(), errs)
		}
		if _, err := fmt.Sscanf(lines.Text(), "forwarding %s to port %d", &host, &guest); err != nil || guest != p {
			f.Fatalf("%q for port %d", lines.Text(), p)
		}
		at = append(at, host)
	}
	return at, c, errs
}

// echo sends n bytes to a port that returns them, tells it that this was all, and
// wants them back.
func echo(at string, n int, seed byte) error {
	conn, err := net.DialTimeout("tcp", at, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	sent, got := sha256.New(), sha256.New()
	failed := make(chan error, 1)
	go func() {
		data := io.LimitReader(rand.NewChaCha8([32]byte{seed}), int64(n))
		_, err := io.Copy(conn, io.TeeReader(data, sent))
		failed <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	back, err := io.Copy(got, conn)
	if err := errors.Join(<-failed, err); err != nil {
		return err
	}
	if back != int64(n) || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		return fmt.Errorf("%d bytes came back of %d, or others", back, n)
	}
	return nil
}

// Ports of the host are those of a container that has no network, both ways, as
// long as both the command and the container run.
func TestPortForward(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	f := &forwarded{TB: t, state: filepath.Join(t.TempDir(), "state"), id: "hull-forward"}
	f.run("run", "-d", "--bundle", bundle(t, spec(t, `echo page >/tmp/index.html; httpd -p 127.0.0.1:80 -h /tmp; exec nc -ll -p 99 -e cat`)), f.id)
	t.Cleanup(func() { f.run("delete", "--force", f.id) })

	at, c, errs := f.forward(80, 99, 7)
	var page string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // until the server is up
		if r, err := http.Get("http://" + at[0] + "/"); err == nil {
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			page = string(b)
			break
		}
	}
	if page != "page\n" {
		t.Errorf("the page is %q", page)
	}
	for end := time.Now().Add(time.Minute); echo(at[1], 1, 0) != nil && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		// until the other server is up
	}
	var all sync.WaitGroup
	turn := make(chan bool, 2) // nc listens with a backlog of 2, and of more Linux resets some
	for i := range 8 {
		all.Go(func() {
			turn <- true
			defer func() { <-turn }()
			if err := echo(at[1], 1<<20+i, byte(i)); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if err := echo(at[2], 1<<20, 0); !errors.Is(err, unix.ECONNRESET) { // sooner or later
		t.Errorf("a port that nobody listens on: %v", err)
	}
	// Interrupted, it ends, and nobody listens any more.
	_ = c.Process.Signal(unix.SIGINT)
	if err := c.Wait(); err != nil {
		t.Errorf("interrupted: %v, %s", err, errs)
	}
	if conn, err := net.Dial("tcp", at[0]); err == nil {
		conn.Close()
		t.Error("it ended, and the port is there")
	}
	// The container's end is its end, and that of connections under way.
	at, c, errs = f.forward(99)
	conn, err := net.Dial("tcp", at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 9)); n != 1 {
		t.Errorf("%d bytes, %v", n, err)
	}
	f.run("kill", f.id, "KILL")
	if n, err := conn.Read(make([]byte, 9)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of a container that was killed: %d bytes, %v", n, err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the container ended: %v, %s", err, errs)
	}
}

// What it refuses, and with which words.
func TestPortForwardRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	f := &forwarded{TB: t, state: filepath.Join(t.TempDir(), "state"), id: "hull-forward-not"}
	b := bundle(t, spec(t, "true"))
	f.run("create", "--bundle", b, f.id)
	f.run("--network=host", "create", "--bundle", b, f.id+"-host")
	t.Cleanup(func() { f.run("delete", "--force", f.id+"-host") })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := f.id + "-ended"
	f.run("create", "--bundle", b, ended)
	f.run("kill", ended, "KILL")
	t.Cleanup(func() { f.run("delete", "--force", ended) })
	for _, c := range []struct{ id, spec, want string }{
		{"nosuch", "0:80", "does not exist"},
		{f.id, "", "is missing"},
		{f.id, "x:80", "x:80"},
		{f.id, "80:99999", "80:99999"},
		{f.id, "53:53/udp", "only ports of TCP"},
		{f.id, l.Addr().String() + ":80", "address already in use"},
		{f.id + "-host", "0:80", "no network of its own"},
		{ended, "0:80", "not running"},
	} {
		args := []string{"port-forward", c.id}
		if c.spec != "" {
			args = append(args, c.spec)
		}
		cmd := f.command(args...)
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		timer.Stop()
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != 1 || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v, %s", args, err, out)
		}
	}
	f.run("delete", f.id)
}
