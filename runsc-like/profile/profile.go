// Package profile turns the seccomp profile of an OCI configuration into the
// program that the sentry runs before each call of the guest.
//
// The program is compiled here, on the host's side, by libseccomp, which knows
// names and architectures; the sentry gets the instructions, and checks them as
// those of a guest (sentry/seccomp).
package profile

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Program is a compiled profile.
type Program struct {
	Code []byte `json:"code"` // struct sock_filter, one after the other
	Log  bool   `json:"log,omitempty"`
	// Listener says that calls are handed to who listens at Profile.ListenerPath,
	// Killable that only signals that kill end such a call once it was taken
	// (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
	Listener bool `json:"listener,omitempty"`
	Killable bool `json:"killable,omitempty"`
}

// Error says which field of linux.seccomp is wrong.
type Error struct{ Field, Why string }

func (e *Error) Error() string { return e.Field + ": " + e.Why }

func errorf(field, format string, args ...any) error {
	return &Error{field, fmt.Sprintf(format, args...)}
}

// Compile compiles p. A call that libseccomp does not know is left out, as other
// runtimes do: profiles name those of many kernels. An error is an *Error.
func Compile(p *specs.LinuxSeccomp) (*Program, error) {
	if p.ListenerPath == "" && p.ListenerMetadata != "" {
		return nil, errorf("listenerMetadata", "there is no listenerPath that it could be for")
	}
	if p.DefaultAction == specs.ActNotify {
		return nil, errorf("defaultAction", "%s is for single calls", p.DefaultAction)
	}
	def, err := action("defaultAction", p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	f, err := seccomp.NewFilter(def)
	if err != nil {
		return nil, errorf("defaultAction", "%v", err)
	}
	defer f.Release()
	out := &Program{}
	for i, flag := range p.Flags {
		switch flag {
		case "SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagSpecAllow:
			// One thread, no mitigations of speculation by the guest's kernel:
			// nothing to do.
		case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
			out.Killable = true
		case specs.LinuxSeccompFlagLog:
			out.Log = true
		default:
			return nil, errorf(fmt.Sprintf("flags[%d]", i), "%q is no flag", flag)
		}
	}
	for i, a := range p.Architectures {
		if err := addArch(f, a); err != nil {
			return nil, errorf(fmt.Sprintf("architectures[%d]", i), "%v", err)
		}
	}
	last := -1
	for i := range p.Syscalls {
		if p.Syscalls[i].Action == specs.ActNotify {
			if p.ListenerPath == "" {
				return nil, errorf(fmt.Sprintf("syscalls[%d].action", i), "%s needs a listenerPath", specs.ActNotify)
			}
			if slices.Contains(p.Syscalls[i].Names, "write") {
				// Other runtimes need it to hand the listener over.
				return nil, errorf(fmt.Sprintf("syscalls[%d].names", i), "%s is not possible for write", specs.ActNotify)
			}
			out.Listener = true
		}
		n, err := addCalls(f, &p.Syscalls[i], fmt.Sprintf("syscalls[%d]", i), def)
		if err != nil {
			return nil, err
		}
		last = max(last, n)
	}
	if out.Code, err = export(f); err != nil {
		return nil, errorf("syscalls", "cannot be compiled: %v", err)
	}
	if denies(def) && last >= 0 {
		out.Code = append(newer(last), out.Code...)
	}
	return out, nil
}

// export returns the program of f. (Older versions of libseccomp write it to
// files only.)
func export(f *seccomp.ScmpFilter) ([]byte, error) {
	fd, err := unix.MemfdCreate("seccomp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "seccomp")
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, 0, 1<<20))
}

// denies reports whether a default says no to calls that the profile's author did
// not know of.
func denies(def seccomp.ScmpAction) bool {
	return def != seccomp.ActAllow && def != seccomp.ActLog
}

// newer returns instructions that answer calls beyond the last one that the
// profile knows with ENOSYS: so programs fall back to older ones, rather than
// fail as forbidden, or die.
func newer(last int) []byte {
	var b []byte
	for _, in := range []struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}{
		{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 0},
		{unix.BPF_JMP | unix.BPF_JGE, 2, 0, x32Bit},
		{unix.BPF_JMP | unix.BPF_JGT, 0, 1, uint32(last)},
		{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	} {
		b = binary.LittleEndian.AppendUint16(b, in.code)
		b = append(b, in.jt, in.jf)
		b = binary.LittleEndian.AppendUint32(b, in.k)
	}
	return b
}

// x32Bit is in the numbers of the x32 calls, which the profile itself answers.
const x32Bit = 0x40000000

// action reads an action. ret is what an errno or a trace gives, EPERM if nil.
func action(field string, a specs.LinuxSeccompAction, ret *uint) (seccomp.ScmpAction, error) {
	data := int16(unix.EPERM)
	if ret != nil {
		const most = 0x7fff
		if *ret > most {
			return 0, errorf(field, "%d is no errno", *ret)
		}
		data = int16(*ret)
	}
	switch a {
	case specs.ActKill, specs.ActKillThread:
		return seccomp.ActKillThread, nil
	case specs.ActKillProcess:
		return seccomp.ActKillProcess, nil
	case specs.ActTrap:
		return seccomp.ActTrap, nil
	case specs.ActErrno:
		return seccomp.ActErrno.SetReturnCode(data), nil
	case specs.ActTrace:
		return seccomp.ActTrace.SetReturnCode(data), nil
	case specs.ActAllow:
		return seccomp.ActAllow, nil
	case specs.ActLog:
		return seccomp.ActLog, nil
	case specs.ActNotify:
		return seccomp.ActNotify, nil
	}
	return 0, errorf(field, "%q is no action", a)
}

// addArch adds an architecture whose calls the profile is for too.
func addArch(f *seccomp.ScmpFilter, a specs.Arch) error {
	name, ok := strings.CutPrefix(string(a), "SCMP_ARCH_")
	if !ok {
		return fmt.Errorf("%q is no architecture", a)
	}
	arch, err := seccomp.GetArchFromString(strings.ToLower(name))
	if err != nil {
		return fmt.Errorf("%q is no architecture", a)
	}
	return f.AddArch(arch)
}

// addCalls adds the rules of s, and returns the highest number of its calls.
func addCalls(f *seccomp.ScmpFilter, s *specs.LinuxSyscall, field string, def seccomp.ScmpAction) (last int, err error) {
	last = -1
	if len(s.Names) == 0 {
		return last, errorf(field+".names", "is empty")
	}
	act, err := action(field+".action", s.Action, s.ErrnoRet)
	if err != nil {
		return last, err
	}
	sets, err := conditions(field, s.Args)
	if err != nil {
		return last, err
	}
	for i, name := range s.Names {
		if name == "" {
			return last, errorf(fmt.Sprintf("%s.names[%d]", field, i), "is empty")
		}
		call, err := seccomp.GetSyscallFromName(name)
		if err != nil {
			continue
		}
		last = max(last, int(call))
		if act == def {
			continue // a rule that says the same is refused by libseccomp
		}
		for _, conds := range sets {
			if err := f.AddRuleConditional(call, act, conds); err != nil {
				return last, errorf(fmt.Sprintf("%s.names[%d]", field, i), "%s: %v", name, err)
			}
		}
	}
	return last, nil
}

// conditions returns the sets of conditions, one of which must hold in full. All
// of args are one set; but where an argument is looked at twice each is a set of
// its own, as other runtimes have it.
func conditions(field string, args []specs.LinuxSeccompArg) ([][]seccomp.ScmpCondition, error) {
	const most = 6 // arguments of a call
	var conds []seccomp.ScmpCondition
	var seen [most]int
	for i, a := range args {
		at := fmt.Sprintf("%s.args[%d]", field, i)
		if a.Index >= most {
			return nil, errorf(at+".index", "%d: a call has %d arguments", a.Index, most)
		}
		c, err := condition(at, a)
		if err != nil {
			return nil, err
		}
		seen[a.Index]++
		conds = append(conds, c)
	}
	if slices.Max(seen[:]) <= 1 {
		return [][]seccomp.ScmpCondition{conds}, nil
	}
	var sets [][]seccomp.ScmpCondition
	for _, c := range conds {
		sets = append(sets, []seccomp.ScmpCondition{c})
	}
	return sets, nil
}

func condition(at string, a specs.LinuxSeccompArg) (seccomp.ScmpCondition, error) {
	var op seccomp.ScmpCompareOp
	values := []uint64{a.Value}
	switch a.Op {
	case specs.OpNotEqual:
		op = seccomp.CompareNotEqual
	case specs.OpLessThan:
		op = seccomp.CompareLess
	case specs.OpLessEqual:
		op = seccomp.CompareLessOrEqual
	case specs.OpEqualTo:
		op = seccomp.CompareEqual
	case specs.OpGreaterEqual:
		op = seccomp.CompareGreaterEqual
	case specs.OpGreaterThan:
		op = seccomp.CompareGreater
	case specs.OpMaskedEqual:
		op, values = seccomp.CompareMaskedEqual, []uint64{a.Value, a.ValueTwo}
	default:
		return seccomp.ScmpCondition{}, errorf(at+".op", "%q is no comparison", a.Op)
	}
	c, err := seccomp.MakeCondition(a.Index, op, values...)
	if err != nil {
		return c, errorf(at, "%v", err)
	}
	return c, nil
}
