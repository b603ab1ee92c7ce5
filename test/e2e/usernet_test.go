package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// hullDo runs `hull do` with flags, and a shell script in the guest.
func hullDo(t *testing.T, script string, flags ...string) (stdout, stderr string) {
	t.Helper()
	c := exec.Command(sandbox.Binary(t), append(append([]string{"do"}, flags...), "--", "bash", "-c", script)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	done := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer done.Stop()
	if err := c.Run(); err != nil {
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String()
}

// fetch is what bash gets by HTTP from a host and port.
func fetch(host string, port int) string {
	return fmt.Sprintf(`exec 3<>/dev/tcp/%s/%d && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && sed '1,/^\r*$/d' <&3`, host, port)
}

// hostServer serves data on the host's loopback interface.
func hostServer(t *testing.T, data []byte) int {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

func TestUserNetworkToTheHost(t *testing.T) {
	data := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	port := hostServer(t, data)
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	for _, host := range []string{"10.0.2.2", "host.hull.internal", "fd00::2"} {
		if out, errs := hullDo(t, fetch(host, port)+" | sha256sum", "--allow-host"); !strings.HasPrefix(out, sum) {
			t.Errorf("%s: %q, %s", host, out, errs)
		}
	}
	out, errs := hullDo(t, fetch("10.0.2.2", port)+"; echo = $?")
	if strings.TrimSpace(out) != "= 1" || !strings.Contains(errs, "refused") || strings.Count(errs, "that needs --allow-host") != 1 {
		t.Errorf("without --allow-host: %q, %s", out, errs)
	}
	if out, errs := hullDo(t, fetch("127.0.0.1", port)+"; echo = $?", "--allow-host"); strings.TrimSpace(out) != "= 1" {
		t.Errorf("the guest's own loopback interface: %q, %s", out, errs)
	}
}

func TestUserNetworkRules(t *testing.T) {
	for _, c := range []struct{ flag, rule, to, why string }{
		{"--deny-net", "192.0.2.0/24", "192.0.2.1/80", "--deny-net 192.0.2.0/24"},
		{"--allow-net", "198.51.100.0/24", "192.0.2.1/80", "no --allow-net is for it"},
		{"--allow-net", "0.0.0.0/0:443", "192.0.2.1/80", "no --allow-net is for it"},
		{"--deny-net", "example.org", "169.254.169.254/80", "link-local addresses need --allow-net ADDRESS"},
	} {
		start := time.Now()
		out, errs := hullDo(t, "exec 3<>/dev/tcp/"+c.to+"; echo = $?", c.flag, c.rule)
		if strings.TrimSpace(out) == "= 0" || !strings.Contains(errs, c.why) || time.Since(start) > 20*time.Second {
			t.Errorf("%s %s: to %s after %v: %q, %s", c.flag, c.rule, c.to, time.Since(start), out, errs)
		}
	}
	if _, errs := hullDo(t, "true", "--allow-net", "no such rule"); !strings.Contains(errs, "--allow-net") {
		t.Errorf("a rule that is none: %s", errs)
	}
	c := exec.Command(sandbox.Binary(t), "--network=none", "do", "--allow-host", "--", "true")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "for --network=user") {
		t.Errorf("--allow-host without a network: %v, %s", err, out)
	}
}

// A server in the guest is reached at a port of the host.
func TestPublishedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := t.TempDir()
	data := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(data)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	capture := filepath.Join(t.TempDir(), "capture")
	c := exec.Command(sandbox.Binary(t), "--pcap", capture, "do", "-p", "127.0.0.1:"+strconv.Itoa(port)+":80", "--",
		"python3", "-m", "http.server", "80", "--directory", dir)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = c.Process.Kill(), c.Wait() }()
	var got []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r, err := http.Get("http://127.0.0.1:" + strconv.Itoa(port) + "/")
		if err == nil {
			got, _ = io.ReadAll(r.Body)
			r.Body.Close()
			break
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
	if b, err := os.ReadFile(capture); err != nil || len(b) < len(data) || !bytes.HasPrefix(b, []byte("\x4d\x3c\xb2\xa1")) {
		t.Errorf("a capture of %d bytes, %v", len(b), err)
	}
}
