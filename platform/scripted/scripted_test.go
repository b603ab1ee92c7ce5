package scripted

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

var (
	_ platform.Platform     = (*Platform)(nil)
	_ platform.Context      = (*Context)(nil)
	_ platform.AddressSpace = (*AddressSpace)(nil)
)

func TestScript(t *testing.T) {
	p := New([]Step{
		Call(unix.SYS_WRITE, 1, 0x1000, 5),
		Touch(0x2000, platform.Access{Write: true}),
		Spin(),
		Spin(),
		Call(unix.SYS_EXIT),
	})
	c := p.NewContext()
	as, err := p.NewAddressSpace()
	if err != nil {
		t.Fatal(err)
	}
	var ac arch.Context
	expect := func(want platform.EventKind) platform.Event {
		t.Helper()
		ev, err := c.Switch(as, &ac)
		if err != nil || ev.Kind != want {
			t.Fatalf("event %+v, %v; want kind %d", ev, err, want)
		}
		return ev
	}
	expect(platform.Syscall)
	if args := ac.SyscallArgs(); ac.SyscallNo() != unix.SYS_WRITE || args[0] != 1 || args[2] != 5 {
		t.Errorf("call %d %v", ac.SyscallNo(), args)
	}
	if ev := expect(platform.Fault); ev.Addr != 0x2000 || !ev.Access.Write {
		t.Errorf("fault %+v", ev)
	}
	go c.Interrupt() // during the loop, or before it
	expect(platform.Interrupted)
	c.Interrupt() // before the loop
	expect(platform.Interrupted)
	c.Interrupt()
	c.Interrupt()
	expect(platform.Interrupted)
	expect(platform.Syscall)
	if _, err := c.Switch(as, &ac); err != ErrEnd {
		t.Errorf("at the end: %v", err)
	}
}

func TestAddressSpace(t *testing.T) {
	var s AddressSpace
	steps := []error{
		s.Map(0x1000, 0x3000, 7, 0x4000, 1),
		s.Unmap(0x2000, 0x1000),
		s.Protect(0, 0x10000, 3),
	}
	for i, err := range steps {
		if err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if m, ok := s.At(0x3fff); !ok || m != (Mapping{7, 0x6000, 3}) {
		t.Errorf("at 0x3fff: %+v %v", m, ok)
	}
	if pages := s.Pages(); len(pages) != 2 {
		t.Errorf("pages %#x", pages)
	}
	s.Release()
	if !s.Released() || len(s.Pages()) != 0 {
		t.Error("not released")
	}
}
