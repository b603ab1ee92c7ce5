package netconf

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// namespace makes a network namespace, runs ip(8) in it for each line, and returns
// its path and a way to run more.
func namespace(t *testing.T, lines ...string) (path string, ip func(args string) string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("makes network namespaces: needs root")
	}
	ready, ask, answer := make(chan string), make(chan string), make(chan string)
	t.Cleanup(func() { close(ask) })
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			panic(err)
		}
		ready <- fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		for args := range ask {
			out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
			if err != nil {
				answer <- "error: " + args + ": " + string(out)
				continue
			}
			answer <- string(out)
		}
	}()
	path = <-ready
	ip = func(args string) string {
		t.Helper()
		ask <- args
		s := <-answer
		if strings.HasPrefix(s, "error: ") {
			t.Fatal(s)
		}
		return s
	}
	for _, l := range lines {
		ip(l)
	}
	return path, ip
}

func lines() []string {
	return []string{
		"link set lo up",
		"link add eth0 address 02:11:22:33:44:55 mtu 1400 type veth peer name peer0",
		"link set peer0 up",
		"addr add 10.9.0.2/24 broadcast 10.9.0.255 dev eth0",
		"addr add 10.9.1.2/32 peer 10.9.1.1 dev eth0",
		"-6 addr add fd09::2/64 dev eth0 nodad",
		"link set eth0 up",
		"route add default via 10.9.0.1",
		"route add 10.99.0.0/16 via 10.9.0.254 metric 7 mtu 1300",
		"route add blackhole 10.98.0.0/16 table 77",
		"-6 route add default via fd09::1",
		"rule add from 10.9.0.0/24 fwmark 0x10/0xf0 table 77 priority 900",
		"neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev eth0",
	}
}

func TestRead(t *testing.T) {
	path, _ := namespace(t, lines()...)
	n, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	i := slices.IndexFunc(n.Links, func(l control.Link) bool { return l.Name == "eth0" })
	if i < 0 || len(n.Links) != 3 || len(n.Sockets) != 2 {
		t.Fatalf("links %+v, %d sockets", n.Links, len(n.Sockets))
	}
	l := n.Links[i]
	if l.Address != [6]byte{2, 0x11, 0x22, 0x33, 0x44, 0x55} || l.MTU != 1400 || !l.Up || l.Loopback || l.Raw || l.Index < 2 {
		t.Errorf("eth0 is %+v", l)
	}
	var addrs []string
	for _, a := range l.Addrs {
		if !a.Prefix.Addr().IsLinkLocalUnicast() {
			addrs = append(addrs, fmt.Sprintf("%s %s %s", a.Prefix, a.Broadcast, a.Peer))
		}
	}
	none := netip.Addr{}.String()
	if want := []string{
		"10.9.0.2/24 10.9.0.255 " + none, "10.9.1.2/32 " + none + " 10.9.1.1", "fd09::2/64 " + none + " " + none,
	}; !reflect.DeepEqual(addrs, want) {
		t.Errorf("addresses %q, want %q", addrs, want)
	}
	var routes []string
	for _, r := range n.Routes {
		s := fmt.Sprintf("%s table %d type %d metric %d mtu %d", r.Dst, r.Table, r.Type, r.Priority, r.MTU)
		for _, h := range r.Hops {
			s += " via " + h.Gateway.String()
		}
		routes = append(routes, s)
	}
	for _, want := range []string{
		"0.0.0.0/0 table 254 type 1 metric 0 mtu 0 via 10.9.0.1", "10.99.0.0/16 table 254 type 1 metric 7 mtu 1300 via 10.9.0.254",
		"10.98.0.0/16 table 77 type 6 metric 0 mtu 0", "::/0 table 254 type 1 metric 1024 mtu 0 via fd09::1",
	} {
		if !slices.Contains(routes, want) {
			t.Errorf("no route %s among %q", want, routes)
		}
	}
	rule := control.Rule{
		Priority: 900, Src: netip.MustParsePrefix("10.9.0.0/24"), Mark: 0x10, Mask: 0xf0, Action: 1, Table: 77, Suppress: -1,
	}
	if len(n.Rules) != 1 || n.Rules[0] != rule {
		t.Errorf("rules %+v, want %+v", n.Rules, rule)
	}
	neighbor := control.Neighbor{Index: l.Index, Addr: netip.MustParseAddr("10.9.0.9"), Address: [6]byte{2, 0, 0, 0, 0, 9}}
	if len(n.Neighbors) != 1 || n.Neighbors[0] != neighbor {
		t.Errorf("neighbours %+v, want %+v", n.Neighbors, neighbor)
	}
	if n.Sysctls["ipv4/ip_forward"] == "" || n.Sysctls["ipv6/conf/eth0/disable_ipv6"] != "0" {
		t.Errorf("sysctls %v", n.Sysctls)
	}
	f, err := control.WriteNetwork(&n.Network)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	back, err := control.ReadNetwork(f, len(n.Sockets))
	if err != nil || !reflect.DeepEqual(back, &n.Network) {
		t.Errorf("what is sent is not what is read: %v\n%+v\n%+v", err, back, n.Network)
	}
	if _, err := control.ReadNetwork(f, 1); err == nil {
		t.Error("a network with too few descriptors is taken")
	}
}

// state is what ip(8) shows, without what changes by itself.
func state(t *testing.T, ip func(string) string) string {
	t.Helper()
	var links []struct {
		IfName string `json:"ifname"`
		Addrs  []struct {
			Family string `json:"family"`
			Local  string `json:"local"`
			Len    int    `json:"prefixlen"`
			Scope  string `json:"scope"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(ip("-j addr show dev eth0")), &links); err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, a := range links[0].Addrs {
		s = append(s, fmt.Sprint(a))
	}
	for _, f := range []string{"-4", "-6"} {
		for l := range strings.Lines(ip(f + " route show table all dev eth0")) {
			if !strings.Contains(l, "table local") {
				s = append(s, strings.TrimSpace(l))
			}
		}
	}
	slices.Sort(s)
	return strings.Join(s, "\n")
}

// TestRuleRequest: what Linux's policy of rules asks of lengths.
func TestRuleRequest(t *testing.T) {
	lengths := map[uint16]int{nl.FRA_PRIORITY: 4, nl.FRA_IP_PROTO: 1, nl.FRA_SPORT_RANGE: 4, nl.FRA_DPORT_RANGE: 4}
	n := 0
	for _, r := range ownRules(netlink.FAMILY_V4) {
		if r.IPProto <= 0 {
			continue
		}
		n++
		b := ruleRequest(r, true).Serialize()
		attrs, err := nl.ParseRouteAttr(b[unix.SizeofNlMsghdr+unix.SizeofRtMsg:])
		if err != nil || len(attrs) < 2 {
			t.Fatal(len(attrs), err)
		}
		for _, a := range attrs {
			if want := lengths[a.Attr.Type]; int(a.Attr.Len) != unix.SizeofRtAttr+want {
				t.Errorf("attribute %d has %d bytes, want %d", a.Attr.Type, a.Attr.Len-unix.SizeofRtAttr, want)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d rules have a protocol", n)
	}
}

// While a namespace is taken its kernel does not answer, but for what docker's name
// server asks for; what is configured there stays.
func TestTakeAndReturn(t *testing.T) {
	path, ip := namespace(t, lines()...)
	before, rules := state(t, ip), ip("rule")+ip("-6 rule")
	n, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	// The peer is in the same namespace in lines(): one elsewhere asks.
	other, ipOther := namespace(t, "link set lo up")
	ip("link add q0 type veth peer name q1")
	ip("addr add 10.77.0.1/24 dev q0")
	ip("-6 addr add fd77::1/64 dev q0 nodad")
	ip("link set q0 up")
	if err := within(path, func(h *netlink.Handle) error {
		l, err := h.LinkByName("q1")
		if err != nil {
			return err
		}
		fd, err := unix.Open(other, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return h.LinkSetNsFd(l, fd)
	}); err != nil {
		t.Fatal(err)
	}
	ipOther("addr add 10.77.0.2/24 dev q1")
	ipOther("-6 addr add fd77::2/64 dev q1 nodad")
	ipOther("link set q1 up")
	refused := func(to string) bool {
		var err error
		_ = Within(other, func() error {
			var c net.Conn
			if c, err = (&net.Dialer{Timeout: 300 * time.Millisecond}).Dial("tcp", to); err == nil {
				c.Close()
			}
			return nil
		})
		return errors.Is(err, unix.ECONNREFUSED)
	}
	answers := func() string { return fmt.Sprint(refused("10.77.0.1:9"), refused("[fd77::1]:9")) }
	asked := func(port int, patience time.Duration) bool { return datagram(t, path, other, port, patience) }
	come := func(when string) { // at last
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); answers() != "true true"; {
			if time.Now().After(deadline) {
				t.Fatalf("%s the kernel does not answer by IPv4, by IPv6: %s", when, answers())
			}
		}
	}
	come("before")
	for range 2 { // again is no error
		if err := Take(path); err != nil {
			t.Fatal(err)
		}
	}
	if s := answers(); s != "false false" {
		t.Errorf("the kernel answers by IPv4, by IPv6: %s", s)
	}
	if !asked(53, 20*time.Second) {
		t.Error("an answer of a name server does not arrive")
	}
	if asked(54, 300*time.Millisecond) {
		t.Error("something else arrives")
	}
	if s := state(t, ip); s != before {
		t.Errorf("before:\n%s\nwhile it is taken:\n%s", before, s)
	}
	again, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if len(again.Rules) != len(n.Rules) || again.Sysctls["ipv4/ip_local_port_range"] != "" {
		t.Errorf("of what was taken is read: rules %+v, ports %q", again.Rules, again.Sysctls["ipv4/ip_local_port_range"])
	}
	for range 2 {
		if err := Return(path, &n.Network); err != nil {
			t.Fatal(err)
		}
	}
	come("after Return")
	if s := ip("rule") + ip("-6 rule"); s != rules {
		t.Errorf("rules before:\n%s\nafter:\n%s", rules, s)
	}
	last, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	last.Close()
	for k, v := range n.Sysctls {
		if last.Sysctls[k] != v {
			t.Errorf("%s was %q, is %q", k, v, last.Sysctls[k])
		}
	}
}

// datagram sends one by UDP from a port in the namespace other to one that docker's
// name server would ask from in that at path, and reports whether it arrives in time.
func datagram(t *testing.T, path, other string, from int, patience time.Duration) bool {
	t.Helper()
	var c net.PacketConn
	if err := Within(path, func() (err error) {
		c, err = net.ListenPacket("udp4", "10.77.0.1:65000")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := Within(other, func() error {
		o, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 77, 0, 2), Port: from}, &net.UDPAddr{IP: net.IPv4(10, 77, 0, 1), Port: 65000})
		if err != nil {
			return err
		}
		defer o.Close()
		_, err = o.Write([]byte("answer"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, _, err := c.ReadFrom(make([]byte, 10))
	return err == nil
}

func TestEmpty(t *testing.T) {
	path, _ := namespace(t)
	n, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if len(n.Links) != 1 || !n.Links[0].Loopback || len(n.Sockets) != 0 {
		t.Errorf("%+v, %d sockets", n.Links, len(n.Sockets))
	}
}

func TestCannotBeTaken(t *testing.T) {
	path, _ := namespace(t, "link add dm type veth peer name dp", "link set dm up", "link add iv link dm type macvlan mode bridge", "addr add 10.1.0.1/24 dev iv")
	n, err := Read(path)
	if err != nil {
		t.Fatalf("macvlan: %v", err)
	}
	n.Close()
	up := netlink.LinkAttrs{Flags: net.FlagUp, EncapType: "ipip"}
	for _, c := range []struct {
		l    netlink.Link
		ok   bool
		fail bool
	}{
		{&netlink.Iptun{LinkAttrs: up}, false, true},
		{&netlink.Iptun{LinkAttrs: netlink.LinkAttrs{EncapType: "ipip"}}, false, false},
		{&netlink.IPVlan{LinkAttrs: netlink.LinkAttrs{Flags: net.FlagUp, EncapType: "ether"}}, false, true},
		{&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Flags: net.FlagUp, EncapType: "none"}}, true, false},
		{&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Flags: net.FlagUp, EncapType: "ether", MasterIndex: 5}}, false, false},
	} {
		if ok, err := taken(c.l, nil); ok != c.ok || (err != nil) != c.fail {
			t.Errorf("%s (%s): %v, %v", c.l.Type(), c.l.Attrs().EncapType, ok, err)
		}
	}
	if _, err := Read("/proc/self/ns/uts"); err == nil {
		t.Error("a namespace of another kind is read")
	}
	if _, err := Identify("/proc/self/ns/uts"); err == nil {
		t.Error("a UTS namespace is taken for one of the network")
	}
	if _, err := Identify("/etc/passwd"); err == nil {
		t.Error("a file is a namespace")
	}
	if _, err := Read("/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no namespace: %v", err)
	}
}
