package stack

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/dgram"
)

func netipAddrPort(ip [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(ip), port)
}

func TestTCPPeekAndTrunc(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	send(t, c, "hello world")
	v.advance(time.Second)
	var buf bytes.Buffer
	if n, err := s.Recv(&buf, 5, &RecvMeta{Flags: unix.MSG_PEEK}); n != 5 || err != nil || buf.String() != "hello" {
		t.Errorf("%d %v %q", n, err, buf.String())
	}
	if n, err := s.Recv(io.Discard, 6, &RecvMeta{Flags: unix.MSG_TRUNC}); n != 6 || err != nil {
		t.Error(n, err)
	}
	if got := recvAll(t, s, 100); got != "world" {
		t.Errorf("%q", got)
	}
}

func TestTCPUrgent(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	send(t, c, "abc")
	if n, err := c.Send(strings.NewReader("U"), 1, &SendMeta{Flags: unix.MSG_OOB}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	send(t, c, "def")
	v.advance(time.Second)
	if ev := s.Ready(); ev&unix.EPOLLPRI == 0 {
		t.Errorf("%x", ev)
	}
	if n, err := s.Ioctl(unix.TIOCINQ); n != 3 || err != nil {
		t.Error(n, err)
	}
	var oob bytes.Buffer
	m := &RecvMeta{Flags: unix.MSG_OOB}
	if n, err := s.Recv(&oob, 1, m); n != 1 || err != nil || oob.String() != "U" || m.Flags&unix.MSG_OOB == 0 {
		t.Errorf("%d %v %q", n, err, oob.String())
	}
	if got := recvAll(t, s, 100); got != "abc" {
		t.Errorf("%q before the mark", got)
	}
	if n, err := s.Ioctl(unix.SIOCATMARK); n != 1 || err != nil {
		t.Error(n, err)
	}
	if got := recvAll(t, s, 100); got != "def" {
		t.Errorf("%q after the mark", got)
	}
}

// An edge comes when there is room again, and only to who found none.
func TestTCPWriteEdges(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	var edges []uint32
	c.SetWake(func(ev uint32) { edges = append(edges, ev) })
	send(t, c, "x")
	v.advance(time.Second)
	recvAll(t, s, 1)
	if len(edges) != 0 {
		t.Errorf("edges %x though nobody waited", edges)
	}
	sent := 0
	block := bytes.Repeat([]byte{1}, 1<<20)
	for {
		n, err := c.Send(bytes.NewReader(block), len(block), nil)
		sent += n
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		v.advance(10 * time.Millisecond)
	}
	edges = nil
	if c.Ready()&unix.EPOLLOUT != 0 {
		t.Error("writable though it is full")
	}
	for got := 0; got < sent; {
		n, err := s.Recv(io.Discard, 1<<20, nil)
		if err == unix.EAGAIN {
			v.advance(10 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	v.advance(time.Second)
	out := 0
	for _, ev := range edges {
		if ev&unix.EPOLLOUT != 0 {
			out++
		}
	}
	if out == 0 {
		t.Errorf("no edge: %x", edges)
	}
	if c.Ready()&unix.EPOLLOUT == 0 {
		t.Error("not writable though it is empty")
	}
}

func TestTCPResetOnClose(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	send(t, c, "unread")
	v.advance(time.Second)
	s.Close()
	v.advance(time.Second)
	if _, err := c.Send(strings.NewReader("x"), 1, nil); err != unix.ECONNRESET {
		t.Error(err)
	}
	if _, err := c.Send(strings.NewReader("x"), 1, nil); err != unix.EPIPE {
		t.Error(err)
	}
	if n, err := c.Recv(io.Discard, 1, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestTCPLinger(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	c.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, []byte{1, 0, 0, 0, 0, 0, 0, 0}, false, false)
	if d := c.Close(); d != 0 {
		t.Error(d)
	}
	v.advance(time.Second)
	if e := intOption(t, s, unix.SOL_SOCKET, unix.SO_ERROR); e != int(unix.ECONNRESET) {
		t.Error(e)
	}
	c, s = tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:82")
	c.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, []byte{1, 0, 0, 0, 5, 0, 0, 0}, false, false)
	if d := c.Close(); d != 5*time.Second {
		t.Error(d)
	}
	v.advance(time.Second)
	if n, err := s.Recv(io.Discard, 1, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestTCPZeroCopy(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, _ := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	setInt(c, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1)
	for range 3 {
		if _, err := c.Send(strings.NewReader("data"), 4, &SendMeta{Flags: unix.MSG_ZEROCOPY}); err != nil {
			t.Fatal(err)
		}
	}
	v.advance(time.Second)
	if c.Ready()&unix.EPOLLERR == 0 {
		t.Error("no completion")
	}
	m := &RecvMeta{Flags: unix.MSG_ERRQUEUE}
	if _, err := c.Recv(io.Discard, 0, m); err != nil || m.Err == nil {
		t.Fatal(err)
	}
	if e := m.Err; e.Origin != dgram.OriginZeroCopy || e.Info != 0 || e.Data != 2 || e.Errno != 0 {
		t.Errorf("%+v", e)
	}
	if _, err := c.Recv(io.Discard, 0, &RecvMeta{Flags: unix.MSG_ERRQUEUE}); err != unix.EAGAIN {
		t.Error(err)
	}
}

// A user whose memory faults gets what was copied before, or the fault.
func TestTCPFaults(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	bad := &faulty{left: 0}
	if n, err := c.Send(bad, 10, nil); n != 0 || err != unix.EFAULT {
		t.Error(n, err)
	}
	bad.left = 4
	if n, err := c.Send(bad, 10, nil); n != 4 || err != nil {
		t.Error(n, err)
	}
	v.advance(time.Second)
	if n, err := s.Recv(&faulty{}, 10, nil); n != 0 || err != unix.EFAULT {
		t.Error(n, err)
	}
	if got := recvAll(t, s, 10); got != "\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

type faulty struct{ left int }

func (f *faulty) Read(b []byte) (int, error) {
	n := min(f.left, len(b))
	f.left -= n
	clear(b[:n])
	if n < len(b) {
		return n, unix.EFAULT
	}
	return n, nil
}

func (f *faulty) Write(b []byte) (int, error) { return 0, unix.EFAULT }

func TestTCPErrnos(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x := tcpSock(t, a, unix.AF_INET)
	if ev := x.Ready(); ev != unix.EPOLLOUT|unix.EPOLLWRNORM|unix.EPOLLHUP {
		t.Errorf("a new socket: %x", ev)
	}
	if _, err := x.Recv(io.Discard, 1, nil); err != unix.ENOTCONN {
		t.Error(err)
	}
	if _, err := x.Send(strings.NewReader("x"), 1, nil); err != unix.EPIPE {
		t.Error(err)
	}
	if err := x.Shutdown(unix.SHUT_WR); err != unix.ENOTCONN {
		t.Error(err)
	}
	if _, err := x.Peer(); err != unix.ENOTCONN {
		t.Error(err)
	}
	if _, _, err := x.Accept(); err != unix.EINVAL {
		t.Error(err)
	}
	if err := x.Connect(at("192.0.2.1:1")); err != unix.ENETUNREACH {
		t.Error(err)
	}
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	if err := c.Connect(at("10.0.0.2:80")); err != unix.EISCONN {
		t.Error(err)
	}
	if err := c.Listen(1); err != unix.EINVAL {
		t.Error(err)
	}
	if err := c.Connect(Address{Unspec: true}); err != nil {
		t.Error(err)
	}
	v.advance(time.Second)
	if e := intOption(t, s, unix.SOL_SOCKET, unix.SO_ERROR); e != int(unix.ECONNRESET) {
		t.Error(e)
	}
	if a.Abort(c) != unix.EOPNOTSUPP {
		t.Error("an unconnected socket was aborted")
	}
	if errors.Is(a.Abort(s), unix.ECONNABORTED) {
		t.Error("abort")
	}
}

func TestTCPOptions(t *testing.T) {
	v := newClock()
	a, _ := pair(t, v)
	x := tcpSock(t, a, unix.AF_INET)
	for _, k := range []struct {
		name, at, want int // want: what getsockopt says; at: what is set
	}{
		{unix.TCP_NODELAY, 1, 1}, {unix.TCP_CORK, 1, 1}, {unix.TCP_MAXSEG, 1000, 1000}, {unix.TCP_KEEPIDLE, 30, 30},
		{unix.TCP_KEEPINTVL, 5, 5}, {unix.TCP_KEEPCNT, 4, 4}, {unix.TCP_SYNCNT, 3, 3}, {unix.TCP_LINGER2, 10, 10},
		{unix.TCP_LINGER2, -1, -1}, {unix.TCP_DEFER_ACCEPT, 1, 1}, {unix.TCP_DEFER_ACCEPT, 5, 7}, {unix.TCP_USER_TIMEOUT, 1500, 1500},
		{unix.TCP_QUICKACK, 0, 0}, {unix.TCP_FASTOPEN, 5, 5}, {tcpFastOpenConnect, 1, 1}, {tcpNotSentLowat, 16384, 16384},
		{tcpSaveSyn, 1, 1}, {tcpInq, 1, 1}, {unix.TCP_THIN_LINEAR_TIMEOUTS, 1, 1}, {unix.TCP_WINDOW_CLAMP, 100000, 100000},
	} {
		if err := setInt(x, unix.SOL_TCP, k.name, k.at); err != nil {
			t.Errorf("option %d: %v", k.name, err)
		}
		if got := intOption(t, x, unix.SOL_TCP, k.name); got != k.want {
			t.Errorf("option %d is %d, not %d", k.name, got, k.want)
		}
	}
	for _, k := range []struct{ name, v int }{
		{unix.TCP_MAXSEG, 10}, {unix.TCP_MAXSEG, 40000}, {unix.TCP_KEEPIDLE, 0}, {unix.TCP_KEEPIDLE, 32768}, {unix.TCP_KEEPINTVL, 0},
		{unix.TCP_KEEPCNT, 128}, {unix.TCP_SYNCNT, 0}, {unix.TCP_USER_TIMEOUT, -1}, {tcpInq, 2}, {tcpSaveSyn, 3},
	} {
		if err := setInt(x, unix.SOL_TCP, k.name, k.v); err != unix.EINVAL {
			t.Errorf("option %d = %d: %v", k.name, k.v, err)
		}
	}
	if err := x.SetOption(unix.SOL_TCP, unix.TCP_CONGESTION, []byte("nonesuch"), true, true); err != unix.ENOENT {
		t.Error(err)
	}
	if err := x.SetOption(unix.SOL_TCP, unix.TCP_CONGESTION, []byte("bbr"), true, true); err != nil {
		t.Error(err)
	}
	if b, _ := x.Option(unix.SOL_TCP, unix.TCP_CONGESTION, 16, nil); !bytes.HasPrefix(b, []byte("bbr\x00")) {
		t.Errorf("%q", b)
	}
	if err := x.SetOption(unix.SOL_TCP, tcpULP, []byte("tls"), true, true); err != unix.ENOENT {
		t.Error(err)
	}
	if b, err := x.Option(unix.SOL_TCP, unix.TCP_INFO, 1000, nil); err != nil || len(b) < 232 || b[0] != 7 {
		t.Errorf("TCP_INFO: %d bytes, %v", len(b), err)
	}
	if err := setInt(x, unix.SOL_TCP, 999, 1); err != unix.ENOPROTOOPT {
		t.Error(err)
	}
}

// Peers that never read, and senders that leave holes, hold no more memory than
// tcp_mem allows, whatever their buffers are; the others go on.
func TestTCPMemory(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	const limit = 400 * pageSize
	for _, s := range []*Stack{a, b} {
		tune(t, s, "ipv4/tcp_mem", "100 200 400")
	}
	l := tcpListen(t, b, unix.AF_INET, "10.0.0.2:80", 100)
	block := make([]byte, 64<<10)
	var cs []*tcpSocket
	for range 40 {
		c := tcpSock(t, a, unix.AF_INET)
		c.Connect(at("10.0.0.2:80"))
		v.advance(10 * time.Millisecond)
		for range 20 {
			c.Send(bytes.NewReader(block), len(block), nil)
			v.advance(time.Millisecond)
		}
		cs = append(cs, c)
	}
	v.advance(time.Second)
	if n := a.tcpState.memory.Load(); n > limit+40*int64(len(block)) {
		t.Errorf("senders hold %d bytes", n)
	}
	if n := b.tcpState.memory.Load(); n > limit+40*64<<10 {
		t.Errorf("receivers hold %d bytes", n)
	}
	x, _, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for range 100 {
		n, err := x.Recv(io.Discard, 1<<20, nil)
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		got += n
		v.advance(time.Second)
	}
	if got < len(block) {
		t.Errorf("%d bytes were read", got)
	}
	for _, c := range cs {
		c.Close()
	}
	l.Close()
	x.Close()
	v.advance(20 * time.Minute)
	if n, m := a.tcpState.memory.Load(), b.tcpState.memory.Load(); n != 0 || m != 0 {
		t.Errorf("%d and %d bytes are still held", n, m)
	}
}
