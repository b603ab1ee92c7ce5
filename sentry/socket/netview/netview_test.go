package netview

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/stack"
	"hull/sentry/auth"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

// view is one of a stack whose loopback interface is up, and its superuser.
func view(t *testing.T) (*View, *currenttest.Task) {
	t.Helper()
	begin := time.Now()
	now := func() int64 { return int64(time.Since(begin)) + 1 }
	st := stack.New(stack.Config{Pool: new(buffer.Pool), Now: now, Wall: time.Now,
		After:  func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
		Random: func(b []byte) { _, _ = rand.Read(b) }})
	t.Cleanup(st.Close)
	if err := st.NIC(1).Change(stack.Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		t.Fatal(err)
	}
	err := st.NIC(1).AddAddr(stack.Addr{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Scope: unix.RT_SCOPE_HOST, Label: "lo"}, false)
	if err != nil && err != unix.EEXIST {
		t.Fatal(err)
	}
	task := currenttest.New(4096)
	ns := socket.NewNetNS(auth.NewRootNamespace(), 1)
	task.Creds.UserNS = ns.User
	return New(ns, st, now), task
}

func text(v *View, name string) string {
	var w bytes.Buffer
	v.Show(name, &w)
	return w.String()
}

func TestTables(t *testing.T) {
	v, _ := view(t)
	u, err := v.stack.NewSocket(unix.AF_INET, unix.SOCK_DGRAM, 0, stack.Owner{UID: 1000})
	if err != nil {
		t.Fatal(err)
	}
	u.SetInode(77)
	if err := u.Bind(stack.Address{AddrPort: netip.MustParseAddrPort("127.0.0.1:53")}, true); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(text(v, "udp"), "\n")
	if len(got) != 3 || len(got[0]) != 127 || len(got[1]) != 127 {
		t.Fatalf("%q", got)
	}
	want := "    0: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 77 2 0000000000000000 0"
	if s := strings.TrimRight(got[1], " "); s != want {
		t.Errorf("udp\n%s, want\n%s", s, want)
	}
	u.Close()
	if got := text(v, "udp"); strings.Count(got, "\n") != 1 {
		t.Errorf("after the close: %q", got)
	}
	for name, want := range map[string]string{
		"dev":      "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
		"snmp":     "\nUdp: ",
		"sockstat": "UDP: inuse 0 mem 0\n",
		"fib_trie": "     |-- 127.0.0.1\n        /32 host LOCAL\n",
		"route":    "Iface\tDestination",
	} {
		if got := text(v, name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", name, got, want)
		}
	}
	for _, name := range v.Names() {
		for _, line := range strings.SplitAfter(text(v, name), "\n") {
			if line != "" && !strings.HasSuffix(line, "\n") {
				t.Errorf("%s ends in the middle of a line: %q", name, line)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	v, _ := view(t)
	ps := v.Parameters()
	for i, p := range ps {
		if i > 0 && ps[i-1].Path >= p.Path {
			t.Errorf("%s comes before %s", ps[i-1].Path, p.Path)
		}
		if _, err := v.Parameter(p.Path); p.Mode&0o400 != 0 && err != nil && !(p.Mode == 0o600 && err == unix.EIO) { // no secret yet
			t.Errorf("%s: %v", p.Path, err)
		}
	}
	if err := v.SetParameter("ipv4/ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	if s, err := v.Parameter("ipv4/ip_forward"); s != "1" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if err := v.SetParameter("ipv4/none", "1"); err != unix.ENOENT {
		t.Error(err)
	}
}

func TestAttributes(t *testing.T) {
	v, _ := view(t)
	for name, want := range map[string]string{"mtu": "65536", "type": "772", "ifindex": "1", "operstate": "unknown", "flags": "0x9",
		"address": "00:00:00:00:00:00", "statistics/rx_packets": "0", "statistics/collisions": "0", "carrier": "1"} {
		if got, err := v.Attribute("lo", name); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	for _, p := range v.Attributes("lo") {
		if _, err := v.Attribute("lo", p.Path); err == unix.ENOENT {
			t.Errorf("%s is listed and not there", p.Path)
		}
	}
	if _, err := v.Attribute("none", "mtu"); err != unix.ENODEV {
		t.Error(err)
	}
	if err := v.SetAttribute("lo", "mtu", "1500\n"); err != nil {
		t.Error(err)
	}
	if got, _ := v.Attribute("lo", "mtu"); got != "1500" {
		t.Errorf("mtu %s", got)
	}
	if err := v.SetAttribute("lo", "mtu", "x"); err != unix.EINVAL {
		t.Error(err)
	}
}

func TestIoctls(t *testing.T) {
	v, task := view(t)
	do := func(cmd uint32, name string, value ...byte) (ifreq, error) {
		var r ifreq
		copy(r.Name[:], name)
		copy(r.Value[:], value)
		if err := usermem.Out(task.Memory, 0, &r); err != nil {
			t.Fatal(err)
		}
		err := v.Ioctl(task, unix.AF_INET, cmd, 0)
		r, _ = usermem.In[ifreq](task.Memory, 0)
		return r, err
	}
	if r, err := do(unix.SIOCGIFADDR, "lo"); err != nil || r.addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("SIOCGIFADDR %v %v", r.addr(), err)
	}
	if _, err := do(unix.SIOCGIFADDR, "none"); err != unix.ENODEV {
		t.Error(err)
	}
	if _, err := do(unix.SIOCSIFADDR, "lo", unix.AF_INET, 0, 0, 0, 10, 1, 2, 3); err != nil {
		t.Error(err)
	}
	if r, err := do(unix.SIOCGIFNETMASK, "lo"); err != nil || r.addr() != netip.MustParseAddr("255.0.0.0") {
		t.Errorf("SIOCGIFNETMASK %v %v", r.addr(), err)
	}
	if _, err := do(unix.SIOCSIFNETMASK, "lo", unix.AF_INET, 0, 0, 0, 255, 0, 255, 0); err != unix.EINVAL {
		t.Error(err)
	}
	if r, err := do(siocIfName, "", 1); err != nil || r.name() != "lo" {
		t.Errorf("SIOCGIFNAME %q %v", r.name(), err)
	}
	if _, err := do(0x5401, "lo"); err != unix.ENOTTY {
		t.Error(err)
	}
	// Who may not.
	task.Creds.Effective = 0
	if _, err := do(unix.SIOCSIFMTU, "lo", 0, 2); err != unix.EPERM {
		t.Error(err)
	}
	if _, err := do(siocAddRT, "lo"); err != unix.EPERM {
		t.Error(err)
	}
	if _, err := do(unix.SIOCGIFMTU, "lo"); err != nil {
		t.Error(err)
	}
	// A bad address.
	if err := v.Ioctl(task, unix.AF_INET, unix.SIOCGIFMTU, 1<<20); err != unix.EFAULT {
		t.Error(err)
	}
}
