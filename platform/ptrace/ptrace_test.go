package ptrace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

func TestSyscall(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(movEAX(39), insSyscall, insSyscall, insJmpSelf)...)
	r := &g.ac.Regs
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9, r.R15 = 1, 2, 3, 4, 5, 6, 15
	r.FsBase, r.GsBase = 0x1234000, 0x5678000
	g.wantSyscall(39)
	if got, want := g.ac.SyscallArgs(), (arch.Args{1, 2, 3, 4, 5, 6}); got != want {
		t.Errorf("arguments %v, want %v", got, want)
	}
	if r.Rip != codeAddr+7 || r.R15 != 15 || r.FsBase != 0x1234000 || r.GsBase != 0x5678000 {
		t.Errorf("registers %+v", *r)
	}
	// The result is the number of the next call.
	g.ac.SetReturn(0x40000001)
	g.wantSyscall(0x40000001) // an x32 number
	g.ac.RewindSyscall(12)
	g.wantSyscall(12)
}

func TestCompatEntriesAreSeen(t *testing.T) {
	p := newPlatform(t)
	g := newGuest(t, p, code(movEAX(20), insInt80, insInt3)...)
	g.want(platform.Event{Kind: platform.Syscall32})
	if g.ac.Regs.OrigRax != 20 || g.ac.Regs.Rip != codeAddr+7 {
		t.Errorf("int 0x80: registers %+v", g.ac.Regs)
	}
	g.ac.SetReturn(77)
	if ev := g.run(); ev.Kind != platform.Signal || ev.Signo != int32(unix.SIGTRAP) {
		t.Errorf("int3: %+v", ev)
	}
	if g.ac.Regs.Rax != 77 {
		t.Errorf("result %d, want 77: the host has run the call", g.ac.Regs.Rax)
	}
	// sysenter in 64-bit code enters Linux as a 32-bit call or raises a signal.
	g = newGuest(t, p, code(movEAX(20), insSysenter, insInt3)...)
	if ev := g.run(); ev.Kind != platform.Syscall32 && ev.Kind != platform.Signal && ev.Kind != platform.Fault {
		t.Errorf("sysenter: %+v", ev)
	}
}

func TestVsyscall(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insCallRBX, insInt3)...)
	g.mapPage(dataPage, pageSize, protRead|protWrite)
	g.ac.Regs.Rbx = 0xffffffffff600400 // time
	g.ac.Regs.Rsp = dataPage + 0x800
	ev := g.run()
	if ev.Kind == platform.Fault && ev.Addr == g.ac.Regs.Rbx {
		t.Skip("the host has no vsyscall page")
	}
	if ev.Kind != platform.Syscall || g.ac.Regs.OrigRax != unix.SYS_TIME {
		t.Fatalf("event %+v, call %d, want time", ev, int64(g.ac.Regs.OrigRax))
	}
	if g.ac.Regs.Rip != codeAddr+2 || g.ac.Regs.Rsp != dataPage+0x800 {
		t.Errorf("rip %#x rsp %#x: not returned to the caller", g.ac.Regs.Rip, g.ac.Regs.Rsp)
	}
	g.ac.SetReturn(4711)
	if g.run(); g.ac.Regs.Rax != 4711 {
		t.Errorf("time returned %d", g.ac.Regs.Rax)
	}
}

func TestFaults(t *testing.T) {
	const segv, bus = int32(unix.SIGSEGV), int32(unix.SIGBUS)
	read, write, exec := platform.Access{Read: true}, platform.Access{Write: true}, platform.Access{Exec: true}
	tests := []struct {
		name string
		code []byte
		rbx  uint64
		prot int // of the page at dataPage; -1: not mapped
		off  int64
		want platform.Event
	}{
		{"read hole", insLoad, dataPage + 8, -1, 0, platform.Event{Signo: segv, Code: 1, Access: read}},
		{"write hole", insStore, dataPage + 8, -1, 0, platform.Event{Signo: segv, Code: 1, Access: write}},
		{"write read-only", insStore, dataPage + 8, 1, 0, platform.Event{Signo: segv, Code: 2, Access: write}},
		{"read none", insLoad, dataPage + 8, 0, 0, platform.Event{Signo: segv, Code: 2, Access: read}},
		{"jump to hole", insJmpRBX, dataPage + 8, -1, 0, platform.Event{Signo: segv, Code: 1, Access: exec}},
		{"jump to data", insJmpRBX, dataPage + 8, 3, 0, platform.Event{Signo: segv, Code: 2, Access: exec}},
		{"behind end of file", insLoad, dataPage, 3, guestSize, platform.Event{Signo: bus, Code: 2, Access: read}},
		{"stub text", insStore, textAddr, -1, 0, platform.Event{Signo: segv, Code: 2, Access: write}},
		{"stub table", insStore, tableAddr, -1, 0, platform.Event{Signo: segv, Code: 2, Access: write}},
	}
	p := newPlatform(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuest(t, p, tt.code...)
			if tt.prot >= 0 {
				g.mapPage(dataPage, tt.off, platform.Prot(tt.prot))
			}
			g.ac.Regs.Rbx = tt.rbx
			tt.want.Kind, tt.want.Addr = platform.Fault, tt.rbx
			g.want(tt.want)
		})
	}
}

func TestExceptions(t *testing.T) {
	p := newPlatform(t)
	for _, tt := range []struct {
		name  string
		code  []byte
		signo unix.Signal
		want  int32
		addr  uint64
	}{
		{"ud2", insUD2, unix.SIGILL, 2, codeAddr},
		{"division", insDivZero, unix.SIGFPE, 1, codeAddr + 2},
		{"int3", insInt3, unix.SIGTRAP, 0x80, 0},
		{"hlt", []byte{0xf4}, unix.SIGSEGV, 0x80, 0},
	} {
		g := newGuest(t, p, tt.code...)
		ev := g.run()
		if ev.Kind != platform.Signal || ev.Signo != int32(tt.signo) || ev.Code != tt.want || ev.Addr != tt.addr {
			t.Errorf("%s: %+v, want %v code %d addr %#x", tt.name, ev, tt.signo, tt.want, tt.addr)
		}
	}
}

func TestSingleStep(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(movEAX(39), insSyscall, movEAX(40), insJmpSelf)...)
	const tf = 1 << 8
	g.ac.Regs.Eflags = tf
	step := platform.Event{Kind: platform.Signal, Signo: int32(unix.SIGTRAP), Code: 2}
	for _, want := range []struct {
		kind platform.EventKind
		rip  uint64
	}{{platform.Signal, 5}, {platform.Syscall, 7}, {platform.Signal, 12}} {
		ev := g.run()
		if ev.Kind != want.kind || g.ac.Regs.Rip != codeAddr+want.rip {
			t.Fatalf("event %+v at %#x, want kind %d at +%d", ev, g.ac.Regs.Rip, want.kind, want.rip)
		}
		if step.Addr = g.ac.Regs.Rip; ev.Kind == platform.Signal && ev != step {
			t.Errorf("event %+v, want %+v", ev, step)
		}
		if g.ac.Regs.Eflags&tf == 0 {
			t.Error("the trap flag is gone")
		}
	}
}

func TestMappings(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insLoad, insSyscall, insStore, insSyscall, insJmpSelf)...)
	binary.LittleEndian.PutUint64(g.mem[pageSize:], 0x1111)
	binary.LittleEndian.PutUint64(g.mem[2*pageSize:], 0x2222)
	g.mapPage(dataPage, pageSize, protRead)
	g.mapPage(dataPage, 2*pageSize, protRead) // in its place
	g.ac.Regs.Rbx = dataPage
	g.wantSyscall(0x2222)
	g.ac.SetReturn(0x3333)
	g.want(platform.Event{Kind: platform.Fault, Signo: 11, Code: 2, Addr: dataPage, Access: platform.Access{Write: true}})
	// A range with holes.
	if err := g.as.Protect(dataPage-8*pageSize, 16*pageSize, protRead|protWrite|protExec); err != nil {
		t.Fatal(err)
	}
	g.wantSyscall(0x3333)
	if got := binary.LittleEndian.Uint64(g.mem[2*pageSize:]); got != 0x3333 {
		t.Errorf("stored %#x", got)
	}
	if err := g.as.Unmap(0, maxAddress); err != nil {
		t.Fatal(err)
	}
	ev := g.run()
	if ev.Kind != platform.Fault || !ev.Access.Exec {
		t.Errorf("with nothing mapped: %+v", ev)
	}
	for _, bad := range []struct{ addr, length uint64 }{
		{1, pageSize}, {0, 0}, {0, 1}, {maxAddress, pageSize}, {0, maxAddress + pageSize}, {pageSize, ^uint64(pageSize) + 1},
	} {
		if err := g.as.Map(bad.addr, bad.length, g.fd, 0, protRead); err != unix.EINVAL {
			t.Errorf("Map(%#x, %#x): %v, want EINVAL", bad.addr, bad.length, err)
		}
	}
}

// TestMoreMappingsThanTheHostAllows has a guest use more than vm.max_map_count
// mappings, which the platform makes up for.
func TestMoreMappingsThanTheHostAllows(t *testing.T) {
	limit, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err != nil || n > 100_000 {
		t.Skip("the limit is too high to reach: ", string(limit))
	}
	g := newGuest(t, newPlatform(t), code(insLoad, insSyscall)...)
	const base = 1 << 32
	at := func(i int) uint64 { return base + uint64(i)*pageSize }
	for i := range 16 {
		binary.LittleEndian.PutUint64(g.mem[i*pageSize+8:], uint64(i))
	}
	offset := func(i int) int64 { return int64(i*7%16) * pageSize } // no two continue each other
	for i := range n + 100 {
		if err := g.as.Map(at(i), pageSize, g.fd, offset(i), protRead); err != nil {
			t.Fatal(err)
		}
	}
	check := func(i int) {
		g.ac.Regs.Rip, g.ac.Regs.Rbx = codeAddr, at(i)+8
		g.wantSyscall(uint64(offset(i) / pageSize))
	}
	for i := range 20 {
		check(i * (n + 99) / 19)
	}
	// What was changed while the host did not have it stays changed.
	if err := g.as.Unmap(at(5), pageSize); err != nil {
		t.Fatal(err)
	}
	if err := g.as.Protect(at(6), pageSize, 0); err != nil {
		t.Fatal(err)
	}
	for i, code := range map[int]int32{5: 1, 6: 2} {
		g.ac.Regs.Rip, g.ac.Regs.Rbx = codeAddr, at(i)
		g.want(platform.Event{Kind: platform.Fault, Signo: 11, Code: code, Addr: at(i), Access: platform.Access{Read: true}})
	}
	check(7)
}

func TestHostFailureIsSeen(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insSyscall, insLoad, insSyscall)...)
	g.mapPage(dataPage, pageSize, protRead)
	g.run()
	g.mapPage(dataPage+2*pageSize, pageSize, protRead)
	if err := g.as.Map(dataPage, pageSize, 1<<20, 0, protRead); err != nil {
		t.Fatal(err)
	}
	if err := g.as.Map(dataPage+pageSize, pageSize, g.fd, pageSize, protRead); err != nil {
		t.Fatal(err)
	}
	if _, err := g.ctx.Switch(g.as, &g.ac); !errors.Is(err, unix.EBADF) {
		t.Fatalf("mapping a descriptor that is not open: %v", err)
	}
	// What was there before is gone, and the mappings around it were made.
	g.ac.Regs.Rbx = dataPage
	g.want(platform.Event{Kind: platform.Fault, Signo: 11, Code: 1, Addr: dataPage, Access: platform.Access{Read: true}})
	for _, addr := range []uint64{dataPage + pageSize, dataPage + 2*pageSize} {
		g.ac.Regs.Rip, g.ac.Regs.Rbx = codeAddr+2, addr
		g.run()
		if g.ac.Regs.Rip != codeAddr+7 {
			t.Errorf("%#x is not mapped", addr)
		}
	}
}

func TestStubPagesAreUseless(t *testing.T) {
	p := newPlatform(t)
	for _, off := range []uint64{loopOff, loopCallOff - 2, parkOff} {
		g := newGuest(t, p, insJmpRBX...)
		g.mapPage(dataPage, pageSize, protRead|protWrite)
		// A call that the loop is allowed to make: mmap of the guest's memory.
		c := call{unix.SYS_MMAP, 0x40000, pageSize, 3, mapFlags, uint64(g.fd), 0}
		for i, v := range c {
			binary.LittleEndian.PutUint64(g.mem[pageSize+8*i:], v)
		}
		r := &g.ac.Regs
		r.Rbx = textAddr + off
		r.Rax, r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
		if off == loopOff { // jump with rbx at the table
			copy(g.mem, []byte{0x48, 0x87, 0xd9, 0xff, 0xe1}) // xchg %rbx, %rcx; jmp *%rcx
			r.Rcx, r.Rbp = dataPage, dataPage+callSize
		}
		if ev := g.run(); ev.Kind != platform.Syscall {
			t.Fatalf("offset %#x: %+v", off, ev)
		}
		g.ac.Regs.Rip, g.ac.Regs.Rbx = codeAddr, 0x40000
		copy(g.mem, insLoad)
		if ev := g.run(); ev.Kind != platform.Fault || ev.Addr != 0x40000 {
			t.Errorf("offset %#x: the guest made a host call: %+v", off, ev)
		}
	}
}

func TestInterrupt(t *testing.T) {
	g := newGuest(t, newPlatform(t), insJmpSelf...)
	for range 20 {
		go func() {
			time.Sleep(time.Millisecond)
			g.ctx.Interrupt()
		}()
		g.want(platform.Event{Kind: platform.Interrupted})
		if g.ac.Regs.Rip != codeAddr {
			t.Fatalf("rip %#x, want %#x", g.ac.Regs.Rip, codeAddr)
		}
	}
	g.ctx.Interrupt()
	g.ctx.Interrupt()
	g.want(platform.Event{Kind: platform.Interrupted})
	copy(g.mem, insSyscall)
	g.ac.Regs.Rax = 5
	g.wantSyscall(5)
}

func TestHostSignalsAreSwallowed(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insSyscall, insJmpSelf)...)
	g.run()
	pid := int(g.ctx.(*context).worker.tgid)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGSTOP, unix.SIGCONT, unix.SIGINT, unix.SIGCHLD, 64} {
		if err := unix.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(5*time.Millisecond, g.ctx.Interrupt)
	g.want(platform.Event{Kind: platform.Interrupted})
}

func TestFork(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insLoad, insSyscall, insJmpSelf)...)
	binary.LittleEndian.PutUint64(g.mem[pageSize:], 7)
	binary.LittleEndian.PutUint64(g.mem[2*pageSize:], 8)
	g.mapPage(dataPage, pageSize, protRead)
	g.ac.Regs.Rbx = dataPage
	child, err := g.as.(platform.Forker).Fork()
	if err != nil {
		t.Fatal(err)
	}
	// What the parent does next is not seen in the child.
	g.mapPage(dataPage, 2*pageSize, protRead)
	twin := *g
	twin.as, twin.ctx = child, g.p.NewContext()
	twin.wantSyscall(7)
	g.wantSyscall(8)
	// Protections are known in the child too.
	twin.ac.Regs.Rip = codeAddr
	if err := twin.as.Protect(dataPage, pageSize, 0); err != nil {
		t.Fatal(err)
	}
	twin.want(platform.Event{Kind: platform.Fault, Signo: 11, Code: 2, Addr: dataPage, Access: platform.Access{Read: true}})
	twin.ctx.Release()
	twin.as.Release()
}

func TestTwoContextsInOneAddressSpace(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insStore, insJmpSelf)...)
	g.mapPage(dataPage, pageSize, protRead|protWrite)
	g.ac.Regs.Rbx, g.ac.Regs.Rax = dataPage, 1
	other := *g
	other.ctx = g.p.NewContext()
	other.ac.Regs.Rip = codeAddr
	copy(other.mem[0x100:], code([]byte{0x48, 0xff, 0x03}, insLoad, []byte{0xeb, 0xf8})) // loop: inc (%rbx); load; jmp loop
	other.ac.Regs.Rip = codeAddr + 0x100
	done := make(chan platform.Event)
	go func() {
		ev, _ := other.ctx.Switch(other.as, &other.ac)
		done <- ev
		other.ctx.Release()
	}()
	for binary.LittleEndian.Uint64(g.mem[pageSize:]) < 1000 {
		time.Sleep(time.Millisecond)
	}
	// The mapping goes away under the running thread.
	if err := g.as.Unmap(dataPage, pageSize); err != nil {
		t.Fatal(err)
	}
	before := binary.LittleEndian.Uint64(g.mem[pageSize:])
	if ev := <-done; ev.Kind != platform.Fault || ev.Addr != dataPage {
		t.Errorf("running thread: %+v", ev)
	}
	if after := binary.LittleEndian.Uint64(g.mem[pageSize:]); after != before {
		t.Error("guest code used a mapping after Unmap had returned")
	}
}

func TestFPU(t *testing.T) {
	// movdqu (%rbx), %xmm7; syscall; movdqu %xmm7, 16(%rbx); syscall
	g := newGuest(t, newPlatform(t), code(
		[]byte{0xf3, 0x0f, 0x6f, 0x3b}, insSyscall,
		[]byte{0xf3, 0x0f, 0x7f, 0x7b, 0x10}, insSyscall)...)
	g.mapPage(dataPage, pageSize, protRead|protWrite)
	data := g.mem[pageSize:]
	for i := range 16 {
		data[i] = byte(i + 1)
	}
	g.ac.Regs.Rbx = dataPage
	g.run()
	if err := g.ctx.SaveFPU(&g.ac); err != nil {
		t.Fatal(err)
	}
	const xmm7 = 160 + 7*16
	if got := g.ac.FPU.Area[xmm7 : xmm7+16]; !bytes.Equal(got, data[:16]) {
		t.Fatalf("saved xmm7 % x", got)
	}
	// A clone in another address space continues with the same state.
	other := *g
	var err error
	if other.as, err = g.p.NewAddressSpace(); err != nil {
		t.Fatal(err)
	}
	defer other.as.Release()
	other.ac, other.ctx = g.ac.Fork(), g.p.NewContext()
	defer other.ctx.Release()
	other.mapPage(codeAddr, 0, protRead|protExec)
	other.mapPage(dataPage, pageSize, protRead|protWrite)
	other.run()
	if !bytes.Equal(data[16:32], data[:16]) {
		t.Errorf("clone stored % x", data[16:32])
	}
	// A changed image is loaded, garbage in it notwithstanding.
	for i := range g.ac.FPU.Area {
		g.ac.FPU.Area[i] ^= 0xa5
	}
	// But for the protection keys, whose garbage takes the memory away.
	binary.LittleEndian.PutUint64(g.ac.FPU.Area[512:], ^uint64(pkru))
	want := bytes.Clone(g.ac.FPU.Area[xmm7 : xmm7+16])
	g.ac.FPU.Dirty = true
	g.run()
	if !bytes.Equal(data[16:32], want) {
		t.Errorf("stored % x, want % x", data[16:32], want)
	}
}

// TestProtectionKeys: guest code that denies itself all data by WRPKRU gets the
// fault that follows, and is in nobody's way.
func TestProtectionKeys(t *testing.T) {
	if hasKeys() == 0 {
		t.Skip("no protection keys")
	}
	// mov $3, %eax; xor %ecx, %ecx; xor %edx, %edx; wrpkru; syscall; load; rdpkru; syscall
	g := newGuest(t, newPlatform(t), code(
		[]byte{0xb8, 0x03, 0x00, 0x00, 0x00, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef}, insSyscall,
		insLoad, []byte{0x0f, 0x01, 0xee}, insSyscall)...)
	g.wantSyscall(3)
	g.mapPage(dataPage, pageSize, protRead) // a host call of the worker's
	g.ac.SetReturn(0)
	g.ac.Regs.Rbx = dataPage
	const pkuerr = 4 // SEGV_PKUERR
	g.want(platform.Event{Kind: platform.Signal, Signo: int32(unix.SIGSEGV), Code: pkuerr, Addr: dataPage})
	g.ac.Regs.Rip += uint64(len(insLoad))
	g.ac.Regs.Rcx = 0
	g.run()
	if got := g.ac.Regs.OrigRax; got != 3 {
		t.Errorf("PKRU is %#x after a host call, want 3", got)
	}
}

func TestWideFPU(t *testing.T) {
	if arch.HostXState().Features&0xe0 != 0xe0 {
		t.Skip("no AVX-512")
	}
	g := newGuest(t, newPlatform(t), code(
		[]byte{0x62, 0xe1, 0xfe, 0x48, 0x6f, 0x3b},                                   // vmovdqu64 (%rbx), %zmm23
		[]byte{0xc4, 0xe1, 0xf8, 0x90, 0x1b},                                         // kmovq (%rbx), %k3
		insSyscall,                                                                   //
		[]byte{0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x7b, 0x01},                             // vmovdqu64 %zmm23, 64(%rbx)
		[]byte{0xc4, 0xe1, 0xf8, 0x91, 0x9b, 0x80, 0x00, 0x00, 0x00}, insSyscall)...) // kmovq %k3, 128(%rbx)
	g.mapPage(dataPage, pageSize, protRead|protWrite)
	data := g.mem[pageSize:]
	for i := range 64 {
		data[i] = byte(i + 1)
	}
	g.ac.Regs.Rbx = dataPage
	g.wantSyscall(0)
	g.ac.SetReturn(0)
	g.wantSyscall(0)
	if !bytes.Equal(data[64:128], data[:64]) || !bytes.Equal(data[128:136], data[:8]) {
		t.Errorf("stored % x", data[64:136])
	}
}
