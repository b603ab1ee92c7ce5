package arch

import (
	"bytes"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	c := NewContext(0x401000, 0x7ffffff0)
	c.Regs.Rax, c.Regs.R15, c.Regs.FsBase = 42, 15, 0x1234
	c.FPU = FPU{Area: InitialFPU()}
	c.FPU.Area[160] = 7 // xmm0
	want := c.Regs
	area := append([]byte(nil), c.FPU.Area...)
	pieces, ok := c.PushFrame(&Frame{Signo: 10, Handler: 0x402000, Restorer: 0x403000, Mask: 5})
	if !ok || c.IP() != 0x402000 || c.Regs.Rdi != 10 || c.SP()%16 != 8 {
		t.Fatalf("handler state %+v, ok %v", c.Regs, ok)
	}
	if end := pieces[1].Addr + frameSize; end > pieces[0].Addr {
		t.Fatalf("the frame ends at %#x, behind its FPU image at %#x", end, pieces[0].Addr)
	}
	c.Regs.Rsp += 8 // ret
	addr, n := c.FrameAddr()
	if addr != pieces[1].Addr {
		t.Fatalf("sigreturn looks at %#x, the frame is at %#x", addr, pieces[1].Addr)
	}
	s, err := ParseFrame(pieces[1].Bytes[:n])
	if err != nil || s.Mask != 5 || s.FPU != pieces[0].Addr {
		t.Fatalf("parsed %+v, %v", s, err)
	}
	if got := FrameFPUSize(pieces[0].Bytes[:FrameFPUHead]); got != len(pieces[0].Bytes) {
		t.Fatalf("FPU size %d, want %d", got, len(pieces[0].Bytes))
	}
	c.PopFrame(&s)
	c.LoadFPU(pieces[0].Bytes)
	if c.Regs != want {
		t.Errorf("registers\n%+v, want\n%+v", c.Regs, want)
	}
	if !bytes.Equal(c.FPU.Area[:xsaveSoftware], area[:xsaveSoftware]) || !c.FPU.Dirty {
		t.Error("the FPU state did not come back")
	}
}

func TestForgedFrame(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, frameInfo)
	if _, err := ParseFrame(b); err == nil {
		t.Error("a kernel address was taken as instruction pointer")
	}
	clear(b[ucContext+16*8 : scFlags])
	s, err := ParseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.Regs.Cs != userCS || s.Regs.Ss != userSS || s.Regs.Eflags != flagsUser|flagsInit {
		t.Errorf("cs %#x ss %#x flags %#x", s.Regs.Cs, s.Regs.Ss, s.Regs.Eflags)
	}
}

func TestFrameOnTooSmallStack(t *testing.T) {
	c := NewContext(0, 0x7ffff000)
	if _, ok := c.PushFrame(&Frame{Switch: true, Stack: AltStack{SP: 0x1000, Size: 64}}); ok {
		t.Error("a frame fit 64 bytes")
	}
	c.Regs.Rsp = 100
	if _, ok := c.PushFrame(&Frame{}); ok {
		t.Error("a frame fit below address 100")
	}
}

func FuzzSignalFrame(f *testing.F) {
	f.Add(make([]byte, frameInfo), InitialFPU())
	f.Fuzz(func(t *testing.T, frame, image []byte) {
		c := NewContext(0, 0)
		if s, err := ParseFrame(frame); err == nil {
			c.PopFrame(&s)
			if c.Regs.Rip >= userAddressTo || c.Regs.Cs != userCS || c.Regs.Eflags&^(flagsUser|flagsInit) != 0 {
				t.Fatalf("privileged state: %+v", c.Regs)
			}
		}
		if len(image) < FrameFPUHead {
			return
		}
		n := FrameFPUSize(image[:FrameFPUHead])
		if n > len(image) {
			return
		}
		c.LoadFPU(image[:n])
		x := HostXState()
		if len(c.FPU.Area) != x.Size {
			t.Fatalf("an image of %d bytes", len(c.FPU.Area))
		}
	})
}
