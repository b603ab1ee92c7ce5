package ptrace

import (
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// Where a test guest has its memory.
const (
	codeAddr  = 0x10000
	dataPage  = 0x20000 // not mapped by newGuest
	guestSize = 16 * pageSize
)

// guest is a task with one memfd for its memory.
type guest struct {
	t   *testing.T
	p   *Platform
	as  platform.AddressSpace
	ctx platform.Context
	ac  arch.Context
	fd  int
	mem []byte
}

func newPlatform(t testing.TB) *Platform {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// memory returns a memfd of guestSize bytes and a mapping of it.
func memory(t testing.TB) (int, []byte) {
	t.Helper()
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, guestSize); err != nil {
		t.Fatal(err)
	}
	mem, err := unix.Mmap(fd, 0, guestSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Munmap(mem)
		_ = unix.Close(fd)
	})
	return fd, mem
}

// newGuest returns a guest with code at codeAddr, about to run it.
func newGuest(t *testing.T, p *Platform, code ...byte) *guest {
	t.Helper()
	return newGuestOf(t, p, p, code...)
}

// newGuestOf is newGuest in a part of p.
func newGuestOf(t *testing.T, p *Platform, part platform.Platform, code ...byte) *guest {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	g := &guest{t: t, p: p}
	g.fd, g.mem = memory(t)
	copy(g.mem, code)
	as, err := part.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	g.as, g.ctx = as, p.NewContext()
	t.Cleanup(g.as.Release)
	t.Cleanup(g.ctx.Release)
	g.mapPage(codeAddr, 0, protRead|protExec)
	g.ac.Regs.Rip = codeAddr
	return g
}

func (g *guest) mapPage(addr uint64, off int64, prot platform.Prot) {
	g.t.Helper()
	if err := g.as.Map(addr, pageSize, g.fd, off, prot); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) run() platform.Event {
	g.t.Helper()
	ev, err := g.ctx.Switch(g.as, &g.ac)
	if err != nil {
		g.t.Fatal(err)
	}
	return ev
}

// want runs the guest and expects an event.
func (g *guest) want(want platform.Event) {
	g.t.Helper()
	if got := g.run(); got != want {
		g.t.Fatalf("event %+v at %#x, want %+v", got, g.ac.Regs.Rip, want)
	}
}

// wantSyscall runs the guest and expects a native call with number nr.
func (g *guest) wantSyscall(nr uint64) {
	g.t.Helper()
	g.want(platform.Event{Kind: platform.Syscall})
	if g.ac.Regs.OrigRax != nr {
		g.t.Fatalf("system call %d, want %d", g.ac.Regs.OrigRax, nr)
	}
}

// code puts pieces of machine code together.
func code(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// movEAX is mov $v, %eax.
func movEAX(v uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0xb8}, v) }

// Instructions.
var (
	insSyscall  = []byte{0x0f, 0x05}
	insInt80    = []byte{0xcd, 0x80}
	insSysenter = []byte{0x0f, 0x34}
	insInt3     = []byte{0xcc}
	insUD2      = []byte{0x0f, 0x0b}
	insJmpSelf  = []byte{0xeb, 0xfe}
	insLoad     = []byte{0x48, 0x8b, 0x03} // mov (%rbx), %rax
	insStore    = []byte{0x48, 0x89, 0x03} // mov %rax, (%rbx)
	insCallRBX  = []byte{0xff, 0xd3}       // call *%rbx
	insJmpRBX   = []byte{0xff, 0xe3}       // jmp *%rbx
	insDivZero  = []byte{0x31, 0xc9, 0xf7, 0xf1}
)
