package ipv4

import (
	"math/bits"
	"net/netip"
	"sync/atomic"
)

// IDs chooses the identifications of packets: counters by destination, so that
// nobody learns from his own how many packets others are sent.
type IDs struct {
	secret   uint64
	counters [1024]atomic.Uint32
}

// Seed makes the choice unpredictable.
func (s *IDs) Seed(random uint64) {
	s.secret = random
	for i := range s.counters {
		random = random*6364136223846793005 + 1442695040888963407
		s.counters[i].Store(uint32(random >> 33))
	}
}

// Next returns the first of n identifications for packets from src to dst.
func (s *IDs) Next(src, dst netip.Addr, proto uint8, n int) uint32 {
	a, b := src.As16(), dst.As16()
	h := s.secret ^ uint64(proto)
	for i := range a {
		h = (bits.RotateLeft64(h, 5) ^ uint64(a[i]) ^ uint64(b[i])<<8) * 0x9e3779b97f4a7c15
	}
	return s.counters[h>>54].Add(uint32(n)) - uint32(n) + uint32(h)
}
