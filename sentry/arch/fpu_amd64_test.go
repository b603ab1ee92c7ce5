package arch

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHostXState(t *testing.T) {
	x := HostXState()
	if x.Size < xsaveExtended || x.Size > 1<<16 {
		t.Errorf("size %d is not that of an XSAVE image", x.Size)
	}
	if x.Features&legacyFeatures != legacyFeatures {
		t.Errorf("features %#x lack x87 or SSE", x.Features)
	}
	if x.mxcsrMask&initialMXCSR != initialMXCSR {
		t.Errorf("MXCSR mask %#x excludes the initial value", x.mxcsrMask)
	}
}

func TestSanitizeFPU(t *testing.T) {
	if err := SanitizeFPU(make([]byte, 512)); err != unix.EINVAL {
		t.Errorf("a short image: %v, want EINVAL", err)
	}
	area := InitialFPU()
	for i := range area {
		area[i] = 0xff
	}
	if err := SanitizeFPU(area); err != nil {
		t.Fatal(err)
	}
	x := HostXState()
	if got := binary.LittleEndian.Uint32(area[xsaveMXCSR:]); got&^x.mxcsrMask != 0 {
		t.Errorf("MXCSR %#x has bits outside %#x", got, x.mxcsrMask)
	}
	if got := binary.LittleEndian.Uint64(area[xsaveHeader:]); got != x.Features {
		t.Errorf("features %#x, want %#x", got, x.Features)
	}
	for i := xsaveHeader + 8; i < xsaveExtended; i++ {
		if area[i] != 0 {
			t.Fatalf("header byte %d is %#x, want 0", i, area[i])
		}
	}
}
