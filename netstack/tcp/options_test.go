package tcp

import (
	"bytes"
	"net/netip"
	"testing"

	"hull/netstack/header"
)

// Options are found wherever they stand, whatever stands between them.
func TestOptionsAnywhere(t *testing.T) {
	for _, k := range []struct {
		name string
		b    []byte
		ok   bool
		mss  uint16
		sack bool
	}{
		{"in order", []byte{2, 4, 5, 180, 4, 2}, true, 1460, true},
		{"not aligned", []byte{1, 2, 4, 5, 180, 1, 1, 4, 2}, true, 1460, true},
		{"unknown ones between", []byte{99, 5, 1, 2, 3, 2, 4, 5, 180, 200, 2, 4, 2}, true, 1460, true},
		{"a known one of a wrong length", []byte{2, 5, 5, 180, 0, 4, 2}, true, 0, true},
		{"a length of 0", []byte{4, 2, 99, 0, 2, 4, 5, 180}, false, 0, true},
		{"a length of 1", []byte{4, 2, 99, 1, 2, 4, 5, 180}, false, 0, true},
		{"a length beyond the end", []byte{4, 2, 2, 40, 5, 180}, false, 0, true},
		{"nothing after the end", []byte{4, 2, 0, 2, 4, 5, 180}, true, 0, true},
		{"a kind without length at the end", []byte{4, 2, 2}, false, 0, true},
	} {
		o, ok := header.ParseTCPOptions(k.b)
		if ok != k.ok || o.MSS != k.mss || o.SACKPermitted != k.sack {
			t.Errorf("%s: %+v %v", k.name, o, ok)
		}
	}
}

// Every option that is written has its length, and all of them fill whole words.
func TestOptionsWritten(t *testing.T) {
	for _, o := range []header.TCPOptions{
		{MSS: 1460, HasMSS: true, SACKPermitted: true, HasTS: true, HasWScale: true, WScale: 7},
		{HasMSS: true, MSS: 536}, {SACKPermitted: true}, {HasWScale: true},
		{HasTS: true, NSACK: 4}, {HasFastOpen: true, FastOpen: []byte("abcdef")},
	} {
		b := o.Append(nil)
		if len(b)%4 != 0 || len(b) > header.TCPMaxOptions {
			t.Errorf("%+v: %d bytes", o, len(b))
		}
		if back, ok := header.ParseTCPOptions(b); !ok || back.MSS != o.MSS || back.SACKPermitted != o.SACKPermitted || !bytes.Equal(back.FastOpen, o.FastOpen) {
			t.Errorf("%+v came back as %+v", o, back)
		}
	}
}

// The initial sequence number follows a clock, from a start that differs by the
// addresses and cannot be told from outside (RFC 6528).
func TestInitialSequenceNumbers(t *testing.T) {
	n := byte(0)
	fill := func(b []byte) {
		for i := range b {
			n++
			b[i] = n
		}
	}
	s, other := NewSecrets(fill), NewSecrets(fill)
	a, b := netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:80")
	c := netip.MustParseAddrPort("10.0.0.2:81")
	first := s.ISS(1e9, a, b)
	if d := s.ISS(1e9+4096*1000, a, b) - first; d != 1000 {
		t.Errorf("4 ms are %d", d)
	}
	if s.ISS(1e9, a, c) == first || s.ISS(1e9, b, a) == first || other.ISS(1e9, a, b) == first {
		t.Error("it does not differ")
	}
	if s.TSOffset(a.Addr(), b.Addr()) == other.TSOffset(a.Addr(), b.Addr()) {
		t.Error("the time stamps do not differ")
	}
}

// A cookie stands for its SYN for two minutes, and no other.
func TestCookies(t *testing.T) {
	s := NewSecrets(func(b []byte) { copy(b, "a secret of as many bytes as it takes, or more.") })
	x := newTrace(t, "ts")
	local, remote := netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("10.0.0.1:1000")
	syn := Segment{Seq: 77, Flags: header.SYN, Window: 1000}
	syn.Opt = header.TCPOptions{HasMSS: true, MSS: 1400, HasTS: true, TSVal: 5, SACKPermitted: true, HasWScale: true, WScale: 9}
	now := int64(1000e9)
	p := s.CookieSynAck(&x.cfg, now, &syn, local, remote)
	h := header.TCP(p.Head())
	opt, _ := header.ParseTCPOptions(h.Options())
	ack := Segment{Seq: 78, Ack: h.Seq() + 1, Flags: header.ACK, Window: 100}
	ack.Opt.HasTS, ack.Opt.TSVal, ack.Opt.TSEcr = true, 6, opt.TSVal
	c, ok := s.AcceptCookie(x.cfg, now+60e9, &ack, local, remote)
	if !ok {
		t.Fatal("the cookie is not taken")
	}
	c.Input(now+60e9, &ack)
	if i := c.Info(now); c.State() != Established || !i.HasSACK || i.SndScale != 9 || c.peerMSS != 1300 {
		t.Errorf("%v %+v", c.State(), i)
	}
	for name, bad := range map[string]func() (int64, Segment){
		"late":         func() (int64, Segment) { return now + 200e9, ack },
		"another ack":  func() (int64, Segment) { k := ack; k.Ack++; return now, k },
		"another seq":  func() (int64, Segment) { k := ack; k.Seq++; return now, k },
		"another MSS":  func() (int64, Segment) { k := ack; k.Ack ^= 1 << 24; return now, k },
		"another time": func() (int64, Segment) { k := ack; k.Ack ^= 1 << 27; return now, k },
	} {
		at, k := bad()
		if _, ok := s.AcceptCookie(x.cfg, at, &k, local, remote); ok {
			t.Errorf("%s: it is taken", name)
		}
	}
	if _, ok := s.AcceptCookie(x.cfg, now, &ack, local, netip.MustParseAddrPort("10.0.0.1:1001")); ok {
		t.Error("another port: it is taken")
	}
	p.Release()
}
