package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"hull/test/internal/netns"
	"hull/test/internal/sandbox"
)

// world is a network namespace with a name server on its loopback interface, and
// addresses at which somebody answers with the address that was reached.
type world struct {
	do      func(func()) // on a thread in the namespace
	resolv  string       // a resolv.conf(5) that names the server
	mu      sync.Mutex
	queries []string // guarded by mu: what was asked, by the server's address and the name
}

// zone is what the name server knows.
func zone() map[string][]string {
	return map[string][]string{
		"good.example.":    {"198.51.100.1", "198.51.100.2"},
		"a.wild.example.":  {"198.51.100.3"},
		"wild.example.":    {"198.51.100.3"},
		"alias.example.":   {"CNAME middle.example."},
		"middle.example.":  {"CNAME end.example."},
		"end.example.":     {"198.51.100.4"},
		"other.example.":   {"198.51.100.5"},
		"six.example.":     {"2001:db8::6"},
		"bad.example.":     {"198.51.100.7"},
		"x.bad.example.":   {"198.51.100.8"},
		"link.example.":    {"CNAME bad.example."},
		"meta.example.":    {"169.254.169.254"},
		"lo.example.":      {"127.0.0.1", "::1"},
		"ports.example.":   {"198.51.100.9"},
		"shared1.example.": {"198.51.100.10"},
		"shared2.example.": {"198.51.100.10"},
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{resolv: filepath.Join(t.TempDir(), "resolv.conf"), do: netns.New(t)}
	if err := os.WriteFile(w.resolv, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.do(func() {
		script := "ip link set lo up; for i in 1 2 3 4 5 7 8 9 10; do ip addr add 198.51.100.$i/32 dev lo; done; " +
			"ip addr add 169.254.169.254/32 dev lo; ip addr add 2001:db8::6/128 dev lo nodad"
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			t.Errorf("%v, %s", err, out)
		}
		for _, port := range []string{"53", "80", "81"} {
			l, err := net.Listen("tcp", ":"+port)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
			go w.serve(l, port == "53")
		}
		for _, at := range []string{"127.0.0.1:53", "198.51.100.5:53"} { // the second is a resolver of somebody else's
			c, err := net.ListenPacket("udp", at)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			go w.datagrams(c)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return w
}

// serve answers connections: with the address that they came to, or with names.
func (w *world) serve(l net.Listener, names bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			at := c.LocalAddr().(*net.TCPAddr)
			if !names {
				_, _ = io.WriteString(c, at.IP.String())
				return
			}
			for {
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, q); err != nil {
					return
				}
				a := w.answer(at.IP.String()+" tcp", q)
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
			}
		}()
	}
}

func (w *world) datagrams(c net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(w.answer(c.LocalAddr().(*net.UDPAddr).IP.String(), b[:n]), from)
	}
}

// answer answers a query as a resolver does that follows aliases.
func (w *world) answer(at string, query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) == 0 {
		return nil
	}
	w.mu.Lock()
	for _, q := range m.Questions {
		w.queries = append(w.queries, at+" "+q.Name.String())
	}
	w.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name, known := q.Name, false
	for range 8 {
		records, ok := zone()[strings.ToLower(name.String())]
		known = known || ok
		if len(records) == 0 {
			break
		}
		head := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1}
		if to, ok := strings.CutPrefix(records[0], "CNAME "); ok {
			name, head.Type = dnsmessage.MustNewName(to), dnsmessage.TypeCNAME
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: name}})
			continue
		}
		head.Type = q.Type
		for _, r := range records {
			ip := net.ParseIP(r)
			switch four := ip.To4(); {
			case four != nil && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte(four)}})
			case four == nil && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip.To16())}})
			}
		}
		break
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	b, _ := m.Pack()
	return b
}

// guest runs a program of the guest's with a policy.
func (w *world) guest(t *testing.T, program string, flags ...string) (stdout, stderr string) {
	t.Helper()
	args := append([]string{"-m", "sh", "-ec", `mount --bind "$0" /etc/resolv.conf; exec "$@"`, w.resolv, sandbox.Binary(t), "do"}, flags...)
	c := exec.Command("unshare", append(args, "--", "python3", "-c", program)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	var err error
	w.do(func() { err = c.Start() })
	if err != nil {
		t.Fatal(err)
	}
	done := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	defer done.Stop()
	if err := c.Wait(); err != nil {
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String()
}

// asking is how the guest's programs ask: by the C library, or in their own words.
const asking = `
import socket, struct
def get(host, port=80):
    try:
        s = socket.create_connection((host, port), timeout=10)
        return s.recv(100).decode()
    except socket.gaierror: return "unknown"
    except OSError as e: return "kept from"
def all(host, port=80):
    return sorted({a[4][0] for a in socket.getaddrinfo(host, port, type=1)})
def query(*names):
    q = struct.pack(">HHHHHH", 7, 256, len(names), 0, 0, 0)
    for n in names: q += b"".join(bytes([len(l)]) + l.encode() for l in n.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    return q
def udp(server, *names):
    s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, 2); s.settimeout(3)
    try:
        s.connect((server, 53)); s.send(query(*names)); a = s.recv(1000)
        return "rcode %d, %d answers" % (a[3] & 15, struct.unpack(">H", a[6:8])[0])
    except OSError as e: return "kept from"
def tcp(server, *queries):
    try:
        s = socket.create_connection((server, 53), timeout=10); f = s.makefile("rb"); said = []
        s.sendall(b"".join(struct.pack(">H", len(q)) + q for q in queries)) # at once
        for q in queries:
            n = f.read(2)
            if len(n) < 2: said.append("closed"); break
            a = f.read(struct.unpack(">H", n)[0]); said.append("rcode %d, %d answers" % (a[3] & 15, struct.unpack(">H", a[6:8])[0]))
        return "; ".join(said)
    except OSError as e: return "kept from"
`

// TestUserNetworkNames: rules by name, from the lookup to the connection, against a
// name server that writes down what it is asked.
func TestUserNetworkNames(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("only root can make network namespaces")
	}
	w := newWorld(t)
	check := func(program, want string, flags ...string) string {
		t.Helper()
		out, errs := w.guest(t, asking+program, flags...)
		if strings.TrimSpace(out) != strings.TrimSpace(want) {
			t.Errorf("with %v:\n%s\nwant:\n%s\nsaid: %s", flags, out, want, errs)
		}
		return errs
	}
	errs := check(`
print("literal before", get("198.51.100.1"))
print("good", all("good.example"), [get(a) for a in all("good.example")])
print("literal after", get("198.51.100.2"), get("198.51.100.2", 81))
print("case and dot", get("GOOD.Example."))
print("wildcard", get("a.wild.example"), get("wild.example"))
print("aliases", get("alias.example"), get("alias.example", 81), get("end.example"))
print("six", all("six.example"), get("six.example"))
print("other", get("other.example"), get("198.51.100.5"))
print("rebound", get("meta.example"), get("lo.example"))
print("shared", get("shared1.example"), get("shared2.example"))
print("own resolver", udp("198.51.100.5", "good.example"), tcp("198.51.100.5", query("good.example")))
print("datagrams", udp("10.0.2.3", "good.example"), udp("fd00::3", "good.example"), udp("10.0.2.3", "secret.evil.example"), udp("10.0.2.3", "good.example", "second.evil.example"))
print("stream", tcp("10.0.2.3", query("good.example"), query("stream.evil.example"), query("good.example")))
print("two", tcp("10.0.2.3", query("good.example", "third.evil.example")))
`, `
literal before kept from
good ['198.51.100.1', '198.51.100.2'] ['198.51.100.1', '198.51.100.2']
literal after 198.51.100.2 198.51.100.2
case and dot 198.51.100.1
wildcard 198.51.100.3 unknown
aliases 198.51.100.4 kept from unknown
six ['2001:db8::6'] 2001:db8::6
other unknown kept from
rebound kept from kept from
shared 198.51.100.10 unknown
own resolver kept from kept from
datagrams rcode 0, 2 answers rcode 0, 2 answers rcode 5, 0 answers kept from
stream rcode 0, 2 answers; rcode 5, 0 answers; rcode 0, 2 answers
two kept from
`, "--allow-net", "good.example", "--allow-net", "*.Wild.example.", "--allow-net", "alias.example:80", "--allow-net", "six.example",
		"--allow-net", "meta.example", "--allow-net", "lo.example", "--allow-net", "shared1.example")
	if !strings.Contains(errs, "the guest was kept from") {
		t.Errorf("nobody was told: %s", errs)
	}
	w.mu.Lock()
	for _, q := range w.queries {
		if strings.Contains(q, "evil") || strings.Contains(q, "other") || strings.HasPrefix(q, "198.51.100.5") {
			t.Errorf("a query got out: %s", q)
		}
	}
	if !slices.Contains(w.queries, "127.0.0.1 good.example.") || !slices.Contains(w.queries, "127.0.0.1 tcp good.example.") {
		t.Errorf("what was asked: %q", w.queries)
	}
	w.mu.Unlock()
	check(`
print("before", get("198.51.100.7")) # nobody has said yet whose it is
print("bad", get("bad.example"), get("BAD.example."), get("x.bad.example"))
print("by an alias", get("link.example"))
print("after", get("198.51.100.7"), get("other.example"))
print("ports", get("ports.example", 80), get("ports.example", 81))
print("shared", get("shared2.example"), get("shared1.example"), get("shared2.example"))
print("address", get("good.example"), get("198.51.100.2"), get("198.51.100.1"))
print("stream", tcp("10.0.2.3", query("bad.example"), query("other.example")))
`, `
before 198.51.100.7
bad unknown unknown unknown
by an alias kept from
after kept from 198.51.100.5
ports 198.51.100.9 kept from
shared 198.51.100.10 kept from kept from
address 198.51.100.2 198.51.100.2 kept from
stream rcode 5, 0 answers; rcode 0, 1 answers
`, "--deny-net", "bad.example", "--deny-net", "*.bad.example", "--deny-net", "ports.example:81", "--deny-net", "shared1.example:80", "--deny-net", "198.51.100.1")
}
