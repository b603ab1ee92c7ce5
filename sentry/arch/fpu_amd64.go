package arch

import (
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"
)

// Offsets in an XSAVE image in the standard format.
const (
	xsaveMXCSR     = 24  // the SSE control word
	xsaveMXCSRMask = 28  // which of its bits exist
	xsaveSoftware  = 464 // 48 bytes the processor leaves to software
	xsaveHeader    = 512 // XSTATE_BV, XCOMP_BV, 48 reserved bytes
	xsaveExtended  = 576 // what the legacy area has no room for
)

// Values of the processor's initial state.
const (
	initialFCW   = 0x37f
	initialMXCSR = 0x1f80
	// legacyFeatures are x87 and SSE, which every image has.
	legacyFeatures = 0x3
	// amxFeatures are the tile registers and their configuration.
	amxFeatures = 3 << 17
	// defaultMXCSRMask is what a mask of zero means.
	defaultMXCSRMask = 0xffbf
)

// XState says what an XSAVE image on this machine looks like.
type XState struct {
	// Size is the size of an image in bytes.
	Size int
	// Features are the state components an image may hold: those in XCR0 but
	// for AMX, which Linux wants to be asked for (ARCH_REQ_XCOMP_PERM).
	Features uint64
	// mxcsrMask has the bits of MXCSR that may be set.
	mxcsrMask uint32
}

// HostXState describes the images of this machine.
func HostXState() XState { return hostXState() }

// hostXState asks the processor once: CPUID leaves a virtual machine, so it
// costs tens of microseconds there.
var hostXState = sync.OnceValue(func() XState {
	const osxsave = 1 << 27
	x := XState{Size: xsaveExtended, Features: legacyFeatures}
	if _, _, ecx, _ := cpuid(1, 0); ecx&osxsave != 0 {
		_, size, _, _ := cpuid(0xd, 0)
		lo, hi := xgetbv()
		x.Size = int(size)
		x.Features = (uint64(hi)<<32 | uint64(lo)) &^ amxFeatures
	}
	var legacy fxsaveArea
	fxsave(&legacy)
	x.mxcsrMask = binary.LittleEndian.Uint32(legacy.bytes()[xsaveMXCSRMask:])
	if x.mxcsrMask == 0 {
		x.mxcsrMask = defaultMXCSRMask
	}
	return x
})

// fxsaveArea has room for an FXSAVE image wherever it is placed: the
// instruction wants 16-byte alignment, which Go does not promise.
type fxsaveArea struct {
	raw   [512 + 16]byte
	start uintptr // where in raw the image begins; fxsave sets it
}

func (a *fxsaveArea) bytes() []byte { return a.raw[a.start:] }

// InitialFPU returns the image of a task that has not computed anything yet.
func InitialFPU() []byte {
	area := make([]byte, HostXState().Size)
	binary.LittleEndian.PutUint16(area, initialFCW)
	binary.LittleEndian.PutUint32(area[xsaveMXCSR:], initialMXCSR)
	binary.LittleEndian.PutUint64(area[xsaveHeader:], legacyFeatures)
	return area
}

// SanitizeFPU makes an image that came from the guest one that the processor
// takes: components that it lacks and reserved bits are cleared, as Linux does
// to a signal frame of a task. The only error is EINVAL, for a wrong size.
func SanitizeFPU(area []byte) error {
	x := HostXState()
	if len(area) != x.Size {
		return unix.EINVAL
	}
	mxcsr := binary.LittleEndian.Uint32(area[xsaveMXCSR:])
	binary.LittleEndian.PutUint32(area[xsaveMXCSR:], mxcsr&x.mxcsrMask)
	features := binary.LittleEndian.Uint64(area[xsaveHeader:])
	binary.LittleEndian.PutUint64(area[xsaveHeader:], features&x.Features)
	clear(area[xsaveHeader+8 : xsaveExtended])
	clear(area[xsaveSoftware:xsaveHeader])
	return nil
}

// cpuid, xgetbv and fxsave are the instructions of these names.
func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
func xgetbv() (lo, hi uint32)
func fxsave(area *fxsaveArea)
