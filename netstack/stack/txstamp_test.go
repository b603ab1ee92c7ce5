package stack

import (
	"bytes"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/dgram"
)

// nextStamp takes the next entry of the error queue, which must be a time stamp.
func nextStamp(t *testing.T, x Socket, kind, key uint32) string {
	t.Helper()
	var b bytes.Buffer
	m := RecvMeta{Flags: unix.MSG_ERRQUEUE}
	if _, err := x.Recv(&b, 2000, &m); err != nil {
		t.Fatal(err)
	}
	if e := m.Err; e == nil || e.Origin != dgram.OriginTimestamping || e.Errno != unix.ENOMSG || e.Info != kind || e.Data != key {
		t.Fatalf("%+v, want kind %d of %d", m.Err, kind, key)
	}
	if m.Received.IsZero() || m.Control&WantTimestamping == 0 {
		t.Errorf("no time: %v, %x", m.Received, m.Control)
	}
	return b.String()
}

func noStamp(t *testing.T, x Socket) {
	t.Helper()
	if _, err := x.Recv(io.Discard, 1, &RecvMeta{Flags: unix.MSG_ERRQUEUE}); err != unix.EAGAIN {
		t.Errorf("another one: %v", err)
	}
}

func stamping(t *testing.T, x Socket, flags int) {
	t.Helper()
	if err := x.SetOption(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, []byte{byte(flags), byte(flags >> 8), byte(flags >> 16), 0}, true, true); err != nil {
		t.Fatal(err)
	}
}

// When a datagram leaves is told by the error queue, with the frame that left.
func TestTxStampUDP(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	x, y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0), socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	_ = y.Bind(to("0.0.0.0:7"), true)
	stamping(t, x, tsTxSoftware|tsTxSched|tsSoftware|tsOptID)
	for key := range uint32(3) {
		sendTo(t, x, "hello", "10.0.0.2:7")
		wantRecv(t, y, "hello")
		nextStamp(t, x, stampScheduled, key)
		if s := nextStamp(t, x, stampSent, key); len(s) != 14+20+8+5 || s[42:] != "hello" {
			t.Errorf("what left is %q", s)
		}
		noStamp(t, x)
	}
	if ev := x.Ready(); ev&unix.EPOLLERR != 0 {
		t.Errorf("ready %x", ev)
	}
	// A control message asks for one send; the frame is not wanted.
	stamping(t, x, tsSoftware|tsOptTSOnly)
	sendTo(t, x, "none", "10.0.0.2:7")
	noStamp(t, x)
	d := to("10.0.0.2:7")
	if _, err := x.Send(bytes.NewReader(make([]byte, 4000)), 4000, &SendMeta{To: &d, TSFlags: tsTxSoftware, HasTS: true}); err != nil {
		t.Fatal(err)
	}
	if s := nextStamp(t, x, stampSent, 0); s != "" { // once, also in fragments
		t.Errorf("with %d bytes", len(s))
	}
	noStamp(t, x)
}

// Of a stream it is the last byte of a write that leaves and is acknowledged.
func TestTxStampTCP(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	fresh := tcpSock(t, a, unix.AF_INET)
	if err := fresh.SetOption(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, []byte{1 << 7, 0, 0, 0}, true, true); err != unix.EINVAL {
		t.Errorf("numbers of an unconnected stream: %v", err)
	}
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	send(t, c, "before")
	v.advance(time.Second)
	stamping(t, c, tsTxSoftware|tsTxAck|tsSoftware|tsOptID)
	for i := range uint32(3) {
		send(t, c, "0123456789")
		v.advance(time.Second)
		if ev := c.Ready(); ev&unix.EPOLLERR == 0 {
			t.Errorf("ready %x", ev)
		}
		if b := nextStamp(t, c, stampSent, 10*i+9); b != "0123456789" {
			t.Errorf("what left is %q", b)
		}
		nextStamp(t, c, stampAcked, 10*i+9)
		noStamp(t, c)
	}
	if got := recvAll(t, s, 100); len(got) != 36 {
		t.Errorf("%q", got)
	}
}

// A read tells when its last byte arrived.
func TestRxStampTCP(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, s := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	stamping(t, s, tsRxSoftware|tsSoftware)
	var sent []time.Time
	for range 3 {
		v.advance(time.Second)
		sent = append(sent, b.wall())
		send(t, c, "0123456789")
	}
	v.advance(time.Minute)
	for i, n := range []int{10, 5, 15} {
		m := RecvMeta{}
		if k, err := s.Recv(io.Discard, n, &m); k != n || err != nil {
			t.Fatal(k, err)
		}
		if m.Control&WantTimestamping == 0 || m.Received.Sub(sent[i]).Abs() > 100*time.Millisecond {
			t.Errorf("read %d: %v, sent %v", i, m.Received, sent[i])
		}
	}
	if s.arrivals != nil {
		t.Errorf("%d are remembered", len(s.arrivals))
	}
}
