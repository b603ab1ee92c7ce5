package icmp

import (
	"net/netip"
	"testing"
)

func TestLimiter(t *testing.T) {
	l := NewLimiter(1000, 50)
	a := netip.MustParseAddr("192.0.2.1")
	count := func(now, interval int64, n int) (sent int) {
		for range n {
			if l.Allow(now, a, interval) {
				sent++
			}
		}
		return sent
	}
	if n := count(1, 0, 1000); n != 50 {
		t.Errorf("%d in a burst, want 50", n)
	}
	if n := count(1+1e6, 0, 10); n != 1 {
		t.Errorf("%d a millisecond later, want 1", n)
	}
	if n := count(5e9, 1e9, 100); n != 6 {
		t.Errorf("%d to one peer, want 6", n)
	}
	if n := count(6e9, 1e9, 100); n != 1 {
		t.Errorf("%d a second later, want 1", n)
	}
	for i := range 5000 {
		l.Allow(int64(10e9+i), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1e9)
	}
	if len(l.peers) > maxPeers {
		t.Errorf("%d peers are kept", len(l.peers))
	}
}
