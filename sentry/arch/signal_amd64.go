package arch

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A signal frame on amd64, from low addresses to high:
//
//	pretcode  8    where the handler returns to: SA_RESTORER's function
//	ucontext  304  uc_flags 8, uc_link 8, uc_stack 24, sigcontext 256, mask 8
//	siginfo   128
//	gap            up to the FPU image, which is aligned to 64 bytes
//	FPU image      XSAVE format with its size and magic in the software bytes
//	magic2    4
//
// rt_sigreturn(2) gets the first two and the image back, and everything in them
// is the guest's word: ParseFrame and LoadFPU take nothing from it that would
// give a task more than user mode.
const (
	frameSize     = 440
	frameUC       = 8
	ucStack       = frameUC + 16
	ucContext     = frameUC + 40
	ucMask        = ucContext + 256
	frameInfo     = ucMask + 8
	scFlags       = ucContext + 17*8
	scSelectors   = scFlags + 8
	scErr         = scSelectors + 8
	scTrapno      = scErr + 8
	scOldMask     = scTrapno + 8
	scCR2         = scOldMask + 8
	scFPState     = scCR2 + 8
	redZone       = 128
	fpuAlign      = 64
	fpMagic1      = 0x46505853
	fpMagic2      = 0x46505845
	fpMagic2Size  = 4
	fxImageSize   = 512
	swMagic1      = xsaveSoftware
	swExtended    = xsaveSoftware + 4
	swFeatures    = xsaveSoftware + 8
	swXStateSize  = xsaveSoftware + 16
	ucFPXState    = 1 // UC_FP_XSTATE
	ucSigSS       = 2 // UC_SIGCONTEXT_SS
	ucStrictSS    = 4 // UC_STRICT_RESTORE_SS
	userAddressTo = 1 << 47
)

// The flags register.
const (
	flagTF = 0x100
	flagDF = 0x400
	flagRF = 0x10000
	// flagsUser are those that a frame may set: AC OF DF TF SF ZF AF PF CF RF.
	flagsUser = 0x50dd5
)

// AltStack is stack_t.
type AltStack struct {
	SP    uint64
	Flags int32
	_     int32
	Size  uint64
}

// Contains reports whether sp is on the stack.
func (a AltStack) Contains(sp uint64) bool { return sp > a.SP && sp-a.SP <= a.Size }

// Trap is the fault that a signal stands for, as a sigcontext shows it.
type Trap struct{ No, Err, CR2 uint64 }

// Frame is what a signal frame is made of.
type Frame struct {
	Signo    int32
	Info     [128]byte
	Handler  uint64
	Restorer uint64
	Mask     uint64   // to be restored
	Stack    AltStack // what sigaltstack(2) would tell
	Switch   bool     // begin at the top of Stack
	Trap     Trap
}

// Piece is bytes that belong at an address.
type Piece struct {
	Addr  uint64
	Bytes []byte
}

// MinSignalStack is what a signal frame may need at most, AT_MINSIGSTKSZ.
func MinSignalStack() uint64 {
	const slack = fpuAlign - 1 + 16 + 8
	return uint64(redZone + frameSize + HostXState().Size + fpMagic2Size + slack)
}

// PushFrame makes c run the handler of f and returns the frame that is to be
// copied out first: if that fails c must not run. FPU must be current.
func (c *Context) PushFrame(f *Frame) ([2]Piece, bool) {
	sp := c.Regs.Rsp - redZone
	if f.Switch {
		sp = f.Stack.SP + f.Stack.Size
	}
	size := HostXState().Size
	fpAddr := (sp - uint64(size+fpMagic2Size)) &^ (fpuAlign - 1)
	addr := (fpAddr-frameSize)&^15 - 8
	if addr > fpAddr || fpAddr > sp || sp > userAddressTo {
		return [2]Piece{}, false // wrapped
	}
	if f.Switch && !f.Stack.Contains(addr) {
		return [2]Piece{}, false // the stack is too small
	}
	pieces := [2]Piece{{fpAddr, frameFPU(c.FPU.Area, size)}, {addr, c.frame(f, fpAddr)}}
	r := &c.Regs
	r.Rdi, r.Rsi, r.Rdx, r.Rax = uint64(f.Signo), addr+frameInfo, addr+frameUC, 0
	r.Rip, r.Rsp = f.Handler, addr
	r.Cs, r.Ss = userCS, userSS
	r.Eflags &^= flagDF | flagRF | flagTF
	r.OrigRax = ^uint64(0)
	c.FPU = FPU{Dirty: true} // a handler starts with the initial state
	return pieces, true
}

// frameFPU is the image with what tells sigreturn its size.
func frameFPU(area []byte, size int) []byte {
	b := make([]byte, size+fpMagic2Size)
	if len(area) == size {
		copy(b, area)
	} else {
		copy(b, InitialFPU())
	}
	le := binary.LittleEndian
	clear(b[xsaveSoftware:xsaveHeader])
	le.PutUint32(b[swMagic1:], fpMagic1)
	le.PutUint32(b[swExtended:], uint32(size+fpMagic2Size))
	le.PutUint64(b[swFeatures:], HostXState().Features)
	le.PutUint32(b[swXStateSize:], uint32(size))
	// x87 and SSE are always in the image, whatever the processor left out.
	le.PutUint64(b[xsaveHeader:], le.Uint64(b[xsaveHeader:])|legacyFeatures)
	le.PutUint32(b[size:], fpMagic2)
	return b
}

// order is the general registers as a sigcontext has them.
func (r *Registers) order() [17]*uint64 {
	return [17]*uint64{&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
		&r.Rdi, &r.Rsi, &r.Rbp, &r.Rbx, &r.Rdx, &r.Rax, &r.Rcx, &r.Rsp, &r.Rip}
}

func (c *Context) frame(f *Frame, fpAddr uint64) []byte {
	b := make([]byte, frameSize)
	le := binary.LittleEndian
	le.PutUint64(b, f.Restorer)
	le.PutUint64(b[frameUC:], ucFPXState|ucSigSS|ucStrictSS)
	le.PutUint64(b[ucStack:], f.Stack.SP)
	le.PutUint32(b[ucStack+8:], uint32(f.Stack.Flags))
	le.PutUint64(b[ucStack+16:], f.Stack.Size)
	for i, p := range c.Regs.order() {
		le.PutUint64(b[ucContext+8*i:], *p)
	}
	le.PutUint64(b[scFlags:], c.Regs.Eflags)
	le.PutUint16(b[scSelectors:], uint16(c.Regs.Cs))
	le.PutUint16(b[scSelectors+6:], uint16(c.Regs.Ss))
	le.PutUint64(b[scErr:], f.Trap.Err)
	le.PutUint64(b[scTrapno:], f.Trap.No)
	le.PutUint64(b[scOldMask:], f.Mask)
	le.PutUint64(b[scCR2:], f.Trap.CR2)
	le.PutUint64(b[scFPState:], fpAddr)
	le.PutUint64(b[ucMask:], f.Mask)
	copy(b[frameInfo:], f.Info[:])
	return b
}

// FrameAddr returns where the frame lies that a task in rt_sigreturn(2) means,
// and how much of it ParseFrame wants: the handler's return popped pretcode.
func (c *Context) FrameAddr() (addr uint64, size int) { return c.Regs.Rsp - 8, frameInfo }

// SavedFrame is what a frame gives back.
type SavedFrame struct {
	Regs  Registers // but for bases and data segments, which it does not hold
	Mask  uint64
	Stack AltStack
	FPU   uint64 // where the FPU image is, 0: the initial state
}

// ParseFrame reads a frame of FrameAddr's size. EFAULT if what it says cannot be
// the state of a user's task.
func ParseFrame(b []byte) (SavedFrame, error) {
	var s SavedFrame
	if len(b) < frameInfo {
		return s, unix.EFAULT
	}
	le := binary.LittleEndian
	for i, p := range s.Regs.order() {
		*p = le.Uint64(b[ucContext+8*i:])
	}
	if s.Regs.Rip >= userAddressTo {
		return s, unix.EFAULT
	}
	s.Regs.Eflags = le.Uint64(b[scFlags:])&flagsUser | flagsInit
	s.Regs.Cs, s.Regs.Ss = userCS, userSS
	s.Mask = le.Uint64(b[ucMask:])
	s.Stack = AltStack{SP: le.Uint64(b[ucStack:]), Flags: int32(le.Uint32(b[ucStack+8:])), Size: le.Uint64(b[ucStack+16:])}
	s.FPU = le.Uint64(b[scFPState:])
	return s, nil
}

// PopFrame makes s the state of c, outside of any system call.
func (c *Context) PopFrame(s *SavedFrame) {
	r := s.Regs
	r.FsBase, r.GsBase = c.Regs.FsBase, c.Regs.GsBase
	r.Ds, r.Es, r.Fs, r.Gs = c.Regs.Ds, c.Regs.Es, c.Regs.Fs, c.Regs.Gs
	r.OrigRax = ^uint64(0)
	c.Regs = r
}

// FrameFPUSize returns how many bytes are to be read at a frame's FPU pointer,
// from the first FrameFPUHead of them: the whole image and its magic, or no
// more than the head when it says nothing sensible of the rest.
func FrameFPUSize(head []byte) int {
	le := binary.LittleEndian
	size := uint64(le.Uint32(head[swXStateSize:]))
	extended := uint64(le.Uint32(head[swExtended:]))
	if le.Uint32(head[swMagic1:]) != fpMagic1 || size < xsaveExtended || size > uint64(HostXState().Size) || size > extended {
		return FrameFPUHead
	}
	return int(size) + fpMagic2Size
}

// FrameFPUHead is the size of the part that every FPU image has.
const FrameFPUHead = fxImageSize

// LoadFPU makes an image that was read from a frame the task's FPU state; nil is
// the initial state. As in Linux an image without its magic counts only as far
// as x87 and SSE go.
func (c *Context) LoadFPU(image []byte) {
	c.FPU = FPU{Dirty: true}
	if image == nil {
		return
	}
	le := binary.LittleEndian
	area := InitialFPU()
	n := len(image) - fpMagic2Size
	switch {
	case n >= xsaveExtended && n <= len(area) && le.Uint32(image[n:]) == fpMagic2:
		features := le.Uint64(image[swFeatures:])
		clear(area)
		copy(area, image[:n])
		le.PutUint64(area[xsaveHeader:], le.Uint64(area[xsaveHeader:])&features)
	default:
		copy(area[:fxImageSize], image)
		le.PutUint64(area[xsaveHeader:], legacyFeatures)
	}
	if SanitizeFPU(area) == nil {
		c.FPU.Area = area
	}
}
