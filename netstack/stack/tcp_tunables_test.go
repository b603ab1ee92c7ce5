package stack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketTunable is a tunable that is about sockets: what happens in two stacks, as
// a string, is another thing when it has a value.
type socketTunable struct {
	file, value, with, without string
	try                        func(t *testing.T, v *virtual, a, b *Stack) string
}

func TestTCPSocketTunables(t *testing.T) {
	for _, k := range socketTunables() {
		t.Run(k.file, func(t *testing.T) {
			for _, set := range []bool{true, false} {
				v := newClock()
				a, b := pair(t, v)
				want := k.without
				if set {
					tune(t, a, "ipv4/"+k.file, k.value)
					tune(t, b, "ipv4/"+k.file, k.value)
					want = k.with
				}
				if got := k.try(t, v, a, b); got != want {
					t.Errorf("set %v: %s, want %s", set, got, want)
				}
			}
		})
	}
}

func errorOf(err error) string {
	if err == nil {
		return "ok"
	}
	return err.(unix.Errno).Error()
}

func socketTunables() []socketTunable {
	return append([]socketTunable{
		{"tcp_abort_on_overflow", "1", "connection reset by peer", "ok", func(t *testing.T, v *virtual, a, b *Stack) string {
			l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 0)
			setInt(l, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 30) // both are half open until there are data
			var cs []*tcpSocket
			for range 2 {
				c := tcpSock(t, a, unix.AF_INET)
				c.Connect(at("10.0.0.2:80"))
				cs = append(cs, c)
				v.advance(100 * time.Millisecond)
			}
			for _, c := range cs { // of which the queue takes one
				send(t, c, "x")
				v.advance(100 * time.Millisecond)
			}
			for _, c := range cs {
				if e := unix.Errno(intOption(t, c, unix.SOL_SOCKET, unix.SO_ERROR)); e != 0 {
					return e.Error()
				}
			}
			return "ok"
		}},
		{"tcp_congestion_control", "reno", "reno", "cubic", func(t *testing.T, v *virtual, a, b *Stack) string {
			name, err := tcpSock(t, a, unix.AF_INET).Option(unix.SOL_TCP, unix.TCP_CONGESTION, 16, nil)
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimRight(string(name), "\x00")
		}},
		{"tcp_notsent_lowat", "1000", "not writable", "writable", func(t *testing.T, v *virtual, a, b *Stack) string {
			c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
			setInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, 2304)
			for range 200 {
				c.Send(bytes.NewReader(make([]byte, 1000)), 1000, nil)
				v.advance(10 * time.Millisecond)
				if c.conn.NotSent() >= 1000 {
					break
				}
			}
			if c.Ready()&unix.EPOLLOUT == 0 {
				return "not writable"
			}
			return "writable"
		}},
		{"tcp_wmem", "4096 30000 60000", "30000", "16384", func(t *testing.T, v *virtual, a, b *Stack) string {
			return fmt.Sprint(intOption(t, tcpSock(t, a, unix.AF_INET), unix.SOL_SOCKET, unix.SO_SNDBUF))
		}},
		{"tcp_fastopen_key", "01020304-05060708-090a0b0c-0d0e0f10", "the cookie is the key's", "the cookie is another", func(t *testing.T, v *virtual, a, b *Stack) string {
			var key [16]byte
			key, _ = parseFastOpenKey("01020304-05060708-090a0b0c-0d0e0f10")
			k := b.tcpState.secrets.FastOpenKey()
			from, to := at("10.0.0.1:1").Addr(), at("10.0.0.2:1").Addr()
			if bytes.Equal(b.tcpState.secrets.FastOpenCookie(k, to, from), b.tcpState.secrets.FastOpenCookie(key, to, from)) {
				return "the cookie is the key's"
			}
			return "the cookie is another"
		}},
		{"tcp_reflect_tos", "1", "16", "0", func(t *testing.T, v *virtual, a, b *Stack) string {
			l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
			c := tcpSock(t, a, unix.AF_INET)
			setInt(c, unix.SOL_IP, unix.IP_TOS, 16)
			c.Connect(at("10.0.0.2:80"))
			v.advance(time.Second)
			x, _, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(intOption(t, x, unix.SOL_IP, unix.IP_TOS))
		}},
		{"tcp_fwmark_accept", "1", "7", "0", func(t *testing.T, v *virtual, a, b *Stack) string {
			l := tcpListen(t, b, unix.AF_INET, "127.0.0.1:80", 8)
			c := tcpSock(t, b, unix.AF_INET)
			setInt(c, unix.SOL_SOCKET, unix.SO_MARK, 7)
			c.Connect(at("127.0.0.1:80"))
			v.advance(time.Second)
			x, _, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(intOption(t, x, unix.SOL_SOCKET, unix.SO_MARK))
		}},
	}, endTunables()...)
}

// endTunables are about what is kept of connections that begin or end.
func endTunables() []socketTunable {
	// waiting leaves a connection from 127.0.0.1:5000 in TIME_WAIT.
	waiting := func(t *testing.T, v *virtual, s *Stack) *tcpSocket {
		l := tcpListen(t, s, unix.AF_INET, "127.0.0.1:80", 8)
		c := tcpSock(t, s, unix.AF_INET)
		setInt(c, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		c.Bind(at("127.0.0.1:5000"), true)
		c.Connect(at("127.0.0.1:80"))
		v.advance(100 * time.Millisecond)
		x, _, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		v.advance(100 * time.Millisecond)
		x.Close()
		v.advance(100 * time.Millisecond)
		return l
	}
	again := func(t *testing.T, v *virtual, s *Stack) string {
		c := tcpSock(t, s, unix.AF_INET)
		setInt(c, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := c.Bind(at("127.0.0.1:5000"), true); err != nil {
			t.Fatal(err)
		}
		return errorOf(c.Connect(at("127.0.0.1:80")))
	}
	return []socketTunable{
		{"tcp_tw_reuse", "0", "cannot assign requested address", "operation now in progress", func(t *testing.T, v *virtual, a, b *Stack) string {
			waiting(t, v, b)
			v.advance(2 * time.Second)
			return again(t, v, b)
		}},
		{"tcp_tw_reuse_delay", "5000", "cannot assign requested address", "operation now in progress", func(t *testing.T, v *virtual, a, b *Stack) string {
			waiting(t, v, b)
			v.advance(2 * time.Second)
			return again(t, v, b)
		}},
		{"tcp_max_tw_buckets", "0", "0 in TIME_WAIT", "1 in TIME_WAIT", func(t *testing.T, v *virtual, a, b *Stack) string {
			waiting(t, v, b)
			return fmt.Sprint(b.tcpState.waits.Load(), " in TIME_WAIT")
		}},
		{"tcp_max_orphans", "0", "0 orphans", "1 orphans", func(t *testing.T, v *virtual, a, b *Stack) string {
			c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
			_ = s
			send(t, c, "x")
			c.Close()
			return fmt.Sprint(a.tcpState.orphans.Load(), " orphans")
		}},
		{"tcp_syncookies", "0", "no cookies", "cookies", func(t *testing.T, v *virtual, a, b *Stack) string {
			half(t, v, a, b, 4)
			if b.tcpState.counters.SyncookiesSent.Load() != 0 {
				return "cookies"
			}
			return "no cookies"
		}},
		{"tcp_max_syn_backlog", "8", "limited", "not limited", func(t *testing.T, v *virtual, a, b *Stack) string {
			tune(t, b, "ipv4/tcp_syncookies", "0")
			if half(t, v, a, b, 4096) < 40 {
				return "limited"
			}
			return "not limited"
		}},
	}
}

// half sends 40 SYNs whose senders do not answer, and returns how many are kept.
func half(t *testing.T, v *virtual, a, b *Stack, backlog int) int {
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", backlog)
	var xs []*tcpSocket
	for i := range 40 {
		x := tcpSock(t, a, unix.AF_INET)
		setInt(x, unix.SOL_IP, unix.IP_FREEBIND, 1)
		from := at("10.0.0.9:1000")
		from.AddrPort = netipAddrPort([4]byte{10, 0, 0, byte(20 + i)}, 1000)
		if err := x.Bind(from, true); err != nil {
			t.Fatal(err)
		}
		x.Connect(at("10.0.0.2:80"))
		xs = append(xs, x)
	}
	v.advance(50 * time.Millisecond)
	n := len(l.listener.half)
	for _, x := range xs {
		x.Close()
	}
	return n
}

// TestTCPTunablesReachTheEngine sets each tunable that the engine has a trace for:
// it must be told.
func TestTCPTunablesReachTheEngine(t *testing.T) {
	values := map[string]string{
		"tcp_rmem": "5000 20000 30000", "tcp_wmem": "5000 20000 30000", "tcp_moderate_rcvbuf": "0", "tcp_window_scaling": "0", "tcp_timestamps": "0",
		"tcp_sack": "0", "tcp_dsack": "0", "tcp_ecn_fallback": "0", "tcp_slow_start_after_idle": "0", "tcp_min_snd_mss": "100", "tcp_mtu_probe_floor": "100",
		"tcp_rto_max_ms": "5000", "tcp_ecn": "1", "tcp_syn_linear_timeouts": "2", "tcp_rfc1337": "1", "tcp_mtu_probing": "1",
	}
	for _, file := range engineTraces(t) {
		v := newClock()
		_, s := pair(t, v)
		value, ok := values[file]
		if !ok {
			value = "4"
		}
		before := *s.tcpTunables()
		tune(t, s, "ipv4/"+file, value)
		if after := *s.tcpTunables(); reflect.DeepEqual(before, after) {
			t.Errorf("%s: the engine is not told of %s", file, value)
		}
	}
}

// engineTraces returns the tunables that netstack/tcp has a trace for.
func engineTraces(t *testing.T) []string {
	b, err := os.ReadFile("../tcp/tunables_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, m := range regexp.MustCompile(`\{"(tcp_\w+)", func\(t \*Tunables\)`).FindAllStringSubmatch(string(b), -1) {
		files = append(files, m[1])
	}
	if len(files) < 40 {
		t.Fatalf("only %d were found", len(files))
	}
	return files
}

// The README's lists of tunables without effect are those that nothing in the stack
// reads.
func TestTunablesWithoutEffect(t *testing.T) {
	names, err := os.ReadFile("tunablenames.go")
	if err != nil {
		t.Fatal(err)
	}
	consts := regexp.MustCompile(`(?m)^\t(t[A-Z0-9]\w+)( tunable = iota)?$`).FindAllStringSubmatch(string(names), -1)
	if len(consts) != int(nTunables) {
		t.Fatalf("%d names of %d tunables", len(consts), nTunables)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, f := range files {
		if f == "tunablenames.go" || strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range regexp.MustCompile(`\bt[A-Z0-9]\w+`).FindAllString(string(b), -1) {
			used[w] = true
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, part := range []struct{ name, prefix string }{{"parameters of TCP without effect", "ipv4/"}, {"other parameters without effect", ""}} {
		_, list, _ := strings.Cut(string(readme), "<!-- "+part.name+" -->")
		list, _, _ = strings.Cut(list, "<!-- end of ")
		for _, m := range regexp.MustCompile("`([\\w/]+)`").FindAllStringSubmatch(list, -1) {
			listed[part.prefix+m[1]] = true
		}
	}
	for i, c := range consts {
		path := tunableSpecs[i].path
		switch {
		case used[c[1]] && listed[path]:
			t.Errorf("%s has an effect and stands in the README as one without", path)
		case !used[c[1]] && !listed[path]:
			t.Errorf("%s has no effect and is not in the README", path)
		}
		delete(listed, path)
	}
	for path := range listed {
		t.Errorf("the README names %s, which there is not", path)
	}
}

// Each tunable of TCP has a test that shows its effect, or stands in the README as
// one that has none; and none of those stands there.
func TestTCPTunablesAreAccountedFor(t *testing.T) {
	tested := map[string]bool{
		"tcp_fastopen": true, "tcp_mem": true, // TestTCPFastOpen, TestTCPMemory
		"tcp_available_congestion_control": true, "tcp_allowed_congestion_control": true, // which are only read
	}
	for _, f := range engineTraces(t) {
		tested[f] = true
	}
	for _, k := range socketTunables() {
		tested[k.file] = true
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, listed, _ := strings.Cut(string(readme), "<!-- parameters of TCP without effect -->")
	listed, _, ok := strings.Cut(listed, "<!-- end of parameters of TCP without effect -->")
	if !ok {
		t.Fatal("the README has no list of parameters without effect")
	}
	without := map[string]bool{}
	for _, m := range regexp.MustCompile("`(tcp_\\w+)`").FindAllStringSubmatch(listed, -1) {
		without[m[1]] = true
	}
	for i := range tunableSpecs {
		f, ok := strings.CutPrefix(tunableSpecs[i].path, "ipv4/")
		if !ok || !strings.HasPrefix(f, "tcp_") {
			continue
		}
		switch {
		case !tested[f] && !without[f]:
			t.Errorf("%s has no test of its effect and is not in the README", f)
		case tested[f] && without[f]:
			t.Errorf("%s has an effect and stands in the README as one without", f)
		}
		delete(without, f)
	}
	for f := range without {
		t.Errorf("the README names %s, which there is not", f)
	}
}
