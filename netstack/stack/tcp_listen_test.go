package stack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

func tune(t testing.TB, s *Stack, path, value string) {
	t.Helper()
	if err := s.SetTunable(path, value); err != nil {
		t.Fatal(path, err)
	}
}

func intOption(t testing.TB, x Socket, level, name int) int {
	t.Helper()
	b, err := x.Option(level, name, 4, nil)
	if err != nil || len(b) != 4 {
		t.Fatal(name, b, err)
	}
	return int(int32(binary.NativeEndian.Uint32(b)))
}

func setInt(x Socket, level, name, v int) error {
	return x.SetOption(level, name, binary.NativeEndian.AppendUint32(nil, uint32(v)), true, true)
}

// The accept queue takes one more than the backlog, as Linux's does; who finds it
// full waits, and gets in when there is room.
func TestTCPBacklog(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 1)
	var cs []*tcpSocket
	for range 4 {
		c := tcpSock(t, a, unix.AF_INET)
		c.Connect(at("10.0.0.2:80"))
		v.advance(100 * time.Millisecond)
		cs = append(cs, c)
	}
	open := 0
	for _, c := range cs {
		if c.Ready()&unix.EPOLLOUT != 0 {
			open++
		}
	}
	if open != 2 {
		t.Errorf("%d connections are open, the backlog is 1", open)
	}
	for range 4 {
		if _, _, err := l.Accept(); err != nil {
			v.advance(3 * time.Second) // a SYN comes again
			if _, _, err := l.Accept(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := b.tcpState.counters.ListenOverflows.Load(); n == 0 {
		t.Error("no overflow was counted")
	}
}

// With cookies nothing is kept of a SYN, and the connection has its options still.
func TestTCPSynCookies(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	tune(t, b, "ipv4/tcp_syncookies", "2")
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 16)
	c := tcpSock(t, a, unix.AF_INET)
	c.Connect(at("10.0.0.2:80"))
	v.advance(time.Second)
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := b.tcpState.counters.SyncookiesRecv.Load(); n != 1 {
		t.Errorf("%d cookies came back", n)
	}
	i := x.(*tcpSocket).conn.Info(v.Now())
	if !i.HasSACK || !i.HasTS || !i.HasWScale {
		t.Errorf("options were lost: %+v", i)
	}
	send(t, c, "hello")
	v.advance(time.Second)
	if got := recvAll(t, x, 10); got != "hello" {
		t.Errorf("%q", got)
	}
}

// A flood of SYNs from who never answers keeps others from nothing.
func TestTCPSynFlood(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	// Sources that do not exist: the SYN-ACKs wait for their neighbours.
	for i := range 2000 {
		x := tcpSock(t, a, unix.AF_INET)
		setInt(x, unix.SOL_IP, unix.IP_FREEBIND, 1)
		addr := at("10.0.0.9:1000")
		addr.AddrPort = netipAddrPort([4]byte{10, 0, 0, byte(20 + i%200)}, uint16(1000+i/200))
		if err := x.Bind(addr, true); err != nil {
			t.Fatal(err)
		}
		x.Connect(at("10.0.0.2:80"))
		v.advance(time.Millisecond)
		x.Close()
	}
	if n := len(l.listener.half); n == 0 || n > 8 {
		t.Errorf("%d half-open connections are kept", n)
	}
	c := tcpSock(t, a, unix.AF_INET)
	c.Connect(at("10.0.0.2:80"))
	v.advance(100 * time.Millisecond)
	if _, _, err := l.Accept(); err != nil {
		t.Error(err)
	}
}

func TestTCPListenerCloses(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	c := tcpSock(t, a, unix.AF_INET)
	c.Connect(at("10.0.0.2:80"))
	v.advance(time.Second)
	l.Close()
	v.advance(time.Second)
	if ev := c.Ready(); ev&(unix.EPOLLERR|unix.EPOLLHUP) != unix.EPOLLERR|unix.EPOLLHUP {
		t.Errorf("%x", ev)
	}
	if e := intOption(t, c, unix.SOL_SOCKET, unix.SO_ERROR); e != int(unix.ECONNRESET) {
		t.Errorf("error %d", e)
	}
	v.advance(2 * time.Minute)
	if n := len(b.tcp.buckets); n != 0 {
		t.Errorf("%d ports are taken", n)
	}
}

func TestTCPDeferAccept(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	if err := setInt(l, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 5); err != nil {
		t.Fatal(err)
	}
	c := tcpSock(t, a, unix.AF_INET)
	c.Connect(at("10.0.0.2:80"))
	v.advance(500 * time.Millisecond)
	if _, _, err := l.Accept(); err != unix.EAGAIN {
		t.Errorf("accepted before there is data: %v", err)
	}
	send(t, c, "x")
	v.advance(500 * time.Millisecond)
	if _, _, err := l.Accept(); err != nil {
		t.Error(err)
	}
}

func TestTCPTimeWaitReuse(t *testing.T) {
	v := newClock()
	_, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "127.0.0.1:80", 8)
	for range 3 {
		c := tcpSock(t, b, unix.AF_INET)
		setInt(c, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := c.Bind(at("127.0.0.1:5000"), true); err != nil {
			t.Fatal(err)
		}
		if err := c.Connect(at("127.0.0.1:80")); err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		v.advance(100 * time.Millisecond)
		x, _, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		v.advance(100 * time.Millisecond)
		x.Close()
		v.advance(2 * time.Second)
		if n := b.tcpState.waits.Load(); n != 1 {
			t.Errorf("%d in TIME_WAIT", n)
		}
	}
}

func TestTCPFastOpen(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	tune(t, a, "ipv4/tcp_fastopen", "3")
	tune(t, b, "ipv4/tcp_fastopen", "3")
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	if err := setInt(l, unix.SOL_TCP, unix.TCP_FASTOPEN, 5); err != nil {
		t.Fatal(err)
	}
	for i, taken := range []bool{false, true} {
		c := tcpSock(t, a, unix.AF_INET)
		to := at("10.0.0.2:80")
		n, err := c.Send(strings.NewReader("query"), 5, &SendMeta{To: &to, Flags: unix.MSG_FASTOPEN})
		if n != 5 || err != nil {
			t.Fatal(n, err)
		}
		v.advance(time.Second)
		x, _, err := l.Accept()
		if err != nil {
			t.Fatal(i, err)
		}
		if got := recvAll(t, x, 10); got != "query" {
			t.Errorf("%q", got)
		}
		if n := b.tcpState.counters.FastOpenPassive.Load(); (n == 1) != taken {
			t.Errorf("round %d: %d were taken", i, n)
		}
		send(t, x, "reply")
		v.advance(time.Second)
		if got := recvAll(t, c, 10); got != "reply" {
			t.Errorf("%q", got)
		}
	}
}

// As many connections as TCP_FASTOPEN says are there to accept before their
// handshake is complete; the data of the others have to come again. One that was
// reset counts for a minute still.
func TestTCPFastOpenQueue(t *testing.T) {
	v := newClock()
	s, w := wireStack(t, v)
	tune(t, s, "ipv4/tcp_fastopen", "514") // a server, and no cookies
	l := tcpListen(t, s, unix.AF_INET, "10.0.0.2:80", 64)
	if err := setInt(l, unix.SOL_TCP, unix.TCP_FASTOPEN, 2); err != nil {
		t.Fatal(err)
	}
	port := 1000
	syns := func(n int) (taken int) {
		for range n {
			port++
			w.segment(s, fmt.Sprint("10.0.0.1:", port), "10.0.0.2:80", header.TCPFields{Seq: 1, Flags: header.SYN}, "query", nil)
			if x, _, err := l.Accept(); err == nil {
				taken++
				t.Cleanup(func() { x.Close() })
			}
		}
		return taken
	}
	if n := syns(5); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	if n := s.tcpState.counters.FastOpenListenOverflow.Load(); n != 3 {
		t.Errorf("%d too many were counted, want 3", n)
	}
	w.segment(s, "10.0.0.1:1001", "10.0.0.2:80", header.TCPFields{Seq: 7, Flags: header.RST}, "", nil)
	if n := syns(1); n != 0 {
		t.Error("a reset made room at once")
	}
	v.advance(resetCounts + time.Second)
	if n := syns(3); n != 1 {
		t.Errorf("%d connections after a minute, want 1", n)
	}
}

func TestTCPReusePort(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	var ls []*tcpSocket
	for range 4 {
		l := tcpSock(t, b, unix.AF_INET)
		setInt(l, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		if err := l.Bind(at("10.0.0.2:80"), true); err != nil {
			t.Fatal(err)
		}
		if err := l.Listen(100); err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	for range 80 {
		c := tcpSock(t, a, unix.AF_INET)
		c.Connect(at("10.0.0.2:80"))
	}
	v.advance(time.Second)
	all := 0
	for i, l := range ls {
		n := 0
		for {
			if _, _, err := l.Accept(); err != nil {
				break
			}
			n++
		}
		if n < 5 {
			t.Errorf("listener %d got %d of 80", i, n)
		}
		all += n
	}
	if all != 80 {
		t.Errorf("%d of 80 were accepted", all)
	}
}

func TestTCPBindConflicts(t *testing.T) {
	v := newClock()
	_, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	x := tcpSock(t, b, unix.AF_INET)
	if err := x.Bind(at("10.0.0.2:80"), true); err != unix.EADDRINUSE {
		t.Error(err)
	}
	if err := x.Bind(at("0.0.0.0:80"), true); err != unix.EADDRINUSE {
		t.Error(err)
	}
	if err := x.Bind(at("127.0.0.1:80"), true); err != nil {
		t.Error(err)
	}
	if err := x.Bind(at("127.0.0.1:81"), true); err != unix.EINVAL {
		t.Error(err)
	}
	y := tcpSock(t, b, unix.AF_INET)
	if err := y.Bind(at("10.0.0.2:81"), false); err != unix.EACCES {
		t.Error(err)
	}
	if err := y.Bind(at("10.0.0.77:8100"), false); err != unix.EADDRNOTAVAIL {
		t.Error(err)
	}
	l.Close()
	if err := y.Bind(at("10.0.0.2:80"), true); err != nil {
		t.Error(err)
	}
}

func TestTCPSaveSyn(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 8)
	setInt(l, unix.SOL_TCP, tcpSaveSyn, 1)
	c := tcpSock(t, a, unix.AF_INET)
	c.Connect(at("10.0.0.2:80"))
	v.advance(time.Second)
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	syn, err := x.Option(unix.SOL_TCP, tcpSavedSyn, 200, nil)
	if err != nil || len(syn) < 40 || syn[0] != 0x45 || !bytes.Equal(syn[12:16], []byte{10, 0, 0, 1}) || syn[20+13] != 2 {
		t.Errorf("% x %v", syn, err)
	}
	if again, _ := x.Option(unix.SOL_TCP, tcpSavedSyn, 200, nil); len(again) != 0 {
		t.Error("it was given twice")
	}
}

// What nobody has is listed still, and can be ended.
func TestTCPListed(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	states := func(s *Stack) map[uint8]int {
		m := map[uint8]int{}
		for x := range s.Sockets(unix.AF_INET, unix.IPPROTO_TCP) {
			m[x.Info().State]++
		}
		return m
	}
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	c.Close()
	v.advance(time.Second)
	s.Close()
	v.advance(time.Second)
	if m := states(a); m[tcpTimeWait] != 1 || len(m) != 1 {
		t.Errorf("%v", m)
	}
	for x := range a.Sockets(unix.AF_INET, unix.IPPROTO_TCP) {
		if err := a.Abort(x); err != nil {
			t.Error(err)
		}
	}
	if m := states(a); len(m) != 0 || len(a.tcp.buckets) != 0 {
		t.Errorf("%v, %d ports", m, len(a.tcp.buckets))
	}
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:81", 8)
	setInt(l, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 5)
	d := tcpSock(t, a, unix.AF_INET)
	d.Connect(at("10.0.0.2:81"))
	v.advance(100 * time.Millisecond)
	if m := states(b); m[10] != 1 || m[3] != 1 {
		t.Errorf("%v", m)
	}
}
