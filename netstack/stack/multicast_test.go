package stack

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// mreq is struct ip_mreq for the group, and any more addresses after it.
func mreq(as ...string) []byte {
	var b []byte
	for _, a := range as {
		v := netip.MustParseAddr(a).As4()
		b = append(b, v[:]...)
	}
	return b
}

func TestMulticast(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("0.0.0.0:9"), true); err != nil {
		t.Fatal(err)
	}
	if err := x.SetOption(unix.SOL_IP, unix.IP_MULTICAST_IF, mreq("10.0.0.1"), false, false); err != nil {
		t.Fatal(err)
	}
	set := func(name int, b []byte) error { return y.SetOption(unix.SOL_IP, name, b, false, false) }
	sendTo(t, x, "nobody", "239.1.1.1:9")
	if _, _, err := recv(y); err != unix.EAGAIN {
		t.Errorf("a group that nobody is in: %v", err)
	}
	if err := set(unix.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	if err := set(unix.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.2")); err != unix.EADDRINUSE {
		t.Errorf("twice: %v", err)
	}
	if n := b.NICByName("eth0").Groups()[netip.MustParseAddr("239.1.1.1")]; n != 1 {
		t.Errorf("%d members", n)
	}
	sendTo(t, x, "all", "239.1.1.1:9")
	wantRecv(t, y, "all")
	if err := set(unix.IP_BLOCK_SOURCE, mreq("239.1.1.1", "10.0.0.2", "10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "blocked", "239.1.1.1:9")
	if _, _, err := recv(y); err != unix.EAGAIN {
		t.Errorf("a source that is blocked: %v", err)
	}
	if err := set(unix.IP_UNBLOCK_SOURCE, mreq("239.1.1.1", "10.0.0.2", "10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	sendTo(t, x, "again", "239.1.1.1:9")
	wantRecv(t, y, "again")
	if err := set(unix.IP_DROP_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	if err := set(unix.IP_DROP_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.2")); err != unix.EADDRNOTAVAIL {
		t.Errorf("not a member: %v", err)
	}
	// IPv6, and what a sender hears of itself.
	p, q := socket(t, a, unix.AF_INET6, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err := q.Bind(to("[::]:10"), true); err != nil {
		t.Fatal(err)
	}
	g := netip.MustParseAddr("ff02::77").As16()
	join := func(x Socket, s *Stack) {
		if err := x.SetOption(unix.SOL_IPV6, unix.IPV6_JOIN_GROUP, binary.NativeEndian.AppendUint32(g[:], uint32(s.NICByName("eth0").Index())), false, false); err != nil {
			t.Fatal(err)
		}
	}
	join(q, b)
	join(p, a)
	if err := p.Bind(to("[::]:10"), true); err != nil {
		t.Fatal(err)
	}
	d := to("[ff02::77]:10")
	d.Scope = a.NICByName("eth0").Index()
	if _, err := p.Send(strings.NewReader("six"), 3, &SendMeta{To: &d}); err != nil {
		t.Fatal(err)
	}
	wantRecv(t, q, "six")
	wantRecv(t, p, "six")
}

// reports returns the lines of what was sent that have IGMP or MLD in them.
func reports(w *wire) []string {
	var out []string
	for _, l := range w.take() {
		if strings.Contains(l, "igmp") || strings.Contains(l, "multicast listener") {
			out = append(out, l)
		}
	}
	return out
}

func TestIGMP(t *testing.T) {
	v := newClock()
	s, n, w := wired(t, v)
	addr(t, n, "10.0.0.1/24")
	v.advance(10 * time.Second)
	w.take()
	x := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := x.SetOption(unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.1"), false, false); err != nil {
		t.Fatal(err)
	}
	v.advance(5 * time.Second)
	if got := reports(w); len(got) != 2 || !strings.Contains(got[0], "10.0.0.1 > 224.0.0.22") || !strings.Contains(got[0], "v3 report, 1 group record") {
		t.Errorf("joined: %q", got)
	}
	// A query of the third version, then one of the second: from then on it is spoken.
	w.deliver(s, frame4(header.ProtocolIGMP, "224.0.0.1", []byte{0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0}), true)
	v.advance(2 * time.Second)
	if got := reports(w); len(got) != 1 || !strings.Contains(got[0], "v3 report") {
		t.Errorf("asked: %q", got)
	}
	w.deliver(s, frame4(header.ProtocolIGMP, "224.0.0.1", []byte{0x11, 10, 0, 0, 0, 0, 0, 0}), true)
	v.advance(2 * time.Second)
	if got := reports(w); len(got) != 1 || !strings.Contains(got[0], "igmp v2 report 239.1.1.1") {
		t.Errorf("asked by an older querier: %q", got)
	}
	x.Close()
	v.advance(5 * time.Second)
	if got := reports(w); len(got) != 1 || !strings.Contains(got[0], "igmp leave 239.1.1.1") {
		t.Errorf("left: %q", got)
	}
	if !v.idle() && n.mcast.timer.isSet() {
		t.Error("the timer goes on")
	}
}

func TestMLD(t *testing.T) {
	v := newClock()
	s, _, w := wired(t, v)
	v.advance(10 * time.Second)
	if got := reports(w); len(got) == 0 {
		t.Error("nobody is told of the solicited-node group")
	}
	mld := append([]byte{58, 0, 5, 2, 0, 0, 1, 0, 130, 0, 0, 0, 3, 0xe8, 0, 0}, make([]byte, 20)...)
	mld = append(mld, 2, 125, 0, 0)[:36]
	w.deliver(s, frame6(header.ProtocolHopByHop, 1, "fe80::9", "ff02::1", append(mld, 2, 125, 0, 0)[:36]), true)
	w.deliver(s, frame6(header.ProtocolHopByHop, 64, "fe80::9", "ff02::1", mld), true) // from further away
	v.advance(2 * time.Second)
	if got := reports(w); len(got) != 1 || !strings.Contains(got[0], "fe80::ff:fe00:1 > ff02::16") {
		t.Errorf("asked: %q", got)
	}
}
