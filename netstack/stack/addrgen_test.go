package stack

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/link/tun"
)

// TestStableAddr has addresses that Linux made: of 2001:db8::1 on a tun, and with
// the secrets of others.
func TestStableAddr(t *testing.T) {
	for _, c := range []struct {
		secret, prefix, want string
	}{
		{"2001:db8::1", "fe80::", "fe80::88cf:4891:a68c:e03f"},
		{"2001:db8::2", "fe80::", "fe80::5932:ab44:7fea:2858"},
		{"2001:db8::7", "fe80::", "fe80::3fed:f0a4:4152:98cb"},
		{"e3ae:ff6d:b9b3:22bb:897f:2196:ed29:86c3", "fe80::", "fe80::3f7b:44ba:c96c:fa3a"},
	} {
		if a := stableAddr(netip.MustParseAddr(c.secret), netip.MustParseAddr(c.prefix), 0); a.String() != c.want {
			t.Errorf("%s: %s, not %s", c.secret, a, c.want)
		}
	}
	for a, want := range map[string]bool{
		"fe80::": true, "fe80::200:5eff:fe00:5213": true, "fe80::fdff:ffff:ffff:ff80": true, "fe80::fdff:ffff:ffff:ffff": true,
		"fe80::1": false, "fe80::fdff:ffff:ffff:ff7f": false, "fe80::200:5eff:fd00:1": false,
	} {
		if reservedID(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: reserved is not %v", a, want)
		}
	}
}

// tunnel is a stack with a tun that a program has open.
func tunnel(t *testing.T, s *Stack, name string) (*NIC, *tun.Queue) {
	t.Helper()
	d := tun.New(unix.IFF_TUN)
	q, err := d.Add(func(bool) {})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.AddNIC(NICConfig{Name: name, Kind: KindTun, Link: d})
	if err != nil {
		t.Fatal(err)
	}
	n.LinkChanged(true, 0)
	return n, q
}

func took(q *tun.Queue) (out []string) {
	for p := q.Take(); p != nil; p = q.Take() {
		b := make([]byte, p.Len())
		p.CopyTo(b, 0)
		out = append(out, header.Packet(b))
		p.Release()
	}
	return out
}

// locals are the link-local addresses of an interface, with * for stable ones.
func locals(n *NIC) (out []string) {
	for _, a := range n.Addrs() {
		if ip := a.Prefix.Addr(); ip.IsLinkLocalUnicast() {
			mark := ""
			if a.Flags&unix.IFA_F_STABLE_PRIVACY != 0 {
				mark = "*"
			}
			out = append(out, ip.String()+mark)
		}
	}
	slices.Sort(out)
	return out
}

func tuned(t *testing.T, s *Stack, path, value string, want error) {
	t.Helper()
	if err := s.SetTunable(path, value); err != want {
		t.Errorf("%s = %q: %v, not %v", path, value, err, want)
	}
}

// TestTunLinkLocal: what has no hardware address makes one of a secret, and looks
// for routers at once.
func TestTunLinkLocal(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	n, q := tunnel(t, s, "t0")
	if _, err := s.Tunable("ipv6/conf/t0/stable_secret"); err != unix.EIO {
		t.Errorf("a secret before there is one: %v", err)
	}
	up(t, n)
	if n.AddrGen() != addrGenRandom {
		t.Errorf("mode %d", n.AddrGen())
	}
	first := locals(n)
	if len(first) != 1 || !strings.HasSuffix(first[0], "*") {
		t.Fatalf("addresses %q", first)
	}
	v.advance(time.Millisecond)
	ask := "IP6 " + strings.TrimSuffix(first[0], "*") + " > ff02::2: ICMP6, router solicitation, length 8"
	if got := took(q); len(got) != 1 || got[0] != ask {
		t.Errorf("sent %q", got)
	}
	v.advance(6 * time.Second)
	if got := took(q); len(got) != 1 || got[0] != ask {
		t.Errorf("sent %q after six seconds", got)
	}
	if err := n.Change(Change{FlagsMask: unix.IFF_UP}); err != nil || len(locals(n)) != 0 {
		t.Errorf("down: %v, %q", err, locals(n))
	}
	up(t, n)
	if again := locals(n); !slices.Equal(again, first) {
		t.Errorf("%q became %q", first, again)
	}
}

// TestTunAutoconf: an advertisement makes an address of the same secret.
func TestTunAutoconf(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	n, q := tunnel(t, s, "t0")
	tuned(t, s, "ipv6/conf/t0/stable_secret", "2001:db8::1\n", nil)
	up(t, n)
	v.advance(time.Millisecond)
	took(q)
	ra := make([]byte, header.NDRouterAdvertSize)
	header.NDRouterAdvert(ra).Encode(header.NDRouterAdvertFields{HopLimit: 61, Lifetime: 1800 * time.Second})
	ra = header.AppendNDPLink(ra, header.NDPOptSourceLink, routerHW()) // which is of no use here
	ra = header.NDPPrefix{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: time.Hour, Preferred: time.Hour}.Append(ra)
	src, dst := netip.MustParseAddr("fe80::9"), header.IPv6AllNodes()
	header.ICMPv6(ra).UpdateChecksum(src, dst)
	p := s.cfg.Pool.NewPacket()
	copy(p.Prepend(len(ra)), ra)
	header.IPv6(p.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{PayloadLen: uint16(len(ra)), Next: header.ProtocolICMPv6, HopLimit: 255, Src: src, Dst: dst})
	n.Tun().Inject(p)
	want := stableAddr(netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::"), 0)
	if a := n.find(want); a == nil || !a.usable() || a.flags.Load()&unix.IFA_F_STABLE_PRIVACY == 0 {
		t.Errorf("no %s: %v", want, n.Addrs())
	}
	v.advance(20 * time.Second)
	if got := took(q); len(got) != 0 {
		t.Errorf("it still asks for routers: %q", got)
	}
}

// TestAddrGenModes is what Linux did with the same writes.
func TestAddrGenModes(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	n, err := s.AddNIC(NICConfig{Name: "v0", Kind: KindVeth, Peer: &NICConfig{Name: "v1"}})
	if err != nil {
		t.Fatal(err)
	}
	const mode = "ipv6/conf/v0/addr_gen_mode"
	eui := n.eui64().String()
	show := func(what string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := locals(n); !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	tuned(t, s, mode, "1", nil)
	show("none")
	tuned(t, s, mode, "0", nil)
	show("down", eui)
	for _, bad := range []string{"4", "-1", "x", "2", "4294967296"} {
		tuned(t, s, mode, bad, unix.EINVAL)
	}
	up(t, s.NICByName("v1"))
	up(t, n)
	v.advance(5 * time.Second)
	show("up", eui)
	none, stable := uint8(addrGenNone), uint8(addrGenStable)
	if err := n.Change(Change{AddrGen: &none}); err != nil {
		t.Error(err)
	}
	if err := n.Change(Change{AddrGen: &stable}); err != unix.EINVAL {
		t.Errorf("stable without a secret: %v", err)
	}
	show("none by netlink", eui)
	tuned(t, s, mode, "3", nil)
	if got := locals(n); len(got) != 2 {
		t.Errorf("random: %q", got)
	}
	tuned(t, s, "ipv6/conf/v0/stable_secret", "2001:db8::1junk", nil)
	for _, bad := range []string{"", "x", "1.2.3.4", "1:2:3:4:5:6:7:8:9", " ::1"} {
		want := error(unix.EIO)
		if bad == "" {
			want = nil // nothing was written
		}
		tuned(t, s, "ipv6/conf/v0/stable_secret", bad, want)
	}
	tuned(t, s, "ipv6/conf/all/stable_secret", "::1", unix.EIO)
	if text, _ := s.Tunable("ipv6/conf/v0/stable_secret"); text != "2001:0db8:0000:0000:0000:0000:0000:0001" || n.AddrGen() != addrGenStable {
		t.Errorf("secret %q, mode %d", text, n.AddrGen())
	}
	n.Change(Change{FlagsMask: unix.IFF_UP})
	up(t, n)
	show("stable", "fe80::88cf:4891:a68c:e03f*")
	tuned(t, s, "ipv6/conf/default/stable_secret", "2001:db8::7", nil)
	m, err := s.AddNIC(NICConfig{Name: "d0", Kind: KindDummy})
	if err != nil {
		t.Fatal(err)
	}
	up(t, m)
	if got := locals(m); !slices.Equal(got, []string{"fe80::3fed:f0a4:4152:98cb*"}) || m.AddrGen() != addrGenStable {
		t.Errorf("with the secret of default: %q", got)
	}
	tuned(t, s, "ipv6/conf/all/addr_gen_mode", "1", nil)
	if n.AddrGen() != addrGenNone || m.AddrGen() != addrGenNone || s.conf6Default[conf6AddrGenMode].Load() != addrGenNone {
		t.Error("a mode of all is not everybody's")
	}
}

// TestStableConflict: a stable address that is somebody else's is followed by
// another, as often as idgen_retries says.
func TestStableConflict(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	w := &wire{}
	n, err := s.AddNIC(NICConfig{Name: "eth0", Link: w})
	if err != nil {
		t.Fatal(err)
	}
	secret := netip.MustParseAddr("2001:db8::1")
	tuned(t, s, "ipv6/conf/eth0/stable_secret", secret.String(), nil)
	tuned(t, s, "ipv6/idgen_retries", "2", nil)
	up(t, n)
	for try := range 4 {
		a := stableAddr(secret, linkLocalPrefix(), uint8(try))
		if has := n.find(a) != nil; has != (try <= 2) {
			t.Fatalf("try %d: %s: %v", try, a, has)
		}
		if try > 2 {
			break
		}
		na := make([]byte, header.NDNeighborSize)
		header.NDNeighbor(na).Encode(header.NDNeighborFields{Type: header.ICMPv6NeighborAdvert, Override: true, Target: a})
		w.icmp6(s, a.String(), "ff02::1", 255, header.AppendNDPLink(na, header.NDPOptTargetLink, routerHW()))
		if n.find(a).flags.Load()&unix.IFA_F_DADFAILED == 0 {
			t.Fatalf("try %d did not fail", try)
		}
	}
	if n.linkLocal().IsValid() {
		t.Error("there is an address")
	}
}
