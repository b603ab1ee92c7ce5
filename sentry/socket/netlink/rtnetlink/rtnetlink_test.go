package rtnetlink

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/stack"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
	"hull/sentry/usermem"
)

type fixture struct {
	t     testing.TB
	task  *currenttest.Task
	stack *stack.Stack
	net   *netlink.Net
	sock  socket.Socket
}

func newFixture(t testing.TB) *fixture {
	task := currenttest.New(1 << 20)
	start := time.Now()
	st := stack.New(stack.Config{
		Pool: new(buffer.Pool), Wall: time.Now, Random: func(b []byte) { _, _ = rand.Read(b) },
		Now:   func() int64 { return int64(time.Since(start)) + 1 },
		After: func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
	})
	t.Cleanup(st.Close)
	n := netlink.New(socket.NewNetNS(task.Creds.UserNS, 1), st, netlink.Config{Protocols: map[int32]netlink.Protocol{unix.NETLINK_ROUTE: Protocol{}}})
	f := &fixture{t: t, task: task, stack: st, net: n}
	f.sock = f.socket()
	return f
}

func (f *fixture) socket() socket.Socket {
	f.t.Helper()
	s, err := f.net.Socket(f.task, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) recv(s socket.Socket) (all []wire.Header, bodies [][]byte) {
	for range 1000 {
		n, err := s.Recv(f.task, usermem.One(f.task.Mem(), 500000, 65536), &socket.Message{})
		if err != nil {
			break
		}
		rest := bytes.Clone(f.task.Memory.(usermem.Bytes)[500000 : 500000+n])
		for {
			h, body, next, ok := wire.Next(rest)
			if !ok {
				break
			}
			all, bodies, rest = append(all, h), append(bodies, body), next
		}
	}
	return all, bodies
}

func (f *fixture) send(b []byte) {
	f.t.Helper()
	copy(f.task.Memory.(usermem.Bytes)[1000:], b)
	if _, err := f.sock.Send(f.task, usermem.One(f.task.Mem(), 1000, uint64(len(b))), &socket.Message{}); err != nil {
		f.t.Fatal(err)
	}
}

// do sends one request and returns the errno of its acknowledgement.
func (f *fixture) do(typ, flags uint16, fixed []byte, attrs func(b *wire.Builder)) unix.Errno {
	f.t.Helper()
	f.send(request(typ, flags|unix.NLM_F_ACK, fixed, attrs))
	hs, bodies := f.recv(f.sock)
	for i, h := range hs {
		if h.Type == unix.NLMSG_ERROR {
			return unix.Errno(-int32(binary.NativeEndian.Uint32(bodies[i])))
		}
	}
	f.t.Fatalf("no acknowledgement in %v", hs)
	return 0
}

func request(typ, flags uint16, fixed []byte, attrs func(b *wire.Builder)) []byte {
	var b wire.Builder
	b.Begin(typ, flags|unix.NLM_F_REQUEST, 1, 0)
	b.Append(fixed...)
	if attrs != nil {
		attrs(&b)
	}
	b.End()
	return b.Bytes()
}

func veth(name, peer string) func(b *wire.Builder) {
	return func(b *wire.Builder) {
		b.String(unix.IFLA_IFNAME, name)
		info := b.Nest(unix.IFLA_LINKINFO)
		b.String(unix.IFLA_INFO_KIND, "veth")
		data := b.Nest(unix.IFLA_INFO_DATA)
		far := b.Nest(vethInfoPeer)
		b.Append(make([]byte, ifinfoSize)...)
		b.String(unix.IFLA_IFNAME, peer)
		b.Close(far)
		b.Close(data)
		b.Close(info)
	}
}

// An interface is made, told of, given an address and a route, and removed.
func TestLife(t *testing.T) {
	f := newFixture(t)
	listener := f.socket()
	for _, g := range []int32{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE} {
		if err := listener.SetOption(f.task, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, socket.IntValue(g)); err != nil {
			t.Fatal(err)
		}
	}
	if e := f.do(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifinfomsg{}.bytes(), veth("a0", "a1")); e != 0 {
		t.Fatalf("make: %v", e)
	}
	if e := f.do(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifinfomsg{}.bytes(), veth("a0", "a2")); e != unix.EEXIST {
		t.Errorf("make again: %v", e)
	}
	a0, a1 := f.stack.NICByName("a0"), f.stack.NICByName("a1")
	if a0 == nil || a1 == nil || a1.Index() > a0.Index() || a0.Info().Parent != a1.Index() {
		t.Fatalf("%v %v", a0, a1)
	}
	for _, n := range []*stack.NIC{a0, a1} {
		m := ifinfomsg{index: n.Index(), flags: unix.IFF_UP, change: unix.IFF_UP}
		if e := f.do(unix.RTM_NEWLINK, 0, m.bytes(), nil); e != 0 {
			t.Fatalf("up: %v", e)
		}
	}
	addr := ifaddrmsg{unix.AF_INET, 24, 0, 0, a0.Index()}
	local := func(b *wire.Builder) { b.Addr(unix.IFA_LOCAL, netip.MustParseAddr("10.0.0.1")) }
	if e := f.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE, addr.bytes(), local); e != 0 {
		t.Fatalf("address: %v", e)
	}
	if e := f.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, addr.bytes(), local); e != unix.EEXIST {
		t.Errorf("address again: %v", e)
	}
	route := rtmsg{unix.AF_INET, 8, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, 0, unix.RTN_UNICAST, 0}
	to := func(dst, via string) func(b *wire.Builder) {
		return func(b *wire.Builder) {
			b.Addr(unix.RTA_DST, netip.MustParseAddr(dst))
			b.Addr(unix.RTA_GATEWAY, netip.MustParseAddr(via))
		}
	}
	for _, c := range []struct {
		dst, via string
		want     unix.Errno
	}{{"20.0.0.0", "10.0.0.2", 0}, {"20.0.0.0", "10.0.0.3", unix.EEXIST}, {"30.0.0.0", "11.0.0.1", unix.ENETUNREACH}, {"40.0.0.1", "10.0.0.2", unix.EINVAL}} {
		if e := f.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, route.bytes(), to(c.dst, c.via)); e != c.want {
			t.Errorf("route to %s: %v, want %v", c.dst, e, c.want)
		}
	}
	if e := f.do(unix.RTM_DELLINK, 0, ifinfomsg{index: 1}.bytes(), nil); e != unix.EOPNOTSUPP {
		t.Errorf("remove lo: %v", e)
	}
	if e := f.do(unix.RTM_DELLINK, 0, ifinfomsg{index: a0.Index()}.bytes(), nil); e != 0 {
		t.Errorf("remove: %v", e)
	}
	if f.stack.NICByName("a0") != nil || f.stack.NICByName("a1") != nil {
		t.Error("one end is left")
	}
	count := map[uint16]int{}
	hs, _ := f.recv(listener)
	for _, h := range hs {
		count[h.Type]++
	}
	for _, typ := range []uint16{unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWROUTE} {
		if count[typ] == 0 {
			t.Errorf("nobody was told of %d: %v", typ, count)
		}
	}
}

// Who may look may not change.
func TestPermission(t *testing.T) {
	f := newFixture(t)
	f.task = currenttest.NewUser(1, 1)
	f.task.Memory = make(usermem.Bytes, 1<<20)
	if e := f.do(unix.RTM_NEWLINK, unix.NLM_F_CREATE, ifinfomsg{}.bytes(), veth("a0", "a1")); e != unix.EPERM {
		t.Errorf("make: %v", e)
	}
	f.send(request(unix.RTM_GETLINK, unix.NLM_F_DUMP, ifinfomsg{}.bytes(), nil))
	if hs, _ := f.recv(f.sock); len(hs) != 2 || hs[0].Type != unix.RTM_NEWLINK || hs[1].Type != unix.NLMSG_DONE {
		t.Errorf("dump: %v", hs)
	}
}

// Whatever is asked, nothing panics, and everything can be told afterwards.
func FuzzReceive(f *testing.F) {
	f.Add(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE, ifinfomsg{}.bytes(), veth("a", "b")))
	f.Add(request(unix.RTM_SETLINK, 0, ifinfomsg{index: 1, flags: 1, change: 1}.bytes(), func(b *wire.Builder) { b.U32(unix.IFLA_MTU, 1000) }))
	f.Add(request(unix.RTM_NEWADDR, unix.NLM_F_CREATE, ifaddrmsg{unix.AF_INET6, 64, 0, 0, 1}.bytes(), func(b *wire.Builder) { b.Addr(unix.IFA_ADDRESS, netip.MustParseAddr("fd00::1")) }))
	f.Add(request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, rtmsg{unix.AF_INET, 8, 0, 0, 254, 4, 253, 1, 0}.bytes(), func(b *wire.Builder) {
		b.Addr(unix.RTA_DST, netip.MustParseAddr("10.0.0.0"))
		n := b.Nest(unix.RTA_MULTIPATH)
		b.Append(8, 0, 0, 0, 1, 0, 0, 0)
		b.Close(n)
		m := b.Nest(unix.RTA_METRICS)
		b.U32(unix.RTAX_MTU, 1400)
		b.Close(m)
	}))
	f.Add(request(unix.RTM_GETROUTE, 0, rtmsg{family: unix.AF_INET, dstLen: 32}.bytes(), func(b *wire.Builder) { b.Addr(unix.RTA_DST, netip.MustParseAddr("127.0.0.1")) }))
	f.Add(request(unix.RTM_NEWRULE, unix.NLM_F_CREATE, []byte{2, 8, 8, 0, 254, 0, 0, 1, 0, 0, 0, 0}, func(b *wire.Builder) {
		b.Addr(fraSrc, netip.MustParseAddr("10.0.0.0"))
		b.Addr(fraDst, netip.MustParseAddr("11.0.0.0"))
		b.Attr(fraUIDRange, make([]byte, 8))
	}))
	f.Add(request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE, []byte{2, 0, 0, 0, 1, 0, 0, 0, 128, 0, 0, 1}, func(b *wire.Builder) {
		b.Addr(unix.NDA_DST, netip.MustParseAddr("10.0.0.9"))
		b.Attr(unix.NDA_LLADDR, make([]byte, 6))
	}))
	f.Add(request(unix.RTM_GETNETCONF, 0, []byte{2}, func(b *wire.Builder) { b.U32(netconfIndex, 1) }))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 8192 {
			return
		}
		x := newFixture(t)
		_ = x.sock.SetOption(x.task, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, socket.IntValue(int32(len(in)&1)))
		x.send(in)
		x.recv(x.sock)
		for _, typ := range []uint16{unix.RTM_GETLINK, unix.RTM_GETADDR, unix.RTM_GETROUTE, unix.RTM_GETRULE, unix.RTM_GETNEIGH, unix.RTM_GETQDISC} {
			x.send(request(typ, unix.NLM_F_DUMP, make([]byte, 20), nil))
			x.recv(x.sock)
		}
	})
}
