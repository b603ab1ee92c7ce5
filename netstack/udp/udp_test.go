package udp

import (
	"bytes"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

var pool buffer.Pool

func TestCheck(t *testing.T) {
	make := func(length, size int, sum uint16) *buffer.Packet {
		p := pool.NewPacket(pool.CopyIn(bytes.Repeat([]byte{1}, size))...)
		Prepend(p, 1000, 2000)
		h := header.UDP(p.Head())
		h[4], h[5] = byte(length>>8), byte(length)
		h.SetChecksum(sum)
		return p
	}
	for name, c := range map[string]struct {
		p    *buffer.Packet
		v6   bool
		sum  uint16
		want Verdict
		len  int
	}{
		"good":                {make(18, 10, 7), false, 0xffff, Good, 18},
		"bad checksum":        {make(18, 10, 7), false, 0x1234, BadChecksum, 0},
		"no checksum":         {make(18, 10, 0), false, 0, Good, 18},
		"no checksum in IPv6": {make(18, 10, 0), true, 0, BadChecksum, 0},
		"padded":              {make(12, 10, 7), false, 0xffff, Good, 12},
		"too long":            {make(19, 10, 7), false, 0xffff, Malformed, 0},
		"too short":           {make(7, 10, 7), false, 0xffff, Malformed, 0},
	} {
		_, v := Check(c.p, c.v6, func() uint16 { return c.sum })
		if v != c.want || v == Good && c.p.Len() != c.len {
			t.Errorf("%s: %d, %d bytes; want %d, %d", name, v, c.p.Len(), c.want, c.len)
		}
	}
}

// The header of UDP-Lite says what is covered, RFC 3828 section 3.1.
func TestCheckLite(t *testing.T) {
	for name, c := range map[string]struct {
		cover, size int
		sum, field  uint16
		want        Verdict
		covered     int
	}{
		"all":             {0, 10, 0xffff, 7, Good, 18},
		"all, said so":    {18, 10, 0xffff, 7, Good, 18},
		"a part":          {12, 10, 0xffff, 7, Good, 12},
		"the header":      {8, 10, 0xffff, 7, Good, 8},
		"less than that":  {7, 10, 0xffff, 7, BadChecksum, 0},
		"more than there": {19, 10, 0xffff, 7, Malformed, 0},
		"wrong":           {12, 10, 0x1234, 7, BadChecksum, 12},
		"none":            {0, 10, 0xffff, 0, BadChecksum, 0},
	} {
		p := pool.NewPacket(pool.CopyIn(bytes.Repeat([]byte{1}, c.size))...)
		Prepend(p, 1000, 2000)
		h := header.UDP(p.Head())
		h.SetLength(uint16(c.cover))
		h.SetChecksum(c.field)
		covered := 0
		_, v := CheckLite(p, func(n int) uint16 { covered = n; return c.sum })
		if v != c.want || covered != c.covered || p.Len() != c.size+header.UDPSize {
			t.Errorf("%s: %d, %d covered; want %d, %d", name, v, covered, c.want, c.covered)
		}
	}
}

// A datagram of many small pieces holds about what it is long.
func TestCorkHeld(t *testing.T) {
	held := &atomic.Int64{}
	pool := buffer.Pool{Held: held}
	var c Cork
	for range 60000 {
		if err := c.Add(pool.CopyIn([]byte("x")), 65507); err != nil {
			t.Fatal(err)
		}
	}
	if n := held.Load(); n > 2*60000 {
		t.Errorf("60000 bytes hold %d", n)
	}
	c.Drop()
	if n := held.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

func TestCorkAndCut(t *testing.T) {
	var c Cork
	c.Add(pool.CopyIn([]byte("abc")), 8)
	c.Add(pool.CopyIn([]byte("defgh")), 8)
	if err := c.Add(pool.CopyIn([]byte("x")), 8); err != unix.EMSGSIZE {
		t.Error(err)
	}
	var got []string
	for _, vs := range Cut(c.Take(), 3) {
		var s []byte
		for _, v := range vs {
			s = append(s, v.Bytes()...)
		}
		got = append(got, string(s))
	}
	if len(got) != 3 || got[0] != "abc" || got[1] != "def" || got[2] != "gh" {
		t.Error(got)
	}
}
