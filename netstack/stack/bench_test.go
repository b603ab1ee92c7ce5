package stack

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/route"
)

// BenchmarkUDP sends datagrams of 1,400 bytes over a veth and reads them.
func BenchmarkUDP(b *testing.B) {
	v := newClock()
	s, r := pair(b, v)
	x, y := socket(b, s, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(b, r, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.0.0.2:9"), true); err != nil {
		b.Fatal(err)
	}
	if err := x.Connect(to("10.0.0.2:9")); err != nil {
		b.Fatal(err)
	}
	benchDatagrams(b, x, y)
}

// BenchmarkForward6 does the same through a router, in IPv6.
func BenchmarkForward6(b *testing.B) {
	v := newClock()
	left, hub, right := testStack(b, v), testStack(b, v), testStack(b, v)
	for i, s := range []*Stack{left, right} {
		name := [2]string{"left", "right"}[i]
		n, err := s.AddNIC(NICConfig{Name: "eth0", Kind: KindVeth, Peer: &NICConfig{Name: name}, PeerStack: hub})
		if err != nil {
			b.Fatal(err)
		}
		up(b, n)
		up(b, hub.NICByName(name))
		net := [2]string{"fd01::", "fd02::"}[i]
		addr(b, n, net+"2/64")
		addr(b, hub.NICByName(name), net+"1/64")
		_ = s.AddRoute(&route.Route{
			Dst: netip.MustParsePrefix("::/0"), Table: route.TableMain, Type: unix.RTN_UNICAST,
			Hops: []route.Hop{{Gateway: netip.MustParseAddr(net + "1"), OIF: n.index}},
		}, route.Exclusive)
	}
	if err := hub.SetTunable("ipv6/conf/all/forwarding", "1"); err != nil {
		b.Fatal(err)
	}
	v.advance(4 * time.Second)
	x, y := socket(b, left, unix.AF_INET6, unix.SOCK_DGRAM, 0), socket(b, right, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("[::]:9"), true); err != nil {
		b.Fatal(err)
	}
	if err := x.Connect(to("[fd02::2]:9")); err != nil {
		b.Fatal(err)
	}
	benchDatagrams(b, x, y)
}

func benchDatagrams(b *testing.B, x, y Socket) {
	data := make([]byte, 1400)
	src := bytes.NewReader(data)
	var dst bytes.Buffer
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(data)
		if _, err := x.Send(src, len(data), &SendMeta{}); err != nil {
			b.Fatal(err)
		}
		dst.Reset()
		if _, err := y.Recv(&dst, len(data), &RecvMeta{}); err != nil {
			b.Fatal(err)
		}
	}
}
