package ptrace

import (
	"runtime"
	"testing"

	"hull/platform"
	"hull/sentry/arch"
)

// callLoop is a guest that calls getppid for ever.
var callLoop = code(movEAX(39), insSyscall, []byte{0xeb, 0xf7})

// benchSpace returns an address space with callLoop in it.
func benchSpace(b *testing.B, p *Platform) platform.AddressSpace {
	fd, mem := memory(b)
	copy(mem, callLoop)
	as, err := p.NewAddressSpace()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(as.Release)
	if err := as.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
		b.Fatal(err)
	}
	return as
}

// BenchmarkSwitch is one system call of one task.
func BenchmarkSwitch(b *testing.B) {
	p := newPlatform(b)
	as := benchSpace(b, p)
	ctx := p.NewContext()
	defer ctx.Release()
	var ac arch.Context
	ac.Regs.Rip = codeAddr
	b.ReportAllocs()
	for b.Loop() {
		ev, err := ctx.Switch(as, &ac)
		if err != nil || ev.Kind != platform.Syscall {
			b.Fatal(ev, err)
		}
		ac.SetReturn(1)
	}
}

// BenchmarkSwitchParallel has as many tasks as processors.
func BenchmarkSwitchParallel(b *testing.B) {
	p := newPlatform(b)
	b.RunParallel(func(pb *testing.PB) {
		runtime.LockOSThread()
		as := benchSpace(b, p)
		ctx := p.NewContext()
		defer ctx.Release()
		var ac arch.Context
		ac.Regs.Rip = codeAddr
		for pb.Next() {
			if ev, err := ctx.Switch(as, &ac); err != nil || ev.Kind != platform.Syscall {
				b.Error(ev, err)
				return
			}
			ac.SetReturn(1)
		}
	})
}

// BenchmarkFork is the host's part of fork and exit without running.
func BenchmarkFork(b *testing.B) {
	as := benchSpace(b, newPlatform(b))
	for b.Loop() {
		child, err := as.(platform.Forker).Fork()
		if err != nil {
			b.Fatal(err)
		}
		child.Release()
	}
}

// BenchmarkForkAndRun is a fork whose child makes one call.
func BenchmarkForkAndRun(b *testing.B) {
	p := newPlatform(b)
	as := benchSpace(b, p)
	for b.Loop() {
		child, err := as.(platform.Forker).Fork()
		if err != nil {
			b.Fatal(err)
		}
		if err := runOne(p, child); err != nil {
			b.Fatal(err)
		}
		child.Release()
	}
}

// BenchmarkMap is one page mapped and used.
func BenchmarkMap(b *testing.B) {
	p := newPlatform(b)
	fd, _ := memory(b)
	as := benchSpace(b, p)
	ctx := p.NewContext()
	defer ctx.Release()
	var ac arch.Context
	ac.Regs.Rip = codeAddr
	for b.Loop() {
		if err := as.Map(dataPage, pageSize, fd, 0, protRead); err != nil {
			b.Fatal(err)
		}
		if _, err := ctx.Switch(as, &ac); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExec is what execve asks for: the task goes on in a new address space.
func BenchmarkExec(b *testing.B) {
	p := newPlatform(b)
	fd, _ := memory(b)
	as := benchSpace(b, p)
	ctx := p.NewContext()
	defer ctx.Release()
	for b.Loop() {
		next, err := p.NewAddressSpace()
		if err != nil {
			b.Fatal(err)
		}
		if err := next.Map(codeAddr, pageSize, fd, 0, protRead|protExec); err != nil {
			b.Fatal(err)
		}
		as.Release()
		as = next
		var ac arch.Context
		ac.Regs.Rip = codeAddr
		if _, err := ctx.Switch(as, &ac); err != nil {
			b.Fatal(err)
		}
	}
	as.Release()
}
