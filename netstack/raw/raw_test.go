package raw

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

func TestHeader(t *testing.T) {
	src := netip.MustParseAddr("192.0.2.1")
	h := make(header.IPv4, 28)
	h[0] = 0x45
	if err := Header(h, len(h), src, 7); err != nil {
		t.Fatal(err)
	}
	if !h.Valid(len(h)) || !h.ChecksumValid() || h.SrcAddr() != src || h.ID() != 7 {
		t.Errorf("% x", []byte(h))
	}
	for _, first := range []byte{0x65, 0x44, 0x4f} {
		h[0] = first
		if err := Header(h, len(h), src, 7); err != unix.EINVAL {
			t.Errorf("%#x: %v", first, err)
		}
	}
}

func TestFilter(t *testing.T) {
	f := Filter{1 << 8, 0, 0, 0, 1 << 1}
	for typ, want := range map[uint8]bool{8: true, 0: false, 129: true, 128: false, 255: false} {
		if f.Blocks(typ) != want {
			t.Errorf("type %d: %v", typ, !want)
		}
	}
}
