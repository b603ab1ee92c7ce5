package profile

import (
	"errors"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/sentry/seccomp"
)

func errno(n uint) *uint { return &n }

// program is p as the sentry has it.
func program(t *testing.T, p *Program) *seccomp.Program {
	t.Helper()
	c, err := seccomp.Parse(p.Code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// small is a profile in the manner of those that engines have.
func small() *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Flags:         []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write", "no_such_call_anywhere", "statx"}, Action: specs.ActAllow},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, Op: specs.OpEqualTo}}},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0xffffffff, Op: specs.OpEqualTo}}},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0x7e020000, ValueTwo: 0, Op: specs.OpMaskedEqual}}},
			{Names: []string{"socket"}, Action: specs.ActErrno, ErrnoRet: errno(22), Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 16, Op: specs.OpEqualTo}, {Index: 2, Value: 9, Op: specs.OpEqualTo}}},
			{Names: []string{"mount"}, Action: specs.ActKillProcess},
			{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: errno(38)},
		},
	}
}

func TestCompile(t *testing.T) {
	p, err := Compile(small())
	if err != nil {
		t.Fatal(err)
	}
	if !p.Log {
		t.Error("the log flag is lost")
	}
	prog := program(t, p)
	deny := func(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }
	for _, c := range []struct {
		name string
		nr   int32
		args [6]uint64
		want uint32
	}{
		{"allowed", unix.SYS_READ, [6]uint64{}, unix.SECCOMP_RET_ALLOW},
		{"default", unix.SYS_REBOOT, [6]uint64{}, deny(unix.EPERM)},
		{"argument", unix.SYS_PERSONALITY, [6]uint64{8}, unix.SECCOMP_RET_ALLOW},
		{"other rule", unix.SYS_PERSONALITY, [6]uint64{0xffffffff}, unix.SECCOMP_RET_ALLOW},
		{"argument that is none", unix.SYS_PERSONALITY, [6]uint64{9}, deny(unix.EPERM)},
		{"masked", unix.SYS_CLONE, [6]uint64{0x11}, unix.SECCOMP_RET_ALLOW},
		{"masked away", unix.SYS_CLONE, [6]uint64{0x10000000}, deny(unix.EPERM)},
		{"both", unix.SYS_SOCKET, [6]uint64{16, 0, 9}, deny(unix.EINVAL)},
		{"one of both", unix.SYS_SOCKET, [6]uint64{16, 0, 8}, deny(unix.EPERM)},
		{"kill", unix.SYS_MOUNT, [6]uint64{}, unix.SECCOMP_RET_KILL_PROCESS},
		{"errno", unix.SYS_CLONE3, [6]uint64{}, deny(unix.ENOSYS)},
		{"newer than the profile", unix.SYS_CLONE3 + 1, [6]uint64{}, deny(unix.ENOSYS)},
	} {
		if got := prog.Run(&seccomp.Data{Nr: c.nr, Arch: seccomp.Arch, Args: c.args}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(*specs.LinuxSeccomp)
	}{
		{"defaultAction", func(p *specs.LinuxSeccomp) { p.DefaultAction = "SCMP_ACT_NICE" }},
		{"defaultAction", func(p *specs.LinuxSeccomp) { p.DefaultErrnoRet = errno(1 << 20) }},
		{"architectures[0]", func(p *specs.LinuxSeccomp) { p.Architectures[0] = "SCMP_ARCH_PDP11" }},
		{"flags[0]", func(p *specs.LinuxSeccomp) { p.Flags[0] = "x" }},
		{"listenerMetadata", func(p *specs.LinuxSeccomp) { p.ListenerMetadata = "x" }},
		{"defaultAction", func(p *specs.LinuxSeccomp) { p.ListenerPath, p.DefaultAction = "/x", specs.ActNotify }},
		{"syscalls[0].names", func(p *specs.LinuxSeccomp) {
			p.ListenerPath, p.Syscalls[0].Names, p.Syscalls[0].Action = "/x", []string{"read", "write"}, specs.ActNotify
		}},
		{"syscalls[0].names", func(p *specs.LinuxSeccomp) { p.Syscalls[0].Names = nil }},
		{"syscalls[0].names[1]", func(p *specs.LinuxSeccomp) { p.Syscalls[0].Names[1] = "" }},
		{"syscalls[0].action", func(p *specs.LinuxSeccomp) { p.Syscalls[0].Action = "" }},
		{"syscalls[0].action", func(p *specs.LinuxSeccomp) { p.Syscalls[0].Action = specs.ActNotify }},
		{"syscalls[1].args[0].index", func(p *specs.LinuxSeccomp) { p.Syscalls[1].Args[0].Index = 6 }},
		{"syscalls[1].args[0].op", func(p *specs.LinuxSeccomp) { p.Syscalls[1].Args[0].Op = "=" }},
	} {
		p := small()
		c.change(p)
		_, err := Compile(p)
		var e *Error
		if !errors.As(err, &e) || e.Field != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

func TestListener(t *testing.T) {
	p := small()
	p.ListenerPath, p.ListenerMetadata = "/x", "meta"
	if out, err := Compile(p); err != nil || out.Listener {
		t.Errorf("a listener for nothing: %v %v", out, err)
	}
	p.Flags = append(p.Flags, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActNotify})
	out, err := Compile(p)
	if err != nil || !out.Listener || !out.Killable {
		t.Fatal(out, err)
	}
	if got := program(t, out).Run(&seccomp.Data{Nr: unix.SYS_MKDIR, Arch: seccomp.Arch}); got != unix.SECCOMP_RET_USER_NOTIF {
		t.Errorf("mkdir: %#x", got)
	}
}
